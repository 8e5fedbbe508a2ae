/* SPDX-License-Identifier: MIT
 *
 * What a request's span is told while it runs: tags, events, names, spans within it; and what
 * becomes of one that the sampler refused.
 */
#include "killed.h"
#include "tracer_rig.h"

static const struct trc_format *const none[] = {NULL};

static int setup(void **state) {
    (void)state;
    read_pos = 0;
    return tracer_setup(none, none);
}

static void refuse_all(void) {
    assert_int_equal(trc_sampler_parse(TRC_SLICE("const:0"), &tracer.sampler), 0);
}

/* --- Tags and events ----------------------------------------------------------------------- */

static void all_of_it_is_there(void **state) {
    struct trc_extra x = {.at = 0};
    (void)state;
    BEGIN(0, "REQUEST_URI=/");
    assert_true(trc_tracer_tag(&tracer, 0, TRC_SLICE("k"), TRC_SLICE("v")));
    assert_true(trc_tracer_log(&tracer, 0, TRC_SLICE("hello")));
    assert_true(trc_tracer_exception(&tracer, 0, TRC_SLICE("ValueError"), TRC_SLICE("bad"),
                                     TRC_SLICE("line 1")));
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_int_equal(s->error, 1); /* whatever the status */
    assert_str(s, TRC_STR_EXCEPTION, "ValueError");
    assert_true(trc_span_extra(s, &x));
    assert_int_equal(x.kind, TRC_EXTRA_TAG);
    assert_true(trc_span_extra(s, &x));
    assert_int_equal(x.kind, TRC_EXTRA_LOG);
    assert_in_range(x.after_ns, 5 * TRC_NS_PER_MS,
                    s->duration_ns); /* the rig began that long ago */
    assert_true(trc_span_extra(s, &x));
    assert_int_equal(x.kind, TRC_EXTRA_EXCEPTION);
    assert_in_range(x.after_ns, 5 * TRC_NS_PER_MS, s->duration_ns);
    assert_false(trc_span_extra(s, &x));
}

static void nothing_is_said_of_what_is_not_recorded(void **state) {
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        if (round == 0) {
            refuse_all();
            BEGIN(0, "REQUEST_URI=/");
        } /* else: no request at all */
        assert_false(trc_tracer_tag(&tracer, 0, TRC_SLICE("k"), TRC_SLICE("v")));
        assert_false(trc_tracer_log(&tracer, 0, TRC_SLICE("hello")));
        assert_false(trc_tracer_route(&tracer, 0, TRC_SLICE("/r")));
        assert_false(trc_tracer_name(&tracer, 0, TRC_SLICE("n")));
        assert_false(
            trc_tracer_exception(&tracer, 0, TRC_SLICE("E"), TRC_SLICE(""), TRC_SLICE("")));
        assert_int_equal(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("i")), 0);
        assert_false(trc_tracer_inner_end(&tracer, 0, 0, false));
        end(0, 200);
    }
    assert_null(next_span());
}

/* --- Names --------------------------------------------------------------------------------- */

static const char *name_of(const char *template, const char *route, const char *name) {
    static char text[TRC_SPAN_TEXT_MAX + 1];
    struct trc_template parsed;
    teardown(NULL);
    assert_int_equal(trc_template_parse(trc_slice_of(template), &parsed), 0);
    read_pos = 0;
    assert_int_equal(tracer_setup_named(none, none, &parsed), 0);
    BEGIN(0, "REQUEST_URI=/users/42", "HTTP_HOST=h", "HTTP_X_TENANT=blue");
    if (route)
        assert_true(trc_tracer_route(&tracer, 0, trc_slice_of(route)));
    if (name)
        assert_true(trc_tracer_name(&tracer, 0, trc_slice_of(name)));
    trc_tracer_end(&tracer, 0, &(struct trc_result){.status = 200, .app = TRC_SLICE("/app")});
    struct trc_slice s = trc_span_get(only_span(), TRC_STR_NAME);
    snprintf(text, sizeof(text), "%.*s", (int)s.len, s.p);
    return text;
}

