/* SPDX-License-Identifier: MIT
 *
 * W3C Trace Context, level 2: traceparent and tracestate. In the table in formats.c.
 *
 *   traceparent = version "-" trace-id "-" parent-id "-" trace-flags    (2, 32, 16 and 2 digits)
 *
 * We have no entry of our own in tracestate, so it goes on as it came or not at all: it stays in
 * the request untouched when our span continues the trace it belongs to, and is taken out of it
 * else. One that is malformed does no harm to traceparent ("Tracestate Header") and is no error of
 * the context: the trace goes on without it. The same key twice is let pass, as the specification's
 * own test suite wants it.
 */
#include "formats.h"
#include "tracing/hex.h"
#include <errno.h>

enum { TRACEPARENT, TRACESTATE };

static const char *const headers[] = {"HTTP_TRACEPARENT", "HTTP_TRACESTATE", NULL};

/* Where the fields are, in any version ("Versioning of traceparent"). */
enum { TRACE_ID = 3, PARENT_ID = 36, FLAGS = 53, LENGTH = 55 };

/* Bits of trace-flags ("trace-flags"); others are ignored, and 0 in what we write. */
enum { SAMPLED = 0x01, RANDOM = 0x02 };

#define MEMBERS_MAX 32 /* "tracestate Header Field Values" */
#define KEY_MAX 256
#define VALUE_MAX 256
/* All of them at their longest, with what separates them: what is more is white space. */
#define STATE_MAX (MEMBERS_MAX * (KEY_MAX + 1 + VALUE_MAX + 1))

/* --- traceparent ------------------------------------------------------------------------------ */

/* Two digits of the lower case, or -1. */
static int octet(const char *p) {
    int high = trc_hex_digit(p[0]), low = trc_hex_digit(p[1]);
    bool upper = (p[0] & 0x60) == 0x40 || (p[1] & 0x60) == 0x40;
    return high < 0 || low < 0 || upper ? -1 : high << 4 | low;
}

/* Version, length and dashes. What stands behind the fields is for higher versions to know. */
static bool has_form(struct trc_slice s) {
    const char *p = s.p;
    if (s.len < LENGTH || p[TRACE_ID - 1] != '-' || p[PARENT_ID - 1] != '-' || p[FLAGS - 1] != '-')
        return false;
    const int version = octet(p);
    if (version < 0 || version == 0xff)
        return false;
    return s.len == LENGTH || (version > 0 && p[LENGTH] == '-');
}

static int parse(struct trc_slice s, struct trc_context *out) {
    struct trc_context c = {0};
    if (!has_form(s))
        return -EINVAL;
    const int flags = octet(s.p + FLAGS);
    if (flags < 0 || trc_hex_id(s.p + TRACE_ID, &c.trace_hi) ||
        trc_hex_id(s.p + TRACE_ID + 16, &c.trace_lo) || trc_hex_id(s.p + PARENT_ID, &c.span_id))
        return -EINVAL;
    if (!(c.trace_hi | c.trace_lo) || !c.span_id)
        return -EINVAL;
    if (flags & SAMPLED)
        c.flags |= TRC_FLAG_SAMPLED;
    if (flags & RANDOM)
        c.flags |= TRC_FLAG_RANDOM;
    *out = c;
    return 0;
}

/* --- tracestate ------------------------------------------------------------------------------- */

/* ( lcalpha / DIGIT ) 0*255( lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@" ) */
static bool is_key(struct trc_slice s) {
    static const bool keychar[256] = {
        ['a' ... 'z'] = true, ['0' ... '9'] = true, ['_'] = true, ['-'] = true,
        ['*'] = true,         ['/'] = true,         ['@'] = true};
    if (s.len == 0 || s.len > KEY_MAX ||
        !((s.p[0] >= 'a' && s.p[0] <= 'z') || (s.p[0] >= '0' && s.p[0] <= '9')))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!keychar[(uint8_t)s.p[i]])
            return false;
    return true;
}

/* 0*255(chr) nblk-chr: printable, neither "," (which is none of it already) nor "=". White space at
 * its end was trimmed. */
