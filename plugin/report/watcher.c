/* SPDX-License-Identifier: MIT
 *
 * The watcher's thread. Used by the host: started after the fork, stopped at exit.
 *
 * A thread of its own and not a part of a reporter's work: a reporter may be in a send that takes
 * ten seconds to fail, and there are several of them. What it finds goes into the ring as any other
 * span, from the worker's slot of no core, and so has the queue, the retries and the accounts of
 * all others.
 */
#include "tracing/watcher.h"
#include "tracing/clock.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define STACK_BYTES (128u * 1024u)
#define LOOK_MIN_NS (10 * TRC_NS_PER_MS) /* between looks: no busy loop, whatever is asked for */
#define LOOK_MAX_NS                                                                                \
    TRC_NS_PER_S /* a request whose head took long to arrive is slow from the start */

/* One per process. */
static struct {
    struct trc_watcher_config config;
    struct trc_slot *own;
    char name[16]; /* of the thread, as long as Linux lets it be */
    sem_t stopped;
    pthread_t thread;
    _Atomic bool alive; /* it has not come to its end */
    pid_t pid;          /* whose it is, and has not been stopped; 0: none */
} watcher;

/* Makes `running` of what was copied of its request into our own slot, and puts it into the ring.
 */
static void tell(struct trc_span *span, uint64_t now) {
    span->parent_id = span->span_id;
    span->span_id = trc_random_id(&watcher.own->random);
    span->kind = TRC_KIND_INTERNAL;
    span->duration_ns = now - span->start_mono_ns;
    trc_span_set(span, TRC_STR_NAME, TRC_SLICE("running"), TRC_SPAN_TOKEN_MAX);
    trc_slot_open(watcher.own);
    if (trc_slot_claim(watcher.own))
        (void)trc_journal_append_mp(watcher.config.journal, watcher.config.worker, watcher.own);
}

/* Tells of each request that is slow by `now` and was not told of. Returns when the next one may
 * be: one that has not begun by now is not slow before it has run for that long. */
static uint64_t look(uint64_t now) {
    const struct trc_watcher_config *c = &watcher.config;
    uint64_t next = now + (c->slow_ns < LOOK_MAX_NS ? c->slow_ns : LOOK_MAX_NS);
    bool told = false;
    for (unsigned core = 0; core < trc_journal_config(c->journal)->cores; core++) {
        struct trc_slot *slot = trc_journal_slot(c->journal, c->worker, core);
        struct trc_span *span = trc_slot_fresh(watcher.own);
        if (!trc_slot_peek(slot, span) || span->span_id == slot->told)
            continue;
        uint64_t due = span->start_mono_ns + c->slow_ns;
        if (due > now) {
            next = due < next ? due : next;
            continue;
        }
        slot->told = span->span_id;
        tell(span, now);
        told = true;
    }
    if (told)
        c->wake();
    return next > now + LOOK_MIN_NS ? next : now + LOOK_MIN_NS;
}

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){(time_t)(ns / TRC_NS_PER_S), (long)(ns % TRC_NS_PER_S)};
}

/* Returns true when the watcher is to end. */
static bool wait_until(uint64_t at_ns) {
    struct timespec at = timespec_of(at_ns);
    int rc;
    do
        rc = sem_clockwait(&watcher.stopped, CLOCK_MONOTONIC, &at);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

static void *run(void *arg) {
    (void)arg;
    pthread_setname_np(pthread_self(), watcher.name);
    while (!wait_until(look(trc_clock_mono_ns())))
        ;
    atomic_store(&watcher.alive, false); /* nothing of ours is touched after this */
    return NULL;
}

/* --- Start and stop ------------------------------------------------------------------------ */

static int start_thread(void) {
    pthread_attr_t attr;
    sigset_t all, before;
    int rc = pthread_attr_init(&attr);
    if (rc)
        return -rc;
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES); /* else it has the default */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread inherits it (pthread_sigmask(3)) */
    atomic_store(&watcher.alive, true);
    rc = pthread_create(&watcher.thread, &attr, run, NULL);
    if (rc)
        atomic_store(&watcher.alive, false);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -rc;
}

int trc_watcher_start(const struct trc_watcher_config *config) {
    char name[32];
    if (atomic_load(&watcher.alive)) /* even one that was left alone: it uses what is here */
        return -EBUSY;
    watcher.config = *config;
    watcher.own = trc_journal_watcher_slot(config->journal, config->worker);
    snprintf(name, sizeof(name), "trc-%u-slow", config->worker + 1);
    memcpy(watcher.name, name, sizeof(watcher.name) - 1);
    int rc = trc_random_seed(&watcher.own->random);
    if (rc == 0 && sem_init(&watcher.stopped, 0, 0) != 0)
        rc = -errno;
    if (rc == 0)
        rc = start_thread();
    if (rc == 0)
        watcher.pid = getpid();
    return rc;
}

bool trc_watcher_stop(uint64_t deadline_mono_ns) {
    const struct timespec until = timespec_of(deadline_mono_ns);
    if (watcher.pid != getpid()) /* none, or a fork's that nobody told us of */
        return true;
    watcher.pid = 0;
    sem_post(&watcher.stopped);
    if (pthread_clockjoin_np(watcher.thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
        pthread_detach(watcher.thread);
        return false;
    }
    return true;
}

void trc_watcher_forget(void) {
    watcher.pid = 0;
    atomic_store(&watcher.alive, false);
}
