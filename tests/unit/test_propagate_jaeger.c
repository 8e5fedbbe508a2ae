/* SPDX-License-Identifier: MIT
 *
 * Jaeger's headers: what is sent. What is accepted and what is not is in data/jaeger.txt.
 */
#include "format_cases.h"

static struct trc_baggage baggage;
static struct trc_extracted ex;
static struct trc_injection injection;

/* What came in; NULL: not sent. Prefixed headers as "NAME=value". */
struct sent {
    const char *uber, *debug, *items, *prefixed[4];
};

static struct trc_slice values[3];
static struct trc_prefixed prefixed[4];

static struct trc_slice on_guard(unsigned lane, const char *s) {
    return s ? (struct trc_slice){guarded(lane, s, strlen(s)), strlen(s)} : (struct trc_slice){0};
}

static struct trc_carrier carrier_of(const struct sent *s) {
    unsigned count = 0;
    values[0] = on_guard(0, s->uber);
    values[1] = on_guard(1, s->debug);
    values[2] = on_guard(2, s->items);
    for (; count < 4 && s->prefixed[count]; count++) {
        const char *eq = strchr(s->prefixed[count], '=');
        size_t name_len = (size_t)(eq - s->prefixed[count]);
        prefixed[count].rest = (struct trc_slice){s->prefixed[count], name_len};
        prefixed[count].value = on_guard(3 + count, eq + 1);
    }
    return (struct trc_carrier){values, 0, prefixed, count, false};
}

static int extract(const struct sent *s) {
    struct trc_carrier c = carrier_of(s);
    trc_baggage_clear(&baggage);
    memset(&ex, 0xee, sizeof(ex));
    ex.debug_id = (struct trc_slice){NULL, 0};
    int rc = trc_formats[0]->extract(&c, &ex);
    if (rc != -EINVAL)
        trc_formats[0]->baggage(&c, &baggage);
    return rc;
}

/* --- Out -------------------------------------------------------------------------------------- */

static const char *injected(const char *name) {
    static char text[TRC_INJECTION_BYTES];
    for (unsigned i = 0; i < injection.count; i++)
        if (trc_slice_equal(injection.item[i].name, trc_slice_of(name))) {
            snprintf(text, sizeof(text), "%.*s", (int)injection.item[i].value.len,
                     injection.item[i].value.p);
            return text;
        }
    return NULL;
}

static void inject(const struct trc_context *context, const struct sent *s) {
    struct trc_carrier c = carrier_of(s);
    trc_injection_clear(&injection);
    case_inject(trc_formats[0], &(struct trc_outgoing){context, &baggage, NULL}, &c, 5, &injection);
}

static void writes_the_full_width(void **state) {
    (void)state;
    trc_baggage_clear(&baggage);
    inject(&(struct trc_context){0, 0xabc, 0xdef, 0, 1}, &(struct sent){0});
    assert_int_equal(injection.count, 1);
    assert_int_equal(injection.item[0].header, 5);
    assert_string_equal(injected("HTTP_UBER_TRACE_ID"),
                        "0000000000000abc:0000000000000def:0000000000000000:1");
    inject(&(struct trc_context){1, 2, 0xffffffffffffffff, 3, 3}, &(struct sent){0});
    assert_string_equal(injected("HTTP_UBER_TRACE_ID"),
                        "00000000000000010000000000000002:ffffffffffffffff:0000000000000003:3");
    inject(&(struct trc_context){0, 2, 3, 4, 0xfc}, &(struct sent){0});
    assert_string_equal(injected("HTTP_UBER_TRACE_ID"),
                        "0000000000000002:0000000000000003:0000000000000004:0");
}

