/* SPDX-License-Identifier: MIT
 *
 * Zipkin's first model as Jaeger's agents took it on port 5775: one emitZipkinBatch message a
 * datagram, in Thrift's compact protocol. Used by the reporters, through trc_encoder_zipkin_thrift.
 *
 *   buf:  gap              | span | span | ... | room for one more span, the worst there can be
 *            ^ the head, right-aligned by finish ^ `at`
 *
 *   message = open, seqid, head, list header of the spans, span ..., 0
 *   span    = ids, name, annotation sr, annotation ss, list header, peer, lead, (prefix, value) ...
 *
 * Names and types: jaeger-idl's thrift/zipkincore.thrift. A span is written first and then found to
 * fit or not, as in jaeger.c.
 *
 * This model has no process. What is here said of it, each span says: its service and address in
 * the endpoints of sr and ss; jaeger.version and jaeger.hostname, which Jaeger's converter takes
 * out of the span again and makes tags of the process; and the configured tags, since whoever set
 * them wants to search by them. The pid and client-uuid are left out: uwsgi.worker tells the
 * workers apart, and there are no ClientStats to count by. That is some 100 bytes a span for the
 * two facts and both endpoints, of 510.
 *
 * Nor has it a place for a link, which becomes the tags link.trace_id and link.span_id, nor for
 * the tracestate, which is left out. The fields of an event are its annotation's value, as an
 * object of JSON: Jaeger's converter makes fields of it again (model/converter/thrift/zipkin,
 * getLogFields), and no text of an application's can be one of the words that mean something here.
 */
#include "events.h"
#include "keys.h"
#include "plain.h"
#include "thrift_put.h"
#include "tracing/clock.h"
#include "tracing/context.h"
#include "tracing/hex.h"
#include "zipkin_internal.h"
#include <errno.h>
#include <stdlib.h>

/* What changes in the head: seqid, and the list header (type and count). */
#define HEAD_MAX (TRC_THRIFT_VARINT32_MAX + 1 + TRC_THRIFT_VARINT32_MAX)
#define TAIL_MAX 1
/* A string of the arena, not one byte of which is UTF-8. */
#define STRING_MAX (TRC_THRIFT_VARINT32_MAX + 3 * TRC_SPAN_ARENA)
/* A tag with one of our names, and what another name takes more than its bytes. */
#define TAG_MAX (TRC_THRIFT_PREFIX_MAX + STRING_MAX + TRC_ZIPKIN_ANNOTATION_END)
#define NAME_MAX_MORE (2 * (1 + TRC_THRIFT_VARINT32_MAX))
/* Tags that are not in the list of attributes: error, link.trace_id, link.span_id. */
#define EXTRA_MAX 3
#define TAGS_MAX (TRC_ATTR_MAX + EXTRA_MAX)
/* Tags with names of others, those of a link too; what is of the arena does not overlap. Events. */
#define NAMED_MAX                                                                                  \
    ((TRC_SPAN_TAGS_MAX + 2) *                                                                     \
         (NAME_MAX_MORE + TRC_THRIFT_PREFIX_MAX + TRC_ZIPKIN_ANNOTATION_END) +                     \
     3 * TRC_SPAN_ARENA)
#define EVENTS_MAX                                                                                 \
    (TRC_SPAN_EVENTS_MAX * (2 + TRC_THRIFT_VARINT64_MAX + TRC_THRIFT_VARINT32_MAX + 1) +           \
     TRC_EVENT_OBJECTS_MAX)
/* The address of `ca`, and two stop bytes. */
#define ADDRESS_MAX (TRC_THRIFT_VARINT32_MAX + 1 + TRC_THRIFT_VARINT32_MAX + 2 + 2 + 16 + 2)
/* A span but for its constants: twelve fields, two times of annotations, an address, all tags. */
#define SPAN_MAX                                                                                   \
    (14 * (1 + TRC_THRIFT_VARINT64_MAX) + STRING_MAX + 1 + ADDRESS_MAX +                           \
     (TRC_ATTR_OWN_MAX + EXTRA_MAX) * TAG_MAX + NAMED_MAX + EVENTS_MAX + TRC_THRIFT_SLACK)

struct trc_encoder {
    unsigned count; /* of spans in the message */
    char *at;       /* the end of the message so far */
    char *spans;    /* where they begin */
    char *limit;    /* where they must end */
    enum trc_semconv semconv;
    uint8_t error_key, peer_ipv4_key, peer_port_key;
    struct trc_zipkin_constants c;
    char buf[];
};

