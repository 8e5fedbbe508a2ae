/* SPDX-License-Identifier: MIT
 *
 * Spans: what fits into one, and which bytes read back from shared memory are taken for one. Those
 * end at an unreadable page.
 */
#include "spans.h"
#include "unit.h"

/* A copy of the span that ends where an unreadable page begins. */
static struct trc_span *at_the_edge(const struct trc_span *span) {
    return (struct trc_span *)(void *)guarded(0, span, span->size);
}

static uint64_t touched(struct trc_slice s) {
    uint64_t sum = 0;

    for (size_t i = 0; i < s.len; i++)
        sum += (unsigned char)s.p[i];
    return sum;
}

/* Reads all of a span that passed. */
static void touch(const struct trc_span *span) {
    uint64_t sum = 0;

    for (int i = 0; i < TRC_STR_COUNT; i++)
        sum += touched(trc_span_get(span, (enum trc_span_str)i));
    for (unsigned i = 0; i < span->named_count; i++) {
        const struct trc_tag tag = trc_span_named(span, i);
        sum += touched(tag.key) + touched(tag.value);
    }
    (void)sum;
}

/* A span whose arena is full, but for the named attribute {off, len}. */
static bool named_passes(unsigned off, unsigned len) {
    struct trc_span span;

    trc_span_clear(&span);
    memset(span.arena, 3, sizeof(span.arena)); /* names of three bytes */
    span.arena_len = TRC_SPAN_ARENA;
    span.named_count = 1;
    span.named[0] = (struct trc_str){(uint16_t)off, (uint16_t)len};
    trc_span_seal(&span);
    const struct trc_span *edge = at_the_edge(&span);
    const bool passes = trc_span_check(edge, edge->size);
    if (passes)
        touch(edge);
    return passes;
}

static void named_attributes_lie_inside(void **state) {
    static const struct {
        unsigned off, len;
        bool good;
    } rows[] = {
        {0, 4, true},                                   /* a name without a value */
        {0, 3, false},                                  /* less than its name */
        {0, 0, false},                                  /* not even the name's length */
        {0, TRC_SPAN_ARENA, true},                      /* all of it */
        {0, TRC_SPAN_ARENA + 1, false},                 /* */
        {TRC_SPAN_ARENA - 4, 4, true},                  /* at the end */
        {TRC_SPAN_ARENA - 4, 5, false},                 /* */
        {TRC_SPAN_ARENA - 1, 1, false},                 /* a length of a name that is not there */
        {TRC_SPAN_ARENA, 0, false},                     /* behind the end */
        {TRC_SPAN_ARENA, 4, false},                     /* */
        {UINT16_MAX, 0, false},                         /* */
        {UINT16_MAX, UINT16_MAX, false},                /* sums that need more than 16 bits */
        {TRC_SPAN_ARENA / 2, UINT16_MAX - 1900, false}, /* */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (named_passes(rows[i].off, rows[i].len) != rows[i].good)
            fail_msg("row %zu", i);
}

static void strings_lie_inside(void **state) {
    static const struct {
        unsigned off, len;
        bool good;
    } rows[] = {{0, 0, true},           {0, 40, true},          {39, 1, true},
                {40, 0, true},          {0, 41, false},         {40, 1, false},
                {41, 0, false},         {1, 40, false},         {UINT16_MAX, 0, false},
                {0, UINT16_MAX, false}, {UINT16_MAX, 1, false}, {UINT16_MAX, UINT16_MAX, false}};
    struct trc_span span;

    (void)state;
    for (int which = 0; which < TRC_STR_COUNT; which++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            trc_span_clear(&span);
            span.arena_len = 40;
            span.str[which] = (struct trc_str){(uint16_t)rows[i].off, (uint16_t)rows[i].len};
            trc_span_seal(&span);
            if (trc_span_check(at_the_edge(&span), span.size) != rows[i].good)
                fail_msg("string %d, row %zu", which, i);
        }
    }
}

