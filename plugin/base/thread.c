/* SPDX-License-Identifier: MIT
 *
 * Threads beside the requests. See thread.h.
 */
#include "tracing/thread.h"
#include "tracing/clock.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){(time_t)(ns / TRC_NS_PER_S), (long)(ns % TRC_NS_PER_S)};
}

static void *enter(void *arg) {
    struct trc_thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->run(t->arg);
    atomic_store(&t->alive, false); /* nothing of ours is touched after this */
    return NULL;
}

static int create(struct trc_thread *t, const pthread_attr_t *attr) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread inherits it (pthread_sigmask(3)) */
    atomic_store(&t->alive, true);
    int rc = pthread_create(&t->id, attr, enter, t);
    if (rc)
        atomic_store(&t->alive, false);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int trc_thread_start(struct trc_thread *t, const char *name, size_t stack_bytes,
                     void (*run)(void *arg), void *arg) {
    pthread_attr_t attr;
    if (atomic_load(&t->alive))
        return -EBUSY;
    int rc = -pthread_attr_init(&attr);
    if (rc)
        return rc;
    (void)pthread_attr_setstacksize(&attr, stack_bytes); /* else it has the default */
    memset(t->name, 0, sizeof(t->name));
    memcpy(t->name, name, strnlen(name, sizeof(t->name) - 1));
    t->run = run;
    t->arg = arg;
    if (sem_init(&t->bell, 0, 0) != 0)
        rc = -errno;
    if (rc == 0)
        rc = create(t, &attr);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        t->pid = getpid();
    return rc;
}

bool trc_thread_is_ours(const struct trc_thread *t) {
    return t->pid == getpid();
}

bool trc_thread_wait(struct trc_thread *t, uint64_t mono_ns) {
    struct timespec at = timespec_of(mono_ns);
    int rc;
    do
        rc = sem_clockwait(&t->bell, CLOCK_MONOTONIC, &at);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

void trc_thread_ring(struct trc_thread *t) {
    sem_post(&t->bell);
}

bool trc_thread_join(struct trc_thread *t, uint64_t deadline_mono_ns) {
    const struct timespec until = timespec_of(deadline_mono_ns);
    if (!trc_thread_is_ours(t)) /* none, or a fork's that nobody told us of */
        return true;
    t->pid = 0;
    if (pthread_clockjoin_np(t->id, NULL, CLOCK_MONOTONIC, &until) == 0)
        return true;
    pthread_detach(t->id);
    return false;
}

void trc_thread_forget(struct trc_thread *t) {
    t->pid = 0;
    atomic_store(&t->alive, false);
}
