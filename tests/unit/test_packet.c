/* SPDX-License-Identifier: MIT
 *
 * Scanning and editing of request packets, on guard pages.
 */
#include "tracing/packet.h"
#include "unit.h"

static char bytes[70000];
static size_t used;

static void var(const char *key, const char *value) {
    size_t k = strlen(key), v = strlen(value);
    bytes[used++] = (char)(k & 0xff);
    bytes[used++] = (char)(k >> 8);
    memcpy(bytes + used, key, k);
    used += k;
    bytes[used++] = (char)(v & 0xff);
    bytes[used++] = (char)(v >> 8);
    memcpy(bytes + used, value, v);
    used += v;
}

static int setup(void **state) {
    struct trc_names *names = calloc(1, sizeof(*names));
    trc_names_add(names, TRC_SLICE("REQUEST_METHOD"));
    trc_names_add(names, TRC_SLICE("HTTP_UBER_TRACE_ID"));
    trc_names_add(names, TRC_SLICE("HTTP_HOST"));
    used = 0;
    *state = names;
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static struct trc_request request;

static int scan(const struct trc_names *names, size_t len) {
    return trc_packet_scan(guarded(0, bytes, len), len, names, TRC_SLICE("HTTP_UBERCTX_"),
                           &request);
}

static void assert_value(unsigned i, const char *want) {
    if (!want) {
        assert_null(request.value[i].p);
        return;
    }
    assert_non_null(request.value[i].p);
    assert_int_equal(request.value[i].len, strlen(want));
    assert_memory_equal(request.value[i].p, want, strlen(want));
}

/* Names that no factor can part: found in any order of adding, with others between them. */
static void names_of_one_hash_are_told_apart(void **state) {
    static const char *const alike[] = {"REMOTE_ADDR", "SERVER_ADDR", "HTTP_X_ADDR", "CLIENT_ADDR"};
    static const char *const others[] = {"HTTP_A", "HTTP_B", "HTTP_CC", "HTTP_DDD"};
    struct trc_names *names = *state;
    const unsigned first = names->count;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(trc_names_find(names, alike[i], strlen(alike[i])), -1);
        assert_int_equal(trc_names_add(names, trc_slice_of(alike[i])), first + 2 * i);
        assert_int_equal(trc_names_add(names, trc_slice_of(others[i])), first + 2 * i + 1);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(trc_names_find(names, alike[i], strlen(alike[i])), first + 2 * i);
    assert_int_equal(trc_names_find(names, "OTHERS_ADDR", 11), -1);
}

static void finds_wanted_variables(void **state) {
    var("SERVER_PORT", "80");
    var("REQUEST_METHOD", "GET");
    var("HTTP_UBERCTX_USER_ID", "42");
    var("HTTP_UBERCTX_", "no name");
    var("HTTP_HOST", "");
    assert_int_equal(scan(*state, used), 0);
    assert_value(0, "GET");
    assert_value(1, NULL);
    assert_value(2, "");
    assert_int_equal(request.repeated, 0);
    assert_int_equal(request.variable_count, 5);
    assert_int_equal(request.prefixed_count, 1);
    assert_memory_equal(request.prefixed[0].rest.p, "USER_ID", 7);
    assert_memory_equal(request.prefixed[0].value.p, "42", 2);
}

static void peeks_until_it_has_seen_enough(void **state) {
    struct trc_slice value[TRC_FIELD_COUNT];
    var("SERVER_PORT", "80");
    var("HTTP_HOST", "h");
    var("REQUEST_METHOD", "GET");
    size_t enough = used;
    var("REQUEST_METHOD", "LATER");
    /* Not a byte behind what is wanted, and none behind the end, wherever that is. */
    for (size_t len = 0; len <= used; len++) {
        bool all = trc_packet_peek(guarded(0, bytes, len), len, *state, 5, value);
        assert_int_equal(all, len >= enough);
        assert_null(value[1].p);
        if (all)
            assert_memory_equal(value[0].p, "GET", 3);
        if (all)
            assert_memory_equal(value[2].p, "h", 1);
    }
    memset(bytes + enough, 0xff, used - enough); /* no list any more */
    assert_true(trc_packet_peek(guarded(0, bytes, used), used, *state, 5, value));
    assert_false(trc_packet_peek(guarded(0, bytes, used), used, *state, 7, value));
}

static void tells_a_repeated_variable(void **state) {
    var("HTTP_UBER_TRACE_ID", "first");
    var("HTTP_UBER_TRACE_ID", "second");
    assert_int_equal(scan(*state, used), 0);
    assert_value(1, "second");
    assert_int_equal(request.repeated, 2);
}

static void survives_every_cut(void **state) {
    var("REQUEST_METHOD", "GET");
    var("HTTP_UBER_TRACE_ID", "1:2:3:1");
    var("HTTP_UBERCTX_A", "b");
    size_t whole = used, complete = 0;
    for (size_t len = 0; len <= whole; len++)
        complete += scan(*state, len) == 0;
    assert_int_equal(complete, 4); /* none, one, two or three variables */
}

static void survives_every_length_byte(void **state) {
    var("REQUEST_METHOD", "GET");
    var("HTTP_HOST", "localhost");
    for (size_t i = 0; i < used; i++) {
        char kept = bytes[i];
        for (int b = 0; b < 256; b++) {
            bytes[i] = (char)b;
            scan(*state, used);
        }
        bytes[i] = kept;
    }
}

static void survives_random_bytes(void **state) {
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)random() % 200;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(random() % (round % 2 ? 256 : 24));
        scan(*state, len);
    }
}