static void names_are_made_of_what_is_known(void **state) {
    (void)state;
    assert_string_equal(name_of("{method} {route}", NULL, NULL), "GET /users/{id}");
    assert_string_equal(name_of("{method} {route}", "/users/<int:pk>", NULL),
                        "GET /users/<int:pk>");
    assert_string_equal(name_of("{method} {route}", "/users/<int:pk>", "mine"), "mine");
    assert_string_equal(name_of("{method} {route}", NULL, "mine"), "mine");
    assert_string_equal(name_of("{host}{path}", "/r", NULL), "h/users/42");
    assert_string_equal(name_of("{app} {HTTP_X_TENANT}", NULL, NULL), "/app blue");
    assert_string_equal(name_of("{HTTP_X_TENANT} {route}", "/r", NULL), "blue /r");
}

/* Again and again must not use the span up. */
static void the_last_name_counts(void **state) {
    char text[] = "name 00000";
    (void)state;
    BEGIN(0, "REQUEST_URI=/");
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(text, sizeof(text), "name %05u", i);
        assert_true(trc_tracer_name(&tracer, 0, trc_slice_of(text)));
        assert_true(trc_tracer_route(&tracer, 0, trc_slice_of(text)));
    }
    assert_false(trc_tracer_name(&tracer, 0, TRC_SLICE("")));
    end(0, 200);
    assert_str(only_span(), TRC_STR_NAME, "name 49999");
    assert_str(only_span(), TRC_STR_ROUTE, "name 49999");
    assert_int_equal(only_span()->truncated, 0);
}

static void there_is_a_bound_on_names(void **state) {
    char text[32];
    (void)state;
    assert_int_equal(trc_operations_new(&tracer.operations), 0);
    for (unsigned i = 0; i < TRC_OPERATION_NAMES_MAX - 1; i++) {
        snprintf(text, sizeof(text), "/word-%u", i);
        assert_true(trc_operations_admit(tracer.operations, trc_slice_of(text)));
    }
    BEGIN(0, "REQUEST_URI=/"); /* its name is the last one */
    end(0, 200);
    begin(0, (const char *const[]){"REQUEST_METHOD=PUT", "REQUEST_URI=/new", NULL});
    assert_true(trc_tracer_name(&tracer, 0, TRC_SLICE("other")));
    (void)trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("inner"));
    end(0, 200);
    begin(0, (const char *const[]){"REQUEST_METHOD=BREW", "REQUEST_URI=/new", NULL});
    assert_true(trc_tracer_name(&tracer, 0, TRC_SLICE("/word-3")));
    (void)trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("/word-3"));
    end(0, 200);
    static const char *const want[] = {"GET /", "*", "PUT *", "/word-3", "/word-3"};
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_str(next_span(), TRC_STR_NAME, want[i]);
    assert_null(next_span());
    trc_operations_free(tracer.operations);
}

/* --- Spans within -------------------------------------------------------------------------- */

