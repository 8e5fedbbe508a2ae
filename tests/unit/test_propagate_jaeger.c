/* SPDX-License-Identifier: MIT
 *
 * Jaeger's headers: what is accepted, what is not, what is sent. Values lie on guard pages.
 */
#include "tracing/format.h"
#include "unit.h"

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
    return (struct trc_carrier){values, 0, prefixed, count};
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

static const struct {
    const char *header;
    uint64_t hi, lo, span, parent;
    uint8_t flags;
} good[] = {
    {"5af7183fb1d4cf5f:ff00000000000001:0:1", 0, 0x5af7183fb1d4cf5f, 0xff00000000000001, 0, 1},
    {"463ac35c9f6413ad48485a3953bb6124:48485a3953bb6124:1:0", 0x463ac35c9f6413ad,
     0x48485a3953bb6124, 0x48485a3953bb6124, 1, 0},
    {"1:2:3:1", 0, 1, 2, 3, 1},
    {"00000000000000000000000000000001:0000000000000002:0000000000000003:01", 0, 1, 2, 3, 1},
    {"10000000000000000:2:0:1", 1, 0, 2, 0, 1}, /* 17 digits */
    {"ABCDEF:AbC:Def:1", 0, 0xabcdef, 0xabc, 0xdef, 1},
    {"1%3A2%3a3%3A1", 0, 1, 2, 3, 1}, /* as C# sends it */
    {"%31:2:3:1", 0, 1, 2, 3, 1},
    {" \t1:2:3:1 \t", 0, 1, 2, 3, 1},
    {"1:2:3:3", 0, 1, 2, 3, 3},
    {"1:2:3:2", 0, 1, 2, 3, 3}, /* debug implies sampled */
    {"1:2:3:9", 0, 1, 2, 3, 1}, /* firehose is not passed on */
    {"1:2:3:0c", 0, 1, 2, 3, 0},
    {"1:2:3:ff", 0, 1, 2, 3, 3},
};

static const char *const bad[] = {
    "",
    " ",
    ":",
    ":::",
    "1:2:3",
    "1:2:3:",
    "1:2::1",
    ":2:3:1",
    "1::3:1",
    "1:2:3:1:",
    "1:2:3:1:4",
    "0:2:3:1",
    "00000000000000000000000000000000:2:3:1",
    "1:0:3:1",
    "1:2:3:001",
    "1:2:3:g",
    "1:2:3:-1",
    "g:2:3:1",
    "0x1:2:3:1",
    "1 :2:3:1",
    "+1:2:3:1",
    "1:2:3:1, 1:2:3:1",
    "1:11111111111111111:3:1", /* 17 digits */
    "1:2:11111111111111111:1",
    "111111111111111111111111111111111:2:3:1", /* 33 digits */
    "00000000000000000000000000000000001:2:3:1",
    "1%3:2:3:1",
    "1%:2:3:1",
    "1%zz2:2:3:1",
    "1%003A2:3:1",
    "1%253A2%253A3%253A1", /* encoded twice */
    "463ac35c9f6413ad48485a3953bb6124:48485a3953bb6124:48485a3953bb6124:01:",
    "%34%36%33%61%63%33%35%63%39%66%36%34%31%33%61%64%34%38%34%38%35%61%33%39%35%33%62%62%36%31"
    "%32%34%34%36%33%61%63%33%35%63%39%66%36%34%31%33%61%64%34%38%34%38%35%61%33%39%35%33%62%62",
};

static void accepts_what_any_client_sends(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        print_message("%s\n", good[i].header);
        assert_int_equal(extract(&(struct sent){.uber = good[i].header}), 0);
        assert_int_equal(ex.context.trace_hi, good[i].hi);
        assert_int_equal(ex.context.trace_lo, good[i].lo);
        assert_int_equal(ex.context.span_id, good[i].span);
        assert_int_equal(ex.context.parent_id, good[i].parent);
        assert_int_equal(ex.context.flags, good[i].flags);
    }
}

static void refuses_everything_else(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sent s = {.uber = bad[i], .debug = "me", .items = "a=b", .prefixed = {"C=d"}};
        print_message("%s\n", bad[i]);
        assert_int_equal(extract(&s), -EINVAL);
        assert_int_equal(baggage.count, 0); /* baggage of a trace nobody can name is kept out */
        assert_null(ex.debug_id.p);
    }
}

static void survives_every_byte_and_cut(void **state) {
    (void)state;
    char text[80] = "463ac35c9f6413ad48485a3953bb6124%3A48485a3953bb6124:00000000000000ff:1";
    for (size_t len = 0; len <= strlen(text); len++) {
        char cut[80] = "";
        memcpy(cut, text, len);
        extract(&(struct sent){.uber = cut});
    }
    for (size_t i = 0; i < strlen(text); i++)
        for (int b = 1; b < 256; b++) {
            char changed[80];
            memcpy(changed, text, sizeof(text));
            changed[i] = (char)b;
            extract(&(struct sent){.uber = changed});
        }
}

