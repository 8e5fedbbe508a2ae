/* SPDX-License-Identifier: MIT
 *
 * Trust: which peers are of a list of networks, and which lists there are.
 */
#include "tracing/trust.h"
#include "unit.h"

/* The address behind a page's edge: nothing may be read behind it. */
static bool trusts(const char *list, const char *peer) {
    struct trc_trust trust;
    struct trc_slice text = {guarded(0, list, strlen(list)), strlen(list)};
    struct trc_slice address = {peer ? guarded(1, peer, strlen(peer)) : NULL,
                                peer ? strlen(peer) : 0};
    if (trc_trust_parse(text, &trust))
        fail_msg("%s was not taken", list);
    return trc_trust_peer(&trust, address);
}

static void a_peer_is_trusted_when_a_network_has_it(void **state) {
    (void)state;
    static const struct {
        const char *list, *peer;
        bool trusted;
    } cases[] = {
        {"all", "192.0.2.1", true},
        {"all", "", true},
        {"all", NULL, true},
        {"all", "nonsense", true},
        {"none", "127.0.0.1", false},
        {"none", "::1", false},
        {"none", "", false},
        {"none", NULL, false},
        {"unix", "", true},
        {"unix", NULL, true},
        {"unix", "127.0.0.1", false},
        {"127.0.0.1", "", false},
        {"127.0.0.1", NULL, false},
        {"127.0.0.1,unix", "", true},
        {"unix , 127.0.0.1", "127.0.0.1", true},

        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.2", false},
        {"10.0.0.1", "10.0.0.10", false},
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* what is behind the prefix does not count */
        {"192.0.2.0/25", "192.0.2.127", true},
        {"192.0.2.0/25", "192.0.2.128", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.4/31", "192.0.2.5", true},
        {"192.0.2.4/31", "192.0.2.6", false},
        {"192.0.2.4/32", "192.0.2.4", true},
        {"192.0.2.4/32", "192.0.2.5", false},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false}, /* all of IPv4, and nothing else */
        {"0.0.0.0/0", "::ffff:8.8.8.8", true},
        {"0.0.0.0/0", "", false},

        {"10.0.0.1", "::ffff:10.0.0.1", true}, /* a dual-stack socket shows it so */
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"::ffff:0:0/96", "10.0.0.1", true},
        {"10.0.0.1", "::10.0.0.1", false},

        {"::1", "::1", true},
        {"::1", "0:0:0:0:0:0:0:1", true},
        {"::1", "::2", false},
        {"::1", "127.0.0.1", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:DB8::/127", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::2", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", true}, /* mapped, it lies in there */
        {"::/0", "", false},

        {"10.0.0.0/8,192.0.2.1,fd00::/8", "192.0.2.1", true},
        {"10.0.0.0/8,192.0.2.1,fd00::/8", "fd00::1", true},
        {" 10.0.0.0/8 ,\t192.0.2.1 ", "192.0.2.1", true},
        {"10.0.0.0/8,192.0.2.1,fd00::/8", "192.0.2.2", false},

        /* What a front end wrote that nobody can read. */
        {"0.0.0.0/0,::/0", "nonsense", false},
        {"0.0.0.0/0,::/0", "10.0.0", false},
        {"0.0.0.0/0,::/0", "10.0.0.1:80", false},
        {"0.0.0.0/0,::/0", "[::1]", false},
        {"0.0.0.0/0,::/0", "fe80::1%eth0", false},
        {"0.0.0.0/0,::/0", " 10.0.0.1", false},
        {"0.0.0.0/0,::/0", "010.0.0.1", false},
        {"0.0.0.0/0,::/0", "0xa.0.0.1", false},
        {"0.0.0.0/0,::/0", "unix", false},
        {"unix,0.0.0.0/0,::/0", "1111:1111:1111:1111:1111:1111:111.111.111.111.111", false},
        {"unix,0.0.0.0/0,::/0", "1111:1111:1111:1111:1111:1111:111.111.111.1111", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (trusts(cases[i].list, cases[i].peer) != cases[i].trusted)
            fail_msg("%s: %s is not %d", cases[i].list, cases[i].peer ? cases[i].peer : "(absent)",
                     cases[i].trusted);
}

static void an_address_with_a_nul_in_it_is_nobodys(void **state) {
    (void)state;
    struct trc_trust trust;
    assert_int_equal(trc_trust_parse(TRC_SLICE("10.0.0.1"), &trust), 0);
    assert_false(trc_trust_peer(&trust, TRC_SLICE("10.0.0.1\0.evil")));
}

static void a_wrong_list_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        ",",
        "10.0.0.1,",
        ",10.0.0.1",
        "10.0.0.1,,10.0.0.2",
        "all,10.0.0.1",
        "none,unix",
        "ALL",
        "everybody",
        "localhost",
        "10.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "10.0.0.0/0008",
        "10.0.0.0/ 8",
        "10.0.0.0/8/8",
        "/8",
        "256.0.0.1",
        "10.0.0.1 10.0.0.2",
        "10.0.0.*",
        "fd00::/129",
        "fd00:/8",
        "[::1]",
        "::1%lo",
        "10.0.0.1:80",
        "unix/8",
        "1111:1111:1111:1111:1111:1111:111.111.111.111.111/8",
    };
    struct trc_trust trust, before;
    memset(&trust, 0x5a, sizeof(trust));
    before = trust;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        size_t len = strlen(wrong[i]);
        if (trc_trust_parse((struct trc_slice){guarded(0, wrong[i], len), len}, &trust) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
        assert_memory_equal(&trust, &before, sizeof(trust));
    }
}

static void there_is_room_for_32_networks(void **state) {
    (void)state;
    char list[33 * 16] = "unix"; /* which is none of them */
    struct trc_trust trust;
    for (int i = 0; i < 32; i++)
        sprintf(list + strlen(list), ",10.0.0.%d", i);
    assert_int_equal(trc_trust_parse(trc_slice_of(list), &trust), 0);
    assert_int_equal(trust.count, 32);
    assert_true(trc_trust_peer(&trust, TRC_SLICE("10.0.0.31")));
    strcat(list, ",10.0.0.32");
    assert_int_equal(trc_trust_parse(trc_slice_of(list), &trust), -EINVAL);
}

static void nothing_configured_trusts_everybody(void **state) {
    (void)state;
    static const struct trc_trust zeroed;
    assert_true(trc_trust_peer(&zeroed, TRC_SLICE("192.0.2.1")));
    assert_true(trc_trust_peer(&zeroed, (struct trc_slice){NULL, 0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_trusted_when_a_network_has_it),
        cmocka_unit_test(an_address_with_a_nul_in_it_is_nobodys),
        cmocka_unit_test(a_wrong_list_is_refused_and_changes_nothing),
        cmocka_unit_test(there_is_room_for_32_networks),
        cmocka_unit_test(nothing_configured_trusts_everybody),
    };
    return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
