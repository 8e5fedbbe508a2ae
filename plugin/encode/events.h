/* SPDX-License-Identifier: MIT
 *
 * Events of a span as every wire says them: a time, a name and attributes, under either set of
 * names. Private to the encoders.
 *
 *   set           of an exception                                      of a text
 *   http          exception: exception.type, .message, .stacktrace     log: message
 *   opentracing   error: error.kind, message, stack                    log: message
 *   both          exception: all of them                               log: message
 *
 * Sources: OpenTelemetry semantic conventions, docs/exceptions/exceptions-spans.md; OpenTracing
 * semantic_conventions.md, "Log fields table"; and for what neither says OpenTelemetry's
 * specification/compatibility/opentracing.md: a log that names no event is one named `log`, and
 * event=error one named `exception`.
 */
#ifndef TRACING_ENCODE_EVENTS_H
#define TRACING_ENCODE_EVENTS_H

#include "tracing/attributes.h"

#define TRC_EVENT_ATTRIBUTES_MAX 6
#define TRC_EVENT_NAME_MAX 24 /* bytes: no name of an event or of its attributes is longer */
#define TRC_EVENT_COPIES 2    /* times a text is written at most: under each set of names */

struct trc_event {
    struct trc_extra extra; /* what it is in the span; .at 0 before the first */
    uint64_t unix_ns;
    struct trc_slice name;
    unsigned count;
    struct trc_attribute attributes[TRC_EVENT_ATTRIBUTES_MAX]; /* NAMED strings, no name twice;
                                                                  what is empty is left out */
};

/* How many events `span` has. That is what its chain has: a process that dies while it adds one may
 * have counted it in event_count already. Thread: reporter. */
unsigned trc_event_count(const struct trc_span *span);

/* Makes *event the first event of `span` (event->extra.at 0 before) or the one behind *event, in
 * the order they were added; false when there is none. Thread: reporter. */
bool trc_event_next(const struct trc_span *span, enum trc_semconv semconv, struct trc_event *event);

/* Room for what trc_event_object writes of all events of a span: their texts do not overlap. */
#define TRC_EVENT_OBJECTS_MAX                                                                      \
    (TRC_SPAN_EVENTS_MAX * (TRC_EVENT_ATTRIBUTES_MAX + 1) * (2 * TRC_EVENT_NAME_MAX + 8) +         \
     TRC_EVENT_COPIES * 6 * TRC_SPAN_ARENA)

/* Writes the attributes as an object of JSON whose members are strings; `named`: with the name as
 * the first, `event`. Checks for no room; returns its end. Thread: reporter. */
char *trc_event_object(char *at, const struct trc_event *event, bool named);

#endif
