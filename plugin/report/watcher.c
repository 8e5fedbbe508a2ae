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
#include "tracing/thread.h"
#include <errno.h>
#include <stdio.h>

#define STACK_BYTES (128u * 1024u)
#define LOOK_MIN_NS (10 * TRC_NS_PER_MS) /* between looks: no busy loop, whatever is asked for */
#define LOOK_MAX_NS                                                                                \
    TRC_NS_PER_S /* a request whose head took long to arrive is slow from the start */

/* One per process. */
static struct {
    struct trc_watcher_config config;
    struct trc_slot *own;
    struct trc_thread thread;
} watcher;

/* Makes `running` of what was copied of its request into our own slot, and puts it into the ring.
 */
static void tell(struct trc_span *span, uint64_t now) {
    span->parent_id = span->span_id;
    span->span_id = trc_random_id(&watcher.own->random);
    span->kind = TRC_KIND_INTERNAL;
    span->flags |= TRC_FLAG_SAMPLED; /* one that was refused is kept now */
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

static void run(void *arg) {
    (void)arg;
    while (!trc_thread_wait(&watcher.thread, look(trc_clock_mono_ns())))
        ;
}

/* --- Start and stop ------------------------------------------------------------------------ */

int trc_watcher_start(const struct trc_watcher_config *config) {
    char name[32];
    if (atomic_load(&watcher.thread.alive)) /* it uses what is here */
        return -EBUSY;
    watcher.config = *config;
    watcher.own = trc_journal_watcher_slot(config->journal, config->worker);
    snprintf(name, sizeof(name), "trc-%u-slow", config->worker + 1);
    int rc = trc_random_seed(&watcher.own->random);
    return rc ? rc : trc_thread_start(&watcher.thread, name, STACK_BYTES, run, NULL);
}

bool trc_watcher_stop(uint64_t deadline_mono_ns) {
    if (!trc_thread_is_ours(&watcher.thread))
        return true;
    trc_thread_ring(&watcher.thread);
    return trc_thread_join(&watcher.thread, deadline_mono_ns);
}

void trc_watcher_forget(void) {
    trc_thread_forget(&watcher.thread);
}
