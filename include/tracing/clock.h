/* SPDX-License-Identifier: MIT
 *
 * The two clocks, in nanoseconds. Both are vDSO reads on Linux: no system call.
 */
#ifndef TRACING_CLOCK_H
#define TRACING_CLOCK_H

#include <stdint.h>
#include <time.h>

#define TRC_NS_PER_US UINT64_C(1000)
#define TRC_NS_PER_MS UINT64_C(1000000)
#define TRC_NS_PER_S UINT64_C(1000000000)

static inline uint64_t trc_clock_read_ns(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * TRC_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Monotonic clock: for durations and deadlines; the same in every process since boot. Thread: any.
 */
static inline uint64_t trc_clock_mono_ns(void) {
    return trc_clock_read_ns(CLOCK_MONOTONIC);
}

/* The same as of the kernel's last tick, 1 to 10 ms ago, at a fifth of the price. Thread: any. */
static inline uint64_t trc_clock_coarse_ns(void) {
    return trc_clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

/* Wall clock, nanoseconds since the epoch; may step. Thread: any. */
static inline uint64_t trc_clock_unix_ns(void) {
    return trc_clock_read_ns(CLOCK_REALTIME);
}

#endif
