/* SPDX-License-Identifier: MIT
 *
 * Options over environment over defaults. Each setting has one function that reads its text,
 * whoever wrote that text: an option, the translation of an environment variable, or the default.
 */
#include "environment.h"
#include "maker.h"
#include "tracing/clock.h"
#include "tracing/journal.h"
#include "tracing/values.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(TRC_TAGS_MAX <= TRC_OPTION_VALUES_MAX, "every tag can be given");

int trc_maker_refuse(struct trc_maker *m, const char *allowed) {
    snprintf(m->why, sizeof(m->why), "not allowed (allowed: %s)", allowed);
    return -EINVAL;
}

/* --- One function for each setting ----------------------------------------------------------- */

static int set_service(struct trc_maker *m, struct trc_slice text) {
    if (text.len == 0 || text.len > 255)
        return trc_maker_refuse(m, "1 to 255 bytes");
    m->out->service = text;
    return 0;
}

static int add_tag(struct trc_maker *m, struct trc_slice key, struct trc_slice value) {
    struct trc_settings *s = m->out;
    for (unsigned i = 0; i < s->tag_count; i++)
        if (trc_slice_equal(s->tag[i].key, key))
            return 0; /* who came first has precedence */
    if (s->tag_count == TRC_TAGS_MAX)
        return trc_maker_refuse(m, "at most 64 tags");
    s->tag[s->tag_count++] = (struct trc_tag){key, value};
    return 0;
}

static int set_tag(struct trc_maker *m, struct trc_slice text) {
    const char *eq = text.len ? memchr(text.p, '=', text.len) : NULL;
    if (!eq || eq == text.p)
        return trc_maker_refuse(m, "key=value");
    size_t key_len = (size_t)(eq - text.p);
    return add_tag(m, trc_slice_trim((struct trc_slice){text.p, key_len}),
                   trc_slice_trim((struct trc_slice){eq + 1, text.len - key_len - 1}));
}

int trc_maker_bool(struct trc_maker *m, struct trc_slice text, bool *out) {
    return trc_parse_bool(text, out) ? trc_maker_refuse(m, "true or false") : 0;
}

static int set_disable(struct trc_maker *m, struct trc_slice text) {
    return trc_maker_bool(m, text, &m->out->disabled);
}

static int set_flush_interval(struct trc_maker *m, struct trc_slice text) {
    uint64_t ns;
    if (trc_parse_duration(text, &ns) || ns < TRC_NS_PER_MS * 10 || ns > TRC_NS_PER_S * 3600)
        return trc_maker_refuse(m, "10ms to 60m, as in 500ms, 1s or 2m");
    m->out->flush_interval_ns = ns;
    return 0;
}

static int set_exit_timeout(struct trc_maker *m, struct trc_slice text) {
    uint64_t ns;
    if (trc_parse_duration(text, &ns) || ns > TRC_NS_PER_S * 3600)
        return trc_maker_refuse(m, "0s to 60m, as in 500ms, 1s or 2m");
    m->out->exit_timeout_ns = ns;
    return 0;
}

static int set_journal_size(struct trc_maker *m, struct trc_slice text) {
    uint64_t bytes;
    if (trc_parse_size(text, &bytes) || bytes < TRC_RING_BYTES_MIN || bytes > TRC_RING_BYTES_MAX)
        return trc_maker_refuse(m, "64k to 1024M, as in 65536, 256k or 1M");
    m->out->journal_bytes = bytes;
    return 0;
}

static int set_path(struct trc_maker *m, struct trc_slice text, const char **path) {
    if (text.len < 2 || text.len >= PATH_MAX || text.p[0] != '/' || text.p[text.len - 1] == '/')
        return trc_maker_refuse(m, "absolute path of a file");
    *path = strndup(text.p, text.len);
    return *path ? 0 : trc_maker_refuse(m, "what memory there is holds");
}

static int set_journal(struct trc_maker *m, struct trc_slice text) {
    return set_path(m, text, &m->out->journal_path);
}

static int set_control(struct trc_maker *m, struct trc_slice text) {
    return set_path(m, text, &m->out->control_path);
}

static int set_udp_packet(struct trc_maker *m, struct trc_slice text) {
    uint64_t bytes;
    /* 65507 is what IPv4 can carry; spans that do not fit a small packet are counted. */
    if (trc_parse_size(text, &bytes) || bytes < 1024 || bytes > 65507)
        return trc_maker_refuse(m, "1024 to 65507 bytes");
    m->out->udp_packet = bytes;
    return 0;
}

