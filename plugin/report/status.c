/* SPDX-License-Identifier: MIT
 *
 * The status, from shared memory to JSON. Used by the host, for RPC and for uWSGI's metrics.
 *
 * The instance and each worker are objects of the same shape, so what reads one reads the other. A
 * failed allocation is noted and the rest gone through, so that there is one place where it ends.
 */
#include "tracing/status.h"
#include "tracing/utf8.h"
#include "tracing/version.h"
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#define TEXT_MAX TRC_SETTING_TEXT_MAX /* bytes of a string; the others have less */

#define OF_CORES(name)                                                                             \
    { #name, offsetof(struct trc_accounts, name), false, false }
#define OF_EXPORTER(name)                                                                          \
    { #name, offsetof(struct trc_accounts, name), true, false }

const struct trc_counter trc_counters[] = {
    OF_CORES(started),
    OF_CORES(excluded),
    OF_CORES(sampled),
    OF_CORES(unsampled),
    OF_CORES(recovered),
    OF_CORES(lost),
    OF_CORES(truncated),
    OF_CORES(context_errors),
    OF_CORES(not_injected),
    OF_EXPORTER(exported),
    OF_EXPORTER(failed),
    OF_EXPORTER(too_large),
    OF_EXPORTER(rejected),
    OF_EXPORTER(dropped),
    {"queued", offsetof(struct trc_accounts, queued), true, true},
    OF_EXPORTER(retried),
    OF_EXPORTER(batches),
    OF_EXPORTER(bytes),
    {NULL, 0, false, false},
};

_Static_assert(sizeof(trc_counters) / sizeof(trc_counters[0]) == TRC_COUNTERS + 1, "all of them");

struct writer {
    const struct trc_status *from;
    unsigned workers, exporters;
    bool failed; /* for want of memory */
};

/* --- Values -------------------------------------------------------------------------------- */

static void put(struct writer *w, json_t *object, const char *key, json_t *value) {
    w->failed |= json_object_set_new(object, key, value) != 0;
}

static void append(struct writer *w, json_t *array, json_t *value) {
    w->failed |= json_array_append_new(array, value) != 0;
}

/* Of any bytes; absent is null. */
static json_t *text(struct trc_slice s) {
    char utf8[3 * TEXT_MAX];
    struct trc_buf b = trc_buf_over(utf8, sizeof(utf8));
    if (!s.p)
        return json_null();
    if (s.len > TEXT_MAX)
        s.len = TEXT_MAX;
    trc_utf8_put(&b, s);
    return json_stringn(b.p, b.len);
}

/* --- Counters ------------------------------------------------------------------------------ */

static void put_counters(struct writer *w, json_t *object, const struct trc_accounts *a,
                         bool of_exporter) {
    for (const struct trc_counter *c = trc_counters; c->name; c++)
        if (c->of_exporter == of_exporter)
            put(w, object, c->name, json_integer((json_int_t)trc_counter_get(c, a)));
}

static json_t *exporter(struct writer *w, int worker, unsigned e, const struct trc_accounts *a) {
    char error[TRC_LAST_ERROR_MAX];
    json_t *object = json_object();
    bool any = trc_journal_last_error(w->from->journal, worker, e, error);
    put(w, object, "url", text(trc_slice_of(w->from->exporter[e].url)));
    put_counters(w, object, a, true);
    put(w, object, "last_error", text(trc_slice_of(any ? error : NULL)));
    return object;
}

/* Puts the counters of one worker, or (-1) of all: a[] has them, for each exporter, and when there
 * is none, all but an exporter's. */
static void put_accounts(struct writer *w, json_t *object, int worker,
                         const struct trc_accounts *a) {
    json_t *exporters = json_array();
    put_counters(w, object, &a[0], false);
    for (unsigned e = 0; e < w->exporters; e++)
        append(w, exporters, exporter(w, worker, e, &a[e]));
    put(w, object, "exporters", exporters);
}

/* Both are nothing but counters. */
static void add(struct trc_accounts *sum, const struct trc_accounts *a) {
    const uint64_t *from = (const uint64_t *)a;
    uint64_t *to = (uint64_t *)sum;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += from[i];
}

/* Each worker is looked at once, so that the sums are those of what is shown. */
static json_t *workers(struct writer *w, struct trc_accounts sum[TRC_EXPORTERS_MAX]) {
    struct trc_accounts a[TRC_EXPORTERS_MAX];
    json_t *array = json_array();
    for (unsigned i = 0; i < w->workers; i++) {
        json_t *object = json_object();
        for (unsigned e = 0; e == 0 || e < w->exporters; e++) {
            trc_journal_accounts(w->from->journal, (int)i, e, &a[e]);
            add(&sum[e], &a[e]);
        }
        put(w, object, "worker", json_integer(i + 1));
        put_accounts(w, object, (int)i, a);
        append(w, array, object);
    }
    return array;
}

/* --- Settings ------------------------------------------------------------------------------ */

static json_t *setting(const struct trc_rules *rules, enum trc_setting which) {
    char bytes[TRC_SETTING_TEXT_MAX];
    struct trc_buf b = trc_buf_over(bytes, sizeof(bytes));
    if (which == TRC_SETTING_ENABLED)
        return json_boolean(rules->enabled);
    trc_rules_put(&b, rules, which);
    return text(trc_buf_slice(&b));
}

static json_t *timestamp(uint64_t unix_ns) {
    time_t seconds = (time_t)(unix_ns / 1000000000u);
    struct tm tm;
    char rfc3339[32];
    if (!unix_ns || !gmtime_r(&seconds, &tm))
        return json_null();
    size_t len = strftime(rfc3339, sizeof(rfc3339), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_stringn(rfc3339, len);
}

/* What is in force, and what each was before its last change. */
static void put_rules(struct writer *w, json_t *object) {
    struct trc_control_state state;
    json_t *before = json_object();
    trc_control_read(w->from->control, &state);
    for (unsigned i = 0; i < TRC_SETTING_COUNT; i++) {
        const char *name = trc_setting_names[i].p; /* a literal */
        json_t *change = json_object();
        put(w, object, name, setting(&state.now, i));
        put(w, change, "value", setting(&state.before, i));
        put(w, change, "by", text(trc_changer_names[state.change[i].by]));
        put(w, change, "at", timestamp(state.change[i].at_unix_ns));
        put(w, before, name, change);
    }
    put(w, object, "before", before);
}

static json_t *formats(struct writer *w, const struct trc_format *const *list) {
    json_t *array = json_array();
    for (; *list; list++)
        append(w, array, json_string((*list)->name));
    return array;
}

static json_t *sampling_server(struct writer *w) {
    json_t *object = json_object();
    const struct trc_poll *poll = trc_strategies_poll(w->from->strategies);
    put(w, object, "asked", json_integer((json_int_t)atomic_load(&poll->asked)));
    put(w, object, "failed", json_integer((json_int_t)atomic_load(&poll->failed)));
    return object;
}

/* --- All of it ----------------------------------------------------------------------------- */

static void put_all(struct writer *w, json_t *object) {
    const struct trc_status *s = w->from;
    struct trc_accounts sum[TRC_EXPORTERS_MAX] = {{0}};
    json_t *each = workers(w, sum);
    put(w, object, "version", json_string(TRC_VERSION));
    put(w, object, "service", text(s->service));
    put_rules(w, object);
    put(w, object, "sampling_server", s->strategies ? sampling_server(w) : json_null());
    put(w, object, "extract", formats(w, s->extract));
    put(w, object, "inject", formats(w, s->inject));
    put(w, object, "journal", text(trc_slice_of(s->journal_path)));
    put_accounts(w, object, -1, sum);
    put(w, object, "workers", each);
}

char *trc_status_json(const struct trc_status *s, size_t *len) {
    const struct trc_journal_config *config = trc_journal_config(s->journal);
    struct writer w = {s, config->workers, config->exporters, false};
    json_t *object = json_object();
    put_all(&w, object);
    char *json = w.failed ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (json)
        *len = strlen(json);
    return json;
}
