# SPDX-License-Identifier: MIT
#
# Every verb a developer needs; `make help` lists them. Each installs what it needs first
# (scripts/install-deps.sh lists the packages beside what needs them).

SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

UWSGI  ?= uwsgi
PYTHON := /usr/bin/python3
BUILD  := build
DEPS   := scripts/install-deps.sh

# --- The library the tests link: everything but host/, which alone needs uWSGI ----------------------
# One tree of objects for each VARIANT: plain, asan (with UBSan), tsan, bench (optimised, no checks).
VARIANT  ?= plain
SAN_plain := -O1
SAN_asan  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_tsan  := -O1 -fsanitize=thread
SAN_bench := -O2
OUT      := $(BUILD)/$(VARIANT)
WARN     := -Wall -Wextra -Werror
LIB_CFLAGS = -std=gnu11 -D_GNU_SOURCE -g $(SAN_$(VARIANT)) $(WARN) -Iinclude -MMD -MP $(shell pkg-config --cflags thrift_c_glib 2>/dev/null)
LIB_LIBS   = $(shell pkg-config --libs thrift_c_glib 2>/dev/null) -lpthread -lm
LIB_SRC := $(filter-out plugin/host/%,$(wildcard plugin/*/*.c)) $(wildcard plugin/host/packet*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
UNIT    := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/test_*.c))
GEN     := $(OUT)/gen
GEN_OBJ := $(GEN)/jaeger_types.o $(GEN)/agent_types.o $(GEN)/agent.o

.PHONY: all help
all: deps-build tracing_plugin.so ## Build tracing_plugin.so with uWSGI's own builder

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps-build deps-test deps-demo deps-interop deps-bench deps-fuzz
deps-%:
	@$(DEPS) $*

tracing_plugin.so: $(wildcard plugin/*/*.c) $(wildcard include/tracing/*.h) uwsgiplugin.py
	TRACING_CFLAGS="-Werror $(TRACING_CFLAGS)" $(UWSGI) --build-plugin $(CURDIR)

$(OUT)/libtracing.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/plugin/%.o: plugin/%.c
	@mkdir -p $(@D)
	$(CC) $(LIB_CFLAGS) -c $< -o $@

# Thrift's generated types decode in the tests what our encoders write. Not our code: no -Werror.
$(GEN)/%_types.c: tests/unit/idl/%.thrift
	@mkdir -p $(@D)
	thrift --gen c_glib -out $(GEN) $<
$(GEN)/agent.c: $(GEN)/agent_types.c ;
$(GEN)/%.o: $(GEN)/%.c $(GEN)/jaeger_types.c $(GEN)/agent_types.c
	$(CC) -std=gnu11 -g -w $(SAN_$(VARIANT)) -I$(GEN) $(shell pkg-config --cflags thrift_c_glib) -c $< -o $@

$(OUT)/unit/%: tests/unit/%.c $(OUT)/libtracing.a $(GEN_OBJ)
	@mkdir -p $(@D)
	$(CC) $(LIB_CFLAGS) -Itests/unit -isystem $(GEN) $< $(GEN_OBJ) $(OUT)/libtracing.a -o $@ $(LIB_LIBS) -lcmocka -ljansson

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: unit
unit: $(UNIT)
	@fail=0; for t in $(UNIT); do echo "== $$t"; $$t || fail=1; done; exit $$fail

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD) tracing_plugin.so
