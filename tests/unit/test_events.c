/* SPDX-License-Identifier: MIT
 *
 * What an event says, under each set of names. It is compared as text: its name, then
 * "name=value" of each attribute, one a line.
 */
#include "spans.h"
#include "unit.h"
#include <jansson.h>

#include "../../plugin/encode/events.h"

/* The event as text, in a buffer that the next call overwrites. */
static const char *told(const struct trc_event *event) {
    static char text[16384];
    int len = sprintf(text, "%.*s", (int)event->name.len, event->name.p);

    assert_true(event->name.len <= TRC_EVENT_NAME_MAX);
    assert_true(event->count <= TRC_EVENT_ATTRIBUTES_MAX);
    for (unsigned i = 0; i < event->count; i++) {
        const struct trc_attribute *a = &event->attributes[i];
        assert_int_equal(a->key, TRC_ATTR_NAMED);
        assert_false(a->array);
        assert_true(a->name.len <= TRC_EVENT_NAME_MAX);
        for (unsigned j = 0; j < i; j++)
            assert_false(trc_slice_equal(a->name, event->attributes[j].name));
        len +=
            sprintf(text + len, "\n%.*s=%.*s", (int)a->name.len, a->name.p, (int)a->s.len, a->s.p);
    }
    return text;
}

static void exceptions(void **state) {
    static const struct {
        const char *type, *message, *stack;
        const char *told[4]; /* by set of names */
    } rows[] = {
        {"KeyError",
         "'a'",
         "Traceback",
         {[TRC_SEMCONV_HTTP] = "exception\nexception.type=KeyError\nexception.message='a'\n"
                               "exception.stacktrace=Traceback",
          [TRC_SEMCONV_OPENTRACING] = "error\nerror.kind=KeyError\nmessage='a'\nstack=Traceback",
          [TRC_SEMCONV_HTTP_DUP] = "exception\nerror.kind=KeyError\nmessage='a'\nstack=Traceback\n"
                                   "exception.type=KeyError\nexception.message='a'\n"
                                   "exception.stacktrace=Traceback"}},
        {"KeyError",
         "",
         "",
         {[TRC_SEMCONV_HTTP] = "exception\nexception.type=KeyError",
          [TRC_SEMCONV_OPENTRACING] = "error\nerror.kind=KeyError",
          [TRC_SEMCONV_HTTP_DUP] = "exception\nerror.kind=KeyError\nexception.type=KeyError"}},
        {"",
         "a|b",
         "",
         {[TRC_SEMCONV_HTTP] = "exception\nexception.message=a|b",
          [TRC_SEMCONV_OPENTRACING] = "error\nmessage=a|b",
          [TRC_SEMCONV_HTTP_DUP] = "exception\nmessage=a|b\nexception.message=a|b"}},
        {"",
         "",
         "",
         {[TRC_SEMCONV_HTTP] = "exception",
          [TRC_SEMCONV_OPENTRACING] = "error",
          [TRC_SEMCONV_HTTP_DUP] = "exception"}},
    };
    struct trc_span span;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trc_span_clear(&span);
        span.start_unix_ns = 1000;
        assert_true(trc_span_add_exception(&span, 234, trc_slice_of(rows[i].type),
                                           trc_slice_of(rows[i].message),
                                           trc_slice_of(rows[i].stack)));
        for (int semconv = 1; semconv <= 3; semconv++) {
            struct trc_event event = {.count = 0};
            assert_true(trc_event_next(&span, semconv, &event));
            assert_string_equal(told(&event), rows[i].told[semconv]);
            assert_true(event.unix_ns == 1234);
            assert_false(trc_event_next(&span, semconv, &event));
        }
    }
}