static void what_it_writes_it_reads(void **state) {
    (void)state;
    srandom(7);
    for (int i = 0; i < 1000; i++) {
        struct trc_context c = {i % 2 ? (uint64_t)random() << 20 | 1 : 0,
                                (uint64_t)random() << 33 | 1, (uint64_t)random() << 31 | 1,
                                (uint64_t)random(), i % 4 == 2 ? 3 : i % 2};
        trc_baggage_clear(&baggage);
        inject(&c, &(struct sent){0});
        assert_int_equal(extract(&(struct sent){.uber = injected("HTTP_UBER_TRACE_ID")}), 0);
        assert_int_equal(ex.context.trace_hi, c.trace_hi);
        assert_int_equal(ex.context.trace_lo, c.trace_lo);
        assert_int_equal(ex.context.span_id, c.span_id);
        assert_int_equal(ex.context.parent_id, c.parent_id);
        assert_int_equal(ex.context.flags, c.flags);
    }
}

static void passes_on_ad_hoc_baggage(void **state) {
    (void)state;
    struct sent s = {.items =
                         "user-id=a b/\xc3\xa9,there=new,b\xc3\xa4"
                         "d=x,bad name=y",
                     .prefixed = {"THERE=old"}};
    assert_int_equal(extract(&s), -ENOENT);
    inject(&(struct trc_context){0, 1, 2, 0, 1}, &s);
    assert_string_equal(injected("HTTP_UBERCTX_USER_ID"), "a%20b%2F%C3%A9");
    assert_null(injected("HTTP_UBERCTX_THERE")); /* in the request already */
    assert_int_equal(injection.count, 2);        /* what cannot be a header's name is left out */
    assert_false(injection.overflow);
}

static void injection_is_bounded(void **state) {
    (void)state;
    char many[2000];
    size_t at = 0;
    for (int i = 0; i < 60; i++)
        at += (size_t)snprintf(many + at, sizeof(many) - at, "%sk%d=v", i ? "," : "", i);
    assert_int_equal(extract(&(struct sent){.items = many}), -ENOENT);
    struct trc_carrier none = {.value = (struct trc_slice[3]){{NULL, 0}}};
    trc_injection_clear(&injection);
    injection.count = TRC_INJECTION_ITEMS - 16;
    const struct trc_outgoing what = {&(struct trc_context){0, 1, 2, 0, 1}, &baggage, NULL};
    memset(injection.item, 0, sizeof(injection.item));
    case_inject(trc_formats[0], &what, &none, 5, &injection);
    assert_int_equal(injection.count, TRC_INJECTION_ITEMS);
    assert_true(injection.overflow);
    assert_string_equal(injected("HTTP_UBERCTX_K0"), "v");
    trc_injection_remove(&injection, 5, TRC_SLICE("HTTP_UBER_TRACE_ID"));
    assert_int_equal(injection.count, TRC_INJECTION_ITEMS);

    static char big[TRC_INJECTION_BYTES / 3];
    memset(big, 0x01, sizeof(big));
    trc_baggage_clear(&baggage);
    trc_baggage_add(&baggage, TRC_SLICE("big"), (struct trc_slice){big, sizeof(big)});
    trc_baggage_add(&baggage, TRC_SLICE("c"), TRC_SLICE("d"));
    inject(&(struct trc_context){0, 1, 2, 0, 1}, &(struct sent){0}); /* 3 bytes for each */
    assert_true(injection.overflow);
    assert_null(injected("HTTP_UBERCTX_BIG"));
    assert_string_equal(injected("HTTP_UBERCTX_C"), "d");
}

static void variables_say_the_ids(void **state) {
    (void)state;
    struct trc_carrier none = {0};
    trc_injection_clear(&injection);
    const struct trc_context context = {0xa, 0xb, 0xc, 0xd, 1};
    trc_format_variables.inject(&(struct trc_outgoing){&context, &baggage, NULL}, &none, 9,
                                &injection);
    assert_string_equal(injected("TRACING_TRACE_ID"), "000000000000000a000000000000000b");
    assert_string_equal(injected("TRACING_SPAN_ID"), "000000000000000c");
    assert_string_equal(injected("TRACING_SAMPLED"), "1");
    assert_int_equal(injection.item[2].header, 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_full_width),    cmocka_unit_test(what_it_writes_it_reads),
        cmocka_unit_test(passes_on_ad_hoc_baggage), cmocka_unit_test(injection_is_bounded),
        cmocka_unit_test(variables_say_the_ids),
    };
    return cmocka_run_group_tests_name("propagate: jaeger", tests, NULL, NULL);
}
