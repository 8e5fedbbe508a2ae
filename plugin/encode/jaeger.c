/* SPDX-License-Identifier: MIT
 *
 * Jaeger's wires. To an agent: one emitBatch message a datagram, in Thrift's compact or binary
 * protocol. To a collector: the Batch alone, in the binary one, as the body of a POST. Used by the
 * reporters, through trc_encoder_jaeger_compact, _binary and _batch.
 *
 *   buf:  gap              | span | span | ... | room for one more span, the worst there can be
 *            ^ the head, right-aligned by finish ^ `at`
 *
 * A span is written before anybody knows whether it fits: behind the message there is always room
 * for the largest one, and a message that became too long just does not count it. That is exact,
 * and costs one comparison a span; a sizing pass would cost as much as the writing. The head can
 * only be written by finish, since the list header of the spans has the length of their count.
 */
#include "events.h"
#include "jaeger_internal.h"
#include "keys.h"
#include "plain.h"
#include "resource.h"
#include "thrift_put.h"
#include "tracing/clock.h"
#include "tracing/context.h"
#include "tracing/hex.h"
#include "tracing/version.h"
#include <errno.h>
#include <stdlib.h>

/* What changes in the head: seqid, and the list header (type and count). */
#define HEAD_MAX (TRC_THRIFT_VARINT32_MAX + 1 + TRC_THRIFT_VARINT32_MAX)
/* seqNo, stats and their three fields, four headers of 3 bytes and one of 1...3, three stop bytes.
 */
#define TAIL_MAX (4 * (3 + TRC_THRIFT_VARINT64_MAX) + 3 + 3)
/* A string of the arena, not one byte of which is UTF-8. */
#define STRING_MAX (TRC_THRIFT_VARINT32_MAX + 3 * TRC_SPAN_ARENA)
/* A tag with one of our names, and what another name takes more than its bytes. */
#define TAG_MAX (TRC_THRIFT_PREFIX_MAX + STRING_MAX + 1)
#define NAME_MAX_MORE (2 * (3 + TRC_THRIFT_VARINT32_MAX))
/* Tags that are not in the list of attributes: error, w3c.tracestate. */
#define EXTRA_MAX 2
#define TAGS_MAX (TRC_ATTR_MAX + EXTRA_MAX)
/* Fields of a Log, which are tags, and `event`; a Log but for these; and their lists. */
#define LOG_FIELDS_MAX (TRC_EVENT_ATTRIBUTES_MAX + 1)
#define LOG_MAX (3 + TRC_THRIFT_VARINT64_MAX + 3 + 1 + TRC_THRIFT_VARINT32_MAX + 1)
#define LOGS_MAX (TRC_SPAN_EVENTS_MAX * LOG_MAX + 3 + 1 + TRC_THRIFT_VARINT32_MAX)
/* Tags with names of others, w3c.tracestate too, and fields of events; what is of the arena does
 * not overlap. */
#define NAMED_MAX                                                                                  \
    ((TRC_SPAN_TAGS_MAX + 1 + TRC_SPAN_EVENTS_MAX * LOG_FIELDS_MAX) *                              \
         (NAME_MAX_MORE + TRC_THRIFT_PREFIX_MAX + 1) +                                             \
     TRC_EVENT_COPIES * 3 * TRC_SPAN_ARENA)
/* A list of one SpanRef. */
#define LINK_MAX (3 + TRC_THRIFT_VARINT32_MAX + 4 * (3 + TRC_THRIFT_VARINT64_MAX) + 1)
/* Fields 1-11 of a Span with one string, its stop byte, a link, all tags and events. The lead is
 * extra. */
#define SPAN_MAX                                                                                   \
    (10 * (3 + TRC_THRIFT_VARINT64_MAX) + STRING_MAX + 1 + LINK_MAX +                              \
     (TRC_ATTR_OWN_MAX + EXTRA_MAX) * TAG_MAX + NAMED_MAX + LOGS_MAX + TRC_THRIFT_SLACK)

struct trc_encoder {
    bool compact, bare;
    unsigned count; /* of spans in the message */
    char *at;       /* the end of the message so far */
    char *spans;    /* where they begin */
    char *limit;    /* where they must end */
    uint8_t error_key;
    enum trc_semconv semconv;
    struct trc_jaeger_constants constants;
    char buf[];
};

