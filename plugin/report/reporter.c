/* SPDX-License-Identifier: MIT
 *
 * The reporters: threads that carry spans from the journal to the collectors.
 *
 * Used by the host: started after the fork, woken by the tracer, stopped at exit.
 *
 * A reporter holds no span. It encodes what lies at its cursor, sends, and moves the cursor when
 * the collector has the message; a message that was not taken is thrown away and made again from
 * the journal. So nothing here need be bounded, saved or given back, and a reporter can be killed,
 * or left alone in a send that hangs, at any moment.
 *
 * While a collector is away its reporter tries at growing distances, but goes on looking at the
 * ring at least every flush interval: it must pass over the oldest spans in time, or the ring fills
 * up and a dead exporter starves the live ones. It does so even while a message is on its way, for
 * a collector may take ten seconds to say nothing: see let_go.
 */
#include "tracing/reporter.h"
#include "news.h"
#include "tracing/clock.h"
#include "tracing/thread.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define STACK_BYTES (512u * 1024u)    /* jansson's nesting is the hungriest: 171 KiB, measured */
#define INTERVAL_MIN_NS TRC_NS_PER_MS /* no busy loop, whatever is asked for */
#define INTERVAL_MAX_NS (3600 * TRC_NS_PER_S)
#define BACKOFF_MAX_NS (5 * TRC_NS_PER_S) /* a collector that is back has its spans that soon */
#define CROWDED_NS (50 * TRC_NS_PER_MS)   /* between looks while the ring fills up */
#define PATIENCE_MS 25                    /* between looks while a message is on its way */
#define PARTING_NS (100 * TRC_NS_PER_MS)  /* at most, for a thread to end when it may not send */
#define CANCEL_WAIT_NS TRC_NS_PER_S       /* for threads that have only just begun to wait */

struct reporter {
    /* Set before the thread starts. */
    const struct trc_exporter *exporter;
    struct trc_journal *journal;
    unsigned worker, index; /* index of the exporter, and of its cursor */
    uint64_t interval_ns;
    struct trc_encoder_config encoding;

    /* Between the thread and the others. */
    struct trc_thread thread;
    _Atomic uint32_t rung; /* at and not yet answered: one post is enough */

    /* The thread's own. */
    struct trc_encoder *encoder; /* made when there is the first span */
    struct trc_sender *sender;
    uint64_t sequence; /* messages handed out */
    struct trc_random random;
    uint64_t backoff_ns;  /* 0: the last message was taken */
    uint64_t retry_at_ns; /* no send before, while backoff_ns */
    uint64_t head_seen;
    bool crowded;          /* the ring fills up while we cannot send */
    uint64_t core_dropped; /* spans, as of this look */
    struct trc_news news;

    /* While a message is on its way. */
    struct trc_cursor_state *state;
    const struct batch *batch;
    bool let_go; /* its spans are counted as skipped, for now */
};

/* What one message passes over in the ring. */
struct batch {
    uint64_t end;       /* position behind it */
    uint64_t spans;     /* in the message */
    uint64_t too_large; /* left out: one is larger than a message may be */
    uint64_t damaged;   /* left out: not a span that can be read */
};

/* One set per process. Never freed: a wake-up may come from any thread at any time, and a thread
 * that was left alone uses its reporter until the process is gone. */
static struct {
    struct reporter reporter[TRC_EXPORTERS_MAX];
    _Atomic unsigned count;    /* running, for wake and stop */
    _Atomic uint64_t deadline; /* 0: go on; else send until then, and end */
    pid_t pid;                 /* whose threads they are */
} set;

static bool is_stopping(void) {
    return atomic_load(&set.deadline) != 0;
}

static bool is_out_of_time(void) {
    uint64_t deadline = atomic_load(&set.deadline);
    return deadline != 0 && trc_clock_mono_ns() >= deadline;
}

/* --- One message --------------------------------------------------------------------------- */

