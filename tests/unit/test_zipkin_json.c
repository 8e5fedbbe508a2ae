/* SPDX-License-Identifier: MIT
 *
 * The Zipkin v2 encoder: exact text of one message, what jansson makes of many, and limits.
 */
#include "spans.h"
#include "tracing/encoder.h"
#include "tracing/utf8.h"
#include "unit.h"
#include <arpa/inet.h>
#include <jansson.h>
#include <math.h>

#include "../../plugin/encode/events.h"

/* Let malloc say no, as it does without a sanitizer. */
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static const struct trc_encoder_ops *const ops = &trc_encoder_zipkin_json;
static const struct trc_client_stats no_losses;

static const struct trc_tag tags[] = {{TRC_SLICE("region"), TRC_SLICE("eu-west-1")},
                                      {TRC_SLICE("b\"d\xff"), TRC_SLICE("caf\xe9\n")}};
static const struct trc_resource resource = {.service = TRC_SLICE("caf\xc3\xa9 \\ \xff"),
                                             .tags = tags,
                                             .tag_count = 2,
                                             .hostname = TRC_SLICE("web-1"),
                                             .ip = TRC_SLICE("192.0.2.1"),
                                             .client_uuid = UINT64_C(0x00c0ffee12345678),
                                             .pid = 4711};

static struct trc_encoder *make_for(const struct trc_resource *r, enum trc_semconv semconv,
                                    size_t max) {
    const struct trc_encoder_config config = {r, semconv, max};
    return ops->make(&config);
}

