/* SPDX-License-Identifier: MIT
 *
 * Environment variables that say where spans go. An endpoint that cannot be used is said and passed
 * by here, so that what is handed on can.
 */
#include "environment.h"
#include "tracing/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- URLs ------------------------------------------------------------------------------------ */

static void put(struct trc_buf *out, const char *text) {
    trc_buf_put_slice(out, trc_slice_of(text));
}

static bool has_port(struct trc_slice authority) {
    const char *at = authority.len ? memrchr(authority.p, '@', authority.len) : NULL;
    const char *host = at ? at + 1 : authority.p, *end = authority.p + authority.len;
    const char *bracket =
        host < end && *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    if (bracket)
        host = bracket;
    return host < end && memchr(host, ':', (size_t)(end - host));
}

/* Takes the text since `start` back unless it is an export URL that can be used. */
static int settle(struct trc_buf *out, size_t start, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_exporter exporter;
    int rc = -EINVAL;
    if (out->overflow) /* the room is for all that can be used */
        snprintf(why, TRC_ERROR_TEXT_MAX, "the URL is longer than %zu bytes",
                 sizeof(exporter.url) - 1);
    else
        rc = trc_exporter_parse((struct trc_slice){out->p + start, out->len - start}, 65000,
                                &exporter, why);
    if (rc)
        trc_buf_rewind(out, start);
    return rc;
}

/* The export URL for an http or https one, in which no port means the scheme's. `more` is appended
 * to its path; NULL: the path is as it is, and an empty one is "/". */
static int put_url(struct trc_buf *out, const char *wire, const char *url, const char *more,
                   char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice rest = trc_slice_trim(trc_slice_of(url));
    size_t start = out->len;
    bool secure = rest.len >= 8 && strncasecmp(rest.p, "https://", 8) == 0;
    if (!secure && (rest.len < 7 || strncasecmp(rest.p, "http://", 7) != 0)) {
        snprintf(why, TRC_ERROR_TEXT_MAX, "not allowed (allowed: http:// or https:// and a host)");
        return -EINVAL;
    }
    rest = (struct trc_slice){rest.p + 7 + secure, rest.len - 7 - secure};
    size_t authority = strcspn(rest.p, "/?#"), before = strcspn(rest.p, "?#");
    if (authority > rest.len)
        authority = rest.len;
    if (before > rest.len)
        before = rest.len;
    struct trc_slice path = {rest.p + authority, before - authority};
    while (more && path.len > 0 && path.p[path.len - 1] == '/')
        path.len--;
    put(out, wire);
    put(out, secure ? "+https://" : "+http://");
    trc_buf_put(out, rest.p, authority);
    if (!has_port((struct trc_slice){rest.p, authority}))
        put(out, secure ? ":443" : ":80");
    trc_buf_put_slice(out, path);
    put(out, more ? more : path.len ? "" : "/");
    trc_buf_put(out, rest.p + before, rest.len - before);
    return settle(out, start, why);
}

/* --- OTLP ------------------------------------------------------------------------------------ */

/* What OTEL_EXPORTER_OTLP_PROTOCOL says, or http/protobuf. */
static const char *otlp_wire(void) {
    static const char *const variables[] = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                                            "OTEL_EXPORTER_OTLP_PROTOCOL"};
    for (unsigned i = 0; i < 2; i++) {
        const char *value = trc_environment_get(variables[i]);
        struct trc_slice s = trc_slice_trim(trc_slice_of(value));
        if (!value)
            continue;
        if (trc_environment_is(s, "http/protobuf"))
            return "otlp";
        if (trc_environment_is(s, "http/json"))
            return "otlp.json";
        trc_environment_ignored(variables[i],
                                trc_environment_is(s, "grpc")
                                    ? "gRPC is not spoken (allowed: http/protobuf, http/json)"
                                    : "not allowed (allowed: http/protobuf, http/json)");
    }
    return "otlp";
}

