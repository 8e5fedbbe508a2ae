/* SPDX-License-Identifier: MIT
 *
 * What the tracer's files share: tracer.c (begin and end), record.c (what a span says from the
 * beginning), said.c (what it is told while its request runs), inner.c (spans within it),
 * outgoing.c (what whom the request calls is told), anew.c (decisions that are made anew).
 */
#ifndef TRACING_TRACE_RECORD_H
#define TRACING_TRACE_RECORD_H

#include "tracing/tracer.h"

/* What the caller says. */
struct trc_claim {
    struct trc_extracted ex;
    const struct trc_format *from; /* whose ex.context is valid; NULL: none */
    bool distrusted;               /* it says something, and is not to be believed */
};

/* Room for a span's name. */
#define TRC_NAME_BYTES (TRC_SPAN_TEXT_MAX + 1)

static inline void trc_count(_Atomic uint64_t *counter) {
    /* One writer, many readers: a plain add is enough, and half the price of a locked one. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The core's slot, if a request runs whose context is known, recorded or not; else NULL.
 * Thread: request. */
static inline struct trc_slot *trc_running_slot(const struct trc_tracer *t, unsigned core) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    return slot->has_context ? slot : NULL;
}

/* What the format sees of the request, which lives as long. Thread: request. */
static inline struct trc_carrier trc_carrier_of(const struct trc_active_format *active,
                                                const struct trc_request *request) {
    return (struct trc_carrier){
        .value = request->value + active->base,
        .repeated = request->repeated >> active->base,
        .prefixed = request->prefixed,
        .prefixed_count = active->format->prefix ? request->prefixed_count : 0,
        .prefixed_more = active->format->prefix && request->prefixed_more,
    };
}

/* Makes the slot's span one of the slot's context, decided so. Thread: request. */
struct trc_span *trc_record_context(const struct trc_tracer *t, struct trc_slot *slot,
                                    unsigned core, struct trc_decision by);

/* Writes when it began. Thread: request. */
void trc_record_start(struct trc_slot *slot, struct trc_span *span, uint64_t start_unix_ns);

/* Writes what the request says of itself, and the name. Thread: request. */
void trc_record_request(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                        const struct trc_request *request);

/* Writes a captured header, if it is there. Thread: request. */
void trc_record_header(struct trc_span *span, struct trc_slice tag, struct trc_slice value);

/* Writes how long the front end says that it had waited. Thread: request. */
void trc_record_queue(struct trc_span *span, const struct trc_request *request);

/* Writes what is there of a request that is none. Thread: request. */
void trc_record_target(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                       struct trc_slice method, struct trc_slice target);

/* Writes what the span says because of the caller's context. Thread: request. */
void trc_record_claim(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                      const struct trc_claim *claim);

/* May a span have this name, or are there too many others? Thread: request. */
bool trc_record_admits(const struct trc_tracer *t, struct trc_slice name);

/* Names the span anew, of what it says now. Thread: request. */
void trc_record_name(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span);

/* The name that the span of a request is going to have, as far as it is known, in
 * buf[TRC_NAME_BYTES]. Thread: request. */
struct trc_slice trc_record_operation(const struct trc_tracer *t, const struct trc_request *request,
                                      char *buf);

#endif
