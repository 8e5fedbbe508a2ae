/* SPDX-License-Identifier: MIT
 *
 * The OTLP JSON encoder: exact bytes of one message, what jansson makes of many, and limits.
 */
#include "spans.h"
#include "tracing/encoder.h"
#include "tracing/utf8.h"
#include "tracing/version.h"
#include "unit.h"
#include <jansson.h>
#include <locale.h>
#include <math.h>

#include "../../plugin/encode/events.h"

/* Let malloc say no, as it does without a sanitizer. */
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static const struct trc_encoder_ops *const ops = &trc_encoder_otlp_json;
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

static struct trc_encoder *make(enum trc_semconv semconv, size_t max) {
    const struct trc_encoder_config config = {&resource, semconv, max};
    return ops->make(&config);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Parses a message: one line, nothing behind it. */
static json_t *parsed(struct trc_slice message) {
    json_error_t error;
    json_t *root;

    assert_true(message.len > 0 && message.p[message.len - 1] == '\n');
    assert_null(memchr(message.p, '\n', message.len - 1));
    root = json_loadb(message.p, message.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!root)
        fail_msg("%s at %d: %.*s", error.text, error.position, (int)message.len, message.p);
    return root;
}

static json_t *member(json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    if (!value)
        fail_msg("no %s", name);
    return value;
}

static json_t *only(json_t *array) {
    assert_int_equal(json_array_size(array), 1);
    return json_array_get(array, 0);
}

/* The text of a JSON string is `want`, made UTF-8. */
static void check_text(json_t *got, struct trc_slice want) {
    static char text[3 * TRC_SPAN_ARENA];
    struct trc_buf b = trc_buf_over(text, sizeof(text));

    trc_utf8_put(&b, want);
    assert_false(b.overflow);
    assert_true(json_is_string(got));
    assert_int_equal(json_string_length(got), b.len);
    assert_memory_equal(json_string_value(got), text, b.len);
}

static void check_literal(json_t *got, const char *want) {
    check_text(got, trc_slice_of(want));
}

/* A 64-bit integer is a decimal string. */
static void check_number(json_t *got, uint64_t want) {
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)want);
    check_literal(got, text);
}

static void check_hex(json_t *got, uint64_t a, const uint64_t *b) {
    char text[33];
    int len = snprintf(text, sizeof(text), "%016llx", (unsigned long long)a);
    if (b)
        snprintf(text + len, sizeof(text) - (size_t)len, "%016llx", (unsigned long long)*b);
    check_literal(got, text);
}

static void check_attribute(json_t *got, const struct trc_attribute *a) {
    const struct trc_attribute_key *key = &trc_attribute_keys[a->key];
    json_t *value = member(got, "value");

    assert_int_equal(json_object_size(got), 2);
    assert_int_equal(json_object_size(value), 1);
    if (a->key == TRC_ATTR_NAMED) {
        check_text(member(got, "key"), a->name);
        if (a->array) {
            json_t *values = member(member(value, "arrayValue"), "values");
            assert_int_equal(json_array_size(values), 1);
            value = json_array_get(values, 0);
        }
        check_text(member(value, "stringValue"), a->s);
        return;
    }
    check_text(member(got, "key"), key->name);
    switch (key->type) {
    case TRC_ATTR_STRING:
        check_text(member(value, "stringValue"), a->s);
        break;
    case TRC_ATTR_INT:
        check_number(member(value, "intValue"), (uint64_t)a->i);
        break;
    case TRC_ATTR_BOOL:
        assert_true(a->i ? json_is_true(member(value, "boolValue"))
                         : json_is_false(member(value, "boolValue")));
        break;
    case TRC_ATTR_DOUBLE:
        assert_true(json_number_value(member(value, "doubleValue")) == a->d);
        break;
    }
}

static void check_events(json_t *got, const struct trc_span *want, enum trc_semconv semconv) {
    struct trc_event event = {.count = 0};
    unsigned count = 0;

    while (trc_event_next(want, semconv, &event)) {
        json_t *one = json_array_get(got, count++), *list = json_object_get(one, "attributes");
        check_number(member(one, "timeUnixNano"), event.unix_ns);
        check_text(member(one, "name"), event.name);
        assert_int_equal(json_array_size(list), event.count);
        for (unsigned i = 0; i < event.count; i++)
            check_attribute(json_array_get(list, i), &event.attributes[i]);
        assert_int_equal(json_object_size(one), 2 + (event.count != 0));
    }
    assert_int_equal(json_array_size(got), count);
}