static void sizes_agree(void **state) {
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    assert_true(trc_span_check(&span, span.size));
    assert_false(trc_span_check(&span, span.size - 8));
    assert_false(trc_span_check(&span, span.size + 8));
    assert_false(trc_span_check(&span, 0));
    assert_false(trc_span_check(&span, TRC_SPAN_FIXED - 8));
    assert_false(trc_span_check(&span, sizeof(span) + 8));
    span.size = sizeof(span) + 8; /* more than there can be */
    assert_false(trc_span_check(&span, span.size));
    spans_usual(&span);
    span.arena_len = (uint16_t)(span.size - TRC_SPAN_FIXED + 1);
    assert_false(trc_span_check(&span, span.size));
    spans_usual(&span);
    span.named_count = TRC_SPAN_NAMED_MAX + 1;
    assert_false(trc_span_check(&span, span.size));
    trc_span_clear(&span);
    assert_true(trc_span_check(&span, span.size)); /* an empty one */
}

/* Any span, with bytes of its fixed part replaced: it passes and can be read, or it does not. */
static void damaged_spans(void **state) {
    struct trc_random random = {{8, 8, 8, 8}};
    unsigned passed = 0;
    struct trc_span span;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        if (round % 64 == 0) {
            spans_random(&random, &span);
            spans_random_claims(&random, &span);
        }
        struct trc_span *edge = at_the_edge(&span);
        for (uint64_t i = trc_random_next(&random) % 4; i > 0; i--) {
            const size_t at = trc_random_next(&random) % TRC_SPAN_FIXED;
            ((unsigned char *)edge)[at] = (unsigned char)trc_random_next(&random);
        }
        if (trc_span_check(edge, span.size)) {
            passed++;
            touch(edge);
        }
    }
    assert_in_range(passed, 50000, 195000); /* neither all nor none */
}

/* --- Putting in ---------------------------------------------------------------------------------
 */

static void named_attributes_are_whole_or_left_out(void **state) {
    static char text[TRC_SPAN_NAMED_BYTES + 1];
    static const struct {
        size_t name, value;
        bool fits;
    } rows[] = {
        {1, 0, true},     {UINT8_MAX, 0, true}, {0, 1, false},    {UINT8_MAX + 1, 0, false},
        {1, 1022, true},  {1, 1023, false},     {255, 768, true}, {255, 769, false},
        {1, 1025, false},
    };
    struct trc_span span;

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trc_span_clear(&span);
        trc_span_add_named(&span, (struct trc_slice){text, rows[i].name},
                           (struct trc_slice){text, rows[i].value});
        assert_int_equal(span.named_count, rows[i].fits);
        assert_int_equal(span.truncated, !rows[i].fits);
        if (rows[i].fits) {
            assert_int_equal(trc_span_named(&span, 0).key.len, rows[i].name);
            assert_int_equal(trc_span_named(&span, 0).value.len, rows[i].value);
        }
        trc_span_seal(&span);
        assert_true(trc_span_check(&span, span.size));
    }

    /* As many as there may be, in an arena that has no more room than they take. */
    trc_span_clear(&span);
    span.arena_len = TRC_SPAN_ARENA - 8 * 5;
    for (unsigned i = 0; i < TRC_SPAN_NAMED_MAX + 1; i++)
        trc_span_add_named(&span, TRC_SLICE("ab"), TRC_SLICE("cd"));
    assert_int_equal(span.named_count, TRC_SPAN_NAMED_MAX);
    assert_int_equal(span.arena_len, TRC_SPAN_ARENA);
    assert_true(span.truncated);
    trc_span_seal(&span);
    assert_true(trc_span_check(&span, span.size));

    trc_span_clear(&span);
    span.arena_len = TRC_SPAN_ARENA - 4;
    trc_span_add_named(&span, TRC_SLICE("ab"), TRC_SLICE("cd"));
    assert_int_equal(span.named_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_attributes_lie_inside),
        cmocka_unit_test(strings_lie_inside),
        cmocka_unit_test(sizes_agree),
        cmocka_unit_test(damaged_spans),
        cmocka_unit_test(named_attributes_are_whole_or_left_out),
    };
    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
