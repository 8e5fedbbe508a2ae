/* SPDX-License-Identifier: MIT
 *
 * What a service is told that the request calls, and what the request itself is told once more.
 *
 * The packet has what trc_tracer_begin wrote: nothing else of a caller's context is left there. So
 * each format may take up all that it finds in its headers as if it had been the one that was
 * continued: a state, fields of others, a place in a tree of calls.
 */
#include "record.h"
#include <errno.h>

/* --- Baggage ------------------------------------------------------------------------------- */

int trc_tracer_set_baggage(struct trc_tracer *t, unsigned core, struct trc_slice key,
                           struct trc_slice value) {
    struct trc_slot *slot = trc_running_slot(t, core);
    return slot ? trc_baggage_set(&slot->baggage, key, value) : -ENOENT;
}

struct trc_slice trc_tracer_baggage(struct trc_tracer *t, unsigned core, struct trc_slice key) {
    struct trc_slot *slot = trc_running_slot(t, core);
    return slot ? trc_baggage_get(&slot->baggage, key) : (struct trc_slice){NULL, 0};
}

/* --- Context ------------------------------------------------------------------------------- */

static bool is_written(const struct trc_injection *out, int header) {
    for (unsigned i = 0; i < out->count; i++)
        if (out->item[i].header == header)
            return true; /* or taken out */
    return false;
}

/* The headers that inject left as they are. */
static void pass_on(const struct trc_active_format *active, const struct trc_carrier *carrier,
                    struct trc_injection *out) {
    for (unsigned i = 0; active->format->stays >> i; i++) {
        const int header = active->base + (int)i;
        if (!(active->format->stays >> i & 1) || !carrier->value[i].p || is_written(out, header))
            continue;
        struct trc_buf *b =
            trc_injection_begin(out, header, trc_slice_of(active->format->headers[i]));
        trc_buf_put_slice(b, carrier->value[i]);
        trc_injection_end(out);
    }
}

static void put_context(const struct trc_tracer *t, const struct trc_context *context,
                        const struct trc_request *request, bool all, struct trc_injection *out) {
    for (unsigned i = 0; i < t->inject_count; i++) {
        const struct trc_active_format *active = &t->inject[i];
        const struct trc_outgoing what = {context, NULL, active->format};
        const struct trc_carrier carrier = trc_carrier_of(active, request);
        if (active->format->inject)
            active->format->inject(&what, &carrier, active->base, out);
        if (all)
            pass_on(active, &carrier, out);
    }
}

/* All of it anew: the headers in the request do not know what has been set since. */
static void put_baggage(const struct trc_tracer *t, const struct trc_baggage *baggage,
                        struct trc_injection *out) {
    static const struct trc_slice nothing[TRC_NAMES_MAX];
    static const struct trc_carrier carrier = {.value = nothing};
    const struct trc_outgoing what = {.baggage = baggage};
    for (unsigned i = 0; baggage->count && i < t->inject_count; i++)
        if (t->inject[i].format->inject_baggage)
            t->inject[i].format->inject_baggage(&what, &carrier, t->inject[i].base, out);
}

bool trc_tracer_outgoing(struct trc_tracer *t, unsigned core, const struct trc_request *request,
                         struct trc_injection *out) {
    struct trc_slot *slot = trc_running_slot(t, core);
    trc_injection_clear(out);
    if (!slot)
        return false;
    struct trc_context c = slot->context;
    const uint64_t below =
        slot->inner_count ? slot->inner[slot->inner_count - 1].span_id : c.span_id;
    const uint64_t call = trc_tracer_inner_begin(t, core, TRC_SLICE("call"));
    if (call)
        (void)trc_tracer_inner_end(t, core, call, false);
    if (call || !(c.flags & TRC_FLAG_SAMPLED)) {
        c.parent_id = below;
        c.span_id = call ? call : trc_random_id(&slot->random);
    } else if (slot->inner_count) {
        c.parent_id = slot->inner[slot->inner_count - 1].parent_id;
        c.span_id = below;
    }
    put_context(t, &c, request, true, out);
    put_baggage(t, &slot->baggage, out);
    return true;
}

void trc_tracer_retell(struct trc_tracer *t, unsigned core, const struct trc_request *request,
                       struct trc_injection *out) {
    const struct trc_slot *slot = trc_running_slot(t, core);
    trc_injection_clear(out);
    if (slot)
        put_context(t, &slot->context, request, false, out);
}
