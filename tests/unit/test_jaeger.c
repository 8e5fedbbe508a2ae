/* SPDX-License-Identifier: MIT
 *
 * The Jaeger encoders: golden bytes, what Thrift's own decoder makes of whole messages, and limits.
 */
#include "spans.h"
#include "tracing/encoder.h"
#include "tracing/version.h"
#include "unit.h"

#include "../../plugin/encode/events.h"
#include "../../plugin/encode/jaeger_internal.h"
#include "thrift_read.h"

/* The three there are. */
static const struct form {
    const struct trc_encoder_ops *ops;
    bool compact, bare;
    const char *golden;
} forms[] = {
    {&trc_encoder_jaeger_compact, true, false, "jaeger-compact-oneway.hex"},
    {&trc_encoder_jaeger_binary, false, false, "jaeger-binary-oneway.hex"},
    {&trc_encoder_jaeger_batch, false, true, "jaeger-http-batch.hex"},
    {NULL, false, false, NULL},
};

/* --- Golden bytes ----------------------------------------------------------------------------- */

/* Reads golden/<name>, beside this file: hex digits and a newline. Returns how many bytes. */
static size_t golden(const char *name, char *out, size_t cap) {
    char path[512];
    unsigned byte;
    size_t len = 0;

    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof(path), "%.*s/golden/%s", (int)(slash - __FILE__), __FILE__, name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    while (len < cap && fscanf(f, "%2x", &byte) == 1)
        out[len++] = (char)byte;
    fclose(f);
    return len;
}

/* The batch of golden/README.md, as a message in `out`. Times get what a floor takes off again. */
static size_t golden_message(const struct form *form, char *out) {
    static const struct trc_attribute_key keys[] = {
        {TRC_SLICE("d"), TRC_ATTR_DOUBLE, {NULL, 0}},
        {TRC_SLICE("error"), TRC_ATTR_BOOL, {NULL, 0}},
        {TRC_SLICE("http.status_code"), TRC_ATTR_INT, {NULL, 0}},
        {TRC_SLICE("span.kind"), TRC_ATTR_STRING, {NULL, 0}},
    };
    const struct trc_jaeger_tag process = {
        .key = TRC_SLICE("ip"), .type = TRC_ATTR_STRING, .s = TRC_SLICE("127.0.0.1")};
    const struct trc_jaeger_setup setup = {.compact = form->compact,
                                           .bare = form->bare,
                                           .max_bytes = 1000,
                                           .service = TRC_SLICE("svc"),
                                           .process = &process,
                                           .process_count = 1,
                                           .keys = keys,
                                           .key_count = 4};
    const struct trc_attribute list[] = {{.key = 3, .s = TRC_SLICE("server")},
                                         {.key = 2, .i = 200},
                                         {.key = 1, .i = 1},
                                         {.key = 0, .d = 0.5}};
    const struct trc_client_stats stats = {0, 0, 0};
    struct trc_encoder *e = trc_jaeger_make(&setup);
    struct trc_span span;

    assert_non_null(e);
    trc_span_clear(&span);
    span.trace_lo = UINT64_C(0x5af7183fb1d4cf5f);
    span.span_id = UINT64_C(0xff00000000000001);
    span.flags = TRC_FLAG_SAMPLED;
    span.start_unix_ns = UINT64_C(1556604172355737999);
    span.duration_ns = 1431999;
    spans_set(&span, TRC_STR_NAME, "GET");
    assert_int_equal(trc_jaeger_add(e, &span, list, 4), 0);
    const struct trc_slice message = form->ops->finish(e, 1, &stats);
    memcpy(out, message.p, message.len);
    form->ops->drop(e);
    return message.len;
}

static void bytes_are_golden(void **state) {
    char want[1000], got[1000];
    size_t want_len;

    (void)state;
    for (const struct form *form = forms; form->ops; form++) {
        want_len = golden(form->golden, want, sizeof(want));
        assert_int_equal(golden_message(form, got), want_len);
        assert_memory_equal(got, want, want_len);
    }

    /* As a call it is the same but for the type, in byte 1. */
    want_len = golden("jaeger-compact-call.hex", want, sizeof(want));
    golden_message(&forms[0], got);
    got[1] = 0x21;
    assert_memory_equal(got, want, want_len);
}

/* --- Whole messages --------------------------------------------------------------------------- */