/* Returns how many members that is. */
static unsigned check_claims(json_t *got, const struct trc_span *want, enum trc_semconv semconv) {
    const struct trc_slice state = trc_span_get(want, TRC_STR_STATE);

    if (state.p)
        check_text(member(got, "traceState"), state);
    if (want->link_span_id) {
        json_t *link = only(member(got, "links"));
        check_hex(member(link, "traceId"), want->link_trace_hi, &want->link_trace_lo);
        check_hex(member(link, "spanId"), want->link_span_id, NULL);
        assert_int_equal(json_integer_value(member(link, "flags")), 0x300);
        assert_int_equal(json_object_size(link), 3);
    }
    if (want->event_count)
        check_events(member(got, "events"), want, semconv);
    return (state.p != NULL) + (want->link_span_id != 0) + (want->event_count != 0);
}

static void check_span(json_t *got, const struct trc_span *want, enum trc_semconv semconv) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = spans_otlp_attributes(want, semconv, list);
    const struct trc_slice name = trc_span_get(want, TRC_STR_NAME);
    json_t *attributes = member(got, "attributes");

    check_hex(member(got, "traceId"), want->trace_hi, &want->trace_lo);
    check_hex(member(got, "spanId"), want->span_id, NULL);
    if (want->parent_id)
        check_hex(member(got, "parentSpanId"), want->parent_id, NULL);
    else
        assert_null(json_object_get(got, "parentSpanId"));
    assert_int_equal(json_integer_value(member(got, "flags")),
                     0x100 | (want->remote_parent ? 0x200 : 0) | (want->flags & 1) |
                         (want->flags & TRC_FLAG_RANDOM ? 2 : 0));
    check_text(member(got, "name"), name.p ? name : TRC_SLICE("HTTP"));
    assert_int_equal(json_integer_value(member(got, "kind")),
                     want->kind == TRC_KIND_SERVER ? 2 : 1);
    check_number(member(got, "startTimeUnixNano"), want->start_unix_ns);
    check_number(member(got, "endTimeUnixNano"), want->start_unix_ns + want->duration_ns);
    assert_int_equal(json_array_size(attributes), count);
    for (unsigned i = 0; i < count; i++)
        check_attribute(json_array_get(attributes, i), &list[i]);
    if (want->error)
        assert_int_equal(json_integer_value(member(member(got, "status"), "code")), 2);
    else
        assert_null(json_object_get(got, "status"));
    assert_int_equal(json_object_size(got), 8 + (want->parent_id != 0) + (want->error != 0) +
                                                check_claims(got, want, semconv));
}

static json_t *resource_spans(json_t *root) {
    assert_int_equal(json_object_size(root), 1);
    return only(member(root, "resourceSpans"));
}

static void check_message(struct trc_slice message, const struct trc_span *spans, unsigned count,
                          enum trc_semconv semconv) {
    json_t *root = parsed(message);
    json_t *scope_spans = only(member(resource_spans(root), "scopeSpans"));
    json_t *scope = member(scope_spans, "scope");
    json_t *list = member(scope_spans, "spans");

    check_literal(member(scope, "name"), "uwsgi-tracing");
    check_literal(member(scope, "version"), TRC_VERSION);
    assert_int_equal(json_array_size(list), count);
    for (unsigned i = 0; i < count; i++)
        check_span(json_array_get(list, i), &spans[i], semconv);
    json_decref(root);
}

/* --- Whole messages --------------------------------------------------------------------------- */

