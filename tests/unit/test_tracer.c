/* SPDX-License-Identifier: MIT
 *
 * Begin and end of a span, samplers and ids, without a server.
 */
#include "tracer_rig.h"

static int setup_with(bool variables) {
    static const struct trc_format *formats[2], *inject[3];
    formats[0] = inject[0] = trc_formats[0];
    inject[1] = variables ? &trc_format_variables : NULL;
    return tracer_setup(formats, inject);
}

static int setup(void **state) {
    (void)state;
    return setup_with(false);
}

/* --- What a span says ------------------------------------------------------------------------- */

static void a_root_says_it_all(void **state) {
    (void)state;
    BEGIN(1, "REQUEST_URI=/a/b%20c?secret=1", "PATH_INFO=/a/b c", "HTTP_HOST=example.org:8080",
          "SERVER_PROTOCOL=HTTP/1.1", "REMOTE_ADDR=10.0.0.1", "REMOTE_PORT=1234",
          "HTTP_USER_AGENT=curl/7", "HTTPS=on");
    trc_tracer_end(&tracer, 1, &(struct trc_result){404, 11, 22, TRC_SLICE("/app")});
    const struct trc_span *s = only_span();
    assert_str(s, TRC_STR_NAME, "GET /a/b%20c");
    assert_str(s, TRC_STR_METHOD, "GET");
    assert_str(s, TRC_STR_URL, "https://example.org:8080/a/b%20c");
    assert_str(s, TRC_STR_SCHEME, "https");
    assert_str(s, TRC_STR_HOST, "example.org:8080");
    assert_str(s, TRC_STR_PATH, "/a/b%20c");
    assert_str(s, TRC_STR_PROTOCOL, "HTTP/1.1");
    assert_str(s, TRC_STR_PEER, "10.0.0.1");
    assert_str(s, TRC_STR_USER_AGENT, "curl/7");
    assert_str(s, TRC_STR_APP, "/app");
    assert_int_equal(s->peer_port, 1234);
    assert_int_equal(s->status, 404);
    assert_int_equal(s->error, 0);
    assert_int_equal(s->request_bytes, 11);
    assert_int_equal(s->response_bytes, 22);
    assert_int_equal(s->worker, 1);
    assert_int_equal(s->core, 1);
    assert_int_equal(s->parent_id, 0);
    assert_int_equal(s->sampler_type, TRC_SAMPLER_CONST);
    assert_in_range(s->duration_ns, 5 * TRC_NS_PER_MS, 5 * TRC_NS_PER_S);
    assert_true(s->trace_hi && s->trace_lo && s->span_id);
}

static void errors_are_those_of_the_server(void **state) {
    (void)state;
    static const struct {
        uint16_t status;
        int error;
    } cases[] = {{0, 0}, {200, 0}, {304, 0}, {404, 0}, {499, 0}, {500, 1}, {599, 1}};
    read_pos = 0;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        BEGIN(0, "REQUEST_URI=/");
        end(0, cases[i].status);
        assert_int_equal(next_span()->error, cases[i].error);
    }
}

static void secrets_of_the_target_stay_out(void **state) {
    (void)state;
    static const char *const targets[][2] = {
        {"REQUEST_URI=/p?token=x", "/p"},
        {"REQUEST_URI=/?", "/"},
        {"REQUEST_URI=http://user:password@host/p", "/info"},
        {"REQUEST_URI=*", "/info"},
        {"REQUEST_URI=", "/info"},
        {"NOTHING=", "/info"},
    };
    read_pos = 0;
    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        BEGIN(0, targets[i][0], "PATH_INFO=/info");
        end(0, 200);
        assert_str(next_span(), TRC_STR_PATH, targets[i][1]);
    }
}

/* uWSGI's HTTP parser makes PATH_INFO of all that lies before the query. */
static void an_absolute_target_has_a_path(void **state) {
    (void)state;
    static const char *const targets[][3] = {
        {"REQUEST_URI=http://user:password@host/p?q", "PATH_INFO=http://user:password@host/p",
         "/p"},
        {"REQUEST_URI=http://user:password@host", "PATH_INFO=http://user:password@host", "/"},
        {"REQUEST_URI=http://user:password@host?/q", "PATH_INFO=http://user:password@host", "/"},
        {"REQUEST_URI=http:/", "PATH_INFO=http:/", ""},
        {"REQUEST_URI=host:443", "PATH_INFO=host:443", ""},
        {"REQUEST_URI=*", "PATH_INFO=*", "*"},
    };
    read_pos = 0;
    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        BEGIN(0, targets[i][0], targets[i][1]);
        end(0, 200);
        assert_str(next_span(), TRC_STR_PATH, targets[i][2]);
    }
}

