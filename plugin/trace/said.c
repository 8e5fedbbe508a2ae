/* SPDX-License-Identifier: MIT
 *
 * What a span is told while its request runs. Used by whoever hears it: RPC, routes, the bridge to
 * Python.
 *
 * The span is open, so its process may die at any instruction here: each addition is made before
 * it is linked (model/span.c). The watcher may read it, and reads nothing that is written here.
 */
#include "record.h"
#include "tracing/clock.h"

/* The core's slot, if a span is open in it; else NULL. */
static struct trc_slot *open_slot(const struct trc_tracer *t, unsigned core) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    return atomic_load_explicit(&slot->state, memory_order_relaxed) == TRC_SLOT_OPEN ? slot : NULL;
}

static uint64_t after(const struct trc_span *span) {
    uint64_t now = trc_clock_mono_ns();
    return now > span->start_mono_ns ? now - span->start_mono_ns : 0;
}

/* A string of its own, over the one it had: again and again must not use the span up. */
static void say(struct trc_span *span, enum trc_span_str which, struct trc_slice text, size_t max) {
    struct trc_str *s = &span->str[which];
    if (text.len > max) {
        text.len = max;
        span->truncated = 1;
    }
    if (text.len > s->len) {
        trc_span_set(span, which, text, max);
        return;
    }
    if (text.len)
        memcpy(span->arena + s->off, text.p, text.len);
    s->len = (uint16_t)text.len;
}

bool trc_tracer_tag(struct trc_tracer *t, unsigned core, struct trc_slice name,
                    struct trc_slice value) {
    struct trc_slot *slot = open_slot(t, core);
    if (slot)
        (void)trc_span_add_tag(trc_slot_span(slot), TRC_EXTRA_TAG, name, value);
    return slot != NULL;
}

bool trc_tracer_header(struct trc_tracer *t, unsigned core, struct trc_slice name,
                       struct trc_slice value) {
    struct trc_slot *slot = open_slot(t, core);
    if (slot)
        trc_record_header(trc_slot_span(slot), name, value);
    return slot != NULL;
}

bool trc_tracer_log(struct trc_tracer *t, unsigned core, struct trc_slice text) {
    struct trc_slot *slot = open_slot(t, core);
    if (slot)
        (void)trc_span_add_log(trc_slot_span(slot), after(trc_slot_span(slot)), text);
    return slot != NULL;
}

bool trc_tracer_wants_exception(const struct trc_tracer *t, unsigned core) {
    struct trc_slot *slot = open_slot(t, core);
    return slot && !trc_slot_span(slot)->str[TRC_STR_EXCEPTION].len;
}

bool trc_tracer_exception(struct trc_tracer *t, unsigned core, struct trc_slice type,
                          struct trc_slice message, struct trc_slice stack) {
    struct trc_slot *slot = open_slot(t, core);
    if (!slot)
        return false;
    struct trc_span *span = trc_slot_span(slot);
    (void)trc_span_add_exception(span, after(span), type, message, stack);
    span->error = 1;
    say(span, TRC_STR_EXCEPTION, type, TRC_SPAN_EXCEPTION_TYPE_MAX);
    return true;
}

bool trc_tracer_route(struct trc_tracer *t, unsigned core, struct trc_slice route) {
    struct trc_slot *slot = open_slot(t, core);
    if (!slot)
        return false;
    say(trc_slot_span(slot), TRC_STR_ROUTE, route, TRC_SPAN_TEXT_MAX);
    slot->said |= TRC_SAID_ROUTE;
    return true;
}

bool trc_tracer_name(struct trc_tracer *t, unsigned core, struct trc_slice name) {
    struct trc_slot *slot = open_slot(t, core);
    if (!slot || name.len == 0)
        return false;
    if (name.len > TRC_SPAN_TEXT_MAX)
        name.len = TRC_SPAN_TEXT_MAX;
    if (!trc_record_admits(t, name))
        return true; /* it keeps the one it has */
    say(trc_slot_span(slot), TRC_STR_NAME, name, TRC_SPAN_TEXT_MAX);
    slot->said |= TRC_SAID_NAME;
    return true;
}
