/* SPDX-License-Identifier: MIT
 *
 * Options: every rule by a line of a table. The environment has a test of its own.
 */
#include "settings_rig.h"

static void defaults_are_those_of_the_table(void **state) {
    (void)state;
    assert_int_equal(MAKE(), 0);
    assert_slice(s.service, "shop");
    assert_int_equal(s.exporter_count, 1);
    assert_string_equal(s.exporter[0].url, "jaeger+udp://127.0.0.1:6831");
    assert_int_equal(s.exporter[0].semconv, TRC_SEMCONV_OPENTRACING);
    assert_int_equal(s.flush_interval_ns, TRC_NS_PER_S);
    assert_int_equal(s.exit_timeout_ns, TRC_NS_PER_S);
    assert_int_equal(s.journal_bytes, 1 << 20);
    assert_int_equal(s.udp_packet, 65000);
    assert_int_equal(s.sampler.type, TRC_SAMPLER_CONST);
    assert_int_equal(s.sampler.param, 1);
    assert_string_equal(s.extract[0]->name, "jaeger");
    assert_string_equal(s.extract[1]->name, "tracecontext");
    assert_string_equal(s.extract[2]->name, "b3");
    assert_string_equal(s.extract[3]->name, "b3multi");
    assert_null(s.extract[4]);
    assert_string_equal(s.inject[0]->name, "jaeger");
    assert_string_equal(s.inject[1]->name, "tracecontext");
    assert_null(s.inject[2]);
    assert_false(s.trust.restricted);
    assert_int_equal(s.response_headers, 0);
    assert_int_equal(s.baggage_tag_count, 0);
    assert_int_equal(s.operation.count, 3);
    assert_int_equal(s.operation.uses, 1u << TRC_TEMPLATE_METHOD | 1u << TRC_TEMPLATE_ROUTE |
                                           1u << TRC_TEMPLATE_TEXT);
    assert_int_equal(s.query, TRC_QUERY_SCRUB);
    assert_int_equal(s.client.count, 0);
    assert_false(s.check);
    assert_true(s.python);
    for (int w = 0; w < TRC_WIRE_COUNT; w++) {
        assert_int_equal(s.http[w].timeout_ns, 10 * TRC_NS_PER_S);
        assert_false(s.http[w].gzip);
        assert_null(s.http[w].ca);
    }
    assert_false(s.disabled);
    assert_int_equal(s.tag_count, 0);
    assert_string_equal(logged, "");
}

static void options_say_what_they_say(void **state) {
    (void)state;
    assert_int_equal(MAKE("tracing-service=cart", "tracing-tag=team=a=b", "tracing-tag= x = y ",
                          "tracing-disable=yes", "tracing-export=jaeger.binary+udp://h:1",
                          "tracing-export=otlp.json+stdout:", "tracing-flush-interval=500ms",
                          "tracing-journal-size=256k", "tracing-exit-timeout=2m",
                          "tracing-udp-packet=1472", "tracing-sampler=ratelimiting:5",
                          "tracing-extract=none", "tracing-inject= jaeger ",
                          "tracing-variables=true", "tracing-semconv=http/dup"),
                     0);
    assert_slice(s.service, "cart");
    assert_int_equal(s.tag_count, 2);
    assert_slice(s.tag[0].key, "team");
    assert_slice(s.tag[0].value, "a=b");
    assert_slice(s.tag[1].key, "x");
    assert_slice(s.tag[1].value, "y");
    assert_true(s.disabled);
    assert_int_equal(s.exporter_count, 2);
    assert_int_equal(s.exporter[0].max_bytes, 1472);
    assert_int_equal(s.exporter[0].semconv, TRC_SEMCONV_HTTP_DUP);
    assert_int_equal(s.exporter[1].semconv, TRC_SEMCONV_HTTP_DUP);
    assert_int_equal(s.flush_interval_ns, 500 * TRC_NS_PER_MS);
    assert_int_equal(s.exit_timeout_ns, 120 * TRC_NS_PER_S);
    assert_int_equal(s.journal_bytes, 256 << 10);
    assert_null(s.extract[0]);
    assert_ptr_equal(s.inject[1], &trc_format_variables);
}

