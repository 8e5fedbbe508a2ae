/* SPDX-License-Identifier: MIT
 *
 * OTLP as protobuf: one ExportTraceServiceRequest a message, the body of one HTTP request. Used by
 * the reporters, through trc_encoder_otlp_protobuf.
 *
 *   buf:  constants | gap                          | span | span | ... | room for one more span
 *                     the head, right-aligned by finish           ^ `at`
 *
 * Fields and numbers: opentelemetry-proto, collector/trace/v1, trace/v1, resource/v1, common/v1;
 * the encoding: protobuf.dev/programming-guides/encoding. A length stands before what it measures.
 * For an attribute it is known before its bytes are written, since there is one string in it; a
 * span or an event is written behind room for a length of two bytes, which it nearly always has,
 * and moved if it has another. So every length is as short as it can be, as all other writers have
 * it. As in jaeger.c a span is written first and then found to fit or not.
 */
#include "events.h"
#include "otlp.h"
#include "plain.h"
#include "thrift_put.h" /* its varints and short strings are protobuf's */
#include "tracing/utf8.h"
#include <errno.h>
#include <stdlib.h>

#define LEN_MAX TRC_THRIFT_VARINT32_MAX
#define SLACK TRC_THRIFT_SLACK

/* A field's number and wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes): the
 * byte before it. */
#define VARINT(field) ((field) << 3)
#define FIXED64(field) ((field) << 3 | 1)
#define BYTES(field) ((field) << 3 | 2)
#define FIXED32(field) ((field) << 3 | 5)

/* KeyValues: fields of Span and of Event. */
#define SPAN_ATTRIBUTE 9
#define EVENT_ATTRIBUTE 3

/* A whole attribute whose value is empty, but for what the value itself takes: of one size, so that
 * copying it takes a few moves and no call (make fails if a name does not fit).
 *
 *   [0] BYTES(9) [1] length [2] BYTES(1) [3] length, key, BYTES(2) [-2] length, type of the value
 *   and behind that a string's length, which is [-1]; the others are one byte further */
#define PREFIX_MAX 48

struct prefix {
    char bytes[PREFIX_MAX];
    uint8_t len;
    uint8_t type;    /* enum trc_attribute_type */
    uint8_t pad[14]; /* a power of two is found by a shift */
};

/* A string of the arena, not one byte of which is UTF-8, with everything before it in an attribute.
 * The largest span of all has each attribute that long, because nothing says that strings of the
 * arena do not overlap. */
#define STRING_MAX (PREFIX_MAX + 4 * LEN_MAX + 3 * TRC_SPAN_ARENA)
/* All other fields of a Span: ids, name, state, kind, times, a link, status, flags. */
#define FIELDS_MAX (256 + 2 * STRING_MAX)
/* What stands around names and values of tags; they themselves do not overlap. The same of events,
 * whose names are ours. */
#define TAGS_MAX (TRC_SPAN_TAGS_MAX * 6 * (1 + LEN_MAX) + 3 * TRC_SPAN_ARENA)
#define EVENTS_MAX                                                                                 \
    (TRC_SPAN_EVENTS_MAX *                                                                         \
         (64 + TRC_EVENT_ATTRIBUTES_MAX * (6 * (1 + LEN_MAX) + TRC_EVENT_NAME_MAX)) +              \
     TRC_EVENT_COPIES * 3 * TRC_SPAN_ARENA)
#define SPAN_MAX                                                                                   \
    (FIELDS_MAX + TRC_ATTR_OWN_MAX * STRING_MAX + TAGS_MAX + EVENTS_MAX + SLACK + PREFIX_MAX)

/* Tags and lengths of the head. */
#define HEAD_MAX (2 * (1 + LEN_MAX))

struct trc_encoder {
    enum trc_semconv semconv;
    char *at;                                /* the end of the message so far */
    char *spans;                             /* where they begin */
    char *limit;                             /* where they must end */
    struct trc_slice resource, scope;        /* fields of ResourceSpans and ScopeSpans, in buf */
    struct prefix prefix[TRC_ATTR_KEYS_MAX]; /* by index of the key */
    char buf[];
};

