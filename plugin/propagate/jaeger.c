/* SPDX-License-Identifier: MIT
 *
 * Jaeger's own propagation: uber-trace-id, uberctx-* baggage, jaeger-baggage and jaeger-debug-id.
 *
 * Grammar: Jaeger documentation, "Client libraries", propagation format:
 *
 *   uber-trace-id = trace-id ":" span-id ":" parent-span-id ":" flags   (hex, short forms accepted)
 *
 * Where the official clients differ, we accept what any of them sends (percent-encoded colons from
 * C#, unpadded ids from Node, Python and C++) and send what all of them accept: full width, lower
 * case, one digit of flags (Go reads the flags as decimal).
 */
#include "formats.h"
#include "tracing/hex.h"
#include "tracing/percent.h"
#include <errno.h>

enum { UBER_TRACE_ID, DEBUG_ID, BAGGAGE };

static const char *const headers[] = {"HTTP_UBER_TRACE_ID", "HTTP_JAEGER_DEBUG_ID",
                                      "HTTP_JAEGER_BAGGAGE", NULL};

#define PREFIX "HTTP_UBERCTX_"

#define TEXT_MAX (32 + 1 + 16 + 1 + 16 + 1 + 2) /* decoded */

/* Takes the field up to the next ':' (or the end, for the last) off *rest. 0 or -EINVAL. */
static int next_field(struct trc_slice *rest, bool last, struct trc_slice *field) {
    const char *colon = rest->len ? memchr(rest->p, ':', rest->len) : NULL;
    if (last != (colon == NULL))
        return -EINVAL;
    *field = (struct trc_slice){rest->p, colon ? (size_t)(colon - rest->p) : rest->len};
    if (colon)
        *rest = (struct trc_slice){colon + 1, rest->len - field->len - 1};
    return 0;
}

static int parse_trace_id(struct trc_slice s, struct trc_context *c) {
    c->trace_hi = 0;
    if (s.len > 16) {
        if (s.len > 32)
            return -EINVAL;
        if (trc_hex_u64((struct trc_slice){s.p, s.len - 16}, &c->trace_hi))
            return -EINVAL;
        s = (struct trc_slice){s.p + s.len - 16, 16};
    }
    if (trc_hex_u64(s, &c->trace_lo))
        return -EINVAL;
    return c->trace_hi | c->trace_lo ? 0 : -EINVAL;
}

/* Any lengths there can be. */
static int parse_fields(struct trc_slice s, struct trc_context *c, uint64_t *flags) {
    struct trc_slice field;
    if (next_field(&s, false, &field) || parse_trace_id(field, c))
        return -EINVAL;
    if (next_field(&s, false, &field) || trc_hex_u64(field, &c->span_id))
        return -EINVAL;
    if (next_field(&s, false, &field) || trc_hex_u64(field, &c->parent_id))
        return -EINVAL;
    if (next_field(&s, true, &field) || field.len > 2 || trc_hex_u64(field, flags))
        return -EINVAL;
    return 0;
}

/* The full width, as Go's and Java's clients and this plugin write it: the colons' places are
 * known. */
static int parse_full_width(struct trc_slice s, size_t trace_len, struct trc_context *c,
                            uint64_t *flags) {
    const char *span = s.p + trace_len + 1, *parent = span + 17;
    int digit = trc_hex_digit(parent[17]);
    if (span[-1] != ':' || parent[-1] != ':' || parent[16] != ':' || digit < 0)
        return -EINVAL;
    *flags = (uint64_t)digit;
    return parse_trace_id((struct trc_slice){s.p, trace_len}, c) ||
                   trc_hex_u64((struct trc_slice){span, 16}, &c->span_id) ||
                   trc_hex_u64((struct trc_slice){parent, 16}, &c->parent_id)
               ? -EINVAL
               : 0;
}

