/* SPDX-License-Identifier: MIT
 *
 * The watcher: makes a slow request visible while it runs.
 *
 * Each worker has one, if it is asked for: a thread with all signals blocked and the name
 * trc-<worker>-slow. As soon as a recorded request of the worker has run for long enough it puts a
 * child span `running` into the ring, from the request's start to now, and wakes the reporters. The
 * request knows nothing of it; its own span follows when it ends or is killed.
 */
#ifndef TRACING_WATCHER_H
#define TRACING_WATCHER_H

#include "tracing/journal.h"

struct trc_watcher_config {
    struct trc_journal *journal; /* borrowed, outlives the watcher */
    unsigned worker;             /* 0... */
    uint64_t slow_ns;            /* how long a request runs before it is told of, once */
    void (*wake)(void);          /* the reporters */
};

/* Starts this process's watcher. Returns 0 or a negative errno with none running. Thread: startup
 * of a worker, after recovery. */
int trc_watcher_start(const struct trc_watcher_config *config);

/* Ends it, and waits for that until `deadline_mono_ns`. Returns false if it did not end in time and
 * was left alone, for the process is about to exit: the journal MUST stay, and trc_watcher_start
 * returns -EBUSY while it lives. No-op without one. Thread: exit. */
bool trc_watcher_stop(uint64_t deadline_mono_ns);

/* Forgets it without waiting: for the child of a fork, in which the thread does not exist.
 * Async-signal-safe. Thread: any. */
void trc_watcher_forget(void);

#endif