/* --- A span ---------------------------------------------------------------------------------- */

/* Bytes that a varint takes: as many groups of seven bits as there are. */
static inline size_t varint_len(uint64_t v) {
    return (63u - (unsigned)__builtin_clzll(v | 1)) / 7 + 1;
}

static inline char *put_byte(char *at, unsigned byte) {
    *at = (char)byte;
    return at + 1;
}

static inline char *put_varint(char *at, uint64_t v) {
    return trc_thrift_put_varint(at, v);
}

static inline char *put_fixed32(char *at, uint32_t v) {
    v = htole32(v);
    memcpy(at, &v, 4);
    return at + 4;
}

static inline char *put_fixed64(char *at, uint64_t v) {
    v = htole64(v);
    memcpy(at, &v, 8);
    return at + 8;
}

/* Ids are bytes, the first of which is the highest. */
static inline char *put_trace_id(char *at, unsigned field, uint64_t hi, uint64_t lo) {
    at = put_byte(at, BYTES(field));
    at = put_byte(at, 16);
    at = trc_thrift_put_be64(at, hi);
    return trc_thrift_put_be64(at, lo);
}

static inline char *put_span_id(char *at, unsigned field, uint64_t id) {
    at = put_byte(at, BYTES(field));
    at = put_byte(at, 8);
    return trc_thrift_put_be64(at, id);
}

static inline char *put_string(char *at, unsigned field, struct trc_slice s, bool plain) {
    return trc_thrift_put_string(put_byte(at, BYTES(field)), s, plain, true);
}

/* Where the fields of a message are written that begins at `at`: behind room for its own field and
 * a length of two bytes. */
#define ROOM (1 + 2)

/* Puts field and length before the `len` bytes at `at + ROOM`; returns their end. */
static inline char *put_around(char *at, unsigned field, size_t len) {
    const size_t width = varint_len(len);

    if (__builtin_expect(width != 2, 0))
        memmove(at + 1 + width, at + ROOM, len);
    put_varint(put_byte(at, BYTES(field)), len);
    return at + 1 + width + len;
}

/* KeyValue {1: key, 2: AnyValue {1: string}}, as `field`; or as an `array`, AnyValue {5: ArrayValue
 * {1: AnyValue {1: string}}}. Key and value are UTF-8; the value may lie in the way of what is
 * written before it. */
static char *put_pair(char *at, unsigned field, struct trc_slice key, struct trc_slice value,
                      bool array) {
    const size_t one = 1 + varint_len(value.len) + value.len;
    const size_t list = 1 + varint_len(one) + one;
    const size_t any = array ? 1 + varint_len(list) + list : one;
    const size_t pair = 1 + varint_len(key.len) + key.len + 1 + varint_len(any) + any;
    char head[PREFIX_MAX + 6 * LEN_MAX + 3 * UINT8_MAX + SLACK], *end = head;

    end = put_varint(put_byte(end, BYTES(field)), pair);
    end = put_varint(put_byte(end, BYTES(1)), key.len);
    memcpy(end, key.p, key.len);
    end = put_varint(put_byte(end + key.len, BYTES(2)), any);
    if (array) {
        end = put_varint(put_byte(end, BYTES(5)), list);
        end = put_varint(put_byte(end, BYTES(1)), one);
    }
    end = put_varint(put_byte(end, BYTES(1)), value.len);
    memmove(at + (end - head), value.p, value.len);
    memcpy(at, head, (size_t)(end - head));
    return at + (end - head) + value.len;
}

/* What need not be UTF-8, made so. */
static __attribute__((noinline)) char *put_unclean(char *at, unsigned field, struct trc_slice key,
                                                   struct trc_slice value, bool array) {
    char name[3 * UINT8_MAX];
    struct trc_buf k = trc_buf_over(name, sizeof(name));
    struct trc_buf v = trc_buf_over(at, 3 * value.len);

    trc_utf8_put(&k, key);
    trc_utf8_put(&v, value);
    return put_pair(at, field, trc_buf_slice(&k), trc_buf_slice(&v), array);
}