static struct trc_encoder *make(enum trc_semconv semconv, size_t max) {
    return make_for(&resource, semconv, max);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Parses a message: a list, nothing behind it. No name of an object is there twice. */
static json_t *parsed(struct trc_slice message) {
    json_error_t error;
    json_t *root =
        json_loadb(message.p, message.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (!root)
        fail_msg("%s at %d: %.*s", error.text, error.position, (int)message.len, message.p);
    assert_true(json_is_array(root));
    return root;
}

static json_t *member(json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    if (!value)
        fail_msg("no %s", name);
    return value;
}

/* `s` made UTF-8, with a NUL behind it; in a buffer that the next call overwrites. */
static const char *clean(struct trc_slice s, size_t *len) {
    static char text[3 * TRC_SPAN_ARENA + 1];
    struct trc_buf b = trc_buf_over(text, sizeof(text) - 1);

    trc_utf8_put(&b, s);
    assert_false(b.overflow);
    text[b.len] = '\0';
    *len = b.len;
    return text;
}

static void check_text(json_t *got, struct trc_slice want) {
    size_t len;
    const char *text = clean(want, &len);

    assert_true(json_is_string(got));
    assert_int_equal(json_string_length(got), len);
    assert_memory_equal(json_string_value(got), text, len);
}

static void check_literal(json_t *got, const char *want) {
    check_text(got, trc_slice_of(want));
}

static void check_hex(json_t *got, uint64_t a, const uint64_t *b) {
    char text[33];
    int len = snprintf(text, sizeof(text), "%016llx", (unsigned long long)a);
    if (b)
        snprintf(text + len, sizeof(text) - (size_t)len, "%016llx", (unsigned long long)*b);
    check_literal(got, text);
}

static bool is_one_of(struct trc_slice name, const char *const *names) {
    for (; *names; names++)
        if (trc_slice_equal(name, trc_slice_of(*names)))
            return true;
    return false;
}

static bool is_address(struct trc_slice s) {
    char text[TRC_SPAN_ARENA + 1];
    struct in6_addr address;

    memcpy(text, s.p ? s.p : "", s.len);
    text[s.len] = '\0';
    return strlen(text) == s.len &&
           (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1);
}

/* The value of a tag is text, whatever the attribute's type. */
static void check_tag(json_t *got, const struct trc_attribute *a) {
    char text[32];

    switch (a->key == TRC_ATTR_NAMED ? TRC_ATTR_STRING : trc_attribute_keys[a->key].type) {
    case TRC_ATTR_STRING:
        check_text(got, a->s);
        break;
    case TRC_ATTR_INT:
        snprintf(text, sizeof(text), "%lld", (long long)a->i);
        check_literal(got, text);
        break;
    case TRC_ATTR_BOOL:
        check_literal(got, a->i ? "true" : "false");
        break;
    case TRC_ATTR_DOUBLE:
        assert_true(json_is_string(got));
        assert_true(strtod(json_string_value(got), NULL) == a->d);
        break;
    }
}

/* Returns how many there are. */
static size_t check_attributes(json_t *got, const struct trc_span *want, enum trc_semconv semconv,
                               bool remote) {
    static const char *const nowhere[] = {"span.kind", NULL};
    static const char *const of_peer[] = {
        "peer.ipv4", "peer.ipv6", "peer.port", "network.peer.address", "network.peer.port", NULL};
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_attributes(want, semconv, list);
    size_t seen = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct trc_slice name =
            list[i].key == TRC_ATTR_NAMED ? list[i].name : trc_attribute_keys[list[i].key].name;
        if (is_one_of(name, nowhere) || (remote && is_one_of(name, of_peer)))
            continue;
        size_t len;
        check_tag(json_object_get(got, clean(name, &len)), &list[i]);
        seen++;
    }
    return seen;
}

static void check_tags(json_t *got, const struct trc_span *want, enum trc_semconv semconv,
                       bool remote) {
    size_t count = check_attributes(got, want, semconv, remote);

    check_literal(member(got, semconv & TRC_SEMCONV_OPENTRACING ? "hostname" : "host.name"),
                  "web-1");
    check_literal(member(got, "process.pid"), "4711");
    check_literal(member(got, "region"), "eu-west-1");
    check_text(member(got, "b\"d\xef\xbf\xbd"), tags[1].value);
    count += 4;
    if (want->error)
        check_literal(member(got, "error"), "true");
    else
        assert_null(json_object_get(got, "error"));
    count += want->error && semconv == TRC_SEMCONV_HTTP; /* else it is an attribute */
    if (want->link_span_id) {
        char text[64];
        snprintf(text, sizeof(text), "%016llx%016llx|%016llx||{}|0",
                 (unsigned long long)want->link_trace_hi, (unsigned long long)want->link_trace_lo,
                 (unsigned long long)want->link_span_id);
        check_literal(member(got, "otlp.link.0"), text);
        count++;
    }
    assert_int_equal(json_object_size(got), count);
}

/* The client, without a port, or the peer, with one. */
static void check_remote(json_t *got, const struct trc_span *want, bool client) {
    const struct trc_slice who = trc_span_get(want, client ? TRC_STR_CLIENT : TRC_STR_PEER);
    const bool v6 = memchr(who.p, ':', who.len) != NULL, port = !client && want->peer_port;

    check_text(member(got, v6 ? "ipv6" : "ipv4"), who);
    if (port)
        assert_int_equal(json_integer_value(member(got, "port")), want->peer_port);
    assert_int_equal(json_object_size(got), 1 + port);
}

/* The collector's form: as the collector reads it, name and what stands between it and the last
 * bar, an object. */
static void check_whole(const char *got, const struct trc_event *event) {
    const char *first = strchr(got, '|'), *last = strrchr(got, '|');
    json_t *object =
        json_loadb(first + 1, (size_t)(last - first - 1), JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(object);
    assert_true(trc_slice_equal(event->name, (struct trc_slice){got, (size_t)(first - got)}));
    assert_string_equal(last, "|0");
    assert_int_equal(json_object_size(object), event->count);
    for (unsigned i = 0; i < event->count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)event->attributes[i].name.len,
                 event->attributes[i].name.p);
        check_text(member(object, name), event->attributes[i].s);
    }
    json_decref(object);
}

