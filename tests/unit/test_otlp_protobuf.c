/* SPDX-License-Identifier: MIT
 *
 * The OTLP protobuf encoder: exact bytes of one message, what protobuf-c makes of many, and limits.
 */
#include "otlp.pb-c.h"
#include "spans.h"
#include "tracing/encoder.h"
#include "tracing/utf8.h"
#include "tracing/version.h"
#include "unit.h"
#include <endian.h>
#include <math.h>

#include "../../plugin/encode/events.h"

/* Let malloc say no, as it does without a sanitizer. */
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

typedef Otlp__ExportTraceServiceRequest Request;

static const struct trc_encoder_ops *const ops = &trc_encoder_otlp_protobuf;
static const struct trc_client_stats no_losses;

static const struct trc_tag tags[] = {{TRC_SLICE("region"), TRC_SLICE("eu-west-1")},
                                      {TRC_SLICE("b\"d\xff"), TRC_SLICE("caf\xe9\n")},
                                      {TRC_SLICE("empty"), TRC_SLICE("")}};
static const struct trc_resource resource = {.service = TRC_SLICE("caf\xc3\xa9 \\ \xff"),
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

/* --- Reading ---------------------------------------------------------------------------------- */

/* A message, decoded; free it with otlp__export_trace_service_request__free_unpacked. It must be
 * byte for byte what protobuf-c writes: fields in their order, no length longer than it need be. */
static Request *parsed(struct trc_slice message) {
    Request *request =
        otlp__export_trace_service_request__unpack(NULL, message.len, (const uint8_t *)message.p);
    assert_non_null(request);
    const size_t len = otlp__export_trace_service_request__get_packed_size(request);
    assert_int_equal(len, message.len);
    uint8_t *again = malloc(len);
    assert_non_null(again);
    otlp__export_trace_service_request__pack(request, again);
    assert_memory_equal(again, message.p, len);
    free(again);
    assert_int_equal(request->n_resource_spans, 1);
    assert_int_equal(request->resource_spans[0]->n_scope_spans, 1);
    return request;
}

static void release(Request *request) {
    otlp__export_trace_service_request__free_unpacked(request, NULL);
}

/* `got` is `want`, made UTF-8. */
static void check_text(const char *got, struct trc_slice want) {
    static char text[3 * TRC_SPAN_ARENA];
    struct trc_buf b = trc_buf_over(text, sizeof(text));

    trc_utf8_put(&b, want);
    assert_false(b.overflow);
    assert_int_equal(strlen(got), b.len);
    assert_memory_equal(got, text, b.len);
}

static void check_id(ProtobufCBinaryData got, const uint64_t *want, size_t count) {
    assert_int_equal(got.len, 8 * count);
    for (size_t i = 0; i < count; i++) {
        const uint64_t big = htobe64(want[i]);
        assert_memory_equal(got.data + 8 * i, &big, 8);
    }
}

static void check_known(const ProtobufCMessage *message) {
    assert_int_equal(message->n_unknown_fields, 0);
}

static void check_attribute(const Otlp__KeyValue *got, const struct trc_attribute *a) {
    const bool named = a->key == TRC_ATTR_NAMED;
    const Otlp__AnyValue *value = got->value;

    check_known(&got->base);
    assert_non_null(value);
    check_known(&value->base);
    check_text(got->key, named ? a->name : trc_attribute_keys[a->key].name);
    if (named && a->array) {
        assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
        assert_int_equal(value->array_value->n_values, 1);
        value = value->array_value->values[0];
        check_known(&value->base);
    }
    switch (named ? TRC_ATTR_STRING : trc_attribute_keys[a->key].type) {
    case TRC_ATTR_STRING:
        assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_STRING_VALUE);
        check_text(value->string_value, a->s);
        break;
    case TRC_ATTR_INT:
        assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_INT_VALUE);
        assert_true(value->int_value == a->i);
        break;
    case TRC_ATTR_BOOL:
        assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_BOOL_VALUE);
        assert_int_equal(value->bool_value, a->i);
        break;
    case TRC_ATTR_DOUBLE:
        assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE);
        assert_memory_equal(&value->double_value, &a->d, sizeof(a->d));
        break;
    }
}

static void check_link(const Otlp__Span *got, const struct trc_span *want) {
    const uint64_t trace[] = {want->link_trace_hi, want->link_trace_lo};

    assert_int_equal(got->n_links, want->link_span_id != 0);
    if (got->n_links == 0)
        return;
    check_known(&got->links[0]->base);
    check_id(got->links[0]->trace_id, trace, 2);
    check_id(got->links[0]->span_id, &want->link_span_id, 1);
    assert_string_equal(got->links[0]->trace_state, "");
    assert_int_equal(got->links[0]->flags, 0x300);
}

