/* SPDX-License-Identifier: MIT
 *
 * What becomes of a running request's context: baggage that is set, what those are told whom it
 * calls, and decisions that are made anew.
 */
#include "tracer_rig.h"
#include <ctype.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static char packet_bytes[70000];
static struct trc_packet packet;
static struct trc_request request;
static const struct trc_format *formats[TRC_FORMATS_MAX + 1];

/* Formats of "a,b,c", the last of which may be what is for the application itself. */
static void use(const char *names) {
    static const struct trc_format *extract[TRC_FORMATS_MAX + 1];
    struct trc_slice rest = trc_slice_of(names), name;
    unsigned count = 0;
    memset(extract, 0, sizeof(extract));
    for (; trc_slice_next(&rest, ',', &name); count++) {
        formats[count] = extract[count] = trc_format_find(name);
        if (trc_slice_equal(name, TRC_SLICE("variables")))
            formats[count] = &trc_format_variables;
        assert_non_null(formats[count]);
    }
    formats[count] = NULL;
    read_pos = 0;
    assert_int_equal(tracer_setup(extract, formats), 0);
}

static void sampler(const char *text) {
    assert_int_equal(trc_sampler_parse(trc_slice_of(text), &tracer.sampler), 0);
}

static void scan(void) {
    assert_int_equal(trc_packet_scan(packet.p, packet.len, &tracer.names, tracer.prefix, &request),
                     0);
    request.start_unix_ns = trc_clock_unix_ns() - 5 * TRC_NS_PER_MS;
}

static void put(struct trc_slice s) {
    packet.p[packet.len++] = (char)s.len;
    packet.p[packet.len++] = (char)(s.len >> 8);
    memcpy(packet.p + packet.len, s.p, s.len);
    packet.len += s.len;
}

/* A request begins on core 0, as the host has it begin, and is scanned anew. */
static void begin_with(const char *const *variables) {
    packet = (struct trc_packet){packet_bytes, 0, 0, 60000};
    for (; *variables; variables++) {
        const char *eq = strchr(*variables, '=');
        put((struct trc_slice){*variables, (size_t)(eq - *variables)});
        put(trc_slice_of(eq + 1));
    }
    scan();
    trc_tracer_begin(&tracer, 0, &request, &injection);
    assert_int_equal(
        trc_packet_inject(&packet, &request, tracer.names.count, 1000, &injection, NULL, NULL), 0);
    scan();
}

#define BEGIN_WITH(...)                                                                            \
    begin_with((const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/x", __VA_ARGS__, NULL})

static const char *value_of(struct trc_slice value) {
    static char text[4][1024];
    static unsigned turn;
    char *t = text[turn++ % 4];
    snprintf(t, sizeof(text[0]), "%.*s", value.p ? (int)value.len : 6,
             value.p ? value.p : "absent");
    return t;
}

/* What the injection sets the variable to, the last time. */
static const char *told(const char *name) {
    struct trc_slice value = {NULL, 0};
    for (unsigned i = 0; i < injection.count; i++)
        if (trc_slice_equal(injection.item[i].name, trc_slice_of(name)))
            value = injection.item[i].value;
    return value_of(value);
}

static unsigned long long hex(const char *text, size_t at) {
    char digits[17] = {0};
    memcpy(digits, text + at, 16);
    return strtoull(digits, NULL, 16);
}

/* --- Baggage ------------------------------------------------------------------------------- */

static void baggage_is_set_and_replaced(void **state) {
    static struct trc_baggage b, before;
    static char big[TRC_BAGGAGE_BYTES + 1];
    (void)state;
    trc_baggage_clear(&b);
    memset(big, 'x', sizeof(big));
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("a"), TRC_SLICE("1")), 0);
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("b"), TRC_SLICE("22")), 0);
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("c"), TRC_SLICE("")), 0);
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("b"), TRC_SLICE("longer")), 0);
    assert_int_equal(b.count, 3);
    assert_string_equal(value_of(trc_baggage_get(&b, TRC_SLICE("a"))), "1");
    assert_string_equal(value_of(trc_baggage_get(&b, TRC_SLICE("b"))), "longer");
    assert_string_equal(value_of(trc_baggage_get(&b, TRC_SLICE("c"))), "");
    assert_string_equal(value_of(trc_baggage_get(&b, TRC_SLICE("d"))), "absent");
    const size_t others = b.used - strlen("blonger");
    memcpy(&before, &b, sizeof(b)); /* full to the last byte, and not one more */
    const size_t room = sizeof(b.bytes) - others - 1;
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("b"), (struct trc_slice){big, room + 1}),
                     -ENOSPC);
    assert_memory_equal(&before, &b, sizeof(b));
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("b"), (struct trc_slice){big, room}), 0);
    assert_int_equal(b.used, sizeof(b.bytes));
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("d"), TRC_SLICE("")), -ENOSPC);
    assert_false(b.truncated);
    trc_baggage_clear(&b);
    for (unsigned i = 0; i < TRC_BAGGAGE_ITEMS; i++)
        assert_int_equal(trc_baggage_set(&b, (struct trc_slice){big, i + 1}, TRC_SLICE("v")), 0);
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("new"), TRC_SLICE("v")), -ENOSPC);
    assert_int_equal(trc_baggage_set(&b, TRC_SLICE("x"), TRC_SLICE("w")), 0);
    assert_int_equal(b.count, TRC_BAGGAGE_ITEMS);
}