/* A Tag under a name that is no constant: {1: key, 2: vType STRING, 3: vStr} */
TRC_THRIFT_INLINE char *put_named(char *at, const struct trc_attribute *a, bool plain,
                                  const bool compact) {
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 1, 1, compact);
    at = trc_thrift_put_string(at, a->name, plain, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I32, 2, 1, compact);
    at = trc_thrift_put_i32(at, 0, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 3, 1, compact);
    at = trc_thrift_put_string(at, a->s, plain, compact);
    *at++ = 0; /* end of Tag */
    return at;
}

static inline const struct trc_jaeger_lead *lead_of(const struct trc_jaeger_constants *c,
                                                    const struct trc_span *span) {
    return __builtin_expect(span->kind == TRC_KIND_SERVER, 1) ? &c->server : &c->internal;
}

/* The tags of a span: Span field 10. */
TRC_THRIFT_INLINE char *put_tags(char *at, const struct trc_jaeger_constants *c,
                                 const struct trc_jaeger_lead *lead, const struct trc_attribute *a,
                                 unsigned count, bool plain, const bool compact) {
    at = trc_thrift_put_field(at, TRC_THRIFT_LIST, 10, 1, compact);
    at = trc_thrift_put_list(at, lead->count + count, compact);
    at = trc_thrift_put_bytes(at, lead->bytes.p, lead->bytes.len);

    for (const struct trc_attribute *end = a + count; a < end; a++) {
        if (__builtin_expect(a->key == TRC_ATTR_NAMED, 0)) {
            at = put_named(at, a, plain, compact);
            continue;
        }
        const struct trc_thrift_prefix *prefix = &c->prefix[a->key];
        memcpy(at, prefix->bytes, TRC_THRIFT_PREFIX_MAX); /* constant size: no call */
        at += prefix->len;
        switch (prefix->type) {
        case TRC_ATTR_STRING:
            at = trc_thrift_put_string(at, a->s, plain, compact);
            break;
        case TRC_ATTR_INT:
            at = trc_thrift_put_i64(at, a->i, compact);
            break;
        case TRC_ATTR_BOOL: /* compact: the header of field 5, 4 above... 3 above vType, is it */
            *at++ = compact ? (a->i ? 0x31 : 0x32) : (a->i ? 1 : 0);
            break;
        default:
            at = trc_thrift_put_double(at, a->d, compact);
            break;
        }
        *at++ = 0; /* end of Tag */
    }
    return at;
}

/* The link: Span field 6, a list of one SpanRef {1: FOLLOWS_FROM, 2: traceIdLow, 3: traceIdHigh,
 * 4: spanId}. */
TRC_THRIFT_INLINE char *put_link(char *at, const struct trc_span *span, const bool compact) {
    at = trc_thrift_put_field(at, TRC_THRIFT_LIST, 6, 1, compact);
    at = trc_thrift_put_list(at, 1, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I32, 1, 1, compact);
    at = trc_thrift_put_i32(at, 1, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 2, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->link_trace_lo, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 3, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->link_trace_hi, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 4, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->link_span_id, compact);
    *at++ = 0; /* end of SpanRef */
    return at;
}

/* The events: Span field 11, a list of Log {1: timestamp, 2: fields}. What an event is called is
 * its field `event` (OpenTracing's semantic_conventions.md), of which Jaeger 2 makes its name
 * again. */
static __attribute__((noinline)) char *put_events(char *at, const struct trc_span *span,
                                                  enum trc_semconv semconv, bool plain,
                                                  bool compact) {
    at = trc_thrift_put_field(at, TRC_THRIFT_LIST, 11, 1, compact);
    at = trc_thrift_put_list(at, trc_event_count(span), compact);
    for (struct trc_event event = {.count = 0}; trc_event_next(span, semconv, &event);) {
        const struct trc_attribute name = {
            .key = TRC_ATTR_NAMED, .name = TRC_SLICE("event"), .s = event.name};
        at = trc_thrift_put_field(at, TRC_THRIFT_I64, 1, 1, compact);
        at = trc_thrift_put_i64(at, (int64_t)(event.unix_ns / TRC_NS_PER_US), compact);
        at = trc_thrift_put_field(at, TRC_THRIFT_LIST, 2, 1, compact);
        at = trc_thrift_put_list(at, 1 + event.count, compact);
        at = put_named(at, &name, true, compact);
        for (unsigned i = 0; i < event.count; i++)
            at = put_named(at, &event.attributes[i], plain, compact);
        *at++ = 0; /* end of Log */
    }
    return at;
}