static void check_events(const Otlp__Span *got, const struct trc_span *want,
                         enum trc_semconv semconv) {
    struct trc_event event = {.count = 0};
    size_t count = 0;

    while (trc_event_next(want, semconv, &event)) {
        assert_true(count < got->n_events);
        const Otlp__Span__Event *one = got->events[count++];
        check_known(&one->base);
        assert_true(one->time_unix_nano == event.unix_ns);
        check_text(one->name, event.name);
        assert_int_equal(one->n_attributes, event.count);
        for (unsigned i = 0; i < event.count; i++)
            check_attribute(one->attributes[i], &event.attributes[i]);
    }
    assert_int_equal(got->n_events, count);
}

static void check_span(const Otlp__Span *got, const struct trc_span *want,
                       enum trc_semconv semconv) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = spans_otlp_attributes(want, semconv, list);
    const struct trc_slice name = trc_span_get(want, TRC_STR_NAME);
    const uint64_t trace[] = {want->trace_hi, want->trace_lo};

    check_known(&got->base);
    check_id(got->trace_id, trace, 2);
    check_id(got->span_id, &want->span_id, 1);
    check_id(got->parent_span_id, &want->parent_id, want->parent_id ? 1 : 0);
    check_text(got->trace_state, trc_span_get(want, TRC_STR_STATE));
    check_text(got->name, name.p ? name : TRC_SLICE("HTTP"));
    assert_int_equal(got->kind, want->kind == TRC_KIND_SERVER
                                    ? OTLP__SPAN__SPAN_KIND__SPAN_KIND_SERVER
                                    : OTLP__SPAN__SPAN_KIND__SPAN_KIND_INTERNAL);
    assert_true(got->start_time_unix_nano == want->start_unix_ns);
    assert_true(got->end_time_unix_nano == want->start_unix_ns + want->duration_ns);
    assert_int_equal(got->flags, 0x100 | (want->remote_parent ? 0x200 : 0) | (want->flags & 1) |
                                     (want->flags & TRC_FLAG_RANDOM ? 2 : 0));
    assert_int_equal(got->n_attributes, count);
    for (unsigned i = 0; i < count; i++)
        check_attribute(got->attributes[i], &list[i]);
    check_events(got, want, semconv);
    check_link(got, want);
    assert_int_equal(got->status != NULL, want->error);
    if (got->status) {
        check_known(&got->status->base);
        assert_int_equal(got->status->code, OTLP__STATUS__STATUS_CODE__STATUS_CODE_ERROR);
        assert_string_equal(got->status->message, "");
    }
}

static void check_message(struct trc_slice message, const struct trc_span *spans, unsigned count,
                          enum trc_semconv semconv) {
    Request *request = parsed(message);
    const Otlp__ScopeSpans *list = request->resource_spans[0]->scope_spans[0];

    check_known(&request->base);
    check_known(&request->resource_spans[0]->base);
    check_known(&list->base);
    assert_string_equal(list->scope->name, "uwsgi-tracing");
    assert_string_equal(list->scope->version, TRC_VERSION);
    assert_int_equal(list->n_spans, count);
    for (unsigned i = 0; i < count; i++)
        check_span(list->spans[i], &spans[i], semconv);
    release(request);
}

/* --- Whole messages --------------------------------------------------------------------------- */

static const Otlp__AnyValue *attribute(Otlp__KeyValue *const *list, size_t count, const char *key) {
    const Otlp__AnyValue *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i]->key, key) == 0) {
            assert_null(found); /* a name is there once */
            found = list[i]->value;
        }
    }
    if (!found)
        fail_msg("no %s", key);
    return found;
}

