/* SPDX-License-Identifier: MIT
 *
 * B3: what is sent. What is accepted is in data/b3.txt and data/b3multi.txt.
 */
#include "format_cases.h"

static struct trc_baggage baggage;
static struct trc_injection injection;

static void inject(const char *format, uint64_t hi, uint8_t flags, const char *headers) {
    const struct trc_format *f = trc_format_find(trc_slice_of(format));
    const struct trc_context context = {hi, 0x8448eb211c80319c, 0xb7ad6b7169203331, 7, flags};
    trc_injection_clear(&injection);
    f->inject(&(struct trc_outgoing){&context, &baggage, NULL}, case_carrier(f, headers), 5,
              &injection);
    assert_false(injection.overflow);
}

static void single_has_no_parent(void **state) {
    (void)state;
    inject("b3", 0x0af7651916cd43dd, 0, "");
    assert_int_equal(injection.count, 1);
    assert_int_equal(injection.item[0].header, 5);
    assert_string_equal(case_injected(&injection, "HTTP_B3"),
                        "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0");
    inject("b3", 0, TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM, "b3=\"1\"");
    assert_string_equal(case_injected(&injection, "HTTP_B3"),
                        "8448eb211c80319c-b7ad6b7169203331-1");
    inject("b3", 0, TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG, "");
    assert_string_equal(case_injected(&injection, "HTTP_B3"),
                        "8448eb211c80319c-b7ad6b7169203331-d");
}

/* NULL: not there and not touched. */
static void assert_multi(uint8_t flags, const char *headers, const char *parent,
                         const char *sampled, const char *debug) {
    const char *const names[] = {"HTTP_X_B3_TRACEID", "HTTP_X_B3_SPANID", "HTTP_X_B3_PARENTSPANID",
                                 "HTTP_X_B3_SAMPLED", "HTTP_X_B3_FLAGS"};
    const char *const want[] = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", parent,
                                sampled, debug};
    unsigned count = 0;
    print_message("%s\n", headers);
    inject("b3multi", 0x0af7651916cd43dd, flags, headers);
    for (int i = 0; i < 5; i++) {
        const char *got = case_injected(&injection, names[i]);
        if (!want[i]) {
            assert_null(got);
            continue;
        }
        assert_non_null(got);
        assert_string_equal(got, want[i]);
        assert_int_equal(injection.item[count++].header, 5 + i);
    }
    assert_int_equal(injection.count, count);
}

/* Each set of headers the caller may have sent, and each decision. */
static void multi_leaves_nothing_stale(void **state) {
    (void)state;
    static const char *const sent[] = {
        "x-b3-traceid=\"0af7651916cd43dd8448eb211c80319c\" ", "x-b3-spanid=\"00000000000000aa\" ",
        "x-b3-parentspanid=\"00000000000000bb\" ", "x-b3-sampled=\"1\" ", "x-b3-flags=\"1\" "};
    for (unsigned set = 0; set < 32; set++) {
        char headers[256] = "";
        for (int i = 0; i < 5; i++)
            if (set & 1u << i)
                strcat(headers, sent[i]);
        const char *parent = set & 4 ? "removed" : NULL, *sampled = set & 8 ? "removed" : NULL,
                   *flags = set & 16 ? "removed" : NULL;
        assert_multi(0, headers, parent, "0", flags);
        assert_multi(TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM, headers, parent, "1", flags);
        assert_multi(TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG, headers, parent, sampled, "1");
    }
}

static void multi_writes_64_bits_as_such(void **state) {
    (void)state;
    inject("b3multi", 0, TRC_FLAG_SAMPLED, "");
    assert_string_equal(case_injected(&injection, "HTTP_X_B3_TRACEID"), "8448eb211c80319c");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_has_no_parent),
        cmocka_unit_test(multi_leaves_nothing_stale),
        cmocka_unit_test(multi_writes_64_bits_as_such),
    };
    return cmocka_run_group_tests_name("propagate: b3", tests, NULL, NULL);
}
