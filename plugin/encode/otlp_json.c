/* SPDX-License-Identifier: MIT
 *
 * OTLP as JSON: one ExportTraceServiceRequest a message, on one line. Used by the reporters for
 * files and standard output, through trc_encoder_otlp_json.
 *
 *   buf:  head (resource, scope) | span , span , ... | room for one more span, the worst there can
 * be ^ `at`
 *
 * Follows opentelemetry-proto's docs/specification.md, "JSON Protobuf Encoding": ids are lower-case
 * hex, enums are numbers, 64-bit integers are decimal strings. As in jaeger.c a span is written
 * first and then found to fit or not; keys and the brackets around them are constant, and made
 * once.
 */
#include "events.h"
#include "json_put.h"
#include "otlp.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TAIL "]}]}]}\n"

/* Everything of an attribute before its value, with a comma before it: of one size, so that copying
 * it takes a few moves and no call (make fails if a name does not fit). */
#define PREFIX_MAX 64

/* A string of the arena. The largest span of all has each attribute that long, because nothing says
 * that strings of the arena do not overlap. */
#define STRING_MAX (TRC_JSON_GROWTH * TRC_SPAN_ARENA)
/* Any other value with what closes the attribute. */
#define VALUE_MAX (TRC_JSON_NUMBER_MAX + 8)
/* What stands around names and values of tags; they themselves do not overlap. The same of events,
 * whose names are ours. */
#define TAGS_MAX (TRC_SPAN_TAGS_MAX * 80 + STRING_MAX)
#define EVENTS_MAX                                                                                 \
    (TRC_SPAN_EVENTS_MAX * (128 + TRC_EVENT_ATTRIBUTES_MAX * (80 + TRC_EVENT_NAME_MAX)) +          \
     TRC_EVENT_COPIES * STRING_MAX)
/* Fixed parts of a span: names, ids, times, brackets, a link. */
#define FIXED_MAX 512
#define SPAN_MAX                                                                                   \
    (FIXED_MAX + 2 * STRING_MAX + TRC_ATTR_OWN_MAX * (PREFIX_MAX + STRING_MAX + VALUE_MAX) +       \
     TAGS_MAX + EVENTS_MAX + PREFIX_MAX)

struct prefix {
    char bytes[PREFIX_MAX];
    uint8_t len;
    uint8_t type; /* enum trc_attribute_type */
};

struct trc_encoder {
    unsigned count; /* of spans in the message */
    enum trc_semconv semconv;
    char *at;    /* the end of the message so far */
    char *spans; /* where they begin */
    char *limit; /* where they must end */
    struct trc_json_double number;
    struct prefix prefix[TRC_ATTR_KEYS_MAX]; /* by index of the key */
    char buf[];
};

/* --- A span ---------------------------------------------------------------------------------- */

#define AT TRC_JSON_AT
#define PUT(b, literal) trc_buf_put((b), (literal), sizeof(literal) - 1)

/* What is not finite is a string in protobuf's JSON. */
static char *put_double(struct trc_encoder *e, char *at, double d) {
    if (isfinite(d))
        return trc_json_double(at, &e->number, d);
    *at++ = '"';
    at = trc_json_double(at, &e->number, d);
    *at++ = '"';
    return at;
}

