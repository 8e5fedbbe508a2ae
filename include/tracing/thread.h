/* SPDX-License-Identifier: MIT
 *
 * A thread beside the requests: named, with all signals blocked, woken by a bell, joined within a
 * deadline. The reporters, the poller, the watcher and whoever else works in the background of a
 * worker.
 *
 * A struct trc_thread is static memory of who runs it, zeroed at first: a thread that did not end
 * in time is left alone and goes on using it until the process is gone. Only one of a process's
 * threads starts and joins it.
 */
#ifndef TRACING_THREAD_H
#define TRACING_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct trc_thread {
    char name[16]; /* as long as Linux lets it be */
    void (*run)(void *arg);
    void *arg;
    sem_t bell;
    pthread_t id;
    _Atomic bool alive; /* it has not come to its end */
    pid_t pid;          /* whose it is, and has not been joined; 0: none */
};

/* Runs `run(arg)` in a thread named `name`, cut to what fits. Returns 0; -EBUSY while an earlier
 * one has not ended, even one that was left alone; or another negative errno and none runs. What
 * `run` does last is its last use of anything of the caller's. Thread: startup, after the fork. */
int trc_thread_start(struct trc_thread *t, const char *name, size_t stack_bytes,
                     void (*run)(void *arg), void *arg);

/* Did this process start it, and not join it since? False in a fork, whoever told it or not.
 * Async-signal-safe. Thread: any. */
bool trc_thread_is_ours(const struct trc_thread *t);

/* Sleeps until `mono_ns`, or until somebody rings, each ring once: true then. Thread: its own. */
bool trc_thread_wait(struct trc_thread *t, uint64_t mono_ns);

/* Rings. Async-signal-safe. Thread: any, while it is ours. */
void trc_thread_ring(struct trc_thread *t);

/* Waits until `deadline_mono_ns` for its end, which somebody has told it of. Returns false if it
 * was left alone, for the process is about to exit. No-op and true unless it is ours.
 * Async-signal-safe as far as pthread_join is. Thread: exit. */
bool trc_thread_join(struct trc_thread *t, uint64_t deadline_mono_ns);

/* Forgets it without waiting: for the child of a fork, in which it does not exist.
 * Async-signal-safe. Thread: any. */
void trc_thread_forget(struct trc_thread *t);

#endif
