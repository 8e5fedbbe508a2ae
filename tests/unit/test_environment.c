/* SPDX-License-Identifier: MIT
 *
 * The environment: each line of tests/unit/data/environment.txt, and what needs options beside it.
 */
#include "settings_rig.h"

/* --- What the settings say, in words --------------------------------------------------------- */

static char answer[8192];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    size_t len = strlen(answer);
    va_list args;
    va_start(args, format);
    vsnprintf(answer + len, sizeof(answer) - len, format, args);
    va_end(args);
}

static void say_tag(const char *key) {
    for (unsigned i = 0; i < s.tag_count; i++)
        if (trc_slice_equal(s.tag[i].key, trc_slice_of(key))) {
            say("%.*s", (int)s.tag[i].value.len, s.tag[i].value.p);
            return;
        }
    say("-");
}

static void say_captured(enum trc_direction direction) {
    for (unsigned i = 0; i < s.capture_count[direction]; i++)
        say("%s%.*s", i ? "," : "", (int)s.capture[direction][i].header.len,
            s.capture[direction][i].header.p);
    if (!s.capture_count[direction])
        say("-");
}

static void say_exporters(void) {
    for (unsigned i = 0; i < s.exporter_count; i++)
        say("%s%s", i ? " " : "", s.exporter[i].url);
    say("%s", s.exporter_count ? "" : "-");
}

static void say_sampler(void) {
    static const char *const types[] = {"none",         "const",      "probabilistic",
                                        "ratelimiting", "lowerbound", "remote"};
    say("%s %g", types[s.sampler.type], s.sampler.param);
    if (s.sampler.type == TRC_SAMPLER_REMOTE)
        say(" %.*s %g", (int)s.sampler.url.len, s.sampler.url.p,
            (double)s.sampler.interval_ns / 1e9);
}

static void say_formats(const struct trc_format *const *list) {
    say("%s", *list ? "" : "-");
    for (unsigned i = 0; list[i]; i++)
        say("%s%s", i ? "," : "", list[i]->name);
}

static void say_text(const char *text) {
    say("%s", text ? text : "-");
}

static void say_http(const struct trc_http_config *http, const char *what) {
    if (strcmp(what, "headers") == 0) {
        for (unsigned i = 0; i < TRC_HTTP_HEADERS_MAX && http->headers[i]; i++)
            say("%s%s", i ? "; " : "", http->headers[i]);
        say("%s", http->headers[0] ? "" : "-");
    } else if (strcmp(what, "timeout") == 0) {
        say("%d", (int)(http->timeout_ns / TRC_NS_PER_MS));
    } else if (strcmp(what, "gzip") == 0) {
        say("%s", http->gzip ? "true" : "false");
    } else {
        const struct {
            const char *name, *value;
        } texts[] = {{"ca", http->ca},     {"cert", http->cert},         {"key", http->key},
                     {"user", http->user}, {"password", http->password}, {"token", http->token}};
        unsigned i = 0;
        while (strcmp(texts[i].name, what) != 0)
            assert_true(++i < sizeof(texts) / sizeof(texts[0]));
        say_text(texts[i].value);
    }
}

/* The variables named in warnings, in order. */
static void say_warnings(void) {
    const char *at = logged, *mark = "environment variable ";
    unsigned count = 0;
    while ((at = strstr(at, mark)) != NULL) {
        at += strlen(mark);
        say("%s%.*s", count++ ? "," : "", (int)strcspn(at, "=: "), at);
    }
    say("%s", count ? "" : "-");
}