/* BinaryAnnotation {3: annotation_type}, and its end. */
TRC_THRIFT_INLINE char *put_annotation_end(char *at, int type) {
    at = trc_thrift_put_field(at, TRC_THRIFT_I32, 3, 1, true);
    at = trc_thrift_put_i32(at, type, true);
    *at++ = 0;
    return at;
}

/* A BinaryAnnotation under a name that is no constant. */
static char *put_named(char *at, const struct trc_attribute *a, bool plain) {
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 1, 1, true);
    at = trc_thrift_put_string(at, a->name, plain, true);
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 2, 1, true);
    at = trc_thrift_put_string(at, a->s, plain, true);
    return put_annotation_end(at, TRC_ZIPKIN_STRING);
}

/* The value of a tag is a string of bytes whatever its type: a number is eight of them, big-endian,
 * as Jaeger's converter reads it. */
static char *put_attributes(char *at, const struct trc_encoder *e, const struct trc_attribute *a,
                            unsigned count, bool plain) {
    uint64_t bits;

    for (const struct trc_attribute *end = a + count; a < end; a++) {
        if (__builtin_expect(a->key == TRC_ATTR_NAMED, 0)) {
            at = put_named(at, a, plain);
            continue;
        }
        const struct trc_thrift_prefix *prefix = &e->c.prefix[a->key];
        memcpy(at, prefix->bytes, TRC_THRIFT_PREFIX_MAX); /* constant size: no call */
        at += prefix->len;
        switch (prefix->type) {
        case TRC_ATTR_STRING:
            at = trc_thrift_put_string(at, a->s, plain, true);
            at = put_annotation_end(at, TRC_ZIPKIN_STRING);
            break;
        case TRC_ATTR_INT:
            at = trc_thrift_put_be64(at, (uint64_t)a->i);
            at = put_annotation_end(at, TRC_ZIPKIN_I64);
            break;
        case TRC_ATTR_BOOL:
            *at++ = a->i != 0;
            at = put_annotation_end(at, TRC_ZIPKIN_BOOL);
            break;
        default:
            memcpy(&bits, &a->d, sizeof(bits));
            at = trc_thrift_put_be64(at, bits);
            at = put_annotation_end(at, TRC_ZIPKIN_DOUBLE);
            break;
        }
    }
    return at;
}

/* `ca`, which Zipkin calls the client's address: Endpoint {1: ipv4, 2: port, 3: service_name,
 * 4: ipv6}. Jaeger makes peer.* of it, so it is the peer's on this wire, whomever proxies tell of.
 */
static char *put_peer(char *at, const struct trc_zipkin_constants *c,
                      const struct trc_zipkin_address *address, uint16_t port) {
    at = trc_thrift_put_bytes(at, c->peer.p, c->peer.len);
    at = trc_thrift_put_i32(at, (int32_t)address->ipv4, true);
    at = trc_thrift_put_field(at, TRC_THRIFT_I16, 2, 1, true);
    at = trc_thrift_put_i32(at, (int16_t)port, true);
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 3, 1, true);
    at = trc_thrift_put_len(at, 0, true);
    if (address->is_ipv6) {
        at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 4, 1, true);
        at = trc_thrift_put_len(at, 16, true);
        at = trc_thrift_put_bytes(at, (const char *)address->ipv6, 16);
    }
    *at++ = 0; /* end of Endpoint */
    *at++ = 0; /* end of BinaryAnnotation */
    return at;
}

/* Takes out of list[count] the tags that Jaeger makes of `ca` anyway, which would be there twice;
 * returns how many are left. Jaeger's own clients did so on this wire. peer.ipv6 stays: of that it
 * makes bytes that nobody can read. */
static unsigned without_peer(const struct trc_encoder *e, struct trc_attribute *list,
                             unsigned count) {
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++)
        if (list[i].key != e->peer_ipv4_key && list[i].key != e->peer_port_key)
            list[kept++] = list[i];
    return kept;
}

/* Annotation {1: timestamp, 2: value, 3: host}. */
static char *put_annotation(char *at, int64_t time_us, struct trc_slice rest) {
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 1, 1, true);
    at = trc_thrift_put_i64(at, time_us, true);
    return trc_thrift_put_bytes(at, rest.p, rest.len);
}