/* What people read of an event, in a buffer that the next call overwrites; as bytes of the span. */
static struct trc_slice said(const struct trc_event *event) {
    static char text[TRC_SPAN_ARENA];
    const struct trc_extra *x = &event->extra;
    struct trc_buf b = trc_buf_over(text, sizeof(text));

    trc_buf_put_slice(&b, x->value);
    trc_buf_put_slice(&b, x->type);
    if (x->type.len && x->message.len)
        trc_buf_put(&b, ": ", 2);
    trc_buf_put_slice(&b, x->message);
    if (b.len && x->stack.len)
        trc_buf_put(&b, "\n", 1);
    trc_buf_put_slice(&b, x->stack);
    if (b.len == 0)
        trc_buf_put_slice(&b, event->name);
    assert_false(b.overflow);
    return trc_buf_slice(&b);
}

static void check_annotations(json_t *got, const struct trc_span *want, enum trc_semconv semconv) {
    struct trc_event event = {.count = 0};
    unsigned count = 0;

    while (trc_event_next(want, semconv, &event)) {
        json_t *annotation = json_array_get(got, count++), *value = member(annotation, "value");
        const struct trc_slice text = said(&event);
        assert_int_equal(json_integer_value(member(annotation, "timestamp")), event.unix_ns / 1000);
        assert_int_equal(json_object_size(annotation), 2);
        if (memchr(text.p, '|', text.len))
            check_whole(json_string_value(value), &event);
        else
            check_text(value, text);
    }
    assert_int_equal(json_array_size(got), count);
}

static void check_span(json_t *got, const struct trc_span *want, enum trc_semconv semconv) {
    const struct trc_slice name = trc_span_get(want, TRC_STR_NAME);
    const bool client = is_address(trc_span_get(want, TRC_STR_CLIENT));
    const bool peer = is_address(trc_span_get(want, TRC_STR_PEER)), remote = client || peer;
    const bool events = want->event_count != 0;
    const bool debug = want->flags & TRC_FLAG_DEBUG, server = want->kind == TRC_KIND_SERVER;
    json_t *local = member(got, "localEndpoint");

    if (want->trace_hi)
        check_hex(member(got, "traceId"), want->trace_hi, &want->trace_lo);
    else
        check_hex(member(got, "traceId"), want->trace_lo, NULL);
    check_hex(member(got, "id"), want->span_id, NULL);
    if (want->parent_id)
        check_hex(member(got, "parentId"), want->parent_id, NULL);
    check_text(member(got, "name"), name.p ? name : TRC_SLICE("HTTP"));
    if (server)
        check_literal(member(got, "kind"), "SERVER");
    assert_int_equal(json_integer_value(member(got, "timestamp")), want->start_unix_ns / 1000);
    assert_int_equal(json_integer_value(member(got, "duration")),
                     want->duration_ns < 1000 ? 1 : want->duration_ns / 1000);
    if (debug)
        assert_true(json_is_true(member(got, "debug")));
    check_text(member(local, "serviceName"), resource.service);
    check_literal(member(local, "ipv4"), "192.0.2.1");
    assert_int_equal(json_object_size(local), 2);
    if (remote)
        check_remote(member(got, "remoteEndpoint"), want, client);
    if (events)
        check_annotations(member(got, "annotations"), want, semconv);
    check_tags(member(got, "tags"), want, semconv, peer && !client);
    assert_int_equal(json_object_size(got),
                     7 + server + (want->parent_id != 0) + debug + remote + events);
}

static void check_message(struct trc_slice message, const struct trc_span *spans, unsigned count,
                          enum trc_semconv semconv) {
    json_t *root = parsed(message);

    assert_int_equal(json_array_size(root), count);
    for (unsigned i = 0; i < count; i++)
        check_span(json_array_get(root, i), &spans[i], semconv);
    json_decref(root);
}

/* --- Whole messages --------------------------------------------------------------------------- */