/* Notes and tells why spans did not go out, and what becomes of them. */
static void failed(struct reporter *r, const char *why, const char *and_now) {
    trc_journal_note_error(r->journal, r->worker, r->index, why);
    trc_news_fails(&r->news, why, and_now);
}

/* Ends the look: the next one that sends is a while away, between half and all of a time that grows
 * or, if the collector asked for a time, as much longer than that. At random, so that the reporters
 * which failed together, or were told the same date, do not come back together. */
static int postpone(struct reporter *r, const char *why, uint64_t retry_after_ns) {
    uint64_t next = r->backoff_ns ? r->backoff_ns * 2 : r->interval_ns;
    r->backoff_ns = next < BACKOFF_MAX_NS ? next : BACKOFF_MAX_NS;
    uint64_t some_ns = trc_random_next(&r->random) % (r->backoff_ns / 2 + 1);
    r->retry_at_ns =
        trc_clock_mono_ns() + (retry_after_ns ? retry_after_ns + some_ns : r->backoff_ns - some_ns);
    failed(r, why, "will try again");
    return -EAGAIN;
}

/* Makes what belongs to this process: after the fork, in its thread, and not for an idle worker. */
static int prepare(struct reporter *r) {
    const struct trc_exporter *e = r->exporter;
    if (!r->encoder)
        r->encoder = e->kind->encoder->make(&r->encoding);
    if (!r->encoder)
        return postpone(r, "no memory, or tags that do not fit a message", 0);
    if (!r->sender)
        r->sender = e->kind->sender->make(&e->endpoint);
    return r->sender ? 0 : postpone(r, "no memory", 0);
}

/* Encodes spans from b->end on, until the message is full (true: there is more) or the ring empty.
 */
static bool fill(struct reporter *r, struct batch *b) {
    const struct trc_encoder_ops *encoder = r->exporter->kind->encoder;
    const struct trc_span *span;
    uint64_t pos = b->end, next;
    while ((span = trc_journal_read(r->journal, r->worker, &pos, &next)) != NULL) {
        if (!trc_span_check(span, next - pos - TRC_RECORD_HEAD)) {
            b->damaged++;
        } else {
            int rc = encoder->add(r->encoder, span);
            if (rc == -ENOSPC && b->spans > 0)
                return true;
            if (rc == 0)
                b->spans++;
            else
                b->too_large++; /* -ENOSPC of an empty message comes to the same */
        }
        pos = b->end = next;
    }
    return false;
}

/* --- The ring ------------------------------------------------------------------------------ */

/* Rings at one reporter that has not been rung at yet. */
static void ring_at(struct reporter *r) {
    if (atomic_exchange(&r->rung, 1) == 0)
        trc_thread_ring(&r->thread);
}

/* The ring's producers ring once when it is half full, and again only when it was less full in
 * between. While a dead exporter holds it above half nobody would tell the live ones to hurry: the
 * dead one does. */
static void ring_at_others(const struct reporter *r) {
    unsigned count = atomic_load(&set.count);
    for (unsigned i = 0; i < count; i++)
        if (&set.reporter[i] != r)
            ring_at(&set.reporter[i]);
}

/* Passes over the oldest spans if we are too far behind. */
static void catch_up(struct reporter *r, struct trc_cursor_state *state) {
    if (trc_cursor_skip(r->journal, r->worker, state) > 0)
        trc_cursor_publish(r->journal, r->worker, r->index, state);
}

/* Sees, while we cannot send, whether the ring fills up. Asked after the last publication, which is
 * when a ring below half begins to count as such again: if it is not below half now, nobody may
 * ring, and we must look by ourselves. */
static void watch(struct reporter *r, const struct trc_cursor_state *state) {
    uint64_t head = trc_journal_head(r->journal, r->worker);
    bool behind = head - state->pos >= trc_journal_config(r->journal)->ring_bytes / 2;
    r->crowded = behind && head != r->head_seen;
    r->head_seen = head;
    if (r->crowded)
        ring_at_others(r);
}

