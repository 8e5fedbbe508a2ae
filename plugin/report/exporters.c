/* SPDX-License-Identifier: MIT
 *
 * The exporters there are, and the export URL that picks one.
 *
 * Used by the options at startup; the reporters are handed what was parsed. A new wire or transport
 * is one line in the table. What a URL means is read here, the same way for all; what of it a
 * transport can use is said by that transport's `check`.
 */
#include "tracing/exporter.h"
#include "tracing/otlp_answer.h"
#include "tracing/percent.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#define OPENTRACING TRC_SEMCONV_OPENTRACING
#define HTTP TRC_SEMCONV_HTTP

#define PACKET 0                /* as large as tracing-udp-packet says */
#define LINE (256u * 1024u)     /* of a file: few writes, and a reader still holds one at a time */
#define PIPED_LINE (8u * 1024u) /* what uWSGI's log-master reads at once from standard output */
#define BODY (512u * 1024u)     /* before compression */

/* Path and type: Jaeger's collector, cmd/collector/app/handler/http_handler.go; it answers nothing.
 */
static const struct trc_http_wire jaeger = {"/api/traces", "application/x-thrift", NULL};
/* Path and type: Zipkin's api/zipkin2-api.yaml. */
static const struct trc_http_wire zipkin = {"/api/v2/spans", "application/json", NULL};
/* Paths and types: opentelemetry-proto docs/specification.md, "OTLP/HTTP Request". */
static const struct trc_http_wire otlp_protobuf = {"/v1/traces", "application/x-protobuf",
                                                   trc_otlp_answer_protobuf};
static const struct trc_http_wire otlp_json = {"/v1/traces", "application/json",
                                               trc_otlp_answer_json};

/* clang-format off */
const struct trc_exporter_kind trc_exporter_kinds[] = {
    /* scheme             encoder                      sender              port    message     names        over HTTP */
    {"jaeger+udp",        &trc_encoder_jaeger_compact, &trc_sender_udp,    "6831", PACKET,     OPENTRACING, NULL},
    {"jaeger.binary+udp", &trc_encoder_jaeger_binary,  &trc_sender_udp,    "6832", PACKET,     OPENTRACING, NULL},
    {"jaeger+http",       &trc_encoder_jaeger_batch,   &trc_sender_http,   "14268", BODY,      OPENTRACING, &jaeger},
    {"jaeger+https",      &trc_encoder_jaeger_batch,   &trc_sender_https,  "443",  BODY,       OPENTRACING, &jaeger},
    {"zipkin+http",       &trc_encoder_zipkin_json,    &trc_sender_http,   "9411", BODY,       OPENTRACING, &zipkin},
    {"zipkin+https",      &trc_encoder_zipkin_json,    &trc_sender_https,  "443",  BODY,       OPENTRACING, &zipkin},
    {"zipkin.thrift+udp", &trc_encoder_zipkin_thrift,  &trc_sender_udp,    "5775", PACKET,     OPENTRACING, NULL},
    {"otlp+http",         &trc_encoder_otlp_protobuf,  &trc_sender_http,   "4318", BODY,       HTTP,        &otlp_protobuf},
    {"otlp+https",        &trc_encoder_otlp_protobuf,  &trc_sender_https,  "443",  BODY,       HTTP,        &otlp_protobuf},
    {"otlp.json+http",    &trc_encoder_otlp_json,      &trc_sender_http,   "4318", BODY,       HTTP,        &otlp_json},
    {"otlp.json+https",   &trc_encoder_otlp_json,      &trc_sender_https,  "443",  BODY,       HTTP,        &otlp_json},
    {"otlp.json+file",    &trc_encoder_otlp_json,      &trc_sender_file,   NULL,   LINE,       HTTP,        NULL},
    {"otlp.json+stdout",  &trc_encoder_otlp_json,      &trc_sender_stdout, NULL,   PIPED_LINE, HTTP,        NULL},
    {NULL, NULL, NULL, NULL, 0, 0, NULL},
};
/* clang-format on */

/* --- Saying no ----------------------------------------------------------------------------- */

