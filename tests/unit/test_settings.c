/* SPDX-License-Identifier: MIT
 *
 * Options and environment: every rule by a line of a table.
 */
#include "tracing/clock.h"
#include "tracing/log.h"
#include "tracing/settings.h"
#include "unit.h"

/* Settings live for good, so each test leaves some behind. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static struct trc_settings s;
static char error[TRC_ERROR_LINE_MAX];
static char logged[4096];

static void keep(const char *line) {
    strncat(logged, line, sizeof(logged) - strlen(logged) - 1);
}

static int setup(void **state) {
    (void)state;
    clearenv();
    logged[0] = '\0';
    trc_log_to(keep);
    return 0;
}

static enum trc_option option_of(const char *name) {
    for (int i = 0; i < TRC_OPT_COUNT; i++)
        if (strcmp(trc_option_table[i].name, name) == 0)
            return i;
    fail_msg("no option %s", name);
    return TRC_OPT_COUNT;
}

/* "option=value" strings, NULL at the end. */
static int make(const char *const *given) {
    static struct trc_options options;
    memset(&options, 0, sizeof(options));
    for (; *given; given++) {
        char *text = strdup(*given), *eq = strchr(text, '=');
        *eq = '\0';
        assert_int_equal(trc_options_add(&options, option_of(text), eq + 1), 0);
    }
    error[0] = '\0';
    return trc_settings_make(&options, "/srv/shop/", &s, error);
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void assert_slice(struct trc_slice got, const char *want) {
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.p, want, got.len);
}

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
    assert_ptr_equal(s.extract[0], trc_formats[0]);
    assert_null(s.extract[1]);
    assert_ptr_equal(s.inject[0], trc_formats[0]);
    assert_null(s.inject[1]);
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
        {"tracing-extract=jaeger,b4", "jaeger,b4", "none or a list of: jaeger"},
        {"tracing-extract=", "", "jaeger"},
        {"tracing-inject=jaeger,", "jaeger,", "jaeger"},
        {"tracing-variables=2", "2", "true or false"},
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

/* --- The environment ----------------------------------------------------------------------------
 */

enum what { SERVICE, DISABLED, EXPORT, FLUSH_MS, SAMPLER, EXTRACT, SEMCONV };

static const char *text_of(enum what what) {
    static char text[600];
    switch (what) {
    case SERVICE:
        snprintf(text, sizeof(text), "%.*s", (int)s.service.len, s.service.p);
        break;
    case DISABLED:
        return s.disabled ? "true" : "false";
    case EXPORT:
        return s.exporter_count ? s.exporter[0].url : "none";
    case FLUSH_MS:
        snprintf(text, sizeof(text), "%d", (int)(s.flush_interval_ns / TRC_NS_PER_MS));
        break;
    case SAMPLER:
        snprintf(text, sizeof(text), "%d:%g", s.sampler.type, s.sampler.param);
        break;
    case EXTRACT:
        return s.extract[0] ? s.extract[0]->name : "none";
    case SEMCONV:
        snprintf(text, sizeof(text), "%d", s.exporter[0].semconv);
    }
    return text;
}