static void new_options_for_exports(void **state) {
    (void)state;
    assert_int_equal(
        MAKE("tracing-export=otlp+http://h", "tracing-export-header=A: 1",
             "tracing-export-header=Authorization:Basic a:b ", "tracing-export-timeout=500ms",
             "tracing-export-gzip=true", "tracing-export-ca=/etc/passwd",
             "tracing-export-cert=/etc/group", "tracing-export-key=/etc/passwd",
             "tracing-trust=10.0.0.0/8, unix", "tracing-response-header=traceresponse, x-trace-id",
             "tracing-baggage-tag=user-id", "tracing-baggage-tag=tier", "tracing-check=true",
             "tracing-python=false", "tracing-extract=b3,jaeger,b3", "tracing-keep=slow:1500ms"),
        0);
    for (int w = 0; w < TRC_WIRE_COUNT; w++) {
        assert_string_equal(s.http[w].headers[0], "A: 1");
        assert_string_equal(s.http[w].headers[1], "Authorization: Basic a:b");
        assert_null(s.http[w].headers[2]);
        assert_int_equal(s.http[w].timeout_ns, 500 * TRC_NS_PER_MS);
        assert_true(s.http[w].gzip);
        assert_string_equal(s.http[w].ca, "/etc/passwd");
        assert_string_equal(s.http[w].cert, "/etc/group");
        assert_string_equal(s.http[w].key, "/etc/passwd");
    }
    assert_ptr_equal(s.exporter[0].endpoint.http, &s.http[TRC_WIRE_OTLP]);
    assert_true(s.trust.restricted && s.trust.unix_peers);
    assert_int_equal(s.trust.count, 1);
    assert_int_equal(s.response_headers,
                     1u << TRC_RESPONSE_TRACERESPONSE | 1u << TRC_RESPONSE_X_TRACE_ID);
    assert_int_equal(s.baggage_tag_count, 2);
    assert_slice(s.baggage_tag[1], "tier");
    assert_true(s.check);
    assert_false(s.python);
    assert_int_equal(s.keep_slow_ns, 1500 * TRC_NS_PER_MS);
    assert_string_equal(s.extract[0]->name, "b3"); /* each once */
    assert_string_equal(s.extract[1]->name, "jaeger");
    assert_null(s.extract[2]);
    assert_string_equal(logged, "");
}

static void what_a_span_says_is_chosen(void **state) {
    (void)state;
    assert_int_equal(MAKE("tracing-operation={HTTP_X_TENANT} {method}", "tracing-query=drop",
                          "tracing-client-ip=Forwarded, CF-Connecting-IP"),
                     0);
    assert_int_equal(s.operation.variable_count, 1);
    assert_slice(trc_template_variable(&s.operation, 0), "HTTP_X_TENANT");
    assert_int_equal(s.query, TRC_QUERY_DROP);
    assert_int_equal(s.client.count, 2);
    assert_true(s.client.header[0].forwarded);
    assert_string_equal(s.client.header[1].variable, "HTTP_CF_CONNECTING_IP");
    assert_int_equal(MAKE("tracing-query=keep", "tracing-client-ip=none"), 0);
    assert_int_equal(s.query, TRC_QUERY_KEEP);
    assert_int_equal(s.client.count, 0);
    assert_int_equal(MAKE("tracing-query=scrub"), 0);
    assert_int_equal(s.query, TRC_QUERY_SCRUB);
}

static void files_must_be_readable(void **state) {
    (void)state;
    static const char *const files[] = {"/nowhere/x.pem", "/etc", "/dev/null", ""};
    static const char *const options[] = {"ca", "cert", "key"};
    char given[64];
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 4; k++) {
            snprintf(given, sizeof(given), "tracing-export-%s=%s", options[i], files[k]);
            assert_int_equal(i == 2 ? MAKE("tracing-export-cert=/etc/passwd", given) : MAKE(given),
                             -EINVAL);
            print_message("%s\n", error);
            assert_non_null(strstr(error, files[k]));
            assert_non_null(strstr(error, "cannot be read"));
        }
    assert_int_equal(MAKE("tracing-export-key=/etc/passwd"), -EINVAL);
    assert_non_null(strstr(error, "beside a client certificate only"));
}