static void without_a_context_there_is_no_baggage(void **state) {
    use("jaeger");
    assert_int_equal(trc_tracer_set_baggage(&tracer, 0, TRC_SLICE("k"), TRC_SLICE("v")), -ENOENT);
    BEGIN_WITH("HTTP_UBERCTX_A=1");
    assert_string_equal(value_of(trc_tracer_baggage(&tracer, 0, TRC_SLICE("a"))), "1");
    assert_int_equal(trc_tracer_set_baggage(&tracer, 0, TRC_SLICE("a"), TRC_SLICE("2")), 0);
    assert_string_equal(value_of(trc_tracer_baggage(&tracer, 0, TRC_SLICE("a"))), "2");
    assert_int_equal(trc_tracer_set_baggage(&tracer, 1, TRC_SLICE("a"), TRC_SLICE("2")), -ENOENT);
    end(0, 200);
    assert_string_equal(value_of(trc_tracer_baggage(&tracer, 0, TRC_SLICE("a"))), "absent");
    teardown(state);
}

/* --- Whom it calls ------------------------------------------------------------------------- */

static void a_call_has_a_span_of_its_own(void **state) {
    use("jaeger,tracecontext");
    BEGIN_WITH("HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1");
    uint64_t inner = trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a"));
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    const uint64_t first = hex(told("HTTP_UBER_TRACE_ID"), 33);
    assert_true(hex(told("HTTP_UBER_TRACE_ID"), 50) == inner);
    assert_true(hex(told("HTTP_TRACEPARENT"), 36) == first);
    assert_memory_equal(told("HTTP_TRACEPARENT"), "00-" TRACE "-", 36);
    trc_tracer_inner_end(&tracer, 0, inner, false);
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    const uint64_t second = hex(told("HTTP_UBER_TRACE_ID"), 33);
    assert_true(second != first);
    end(0, 200);
    const struct trc_span *s[4];
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(s[i] = next_span());
    assert_null(next_span());
    assert_true(s[0]->span_id == first && s[0]->parent_id == inner);
    assert_true(s[1]->span_id == inner && s[2]->span_id == second);
    assert_true(s[2]->parent_id == s[3]->span_id);
    assert_str(s[0], TRC_STR_NAME, "call");
    assert_false(trc_tracer_outgoing(&tracer, 0, &request, &injection)); /* it is over */
    assert_int_equal(injection.count, 0);
    teardown(state);
}

static void beyond_the_limit_the_innermost_is_the_parent(void **state) {
    uint64_t inner = 0;
    use("jaeger");
    BEGIN_WITH("HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1");
    for (unsigned i = 0; i < TRC_INNER_TOTAL; i++) {
        if (inner)
            trc_tracer_inner_end(&tracer, 0, inner, false);
        inner = trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a"));
    }
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    assert_true(hex(told("HTTP_UBER_TRACE_ID"), 33) == inner);
    const uint64_t own = hex(told("HTTP_UBER_TRACE_ID"), 50);
    trc_tracer_inner_end(&tracer, 0, inner, false);
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    assert_true(hex(told("HTTP_UBER_TRACE_ID"), 33) == own);
    assert_true(hex(told("HTTP_UBER_TRACE_ID"), 50) == UINT64_C(0xb7ad6b7169203331));
    teardown(state);
}