/* Variables ("N=V" separated by ';'), what they decide, to what, and whether there is a warning. */
static const struct {
    const char *environment;
    enum what what;
    const char *want;
    bool warns;
} cases[] = {
    {"OTEL_SERVICE_NAME=a;JAEGER_SERVICE_NAME=b;SERVICE_NAME=c", SERVICE, "a", false},
    {"JAEGER_SERVICE_NAME=b;SERVICE_NAME=c", SERVICE, "b", false},
    {"SERVICE_NAME=c", SERVICE, "c", false},
    {"OTEL_SERVICE_NAME=;SERVICE_NAME=c", SERVICE, "c", false}, /* empty is not set */
    {"OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=r%20s;JAEGER_SERVICE_NAME=b", SERVICE, "r s",
     false},
    {"OTEL_RESOURCE_ATTRIBUTES=service.name=r,broken;SERVICE_NAME=c", SERVICE, "c", true},
    {"OTEL_SDK_DISABLED=true", DISABLED, "true", false},
    {"OTEL_SDK_DISABLED=TRUE", DISABLED, "true", false},
    {"OTEL_SDK_DISABLED=1", DISABLED, "false", true},
    {"OTEL_SDK_DISABLED=false;JAEGER_DISABLED=true", DISABLED, "false", false},
    {"JAEGER_DISABLED=true", DISABLED, "true", false},
    {"JAEGER_AGENT_HOST=agent", EXPORT, "jaeger+udp://agent:6831", false},
    {"JAEGER_AGENT_PORT=1234", EXPORT, "jaeger+udp://localhost:1234", false},
    {"JAEGER_AGENT_HOST=agent;JAEGER_AGENT_PORT=1", EXPORT, "jaeger+udp://agent:1", false},
    {"JAEGER_AGENT_HOST=fe80::1", EXPORT, "jaeger+udp://[fe80::1]:6831", false},
    {"JAEGER_AGENT_PORT=http", EXPORT, "jaeger+udp://127.0.0.1:6831", true},
    {"OTEL_TRACES_EXPORTER=none;JAEGER_AGENT_HOST=a", EXPORT, "none", false},
    {"OTEL_TRACES_EXPORTER=console", EXPORT, "otlp.json+stdout:", false},
    {"OTEL_TRACES_EXPORTER=otlp", EXPORT, "jaeger+udp://127.0.0.1:6831", true},
    {"OTEL_BSP_SCHEDULE_DELAY=250", FLUSH_MS, "250", false},
    {"OTEL_BSP_SCHEDULE_DELAY=soon;JAEGER_REPORTER_FLUSH_INTERVAL=300", FLUSH_MS, "300", true},
    {"JAEGER_REPORTER_FLUSH_INTERVAL=2s", FLUSH_MS, "2000", false},
    {"JAEGER_REPORTER_FLUSH_INTERVAL=2h", FLUSH_MS, "1000", true},
    {"OTEL_TRACES_SAMPLER=always_off", SAMPLER, "1:0", false},
    {"OTEL_TRACES_SAMPLER=parentbased_always_on", SAMPLER, "1:1", false},
    {"OTEL_TRACES_SAMPLER=ParentBased_TraceIdRatio;OTEL_TRACES_SAMPLER_ARG=0.25", SAMPLER, "2:0.25",
     false},
    {"OTEL_TRACES_SAMPLER=traceidratio", SAMPLER, "2:1", false},
    {"OTEL_TRACES_SAMPLER=traceidratio;OTEL_TRACES_SAMPLER_ARG=2", SAMPLER, "1:1", true},
    {"OTEL_TRACES_SAMPLER=xray;JAEGER_SAMPLER_TYPE=const;JAEGER_SAMPLER_PARAM=0", SAMPLER, "1:0",
     true},
    {"JAEGER_SAMPLER_TYPE=probabilistic;JAEGER_SAMPLER_PARAM=0.1", SAMPLER, "2:0.1", false},
    {"JAEGER_SAMPLER_TYPE=ratelimiting;JAEGER_SAMPLER_PARAM=7", SAMPLER, "3:7", false},
    {"JAEGER_SAMPLER_TYPE=remote", SAMPLER, "1:1", true},
    {"OTEL_PROPAGATORS=jaeger,tracecontext,baggage", EXTRACT, "jaeger", false},
    {"OTEL_PROPAGATORS=none", EXTRACT, "none", false},
    {"OTEL_PROPAGATORS=B3,Jaeger", EXTRACT, "b3", false},
    {"OTEL_PROPAGATORS=ottrace", EXTRACT, "jaeger", true},
    {"JAEGER_PROPAGATION=Jaeger", EXTRACT, "jaeger", false},
    {"OTEL_SEMCONV_STABILITY_OPT_IN=http", SEMCONV, "1", false},
    {"OTEL_SEMCONV_STABILITY_OPT_IN=database,http/dup", SEMCONV, "3", false},
    {"OTEL_SEMCONV_STABILITY_OPT_IN=database", SEMCONV, "2", false},
};

