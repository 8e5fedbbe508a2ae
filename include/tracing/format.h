/* SPDX-License-Identifier: MIT
 *
 * A propagation format: reads trace context from request headers, writes it for the application.
 *
 * One file in plugin/propagate/ each, one line in the table in formats.c. A format is handed the
 * values of the headers it named and nothing else, owns nothing, allocates nothing and cannot fail
 * in a way that hurts: malformed input is an answer like any other.
 */
#ifndef TRACING_FORMAT_H
#define TRACING_FORMAT_H

#include "tracing/buf.h"
#include "tracing/context.h"

#define TRC_PREFIXED_MAX 64 /* headers with a wanted prefix that are looked at in one request */

/* A header whose name only begins as wanted: `rest` is what follows the prefix in its CGI name. */
struct trc_prefixed {
    struct trc_slice rest, value;
};

/* What one format sees of one request. All slices point into the request and live as long as it. */
struct trc_carrier {
    const struct trc_slice *value; /* by the index in the format's headers[]; absent: not sent */
    uint64_t repeated;             /* bit i: header i was there more than once */
    const struct trc_prefixed *prefixed; /* those with the format's prefix, in order */
    unsigned prefixed_count;
    bool prefixed_more; /* there are more than TRC_PREFIXED_MAX, and these are the first */
};

/* What extract found. Slices point into the request or are constants. */
struct trc_extracted {
    struct trc_context context; /* valid when extract returned 0 */
    struct trc_slice debug_id; /* asked to be traced under this id (jaeger-debug-id); else absent */
    struct trc_slice state;    /* tracestate that goes on with the context; else absent */
    struct trc_tag original;   /* tag of the span for ids that were translated; else absent */
};

/* What inject is to tell. */
struct trc_outgoing {
    const struct trc_context *context; /* of our span: never DEFERRED */
    const struct trc_baggage *baggage; /* all of it, wherever it came from */
    const struct trc_format *from; /* whose context we continue; NULL: the trace begins here, and
                                      nothing the caller said of it may be passed on */
};

/* Variables to set in the request, filled by inject. Room for baggage as large as it may be, as
 * long as few of its bytes need percent-encoding. */
#define TRC_INJECTION_ITEMS 80
#define TRC_INJECTION_BYTES 10240

struct trc_injection {
    struct {
        int header; /* index in the format's headers[], plus the format's base; -1: by name only */
        bool or_none;           /* when there is no room for it, what stands there is taken out */
        struct trc_slice name;  /* CGI name */
        struct trc_slice value; /* in bytes[]; absent: take the variable out */
    } item[TRC_INJECTION_ITEMS];
    unsigned count;
    bool or_none;       /* of the items to come: the trace begins here, and a header that the caller
                           sent names another */
    bool overflow;      /* something did not fit and was left out whole */
    struct trc_buf buf; /* over bytes[]; holds names and values that are not constants */
    char bytes[TRC_INJECTION_BYTES];
};

struct trc_format {
    const char *name;           /* as in tracing-extract: "jaeger" */
    const char *const *headers; /* CGI names it reads or writes, NULL at the end */
    const char *prefix;         /* CGI prefix of further headers it reads, or NULL */
    uint64_t stays; /* bit i: what inject leaves in header i goes on as it came with our context */

    /* Reads the carrier. Returns 0 and *out when there is a valid context, -ENOENT when there is
     * none (debug_id may be set then), -EINVAL with *out untouched when there is one that is
     * malformed. Not asked when a format before it had a context, or when the request has none of
     * its headers. NULL: the format has no context.
     * Thread: request. */
    int (*extract)(const struct trc_carrier *carrier, struct trc_extracted *out);

    /* Asked instead, if any of its headers is there, when a format before it had *out: adds what
     * this one says of the same trace and that one could not. NULL: nothing. Thread: request. */
    void (*complete)(const struct trc_carrier *carrier, struct trc_extracted *out);

    /* Adds the baggage that the carrier has to *baggage. Asked, if any of its headers is there,
     * whichever format's context it is that goes on, but not when extract found this one's
     * malformed: its baggage belongs to nothing we know. NULL: the format has none. Thread:
     * request. */
    void (*baggage)(const struct trc_carrier *carrier, struct trc_baggage *baggage);

    /* Adds the variables that tell the context. NULL: the format has no context. Thread: request.
     */
    void (*inject)(const struct trc_outgoing *what, const struct trc_carrier *carrier, int base,
                   struct trc_injection *out);

    /* Adds those that tell the baggage, but not what came in by this format's own headers,
     * `carrier`, which are in the request already. Asked only when there is baggage, and after
     * every format's context was written: baggage may be large, and is what gets left out when the
     * room is short. NULL: the format has none. Thread: request. */
    void (*inject_baggage)(const struct trc_outgoing *what, const struct trc_carrier *carrier,
                           int base, struct trc_injection *out);
};

/* Begins an item of *out: write its value to the buffer it returns, then call trc_injection_end.
 * `name` is a constant, or was put into out->buf before. Thread: request. */
struct trc_buf *trc_injection_begin(struct trc_injection *out, int header, struct trc_slice name);

/* Completes the item; one that did not fit is taken back whole and sets out->overflow.
 * Thread: request. */
void trc_injection_end(struct trc_injection *out);

/* Adds an item that takes header `header` (index in the format's headers[] plus its base) out of
 * the request if it is there. Thread: request. */
void trc_injection_remove(struct trc_injection *out, int header, struct trc_slice name);

/* Empties *out: touches its head only. Thread: request. */
static inline void trc_injection_clear(struct trc_injection *out) {
    out->count = 0;
    out->or_none = false;
    out->overflow = false;
    out->buf = trc_buf_over(out->bytes, sizeof(out->bytes));
}

/* The formats that exist, in the order of their default precedence, NULL at the end. */
extern const struct trc_format *const trc_formats[];

/* Gives the application TRACING_TRACE_ID, TRACING_SPAN_ID and TRACING_SAMPLED; extracts nothing.
 * Not in trc_formats: it is switched on by its own option. */
extern const struct trc_format trc_format_variables;

/* The format called `name` in trc_formats, or NULL. Thread: startup. */
const struct trc_format *trc_format_find(struct trc_slice name);

#endif