static bool is_value(struct trc_slice s) {
    if (s.len == 0 || s.len > VALUE_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '=')
            return false;
    return true;
}

/* Empty members are allowed, and do not count. One that has no others says nothing: it is not sent
 * on, as the specification wants. */
static bool is_state(struct trc_slice rest) {
    unsigned members = 0;
    struct trc_slice member, key;
    while (trc_slice_split(&rest, ',', &member)) {
        member = trc_slice_trim(member);
        if (member.len == 0)
            continue;
        trc_slice_split(&member, '=', &key); /* leaves the value */
        if (++members > MEMBERS_MAX || !is_key(key) || !is_value(member))
            return false;
    }
    return members > 0;
}

/* The tracestate that may go on, or absent. Of a variable that is there twice only a part is known.
 */
static struct trc_slice state_of(const struct trc_carrier *carrier) {
    struct trc_slice s = carrier->value[TRACESTATE];
    if (!s.p || s.len > STATE_MAX || carrier->repeated & (1u << TRACESTATE) || !is_state(s))
        return (struct trc_slice){NULL, 0};
    return trc_slice_trim(s);
}

/* --- The format ------------------------------------------------------------------------------- */

/* Two traceparents arrive as "A, B", or as a variable that is there twice: neither is believed. */
static int extract(const struct trc_carrier *carrier, struct trc_extracted *out) {
    const struct trc_slice s = carrier->value[TRACEPARENT];
    if (!s.p)
        return -ENOENT;
    if (carrier->repeated & (1u << TRACEPARENT) || parse(trc_slice_trim(s), &out->context))
        return -EINVAL;
    out->state = state_of(carrier);
    return 0;
}

/* Does the caller say something here, *own, of this trace? */
static bool says_of(const struct trc_context *trace, const struct trc_carrier *carrier,
                    struct trc_extracted *own) {
    return extract(carrier, own) == 0 && own->context.trace_hi == trace->trace_hi &&
           own->context.trace_lo == trace->trace_lo;
}

/* The random flag and the state, which go on unchanged ("random-trace-id flag", "Mutating the
 * tracestate Field") also when another format was asked first and names the same trace. */
static void complete(const struct trc_carrier *carrier, struct trc_extracted *out) {
    struct trc_extracted own;
    if (!says_of(&out->context, carrier, &own))
        return;
    out->context.flags |= own.context.flags & TRC_FLAG_RANDOM;
    out->state = own.state;
}

/* Does the trace go on that the caller's tracestate belongs to? */
static bool state_goes_on(const struct trc_outgoing *what, const struct trc_carrier *carrier) {
    struct trc_extracted own;
    return what->from && says_of(what->context, carrier, &own) && own.state.p;
}

static void inject(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    const struct trc_context *c = what->context;
    struct trc_buf *b = trc_injection_begin(out, base + TRACEPARENT, TRC_SLICE("HTTP_TRACEPARENT"));
    char *p = trc_buf_take(b, LENGTH);
    if (p) {
        const unsigned flags =
            (c->flags & TRC_FLAG_SAMPLED ? SAMPLED : 0) | (c->flags & TRC_FLAG_RANDOM ? RANDOM : 0);
        memcpy(p, "00-", 3);
        trc_hex_put16(p + TRACE_ID, c->trace_hi);
        trc_hex_put16(p + TRACE_ID + 16, c->trace_lo);
        p[PARENT_ID - 1] = '-';
        trc_hex_put16(p + PARENT_ID, c->span_id);
        p[FLAGS - 1] = '-';
        p[FLAGS] = '0';
        p[FLAGS + 1] = (char)('0' + flags);
    }
    trc_injection_end(out);
    if (__builtin_expect(carrier->value[TRACESTATE].p != NULL, 0) && !state_goes_on(what, carrier))
        trc_injection_remove(out, base + TRACESTATE, TRC_SLICE("HTTP_TRACESTATE"));
}

const struct trc_format trc_format_tracecontext = {
    .name = "tracecontext",
    .headers = headers,
    .stays = 1u << TRACESTATE,
    .extract = extract,
    .complete = complete,
    .inject = inject,
};
