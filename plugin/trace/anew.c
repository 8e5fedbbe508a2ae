/* SPDX-License-Identifier: MIT
 *
 * A decision that is made anew while the request runs: by a route.
 *
 * The slot's context is what the request's headers, its log and its children go by; the span's
 * flags follow it. Whatever happens to the process in here, the request is recorded once or not at
 * all.
 */
#include "limit.h"
#include "record.h"

#define DECISION (TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG)

static bool is_open(const struct trc_slot *slot) {
    return atomic_load_explicit(&slot->state, memory_order_relaxed) == TRC_SLOT_OPEN;
}

/* As one that the sampler refused, with no reason to keep it. */
static void forget(struct trc_slot *slot) {
    if (!is_open(slot) || !trc_slot_claim(slot))
        return;
    slot->inner_count = 0;
    trc_slot_span(slot)->keep = TRC_KEEP_PENDING;
    (void)trc_slot_let_go(slot);
}

bool trc_tracer_off(struct trc_tracer *t, unsigned core) {
    struct trc_slot *slot = trc_running_slot(t, core);
    if (!slot)
        return false;
    const bool other = slot->context.flags & DECISION;
    slot->context.flags &= (uint8_t)~DECISION;
    forget(slot);
    return other;
}

/* One that waits for its end is there already. The watcher may be reading its flags. */
static void keep(struct trc_slot *slot, struct trc_decision by) {
    struct trc_span *span = trc_slot_span(slot);
    span->keep = 0;
    span->sampler_type = (uint8_t)by.type;
    span->sampler_param = by.param;
    __atomic_store_n(&span->flags, slot->context.flags, __ATOMIC_RELAXED);
}

static void record(struct trc_tracer *t, struct trc_slot *slot, unsigned core,
                   const struct trc_request *request, struct trc_decision by) {
    static const struct trc_claim nothing;
    struct trc_span *span = trc_record_context(t, slot, core, by);
    trc_record_start(slot, span, request->start_unix_ns);
    trc_record_request(t, slot, span, request);
    trc_record_claim(t, slot, span, &nothing); /* baggage that becomes tags */
    slot->said = slot->inner_count = 0;
    trc_slot_open(slot);
}

static bool turn_on(struct trc_tracer *t, unsigned core, const struct trc_request *request,
                    struct trc_decision by) {
    struct trc_slot *slot = trc_running_slot(t, core);
    if (!slot)
        return false;
    const bool other = !(slot->context.flags & TRC_FLAG_SAMPLED);
    slot->context.flags |= TRC_FLAG_SAMPLED;
    if (is_open(slot))
        keep(slot, by);
    else if (other) /* else somebody has ended it */
        record(t, slot, core, request, by);
    return other;
}

bool trc_tracer_on(struct trc_tracer *t, unsigned core, const struct trc_request *request) {
    const struct trc_slot *slot = trc_running_slot(t, core);
    if (!slot || slot->context.flags & TRC_FLAG_SAMPLED)
        return false; /* it has somebody's decision */
    return turn_on(t, core, request, (struct trc_decision){TRC_SAMPLER_NONE, 0});
}

bool trc_tracer_resample(struct trc_tracer *t, unsigned core, const struct trc_request *request,
                         double probability) {
    const struct trc_slot *slot = trc_running_slot(t, core);
    if (!slot || slot->given)
        return false;
    if (!trc_probable(trc_boundary_of(probability), slot->context.trace_lo))
        return trc_tracer_off(t, core);
    return turn_on(t, core, request, (struct trc_decision){TRC_SAMPLER_PROBABILISTIC, probability});
}