/* --- On its way ---------------------------------------------------------------------------- */

/* All that a message passes over. */
static uint64_t passed_by(const struct batch *b) {
    return b->spans + b->too_large + b->damaged;
}

/* Gives up the place in the ring of the message that is on its way, if the ring needs it: that is
 * only for another try. Its spans are counted as skipped, so that the books are right should we die
 * now, and counted anew when it is known what became of them. To end the transfer instead would
 * deliver nothing at all to a collector that is merely slow. */
static void let_go(struct reporter *r) {
    if (!r->let_go && trc_cursor_is_late(r->journal, r->worker, r->state)) {
        r->let_go = true;
        r->state->skipped += passed_by(r->batch);
        r->state->pos = r->batch->end;
        trc_cursor_publish(r->journal, r->worker, r->index, r->state);
    }
    if (r->let_go)
        catch_up(r, r->state);
}

/* A sender asks for how long it may go on waiting. */
static int ask_ms(void *arg) {
    struct reporter *r = arg;
    uint64_t deadline = atomic_load(&set.deadline), now = trc_clock_mono_ns();
    if (deadline && now >= deadline)
        return 0;
    let_go(r);
    watch(r, r->state);
    return deadline && deadline - now < PATIENCE_MS * TRC_NS_PER_MS
               ? (int)((deadline - now) / TRC_NS_PER_MS) + 1
               : PATIENCE_MS;
}

/* Sends the message, looking after the ring meanwhile. As a sender's send. */
static int launch(struct reporter *r, struct trc_cursor_state *state, const struct batch *b,
                  struct trc_slice message, struct trc_send_result *result) {
    const struct trc_patience patience = {ask_ms, r};
    r->state = state;
    r->batch = b;
    r->let_go = false;
    int rc = r->exporter->kind->sender->send(r->sender, message, &patience, result);
    if (r->let_go && rc != -EAGAIN)
        state->skipped -= passed_by(b);
    return rc;
}

/* Counts a message that was delivered, and tells what the collector said. */
static void delivered(struct reporter *r, struct trc_cursor_state *state, uint64_t spans,
                      const struct trc_send_result *result) {
    uint64_t rejected = result->rejected < spans ? result->rejected : spans;
    state->exported += spans - rejected;
    state->failed += rejected;
    state->rejected += rejected;
    if (rejected) {
        char why[TRC_ERROR_TEXT_MAX];
        snprintf(why, sizeof(why), "%" PRIu64 " of %" PRIu64 " spans rejected%s%.180s", rejected,
                 spans, result->why[0] ? ": " : "", result->why);
        failed(r, why, "they were given up");
    } else {
        trc_news_works(&r->news);
        trc_news_warns(&r->news, result->why);
    }
}

/* Completes the message and sends it. Returns what the sender said, accounted for, or -EAGAIN with
 * the cursor where it was, unless it had to be let go. */
static int transmit(struct reporter *r, struct trc_cursor_state *state, const struct batch *b) {
    struct trc_send_result result;
    const struct trc_client_stats stats = {
        .full_queue = r->core_dropped + state->skipped,
        .too_large = state->too_large,
        .failed = state->failed - state->too_large, /* the agent adds the three up by cause */
    };
    struct trc_slice message =
        r->exporter->kind->encoder->finish(r->encoder, r->sequence + 1, &stats);
    int rc = launch(r, state, b, message, &result);
    if (rc == -EAGAIN) {
        state->retried++;
        trc_cursor_publish(r->journal, r->worker, r->index, state);
        return postpone(r, result.why, result.retry_after_ns);
    }
    r->backoff_ns = 0;
    if (rc) {
        state->failed += b->spans;
        failed(r, result.why, "its spans were given up");
        return rc;
    }
    r->sequence++;
    state->batches++;
    state->bytes += message.len;
    delivered(r, state, b->spans, &result);
    return 0;
}

