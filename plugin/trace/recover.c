/* SPDX-License-Identifier: MIT
 *
 * What becomes of a dead worker's spans, and the sums over everybody's counters.
 */
#include "journal_internal.h"

void trc_journal_note_harakiri(struct trc_journal *j, unsigned worker, uint64_t mono_ns) {
    struct block *b = block_of(j, worker);
    if (!atomic_load(&b->death_ns)) /* it is on its way out already */
        atomic_store(&b->harakiri_ns, mono_ns);
}

void trc_journal_note_death(struct trc_journal *j, unsigned worker, unsigned death,
                            uint64_t mono_ns) {
    struct block *b = block_of(j, worker);
    if (atomic_load(&b->death_ns))
        return;
    atomic_store(&b->death, death);
    atomic_store(&b->death_ns, mono_ns);
}

/* Of what the span's worker died, and when, if anybody noted it. SIGKILL follows harakiri at once,
 * and the master sees the death later; a worker that was asked in kinder ways exits when it likes.
 */
static uint64_t end_killed(struct block *b, struct trc_span *span, uint64_t mono_ns) {
    uint64_t harakiri_ns = atomic_load(&b->harakiri_ns), death_ns = atomic_load(&b->death_ns);
    unsigned death = death_ns ? atomic_load(&b->death) : TRC_DEATH_UNKNOWN;
    bool harakiri = harakiri_ns && span->start_mono_ns <= harakiri_ns;
    span->death = (uint8_t)(harakiri ? TRC_DEATH_HARAKIRI : death);
    if (harakiri && death != TRC_DEATH_EXIT)
        return harakiri_ns;
    /* Other cores of a worker that notes its own exit may have begun more since. */
    return death_ns > span->start_mono_ns ? death_ns : mono_ns;
}

bool trc_journal_close_slot(struct trc_journal *j, unsigned worker, unsigned core,
                            enum trc_outcome outcome, uint64_t mono_ns) {
    struct trc_slot *slot = trc_journal_slot(j, worker, core);
    if (!trc_slot_claim(slot))
        return false;
    struct trc_span *span = trc_slot_span(slot);
    span->outcome = (uint8_t)outcome;
    span->error = 1;
    if (outcome == TRC_OUTCOME_KILLED)
        mono_ns = end_killed(block_of(j, worker), span, mono_ns);
    span->duration_ns = mono_ns > span->start_mono_ns ? mono_ns - span->start_mono_ns : 0;
    if (trc_slot_let_go(slot))
        return true;
    if (core < j->config.cores)
        trc_inner_end_all(j, worker, core);
    trc_journal_append_mp(j, worker, slot);
    return true;
}

static bool committed(const struct trc_journal *j, unsigned worker, uint64_t pos) {
    return atomic_load_explicit(&record_at(j, worker, pos)->stamp, memory_order_acquire) ==
           stamp_of(j, pos);
}

/* Turns each reserved and never committed range between tail and head into padding, for whose head
 * each has room: whole records were reserved. Returns how many ranges there were; adjoining records
 * make one. */
static unsigned close_holes(struct trc_journal *j, unsigned worker) {
    struct block *b = block_of(j, worker);
    uint64_t head = atomic_load(&b->head), pos = tail_of(j, b, head);
    unsigned holes = 0;
    while (pos < head) {
        struct record *r = record_at(j, worker, pos);
        if (committed(j, worker, pos)) {
            pos += record_bytes(r->len);
            continue;
        }
        uint64_t end = pos + TRC_RECORD_HEAD;
        while (end < head && !committed(j, worker, end))
            end += 8;
        r->len = (uint32_t)(end - pos - TRC_RECORD_HEAD);
        r->kind = RECORD_PAD;
        atomic_store_explicit(&r->stamp, stamp_of(j, pos), memory_order_release);
        holes++;
        pos = end;
    }
    return holes;
}

/* A slot whose span was complete and on its way into the ring. Returns true when it had to be
 * appended again, because its record was never committed. MUST run before the holes are closed. */
