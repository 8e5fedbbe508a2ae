/* SPDX-License-Identifier: MIT
 *
 * The tracer: begin and end of a request's span, in order. Knows no server and no collector.
 *
 * The request path of the whole project is here: trc_tracer_begin and trc_tracer_end allocate
 * nothing, lock nothing, log nothing, make no system call and cannot fail.
 */
#ifndef TRACING_TRACER_H
#define TRACING_TRACER_H

#include "tracing/capture.h"
#include "tracing/client.h"
#include "tracing/control.h"
#include "tracing/journal.h"
#include "tracing/operations.h"
#include "tracing/request.h"
#include "tracing/sampler.h"
#include "tracing/scrub.h"
#include "tracing/strategies.h"
#include "tracing/template.h"
#include "tracing/trust.h"

#define TRC_FORMATS_MAX 12
#define TRC_OPERATION_DEFAULT "{method} {route}"

/* A format that is switched on, and where its headers begin in the set of names. */
struct trc_active_format {
    const struct trc_format *format;
    int base;
    uint64_t headers; /* bit i: name i of the set is one of its */
};

struct trc_tracer {
    struct trc_journal *journal;
    unsigned worker;                      /* 0...; set by the host after the fork */
    struct trc_sampler sampler;           /* as configured */
    struct trc_core_rules *rules;         /* in force, of each core, which keeps it up to date;
                                             borrowed. NULL: as configured, for good */
    struct trc_strategies *strategies;    /* of a remote sampler; borrowed */
    struct trc_trust trust;               /* whose context is continued */
    const struct trc_slice *baggage_tags; /* keys of baggage that become attributes; borrowed */
    unsigned baggage_tag_count;
    uint8_t keep;             /* KEEP_ERRORS, KEEP_SLOW: what makes a refused request be recorded */
    uint64_t keep_slow_ns;    /* KEEP_SLOW */
    enum trc_query query;     /* whether and how it is told */
    struct trc_client client; /* headers that tell the client's address */
    uint8_t client_variable[TRC_CLIENT_HEADERS_MAX]; /* where they are in names */
    const struct trc_capture *capture;          /* request headers that become tags; borrowed */
    unsigned capture_count;                     /* up to TRC_CAPTURES_MAX */
    uint8_t capture_variable[TRC_CAPTURES_MAX]; /* where they are in names */
    struct trc_template operation;              /* of names; the default if it is empty */
    struct trc_operations
        *operations; /* names there have been; NULL: they have no bound; borrowed */
    uint8_t operation_variable[TRC_TEMPLATE_VARIABLES_MAX]; /* where its variables are in names */
    struct trc_names names;  /* fields first, then headers of the formats */
    struct trc_slice prefix; /* of the one format that has one, else absent */
    struct trc_active_format extract[TRC_FORMATS_MAX];
    struct trc_active_format inject[TRC_FORMATS_MAX];
    unsigned extract_count, inject_count;
    void (*wake)(void); /* called when the ring passes half, once; may be NULL */
};

/* Sets up names and formats of *tracer, which was zeroed, and has its template of operations if
 * that is not to be the default, and the headers to capture and to find the client in; the rest is
 * the caller's to set. `extract`, `inject`: formats in order, NULL at the end, borrowed for good.
 * Returns 0 or -ENOSPC if they are too many, or -EINVAL if two share a header. Thread: startup. */
int trc_tracer_init(struct trc_tracer *tracer, const struct trc_format *const *extract,
                    const struct trc_format *const *inject);

/* Seeds the id generators of the worker's cores. Returns 0 or a negative errno: then do not trace.
 * Thread: startup of a worker, before its first request. */
int trc_tracer_seed(struct trc_tracer *tracer);

/* Begins the span of the request that `core` now serves: extracts the caller's context, decides,
 * makes ids, records what is known if it is sampled, and fills *injection with the variables the
 * application is to see. A span still open on this core is closed first as abandoned.
 * Thread: request. */
void trc_tracer_begin(struct trc_tracer *tracer, unsigned core, const struct trc_request *request,
                      struct trc_injection *injection);

/* Takes note that `core` now serves a request that is excluded: it has no span and no context of
 * ours. Thread: request. */
void trc_tracer_exclude(struct trc_tracer *tracer, unsigned core);

/* Counts a request whose application could not be told all of its context. Thread: request. */
void trc_tracer_not_injected(struct trc_tracer *tracer, unsigned core);

/* What is known when a request has ended. */
struct trc_result {
    uint16_t status; /* 0: none */
    uint64_t request_bytes;
    uint64_t response_bytes;
    struct trc_slice app; /* mountpoint, or absent */
};

/* Ends the core's span and appends it to the journal; nothing if there is none. Thread: request. */
void trc_tracer_end(struct trc_tracer *tracer, unsigned core, const struct trc_result *result);

/* --- While it runs ------------------------------------------------------------------------- */

