/* SPDX-License-Identifier: MIT
 *
 * Strategies: what the sampling server told, in memory that all workers share, and the decisions by
 * it.
 *
 * The mapping is made before the fork. Requests of every worker decide by it; the poller of one of
 * them, whichever has the lease, replaces what is in force. There are two copies, of which one is
 * in force: a publication writes the other and then turns to it, so that a poller killed in between
 * leaves the old one whole, and a request that read a copy while it was being written knows and
 * reads again.
 */
#ifndef TRACING_STRATEGIES_H
#define TRACING_STRATEGIES_H

#include "tracing/sampler.h"
#include <pthread.h>

/* Operations with an account of their own. jaeger-client-go, sampler.go: defaultMaxOperations. */
#define TRC_OPERATIONS_MAX 2000

struct trc_operation {
    struct trc_slice name;
    double probability;
};

/* A strategy as a server sends it: one probability, one rate, or a probability for each operation,
 * with a rate that each is promised whatever its probability says. */
struct trc_strategy {
    enum trc_sampler_type type; /* PROBABILISTIC, RATELIMITING, or LOWERBOUND: by operation */
    double param;               /* probability or traces a second; LOWERBOUND: probability of an
                                   operation that is not listed */
    double lower_bound;         /* LOWERBOUND: traces a second that each operation is promised */
    const struct trc_operation *operation; /* LOWERBOUND */
    size_t operation_count; /* those beyond TRC_OPERATIONS_MAX are as if they were not listed */
};

struct trc_strategies; /* the mapping */

/* Makes the mapping with a probability in force. Returns 0 and *out, owned by the caller, or a
 * negative errno. Thread: startup, in the master before the fork. */
int trc_strategies_new(struct trc_strategies **out, double probability);

/* Unmaps it from this process. NULL is fine. Thread: startup or exit. */
void trc_strategies_free(struct trc_strategies *s);

/* Is a new trace with the low id bits `trace_lo`, whose root has the name `operation`, recorded?
 * *by gets who decided: PROBABILISTIC with its probability, RATELIMITING with its rate, or
 * LOWERBOUND with the probability that said no, as jaeger-client-go has it. `mono_ns`: the
 * monotonic clock; a coarse one will do. An operation that is seen for the first time gets an
 * account, if there is one left; the others have no promise. Lock-free. Thread: request. */
bool trc_strategies_decide(struct trc_strategies *s, uint64_t trace_lo, struct trc_slice operation,
                           uint64_t mono_ns, struct trc_decision *by);

/* Puts *strategy in force. Accounts go on: what has been spent stays spent. A process that dies in
 * here leaves the old one in force. Thread: whoever has the lease, or startup. */
void trc_strategies_publish(struct trc_strategies *s, const struct trc_strategy *strategy,
                            uint64_t mono_ns);

/* Who asks the server, and when: shared by the pollers of all workers. */
struct trc_poll {
    pthread_mutex_t lease;         /* robust: the kernel tells the next that its holder has died */
    _Atomic uint64_t next_mono_ns; /* when to ask next */
    /* Of the holder of the lease. */
    _Atomic uint64_t asked;  /* how often the server was... */
    _Atomic uint64_t failed; /* ...and gave no strategy */
    bool told_failing;       /* what the operator was told last... */
    uint64_t told_at_ns[2];  /* ...and when: that it works, that it does not */
};

/* Lives in the mapping. Thread: any. */
struct trc_poll *trc_strategies_poll(struct trc_strategies *s);

#endif
