/* SPDX-License-Identifier: MIT
 *
 * Options over environment over defaults. Each setting has one function that reads its text,
 * whoever wrote that text: an option, the translation of an environment variable, or the default.
 */
#include "environment.h"
#include "tracing/clock.h"
#include "tracing/journal.h"
#include "tracing/log.h"
#include "tracing/values.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

_Static_assert(TRC_TAGS_MAX <= TRC_OPTION_VALUES_MAX, "every tag can be given");

/* While settings are made. `why` says what is wrong with a refused value and what is allowed. */
struct maker {
    struct trc_settings *out;
    bool semconv_set;
    enum trc_semconv semconv;
    char why[TRC_ERROR_TEXT_MAX];
};

static int refuse(struct maker *m, const char *allowed) {
    snprintf(m->why, sizeof(m->why), "not allowed (allowed: %s)", allowed);
    return -EINVAL;
}

/* --- One function for each setting ----------------------------------------------------------- */

static int set_service(struct maker *m, struct trc_slice text) {
    if (text.len == 0 || text.len > 255)
        return refuse(m, "1 to 255 bytes");
    m->out->service = text;
    return 0;
}

static int add_tag(struct maker *m, struct trc_slice key, struct trc_slice value) {
    struct trc_settings *s = m->out;
    for (unsigned i = 0; i < s->tag_count; i++)
        if (trc_slice_equal(s->tag[i].key, key))
            return 0; /* who came first has precedence */
    if (s->tag_count == TRC_TAGS_MAX)
        return refuse(m, "at most 64 tags");
    s->tag[s->tag_count++] = (struct trc_tag){key, value};
    return 0;
}

static int set_tag(struct maker *m, struct trc_slice text) {
    const char *eq = text.len ? memchr(text.p, '=', text.len) : NULL;
    if (!eq || eq == text.p)
        return refuse(m, "key=value");
    size_t key_len = (size_t)(eq - text.p);
    return add_tag(m, trc_slice_trim((struct trc_slice){text.p, key_len}),
                   trc_slice_trim((struct trc_slice){eq + 1, text.len - key_len - 1}));
}

static int parse_bool(struct maker *m, struct trc_slice text, bool *out) {
    static const char *const words[2][4] = {{"false", "no", "off", "0"},
                                            {"true", "yes", "on", "1"}};
    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 4; i++)
            if (text.len == strlen(words[truth][i]) &&
                strncasecmp(text.p, words[truth][i], text.len) == 0) {
                *out = truth;
                return 0;
            }
    return refuse(m, "true or false");
}

static int set_disable(struct maker *m, struct trc_slice text) {
    return parse_bool(m, text, &m->out->disabled);
}

static int set_export(struct maker *m, struct trc_slice text) {
    struct trc_settings *s = m->out;
    if (s->exporter_count == TRC_EXPORTERS_MAX)
        return refuse(m, "at most 8 exporters");
    if (trc_exporter_parse(text, s->udp_packet, &s->exporter[s->exporter_count], m->why))
        return -EINVAL;
    s->exporter_count++;
    return 0;
}

static int set_flush_interval(struct maker *m, struct trc_slice text) {
    uint64_t ns;
    if (trc_parse_duration(text, &ns) || ns < TRC_NS_PER_MS * 10 || ns > TRC_NS_PER_S * 3600)
        return refuse(m, "10ms to 60m, as in 500ms, 1s or 2m");
    m->out->flush_interval_ns = ns;
    return 0;
}

static int set_exit_timeout(struct maker *m, struct trc_slice text) {
    uint64_t ns;
    if (trc_parse_duration(text, &ns) || ns > TRC_NS_PER_S * 3600)
        return refuse(m, "0s to 60m, as in 500ms, 1s or 2m");
    m->out->exit_timeout_ns = ns;
    return 0;
}

static int set_journal_size(struct maker *m, struct trc_slice text) {
    uint64_t bytes;
    if (trc_parse_size(text, &bytes) || bytes < TRC_RING_BYTES_MIN || bytes > TRC_RING_BYTES_MAX)
        return refuse(m, "64k to 1024M, as in 65536, 256k or 1M");
    m->out->journal_bytes = bytes;
    return 0;
}

