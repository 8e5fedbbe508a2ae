/* SPDX-License-Identifier: MIT
 *
 * A request as the host shows it to the tracer: slices of the variables that matter.
 *
 * The host fills it with one pass over the request packet; the tracer copies what a span needs.
 */
#ifndef TRACING_REQUEST_H
#define TRACING_REQUEST_H

#include "tracing/format.h"
#include "tracing/names.h"

/* Variables the tracer itself reads; their index in the set of names. Headers of formats follow. */
enum trc_field {
    TRC_FIELD_METHOD,
    TRC_FIELD_URI,
    TRC_FIELD_PATH_INFO,
    TRC_FIELD_PROTOCOL,
    TRC_FIELD_HOST,
    TRC_FIELD_SERVER_NAME,
    TRC_FIELD_PEER,
    TRC_FIELD_PEER_PORT,
    TRC_FIELD_HTTPS,
    TRC_FIELD_SCHEME,
    TRC_FIELD_FORWARDED_PROTO,
    TRC_FIELD_USER_AGENT,
    TRC_FIELD_COUNT
};

/* CGI name of each field. */
extern const struct trc_slice trc_field_names[TRC_FIELD_COUNT];

struct trc_request {
    struct trc_slice value[TRC_NAMES_MAX]; /* by index of the set of names; absent: not sent */
    uint64_t present;                      /* bit i: name i was there */
    uint64_t repeated; /* bit i: name i was there more than once; value[i] is the
                          last one, which is the one applications see */
    struct trc_prefixed prefixed[TRC_PREFIXED_MAX];
    unsigned prefixed_count;
    bool prefixed_more;      /* there were more */
    unsigned variable_count; /* variables in the packet, wanted or not */
    uint64_t start_unix_ns;  /* when the server took the connection up */
};

#endif