static const struct trc_tag tags[] = {{TRC_SLICE("region"), TRC_SLICE("eu-west-1")},
                                      {TRC_SLICE("bad\xff"), TRC_SLICE("caf\xe9")},
                                      {TRC_SLICE("empty"), TRC_SLICE("")}};
static const struct trc_resource resource = {.service = TRC_SLICE("caf\xc3\xa9 \xff"),
                                             .tags = tags,
                                             .tag_count = 3,
                                             .hostname = TRC_SLICE("web-1"),
                                             .ip = TRC_SLICE("192.0.2.1"),
                                             .client_uuid = UINT64_C(0x00c0ffee12345678),
                                             .pid = 4711};

static void check_string(const Tag *tag, const char *key, const char *value) {
    assert_string_equal(tag->key, key);
    assert_int_equal(tag->vType, TAG_TYPE_STRING);
    assert_true(tag->__isset_vStr && !tag->__isset_vBool && !tag->__isset_vLong);
    assert_true(!tag->__isset_vDouble && !tag->__isset_vBinary);
    assert_string_equal(tag->vStr, value);
}

static void check_attribute(const Tag *tag, const struct trc_attribute *a) {
    if (a->key == TRC_ATTR_NAMED) {
        check_string(tag, clean(a->name), clean(a->s));
        return;
    }
    const struct trc_attribute_key *key = &trc_attribute_keys[a->key];
    if (key->type == TRC_ATTR_STRING) {
        check_string(tag, clean(key->name), clean(a->s));
        return;
    }
    assert_string_equal(tag->key, clean(key->name));
    assert_false(tag->__isset_vStr || tag->__isset_vBinary);
    assert_int_equal(tag->__isset_vLong, key->type == TRC_ATTR_INT);
    assert_int_equal(tag->__isset_vBool, key->type == TRC_ATTR_BOOL);
    assert_int_equal(tag->__isset_vDouble, key->type == TRC_ATTR_DOUBLE);
    if (key->type == TRC_ATTR_INT) {
        assert_int_equal(tag->vType, TAG_TYPE_LONG);
        assert_true(tag->vLong == a->i);
    } else if (key->type == TRC_ATTR_BOOL) {
        assert_int_equal(tag->vType, TAG_TYPE_BOOL);
        assert_int_equal(tag->vBool, a->i);
    } else {
        assert_int_equal(tag->vType, TAG_TYPE_DOUBLE);
        assert_memory_equal(&tag->vDouble, &a->d, sizeof(a->d));
    }
}

static void check_link(const Span *got, const struct trc_span *want) {
    assert_int_equal(got->__isset_references, want->link_span_id != 0);
    if (!got->__isset_references)
        return;
    assert_int_equal(got->references->len, 1);
    const SpanRef *ref = g_ptr_array_index(got->references, 0);
    assert_int_equal(ref->refType, SPAN_REF_TYPE_FOLLOWS_FROM);
    assert_true(ref->traceIdLow == (int64_t)want->link_trace_lo);
    assert_true(ref->traceIdHigh == (int64_t)want->link_trace_hi);
    assert_true(ref->spanId == (int64_t)want->link_span_id);
}

/* The attributes, and what Jaeger wants to know from tags whatever the names are. */
static void check_tags(const GPtrArray *tags, const struct trc_span *want,
                       enum trc_semconv semconv) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_attributes(want, semconv, list);
    const struct trc_slice state = trc_span_get(want, TRC_STR_STATE);
    const bool opentracing = semconv & TRC_SEMCONV_OPENTRACING;
    unsigned at = 0;

    if (!opentracing && want->kind == TRC_KIND_SERVER)
        check_string(g_ptr_array_index(tags, at++), "span.kind", "server");
    for (unsigned i = 0; i < count; i++)
        check_attribute(g_ptr_array_index(tags, at++), &list[i]);
    if (!opentracing && want->error) {
        const Tag *tag = g_ptr_array_index(tags, at++);
        assert_string_equal(tag->key, "error");
        assert_true(tag->vType == TAG_TYPE_BOOL && tag->__isset_vBool && tag->vBool);
    }
    if (state.p)
        check_string(g_ptr_array_index(tags, at++), "w3c.tracestate", clean(state));
    assert_int_equal(tags->len, at);
}