static int set_udp_packet(struct maker *m, struct trc_slice text) {
    uint64_t bytes;
    /* 65507 is what IPv4 can carry; spans that do not fit a small packet are counted. */
    if (trc_parse_size(text, &bytes) || bytes < 1024 || bytes > 65507)
        return refuse(m, "1024 to 65507 bytes");
    m->out->udp_packet = bytes;
    return 0;
}

static int set_sampler(struct maker *m, struct trc_slice text) {
    return trc_sampler_parse(text, &m->out->sampler) ? refuse(m, TRC_SAMPLER_ALLOWED) : 0;
}

static int set_formats(struct maker *m, struct trc_slice text, const struct trc_format **list) {
    unsigned count = 0;
    struct trc_slice rest = text;
    while (rest.p && !trc_slice_equal(text, TRC_SLICE("none"))) {
        const char *comma = rest.len ? memchr(rest.p, ',', rest.len) : NULL;
        size_t len = comma ? (size_t)(comma - rest.p) : rest.len;
        const struct trc_format *f =
            trc_format_find(trc_slice_trim((struct trc_slice){rest.p, len}));
        rest = comma ? (struct trc_slice){comma + 1, rest.len - len - 1} : (struct trc_slice){0};
        if (!f || count == TRC_LIST_MAX) {
            char names[TRC_ERROR_TEXT_MAX / 2] = "none or a list of:";
            for (unsigned i = 0; trc_formats[i]; i++) {
                strncat(names, " ", sizeof(names) - strlen(names) - 1);
                strncat(names, trc_formats[i]->name, sizeof(names) - strlen(names) - 1);
            }
            return refuse(m, names);
        }
        list[count++] = f;
    }
    list[count] = NULL;
    return 0;
}

static int set_extract(struct maker *m, struct trc_slice text) {
    return set_formats(m, text, m->out->extract);
}

static int set_inject(struct maker *m, struct trc_slice text) {
    return set_formats(m, text, m->out->inject);
}

static int set_variables(struct maker *m, struct trc_slice text) {
    bool wanted;
    if (parse_bool(m, text, &wanted))
        return -EINVAL;
    unsigned count = 0;
    while (m->out->inject[count])
        count++;
    if (wanted)
        m->out->inject[count++] = &trc_format_variables;
    m->out->inject[count] = NULL;
    return 0;
}

static int set_semconv(struct maker *m, struct trc_slice text) {
    if (trc_slice_equal(text, TRC_SLICE("http")))
        m->semconv = TRC_SEMCONV_HTTP;
    else if (trc_slice_equal(text, TRC_SLICE("http/dup")))
        m->semconv = TRC_SEMCONV_HTTP_DUP;
    else if (trc_slice_equal(text, TRC_SLICE("opentracing")))
        m->semconv = TRC_SEMCONV_OPENTRACING;
    else
        return refuse(m, "http, http/dup or opentracing");
    m->semconv_set = true;
    return 0;
}

/* In the order they are made: packet before export, and inject before the variables.
 * `has_initial`: the default in the table of options is a value and not a description. */
static const struct {
    enum trc_option option;
    int (*set)(struct maker *m, struct trc_slice text);
    bool has_initial;
} steps[] = {
    {TRC_OPT_SERVICE, set_service, false},
    {TRC_OPT_TAG, set_tag, false},
    {TRC_OPT_DISABLE, set_disable, true},
    {TRC_OPT_UDP_PACKET, set_udp_packet, true},
    {TRC_OPT_EXPORT, set_export, true},
    {TRC_OPT_FLUSH_INTERVAL, set_flush_interval, true},
    {TRC_OPT_JOURNAL_SIZE, set_journal_size, true},
    {TRC_OPT_EXIT_TIMEOUT, set_exit_timeout, true},
    {TRC_OPT_SAMPLER, set_sampler, true},
    {TRC_OPT_EXTRACT, set_extract, true},
    {TRC_OPT_INJECT, set_inject, true},
    {TRC_OPT_VARIABLES, set_variables, true},
    {TRC_OPT_SEMCONV, set_semconv, false},
};

/* --- Where a text comes from ------------------------------------------------------------------ */

