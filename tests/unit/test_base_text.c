/* SPDX-License-Identifier: MIT
 *
 * utf8, hex, buf, numbers and words. Inputs lie in memory of just their size, so that a sanitizer
 * or valgrind sees every byte that is read beyond them.
 */
#include "tracing/buf.h"
#include "tracing/decimal.h"
#include "tracing/hex.h"
#include "tracing/utf8.h"
#include "tracing/values.h"
#include "unit.h"
#include <errno.h>
#include <locale.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* --- utf8 ------------------------------------------------------------------------------------ */

/* What trc_utf8_char_len must say, by the definition and not by table 3-7: decode, then look at the
 * code point. */
static size_t char_len_by_definition(const unsigned char *c, size_t len) {
    const size_t want = c[0] < 0x80   ? 1
                        : c[0] < 0xc0 ? 0
                        : c[0] < 0xe0 ? 2
                        : c[0] < 0xf0 ? 3
                        : c[0] < 0xf8 ? 4
                                      : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

    if (want == 0 || want > len)
        return 0;
    uint32_t point = c[0] & bits[want];
    for (size_t i = 1; i < want; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (c[i] & 0x3f);
    }
    if (point < least[want] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    return want;
}

static void utf8_char_len_is_the_definition(void **state) {
    static const unsigned char third[] = {0x00, 0x22, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    const size_t n = sizeof(third);

    (void)state;
    for (size_t len = 1; len <= 4; len++) {
        unsigned char *c = malloc(len);
        for (unsigned i = 0; i < 256 * 256 * n * n; i++) {
            const unsigned char bytes[] = {(unsigned char)(i >> 8), (unsigned char)i,
                                           third[(i >> 16) % n], third[(i >> 16) / n]};
            if ((len < 4 && (i >> 16) / n > 0) || (len < 3 && i >> 16 > 0))
                break;
            memcpy(c, bytes, len);
            const size_t got = trc_utf8_char_len((struct trc_slice){(char *)c, len});
            if (got != char_len_by_definition(c, len))
                fail_msg("%02x %02x %02x %02x, %zu bytes: %zu", bytes[0], bytes[1], bytes[2],
                         bytes[3], len, got);
        }
        free(c);
    }
}

/* A copy of `s` with nothing behind it. */
static struct trc_slice exact(const char *s, size_t len) {
    char *p = malloc(len ? len : 1);
    memcpy(p, s, len);
    return (struct trc_slice){p, len};
}

static void utf8_valid_says(void **state) {
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"a", true},
        {"plain ASCII of more than sixteen bytes", true},
        {"sieben\xc3\xa4", true},
        {"seven..\xe2\x82\xac then some more", true},
        {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80", true},
        {"seven..\xe2\x82", false}, /* cut */
        {"exactly8\xff", false},
        {"a\xc0\x80", false},        /* overlong NUL */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"12345678\x80"
         "2345678",
         false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trc_slice s = exact(cases[i].text, strlen(cases[i].text));
        assert_int_equal(trc_utf8_valid(s), cases[i].valid);
        free((char *)s.p);
    }
    assert_true(trc_utf8_valid((struct trc_slice){NULL, 0}));
    assert_true(trc_utf8_valid((struct trc_slice){"a\0b", 3}));
}

/* A bad byte anywhere in a text of any length is seen. */
static void utf8_valid_looks_at_each_byte(void **state) {
    (void)state;
    for (size_t len = 1; len <= 40; len++) {
        char *p = malloc(len);
        for (size_t bad = 0; bad < len; bad++) {
            memset(p, 'x', len);
            assert_true(trc_utf8_valid((struct trc_slice){p, len}));
            p[bad] = (char)0x80;
            assert_false(trc_utf8_valid((struct trc_slice){p, len}));
        }
        free(p);
    }
}

static void utf8_put_replaces_each_bad_byte(void **state) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
        {"\xff", REPLACEMENT},
        {"a\xffz", "a" REPLACEMENT "z"},
        {"\xe2\x82", REPLACEMENT REPLACEMENT},
        {"\xe2\x82z", REPLACEMENT REPLACEMENT "z"},
        {"\xed\xa0\x80", REPLACEMENT REPLACEMENT REPLACEMENT},
        {"caf\xe9, latin 1 in a longer text", "caf" REPLACEMENT ", latin 1 in a longer text"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trc_slice s = exact(cases[i].in, strlen(cases[i].in));
        const size_t want = strlen(cases[i].out);
        char *out = malloc(want + 1);
        struct trc_buf b = trc_buf_over(out, want);
        trc_utf8_put(&b, s);
        assert_false(b.overflow);
        assert_int_equal(b.len, want);
        assert_memory_equal(out, cases[i].out, want);
        assert_true(want <= 3 * s.len);
        if (want > 0) { /* and with one byte less: nothing at all */
            b = trc_buf_over(out, want - 1);
            trc_utf8_put(&b, s);
            assert_true(b.overflow);
            assert_int_equal(b.len, 0);
        }
        free(out);
        free((char *)s.p);
    }
}