static void a_message_in_full(void **state) {
    static const char want[] =
        "[{\"traceId\":\"5af7183fb1d4cf5f\",\"id\":\"ff00000000000001\","
        "\"parentId\":\"0000000000000abc\",\"name\":\"GET /users/{id}/orders\","
        "\"timestamp\":1556604172355737,\"duration\":1431,\"debug\":true,"
        "\"annotations\":[{\"timestamp\":1556604172355738,\"value\":\"cache miss\"},"
        "{\"timestamp\":1556604172355739,\"value\":\"KeyError: 'a'\\nTrace\"}],"
        "\"remoteEndpoint\":{\"ipv4\":\"192.0.2.17\",\"port\":51234},"
        "\"kind\":\"SERVER\",\"localEndpoint\":{\"serviceName\":\"s\"},"
        "\"tags\":{\"component\":\"uwsgi\",\"process.pid\":\"17\",\"http.method\":\"GET\","
        "\"http.url\":\"http://shop.example.com:8080/users/42/orders\","
        "\"http.status_code\":\"503\",\"error\":\"true\",\"uwsgi.worker\":\"3\","
        "\"uwsgi.core\":\"1\",\"uwsgi.app\":\"/shop\",\"sampler.type\":\"probabilistic\","
        "\"sampler.param\":\"0.1\",\"tenant\":\"blue\","
        "\"otlp.link.0\":\"00000000000000000000000000000012|0000000000000034||{}|0\"}},"
        "{\"traceId\":\"00000000000000015af7183fb1d4cf5f\",";
    const struct trc_resource bare = {.service = TRC_SLICE("s"), .pid = 17};
    struct trc_encoder *e = make_for(&bare, TRC_SEMCONV_OPENTRACING, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    spans_usual(&span);
    span.parent_id = 0xabc;
    span.remote_parent = 1;
    span.flags = TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG;
    span.status = 503;
    span.error = 1;
    span.link_trace_lo = 0x12;
    span.link_span_id = 0x34;
    spans_set(&span, TRC_STR_STATE, "a=b"); /* has no place */
    trc_span_add_tag(&span, TRC_EXTRA_TAG, TRC_SLICE("tenant"), TRC_SLICE("blue"));
    trc_span_add_log(&span, 1000, TRC_SLICE("cache miss"));
    trc_span_add_exception(&span, 2000, TRC_SLICE("KeyError"), TRC_SLICE("'a'"),
                           TRC_SLICE("Trace"));
    assert_int_equal(ops->add(e, &span), 0);
    span.trace_hi = 1;
    assert_int_equal(ops->add(e, &span), 0);
    const struct trc_slice message = ops->finish(e, 1, &no_losses);
    assert_true(message.len > sizeof(want));
    assert_memory_equal(message.p, want, sizeof(want) - 1);
    assert_memory_equal(message.p + message.len - 3, "}}]", 3);
    json_decref(parsed(message));

    /* The next message begins anew. */
    assert_int_equal(ops->add(e, &span), 0);
    json_t *root = parsed(ops->finish(e, 2, &no_losses));
    assert_int_equal(json_array_size(root), 1);
    json_decref(root);
    ops->drop(e);
    ops->drop(NULL);
}

static void any_spans_are_read_back(void **state) {
    static const unsigned counts[] = {1, 2, 15, 300, 2000};
    static struct trc_span spans[2000];
    struct trc_random random = {{5, 6, 7, 8}};

    (void)state;
    for (unsigned semconv = 1; semconv <= 3; semconv++) {
        struct trc_encoder *e = make((enum trc_semconv)semconv, 60000000);
        assert_non_null(e);
        for (unsigned round = 0; round < sizeof(counts) / sizeof(counts[0]); round++) {
            for (unsigned i = 0; i < counts[round]; i++) {
                spans_random(&random, &spans[i]);
                spans_random_claims(&random, &spans[i]);
                assert_int_equal(ops->add(e, &spans[i]), 0);
            }
            check_message(ops->finish(e, round, &no_losses), spans, counts[round],
                          (enum trc_semconv)semconv);
        }
        ops->drop(e);
    }
}

/* Whatever trc_span_check lets through. */
static void strings_that_lie_anywhere(void **state) {
    struct trc_random random = {{3, 3, 3, 3}};
    struct trc_span span;

    (void)state;
    for (unsigned semconv = 1; semconv <= 3; semconv++) {
        struct trc_encoder *e = make((enum trc_semconv)semconv, 8000000);
        assert_non_null(e);
        for (unsigned i = 0; i < 1000; i++) {
            spans_random(&random, &span);
            spans_random_claims(&random, &span);
            spans_scramble(&random, &span);
            assert_true(trc_span_check(&span, span.size));
            assert_int_equal(ops->add(e, &span), 0);
            /* Names that differ may be one when they are made UTF-8: no more is said than that. */
            const struct trc_slice message = ops->finish(e, 1, &no_losses);
            json_t *root = json_loadb(message.p, message.len, JSON_ALLOW_NUL, NULL);
            assert_int_equal(json_array_size(root), 1);
            json_decref(root);
        }
        ops->drop(e);
    }
}

/* The longest strings there can be, each byte of which grows to six; and the beginning of a
 * character before a quotation mark. */
static void long_and_odd_strings(void **state) {
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP_DUP, 2000000);
    struct trc_span span;
    char text[TRC_SPAN_ARENA];

    (void)state;
    assert_non_null(e);
    for (int fill = 0; fill < 2; fill++) {
        for (unsigned i = 0; i < sizeof(text); i++)
            text[i] = fill == 0 ? (char)(1 + i % 8) : "\xe2\x82\"\\x"[i % 5];
        if (fill == 0)
            spans_largest(&span, text);
        assert_true(trc_span_check(&span, span.size));
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP_DUP);
    }
    ops->drop(e);
}

