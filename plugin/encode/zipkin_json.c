/* SPDX-License-Identifier: MIT
 *
 * Zipkin v2 as JSON: one list of spans a message, the body of one HTTP request. Used by the
 * reporters, through trc_encoder_zipkin_json.
 *
 *   buf:  constant text of a span | message: span , span , ... | room for one more span
 *                                                            ^ `at`
 *
 * Source: openzipkin/zipkin-api, zipkin2-api.yaml; from what is OpenTelemetry's to Zipkin's:
 * opentelemetry-specification, trace/sdk_exporters/zipkin.md, and what OpenTelemetry's collector
 * writes and reads back where that says nothing (pkg/translator/zipkin).
 *
 * - Tags are the span's attributes, as text. Not those Zipkin has a place for: span.kind is `kind`,
 *   the peer's address and port are `remoteEndpoint`, if the address is one. Where proxies tell of
 *   a client that is who called, and the peer stays in tags.
 * - Events are annotations that people can read, which is what Zipkin shows: the text of a log; of
 *   an exception a line and the stack. But OpenTelemetry's collector splits them at each `|`, loses
 *   what is behind one, and refuses a whole list when there is no JSON between two: such text has
 *   the collector's own form (name, attributes, how many are missing), in which nothing is lost.
 * - `error` is there only when the span failed, whatever its value: so it is `true`, the one value
 *   that all readers understand, beside error.type, which says what happened.
 * - There is no resource: each span repeats `localEndpoint`, and as tags what tells processes apart
 *   (host and pid) and the tags of tracing-tag, but not what would be the same for each of them
 *   (names and versions of ours), nor ids that only another wire has a use for.
 * - A link is the tag otlp.link.0, which OpenTelemetry's collector makes a link again. There is no
 *   tracestate.
 *
 * As in jaeger.c a span is written first and then found to fit or not; all that is constant in it
 * is made once.
 */
#include "events.h"
#include "json_put.h"
#include "resource.h"
#include "tracing/clock.h"
#include "tracing/context.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

/* A comma, an attribute's name, and the quotation mark its value begins with: of one size, so that
 * copying it takes a few moves and no call (make fails if a name does not fit). */
#define PREFIX_MAX 48

/* A string of the arena. The largest span of all has each attribute that long, because nothing says
 * that strings of the arena do not overlap. */
#define STRING_MAX (TRC_JSON_GROWTH * TRC_SPAN_ARENA)
/* Ids, times, an endpoint, a link. */
#define FIXED_MAX 640
/* What stands around names and values of tags; they themselves do not overlap. */
#define TAGS_MAX (TRC_SPAN_TAGS_MAX * 8 + STRING_MAX)
/* What stands around an event; the objects of those that are one, and twice as much again: see
 * put_whole. */
#define EVENTS_MAX (TRC_SPAN_EVENTS_MAX * (64 + TRC_EVENT_NAME_MAX) + 3 * TRC_EVENT_OBJECTS_MAX)
#define SPAN_MAX                                                                                   \
    (FIXED_MAX + STRING_MAX + TRC_ATTR_OWN_MAX * (PREFIX_MAX + STRING_MAX + 1) + TAGS_MAX +        \
     EVENTS_MAX + PREFIX_MAX)

/* What becomes of an attribute. */
enum place {
    TAG,
    REMOTE, /* in remoteEndpoint, if that is the peer; else a tag */
    NOWHERE,
};

struct prefix {
    char bytes[PREFIX_MAX];
    uint8_t len;
    uint8_t type;    /* enum trc_attribute_type */
    uint8_t place;   /* enum place */
    uint8_t pad[13]; /* a power of two is found by a shift */
};

struct trc_encoder {
    const struct trc_resource *resource;
    enum trc_semconv semconv;
    unsigned skip;             /* attributes of each span that the constant text has already */
    unsigned skip_internal;    /* of one of that kind */
    struct trc_slice constant; /* kind, localEndpoint and the first tags, in buf */
    char *at;                  /* the end of the message so far */
    char *message;             /* where it begins */
    char *limit;               /* where its spans must end */
    struct trc_json_double number;
    struct prefix prefix[TRC_ATTR_KEYS_MAX]; /* by index of the key */
    char buf[];
};