static int refuse(char why[TRC_ERROR_TEXT_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(char why[TRC_ERROR_TEXT_MAX], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, TRC_ERROR_TEXT_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

/* A slice for "%.*s", cut so that the rest of the line has room. */
#define SHOWN_MAX 32
static int shown(struct trc_slice s) {
    return (int)(s.len < SHOWN_MAX ? s.len : SHOWN_MAX);
}

static int refuse_scheme(struct trc_slice scheme, char why[TRC_ERROR_TEXT_MAX]) {
    refuse(why, "unknown scheme '%.*s' (allowed", shown(scheme), scheme.p);
    const char *before = ": ";
    for (const struct trc_exporter_kind *k = trc_exporter_kinds; k->scheme; k++) {
        size_t len = strlen(why);
        const char *end = k[1].scheme ? "" : ")";
        snprintf(why + len, TRC_ERROR_TEXT_MAX - len, "%s%s%s", before, k->scheme, end);
        before = ", ";
    }
    return -EINVAL;
}

/* --- Reading ------------------------------------------------------------------------------- */

/* Takes what stands before the first of `stops` off the front of *s; all of it, if none does. */
static struct trc_slice take_until(struct trc_slice *s, const char *stops) {
    struct trc_slice taken = {s->p, 0};
    while (taken.len < s->len && !strchr(stops, s->p[taken.len]))
        taken.len++;
    s->p += taken.len;
    s->len -= taken.len;
    return taken;
}

/* Takes the scheme off the front of *s, or what stands in its place; nothing when that is a user.
 */
static struct trc_slice take_scheme(struct trc_slice *s) {
    struct trc_slice rest = *s, scheme = take_until(&rest, ":/?#@");
    if (rest.len > 0 && rest.p[0] == '@')
        return (struct trc_slice){s->p, 0};
    *s = rest;
    return scheme;
}

static bool take_prefix(struct trc_slice *s, const char *prefix) {
    size_t len = strlen(prefix);
    if (s->len < len || memcmp(s->p, prefix, len) != 0)
        return false;
    s->p += len;
    s->len -= len;
    return true;
}

/* Copies a slice as a string into cap bytes; false if it does not fit. */
static bool copy(char *to, size_t cap, struct trc_slice s) {
    if (s.len >= cap)
        return false;
    memcpy(to, s.p, s.len);
    to[s.len] = '\0';
    return true;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_host_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' ||
           c == '.' || c == '_';
}

static bool is_host_name(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (!is_host_char(s.p[i]))
            return false;
    return s.len > 0;
}

/* An IPv6 address, as textual as inet_pton likes it, perhaps with the name of a link: fe80::1%eth0
 * (RFC 4007 section 11). */
static bool is_ipv6(struct trc_slice s) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    struct trc_slice number = take_until(&s, "%");
    if (s.len > 0 && !is_host_name((struct trc_slice){s.p + 1, s.len - 1}))
        return false;
    return copy(text, sizeof(text), number) && inet_pton(AF_INET6, text, &address) == 1;
}

static int read_host(struct trc_slice *rest, struct trc_endpoint *out,
                     char why[TRC_ERROR_TEXT_MAX]) {
    const char *allowed = "a name, an IPv4 address or [an IPv6 address]";
    struct trc_slice host;
    bool good;
    if (take_prefix(rest, "[")) {
        host = take_until(rest, "]");
        good = is_ipv6(host) && take_prefix(rest, "]");
    } else {
        host = take_until(rest, ":");
        good = is_host_name(host);
    }
    if (host.len == 0)
        return refuse(why, "no host (allowed: %s)", allowed);
    if (!good)
        return refuse(why, "bad host '%.*s' (allowed: %s)", shown(host), host.p, allowed);
    if (!copy(out->host, sizeof(out->host), host))
        return refuse(why, "the host is longer than %zu bytes", sizeof(out->host) - 1);
    return 0;
}

static int read_port(struct trc_slice s, struct trc_endpoint *out, char why[TRC_ERROR_TEXT_MAX]) {
    unsigned port = 0;
    size_t i = 0;
    for (; i < s.len && i < sizeof(out->port) - 1 && is_digit(s.p[i]); i++)
        port = port * 10 + (unsigned)(s.p[i] - '0');
    if (i < s.len || port < 1 || port > UINT16_MAX)
        return refuse(why, "bad port '%.*s' (allowed: 1 to 65535)", shown(s), s.p);
    snprintf(out->port, sizeof(out->port), "%u", port & UINT16_MAX);
    return 0;
}

/* Decodes into cap bytes; false if it does not fit or has what no credentials have. */
static bool decode(char *to, size_t cap, struct trc_slice s) {
    struct trc_buf b = trc_buf_over(to, cap - 1);
    if (trc_percent_decode(&b, s, false) || b.overflow)
        return false;
    to[b.len] = '\0';
    for (size_t i = 0; i < b.len; i++)
        if ((unsigned char)to[i] < ' ' || to[i] == 0x7f)
            return false;
    return true;
}

/* user:password of RFC 3986 section 3.2.1, for Basic credentials. Nothing of it is quoted. */
static int read_user(const struct trc_exporter_kind *kind, struct trc_slice s,
                     struct trc_endpoint *out, char why[TRC_ERROR_TEXT_MAX]) {
    if (!kind->http)
        return refuse(why, "a user in the URL (allowed: host or host:port)");
    struct trc_slice user = take_until(&s, ":");
    (void)take_prefix(&s, ":");
    if (user.len == 0 || !decode(out->user, sizeof(out->user), user) ||
        !decode(out->password, sizeof(out->password), s))
        return refuse(why,
                      "bad user or password in the URL (allowed: user:password@ with what is "
                      "not a letter or digit as %%XX)");
    return 0;
}

/* Takes user, password and @ off the front of *s. */
static struct trc_slice take_user(struct trc_slice *s) {
    const char *at = s->len ? memrchr(s->p, '@', s->len) : NULL;
    struct trc_slice user = {NULL, 0};
    if (at) {
        user = (struct trc_slice){s->p, (size_t)(at - s->p)};
        s->len -= user.len + 1;
        s->p = at + 1;
    }
    return user;
}

/* host, [IPv6] or either with :port, and a user before it, of RFC 3986 section 3.2. */
static int read_authority(const struct trc_exporter_kind *kind, struct trc_slice s,
                          struct trc_endpoint *out, char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice user = take_user(&s);
    int rc = user.p ? read_user(kind, user, out, why) : 0;
    if (rc == 0)
        rc = read_host(&s, out, why);
    if (rc)
        return rc;
    if (s.len == 0)
        return read_port(trc_slice_of(kind->default_port), out, why);
    if (!take_prefix(&s, ":"))
        return refuse(why, "'%.*s' behind the host (allowed: :port)", shown(s), s.p);
    if (memchr(s.p, ':', s.len))
        return refuse(why, "several colons (an IPv6 address goes in brackets: [::1]:%s)",
                      kind->default_port);
    return read_port(s, out, why);
}

static int read_endpoint(const struct trc_exporter_kind *kind, struct trc_slice rest,
                         struct trc_endpoint *out, char why[TRC_ERROR_TEXT_MAX]) {
    bool slashes = take_prefix(&rest, "//");
    if (kind->default_port) {
        if (!slashes)
            return refuse(why, "no '//' behind '%s:' (allowed: %s://host:port)", kind->scheme,
                          kind->scheme);
        int rc = read_authority(kind, take_until(&rest, "/?#"), out, why);
        if (rc && rest.len > 0 && memchr(rest.p, '@', rest.len)) /* why may quote half a password */
            return refuse(why, "an @ behind the host (in a password / ? # are %%2F %%3F %%23)");
        if (rc)
            return rc;
    } else if (rest.len > 0 && rest.p[0] != '/') {
        return refuse(why, "'%.*s' behind '%s:' (allowed: nothing, or // and an absolute path)",
                      shown(rest), rest.p, kind->scheme);
    }
    size_t given = 0; /* bytes of the path the wire has by itself */
    if (kind->http && (rest.len == 0 || rest.p[0] != '/')) {
        given = strlen(kind->http->path);
        memcpy(out->path, kind->http->path, given);
    }
    if (!copy(out->path + given, sizeof(out->path) - given, rest))
        return refuse(why, "the path is longer than %zu bytes", sizeof(out->path) - 1 - given);
    out->wire = kind->http;
    return kind->sender->check(out, why);
}

/* No URL has spaces or control characters in it, and an error line that quotes it must stay one. */
static bool is_printable(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

static void put_cut(struct trc_buf *b, struct trc_slice s) {
    if (s.len > b->cap - b->len)
        s.len = b->cap - b->len;
    trc_buf_put_slice(b, s);
}

void trc_exporter_show(struct trc_slice url, char *out, size_t cap) {
    struct trc_slice rest = url, scheme = take_scheme(&rest);
    struct trc_buf b = trc_buf_over(out, cap - 1);
    bool slashes = take_prefix(&rest, "://");
    /* An @ in a path is taken for the end of a password that should have been encoded. */
    struct trc_slice user = take_user(&rest);
    struct trc_slice before = take_until(&rest, "?");
    put_cut(&b, scheme);
    trc_buf_put_slice(&b, slashes ? TRC_SLICE("://") : TRC_SLICE(""));
    if (user.p)
        trc_buf_put_slice(&b, TRC_SLICE("***@"));
    put_cut(&b, before);
    if (rest.len > 0)
        trc_buf_put(&b, "?***", 4);
    out[b.len] = '\0';
}

int trc_exporter_parse(struct trc_slice url, size_t udp_packet, struct trc_exporter *out,
                       char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_exporter e = {.kind = trc_exporter_kinds};
    if (url.len == 0)
        return refuse(why, "empty (allowed: <wire>+<transport>://...)");
    if (!is_printable(url))
        return refuse(why, "a space or a control character in the URL");
    if (url.len >= sizeof(e.url))
        return refuse(why, "the URL is longer than %zu bytes", sizeof(e.url) - 1);
    struct trc_slice rest = url, scheme = take_scheme(&rest);
    while (e.kind->scheme && !trc_slice_equal(scheme, trc_slice_of(e.kind->scheme)))
        e.kind++;
    if (!e.kind->scheme)
        return refuse_scheme(scheme, why);
    if (!take_prefix(&rest, ":"))
        return refuse(why, "no ':' behind the scheme (written: %s:)", e.kind->scheme);
    int rc = read_endpoint(e.kind, rest, &e.endpoint, why);
    if (rc)
        return rc;
    if (e.kind->http)
        trc_exporter_show(url, e.url, sizeof(e.url));
    else
        copy(e.url, sizeof(e.url), url);
    e.semconv = e.kind->semconv;
    e.max_bytes = e.kind->max_bytes ? e.kind->max_bytes : udp_packet;
    *out = e;
    return 0;
}