/* It has no span, and its end is not taken for that of a request whose end nobody told. */
static void an_excluded_request_is_counted_and_no_more(void **state) {
    (void)state;
    BEGIN(0, "REQUEST_URI=/stale");
    trc_tracer_exclude(&tracer, 0);
    assert_int_equal(trc_journal_slot(journal, 0, 0)->has_context, 0);
    end(0, 500);
    const struct trc_span *span = only_span();
    assert_int_equal(span->outcome, TRC_OUTCOME_ABANDONED);
    assert_int_equal(span->status, 0);
    assert_int_equal(accounts().excluded, 1);
    assert_int_equal(accounts().started, 1);
}

/* Each core by what it has seen in force. */
static void rules_beat_the_configuration(void **state) {
    (void)state;
    static struct trc_core_rules rules[2];
    tracer.rules = rules;
    trc_sampler_parse(TRC_SLICE("const:0"), &rules[0].now.sampler);
    trc_sampler_parse(TRC_SLICE("probabilistic:1"), &rules[1].now.sampler);
    for (unsigned core = 0; core < 2; core++) {
        BEGIN(core, "REQUEST_URI=/");
        end(core, 200);
    }
    tracer.rules = NULL;
    assert_int_equal(only_span()->sampler_type, TRC_SAMPLER_PROBABILISTIC);
    assert_int_equal(accounts().unsampled, 1);
}

static void the_scheme_is_what_the_client_used(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"HTTPS=on", "https"},
        {"HTTPS=off", "http"},
        {"HTTPS=", "http"},
        {"REQUEST_SCHEME=https", "https"},
        {"HTTP_X_FORWARDED_PROTO=https", "https"},
        {"HTTP_X_FORWARDED_PROTO=javascript", "http"},
        {"NOTHING=", "http"},
    };
    read_pos = 0;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        BEGIN(0, cases[i][0], "HTTP_HOST=h", "REQUEST_URI=/");
        end(0, 200);
        assert_str(next_span(), TRC_STR_SCHEME, cases[i][1]);
    }
}

static void a_made_up_method_names_nothing(void **state) {
    (void)state;
    begin(0, (const char *const[]){"REQUEST_METHOD=X-1234", "REQUEST_URI=/", NULL});
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_str(s, TRC_STR_METHOD, "X-1234");
    assert_str(s, TRC_STR_NAME, "HTTP /");
}

static void long_strings_are_cut_and_counted(void **state) {
    (void)state;
    char uri[5000] = "REQUEST_URI=/", agent[2000] = "HTTP_USER_AGENT=", host[3000] = "HTTP_HOST=";
    memset(uri + 13, 'u', sizeof(uri) - 14);
    memset(agent + 16, 'a', sizeof(agent) - 17);
    memset(host + 10, 'h', sizeof(host) - 11);
    BEGIN(0, uri, agent, host);
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_int_equal(trc_span_get(s, TRC_STR_PATH).len, TRC_SPAN_PATH_MAX);
    assert_int_equal(trc_span_get(s, TRC_STR_HOST).len, TRC_SPAN_TEXT_MAX);
    assert_int_equal(trc_span_get(s, TRC_STR_USER_AGENT).len, TRC_SPAN_TEXT_MAX);
    assert_int_equal(accounts().truncated, 1);
}

static void a_short_one_is_not_counted(void **state) {
    (void)state;
    BEGIN(0, "REQUEST_URI=/");
    end(0, 200);
    assert_int_equal(accounts().truncated, 0);
}