static __attribute__((noinline)) char *put_named(char *at, const struct trc_attribute *a) {
    at = AT(at, ",{\"key\":\"");
    at = trc_json_text_at(at, a->name);
    at = a->array ? AT(at, "\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"")
                  : AT(at, "\",\"value\":{\"stringValue\":\"");
    at = trc_json_text_at(at, a->s);
    return a->array ? AT(at, "\"}]}}}") : AT(at, "\"}}");
}

static inline char *put_attributes(struct trc_encoder *e, char *at, const struct trc_attribute *a,
                                   unsigned count, bool plain) {
    char *const first = at;

    for (const struct trc_attribute *end = a + count; a < end; a++) {
        if (__builtin_expect(a->key == TRC_ATTR_NAMED, 0)) {
            at = put_named(at, a);
            continue;
        }
        const struct prefix *prefix = &e->prefix[a->key];
        memcpy(at, prefix->bytes, PREFIX_MAX); /* constant size: no call */
        at += prefix->len;
        switch (prefix->type) {
        case TRC_ATTR_STRING:
            at = trc_json_string(at, a->s, plain);
            at = AT(at, "\"}}");
            break;
        case TRC_ATTR_INT:
            at = trc_json_i64(at, a->i);
            at = AT(at, "\"}}");
            break;
        case TRC_ATTR_BOOL:
            at = a->i ? AT(at, "true}}") : AT(at, "false}}");
            break;
        default:
            at = put_double(e, at, a->d);
            at = AT(at, "}}");
            break;
        }
    }
    *first = '['; /* in place of the first attribute's comma; there always is one (uwsgi.worker) */
    *at++ = ']';
    return at;
}

static __attribute__((noinline)) char *put_link(char *at, const struct trc_span *span) {
    at = AT(at, ",\"links\":[{\"traceId\":\"");
    at = trc_json_id(at, span->link_trace_hi);
    at = trc_json_id(at, span->link_trace_lo);
    at = AT(at, "\",\"spanId\":\"");
    at = trc_json_id(at, span->link_span_id);
    at = AT(at, "\",\"flags\":");
    at = trc_json_u64(at, TRC_OTLP_LINK_FLAGS);
    return AT(at, "}]");
}

/* One Event object, with a comma before it. */
static char *put_event(char *at, const struct trc_event *event) {
    at = trc_json_u64(AT(at, ",{\"timeUnixNano\":\""), event->unix_ns);
    at = trc_json_text_at(AT(at, "\",\"name\":\""), event->name);
    at = AT(at, "\"");
    if (event->count) {
        at = AT(at, ",\"attributes\":");
        char *const first = at;
        for (unsigned i = 0; i < event->count; i++)
            at = put_named(at, &event->attributes[i]);
        *first = '['; /* in place of the first attribute's comma */
        *at++ = ']';
    }
    return AT(at, "}");
}

static __attribute__((noinline)) char *put_events(char *at, const struct trc_span *span,
                                                  enum trc_semconv semconv) {
    at = AT(at, ",\"events\":");
    char *const first = at;
    for (struct trc_event event = {.count = 0}; trc_event_next(span, semconv, &event);)
        at = put_event(at, &event);
    if (at == first)
        at++;
    *first = '['; /* in place of the first event's comma */
    return AT(at, "]");
}

/* One Span object, with a comma before it: the first one's becomes the list's bracket. */
static char *put_span(struct trc_encoder *e, char *at, const struct trc_span *span) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_otlp_attributes(span, e->semconv, list);
    const bool plain = trc_plain(span->arena, span->arena_len, true);
    const struct trc_slice state = trc_span_get(span, TRC_STR_STATE);

    at = AT(at, ",{\"traceId\":\"");
    at = trc_json_id(at, span->trace_hi);
    at = trc_json_id(at, span->trace_lo);
    at = AT(at, "\",\"spanId\":\"");
    at = trc_json_id(at, span->span_id);
    if (state.p) {
        at = AT(at, "\",\"traceState\":\"");
        at = trc_json_string(at, state, plain);
    }
    if (span->parent_id) {
        at = AT(at, "\",\"parentSpanId\":\"");
        at = trc_json_id(at, span->parent_id);
    }
    at = AT(at, "\",\"flags\":");
    at = trc_json_u64(at, trc_otlp_flags(span));
    at = AT(at, ",\"name\":\"");
    at = trc_json_string(at, trc_otlp_name(span), plain);
    at = AT(at, "\",\"kind\":");
    *at++ = (char)('0' + trc_otlp_kind(span));
    at = AT(at, ",\"startTimeUnixNano\":\"");
    at = trc_json_u64(at, span->start_unix_ns);
    at = AT(at, "\",\"endTimeUnixNano\":\"");
    at = trc_json_u64(at, span->start_unix_ns + span->duration_ns);
    at = AT(at, "\",\"attributes\":");
    at = put_attributes(e, at, list, count, plain);
    if (__builtin_expect(span->event_count != 0, 0))
        at = put_events(at, span, e->semconv);
    if (__builtin_expect(span->link_span_id != 0, 0))
        at = put_link(at, span);
    if (span->error)
        at = AT(at, ",\"status\":{\"code\":2}");
    *at++ = '}';
    return at;
}