static void keeps_no_more_prefixed_than_there_is_room_for(void **state) {
    char name[64];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "HTTP_UBERCTX_K%d", i);
        var(name, "v");
    }
    assert_int_equal(scan(*state, used), 0);
    assert_int_equal(request.prefixed_count, TRC_PREFIXED_MAX);
    assert_int_equal(request.variable_count, 200);
}

/* --- Editing ---------------------------------------------------------------------------------- */

static struct trc_packet packet_of(size_t cap, const char *tail) {
    static char memory[70000];
    char *end = memory + sizeof(memory);
    struct trc_packet k = {end - cap, used, strlen(tail), cap};
    memcpy(k.p, bytes, used);
    memcpy(k.p + used, tail, strlen(tail));
    return k;
}

static void scan_packet(const struct trc_names *names, const struct trc_packet *k) {
    assert_int_equal(trc_packet_scan(k->p, k->len, names, TRC_SLICE("HTTP_UBERCTX_"), &request), 0);
}

static void set_and_check(void **state, const char *old, const char *value, const char *tail) {
    ptrdiff_t shift = 0;
    used = 0;
    var("REQUEST_METHOD", "GET");
    if (old)
        var("HTTP_UBER_TRACE_ID", old);
    var("HTTP_HOST", "localhost");
    size_t before = used;
    struct trc_packet k = packet_of(1000, tail);
    scan_packet(*state, &k);
    assert_int_equal(trc_packet_set(&k, request.value[1], TRC_SLICE("HTTP_UBER_TRACE_ID"),
                                    trc_slice_of(value), &shift),
                     0);
    scan_packet(*state, &k);
    assert_value(0, "GET");
    assert_value(1, value);
    assert_value(2, "localhost");
    assert_int_equal(request.repeated, 0);
    assert_int_equal((ptrdiff_t)k.len - (ptrdiff_t)before, shift);
    assert_memory_equal(k.p + k.len, tail, strlen(tail));
}

static void sets_over_and_behind(void **state) {
    static const char *const tails[] = {"", "body bytes that came with the head"};
    for (int t = 0; t < 2; t++) {
        set_and_check(state, "1:2:3:1", "4:5:6:0", tails[t]);
        set_and_check(state, "1:2:3:1", "shorter", tails[t]);
        set_and_check(state, "1:2:3:1", "1", tails[t]);
        set_and_check(state, "1:2:3:1", "", tails[t]);
        set_and_check(state, "", "longer than nothing", tails[t]);
        set_and_check(state, "1:2:3:1", "very much longer than it was before", tails[t]);
        set_and_check(state, NULL, "1:2:3:1", tails[t]);
    }
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    var("HTTP_UBER_TRACE_ID", "1");
    for (size_t room = 0; room < 40; room++) {
        ptrdiff_t shift;
        struct trc_packet k = packet_of(used + 4 + room, "tail");
        char before[200];
        memcpy(before, k.p, used + 4);
        int rc = trc_packet_set(&k, (struct trc_slice){NULL, 0}, TRC_SLICE("NAME"),
                                TRC_SLICE("0123456789"), &shift);
        assert_int_equal(rc, room >= 18 ? 0 : -ENOSPC);
        if (rc) {
            assert_int_equal(k.len, used);
            assert_memory_equal(k.p, before, used + 4);
        }
        struct trc_slice old = {k.p + 2 + 18 + 2, 1};
        k = packet_of(used + 4 + room, "tail");
        rc = trc_packet_set(&k, old, TRC_SLICE("HTTP_UBER_TRACE_ID"), TRC_SLICE("0123456789"),
                            &shift);
        assert_int_equal(rc, room >= 9 ? 0 : -ENOSPC);
    }
}