/* What the application, a framework or a route says of the request that `core` serves. Each returns
 * false, with nothing done, when no span of it is being recorded; what has no room in it is left
 * out or cut, as span.h has it. Whatever happens to the process in here, the span is whole. Lock-
 * free, allocates nothing. Thread: the one that serves the core. */

/* A tag; one of that name is replaced. */
bool trc_tracer_tag(struct trc_tracer *tracer, unsigned core, struct trc_slice name,
                    struct trc_slice value);

/* The tag of a captured header; a value that is too long is cut. */
bool trc_tracer_header(struct trc_tracer *tracer, unsigned core, struct trc_slice name,
                       struct trc_slice value);

/* An event with a text. */
bool trc_tracer_log(struct trc_tracer *tracer, unsigned core, struct trc_slice text);

/* An exception that left the application: the request has failed, whatever its status. */
bool trc_tracer_exception(struct trc_tracer *tracer, unsigned core, struct trc_slice type,
                          struct trc_slice message, struct trc_slice stack);

/* Would one be the first? To describe it costs more than to ask, and what leaves the application
 * twice is told once. */
bool trc_tracer_wants_exception(const struct trc_tracer *tracer, unsigned core);

/* What the path matched: {route} of the name, and http.route. The last one counts. */
bool trc_tracer_route(struct trc_tracer *tracer, unsigned core, struct trc_slice route);

/* The name, in place of the template's. The last one counts. */
bool trc_tracer_name(struct trc_tracer *tracer, unsigned core, struct trc_slice name);

/* --- Spans within it ----------------------------------------------------------------------- */

/* Begins a span within the request, or within the one that was begun last and has not ended.
 * Returns its id; or 0 when none is recorded, or TRC_INNER_MAX are open or TRC_INNER_TOTAL were
 * begun. Thread: the one that serves the core. */
uint64_t trc_tracer_inner_begin(struct trc_tracer *tracer, unsigned core, struct trc_slice name);

/* Ends it, and those within it that have not ended. Returns false when it is not open. Those that
 * are open at the end of the request end with it. Thread: as above. */
bool trc_tracer_inner_end(struct trc_tracer *tracer, unsigned core, uint64_t id, bool error);

/* --- Whom it calls --------------------------------------------------------------------------- */

/* The baggage of the core's request from now on, as trc_baggage_set has it; -ENOENT when no request
 * has one, sampled or not. Thread: the one that serves the core. */
int trc_tracer_set_baggage(struct trc_tracer *tracer, unsigned core, struct trc_slice key,
                           struct trc_slice value);

/* The value of `key`, absent if there is none; lives until the next of these calls.
 * Thread: as above. */
struct trc_slice trc_tracer_baggage(struct trc_tracer *tracer, unsigned core, struct trc_slice key);

/* Fills *out with what a service is told that the core's request calls now: a span id of its own,
 * below the innermost span that is open, and all baggage. Where the request is recorded a span
 * `call` without a duration has that id, so that the callee's has a parent; beyond the limits of
 * spans within, the innermost span is the parent. `request`: the core's, scanned anew since
 * trc_tracer_begin. Returns false, and *out is empty, when no request has a context.
 * Thread: as above. */
bool trc_tracer_outgoing(struct trc_tracer *tracer, unsigned core,
                         const struct trc_request *request, struct trc_injection *out);

/* --- Decided anew ---------------------------------------------------------------------------- */

/* Each returns whether the decision is another one now; then what the application is told is, too:
 * see trc_tracer_retell. Nothing, and false, without a context. Thread: the one that serves the
 * core. */

/* The request is not recorded, whatever it was and however it ends: what has been told of it is
 * forgotten, but for spans within it that have ended. It counts as unsampled. */
bool trc_tracer_off(struct trc_tracer *tracer, unsigned core);

/* The request is recorded, from its start, with nobody's decision; `request` as above. What was
 * said before is not there, nor is what only the caller's own headers told: a link, a state. One
 * that was counted as unsampled stays so, and is sampled besides. */
bool trc_tracer_on(struct trc_tracer *tracer, unsigned core, const struct trc_request *request);

/* Recorded with this probability, by the trace's id; the caller's decision, if he made one, is
 * kept. */
bool trc_tracer_resample(struct trc_tracer *tracer, unsigned core,
                         const struct trc_request *request, double probability);

/* Fills *out with the context that the application is to see now: as trc_tracer_begin wrote it, but
 * for the decision, and as long, header by header (but where a format has no header for what is
 * no longer so). `request` as above. */
void trc_tracer_retell(struct trc_tracer *tracer, unsigned core, const struct trc_request *request,
                       struct trc_injection *out);

/* --- Refused ------------------------------------------------------------------------------- */

/* Records a request that was refused before it was one: a span of its own, a root, with method and
 * target as far as they are known. Thread: request. */
void trc_tracer_refuse(struct trc_tracer *tracer, unsigned core, struct trc_slice method,
                       struct trc_slice target, uint64_t start_unix_ns);

#endif
