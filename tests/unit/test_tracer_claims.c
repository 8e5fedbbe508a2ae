/* SPDX-License-Identifier: MIT
 *
 * What a caller claims and what becomes of it: whom to believe, who decides, what is kept.
 *
 * The claims are made by a format that repeats what the test wants said, so that each shape a real
 * format can hand over is there, and by Jaeger's own.
 */
#include "tracer_rig.h"

/* --- A format that says what it is told to -----------------------------------------------------
 */

static struct {
    struct trc_extracted ex;
    int rc;
    const char *baggage; /* "key=value", or NULL */
} said;

/* What the tracer told the formats to pass on. */
static struct {
    struct trc_context context;
    unsigned baggage_count;
    const struct trc_format *from;
} told;

static int repeat_context(const struct trc_carrier *carrier, struct trc_extracted *out) {
    if (!carrier->value[0].p)
        return -ENOENT;
    if (said.rc == 0)
        *out = said.ex;
    return said.rc;
}

static void repeat_baggage(const struct trc_carrier *carrier, struct trc_baggage *baggage) {
    const char *eq = said.baggage ? strchr(said.baggage, '=') : NULL;
    if (carrier->value[0].p && eq)
        trc_baggage_add(baggage, (struct trc_slice){said.baggage, (size_t)(eq - said.baggage)},
                        trc_slice_of(eq + 1));
}

static void listen(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    (void)carrier, (void)base, (void)out;
    told.context = *what->context;
    told.baggage_count = what->baggage->count;
    told.from = what->from;
}

static const char *const parrot_headers[] = {"HTTP_PARROT", NULL};

static const struct trc_format parrot = {
    .name = "parrot",
    .headers = parrot_headers,
    .extract = repeat_context,
    .baggage = repeat_baggage,
    .inject = listen,
};

static int setup(void **state) {
    (void)state;
    static const struct trc_format *extract[3], *inject[2];
    extract[0] = &parrot;
    extract[1] = trc_format_find(TRC_SLICE("jaeger"));
    inject[0] = &parrot;
    memset(&said, 0, sizeof(said));
    return tracer_setup(extract, inject);
}

/* One request whose caller says `said`; it is recorded, or not. */
static void ask(const char *peer) {
    char remote[64];
    snprintf(remote, sizeof(remote), "REMOTE_ADDR=%s", peer);
    BEGIN(0, "HTTP_PARROT=", remote);
    end(0, 200);
}

static void sample_with(const char *sampler) {
    assert_int_equal(trc_sampler_parse(trc_slice_of(sampler), &tracer.sampler), 0);
}

static void trust(const char *list) {
    assert_int_equal(trc_trust_parse(trc_slice_of(list), &tracer.trust), 0);
}

static void assert_nothing_recorded(void) {
    read_pos = 0;
    assert_null(next_span());
    assert_int_equal(accounts().unsampled, 1);
}

#define CLAIMED                                                                                    \
    { 0x463ac35c9f6413ad, 0x48485a3953bb6124, 0xabc, 0, TRC_FLAG_SAMPLED }

/* --- Whom to believe ---------------------------------------------------------------------------
 */

static void a_stranger_gets_a_new_trace_with_a_link(void **state) {
    (void)state;
    trust("10.0.0.0/8");
    said.ex = (struct trc_extracted){
        .context = CLAIMED,
        .debug_id = TRC_SLICE("look"),
        .state = TRC_SLICE("vendor=1"),
        .original = {TRC_SLICE("their.id"), TRC_SLICE("7")},
    };
    said.baggage = "user=1";
    ask("192.0.2.1");
    const struct trc_span *s = only_span();
    assert_true(s->trace_lo != 0 && s->trace_lo != said.ex.context.trace_lo);
    assert_true(s->trace_hi != said.ex.context.trace_hi);
    assert_int_equal(s->parent_id, 0);
    assert_int_equal(s->remote_parent, 0);
    assert_int_equal(s->flags, TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM);
    assert_int_equal(s->sampler_type, TRC_SAMPLER_CONST); /* it is we who decided */
    assert_int_equal(s->link_trace_hi, said.ex.context.trace_hi);
    assert_int_equal(s->link_trace_lo, said.ex.context.trace_lo);
    assert_int_equal(s->link_span_id, 0xabc);
    assert_null(trc_span_get(s, TRC_STR_DEBUG_ID).p);
    assert_null(trc_span_get(s, TRC_STR_STATE).p);
    assert_int_equal(s->tag_count, 0);
    /* Nor does the application, or whom it calls, hear of it. */
    assert_null(told.from);
    assert_int_equal(told.baggage_count, 0);
    assert_int_equal(told.context.trace_lo, s->trace_lo);
    assert_int_equal(told.context.parent_id, 0);
}