static void set_environment(const char *list) {
    char *text = strdup(list), *next = text;
    clearenv();
    for (char *item; (item = strsep(&next, ";"));) {
        char *eq = strchr(item, '=');
        *eq = '\0';
        setenv(item, eq + 1, 1);
    }
    free(text);
}

static void the_environment_fills_what_no_option_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].environment);
        set_environment(cases[i].environment);
        logged[0] = '\0';
        assert_int_equal(MAKE(), 0);
        assert_string_equal(text_of(cases[i].what), cases[i].want);
        assert_int_equal(strstr(logged, "is ignored") != NULL, cases[i].warns);
    }
}

static void an_option_beats_the_environment(void **state) {
    (void)state;
    set_environment(
        "OTEL_SERVICE_NAME=e;OTEL_SDK_DISABLED=true;JAEGER_AGENT_HOST=e;"
        "OTEL_BSP_SCHEDULE_DELAY=1;OTEL_TRACES_SAMPLER=always_off;"
        "OTEL_PROPAGATORS=none;OTEL_RESOURCE_ATTRIBUTES=a=e,b=e");
    assert_int_equal(MAKE("tracing-service=o", "tracing-disable=false",
                          "tracing-export=otlp.json+stdout:", "tracing-flush-interval=1s",
                          "tracing-sampler=const:1", "tracing-extract=jaeger", "tracing-tag=a=o"),
                     0);
    assert_string_equal(text_of(SERVICE), "o");
    assert_string_equal(text_of(DISABLED), "false");
    assert_string_equal(text_of(EXPORT), "otlp.json+stdout:");
    assert_string_equal(text_of(FLUSH_MS), "1000");
    assert_string_equal(text_of(SAMPLER), "1:1");
    assert_string_equal(text_of(EXTRACT), "jaeger");
    assert_string_equal(logged, "");
    assert_int_equal(s.tag_count, 2);
    assert_slice(s.tag[0].value, "o");
    assert_slice(s.tag[1].key, "b");
}

static void tags_come_from_both_lists(void **state) {
    (void)state;
    set_environment(
        "OTEL_RESOURCE_ATTRIBUTES=a=1, b = x%2Cy ;HOST_ROLE=edge;"
        "JAEGER_TAGS=c=${HOST_ROLE:none},d=${UNSET:fallback},e=${UNSET},a=2,f=100%");
    assert_int_equal(MAKE(), 0);
    static const char *const want[][2] = {{"a", "1"},        {"b", "x,y"}, {"c", "edge"},
                                          {"d", "fallback"}, {"e", ""},    {"f", "100%"}};
    assert_int_equal(s.tag_count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_slice(s.tag[i].key, want[i][0]);
        assert_slice(s.tag[i].value, want[i][1]);
    }
}

static void a_malformed_list_is_dropped_whole(void **state) {
    (void)state;
    static const char *const lists[] = {"a=1,b", "a=1,=2", "a=%zz", "a=1,b=%4"};
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        clearenv();
        logged[0] = '\0';
        setenv("OTEL_RESOURCE_ATTRIBUTES", lists[i], 1);
        assert_int_equal(MAKE(), 0);
        assert_int_equal(s.tag_count, 0);
        assert_non_null(strstr(logged, "OTEL_RESOURCE_ATTRIBUTES"));
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
        TEST(the_environment_fills_what_no_option_says),
        TEST(an_option_beats_the_environment),
        TEST(tags_come_from_both_lists),
        TEST(a_malformed_list_is_dropped_whole),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
