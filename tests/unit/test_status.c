/* SPDX-License-Identifier: MIT
 *
 * The status: each counter under its name, of each worker and in all; settings and who switched
 * them; whatever bytes are in it, it is JSON; and without memory there is none.
 */
#include "tracing/clock.h"
#include "tracing/status.h"
#include "unit.h"
#include <jansson.h>

#define WORKERS 3
#define EXPORTERS 2

static struct trc_journal *journal;
static struct trc_control *control;
static struct trc_strategies *strategies;
static struct trc_exporter exporters[EXPORTERS];
static const struct trc_format *formats[3];
static struct trc_status status;

static int setup(void **state) {
    (void)state;
    const struct trc_journal_config config = {WORKERS, 2, EXPORTERS, TRC_RING_BYTES_MIN};
    struct trc_rules rules = {.enabled = true};
    assert_int_equal(trc_journal_new(&journal, &config), 0);
    assert_int_equal(trc_sampler_parse(TRC_SLICE("const:1"), &rules.sampler), 0);
    assert_int_equal(trc_control_new(&control, &rules, trc_journal_limiter(journal)), 0);
    assert_int_equal(trc_strategies_new(&strategies, 0.5), 0);
    snprintf(exporters[0].url, sizeof(exporters[0].url), "jaeger+udp://127.0.0.1:6831");
    snprintf(exporters[1].url, sizeof(exporters[1].url), "otlp+http://***@collector:4318");
    formats[0] = trc_format_find(TRC_SLICE("jaeger"));
    formats[1] = trc_format_find(TRC_SLICE("b3"));
    status = (struct trc_status){
        .service = TRC_SLICE("shop"),
        .control = control,
        .exporter = exporters,
        .extract = formats,
        .inject = formats + 1,
        .journal = journal,
    };
    return 0;
}

static int teardown(void **state) {
    (void)state;
    trc_journal_free(journal);
    trc_control_free(control);
    trc_strategies_free(strategies);
    return 0;
}

static json_t *parse(void) {
    size_t len;
    json_error_t error;
    char *text = trc_status_json(&status, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    assert_null(strchr(text, '\n'));
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!root)
        fail_msg("%s", error.text);
    return root;
}

static long long number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("%s is no number", key);
    return json_integer_value(value);
}

static const char *string(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "(not a string)";
}

static const json_t *exporter(const json_t *object, size_t i) {
    return json_array_get(json_object_get(object, "exporters"), i);
}

/* --- Counters ------------------------------------------------------------------------------- */

/* A number for each counter of each worker and exporter that no other one has. */
static uint64_t some(unsigned worker, unsigned exporter, unsigned counter) {
    return UINT64_C(1000000) * (worker + 1) + 10000 * exporter + 10 * counter + 1;
}

static void fill(unsigned worker) {
    struct trc_core_counters *c = &trc_journal_slot(journal, worker, 1)->counters;
    c->started = some(worker, 0, 0);
    c->excluded = some(worker, 0, 1);
    c->sampled = some(worker, 0, 2);
    c->unsampled = some(worker, 0, 3);
    c->truncated = some(worker, 0, 4);
    c->context_errors = some(worker, 0, 5);
    c->not_injected = some(worker, 0, 6);
    c->dropped = 5;
    for (unsigned e = 0; e < EXPORTERS; e++) {
        struct trc_cursor_state s;
        trc_cursor_get(journal, worker, e, &s);
        s.exported = some(worker, e, 7);
        s.failed = some(worker, e, 8);
        s.too_large = some(worker, e, 9);
        s.rejected = some(worker, e, 10);
        s.skipped = some(worker, e, 11);
        s.retried = some(worker, e, 12);
        s.batches = some(worker, e, 13);
        s.bytes = some(worker, e, 14);
        trc_cursor_publish(journal, worker, e, &s);
    }
}

static const char *const names[] = {
    "started",        "excluded",     "sampled",  "unsampled", "truncated",
    "context_errors", "not_injected", "exported", "failed",    "too_large",
    "rejected",       "dropped",      "retried",  "batches",   "bytes",
};
#define OF_EXPORTER 7 /* from here on */
#define DROPPED 11

