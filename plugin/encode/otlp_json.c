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
 * once. No JSON library: building its tree would cost more than everything else.
 */
#include "plain.h"
#include "resource.h"
#include "tracing/buf.h"
#include "tracing/context.h"
#include "tracing/hex.h"
#include "tracing/utf8.h"
#include "tracing/version.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Span.flags of trace.proto; bits 0-7 are the W3C trace flags. */
#define FLAG_HAS_IS_REMOTE 0x100u
#define FLAG_IS_REMOTE 0x200u
#define W3C_FLAG_RANDOM 0x02u /* Trace Context level 2 */

#define TAIL "]}]}]}\n"

/* Everything of an attribute before its value, with a comma before it: of one size, so that copying
 * it takes a few moves and no call (make fails if a name does not fit). */
#define PREFIX_MAX 64

/* A string of the arena, each byte of which becomes \u00XX. */
#define STRING_MAX (6 * TRC_SPAN_ARENA)
/* Longest value of another type: a number of 24 digits, and what closes the attribute. */
#define VALUE_MAX 32
/* Fixed parts of a span: names, ids, times, brackets. */
#define FIXED_MAX 512
#define SPAN_MAX                                                                                   \
    (FIXED_MAX + STRING_MAX + TRC_ATTR_MAX * (PREFIX_MAX + STRING_MAX + VALUE_MAX) + PREFIX_MAX)

struct prefix {
    char bytes[PREFIX_MAX];
    uint8_t len;
    uint8_t type; /* enum trc_attribute_type */
};

struct trc_encoder {
    unsigned count; /* of spans in the message */
    enum trc_semconv semconv;
    char *at;      /* the end of the message so far */
    char *spans;   /* where they begin */
    char *limit;   /* where they must end */
    double number; /* the last double that was printed, and its text: it is the sampler's */
    char number_text[VALUE_MAX];
    size_t number_len;
    struct prefix prefix[TRC_ATTR_KEYS_MAX]; /* by index of the key */
    char buf[];
};

/* --- Strings and numbers --------------------------------------------------------------------- */

#define PUT(b, literal) trc_buf_put((b), (literal), sizeof(literal) - 1)

/* One character that RFC 8259 section 7 wants escaped. */
static void put_escape(struct trc_buf *b, char c) {
    static const char hex[] = "0123456789abcdef";

    switch (c) {
    case '"':
        PUT(b, "\\\"");
        break;
    case '\\':
        PUT(b, "\\\\");
        break;
    case '\n':
        PUT(b, "\\n");
        break;
    case '\t':
        PUT(b, "\\t");
        break;
    default:
        PUT(b, "\\u00");
        trc_buf_put_byte(b, (uint8_t)hex[(uint8_t)c >> 4]);
        trc_buf_put_byte(b, (uint8_t)hex[c & 15]);
    }
}

