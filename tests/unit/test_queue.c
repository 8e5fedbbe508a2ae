/* SPDX-License-Identifier: MIT
 *
 * Times of front ends, in all their spellings.
 */
#include "tracing/queue.h"
#include "unit.h"

#define S UINT64_C(1700000000)
#define NS UINT64_C(1000000000)

static int start(const char *value, uint64_t *ns) {
    size_t len = strlen(value);
    return trc_queue_start((struct trc_slice){guarded(0, value, len), len}, ns);
}

static void every_spelling_is_read(void **state) {
    (void)state;
    static const struct {
        const char *value;
        uint64_t ns;
    } cases[] = {
        {"1700000000", S * NS},
        {"t=1700000000", S * NS},
        {"1700000000.123", S * NS + 123000000}, /* nginx */
        {"t=1700000000.123", S * NS + 123000000},
        {"1700000000.1", S * NS + 100000000},
        {"1700000000.000000001", S * NS + 1},
        {"1700000000.1234567891234", S * NS + 123456789}, /* what is finer is cut */
        {"1700000000.000", S * NS},
        {"1700000000123", S * NS + 123000000}, /* Heroku */
        {"t=1700000000123", S * NS + 123000000},
        {"1700000000123.5", S * NS + 123500000},
        {"1700000000123456", S * NS + 123456000},
        {"t=1700000000123456", S * NS + 123456000}, /* Apache */
        {"D=1234 t=1700000000123456", S * NS + 123456000},
        {"1700000000123456.25", S * NS + 123456250},
        {"1700000000123456789", S * NS + 123456789},
        {"t=1700000000123456789", S * NS + 123456789},
        {"1700000000123456789.9", S * NS + 123456789},
        {" \t1700000000.5 ", S * NS + 500000000},
        {"t=1700000000.1, t=1700000000.9", S * NS + 100000000}, /* the first front end's */
        {"t=1700000000.1,garbage", S * NS + 100000000},
        {"1000000000", 1000000000 * NS}, /* the first and the last of each unit */
        {"9999999999", UINT64_C(9999999999) * NS},
        {"1000000000000", 1000000000 * NS},
        {"9999999999999.999", UINT64_C(9999999999) * NS + 999999000},
        {"1000000000000000", 1000000000 * NS},
        {"9999999999999999", UINT64_C(9999999999) * NS + 999999000},
        {"1000000000000000000", 1000000000 * NS},
        {"9999999999999999999", UINT64_C(9999999999999999999)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ns = 0;
        if (start(cases[i].value, &ns) || ns != cases[i].ns)
            fail_msg("%s: %llu, not %llu", cases[i].value, (unsigned long long)ns,
                     (unsigned long long)cases[i].ns);
    }
}

static void garbage_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        ",",
        ",1700000000",
        "t=",
        "t",
        "=1700000000",
        "x=1700000000",
        "T=1700000000",
        "t=t=1700000000",
        "t= 1700000000", /* the last word has no t= */
        "1 1700000000",
        "now",
        "0",
        "1",
        "999999999",
        "17000000000", /* of no unit */
        "170000000012",
        "17000000001234",
        "170000000012345",
        "17000000001234567",
        "170000000012345678",
        "17000000001234567890",
        "99999999999999999999999999999999999999",
        "0000000000",
        "0170000000",
        "0170000000012",
        "-1700000000",
        "+1700000000",
        "t=-1700000000.5",
        "1700000000.",
        "1700000000.1.2",
        "1700000000.-1",
        "1700000000.1e3",
        "1700000000.12x",
        "1.7e9",
        "1700000000s",
        "1700000000:5",
        ".5",
        "0x6553f100",
        "Tue, 14 Nov 2023 22:13:20 GMT",
        "2023-11-14T22:13:20Z",
        "\"1700000000\"",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t ns = 4711;
        if (start(wrong[i], &ns) != -EINVAL || ns != 4711)
            fail_msg("'%s' was taken", wrong[i]);
    }
    uint64_t ns = 4711;
    assert_int_equal(trc_queue_start((struct trc_slice){NULL, 0}, &ns), -EINVAL);
    assert_int_equal(trc_queue_start(TRC_SLICE("1700000000\0"), &ns), -EINVAL);
    assert_int_equal(ns, 4711);
}

static void a_queue_is_no_less_than_nothing_and_no_more_than_an_hour(void **state) {
    (void)state;
    assert_int_equal(trc_queue_ns(S, S + 5), 5);
    assert_int_equal(trc_queue_ns(S, S), 0);
    assert_int_equal(trc_queue_ns(S + 1, S), 0); /* the future */
    assert_int_equal(trc_queue_ns(UINT64_MAX, S), 0);
    assert_int_equal(trc_queue_ns(S, S + 3600 * NS), 3600 * NS);
    assert_int_equal(trc_queue_ns(S, S + 3600 * NS + 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_is_read),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_queue_is_no_less_than_nothing_and_no_more_than_an_hour),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
