/* SPDX-License-Identifier: MIT
 *
 * The rings: reserve, write, commit on the request's side; read and move the cursor on the
 * reporter's. The order of the atomic operations here is what makes a killed worker's spans safe.
 */
#include "journal_internal.h"
#include "tracing/clock.h"
#include <errno.h>

static void put(_Atomic uint64_t *to, uint64_t v) {
    atomic_store_explicit(to, v, memory_order_relaxed);
}

/* A part of what is not in force. Release: who is still copying what was in force until the last
 * publication, and sees any of these stores, sees that publication, too. */
static void put_next(_Atomic uint64_t *to, uint64_t v) {
    atomic_store_explicit(to, v, memory_order_release);
}

/* --- Writing ------------------------------------------------------------------------------- */

uint64_t trc_journal_reserve_mp(struct trc_journal *j, unsigned worker, uint32_t len, void **span) {
    struct block *b = block_of(j, worker);
    uint64_t need = record_bytes(len);
    if (__builtin_expect(need > j->config.ring_bytes / 4, 0))
        return TRC_POS_NONE;
    uint64_t pos = atomic_load_explicit(&b->head, memory_order_relaxed);
    do {
        if (__builtin_expect(pos + need - tail_of(j, b, pos) > j->config.ring_bytes, 0))
            return TRC_POS_NONE;
    } while (!atomic_compare_exchange_weak_explicit(&b->head, &pos, pos + need,
                                                    memory_order_acq_rel, memory_order_relaxed));
    struct record *r = record_at(j, worker, pos);
    r->len = len;
    r->kind = RECORD_SPAN;
    *span = r + 1;
    return pos;
}

bool trc_journal_commit_mp(struct trc_journal *j, unsigned worker, uint64_t pos) {
    struct block *b = block_of(j, worker);
    struct record *r = record_at(j, worker, pos);
    if (__builtin_expect(j->fd >= 0, 0)) /* somebody may read it back from a disk */
        r->kind |= sum_of(r);
    atomic_store_explicit(&r->stamp, stamp_of(j, pos), memory_order_release);
    if (__builtin_expect(pos - tail_of(j, b, pos) < j->config.ring_bytes / 2, 1))
        return false;
    return atomic_load_explicit(&b->woken, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&b->woken, 1, memory_order_relaxed) == 0;
}

void trc_slot_open(struct trc_slot *slot) {
    slot->sampled_before = counter_get(&slot->counters.sampled);
    slot->dropped_before = counter_get(&slot->counters.dropped);
    atomic_store_explicit(&slot->pos, TRC_POS_NONE, memory_order_relaxed);
    atomic_store_explicit(&slot->state, TRC_SLOT_OPEN, memory_order_release);
}

bool trc_slot_claim(struct trc_slot *slot) {
    uint32_t open = TRC_SLOT_OPEN;
    /* Not acquire and release alone: see trc_slot_peek. */
    return atomic_load_explicit(&slot->state, memory_order_relaxed) == open &&
           atomic_compare_exchange_strong_explicit(&slot->state, &open, TRC_SLOT_ENDING,
                                                   memory_order_seq_cst, memory_order_relaxed);
}

bool trc_slot_let_go(struct trc_slot *slot) {
    if (!trc_span_let_go(trc_slot_span(slot)))
        return false;
    counter_add(&slot->counters.unsampled, 1);
    atomic_store_explicit(&slot->state, TRC_SLOT_IDLE, memory_order_release);
    return true;
}

bool trc_journal_append_mp(struct trc_journal *j, unsigned worker, struct trc_slot *slot) {
    struct trc_span *span = trc_slot_span(slot);
    void *at;
    bool wake = false;
    trc_span_seal(span);
    atomic_store_explicit(&slot->state, TRC_SLOT_ENDED, memory_order_release);
    uint64_t pos = trc_journal_reserve_mp(j, worker, span->size, &at);
    if (__builtin_expect(pos == TRC_POS_NONE, 0)) {
        put(&slot->counters.dropped, slot->dropped_before + 1);
    } else {
        /* From here to the count below, recovery looks at pos: is the record committed or not? */
        atomic_store_explicit(&slot->pos, pos, memory_order_release);
        memcpy(at, span, span->size);
        wake = trc_journal_commit_mp(j, worker, pos);
    }
    atomic_store_explicit(&slot->counters.sampled, slot->sampled_before + 1, memory_order_release);
    if (__builtin_expect(span->truncated, 0))
        counter_add(&slot->counters.truncated, 1);
    atomic_store_explicit(&slot->state, TRC_SLOT_IDLE, memory_order_release);
    return wake;
}

/* --- Reading ------------------------------------------------------------------------------- */

const struct trc_span *trc_journal_read(const struct trc_journal *j, unsigned worker, uint64_t *pos,
                                        uint64_t *next) {
    while (*pos < trc_journal_head(j, worker)) {
        struct record *r = record_at(j, worker, *pos);
        if (atomic_load_explicit(&r->stamp, memory_order_acquire) != stamp_of(j, *pos))
            return NULL; /* reserved, and somebody is still writing it */
        uint64_t behind = *pos + record_bytes(r->len);
        if (kind_of(r) == RECORD_SPAN) {
            *next = behind;
            return (const struct trc_span *)(r + 1);
        }
        *pos = behind;
    }
    return NULL;
}

uint64_t trc_journal_head(const struct trc_journal *j, unsigned worker) {
    return atomic_load_explicit(&block_of(j, worker)->head, memory_order_acquire);
}