/* What the constant text begins with: left out of a span that is no server's. */
#define KIND ",\"kind\":\"SERVER\""

#define AT TRC_JSON_AT
#define PUT(b, literal) trc_buf_put((b), (literal), sizeof(literal) - 1)

/* --- Strings ---------------------------------------------------------------------------------- */

/* The server refuses a list in which it finds the end of v1's "binaryAnnotations" and a quotation
 * mark (ZipkinHttpCollector.testForUnexpectedFormat), whatever stands around it: any client could
 * have all spans of a batch refused with a path that ends so. Then the last character of a string
 * is written as an escape. */
static const char v1_suffix[] = "yAnnotations";
#define V1_LEN (sizeof(v1_suffix) - 1)
#define V1_LAST "\\u0073"

static inline bool ends_like_v1(struct trc_slice s) {
    return s.len >= V1_LEN && s.p[s.len - 1] == v1_suffix[V1_LEN - 1] &&
           memcmp(s.p + s.len - V1_LEN, v1_suffix, V1_LEN) == 0;
}

static inline char *put_string(char *at, struct trc_slice s, bool plain) {
    at = trc_json_string(at, s, plain);
    if (__builtin_expect(ends_like_v1(s), 0))
        at = AT(at - 1, V1_LAST);
    return at;
}

static void put_text(struct trc_buf *b, struct trc_slice s) {
    trc_json_put_text(b, s);
    if (ends_like_v1(s) && !b->overflow) {
        trc_buf_rewind(b, b->len - 1);
        PUT(b, V1_LAST);
    }
}

/* --- Endpoints -------------------------------------------------------------------------------- */

/* AF_INET or AF_INET6, if `s` is an address as text; else 0. Jaeger's collector refuses a whole
 * list with an address that is none. */
static int family_of(struct trc_slice s) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (s.len == 0 || s.len >= sizeof(text))
        return 0;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    const int family = memchr(text, ':', s.len) ? AF_INET6 : AF_INET;
    return inet_pton(family, text, &address) == 1 ? family : 0;
}

/* Who called: the client, where one is told of, else the peer, else nobody. *is_peer: it is the
 * peer. */
static char *put_remote(char *at, const struct trc_span *span, bool *is_peer) {
    struct trc_slice remote = trc_span_get(span, TRC_STR_CLIENT);
    int family = family_of(remote);

    *is_peer = false;
    if (!family) {
        remote = trc_span_get(span, TRC_STR_PEER);
        family = family_of(remote);
        if (!family)
            return at;
        *is_peer = true;
    }
    at = family == AF_INET ? AT(at, ",\"remoteEndpoint\":{\"ipv4\":\"")
                           : AT(at, ",\"remoteEndpoint\":{\"ipv6\":\"");
    memcpy(at, remote.p, remote.len);
    at = AT(at + remote.len, "\"");
    if (*is_peer && span->peer_port) {
        at = AT(at, ",\"port\":");
        at = trc_json_u64(at, span->peer_port);
    }
    return AT(at, "}");
}

/* --- Events ----------------------------------------------------------------------------------- */

#define PARTS_MAX 5

/* What people read of an event, into parts[PARTS_MAX]; returns how many there are, at least one. */
static unsigned text_of(const struct trc_event *event, struct trc_slice *parts) {
    const struct trc_extra *x = &event->extra;
    unsigned count = 0;

    if (x->value.len) /* of a log, which has nothing else */
        parts[count++] = x->value;
    if (x->type.len)
        parts[count++] = x->type;
    if (x->message.len) {
        if (count)
            parts[count++] = TRC_SLICE(": ");
        parts[count++] = x->message;
    }
    if (x->stack.len) {
        if (count)
            parts[count++] = TRC_SLICE("\n");
        parts[count++] = x->stack;
    }
    if (!count)
        parts[count++] = event->name;
    return count;
}

/* The collector's form. What stands in it is text inside text: it is written, moved out of the way,
 * and escaped to where it was; its escapes are reverse solidi and quotation marks, so it becomes at
 * most twice as long. */