/* Annotation {1: timestamp, 2: value} of each event. */
static __attribute__((noinline)) char *put_events(char *at, const struct trc_span *span,
                                                  enum trc_semconv semconv) {
    for (struct trc_event event = {.count = 0}; trc_event_next(span, semconv, &event);) {
        at = trc_thrift_put_field(at, TRC_THRIFT_I64, 1, 1, true);
        at = trc_thrift_put_i64(at, (int64_t)(event.unix_ns / TRC_NS_PER_US), true);
        at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 2, 1, true);
        char *const object = at + TRC_THRIFT_VARINT32_MAX;
        const size_t len = (size_t)(trc_event_object(object, &event, true) - object);
        at = trc_thrift_put_len(at, len, true);
        memmove(at, object, len);
        at += len;
        *at++ = 0; /* end of Annotation */
    }
    return at;
}

/* Fields 1 to 6: ids, name, and the annotations: those that make it a server's span, if it is one,
 * and its events. A root has no parent, rather than one of 0, which Jaeger's sanitizer reports as
 * an error of the span. */
static char *put_front(char *at, const struct trc_encoder *e, const struct trc_span *span,
                       int64_t start_us, int64_t duration_us, bool plain) {
    struct trc_slice name = trc_span_get(span, TRC_STR_NAME);
    const bool server = __builtin_expect(span->kind == TRC_KIND_SERVER, 1);
    const unsigned events = __builtin_expect(span->event_count != 0, 0) ? trc_event_count(span) : 0;

    if (!name.p)
        name = TRC_SLICE("HTTP");
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 1, 1, true);
    at = trc_thrift_put_i64(at, (int64_t)span->trace_lo, true);
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 3, 2, true);
    at = trc_thrift_put_string(at, name, plain, true);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 4, 1, true);
    at = trc_thrift_put_i64(at, (int64_t)span->span_id, true);
    if (span->parent_id) {
        at = trc_thrift_put_field(at, TRC_THRIFT_I64, 5, 1, true);
        at = trc_thrift_put_i64(at, (int64_t)span->parent_id, true);
    }
    at = trc_thrift_put_field(at, TRC_THRIFT_LIST, 6, span->parent_id ? 1 : 2, true);
    at = trc_thrift_put_list(at, (server ? 2 : 0) + events, true);
    if (server) {
        at = put_annotation(at, start_us, e->c.sr);
        at = put_annotation(at, start_us + duration_us, e->c.ss);
    }
    return events ? put_events(at, span, e->semconv) : at;
}

/* Fields 9 to 12. */
static char *put_back(char *at, const struct trc_span *span, int64_t start_us,
                      int64_t duration_us) {
    const bool debug = span->flags & TRC_FLAG_DEBUG;

    if (debug)
        *at++ = 0x11; /* field 9, 1 above 8; the type of a true bool is its value */
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 10, debug ? 1 : 2, true);
    at = trc_thrift_put_i64(at, start_us, true);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 11, 1, true);
    at = trc_thrift_put_i64(at, duration_us, true);
    if (span->trace_hi) {
        at = trc_thrift_put_field(at, TRC_THRIFT_I64, 12, 1, true);
        at = trc_thrift_put_i64(at, (int64_t)span->trace_hi, true);
    }
    *at++ = 0; /* end of Span */
    return at;
}

/* What a span says as tags, into list[TAGS_MAX], with the digits of a link in hex[48]; returns how
 * many. There is no other place for a failure, whatever the names. */
static unsigned list_tags(const struct trc_encoder *e, const struct trc_span *span,
                          struct trc_attribute *list, char *hex) {
    unsigned count = trc_attributes(span, e->semconv, list);

    if (span->error && !(e->semconv & TRC_SEMCONV_OPENTRACING))
        list[count++] = (struct trc_attribute){.key = e->error_key, .i = 1};
    if (__builtin_expect(span->link_span_id != 0, 0)) {
        trc_hex_put16(hex, span->link_trace_hi);
        trc_hex_put16(hex + 16, span->link_trace_lo);
        trc_hex_put16(hex + 32, span->link_span_id);
        list[count++] = (struct trc_attribute){
            .key = TRC_ATTR_NAMED, .name = TRC_SLICE("link.trace_id"), .s = {hex, 32}};
        list[count++] = (struct trc_attribute){
            .key = TRC_ATTR_NAMED, .name = TRC_SLICE("link.span_id"), .s = {hex + 32, 16}};
    }
    return count;
}