static bool needs_escape(char c) {
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

/* The inside of a JSON string, of any bytes. */
static void put_text(struct trc_buf *b, struct trc_slice s) {
    size_t run = 0; /* bytes at the start of s that need no escape */

    while (run < s.len) {
        if (!needs_escape(s.p[run])) {
            run++;
            continue;
        }
        trc_utf8_put(b,
                     (struct trc_slice){s.p, run}); /* an escaped byte is no part of a character */
        put_escape(b, s.p[run]);
        s.p += run + 1;
        s.len -= run + 1;
        run = 0;
    }
    trc_utf8_put(b, s);
}

static __attribute__((noinline)) char *put_text_at(char *at, struct trc_slice s) {
    struct trc_buf b = trc_buf_over(at, 6 * s.len);

    put_text(&b, s);
    return at + b.len;
}

/* The inside of a JSON string; `plain`: no byte of it needs a look. */
static inline char *put_string(char *at, struct trc_slice s, bool plain) {
    if (__builtin_expect(!plain, 0) && !trc_plain(s.p, s.len, true))
        return put_text_at(at, s);
    if (s.len)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

static inline char *put_u64(char *at, uint64_t v) {
    struct trc_buf b = trc_buf_over(at, 20);

    trc_buf_put_u64(&b, v);
    return at + b.len;
}

static inline char *put_i64(char *at, int64_t v) {
    if (v < 0) {
        *at++ = '-';
        return put_u64(at, -(uint64_t)v);
    }
    return put_u64(at, (uint64_t)v);
}

/* The shortest of 15 to 17 digits that is the same number again. What is not finite is a string in
 * protobuf's JSON. */
static size_t print_double(char text[VALUE_MAX], double d) {
    int len;

    if (isnan(d))
        return (size_t)snprintf(text, VALUE_MAX, "\"NaN\"");
    if (isinf(d))
        return (size_t)snprintf(text, VALUE_MAX, d < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    for (int digits = 15;; digits++) {
        len = snprintf(text, VALUE_MAX, "%.*g", digits, d);
        if (digits == 17 || strtod(text, NULL) == d)
            break;
    }
    /* An application may have set a locale whose decimal point is another, of one byte or two. */
    size_t kept = 0;
    for (int i = 0; i < len; i++) {
        if (strchr("0123456789+-e", text[i]))
            text[kept++] = text[i];
        else if (text[kept - 1] != '.')
            text[kept++] = '.';
    }
    return kept;
}

static char *put_double(struct trc_encoder *e, char *at, double d) {
    if (memcmp(&d, &e->number, sizeof(d)) != 0 || e->number_len == 0) {
        e->number = d;
        e->number_len = print_double(e->number_text, d);
    }
    memcpy(at, e->number_text, e->number_len);
    return at + e->number_len;
}

/* --- A span ---------------------------------------------------------------------------------- */

/* A literal's bytes, without its NUL. */
#define AT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + (sizeof(literal) - 1))

static inline char *put_attributes(struct trc_encoder *e, char *at, const struct trc_attribute *a,
                                   unsigned count, bool plain) {
    char *const first = at;

    for (const struct trc_attribute *end = a + count; a < end; a++) {
        const struct prefix *prefix = &e->prefix[a->key];
        memcpy(at, prefix->bytes, PREFIX_MAX); /* constant size: no call */
        at += prefix->len;
        switch (prefix->type) {
        case TRC_ATTR_STRING:
            at = put_string(at, a->s, plain);
            at = AT(at, "\"}}");
            break;
        case TRC_ATTR_INT:
            at = put_i64(at, a->i);
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

static inline char *put_id(char *at, uint64_t id) {
    trc_hex_put16(at, id);
    return at + 16;
}

/* One Span object, with a comma before it: the first one's becomes the list's bracket. */
static char *put_span(struct trc_encoder *e, char *at, const struct trc_span *span) {
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_attributes(span, e->semconv, list);
    const bool plain = trc_plain(span->arena, span->arena_len, true);
    const uint32_t flags = FLAG_HAS_IS_REMOTE | (span->remote_parent ? FLAG_IS_REMOTE : 0) |
                           (span->flags & TRC_FLAG_SAMPLED) |
                           (span->flags & TRC_FLAG_RANDOM ? W3C_FLAG_RANDOM : 0);
    struct trc_slice name = trc_span_get(span, TRC_STR_NAME);

    if (!name.p)
        name = TRC_SLICE("HTTP");
    at = AT(at, ",{\"traceId\":\"");
    at = put_id(at, span->trace_hi);
    at = put_id(at, span->trace_lo);
    at = AT(at, "\",\"spanId\":\"");
    at = put_id(at, span->span_id);
    if (span->parent_id) {
        at = AT(at, "\",\"parentSpanId\":\"");
        at = put_id(at, span->parent_id);
    }
    at = AT(at, "\",\"flags\":");
    at = put_u64(at, flags);
    at = AT(at, ",\"name\":\"");
    at = put_string(at, name, plain);
    at = AT(at, "\",\"kind\":2,\"startTimeUnixNano\":\""); /* SPAN_KIND_SERVER */
    at = put_u64(at, span->start_unix_ns);
    at = AT(at, "\",\"endTimeUnixNano\":\"");
    at = put_u64(at, span->start_unix_ns + span->duration_ns);
    at = AT(at, "\",\"attributes\":");
    at = put_attributes(e, at, list, count, plain);
    if (span->error)
        at = AT(at, ",\"status\":{\"code\":2}"); /* STATUS_CODE_ERROR; UNSET is left out */
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

/* service.instance.id must be a UUID that is the process's own. Ours is client_uuid, which is 64
 * random bits, and as many made of them by splitmix64's finaliser (Steele et al., 2014): version 8
 * of RFC 9562 section 5.8, a UUID of one's own making. So the Jaeger wire's client-uuid can be told
 * from it: its digits are these but for the 13th. */
static void put_uuid(struct trc_buf *b, uint64_t client_uuid) {
    uint64_t low = client_uuid + UINT64_C(0x9e3779b97f4a7c15);
    char digits[32];

    low = (low ^ low >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    low = (low ^ low >> 27) * UINT64_C(0x94d049bb133111eb);
    low ^= low >> 31;
    trc_hex_put16(digits, (client_uuid & ~UINT64_C(0xf000)) | UINT64_C(0x8000));
    trc_hex_put16(digits + 16, (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63);
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            trc_buf_put_byte(b, '-');
        trc_buf_put_byte(b, (uint8_t)digits[i]);
    }
}

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
    put_text(b, key);
    trc_buf_put_slice(b, trc_slice_of(types[type]));
}

static void put_resource_string(struct trc_buf *b, struct trc_slice key, struct trc_slice value) {
    put_key(b, key, TRC_ATTR_STRING);
    put_text(b, value);
    PUT(b, "\"}}");
}

/* The attributes of the resource, each with a comma before it. A tag takes the place of a fact, but
 * the service has a name of its own in the configuration. */
static void put_resource(struct trc_buf *b, const struct trc_resource *r) {
    const struct trc_slice service = TRC_SLICE("service.name");
    const struct trc_slice pid = TRC_SLICE("process.pid");
    char text[40];
    struct trc_buf uuid = trc_buf_over(text, sizeof(text));
    put_uuid(&uuid, r->client_uuid);
    const struct trc_tag facts[] = {
        {TRC_SLICE("service.instance.id"), trc_buf_slice(&uuid)},
        {TRC_SLICE("host.name"), r->hostname},
        {TRC_SLICE("telemetry.sdk.name"), TRC_SLICE("uwsgi-tracing")},
        {TRC_SLICE("telemetry.sdk.language"), TRC_SLICE("c")},
        {TRC_SLICE("telemetry.sdk.version"), TRC_SLICE(TRC_VERSION)},
    };

    put_resource_string(b, service, r->service);
    for (unsigned i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        if (facts[i].value.p && !trc_resource_has_tag(r, facts[i].key))
            put_resource_string(b, facts[i].key, facts[i].value);
    if (!trc_resource_has_tag(r, pid)) {
        put_key(b, pid, TRC_ATTR_INT);
        trc_buf_put_u64(b, (uint64_t)r->pid); /* no process has a negative one */
        PUT(b, "\"}}");
    }
    for (unsigned i = 0; i < r->tag_count; i++)
        if (!trc_slice_equal(r->tags[i].key, service))
            put_resource_string(b, r->tags[i].key, r->tags[i].value);
}

/* The head, at the start of e->buf, up to where the bracket of the spans goes. -ENOSPC, or -E2BIG
 * when a name does not fit its prefix. */
static int prepare(struct trc_encoder *e, const struct trc_encoder_config *config) {
    struct trc_buf b = trc_buf_over(e->buf, config->max_bytes);

    PUT(&b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":");
    const size_t first = b.len;
    put_resource(&b, config->resource);
    PUT(&b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"uwsgi-tracing\",\"version\":\"" TRC_VERSION
            "\"},\"spans\":");
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
