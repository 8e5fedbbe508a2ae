/* SPDX-License-Identifier: MIT
 *
 * The client's address out of what proxies say.
 */
#include "tracing/client.h"
#include "unit.h"

static const char *find(const char *value, bool forwarded, const char *list) {
    static char text[64];
    struct trc_trust trust;
    size_t len = strlen(value);
    const char *p = guarded(0, value, len);
    assert_int_equal(trc_trust_parse(trc_slice_of(list), &trust), 0);
    struct trc_slice got = trc_client_find((struct trc_slice){p, len}, forwarded, &trust);
    if (!got.p)
        return "";
    assert_true(got.p >= p && got.p + got.len <= p + len); /* it lies in there */
    snprintf(text, sizeof(text), "%.*s", (int)got.len, got.p);
    return text;
}

static void check(const char *value, bool forwarded, const char *list, const char *want) {
    const char *got = find(value, forwarded, list);
    if (strcmp(got, want) != 0)
        fail_msg("%s, trusting %s: '%s', not '%s'", value, list, got, want);
}

#define OURS "10.0.0.0/8,fd00::/8"

static void a_list_is_read_as_far_as_it_is_to_be_believed(void **state) {
    (void)state;
    static const struct {
        const char *value, *list, *want;
    } cases[] = {
        {"203.0.113.7", "all", "203.0.113.7"},
        {"203.0.113.7, 10.0.0.1", "all", "203.0.113.7"},
        {"203.0.113.7,10.0.0.1,10.0.0.2", "all", "203.0.113.7"},
        {" \t203.0.113.7\t ,10.0.0.1 ", "all", "203.0.113.7"},
        {"unknown, 203.0.113.7, 10.0.0.1", "all", "203.0.113.7"},
        {"evil<script>, 203.0.113.7", "all", "203.0.113.7"},
        {"203.0.113.7, 10.0.0.1", OURS, "203.0.113.7"},
        {"198.51.100.1, 203.0.113.7, 10.0.0.1", OURS, "203.0.113.7"}, /* the left one is made up */
        {"198.51.100.1, 203.0.113.7", OURS, "203.0.113.7"},
        {"10.9.9.9, 203.0.113.7, 10.0.0.1", OURS, "203.0.113.7"},
        {"10.0.0.3, 10.0.0.2, 10.0.0.1", OURS, "10.0.0.3"}, /* within the house */
        {"203.0.113.7", OURS, "203.0.113.7"},
        {"203.0.113.7, unknown, 10.0.0.1", OURS, ""},
        {"unknown", OURS, ""},
        {"unknown, 203.0.113.7", OURS, "203.0.113.7"},
        {"203.0.113.7, 10.0.0.1", "none", "10.0.0.1"},
        {"203.0.113.7, fd00::1", OURS, "203.0.113.7"},
        {"203.0.113.7, ::ffff:10.0.0.1", OURS, "203.0.113.7"},
        {"203.0.113.7, [fd00::1]:443", OURS, "203.0.113.7"},
        {"203.0.113.7,,10.0.0.1,", OURS, "203.0.113.7"},
        {"", "all", ""},
        {",", "all", ""},
        {" , ,", "all", ""},
        {"unknown", "all", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(cases[i].value, false, cases[i].list, cases[i].want);
}

static void only_addresses_come_out(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"203.0.113.7:1234", "203.0.113.7"},
        {"203.0.113.7:_port", "203.0.113.7"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8::1", "2001:DB8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:443", "2001:db8::1"},
        {"[2001:db8::1]:_x", "2001:db8::1"},
        {"2001:db8:0:0:0:0:0:1:443", "2001:db8:0:0:0:0:0:1"}, /* CloudFront-Viewer-Address */
        {"::1", "::1"},
        {"::", "::"},
        {"::ffff:203.0.113.7", "::ffff:203.0.113.7"},
        {"0.0.0.0", "0.0.0.0"},
        {"1111:1111:1111:1111:1111:1111:111.111.111.111",
         "1111:1111:1111:1111:1111:1111:111.111.111.111"},
        {"203.0.113.7:", ""},
        {"203.0.113.7:x", ""},
        {"203.0.113.7:-1", ""},
        {"203.0.113.7:0", ""},
        {"203.0.113.7:65536", ""},
        {"203.0.113.7:123456", ""},
        {"203.0.113.7:_", ""},
        {"203.0.113.7:1:2", ""},
        {"203.0.113", ""},
        {"203.0.113.256", ""},
        {"0203.0.113.7", ""},
        {"203.0.113.7/32", ""},
        {"203.0.113.7 x", ""},
        {"\"203.0.113.7\"", ""},
        {"[203.0.113.7]", ""},
        {"[2001:db8::1", ""},
        {"2001:db8::1]", ""},
        {"[2001:db8::1]443", ""},
        {"[2001:db8::1]:", ""},
        {"[2001:db8::1]:x", ""},
        {"[]", ""},
        {"[", ""},
        {"]", ""},
        {":", ""},
        {":80", ""},
        {"[]:80", ""},
        {"fe80::1%eth0", ""},
        {"[fe80::1%25eth0]", ""},
        {"2001:db8::1::2", ""},
        {"localhost", ""},
        {"client.example", ""},
        {"unknown", ""},
        {"_hidden", ""},
        {"_hidden:_1", ""},
        {"(null)", ""},
        {"-", ""},
        {"1111:1111:1111:1111:1111:1111:111.111.111.111.111", ""},
        {"[1111:1111:1111:1111:1111:1111:1111:1111:1111]", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(cases[i][0], false, "all", cases[i][1]);
    struct trc_trust all = {0};
    assert_null(trc_client_find(TRC_SLICE("203.0.113.7\0"), false, &all).p);
    assert_null(trc_client_find((struct trc_slice){NULL, 0}, false, &all).p);
    assert_null(trc_client_find((struct trc_slice){NULL, 0}, true, &all).p);
}

static void forwarded_is_read_as_rfc_7239_has_it(void **state) {
    (void)state;
    static const struct {
        const char *value, *list, *want;
    } cases[] = {
        {"for=192.0.2.43", "all", "192.0.2.43"},
        {"For=192.0.2.43", "all", "192.0.2.43"},
        {"FOR=\"192.0.2.43\"", "all", "192.0.2.43"},
        {"for=\"192.0.2.43:47011\"", "all", "192.0.2.43"},
        {"For=\"[2001:db8:cafe::17]:4711\"", "all", "2001:db8:cafe::17"},
        {"for=\"[2001:db8:cafe::17]\"", "all", "2001:db8:cafe::17"},
        {"for=[2001:db8::1]:80", "all", "2001:db8::1"}, /* not quoted, and seen */
        {"for=192.0.2.43:80", "all", "192.0.2.43"},
        {"for=192.0.2.60;proto=http;by=203.0.113.43", "all", "192.0.2.60"},
        {"proto=http;by=203.0.113.43;for=192.0.2.60", "all", "192.0.2.60"},
        {"by=203.0.113.43", "all", ""},
        {"for=192.0.2.43, for=198.51.100.17", "all", "192.0.2.43"},
        {"for=192.0.2.43,for=198.51.100.17;by=x", "all", "192.0.2.43"},
        {"for=_gazonk", "all", ""},
        {"for=unknown", "all", ""},
        {"for=_hidden, for=192.0.2.43", "all", "192.0.2.43"},
        {"for=192.0.2.43, for=10.0.0.1", OURS, "192.0.2.43"},
        {"for=192.0.2.43, for=198.51.100.17, for=\"[fd00::1]\"", OURS, "198.51.100.17"},
        {"for=192.0.2.43, for=_hidden, for=10.0.0.1", OURS, ""},
        {"for=192.0.2.43, by=10.0.0.2, for=10.0.0.1", OURS, ""}, /* it does not say for whom */
        {"for=192.0.2.43, by=10.0.0.2", "all", "192.0.2.43"},
        {"host=\"a,b;for=1.1.1.1\";for=192.0.2.43", "all", "192.0.2.43"},
        {"host=\"a\\\",for=1.1.1.1\";for=192.0.2.43", "all", "192.0.2.43"},
        {" for=192.0.2.43 ; proto=https , for=10.0.0.1 ", OURS, "192.0.2.43"},
        {";for=192.0.2.43;;", "all", "192.0.2.43"},
        {",, for=192.0.2.43 ,,", OURS, "192.0.2.43"},
        {"ext=;for=192.0.2.43", "all", "192.0.2.43"},

        /* What is not well-formed tells nothing. */
        {"for=\"192.0.2.43", "all", ""},
        {"for=192.0.2.43\"", "all", ""},
        {"for=\"192.0.2.43\"x", "all", ""},
        {"for=\"evil, for=192.0.2.43", "all", ""},
        {"for=\"evil, for=\"[2001:db8::1]\"", "all", ""},
        {"for=1.1.1.1;x=\", for=\"[2001:db8::1]\"", "all", ""},
        {"for=1.1.1.1;for=192.0.2.43", "all", ""},
        {"for = 192.0.2.43", "all", ""},
        {"for= 192.0.2.43", "all", ""},
        {"for=1.1.1.1 192.0.2.43", "all", ""},
        {"192.0.2.43", "all", ""},
        {"for", "all", ""},
        {"for=1.1.1.1=", "all", ""},
        {"for=1.1.1.1,for", "all", ""},
        {"=1.1.1.1", "all", ""},
        {"for=1.1.1.1,=", "all", ""},
        {"for=\"1.1.1.1\\\"", "all", ""},
        {"for=\"\\", "all", ""},
        {"for=\"", "all", ""},
        {"for=", "all", ""},
        {"for=\"\"", "all", ""},
        {"for=\"1.1\\.1.1\"", "all", ""},
        {"\"for\"=1.1.1.1", "all", ""},
        {"", "all", ""},
        {";", "all", ""},
        {",", "all", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(cases[i].value, true, cases[i].list, cases[i].want);
    struct trc_trust all = {0};
    assert_null(trc_client_find(TRC_SLICE("for=1.1.1.1;\0"), true, &all).p);
}

static void the_last_32_hops_count(void **state) {
    (void)state;
    char list[1024] = "203.0.113.7", forwarded[1024] = "for=203.0.113.7";
    for (unsigned i = 1; i <= 40; i++) {
        check(list, false, OURS, i <= 32 ? "203.0.113.7" : "10.0.0.1");
        check(list, false, "all", i <= 32 ? "203.0.113.7" : "10.0.0.1");
        check(forwarded, true, OURS, i <= 32 ? "203.0.113.7" : "10.0.0.1");
        strcat(list, ", 10.0.0.1");
        strcat(forwarded, ",for=10.0.0.1");
    }
}

static void the_first_header_that_tells_counts(void **state) {
    (void)state;
    struct trc_client client;
    struct trc_trust trust;
    struct trc_slice peer = TRC_SLICE("10.0.0.1");
    struct trc_slice value[3] = {TRC_SLICE("for=192.0.2.1"), TRC_SLICE("192.0.2.2"),
                                 TRC_SLICE("192.0.2.3")};
    assert_int_equal(trc_client_parse(TRC_SLICE("Forwarded, X-Forwarded-For,x-real_IP"), &client),
                     0);
    assert_int_equal(client.count, 3);
    assert_string_equal(client.header[0].variable, "HTTP_FORWARDED");
    assert_string_equal(client.header[1].variable, "HTTP_X_FORWARDED_FOR");
    assert_string_equal(client.header[2].variable, "HTTP_X_REAL_IP");
    assert_true(client.header[0].forwarded);
    assert_false(client.header[1].forwarded || client.header[2].forwarded);
    assert_int_equal(trc_trust_parse(TRC_SLICE(OURS), &trust), 0);
#define FOUND(text)                                                                                \
    assert_true(trc_slice_equal(trc_client_address(&client, value, peer, &trust), TRC_SLICE(text)))
    FOUND("192.0.2.1");
    value[0] = (struct trc_slice){NULL, 0};
    FOUND("192.0.2.2");
    value[1] = TRC_SLICE("unknown");
    FOUND("192.0.2.3");
    value[2] = TRC_SLICE("");
    FOUND("");
    value[1] = TRC_SLICE("192.0.2.2");
    FOUND("192.0.2.2");
    peer = TRC_SLICE("198.51.100.1"); /* not one of ours: anybody can send a header */
    FOUND("");
    peer = TRC_SLICE("");
    FOUND("");
    assert_int_equal(trc_trust_parse(TRC_SLICE("unix"), &trust), 0);
    FOUND("192.0.2.2");
    assert_int_equal(trc_trust_parse(TRC_SLICE("none"), &trust), 0);
    FOUND("");
    assert_int_equal(trc_trust_parse(TRC_SLICE("all"), &trust), 0);
    FOUND("192.0.2.2");
    assert_int_equal(trc_client_parse(TRC_SLICE("none"), &client), 0);
    assert_int_equal(client.count, 0);
    FOUND("");
}

static void a_wrong_list_of_headers_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        ",",
        "X-Real-IP,",
        ",X-Real-IP",
        "X Real IP",
        "X-Real-IP:",
        "none,X-Real-IP,\xc3\xa4",
        "A,B,C,D,E",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 65 */
    };
    struct trc_client client, before;
    memset(&client, 0x5a, sizeof(client));
    before = client;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        size_t len = strlen(wrong[i]);
        struct trc_slice text = {guarded(0, wrong[i], len), len};
        if (trc_client_parse(text, &client) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
        assert_memory_equal(&client, &before, sizeof(client));
    }
    assert_int_equal(trc_client_parse(TRC_SLICE("A,B,C,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                                "AAAAAAAAAAAAAAAAAAAAA"),
                                      &client),
                     0);
    assert_int_equal(strlen(client.header[3].variable), 69);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_as_far_as_it_is_to_be_believed),
        cmocka_unit_test(only_addresses_come_out),
        cmocka_unit_test(forwarded_is_read_as_rfc_7239_has_it),
        cmocka_unit_test(the_last_32_hops_count),
        cmocka_unit_test(the_first_header_that_tells_counts),
        cmocka_unit_test(a_wrong_list_of_headers_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
