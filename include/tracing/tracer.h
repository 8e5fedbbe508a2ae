/* SPDX-License-Identifier: MIT
 *
 * The tracer: begin and end of a request's span, in order. Knows no server and no collector.
 *
 * The request path of the whole project is here: trc_tracer_begin and trc_tracer_end allocate
 * nothing, lock nothing, log nothing, make no system call and cannot fail.
 */
#ifndef TRACING_TRACER_H
#define TRACING_TRACER_H

#include "tracing/journal.h"
#include "tracing/request.h"
#include "tracing/sampler.h"
#include "tracing/strategies.h"
#include "tracing/trust.h"

#define TRC_FORMATS_MAX 12

/* A format that is switched on, and where its headers begin in the set of names. */
struct trc_active_format {
    const struct trc_format *format;
    int base;
    uint64_t headers; /* bit i: name i of the set is one of its */
};

struct trc_tracer {
    struct trc_journal *journal;
    unsigned worker; /* 0...; set by the host after the fork */
    struct trc_sampler sampler;
    struct trc_strategies *strategies;    /* of a remote sampler; borrowed */
    struct trc_trust trust;               /* whose context is continued */
    const struct trc_slice *baggage_tags; /* keys of baggage that become attributes; borrowed */
    unsigned baggage_tag_count;
    struct trc_names names;  /* fields first, then headers of the formats */
    struct trc_slice prefix; /* of the one format that has one, else absent */
    struct trc_active_format extract[TRC_FORMATS_MAX];
    struct trc_active_format inject[TRC_FORMATS_MAX];
    unsigned extract_count, inject_count;
    void (*wake)(void); /* called when the ring passes half, once; may be NULL */
};

/* Sets up names and formats of a zeroed *tracer; what is not names and formats is the caller's to
 * set.
 * `extract`, `inject`: formats in order, NULL at the end, borrowed for good. Returns 0 or -ENOSPC
 * if they are too many, or -EINVAL if two share a header. Thread: startup. */
int trc_tracer_init(struct trc_tracer *tracer, const struct trc_format *const *extract,
                    const struct trc_format *const *inject);

/* Seeds the id generators of the worker's cores. Returns 0 or a negative errno: then do not trace.
 * Thread: startup of a worker, before its first request. */
int trc_tracer_seed(struct trc_tracer *tracer);

/* Begins the span of the request that `core` now serves: extracts the caller's context, decides,
 * makes ids, records what is known if it is sampled, and fills *injection with the variables the
 * application is to see. A span still open on this core is closed first as abandoned.
 * Thread: request. */
void trc_tracer_begin(struct trc_tracer *tracer, unsigned core, const struct trc_request *request,
                      struct trc_injection *injection);

/* Counts a request whose application could not be told all of its context. Thread: request. */
void trc_tracer_not_injected(struct trc_tracer *tracer, unsigned core);

/* What is known when a request has ended. */
struct trc_result {
    uint16_t status; /* 0: none */
    uint64_t request_bytes;
    uint64_t response_bytes;
    struct trc_slice app; /* mountpoint, or absent */
};

/* Ends the core's span and appends it to the journal; nothing if there is none. Thread: request. */
void trc_tracer_end(struct trc_tracer *tracer, unsigned core, const struct trc_result *result);

/* Records a request that was refused before it was one: a span of its own, a root, with method and
 * target as far as they are known. Thread: request. */
void trc_tracer_refuse(struct trc_tracer *tracer, unsigned core, struct trc_slice method,
                       struct trc_slice target, uint64_t start_unix_ns);

#endif