static void a_peer_of_the_list_is_continued(void **state) {
    (void)state;
    trust("10.0.0.0/8");
    said.ex = (struct trc_extracted){.context = CLAIMED, .state = TRC_SLICE("vendor=1")};
    said.baggage = "user=1";
    ask("10.1.2.3");
    const struct trc_span *s = only_span();
    assert_int_equal(s->trace_lo, said.ex.context.trace_lo);
    assert_int_equal(s->parent_id, 0xabc);
    assert_int_equal(s->sampler_type, TRC_SAMPLER_NONE);
    assert_int_equal(s->link_span_id, 0);
    assert_str(s, TRC_STR_STATE, "vendor=1");
    assert_ptr_equal(told.from, &parrot);
    assert_int_equal(told.baggage_count, 1);
}

static void a_stranger_cannot_decide(void **state) {
    (void)state;
    static const uint8_t flags[] = {TRC_FLAG_SAMPLED, TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG};
    trust("none");
    sample_with("const:0");
    for (unsigned i = 0; i < 2; i++) {
        said.ex = (struct trc_extracted){.context = CLAIMED};
        said.ex.context.flags = flags[i];
        ask("192.0.2.1");
        assert_int_equal(accounts().unsampled, i + 1);
    }
    read_pos = 0;
    assert_null(next_span());

    /* Nor keep us from recording. */
    sample_with("const:1");
    said.ex.context.flags = 0;
    ask("192.0.2.1");
    assert_int_equal(only_span()->link_span_id, 0xabc);
}

static void a_strangers_debug_id_forces_nothing(void **state) {
    (void)state;
    trust("unix");
    sample_with("const:0");
    BEGIN(0, "HTTP_JAEGER_DEBUG_ID=look", "REMOTE_ADDR=192.0.2.1");
    end(0, 200);
    assert_nothing_recorded();
    BEGIN(0, "HTTP_JAEGER_DEBUG_ID=look"); /* no address: a UNIX socket */
    end(0, 200);
    assert_str(only_span(), TRC_STR_DEBUG_ID, "look");
}

static void a_stranger_without_a_context_is_no_link(void **state) {
    (void)state;
    trust("none");
    said.rc = -ENOENT;
    said.baggage = "user=1";
    ask("192.0.2.1");
    const struct trc_span *s = only_span();
    assert_int_equal(s->link_span_id | s->link_trace_lo | s->link_trace_hi, 0);
    assert_int_equal(told.baggage_count, 0);
}

/* A link names a span: a trace without one, or a decision alone, is none. */
static void a_stranger_with_half_a_context_is_no_link(void **state) {
    (void)state;
    trust("none");
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.ex.context.span_id = 0;
    ask("192.0.2.1");
    const struct trc_span *s = only_span();
    assert_int_equal(s->link_span_id | s->link_trace_lo | s->link_trace_hi, 0);
    assert_true(s->trace_lo != said.ex.context.trace_lo);
}

static void a_malformed_claim_is_counted_of_strangers_too(void **state) {
    (void)state;
    trust("none");
    said.rc = -EINVAL;
    ask("192.0.2.1");
    assert_int_equal(only_span()->link_span_id, 0);
    assert_int_equal(accounts().context_errors, 1);
}

/* --- Who decides -------------------------------------------------------------------------------
 */

static void a_deferred_decision_is_the_samplers(void **state) {
    (void)state;
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.ex.context.flags = TRC_FLAG_DEFERRED;
    ask("192.0.2.1");
    const struct trc_span *s = only_span();
    assert_int_equal(s->trace_hi, said.ex.context.trace_hi);
    assert_int_equal(s->trace_lo, said.ex.context.trace_lo);
    assert_int_equal(s->parent_id, 0xabc);
    assert_int_equal(s->remote_parent, 1);
    assert_int_equal(s->flags, TRC_FLAG_SAMPLED); /* and who is told of us is told a decision */
    assert_int_equal(s->sampler_type, TRC_SAMPLER_CONST);
    assert_int_equal(told.context.flags, TRC_FLAG_SAMPLED);
    assert_ptr_equal(told.from, &parrot);
}

static void a_deferred_decision_can_be_no(void **state) {
    (void)state;
    sample_with("const:0");
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.ex.context.flags = TRC_FLAG_DEFERRED;
    ask("192.0.2.1");
    assert_nothing_recorded();
    assert_int_equal(told.context.flags, 0);
    assert_int_equal(told.context.trace_lo, said.ex.context.trace_lo);
    assert_int_equal(told.context.parent_id, 0xabc);
}