static int parse(struct trc_slice s, struct trc_context *out) {
    const size_t rest = 1 + 16 + 1 + 16 + 1 + 1;
    struct trc_context c;
    uint64_t flags;
    int rc = -EINVAL;
    if (s.len == 32 + rest || s.len == 16 + rest)
        rc = parse_full_width(s, s.len - rest, &c, &flags);
    if (rc)
        rc = parse_fields(s, &c, &flags);
    if (rc || c.span_id == 0)
        return -EINVAL;
    c.flags = flags & (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG);
    /* Debug counts only together with sampled, as in all of Jaeger's clients: OpenTelemetry for
     * Python writes 02 for a trace that is not sampled (W3C's flag of a random id). */
    if (!(c.flags & TRC_FLAG_SAMPLED))
        c.flags = 0;
    *out = c;
    return 0;
}

static int extract_context(const struct trc_carrier *carrier, struct trc_context *out) {
    struct trc_slice s = carrier->value[UBER_TRACE_ID];
    if (!s.p)
        return -ENOENT;
    if (carrier->repeated & (1u << UBER_TRACE_ID))
        return -EINVAL;
    s = trc_slice_trim(s);
    if (s.len <= TEXT_MAX && parse(s, out) == 0)
        return 0;
    if (s.len > 3 * TEXT_MAX || !memchr(s.p, '%', s.len))
        return -EINVAL;

    char text[TEXT_MAX];
    struct trc_buf decoded = trc_buf_over(text, sizeof(text));
    if (trc_percent_decode(&decoded, s, false) || decoded.overflow)
        return -EINVAL;
    return parse(trc_buf_slice(&decoded), out);
}

/* USER_ID came in as user-id or user_id; Jaeger's keys are lower-kebab-case. */
static void add_uberctx(const struct trc_prefixed *header, struct trc_baggage *baggage) {
    char key[TRC_BAGGAGE_BYTES], value[TRC_BAGGAGE_BYTES];
    struct trc_slice rest = header->rest;
    if (rest.len == 0)
        return;
    if (rest.len > sizeof(key)) {
        baggage->truncated = true;
        return;
    }
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.p[i];
        key[i] = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    struct trc_buf decoded = trc_buf_over(value, sizeof(value));
    struct trc_slice v = trc_slice_trim(header->value);
    if (trc_percent_decode(&decoded, v, true) == 0)
        v = trc_buf_slice(&decoded);
    if (decoded.overflow)
        baggage->truncated = true;
    else /* a value that does not decode is taken as it is, as Go's client does */
        trc_baggage_add(baggage, (struct trc_slice){key, rest.len}, v);
}

/* k1=v1, k2=v2: decoded as a whole, then split; an item without exactly one '=' is skipped. Each
 * that is not is looked for among those that are there, so both bytes and items have a limit. */
static void add_jaeger_baggage(struct trc_slice header, struct trc_baggage *baggage) {
    char text[TRC_BAGGAGE_BYTES];
    struct trc_buf decoded = trc_buf_over(text, sizeof(text));
    struct trc_slice rest = header;
    unsigned items = 0;
    if (header.len > sizeof(text)) {
        baggage->truncated = true;
        return;
    }
    if (trc_percent_decode(&decoded, header, true) == 0)
        rest = trc_buf_slice(&decoded);
    while (rest.len > 0) {
        const char *comma = memchr(rest.p, ',', rest.len);
        struct trc_slice item = {rest.p, comma ? (size_t)(comma - rest.p) : rest.len};
        size_t used = item.len + (comma != NULL);
        rest = (struct trc_slice){rest.p + used, rest.len - used};

        const char *eq = item.len ? memchr(item.p, '=', item.len) : NULL;
        if (!eq)
            continue;
        struct trc_slice key = trc_slice_trim((struct trc_slice){item.p, (size_t)(eq - item.p)});
        struct trc_slice value = {eq + 1, item.len - (size_t)(eq - item.p) - 1};
        if (key.len == 0 || (value.len && memchr(value.p, '=', value.len)))
            continue;
        if (items++ == TRC_BAGGAGE_ITEMS) {
            baggage->truncated = true;
            return;
        }
        trc_baggage_add(baggage, key, trc_slice_trim(value));
    }
}

