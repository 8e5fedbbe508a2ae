/* SPDX-License-Identifier: MIT
 *
 * Alibaba's EagleEye: the headers of ARMS and of its ancestor in HSF.
 *
 * From the ARMS documentation, "Supported trace propagation protocols" and, for Sampled, "Select a
 * trace sampling mode":
 *
 * EagleEye-TraceID: 32 hex digits, the 128-bit trace id; or the classic 30 (IPv4, time, sequence,
 * process), which "00" makes 32. The original form goes on, and is a tag.
 *
 * EagleEye-RpcID: 0, 0.1, 0.1.2, a place in the tree of calls.
 *
 * EagleEye-SpanID, -pSpanID: a signed 64-bit number in decimal, and the parent of that.
 *
 * EagleEye-Sampled: s1, s0; left out, the decision is ours.
 *
 * No span id can be had from RpcID: without a SpanID the trace goes on without a parent. RpcID goes
 * on as it came: the caller has assigned it to this server, which puts a number behind it for each
 * call of its own (SOFATracer, SofaTracerSpanContext.nextChildContextId, the same scheme), and that
 * is for the application to count. Where the tree begins it is "0". pAppName, pRpc, UserData and
 * whatever else there is stay in the request as they came.
 */
#include "formats.h"
#include "tracing/decimal.h"
#include "tracing/hex.h"
#include <errno.h>

enum { TRACE_ID, RPC_ID, SPAN_ID, PARENT_SPAN_ID, IS_SAMPLED };

static const char *const headers[] = {"HTTP_EAGLEEYE_TRACEID", "HTTP_EAGLEEYE_RPCID",
                                      "HTTP_EAGLEEYE_SPANID",  "HTTP_EAGLEEYE_PSPANID",
                                      "HTTP_EAGLEEYE_SAMPLED", NULL};

#define CLASSIC_LEN 30
#define RPC_ID_MAX 256 /* a tree of more than a hundred calls one inside the other */

static struct trc_slice value_of(const struct trc_carrier *carrier, unsigned header) {
    struct trc_slice s = carrier->value[header];
    return s.p ? trc_slice_trim(s) : s;
}

/* As decimal with a sign, which is how ARMS writes it, else as hex; 0 when it is neither. */
static uint64_t parse_span_id(struct trc_slice s) {
    uint64_t id = 0;
    if (s.len > 1 && *s.p == '-')
        return trc_decimal_u64((struct trc_slice){s.p + 1, s.len - 1}, &id) || id > UINT64_C(1)
                                                                                        << 63
                   ? 0
                   : -id;
    if (trc_decimal_u64(s, &id))
        trc_hex_u64(s, &id);
    return id;
}

static uint8_t parse_sampled(struct trc_slice s) {
    if (trc_slice_equal(s, TRC_SLICE("s1")) || trc_slice_equal(s, TRC_SLICE("1")))
        return TRC_FLAG_SAMPLED;
    if (trc_slice_equal(s, TRC_SLICE("s0")) || trc_slice_equal(s, TRC_SLICE("0")))
        return 0;
    return TRC_FLAG_DEFERRED;
}

/* Numbers with dots between them? */
static bool is_rpc_id(struct trc_slice s) {
    if (s.len == 0 || s.len > RPC_ID_MAX)
        return false;
    bool digit = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '.' ? !digit : s.p[i] < '0' || s.p[i] > '9')
            return false;
        digit = s.p[i] != '.';
    }
    return digit;
}

static int extract(const struct trc_carrier *carrier, struct trc_extracted *out) {
    struct trc_context c = {0};
    struct trc_slice id = value_of(carrier, TRACE_ID);
    if (!id.p)
        return -ENOENT;
    if (carrier->repeated & ((1u << (IS_SAMPLED + 1)) - 1) ||
        (id.len != 32 && id.len != CLASSIC_LEN))
        return -EINVAL;
    const size_t high = id.len - 16;
    if (trc_hex_u64((struct trc_slice){id.p, high}, &c.trace_hi) ||
        trc_hex_u64((struct trc_slice){id.p + high, 16}, &c.trace_lo) || !(c.trace_hi | c.trace_lo))
        return -EINVAL;
    c.span_id = parse_span_id(value_of(carrier, SPAN_ID));
    c.flags = parse_sampled(value_of(carrier, IS_SAMPLED));
    out->context = c;
    if (id.len == CLASSIC_LEN)
        out->original = (struct trc_tag){TRC_SLICE("eagleeye.trace_id"), id};
    return 0;
}

static void put_i64(struct trc_buf *b, uint64_t v) {
    if (v >> 63) {
        trc_buf_put_byte(b, '-');
        v = -v;
    }
    trc_buf_put_u64(b, v);
}

static void inject_span(const struct trc_context *context, int base, struct trc_injection *out) {
    const struct trc_slice parent = TRC_SLICE("HTTP_EAGLEEYE_PSPANID");
    put_i64(trc_injection_begin(out, base + SPAN_ID, TRC_SLICE("HTTP_EAGLEEYE_SPANID")),
            context->span_id);
    trc_injection_end(out);
    if (!context->parent_id) {
        trc_injection_remove(out, base + PARENT_SPAN_ID, parent);
        return;
    }
    put_i64(trc_injection_begin(out, base + PARENT_SPAN_ID, parent), context->parent_id);
    trc_injection_end(out);
}

static void inject(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    const struct trc_context *context = what->context;
    const bool ours = what->from == &trc_format_eagleeye;
    struct trc_slice id = value_of(carrier, TRACE_ID);
    struct trc_buf *b =
        trc_injection_begin(out, base + TRACE_ID, TRC_SLICE("HTTP_EAGLEEYE_TRACEID"));
    if (ours && id.len == CLASSIC_LEN) {
        trc_buf_put_slice(b, id);
    } else {
        trc_hex_put_id(b, context->trace_hi);
        trc_hex_put_id(b, context->trace_lo);
    }
    trc_injection_end(out);

    inject_span(context, base, out);

    b = trc_injection_begin(out, base + IS_SAMPLED, TRC_SLICE("HTTP_EAGLEEYE_SAMPLED"));
    trc_buf_put_slice(b, context->flags & TRC_FLAG_SAMPLED ? TRC_SLICE("s1") : TRC_SLICE("s0"));
    trc_injection_end(out);

    if (!ours || !is_rpc_id(value_of(carrier, RPC_ID))) {
        b = trc_injection_begin(out, base + RPC_ID, TRC_SLICE("HTTP_EAGLEEYE_RPCID"));
        trc_buf_put_byte(b, '0');
        trc_injection_end(out);
    }
}

const struct trc_format trc_format_eagleeye = {
    .name = "eagleeye",
    .headers = headers,
    .stays = 1u << RPC_ID,
    .extract = extract,
    .inject = inject,
};
