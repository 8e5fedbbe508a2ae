/* SPDX-License-Identifier: MIT
 *
 * Headers that become tags (tracing-capture-request, tracing-capture-response).
 */
#ifndef TRACING_CAPTURE_H
#define TRACING_CAPTURE_H

#include "tracing/slice.h"

#define TRC_CAPTURES_MAX 16 /* of requests, and of responses */

struct trc_capture {
    struct trc_slice variable; /* its CGI name: HTTP_X_TENANT */
    struct trc_slice header;   /* its name in lower case: x-tenant */
    struct trc_slice tag;      /* http.request.header.x-tenant (OpenTelemetry registry, http) */
};

enum trc_direction { TRC_REQUEST, TRC_RESPONSE };

/* The name of a header: a token (RFC 9110 section 5.1), here of up to 64 bytes. Thread: any. */
bool trc_capture_is_name(struct trc_slice name);

/* Makes *out of the name of a header, in either case. Returns 0, or -EINVAL when it is none, or
 * -ENOMEM. Memory lives for good.
 * Thread: startup. */
int trc_capture_make(struct trc_slice name, enum trc_direction direction, struct trc_capture *out);

/* The value of the header in `lines`, a response's head with CRLF at the end of each line; the last
 * one, if there are several; absent if there is none. Thread: request. */
struct trc_slice trc_capture_find(const struct trc_capture *capture, struct trc_slice lines);

#endif
