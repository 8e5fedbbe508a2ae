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
    for (struct trc_extra x = {.at = 0}; trc_span_extra(span, &x);)
        sum += touched(x.name) + touched(x.value) + touched(x.type) + touched(x.message) +
               touched(x.stack);
    (void)sum;
}

/* A span of 64 bytes of arena that begins with one tag or event of this head; its text is 3s. */
static bool extra_passes(unsigned place, struct spans_head head) {
    struct trc_span span;

    trc_span_clear(&span);
    memset(span.arena, 3, sizeof(span.arena));
    span.arena_len = 64;
    if (place && place <= 64 - sizeof(head) + 1)
        memcpy(span.arena + place - 1, &head, sizeof(head));
    span.extra_first = (uint16_t)place;
    trc_span_seal(&span);
    const struct trc_span *edge = at_the_edge(&span);
    const bool passes = trc_span_check(edge, edge->size);
    if (passes)
        touch(edge);
    return passes;
}

static void tags_and_events_lie_inside(void **state) {
    static const struct {
        unsigned place;
        struct spans_head head;
        bool good;
    } rows[] = {
        {0, {0}, true},                                            /* none */
        {1, {0, 56, 56, TRC_EXTRA_TAG, 1}, true},                  /* all of it */
        {1, {0, 57, 57, TRC_EXTRA_TAG, 1}, false},                 /* */
        {1, {0, 56, 57, TRC_EXTRA_TAG, 1}, false},                 /* more than it has */
        {57, {0, 0, 0, 0, 0}, true},                               /* at the end, and replaced */
        {57, {0, 0, 0, TRC_EXTRA_TAG, 1}, false},                  /* */
        {58, {0}, false},                                          /* no room for a head */
        {UINT16_MAX, {0}, false},                                  /* */
        {1, {0, 8, 8, TRC_EXTRA_TAG, 0}, false},                   /* no name */
        {1, {0, 8, 8, TRC_EXTRA_HEADER, 8}, true},                 /* nothing but a name */
        {1, {0, 8, 8, TRC_EXTRA_HEADER, 9}, false},                /* less than its name */
        {1, {0, 8, 8, TRC_EXTRA_LOG, 0}, true},                    /* a time and no text */
        {1, {0, 8, 7, TRC_EXTRA_LOG, 0}, false},                   /* less than a time */
        {1, {0, 11, 11, TRC_EXTRA_EXCEPTION, 0}, false},           /* less than its lengths */
        {1, {0, 50, 50, TRC_EXTRA_EXCEPTION, 0}, false},           /* 0x0303 of each are too long */
        {1, {0, 8, 8, TRC_EXTRA_EXCEPTION + 1, 1}, false},         /* no such kind */
        {1, {1, 8, 8, TRC_EXTRA_TAG, 1}, false},                   /* the next one is itself */
        {1, {16, 8, 8, TRC_EXTRA_TAG, 1}, false},                  /* or begins inside it */
        {1, {17, 8, 8, TRC_EXTRA_TAG, 1}, false},                  /* one whose head is 3s */
        {1, {64, 8, 8, TRC_EXTRA_TAG, 1}, false},                  /* one that begins at the end */
        {1, {UINT16_MAX, 8, 8, TRC_EXTRA_TAG, 1}, false},          /* */
        {1, {0, UINT16_MAX, UINT16_MAX, TRC_EXTRA_TAG, 1}, false}, /* */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (extra_passes(rows[i].place, rows[i].head) != rows[i].good)
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
    span.size--;
    assert_false(trc_span_check(&span, span.size)); /* no multiple of 8 */
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

static bool add(struct trc_span *span, const char *name, const char *value) {
    return trc_span_add_tag(span, TRC_EXTRA_TAG, trc_slice_of(name), trc_slice_of(value));
}

/* All of them as text, in order. */
static const char *extras(const struct trc_span *span) {
    static char text[8192];
    size_t len = 0;

    for (struct trc_extra x = {.at = 0}; trc_span_extra(span, &x);)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%d %.*s=%.*s @%d %.*s|%.*s|%.*s\n",
                                x.kind, (int)x.name.len, x.name.p, (int)x.value.len, x.value.p,
                                (int)x.after_ns, (int)x.type.len, x.type.p, (int)x.message.len,
                                x.message.p, (int)x.stack.len, x.stack.p);
    text[len] = '\0';
    return text;
}

static void assert_passes(struct trc_span *span) {
    trc_span_seal(span);
    assert_true(trc_span_check(span, span->size));
    touch(at_the_edge(span));
}

static void tags_are_whole_or_left_out(void **state) {
    static char text[TRC_SPAN_TAG_BYTES + 1];
    static const struct {
        size_t name, value;
        bool fits;
    } rows[] = {
        {1, 0, true},     {UINT8_MAX, 0, true}, {0, 1, false},     {UINT8_MAX + 1, 0, false},
        {1, 2039, true},  {1, 2040, false},     {255, 1785, true}, {255, 1786, false},
        {1, 2049, false},
    };
    struct trc_span span;

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trc_extra x = {.at = 0};
        trc_span_clear(&span);
        assert_int_equal(trc_span_add_tag(&span, TRC_EXTRA_HEADER,
                                          (struct trc_slice){text, rows[i].name},
                                          (struct trc_slice){text, rows[i].value}),
                         rows[i].fits);
        assert_int_equal(span.tag_count, rows[i].fits);
        assert_int_equal(span.truncated, !rows[i].fits);
        assert_int_equal(trc_span_extra(&span, &x), rows[i].fits);
        assert_int_equal(x.name.len, rows[i].fits ? rows[i].name : 0);
        assert_int_equal(x.value.len, rows[i].fits ? rows[i].value : 0);
        assert_passes(&span);
    }
}