/* Said with literals, and not with the functions that the encoder calls. */
static void a_message_in_full(void **state) {
    static const uint8_t trace[] = "\0\0\0\0\0\0\0\0\x5a\xf7\x18\x3f\xb1\xd4\xcf\x5f";
    const struct trc_resource bare = {
        .service = TRC_SLICE("s"), .client_uuid = UINT64_C(0x00c0ffee12345678), .pid = 17};
    const struct trc_encoder_config config = {&bare, TRC_SEMCONV_HTTP, 65000};
    struct trc_encoder *e = ops->make(&config);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    spans_usual(&span);
    span.parent_id = 0xabc;
    span.remote_parent = 1;
    span.flags = TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG | TRC_FLAG_RANDOM; /* debug is no W3C flag */
    span.outcome = TRC_OUTCOME_REFUSED;
    span.error = 1;
    span.core = 300;
    spans_set(&span, TRC_STR_STATE, "a=b");
    trc_span_add_tag(&span, TRC_EXTRA_TAG, TRC_SLICE("tenant"), TRC_SLICE("blue"));
    trc_span_add_log(&span, 1000, TRC_SLICE("cache miss"));
    trc_span_add_exception(&span, 2, TRC_SLICE("KeyError"), TRC_SLICE("'a'"), TRC_SLICE("Trace"));
    span.link_trace_lo = 0x12;
    span.link_span_id = 0x34;
    for (int round = 0; round < 2; round++) { /* the second message begins anew */
        assert_int_equal(ops->add(e, &span), 0);
        Request *request = parsed(ops->finish(e, 1, &no_losses));
        const Otlp__Resource *r = request->resource_spans[0]->resource;
        assert_int_equal(r->n_attributes, 6);
        assert_string_equal(r->attributes[0]->key, "service.name");
        assert_string_equal(r->attributes[0]->value->string_value, "s");
        assert_string_equal(attribute(r->attributes, 6, "service.instance.id")->string_value,
                            "00c0ffee-1234-8678-9347-bc89f523c9c2");
        assert_int_equal(attribute(r->attributes, 6, "process.pid")->int_value, 17);

        assert_int_equal(request->resource_spans[0]->scope_spans[0]->n_spans, 1);
        const Otlp__Span *got = request->resource_spans[0]->scope_spans[0]->spans[0];
        assert_int_equal(got->trace_id.len, 16);
        assert_memory_equal(got->trace_id.data, trace, 16);
        assert_memory_equal(got->span_id.data, "\xff\0\0\0\0\0\0\x01", 8);
        assert_memory_equal(got->parent_span_id.data, "\0\0\0\0\0\0\x0a\xbc", 8);
        assert_string_equal(got->trace_state, "a=b");
        assert_string_equal(got->name, "GET /users/{id}/orders");
        assert_int_equal(got->kind, 2);
        assert_true(got->start_time_unix_nano == UINT64_C(1556604172355737123));
        assert_true(got->end_time_unix_nano == UINT64_C(1556604172357169122));
        assert_int_equal(got->flags, 0x303);
        assert_int_equal(got->status->code, 2);
        assert_int_equal(got->n_attributes, 19);
        assert_string_equal(attribute(got->attributes, 19, "url.path")->string_value,
                            "/users/42/orders");
        assert_int_equal(attribute(got->attributes, 19, "uwsgi.core")->int_value, 300);
        assert_int_equal(attribute(got->attributes, 19, "uwsgi.refused")->bool_value, 1);
        assert_true(attribute(got->attributes, 19, "sampler.param")->double_value == 0.1);
        assert_string_equal(attribute(got->attributes, 19, "tenant")->string_value, "blue");
        assert_int_equal(got->n_events, 2);
        assert_true(got->events[0]->time_unix_nano == UINT64_C(1556604172355738123));
        assert_string_equal(got->events[0]->name, "log");
        assert_int_equal(got->events[0]->n_attributes, 1);
        assert_string_equal(got->events[0]->attributes[0]->key, "message");
        assert_string_equal(got->events[0]->attributes[0]->value->string_value, "cache miss");
        assert_true(got->events[1]->time_unix_nano == UINT64_C(1556604172355737125));
        assert_string_equal(got->events[1]->name, "exception");
        Otlp__KeyValue *const *fields = got->events[1]->attributes;
        assert_int_equal(got->events[1]->n_attributes, 3);
        assert_string_equal(attribute(fields, 3, "exception.type")->string_value, "KeyError");
        assert_string_equal(attribute(fields, 3, "exception.message")->string_value, "'a'");
        assert_string_equal(attribute(fields, 3, "exception.stacktrace")->string_value, "Trace");
        assert_int_equal(got->n_links, 1);
        assert_int_equal(got->links[0]->trace_id.data[15], 0x12);
        assert_int_equal(got->links[0]->span_id.data[7], 0x34);
        release(request);
    }
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
                spans[i].start_unix_ns |= 1; /* what is 0 protobuf-c leaves out: see parsed() */
                assert_int_equal(ops->add(e, &spans[i]), 0);
            }
            check_message(ops->finish(e, round, &no_losses), spans, counts[round],
                          (enum trc_semconv)semconv);
        }
        ops->drop(e);
    }
}

/* Strings of each length around those at which a length takes one byte more: of the string, of the
 * attribute, of the span, of the message. */