static void ask(const char *what) {
    static const char *const wires[] = {"otlp.", "zipkin.", "jaeger."};
    static const char *const names[] = {"", "http", "opentracing", "http/dup"};
    answer[0] = '\0';
    for (unsigned w = 0; w < TRC_WIRE_COUNT; w++)
        if (strncmp(what, wires[w], strlen(wires[w])) == 0) {
            say_http(&s.http[w], what + strlen(wires[w]));
            return;
        }
    if (strcmp(what, "service") == 0)
        say("%.*s", (int)s.service.len, s.service.p);
    else if (strncmp(what, "tag.", 4) == 0)
        say_tag(what + 4);
    else if (strcmp(what, "disabled") == 0)
        say("%s", s.disabled ? "true" : "false");
    else if (strcmp(what, "export") == 0)
        say_exporters();
    else if (strcmp(what, "flush") == 0)
        say("%d", (int)(s.flush_interval_ns / TRC_NS_PER_MS));
    else if (strcmp(what, "sampler") == 0)
        say_sampler();
    else if (strcmp(what, "extract") == 0)
        say_formats(s.extract);
    else if (strcmp(what, "inject") == 0)
        say_formats(s.inject);
    else if (strcmp(what, "capture.request") == 0)
        say_captured(TRC_REQUEST);
    else if (strcmp(what, "capture.response") == 0)
        say_captured(TRC_RESPONSE);
    else if (strcmp(what, "semconv") == 0)
        say("%s", names[s.exporter[0].semconv]);
    else if (strcmp(what, "warns") == 0)
        say_warnings();
    else
        fail_msg("nobody knows %s", what);
}

/* --- The cases ------------------------------------------------------------------------------- */

/* Takes `name=value` or `name="value"` off the front of *at; false at the end of the line. */
static bool take(char **at, char **name, char **value) {
    *at += strspn(*at, " ");
    if (!**at)
        return false;
    *name = *at;
    char *eq = strchr(*at, '=');
    assert_non_null(eq);
    *eq = '\0';
    const char *stop = eq[1] == '"' ? "\"" : " ";
    *value = eq + 1 + (eq[1] == '"');
    *at = *value + strcspn(*value, stop);
    if (**at)
        *(*at)++ = '\0';
    return true;
}

static void a_line(const char *line) {
    char *text = strdup(line), *right = strstr(text, "=>"), *name, *value, *at = text;
    bool warns_named = false;
    assert_non_null(right);
    *right = '\0';
    right += 2;
    clearenv();
    logged[0] = '\0';
    while (take(&at, &name, &value))
        assert_int_equal(setenv(name, value, 1), 0);
    assert_int_equal(MAKE(), 0);
    while (take(&right, &name, &value)) {
        ask(name);
        if (strcmp(answer, value) != 0)
            fail_msg("%s\n  %s is '%s', not '%s'\n%s", line, name, answer, value, logged);
        warns_named |= strcmp(name, "warns") == 0;
    }
    ask("warns");
    if (!warns_named && strcmp(answer, "-") != 0)
        fail_msg("%s\n  warns: %s", line, logged);
    free(text);
}

static void each_line_of_the_table_comes_true(void **state) {
    (void)state;
    char line[4096];
    unsigned count = 0;
    FILE *f = fopen("tests/unit/data/environment.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#')
            continue;
        a_line(line);
        count++;
    }
    fclose(f);
    assert_true(count > 150);
}

/* --- Beside options -------------------------------------------------------------------------- */

/* Variables as "N=V" separated by spaces. */
static void set_environment(const char *list) {
    char *text = strdup(list), *at = text, *name, *value;
    clearenv();
    while (take(&at, &name, &value))
        setenv(name, value, 1);
    free(text);
}

static void assert_answer(const char *what, const char *want) {
    ask(what);
    assert_string_equal(answer, want);
}

static void an_option_beats_the_environment(void **state) {
    (void)state;
    set_environment(
        "OTEL_SERVICE_NAME=e OTEL_SDK_DISABLED=true JAEGER_AGENT_HOST=e "
        "OTEL_BSP_SCHEDULE_DELAY=1 OTEL_TRACES_SAMPLER=always_off "
        "OTEL_PROPAGATORS=none OTEL_RESOURCE_ATTRIBUTES=a=e,b=e "
        "OTEL_EXPORTER_OTLP_HEADERS=broken OTEL_EXPORTER_OTLP_TIMEOUT=soon "
        "OTEL_EXPORTER_OTLP_COMPRESSION=zstd JAEGER_USER=u JAEGER_PASSWORD=p "
        "OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_PROTOCOL=grpc");
    assert_int_equal(MAKE("tracing-service=o", "tracing-disable=false",
                          "tracing-export=otlp.json+stdout:", "tracing-flush-interval=1s",
                          "tracing-sampler=const:1", "tracing-extract=jaeger",
                          "tracing-inject=none", "tracing-tag=a=o",
                          "tracing-export-header=X-Team: shop", "tracing-export-timeout=3s",
                          "tracing-export-gzip=true"),
                     0);
    assert_string_equal(logged, "");
    assert_answer("service", "o");
    assert_answer("disabled", "false");
    assert_answer("export", "otlp.json+stdout:");
    assert_answer("flush", "1000");
    assert_answer("sampler", "const 1");
    assert_answer("extract", "jaeger");
    assert_answer("inject", "-");
    assert_answer("tag.a", "o");
    assert_answer("tag.b", "e");
    /* And holds for every wire. */
    static const char *const wires[] = {"otlp", "zipkin", "jaeger"};
    for (unsigned i = 0; i < 3; i++) {
        static const char *const want[][2] = {
            {"headers", "X-Team: shop"}, {"timeout", "3000"}, {"gzip", "true"}, {"user", "-"}};
        for (unsigned k = 0; k < 4; k++) {
            char what[32];
            snprintf(what, sizeof(what), "%s.%s", wires[i], want[k][0]);
            assert_answer(what, want[k][1]);
        }
    }
}

