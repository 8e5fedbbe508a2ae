# SPDX-License-Identifier: MIT
#
# Every verb a developer needs; `make help` lists them. Each installs what it needs first:
# scripts/install-deps.sh has the packages beside what needs them.

SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

UWSGI   ?= uwsgi
PYTHON  := /usr/bin/python3
DESTDIR ?=
SECONDS ?= 60
MINUTES ?= 30
BUILD   := build
SOURCES := $(wildcard plugin/*/*.c)
HEADERS := $(wildcard include/tracing/*.h plugin/*/*.h)
BRIDGE  := plugin/python/bridge.py

.PHONY: help
help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps-%:
	@scripts/install-deps.sh $*

# --- The plugin ------------------------------------------------------------------------------------

.PHONY: all
all: deps-build tracing_plugin.so ## Build tracing_plugin.so with uWSGI's own builder

# Built elsewhere and moved here: a uWSGI that runs with the old one keeps it whole.
PLUGIN_DIR := $(BUILD)/plugin
tracing_plugin.so: $(SOURCES) $(HEADERS) $(BRIDGE) uwsgiplugin.py
	@mkdir -p $(PLUGIN_DIR)
	cd $(PLUGIN_DIR) && TRACING_CFLAGS="-Werror $(TRACING_CFLAGS)" $(UWSGI) --build-plugin $(CURDIR)
	mv -f $(PLUGIN_DIR)/tracing_plugin.so $@

.PHONY: install
install: all ## Install the plugin where uWSGI looks for plugins (DESTDIR is honoured)
	install -D -m 644 tracing_plugin.so $(DESTDIR)$$($(UWSGI) --cflags | grep -oP 'UWSGI_PLUGIN_DIR="\\"\K[^\\]+')/tracing_plugin.so

.PHONY: demo
demo: deps-build deps-demo tracing_plugin.so ## Run two Django services and show the traces of some requests
	@scripts/demo.sh

# --- Tests -------------------------------------------------------------------------------------------
# The library under test is everything that does not include <uwsgi.h>. One tree of objects for each
# VARIANT: plain, asan (with UBSan), tsan, fuzz (for libFuzzer, which is clang's), bench (optimised as the
# plugin).

VARIANT   ?= plain
OUT       := $(BUILD)/$(VARIANT)
FLAGS_plain := -O1
FLAGS_asan  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_tsan  := -O1 -fsanitize=thread
FLAGS_fuzz  := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
FLAGS_bench := -O2 -fPIC -fvisibility=hidden
LIBS          = thrift_c_glib libcurl libcrypto jansson zlib
LIBS_CFLAGS   = $(shell pkg-config --cflags $(LIBS))
LIBS_LDLIBS   = $(shell pkg-config --libs $(LIBS))
TEST_CFLAGS = -std=gnu11 -D_GNU_SOURCE -g $(FLAGS_$(VARIANT)) -Wall -Wextra -Werror -MMD -MP \
              -Iinclude -Wa,-I$(dir $(BRIDGE)) $(LIBS_CFLAGS)
TEST_LIBS   = $(LIBS_LDLIBS) -lpthread -lm
LIB_OBJ   := $(patsubst %.c,$(OUT)/%.o,$(filter-out $(shell grep -l '<uwsgi.h>' $(SOURCES)),$(SOURCES)))
UNIT      := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/test_*.c))
GEN       := $(OUT)/gen
IDL       := $(addprefix tests/unit/idl/,jaeger.thrift zipkincore.thrift agent.thrift)
GEN_OBJ   := $(addprefix $(GEN)/,jaeger_types.o zipkin_zipkincore_types.o agent_types.o agent.o otlp.pb-c.o)

.PHONY: test
test: deps-build deps-test tracing_plugin.so lint unit e2e ## Run lint, unit and end-to-end tests

$(OUT)/libtracing.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/plugin/%.o: plugin/%.c
	@mkdir -p $(@D)
	@echo '  CC $@'
	@$(CC) $(TEST_CFLAGS) -c $< -o $@
$(OUT)/plugin/python/python.o: $(BRIDGE)

# Generated types of Thrift and protobuf-c decode in the tests what our encoders write. Not our code:
# no warnings.
$(GEN)/made: $(IDL) tests/unit/idl/otlp.proto
	@mkdir -p $(GEN)
	for idl in $(IDL); do thrift --gen c_glib -out $(GEN) $$idl || exit; done
	protoc-c --c_out=$(GEN) -Itests/unit/idl tests/unit/idl/otlp.proto
	@touch $@
$(GEN_OBJ): $(GEN)/%.o: $(GEN)/made
	@$(CC) -std=gnu11 -w -g $(FLAGS_$(VARIANT)) -I$(GEN) $(LIBS_CFLAGS) -c $(GEN)/$*.c -o $@

$(OUT)/unit/%: tests/unit/%.c $(OUT)/libtracing.a $(GEN_OBJ)
	@mkdir -p $(@D)
	@echo '  CC $@'
	@$(CC) $(TEST_CFLAGS) -Itests/unit -isystem $(GEN) $< $(GEN_OBJ) $(OUT)/libtracing.a -o $@ \
	  $(TEST_LIBS) -lcmocka -lprotobuf-c