/* --- What is Zipkin's own ----------------------------------------------------------------------
 */

/* The only span of a message. */
static json_t *only(struct trc_encoder *e, const struct trc_span *span) {
    assert_int_equal(ops->add(e, span), 0);
    json_t *root = parsed(ops->finish(e, 1, &no_losses));
    json_t *got = json_incref(json_array_get(root, 0));
    json_decref(root);
    return got;
}

/* No text of ours makes the server take a list for one of v1's: what it looks for is in no message,
 * and the text is read back all the same. */
static void nothing_looks_like_v1(void **state) {
    static const struct trc_tag odd[] = {
        {TRC_SLICE("binaryAnnotations"), TRC_SLICE("yAnnotations")}};
    const struct trc_resource r = {
        .service = TRC_SLICE("\"yAnnotations"), .tags = odd, .tag_count = 1, .pid = 1};
    struct trc_encoder *e = make_for(&r, TRC_SEMCONV_OPENTRACING, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    trc_span_clear(&span);
    spans_set(&span, TRC_STR_NAME, "yAnnotations");
    spans_set(&span, TRC_STR_METHOD, "\xffyAnnotations");
    spans_set(&span, TRC_STR_URL, "http://h/binaryAnnotations");
    spans_set(&span, TRC_STR_APP, "yAnnotations\"");
    trc_span_add_tag(&span, TRC_EXTRA_TAG, TRC_SLICE("myAnnotations"), TRC_SLICE("\tyAnnotations"));
    trc_span_seal(&span);
    assert_int_equal(ops->add(e, &span), 0);
    assert_int_equal(ops->add(e, &span), 0);
    const struct trc_slice message = ops->finish(e, 1, &no_losses);
    assert_null(memmem(message.p, message.len, "yAnnotations\"", 13));

    json_t *root = parsed(message), *got = json_array_get(root, 1), *tag = member(got, "tags");
    check_literal(member(got, "name"), "yAnnotations");
    check_literal(member(member(got, "localEndpoint"), "serviceName"), "\"yAnnotations");
    check_literal(member(tag, "binaryAnnotations"), "yAnnotations");
    check_literal(member(tag, "http.method"), "\xffyAnnotations");
    check_literal(member(tag, "http.url"), "http://h/binaryAnnotations");
    check_literal(member(tag, "uwsgi.app"), "yAnnotations\"");
    check_literal(member(tag, "myAnnotations"), "\tyAnnotations");
    json_decref(root);
    ops->drop(e);
}

/* What people read; and where there is a bar in it, what the collector reads, which would cut one
 * in two and refuse a list with two. */
static void annotations(void **state) {
    static const struct {
        const char *type, *message, *stack; /* type NULL: a text */
        const char *value;                  /* of the http set */
    } rows[] = {
        {NULL, "cache miss", "", "cache miss"},
        {NULL, "", "", "log"},
        {NULL, "a|b", "", "log|{\"message\":\"a|b\"}|0"},
        {NULL, "|||", "", "log|{\"message\":\"|||\"}|0"},
        {NULL, "\"|\\\n\x01", "", "log|{\"message\":\"\\\"|\\\\\\n\\u0001\"}|0"},
        {NULL, "yAnnotations", "", "yAnnotations"},
        {NULL, "|yAnnotations", "", "log|{\"message\":\"|yAnnotations\"}|0"},
        {"KeyError", "'a'", "Trace\n  b", "KeyError: 'a'\nTrace\n  b"},
        {"KeyError", "", "Trace", "KeyError\nTrace"},
        {"KeyError", "", "", "KeyError"},
        {"", "'a'", "Trace", "'a'\nTrace"},
        {"", "", "Trace", "Trace"},
        {"", "", "yAnnotations", "yAnnotations"},
        {"", "", "", "exception"},
        {"E", "m", "+-+-- | 1",
         "exception|{\"exception.type\":\"E\",\"exception.message\":\"m\","
         "\"exception.stacktrace\":\"+-+-- | 1\"}|0"},
    };
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    spans_usual(&span);
    for (size_t i = 0; i < count; i++) {
        const struct trc_slice message = trc_slice_of(rows[i].message);
        assert_true(rows[i].type
                        ? trc_span_add_exception(&span, i * 1000, trc_slice_of(rows[i].type),
                                                 message, trc_slice_of(rows[i].stack))
                        : trc_span_add_log(&span, i * 1000, message));
    }
    assert_int_equal(ops->add(e, &span), 0);
    const struct trc_slice message = ops->finish(e, 1, &no_losses);
    assert_null(memmem(message.p, message.len, "yAnnotations\"", 13));
    json_t *root = parsed(message), *list = member(json_array_get(root, 0), "annotations");
    assert_int_equal(json_array_size(list), count);
    for (size_t i = 0; i < count; i++) {
        json_t *got = json_array_get(list, i);
        check_literal(member(got, "value"), rows[i].value);
        assert_int_equal(json_integer_value(member(got, "timestamp")), 1556604172355737 + (int)i);
    }
    json_decref(root);
    ops->drop(e);
}

/* The client that proxies tell of is who called; the peer is then told of in tags. */
static void a_client_behind_a_peer(void **state) {
    static const struct {
        const char *client, *peer, *remote; /* NULL: none */
        bool tags;                          /* of the peer */
    } rows[] = {
        {"192.0.2.9", "192.0.2.17", "192.0.2.9", true}, {"", "192.0.2.17", "192.0.2.17", false},
        {"unknown", "192.0.2.17", "192.0.2.17", false}, {"192.0.2.9", "", "192.0.2.9", false},
        {"192.0.2.9", "unix", "192.0.2.9", true},       {"unknown", "unix", NULL, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int ot = 0; ot < 2; ot++) {
            struct trc_encoder *e = make(ot ? TRC_SEMCONV_OPENTRACING : TRC_SEMCONV_HTTP, 65000);
            struct trc_span span;
            trc_span_clear(&span);
            spans_set(&span, TRC_STR_CLIENT, rows[i].client);
            spans_set(&span, TRC_STR_PEER, rows[i].peer);
            json_t *got = only(e, &span), *remote = json_object_get(got, "remoteEndpoint");
            json_t *tag =
                json_object_get(member(got, "tags"), ot ? "peer.ipv4" : "network.peer.address");
            if (rows[i].remote)
                check_literal(member(remote, "ipv4"), rows[i].remote);
            else
                assert_null(remote);
            if (rows[i].tags)
                check_literal(tag, rows[i].peer);
            else
                assert_null(tag);
            if (rows[i].client[0])
                check_literal(member(member(got, "tags"), "client.address"), rows[i].client);
            json_decref(got);
            ops->drop(e);
        }
}

/* What is no address goes into no endpoint, and stays a tag. */
static void endpoints(void **state) {
    static const struct {
        const char *text, *member; /* NULL: no address */
    } rows[] = {
        {"192.0.2.17", "ipv4"},
        {"0.0.0.0", "ipv4"},
        {"2001:db8::1", "ipv6"},
        {"::ffff:192.0.2.1", "ipv6"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ipv6"},
        {"::", "ipv6"},
        {"fe80::1%eth0", NULL},
        {"[::1]", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.2.17 ", NULL},
        {"192.0.2.17:80", NULL},
        {"unix:", NULL},
        {"localhost", NULL},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555", NULL},
        {"\xff", NULL},
    };
    static const char *const of_peer[2][3] = {
        {"network.peer.address", "network.peer.address", "network.peer.port"},
        {"peer.ipv4", "peer.ipv6", "peer.port"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int ot = 0; ot < 2; ot++) {
            const struct trc_resource r = {
                .service = TRC_SLICE("s"), .ip = trc_slice_of(rows[i].text), .pid = 1};
            struct trc_encoder *e =
                make_for(&r, ot ? TRC_SEMCONV_OPENTRACING : TRC_SEMCONV_HTTP, 65000);
            struct trc_span span;
            trc_span_clear(&span);
            spans_set(&span, TRC_STR_PEER, rows[i].text);
            span.peer_port = 80;
            json_t *got = only(e, &span), *local = member(got, "localEndpoint");
            json_t *tag = member(got, "tags"), *remote = json_object_get(got, "remoteEndpoint");
            const char *const *names = of_peer[ot];
            if (rows[i].member) {
                check_literal(member(local, rows[i].member), rows[i].text);
                check_literal(member(remote, rows[i].member), rows[i].text);
                assert_int_equal(json_integer_value(member(remote, "port")), 80);
                for (int n = 0; n < 3; n++)
                    assert_null(json_object_get(tag, names[n]));
            } else {
                assert_null(remote);
                assert_int_equal(json_object_size(local), 1);
                check_literal(member(tag, names[strchr(rows[i].text, ':') != NULL]), rows[i].text);
                check_literal(member(tag, names[2]), "80");
            }
            json_decref(got);
            ops->drop(e);
        }
    }
}

/* A tag `error` is a failure for Zipkin, whatever it says: it is there just then. */
static void error_is_there_only_for_a_failure(void **state) {
    struct trc_span span;

    (void)state;
    for (unsigned semconv = 1; semconv <= 3; semconv++) {
        struct trc_encoder *e = make((enum trc_semconv)semconv, 65000);
        for (unsigned failed = 0; failed < 3; failed++) {
            spans_usual(&span);
            trc_span_add_tag(&span, TRC_EXTRA_TAG, TRC_SLICE("error"), TRC_SLICE("false"));
            span.error = failed > 0;
            span.outcome = failed == 2 ? TRC_OUTCOME_KILLED : TRC_OUTCOME_ANSWERED;
            json_t *got = only(e, &span), *tag = member(got, "tags");
            if (failed)
                check_literal(member(tag, "error"), "true");
            else
                assert_null(json_object_get(tag, "error"));
            if (failed == 2)
                check_literal(member(tag, "error.type"), "killed");
            json_decref(got);
        }
        ops->drop(e);
    }
}

/* Each row: tags of the process, named attributes of the span, and the tags that must come of it.
 */
static void whose_tag_it_is(void **state) {
    static const struct trc_tag own[] = {{TRC_SLICE("hostname"), TRC_SLICE("mine")},
                                         {TRC_SLICE("process.pid"), TRC_SLICE("one")},
                                         {TRC_SLICE("service.name"), TRC_SLICE("not me")},
                                         {TRC_SLICE("http.url"), TRC_SLICE("not this")},
                                         {TRC_SLICE("error"), TRC_SLICE("always")},
                                         {TRC_SLICE("tenant"), TRC_SLICE("red")}};
    static const char *const names[] = {"hostname", "host.name", "process.pid",
                                        "tenant",   "http.url",  "color"};
    const struct trc_resource r = {
        .service = TRC_SLICE("s"), .tags = own, .tag_count = 6, .hostname = TRC_SLICE("h")};
    struct trc_encoder *e = make_for(&r, TRC_SEMCONV_OPENTRACING, 65000);
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        trc_span_add_tag(&span, TRC_EXTRA_TAG, trc_slice_of(names[i]), TRC_SLICE("blue"));
    json_t *got = only(e, &span), *tag = member(got, "tags");
    check_literal(member(tag, "hostname"), "mine");
    check_literal(member(tag, "process.pid"), "one");
    check_literal(member(tag, "tenant"), "red");
    check_literal(member(tag, "color"), "blue");
    check_literal(member(tag, "http.url"), "http://shop.example.com:8080/users/42/orders");
    assert_null(json_object_get(tag, "service.name"));
    assert_null(json_object_get(tag, "host.name"));
    assert_null(json_object_get(tag, "error"));
    json_decref(got);
    ops->drop(e);
}

static void times(void **state) {
    static const struct {
        uint64_t ns;
        json_int_t us;
    } rows[] = {
        {0, 1}, {1, 1}, {999, 1}, {1000, 1}, {1999, 1}, {2000, 2}, {UINT64_MAX, 18446744073709551}};
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 65000);
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        span.duration_ns = rows[i].ns;
        json_t *got = only(e, &span);
        assert_int_equal(json_integer_value(member(got, "duration")), rows[i].us);
        json_decref(got);
    }
    for (int odd = 0; odd < 3; odd++) { /* a number as text, also one that is none in JSON */
        static const char *const texts[] = {"NaN", "Infinity", "-Infinity"};
        span.sampler_param = odd == 0 ? NAN : odd == 1 ? INFINITY : -INFINITY;
        json_t *got = only(e, &span);
        check_literal(member(member(got, "tags"), "sampler.param"), texts[odd]);
        json_decref(got);
    }
    ops->drop(e);
}

/* --- Limits ----------------------------------------------------------------------------------- */

#define LEAST_BYTES 1000
#include "json_limits.h"

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_full),
        cmocka_unit_test(any_spans_are_read_back),
        cmocka_unit_test(strings_that_lie_anywhere),
        cmocka_unit_test(long_and_odd_strings),
        cmocka_unit_test(nothing_looks_like_v1),
        cmocka_unit_test(annotations),
        cmocka_unit_test(a_client_behind_a_peer),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(error_is_there_only_for_a_failure),
        cmocka_unit_test(whose_tag_it_is),
        cmocka_unit_test(times),
        cmocka_unit_test(no_message_is_too_long),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(room_for_the_largest_span),
        cmocka_unit_test(no_encoder_without_room_or_memory),
    };
    return cmocka_run_group_tests_name("zipkin_json", tests, NULL, NULL);
}