static void every_string_at_its_limit_fits(void **state) {
    (void)state;
    static char v[12][1100];
    static const char *const names[] = {
        "REQUEST_URI=/",    "HTTP_HOST=", "SERVER_PROTOCOL=",     "REMOTE_ADDR=",
        "HTTP_USER_AGENT=", "JAEGER=",    "HTTP_JAEGER_DEBUG_ID="};
    const char *list[9] = {"REQUEST_METHOD=GET"};
    for (unsigned i = 0; i < 7; i++) {
        strcpy(v[i], names[i]);
        memset(v[i] + strlen(v[i]), 'x', 1000);
        list[i + 1] = v[i];
    }
    begin(0, list);
    char app[1000];
    memset(app, 'a', sizeof(app));
    trc_tracer_end(&tracer, 0, &(struct trc_result){.app = {app, sizeof(app)}});
    const struct trc_span *s = only_span();
    assert_int_equal(s->truncated, 1);
    assert_true(s->arena_len <= TRC_SPAN_ARENA);
    assert_int_equal(trc_span_get(s, TRC_STR_APP).len, TRC_SPAN_TEXT_MAX);
}

/* --- Context ---------------------------------------------------------------------------------- */

static const char *injected(void) {
    static char text[100];
    assert_int_equal(injection.count, 1);
    snprintf(text, sizeof(text), "%.*s", (int)injection.item[0].value.len,
             injection.item[0].value.p);
    return text;
}

static void continues_the_callers_trace(void **state) {
    (void)state;
    char want[100];
    BEGIN(0, "REQUEST_URI=/", "HTTP_UBER_TRACE_ID=463ac35c9f6413ad48485a3953bb6124:abc:1:1");
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_int_equal(s->trace_hi, 0x463ac35c9f6413ad);
    assert_int_equal(s->trace_lo, 0x48485a3953bb6124);
    assert_int_equal(s->parent_id, 0xabc);
    assert_int_equal(s->sampler_type, TRC_SAMPLER_NONE);
    assert_int_equal(s->remote_parent, 1);
    snprintf(want, sizeof(want), "463ac35c9f6413ad48485a3953bb6124:%016lx:0000000000000abc:1",
             (unsigned long)s->span_id);
    assert_string_equal(injected(), want);
}

static void the_callers_decision_beats_the_sampler(void **state) {
    (void)state;
    BEGIN(0, "HTTP_UBER_TRACE_ID=1:2:0:0");
    end(0, 200);
    read_pos = 0;
    assert_null(next_span());
    assert_int_equal(accounts().unsampled, 1);
    assert_int_equal(injected()[51], '0'); /* still passed on, with flag 0 */
    assert_memory_equal(injected(), "0000000000000001:", 17);

    trc_sampler_parse(TRC_SLICE("const:0"), &tracer.sampler);
    BEGIN(0, "HTTP_UBER_TRACE_ID=1:2:0:1");
    end(0, 200);
    assert_int_equal(only_span()->parent_id, 2);
}

static void a_malformed_context_starts_a_new_trace(void **state) {
    (void)state;
    BEGIN(0, "HTTP_UBER_TRACE_ID=nonsense");
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_int_equal(s->parent_id, 0);
    assert_true(s->trace_lo);
    assert_int_equal(accounts().context_errors, 1);
}

static void a_debug_id_forces_the_trace(void **state) {
    (void)state;
    trc_sampler_parse(TRC_SLICE("const:0"), &tracer.sampler);
    BEGIN(0, "HTTP_JAEGER_DEBUG_ID=look");
    end(0, 200);
    const struct trc_span *s = only_span();
    assert_int_equal(s->flags, TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG | TRC_FLAG_RANDOM);
    assert_str(s, TRC_STR_DEBUG_ID, "look");
    assert_int_equal(s->sampler_type, TRC_SAMPLER_NONE);
    assert_int_equal(injected()[strlen(injected()) - 1], '3');
}

static void variables_follow_when_asked_for(void **state) {
    teardown(state);
    assert_int_equal(setup_with(true), 0);
    BEGIN(0, "REQUEST_URI=/");
    assert_int_equal(injection.count, 4);
}

/* --- Ends that do not come -------------------------------------------------------------------- */