static void a_decision_without_ids_begins_a_trace(void **state) {
    (void)state;
    sample_with("const:0");
    said.ex = (struct trc_extracted){.context = {.flags = TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG}};
    ask("192.0.2.1");
    const struct trc_span *s = only_span();
    assert_true(s->trace_hi && s->trace_lo && s->span_id);
    assert_int_equal(s->parent_id, 0);
    assert_int_equal(s->remote_parent, 0);
    assert_int_equal(s->flags, TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG | TRC_FLAG_RANDOM);
    assert_int_equal(s->sampler_type, TRC_SAMPLER_NONE); /* the caller decided */
}

static void a_decision_against_recording_without_ids_is_kept(void **state) {
    (void)state;
    said.ex = (struct trc_extracted){.context = {.flags = 0}};
    ask("192.0.2.1");
    assert_nothing_recorded();
    assert_true(told.context.trace_lo && told.context.span_id);
    assert_int_equal(told.context.flags, TRC_FLAG_RANDOM);
}

static void a_trace_without_a_parent_is_joined_as_its_root(void **state) {
    (void)state;
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.ex.context.span_id = 0;
    ask("192.0.2.1");
    const struct trc_span *s = only_span();
    assert_int_equal(s->trace_hi, said.ex.context.trace_hi);
    assert_int_equal(s->trace_lo, said.ex.context.trace_lo);
    assert_int_equal(s->parent_id, 0);
    assert_int_equal(s->remote_parent, 0);
    assert_true(s->span_id);
    assert_int_equal(s->flags, TRC_FLAG_SAMPLED); /* random or not is the caller's to say */
}

static void a_64_bit_trace_keeps_its_width(void **state) {
    (void)state;
    said.ex = (struct trc_extracted){.context = {0, 0x1234, 0xabc, 0, TRC_FLAG_SAMPLED}};
    ask("192.0.2.1");
    assert_int_equal(only_span()->trace_hi, 0);
    assert_int_equal(told.context.trace_hi, 0);
}

/* --- What is kept ------------------------------------------------------------------------------
 */

static void assert_named(const struct trc_span *s, unsigned i, const char *name,
                         const char *value) {
    struct trc_extra x = {.at = 0};
    do
        assert_true(trc_span_extra(s, &x));
    while (i-- > 0);
    assert_int_equal(x.kind, TRC_EXTRA_TAG);
    assert_int_equal(x.name.len, strlen(name));
    assert_memory_equal(x.name.p, name, x.name.len);
    assert_int_equal(x.value.len, strlen(value));
    assert_memory_equal(x.value.p, value, x.value.len);
}

static void baggage_becomes_tags_by_name(void **state) {
    (void)state;
    static const struct trc_slice names[] = {TRC_SLICE("absent"), TRC_SLICE("user-id"),
                                             TRC_SLICE("k")};
    tracer.baggage_tags = names;
    tracer.baggage_tag_count = 3;
    said.ex = (struct trc_extracted){.context = CLAIMED,
                                     .original = {TRC_SLICE("their.id"), TRC_SLICE("7")}};
    said.baggage = "k=";
    BEGIN(0, "HTTP_PARROT=", "HTTP_UBERCTX_USER_ID=alice", "HTTP_UBERCTX_SECRET=s");
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_int_equal(s->tag_count, 3);
    assert_named(s, 0, "their.id", "7");
    assert_named(s, 1, "user-id", "alice");
    assert_named(s, 2, "k", ""); /* sent and empty is not the same as not sent */
    assert_int_equal(s->truncated, 0);
}

static void baggage_nobody_asked_for_is_no_tag(void **state) {
    (void)state;
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.baggage = "user=1";
    ask("192.0.2.1");
    assert_int_equal(only_span()->tag_count, 0);
    assert_int_equal(told.baggage_count, 1);
}

static void baggage_too_large_for_a_tag_is_left_out_and_counted(void **state) {
    (void)state;
    static char text[TRC_SPAN_TAG_BYTES + 8] = "big=";
    static const struct trc_slice names[] = {TRC_SLICE("big")};
    memset(text + 4, 'x', sizeof(text) - 5);
    tracer.baggage_tags = names;
    tracer.baggage_tag_count = 1;
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.baggage = text;
    ask("192.0.2.1");
    assert_int_equal(only_span()->tag_count, 0);
    assert_int_equal(accounts().truncated, 1);
    assert_int_equal(told.baggage_count, 1); /* carried on all the same */
}

static void a_tracestate_is_recorded_whole_or_not_at_all(void **state) {
    (void)state;
    static const struct {
        size_t len;
        bool kept;
    } cases[] = {{1, true}, {TRC_SPAN_STATE_MAX, true}, {TRC_SPAN_STATE_MAX + 1, false}};
    static char text[TRC_SPAN_STATE_MAX + 1];
    memset(text, 's', sizeof(text));
    read_pos = 0;
    for (unsigned i = 0; i < 3; i++) {
        said.ex = (struct trc_extracted){.context = CLAIMED,
                                         .state = {guarded(0, text, cases[i].len), cases[i].len}};
        ask("192.0.2.1");
        const struct trc_span *s = next_span();
        assert_int_equal(trc_span_get(s, TRC_STR_STATE).len, cases[i].kept ? cases[i].len : 0);
        assert_int_equal(s->truncated, !cases[i].kept);
        assert_int_equal(s->trace_lo, said.ex.context.trace_lo);
    }
    assert_int_equal(accounts().truncated, 1);
}

