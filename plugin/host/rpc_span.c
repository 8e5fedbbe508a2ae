/* SPDX-License-Identifier: MIT
 *
 * RPC functions that tell the span of the request which calls them, and what it hands on.
 *
 * Where there is none - tracing is off, the request is not recorded, or it is no request that calls
 * - nothing happens, and the answer is one that the caller can go on with: "off", an id of zeros,
 * no headers. A call that came over the network is a request of its own, whose packet is none of
 * variables: it has no context, and nothing happens.
 */
#include "host.h"
#include "rpc.h"
#include "tracing/hex.h"
#include <uwsgi.h>

#define ID_DIGITS 16

/* --- The core ------------------------------------------------------------------------------ */

static bool current_core(unsigned *core) {
    struct wsgi_request *wsgi_req = trc_current_request();
    if (wsgi_req)
        *core = (unsigned)wsgi_req->async_id;
    return wsgi_req != NULL;
}

static void say_whether(bool done, struct trc_buf *answer) {
    if (!done)
        trc_buf_put_slice(answer, TRC_SLICE("off"));
}

/* --- What it is told ----------------------------------------------------------------------- */

void trc_rpc_tag(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    unsigned core;
    (void)count;
    if (arg[0].len == 0 || arg[0].len > UINT8_MAX)
        trc_rpc_error(answer, "a tag's name has 1 to 255 bytes");
    else if (arg[0].len + arg[1].len > TRC_SPAN_TAG_BYTES)
        trc_rpc_error(answer, "the tag is too long");
    else
        say_whether(current_core(&core) && trc_tracer_tag(&trc_host.tracer, core, arg[0], arg[1]),
                    answer);
}

void trc_rpc_log(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    unsigned core;
    (void)count;
    if (arg[0].len == 0 || arg[0].len > TRC_SPAN_LOG_MAX)
        trc_rpc_error(answer, "a log has 1 to 1024 bytes");
    else
        say_whether(current_core(&core) && trc_tracer_log(&trc_host.tracer, core, arg[0]), answer);
}

void trc_rpc_name(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    unsigned core;
    (void)count;
    if (arg[0].len == 0 || arg[0].len > TRC_SPAN_TEXT_MAX)
        trc_rpc_error(answer, "a name has 1 to 256 bytes");
    else
        say_whether(current_core(&core) && trc_tracer_name(&trc_host.tracer, core, arg[0]), answer);
}

/* --- What it hands on ---------------------------------------------------------------------- */

/* What every format can write; W3C's would take more. */
static bool is_key(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return s.len > 0;
}

void trc_rpc_baggage(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    unsigned core;
    const bool running = current_core(&core);
    if (!is_key(arg[0])) {
        trc_rpc_error(answer, "a key of baggage is made of letters, digits, - and _");
    } else if (count == 1) {
        if (running)
            trc_buf_put_slice(answer, trc_tracer_baggage(&trc_host.tracer, core, arg[0]));
    } else if (!running) {
        trc_buf_put_slice(answer, TRC_SLICE("off"));
    } else if (trc_tracer_set_baggage(&trc_host.tracer, core, arg[0], arg[1])) {
        trc_rpc_error(answer, "no room for more baggage");
    } else {
        trc_buf_put_slice(answer, TRC_SLICE("ok"));
    }
}

/* HTTP_UBER_TRACE_ID as uber-trace-id: header names have no case (RFC 9110 section 5.1), and over
 * HTTP/2 only the lower. Variables that are no headers are for the application itself. */
static void put_header(struct trc_buf *b, struct trc_slice name, struct trc_slice value) {
    static const struct trc_slice http = TRC_SLICE("HTTP_");
    if (name.len <= http.len || memcmp(name.p, http.p, http.len) != 0)
        return;
    for (size_t i = 0; i < value.len; i++)
        if ((value.p[i] < 0x20 && value.p[i] != '\t') || value.p[i] == 0x7f)
            return; /* it would end the line; the formats write none, and a caller may */
    for (size_t i = http.len; i < name.len; i++) {
        char c = name.p[i];
        trc_buf_put_byte(b, (uint8_t)(c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c | 0x20 : c));
    }
    trc_buf_put_slice(b, TRC_SLICE(": "));
    trc_buf_put_slice(b, value);
    trc_buf_put_byte(b, '\n');
}

void trc_rpc_inject(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    struct wsgi_request *wsgi_req = trc_current_request();
    struct trc_request request;
    struct trc_injection injection;
    (void)arg;
    (void)count;
    if (!wsgi_req || !trc_request_scan(wsgi_req, &request) ||
        !trc_tracer_outgoing(&trc_host.tracer, (unsigned)wsgi_req->async_id, &request, &injection))
        return;
    for (unsigned i = 0; i < injection.count; i++)
        if (injection.item[i].value.p)
            put_header(answer, injection.item[i].name, injection.item[i].value);
}

/* --- Spans within it ----------------------------------------------------------------------- */

void trc_rpc_start(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    unsigned core;
    (void)count;
    if (arg[0].len == 0 || arg[0].len > TRC_SPAN_TOKEN_MAX)
        trc_rpc_error(answer, "a span's name has 1 to 64 bytes");
    else
        trc_hex_put_id(answer, current_core(&core)
                                   ? trc_tracer_inner_begin(&trc_host.tracer, core, arg[0])
                                   : 0);
}

void trc_rpc_end(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    const bool error = count == 2 && trc_slice_equal(arg[1], TRC_SLICE("error"));
    unsigned core;
    uint64_t id;
    if (arg[0].len != ID_DIGITS || trc_hex_id(arg[0].p, &id))
        trc_rpc_error(answer, "an id has 16 hexadecimal digits");
    else if (count == 2 && !error && !trc_slice_equal(arg[1], TRC_SLICE("ok")))
        trc_rpc_error(answer, "a status is ok or error");
    else if (id == 0 || !current_core(&core))
        trc_buf_put_slice(answer, TRC_SLICE("off"));
    else if (!trc_tracer_inner_end(&trc_host.tracer, core, id, error))
        trc_rpc_error(answer, "no such span is open");
}
