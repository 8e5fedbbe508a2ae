/* SPDX-License-Identifier: MIT
 *
 * Robust locks. Used by what workers share and one at a time may write.
 */
#include "tracing/robust.h"
#include "tracing/clock.h"
#include <errno.h>

int trc_robust_init(pthread_mutex_t *mutex) {
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);
    if (rc)
        return -rc;
    rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (rc == 0)
        rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (rc == 0)
        rc = pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return -rc;
}

int trc_robust_lock(pthread_mutex_t *mutex, uint64_t wait_ns) {
    int rc = pthread_mutex_trylock(mutex);
    if (rc == EBUSY && wait_ns) {
        uint64_t until = trc_clock_unix_ns() + wait_ns; /* the clock that it takes everywhere */
        struct timespec at = {(time_t)(until / TRC_NS_PER_S), (long)(until % TRC_NS_PER_S)};
        rc = pthread_mutex_timedlock(mutex, &at);
    }
    if (rc == EOWNERDEAD)
        rc = pthread_mutex_consistent(mutex);
    return rc ? -EBUSY : 0;
}

void trc_robust_unlock(pthread_mutex_t *mutex) {
    pthread_mutex_unlock(mutex);
}
