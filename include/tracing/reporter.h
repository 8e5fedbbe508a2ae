/* SPDX-License-Identifier: MIT
 *
 * Reporters: one thread per exporter in each worker. Each reads its worker's ring at its exporter's
 * cursor, encodes, sends, and moves the cursor.
 *
 * The threads have all signals blocked, a name (trc-<worker>-<exporter>), a small stack, and sleep
 * until the flush interval is over, the ring is half full, or they are stopped. They never touch a
 * slot or the interpreter.
 */
#ifndef TRACING_REPORTER_H
#define TRACING_REPORTER_H

#include "tracing/exporter.h"
#include "tracing/journal.h"

struct trc_reporters_config {
    struct trc_journal *journal;          /* borrowed, outlives the reporters */
    const struct trc_exporter *exporters; /* borrowed; as many as the journal was made for */
    const struct trc_resource *resource;  /* borrowed; of this worker */
    unsigned worker;                      /* 0... */
    uint64_t flush_interval_ns;
};

/* Starts the threads. Returns 0, or a negative errno with none running. Thread: startup of a
 * worker, after recovery. One set per process. */
int trc_reporters_start(const struct trc_reporters_config *config);

/* Wakes them before their interval is over. No-op without reporters. Async-signal-safe, lock-free.
 * Thread: any. */
void trc_reporters_wake(void);

/* Asks them to send what the ring holds and to end, and waits for that until `deadline_mono_ns`.
 * What a collector does not take at the first try stays in the ring. Returns the number of threads
 * that did not end in time; those are left alone, for the process is about to exit: journal,
 * exporters and resource MUST stay, and trc_reporters_start returns -EBUSY while such a thread
 * lives. No-op without reporters, and the second time. Thread: exit. */
unsigned trc_reporters_stop(uint64_t deadline_mono_ns);

/* Forgets them without waiting: for the child of a fork, in which the threads do not exist.
 * Async-signal-safe. Thread: any. */
void trc_reporters_forget(void);

#endif