/* A string whose lengths are not all of one byte, or that is not ASCII. */
static __attribute__((noinline)) char *put_long(char *at, const struct prefix *prefix,
                                                struct trc_slice s, bool plain) {
    const struct trc_slice key = {prefix->bytes + 4, (uint8_t)prefix->bytes[3]};

    return plain || trc_utf8_valid(s) ? put_pair(at, SPAN_ATTRIBUTE, key, s, false)
                                      : put_unclean(at, SPAN_ATTRIBUTE, key, s, false);
}

static inline char *put_attribute(char *at, const struct prefix *prefix,
                                  const struct trc_attribute *a, bool plain) {
    char *const start = at;

    if (prefix->type == TRC_ATTR_STRING &&
        __builtin_expect(!plain || prefix->len - 2u + a->s.len >= 0x80, 0))
        return put_long(at, prefix, a->s, plain);
    memcpy(at, prefix->bytes, PREFIX_MAX); /* constant size: no call */
    at += prefix->len;
    switch (prefix->type) {
    case TRC_ATTR_STRING:
        start[1] = (char)(start[1] + (char)a->s.len);
        at[-3] = (char)(at[-3] + (char)a->s.len);
        at[-1] = (char)a->s.len;
        return trc_thrift_put_bytes(at, a->s.p, a->s.len);
    case TRC_ATTR_INT: {
        char *const end = put_varint(at, (uint64_t)a->i);
        const long more = end - at - 1; /* than the one byte the prefix counts */
        start[1] = (char)(start[1] + more);
        at[-2] = (char)(at[-2] + more);
        return end;
    }
    case TRC_ATTR_BOOL:
        return put_byte(at, a->i != 0);
    default: {
        uint64_t bits;
        memcpy(&bits, &a->d, sizeof(bits));
        return put_fixed64(at, bits);
    }
    }
}

/* Field 11 of the Span: Event {1: time, 2: name, 3: attributes}. */
static __attribute__((noinline)) char *put_events(char *at, const struct trc_span *span,
                                                  enum trc_semconv semconv) {
    for (struct trc_event event = {.count = 0}; trc_event_next(span, semconv, &event);) {
        char *const fields = at + ROOM;
        char *end = put_fixed64(put_byte(fields, FIXED64(1)), event.unix_ns);
        end = put_string(end, 2, event.name, true);
        for (unsigned i = 0; i < event.count; i++)
            end = put_unclean(end, EVENT_ATTRIBUTE, event.attributes[i].name, event.attributes[i].s,
                              false);
        at = put_around(at, 11, (size_t)(end - fields));
    }
    return at;
}

static __attribute__((noinline)) char *put_link(char *at, const struct trc_span *span) {
    char *const len = at + 1;

    at = put_byte(at, BYTES(13)) + 1;
    at = put_trace_id(at, 1, span->link_trace_hi, span->link_trace_lo);
    at = put_span_id(at, 2, span->link_span_id);
    at = put_fixed32(put_byte(at, FIXED32(6)), TRC_OTLP_LINK_FLAGS);
    *len = (char)(at - len - 1);
    return at;
}

/* The fields of a Span. */
static char *put_fields(const struct trc_encoder *e, char *at, const struct trc_span *span) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_otlp_attributes(span, e->semconv, list);
    const bool plain = trc_plain(span->arena, span->arena_len, false);
    const struct trc_slice state = trc_span_get(span, TRC_STR_STATE);

    at = put_trace_id(at, 1, span->trace_hi, span->trace_lo);
    at = put_span_id(at, 2, span->span_id);
    if (state.p)
        at = put_string(at, 3, state, plain);
    if (span->parent_id)
        at = put_span_id(at, 4, span->parent_id);
    at = put_string(at, 5, trc_otlp_name(span), plain);
    at = put_byte(put_byte(at, VARINT(6)), trc_otlp_kind(span));
    at = put_fixed64(put_byte(at, FIXED64(7)), span->start_unix_ns);
    at = put_fixed64(put_byte(at, FIXED64(8)), span->start_unix_ns + span->duration_ns);
    for (unsigned i = 0; i < count; i++)
        at = __builtin_expect(list[i].key == TRC_ATTR_NAMED, 0)
                 ? put_unclean(at, SPAN_ATTRIBUTE, list[i].name, list[i].s, list[i].array)
                 : put_attribute(at, &e->prefix[list[i].key], &list[i], plain);
    if (__builtin_expect(span->event_count != 0, 0))
        at = put_events(at, span, e->semconv);
    if (__builtin_expect(span->link_span_id != 0, 0))
        at = put_link(at, span);
    if (span->error) { /* Status {3: code} */
        at = put_byte(put_byte(at, BYTES(15)), 2);
        at = put_byte(put_byte(at, VARINT(3)), TRC_OTLP_STATUS_ERROR);
    }
    at = put_byte(put_byte(at, (FIXED32(16) & 0x7f) | 0x80), FIXED32(16) >> 7);
    return put_fixed32(at, trc_otlp_flags(span));
}

