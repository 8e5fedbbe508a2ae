/* SPDX-License-Identifier: MIT
 *
 * AWS X-Ray's X-Amzn-Trace-Id.
 *
 * Grammar (AWS X-Ray Developer Guide, "Tracing header"; Application Load Balancer documentation,
 * "Request tracing"): fields key=value in any order, separated by ";".
 *
 *   Root    = "1-" epoch "-" id   8 and 24 hex digits, together the 128-bit trace id
 *   Parent  = 16 hex digits       left out behind a load balancer: a trace without a parent
 *   Sampled = "1" / "0" / "?"     left out or "?": the decision is ours
 *
 * Any other field (Self, Lineage, CalledFrom, ...) is somebody's and goes on, in order, behind
 * ours. Epoch's leading zeros may be missing, as OpenTelemetry Java's propagator allows. One
 * malformed field makes it all malformed, as there; an empty one, like what is behind a last ";",
 * does not. A header without Root is no context. There is no word for debug: it goes out as
 * sampled.
 */
#include "formats.h"
#include "tracing/hex.h"
#include <errno.h>

static const char *const headers[] = {"HTTP_X_AMZN_TRACE_ID", NULL};

#define TEXT_MAX 2048 /* more than this is nobody's trace context */
#define OURS_LEN                                                                                   \
    (sizeof("Root=1-12345678-123456789012345678901234;Parent=1234567890123456;Sampled=1") - 1)

enum field { ROOT, PARENT, SAMPLED, OTHER };

static const struct trc_slice names[OTHER] = {
    [ROOT] = TRC_SLICE("Root"), [PARENT] = TRC_SLICE("Parent"), [SAMPLED] = TRC_SLICE("Sampled")};

/* Takes the next field off *rest, without white space around it. False at the end. */
static bool next_field(struct trc_slice *rest, struct trc_slice *field) {
    while (rest->len > 0) {
        const char *end = memchr(rest->p, ';', rest->len);
        size_t len = end ? (size_t)(end - rest->p) : rest->len, used = len + (end != NULL);
        *field = trc_slice_trim((struct trc_slice){rest->p, len});
        *rest = (struct trc_slice){rest->p + used, rest->len - used};
        if (field->len)
            return true;
    }
    return false;
}

/* Splits key=value; a value may have '=' in it. Returns an enum field, or -EINVAL. */
static int split(struct trc_slice field, struct trc_slice *value) {
    const char *eq = memchr(field.p, '=', field.len);
    if (!eq)
        return -EINVAL;
    struct trc_slice key = trc_slice_trim((struct trc_slice){field.p, (size_t)(eq - field.p)});
    *value = trc_slice_trim((struct trc_slice){eq + 1, field.len - (size_t)(eq - field.p) - 1});
    if (key.len == 0)
        return -EINVAL;
    int which = ROOT;
    while (which < OTHER && !trc_slice_equal(key, names[which]))
        which++;
    return which;
}

static int parse_root(struct trc_slice s, struct trc_context *c) {
    const size_t id_len = 24;
    uint64_t epoch, high;
    if (s.len < 2 + 1 + 1 + id_len || s.len > 2 + 8 + 1 + id_len || memcmp(s.p, "1-", 2) != 0)
        return -EINVAL;
    const char *id = s.p + s.len - id_len;
    if (id[-1] != '-' || trc_hex_u64((struct trc_slice){s.p + 2, s.len - 3 - id_len}, &epoch) ||
        trc_hex_u64((struct trc_slice){id, 8}, &high) ||
        trc_hex_u64((struct trc_slice){id + 8, 16}, &c->trace_lo))
        return -EINVAL;
    c->trace_hi = epoch << 32 | high;
    return c->trace_hi | c->trace_lo ? 0 : -EINVAL;
}

static int parse_parent(struct trc_slice s, struct trc_context *c) {
    return s.len == 16 && trc_hex_u64(s, &c->span_id) == 0 && c->span_id ? 0 : -EINVAL;
}

static int parse_sampled(struct trc_slice s, struct trc_context *c) {
    if (s.len != 1 || !memchr("01?", *s.p, 3))
        return -EINVAL;
    c->flags = *s.p == '1' ? TRC_FLAG_SAMPLED : *s.p == '0' ? 0 : TRC_FLAG_DEFERRED;
    return 0;
}

static int (*const parse[OTHER])(struct trc_slice s, struct trc_context *c) = {
    [ROOT] = parse_root, [PARENT] = parse_parent, [SAMPLED] = parse_sampled};

/* What goes on must not be able to end a header. */
static bool is_printable(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

static int extract(const struct trc_carrier *carrier, struct trc_extracted *out) {
    struct trc_context c = {.flags = TRC_FLAG_DEFERRED};
    struct trc_slice rest = carrier->value[0], field, value;
    unsigned seen = 0;
    if (!rest.p)
        return -ENOENT;
    if (carrier->repeated & 1 || rest.len > TEXT_MAX)
        return -EINVAL;
    while (next_field(&rest, &field)) {
        int which = split(field, &value);
        if (which < 0 || !is_printable(field) || (which < OTHER && seen & 1u << which))
            return -EINVAL;
        seen |= 1u << which;
        if (which < OTHER && parse[which](value, &c))
            return -EINVAL;
    }
    if (!(seen & 1u << ROOT))
        return -ENOENT;
    out->context = c;
    return 0;
}

/* As many as leave a header that the next one would read, too. */
static void put_others(struct trc_injection *out, struct trc_buf *b, struct trc_slice rest) {
    struct trc_slice field, value;
    size_t room = TEXT_MAX - OURS_LEN;
    while (next_field(&rest, &field)) {
        if (split(field, &value) != OTHER)
            continue;
        if (1 + field.len > room) {
            out->overflow = true;
            return;
        }
        room -= 1 + field.len;
        trc_buf_put_byte(b, ';');
        trc_buf_put_slice(b, field);
    }
}

static void inject(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    const struct trc_context *context = what->context;
    char trace[32];
    struct trc_buf *b = trc_injection_begin(out, base, TRC_SLICE("HTTP_X_AMZN_TRACE_ID"));
    trc_hex_put16(trace, context->trace_hi);
    trc_hex_put16(trace + 16, context->trace_lo);
    trc_buf_put_slice(b, TRC_SLICE("Root=1-"));
    trc_buf_put(b, trace, 8);
    trc_buf_put_byte(b, '-');
    trc_buf_put(b, trace + 8, 24);
    trc_buf_put_slice(b, TRC_SLICE(";Parent="));
    trc_hex_put_id(b, context->span_id);
    trc_buf_put_slice(b, context->flags & TRC_FLAG_SAMPLED ? TRC_SLICE(";Sampled=1")
                                                           : TRC_SLICE(";Sampled=0"));
    if (what->from == &trc_format_xray)
        put_others(out, b, carrier->value[0]);
    trc_injection_end(out);
}

const struct trc_format trc_format_xray = {
    .name = "xray",
    .headers = headers,
    .extract = extract,
    .inject = inject,
};