void trc_cursor_get(const struct trc_journal *j, unsigned worker, unsigned exporter,
                    struct trc_cursor_state *out) {
    struct cursor *c = &block_of(j, worker)->cursor[exporter];
    uint32_t before, after = atomic_load_explicit(&c->active, memory_order_acquire);
    do { /* the reporter published while we copied: the copy may be torn */
        before = after;
        const struct trc_cursor_state *s = &c->state[before & 1];
        out->exported = counter_get(&s->exported);
        out->failed = counter_get(&s->failed);
        out->too_large = counter_get(&s->too_large);
        out->rejected = counter_get(&s->rejected);
        out->skipped = counter_get(&s->skipped);
        out->batches = counter_get(&s->batches);
        out->bytes = counter_get(&s->bytes);
        out->retried = counter_get(&s->retried);
        atomic_store_explicit(&out->pos, counter_get(&s->pos), memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&c->active, memory_order_relaxed);
    } while (after != before);
}

void trc_cursor_publish(struct trc_journal *j, unsigned worker, unsigned exporter,
                        const struct trc_cursor_state *state) {
    struct block *b = block_of(j, worker);
    struct cursor *c = &b->cursor[exporter];
    uint32_t active = atomic_load_explicit(&c->active, memory_order_relaxed);
    struct trc_cursor_state *s = &c->state[(active + 1) & 1];
    put_next(&s->exported, state->exported);
    put_next(&s->failed, state->failed);
    put_next(&s->too_large, state->too_large);
    put_next(&s->rejected, state->rejected);
    put_next(&s->skipped, state->skipped);
    put_next(&s->batches, state->batches);
    put_next(&s->bytes, state->bytes);
    put_next(&s->retried, state->retried);
    /* Also: whoever sees the new position and writes over what lies before it must not overtake
     * our reading of it. */
    put_next(&s->pos, counter_get(&state->pos));
    atomic_store_explicit(&c->active, active + 1, memory_order_release);

    uint64_t head = atomic_load_explicit(&b->head, memory_order_relaxed);
    if (head - tail_of(j, b, head) < j->config.ring_bytes / 2)
        atomic_store_explicit(&b->woken, 0, memory_order_relaxed);
}

bool trc_cursor_is_late(const struct trc_journal *j, unsigned worker,
                        const struct trc_cursor_state *state) {
    return trc_journal_head(j, worker) - counter_get(&state->pos) > j->config.ring_bytes / 4 * 3;
}

uint64_t trc_cursor_skip(const struct trc_journal *j, unsigned worker,
                         struct trc_cursor_state *state) {
    uint64_t pos = counter_get(&state->pos), next, skipped = 0;
    uint64_t head = trc_journal_head(j, worker);
    if (!trc_cursor_is_late(j, worker, state))
        return 0;
    while (head - pos > j->config.ring_bytes / 2 && trc_journal_read(j, worker, &pos, &next)) {
        pos = next;
        skipped++;
    }
    put(&state->pos, pos);
    state->skipped += skipped;
    return skipped;
}

/* --- The last error ------------------------------------------------------------------------ */

void trc_journal_note_error(struct trc_journal *j, unsigned worker, unsigned exporter,
                            const char *why) {
    struct cursor *c = &block_of(j, worker)->cursor[exporter];
    uint32_t active = atomic_load_explicit(&c->error_active, memory_order_relaxed);
    struct last_error *e = &c->error[(active + 1) & 1];
    union {
        char bytes[TRC_LAST_ERROR_MAX];
        uint64_t words[TRC_LAST_ERROR_MAX / 8];
    } text = {.words = {0}};
    for (size_t i = 0; i < TRC_LAST_ERROR_MAX - 1 && why[i]; i++)
        text.bytes[i] = why[i] >= ' ' && why[i] < 0x7f ? why[i] : '?';
    for (size_t i = 0; i < TRC_LAST_ERROR_MAX / 8; i++)
        put_next(&e->text[i], text.words[i]);
    put_next(&e->mono_ns, trc_clock_mono_ns());
    atomic_store_explicit(&c->error_active, active + 1, memory_order_release);
}

/* Copies it whole; returns when it was, or 0. */
static uint64_t copy_error(const struct cursor *c, uint64_t words[TRC_LAST_ERROR_MAX / 8]) {
    uint32_t before, after = atomic_load_explicit(&c->error_active, memory_order_acquire);
    uint64_t mono_ns;
    do {
        before = after;
        const struct last_error *e = &c->error[before & 1];
        for (size_t i = 0; i < TRC_LAST_ERROR_MAX / 8; i++)
            words[i] = atomic_load_explicit(&e->text[i], memory_order_acquire);
        mono_ns = atomic_load_explicit(&e->mono_ns, memory_order_acquire);
        after = atomic_load_explicit(&c->error_active, memory_order_relaxed);
    } while (after != before);
    return mono_ns;
}

bool trc_journal_last_error(const struct trc_journal *j, int worker, unsigned exporter,
                            char out[TRC_LAST_ERROR_MAX]) {
    uint64_t words[TRC_LAST_ERROR_MAX / 8], latest = 0;
    out[0] = '\0';
    for (unsigned w = 0; w < j->config.workers; w++) {
        if (worker >= 0 && (unsigned)worker != w)
            continue;
        uint64_t mono_ns = copy_error(&block_of(j, w)->cursor[exporter], words);
        if (mono_ns <= latest)
            continue;
        latest = mono_ns;
        memcpy(out, words, TRC_LAST_ERROR_MAX);
    }
    return latest > 0;
}