static void each_length(void **state) {
    static char text[TRC_SPAN_ARENA];
    struct trc_span span;

    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        memset(text, 'x', sizeof(text));
        if (!plain)
            memcpy(text, "\xc3\xa9", 2);
        for (unsigned copies = 1; copies <= 6; copies += 5) {
            struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 10 * TRC_SPAN_ARENA);
            assert_non_null(e);
            for (unsigned len = plain ? 0 : 2; len < TRC_SPAN_ARENA; len += len < 300 ? 1 : 11) {
                trc_span_clear(&span);
                span.start_unix_ns = 1;
                trc_span_set(&span, TRC_STR_PATH, (struct trc_slice){text, len}, len);
                if (copies > 1) {
                    static const enum trc_span_str others[] = {TRC_STR_USER_AGENT, TRC_STR_APP,
                                                               TRC_STR_NAME, TRC_STR_STATE,
                                                               TRC_STR_DEBUG_ID};
                    for (unsigned i = 0; i + 1 < copies; i++)
                        span.str[others[i]] = span.str[TRC_STR_PATH];
                }
                assert_int_equal(ops->add(e, &span), 0);
                check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP);
            }
            ops->drop(e);
        }
    }
}

/* Events of each length around those at which a length takes one byte more: of the text, of the
 * attribute, of the event, of the span. */
static void each_length_of_an_event(void **state) {
    static char text[TRC_SPAN_LOG_MAX];
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 10 * TRC_SPAN_ARENA);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++) {
        spans_usual(&span);
        for (unsigned i = 0; i < 3; i++)
            trc_span_add_log(&span, i, (struct trc_slice){text, len});
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP);
    }
    ops->drop(e);
}

/* Whatever trc_span_check lets through. */
static void strings_that_lie_anywhere(void **state) {
    struct trc_random random = {{3, 3, 3, 3}};
    struct trc_span span;

    (void)state;
    for (unsigned semconv = 1; semconv <= 3; semconv++) {
        struct trc_encoder *e = make((enum trc_semconv)semconv, 2000000);
        assert_non_null(e);
        for (unsigned i = 0; i < 1000; i++) {
            spans_random(&random, &span);
            spans_random_claims(&random, &span);
            spans_scramble(&random, &span);
            span.start_unix_ns |= 1;
            assert_true(trc_span_check(&span, span.size));
            assert_int_equal(ops->add(e, &span), 0);
            check_message(ops->finish(e, 1, &no_losses), &span, 1, (enum trc_semconv)semconv);
        }
        ops->drop(e);
    }
}

/* The longest strings there can be, no byte of which is UTF-8, with the longest names; characters
 * cut in two, with names of any length; plain ones. */
static void long_and_odd_strings(void **state) {
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP_DUP, 2000000);
    struct trc_span span;
    char text[TRC_SPAN_ARENA];

    (void)state;
    assert_non_null(e);
    for (int fill = 0; fill < 3; fill++) {
        for (unsigned i = 0; i < sizeof(text); i++)
            text[i] = (char)(fill == 0 ? 0x80 + i % 61 : fill == 1 ? 1 + i % 255 : 'a' + i % 26);
        if (fill == 0)
            spans_largest(&span, text);
        assert_true(trc_span_check(&span, span.size));
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP_DUP);
    }
    ops->drop(e);
}

/* Any number a span can have, at the ends of each length a varint has. */
static void numbers(void **state) {
    static const double doubles[] = {0, -0.0, 0.1, -1e300, 5e-324, NAN, INFINITY, -INFINITY};
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 10 * TRC_SPAN_ARENA);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    spans_usual(&span);
    for (int bit = 0; bit < 64; bit++) {
        for (int less = 0; less < 2; less++) {
            span.response_bytes = (UINT64_C(1) << bit) - (uint64_t)less;
            span.request_bytes = span.response_bytes + 1;
            assert_int_equal(ops->add(e, &span), 0);
            check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP);
        }
    }
    for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
        span.sampler_param = doubles[i];
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP);
    }
    ops->drop(e);
}

/* --- The resource ----------------------------------------------------------------------------- */