static char *put_whole(char *at, const struct trc_event *event) {
    at = AT(trc_json_text_at(at, event->name), "|");
    const size_t len = (size_t)(trc_event_object(at, event, false) - at);
    memcpy(at + 2 * len, at, len);
    at = trc_json_text_at(at, (struct trc_slice){at + 2 * len, len});
    return AT(at, "|0");
}

static char *put_value(char *at, const struct trc_event *event) {
    struct trc_slice parts[PARTS_MAX];
    const unsigned count = text_of(event, parts);

    for (unsigned i = 0; i < count; i++)
        if (memchr(parts[i].p, '|', parts[i].len))
            return put_whole(at, event);
    for (unsigned i = 0; i < count; i++)
        at = put_string(at, parts[i], false);
    return at;
}

static __attribute__((noinline)) char *put_annotations(char *at, const struct trc_span *span,
                                                       enum trc_semconv semconv) {
    at = AT(at, ",\"annotations\":");
    char *const first = at;
    for (struct trc_event event = {.count = 0}; trc_event_next(span, semconv, &event);) {
        at = trc_json_u64(AT(at, ",{\"timestamp\":"), event.unix_ns / TRC_NS_PER_US);
        at = put_value(AT(at, ",\"value\":\""), &event);
        at = AT(at, "\"}");
    }
    if (at == first)
        at++;
    *first = '['; /* in place of the first one's comma */
    return AT(at, "]");
}

/* --- A span ----------------------------------------------------------------------------------- */

/* Names of the facts among the constant tags. */
static const struct trc_slice host_opentracing = TRC_SLICE("hostname"); /* as Jaeger's clients */
static const struct trc_slice host_http = TRC_SLICE("host.name");
static const struct trc_slice pid_name = TRC_SLICE("process.pid");

/* A tag under a name of its own, unless the constant tags have that name: an object's names are to
 * be unique. */
static __attribute__((noinline)) char *put_named(const struct trc_encoder *e, char *at,
                                                 const struct trc_attribute *a) {
    if (trc_slice_equal(a->name, host_opentracing) || trc_slice_equal(a->name, host_http) ||
        trc_slice_equal(a->name, pid_name) || trc_resource_has_tag(e->resource, a->name))
        return at;
    at = put_string(AT(at, ",\""), a->name, false);
    at = put_string(AT(at, "\":\""), a->s, false);
    return AT(at, "\"");
}

/* Trace id, span id, tracestate, attributes and how many are missing (pkg/translator/zipkin). */
static __attribute__((noinline)) char *put_link(char *at, const struct trc_span *span) {
    at = AT(at, ",\"otlp.link.0\":\"");
    at = trc_json_id(at, span->link_trace_hi);
    at = trc_json_id(at, span->link_trace_lo);
    at = trc_json_id(AT(at, "|"), span->link_span_id);
    return AT(at, "||{}|0\"");
}

/* All tags but the constant ones, each with a comma before it. */
static inline char *put_tags(struct trc_encoder *e, char *at, const struct trc_span *span,
                             bool plain, bool remote) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_attributes(span, e->semconv, list);

    const unsigned skip = span->kind == TRC_KIND_SERVER ? e->skip : e->skip_internal;

    for (const struct trc_attribute *a = list + skip; a < list + count; a++) {
        if (__builtin_expect(a->key == TRC_ATTR_NAMED, 0)) {
            at = put_named(e, at, a);
            continue;
        }
        const struct prefix *prefix = &e->prefix[a->key];
        if (prefix->place == NOWHERE || (prefix->place == REMOTE && remote))
            continue;
        memcpy(at, prefix->bytes, PREFIX_MAX); /* constant size: no call */
        at += prefix->len;
        switch (prefix->type) {
        case TRC_ATTR_STRING:
            at = put_string(at, a->s, plain);
            break;
        case TRC_ATTR_INT:
            at = trc_json_i64(at, a->i);
            break;
        case TRC_ATTR_BOOL:
            at = a->i ? AT(at, "true") : AT(at, "false");
            break;
        default:
            at = trc_json_double(at, &e->number, a->d);
            break;
        }
        *at++ = '"';
    }
    return at;
}