/* As many as there may be, in an arena that has just that much room. */
static void tags_are_bounded(void **state) {
    struct trc_span span;
    char name[3] = "a0";

    (void)state;
    trc_span_clear(&span);
    span.arena_len = TRC_SPAN_ARENA - (sizeof(struct spans_head) + 4) * TRC_SPAN_TAGS_MAX;
    for (unsigned i = 0; i < TRC_SPAN_TAGS_MAX; i++, name[1]++)
        assert_true(add(&span, name, "cd"));
    assert_false(span.truncated);
    assert_false(add(&span, "one", "more"));
    assert_true(span.truncated);
    assert_int_equal(span.tag_count, TRC_SPAN_TAGS_MAX);
    assert_int_equal(span.arena_len, TRC_SPAN_ARENA);
    assert_passes(&span);

    trc_span_clear(&span);
    span.arena_len = TRC_SPAN_ARENA - sizeof(struct spans_head) - 3;
    assert_false(add(&span, "ab", "cd"));
    assert_int_equal(span.tag_count, 0);
    assert_passes(&span);
}

static void a_tag_replaces_its_like(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    assert_true(add(&span, "a", "long one"));
    assert_true(add(&span, "b", "2"));
    assert_true(add(&span, "a", "short"));
    assert_string_equal(extras(&span), "1 a=short @0 ||\n1 b=2 @0 ||\n");
    assert_true(add(&span, "a", "longer than that"));
    assert_true(add(&span, "c", ""));
    assert_string_equal(extras(&span), "1 b=2 @0 ||\n1 a=longer than that @0 ||\n1 c= @0 ||\n");
    assert_int_equal(span.tag_count, 3);
    const uint16_t used = span.arena_len;
    for (unsigned i = 0; i < 100000; i++)
        assert_true(add(&span, "b", i % 2 ? "x" : ""));
    assert_int_equal(span.arena_len, used);
    assert_false(span.truncated);
    assert_passes(&span);
}

static void events_have_times_and_parts(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    assert_true(trc_span_add_log(&span, 7, TRC_SLICE("hello")));
    assert_true(
        trc_span_add_exception(&span, 8, TRC_SLICE("E"), TRC_SLICE("why"), TRC_SLICE("at here")));
    assert_true(add(&span, "a", "1"));
    assert_true(trc_span_add_exception(&span, 9, TRC_SLICE(""), TRC_SLICE(""), TRC_SLICE("")));
    assert_true(trc_span_add_log(&span, 10, TRC_SLICE("")));
    assert_string_equal(extras(&span),
                        "3 =hello @7 ||\n4 = @8 E|why|at here\n1 a=1 @0 ||\n"
                        "4 = @9 ||\n3 = @10 ||\n");
    assert_int_equal(span.event_count, 4);
    assert_passes(&span);
}

static void events_are_cut_and_bounded(void **state) {
    static char text[8192];
    const struct trc_slice long_one = {text, sizeof(text)};
    struct trc_extra x = {.at = 0};
    struct trc_span span;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    trc_span_clear(&span);
    assert_true(trc_span_add_exception(&span, 1, long_one, long_one, long_one));
    assert_true(span.truncated);
    assert_true(trc_span_extra(&span, &x));
    assert_int_equal(x.type.len, TRC_SPAN_EXCEPTION_TYPE_MAX);
    assert_int_equal(x.message.len, TRC_SPAN_EXCEPTION_MESSAGE_MAX);
    assert_int_equal(x.stack.len, TRC_SPAN_EXCEPTION_STACK_MAX);
    assert_memory_equal(x.stack.p, text + sizeof(text) - x.stack.len, x.stack.len); /* innermost */
    assert_true(trc_span_add_log(&span, 2, long_one));
    assert_true(trc_span_extra(&span, &x));
    assert_int_equal(x.value.len, TRC_SPAN_LOG_MAX);
    assert_false(trc_span_add_log(&span, 3, long_one)); /* no room for a third one like these */
    assert_true(trc_span_add_log(&span, 4, TRC_SLICE("short")));
    assert_passes(&span);

    trc_span_clear(&span);
    for (unsigned i = 0; i < TRC_SPAN_EVENTS_MAX; i++)
        assert_true(trc_span_add_log(&span, i, TRC_SLICE("x")));
    assert_false(span.truncated);
    assert_false(trc_span_add_log(&span, 0, TRC_SLICE("x")));
    assert_true(span.truncated);
    assert_passes(&span);
}