static void check_logs(const Span *got, const struct trc_span *want, enum trc_semconv semconv) {
    struct trc_event event = {.count = 0};
    unsigned at = 0;

    assert_int_equal(got->__isset_logs, want->event_count != 0);
    if (!got->__isset_logs)
        return;
    while (trc_event_next(want, semconv, &event)) {
        const Log *log = g_ptr_array_index(got->logs, at++);
        assert_true(log->timestamp == (int64_t)(event.unix_ns / 1000));
        assert_int_equal(log->fields->len, 1 + event.count);
        check_string(g_ptr_array_index(log->fields, 0), "event", clean(event.name));
        for (unsigned i = 0; i < event.count; i++)
            check_attribute(g_ptr_array_index(log->fields, 1 + i), &event.attributes[i]);
    }
    assert_int_equal(got->logs->len, at);
}

static void check_span(const Span *got, const struct trc_span *want, enum trc_semconv semconv) {
    const struct trc_slice name = trc_span_get(want, TRC_STR_NAME);

    assert_true(got->traceIdLow == (int64_t)want->trace_lo);
    assert_true(got->traceIdHigh == (int64_t)want->trace_hi);
    assert_true(got->spanId == (int64_t)want->span_id);
    assert_true(got->parentSpanId == (int64_t)want->parent_id);
    assert_string_equal(got->operationName, name.p ? clean(name) : "HTTP");
    assert_int_equal(got->flags, want->flags & (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG));
    assert_true(got->startTime == (int64_t)(want->start_unix_ns / 1000));
    assert_true(got->duration == (int64_t)(want->duration_ns / 1000));
    check_link(got, want);
    check_logs(got, want, semconv);
    assert_true(got->__isset_tags);
    check_tags(got->tags, want, semconv);
}

static void check_process(const Process *process) {
    static const char *const strings[][2] = {{"jaeger.version", "uwsgi-tracing-" TRC_VERSION},
                                             {"hostname", "web-1"},
                                             {"ip", "192.0.2.1"},
                                             {"client-uuid", "00c0ffee12345678"},
                                             {NULL, NULL}, /* process.pid */
                                             {"region", "eu-west-1"},
                                             {"bad\xef\xbf\xbd", "caf\xef\xbf\xbd"},
                                             {"empty", ""}};

    assert_string_equal(process->serviceName, "caf\xc3\xa9 \xef\xbf\xbd");
    assert_true(process->__isset_tags);
    assert_int_equal(process->tags->len, 8);
    for (unsigned i = 0; i < 8; i++) {
        const Tag *tag = g_ptr_array_index(process->tags, i);
        if (strings[i][0]) {
            check_string(tag, strings[i][0], strings[i][1]);
        } else {
            assert_string_equal(tag->key, "process.pid");
            assert_int_equal(tag->vType, TAG_TYPE_LONG);
            assert_true(tag->__isset_vLong && tag->vLong == 4711);
        }
    }
}

/* The Batch in `message`, to be unref'd, and its seqid. Thrift, told to write what it read, writes
 * the same bytes. */
static Batch *read_batch(const struct form *form, struct trc_slice message, int32_t *seqid) {
    if (form->bare) {
        Batch *batch = g_object_new(TYPE_BATCH, NULL);
        thrift_read(form->compact, NULL, message, batch, seqid);
        thrift_check_written(form->compact, NULL, message, batch, *seqid);
        return batch;
    }
    AgentEmitBatchArgs *args = g_object_new(TYPE_AGENT_EMIT_BATCH_ARGS, NULL);
    thrift_read(form->compact, "emitBatch", message, args, seqid);
    thrift_check_written(form->compact, "emitBatch", message, args, *seqid);
    Batch *batch = g_object_ref(args->batch);
    g_object_unref(args);
    return batch;
}

/* Decodes `message` and compares everything with what it was made of. */
static void check_message(const struct form *form, struct trc_slice message,
                          const struct trc_span *spans, unsigned count, enum trc_semconv semconv,
                          uint64_t sequence, const struct trc_client_stats *stats) {
    int32_t seqid = (int32_t)(uint32_t)sequence;
    Batch *batch = read_batch(form, message, &seqid);

    assert_int_equal(seqid, (int32_t)(uint32_t)sequence);
    check_process(batch->process);
    assert_int_equal(batch->spans->len, count);
    for (unsigned i = 0; i < count; i++)
        check_span(g_ptr_array_index(batch->spans, i), &spans[i], semconv);
    assert_true(batch->__isset_seqNo && batch->seqNo == (int64_t)sequence);
    assert_true(batch->__isset_stats);
    assert_true(batch->stats->fullQueueDroppedSpans == (int64_t)stats->full_queue);
    assert_true(batch->stats->tooLargeDroppedSpans == (int64_t)stats->too_large);
    assert_true(batch->stats->failedToEmitSpans == (int64_t)stats->failed);
    g_object_unref(batch);
}

