/* SPDX-License-Identifier: MIT
 *
 * The settings that say where spans go and how. An option holds for the exporters of every wire; an
 * environment variable for those of the wire it belongs to, so that no collector is shown the
 * credentials of another one.
 */
#include "maker.h"
#include "tracing/clock.h"
#include "tracing/values.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

int trc_maker_export(struct trc_maker *m, struct trc_slice text) {
    struct trc_settings *s = m->out;
    if (s->exporter_count == TRC_EXPORTERS_MAX)
        return trc_maker_refuse(m, "at most 8 exporters");
    if (trc_exporter_parse(text, s->udp_packet, &s->exporter[s->exporter_count], m->why))
        return -EINVAL;
    s->exporter_count++;
    return 0;
}

/* The next of m->wires to set, from *wire on; false when all are. */
static bool next_wire(const struct trc_maker *m, unsigned *wire) {
    while (*wire < TRC_WIRE_COUNT && !(m->wires & 1u << *wire))
        ++*wire;
    return *wire < TRC_WIRE_COUNT;
}

/* --- Headers --------------------------------------------------------------------------------- */

/* RFC 9110 section 5.6.2. */
static bool is_token(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.p[i]) && !memchr("!#$%&'*+-.^_`|~", s.p[i], 15))
            return false;
    return s.len > 0;
}

/* RFC 9110 section 5.5, and not empty: of an empty one libcurl would take the header out. */
static bool is_field_value(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return s.len > 0;
}

/* What the message itself needs right. */
static bool is_ours(struct trc_slice name) {
    static const char content[] = "Content-", transfer[] = "Transfer-Encoding";
    return (name.len >= sizeof(content) - 1 &&
            strncasecmp(name.p, content, sizeof(content) - 1) == 0) ||
           (name.len == sizeof(transfer) - 1 &&
            strncasecmp(name.p, transfer, sizeof(transfer) - 1) == 0);
}

/* Name and value of "Name: value"; both absent when there is no colon. */
static struct trc_tag split_header(struct trc_slice text) {
    struct trc_slice rest = text, name;
    if (!trc_slice_next(&rest, ':', &name) || !rest.p)
        return (struct trc_tag){{NULL, 0}, {NULL, 0}};
    return (struct trc_tag){name, trc_slice_trim(rest)};
}

bool trc_settings_is_header(struct trc_slice text) {
    struct trc_tag h = split_header(text);
    return is_token(h.key) && is_field_value(h.value) && !is_ours(h.key);
}

int trc_maker_export_header(struct trc_maker *m, struct trc_slice text) {
    struct trc_tag h = split_header(text);
    if (!trc_settings_is_header(text))
        return trc_maker_refuse(
            m, "Name: value; Content-... and Transfer-Encoding are not for others to set");
    char *line = NULL;
    if (asprintf(&line, "%.*s: %.*s", (int)h.key.len, h.key.p, (int)h.value.len, h.value.p) < 0)
        return m->no_memory = true, -ENOMEM;
    for (unsigned w = 0; next_wire(m, &w); w++) {
        const char **headers = m->out->http[w].headers;
        unsigned count = 0;
        while (count < TRC_HTTP_HEADERS_MAX && headers[count])
            count++;
        if (count == TRC_HTTP_HEADERS_MAX)
            return trc_maker_refuse(m, "at most 32 headers");
        headers[count] = line;
    }
    return 0;
}

/* --- The rest of HTTP ------------------------------------------------------------------------ */

int trc_maker_export_timeout(struct trc_maker *m, struct trc_slice text) {
    uint64_t ns;
    if (trc_parse_duration(text, &ns) || ns < TRC_NS_PER_MS * 10 || ns > TRC_NS_PER_S * 3600)
        return trc_maker_refuse(m, "10ms to 60m, as in 500ms, 10s or 2m");
    for (unsigned w = 0; next_wire(m, &w); w++)
        m->out->http[w].timeout_ns = ns;
    return 0;
}

/* libcurl opens files when it first needs them, in a worker, where nobody would hear that they are
 * not there. Returns the path, or NULL after refusing. */