static void each_counter_of_each_worker_and_their_sums(void **state) {
    (void)state;
    for (unsigned w = 0; w < WORKERS; w++)
        fill(w);
    json_t *root = parse();
    const json_t *workers = json_object_get(root, "workers");
    assert_int_equal(json_array_size(workers), WORKERS);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (unsigned e = 0; e < (i < OF_EXPORTER ? 1 : EXPORTERS); e++) {
            long long sum = 0;
            for (unsigned w = 0; w < WORKERS; w++) {
                const json_t *worker = json_array_get(workers, w);
                const json_t *owner = i < OF_EXPORTER ? worker : exporter(worker, e);
                long long want = (long long)some(w, e, i) + (i == DROPPED ? 5 : 0);
                assert_int_equal(number(worker, "worker"), w + 1);
                assert_int_equal(number(owner, names[i]), want);
                sum += want;
            }
            assert_int_equal(number(i < OF_EXPORTER ? root : exporter(root, e), names[i]), sum);
        }
    }
    json_decref(root);
}

static void queued_recovered_and_lost(void **state) {
    (void)state;
    struct trc_slot *slot = trc_journal_slot(journal, 1, 0);
    struct trc_span *span = trc_slot_fresh(slot);
    void *room;
    trc_span_clear(span);
    trc_slot_open(slot);
    assert_int_not_equal(trc_journal_reserve_mp(journal, 1, 256, &room), TRC_POS_NONE);
    assert_int_equal(trc_journal_recover(journal, 1, trc_clock_mono_ns()), 1);
    json_t *root = parse();
    const json_t *worker = json_array_get(json_object_get(root, "workers"), 1);
    const json_t *other = json_array_get(json_object_get(root, "workers"), 0);
    assert_int_equal(number(root, "recovered"), 1);
    assert_int_equal(number(worker, "recovered"), 1);
    assert_int_equal(number(other, "recovered"), 0);
    assert_int_equal(number(root, "lost"), 1);
    assert_int_equal(number(worker, "lost"), 1);
    assert_int_equal(number(exporter(root, 1), "queued"), 1);
    assert_int_equal(number(exporter(worker, 1), "queued"), 1);
    assert_int_equal(number(exporter(other, 1), "queued"), 0);
    json_decref(root);
}

static void without_an_exporter_the_cores_are_counted_all_the_same(void **state) {
    (void)state;
    const struct trc_journal_config config = {1, 1, 0, TRC_RING_BYTES_MIN};
    trc_journal_free(journal);
    assert_int_equal(trc_journal_new(&journal, &config), 0);
    status.journal = journal;
    trc_journal_slot(journal, 0, 0)->counters.started = 7;
    json_t *root = parse();
    assert_int_equal(number(root, "started"), 7);
    assert_int_equal(json_array_size(json_object_get(root, "exporters")), 0);
    json_decref(root);
}

static void last_errors(void **state) {
    (void)state;
    trc_journal_note_error(journal, 2, 1, "answered 401: no \"such\" token\\");
    json_t *root = parse();
    const json_t *workers = json_object_get(root, "workers");
    assert_string_equal(string(exporter(root, 0), "url"), exporters[0].url);
    assert_string_equal(string(exporter(root, 1), "url"), exporters[1].url);
    assert_true(json_is_null(json_object_get(exporter(root, 0), "last_error")));
    assert_string_equal(string(exporter(root, 1), "last_error"),
                        "answered 401: no \"such\" token\\");
    assert_string_equal(string(exporter(json_array_get(workers, 2), 1), "last_error"),
                        "answered 401: no \"such\" token\\");
    assert_true(
        json_is_null(json_object_get(exporter(json_array_get(workers, 0), 1), "last_error")));
    json_decref(root);
}

/* --- Settings ------------------------------------------------------------------------------- */

static void settings_as_configured(void **state) {
    (void)state;
    status.journal_path = "/var/lib/shop/journal";
    json_t *root = parse();
    const json_t *before = json_object_get(json_object_get(root, "before"), "sampler");
    assert_string_equal(string(root, "service"), "shop");
    assert_true(json_is_true(json_object_get(root, "enabled")));
    assert_string_equal(string(root, "sampler"), "const:1");
    assert_string_equal(string(root, "exclude"), "none");
    assert_string_equal(string(root, "journal"), "/var/lib/shop/journal");
    assert_true(json_is_null(json_object_get(root, "sampling_server")));
    assert_string_equal(string(before, "value"), "const:1");
    assert_string_equal(string(before, "by"), "option");
    assert_true(json_is_null(json_object_get(before, "at")));
    const json_t *extract = json_object_get(root, "extract"),
                 *inject = json_object_get(root, "inject");
    assert_int_equal(json_array_size(extract), 2);
    assert_int_equal(json_array_size(inject), 1);
    assert_string_equal(json_string_value(json_array_get(extract, 0)), "jaeger");
    assert_string_equal(json_string_value(json_array_get(inject, 0)), "b3");
    json_decref(root);
}

