/* SPDX-License-Identifier: MIT
 *
 * traceparent, tracestate and baggage: what is sent. What is accepted is in data/tracecontext.txt
 * and data/baggage.txt.
 */
#include "format_cases.h"

static struct trc_baggage baggage;
static struct trc_injection injection;
static const struct trc_format *tracecontext, *w3c_baggage, *jaeger;

static int setup(void **state) {
    (void)state;
    tracecontext = trc_format_find(TRC_SLICE("tracecontext"));
    w3c_baggage = trc_format_find(TRC_SLICE("baggage"));
    jaeger = trc_format_find(TRC_SLICE("jaeger"));
    trc_baggage_clear(&baggage);
    return 0;
}

static void inject(const struct trc_format *format, const struct trc_context *context,
                   const struct trc_format *from, const char *headers) {
    trc_injection_clear(&injection);
    case_inject(format, &(struct trc_outgoing){context, &baggage, from},
                case_carrier(format, headers), 5, &injection);
}

/* --- traceparent ------------------------------------------------------------------------------ */

static void assert_traceparent(struct trc_context context, const char *want) {
    inject(tracecontext, &context, NULL, "");
    assert_int_equal(injection.count, 1);
    assert_int_equal(injection.item[0].header, 5);
    assert_string_equal(case_injected(&injection, "HTTP_TRACEPARENT"), want);
}