/* struct Span of jaeger.thrift: all eight required fields, always; without one of them the
 * receiver's decoder gives up the whole batch. The parent is not among the references: the receiver
 * makes one out of parentSpanId. */
TRC_THRIFT_INLINE char *put_span(char *at, const struct trc_encoder *e, const struct trc_span *span,
                                 const struct trc_attribute *a, unsigned count,
                                 const bool compact) {
    const struct trc_jaeger_constants *const c = &e->constants;
    const bool plain = trc_plain(span->arena, span->arena_len, false);
    struct trc_slice name = trc_span_get(span, TRC_STR_NAME);
    const int64_t start_us = (int64_t)(span->start_unix_ns / TRC_NS_PER_US);
    const int64_t duration_us = (int64_t)(span->duration_ns / TRC_NS_PER_US);
    const bool linked = span->link_span_id != 0;

    if (!name.p)
        name = TRC_SLICE("HTTP");
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 1, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->trace_lo, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 2, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->trace_hi, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 3, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->span_id, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 4, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)span->parent_id, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_STRING, 5, 1, compact);
    at = trc_thrift_put_string(at, name, plain, compact);
    if (__builtin_expect(linked, 0))
        at = put_link(at, span, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I32, 7, linked ? 1 : 2, compact);
    at = trc_thrift_put_i32(at, span->flags & (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG), compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 8, 1, compact);
    at = trc_thrift_put_i64(at, start_us, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 9, 1, compact);
    at = trc_thrift_put_i64(at, duration_us, compact);
    at = put_tags(at, c, lead_of(c, span), a, count, plain, compact);
    if (__builtin_expect(span->event_count != 0, 0))
        at = put_events(at, span, e->semconv, plain, compact);
    *at++ = 0; /* end of Span */
    return at;
}

TRC_THRIFT_INLINE int add(struct trc_encoder *e, const struct trc_span *span,
                          const struct trc_attribute *a, unsigned count, const bool compact) {
    char *const at = put_span(e->at, e, span, a, count, compact);

    if (__builtin_expect(at > e->limit, 0))
        return at - e->at > e->limit - e->spans ? -EMSGSIZE : -ENOSPC;
    e->at = at;
    e->count++;
    return 0;
}

int trc_jaeger_add(struct trc_encoder *e, const struct trc_span *span,
                   const struct trc_attribute *attributes, unsigned count) {
    return e->compact ? add(e, span, attributes, count, true)
                      : add(e, span, attributes, count, false);
}

/* What a span says as tags, into list[TAGS_MAX]; returns how many. As Jaeger knows the kind of a
 * span from a tag alone, so it knows its failure, whatever the names. The tracestate has the name
 * that Jaeger gives it when it comes by OTLP (its translator's w3c.tracestate). */
static inline unsigned list_tags(const struct trc_encoder *e, const struct trc_span *span,
                                 struct trc_attribute *list) {
    const struct trc_slice state = trc_span_get(span, TRC_STR_STATE);
    unsigned count = trc_attributes(span, e->semconv, list);

    if (span->error && !(e->semconv & TRC_SEMCONV_OPENTRACING))
        list[count++] = (struct trc_attribute){.key = e->error_key, .i = 1};
    if (state.p)
        list[count++] = (struct trc_attribute){
            .key = TRC_ATTR_NAMED, .name = TRC_SLICE("w3c.tracestate"), .s = state};
    return count;
}

static int add_compact(struct trc_encoder *e, const struct trc_span *span) {
    struct trc_attribute list[TAGS_MAX];
    const unsigned count = list_tags(e, span, list), skip = lead_of(&e->constants, span)->skip;

    return add(e, span, list + skip, count - skip, true);
}