static void any_spans_are_read_back(void **state) {
    static const unsigned counts[] = {1, 2, 14, 15, 16, 127, 128, 129, 500, 2000};
    static struct trc_span spans[2000];
    struct trc_random random = {{5, 6, 7, 8}};

    (void)state;
    for (unsigned round = 0; round < 3 * sizeof(counts) / sizeof(counts[0]); round++) {
        const struct form *form = &forms[round % 3];
        const unsigned count = counts[round / 3];
        const enum trc_semconv semconv = (enum trc_semconv)(1 + (round + count) % 3);
        const struct trc_encoder_config config = {&resource, semconv, 40000000};
        const struct trc_client_stats stats = {spans_random_number(&random) >> 1,
                                               spans_random_number(&random) >> 1,
                                               spans_random_number(&random) >> 1};
        const uint64_t sequence = spans_random_number(&random) >> 1;
        struct trc_encoder *e = form->ops->make(&config);

        assert_non_null(e);
        for (unsigned i = 0; i < count; i++) {
            spans_random(&random, &spans[i]);
            spans_random_claims(&random, &spans[i]);
            assert_int_equal(form->ops->add(e, &spans[i]), 0);
        }
        check_message(form, form->ops->finish(e, sequence, &stats), spans, count, semconv, sequence,
                      &stats);
        form->ops->drop(e);
    }
}

/* Each number at each edge of its varint, in every place a number has. */
static void numbers_at_their_edges(void **state) {
    const struct trc_encoder_config config = {&resource, TRC_SEMCONV_HTTP, 65000};
    struct trc_span span;

    (void)state;
    for (const struct form *form = forms; form->ops; form++) {
        struct trc_encoder *e = form->ops->make(&config);
        assert_non_null(e);
        for (unsigned i = 0; i < 64 * 3; i++) {
            const uint64_t v = (UINT64_C(1) << (i / 3)) + i % 3 - 1; /* 2^n - 1, 2^n, 2^n + 1 */
            const struct trc_client_stats stats = {v, v >> 1, v >> 2};
            spans_usual(&span);
            span.trace_lo = v;
            span.trace_hi = v << 1;
            span.span_id = ~v;
            span.parent_id = v >> 1;
            span.link_trace_lo = v >> 2;
            span.link_trace_hi = ~v;
            span.link_span_id = v;
            span.start_unix_ns = v;
            span.duration_ns = v >> 3;
            span.response_bytes = v;
            assert_int_equal(form->ops->add(e, &span), 0);
            check_message(form, form->ops->finish(e, v, &stats), &span, 1, TRC_SEMCONV_HTTP, v,
                          &stats);
        }
        form->ops->drop(e);
    }
}