static int add(struct trc_encoder *e, const struct trc_span *span) {
    char *const at = put_span(e, e->at, span);

    if (__builtin_expect(at > e->limit, 0))
        return at - e->at > e->limit - e->spans ? -EMSGSIZE : -ENOSPC;
    if (e->count++ == 0)
        *e->at = '[';
    e->at = at;
    return 0;
}

static struct trc_slice finish(struct trc_encoder *e, uint64_t sequence,
                               const struct trc_client_stats *stats) {
    char *const end = AT(e->at, TAIL);
    char *const start = e->buf;

    (void)sequence; /* OTLP has no place for either */
    (void)stats;
    e->at = e->spans;
    e->count = 0;
    return (struct trc_slice){start, (size_t)(end - start)};
}

/* --- The resource, and make ------------------------------------------------------------------- */

/* {"key":"...","value":{"<type>Value": without its value, and with a quotation mark if it is one.
 */
static void put_key(struct trc_buf *b, struct trc_slice key, enum trc_attribute_type type) {
    static const char *const types[] = {
        [TRC_ATTR_STRING] = "\",\"value\":{\"stringValue\":\"",
        [TRC_ATTR_INT] = "\",\"value\":{\"intValue\":\"",
        [TRC_ATTR_BOOL] = "\",\"value\":{\"boolValue\":",
        [TRC_ATTR_DOUBLE] = "\",\"value\":{\"doubleValue\":",
    };

    PUT(b, ",{\"key\":\"");
    trc_json_put_text(b, key);
    trc_buf_put_slice(b, trc_slice_of(types[type]));
}

/* An attribute of the resource, with a comma before it. */
static void put_fact(struct trc_buf *b, const struct trc_otlp_fact *fact) {
    put_key(b, fact->key, fact->type);
    if (fact->type == TRC_ATTR_STRING)
        trc_json_put_text(b, fact->string);
    else
        trc_buf_put_u64(b, (uint64_t)fact->number); /* the pid: no process has a negative one */
    PUT(b, "\"}}");
}

/* The head, at the start of e->buf, up to where the bracket of the spans goes. -ENOSPC, or -E2BIG
 * when a name does not fit its prefix. */
static int prepare(struct trc_encoder *e, const struct trc_encoder_config *config) {
    struct trc_buf b = trc_buf_over(e->buf, config->max_bytes);

    PUT(&b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":");
    const size_t first = b.len;
    trc_otlp_resource(config->resource, put_fact, &b);
    PUT(&b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"" TRC_OTLP_SCOPE
            "\",\"version\":\"" TRC_VERSION "\"},\"spans\":");
    if (b.overflow || b.cap - b.len < sizeof(TAIL) - 1)
        return -ENOSPC;
    e->buf[first] = '['; /* in place of the first attribute's comma */
    e->at = e->spans = e->buf + b.len;
    e->limit = e->buf + config->max_bytes - (sizeof(TAIL) - 1);

    for (unsigned i = 0; i < trc_attribute_key_count; i++) {
        struct prefix *prefix = &e->prefix[i];
        b = trc_buf_over(prefix->bytes, PREFIX_MAX);
        put_key(&b, trc_attribute_keys[i].name, trc_attribute_keys[i].type);
        if (b.overflow)
            return -E2BIG;
        prefix->len = (uint8_t)b.len;
        prefix->type = (uint8_t)trc_attribute_keys[i].type;
    }
    return 0;
}

static struct trc_encoder *make(const struct trc_encoder_config *config) {
    /* What is never touched of it takes no memory. */
    struct trc_encoder *e = malloc(sizeof(*e) + config->max_bytes + SPAN_MAX);

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

const struct trc_encoder_ops trc_encoder_otlp_json = {"otlp json", make, drop, add, finish};
