/* SPDX-License-Identifier: MIT
 *
 * Google Cloud's X-Cloud-Trace-Context.
 *
 * Grammar (Google Cloud documentation, "Trace context"), with what may be left out as the class
 * TraceContextHelper of App Engine's runtime lists it:
 *
 *   x-cloud-trace-context = trace-id [ "/" [ span-id ] ] [ ";o=" [ options ] ]
 *
 * trace-id: 32 hex digits; span-id: an unsigned 64-bit number in decimal, 0 or left out: the trace
 * goes on without a parent; options: a number in decimal, its lowest bit: is traced. Without it the
 * decision is ours. Google's own propagators read less (no span-id: no context) and write all of
 * it, as is done here.
 */
#include "formats.h"
#include "tracing/decimal.h"
#include "tracing/hex.h"
#include <errno.h>

static const char *const headers[] = {"HTTP_X_CLOUD_TRACE_CONTEXT", NULL};

#define TRACE_LEN 32

/* ";o=" and what follows, or nothing. */
static int parse_options(struct trc_slice s, uint8_t *flags) {
    uint64_t options;
    if (s.len == 0 || trc_slice_equal(s, TRC_SLICE(";o="))) {
        *flags = TRC_FLAG_DEFERRED;
        return 0;
    }
    if (s.len < 3 || memcmp(s.p, ";o=", 3) != 0 ||
        trc_decimal_u64((struct trc_slice){s.p + 3, s.len - 3}, &options))
        return -EINVAL;
    *flags = options & 1 ? TRC_FLAG_SAMPLED : 0;
    return 0;
}

static int extract(const struct trc_carrier *carrier, struct trc_extracted *out) {
    struct trc_context c = {0};
    if (!carrier->value[0].p)
        return -ENOENT;
    struct trc_slice s = trc_slice_trim(carrier->value[0]);
    if (carrier->repeated & 1 || s.len < TRACE_LEN ||
        trc_hex_u64((struct trc_slice){s.p, 16}, &c.trace_hi) ||
        trc_hex_u64((struct trc_slice){s.p + 16, 16}, &c.trace_lo) || !(c.trace_hi | c.trace_lo))
        return -EINVAL;
    s = (struct trc_slice){s.p + TRACE_LEN, s.len - TRACE_LEN};
    if (s.len && *s.p == '/') {
        const char *end = memchr(s.p, ';', s.len);
        struct trc_slice span = {s.p + 1, (end ? (size_t)(end - s.p) : s.len) - 1};
        if (span.len && trc_decimal_u64(span, &c.span_id))
            return -EINVAL;
        s = (struct trc_slice){span.p + span.len, s.len - 1 - span.len};
    }
    if (parse_options(s, &c.flags))
        return -EINVAL;
    out->context = c;
    return 0;
}

static void inject(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out) {
    const struct trc_context *context = what->context;
    (void)carrier;
    struct trc_buf *b = trc_injection_begin(out, base, TRC_SLICE("HTTP_X_CLOUD_TRACE_CONTEXT"));
    trc_hex_put_id(b, context->trace_hi);
    trc_hex_put_id(b, context->trace_lo);
    trc_buf_put_byte(b, '/');
    trc_buf_put_u64(b, context->span_id);
    trc_buf_put_slice(b, context->flags & TRC_FLAG_SAMPLED ? TRC_SLICE(";o=1") : TRC_SLICE(";o=0"));
    trc_injection_end(out);
}

const struct trc_format trc_format_gcp = {
    .name = "gcp",
    .headers = headers,
    .extract = extract,
    .inject = inject,
};
