/* SPDX-License-Identifier: MIT
 *
 * The environment variables. Sources: OpenTelemetry specification,
 * configuration/sdk-environment-variables.md and protocol/exporter.md; Jaeger's clients' READMEs
 * (jaeger-client-go, "Environment variables"; the others agree where they have the same one).
 */
#include "environment.h"
#include "tracing/log.h"
#include "tracing/percent.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *trc_environment_get(const char *variable) {
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

static bool is_secret(const char *variable) {
    return strstr(variable, "_HEADERS") || strstr(variable, "_PASSWORD") ||
           strstr(variable, "_TOKEN");
}

static void tell(const char *variable, const char *how, const char *why) {
    char shown[161];
    trc_settings_show(TRC_OPT_EXPORT, trc_slice_of(trc_environment_get(variable)), shown,
                      sizeof(shown)); /* as a URL, if it is one */
    bool secret = is_secret(variable);
    trc_log("environment variable %s%s%s is %s: %s", variable, secret ? "" : "=",
            secret ? "" : shown, how, why);
}

void trc_environment_ignored(const char *variable, const char *why) {
    tell(variable, "ignored", why);
}

void trc_environment_ignored_in_part(const char *variable, const char *why) {
    tell(variable, "ignored in part", why);
}

bool trc_environment_is(struct trc_slice s, const char *word) {
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

int trc_translate_copy(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    trc_buf_put_slice(out, trc_slice_of(value));
    return 0;
}

/* Only "true", in any case, is true; anything else is false, with a warning unless it is "false".
 */
static int boolean(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice s = trc_slice_trim(trc_slice_of(value));
    bool truth = trc_environment_is(s, "true");
    snprintf(why, TRC_ERROR_TEXT_MAX, "not allowed (allowed: true, false)");
    if (!truth && !trc_environment_is(s, "false"))
        return -EINVAL;
    return trc_translate_copy(truth ? "true" : "false", out, why);
}

/* What jaeger-client-go (config_env.go) reads with strconv.ParseBool. */
static int jaeger_boolean(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice s = trc_slice_trim(trc_slice_of(value));
    if (trc_environment_is(s, "1") || trc_environment_is(s, "t"))
        return boolean("true", out, why);
    if (trc_environment_is(s, "0") || trc_environment_is(s, "f"))
        return boolean("false", out, why);
    return boolean(value, out, why);
}

int trc_translate_ms(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    trc_buf_put_slice(out, trc_slice_trim(trc_slice_of(value)));
    trc_buf_put_slice(out, TRC_SLICE("ms"));
    return 0;
}

int trc_translate_duration(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    char last = value[strlen(value) - 1];
    return last >= '0' && last <= '9' ? trc_translate_ms(value, out, why)
                                      : trc_translate_copy(value, out, why);
}

struct service_search {
    struct trc_buf *out;
    bool found;
};

static void find_service(void *to, struct trc_slice key, struct trc_slice value) {
    struct service_search *search = to;
    if (trc_slice_equal(key, TRC_SLICE("service.name")) && value.len && !search->found) {
        trc_buf_put_slice(search->out, value);
        search->found = true;
    }
}

static int service_of_resource(const char *value, struct trc_buf *out,
                               char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    struct service_search search = {out, false};
    if (trc_environment_pairs(value, true, find_service, &search) == -ENOMEM)
        return -ENOMEM;
    return search.found ? 0 : -ENOENT; /* malformed: said once, where the tags are read */
}

#define OTLP (1u << TRC_WIRE_OTLP)
#define ZIPKIN (1u << TRC_WIRE_ZIPKIN)

/* clang-format off */
const struct trc_environment_source trc_environment_sources[] = {
    {TRC_OPT_SERVICE, "OTEL_SERVICE_NAME", trc_translate_copy, 0},
    {TRC_OPT_SERVICE, "OTEL_RESOURCE_ATTRIBUTES", service_of_resource, 0},
    {TRC_OPT_SERVICE, "JAEGER_SERVICE_NAME", trc_translate_copy, 0},
    {TRC_OPT_SERVICE, "SERVICE_NAME", trc_translate_copy, 0},
    {TRC_OPT_DISABLE, "OTEL_SDK_DISABLED", boolean, 0},
    {TRC_OPT_DISABLE, "JAEGER_DISABLED", jaeger_boolean, 0},
    {TRC_OPT_EXPORT, "OTEL_TRACES_EXPORTER", trc_translate_exporters, 0},
    {TRC_OPT_EXPORT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", trc_translate_otlp_traces_endpoint, 0},
    {TRC_OPT_EXPORT, "OTEL_EXPORTER_OTLP_ENDPOINT", trc_translate_otlp_endpoint, 0},
    {TRC_OPT_EXPORT, "JAEGER_ENDPOINT", trc_translate_jaeger_endpoint, 0},
    {TRC_OPT_EXPORT, "JAEGER_AGENT_HOST", trc_translate_agent_host, 0},
    {TRC_OPT_EXPORT, "JAEGER_AGENT_PORT", trc_translate_agent_port, 0},
    {TRC_OPT_EXPORT_HEADER, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", trc_translate_headers, OTLP},
    {TRC_OPT_EXPORT_HEADER, "OTEL_EXPORTER_OTLP_HEADERS", trc_translate_headers, OTLP},
    {TRC_OPT_EXPORT_TIMEOUT, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", trc_translate_ms, OTLP},
    {TRC_OPT_EXPORT_TIMEOUT, "OTEL_EXPORTER_OTLP_TIMEOUT", trc_translate_ms, OTLP},
    {TRC_OPT_EXPORT_TIMEOUT, "OTEL_EXPORTER_ZIPKIN_TIMEOUT", trc_translate_ms, ZIPKIN},
    {TRC_OPT_EXPORT_CA, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", trc_translate_copy, OTLP},
    {TRC_OPT_EXPORT_CA, "OTEL_EXPORTER_OTLP_CERTIFICATE", trc_translate_copy, OTLP},
    {TRC_OPT_EXPORT_CERT, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", trc_translate_copy, OTLP},
    {TRC_OPT_EXPORT_CERT, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", trc_translate_copy, OTLP},
    {TRC_OPT_EXPORT_KEY, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", trc_translate_copy, OTLP},
    {TRC_OPT_EXPORT_KEY, "OTEL_EXPORTER_OTLP_CLIENT_KEY", trc_translate_copy, OTLP},
    {TRC_OPT_EXPORT_GZIP, "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", trc_translate_compression, OTLP},
    {TRC_OPT_EXPORT_GZIP, "OTEL_EXPORTER_OTLP_COMPRESSION", trc_translate_compression, OTLP},
    {TRC_OPT_FLUSH_INTERVAL, "OTEL_BSP_SCHEDULE_DELAY", trc_translate_ms, 0},
    {TRC_OPT_FLUSH_INTERVAL, "JAEGER_REPORTER_FLUSH_INTERVAL", trc_translate_duration, 0},
    {TRC_OPT_SAMPLER, "OTEL_TRACES_SAMPLER", trc_translate_otel_sampler, 0},
    {TRC_OPT_SAMPLER, "JAEGER_SAMPLER_TYPE", trc_translate_jaeger_sampler, 0},
    {TRC_OPT_SAMPLER, "JAEGER_SAMPLING_ENDPOINT", trc_translate_jaeger_sampling, 0},
    {TRC_OPT_SAMPLER, "JAEGER_SAMPLER_MANAGER_HOST_PORT", trc_translate_jaeger_sampling, 0},
    {TRC_OPT_EXTRACT, "OTEL_PROPAGATORS", trc_translate_otel_extract, 0},
    {TRC_OPT_EXTRACT, "JAEGER_PROPAGATION", trc_translate_jaeger_extract, 0},
    {TRC_OPT_INJECT, "OTEL_PROPAGATORS", trc_translate_otel_inject, 0},
    {TRC_OPT_INJECT, "JAEGER_PROPAGATION", trc_translate_jaeger_inject, 0},
    {TRC_OPT_CAPTURE_REQUEST, "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
     trc_translate_capture, 0},
    {TRC_OPT_CAPTURE_RESPONSE, "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
     trc_translate_capture, 0},
    {TRC_OPT_SEMCONV, "OTEL_SEMCONV_STABILITY_OPT_IN", trc_translate_semconv, 0},
    {TRC_OPT_COUNT, NULL, NULL, 0},
};
/* clang-format on */

/* --- Lists of pairs ------------------------------------------------------------------------- */

static bool split(struct trc_slice item, struct trc_slice *key, struct trc_slice *value) {
    const char *eq = item.len ? memchr(item.p, '=', item.len) : NULL;
    if (!eq)
        return false;
    *key = trc_slice_trim((struct trc_slice){item.p, (size_t)(eq - item.p)});
    *value = trc_slice_trim((struct trc_slice){eq + 1, item.len - (size_t)(eq - item.p) - 1});
    return key->len > 0;
}

/* Replaces a whole value of the form ${NAME:default}, as Jaeger's clients do. */
static struct trc_slice expand(struct trc_slice value) {
    char name[128];
    if (value.len < 4 || value.p[0] != '$' || value.p[1] != '{' || value.p[value.len - 1] != '}')
        return value;
    struct trc_slice inner = {value.p + 2, value.len - 3}, fallback = TRC_SLICE("");
    const char *colon = memchr(inner.p, ':', inner.len);
    if (colon) {
        fallback = (struct trc_slice){colon + 1, inner.len - (size_t)(colon - inner.p) - 1};
        inner.len = (size_t)(colon - inner.p);
    }
    if (inner.len == 0 || inner.len >= sizeof(name))
        return value;
    memcpy(name, inner.p, inner.len);
    name[inner.len] = '\0';
    const char *set = trc_environment_get(name);
    return set ? trc_slice_of(set) : fallback;
}

static int decode(struct trc_slice value, struct trc_slice *out) {
    if (!value.len || !memchr(value.p, '%', value.len)) {
        *out = value;
        return 0;
    }
    char *text = malloc(value.len);
    struct trc_buf b = trc_buf_over(text, value.len);
    if (!text)
        return -ENOMEM;
    if (trc_percent_decode(&b, value, false) || b.overflow) {
        free(text);
        return -EINVAL;
    }
    *out = trc_buf_slice(&b);
    return 0;
}

int trc_environment_pairs(const char *list, bool percent,
                          void (*add)(void *to, struct trc_slice key, struct trc_slice value),
                          void *to) {
    struct trc_slice key[TRC_TAGS_MAX], value[TRC_TAGS_MAX], rest = trc_slice_of(list), item;
    unsigned count = 0;
    while (trc_slice_next(&rest, ',', &item)) {
        if (item.len == 0)
            continue;
        if (count == TRC_TAGS_MAX || !split(item, &key[count], &value[count]))
            return -EINVAL;
        int rc = percent ? decode(key[count], &key[count]) : 0;
        if (rc == 0 && percent)
            rc = decode(value[count], &value[count]);
        if (rc)
            return rc;
        if (!percent)
            value[count] = expand(value[count]);
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        add(to, key[i], value[i]);
    return 0;
}
