/* SPDX-License-Identifier: MIT
 *
 * A lock in memory that processes share, which the kernel takes from the dead.
 */
#ifndef TRACING_ROBUST_H
#define TRACING_ROBUST_H

#include <pthread.h>
#include <stdint.h>

/* Makes a lock of *mutex. Returns 0 or a negative errno. Thread: startup, before the fork. */
int trc_robust_init(pthread_mutex_t *mutex);

/* Takes it, waiting at most `wait_ns` (0: not at all). Returns 0, also when its holder has died:
 * what it guards MUST be whole at any instruction; or -EBUSY. Thread: any but request. */
int trc_robust_lock(pthread_mutex_t *mutex, uint64_t wait_ns);

/* Gives it back. Thread: the one that took it. */
void trc_robust_unlock(pthread_mutex_t *mutex);

#endif