static int add_binary(struct trc_encoder *e, const struct trc_span *span) {
    struct trc_attribute list[TAGS_MAX];
    const unsigned count = list_tags(e, span, list), skip = lead_of(&e->constants, span)->skip;

    return add(e, span, list + skip, count - skip, false);
}

/* Everything behind the spans: Batch {3: seqNo, 4: ClientStats {1, 2, 3}}, and their stop bytes. */
static char *put_tail(const struct trc_encoder *e, uint64_t sequence,
                      const struct trc_client_stats *stats) {
    const bool compact = e->compact;
    char *at = e->at;
    const uint64_t lost[] = {stats->full_queue, stats->too_large, stats->failed};

    at = trc_thrift_put_field(at, TRC_THRIFT_I64, 3, 1, compact);
    at = trc_thrift_put_i64(at, (int64_t)sequence, compact);
    at = trc_thrift_put_field(at, TRC_THRIFT_STRUCT, 4, 1, compact);
    for (unsigned i = 0; i < 3; i++) {
        at = trc_thrift_put_field(at, TRC_THRIFT_I64, i + 1, 1, compact);
        at = trc_thrift_put_i64(at, (int64_t)lost[i], compact);
    }
    *at++ = 0; /* end of ClientStats */
    *at++ = 0; /* end of Batch */
    if (!e->bare)
        *at++ = 0; /* end of the arguments */
    return at;
}

/* Everything before the spans, written so that it ends at e->spans. Returns where it begins. */
static char *put_head(struct trc_encoder *e, uint32_t seqid) {
    const struct trc_jaeger_constants *c = &e->constants;
    char list[1 + TRC_THRIFT_VARINT32_MAX + TRC_THRIFT_SLACK];
    char number[TRC_THRIFT_VARINT32_MAX + TRC_THRIFT_SLACK];
    /* The compact seqid is a plain varint, without zigzag. */
    const size_t number_len =
        e->bare ? 0 : (size_t)(trc_thrift_put_len(number, seqid, e->compact) - number);
    const size_t list_len = (size_t)(trc_thrift_put_list(list, e->count, e->compact) - list);
    const struct trc_slice parts[] = {c->open, {number, number_len}, c->head, {list, list_len}};
    char *at = e->spans;

    for (unsigned i = 4; i-- > 0;) {
        at -= parts[i].len;
        memcpy(at, parts[i].p, parts[i].len);
    }
    return at;
}

static struct trc_slice finish(struct trc_encoder *e, uint64_t sequence,
                               const struct trc_client_stats *stats) {
    char *const start = put_head(e, (uint32_t)sequence);
    char *const end = put_tail(e, sequence, stats);

    e->at = e->spans;
    e->count = 0;
    return (struct trc_slice){start, (size_t)(end - start)};
}

static void drop(struct trc_encoder *e) {
    if (e) {
        trc_jaeger_constants_fini(&e->constants);
        free(e);
    }
}

struct trc_encoder *trc_jaeger_make(const struct trc_jaeger_setup *setup) {
    struct trc_jaeger_constants constants;

    if (trc_jaeger_constants_init(&constants, setup) != 0)
        return NULL;
    const size_t gap = constants.open.len + constants.head.len + HEAD_MAX;
    struct trc_encoder *e = NULL;
    if (gap + TAIL_MAX < setup->max_bytes)
        /* What is never touched of it takes no memory. */
        e = malloc(sizeof(*e) + setup->max_bytes + constants.server.bytes.len + SPAN_MAX);
    if (!e) {
        trc_jaeger_constants_fini(&constants);
        return NULL;
    }
    *e = (struct trc_encoder){
        .compact = setup->compact, .bare = setup->bare, .constants = constants};
    e->spans = e->at = e->buf + gap;
    e->limit = e->buf + setup->max_bytes - TAIL_MAX;
    return e;
}

static struct trc_jaeger_tag string_tag(struct trc_slice key, struct trc_slice value) {
    return (struct trc_jaeger_tag){.key = key, .type = TRC_ATTR_STRING, .s = value};
}

