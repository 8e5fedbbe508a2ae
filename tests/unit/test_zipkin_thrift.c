/* SPDX-License-Identifier: MIT
 *
 * The Zipkin Thrift encoder: what Thrift's own decoder makes of whole messages, and limits.
 */
#include "spans.h"
#include "tracing/encoder.h"
#include "tracing/version.h"
#include "unit.h"

#include "../../plugin/encode/events.h"
#include "thrift_read.h"
#include <jansson.h>

static const struct trc_encoder_ops *const ops = &trc_encoder_zipkin_thrift;
static const struct trc_client_stats stats;

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

static struct trc_encoder *make(enum trc_semconv semconv, size_t max) {
    const struct trc_encoder_config config = {&resource, semconv, max};
    return ops->make(&config);
}

/* The arguments in `message`, to be unref'd. Thrift, told to write what it read, writes the same
 * bytes. */
static ZipkinAgentEmitZipkinBatchArgs *read_message(struct trc_slice message, uint64_t sequence) {
    ZipkinAgentEmitZipkinBatchArgs *args =
        g_object_new(ZIPKIN_TYPE_AGENT_EMIT_ZIPKIN_BATCH_ARGS, NULL);
    int32_t seqid;

    thrift_read(true, "emitZipkinBatch", message, args, &seqid);
    assert_int_equal(seqid, (int32_t)(uint32_t)sequence);
    thrift_check_written(true, "emitZipkinBatch", message, args, seqid);
    return args;
}

/* --- Whole messages --------------------------------------------------------------------------- */

static uint64_t big_endian(const GByteArray *value) {
    uint64_t v = 0;

    assert_int_equal(value->len, 8);
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | value->data[i];
    return v;
}

static void check_string(const ZipkinBinaryAnnotation *got, const char *key, const char *value) {
    assert_string_equal(got->key, key);
    assert_int_equal(got->annotation_type, ZIPKIN_ANNOTATION_TYPE_STRING);
    assert_false(got->__isset_host);
    assert_int_equal(got->value->len, strlen(value));
    assert_memory_equal(got->value->data, value, strlen(value));
}

static void check_true(const ZipkinBinaryAnnotation *got, const char *key) {
    assert_string_equal(got->key, key);
    assert_int_equal(got->annotation_type, ZIPKIN_ANNOTATION_TYPE_BOOL);
    assert_true(got->value->len == 1 && got->value->data[0] == 1);
}

static void check_attribute(const ZipkinBinaryAnnotation *got, const struct trc_attribute *a) {
    if (a->key == TRC_ATTR_NAMED) {
        check_string(got, clean(a->name), clean(a->s));
        return;
    }
    const struct trc_attribute_key *key = &trc_attribute_keys[a->key];
    uint64_t bits;
    assert_string_equal(got->key, clean(key->name));
    assert_false(got->__isset_host);
    switch (key->type) {
    case TRC_ATTR_STRING:
        check_string(got, clean(key->name), clean(a->s));
        break;
    case TRC_ATTR_INT:
        assert_int_equal(got->annotation_type, ZIPKIN_ANNOTATION_TYPE_I64);
        assert_true(big_endian(got->value) == (uint64_t)a->i);
        break;
    case TRC_ATTR_BOOL:
        assert_int_equal(a->i, 1); /* there is no other in a span */
        check_true(got, clean(key->name));
        break;
    case TRC_ATTR_DOUBLE:
        memcpy(&bits, &a->d, sizeof(bits));
        assert_int_equal(got->annotation_type, ZIPKIN_ANNOTATION_TYPE_DOUBLE);
        assert_true(big_endian(got->value) == bits);
        break;
    }
}

/* An address of the peers that spans.h gives: IPv4, IPv6, IPv4 inside IPv6, or text that is none.
 * Returns whether there is one. */
