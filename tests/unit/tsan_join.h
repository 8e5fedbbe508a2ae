/* SPDX-License-Identifier: MIT
 *
 * pthread_clockjoin_np as ThreadSanitizer knows it, for tests that include the file that calls it.
 */
#ifndef TESTS_TSAN_JOIN_H
#define TESTS_TSAN_JOIN_H

#include "tracing/clock.h"
#include <pthread.h>

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer of gcc 12 does not know pthread_clockjoin_np: it sees no join, and so a leak and
 * races with the dead. It knows this one. */
static inline int tsan_join(pthread_t thread, const struct timespec *until) {
    struct timespec now, real;
    clock_gettime(CLOCK_MONOTONIC, &now);
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t left =
        (until->tv_sec - now.tv_sec) * (int64_t)TRC_NS_PER_S + until->tv_nsec - now.tv_nsec;
    int64_t at = real.tv_sec * (int64_t)TRC_NS_PER_S + real.tv_nsec + (left > 0 ? left : 0);
    real.tv_sec = at / (int64_t)TRC_NS_PER_S;
    real.tv_nsec = at % (int64_t)TRC_NS_PER_S;
    return pthread_timedjoin_np(thread, NULL, &real);
}
#define pthread_clockjoin_np(thread, value, clock, until) tsan_join(thread, until)
#endif

#endif