-include $(wildcard $(OUT)/plugin/*/*.d $(OUT)/unit/*.d $(OUT)/fuzz_*.d)

.PHONY: unit
unit: $(UNIT)
	@failed=0; for t in $(UNIT); do echo "== $$t"; $$t || failed=1; done; exit $$failed

.PHONY: e2e
e2e: tracing_plugin.so
	bats --timing tests/house tests/e2e

.PHONY: lint
lint: ## Check layout, shell scripts, function sizes
	@tests/house/lint.sh

.PHONY: format
format: deps-test ## Lay out all C files
	clang-format -i $(SOURCES) $(HEADERS) $(wildcard tests/*/*.c tests/*/*.h)

# What CI can afford of the end-to-end suite runs with a plugin built with ASan and UBSan, and with TSan
# what is about threads; sanitize-all has the rest.
.PHONY: sanitize
sanitize: deps-build deps-test ## Unit and end-to-end tests under ASan, UBSan and TSan
	$(MAKE) VARIANT=asan unit
	$(MAKE) VARIANT=tsan unit-tsan
	$(MAKE) e2e-asan ROWS="spine context death untouched"
	$(MAKE) e2e-tsan ROWS="spine sampling"

# What is not there, and why:
#   ends         sends a worker two signals at once. uWSGI calls exit() in its signal handler, and a second
#                signal inside exit() then waits for glibc's lock for ever: rare, but not under ASan (one
#                start in ten)
#   failing, clock      preload what must come before a sanitizer's library
#   check, environment  run uWSGI without it
#   examples     starts uWSGI by the example's own words
#   valgrind     is another such tool
#   forks        a child was seen to hang under ASan, presumably for a lock of its allocator; in hundreds of
#                forks without it none ever was
#   ways         compares times of a start and an end with those of no plugin at all, which has no sanitizer
#   table        under TSan: vassals of an emperor end without accounts there, for no reason that is known
#   outage       under TSan: nsenter and unshare, by which it starts uWSGI, crash with its library
.PHONY: sanitize-all
sanitize-all: deps-build deps-test
	$(MAKE) e2e-asan ROWS="spine context death away untouched http response sampling exporters table options slow journal ids outage"
	$(MAKE) e2e-tsan ROWS="spine exporters sampling http slow journal away death"

.PHONY: e2e-asan e2e-tsan
e2e-asan e2e-tsan: e2e-%: $(BUILD)/%/tracing_plugin.so
	E2E_PLUGIN=$(CURDIR)/$< E2E_LD_PRELOAD=$$($(CC) -print-file-name=lib$*.so) $(E2E_OPTIONS_$*) \
	  E2E_DEADLINE=40 bats --timing $(ROWS:%=tests/e2e/%.bats)

# uWSGI, Python and OpenSSL leave memory behind at exit; leaks of ours are found by the unit tests.
E2E_OPTIONS_asan := ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
# uWSGI ends in its signal handlers, through exit() and everybody's destructors.
E2E_OPTIONS_tsan := TSAN_OPTIONS=report_signal_unsafe=0:suppressions=$(CURDIR)/tests/e2e/tsan.supp

# What has threads: the ring, the slots and their watcher, the reporters, the strategies and their poller,
# the set of names.
.PHONY: unit-tsan
unit-tsan: $(filter $(addprefix $(OUT)/unit/test_,control% journal% peek thread watcher reporter% strategies operations sampling_poller),$(UNIT))
	@failed=0; for t in $^; do echo "== $$t"; $$t || failed=1; done; exit $$failed

# How each reporter is joined is nothing that TSan knows.
SHIM_tsan := -include $(CURDIR)/tests/unit/tsan_join.h

# Without -flto: across files TSan's instrumentation brings warnings that no file has.
$(BUILD)/asan/tracing_plugin.so $(BUILD)/tsan/tracing_plugin.so: $(BUILD)/%/tracing_plugin.so: $(SOURCES) $(HEADERS) $(BRIDGE) uwsgiplugin.py
	@mkdir -p $(@D)
	cd $(@D) && TRACING_CFLAGS="-Werror -fno-lto $(FLAGS_$*) $(SHIM_$*)" TRACING_LDFLAGS="$(filter -fsanitize=%,$(FLAGS_$*))" \
	  $(UWSGI) --build-plugin $(CURDIR)

.PHONY: interop
interop: deps-build deps-test deps-interop tracing_plugin.so ## Test against real Jaeger and Zipkin, nginx, PyPI's uWSGI, tracers of others
	bats --timing tests/interop

.PHONY: soak
soak: deps-build deps-test tracing_plugin.so ## Load, kill and reload a server for MINUTES minutes (default 30)
	@mkdir -p $(BUILD)
	@$(CC) -O2 -Wall -Wextra -Werror -o $(BUILD)/load tests/tools/load.c -lpthread
	@$(PYTHON) tests/soak/soak.py --plugin $(CURDIR)/tracing_plugin.so --load $(CURDIR)/$(BUILD)/load \
	  --uwsgi $(UWSGI) --minutes $(MINUTES) $(addprefix --seed ,$(SEED))

# --- Fuzzing and measuring ----------------------------------------------------------------------------

FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: fuzz
fuzz: deps-build deps-fuzz ## Fuzz each parser for SECONDS seconds (default 60)
	@$(MAKE) VARIANT=fuzz CC=clang fuzzers
	@tests/fuzz/run.sh $(BUILD)/fuzz $(SECONDS) $(FUZZERS)

.PHONY: fuzzers
fuzzers: $(FUZZERS:%=$(OUT)/%)

$(OUT)/fuzz_%: tests/fuzz/fuzz_%.c $(OUT)/libtracing.a
	@echo '  CC $@'
	@$(CC) $(TEST_CFLAGS) -fsanitize=fuzzer $< $(OUT)/libtracing.a -o $@ $(TEST_LIBS)

.PHONY: bench
bench: deps-build deps-bench tracing_plugin.so ## Measure: instructions, nanoseconds, server with and without
	@tests/bench/run.sh

.PHONY: bench-gate
bench-gate: deps-build deps-bench tracing_plugin.so ## Fail when an instruction count has grown past its limit
	@tests/bench/run.sh --gate

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD) tracing_plugin.so