static bool check_peer(const ZipkinBinaryAnnotation *got, const struct trc_span *want) {
    static const unsigned char ipv6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
    static const struct {
        struct trc_slice text;
        uint32_t ipv4;
        bool is_ipv6;
    } known[] = {
        {TRC_SLICE("127.0.0.1"), 0x7f000001, false},
        {TRC_SLICE("192.0.2.17"), 0xc0000211, false},
        {TRC_SLICE("::ffff:192.0.2.1"), 0xc0000201, false},
        {TRC_SLICE("2001:db8::1"), 0, true},
    };

    const struct trc_slice peer = trc_span_get(want, TRC_STR_PEER);
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!trc_slice_equal(peer, known[i].text))
            continue;
        check_true(got, "ca");
        assert_true(got->__isset_host);
        assert_int_equal((uint32_t)got->host->ipv4, known[i].ipv4);
        assert_int_equal((uint16_t)got->host->port, want->peer_port);
        assert_string_equal(got->host->service_name, "");
        assert_int_equal(got->host->__isset_ipv6, known[i].is_ipv6);
        if (known[i].is_ipv6) {
            assert_int_equal(got->host->ipv6->len, 16);
            assert_memory_equal(got->host->ipv6->data, ipv6, 16);
        }
        return true;
    }
    assert_string_not_equal(got->key, "ca");
    return false;
}

/* What a receiver makes of sr and ss, of `ca`, and of lc. */
static bool is_said_otherwise(const struct trc_attribute *a, bool peer, bool local) {
    if (a->key == TRC_ATTR_NAMED)
        return false;
    const struct trc_slice name = trc_attribute_keys[a->key].name;
    return trc_slice_equal(name, TRC_SLICE("span.kind")) ||
           (local && trc_slice_equal(name, TRC_SLICE("component"))) ||
           (peer && (trc_slice_equal(name, TRC_SLICE("peer.ipv4")) ||
                     trc_slice_equal(name, TRC_SLICE("peer.port"))));
}

static void check_service(const ZipkinEndpoint *host) {
    assert_int_equal((uint32_t)host->ipv4, 0xc0000201);
    assert_int_equal(host->port, 0);
    assert_string_equal(host->service_name, "caf\xc3\xa9 \xef\xbf\xbd");
    assert_false(host->__isset_ipv6);
}

/* A span that is no server's is a local one: `lc` says whose, and in place of the attribute what.
 */
static void check_local(const ZipkinBinaryAnnotation *got) {
    assert_string_equal(got->key, "lc");
    assert_int_equal(got->annotation_type, ZIPKIN_ANNOTATION_TYPE_STRING);
    assert_int_equal(got->value->len, 5);
    assert_memory_equal(got->value->data, "uwsgi", 5);
    assert_true(got->__isset_host);
    check_service(got->host);
}

/* The peer, what is said of the process, the attributes, and what has no other place. */
static void check_tags(const GPtrArray *got, const struct trc_span *want,
                       enum trc_semconv semconv) {
    static const char *const process[][2] = {{"jaeger.version", "uwsgi-tracing-" TRC_VERSION},
                                             {"jaeger.hostname", "web-1"},
                                             {"region", "eu-west-1"},
                                             {"bad\xef\xbf\xbd", "caf\xef\xbf\xbd"},
                                             {"empty", ""}};
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_attributes(want, semconv, list);
    char text[40];
    unsigned at = 0;

    const bool peer = check_peer(g_ptr_array_index(got, 0), want);
    const bool local = want->kind != TRC_KIND_SERVER;
    if (peer)
        at++;
    if (local)
        check_local(g_ptr_array_index(got, at++));
    for (unsigned i = 0; i < sizeof(process) / sizeof(process[0]); i++)
        check_string(g_ptr_array_index(got, at++), process[i][0], process[i][1]);
    for (unsigned i = 0; i < count; i++)
        if (!is_said_otherwise(&list[i], peer, local))
            check_attribute(g_ptr_array_index(got, at++), &list[i]);
    if (want->error && !(semconv & TRC_SEMCONV_OPENTRACING))
        check_true(g_ptr_array_index(got, at++), "error");
    if (want->link_span_id) {
        snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)want->link_trace_hi,
                 (unsigned long long)want->link_trace_lo);
        check_string(g_ptr_array_index(got, at++), "link.trace_id", text);
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)want->link_span_id);
        check_string(g_ptr_array_index(got, at++), "link.span_id", text);
    }
    assert_int_equal(got->len, at);
}

static void check_annotation(const ZipkinAnnotation *got, const char *value, int64_t time) {
    assert_string_equal(got->value, value);
    assert_true(got->timestamp == time);
    assert_true(got->__isset_host);
    check_service(got->host);
}

