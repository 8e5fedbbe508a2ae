/* SPDX-License-Identifier: MIT
 *
 * Response headers: their names and what they say. See response.h; headers.c has uWSGI send them.
 *
 * Values go out as lines of their own, never merged with the application's: a list in several lines
 * is one list (RFC 9110 section 5.3), and nothing of the application's is read or moved.
 */
#include "tracing/response.h"
#include "tracing/hex.h"
#include <strings.h>

/* As Jaeger's clients write it in requests. */
static void put_uber_trace_id(struct trc_buf *b, const struct trc_context *c) {
    trc_hex_put_trace_id(b, c->trace_hi, c->trace_lo);
    trc_buf_put_byte(b, ':');
    trc_hex_put_id(b, c->span_id);
    trc_buf_put_byte(b, ':');
    if (c->parent_id)
        trc_hex_put_id(b, c->parent_id);
    else
        trc_buf_put_byte(b, '0');
    trc_buf_put_byte(b, ':');
    trc_buf_put_byte(b, (uint8_t)('0' + (c->flags & (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG))));
}

/* W3C Trace Context, editors' draft of 2021 ("traceresponse"), as OpenTelemetry Python's
 * TraceResponsePropagator sends it: version-trace-child-flags. */
static void put_traceresponse(struct trc_buf *b, const struct trc_context *c) {
    trc_buf_put_slice(b, TRC_SLICE("00-"));
    trc_hex_put_id(b, c->trace_hi);
    trc_hex_put_id(b, c->trace_lo);
    trc_buf_put_byte(b, '-');
    trc_hex_put_id(b, c->span_id);
    trc_buf_put_slice(b, c->flags & TRC_FLAG_SAMPLED ? TRC_SLICE("-01") : TRC_SLICE("-00"));
}

/* A metric (W3C Server Timing section 4) by the name that browser agents look for: Splunk's. */
static void put_server_timing(struct trc_buf *b, const struct trc_context *c) {
    trc_buf_put_slice(b, TRC_SLICE("traceparent;desc=\""));
    put_traceresponse(b, c);
    trc_buf_put_byte(b, '"');
}

static void put_trace_id(struct trc_buf *b, const struct trc_context *c) {
    trc_hex_put_trace_id(b, c->trace_hi, c->trace_lo);
}

static const struct {
    const char *name;
    void (*put)(struct trc_buf *b, const struct trc_context *c); /* its value */
    bool exposed; /* meant for scripts in browsers, which see none that is not exposed to them */
} headers[TRC_RESPONSE_COUNT] = {
    [TRC_RESPONSE_UBER_TRACE_ID] = {"uber-trace-id", put_uber_trace_id, false},
    [TRC_RESPONSE_TRACERESPONSE] = {"traceresponse", put_traceresponse, true},
    [TRC_RESPONSE_SERVER_TIMING] = {"Server-Timing", put_server_timing, true},
    [TRC_RESPONSE_X_TRACE_ID] = {"X-Trace-Id", put_trace_id, false},
};

int trc_response_find(struct trc_slice name) {
    for (int i = 0; i < TRC_RESPONSE_COUNT; i++)
        if (name.len == strlen(headers[i].name) &&
            strncasecmp(name.p, headers[i].name, name.len) == 0)
            return i;
    return -1;
}

static void put_exposed(struct trc_buf *b, unsigned set) {
    const char *before = "Access-Control-Expose-Headers: ";
    for (unsigned i = 0; i < TRC_RESPONSE_COUNT; i++) {
        if (!(set & 1u << i) || !headers[i].exposed)
            continue;
        trc_buf_put_slice(b, trc_slice_of(before));
        trc_buf_put_slice(b, trc_slice_of(headers[i].name));
        before = ", ";
    }
}

static void end_line(struct trc_response *out, const struct trc_buf *b, size_t start) {
    if (b->len > start)
        out->line[out->count++] = (struct trc_slice){b->p + start, b->len - start};
}

void trc_response_write(unsigned set, const struct trc_context *context, struct trc_response *out) {
    struct trc_buf b = trc_buf_over(out->bytes, sizeof(out->bytes));
    size_t start = 0;
    out->count = 0;
    for (unsigned i = 0; i < TRC_RESPONSE_COUNT; i++) {
        if (!(set & 1u << i))
            continue;
        trc_buf_put_slice(&b, trc_slice_of(headers[i].name));
        trc_buf_put_slice(&b, TRC_SLICE(": "));
        headers[i].put(&b, context);
        end_line(out, &b, start);
        start = b.len;
    }
    put_exposed(&b, set);
    end_line(out, &b, start);
}