/* --- hex ------------------------------------------------------------------------------------- */

static const uint64_t numbers[] = {0,
                                   1,
                                   9,
                                   10,
                                   15,
                                   16,
                                   99,
                                   100,
                                   UINT64_C(0x0123456789abcdef),
                                   UINT64_C(0xfedcba9876543210),
                                   UINT64_C(0x9a9a9a9aa9a9a9a9),
                                   UINT64_C(0x8000000000000000),
                                   UINT64_C(0x7fffffffffffffff),
                                   UINT64_C(9999999999999999999),
                                   UINT64_C(10000000000000000000),
                                   UINT64_MAX};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void hex_put16_prints_as_printf(void **state) {
    (void)state;
    for (unsigned i = 0; i < NUMBERS; i++)
        for (unsigned shift = 0; shift < 64; shift++) {
            const uint64_t v = numbers[i] >> shift;
            char want[17], got[17] = "................";
            snprintf(want, sizeof(want), "%016llx", (unsigned long long)v);
            trc_hex_put16(got, v);
            assert_string_equal(got, want);
            uint64_t back = ~v;
            assert_int_equal(trc_hex_u64((struct trc_slice){got, 16}, &back), 0);
            assert_true(back == v);
        }
}

static void hex_u64_looks_at_every_byte(void **state) {
    (void)state;
    for (unsigned at = 0; at < 16; at++)
        for (int byte = 0; byte < 256; byte++) {
            char text[16] = "0123456789abcdeF";
            uint64_t v = 7;
            text[at] = (char)byte;
            int digit = trc_hex_digit((char)byte);
            int rc = trc_hex_u64((struct trc_slice){text, 16}, &v);
            assert_int_equal(rc, digit < 0 ? -EINVAL : 0);
            assert_int_equal(digit < 0 ? v == 7 : (int)(v >> (60 - 4 * at) & 15) == digit, 1);
        }
}

static void hex_digit_is_one_or_not(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *at = c ? strchr("0123456789abcdefABCDEF", c) : NULL;
        int want = -1;
        if (at) {
            const char text[] = {(char)c, 0};
            want = (int)strtol(text, NULL, 16);
        }
        assert_int_equal(trc_hex_digit((char)c), want);
    }
}