static void the_first_format_with_a_context_wins_and_baggage_is_of_all(void **state) {
    (void)state;
    said.ex = (struct trc_extracted){.context = CLAIMED};
    said.baggage = "a=1";
    BEGIN(0, "HTTP_PARROT=", "HTTP_UBER_TRACE_ID=1:2:0:1", "HTTP_UBERCTX_B=2");
    end(0, 200);
    assert_int_equal(only_span()->parent_id, 0xabc);
    assert_int_equal(told.baggage_count, 2);

    /* A malformed one gives way to the next, and takes its baggage along. */
    said.rc = -EINVAL;
    BEGIN(0, "HTTP_PARROT=", "HTTP_UBER_TRACE_ID=1:2:0:1", "HTTP_UBERCTX_B=2");
    end(0, 200);
    assert_int_equal(told.context.parent_id, 2);
    assert_int_equal(told.baggage_count, 1);
    assert_string_equal(told.from->name, "jaeger");
    assert_int_equal(accounts().context_errors, 1);
}

/* Jaeger's header is asked first, W3C's says more of the same trace. */
static void what_another_format_says_of_the_trace_is_kept(void **state) {
    (void)state;
#define TRACE "0af7651916cd43dd8448eb211c80319c"
    static const char *const formats[] = {"jaeger", "tracecontext"};
    static const struct {
        const char *trust, *traceparent, *kept;
        uint8_t flags;
    } rows[] = {
        {"all", "HTTP_TRACEPARENT=00-" TRACE "-00000000000000aa-03", "a=1", 1 | TRC_FLAG_RANDOM},
        {"all", "HTTP_TRACEPARENT=00-" TRACE "-00000000000000aa-00", "a=1", 1},
        {"all", "HTTP_TRACEPARENT=00-1af7651916cd43dd8448eb211c80319c-00000000000000aa-03", NULL,
         1},
        {"all", "HTTP_TRACEPARENT=x", NULL, 1},
        {"none", "HTTP_TRACEPARENT=00-" TRACE "-00000000000000aa-03", NULL, 1 | TRC_FLAG_RANDOM},
    };
    const struct trc_format *list[3] = {NULL};
    for (int i = 0; i < 2; i++)
        list[i] = trc_format_find(trc_slice_of(formats[i]));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s %s\n", rows[i].trust, rows[i].traceparent);
        trc_journal_free(journal);
        assert_int_equal(tracer_setup(list, list), 0);
        trust(rows[i].trust);
        BEGIN(0, "HTTP_UBER_TRACE_ID=" TRACE ":00000000000000bb:0:1", rows[i].traceparent,
              "HTTP_TRACESTATE=a=1");
        end(0, 200);
        const struct trc_span *s = only_span();
        assert_int_equal(s->flags, rows[i].flags);
        assert_int_equal(s->parent_id, strcmp(rows[i].trust, "all") == 0 ? 0xbb : 0);
        if (rows[i].kept)
            assert_str(s, TRC_STR_STATE, rows[i].kept);
        else
            assert_null(trc_span_get(s, TRC_STR_STATE).p);
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_stranger_gets_a_new_trace_with_a_link),
        TEST(a_peer_of_the_list_is_continued),
        TEST(what_another_format_says_of_the_trace_is_kept),
        TEST(a_stranger_cannot_decide),
        TEST(a_strangers_debug_id_forces_nothing),
        TEST(a_stranger_without_a_context_is_no_link),
        TEST(a_stranger_with_half_a_context_is_no_link),
        TEST(a_malformed_claim_is_counted_of_strangers_too),
        TEST(a_deferred_decision_is_the_samplers),
        TEST(a_deferred_decision_can_be_no),
        TEST(a_decision_without_ids_begins_a_trace),
        TEST(a_decision_against_recording_without_ids_is_kept),
        TEST(a_trace_without_a_parent_is_joined_as_its_root),
        TEST(a_64_bit_trace_keeps_its_width),
        TEST(baggage_becomes_tags_by_name),
        TEST(baggage_nobody_asked_for_is_no_tag),
        TEST(baggage_too_large_for_a_tag_is_left_out_and_counted),
        TEST(a_tracestate_is_recorded_whole_or_not_at_all),
        TEST(the_first_format_with_a_context_wins_and_baggage_is_of_all),
    };
    return cmocka_run_group_tests_name("tracer, claims", tests, NULL, NULL);
}