static void a_message_in_full(void **state) {
    static const char want[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"s\"}},"
        "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":"
        "\"00c0ffee-1234-8678-9347-bc89f523c9c2\"}},"
        "{\"key\":\"telemetry.sdk.name\",\"value\":{\"stringValue\":\"uwsgi-tracing\"}},"
        "{\"key\":\"telemetry.sdk.language\",\"value\":{\"stringValue\":\"c\"}},"
        "{\"key\":\"telemetry.sdk.version\",\"value\":{\"stringValue\":\"" TRC_VERSION
        "\"}},"
        "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"17\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"uwsgi-tracing\",\"version\":\"" TRC_VERSION
        "\"},"
        "\"spans\":[{\"traceId\":\"00000000000000005af7183fb1d4cf5f\",\"spanId\":"
        "\"ff00000000000001\",\"parentSpanId\":\"0000000000000abc\",\"flags\":769,\"name\":\"GET\","
        "\"kind\":2,\"startTimeUnixNano\":\"1556604172355737123\",\"endTimeUnixNano\":"
        "\"1556604172357169122\",\"attributes\":["
        "{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"_OTHER\"}},"
        "{\"key\":\"uwsgi.worker\",\"value\":{\"intValue\":\"3\"}},"
        "{\"key\":\"uwsgi.core\",\"value\":{\"intValue\":\"0\"}},"
        "{\"key\":\"uwsgi.refused\",\"value\":{\"boolValue\":true}},"
        "{\"key\":\"sampler.type\",\"value\":{\"stringValue\":\"probabilistic\"}},"
        "{\"key\":\"sampler.param\",\"value\":{\"doubleValue\":0.1}}],"
        "\"events\":[{\"timeUnixNano\":\"1556604172355738123\",\"name\":\"log\"},"
        "{\"timeUnixNano\":\"1556604172355737125\",\"name\":\"exception\",\"attributes\":["
        "{\"key\":\"exception.type\",\"value\":{\"stringValue\":\"KeyError\"}},"
        "{\"key\":\"exception.message\",\"value\":{\"stringValue\":\"'a'\"}}]}],"
        "\"status\":{\"code\":2}},";
    const struct trc_resource bare = {
        .service = TRC_SLICE("s"), .client_uuid = UINT64_C(0x00c0ffee12345678), .pid = 17};
    const struct trc_encoder_config config = {&bare, TRC_SEMCONV_HTTP, 65000};
    struct trc_encoder *e = ops->make(&config);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    trc_span_clear(&span);
    span.trace_lo = UINT64_C(0x5af7183fb1d4cf5f);
    span.span_id = UINT64_C(0xff00000000000001);
    span.parent_id = 0xabc;
    span.remote_parent = 1;
    span.flags = TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG; /* debug is no W3C flag */
    span.start_unix_ns = UINT64_C(1556604172355737123);
    span.duration_ns = 1431999;
    span.worker = 3;
    span.outcome = TRC_OUTCOME_REFUSED;
    span.sampler_type = TRC_SAMPLER_PROBABILISTIC;
    span.sampler_param = 0.1;
    span.error = 1;
    spans_set(&span, TRC_STR_NAME, "GET");
    trc_span_add_log(&span, 1000, TRC_SLICE(""));
    trc_span_add_exception(&span, 2, TRC_SLICE("KeyError"), TRC_SLICE("'a'"), TRC_SLICE(""));
    assert_int_equal(ops->add(e, &span), 0);
    assert_int_equal(ops->add(e, &span), 0);
    struct trc_slice message = ops->finish(e, 1, &no_losses);
    assert_true(message.len > sizeof(want));
    assert_memory_equal(message.p, want, sizeof(want) - 1);
    assert_memory_equal(message.p + message.len - 8, "}]}]}]}\n", 8);
    json_decref(parsed(message));

    /* The next message begins anew. */
    assert_int_equal(ops->add(e, &span), 0);
    message = ops->finish(e, 2, &no_losses);
    assert_memory_equal(message.p, want, sizeof(want) - 2);
    check_message(message, &span, 1, TRC_SEMCONV_HTTP);
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
        struct trc_encoder *e = make((enum trc_semconv)semconv, 2000000);
        assert_non_null(e);
        for (unsigned i = 0; i < 1000; i++) {
            spans_random(&random, &span);
            spans_random_claims(&random, &span);
            spans_scramble(&random, &span);
            assert_true(trc_span_check(&span, span.size));
            assert_int_equal(ops->add(e, &span), 0);
            check_message(ops->finish(e, 1, &no_losses), &span, 1, (enum trc_semconv)semconv);
        }
        ops->drop(e);
    }
}

/* The longest strings there can be, each byte of which grows to six; each byte there is; and the
 * beginning of a character before a quotation mark. */
static void long_and_odd_strings(void **state) {
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP_DUP, 2000000);
    struct trc_span span;
    char text[TRC_SPAN_ARENA];

    (void)state;
    assert_non_null(e);
    for (int fill = 0; fill < 3; fill++) {
        for (unsigned i = 0; i < sizeof(text); i++)
            text[i] = fill == 0 ? (char)(1 + i % 8) : fill == 1 ? (char)i : "\xe2\x82\"\\"[i % 4];
        if (fill == 0)
            spans_largest(&span, text);
        assert_true(trc_span_check(&span, span.size));
        assert_int_equal(ops->add(e, &span), 0);
        check_message(ops->finish(e, 1, &no_losses), &span, 1, TRC_SEMCONV_HTTP_DUP);
    }
    ops->drop(e);
}