static void hex_u64_takes_1_to_16_digits(void **state) {
    static const char *const bad[] = {"",   "g",  "0x1", " 1",  "1 ",
                                      "-1", "+1", "1.",  "1:2", "00000000000000001"};
    uint64_t v = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(trc_hex_u64(trc_slice_of(bad[i]), &v), -EINVAL);
        assert_true(v == 7);
    }
    assert_int_equal(trc_hex_u64((struct trc_slice){NULL, 0}, &v), -EINVAL);
    assert_int_equal(trc_hex_u64(TRC_SLICE("aBc"), &v), 0);
    assert_true(v == 0xabc);
    assert_int_equal(trc_hex_u64(TRC_SLICE("FFFFFFFFFFFFFFFF"), &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(trc_hex_u64(TRC_SLICE("0"), &v), 0);
    assert_true(v == 0);
}

/* --- buf ------------------------------------------------------------------------------------- */

static void buf_put_u64_prints_as_printf(void **state) {
    (void)state;
    for (unsigned i = 0; i < NUMBERS; i++)
        for (unsigned shift = 0; shift < 64; shift++) {
            const uint64_t v = numbers[i] >> shift;
            char want[24], got[24];
            const int len = snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
            struct trc_buf b = trc_buf_over(got, (size_t)len);
            trc_buf_put_u64(&b, v);
            assert_false(b.overflow);
            assert_int_equal(b.len, len);
            assert_memory_equal(got, want, (size_t)len);
            b = trc_buf_over(got, (size_t)len - 1);
            trc_buf_put_u64(&b, v);
            assert_true(b.overflow);
            assert_int_equal(b.len, 0);
        }
}

static void buf_overflow_sticks_until_rewound(void **state) {
    char bytes[4];
    struct trc_buf b = trc_buf_over(bytes, sizeof(bytes));

    (void)state;
    trc_buf_put(&b, "abc", 3);
    trc_buf_put(&b, "de", 2);
    assert_true(b.overflow);
    assert_int_equal(b.len, 3);
    trc_buf_put_byte(&b, 'd'); /* would fit, but comes after one that did not */
    assert_int_equal(b.len, 3);
    assert_memory_equal(bytes, "abc", 3);
    trc_buf_rewind(&b, 2);
    assert_false(b.overflow);
    trc_buf_put_byte(&b, 'x');
    trc_buf_put_slice(&b, TRC_SLICE("y"));
    assert_false(b.overflow);
    assert_true(trc_slice_equal(trc_buf_slice(&b), TRC_SLICE("abxy")));
    assert_null(trc_buf_take(&b, 1));
}

static void buf_without_room_takes_nothing_but_nothing(void **state) {
    struct trc_buf b = trc_buf_over(NULL, 0);

    (void)state;
    trc_buf_put(&b, NULL, 0);
    trc_utf8_put(&b, (struct trc_slice){NULL, 0});
    assert_false(b.overflow);
    trc_buf_put_byte(&b, 'x');
    assert_true(b.overflow);
    assert_int_equal(b.len, 0);
}

static void decimal_double_takes_what_is_a_number(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double number;
    } good[] = {{"0", 0},      {"1", 1},      {"0.1", 0.1},       {".5", 0.5},
                {"1e3", 1000}, {"1E-2", .01}, {"100.25", 100.25}, {"007", 7}};
    static const char *const bad[] = {
        "",   " 1",    "1 ",  "-1",    "+1", "0x10", "nan",   "inf",
        "1e", "1e999", "1,5", "1.5.2", "e1", "1e5x", "0.1 0", "0000000000000000000000000000000001"};
    /* An application may have set it: as in the German one, 0.1 is written 0,1. */
    for (int locale = 0; locale < 2; locale++) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
            double d = -1;
            size_t len = strlen(good[i].text);
            struct trc_slice s = {guarded(0, good[i].text, len), len};
            assert_int_equal(trc_decimal_double(s, &d), 0);
            assert_true(d == good[i].number);
        }
        if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
            break;
    }
    setlocale(LC_NUMERIC, "C");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double d = -1;
        size_t len = strlen(bad[i]);
        assert_int_equal(trc_decimal_double((struct trc_slice){guarded(0, bad[i], len), len}, &d),
                         -EINVAL);
        assert_true(d == -1);
    }
}

static void bool_is_one_of_eight_words(void **state) {
    (void)state;
    static const char *const words[2][5] = {{"false", "no", "off", "0", "False"},
                                            {"true", "yes", "on", "1", "ON"}};
    static const char *const bad[] = {"", "tru", "truee", "2", "on ", "enabled"};
    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 5; i++) {
            bool b = !truth;
            size_t len = strlen(words[truth][i]);
            struct trc_slice s = {guarded(0, words[truth][i], len), len};
            assert_int_equal(trc_parse_bool(s, &b), 0);
            assert_int_equal(b, truth);
        }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool b = true;
        assert_int_equal(trc_parse_bool(trc_slice_of(bad[i]), &b), -EINVAL);
        assert_true(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_char_len_is_the_definition),
        cmocka_unit_test(utf8_valid_says),
        cmocka_unit_test(utf8_valid_looks_at_each_byte),
        cmocka_unit_test(utf8_put_replaces_each_bad_byte),
        cmocka_unit_test(hex_put16_prints_as_printf),
        cmocka_unit_test(hex_u64_looks_at_every_byte),
        cmocka_unit_test(hex_digit_is_one_or_not),
        cmocka_unit_test(hex_u64_takes_1_to_16_digits),
        cmocka_unit_test(buf_put_u64_prints_as_printf),
        cmocka_unit_test(buf_overflow_sticks_until_rewound),
        cmocka_unit_test(buf_without_room_takes_nothing_but_nothing),
        cmocka_unit_test(decimal_double_takes_what_is_a_number),
        cmocka_unit_test(bool_is_one_of_eight_words),
    };
    return cmocka_run_group_tests_name("base_text", tests, NULL, NULL);
}