/* The longest strings there can be, each byte of which grows to three, and a NUL inside one. */
static void long_and_odd_strings(void **state) {
    const struct trc_client_stats stats = {0, 0, 0};
    struct trc_span span;
    char text[TRC_SPAN_ARENA];

    (void)state;
    memset(text, 0xff, sizeof(text));
    for (const struct form *form = forms; form->ops; form++) {
        const struct trc_encoder_config config = {&resource, TRC_SEMCONV_HTTP_DUP, 1000000};
        struct trc_encoder *e = form->ops->make(&config);
        assert_non_null(e);
        spans_largest(&span, text);
        assert_int_equal(form->ops->add(e, &span), 0);
        check_message(form, form->ops->finish(e, 1, &stats), &span, 1, TRC_SEMCONV_HTTP_DUP, 1,
                      &stats);

        trc_span_clear(&span);
        trc_span_set(&span, TRC_STR_NAME, (struct trc_slice){"a\0b", 3}, TRC_SPAN_TEXT_MAX);
        assert_int_equal(form->ops->add(e, &span), 0);
        const struct trc_slice message = form->ops->finish(e, 2, &stats);
        assert_non_null(memmem(message.p, message.len,
                               "\x03"
                               "a\0b",
                               4));
        form->ops->drop(e);
    }
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Fills messages of every size, and finds each at most that long and in order, whether or not a
 * span was refused meanwhile. */
static void no_message_is_too_long(void **state) {
    static struct trc_span spans[400];
    const struct trc_client_stats stats = {UINT64_MAX >> 1, 0, 3};
    struct trc_random random = {{9, 9, 9, 9}};

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        const struct form *form = &forms[round % 3];
        const size_t max = round < 50 ? 1500 + 97 * round : 65000;
        const unsigned adds = round < 50 ? 60 : 400;
        const struct trc_encoder_config config = {&resource, TRC_SEMCONV_OPENTRACING, max};
        struct trc_encoder *e = form->ops->make(&config);
        unsigned count = 0, refused = 0;
        uint64_t sequence = UINT32_MAX - 5 + round;

        assert_non_null(e);
        for (unsigned i = 0; i < adds; i++) {
            spans_random(&random, &spans[count]);
            spans_random_claims(&random, &spans[count]);
            int rc = form->ops->add(e, &spans[count]);
            if (rc == 0) {
                count++;
                continue;
            }
            if (rc == -EMSGSIZE) { /* nothing is in the way of it but itself */
                refused++;
                continue;
            }
            assert_int_equal(rc, -ENOSPC);
            assert_true(count > 0);
            const struct trc_slice message = form->ops->finish(e, ++sequence, &stats);
            assert_true(message.len <= max);
            check_message(form, message, spans, count, TRC_SEMCONV_OPENTRACING, sequence, &stats);
            spans[0] = spans[count];
            assert_int_equal(form->ops->add(e, &spans[0]), 0);
            count = 1;
        }
        assert_true(refused < adds);
        form->ops->drop(e);
    }
}

/* The largest span, behind a message that has no more room: refused, and written to no memory that
 * is not the encoder's (a sanitizer looks). */
static void the_largest_span_behind_a_full_message(void **state) {
    const struct trc_encoder_config config = {&resource, TRC_SEMCONV_HTTP_DUP, 65000};
    const struct trc_client_stats stats = {0, 0, 0};
    struct trc_span usual, largest;
    char text[TRC_SPAN_ARENA];

    (void)state;
    memset(text, 0xff, sizeof(text));
    spans_largest(&largest, text);
    spans_usual(&usual);
    for (const struct form *form = forms; form->ops; form++) {
        struct trc_encoder *e = form->ops->make(&config);
        assert_non_null(e);
        while (form->ops->add(e, &usual) == 0)
            ;
        assert_int_equal(form->ops->add(e, &largest), -EMSGSIZE);
        assert_true(form->ops->finish(e, 1, &stats).len <= 65000);
        form->ops->drop(e);
    }
}

/* By how little a span is too large: make the limit smaller until it is refused. */
static void a_span_that_fits_nowhere(void **state) {
    const struct trc_client_stats stats = {0, 0, 0};
    struct trc_span small, large;

    (void)state;
    spans_usual(&small);
    spans_usual(&large);
    spans_set(&large, TRC_STR_APP, "a mountpoint of some length");
    for (const struct form *form = forms; form->ops; form++)
        for (size_t max = form->compact ? 900 : 1300;; max--) {
            const struct trc_encoder_config config = {&resource, TRC_SEMCONV_OPENTRACING, max};
            struct trc_encoder *e = form->ops->make(&config);
            assert_non_null(e);
            const int alone = form->ops->add(e, &large);
            if (alone == 0) {
                assert_int_equal(form->ops->add(e, &large), -ENOSPC);
                check_message(form, form->ops->finish(e, 1, &stats), &large, 1,
                              TRC_SEMCONV_OPENTRACING, 1, &stats);
                form->ops->drop(e);
                continue;
            }
            assert_int_equal(alone, -EMSGSIZE);
            assert_int_equal(form->ops->add(e, &small), 0);
            assert_int_equal(form->ops->add(e, &large), -EMSGSIZE); /* and not -ENOSPC */
            check_message(form, form->ops->finish(e, 1, &stats), &small, 1, TRC_SEMCONV_OPENTRACING,
                          1, &stats);
            form->ops->drop(e);
            break;
        }
}

