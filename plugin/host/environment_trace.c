/* SPDX-License-Identifier: MIT
 *
 * Environment variables that say what is traced and how contexts travel: samplers, propagators,
 * names of tags.
 */
#include "environment.h"
#include "tracing/log.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

static void put(struct trc_buf *out, const char *text) {
    trc_buf_put_slice(out, trc_slice_of(text));
}

/* --- Samplers ----------------------------------------------------------------------------------
 */

static bool is_sampler(const struct trc_buf *text) {
    struct trc_sampler sampler;
    return !text->overflow && trc_sampler_parse(trc_buf_slice(text), &sampler) == 0;
}

/* Appends before + value, unless the sampler would not be one then. */
static bool put_part(struct trc_buf *out, const char *before, struct trc_slice value,
                     const char *after) {
    size_t start = out->len;
    put(out, before);
    trc_buf_put_slice(out, value);
    put(out, after);
    if (is_sampler(out))
        return true;
    trc_buf_rewind(out, start);
    return false;
}

/* endpoint=URL,pollingIntervalMs=N,initialSamplingRate=P, in any order. What is wrong makes all of
 * it count as not set (sdk-environment-variables.md, OTEL_TRACES_SAMPLER_ARG). */
static bool put_remote_arguments(struct trc_buf *out, const char *list) {
    static const struct {
        const char *key, *before, *after;
    } parts[] = {
        {"endpoint", ":", ""}, /* first: it stands before the others in our text */
        {"pollingIntervalMs", " interval=", "ms"},
        {"initialSamplingRate", " initial=", ""},
    };
    unsigned found = 0, items = 0;
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct trc_slice rest = trc_slice_of(list), item;
        for (items = 0; trc_slice_next(&rest, ',', &item); items++) {
            struct trc_slice value = item, key;
            if (!trc_slice_next(&value, '=', &key) || !trc_environment_is(key, parts[i].key))
                continue;
            if (!put_part(out, parts[i].before, trc_slice_trim(value), parts[i].after))
                return false;
            found++;
        }
    }
    return found == items;
}

static int otel_remote(struct trc_buf *out) {
    static const char variable[] = "OTEL_TRACES_SAMPLER_ARG";
    const char *list = trc_environment_get(variable);
    put(out, "remote");
    size_t start = out->len;
    if (list && !put_remote_arguments(out, list)) {
        trc_buf_rewind(out, start);
        trc_environment_ignored(variable,
                                "not allowed (allowed: endpoint=http://host:port/path,"
                                "pollingIntervalMs=N,initialSamplingRate=0..1)");
    } else if (list && strstr(list, ":14250")) {
        trc_log(
            "environment variable %s: port 14250 is usually for gRPC, which is not spoken; "
            "strategies are asked for by HTTP, usually at http://host:5778/sampling",
            variable);
    }
    return 0;
}

static int otel_ratio(struct trc_buf *out) {
    const char *ratio = trc_environment_get("OTEL_TRACES_SAMPLER_ARG");
    if (ratio && put_part(out, "probabilistic:", trc_slice_trim(trc_slice_of(ratio)), ""))
        return 0;
    if (ratio)
        trc_environment_ignored("OTEL_TRACES_SAMPLER_ARG", "not allowed (allowed: 0..1)");
    put(out, "probabilistic:1");
    return 0;
}

/* Parent-based or not makes no difference here: this plugin always keeps a caller's decision. */
int trc_translate_otel_sampler(const char *value, struct trc_buf *out,
                               char why[TRC_ERROR_TEXT_MAX]) {
    static const char parent[] = "parentbased_";
    struct trc_slice s = trc_slice_trim(trc_slice_of(value));
    (void)why;
    if (s.len >= sizeof(parent) && strncasecmp(s.p, parent, sizeof(parent) - 1) == 0)
        s = (struct trc_slice){s.p + sizeof(parent) - 1, s.len - (sizeof(parent) - 1)};
    if (trc_environment_is(s, "traceidratio"))
        return otel_ratio(out);
    if (trc_environment_is(s, "jaeger_remote"))
        return otel_remote(out);
    if (!trc_environment_is(s, "always_on") && !trc_environment_is(s, "always_off"))
        return -EINVAL;
    put(out, trc_environment_is(s, "always_on") ? "const:1" : "const:0");
    return 0;
}

/* Appends a variable's value to the sampler, or says that it is ignored. */
static bool put_variable(struct trc_buf *out, const char *variable, const char *before,
                         const char *after) {
    const char *value = trc_environment_get(variable);
    if (!value)
        return false;
    if (put_part(out, before, trc_slice_trim(trc_slice_of(value)), after))
        return true;
    trc_environment_ignored(variable, "not allowed (allowed: " TRC_SAMPLER_ALLOWED ")");
    return false;
}

static bool has_scheme(const char *url) {
    return url && strstr(url, "://");
}

/* Where to ask, in jaeger-client-go's order of precedence (config_env.go): its manager's host and
 * port is a URL, that of the others is none; an agent's host means its sampling port. */
static void put_sampling_url(struct trc_buf *out) {
    const char *manager = trc_environment_get("JAEGER_SAMPLER_MANAGER_HOST_PORT");
    const char *host = trc_environment_get("JAEGER_AGENT_HOST");
    bool bare_v6 = host && strchr(host, ':') && host[0] != '[';
    if (put_variable(out, "JAEGER_SAMPLING_ENDPOINT", ":", "") ||
        put_variable(out, "JAEGER_SAMPLER_MANAGER_HOST_PORT",
                     has_scheme(manager) ? ":" : ":http://",
                     has_scheme(manager) ? "" : "/sampling"))
        return;
    put_variable(out, "JAEGER_AGENT_HOST", bare_v6 ? ":http://[" : ":http://",
                 bare_v6 ? "]:5778/sampling" : ":5778/sampling");
}

