/* SPDX-License-Identifier: MIT
 *
 * B3, Zipkin's propagation, in its two forms: the header b3, and the X-B3-* headers. In the table
 * in formats.c. From openzipkin/b3-propagation, README:
 *
 *   b3 = trace-id "-" span-id [ "-" state [ "-" parent-span-id ] ] / state      state = 0 / 1 / d
 *
 *   X-B3-TraceId  X-B3-SpanId  X-B3-ParentSpanId  X-B3-Sampled: 0 / 1  X-B3-Flags: 1 (debug)
 *
 * Without a state the decision is ours (deferred); a state alone is a decision for a trace that is
 * not there yet. We never tell the parent, as OpenTelemetry does not: nobody needs to share a span.
 */
#include "formats.h"
#include "tracing/hex.h"
#include <errno.h>
#include <strings.h>

/* 16 or 32 digits of the lower case, not all of them 0. */
static int parse_trace_id(struct trc_slice s, struct trc_context *c) {
    c->trace_hi = 0;
    if (s.len != 16 && s.len != 32)
        return -EINVAL;
    if (s.len == 32 && trc_hex_id(s.p, &c->trace_hi))
        return -EINVAL;
    if (trc_hex_id(s.p + s.len - 16, &c->trace_lo))
        return -EINVAL;
    return c->trace_hi | c->trace_lo ? 0 : -EINVAL;
}

static int parse_id(struct trc_slice s, uint64_t *out) {
    return s.len == 16 ? trc_hex_id(s.p, out) : -EINVAL;
}

/* --- b3 --------------------------------------------------------------------------------------- */

static const char *const single_headers[] = {"HTTP_B3", NULL};

static int parse_state(struct trc_slice s, uint8_t *flags) {
    if (s.len != 1)
        return -EINVAL;
    if (s.p[0] == '0')
        *flags = 0;
    else if (s.p[0] == '1')
        *flags = TRC_FLAG_SAMPLED;
    else if (s.p[0] == 'd')
        *flags = TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG;
    else
        return -EINVAL;
    return 0;
}

static int parse_single(struct trc_slice s, struct trc_context *out) {
    struct trc_context c = {.flags = TRC_FLAG_DEFERRED};
    struct trc_slice field[4], item;
    unsigned count = 0;
    while (trc_slice_split(&s, '-', &item)) {
        if (count == 4)
            return -EINVAL;
        field[count++] = item;
    }
    if (count == 1) {
        if (parse_state(field[0], &c.flags))
            return -EINVAL;
    } else {
        if (parse_trace_id(field[0], &c) || parse_id(field[1], &c.span_id) || c.span_id == 0)
            return -EINVAL;
        if (count > 2 && parse_state(field[2], &c.flags))
            return -EINVAL;
        if (count > 3 && parse_id(field[3], &c.parent_id))
            return -EINVAL;
    }
    *out = c;
    return 0;
}

static int extract_single(const struct trc_carrier *carrier, struct trc_extracted *out) {
    if (!carrier->value[0].p)
        return -ENOENT;
    if (carrier->repeated & 1)
        return -EINVAL;
    return parse_single(trc_slice_trim(carrier->value[0]), &out->context);
}

static char state_of(const struct trc_context *context) {
    if (context->flags & TRC_FLAG_DEBUG)
        return 'd';
    return context->flags & TRC_FLAG_SAMPLED ? '1' : '0';
}

static void inject_single(const struct trc_outgoing *what, const struct trc_carrier *carrier,
                          int base, struct trc_injection *out) {
    const struct trc_context *context = what->context;
    (void)carrier;
    struct trc_buf *b = trc_injection_begin(out, base, TRC_SLICE("HTTP_B3"));
    trc_hex_put_trace_id(b, context->trace_hi, context->trace_lo);
    trc_buf_put_byte(b, '-');
    trc_hex_put_id(b, context->span_id);
    trc_buf_put_byte(b, '-');
    trc_buf_put_byte(b, (uint8_t)state_of(context));
    trc_injection_end(out);
}

const struct trc_format trc_format_b3 = {
    .name = "b3",
    .headers = single_headers,
    .extract = extract_single,
    .inject = inject_single,
};

/* --- X-B3-* ----------------------------------------------------------------------------------- */

enum { TRACE_ID, SPAN_ID, PARENT_SPAN_ID, SAMPLED, FLAGS, MULTI_COUNT };

