/* SPDX-License-Identifier: MIT
 *
 * Reading a slot beside the thread that serves its core: for the watcher, which tells of requests
 * that run.
 *
 * The bytes of a span are plain memory, and the request's thread must neither wait for a reader nor
 * copy anything for one. So no byte is ever written that a reader may be at:
 *
 * - While the span is open its end alone is written, and that is other members of it than those
 *   that are read here: the request may end, and its record be copied, in the middle of our copy.
 * - The next request must not be written over the span that we read, so it is not: who reads says
 * so first (slot->reading), and trc_slot_fresh gives the core the other one of its two spans. One
 * is always free, for there is one reader.
 *
 * What makes this certain is the order of four operations, all of them sequentially consistent:
 * here `reading` is written and then `state` read, there `state` is taken from OPEN
 * (trc_slot_claim) and then, before the next request, `reading` read. Either we see that the span
 * is no longer open and do not touch it, or the next request sees us. An open span of a later
 * request is as good as the one we came for, if its turn is the one that we named.
 *
 * A reader that dies in here leaves `reading` set: the core goes on with the other span, and
 * recovery clears it.
 */
#include "tracing/journal.h"

/* Nothing of what a request writes at its end. */
static void copy(struct trc_span *out, const struct trc_span *span) {
    static const enum trc_span_str said[] = {TRC_STR_METHOD, TRC_STR_URL,  TRC_STR_SCHEME,
                                             TRC_STR_HOST,   TRC_STR_PATH, TRC_STR_QUERY};
    size_t end = 0;

    trc_span_clear(out);
    out->flags = __atomic_load_n(&span->flags, __ATOMIC_RELAXED); /* see trc_tracer_on */
    out->trace_hi = span->trace_hi;
    out->trace_lo = span->trace_lo;
    out->span_id = span->span_id;
    out->parent_id = span->parent_id;
    out->start_unix_ns = span->start_unix_ns;
    out->start_mono_ns = span->start_mono_ns;
    out->worker = span->worker;
    out->core = span->core;
    for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        const struct trc_str s = out->str[said[i]] = span->str[said[i]];
        if (end < (size_t)s.off + s.len)
            end = (size_t)s.off + s.len;
    }
    memcpy(out->arena, span->arena, end);
    out->arena_len = (uint16_t)end;
}

bool trc_slot_peek(struct trc_slot *slot, struct trc_span *out) {
    const uint32_t turn = atomic_load_explicit(&slot->turn, memory_order_relaxed);

    atomic_store(&slot->reading, turn + 1);
    const bool open = atomic_load(&slot->state) == TRC_SLOT_OPEN &&
                      atomic_load_explicit(&slot->turn, memory_order_relaxed) == turn;
    if (open)
        copy(out, turn ? &slot->other : &slot->span);
    atomic_store_explicit(&slot->reading, 0, memory_order_release);
    return open;
}
