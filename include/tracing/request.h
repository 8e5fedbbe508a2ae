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
    TRC_FIELD_QUERY,
    TRC_FIELD_REQUEST_START,
    TRC_FIELD_QUEUE_START,
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

/* As trc_request_path, of a target that does not begin with a slash. */
struct trc_slice trc_request_odd_path(struct trc_slice target, struct trc_slice path_info);

/* The path of a request's target: never the query, which may hold secrets, and of an absolute
 * target (RFC 9112 section 3.2.2) neither the authority, which may hold a password: then it is
 * `path_info`, if that is a path. Absent when there is none. Thread: request. */
static inline struct trc_slice trc_request_path(struct trc_slice target,
                                                struct trc_slice path_info) {
    if (__builtin_expect(target.len == 0 || target.p[0] != '/', 0))
        return trc_request_odd_path(target, path_info);
    const char *end = memchr(target.p, '?', target.len);
    if (end)
        target.len = (size_t)(end - target.p);
    return target;
}

#endif
