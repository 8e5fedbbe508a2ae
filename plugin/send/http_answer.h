/* SPDX-License-Identifier: MIT
 *
 * What an answer over HTTP means. Used by http.c, which knows how to get one.
 */
#ifndef TRACING_SEND_HTTP_ANSWER_H
#define TRACING_SEND_HTTP_ANSWER_H

#include "tracing/sender.h"
#include <curl/curl.h>

/* What came of one request. */
struct trc_http_exchange {
    CURLcode code;     /* how it ended */
    const char *error; /* libcurl's words for that */
    long status;       /* of the answer; below 200: none came */
    bool too_large;    /* the answer had no end in sight, and we hung up */
    uint64_t retry_after_ns;
    const char *redirect;  /* absolute URL, or NULL */
    struct trc_slice body; /* as far as it came */
};

/* Reads it for `wire`: returns what a sender's send returns and fills *result. Thread: reporter. */
int trc_http_judge(const struct trc_http_exchange *exchange, const struct trc_http_wire *wire,
                   struct trc_send_result *result);

#endif