static int add(struct trc_encoder *e, const struct trc_span *span) {
    char *const fields = e->at + ROOM;
    char *const at = put_around(e->at, 2, (size_t)(put_fields(e, fields, span) - fields));

    if (__builtin_expect(at > e->limit, 0))
        return at - e->at > e->limit - e->spans ? -EMSGSIZE : -ENOSPC;
    e->at = at;
    return 0;
}

/* --- The message ------------------------------------------------------------------------------ */

/* Writes so that it ends at `end`; returns where it begins. */
static char *put_before(char *end, struct trc_slice s) {
    memcpy(end - s.len, s.p, s.len);
    return end - s.len;
}

static char *put_length_before(char *end, unsigned field, size_t len) {
    char head[1 + LEN_MAX + SLACK];
    const char *const after = put_varint(put_byte(head, BYTES(field)), len);

    return put_before(end, (struct trc_slice){head, (size_t)(after - head)});
}

/* What stands before `len` bytes of spans, written so that it ends at e->spans. Returns where it
 * begins. */
static char *put_head(struct trc_encoder *e, size_t len) {
    char *at = put_before(e->spans, e->scope);

    at = put_length_before(at, 2, len + e->scope.len); /* ResourceSpans {2: ScopeSpans} */
    at = put_before(at, e->resource);
    return put_length_before(at, 1, (size_t)(e->spans - at) + len); /* {1: ResourceSpans} */
}

static struct trc_slice finish(struct trc_encoder *e, uint64_t sequence,
                               const struct trc_client_stats *stats) {
    const size_t len = (size_t)(e->at - e->spans);
    char *const start = put_head(e, len);

    (void)sequence; /* OTLP has no place for either */
    (void)stats;
    e->at = e->spans;
    return (struct trc_slice){start, (size_t)(e->spans - start) + len};
}

/* --- Making ----------------------------------------------------------------------------------- */

/* Makes what was written after `start` the value of a field with a length. */
static void wrap(struct trc_buf *b, size_t start, unsigned field) {
    const size_t len = b->len - start;
    char head[1 + LEN_MAX + SLACK];
    const size_t head_len = (size_t)(put_varint(put_byte(head, BYTES(field)), len) - head);

    if (!trc_buf_take(b, head_len))
        return;
    memmove(b->p + start + head_len, b->p + start, len);
    memcpy(b->p + start, head, head_len);
}

static void put_text(struct trc_buf *b, unsigned field, struct trc_slice s) {
    const size_t start = b->len;

    trc_utf8_put(b, s);
    wrap(b, start, field);
}

/* KeyValue {1: key, 2: AnyValue {1: string, 2: bool, 3: int64, 4: double}}, as `field`. */
static void put_value(struct trc_buf *b, unsigned field, const struct trc_otlp_fact *fact) {
    const size_t start = b->len;
    char number[TRC_THRIFT_VARINT64_MAX + SLACK] = {0};

    put_text(b, 1, fact->key);
    const size_t value = b->len;
    switch (fact->type) {
    case TRC_ATTR_STRING:
        put_text(b, 1, fact->string);
        break;
    case TRC_ATTR_BOOL:
        trc_buf_put_byte(b, VARINT(2));
        trc_buf_put_byte(b, fact->number != 0);
        break;
    case TRC_ATTR_INT:
        trc_buf_put_byte(b, VARINT(3));
        trc_buf_put(b, number, (size_t)(put_varint(number, (uint64_t)fact->number) - number));
        break;
    case TRC_ATTR_DOUBLE:
        trc_buf_put_byte(b, FIXED64(4));
        trc_buf_put(b, number, 8);
        break;
    }
    wrap(b, value, 2);
    wrap(b, start, field);
}

