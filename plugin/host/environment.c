/* SPDX-License-Identifier: MIT
 *
 * The environment variables. Sources: OpenTelemetry specification,
 * configuration/sdk-environment-variables.md and protocol/exporter.md; Jaeger's clients' READMEs
 * (jaeger-client-go, "Environment variables"; the others agree where they have the same one).
 */
#include "environment.h"
#include "tracing/percent.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

const char *environment_get(const char *variable) {
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

/* The next item of a comma-separated list, trimmed; false at the end. */
static bool next_item(struct trc_slice *rest, struct trc_slice *item) {
    if (!rest->p)
        return false;
    const char *comma = rest->len ? memchr(rest->p, ',', rest->len) : NULL;
    size_t len = comma ? (size_t)(comma - rest->p) : rest->len;
    *item = trc_slice_trim((struct trc_slice){rest->p, len});
    *rest = comma ? (struct trc_slice){comma + 1, rest->len - len - 1} : (struct trc_slice){0};
    return true;
}

static bool is(struct trc_slice s, const char *word) {
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

static int copy(const char *value, struct trc_buf *out) {
    trc_buf_put_slice(out, trc_slice_of(value));
    return 0;
}

/* Only "true", in any case, is true; anything else is false, with a warning unless it is "false".
 */
static int boolean(const char *value, struct trc_buf *out) {
    if (strcasecmp(value, "true") == 0)
        return copy("true", out);
    return strcasecmp(value, "false") == 0 ? copy("false", out) : -EINVAL;
}

static int milliseconds(const char *value, struct trc_buf *out) {
    copy(value, out);
    trc_buf_put_slice(out, TRC_SLICE("ms"));
    return 0;
}

/* Go's client takes "1s", the others milliseconds. */
static int duration(const char *value, struct trc_buf *out) {
    char last = value[strlen(value) - 1];
    return last >= '0' && last <= '9' ? milliseconds(value, out) : copy(value, out);
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

static int service_of_resource(const char *value, struct trc_buf *out) {
    struct service_search search = {out, false};
    if (environment_pairs(value, true, find_service, &search))
        return -ENOENT; /* malformed: said once, where the tags are read */
    return search.found ? 0 : -ENOENT;
}

static int agent(const char *value, struct trc_buf *out) {
    (void)value; /* either variable alone is enough, so both are read here */
    const char *host = environment_get("JAEGER_AGENT_HOST");
    const char *port = environment_get("JAEGER_AGENT_PORT");
    bool bare_v6 = host && strchr(host, ':') && host[0] != '[';
    trc_buf_put_slice(out, TRC_SLICE("jaeger+udp://"));
    trc_buf_put_slice(out, trc_slice_of(bare_v6 ? "[" : ""));
    trc_buf_put_slice(out, trc_slice_of(host ? host : "localhost"));
    trc_buf_put_slice(out, trc_slice_of(bare_v6 ? "]:" : ":"));
    trc_buf_put_slice(out, trc_slice_of(port ? port : "6831"));
    return 0;
}

static int exporter(const char *value, struct trc_buf *out) {
    struct trc_slice s = trc_slice_trim(trc_slice_of(value));
    if (is(s, "none"))
        return copy("none", out);
    if (is(s, "console"))
        return copy("otlp.json+stdout:", out);
    if (is(s, "jaeger"))
        return agent(value, out);
    return -EINVAL;
}

/* Parent-based or not makes no difference here: this plugin always keeps a caller's decision. */
static int otel_sampler(const char *value, struct trc_buf *out) {
    static const char parent[] = "parentbased_";
    struct trc_slice s = trc_slice_trim(trc_slice_of(value));
    if (s.len >= sizeof(parent) && strncasecmp(s.p, parent, sizeof(parent) - 1) == 0)
        s = (struct trc_slice){s.p + sizeof(parent) - 1, s.len - (sizeof(parent) - 1)};
    if (is(s, "always_on"))
        return copy("const:1", out);
    if (is(s, "always_off"))
        return copy("const:0", out);
    if (!is(s, "traceidratio"))
        return -EINVAL;
    const char *ratio = environment_get("OTEL_TRACES_SAMPLER_ARG");
    copy("probabilistic:", out);
    return copy(ratio ? ratio : "1", out);
}

static int jaeger_sampler(const char *value, struct trc_buf *out) {
    const char *param = environment_get("JAEGER_SAMPLER_PARAM");
    copy(value, out);
    copy(":", out);
    copy(param ? param : "1", out);
    return 0;
}

/* The name that tracing-extract has for an item, or NULL. */
static const char *format_name(struct trc_slice item) {
    if (is(item, "w3c")) /* what Jaeger's clients call it */
        item = TRC_SLICE("tracecontext");
    for (unsigned i = 0; trc_formats[i]; i++)
        if (is(item, trc_formats[i]->name))
            return trc_formats[i]->name;
    return is(item, "none") ? "none" : NULL;
}

/* Formats we do not have are left out: the rest of the list still means what it says. */
static int propagators(const char *value, struct trc_buf *out) {
    struct trc_slice rest = trc_slice_of(value), item;
    while (next_item(&rest, &item)) {
        const char *name = format_name(item);
        if (!name)
            continue;
        if (out->len)
            copy(",", out);
        copy(name, out);
    }
    return out->len ? 0 : -EINVAL;
}

static int semconv(const char *value, struct trc_buf *out) {
    struct trc_slice rest = trc_slice_of(value), item;
    const char *found = NULL;
    while (next_item(&rest, &item)) {
        if (is(item, "http/dup"))
            found = "http/dup";
        else if (is(item, "http") && !found)
            found = "http";
    }
    return found ? copy(found, out) : -ENOENT; /* other words are for other instrumentations */
}

const struct environment_source environment_sources[] = {
    {TRC_OPT_SERVICE, "OTEL_SERVICE_NAME", copy},
    {TRC_OPT_SERVICE, "OTEL_RESOURCE_ATTRIBUTES", service_of_resource},
    {TRC_OPT_SERVICE, "JAEGER_SERVICE_NAME", copy},
    {TRC_OPT_SERVICE, "SERVICE_NAME", copy},
    {TRC_OPT_DISABLE, "OTEL_SDK_DISABLED", boolean},
    {TRC_OPT_DISABLE, "JAEGER_DISABLED", boolean},
    {TRC_OPT_EXPORT, "OTEL_TRACES_EXPORTER", exporter},
    {TRC_OPT_EXPORT, "JAEGER_AGENT_HOST", agent},
    {TRC_OPT_EXPORT, "JAEGER_AGENT_PORT", agent},
    {TRC_OPT_FLUSH_INTERVAL, "OTEL_BSP_SCHEDULE_DELAY", milliseconds},
    {TRC_OPT_FLUSH_INTERVAL, "JAEGER_REPORTER_FLUSH_INTERVAL", duration},
    {TRC_OPT_SAMPLER, "OTEL_TRACES_SAMPLER", otel_sampler},
    {TRC_OPT_SAMPLER, "JAEGER_SAMPLER_TYPE", jaeger_sampler},
    {TRC_OPT_EXTRACT, "OTEL_PROPAGATORS", propagators},
    {TRC_OPT_EXTRACT, "JAEGER_PROPAGATION", propagators},
    {TRC_OPT_INJECT, "OTEL_PROPAGATORS", propagators},
    {TRC_OPT_INJECT, "JAEGER_PROPAGATION", propagators},
    {TRC_OPT_SEMCONV, "OTEL_SEMCONV_STABILITY_OPT_IN", semconv},
    {TRC_OPT_COUNT, NULL, NULL},
};

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
    const char *set = environment_get(name);
    return set ? trc_slice_of(set) : fallback;
}

static int decode(struct trc_slice value, struct trc_slice *out) {
    if (!value.len || !memchr(value.p, '%', value.len)) {
        *out = value;
        return 0;
    }
    char *text = malloc(value.len);
    struct trc_buf b = trc_buf_over(text, text ? value.len : 0);
    if (trc_percent_decode(&b, value, false) || b.overflow) {
        free(text);
        return -EINVAL;
    }
    *out = trc_buf_slice(&b);
    return 0;
}

int environment_pairs(const char *list, bool percent,
                      void (*add)(void *to, struct trc_slice key, struct trc_slice value),
                      void *to) {
    struct trc_slice key[TRC_TAGS_MAX], value[TRC_TAGS_MAX], rest = trc_slice_of(list), item;
    unsigned count = 0;
    while (next_item(&rest, &item)) {
        if (item.len == 0)
            continue;
        if (count == TRC_TAGS_MAX || !split(item, &key[count], &value[count]))
            return -EINVAL;
        if (percent && (decode(key[count], &key[count]) || decode(value[count], &value[count])))
            return -EINVAL;
        if (!percent)
            value[count] = expand(value[count]);
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        add(to, key[i], value[i]);
    return 0;
}