/* One span, with a comma before it: the first one's becomes the list's bracket. */
static char *put_span(struct trc_encoder *e, char *at, const struct trc_span *span) {
    const struct trc_slice name = trc_span_get(span, TRC_STR_NAME);
    const uint64_t duration_us = span->duration_ns / TRC_NS_PER_US;
    const bool plain = trc_plain(span->arena, span->arena_len, true);
    bool remote;

    at = AT(at, ",{\"traceId\":\"");
    if (span->trace_hi)
        at = trc_json_id(at, span->trace_hi);
    at = trc_json_id(at, span->trace_lo);
    at = trc_json_id(AT(at, "\",\"id\":\""), span->span_id);
    if (span->parent_id)
        at = trc_json_id(AT(at, "\",\"parentId\":\""), span->parent_id);
    at = put_string(AT(at, "\",\"name\":\""), name.p ? name : TRC_SLICE("HTTP"), plain);
    at = trc_json_u64(AT(at, "\",\"timestamp\":"), span->start_unix_ns / TRC_NS_PER_US);
    at = trc_json_u64(AT(at, ",\"duration\":"), duration_us ? duration_us : 1); /* 0 is unknown */
    if (span->flags & TRC_FLAG_DEBUG)
        at = AT(at, ",\"debug\":true");
    if (__builtin_expect(span->event_count != 0, 0))
        at = put_annotations(at, span, e->semconv);
    at = put_remote(at, span, &remote);
    const size_t kind = span->kind == TRC_KIND_SERVER ? 0 : sizeof(KIND) - 1;
    memcpy(at, e->constant.p + kind, e->constant.len - kind);
    at = put_tags(e, at + e->constant.len - kind, span, plain, remote);
    if (span->error && !(e->semconv & TRC_SEMCONV_OPENTRACING)) /* whose attribute `error` is */
        at = AT(at, ",\"error\":\"true\"");
    if (__builtin_expect(span->link_span_id != 0, 0))
        at = put_link(at, span);
    return AT(at, "}}");
}

static int add(struct trc_encoder *e, const struct trc_span *span) {
    char *const at = put_span(e, e->at, span);

    if (__builtin_expect(at > e->limit, 0))
        return at - e->at > e->limit - e->message ? -EMSGSIZE : -ENOSPC;
    *e->message = '[';
    e->at = at;
    return 0;
}

static struct trc_slice finish(struct trc_encoder *e, uint64_t sequence,
                               const struct trc_client_stats *stats) {
    char *const end = AT(e->at, "]");

    (void)sequence; /* Zipkin has no place for either */
    (void)stats;
    e->at = e->message;
    return (struct trc_slice){e->message, (size_t)(end - e->message)};
}

/* --- Making ----------------------------------------------------------------------------------- */

/* "name":"value", */
static void put_tag(struct trc_buf *b, struct trc_slice name, struct trc_slice value) {
    PUT(b, "\"");
    put_text(b, name);
    PUT(b, "\":\"");
    put_text(b, value);
    PUT(b, "\",");
}

static bool is_attribute(struct trc_slice name) {
    for (unsigned i = 0; i < trc_attribute_key_count; i++)
        if (trc_slice_equal(trc_attribute_keys[i].name, name))
            return true;
    return false;
}

/* The tags of the process. A tag takes the place of a fact, but the service has a name of its own
 * in the configuration, and what a span says of itself is its own. */
static void put_process(struct trc_buf *b, const struct trc_resource *r, enum trc_semconv semconv) {
    const struct trc_slice host = semconv & TRC_SEMCONV_OPENTRACING ? host_opentracing : host_http;
    char digits[20];
    struct trc_buf pid = trc_buf_over(digits, sizeof(digits));

    trc_buf_put_u64(&pid, (uint64_t)r->pid); /* no process has a negative one */
    if (r->hostname.p && !trc_resource_has_tag(r, host))
        put_tag(b, host, r->hostname);
    if (!trc_resource_has_tag(r, pid_name))
        put_tag(b, pid_name, trc_buf_slice(&pid));
    for (unsigned i = 0; i < r->tag_count; i++) {
        const struct trc_slice name = r->tags[i].key;
        if (!trc_slice_equal(name, TRC_SLICE("service.name")) && !is_attribute(name))
            put_tag(b, name, r->tags[i].value);
    }
}