/* The value of an event's annotation is an object of its fields, with its name as `event`. */
static void check_events(const GPtrArray *got, unsigned at, const struct trc_span *want,
                         enum trc_semconv semconv) {
    struct trc_event event = {.count = 0};

    while (trc_event_next(want, semconv, &event)) {
        const ZipkinAnnotation *annotation = g_ptr_array_index(got, at++);
        json_t *fields = json_loads(annotation->value, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(fields);
        assert_true(annotation->timestamp == (int64_t)(event.unix_ns / 1000));
        assert_false(annotation->__isset_host);
        assert_string_equal(json_string_value(json_object_get(fields, "event")), clean(event.name));
        for (unsigned i = 0; i < event.count; i++)
            assert_string_equal(
                json_string_value(json_object_get(fields, clean(event.attributes[i].name))),
                clean(event.attributes[i].s));
        assert_int_equal(json_object_size(fields), 1 + event.count);
        json_decref(fields);
    }
    assert_int_equal(got->len, at);
}

static void check_span(const ZipkinSpan *got, const struct trc_span *want,
                       enum trc_semconv semconv) {
    const struct trc_slice name = trc_span_get(want, TRC_STR_NAME);
    const int64_t start = (int64_t)(want->start_unix_ns / 1000);
    const int64_t duration = want->duration_ns < 1000 ? 1 : (int64_t)(want->duration_ns / 1000);

    assert_true(got->trace_id == (int64_t)want->trace_lo);
    assert_int_equal(got->__isset_trace_id_high, want->trace_hi != 0);
    assert_true(!want->trace_hi || got->trace_id_high == (int64_t)want->trace_hi);
    assert_true(got->id == (int64_t)want->span_id);
    assert_int_equal(got->__isset_parent_id, want->parent_id != 0);
    assert_true(!want->parent_id || got->parent_id == (int64_t)want->parent_id);
    assert_string_equal(got->name, name.p ? clean(name) : "HTTP");
    assert_int_equal(got->__isset_debug, (want->flags & TRC_FLAG_DEBUG) != 0);
    assert_int_equal(got->debug, (want->flags & TRC_FLAG_DEBUG) != 0);
    assert_true(got->__isset_timestamp && got->timestamp == start);
    assert_true(got->__isset_duration && got->duration == duration);
    if (want->kind == TRC_KIND_SERVER) {
        check_annotation(g_ptr_array_index(got->annotations, 0), "sr", start);
        check_annotation(g_ptr_array_index(got->annotations, 1), "ss", start + duration);
    }
    check_events(got->annotations, want->kind == TRC_KIND_SERVER ? 2 : 0, want, semconv);
    check_tags(got->binary_annotations, want, semconv);
}

/* Decodes `message` and compares everything with what it was made of. */
static void check_message(struct trc_slice message, const struct trc_span *spans, unsigned count,
                          enum trc_semconv semconv, uint64_t sequence) {
    ZipkinAgentEmitZipkinBatchArgs *args = read_message(message, sequence);

    assert_int_equal(args->spans->len, count);
    for (unsigned i = 0; i < count; i++)
        check_span(g_ptr_array_index(args->spans, i), &spans[i], semconv);
    g_object_unref(args);
}

static void any_spans_are_read_back(void **state) {
    static const unsigned counts[] = {1, 2, 14, 15, 16, 127, 128, 129, 500, 2000};
    static struct trc_span spans[2000];
    struct trc_random random = {{5, 6, 7, 8}};

    (void)state;
    for (unsigned round = 0; round < 3 * sizeof(counts) / sizeof(counts[0]); round++) {
        const unsigned count = counts[round / 3];
        const enum trc_semconv semconv = (enum trc_semconv)(1 + round % 3);
        const uint64_t sequence = spans_random_number(&random) >> 1;
        struct trc_encoder *e = make(semconv, 40000000);

        assert_non_null(e);
        for (unsigned i = 0; i < count; i++) {
            spans_random(&random, &spans[i]);
            spans_random_claims(&random, &spans[i]);
            assert_int_equal(ops->add(e, &spans[i]), 0);
        }
        check_message(ops->finish(e, sequence, &stats), spans, count, semconv, sequence);
        ops->drop(e);
    }
}

/* Each number at each edge of its varint, in every place a number has. */
static void numbers_at_their_edges(void **state) {
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    for (unsigned i = 0; i < 64 * 3; i++) {
        const uint64_t v = (UINT64_C(1) << (i / 3)) + i % 3 - 1; /* 2^n - 1, 2^n, 2^n + 1 */
        spans_usual(&span);
        span.trace_lo = v;
        span.trace_hi = v << 1;
        span.span_id = ~v;
        span.parent_id = v >> 1;
        span.link_trace_lo = v >> 2;
        span.link_trace_hi = ~v;
        span.link_span_id = v;
        span.start_unix_ns = v >> 1;
        span.duration_ns = v >> 3;
        span.response_bytes = v;
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, v, &stats), &span, 1, TRC_SEMCONV_HTTP, v);
    }
    ops->drop(e);
}