static void an_unsampled_request_is_told_of_too(void **state) {
    use("jaeger");
    sampler("const:0");
    for (unsigned keep = 0; keep < 2; keep++) {
        tracer.keep = keep ? TRC_KEEP_ERRORS : 0; /* the span is there, and may come to nothing */
        BEGIN_WITH("HTTP_X=");
        assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
        const uint64_t first = hex(told("HTTP_UBER_TRACE_ID"), 33);
        assert_int_equal(told("HTTP_UBER_TRACE_ID")[67], '0');
        assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
        assert_true(first != hex(told("HTTP_UBER_TRACE_ID"), 33));
        end(0, 200);
        assert_null(next_span());
    }
    teardown(state);
}

/* What the caller's headers say besides the ids goes on; baggage is all of what there is now. */
static void what_others_keep_there_goes_on(void **state) {
    use("tracecontext,eagleeye,xray,baggage,jaeger,variables");
    BEGIN_WITH("HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01", "HTTP_TRACESTATE= b=2,a=1",
               "HTTP_BAGGAGE=k=v;p, l=w", "HTTP_UBERCTX_J=x");
    assert_int_equal(trc_tracer_set_baggage(&tracer, 0, TRC_SLICE("l"), TRC_SLICE("new")), 0);
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    assert_string_equal(told("HTTP_TRACESTATE"), " b=2,a=1");
    assert_string_equal(told("HTTP_UBERCTX_J"), "x");
    assert_string_equal(told("HTTP_UBERCTX_L"), "new");
    assert_string_equal(told("HTTP_BAGGAGE"), "k=v,j=x,l=new");
    assert_string_equal(told("HTTP_EAGLEEYE_RPCID"), "0");
    end(0, 200);
    BEGIN_WITH("HTTP_EAGLEEYE_TRACEID=ea1bfa4e1e1e1e1e1e1e1e1e1e1e1e", "HTTP_EAGLEEYE_RPCID=0.1");
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    assert_string_equal(told("HTTP_EAGLEEYE_TRACEID"), "ea1bfa4e1e1e1e1e1e1e1e1e1e1e1e");
    assert_string_equal(told("HTTP_EAGLEEYE_RPCID"), "0.1");
    assert_string_equal(told("HTTP_TRACESTATE"), "absent");
    end(0, 200);
    BEGIN_WITH("HTTP_X_AMZN_TRACE_ID=Root=1-5759e988-bd862e3fe1be46a994272793;Self=a;Lineage=b");
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    assert_non_null(strstr(told("HTTP_X_AMZN_TRACE_ID"), ";Sampled=1;Self=a;Lineage=b"));
    teardown(state);
}

/* A caller whose trace does not go on leaves nothing behind. */
static void what_was_taken_out_does_not_come_back(void **state) {
    use("tracecontext,xray,eagleeye");
    tracer.trust.restricted = true; /* nobody is trusted */
    BEGIN_WITH("HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01", "HTTP_TRACESTATE=a=1",
               "HTTP_EAGLEEYE_TRACEID=ea1bfa4e1e1e1e1e1e1e1e1e1e1e1e", "HTTP_EAGLEEYE_RPCID=0.1",
               "HTTP_X_AMZN_TRACE_ID=Root=1-5759e988-bd862e3fe1be46a994272793;Self=a",
               "REMOTE_ADDR=192.0.2.1");
    assert_true(trc_tracer_outgoing(&tracer, 0, &request, &injection));
    assert_string_equal(told("HTTP_TRACESTATE"), "absent");
    assert_null(strstr(told("HTTP_X_AMZN_TRACE_ID"), "Self"));
    assert_int_equal(strlen(told("HTTP_EAGLEEYE_TRACEID")), 32);
    assert_string_equal(told("HTTP_EAGLEEYE_RPCID"), "0");
    teardown(state);
}

/* --- Decided anew -------------------------------------------------------------------------- */