static void what_the_resource_says(void **state) {
    static const struct trc_tag own[] = {{TRC_SLICE("service.instance.id"), TRC_SLICE("mine")},
                                         {TRC_SLICE("service.name"), TRC_SLICE("not me")},
                                         {TRC_SLICE("process.pid"), TRC_SLICE("one")}};
    const struct trc_resource owned = {
        .service = TRC_SLICE("s"), .tags = own, .tag_count = 3, .hostname = TRC_SLICE("h")};
    const struct trc_encoder_config config = {&owned, TRC_SEMCONV_HTTP, 65000};
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 10 * TRC_SPAN_ARENA);
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    assert_int_equal(ops->add(e, &span), 0);
    Request *request = parsed(ops->finish(e, 1, &no_losses));
    const Otlp__Resource *r = request->resource_spans[0]->resource;
    check_text(attribute(r->attributes, r->n_attributes, "service.name")->string_value,
               resource.service);
    check_text(attribute(r->attributes, r->n_attributes, "host.name")->string_value,
               resource.hostname);
    check_text(attribute(r->attributes, r->n_attributes, "b\"d\xef\xbf\xbd")->string_value,
               tags[1].value);
    check_text(attribute(r->attributes, r->n_attributes, "empty")->string_value, tags[2].value);
    release(request);
    ops->drop(e);

    e = ops->make(&config); /* tags that say what we would say */
    assert_int_equal(ops->add(e, &span), 0);
    request = parsed(ops->finish(e, 1, &no_losses));
    r = request->resource_spans[0]->resource;
    assert_string_equal(
        attribute(r->attributes, r->n_attributes, "service.instance.id")->string_value, "mine");
    assert_string_equal(attribute(r->attributes, r->n_attributes, "service.name")->string_value,
                        "s");
    assert_string_equal(attribute(r->attributes, r->n_attributes, "process.pid")->string_value,
                        "one");
    release(request);
    ops->drop(e);
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void no_message_is_too_long(void **state) {
    static struct trc_span spans[200];
    struct trc_random random = {{9, 9, 9, 9}};

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        const size_t max = 1000 + 331 * round;
        struct trc_encoder *e = make(TRC_SEMCONV_HTTP, max);
        unsigned count = 0;

        assert_non_null(e);
        for (unsigned i = 0; i < 200; i++) {
            spans_random(&random, &spans[count]);
            spans_random_claims(&random, &spans[count]);
            spans[count].start_unix_ns |= 1;
            const int rc = ops->add(e, &spans[count]);
            if (rc == 0)
                count++;
            if (rc == 0 || rc == -EMSGSIZE) /* nothing is in the way of the latter but itself */
                continue;
            assert_int_equal(rc, -ENOSPC);
            assert_true(count > 0);
            const struct trc_slice message = ops->finish(e, 1, &no_losses);
            assert_true(message.len <= max);
            check_message(message, spans, count, TRC_SEMCONV_HTTP);
            spans[0] = spans[count];
            assert_int_equal(ops->add(e, &spans[0]), 0);
            count = 1;
        }
        ops->drop(e);
    }
}

/* To the byte: a limit of a message's length is enough for it, and one less is not. Of many
 * lengths, since those of the head grow with the message's. */
static void limits_are_exact(void **state) {
    static struct trc_span spans[300];
    static const unsigned counts[] = {1, 2, 23, 24, 25, 26, 27, 28, 29, 30, 300};
    static size_t len[sizeof(counts) / sizeof(counts[0])];

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        const unsigned count = counts[c];
        for (unsigned i = 0; i < count; i++)
            spans_usual(&spans[i]);
        struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 1000000);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(ops->add(e, &spans[i]), 0);
        len[c] = ops->finish(e, 1, &no_losses).len;
        ops->drop(e);
        for (unsigned less = 0; less < 2; less++) {
            e = make(TRC_SEMCONV_HTTP, len[c] - less);
            for (unsigned i = 0; i < count - 1; i++)
                assert_int_equal(ops->add(e, &spans[i]), 0);
            const int full = count == 1 ? -EMSGSIZE : -ENOSPC;
            assert_int_equal(ops->add(e, &spans[count - 1]), less ? full : 0);
            if (count - less > 0)
                check_message(ops->finish(e, 1, &no_losses), spans, count - less, TRC_SEMCONV_HTTP);
            ops->drop(e);
        }
    }
    assert_true(len[2] < 16384 && len[9] > 16384); /* where a length takes a third byte */
}

#define WORST_BYTE(i) (0x80 + (i) % 61) /* no UTF-8: three of it */
#include "span_limits.h"

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_full),
        cmocka_unit_test(any_spans_are_read_back),
        cmocka_unit_test(each_length),
        cmocka_unit_test(each_length_of_an_event),
        cmocka_unit_test(strings_that_lie_anywhere),
        cmocka_unit_test(long_and_odd_strings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(what_the_resource_says),
        cmocka_unit_test(no_message_is_too_long),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(room_for_the_largest_span),
        cmocka_unit_test(no_encoder_without_room_or_memory),
    };
    return cmocka_run_group_tests_name("otlp_protobuf", tests, NULL, NULL);
}