static int set_python(struct trc_maker *m, struct trc_slice text) {
    return trc_maker_bool(m, text, &m->out->python);
}

static int set_check(struct trc_maker *m, struct trc_slice text) {
    return trc_maker_bool(m, text, &m->out->check);
}

/* In the order they are made: packet before export, certificate before key, and inject before the
 * variables.
 * `has_initial`: the default in the table of options is a value and not a description. */
static const struct {
    enum trc_option option;
    int (*set)(struct trc_maker *m, struct trc_slice text);
    bool has_initial;
} steps[] = {
    {TRC_OPT_SERVICE, set_service, false},
    {TRC_OPT_TAG, set_tag, false},
    {TRC_OPT_DISABLE, set_disable, true},
    {TRC_OPT_UDP_PACKET, set_udp_packet, true},
    {TRC_OPT_EXPORT, trc_maker_export, true},
    {TRC_OPT_EXPORT_HEADER, trc_maker_export_header, false},
    {TRC_OPT_EXPORT_TIMEOUT, trc_maker_export_timeout, true},
    {TRC_OPT_EXPORT_CA, trc_maker_export_ca, false},
    {TRC_OPT_EXPORT_CERT, trc_maker_export_cert, false},
    {TRC_OPT_EXPORT_KEY, trc_maker_export_key, false},
    {TRC_OPT_EXPORT_GZIP, trc_maker_export_gzip, true},
    {TRC_OPT_FLUSH_INTERVAL, set_flush_interval, true},
    {TRC_OPT_JOURNAL_SIZE, set_journal_size, true},
    {TRC_OPT_JOURNAL, set_journal, false},
    {TRC_OPT_EXIT_TIMEOUT, set_exit_timeout, true},
    {TRC_OPT_SAMPLER, trc_maker_sampler, true},
    {TRC_OPT_KEEP, trc_maker_keep, true},
    {TRC_OPT_EXCLUDE, trc_maker_exclude, false},
    {TRC_OPT_CONTROL, set_control, false},
    {TRC_OPT_OPERATION, trc_maker_operation, true},
    {TRC_OPT_EXTRACT, trc_maker_extract, true},
    {TRC_OPT_INJECT, trc_maker_inject, true},
    {TRC_OPT_TRUST, trc_maker_trust, true},
    {TRC_OPT_RESPONSE_HEADER, trc_maker_response_headers, true},
    {TRC_OPT_BAGGAGE_TAG, trc_maker_baggage_tag, false},
    {TRC_OPT_VARIABLES, trc_maker_variables, true},
    {TRC_OPT_CAPTURE_REQUEST, trc_maker_capture_request, false},
    {TRC_OPT_CAPTURE_RESPONSE, trc_maker_capture_response, false},
    {TRC_OPT_QUERY, trc_maker_query, true},
    {TRC_OPT_CLIENT_IP, trc_maker_client_ip, true},
    {TRC_OPT_SEMCONV, trc_maker_semconv, false},
    {TRC_OPT_PYTHON, set_python, true},
    {TRC_OPT_CHECK, set_check, true},
};

/* --- Where a text comes from ------------------------------------------------------------------ */

static void note(struct trc_maker *m, enum trc_option option, const char *source,
                 struct trc_slice text) {
    struct trc_settings *s = m->out;
    if (s->origin_count < TRC_ORIGINS_MAX)
        s->origin[s->origin_count++] = (struct trc_origin){option, source, text};
}

static int set(struct trc_maker *m, unsigned step, const char *source, struct trc_slice text) {
    int rc = steps[step].set(m, text);
    if (rc == 0)
        note(m, steps[step].option, source, text);
    return rc;
}

static int from_options(struct trc_maker *m, unsigned step, const struct trc_options *options,
                        char error[TRC_ERROR_LINE_MAX]) {
    enum trc_option o = steps[step].option;
    char shown[161];
    m->wires = TRC_WIRES_ALL;
    for (unsigned i = 0; i < options->count[o]; i++) {
        struct trc_slice value = trc_slice_of(options->value[o][i]);
        int rc = set(m, step, "option", trc_slice_trim(value));
        if (rc == 0 || m->no_memory)
            continue;
        trc_settings_show(o, value, shown, sizeof(shown));
        snprintf(error, TRC_ERROR_LINE_MAX, "%s = %s: %s", trc_option_table[o].name, shown, m->why);
        return -EINVAL;
    }
    return 0;
}

/* The values that a variable stands for, each set like the option's: none of them wrong, because
 * its translation has looked. */