/* As the host does: over what is as long. */
static void retell(void) {
    trc_tracer_retell(&tracer, 0, &request, &injection);
    for (unsigned i = 0; i < injection.count; i++) {
        struct trc_slice old = request.value[injection.item[i].header],
                         value = injection.item[i].value;
        if (value.p && old.p && value.len == old.len)
            memcpy(packet.p + (old.p - packet.p), value.p, value.len);
    }
    scan();
}

static bool is_sampled(const struct trc_format *format) {
    struct trc_extracted ex = {0};
    for (unsigned i = 0; i < tracer.inject_count; i++) {
        const struct trc_active_format *a = &tracer.inject[i];
        const struct trc_carrier carrier = {.value = request.value + a->base};
        if (a->format != format)
            continue;
        if (!format->extract) /* the variables */
            return value_of(carrier.value[2])[0] == '1';
        assert_int_equal(format->extract(&carrier, &ex), 0);
        assert_true(ex.context.span_id == trc_journal_slot(journal, 0, 0)->context.span_id);
        return ex.context.flags & TRC_FLAG_SAMPLED;
    }
    fail();
    return false;
}

static void every_format_is_told_of_another_decision(void **state) {
    static const char *const each[] = {"jaeger", "tracecontext", "b3",       "b3multi",
                                       "gcp",    "xray",         "eagleeye", "variables"};
    for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        use(each[i]);
        BEGIN_WITH("HTTP_X=y");
        const size_t len = packet.len;
        assert_true(is_sampled(formats[0]));
        assert_true(trc_tracer_off(&tracer, 0));
        retell();
        assert_false(is_sampled(formats[0]));
        assert_false(trc_tracer_off(&tracer, 0));
        assert_true(trc_tracer_on(&tracer, 0, &request));
        retell();
        assert_true(is_sampled(formats[0]));
        assert_false(trc_tracer_on(&tracer, 0, &request));
        assert_int_equal(packet.len, len);
        end(0, 200);
        assert_str(only_span(), TRC_STR_PATH, "/x");
        teardown(state);
    }
}

