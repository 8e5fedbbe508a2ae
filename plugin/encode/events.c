/* SPDX-License-Identifier: MIT
 *
 * What an event says, under either set of names. Used by every encoder, and only for a span that
 * has events.
 */
#include "events.h"
#include "json_put.h"

_Static_assert(TRC_JSON_GROWTH == 6, "TRC_EVENT_OBJECTS_MAX counts on it");

static bool is_event(const struct trc_extra *x) {
    return x->kind == TRC_EXTRA_LOG || x->kind == TRC_EXTRA_EXCEPTION;
}

unsigned trc_event_count(const struct trc_span *span) {
    unsigned count = 0;

    for (struct trc_extra x = {.at = 0}; trc_span_extra(span, &x);)
        count += is_event(&x);
    return count;
}

static void add(struct trc_event *event, struct trc_slice name, struct trc_slice value) {
    if (value.len)
        event->attributes[event->count++] =
            (struct trc_attribute){.key = TRC_ATTR_NAMED, .name = name, .s = value};
}

static void add_exception(struct trc_event *event, enum trc_semconv semconv) {
    const struct trc_extra *x = &event->extra;

    event->name = TRC_SLICE("error");
    if (semconv & TRC_SEMCONV_OPENTRACING) {
        add(event, TRC_SLICE("error.kind"), x->type);
        add(event, TRC_SLICE("message"), x->message);
        add(event, TRC_SLICE("stack"), x->stack);
    }
    if (semconv & TRC_SEMCONV_HTTP) {
        event->name = TRC_SLICE("exception");
        add(event, TRC_SLICE("exception.type"), x->type);
        add(event, TRC_SLICE("exception.message"), x->message);
        add(event, TRC_SLICE("exception.stacktrace"), x->stack);
    }
}

bool trc_event_next(const struct trc_span *span, enum trc_semconv semconv,
                    struct trc_event *event) {
    do
        if (!trc_span_extra(span, &event->extra))
            return false;
    while (!is_event(&event->extra));
    event->unix_ns = span->start_unix_ns + event->extra.after_ns;
    event->count = 0;
    if (event->extra.kind == TRC_EXTRA_EXCEPTION) {
        add_exception(event, semconv);
    } else {
        event->name = TRC_SLICE("log");
        add(event, TRC_SLICE("message"), event->extra.value);
    }
    return true;
}

static char *put_member(char *at, struct trc_slice name, struct trc_slice value) {
    at = trc_json_text_at(TRC_JSON_AT(at, ",\""), name);
    at = trc_json_text_at(TRC_JSON_AT(at, "\":\""), value);
    return TRC_JSON_AT(at, "\"");
}

char *trc_event_object(char *at, const struct trc_event *event, bool named) {
    char *const first = at;

    if (named)
        at = put_member(at, TRC_SLICE("event"), event->name);
    for (unsigned i = 0; i < event->count; i++)
        at = put_member(at, event->attributes[i].name, event->attributes[i].s);
    if (at == first)
        at++;
    *first = '{'; /* in place of the first member's comma */
    return TRC_JSON_AT(at, "}");
}