static void an_end_that_never_came_is_closed_by_the_next_begin(void **state) {
    (void)state;
    BEGIN(0, "REQUEST_URI=/first");
    BEGIN(0, "REQUEST_URI=/second");
    end(0, 200);
    end(0, 500); /* one too many */
    read_pos = 0;
    const struct trc_span *s = next_span();
    assert_str(s, TRC_STR_PATH, "/first");
    assert_int_equal(s->outcome, TRC_OUTCOME_ABANDONED);
    assert_int_equal(s->error, 1);
    s = next_span();
    assert_str(s, TRC_STR_PATH, "/second");
    assert_int_equal(s->outcome, TRC_OUTCOME_ANSWERED);
    assert_null(next_span());
    assert_int_equal(accounts().started, 2);
    assert_int_equal(accounts().sampled, 2);
}

static void an_unsampled_request_leaves_no_open_span(void **state) {
    (void)state;
    BEGIN(0, "HTTP_UBER_TRACE_ID=1:2:0:0");
    assert_int_equal(trc_journal_recover(journal, 0, 1), 0);
}

static void a_refused_request_is_a_root(void **state) {
    (void)state;
    trc_tracer_refuse(&tracer, 0, TRC_SLICE("POST"), TRC_SLICE("/big?x"), trc_clock_unix_ns());
    const struct trc_span *s = only_span();
    assert_int_equal(s->outcome, TRC_OUTCOME_REFUSED);
    assert_int_equal(s->error, 0);
    assert_int_equal(s->status, 0);
    assert_str(s, TRC_STR_NAME, "POST /big");
    assert_str(s, TRC_STR_PATH, "/big");
    assert_int_equal(s->parent_id, 0);
}

static void a_clock_that_steps_makes_no_nonsense(void **state) {
    (void)state;
    static const int64_t steps[] = {-3600, 3600, -1, 86400 * 365};
    static struct trc_request request;
    read_pos = 0;
    for (unsigned i = 0; i < 4; i++) {
        memset(&request, 0, sizeof(request));
        request.start_unix_ns =
            (uint64_t)((int64_t)trc_clock_unix_ns() + steps[i] * (int64_t)TRC_NS_PER_S);
        trc_tracer_begin(&tracer, 0, &request, &injection);
        end(0, 200);
        assert_in_range(next_span()->duration_ns, 0, 2 * TRC_NS_PER_S);
    }
}