static const char *readable(struct trc_maker *m, struct trc_slice text) {
    char byte, *path = strndup(text.p ? text.p : "", text.len);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n = fd >= 0 ? read(fd, &byte, 1) : -1;
    int err = errno;
    if (fd >= 0)
        close(fd);
    if (n > 0)
        return path;
    m->no_memory |= !path;
    snprintf(m->why, sizeof(m->why), "cannot be read: %s (allowed: a PEM file)",
             n == 0 ? "it is empty" : strerrordesc_np(err));
    free(path);
    return NULL;
}

int trc_maker_export_ca(struct trc_maker *m, struct trc_slice text) {
    const char *path = readable(m, text);
    for (unsigned w = 0; path && next_wire(m, &w); w++)
        m->out->http[w].ca = path;
    return path ? 0 : -EINVAL;
}

int trc_maker_export_cert(struct trc_maker *m, struct trc_slice text) {
    const char *path = readable(m, text);
    for (unsigned w = 0; path && next_wire(m, &w); w++)
        m->out->http[w].cert = path;
    return path ? 0 : -EINVAL;
}

int trc_maker_export_key(struct trc_maker *m, struct trc_slice text) {
    for (unsigned w = 0; next_wire(m, &w); w++)
        if (!m->out->http[w].cert)
            return trc_maker_refuse(m, "beside a client certificate only");
    const char *path = readable(m, text);
    for (unsigned w = 0; path && next_wire(m, &w); w++)
        m->out->http[w].key = path;
    return path ? 0 : -EINVAL;
}

int trc_maker_export_gzip(struct trc_maker *m, struct trc_slice text) {
    bool gzip;
    if (trc_maker_bool(m, text, &gzip))
        return -EINVAL;
    for (unsigned w = 0; next_wire(m, &w); w++)
        m->out->http[w].gzip = gzip;
    return 0;
}

/* --- The exporters, complete ----------------------------------------------------------------- */

static enum trc_wire wire_of(const struct trc_exporter *exporter) {
    if (strncmp(exporter->kind->scheme, "zipkin", 6) == 0)
        return TRC_WIRE_ZIPKIN;
    return strncmp(exporter->kind->scheme, "jaeger", 6) == 0 ? TRC_WIRE_JAEGER : TRC_WIRE_OTLP;
}

void trc_maker_join(struct trc_maker *m) {
    struct trc_settings *s = m->out;
    for (unsigned i = 0; i < s->exporter_count; i++) {
        s->exporter[i].endpoint.http = &s->http[wire_of(&s->exporter[i])];
        if (m->semconv_set)
            s->exporter[i].semconv = m->semconv;
    }
}

/* --- What may be shown ----------------------------------------------------------------------- */

void trc_settings_show(enum trc_option option, struct trc_slice value, char *out, size_t cap) {
    static const struct trc_slice remote = TRC_SLICE("remote:"), pem = TRC_SLICE("-----BEGIN ");
    size_t before = 0;
    if (value.len >= pem.len && memcmp(value.p, pem.p, pem.len) == 0) { /* and not its file */
        snprintf(out, cap, "%s***", pem.p);
        return;
    }
    switch (option) {
    case TRC_OPT_EXPORT_HEADER: {
        struct trc_slice name = split_header(value).key;
        snprintf(out, cap, "%.*s%s***", is_token(name) ? (int)name.len : 0, name.p ? name.p : "",
                 is_token(name) ? ": " : "");
        break;
    }
    case TRC_OPT_SAMPLER:
        if (value.len > remote.len && memcmp(value.p, remote.p, remote.len) == 0)
            before = remote.len < cap ? remote.len : 0;
        memcpy(out, remote.p, before);
        trc_exporter_show((struct trc_slice){value.p + before, value.len - before}, out + before,
                          cap - before);
        break;
    case TRC_OPT_EXPORT:
        trc_exporter_show(value, out, cap);
        break;
    default:
        snprintf(out, cap, "%.*s", (int)value.len, value.p ? value.p : "");
    }
}