static void spans_within_are_nested(void **state) {
    (void)state;
    BEGIN(1, "REQUEST_URI=/");
    uint64_t a = trc_tracer_inner_begin(&tracer, 1, TRC_SLICE("a"));
    uint64_t b = trc_tracer_inner_begin(&tracer, 1, TRC_SLICE("b"));
    assert_true(trc_tracer_inner_end(&tracer, 1, b, true));
    assert_false(trc_tracer_inner_end(&tracer, 1, b, true)); /* it has ended */
    uint64_t c = trc_tracer_inner_begin(&tracer, 1, TRC_SLICE("c"));
    uint64_t d = trc_tracer_inner_begin(&tracer, 1, TRC_SLICE("d"));
    assert_true(trc_tracer_inner_end(&tracer, 1, c, true)); /* and what is within it */
    uint64_t e = trc_tracer_inner_begin(&tracer, 1, TRC_SLICE("e"));
    end(1, 200);
    const struct trc_span *s[6];
    for (unsigned i = 0; i < 6; i++)
        assert_non_null(s[i] = next_span());
    assert_null(next_span());
    const struct trc_span *request = s[5];
    const struct {
        uint64_t id, parent;
        const char *name;
        int error;
    } want[] = {{b, a, "b", 1},
                {d, c, "d", 0},
                {c, a, "c", 1},
                {e, a, "e", 0},
                {a, request->span_id, "a", 0}};
    for (unsigned i = 0; i < 5; i++) {
        assert_true(s[i]->span_id == want[i].id && s[i]->parent_id == want[i].parent);
        assert_str(s[i], TRC_STR_NAME, want[i].name);
        assert_int_equal(s[i]->error, want[i].error);
        assert_int_equal(s[i]->kind, TRC_KIND_INTERNAL);
        assert_true(s[i]->trace_lo == request->trace_lo && s[i]->trace_hi == request->trace_hi);
        assert_true(s[i]->start_unix_ns >= request->start_unix_ns);
        assert_true(s[i]->start_unix_ns + s[i]->duration_ns <=
                    request->start_unix_ns + request->duration_ns);
        assert_int_equal(s[i]->core, 1);
    }
    assert_int_equal(accounts().sampled, 6);
    assert_int_equal(accounts().started, 1);
}