static void a_resource_that_does_not_fit(void **state) {
    (void)state;
    for (const struct form *form = forms; form->ops; form++) {
        bool made = false;
        for (size_t max = 0; max < 1000; max++) {
            const struct trc_encoder_config config = {&resource, TRC_SEMCONV_OPENTRACING, max};
            struct trc_encoder *e = form->ops->make(&config);
            assert_true(e || !made); /* from some limit on it fits, and below it does not */
            made = e != NULL;
            form->ops->drop(e);
        }
        assert_true(made);
    }
}

/* Of a resource with nothing but a name, and of one whose tags say what we would say. */
static void resources(void **state) {
    static const struct trc_tag own[] = {{TRC_SLICE("hostname"), TRC_SLICE("mine")},
                                         {TRC_SLICE("process.pid"), TRC_SLICE("one")}};
    const struct trc_resource bare = {.service = TRC_SLICE("s")};
    const struct trc_resource owned = {.service = TRC_SLICE("s"),
                                       .tags = own,
                                       .tag_count = 2,
                                       .hostname = TRC_SLICE("web-1"),
                                       .client_uuid = UINT64_MAX};
    const struct trc_client_stats stats = {0, 0, 0};
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    for (const struct form *form = forms; form->ops; form++)
        for (int which = 0; which < 2; which++) {
            const struct trc_encoder_config config = {which ? &owned : &bare, TRC_SEMCONV_HTTP,
                                                      65000};
            struct trc_encoder *e = form->ops->make(&config);
            int32_t seqid;
            assert_non_null(e);
            assert_int_equal(form->ops->add(e, &span), 0);
            Batch *batch = read_batch(form, form->ops->finish(e, 7, &stats), &seqid);
            const GPtrArray *list = batch->process->tags;
            check_string(g_ptr_array_index(list, 0), "jaeger.version",
                         "uwsgi-tracing-" TRC_VERSION);
            check_string(g_ptr_array_index(list, 1), "client-uuid",
                         which ? "ffffffffffffffff" : "0000000000000000");
            if (which) {
                assert_int_equal(list->len, 4);
                check_string(g_ptr_array_index(list, 2), "hostname", "mine");
                check_string(g_ptr_array_index(list, 3), "process.pid", "one");
            } else {
                assert_int_equal(list->len, 3); /* and the pid */
            }
            g_object_unref(batch);
            form->ops->drop(e);
        }
    trc_encoder_jaeger_compact.drop(NULL);
}

/* A key no prefix has room for, or more keys than there can be: no encoder. */
static void keys_out_of_bounds(void **state) {
    static struct trc_attribute_key keys[TRC_ATTR_KEYS_MAX + 1];
    static char name[TRC_THRIFT_PREFIX_MAX + 1];
    struct trc_jaeger_setup setup = {.max_bytes = 65000, .service = TRC_SLICE("s"), .keys = keys};

    (void)state;
    memset(name, 'k', sizeof(name));
    for (unsigned i = 0; i <= TRC_ATTR_KEYS_MAX; i++)
        keys[i].name = TRC_SLICE("k");
    for (const struct form *form = forms; form->ops; form++) {
        setup.compact = form->compact;
        setup.bare = form->bare;
        setup.key_count = TRC_ATTR_KEYS_MAX + 1;
        assert_null(trc_jaeger_make(&setup));
        setup.key_count = 1;
        keys[0].name = (struct trc_slice){name, sizeof(name)};
        assert_null(trc_jaeger_make(&setup));
        keys[0].name = TRC_SLICE("k");
        struct trc_encoder *e = trc_jaeger_make(&setup);
        assert_non_null(e);
        trc_encoder_jaeger_binary.drop(e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_golden),
        cmocka_unit_test(any_spans_are_read_back),
        cmocka_unit_test(numbers_at_their_edges),
        cmocka_unit_test(long_and_odd_strings),
        cmocka_unit_test(no_message_is_too_long),
        cmocka_unit_test(the_largest_span_behind_a_full_message),
        cmocka_unit_test(a_span_that_fits_nowhere),
        cmocka_unit_test(a_resource_that_does_not_fit),
        cmocka_unit_test(resources),
        cmocka_unit_test(keys_out_of_bounds),
    };
    thrift_read_setup();
    return cmocka_run_group_tests_name("jaeger", tests, NULL, NULL);
}