/* The same in each set. */
static void logs(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    trc_span_add_log(&span, 1, TRC_SLICE("cache miss"));
    trc_span_add_log(&span, 2, TRC_SLICE(""));
    for (int semconv = 1; semconv <= 3; semconv++) {
        struct trc_event event = {.count = 0};
        assert_true(trc_event_next(&span, semconv, &event));
        assert_string_equal(told(&event), "log\nmessage=cache miss");
        assert_true(trc_event_next(&span, semconv, &event));
        assert_string_equal(told(&event), "log");
        assert_false(trc_event_next(&span, semconv, &event));
    }
}

/* In the order they were added, and nothing but events. */
static void among_tags(void **state) {
    struct trc_event event = {.count = 0};
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    assert_int_equal(trc_event_count(&span), 0);
    assert_false(trc_event_next(&span, TRC_SEMCONV_HTTP, &event));
    trc_span_add_tag(&span, TRC_EXTRA_TAG, TRC_SLICE("a"), TRC_SLICE("1"));
    assert_int_equal(trc_event_count(&span), 0);
    assert_false(trc_event_next(&span, TRC_SEMCONV_HTTP, &event));
    trc_span_add_log(&span, 7, TRC_SLICE("one"));
    trc_span_add_tag(&span, TRC_EXTRA_HEADER, TRC_SLICE("a"), TRC_SLICE("longer than it was"));
    trc_span_add_exception(&span, 5, TRC_SLICE("E"), TRC_SLICE(""), TRC_SLICE(""));
    assert_int_equal(trc_event_count(&span), 2);

    event = (struct trc_event){.count = 0};
    assert_true(trc_event_next(&span, TRC_SEMCONV_HTTP, &event));
    assert_string_equal(told(&event), "log\nmessage=one");
    assert_true(trc_event_next(&span, TRC_SEMCONV_HTTP, &event));
    assert_string_equal(told(&event), "exception\nexception.type=E");
    assert_false(trc_event_next(&span, TRC_SEMCONV_HTTP, &event));
}

static void objects(void **state) {
    static const struct {
        const char *text;
        bool named;
        const char *object;
    } rows[] = {
        {"a\"b\\\n\x01", true, "{\"event\":\"log\",\"message\":\"a\\\"b\\\\\\n\\u0001\"}"},
        {"a", false, "{\"message\":\"a\"}"},
        {"", true, "{\"event\":\"log\"}"},
        {"", false, "{}"},
        {"\xff", false, "{\"message\":\"\xef\xbf\xbd\"}"},
    };
    static char out[TRC_EVENT_OBJECTS_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trc_event event = {.count = 0};
        struct trc_span span;
        trc_span_clear(&span);
        trc_span_add_log(&span, 0, trc_slice_of(rows[i].text));
        assert_true(trc_event_next(&span, TRC_SEMCONV_HTTP, &event));
        *trc_event_object(out, &event, rows[i].named) = '\0';
        assert_string_equal(out, rows[i].object);
    }
}

/* Of any span the objects of all events have the room that is promised, and are read back. */
static void room_for_objects(void **state) {
    static char text[TRC_SPAN_ARENA], out[TRC_EVENT_OBJECTS_MAX];
    struct trc_event event = {.count = 0};
    struct trc_span span;
    char *at = out;
    unsigned count = 0;

    (void)state;
    memset(text, 1, sizeof(text));
    spans_largest(&span, text);
    while (trc_event_next(&span, TRC_SEMCONV_HTTP_DUP, &event)) {
        char *const object = at;
        at = trc_event_object(at, &event, true);
        json_t *got = json_loadb(object, (size_t)(at - object), JSON_REJECT_DUPLICATES, NULL);
        assert_int_equal(json_object_size(got), 1 + event.count);
        json_decref(got);
        count++;
    }
    assert_int_equal(count, TRC_SPAN_EVENTS_MAX);
    assert_int_equal(trc_event_count(&span), count);
    assert_true(at <= out + sizeof(out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions),       cmocka_unit_test(logs),
        cmocka_unit_test(among_tags),       cmocka_unit_test(objects),
        cmocka_unit_test(room_for_objects),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