/* Tags of the Process (protocols 2.4) into tags[5 + resource->tag_count]; returns how many. */
static unsigned process_tags(const struct trc_resource *r, struct trc_slice uuid,
                             struct trc_jaeger_tag *tags) {
    const struct trc_jaeger_tag facts[] = {
        string_tag(TRC_SLICE("jaeger.version"), TRC_SLICE("uwsgi-tracing-" TRC_VERSION)),
        string_tag(TRC_SLICE("hostname"), r->hostname),
        string_tag(TRC_SLICE("ip"), r->ip),
        string_tag(TRC_SLICE("client-uuid"), uuid),
        {.key = TRC_SLICE("process.pid"), .type = TRC_ATTR_INT, .i = r->pid},
    };
    unsigned count = 0;

    for (unsigned i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const bool absent = facts[i].type == TRC_ATTR_STRING && !facts[i].s.p;
        if (!absent && !trc_resource_has_tag(r, facts[i].key))
            tags[count++] = facts[i];
    }
    for (unsigned i = 0; i < r->tag_count; i++)
        tags[count++] = string_tag(r->tags[i].key, r->tags[i].value);
    return count;
}

/* The tags a server's span begins with: the constant attributes of the semconv, which are the first
 * of any span. Jaeger knows the kind of a span from span.kind alone, the last of them: it is never
 * missing. Into lead[TRC_ATTR_MAX + 1]; *skip: how many of a span's attributes that covers;
 * *skip_internal: of one of that kind. */
static unsigned lead_tags(enum trc_semconv semconv, struct trc_jaeger_tag *lead, unsigned *skip,
                          unsigned *skip_internal) {
    const struct trc_slice kind = TRC_SLICE("span.kind");
    struct trc_attribute list[TRC_ATTR_MAX];
    struct trc_span empty;
    unsigned count = 0;

    trc_span_clear(&empty);
    const unsigned attributes = trc_attributes(&empty, semconv, list);
    while (count < attributes && trc_attribute_keys[list[count].key].constant.p) {
        const struct trc_attribute_key *key = &trc_attribute_keys[list[count].key];
        lead[count++] = string_tag(key->name, key->constant);
    }
    *skip = *skip_internal = count;
    if (count && trc_slice_equal(lead[count - 1].key, kind))
        --*skip_internal;
    else
        lead[count++] = string_tag(kind, TRC_SLICE("server"));
    return count;
}

static struct trc_encoder *make(const struct trc_encoder_config *config, bool compact, bool bare) {
    const struct trc_resource *r = config->resource;
    struct trc_jaeger_tag lead[TRC_ATTR_MAX + 1];
    struct trc_jaeger_tag *process = malloc((5 + r->tag_count) * sizeof(*process));
    char uuid[16];
    unsigned skip, skip_internal;

    if (!process)
        return NULL;
    trc_hex_put16(uuid, r->client_uuid);
    const struct trc_jaeger_setup setup = {
        .compact = compact,
        .bare = bare,
        .max_bytes = config->max_bytes,
        .service = r->service,
        .process = process,
        .process_count = process_tags(r, (struct trc_slice){uuid, sizeof(uuid)}, process),
        .lead = lead,
        .lead_count = lead_tags(config->semconv, lead, &skip, &skip_internal),
        .keys = trc_attribute_keys,
        .key_count = trc_attribute_key_count,
    };
    struct trc_encoder *e = trc_jaeger_make(&setup);
    free(process);
    if (e) {
        e->semconv = config->semconv;
        e->constants.server.skip = skip;
        e->constants.internal.skip = skip_internal;
        e->error_key = trc_attribute_index(TRC_SLICE("error"));
    }
    return e;
}

static struct trc_encoder *make_compact(const struct trc_encoder_config *config) {
    return make(config, true, false);
}

static struct trc_encoder *make_binary(const struct trc_encoder_config *config) {
    return make(config, false, false);
}

static struct trc_encoder *make_batch(const struct trc_encoder_config *config) {
    return make(config, false, true);
}

const struct trc_encoder_ops trc_encoder_jaeger_compact = {"jaeger compact", make_compact, drop,
                                                           add_compact, finish};

const struct trc_encoder_ops trc_encoder_jaeger_binary = {"jaeger binary", make_binary, drop,
                                                          add_binary, finish};

const struct trc_encoder_ops trc_encoder_jaeger_batch = {"jaeger batch", make_batch, drop,
                                                         add_binary, finish};
