/* SPDX-License-Identifier: MIT
 *
 * Spans within a request: begun and ended while it runs, or ended with it.
 *
 * One that is open is a few words in its core's slot and no span yet. At its end it becomes one in
 * the core's second slot, and goes into the ring as any other: so a process that dies here leaves
 * it open, or ended, or on its way. It leaves the stack last; should its process die before that,
 * whoever ends the rest finds its id in the second slot and does not end it twice.
 */
#include "record.h"
#include "tracing/clock.h"

#define QUEUE_SPAN_NS TRC_NS_PER_MS /* a shorter wait is a tag alone */

/* The request's start by the wall clock, and what went by since: a clock that steps meanwhile
 * makes no difference. */
static uint64_t unix_of(const struct trc_span *request, uint64_t mono_ns) {
    return request->start_unix_ns + (mono_ns - request->start_mono_ns);
}

static void fill(struct trc_span *span, const struct trc_span *request,
                 const struct trc_inner *inner, uint64_t mono_ns) {
    trc_span_clear(span);
    span->flags = request->flags;
    span->trace_hi = request->trace_hi;
    span->trace_lo = request->trace_lo;
    span->span_id = inner->span_id;
    span->parent_id = inner->parent_id;
    span->start_unix_ns = unix_of(request, inner->start_mono_ns);
    span->start_mono_ns = inner->start_mono_ns;
    span->duration_ns = mono_ns > inner->start_mono_ns ? mono_ns - inner->start_mono_ns : 0;
    span->worker = request->worker;
    span->core = request->core;
    span->kind = TRC_KIND_INTERNAL;
    trc_span_set(span, TRC_STR_NAME, (struct trc_slice){inner->name, inner->name_len},
                 TRC_SPAN_TOKEN_MAX);
}

/* Makes it a record, unless that was the last thing its process did. Returns whether the reporters
 * are to be woken. */
static bool put(struct trc_journal *j, unsigned worker, unsigned core,
                const struct trc_inner *inner, uint64_t mono_ns, bool error) {
    struct trc_slot *own = trc_journal_inner_slot(j, worker, core);
    if (own->span.span_id == inner->span_id)
        return false;
    fill(&own->span, trc_slot_span(trc_journal_slot(j, worker, core)), inner, mono_ns);
    own->span.error = error;
    trc_slot_open(own);
    return trc_slot_claim(own) && trc_journal_append_mp(j, worker, own);
}

static bool end_last(struct trc_journal *j, unsigned worker, unsigned core, uint64_t mono_ns,
                     bool error) {
    struct trc_slot *slot = trc_journal_slot(j, worker, core);
    bool wake = put(j, worker, core, &slot->inner[slot->inner_count - 1], mono_ns, error);
    trc_span_barrier();
    slot->inner_count--;
    return wake;
}

/* From when the front end took the request up until the server did. Its id is the same each time.
 */
static void put_queue(struct trc_journal *j, unsigned worker, unsigned core,
                      const struct trc_span *request) {
    static const struct trc_slice name = TRC_SLICE("queue");
    struct trc_inner inner = {
        .span_id = trc_mix64(request->span_id) | 1,
        .parent_id = request->span_id,
        .start_mono_ns = request->start_mono_ns - request->queue_ns,
        .name_len = (uint8_t)name.len,
    };
    memcpy(inner.name, name.p, name.len);
    (void)put(j, worker, core, &inner, request->start_mono_ns, false);
}

void trc_inner_end_all(struct trc_journal *j, unsigned worker, unsigned core) {
    struct trc_slot *slot = trc_journal_slot(j, worker, core);
    const struct trc_span *request = trc_slot_span(slot);
    const uint64_t end = request->start_mono_ns + request->duration_ns;
    if (__builtin_expect(slot->inner_count > TRC_INNER_MAX, 0)) /* of a file that was damaged */
        slot->inner_count = 0;
    while (__builtin_expect(slot->inner_count > 0, 0))
        (void)end_last(j, worker, core, end, false);
    if (__builtin_expect(request->queue_ns > QUEUE_SPAN_NS, 0))
        put_queue(j, worker, core, request);
}

uint64_t trc_tracer_inner_begin(struct trc_tracer *t, unsigned core, struct trc_slice name) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) != TRC_SLOT_OPEN ||
        !(slot->context.flags & TRC_FLAG_SAMPLED) || slot->inner_count == TRC_INNER_MAX ||
        slot->inner_total == TRC_INNER_TOTAL)
        return 0;
    struct trc_inner *inner = &slot->inner[slot->inner_count];
    inner->span_id = trc_random_id(&slot->random);
    inner->parent_id = slot->inner_count ? inner[-1].span_id : slot->context.span_id;
    inner->start_mono_ns = trc_clock_mono_ns();
    if (name.len > sizeof(inner->name))
        name.len = sizeof(inner->name);
    if (!trc_record_admits(t, name))
        name = TRC_SLICE("*"); /* one name too many */
    inner->name_len = (uint8_t)name.len;
    if (name.len)
        memcpy(inner->name, name.p, inner->name_len);
    trc_span_barrier();
    slot->inner_count++;
    slot->inner_total++;
    return inner->span_id;
}

bool trc_tracer_inner_end(struct trc_tracer *t, unsigned core, uint64_t id, bool error) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    unsigned at = slot->inner_count;
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) != TRC_SLOT_OPEN)
        return false;
    while (at > 0 && slot->inner[at - 1].span_id != id)
        at--;
    if (at == 0)
        return false;
    const uint64_t now = trc_clock_mono_ns();
    bool wake = false;
    while (slot->inner_count >= at)
        wake |= end_last(t->journal, t->worker, core, now, error && slot->inner_count == at);
    if (wake && t->wake)
        t->wake();
    return true;
}