static void each_exporter_has_what_is_for_its_wire(void **state) {
    (void)state;
    set_environment("OTEL_EXPORTER_OTLP_HEADERS=a=1 JAEGER_AUTH_TOKEN=t");
    assert_int_equal(MAKE("tracing-export=otlp+http://o", "tracing-export=otlp.json+http://o",
                          "tracing-export=zipkin+http://z", "tracing-export=jaeger+https://j"),
                     0);
    assert_ptr_equal(s.exporter[0].endpoint.http, &s.http[TRC_WIRE_OTLP]);
    assert_ptr_equal(s.exporter[1].endpoint.http, &s.http[TRC_WIRE_OTLP]);
    assert_ptr_equal(s.exporter[2].endpoint.http, &s.http[TRC_WIRE_ZIPKIN]);
    assert_ptr_equal(s.exporter[3].endpoint.http, &s.http[TRC_WIRE_JAEGER]);
    assert_null(s.exporter[2].endpoint.http->headers[0]);
    assert_null(s.exporter[2].endpoint.http->token);
    assert_null(s.exporter[3].endpoint.http->headers[0]);
}

/* However many there are to be room for, and whoever has used it up. */
static void an_endpoint_of_any_length_is_said(void **state) {
    (void)state;
    static const char *const variables[] = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "JAEGER_ENDPOINT", "JAEGER_AGENT_HOST"};
    static char url[9000];
    for (unsigned i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        for (unsigned len = 600; len < sizeof(url); len *= 2) {
            set_environment("OTEL_TRACES_EXPORTER=console,otlp,zipkin,jaeger");
            memset(url, 'x', len);
            memcpy(url, "http://h/", i < 4 ? 9 : 0);
            url[len] = '\0';
            setenv(variables[i], url, 1);
            logged[0] = '\0';
            assert_int_equal(MAKE(), 0);
            assert_int_equal(s.exporter_count, 4);
            const char *line = strstr(logged, variables[i]);
            assert_non_null(line);
            assert_non_null(strstr(line, "is ignored: the URL is longer than 511 bytes\n"));
        }
}

/* Whatever is wrong with it, what may be secret is in no line. */
static void no_secret_is_said(void **state) {
    (void)state;
    static const char *const environments[] = {
        "OTEL_EXPORTER_OTLP_HEADERS=authorization=hunter2,broken",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS=hunter2",
        "OTEL_EXPORTER_OTLP_ENDPOINT=ftp://u:hunter2@h",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://u:hunter2@h:port",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://u:hunter2/@h",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://h:x/?key=hunter2",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://u:hunter2@h:4317",
        "OTEL_TRACES_EXPORTER=zipkin OTEL_EXPORTER_ZIPKIN_ENDPOINT=http://u:hunter2@",
        "JAEGER_ENDPOINT=http://u:hunter2@h:port",
        "JAEGER_PASSWORD=hunter2",
        "OTEL_EXPORTER_OTLP_ENDPOINT=h/v1/traces?key=hunter2",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY=\"-----BEGIN PRIVATE KEY-----\nM/hunter2\"",
        "JAEGER_SAMPLING_ENDPOINT=http://u:hunter2@h",
        "OTEL_TRACES_SAMPLER=jaeger_remote OTEL_TRACES_SAMPLER_ARG=endpoint=http://u:hunter2@h",
    };
    for (unsigned i = 0; i < sizeof(environments) / sizeof(environments[0]); i++) {
        set_environment(environments[i]);
        logged[0] = '\0';
        assert_int_equal(MAKE(), 0);
        assert_non_null(strstr(logged, "environment variable"));
        if (strstr(logged, "hunter2"))
            fail_msg("%s", logged);
    }
}