/* A NUL inside a name and a value. */
static void odd_strings(void **state) {
    struct trc_encoder *e = make(TRC_SEMCONV_OPENTRACING, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    trc_span_clear(&span);
    trc_span_set(&span, TRC_STR_NAME, (struct trc_slice){"a\0b", 3}, TRC_SPAN_TEXT_MAX);
    trc_span_set(&span, TRC_STR_URL, (struct trc_slice){"c\0d", 3}, TRC_SPAN_TEXT_MAX);
    assert_int_equal(ops->add(e, &span), 0);
    const struct trc_slice message = ops->finish(e, 2, &stats);
    assert_non_null(memmem(message.p, message.len, "\3a\0b", 4));
    assert_non_null(memmem(message.p, message.len, "\3c\0d", 4));
    ops->drop(e);
}

/* What is no address makes no `ca`. */
static void peers(void **state) {
    static const char *const none[] = {"",
                                       "192.0.2",
                                       "192.0.2.256",
                                       "192.0.2.17 ",
                                       "fe80::1%eth0",
                                       "::ffff:192.0.2.1000",
                                       "/run/app.sock",
                                       "0000:0000:0000:0000:0000:ffff:192.168.100.1001"};
    struct trc_encoder *e = make(TRC_SEMCONV_OPENTRACING, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        trc_span_clear(&span);
        spans_set(&span, TRC_STR_PEER, none[i]);
        trc_span_seal(&span);
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, i, &stats), &span, 1, TRC_SEMCONV_OPENTRACING, i);
    }
    ops->drop(e);
}

/* --- The process ------------------------------------------------------------------------------ */

/* The first span of a message of one usual span, made with this resource; to be unref'd. */
static ZipkinAgentEmitZipkinBatchArgs *said_of(const struct trc_resource *r) {
    const struct trc_encoder_config config = {r, TRC_SEMCONV_HTTP, 65000};
    struct trc_encoder *e = ops->make(&config);
    struct trc_span span;

    assert_non_null(e);
    spans_usual(&span);
    assert_int_equal(ops->add(e, &span), 0);
    ZipkinAgentEmitZipkinBatchArgs *args = read_message(ops->finish(e, 1, &stats), 1);
    ops->drop(e);
    return args;
}

/* Of a resource with nothing but a name, and of one whose tags say what we would say. */
static void resources(void **state) {
    static const struct trc_tag own[] = {{TRC_SLICE("hostname"), TRC_SLICE("mine")},
                                         {TRC_SLICE("jaeger.version"), TRC_SLICE("one")}};
    const struct trc_resource bare = {.service = TRC_SLICE("s")};
    const struct trc_resource owned = {.service = TRC_SLICE("s"),
                                       .tags = own,
                                       .tag_count = 2,
                                       .hostname = TRC_SLICE("web-1"),
                                       .ip = TRC_SLICE("2001:db8::1")};

    (void)state;
    ZipkinAgentEmitZipkinBatchArgs *args = said_of(&bare);
    const ZipkinSpan *span = g_ptr_array_index(args->spans, 0);
    check_string(g_ptr_array_index(span->binary_annotations, 1), "jaeger.version",
                 "uwsgi-tracing-" TRC_VERSION);
    check_string(g_ptr_array_index(span->binary_annotations, 2), "http.request.method", "GET");
    const ZipkinAnnotation *sr = g_ptr_array_index(span->annotations, 0);
    assert_true(sr->host->ipv4 == 0 && !sr->host->__isset_ipv6);
    g_object_unref(args);

    args = said_of(&owned);
    span = g_ptr_array_index(args->spans, 0);
    check_string(g_ptr_array_index(span->binary_annotations, 1), "jaeger.hostname", "mine");
    check_string(g_ptr_array_index(span->binary_annotations, 2), "jaeger.version", "one");
    check_string(g_ptr_array_index(span->binary_annotations, 3), "http.request.method", "GET");
    sr = g_ptr_array_index(span->annotations, 0);
    assert_true(sr->host->ipv4 == 0 && sr->host->__isset_ipv6);
    assert_memory_equal(sr->host->ipv6->data, "\x20\x01\x0d\xb8", 4);
    g_object_unref(args);
    ops->drop(NULL);
}