/* --- Ids and samplers ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void ids_differ_between_workers_and_cores(void **state) {
    (void)state;
    enum { EACH = 100000 };
    static uint64_t ids[4 * EACH];
    unsigned n = 0;
    for (unsigned worker = 0; worker < 2; worker++) {
        tracer.worker = worker;
        assert_int_equal(trc_tracer_seed(&tracer), 0);
        for (unsigned core = 0; core < 2; core++)
            for (unsigned i = 0; i < EACH; i++)
                ids[n++] = trc_random_id(&trc_journal_slot(journal, worker, core)->random);
    }
    qsort(ids, n, sizeof(ids[0]), compare);
    for (unsigned i = 1; i < n; i++)
        assert_true(ids[i] != ids[i - 1]);
    assert_true(ids[0] != 0);
}

static void a_new_worker_in_an_old_place_makes_new_ids(void **state) {
    (void)state;
    struct trc_random before = trc_journal_slot(journal, 0, 0)->random;
    assert_int_equal(trc_tracer_seed(&tracer), 0);
    assert_memory_not_equal(&before, &trc_journal_slot(journal, 0, 0)->random, sizeof(before));
}

static bool parses(const char *text) {
    struct trc_sampler s;
    return trc_sampler_parse(trc_slice_of(text), &s) == 0;
}

static void samplers_are_parsed_strictly(void **state) {
    (void)state;
    static const char *const good[] = {"const:0",
                                       "const:1",
                                       "probabilistic:0",
                                       "probabilistic:1",
                                       "probabilistic:0.001",
                                       "probabilistic:.5",
                                       "ratelimiting:0",
                                       "ratelimiting:2.5",
                                       "probabilistic:1e-3",
                                       "remote",
                                       "remote:http://agent:5778/sampling",
                                       "remote:https://[::1]:14268/api/sampling",
                                       "remote:http://h",
                                       "remote:http://h/a;interval=1s,initial=0", /* all of it */
                                       "remote initial=0",
                                       "remote:http://h/ interval=100ms initial=1",
                                       "remote:http://h/  initial=.5   interval=60m "};
    static const char *const bad[] = {"",
                                      "const",
                                      "const:",
                                      "const:2",
                                      "const:true",
                                      "CONST:1",
                                      "probabilistic:1.1",
                                      "probabilistic:-0.1",
                                      "probabilistic:nan",
                                      "probabilistic:0.5x",
                                      "ratelimiting:-1",
                                      "ratelimiting:inf",
                                      "ratelimiting:1e10",
                                      "remote:",
                                      "ratelimiting: 1",
                                      ":1",
                                      "probabilistic:0x1p-2",
                                      "remote:0.5",
                                      "remote:agent:5778",
                                      "remote:ftp://h/",
                                      "remote:http://",
                                      "remote:http:/h/",
                                      "remote:http:///h",
                                      "remote:http://h:70000/",
                                      "remote:http://h:x/",
                                      "remote:http://user:password@h/",
                                      "remote:http://h/?service=x",
                                      "remote:http://h/?",
                                      "remote:http://h/#a",
                                      "remote:http://h/\x01",
                                      "remote:http://h/ often",
                                      "remote:http://h/ interval=",
                                      "remote:http://h/ interval=5",
                                      "remote:http://h/ interval=99ms",
                                      "remote:http://h/ interval=61m",
                                      "remote:http://h/ initial=1.1",
                                      "remote:http://h/ initial=-0",
                                      "remote:http://h/;interval=1s initial",
                                      "remote: interval=1s",
                                      "remoter"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(parses(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        print_message("%s\n", bad[i]);
        assert_false(parses(bad[i]));
    }
}

static void a_remote_sampler_says_whom_to_ask(void **state) {
    (void)state;
    struct trc_sampler s;
    assert_int_equal(trc_sampler_parse(TRC_SLICE("remote"), &s), 0);
    assert_int_equal(s.type, TRC_SAMPLER_REMOTE);
    assert_true(trc_slice_equal(s.url, TRC_SLICE("http://127.0.0.1:5778/sampling")));
    assert_int_equal(s.interval_ns, 60 * TRC_NS_PER_S);
    assert_true(s.param == 0.001);
    const char *text = "remote:https://h:1/a interval=5000ms initial=0.25";
    assert_int_equal(trc_sampler_parse(trc_slice_of(text), &s), 0);
    assert_true(trc_slice_equal(s.url, TRC_SLICE("https://h:1/a")));
    assert_int_equal(s.interval_ns, 5 * TRC_NS_PER_S);
    assert_true(s.param == 0.25);
    char url[600] = "remote:http://h/";
    memset(url + 16, 'a', 7 + TRC_SAMPLER_URL_MAX - 16);
    assert_true(parses(url));
    url[7 + TRC_SAMPLER_URL_MAX] = 'a';
    assert_false(parses(url));
}

static void probability_agrees_with_jaeger_client_go(void **state) {
    (void)state;
    static const struct {
        const char *sampler;
        uint64_t id;
        bool sampled;
    } cases[] = {
        {"probabilistic:1", UINT64_MAX, true},
        {"probabilistic:0", 1, false},
        {"probabilistic:0.5", UINT64_C(0x3fffffffffffffff), true},
        {"probabilistic:0.5", UINT64_C(0x4000000000000001), false},
        {"probabilistic:0.5", UINT64_C(0xbfffffffffffffff), true}, /* the top bit does not count */
        {"probabilistic:0.001", UINT64_C(9223372036854775), true},
        {"probabilistic:0.001", UINT64_C(9223372036854775) + 1024, false},
    };
    struct trc_sampler s;
    _Atomic uint64_t account = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(trc_sampler_parse(trc_slice_of(cases[i].sampler), &s), 0);
        assert_int_equal(trc_sampler_sample(&s, cases[i].id, &account, 0), cases[i].sampled);
    }
}

static unsigned passed(const char *sampler, unsigned seconds, unsigned per_second) {
    struct trc_sampler s;
    _Atomic uint64_t account = 0;
    unsigned n = 0;
    assert_int_equal(trc_sampler_parse(trc_slice_of(sampler), &s), 0);
    uint64_t start = 50 * TRC_NS_PER_S;
    for (unsigned i = 0; i < seconds * per_second; i++)
        n += trc_sampler_sample(&s, i, &account, start + i * (TRC_NS_PER_S / per_second));
    return n;
}