static enum place place_of(struct trc_slice name) {
    static const struct trc_slice remote[] = {
        TRC_SLICE("peer.ipv4"), TRC_SLICE("peer.ipv6"), TRC_SLICE("peer.port"),
        TRC_SLICE("network.peer.address"), TRC_SLICE("network.peer.port")};

    if (trc_slice_equal(name, TRC_SLICE("span.kind")))
        return NOWHERE;
    for (unsigned i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
        if (trc_slice_equal(name, remote[i]))
            return REMOTE;
    return TAG;
}

/* The attributes that are the same for each span, which come first in the list of any. */
static void put_constants(struct trc_encoder *e, struct trc_buf *b) {
    struct trc_attribute list[TRC_ATTR_MAX];
    struct trc_span empty;
    unsigned i = 0;

    trc_span_clear(&empty);
    const unsigned count = trc_attributes(&empty, e->semconv, list);
    for (; i < count && trc_attribute_keys[list[i].key].constant.p; i++) {
        const struct trc_attribute_key *key = &trc_attribute_keys[list[i].key];
        if (place_of(key->name) != TAG)
            continue; /* the kind, which an internal span has not */
        put_tag(b, key->name, key->constant);
        e->skip_internal++;
    }
    e->skip = i;
}

/* Everything of a span that is the same for each, up to and without the comma before the first tag
 * that is not. */
static void put_constant(struct trc_encoder *e, struct trc_buf *b) {
    const struct trc_resource *r = e->resource;
    const int family = family_of(r->ip);

    PUT(b, KIND ",\"localEndpoint\":{\"serviceName\":\"");
    put_text(b, r->service);
    if (family) {
        trc_buf_put_slice(b, family == AF_INET ? TRC_SLICE("\",\"ipv4\":\"")
                                               : TRC_SLICE("\",\"ipv6\":\""));
        trc_buf_put_slice(b, r->ip);
    }
    PUT(b, "\"},\"tags\":{");
    put_constants(e, b);
    put_process(b, r, e->semconv);
    if (!b->overflow)
        b->len--; /* there always is a tag: the pid, or what takes its place */
}

static int prefix_init(struct prefix *prefix, const struct trc_attribute_key *key) {
    struct trc_buf b = trc_buf_over(prefix->bytes, PREFIX_MAX);

    PUT(&b, ",\"");
    put_text(&b, key->name);
    PUT(&b, "\":\"");
    if (b.overflow)
        return -E2BIG;
    prefix->len = (uint8_t)b.len;
    prefix->type = (uint8_t)key->type;
    prefix->place = (uint8_t)place_of(key->name);
    return 0;
}

/* -ENOSPC, or -E2BIG when a name does not fit its prefix. */
static int prepare(struct trc_encoder *e, const struct trc_encoder_config *config) {
    struct trc_buf b = trc_buf_over(e->buf, config->max_bytes);

    put_constant(e, &b);
    if (b.overflow)
        return -ENOSPC;
    e->constant = trc_buf_slice(&b);
    e->at = e->message = e->buf + b.len;
    e->limit = e->message + config->max_bytes - 1; /* the closing bracket */
    for (unsigned i = 0; i < trc_attribute_key_count; i++)
        if (prefix_init(&e->prefix[i], &trc_attribute_keys[i]) != 0)
            return -E2BIG;
    return 0;
}

static struct trc_encoder *make(const struct trc_encoder_config *config) {
    /* The constant text, the message, and one span more, which has that text in it, too. What is
     * never touched of it takes no memory. */
    struct trc_encoder *e = malloc(sizeof(*e) + 3 * config->max_bytes + SPAN_MAX);

    if (!e)
        return NULL;
    *e = (struct trc_encoder){.resource = config->resource, .semconv = config->semconv};
    if (prepare(e, config) != 0) {
        free(e);
        return NULL;
    }
    return e;
}

static void drop(struct trc_encoder *e) {
    free(e);
}

const struct trc_encoder_ops trc_encoder_zipkin_json = {"zipkin json", make, drop, add, finish};