static void extract_baggage(const struct trc_carrier *carrier, struct trc_baggage *baggage) {
    for (unsigned i = 0; i < carrier->prefixed_count; i++)
        add_uberctx(&carrier->prefixed[i], baggage);
    baggage->truncated |= carrier->prefixed_more;
    if (carrier->value[BAGGAGE].p)
        add_jaeger_baggage(carrier->value[BAGGAGE], baggage);
}

static int extract(const struct trc_carrier *carrier, struct trc_extracted *out) {
    int rc = extract_context(carrier, &out->context);
    if (rc == -ENOENT) {
        struct trc_slice id = carrier->value[DEBUG_ID];
        if (id.p)
            id = trc_slice_trim(id);
        if (id.len)
            out->debug_id = id;
    }
    return rc;
}

/* The CGI spelling of a baggage key, or false when it cannot be a header's name. */
static bool put_cgi_name(struct trc_buf *b, struct trc_slice key) {
    trc_buf_put_slice(b, TRC_SLICE(PREFIX));
    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c & ~0x20);
        else if (c == '-')
            c = '_';
        else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
        trc_buf_put_byte(b, (uint8_t)c);
    }
    return !b->overflow;
}

/* Is it in the request, as far as anybody knows, or about to be? Keys that only differ in case make
 * one name. */
static bool is_there(const struct trc_carrier *carrier, struct trc_slice name,
                     const struct trc_injection *out) {
    struct trc_slice rest = {name.p + sizeof(PREFIX) - 1, name.len - (sizeof(PREFIX) - 1)};
    for (unsigned i = 0; i < carrier->prefixed_count; i++)
        if (trc_slice_equal(carrier->prefixed[i].rest, rest))
            return true;
    for (unsigned i = 0; i < out->count; i++)
        if (trc_slice_equal(out->item[i].name, name))
            return true;
    return carrier->prefixed_more;
}

/* Items that came as uberctx-* headers are in the request already; those of jaeger-baggage are not.
 */
static void inject_baggage(const struct trc_outgoing *what, const struct trc_carrier *carrier,
                           int base, struct trc_injection *out) {
    const struct trc_baggage *baggage = what->baggage;
    (void)base;
    for (unsigned i = 0; i < baggage->count; i++) {
        struct trc_slice key, value;
        trc_baggage_at(baggage, i, &key, &value);
        size_t start = out->buf.len;
        bool usable = put_cgi_name(&out->buf, key);
        struct trc_slice name = {out->buf.p + start, out->buf.len - start};
        if (!usable || is_there(carrier, name, out)) {
            out->overflow |= out->buf.overflow;
            trc_buf_rewind(&out->buf, start);
            continue;
        }
        trc_percent_encode(trc_injection_begin(out, -1, name), value);
        trc_injection_end(out);
    }
}

static void inject(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    const struct trc_context *context = what->context;
    (void)carrier;
    struct trc_buf *b =
        trc_injection_begin(out, base + UBER_TRACE_ID, TRC_SLICE("HTTP_UBER_TRACE_ID"));
    trc_hex_put_trace_id(b, context->trace_hi, context->trace_lo);
    trc_buf_put_byte(b, ':');
    trc_hex_put_id(b, context->span_id);
    trc_buf_put_byte(b, ':');
    trc_hex_put_id(b, context->parent_id);
    trc_buf_put_byte(b, ':');
    trc_buf_put_byte(b, (uint8_t)('0' + (context->flags & (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG))));
    trc_injection_end(out);
}

const struct trc_format trc_format_jaeger = {
    .name = "jaeger",
    .headers = headers,
    .prefix = PREFIX,
    .extract = extract,
    .baggage = extract_baggage,
    .inject = inject,
    .inject_baggage = inject_baggage,
};