static void writes_version_00(void **state) {
    (void)state;
    const uint64_t hi = 0x0af7651916cd43dd, lo = 0x8448eb211c80319c, span = 0xb7ad6b7169203331;
    assert_traceparent((struct trc_context){hi, lo, span, 7, 0},
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    assert_traceparent((struct trc_context){hi, lo, span, 0, TRC_FLAG_SAMPLED},
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_traceparent((struct trc_context){hi, lo, span, 0, TRC_FLAG_RANDOM},
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02");
    assert_traceparent((struct trc_context){hi, lo, span, 0, TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM},
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03");
    assert_traceparent((struct trc_context){hi, lo, span, 0, TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG},
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_traceparent((struct trc_context){0, 1, 2, 0, 0xf9},
                       "00-00000000000000000000000000000001-0000000000000002-01");
}

/* NULL: left alone. */
static void assert_state(const char *headers, const struct trc_format *from, const char *want) {
    print_message("%s\n", headers);
    inject(tracecontext, &(struct trc_context){0, 1, 2, 0, 1}, from, headers);
    assert_int_equal(injection.count, want ? 2 : 1);
    if (want) {
        assert_string_equal(case_injected(&injection, "HTTP_TRACESTATE"), want);
        assert_int_equal(injection.item[1].header, 6);
    }
}

static void tracestate_goes_with_its_trace_only(void **state) {
    (void)state;
#define TRACEPARENT_OF(low)                                                                        \
    "traceparent=\"00-000000000000000000000000000000" low "-b7ad6b7169203331-01\" "
#define TRACEPARENT TRACEPARENT_OF("01")
    assert_state(TRACEPARENT "tracestate=\"a=1\"", tracecontext, NULL);
    assert_state(TRACEPARENT "tracestate=\"a=1\"", NULL, "removed"); /* a new trace, or distrust */
    assert_state(TRACEPARENT "tracestate=\"a=1\"", jaeger, NULL);    /* it named the same trace */
    assert_state(TRACEPARENT_OF("02") "tracestate=\"a=1\"", jaeger, "removed");
    assert_state(TRACEPARENT "tracestate=\"A=1\"", tracecontext, "removed");
    assert_state(TRACEPARENT "tracestate=\"\"", tracecontext, "removed");
    assert_state(TRACEPARENT "tracestate=\"a=1\" tracestate=\"b=2\"", tracecontext, "removed");
    assert_state(TRACEPARENT, tracecontext, NULL);
    assert_state("tracestate=\"a=1\"", NULL, "removed");
}

static void a_full_injection_says_so(void **state) {
    (void)state;
    const struct trc_outgoing what = {&(struct trc_context){0, 1, 2, 0, 1}, &baggage, NULL};
    for (unsigned i = 0; trc_formats[i]; i++) {
        struct trc_slice none[CASE_HEADERS] = {{NULL, 0}};
        trc_injection_clear(&injection);
        injection.count = TRC_INJECTION_ITEMS;
        trc_baggage_add(&baggage, TRC_SLICE("a"), TRC_SLICE("b"));
        case_inject(trc_formats[i], &what, &(struct trc_carrier){.value = none}, 5, &injection);
        assert_true(injection.overflow);
        assert_int_equal(injection.count, TRC_INJECTION_ITEMS);
        assert_false(injection.buf.overflow);
    }
}

/* --- baggage ---------------------------------------------------------------------------------- */

static void add(const char *key, const char *value) {
    trc_baggage_add(&baggage, trc_slice_of(key), trc_slice_of(value));
}

/* What becomes of the header and of what `baggage` holds beside it; NULL: the header is left alone.
 */
static void assert_baggage(const char *headers, const char *want, bool overflow) {
    const struct trc_carrier *carrier = case_carrier(w3c_baggage, headers);
    struct trc_baggage others = baggage;
    print_message("%s\n", headers);
    w3c_baggage->baggage(carrier, &baggage);
    trc_injection_clear(&injection);
    const struct trc_outgoing what = {&(struct trc_context){0, 1, 2, 0, 1}, &baggage, NULL};
    case_inject(w3c_baggage, &what, carrier, 5, &injection);
    if (want) {
        assert_int_equal(injection.count, 1);
        assert_int_equal(injection.item[0].header, 5);
        assert_string_equal(case_injected(&injection, "HTTP_BAGGAGE"), want);
    } else {
        assert_int_equal(injection.count, 0);
        assert_int_equal(injection.buf.len, 0);
    }
    assert_int_equal(injection.overflow, overflow);
    baggage = others;
}

static void the_callers_header_stays_as_it_came(void **state) {
    (void)state;
    assert_baggage("", NULL, false);
    assert_baggage("baggage=\" a=1 ;p, b=%c3%a9 \"", NULL, false);
    assert_baggage("baggage=\"a=%zz, , b,c d=1\"", NULL, false);
    assert_baggage("baggage=\"a=\\{9000:x}\"", NULL, false);
}

static void what_came_by_others_is_added(void **state) {
    (void)state;
    add("user", "Am\xc3\xa9lie, 7%");
    add("empty", "");
    assert_baggage("", "user=Am%C3%A9lie%2C%207%25,empty=", false);
    assert_baggage("baggage=\"\"", "user=Am%C3%A9lie%2C%207%25,empty=", false);
    assert_baggage("baggage=\"\ta=1 ;p, b=2 \"",
                   "a=1 ;p, b=2,user=Am%C3%A9lie%2C%207%25,empty=", false);
    /* Of a name that both have, the header's stands: also one that is no member by the grammar. */
    assert_baggage("baggage=\"empty=1\"", "empty=1,user=Am%C3%A9lie%2C%207%25", false);
    assert_baggage("baggage=\"user=a b,empty\"", NULL, false);
}

static void a_name_that_is_no_token_stays_out(void **state) {
    (void)state;
    add("a b", "1");
    add("", "1");
    add("\xc3\xa9", "1");
    add("a=b", "1");
    assert_baggage("baggage=\"x=1\"", NULL, false);
    add("ok", "1");
    assert_baggage("baggage=\"x=1\"", "x=1,ok=1", false);
}

static void a_header_that_is_none_is_left_alone(void **state) {
    (void)state;
    add("ok", "1");
    assert_baggage("baggage=\"a=\\x01\"", NULL, true);
    assert_baggage("baggage=\"a=\\x7f\"", NULL, true);
    assert_baggage("baggage=\"a=\\xc3\\xa9\"", NULL, true);
    assert_baggage("baggage=\"a=\\t1\"", "a=\t1,ok=1", false);
}

static void members_have_a_limit(void **state) {
    (void)state;
    char want[8300] = "", *p = want;
    add("m", "1");
    add("n", "2");
    for (int i = 1; i <= 63; i++)
        p += sprintf(p, "k%d=v,", i);
    strcpy(p, ",m=1");
    assert_baggage("baggage=\"\\{63:k#=v,}\"", want, true); /* the 64th, not the 65th */
    assert_baggage("baggage=\"\\{64:k#=v,}\"", NULL, true);
    assert_baggage("baggage=\"\\{70:k#=v,}\"", NULL, true);
}

static void bytes_have_a_limit(void **state) {
    (void)state;
    char want[8300], line[64];
    add("big", "12345");
    add("m", "1");
    for (unsigned spare = 0; spare <= 14; spare++) { /* of 8,192, beside "a=x..." */
        unsigned used = 8192 - spare;
        snprintf(line, sizeof(line), "baggage=\"a=\\{%u:x}\"", used - 2);
        memset(want, 'x', sizeof(want));
        memcpy(want, "a=", 2);
        strcpy(want + used, spare >= 14 ? ",big=12345,m=1" : spare >= 10 ? ",big=12345" : ",m=1");
        assert_baggage(line, spare >= 4 ? want : NULL, spare < 14);
    }
}

static void bytes_have_a_limit_encoded(void **state) {
    (void)state;
    char value[2732], want[8300] = "a=";
    memset(value, ' ', sizeof(value));
    value[2730] = '\0';
    for (int i = 0; i < 2730; i++)
        strcpy(want + 2 + 3 * i, "%20");
    add("a", value);
    assert_baggage("", want, false);
    trc_baggage_clear(&baggage);
    value[2730] = 'x';
    value[2731] = '\0';
    add("a", value); /* one byte more than there may be */
    assert_baggage("", NULL, true);
}

/* In a buffer that others have nearly filled. */
static void only_whole_members_fit(void **state) {
    (void)state;
    struct trc_slice none = {NULL, 0};
    add("a", "1");
    add("b", "2222222222");
    add("c", "3");
    const struct trc_outgoing what = {&(struct trc_context){0, 1, 2, 0, 1}, &baggage, NULL};
    for (size_t room = 0; room < 24; room++) {
        trc_injection_clear(&injection);
        injection.buf.len = sizeof(injection.bytes) - room;
        case_inject(w3c_baggage, &what, &(struct trc_carrier){.value = &none}, 5, &injection);
        const char *got = case_injected(&injection, "HTTP_BAGGAGE");
        if (room < 3)
            assert_null(got);
        else
            assert_string_equal(got, room >= 20   ? "a=1,b=2222222222,c=3"
                                     : room >= 16 ? "a=1,b=2222222222"
                                     : room >= 7  ? "a=1,c=3"
                                                  : "a=1");
        assert_int_equal(injection.overflow, room < 20);
        assert_false(injection.buf.overflow);
    }
}

/* And none without the header that they are to stand behind. */
static void no_member_without_the_header(void **state) {
    (void)state;
    const struct trc_carrier *carrier = case_carrier(w3c_baggage, "baggage=\"a=11111\"");
    add("b", "2");
    add("c", "3");
    const struct trc_outgoing what = {&(struct trc_context){0, 1, 2, 0, 1}, &baggage, NULL};
    for (size_t room = 0; room < 15; room++) {
        trc_injection_clear(&injection);
        injection.buf.len = sizeof(injection.bytes) - room;
        case_inject(w3c_baggage, &what, carrier, 5, &injection);
        const char *got = case_injected(&injection, "HTTP_BAGGAGE");
        if (room < 11)
            assert_null(got);
        else
            assert_string_equal(got, "a=11111,b=2");
        assert_true(injection.overflow);
        assert_false(injection.buf.overflow);
    }
}

/* --- Between the two kinds of baggage --------------------------------------------------------- */

static void w3c_items_become_uberctx(void **state) {
    (void)state;
    const struct trc_carrier *carrier =
        case_carrier(w3c_baggage, "baggage=\"user-id=a%20b,no/header=1,s!=2,User-Id=3\"");
    w3c_baggage->baggage(carrier, &baggage);
    inject(jaeger, &(struct trc_context){0, 1, 2, 0, 1}, NULL, "");
    assert_string_equal(case_injected(&injection, "HTTP_UBERCTX_USER_ID"), "a%20b");
    assert_int_equal(injection.count, 2); /* once, and none that cannot be a header's name */
}

static void uberctx_items_become_w3c(void **state) {
    (void)state;
    jaeger->baggage(case_carrier(jaeger, "uberctx-user-id=\"a%20b\" jaeger-baggage=\"k=v\""),
                    &baggage);
    assert_baggage("", "user-id=a%20b,k=v", false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_version_00, setup),
        cmocka_unit_test_setup(tracestate_goes_with_its_trace_only, setup),
        cmocka_unit_test_setup(a_full_injection_says_so, setup),
        cmocka_unit_test_setup(the_callers_header_stays_as_it_came, setup),
        cmocka_unit_test_setup(what_came_by_others_is_added, setup),
        cmocka_unit_test_setup(a_name_that_is_no_token_stays_out, setup),
        cmocka_unit_test_setup(a_header_that_is_none_is_left_alone, setup),
        cmocka_unit_test_setup(members_have_a_limit, setup),
        cmocka_unit_test_setup(bytes_have_a_limit, setup),
        cmocka_unit_test_setup(bytes_have_a_limit_encoded, setup),
        cmocka_unit_test_setup(only_whole_members_fit, setup),
        cmocka_unit_test_setup(no_member_without_the_header, setup),
        cmocka_unit_test_setup(w3c_items_become_uberctx, setup),
        cmocka_unit_test_setup(uberctx_items_become_w3c, setup),
    };
    return cmocka_run_group_tests_name("propagate: w3c", tests, NULL, NULL);
}