static int put_otlp_url(struct trc_buf *out, const char *variable, const char *url,
                        const char *more, char why[TRC_ERROR_TEXT_MAX]) {
    int rc = put_url(out, otlp_wire(), url, more, why);
    if (rc == 0 && strstr(url, ":4317"))
        trc_log(
            "environment variable %s: port 4317 is usually for gRPC, which is not spoken; OTLP "
            "over HTTP is usually at 4318",
            variable);
    return rc;
}

int trc_translate_otlp_traces_endpoint(const char *value, struct trc_buf *out,
                                       char why[TRC_ERROR_TEXT_MAX]) {
    return put_otlp_url(out, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", value, NULL, why);
}

int trc_translate_otlp_endpoint(const char *value, struct trc_buf *out,
                                char why[TRC_ERROR_TEXT_MAX]) {
    return put_otlp_url(out, "OTEL_EXPORTER_OTLP_ENDPOINT", value, "/v1/traces", why);
}

/* Asks variables in turn for a URL: the first that can be used, else the default. */
struct endpoint {
    const char *variable;
    trc_translate *translate;
};

static void put_endpoint(struct trc_buf *out, const struct endpoint *endpoints,
                         const char *initial) {
    char why[TRC_ERROR_TEXT_MAX];
    for (const struct endpoint *e = endpoints; e->variable; e++) {
        const char *value = trc_environment_get(e->variable);
        if (!value)
            continue;
        if (e->translate(value, out, why) == 0)
            return;
        trc_environment_ignored(e->variable, why);
    }
    put(out, initial);
}

static void put_otlp(struct trc_buf *out) {
    static const struct endpoint endpoints[] = {
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", trc_translate_otlp_traces_endpoint},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", trc_translate_otlp_endpoint},
        {NULL, NULL},
    };
    char why[TRC_ERROR_TEXT_MAX];
    size_t start = out->len;
    put_endpoint(out, endpoints, "");
    if (out->len == start)
        put_otlp_url(out, "", "http://localhost:4318", "/v1/traces", why);
}

/* --- Zipkin and Jaeger -------------------------------------------------------------------------
 */

static int zipkin_endpoint(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    return put_url(out, "zipkin", value, NULL, why);
}

static void put_zipkin(struct trc_buf *out) {
    static const struct endpoint endpoints[] = {
        {"OTEL_EXPORTER_ZIPKIN_ENDPOINT", zipkin_endpoint},
        {NULL, NULL},
    };
    put_endpoint(out, endpoints, "zipkin+http://localhost:9411/api/v2/spans");
}

int trc_translate_jaeger_endpoint(const char *value, struct trc_buf *out,
                                  char why[TRC_ERROR_TEXT_MAX]) {
    return put_url(out, "jaeger", value, NULL, why);
}

static int put_agent(struct trc_buf *out, const char *host, const char *port,
                     char why[TRC_ERROR_TEXT_MAX]) {
    size_t start = out->len;
    bool bare_v6 = strchr(host, ':') && host[0] != '[';
    put(out, "jaeger+udp://");
    put(out, bare_v6 ? "[" : "");
    put(out, host);
    put(out, bare_v6 ? "]:" : ":");
    put(out, port);
    return settle(out, start, why);
}

/* A port that is none costs no host: Kubernetes sets JAEGER_AGENT_PORT to tcp://10.0.0.1:6831
 * where there is a service called jaeger-agent (its "Service", "Environment variables"). */
int trc_translate_agent_host(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    const char *port = trc_environment_get("JAEGER_AGENT_PORT");
    size_t start = out->len;
    int rc = put_agent(out, value, "6831", why);
    if (rc || !port)
        return rc;
    trc_buf_rewind(out, start);
    if (put_agent(out, value, port, why) == 0)
        return 0;
    trc_environment_ignored("JAEGER_AGENT_PORT", why);
    return put_agent(out, value, "6831", why);
}

/* Of no host, or of one that has been passed by. */
int trc_translate_agent_port(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    return put_agent(out, "localhost", value, why);
}

static void put_jaeger(struct trc_buf *out) {
    static const struct endpoint endpoints[] = {
        {"JAEGER_ENDPOINT", trc_translate_jaeger_endpoint},
        {"JAEGER_AGENT_HOST", trc_translate_agent_host},
        {"JAEGER_AGENT_PORT", trc_translate_agent_port},
        {NULL, NULL},
    };
    put_endpoint(out, endpoints, "jaeger+udp://localhost:6831");
}

