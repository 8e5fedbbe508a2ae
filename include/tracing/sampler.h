/* SPDX-License-Identifier: MIT
 *
 * Samplers: whether a trace that begins here is recorded. A trace that came from a caller keeps the
 * caller's decision and never gets here.
 */
#ifndef TRACING_SAMPLER_H
#define TRACING_SAMPLER_H

#include "tracing/buf.h"
#include "tracing/span.h"
#include <stdatomic.h>
#include <stdint.h>

#define TRC_SAMPLER_URL_MAX 512 /* bytes of a remote sampler's URL */
#define TRC_RATE_MAX 1e9        /* traces a second */

/* A rate, as nanoseconds. */
struct trc_limit {
    uint64_t cost_ns;  /* that one trace costs; 0: none is allowed */
    uint64_t burst_ns; /* how far ahead of the clock the account may run */
};

/* Who decided on a trace. */
struct trc_decision {
    enum trc_sampler_type type; /* NONE: the caller */
    double param;
};

struct trc_sampler {
    enum trc_sampler_type type;
    double param;      /* as configured: 0 or 1, probability, traces a second; REMOTE: probability
                          before the first answer */
    uint64_t boundary; /* PROBABILISTIC: sampled when the low 63 bits of the id are not above it */
    struct trc_limit limit; /* RATELIMITING */
    struct trc_slice url;   /* REMOTE: where to ask, http or https, without query; borrowed */
    uint64_t interval_ns;   /* REMOTE: between two polls */
};

/* Reads `text`:
 *
 *   const:0  const:1  probabilistic:P  ratelimiting:N
 *   remote[:URL][ interval=DURATION][ initial=P]
 *
 * with 0 <= P <= 1, N >= 0 traces a second for the whole instance. URL is http or https, without
 * user, query and fragment, by default TRC_SAMPLER_URL; the service's name is appended as a query.
 * What follows it stands behind a space, which no URL has (RFC 3986). DURATION, of 100ms to 60m, is
 * by default 60s; `initial`, by default 0.001, is the probability before the first answer
 * (defaults of jaeger-client-go, sampler_remote.go and sampler_remote_options.go).
 *
 * Returns 0, or -EINVAL, or -ENOMEM, with *out untouched; *out points into `text`.
 * Thread: any but request. */
int trc_sampler_parse(struct trc_slice text, struct trc_sampler *out);

/* Appends it as a text that trc_sampler_parse takes. Thread: any but request. */
void trc_sampler_put(struct trc_buf *b, const struct trc_sampler *s);

#define TRC_SAMPLER_URL "http://127.0.0.1:5778/sampling"

/* What trc_sampler_parse accepts, for error messages. */
#define TRC_SAMPLER_ALLOWED                                                                        \
    "const:0, const:1, probabilistic:0..1, ratelimiting:N, remote, remote:http://host:port/path, " \
    "and behind a remote interval=100ms..60m or initial=0..1"

/* Is a new trace with the low id bits `trace_lo` recorded? `account` is the rate limiter's only
 * state, one word in shared memory so that the limit holds for all workers together; `mono_ns` the
 * monotonic clock now. Not for REMOTE: see strategies.h. Lock-free. Thread: request. */
bool trc_sampler_sample(const struct trc_sampler *s, uint64_t trace_lo, _Atomic uint64_t *account,
                        uint64_t mono_ns);

#endif