static int add(struct trc_encoder *e, const struct trc_span *span) {
    /* Whose service it is, sr and ss say of a server's span, and lc of any other, which Zipkin
     * calls a local one; that is also its component. */
    const bool local = span->kind != TRC_KIND_SERVER;
    const unsigned skip = local ? e->c.component_count : e->c.lead_skip;
    struct trc_attribute all[TAGS_MAX], *const list = all + skip;
    struct trc_zipkin_address peer;
    char hex[48];
    unsigned count = list_tags(e, span, all, hex) - skip;
    const bool has_peer = trc_zipkin_address_parse(trc_span_get(span, TRC_STR_PEER), &peer);
    const bool plain = trc_plain(span->arena, span->arena_len, false);
    const int64_t start_us = (int64_t)(span->start_unix_ns / TRC_NS_PER_US);
    int64_t duration_us = (int64_t)(span->duration_ns / TRC_NS_PER_US);

    if (duration_us == 0)
        duration_us = 1; /* in Zipkin 0 is: not known */
    if (has_peer && e->semconv & TRC_SEMCONV_OPENTRACING)
        count = without_peer(e, list, count);
    char *at = put_front(e->at, e, span, start_us, duration_us, plain);
    at = trc_thrift_put_field(at, TRC_THRIFT_LIST, 8, 2, true);
    const unsigned leading = e->c.lead_count + (local ? 1 - e->c.component_count : 0);
    at = trc_thrift_put_list(at, has_peer + leading + count, true);
    if (has_peer)
        at = put_peer(at, &e->c, &peer, span->peer_port);
    if (__builtin_expect(local, 0))
        at = trc_thrift_put_bytes(at, e->c.local.p, e->c.local.len);
    at = trc_thrift_put_bytes(at, e->c.lead.p, e->c.lead.len - (local ? e->c.component_len : 0));
    at = put_attributes(at, e, list, count, plain);
    at = put_back(at, span, start_us, duration_us);

    if (__builtin_expect(at > e->limit, 0))
        return at - e->at > e->limit - e->spans ? -EMSGSIZE : -ENOSPC;
    e->at = at;
    e->count++;
    return 0;
}

static struct trc_slice finish(struct trc_encoder *e, uint64_t sequence,
                               const struct trc_client_stats *stats) {
    char list[1 + TRC_THRIFT_VARINT32_MAX + TRC_THRIFT_SLACK];
    char number[TRC_THRIFT_VARINT32_MAX + TRC_THRIFT_SLACK];
    /* seqid is a plain varint, without zigzag. */
    const size_t number_len =
        (size_t)(trc_thrift_put_len(number, (uint32_t)sequence, true) - number);
    const size_t list_len = (size_t)(trc_thrift_put_list(list, e->count, true) - list);
    const struct trc_slice parts[] = {e->c.open, {number, number_len}, e->c.head, {list, list_len}};
    char *start = e->spans;

    (void)stats; /* this message has no place for them */
    for (unsigned i = 4; i-- > 0;) {
        start -= parts[i].len;
        memcpy(start, parts[i].p, parts[i].len);
    }
    *e->at = 0; /* end of the arguments */
    const size_t len = (size_t)(e->at + 1 - start);
    e->at = e->spans;
    e->count = 0;
    return (struct trc_slice){start, len};
}

static void drop(struct trc_encoder *e) {
    if (e) {
        trc_zipkin_constants_fini(&e->c);
        free(e);
    }
}

static struct trc_encoder *make(const struct trc_encoder_config *config) {
    struct trc_zipkin_constants c;
    struct trc_encoder *e = NULL;

    if (trc_zipkin_constants_init(&c, config) != 0)
        return NULL;
    const size_t gap = c.open.len + c.head.len + HEAD_MAX;
    const size_t of_span = c.sr.len + c.ss.len + c.peer.len + c.local.len + c.lead.len;
    if (gap + of_span + TAIL_MAX < config->max_bytes)
        /* What is never touched of it takes no memory. */
        e = malloc(sizeof(*e) + config->max_bytes + of_span + SPAN_MAX);
    if (!e) {
        trc_zipkin_constants_fini(&c);
        return NULL;
    }
    *e = (struct trc_encoder){.semconv = config->semconv, .c = c};
    e->error_key = trc_attribute_index(TRC_SLICE("error"));
    e->peer_ipv4_key = trc_attribute_index(TRC_SLICE("peer.ipv4"));
    e->peer_port_key = trc_attribute_index(TRC_SLICE("peer.port"));
    e->spans = e->at = e->buf + gap;
    e->limit = e->buf + config->max_bytes - TAIL_MAX;
    return e;
}

const struct trc_encoder_ops trc_encoder_zipkin_thrift = {"zipkin thrift", make, drop, add, finish};