/* Sends the batch and moves the cursor behind it, over what was left out too: never over that alone
 * while spans before it still wait. Returns 0, or -EAGAIN when all of it stays where it is. */
static int settle(struct reporter *r, struct trc_cursor_state *state, const struct batch *b) {
    if (b->end == state->pos)
        return 0;
    if (b->spans > 0 && transmit(r, state, b) == -EAGAIN)
        return -EAGAIN;
    state->failed += b->too_large + b->damaged;
    state->too_large += b->too_large;
    if (state->pos < b->end) /* it may be further on already */
        state->pos = b->end;
    trc_cursor_publish(r->journal, r->worker, r->index, state);
    return 0;
}

/* --- One look ------------------------------------------------------------------------------ */

/* Is there something to send, and is it time to? */
static bool is_due(const struct reporter *r, const struct trc_cursor_state *state) {
    uint64_t pos = state->pos, next;
    if (r->backoff_ns && trc_clock_mono_ns() < r->retry_at_ns && !is_stopping())
        return false;
    return !is_out_of_time() && trc_journal_read(r->journal, r->worker, &pos, &next) != NULL;
}

/* Sends what the ring holds. 0, or -EAGAIN when the collector did not take it. */
static int send_all(struct reporter *r, struct trc_cursor_state *state) {
    r->core_dropped = trc_journal_dropped(r->journal, r->worker);
    int rc = prepare(r);
    for (bool more = true; rc == 0 && more && !is_out_of_time();) {
        struct batch b = {.end = state->pos};
        more = fill(r, &b);
        rc = settle(r, state, &b);
        if (more && rc == 0)
            catch_up(r, state); /* sending takes time, and the ring went on filling */
    }
    trc_news_loses(&r->news, r->core_dropped + state->skipped + state->failed);
    return rc;
}

/* One look at the ring, with what follows from it. As send_all. */
static int look(struct reporter *r) {
    struct trc_cursor_state state;
    trc_cursor_get(r->journal, r->worker, r->index, &state);
    catch_up(r, &state);
    int rc = is_due(r, &state) ? send_all(r, &state) : 0;
    if (r->backoff_ns) {
        catch_up(r, &state); /* trying takes time, too */
        watch(r, &state);
    }
    return rc;
}

/* --- The thread ---------------------------------------------------------------------------- */

/* Sleeps until `at_ns` or until somebody rings. */
static void wait_until(struct reporter *r, uint64_t at_ns) {
    (void)trc_thread_wait(&r->thread, at_ns);
    atomic_store(&r->rung, 0); /* before we look: who rings after this is not overheard */
}

static uint64_t next_look(const struct reporter *r) {
    uint64_t now = trc_clock_mono_ns(), at = now + r->interval_ns;
    if (!r->backoff_ns)
        return at;
    if (r->crowded && now + CROWDED_NS < at)
        at = now + CROWDED_NS;
    return r->retry_at_ns < at ? r->retry_at_ns : at;
}

static void run(void *arg) {
    struct reporter *r = arg;
    (void)trc_random_seed(&r->random); /* without, all wait the longest there is */
    uint64_t at = trc_clock_mono_ns() + r->interval_ns;
    for (bool last = false; !last; at = next_look(r)) {
        wait_until(r, at);
        last = is_stopping();
        /* A refusal while we are being stopped was the last try, too. */
        if (look(r) == -EAGAIN && is_stopping())
            last = true;
    }
    if (r->encoder)
        r->exporter->kind->encoder->drop(r->encoder);
    if (r->sender)
        r->exporter->kind->sender->drop(r->sender);
}

/* --- All of them --------------------------------------------------------------------------- */