static void a_resource_that_does_not_fit(void **state) {
    bool made = false;

    (void)state;
    for (size_t max = 0; max < 1000; max++) {
        struct trc_encoder *e = make(TRC_SEMCONV_OPENTRACING, max);
        assert_true(e || !made); /* from some limit on it fits, and below it does not */
        made = e != NULL;
        ops->drop(e);
    }
    assert_true(made);
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Fills messages of every size, and finds each at most that long and in order, whether or not a
 * span was refused meanwhile. */
static void no_message_is_too_long(void **state) {
    static struct trc_span spans[400];
    struct trc_random random = {{9, 9, 9, 9}};

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        const size_t max = round < 25 ? 1500 + 197 * round : 65000;
        const unsigned adds = round < 25 ? 60 : 400;
        struct trc_encoder *e = make(TRC_SEMCONV_OPENTRACING, max);
        unsigned count = 0, refused = 0;
        uint64_t sequence = UINT32_MAX - 5 + round;

        assert_non_null(e);
        for (unsigned i = 0; i < adds; i++) {
            spans_random(&random, &spans[count]);
            spans_random_claims(&random, &spans[count]);
            int rc = ops->add(e, &spans[count]);
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
            const struct trc_slice message = ops->finish(e, ++sequence, &stats);
            assert_true(message.len <= max);
            check_message(message, spans, count, TRC_SEMCONV_OPENTRACING, sequence);
            spans[0] = spans[count];
            assert_int_equal(ops->add(e, &spans[0]), 0);
            count = 1;
        }
        assert_true(refused < adds);
        ops->drop(e);
    }
}

/* By how little a span is too large: make the limit smaller until it is refused. */
static void a_span_that_fits_nowhere(void **state) {
    struct trc_span small, large;

    (void)state;
    spans_usual(&small);
    spans_usual(&large);
    spans_set(&large, TRC_STR_APP, "a mountpoint of some length");
    for (size_t max = 900;; max--) {
        struct trc_encoder *e = make(TRC_SEMCONV_OPENTRACING, max);
        assert_non_null(e);
        const int alone = ops->add(e, &large);
        if (alone == 0) {
            assert_int_equal(ops->add(e, &large), -ENOSPC);
            check_message(ops->finish(e, 1, &stats), &large, 1, TRC_SEMCONV_OPENTRACING, 1);
            ops->drop(e);
            continue;
        }
        assert_int_equal(alone, -EMSGSIZE);
        assert_int_equal(ops->add(e, &small), 0);
        assert_int_equal(ops->add(e, &large), -EMSGSIZE); /* and not -ENOSPC */
        check_message(ops->finish(e, 1, &stats), &small, 1, TRC_SEMCONV_OPENTRACING, 1);
        ops->drop(e);
        break;
    }
}

/* The largest span there can be: read back where there is room, and refused behind a message that
 * has none, without a byte written beyond the encoder's memory (a sanitizer looks). */
static void the_largest_span(void **state) {
    struct trc_span usual, largest;
    char text[TRC_SPAN_ARENA];

    (void)state;
    memset(text, 0xff, sizeof(text));
    spans_largest(&largest, text);
    spans_usual(&usual);
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP_DUP, 1000000);
    assert_non_null(e);
    assert_int_equal(ops->add(e, &largest), 0);
    check_message(ops->finish(e, 1, &stats), &largest, 1, TRC_SEMCONV_HTTP_DUP, 1);
    ops->drop(e);

    e = make(TRC_SEMCONV_HTTP_DUP, 65000);
    assert_non_null(e);
    while (ops->add(e, &usual) == 0)
        ;
    assert_int_equal(ops->add(e, &largest), -EMSGSIZE);
    assert_true(ops->finish(e, 1, &stats).len <= 65000);
    ops->drop(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_spans_are_read_back),
        cmocka_unit_test(numbers_at_their_edges),
        cmocka_unit_test(odd_strings),
        cmocka_unit_test(peers),
        cmocka_unit_test(resources),
        cmocka_unit_test(a_resource_that_does_not_fit),
        cmocka_unit_test(no_message_is_too_long),
        cmocka_unit_test(a_span_that_fits_nowhere),
        cmocka_unit_test(the_largest_span),
    };
    thrift_read_setup();
    return cmocka_run_group_tests_name("zipkin_thrift", tests, NULL, NULL);
}