/* A refused value, fit for a line of the log. */
static const char *show(enum trc_option option, const char *value) {
    static char text[161];
    if (option == TRC_OPT_EXPORT)
        trc_exporter_show(trc_slice_of(value), text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%s", value);
    return text;
}

static int from_options(struct maker *m, unsigned step, const struct trc_options *options,
                        char error[TRC_ERROR_LINE_MAX]) {
    enum trc_option o = steps[step].option;
    for (unsigned i = 0; i < options->count[o]; i++) {
        const char *value = options->value[o][i];
        if (steps[step].set(m, trc_slice_trim(trc_slice_of(value))) == 0)
            continue;
        snprintf(error, TRC_ERROR_LINE_MAX, "%s = %s: %s", trc_option_table[o].name, show(o, value),
                 m->why);
        return -EINVAL;
    }
    return 0;
}

static int set_translated(struct maker *m, unsigned step, struct trc_slice text) {
    if (steps[step].option == TRC_OPT_EXPORT && trc_slice_equal(text, TRC_SLICE("none")))
        return 0;
    return steps[step].set(m, text);
}

/* Returns true when a variable gave the setting its value. */
static bool from_environment(struct maker *m, unsigned step) {
    for (const struct environment_source *e = environment_sources; e->variable; e++) {
        const char *value = environment_get(e->variable);
        if (e->option != steps[step].option || !value)
            continue;
        char *text = malloc(1024); /* kept when it is used: settings point into it */
        struct trc_buf b = trc_buf_over(text, text ? 1024 : 0);
        strcpy(m->why, "not supported");
        int rc = e->translate(value, &b);
        if (rc == 0 && !b.overflow && set_translated(m, step, trc_buf_slice(&b)) == 0)
            return true;
        free(text);
        if (rc != -ENOENT)
            trc_log("environment variable %s=%s is ignored: %s", e->variable,
                    show(e->option, value), m->why);
    }
    return false;
}

static void add_environment_tag(void *to, struct trc_slice key, struct trc_slice value) {
    if (!trc_slice_equal(key, TRC_SLICE("service.name")))
        add_tag(to, key, value);
}

static void tags_from_environment(struct maker *m) {
    static const struct {
        const char *variable;
        bool percent;
    } lists[] = {{"OTEL_RESOURCE_ATTRIBUTES", true}, {"JAEGER_TAGS", false}};
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *value = environment_get(lists[i].variable);
        if (value && environment_pairs(value, lists[i].percent, add_environment_tag, m))
            trc_log("environment variable %s=%.160s is ignored: malformed, allowed: key=value,...",
                    lists[i].variable, value);
    }
}

static struct trc_slice last_component(const char *directory) {
    struct trc_slice s = trc_slice_of(directory);
    while (s.len > 1 && s.p[s.len - 1] == '/')
        s.len--;
    const char *slash = s.len ? memrchr(s.p, '/', s.len) : NULL;
    if (slash)
        s = (struct trc_slice){slash + 1, s.len - (size_t)(slash + 1 - s.p)};
    return s.len ? s : TRC_SLICE("uwsgi");
}

/* Each message repeats service and tags: what is left of it must hold spans. */
static int check_room(const struct trc_settings *s, char error[TRC_ERROR_LINE_MAX]) {
    size_t bytes = s->service.len;
    for (unsigned i = 0; i < s->tag_count; i++)
        bytes += s->tag[i].key.len + s->tag[i].value.len + 32; /* and what a wire writes around */
    for (unsigned i = 0; i < s->exporter_count; i++) {
        if (bytes <= s->exporter[i].max_bytes / 2)
            continue;
        snprintf(error, TRC_ERROR_LINE_MAX,
                 "tracing-tag: %zu bytes of tags are too many for messages of %zu bytes to %s "
                 "(allowed: half a message)",
                 bytes, s->exporter[i].max_bytes, s->exporter[i].url);
        return -EINVAL;
    }
    return 0;
}

int trc_settings_make(const struct trc_options *options, const char *directory,
                      struct trc_settings *out, char error[TRC_ERROR_LINE_MAX]) {
    struct maker m = {.out = out};
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (from_options(&m, i, options, error))
            return -EINVAL;
        if (options->count[steps[i].option] > 0)
            continue;
        if (!from_environment(&m, i) && steps[i].has_initial)
            steps[i].set(&m, trc_slice_of(trc_option_table[steps[i].option].initial));
    }
    if (!out->service.len)
        out->service = last_component(directory);
    tags_from_environment(&m);
    for (unsigned i = 0; m.semconv_set && i < out->exporter_count; i++)
        out->exporter[i].semconv = m.semconv;
    return check_room(out, error);
}