static void a_wrong_option_names_itself_its_value_and_what_is_allowed(void **state) {
    (void)state;
    static const char *const wrong[][3] = {
        {"tracing-service=", "", "1 to 255 bytes"},
        {"tracing-tag=novalue", "novalue", "key=value"},
        {"tracing-tag==v", "=v", "key=value"},
        {"tracing-disable=maybe", "maybe", "true or false"},
        {"tracing-export=ftp://x", "ftp://x", "jaeger+udp"},
        {"tracing-export=jaeger+udp://", "jaeger+udp://", ""},
        {"tracing-export=jaeger+udp://h:0", "h:0", ""},
        {"tracing-export=jaeger+udp://h:65536", "65536", ""},
        {"tracing-flush-interval=1", "1", "10ms to 60m"},
        {"tracing-flush-interval=9ms", "9ms", "10ms to 60m"},
        {"tracing-flush-interval=61m", "61m", "10ms to 60m"},
        {"tracing-flush-interval=-1s", "-1s", "10ms to 60m"},
        {"tracing-flush-interval=1h", "1h", "10ms to 60m"},
        {"tracing-flush-interval=99999999999999999999s", "99999999999999999999s", "60m"},
        {"tracing-journal-size=63k", "63k", "64k to 1024M"},
        {"tracing-journal-size=2048M", "2048M", "64k to 1024M"},
        {"tracing-journal-size=1G", "1G", "64k to 1024M"},
        {"tracing-exit-timeout=forever", "forever", "0s to 60m"},
        {"tracing-udp-packet=65508", "65508", "1024 to 65507"},
        {"tracing-udp-packet=1k2", "1k2", "1024 to 65507"},
        {"tracing-sampler=half", "half", "probabilistic:0..1"},
        {"tracing-keep=slow", "slow", "slow:500ms"},
        {"tracing-keep=slow:", "slow:", "1ms to 60m"},
        {"tracing-keep=slow:500", "slow:500", "1ms to 60m"},
        {"tracing-keep=slow:0ms", "slow:0ms", "1ms to 60m"},
        {"tracing-keep=slow:61m", "slow:61m", "1ms to 60m"},
        {"tracing-keep=quick:1s", "quick:1s", "1ms to 60m"},
        {"tracing-keep=", "", "none"},
        {"tracing-exclude=healthz", "healthz", "globs on the path"},
        {"tracing-exclude=/a,", "/a,", "globs on the path"},
        {"tracing-exclude=agent:", "agent:", "globs on the path"},
        {"tracing-extract=jaeger,b4", "jaeger,b4", "none or a list of: jaeger"},
        {"tracing-extract=", "", "jaeger"},
        {"tracing-inject=jaeger,", "jaeger,", "jaeger"},
        {"tracing-export-timeout=10", "10", "10ms to 60m"},
        {"tracing-export-timeout=0s", "0s", "10ms to 60m"},
        {"tracing-export-timeout=61m", "61m", "10ms to 60m"},
        {"tracing-export-gzip=2", "2", "true or false"},
        {"tracing-export-header=Name:", "***", "Name: value"},
        {"tracing-trust=localhost", "localhost", "networks like 10.0.0.0/8"},
        {"tracing-trust=", "", "networks like 10.0.0.0/8"},
        {"tracing-response-header=x-foo", "x-foo", "x-trace-id"},
        {"tracing-response-header=", "", "x-trace-id"},
        {"tracing-baggage-tag=", "", "1 to 255 bytes"},
        {"tracing-check=maybe", "maybe", "true or false"},
        {"tracing-variables=2", "2", "true or false"},
        {"tracing-operation=", "", "{method}, {route}"},
        {"tracing-operation={verb}", "{verb}", "{method}, {route}"},
        {"tracing-operation={method", "{method", "{{ and }} for braces"},
        {"tracing-operation={HTTP_A}{HTTP_B}{HTTP_C}{HTTP_D}{HTTP_E}", "{HTTP_E}", "at most 4"},
        {"tracing-query=hide", "hide", "scrub, drop or keep"},
        {"tracing-query=", "", "scrub, drop or keep"},
        {"tracing-client-ip=", "", "X-Forwarded-For"},
        {"tracing-client-ip=X Real IP", "X Real IP", "X-Forwarded-For"},
        {"tracing-client-ip=A,B,C,D,E", "A,B,C,D,E", "at most 4 headers"},
        {"tracing-semconv=old", "old", "http, http/dup or opentracing"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)(strchr(wrong[i][0], '=') - wrong[i][0]),
                 wrong[i][0]);
        assert_int_equal(MAKE(wrong[i][0]), -EINVAL);
        print_message("%s\n", error);
        assert_ptr_equal(strstr(error, name), error);
        assert_non_null(strstr(error, wrong[i][1]));
        assert_non_null(strstr(error, wrong[i][2]));
        assert_non_null(strstr(error, "allowed"));
        assert_null(strchr(error, '\n'));
    }
}