static const char *const multi_headers[] = {"HTTP_X_B3_TRACEID",      "HTTP_X_B3_SPANID",
                                            "HTTP_X_B3_PARENTSPANID", "HTTP_X_B3_SAMPLED",
                                            "HTTP_X_B3_FLAGS",        NULL};

static bool is_word(struct trc_slice s, const char *word) {
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

/* Older tracers write true and false. */
static int parse_sampled(struct trc_slice s, uint8_t *flags) {
    if (is_word(s, "1") || is_word(s, "true"))
        *flags = TRC_FLAG_SAMPLED;
    else if (is_word(s, "0") || is_word(s, "false"))
        *flags = 0;
    else
        return -EINVAL;
    return 0;
}

/* Debug implies sampled, whatever X-B3-Sampled says. */
static int parse_decision(const struct trc_slice *value, uint8_t *flags) {
    *flags = TRC_FLAG_DEFERRED;
    if (value[SAMPLED].p && parse_sampled(value[SAMPLED], flags))
        return -EINVAL;
    if (!value[FLAGS].p || trc_slice_equal(value[FLAGS], TRC_SLICE("0")))
        return 0;
    if (!trc_slice_equal(value[FLAGS], TRC_SLICE("1")))
        return -EINVAL;
    *flags = TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG;
    return 0;
}

static int parse_multi(const struct trc_slice *value, struct trc_context *out) {
    struct trc_context c = {0};
    if (parse_decision(value, &c.flags))
        return -EINVAL;
    if (value[TRACE_ID].p || value[SPAN_ID].p || value[PARENT_SPAN_ID].p) {
        if (parse_trace_id(value[TRACE_ID], &c) || parse_id(value[SPAN_ID], &c.span_id) ||
            c.span_id == 0)
            return -EINVAL;
        if (value[PARENT_SPAN_ID].p && parse_id(value[PARENT_SPAN_ID], &c.parent_id))
            return -EINVAL;
    } else if (c.flags & TRC_FLAG_DEFERRED) {
        return -ENOENT; /* X-B3-Flags: 0 alone says nothing */
    }
    *out = c;
    return 0;
}

static int extract_multi(const struct trc_carrier *carrier, struct trc_extracted *out) {
    struct trc_slice value[MULTI_COUNT];
    bool any = false;
    for (int i = 0; i < MULTI_COUNT; i++) {
        value[i] = carrier->value[i];
        if (!value[i].p)
            continue;
        any = true;
        value[i] = trc_slice_trim(value[i]);
    }
    if (!any)
        return -ENOENT;
    if (carrier->repeated & ((1u << MULTI_COUNT) - 1))
        return -EINVAL;
    return parse_multi(value, &out->context);
}

/* Sets the header to one character, or takes the caller's out. */
static void put_or_remove(const struct trc_carrier *carrier, int base, int header, bool put,
                          char value, struct trc_injection *out) {
    const struct trc_slice name = trc_slice_of(multi_headers[header]);
    if (put) {
        trc_buf_put_byte(trc_injection_begin(out, base + header, name), (uint8_t)value);
        trc_injection_end(out);
    } else if (carrier->value[header].p) {
        trc_injection_remove(out, base + header, name);
    }
}

static void inject_multi(const struct trc_outgoing *what, const struct trc_carrier *carrier,
                         int base, struct trc_injection *out) {
    const struct trc_context *context = what->context;
    const char state = state_of(context);
    struct trc_buf *b = trc_injection_begin(out, base + TRACE_ID, TRC_SLICE("HTTP_X_B3_TRACEID"));
    trc_hex_put_trace_id(b, context->trace_hi, context->trace_lo);
    trc_injection_end(out);
    b = trc_injection_begin(out, base + SPAN_ID, TRC_SLICE("HTTP_X_B3_SPANID"));
    trc_hex_put_id(b, context->span_id);
    trc_injection_end(out);
    put_or_remove(carrier, base, PARENT_SPAN_ID, false, 0, out);
    put_or_remove(carrier, base, SAMPLED, state != 'd', state, out);
    put_or_remove(carrier, base, FLAGS, state == 'd', '1', out);
}

const struct trc_format trc_format_b3multi = {
    .name = "b3multi",
    .headers = multi_headers,
    .extract = extract_multi,
    .inject = inject_multi,
};