static void spans_within_are_bounded(void **state) {
    (void)state;
    BEGIN(0, "REQUEST_URI=/");
    for (unsigned i = 0; i < TRC_INNER_MAX; i++)
        assert_true(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")) != 0);
    assert_int_equal(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")), 0);
    end(0, 200);
    BEGIN(0, "REQUEST_URI=/");
    for (unsigned i = 0; i < TRC_INNER_TOTAL; i++)
        assert_true(trc_tracer_inner_end(
            &tracer, 0, trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")), false));
    assert_int_equal(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")), 0);
    end(0, 200);
    assert_int_equal(accounts().sampled, TRC_INNER_MAX + TRC_INNER_TOTAL + 2);
}

/* --- Refused, and kept --------------------------------------------------------------------- */

static void a_refused_request_is_kept_for_its_end(void **state) {
    (void)state;
    static const struct {
        uint8_t keep;
        uint16_t status;
        bool kept;
    } rows[] = {
        {0, 500, false},
        {TRC_KEEP_ERRORS, 200, false},
        {TRC_KEEP_ERRORS, 499, false},
        {TRC_KEEP_ERRORS, 500, true},
        {TRC_KEEP_SLOW, 500, false},
        {TRC_KEEP_ERRORS | TRC_KEEP_SLOW, 503, true},
    };
    uint64_t kept = 0;
    refuse_all();
    tracer.keep_slow_ns = 60 * TRC_NS_PER_S;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tracer.keep = rows[i].keep;
        BEGIN(0, "REQUEST_URI=/x");
        assert_int_equal(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")), 0);
        end(0, rows[i].status);
        const struct trc_span *s = next_span();
        assert_int_equal(s != NULL, rows[i].kept);
        kept += rows[i].kept;
        if (!s)
            continue;
        assert_int_equal(s->sampler_type, TRC_SAMPLER_KEEP);
        assert_true(s->flags & TRC_FLAG_SAMPLED);
        assert_str(s, TRC_STR_PATH, "/x");
    }
    assert_int_equal(accounts().sampled, kept);
    assert_int_equal(accounts().unsampled, sizeof(rows) / sizeof(rows[0]) - kept);
    tracer.keep = TRC_KEEP_SLOW;
    tracer.keep_slow_ns = 4 * TRC_NS_PER_MS; /* the rig began 5 ms ago */
    BEGIN(0, "REQUEST_URI=/x");
    end(0, 200);
    assert_non_null(next_span());
}

static void what_is_killed_is_an_error(void **state) {
    (void)state;
    refuse_all();
    for (unsigned round = 0; round < 2; round++) {
        tracer.keep = round ? TRC_KEEP_ERRORS : TRC_KEEP_SLOW;
        tracer.keep_slow_ns = UINT64_MAX;
        BEGIN(0, "REQUEST_URI=/x");
        trc_journal_recover(journal, 0, trc_clock_mono_ns());
        assert_int_equal(next_span() != NULL, round);
        assert_int_equal(accounts().sampled, round);
        assert_int_equal(accounts().unsampled, 1);
    }
}

/* --- Killed after each instruction --------------------------------------------------------- */

static void say_it_all(void) {
    (void)trc_tracer_tag(&tracer, 0, TRC_SLICE("k"), TRC_SLICE("v"));
    (void)trc_tracer_tag(&tracer, 0, TRC_SLICE("k"), TRC_SLICE("longer"));
    (void)trc_tracer_log(&tracer, 0, TRC_SLICE("hello"));
    (void)trc_tracer_name(&tracer, 0, TRC_SLICE("a name that is longer"));
    uint64_t a = trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a"));
    (void)trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("b"));
    (void)trc_tracer_inner_end(&tracer, 0, a, false);
    (void)trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("c"));
    end(0, 200);
}

/* Each span comes once and whole, the request's last; and is counted once. */
static void assert_all_once(void) {
    uint64_t ids[8];
    unsigned count = 0;
    trc_journal_recover(journal, 0, trc_clock_mono_ns());
    for (const struct trc_span *s; (s = next_span()); count++) {
        assert_true(count < 4 && trc_span_check(s, s->size));
        for (unsigned i = 0; i < count; i++)
            assert_true(ids[i] != s->span_id);
        ids[count] = s->span_id;
    }
    assert_true(count >= 1);
    const struct trc_accounts a = accounts();
    assert_int_equal(a.sampled, count);
    assert_int_equal(a.queued, count);
    assert_int_equal(a.lost, 0);
}

static void recover_it(void) {
    trc_journal_recover(journal, 0, trc_clock_mono_ns());
}

/* A request is long, and a sanitizer makes ten of each of its instructions. */
#define STEP (STRIDE > 100 ? 10 * STRIDE : STRIDE)

/* Every STEP-th, from another one each time. */
static void each_instruction_is_the_last(void **state, bool in_recovery) {
    bool killed = true;
    if (STRIDE == 0)
        skip();
    unsigned first = (unsigned)getpid() % (STEP + 1);
    print_message("from %u by %u\n", first, STEP);
    for (unsigned n = first; killed; n += STEP) {
        BEGIN(0, "REQUEST_URI=/");
        if (in_recovery) {
            (void)trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a"));
            (void)trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("b"));
        }
        killed = killed_after(n, in_recovery ? recover_it : say_it_all);
        assert_all_once();
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void each_instruction_of_a_request_can_be_the_last(void **state) {
    each_instruction_is_the_last(state, false);
}

static void each_instruction_of_its_recovery_can_be_the_last(void **state) {
    each_instruction_is_the_last(state, true);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_of_it_is_there),
        TEST(nothing_is_said_of_what_is_not_recorded),
        TEST(names_are_made_of_what_is_known),
        TEST(the_last_name_counts),
        TEST(there_is_a_bound_on_names),
        TEST(spans_within_are_nested),
        TEST(spans_within_are_bounded),
        TEST(a_refused_request_is_kept_for_its_end),
        TEST(what_is_killed_is_an_error),
        TEST(each_instruction_of_a_request_can_be_the_last),
        TEST(each_instruction_of_its_recovery_can_be_the_last),
    };
    return cmocka_run_group_tests_name("tracer, said", tests, NULL, NULL);
}