static void too_many_of_anything_is_an_error(void **state) {
    (void)state;
    const char *given[70] = {NULL};
    char tags[70][32];
    for (int i = 0; i < 9; i++)
        given[i] = "tracing-export=otlp.json+stdout:";
    assert_int_equal(make(given), -EINVAL);
    assert_non_null(strstr(error, "at most 8 exporters"));
    for (int i = 0; i < 64; i++) {
        snprintf(tags[i], sizeof(tags[i]), "tracing-tag=k%d=v", i);
        given[i] = tags[i];
    }
    given[64] = NULL;
    assert_int_equal(make(given), 0);
    assert_int_equal(s.tag_count, 64);
    for (int i = 0; i < 33; i++)
        given[i] = "tracing-export-header=A: b";
    given[33] = NULL;
    assert_int_equal(make(given), -EINVAL);
    assert_non_null(strstr(error, "at most 32 headers"));
    given[32] = NULL;
    assert_int_equal(make(given), 0);
    for (int i = 0; i < 9; i++)
        given[i] = "tracing-baggage-tag=k";
    given[9] = NULL;
    assert_int_equal(make(given), -EINVAL);
    assert_non_null(strstr(error, "at most 8"));
}

static void tags_leave_room_for_spans(void **state) {
    (void)state;
    char tag[700] = "tracing-tag=k=";
    memset(tag + 14, 'v', sizeof(tag) - 15);
    assert_int_equal(MAKE(tag, "tracing-udp-packet=1024"), -EINVAL);
    assert_non_null(strstr(error, "tracing-tag"));
    assert_non_null(strstr(error, "half a message"));
    assert_int_equal(MAKE(tag, "tracing-udp-packet=2048"), 0);
}

/* --- Secrets --------------------------------------------------------------------------------- */

static void no_secret_is_said(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "tracing-export-header=Authorization hunter2",
        "tracing-export-header=hunter2",
        "tracing-export-header=Author ization: hunter2",
        "tracing-export-header=Bearer hunter2:x",
        "tracing-export-header=Authorization: hunter2\x01",
        "tracing-export-header=Content-Type: hunter2",
        "tracing-export=otlp+http://u:hunter2@h:port",
        "tracing-export=otlp+http://u:hunter2/x@h",
        "tracing-export=otlp+ftp://u:hunter2@h",
        "tracing-export=jaeger+udp://u:hunter2@h",
        "tracing-export=otlp+http://h:0/?token=hunter2",
        "tracing-export-key=-----BEGIN PRIVATE KEY----- hunter2", /* itself, not its file */
        "tracing-sampler=remote:http://u:hunter2@h",
        "tracing-sampler=remote:http://h/?token=hunter2",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(MAKE(wrong[i]), -EINVAL);
        print_message("%s\n", error);
        assert_null(strstr(error, "hunter2"));
    }
    assert_int_equal(MAKE("tracing-export-header=Authorization: \x01"), -EINVAL);
    assert_ptr_equal(strstr(error, "tracing-export-header = Authorization: ***: "), error);
}

/* Every length of buffer, and every value: nothing is written behind it, and it ends in a NUL. */
static void what_is_shown_fits(void **state) {
    (void)state;
    static const char *const values[] = {"",
                                         "const:1",
                                         "remote:",
                                         "remote:http://u:p@h/p?q=1",
                                         "otlp+http://u:p@h/p?q=1",
                                         "Name: value",
                                         ": value",
                                         "Name"};
    for (int o = 0; o < TRC_OPT_COUNT; o++)
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
            for (size_t cap = 1; cap < 48; cap++) {
                size_t len = strlen(values[i]);
                char *out = guarded(0, "", 0) - cap;
                memset(out, 'x', cap);
                trc_settings_show((enum trc_option)o,
                                  (struct trc_slice){guarded(1, values[i], len), len}, out, cap);
                assert_non_null(memchr(out, '\0', cap));
            }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_table),
        TEST(options_say_what_they_say),
        TEST(a_wrong_option_names_itself_its_value_and_what_is_allowed),
        TEST(too_many_of_anything_is_an_error),
        TEST(tags_leave_room_for_spans),
        TEST(new_options_for_exports),
        TEST(what_a_span_says_is_chosen),
        TEST(files_must_be_readable),
        TEST(no_secret_is_said),
        TEST(what_is_shown_fits),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