static void keeps_within_what_the_length_can_say(void **state) {
    (void)state;
    static char big[66000];
    ptrdiff_t shift;
    struct trc_packet k = {big, 65530, 0, sizeof(big)};
    assert_int_equal(
        trc_packet_set(&k, (struct trc_slice){NULL, 0}, TRC_SLICE("N"), TRC_SLICE("v"), &shift),
        -ENOSPC);
}

static void removes_a_variable(void **state) {
    var("REQUEST_METHOD", "GET");
    var("HTTP_UBER_TRACE_ID", "1:2:3:1");
    var("HTTP_HOST", "localhost");
    struct trc_packet k = packet_of(1000, "tail");
    char *tail = k.p + k.len;
    scan_packet(*state, &k);
    trc_packet_remove(&k, 18, request.value[1]);
    scan_packet(*state, &k);
    assert_value(0, "GET");
    assert_value(1, NULL);
    assert_value(2, "localhost");
    assert_memory_equal(tail, "tail", 4);
}

/* --- Several at once ---------------------------------------------------------------------------
 */

static struct trc_injection injection;

static void inject_item(int header, const char *name, const char *value) {
    struct trc_buf *b = trc_injection_begin(&injection, header, trc_slice_of(name));
    trc_buf_put_slice(b, trc_slice_of(value));
    trc_injection_end(&injection);
}

static void values_follow_those_that_move(void **state) {
    const struct trc_names *names = *state;
    var("HTTP_UBER_TRACE_ID", "1:2:3:1");
    var("REQUEST_METHOD", "GET");
    var("HTTP_HOST", "localhost");
    struct trc_packet k = packet_of(1000, "tail");
    scan_packet(names, &k);
    trc_injection_clear(&injection);
    inject_item(1, "HTTP_UBER_TRACE_ID", "much longer than before");
    inject_item(2, "HTTP_HOST", "h");
    inject_item(-1, "NEW", "value");
    inject_item(0, "REQUEST_METHOD", "OPTIONS");
    assert_int_equal(trc_packet_inject(&k, &request, names->count, 10, &injection, NULL, NULL), 0);
    assert_int_equal(request.variable_count, 4);
    scan_packet(names, &k);
    assert_value(0, "OPTIONS");
    assert_value(1, "much longer than before");
    assert_value(2, "h");
    assert_int_equal(request.variable_count, 4);
    assert_memory_equal(k.p + k.len, "tail", 4);
}

static void what_cannot_be_replaced_stays_or_goes(void **state) {
    const struct trc_names *names = *state;
    for (int or_none = 0; or_none < 2; or_none++) {
        used = 0;
        var("HTTP_UBER_TRACE_ID", "1:2:3:1");
        var("HTTP_HOST", "localhost");
        struct trc_packet k = packet_of(used + 4 + 3, "tail");
        scan_packet(names, &k);
        trc_injection_clear(&injection);
        injection.or_none = or_none;
        inject_item(1, "HTTP_UBER_TRACE_ID", "four bytes longer");
        inject_item(0, "REQUEST_METHOD", "GET"); /* nothing there that could be taken out */
        inject_item(-1, "NEW", "value");
        const unsigned left_out =
            trc_packet_inject(&k, &request, names->count, 10, &injection, NULL, NULL);
        assert_int_equal(left_out, or_none ? 2 : 3); /* it makes room for one of the others */
        scan_packet(names, &k);
        assert_value(0, or_none ? "GET" : NULL);
        assert_value(1, or_none ? NULL : "1:2:3:1");
        assert_value(2, "localhost");
        assert_memory_equal(k.p + k.len, "tail", 4);
    }
}

static void never_more_variables_than_allowed(void **state) {
    const struct trc_names *names = *state;
    var("REQUEST_METHOD", "GET");
    var("HTTP_HOST", "localhost");
    struct trc_packet k = packet_of(1000, "");
    scan_packet(names, &k);
    trc_injection_clear(&injection);
    inject_item(-1, "A", "1");
    inject_item(2, "HTTP_HOST", "replacing is always allowed");
    inject_item(-1, "B", "1");
    assert_int_equal(trc_packet_inject(&k, &request, names->count, 3, &injection, NULL, NULL), 1);
    scan_packet(names, &k);
    assert_int_equal(request.variable_count, 3);
    assert_value(2, "replacing is always allowed");
}

