/* SPDX-License-Identifier: MIT
 *
 * Samplers: whether a trace that begins here is recorded. A trace that came from a caller keeps the
 * caller's decision and never gets here.
 */
#ifndef TRACING_SAMPLER_H
#define TRACING_SAMPLER_H

#include "tracing/slice.h"
#include "tracing/span.h"
#include <stdatomic.h>
#include <stdint.h>

struct trc_sampler {
    enum trc_sampler_type type;
    double param;      /* as configured: 0 or 1, probability, traces a second */
    uint64_t boundary; /* probabilistic: sampled when the low 63 bits of the id are not above it (as
                          jaeger-client-go, sampler.go, so that both decide alike) */
    uint64_t cost_ns;  /* ratelimiting: nanoseconds one trace costs */
    uint64_t burst_ns; /* ratelimiting: how far ahead of the clock the account may run */
};

/* Reads `text`: "const:0", "const:1", "probabilistic:P" with 0 <= P <= 1, "ratelimiting:N" with
 * N >= 0 traces a second for the whole instance. Returns 0, or -EINVAL with *out untouched.
 * Thread: startup. */
int trc_sampler_parse(struct trc_slice text, struct trc_sampler *out);

/* What trc_sampler_parse accepts, for error messages. */
#define TRC_SAMPLER_ALLOWED "const:0, const:1, probabilistic:0..1, ratelimiting:N"

/* Is a new trace with the low id bits `trace_lo` recorded? `account` is the rate limiter's only
 * state, one word in shared memory so that the limit holds for all workers together; `mono_ns` the
 * monotonic clock now. Lock-free. Thread: request. */
bool trc_sampler_sample(const struct trc_sampler *s, uint64_t trace_lo, _Atomic uint64_t *account,
                        uint64_t mono_ns);

#endif
