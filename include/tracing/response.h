/* SPDX-License-Identifier: MIT
 *
 * Response headers that tell the client which trace it was in (tracing-response-header).
 *
 * The host has the server send the lines with whatever is answered; the settings ask for the names.
 * A new header is its word here, its line in the table in plugin/host/response.c, and what writes
 * its value.
 */
#ifndef TRACING_RESPONSE_H
#define TRACING_RESPONSE_H

#include "tracing/buf.h"
#include "tracing/context.h"

/* Headers there are, each one bit (1u << header) of a set. */
enum trc_response_header {
    TRC_RESPONSE_UBER_TRACE_ID,
    TRC_RESPONSE_TRACERESPONSE,
    TRC_RESPONSE_SERVER_TIMING,
    TRC_RESPONSE_X_TRACE_ID,
    TRC_RESPONSE_COUNT
};

/* The header (enum trc_response_header) called `name`, in any case, or -1. Thread: startup. */
int trc_response_find(struct trc_slice name);

/* Lines of all headers together, with the one that shows them to scripts (Fetch standard,
 * Access-Control-Expose-Headers), and their bytes. */
#define TRC_RESPONSE_LINES (TRC_RESPONSE_COUNT + 1)
#define TRC_RESPONSE_BYTES 512

/* Lines for one response, without line ends. */
struct trc_response {
    struct trc_slice line[TRC_RESPONSE_LINES]; /* in bytes[] */
    unsigned count;
    char bytes[TRC_RESPONSE_BYTES];
};

/* Fills *out with the lines of the headers in `set`, for the context of our own span.
 * Thread: request. */
void trc_response_write(unsigned set, const struct trc_context *context, struct trc_response *out);

#endif