/* As the host does it when body bytes fill the buffer: the tail goes elsewhere. */
static bool beside(void *arg, struct trc_packet *k, struct trc_slice old, struct trc_slice name,
                   struct trc_slice value) {
    ptrdiff_t shift;
    ++*(unsigned *)arg;
    if (old.p)
        trc_packet_remove(k, name.len, old);
    k->tail_len = 0;
    return trc_packet_set(k, (struct trc_slice){NULL, 0}, name, value, &shift) == 0;
}

static void a_tail_in_the_way_is_asked_to_move(void **state) {
    const struct trc_names *names = *state;
    unsigned asked = 0;
    var("HTTP_UBER_TRACE_ID", "1:2:3:1");
    var("REQUEST_METHOD", "GET");
    static const char body[] = "body bytes that fill the buffer to its end";
    struct trc_packet k = packet_of(used + strlen(body), body);
    scan_packet(names, &k);
    trc_injection_clear(&injection);
    inject_item(1, "HTTP_UBER_TRACE_ID", "longer than it was before");
    inject_item(0, "REQUEST_METHOD", "POST");
    assert_int_equal(trc_packet_inject(&k, &request, names->count, 9, &injection, beside, &asked),
                     0);
    assert_int_equal(asked, 1);
    scan_packet(names, &k);
    assert_value(0, "POST");
    assert_value(1, "longer than it was before");
    assert_int_equal(request.repeated, 0);
    assert_int_equal(request.variable_count, 2);
}

static void takes_variables_out(void **state) {
    const struct trc_names *names = *state;
    var("HTTP_UBER_TRACE_ID", "1:2:3:1");
    var("OTHER", "x");
    var("REQUEST_METHOD", "GET");
    struct trc_packet k = packet_of(1000, "tail");
    scan_packet(names, &k);
    trc_injection_clear(&injection);
    trc_injection_remove(&injection, 1, TRC_SLICE("HTTP_UBER_TRACE_ID"));
    trc_injection_remove(&injection, 2, TRC_SLICE("HTTP_HOST")); /* not there */
    inject_item(0, "REQUEST_METHOD", "OPTIONS");
    assert_int_equal(trc_packet_inject(&k, &request, names->count, 9, &injection, NULL, NULL), 0);
    assert_int_equal(request.variable_count, 2);
    scan_packet(names, &k);
    assert_int_equal(request.variable_count, 2);
    assert_value(0, "OPTIONS");
    assert_value(1, NULL);
    assert_memory_equal(k.p + k.len, "tail", 4);
}

static void what_is_there_twice_is_emptied(void **state) {
    const struct trc_names *names = *state;
    var("HTTP_HOST", "one");
    var("HTTP_HOST", "two");
    var("REQUEST_METHOD", "GET");
    struct trc_packet k = packet_of(1000, "tail");
    scan_packet(names, &k);
    trc_injection_clear(&injection);
    trc_injection_remove(&injection, 2, TRC_SLICE("HTTP_HOST"));
    inject_item(0, "REQUEST_METHOD", "PUT");
    assert_int_equal(trc_packet_inject(&k, &request, names->count, 9, &injection, NULL, NULL), 0);
    scan_packet(names, &k);
    assert_int_equal(request.variable_count, 3);
    assert_value(2, ""); /* and not "one", which is the last that applications would see */
    assert_value(0, "PUT");
    assert_memory_equal(k.p + k.len, "tail", 4);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_of_one_hash_are_told_apart),
        TEST(finds_wanted_variables),
        TEST(peeks_until_it_has_seen_enough),
        TEST(tells_a_repeated_variable),
        TEST(survives_every_cut),
        TEST(survives_every_length_byte),
        TEST(survives_random_bytes),
        TEST(keeps_no_more_prefixed_than_there_is_room_for),
        TEST(sets_over_and_behind),
        TEST(refuses_what_does_not_fit),
        TEST(keeps_within_what_the_length_can_say),
        TEST(removes_a_variable),
        TEST(values_follow_those_that_move),
        TEST(what_cannot_be_replaced_stays_or_goes),
        TEST(never_more_variables_than_allowed),
        TEST(takes_variables_out),
        TEST(what_is_there_twice_is_emptied),
        TEST(a_tail_in_the_way_is_asked_to_move),
    };
    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