int trc_translate_jaeger_sampling(const char *value, struct trc_buf *out,
                                  char why[TRC_ERROR_TEXT_MAX]) {
    (void)value, (void)why;
    const char *interval = trc_environment_get("JAEGER_SAMPLER_REFRESH_INTERVAL");
    bool bare = interval && isdigit((unsigned char)interval[strlen(interval) - 1]);
    put(out, "remote");
    put_sampling_url(out);
    put_variable(out, "JAEGER_SAMPLER_REFRESH_INTERVAL", " interval=", bare ? "ms" : "");
    put_variable(out, "JAEGER_SAMPLER_PARAM", " initial=", "");
    return 0;
}

int trc_translate_jaeger_sampler(const char *value, struct trc_buf *out,
                                 char why[TRC_ERROR_TEXT_MAX]) {
    const char *param = trc_environment_get("JAEGER_SAMPLER_PARAM");
    struct trc_slice type = trc_slice_trim(trc_slice_of(value));
    if (trc_environment_is(type, "remote"))
        return trc_translate_jaeger_sampling(value, out, why);
    for (size_t i = 0; i < type.len; i++)
        trc_buf_put_byte(out, (uint8_t)tolower((unsigned char)type.p[i]));
    put(out, ":");
    put(out, param ? param : "1");
    return 0;
}

/* --- Propagators -------------------------------------------------------------------------------
 */

/* What a word means: `as` of OpenTelemetry's, or of Jaeger's, to be read or to be written. */
struct vocabulary {
    const char *variable; /* whose unknown words are said; NULL: they have been */
    struct {
        const char *word, *formats;
    } as[3];
};

/* api-propagators.md, "B3 Requirements": either form is read, the single one first. */
static const struct vocabulary otel_extract = {"OTEL_PROPAGATORS",
                                               {{"b3", "b3,b3multi"}, {"b3multi", "b3,b3multi"}}};
static const struct vocabulary otel_inject = {NULL, {{NULL, NULL}}};

/* jaeger-client-java's b3 is the form of several headers (B3TextMapCodec), its w3c traceparent. */
static const struct vocabulary jaeger_extract = {"JAEGER_PROPAGATION",
                                                 {{"b3", "b3,b3multi"}, {"w3c", "tracecontext"}}};
static const struct vocabulary jaeger_inject = {NULL, {{"b3", "b3multi"}, {"w3c", "tracecontext"}}};

/* The formats that an item stands for, as tracing-extract calls them, or NULL. */
static const char *formats_of(const struct vocabulary *v, struct trc_slice item) {
    for (unsigned i = 0; v->as[i].word; i++)
        if (trc_environment_is(item, v->as[i].word))
            return v->as[i].formats;
    for (unsigned i = 0; trc_formats[i]; i++)
        if (trc_environment_is(item, trc_formats[i]->name))
            return trc_formats[i]->name;
    return trc_environment_is(item, "none") ? "none" : NULL;
}

/* Formats we do not have are left out: the rest of the list still means what it says. */
static int propagators(const struct vocabulary *v, const char *value, struct trc_buf *out) {
    struct trc_slice rest = trc_slice_of(value), item;
    bool unknown = false;
    while (trc_slice_next(&rest, ',', &item)) {
        const char *names = formats_of(v, item);
        unknown |= !names;
        if (!names)
            continue;
        put(out, out->len ? "," : "");
        put(out, names);
    }
    if (unknown && v->variable)
        (out->len ? trc_environment_ignored_in_part : trc_environment_ignored)(v->variable,
                                                                               "not supported");
    return out->len ? 0 : -ENOENT;
}

int trc_translate_otel_extract(const char *value, struct trc_buf *out,
                               char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    return propagators(&otel_extract, value, out);
}

int trc_translate_otel_inject(const char *value, struct trc_buf *out,
                              char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    return propagators(&otel_inject, value, out);
}

int trc_translate_jaeger_extract(const char *value, struct trc_buf *out,
                                 char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    return propagators(&jaeger_extract, value, out);
}

int trc_translate_jaeger_inject(const char *value, struct trc_buf *out,
                                char why[TRC_ERROR_TEXT_MAX]) {
    (void)why;
    return propagators(&jaeger_inject, value, out);
}

/* --- The rest ----------------------------------------------------------------------------------
 */

int trc_translate_semconv(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice rest = trc_slice_of(value), item;
    const char *found = NULL;
    (void)why;
    while (trc_slice_next(&rest, ',', &item)) {
        if (trc_environment_is(item, "http/dup"))
            found = "http/dup";
        else if (trc_environment_is(item, "http") && !found)
            found = "http";
    }
    if (!found)
        return -ENOENT; /* other words are for other instrumentations */
    put(out, found);
    return 0;
}

/* Each name must be one: OpenTelemetry Python also takes regular expressions. */
int trc_translate_capture(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice rest = trc_slice_of(value), item;
    unsigned count = 0;
    while (trc_slice_next(&rest, ',', &item)) {
        if (!trc_capture_is_name(item) || count == TRC_CAPTURES_MAX) {
            strcpy(why, "not supported (allowed: up to 16 names of headers, separated by commas)");
            return -EINVAL;
        }
        if (count++)
            trc_buf_put_byte(out, '\n');
        trc_buf_put_slice(out, item);
    }
    return 0;
}

/* Every peer that has a 64-bit id reads one of 128, too. */
void trc_environment_mention(void) {
    const char *value = trc_environment_get("JAEGER_TRACEID_128BIT");
    if (value && !trc_environment_is(trc_slice_trim(trc_slice_of(value)), "true"))
        trc_environment_ignored("JAEGER_TRACEID_128BIT", "ids of new traces have 128 bits");
}