static int set_translated(struct trc_maker *m, unsigned step,
                          const struct trc_environment_source *e, struct trc_slice text) {
    struct trc_slice rest = text, value = text;
    enum trc_option o = steps[step].option;
    int rc = 0;
    if (!trc_option_table[o].many)
        return set(m, step, e->variable, text);
    while (rc == 0 && trc_slice_next(&rest, '\n', &value)) {
        if (o == TRC_OPT_EXPORT && trc_slice_equal(value, TRC_SLICE("none")))
            note(m, o, e->variable, value);
        else
            rc = set(m, step, e->variable, value);
    }
    return rc;
}

/* Asks one variable. Returns 0 when it gave the setting its value. */
static int ask(struct trc_maker *m, unsigned step, const struct trc_environment_source *e) {
    const char *value = trc_environment_get(e->variable);
    if (!value)
        return -ENOENT;
    size_t cap = 4096 + 2 * strlen(value);
    char *text = malloc(cap); /* kept once it is translated: settings may point into it */
    struct trc_buf b = trc_buf_over(text, cap);
    strcpy(m->why, "not supported");
    int rc = text ? e->translate(value, &b, m->why) : -ENOMEM;
    if (rc == 0 && b.overflow)
        rc = -EINVAL;
    if (rc)
        free(text);
    else
        rc = set_translated(m, step, e, trc_buf_slice(&b));
    m->no_memory |= rc == -ENOMEM;
    if (rc && rc != -ENOENT && !m->no_memory)
        trc_environment_ignored(e->variable, m->why);
    return rc;
}

/* Returns the wires that no variable said anything for; for a setting that is none of theirs, 0
 * when one did. */
static unsigned from_environment(struct trc_maker *m, unsigned step) {
    unsigned left = TRC_WIRES_ALL;
    for (const struct trc_environment_source *e = trc_environment_sources; left && e->variable;
         e++) {
        if (e->option != steps[step].option)
            continue;
        m->wires = left & (e->wires ? e->wires : TRC_WIRES_ALL);
        if (m->wires && ask(m, step, e) == 0)
            left &= ~m->wires;
    }
    return left;
}

static void from_default(struct trc_maker *m, unsigned step, unsigned wires) {
    m->wires = wires;
    set(m, step, "default", trc_slice_of(trc_option_table[steps[step].option].initial));
}

/* What a list of tags adds to those that are there. */
struct tag_source {
    struct trc_maker *maker;
    const char *variable;
};

static void add_environment_tag(void *to, struct trc_slice key, struct trc_slice value) {
    struct tag_source *source = to;
    struct trc_maker *m = source->maker;
    unsigned before = m->out->tag_count;
    char *text;
    if (trc_slice_equal(key, TRC_SLICE("service.name")))
        return;
    add_tag(m, key, value);
    if (m->out->tag_count > before &&
        asprintf(&text, "%.*s=%.*s", (int)key.len, key.p, (int)value.len, value.p) >= 0)
        note(m, TRC_OPT_TAG, source->variable, trc_slice_of(text));
}

static void tags_from_environment(struct trc_maker *m) {
    static const struct {
        const char *variable;
        bool percent;
    } lists[] = {{"OTEL_RESOURCE_ATTRIBUTES", true}, {"JAEGER_TAGS", false}};
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct tag_source source = {m, lists[i].variable};
        const char *value = trc_environment_get(lists[i].variable);
        int rc = value
                     ? trc_environment_pairs(value, lists[i].percent, add_environment_tag, &source)
                     : 0;
        m->no_memory |= rc == -ENOMEM;
        if (rc == -EINVAL)
            trc_environment_ignored(lists[i].variable, "malformed (allowed: key=value,...)");
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
    struct trc_maker m = {.out = out};
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (from_options(&m, i, options, error))
            return -EINVAL;
        if (options->count[steps[i].option] > 0)
            continue;
        unsigned left = from_environment(&m, i);
        if (left && steps[i].has_initial)
            from_default(&m, i, left);
    }
    if (options->count[TRC_OPT_EXPORT_HEADER] == 0) {
        const char *variable = trc_environment_credentials(&out->http[TRC_WIRE_JAEGER]);
        if (variable)
            note(&m, TRC_OPT_EXPORT_HEADER, variable, TRC_SLICE("Authorization:"));
    }
    if (!out->service.len) {
        out->service = last_component(directory);
        note(&m, TRC_OPT_SERVICE, "default", out->service);
    }
    tags_from_environment(&m);
    trc_environment_mention();
    trc_maker_join(&m);
    return m.no_memory ? -ENOMEM : check_room(out, error);
}