/* --- Which -------------------------------------------------------------------------------------
 */

static void put_console(struct trc_buf *out) {
    put(out, "otlp.json+stdout:");
}

static const struct {
    const char *name;
    void (*put)(struct trc_buf *out);
} exporters[] = {
    {"otlp", put_otlp},
    {"zipkin", put_zipkin},
    {"jaeger", put_jaeger},
    {"console", put_console},
};
#define EXPORTERS (sizeof(exporters) / sizeof(exporters[0]))

/* A list, each once, as the SDKs take it. One we do not have is said, and the others hold. */
int trc_translate_exporters(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice rest = trc_slice_of(value), item;
    bool given[EXPORTERS] = {false}, none = false, unknown = false;
    while (trc_slice_next(&rest, ',', &item)) {
        unsigned i = 0;
        while (i < EXPORTERS && !trc_environment_is(item, exporters[i].name))
            i++;
        if (i < EXPORTERS && !given[i]) {
            put(out, out->len ? "\n" : "");
            exporters[i].put(out);
            given[i] = true;
        }
        none |= trc_environment_is(item, "none");
        unknown |= i == EXPORTERS && !trc_environment_is(item, "none");
    }
    snprintf(why, TRC_ERROR_TEXT_MAX,
             "not supported (supported: otlp, zipkin, jaeger, console, none)");
    if (unknown && (out->len || none))
        trc_environment_ignored_in_part("OTEL_TRACES_EXPORTER", why);
    if (out->len == 0 && none)
        put(out, "none");
    return out->len ? 0 : -EINVAL;
}

/* --- What goes with it ---------------------------------------------------------------------------
 */

struct header_lines {
    struct trc_buf *out;
    unsigned count;
    bool wrong;
};

static void add_header(void *to, struct trc_slice name, struct trc_slice value) {
    struct header_lines *lines = to;
    struct trc_buf *out = lines->out;
    put(out, lines->count++ ? "\n" : "");
    size_t start = out->len;
    trc_buf_put_slice(out, name);
    put(out, ": ");
    trc_buf_put_slice(out, value);
    lines->wrong |= out->overflow || lines->count > TRC_HTTP_HEADERS_MAX ||
                    !trc_settings_is_header((struct trc_slice){out->p + start, out->len - start});
}

int trc_translate_headers(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct header_lines lines = {out, 0, false};
    snprintf(why, TRC_ERROR_TEXT_MAX, "malformed (allowed: at most %d of name=value,...)",
             TRC_HTTP_HEADERS_MAX);
    int rc = trc_environment_pairs(value, true, add_header, &lines);
    return rc == 0 && (lines.wrong || !lines.count) ? -EINVAL : rc;
}

int trc_translate_compression(const char *value, struct trc_buf *out,
                              char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice s = trc_slice_trim(trc_slice_of(value));
    snprintf(why, TRC_ERROR_TEXT_MAX, "not allowed (allowed: gzip, none)");
    if (!trc_environment_is(s, "gzip") && !trc_environment_is(s, "none"))
        return -EINVAL;
    put(out, trc_environment_is(s, "gzip") ? "true" : "false");
    return 0;
}

/* Basic beats Bearer, as in jaeger-client-java (Configuration, SenderConfiguration). */
const char *trc_environment_credentials(struct trc_http_config *http) {
    const char *user = trc_environment_get("JAEGER_USER");
    const char *password = trc_environment_get("JAEGER_PASSWORD");
    const char *token = trc_environment_get("JAEGER_AUTH_TOKEN");
    if (user && password) {
        http->user = user;
        http->password = password;
        return "JAEGER_USER";
    }
    if (user)
        trc_environment_ignored("JAEGER_USER", "JAEGER_PASSWORD is not set");
    if (password)
        trc_environment_ignored("JAEGER_PASSWORD", "JAEGER_USER is not set");
    http->token = token;
    return token ? "JAEGER_AUTH_TOKEN" : NULL;
}