static void a_repeated_header_is_malformed(void **state) {
    (void)state;
    struct trc_carrier c = carrier_of(&(struct sent){.uber = "1:2:3:1"});
    c.repeated = 1;
    assert_int_equal(trc_formats[0]->extract(&c, &ex), -EINVAL);
}

static void nothing_is_no_error(void **state) {
    (void)state;
    assert_int_equal(extract(&(struct sent){0}), -ENOENT);
    assert_int_equal(baggage.count, 0);
    assert_null(ex.debug_id.p);
}

static void a_debug_id_counts_without_a_context_only(void **state) {
    (void)state;
    assert_int_equal(extract(&(struct sent){.debug = " please "}), -ENOENT);
    assert_int_equal(ex.debug_id.len, 6);
    assert_memory_equal(ex.debug_id.p, "please", 6);
    assert_int_equal(extract(&(struct sent){.uber = "1:2:3:1", .debug = "please"}), 0);
    assert_null(ex.debug_id.p);
    assert_int_equal(extract(&(struct sent){.debug = "  "}), -ENOENT);
    assert_null(ex.debug_id.p);
}

static void assert_item(const char *key, const char *want) {
    struct trc_slice v = trc_baggage_get(&baggage, trc_slice_of(key));
    if (!want) {
        assert_null(v.p);
        return;
    }
    assert_non_null(v.p);
    assert_int_equal(v.len, strlen(want));
    assert_memory_equal(v.p, want, v.len);
}

static void reads_baggage(void **state) {
    (void)state;
    struct sent s = {.uber = "1:2:3:1",
                     .items = "k1=v1, k2 = v2 ,nothing,a=b=c,=x,k1=second,uid=late",
                     .prefixed = {"UID=a%20b+c", "BROKEN=%zz", "EMPTY="}};
    assert_int_equal(extract(&s), 0);
    assert_item("uid", "a b c");
    assert_item("broken", "%zz");
    assert_item("empty", "");
    assert_item("k1", "v1"); /* the first one counts */
    assert_item("k2", "v2");
    assert_item("nothing", NULL);
    assert_item("a", NULL);
    assert_int_equal(baggage.count, 5);
    assert_int_equal(extract(&(struct sent){.items = "a%3Db%2Cc%3Dd+e"}), -ENOENT);
    assert_item("a", "b"); /* decoded as a whole, then split */
    assert_item("c", "d e");
    assert_int_equal(extract(&(struct sent){.prefixed = {"USER_ID=1"}}), -ENOENT);
    assert_item("user-id", "1");
}

static void baggage_is_bounded(void **state) {
    (void)state;
    static char big[TRC_BAGGAGE_BYTES + 10], many[3000];
    memset(big, 'x', sizeof(big) - 1);
    struct sent s = {.uber = "1:2:3:1", .prefixed = {"A=1", NULL, NULL}};
    char item[sizeof(big) + 10];
    snprintf(item, sizeof(item), "BIG=%s", big);
    s.prefixed[1] = item;
    s.prefixed[2] = "B=2";
    assert_int_equal(extract(&s), 0);
    assert_true(baggage.truncated);
    assert_item("a", "1");
    assert_item("b", "2");
    assert_item("big", NULL);

    size_t at = 0;
    for (int i = 0; i < 100; i++)
        at += (size_t)snprintf(many + at, sizeof(many) - at, "%sk%d=v", i ? "," : "", i);
    assert_int_equal(extract(&(struct sent){.items = many}), -ENOENT);
    assert_int_equal(baggage.count, TRC_BAGGAGE_ITEMS);
    assert_true(baggage.truncated);
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
    trc_formats[0]->inject(&(struct trc_outgoing){context, &baggage, NULL}, &c, 5, &injection);
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
    trc_formats[0]->inject(&what, &none, 5, &injection);
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
        cmocka_unit_test(accepts_what_any_client_sends),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(survives_every_byte_and_cut),
        cmocka_unit_test(a_repeated_header_is_malformed),
        cmocka_unit_test(nothing_is_no_error),
        cmocka_unit_test(a_debug_id_counts_without_a_context_only),
        cmocka_unit_test(reads_baggage),
        cmocka_unit_test(baggage_is_bounded),
        cmocka_unit_test(writes_the_full_width),
        cmocka_unit_test(what_it_writes_it_reads),
        cmocka_unit_test(passes_on_ad_hoc_baggage),
        cmocka_unit_test(injection_is_bounded),
        cmocka_unit_test(variables_say_the_ids),
    };
    return cmocka_run_group_tests_name("propagate: jaeger", tests, NULL, NULL);
}