static bool finish_append(struct trc_journal *j, unsigned worker, struct trc_slot *slot) {
    struct block *b = block_of(j, worker);
    uint64_t pos = atomic_load(&slot->pos);
    bool counted = counter_get(&slot->counters.sampled) != slot->sampled_before;
    uint64_t tail = tail_of(j, b, atomic_load(&b->head));
    if (counted || (pos != TRC_POS_NONE && (pos < tail || committed(j, worker, pos)))) {
        atomic_store(&slot->counters.sampled, slot->sampled_before + 1);
        atomic_store(&slot->state, TRC_SLOT_IDLE);
        return false;
    }
    atomic_store(&slot->counters.dropped, slot->dropped_before); /* if it was: now it is not */
    /* The hole becomes padding, with the stamp that belongs there: should this recovery be killed
     * too, the next one must not take that for the span. */
    atomic_store(&slot->pos, TRC_POS_NONE);
    return true;
}

unsigned trc_journal_recover(struct trc_journal *j, unsigned worker, uint64_t mono_ns) {
    struct block *b = block_of(j, worker);
    unsigned again = 0, recovered = 0;
    for (unsigned core = 0; core < slots_of(j); core++) {
        struct trc_slot *slot = trc_journal_slot(j, worker, core);
        if (atomic_load(&slot->state) == TRC_SLOT_ENDED && finish_append(j, worker, slot))
            again++;
    }
    unsigned holes = close_holes(j, worker);
    for (unsigned i = 0; i < slots_of(j); i++) {
        unsigned core = (i + j->config.cores) % slots_of(j); /* second ones, which first ones use */
        struct trc_slot *slot = trc_journal_slot(j, worker, core);
        uint32_t state = atomic_load(&slot->state);
        slot->has_context = 0;
        atomic_store(&slot->reading, 0); /* whoever read it is dead, too */
        if (state == TRC_SLOT_ENDED) {
            trc_journal_append_mp(j, worker, slot);
        } else if (state != TRC_SLOT_IDLE) {
            atomic_store(&slot->state,
                         TRC_SLOT_OPEN); /* its end may be half written: end it anew */
            trc_journal_close_slot(j, worker, core, TRC_OUTCOME_KILLED, mono_ns);
        } else {
            continue;
        }
        recovered++;
    }
    counter_add(&b->recovered, recovered);
    if (holes > again) { /* records that no slot could give back */
        counter_add(&b->lost, holes - again);
        counter_add(&trc_journal_slot(j, worker, 0)->counters.sampled, holes - again);
    }
    atomic_store(&b->woken, 0); /* whoever was woken is dead */
    atomic_store(&b->harakiri_ns, 0);
    atomic_store(&b->death_ns, 0);
    return recovered;
}

/* --- The accounts -------------------------------------------------------------------------- */

static void add_worker(const struct trc_journal *j, unsigned worker, unsigned exporter,
                       struct trc_accounts *out) {
    const struct block *b = block_of(j, worker);
    for (unsigned core = 0; core < slots_of(j); core++) {
        const struct trc_core_counters *c = &trc_journal_slot(j, worker, core)->counters;
        out->started += counter_get(&c->started);
        out->excluded += counter_get(&c->excluded);
        out->sampled += counter_get(&c->sampled);
        out->unsampled += counter_get(&c->unsampled);
        out->truncated += counter_get(&c->truncated);
        out->context_errors += counter_get(&c->context_errors);
        out->not_injected += counter_get(&c->not_injected);
        out->dropped += counter_get(&c->dropped);
    }
    out->recovered += counter_get(&b->recovered);
    out->lost += counter_get(&b->lost);
    if (exporter >= j->config.exporters)
        return;
    struct trc_cursor_state s;
    trc_cursor_get(j, worker, exporter, &s);
    out->exported += s.exported;
    out->failed += s.failed;
    out->too_large += s.too_large;
    out->rejected += s.rejected;
    out->dropped += s.skipped;
    out->batches += s.batches;
    out->bytes += s.bytes;
    out->retried += s.retried;
    uint64_t pos = counter_get(&s.pos), next;
    while (trc_journal_read(j, worker, &pos, &next)) {
        out->queued++;
        pos = next;
    }
}

uint64_t trc_journal_dropped(const struct trc_journal *j, unsigned worker) {
    uint64_t dropped = 0;
    for (unsigned core = 0; core < slots_of(j); core++)
        dropped += counter_get(&trc_journal_slot(j, worker, core)->counters.dropped);
    return dropped;
}

void trc_journal_accounts(const struct trc_journal *j, int worker, unsigned exporter,
                          struct trc_accounts *out) {
    memset(out, 0, sizeof(*out));
    for (unsigned w = 0; w < j->config.workers; w++)
        if (worker < 0 || (unsigned)worker == w)
            add_worker(j, w, exporter, out);
}