static void init_reporter(struct reporter *r, const struct trc_reporters_config *config,
                          unsigned index) {
    const struct trc_exporter *e = &config->exporters[index];
    memset(r, 0, sizeof(*r));
    r->exporter = e;
    r->journal = config->journal;
    r->worker = config->worker;
    r->index = index;
    trc_news_init(&r->news, e->url, config->journal, index);
    r->interval_ns = config->flush_interval_ns;
    if (r->interval_ns < INTERVAL_MIN_NS)
        r->interval_ns = INTERVAL_MIN_NS;
    if (r->interval_ns > INTERVAL_MAX_NS)
        r->interval_ns = INTERVAL_MAX_NS;
    r->encoding.resource = config->resource;
    r->encoding.semconv = e->semconv;
    r->encoding.max_bytes = e->max_bytes;
}

/* trc-1-jaeger: the scheme as far as its wire. */
static int start_thread(struct reporter *r) {
    const char *scheme = r->exporter->kind->scheme;
    char name[64];
    snprintf(name, sizeof(name), "trc-%u-%.*s", r->worker + 1, (int)strcspn(scheme, "+"), scheme);
    return trc_thread_start(&r->thread, name, STACK_BYTES, run, r);
}

static bool any_alive(void) {
    bool any = false;
    for (unsigned i = 0; i < TRC_EXPORTERS_MAX; i++)
        any = any || atomic_load(&set.reporter[i].thread.alive);
    return any;
}

/* Tells the first `count` to send nothing after `deadline` and to end, and waits for them until
 * `join_until_ns`. Returns how many did not. */
static unsigned end_all(unsigned count, uint64_t deadline, uint64_t join_until_ns) {
    unsigned left = 0;
    atomic_store(&set.deadline, deadline ? deadline : 1);
    for (unsigned i = 0; i < count; i++)
        trc_thread_ring(&set.reporter[i].thread);
    for (unsigned i = 0; i < count; i++)
        left += !trc_thread_join(&set.reporter[i].thread, join_until_ns);
    return left;
}

int trc_reporters_start(const struct trc_reporters_config *config) {
    unsigned wanted = trc_journal_config(config->journal)->exporters, started = 0;
    int rc = 0;
    if (wanted > TRC_EXPORTERS_MAX)
        return -EINVAL;
    if (set.pid != getpid()) /* a fork that nobody told us of: its parent's threads are not here */
        trc_reporters_forget();
    if (any_alive()) /* even one that was left alone: it uses its reporter */
        return -EBUSY;
    atomic_store(&set.deadline, 0);
    set.pid = getpid();
    while (rc == 0 && started < wanted) {
        init_reporter(&set.reporter[started], config, started);
        rc = start_thread(&set.reporter[started]);
        started += rc == 0;
    }
    if (rc) { /* those that run are waiting still, and end without having sent anything */
        end_all(started, 0, trc_clock_mono_ns() + CANCEL_WAIT_NS);
        return rc;
    }
    atomic_store(&set.count, started);
    trc_reporters_wake(); /* what a dead worker left has waited long enough */
    return 0;
}

void trc_reporters_wake(void) {
    unsigned count = atomic_load(&set.count);
    for (unsigned i = 0; i < count; i++)
        ring_at(&set.reporter[i]);
}

unsigned trc_reporters_stop(uint64_t deadline_mono_ns) {
    unsigned count = atomic_exchange(&set.count, 0);
    if (count == 0 || set.pid != getpid()) /* as above */
        return 0;
    uint64_t now = trc_clock_mono_ns();
    uint64_t parting = deadline_mono_ns > now ? (deadline_mono_ns - now) / 4 : 0;
    if (parting > PARTING_NS)
        parting = PARTING_NS;
    return end_all(count, deadline_mono_ns - parting, deadline_mono_ns);
}

void trc_reporters_forget(void) {
    atomic_store(&set.count, 0);
    for (unsigned i = 0; i < TRC_EXPORTERS_MAX; i++)
        trc_thread_forget(&set.reporter[i].thread);
}