static void settings_switched(void **state) {
    (void)state;
    struct trc_change change = {0};
    const char *allowed;
    char rfc3339[32];
    time_t now = time(NULL);
    assert_int_equal(trc_change_set(&change, control, TRC_SETTING_SAMPLER,
                                    TRC_SLICE("probabilistic:0.25"), &allowed),
                     0);
    assert_int_equal(trc_control_apply(control, &change, TRC_CHANGER_RPC, NULL), 0);
    bool on;
    assert_int_equal(trc_control_toggle(control, TRC_CHANGER_FIFO, &on), 0);
    json_t *root = parse();
    const json_t *before = json_object_get(root, "before");
    const json_t *sampler = json_object_get(before, "sampler");
    const json_t *enabled = json_object_get(before, "enabled");
    assert_string_equal(string(root, "sampler"), "probabilistic:0.25");
    assert_string_equal(string(sampler, "value"), "const:1");
    assert_string_equal(string(sampler, "by"), "rpc");
    strftime(rfc3339, sizeof(rfc3339), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    assert_memory_equal(string(sampler, "at"), rfc3339, sizeof("2025-01-01T00:") - 1);
    assert_true(json_is_false(json_object_get(root, "enabled")));
    assert_true(json_is_true(json_object_get(enabled, "value")));
    assert_string_equal(string(enabled, "by"), "fifo");
    assert_string_equal(string(json_object_get(before, "exclude"), "by"), "option");
    json_decref(root);
}

static void sampling_server(void **state) {
    (void)state;
    status.strategies = strategies;
    trc_strategies_poll(strategies)->asked = 12;
    trc_strategies_poll(strategies)->failed = 3;
    json_t *root = parse();
    const json_t *server = json_object_get(root, "sampling_server");
    assert_int_equal(number(server, "asked"), 12);
    assert_int_equal(number(server, "failed"), 3);
    json_decref(root);
}

/* --- Whatever is in it ---------------------------------------------------------------------- */

static void bytes_that_are_no_text(void **state) {
    (void)state;
    static char long_name[TRC_SETTING_TEXT_MAX + 100];
    status.service = (struct trc_slice){
        "a\xff\"\n\x7f"
        "b",
        6};
    json_t *root = parse();
    const json_t *service = json_object_get(root, "service");
    assert_int_equal(json_string_length(service), 8); /* U+FFFD has three bytes */
    assert_memory_equal(json_string_value(service),
                        "a\xef\xbf\xbd\"\n\x7f"
                        "b",
                        8);
    json_decref(root);
    memset(long_name, 0xff, sizeof(long_name));
    status.service = (struct trc_slice){long_name, sizeof(long_name)};
    root = parse();
    assert_int_equal(json_string_length(json_object_get(root, "service")),
                     3 * TRC_SETTING_TEXT_MAX);
    json_decref(root);
}

static unsigned allocations_left;

static void *scarce(size_t size) {
    return allocations_left-- ? malloc(size) : NULL;
}

static void without_memory_there_is_none(void **state) {
    (void)state;
    unsigned failures = 0;
    char *text = NULL;
    status.strategies = strategies;
    json_set_alloc_funcs(scarce, free);
    for (unsigned first = 0; !text && first < 100000; first++) {
        size_t len;
        allocations_left = first; /* once: the next one after it succeeds again */
        text = trc_status_json(&status, &len);
        failures += !text;
    }
    json_set_alloc_funcs(malloc, free);
    assert_non_null(text);
    assert_true(failures > 100);
    free(text);
    json_t *root = parse();
    json_decref(root);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_counter_of_each_worker_and_their_sums),
        TEST(queued_recovered_and_lost),
        TEST(without_an_exporter_the_cores_are_counted_all_the_same),
        TEST(last_errors),
        TEST(settings_as_configured),
        TEST(settings_switched),
        TEST(sampling_server),
        TEST(bytes_that_are_no_text),
        TEST(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