/* Every string at its longest, and as many tags and events as there may be. */
static void everything_fits_at_once(void **state) {
    static const uint16_t max[TRC_STR_COUNT] = {
        [TRC_STR_NAME] = TRC_SPAN_TEXT_MAX,   [TRC_STR_METHOD] = TRC_SPAN_TOKEN_MAX,
        [TRC_STR_URL] = sizeof("://?") - 1,   [TRC_STR_SCHEME] = TRC_SPAN_TOKEN_MAX,
        [TRC_STR_HOST] = TRC_SPAN_TEXT_MAX,   [TRC_STR_PATH] = TRC_SPAN_PATH_MAX,
        [TRC_STR_QUERY] = TRC_SPAN_PATH_MAX,  [TRC_STR_PROTOCOL] = TRC_SPAN_TOKEN_MAX,
        [TRC_STR_PEER] = TRC_SPAN_TOKEN_MAX,  [TRC_STR_USER_AGENT] = TRC_SPAN_TEXT_MAX,
        [TRC_STR_APP] = TRC_SPAN_TEXT_MAX,    [TRC_STR_DEBUG_ID] = TRC_SPAN_TEXT_MAX,
        [TRC_STR_STATE] = TRC_SPAN_STATE_MAX, [TRC_STR_CLIENT] = TRC_SPAN_TOKEN_MAX,
        [TRC_STR_ROUTE] = TRC_SPAN_TEXT_MAX,  [TRC_STR_EXCEPTION] = TRC_SPAN_EXCEPTION_TYPE_MAX,
    };
    size_t sum = TRC_SPAN_TAG_BYTES + TRC_SPAN_EVENT_BYTES;

    (void)state;
    for (unsigned i = 0; i < TRC_STR_COUNT; i++) {
        assert_true(max[i] > 0);
        sum += max[i];
    }
    assert_in_range(sum, TRC_SPAN_ARENA - 512, TRC_SPAN_ARENA);
}

static void what_is_let_go(void **state) {
    static const struct {
        uint8_t keep, error;
        uint64_t duration_ns;
        bool let_go;
    } rows[] = {
        {0, 0, 0, false},
        {TRC_KEEP_ERRORS | TRC_KEEP_SLOW, 0, 0, false}, /* it was not refused */
        {TRC_KEEP_PENDING, 1, 1000, true},
        {TRC_KEEP_PENDING | TRC_KEEP_ERRORS, 0, 1000, true},
        {TRC_KEEP_PENDING | TRC_KEEP_ERRORS, 1, 0, false},
        {TRC_KEEP_PENDING | TRC_KEEP_SLOW, 1, 99, true},
        {TRC_KEEP_PENDING | TRC_KEEP_SLOW, 0, 100, false},
    };
    struct trc_span span;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trc_span_clear(&span);
        span.keep = rows[i].keep;
        span.keep_slow_ns = 100;
        span.error = rows[i].error;
        span.duration_ns = rows[i].duration_ns;
        assert_int_equal(trc_span_let_go(&span), rows[i].let_go);
        const bool kept = rows[i].keep & TRC_KEEP_PENDING && !rows[i].let_go;
        assert_int_equal(span.sampler_type, kept ? TRC_SAMPLER_KEEP : TRC_SAMPLER_NONE);
        assert_int_equal(span.flags, kept ? TRC_FLAG_SAMPLED : 0);
        assert_int_equal(trc_span_let_go(&span), rows[i].let_go); /* and says so again */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_and_events_lie_inside),
        cmocka_unit_test(strings_lie_inside),
        cmocka_unit_test(sizes_agree),
        cmocka_unit_test(damaged_spans),
        cmocka_unit_test(tags_are_whole_or_left_out),
        cmocka_unit_test(tags_are_bounded),
        cmocka_unit_test(a_tag_replaces_its_like),
        cmocka_unit_test(events_have_times_and_parts),
        cmocka_unit_test(events_are_cut_and_bounded),
        cmocka_unit_test(everything_fits_at_once),
        cmocka_unit_test(what_is_let_go),
    };
    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