static void the_rate_is_kept(void **state) {
    (void)state;
    assert_int_equal(passed("ratelimiting:0", 10, 100), 0);
    assert_int_equal(passed("ratelimiting:1", 10, 100), 10);
    assert_int_equal(passed("ratelimiting:10", 10, 100), 109); /* a full bucket at the start */
    assert_int_equal(passed("ratelimiting:0.5", 10, 100), 5);
    assert_int_equal(passed("ratelimiting:1000", 10, 100), 1000); /* nothing to limit */
}

static void a_servers_strategy_decides_by_operation(void **state) {
    (void)state;
    static const struct trc_operation list[] = {{TRC_SLICE("GET"), 1}, {TRC_SLICE("PUT"), 0}};
    const struct trc_strategy strategy = {TRC_SAMPLER_LOWERBOUND, 0, 0.001, list, 2};
    static const struct {
        const char *method, *uber;
        int sampler; /* -1: not sampled */
        double param;
    } cases[] = {
        {"REQUEST_METHOD=GET", "N=", TRC_SAMPLER_PROBABILISTIC, 1},
        {"REQUEST_METHOD=PUT", "N=", TRC_SAMPLER_LOWERBOUND, 0},
        {"REQUEST_METHOD=PUT", "N=", -1, 0},
        {"REQUEST_METHOD=MADE-UP", "N=", TRC_SAMPLER_LOWERBOUND, 0}, /* as HTTP, its span's name */
        {"N=", "N=", -1, 0},                                         /* as that one */
        {"REQUEST_METHOD=PUT", "HTTP_UBER_TRACE_ID=1:2:0:1", TRC_SAMPLER_NONE, 0},
        {"REQUEST_METHOD=GET", "HTTP_UBER_TRACE_ID=1:2:0:0", -1, 0},
    };
    assert_int_equal(trc_sampler_parse(TRC_SLICE("remote"), &tracer.sampler), 0);
    assert_int_equal(trc_strategies_new(&tracer.strategies, 0), 0);
    trc_strategies_publish(tracer.strategies, &strategy, trc_clock_mono_ns());
    read_pos = 0;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(0, (const char *const[]){cases[i].method, cases[i].uber, NULL});
        end(0, 200);
        const struct trc_span *s = next_span();
        assert_int_equal(s != NULL, cases[i].sampler >= 0);
        if (s) {
            assert_int_equal(s->sampler_type, cases[i].sampler);
            assert_true(s->sampler_param == cases[i].param);
        }
    }
    trc_strategies_free(tracer.strategies);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_root_says_it_all),
        TEST(errors_are_those_of_the_server),
        TEST(secrets_of_the_target_stay_out),
        TEST(an_absolute_target_has_a_path),
        TEST(an_excluded_request_is_counted_and_no_more),
        TEST(rules_beat_the_configuration),
        TEST(the_scheme_is_what_the_client_used),
        TEST(a_made_up_method_names_nothing),
        TEST(long_strings_are_cut_and_counted),
        TEST(a_short_one_is_not_counted),
        TEST(every_string_at_its_limit_fits),
        TEST(continues_the_callers_trace),
        TEST(the_callers_decision_beats_the_sampler),
        TEST(a_malformed_context_starts_a_new_trace),
        TEST(a_debug_id_forces_the_trace),
        TEST(variables_follow_when_asked_for),
        TEST(an_end_that_never_came_is_closed_by_the_next_begin),
        TEST(an_unsampled_request_leaves_no_open_span),
        TEST(a_refused_request_is_a_root),
        TEST(a_clock_that_steps_makes_no_nonsense),
        TEST(ids_differ_between_workers_and_cores),
        TEST(a_new_worker_in_an_old_place_makes_new_ids),
        TEST(samplers_are_parsed_strictly),
        TEST(a_remote_sampler_says_whom_to_ask),
        TEST(probability_agrees_with_jaeger_client_go),
        TEST(the_rate_is_kept),
        TEST(a_servers_strategy_decides_by_operation),
    };
    return cmocka_run_group_tests_name("tracer", tests, NULL, NULL);
}