static void put_fact(struct trc_buf *b, const struct trc_otlp_fact *fact) {
    put_value(b, 1, fact);
}

/* An attribute of the Span with an empty value, of which nothing is kept but a string's length. */
static int prefix_init(struct prefix *prefix, const struct trc_attribute_key *key) {
    static const uint8_t cut[] = {
        [TRC_ATTR_STRING] = 0, [TRC_ATTR_INT] = 1, [TRC_ATTR_BOOL] = 1, [TRC_ATTR_DOUBLE] = 8};
    char bytes[PREFIX_MAX + 8];
    struct trc_buf b = trc_buf_over(bytes, sizeof(bytes));

    put_value(&b, SPAN_ATTRIBUTE, &(struct trc_otlp_fact){.key = key->name, .type = key->type});
    if (b.overflow || b.len - cut[key->type] > PREFIX_MAX)
        return -E2BIG;
    prefix->len = (uint8_t)(b.len - cut[key->type]);
    prefix->type = (uint8_t)key->type;
    memcpy(prefix->bytes, bytes, prefix->len);
    return 0;
}

/* Bytes of a message with `len` bytes of spans. */
static size_t message_len(const struct trc_encoder *e, size_t len) {
    len += e->scope.len;
    len += 1 + varint_len(len) + e->resource.len;
    return 1 + varint_len(len) + len;
}

/* The constants, at the start of e->buf, and where the spans may lie. -ENOSPC, or -E2BIG when a
 * name does not fit its prefix. */
static int prepare(struct trc_encoder *e, const struct trc_encoder_config *config) {
    struct trc_buf b = trc_buf_over(e->buf, config->max_bytes);

    trc_otlp_resource(config->resource, put_fact, &b);
    wrap(&b, 0, 1); /* ResourceSpans {1: Resource} */
    const size_t scope = b.len;
    put_text(&b, 1, TRC_SLICE(TRC_OTLP_SCOPE));
    put_text(&b, 2, TRC_SLICE(TRC_VERSION));
    wrap(&b, scope, 1); /* ScopeSpans {1: InstrumentationScope} */
    if (b.overflow)
        return -ENOSPC;
    e->resource = (struct trc_slice){e->buf, scope};
    e->scope = (struct trc_slice){e->buf + scope, b.len - scope};
    e->at = e->spans = e->buf + 2 * b.len + HEAD_MAX;

    /* As many spans as there is room for: the longer they are, the longer their lengths. */
    if (message_len(e, 0) > config->max_bytes)
        return -ENOSPC;
    size_t room = config->max_bytes - message_len(e, 0);
    while (message_len(e, room) > config->max_bytes)
        room--;
    e->limit = e->spans + room;

    for (unsigned i = 0; i < trc_attribute_key_count; i++)
        if (prefix_init(&e->prefix[i], &trc_attribute_keys[i]) != 0)
            return -E2BIG;
    return 0;
}

static struct trc_encoder *make(const struct trc_encoder_config *config) {
    /* The constants, they again in the head, and the spans. What is never touched of it takes no
     * memory. */
    struct trc_encoder *e = malloc(sizeof(*e) + 3 * config->max_bytes + HEAD_MAX + SPAN_MAX);

    if (!e)
        return NULL;
    *e = (struct trc_encoder){.semconv = config->semconv};
    if (prepare(e, config) != 0) {
        free(e);
        return NULL;
    }
    return e;
}

static void drop(struct trc_encoder *e) {
    free(e);
}

const struct trc_encoder_ops trc_encoder_otlp_protobuf = {"otlp protobuf", make, drop, add, finish};
