/* SPDX-License-Identifier: MIT
 *
 * TRACING_TRACE_ID, TRACING_SPAN_ID and TRACING_SAMPLED: the ids for the application's own logs
 * (tracing-variables). Not a header format, but set in the request by the same way, and replaced
 * there when a uWSGI in front has set its own.
 */
#include "tracing/format.h"
#include "tracing/hex.h"

static const char *const headers[] = {"TRACING_TRACE_ID", "TRACING_SPAN_ID", "TRACING_SAMPLED",
                                      NULL};

static void inject(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    const struct trc_context *context = what->context;
    (void)carrier;
    struct trc_buf *b = trc_injection_begin(out, base, TRC_SLICE("TRACING_TRACE_ID"));
    trc_hex_put_trace_id(b, context->trace_hi, context->trace_lo);
    trc_injection_end(out);

    b = trc_injection_begin(out, base + 1, TRC_SLICE("TRACING_SPAN_ID"));
    trc_hex_put_id(b, context->span_id);
    trc_injection_end(out);

    b = trc_injection_begin(out, base + 2, TRC_SLICE("TRACING_SAMPLED"));
    trc_buf_put_byte(b, context->flags & TRC_FLAG_SAMPLED ? '1' : '0');
    trc_injection_end(out);
}

const struct trc_format trc_format_variables = {
    .name = "variables",
    .headers = headers,
    .inject = inject,
};