/* Doubles come back as the same number, in any locale, and what is no number is a string. */
static void doubles(void **state) {
    static const double numbers[] = {0,
                                     -0.0,
                                     1,
                                     0.1,
                                     1.0 / 3,
                                     1e300,
                                     5e-324,
                                     2.5,
                                     1e-07,
                                     123456.789,
                                     1e22,
                                     -2,
                                     0.30000000000000004};
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 65000);
    struct trc_span span;

    (void)state;
    assert_non_null(e);
    spans_usual(&span);
    for (int locale = 0; locale < 2; locale++) {
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            span.sampler_param = numbers[i];
            assert_int_equal(ops->add(e, &span), 0);
            const struct trc_slice message = ops->finish(e, 1, &no_losses);
            assert_null(memmem(message.p, message.len, "0,1", 3));
            check_message(message, &span, 1, TRC_SEMCONV_HTTP);
        }
        if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
            break; /* not installed here */
    }
    setlocale(LC_NUMERIC, "C");
    static const struct {
        double d;
        const char *text;
    } odd[] = {{NAN, "\"doubleValue\":\"NaN\"}"},
               {INFINITY, "\"doubleValue\":\"Infinity\"}"},
               {-INFINITY, "\"doubleValue\":\"-Infinity\"}"},
               {0.1, "\"doubleValue\":0.1}"}};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        span.sampler_param = odd[i].d;
        assert_int_equal(ops->add(e, &span), 0);
        const struct trc_slice message = ops->finish(e, 1, &no_losses);
        assert_non_null(memmem(message.p, message.len, odd[i].text, strlen(odd[i].text)));
        json_decref(parsed(message));
    }
    ops->drop(e);
}

/* --- The resource ----------------------------------------------------------------------------- */

static json_t *resource_attribute(json_t *root, const char *name) {
    json_t *list = member(member(resource_spans(root), "resource"), "attributes");
    json_t *found = NULL;

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *attribute = json_array_get(list, i);
        if (strcmp(json_string_value(member(attribute, "key")), name) == 0) {
            assert_null(found); /* a name is there once */
            found = member(attribute, "value");
        }
    }
    return found;
}

static void what_the_resource_says(void **state) {
    static const struct trc_tag own[] = {{TRC_SLICE("service.instance.id"), TRC_SLICE("mine")},
                                         {TRC_SLICE("service.name"), TRC_SLICE("not me")},
                                         {TRC_SLICE("process.pid"), TRC_SLICE("one")}};
    const struct trc_resource owned = {
        .service = TRC_SLICE("s"), .tags = own, .tag_count = 3, .hostname = TRC_SLICE("h")};
    const struct trc_encoder_config config = {&owned, TRC_SEMCONV_HTTP, 65000};
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 65000);
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    assert_int_equal(ops->add(e, &span), 0);
    json_t *root = parsed(ops->finish(e, 1, &no_losses));
    check_text(member(resource_attribute(root, "service.name"), "stringValue"), resource.service);
    check_literal(member(resource_attribute(root, "host.name"), "stringValue"), "web-1");
    check_literal(member(resource_attribute(root, "process.pid"), "intValue"), "4711");
    check_literal(member(resource_attribute(root, "region"), "stringValue"), "eu-west-1");
    check_text(member(resource_attribute(root, "b\"d\xef\xbf\xbd"), "stringValue"), tags[1].value);
    json_decref(root);
    ops->drop(e);

    e = ops->make(&config); /* tags that say what we would say */
    assert_int_equal(ops->add(e, &span), 0);
    root = parsed(ops->finish(e, 1, &no_losses));
    check_literal(member(resource_attribute(root, "service.instance.id"), "stringValue"), "mine");
    check_literal(member(resource_attribute(root, "service.name"), "stringValue"), "s");
    check_literal(member(resource_attribute(root, "process.pid"), "stringValue"), "one");
    json_decref(root);
    ops->drop(e);
}

/* --- Limits ----------------------------------------------------------------------------------- */

#define LEAST_BYTES 3000
#include "json_limits.h"

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_full),
        cmocka_unit_test(any_spans_are_read_back),
        cmocka_unit_test(strings_that_lie_anywhere),
        cmocka_unit_test(long_and_odd_strings),
        cmocka_unit_test(doubles),
        cmocka_unit_test(what_the_resource_says),
        cmocka_unit_test(no_message_is_too_long),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(room_for_the_largest_span),
        cmocka_unit_test(no_encoder_without_room_or_memory),
    };
    return cmocka_run_group_tests_name("otlp_json", tests, NULL, NULL);
}