/* --- Where from ------------------------------------------------------------------------------ */

static void assert_origin(enum trc_option option, unsigned n, const char *source,
                          const char *text) {
    for (unsigned i = 0; i < s.origin_count; i++) {
        if (s.origin[i].option != option || n-- > 0)
            continue;
        assert_string_equal(s.origin[i].source, source);
        assert_slice(s.origin[i].text, text);
        return;
    }
    fail_msg("%s has no such origin", trc_option_table[option].name);
}

static void each_value_knows_where_it_came_from(void **state) {
    (void)state;
    set_environment(
        "OTEL_TRACES_EXPORTER=console,zipkin OTEL_BSP_SCHEDULE_DELAY=250 "
        "OTEL_RESOURCE_ATTRIBUTES=a=x%20y,b=2 OTEL_EXPORTER_ZIPKIN_TIMEOUT=700 "
        "JAEGER_USER=u JAEGER_PASSWORD=p");
    assert_int_equal(MAKE("tracing-tag=b=1", "tracing-sampler=const:0"), 0);
    assert_origin(TRC_OPT_SERVICE, 0, "default", "shop");
    assert_origin(TRC_OPT_TAG, 0, "option", "b=1");
    assert_origin(TRC_OPT_TAG, 1, "OTEL_RESOURCE_ATTRIBUTES", "a=x y");
    assert_origin(TRC_OPT_SAMPLER, 0, "option", "const:0");
    assert_origin(TRC_OPT_EXPORT, 0, "OTEL_TRACES_EXPORTER", "otlp.json+stdout:");
    assert_origin(TRC_OPT_EXPORT, 1, "OTEL_TRACES_EXPORTER",
                  "zipkin+http://localhost:9411/api/v2/spans");
    assert_origin(TRC_OPT_FLUSH_INTERVAL, 0, "OTEL_BSP_SCHEDULE_DELAY", "250ms");
    assert_origin(TRC_OPT_EXPORT_TIMEOUT, 0, "OTEL_EXPORTER_ZIPKIN_TIMEOUT", "700ms");
    assert_origin(TRC_OPT_EXPORT_TIMEOUT, 1, "default", "10s"); /* for the others */
    assert_origin(TRC_OPT_EXPORT_HEADER, 0, "JAEGER_USER", "Authorization:");
    assert_origin(TRC_OPT_JOURNAL_SIZE, 0, "default", "1M");
}

static void there_is_room_for_every_origin(void **state) {
    (void)state;
    char text[64 * 8 + 1] = "";
    for (int i = 0; i < 64; i++)
        sprintf(text + strlen(text), "%sk%d=v", i ? "," : "", i);
    setenv("OTEL_RESOURCE_ATTRIBUTES", text, 1);
    setenv("JAEGER_TAGS", text, 1);
    char headers[33 * 8] = "";
    for (int i = 0; i < 32; i++)
        sprintf(headers + strlen(headers), "%sh%d=v", i ? "," : "", i);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", headers, 1);
    assert_int_equal(MAKE(), 0);
    assert_int_equal(s.tag_count, 64);
    assert_string_equal(s.http[TRC_WIRE_OTLP].headers[31], "h31: v");
    assert_true(s.origin_count < TRC_ORIGINS_MAX);
    assert_origin(TRC_OPT_TAG, 63, "OTEL_RESOURCE_ATTRIBUTES", "k63=v");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(each_line_of_the_table_comes_true),
        TEST(an_option_beats_the_environment),
        TEST(each_exporter_has_what_is_for_its_wire),
        TEST(an_endpoint_of_any_length_is_said),
        TEST(no_secret_is_said),
        TEST(each_value_knows_where_it_came_from),
        TEST(there_is_room_for_every_origin),
    };
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
