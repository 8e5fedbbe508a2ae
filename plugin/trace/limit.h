/* SPDX-License-Identifier: MIT
 *
 * The two decisions every sampler is made of: a probability and a rate. For sampler.c, which has
 * one that was configured, and strategies.c, which has those a server sent.
 *
 * The rate limiter is a leaky bucket written down as one number, the time at which the account
 * would be level (GCRA), so that all workers can share it with one compare-and-swap.
 */
#ifndef TRACING_TRACE_LIMIT_H
#define TRACING_TRACE_LIMIT_H

#include "tracing/clock.h"
#include "tracing/sampler.h"

#define TRC_ID_MASK UINT64_C(0x7fffffffffffffff)

/* A probability of 0 to 1 as trc_probable wants it. 2^63 - 1 is not a double: the product for 1 is
 * 2^63, one too many. */
static inline uint64_t trc_boundary_of(double probability) {
    return probability >= 1 ? TRC_ID_MASK : (uint64_t)(probability * (double)TRC_ID_MASK);
}

/* As jaeger-client-go, sampler.go, so that both decide alike; but a probability of 0 is never. */
static inline bool trc_probable(uint64_t boundary, uint64_t trace_lo) {
    return boundary && (trace_lo & TRC_ID_MASK) <= boundary;
}

/* As Jaeger's clients: the balance is at most max(rate, 1), and full at the start. */
static inline struct trc_limit trc_limit_of(double rate) {
    if (rate <= 0)
        return (struct trc_limit){0, 0};
    double cost = (double)TRC_NS_PER_S / rate, burst = rate > 1 ? rate : 1;
    uint64_t cost_ns = cost < 1e18 ? (uint64_t)cost : (uint64_t)1e18;
    return (struct trc_limit){cost_ns, (uint64_t)((burst - 1) * (double)cost_ns)};
}

/* May one more pass, and if so: it has. Lock-free. */
static inline bool trc_limit_spend(struct trc_limit limit, _Atomic uint64_t *account,
                                   uint64_t now_ns) {
    uint64_t level = atomic_load_explicit(account, memory_order_relaxed);
    while (limit.cost_ns) {
        if (level > now_ns && level - now_ns > limit.burst_ns)
            return false;
        uint64_t after = (level > now_ns ? level : now_ns) + limit.cost_ns;
        if (atomic_compare_exchange_weak_explicit(account, &level, after, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

#endif