static void off_leaves_nothing_of_it(void **state) {
    use("jaeger");
    tracer.keep = TRC_KEEP_ERRORS | TRC_KEEP_SLOW; /* however it ends */
    for (unsigned round = 0; round < 3; round++) {
        sampler(round == 1 ? "const:0" : "const:1");
        if (round == 2)
            BEGIN_WITH("HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:3");
        else
            BEGIN_WITH("HTTP_X=");
        trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a"));
        assert_int_equal(trc_tracer_off(&tracer, 0), round != 1);
        assert_false(trc_tracer_tag(&tracer, 0, TRC_SLICE("k"), TRC_SLICE("v")));
        assert_int_equal(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")), 0);
        assert_int_equal(trc_journal_slot(journal, 0, 0)->context.flags &
                             (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG),
                         0);
        end(0, 500);
        assert_int_equal(accounts().unsampled, round + 1);
    }
    assert_null(next_span());
    assert_int_equal(accounts().sampled, 0);
    assert_int_equal(accounts().started, 3);
    teardown(state);
}

static void off_outlives_the_worker(void **state) {
    use("jaeger");
    BEGIN_WITH("HTTP_X=");
    trc_tracer_off(&tracer, 0);
    trc_journal_recover(journal, 0, trc_clock_mono_ns());
    assert_null(next_span());
    assert_false(trc_tracer_on(&tracer, 0, &request)); /* nobody's request */
    teardown(state);
}

static void on_records_from_the_start(void **state) {
    static const struct trc_slice tag[] = {TRC_SLICE("a")};
    struct trc_extra x = {.at = 0};
    use("jaeger");
    tracer.baggage_tags = tag;
    tracer.baggage_tag_count = 1;
    for (unsigned keep = 0; keep < 2; keep++) {
        tracer.keep = keep ? TRC_KEEP_ERRORS : 0;
        BEGIN_WITH("HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:0", "HTTP_UBERCTX_A=1");
        assert_true(trc_tracer_on(&tracer, 0, &request));
        assert_true(trc_tracer_inner_begin(&tracer, 0, TRC_SLICE("a")) != 0);
        end(0, 200);
        const struct trc_span *inner = next_span(), *s = next_span();
        assert_non_null(s);
        assert_true(inner->parent_id == s->span_id && inner->flags & TRC_FLAG_SAMPLED);
        assert_true(s->parent_id == UINT64_C(0xb7ad6b7169203331) && s->remote_parent);
        assert_int_equal(s->flags, TRC_FLAG_SAMPLED);
        assert_int_equal(s->sampler_type, TRC_SAMPLER_NONE);
        assert_int_equal(s->keep, 0);
        assert_str(s, TRC_STR_NAME, "GET /x");
        assert_true(s->duration_ns >= 5 * TRC_NS_PER_MS);
        x.at = 0;
        assert_true(trc_span_extra(s, &x) && trc_slice_equal(x.value, TRC_SLICE("1")));
    }
    assert_int_equal(accounts().sampled, 4);
    teardown(state);
}

/* Its worker's end has closed the span: it must not come twice. */
static void what_has_ended_is_not_recorded_again(void **state) {
    use("jaeger");
    BEGIN_WITH("HTTP_X=");
    trc_journal_close_slot(journal, 0, 0, TRC_OUTCOME_KILLED, trc_clock_mono_ns());
    assert_false(trc_tracer_on(&tracer, 0, &request));
    assert_false(trc_tracer_resample(&tracer, 0, &request, 1));
    end(0, 200);
    only_span();
    teardown(state);
}

static void a_probability_decides_on_what_begins_here(void **state) {
    static const struct {
        const char *header, *sampler;
        double probability;
        bool recorded;
        int type;
    } rows[] = {
        {"HTTP_X=", "const:1", 0, false, 0},
        {"HTTP_X=", "const:1", 1, true, TRC_SAMPLER_PROBABILISTIC},
        {"HTTP_X=", "const:0", 1, true, TRC_SAMPLER_PROBABILISTIC},
        {"HTTP_X=", "const:0", 0, false, 0},
        /* the caller decided */
        {"HTTP_B3=" TRACE "-" SPAN "-1", "const:0", 0, true, TRC_SAMPLER_NONE},
        {"HTTP_B3=" TRACE "-" SPAN "-0", "const:1", 1, false, 0},
        {"HTTP_B3=0", "const:1", 1, false, 0},
        {"HTTP_JAEGER_DEBUG_ID=x", "const:0", 0, true, TRC_SAMPLER_NONE},
        /* or left it to us; the id is 8448eb211c80319c, or 0.033 of them all without its top bit */
        {"HTTP_B3=" TRACE "-" SPAN, "const:1", 0.03, false, 0},
        {"HTTP_B3=" TRACE "-" SPAN, "const:0", 0.04, true, TRC_SAMPLER_PROBABILISTIC},
    };
    use("jaeger,b3");
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sampler(rows[i].sampler);
        BEGIN_WITH(rows[i].header);
        const bool before = trc_journal_slot(journal, 0, 0)->context.flags & TRC_FLAG_SAMPLED;
        const bool other = trc_tracer_resample(&tracer, 0, &request, rows[i].probability);
        assert_int_equal(other, before != rows[i].recorded);
        end(0, 200);
        const struct trc_span *s = next_span();
        if ((s != NULL) != rows[i].recorded)
            fail_msg("row %u", i);
        if (!s)
            continue;
        assert_int_equal(s->sampler_type, rows[i].type);
        if (rows[i].type == TRC_SAMPLER_PROBABILISTIC)
            assert_true(s->sampler_param == rows[i].probability);
    }
    teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baggage_is_set_and_replaced),
        cmocka_unit_test(without_a_context_there_is_no_baggage),
        cmocka_unit_test(a_call_has_a_span_of_its_own),
        cmocka_unit_test(beyond_the_limit_the_innermost_is_the_parent),
        cmocka_unit_test(an_unsampled_request_is_told_of_too),
        cmocka_unit_test(what_others_keep_there_goes_on),
        cmocka_unit_test(what_was_taken_out_does_not_come_back),
        cmocka_unit_test(every_format_is_told_of_another_decision),
        cmocka_unit_test(off_leaves_nothing_of_it),
        cmocka_unit_test(off_outlives_the_worker),
        cmocka_unit_test(on_records_from_the_start),
        cmocka_unit_test(what_has_ended_is_not_recorded_again),
        cmocka_unit_test(a_probability_decides_on_what_begins_here),
    };
    return cmocka_run_group_tests_name("tracer, anew", tests, NULL, NULL);
}
