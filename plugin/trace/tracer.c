/* SPDX-License-Identifier: MIT
 *
 * Begin and end of a request's span: the request path, from top to bottom.
 *
 * An unsampled request leaves early: its context is passed on, nothing of it is copied and no clock
 * is read (but for a rate limiter).
 */
#include "record.h"
#include "tracing/clock.h"
#include <errno.h>

const struct trc_slice trc_field_names[TRC_FIELD_COUNT] = {
    [TRC_FIELD_METHOD] = TRC_SLICE("REQUEST_METHOD"),
    [TRC_FIELD_URI] = TRC_SLICE("REQUEST_URI"),
    [TRC_FIELD_PATH_INFO] = TRC_SLICE("PATH_INFO"),
    [TRC_FIELD_PROTOCOL] = TRC_SLICE("SERVER_PROTOCOL"),
    [TRC_FIELD_HOST] = TRC_SLICE("HTTP_HOST"),
    [TRC_FIELD_SERVER_NAME] = TRC_SLICE("SERVER_NAME"),
    [TRC_FIELD_PEER] = TRC_SLICE("REMOTE_ADDR"),
    [TRC_FIELD_PEER_PORT] = TRC_SLICE("REMOTE_PORT"),
    [TRC_FIELD_HTTPS] = TRC_SLICE("HTTPS"),
    [TRC_FIELD_SCHEME] = TRC_SLICE("REQUEST_SCHEME"),
    [TRC_FIELD_FORWARDED_PROTO] = TRC_SLICE("HTTP_X_FORWARDED_PROTO"),
    [TRC_FIELD_USER_AGENT] = TRC_SLICE("HTTP_USER_AGENT"),
    [TRC_FIELD_QUERY] = TRC_SLICE("QUERY_STRING"),
    [TRC_FIELD_REQUEST_START] = TRC_SLICE("HTTP_X_REQUEST_START"),
    [TRC_FIELD_QUEUE_START] = TRC_SLICE("HTTP_X_QUEUE_START"),
};

/* --- Startup ------------------------------------------------------------------------------- */

static int activate(struct trc_tracer *t, const struct trc_format *format,
                    struct trc_active_format *active, unsigned *count) {
    if (*count == TRC_FORMATS_MAX)
        return -ENOSPC;
    int base = -1;
    uint64_t headers = 0;
    for (unsigned i = 0; format->headers[i]; i++) {
        int id = trc_names_add(&t->names, trc_slice_of(format->headers[i]));
        if (id < 0)
            return id;
        if (base < 0)
            base = id;
        if (id != base + (int)i) /* a header of two formats: a carrier could not be one run */
            return -EINVAL;
        headers |= UINT64_C(1) << id;
    }
    if (format->prefix)
        t->prefix = trc_slice_of(format->prefix);
    active[(*count)++] = (struct trc_active_format){format, base, headers};
    return 0;
}

/* A variable that is neither a field nor a header of a format, or is one. */
static int add_variable(struct trc_tracer *t, struct trc_slice name, uint8_t *index) {
    int id = trc_names_add(&t->names, name);
    *index = (uint8_t)id;
    return id < 0 ? id : 0;
}

/* What names and tags are made of. Behind the formats, whose headers are in a row. */
static int add_variables(struct trc_tracer *t) {
    int rc = t->operation.count
                 ? 0
                 : trc_template_parse(TRC_SLICE(TRC_OPERATION_DEFAULT), &t->operation);
    for (unsigned i = 0; rc == 0 && i < t->operation.variable_count; i++)
        rc = add_variable(t, trc_template_variable(&t->operation, i), &t->operation_variable[i]);
    for (unsigned i = 0; rc == 0 && i < t->capture_count; i++)
        rc = add_variable(t, t->capture[i].variable, &t->capture_variable[i]);
    for (unsigned i = 0; rc == 0 && i < t->client.count; i++)
        rc = add_variable(t, trc_slice_of(t->client.header[i].variable), &t->client_variable[i]);
    return rc;
}

int trc_tracer_init(struct trc_tracer *t, const struct trc_format *const *extract,
                    const struct trc_format *const *inject) {
    int rc = 0;
    for (unsigned i = 0; rc >= 0 && i < TRC_FIELD_COUNT; i++)
        rc = trc_names_add(&t->names, trc_field_names[i]);
    if (rc > 0)
        rc = 0;
    for (; rc == 0 && *extract; extract++)
        rc = activate(t, *extract, t->extract, &t->extract_count);
    for (; rc == 0 && *inject; inject++)
        rc = activate(t, *inject, t->inject, &t->inject_count);
    return rc ? rc : add_variables(t);
}

int trc_tracer_seed(struct trc_tracer *t) {
    int rc = 0;
    for (unsigned core = 0; rc == 0 && core < trc_journal_config(t->journal)->cores; core++)
        rc = trc_random_seed(&trc_journal_slot(t->journal, t->worker, core)->random);
    return rc;
}

/* --- Begin --------------------------------------------------------------------------------- */

/* The first format with a valid context wins; baggage is read from all. */
static void extract(struct trc_tracer *t, struct trc_slot *slot, const struct trc_request *request,
                    struct trc_claim *claim) {
    for (unsigned i = 0; i < t->extract_count; i++) {
        const struct trc_format *format = t->extract[i].format;
        if (!(request->present & t->extract[i].headers) &&
            !(format->prefix && request->prefixed_count))
            continue; /* the usual case: most callers speak one of them */
        struct trc_carrier carrier = trc_carrier_of(&t->extract[i], request);
        int rc = -ENOENT;
        if (format->extract && !claim->from)
            rc = format->extract(&carrier, &claim->ex);
        else if (format->complete)
            format->complete(&carrier, &claim->ex);
        if (rc == 0)
            claim->from = format;
        if (rc == -EINVAL)
            trc_count(&slot->counters.context_errors);
        else if (format->baggage)
            format->baggage(&carrier, &slot->baggage);
    }
}

/* A caller who is not trusted begins nothing but a link. */
static void distrust(struct trc_slot *slot, struct trc_claim *claim) {
    claim->distrusted = claim->from != NULL;
    claim->from = NULL;
    claim->ex.debug_id = claim->ex.state = (struct trc_slice){NULL, 0};
    claim->ex.original = (struct trc_tag){{NULL, 0}, {NULL, 0}};
    trc_baggage_clear(&slot->baggage);
}

static struct trc_decision sample(struct trc_tracer *t, unsigned core, struct trc_context *c,
                                  const struct trc_request *request) {
    const struct trc_sampler *sampler = t->rules ? &t->rules[core].now.sampler : &t->sampler;
    struct trc_decision by = {sampler->type, sampler->param};
    char name[TRC_NAME_BYTES];
    bool sampled;
    if (by.type == TRC_SAMPLER_REMOTE) {
        struct trc_slice operation =
            request ? trc_record_operation(t, request, name) : TRC_SLICE("HTTP");
        sampled = trc_strategies_decide(t->strategies, c->trace_lo, operation,
                                        trc_clock_coarse_ns(), &by);
    } else {
        uint64_t now = by.type == TRC_SAMPLER_RATELIMITING ? trc_clock_coarse_ns() : 0;
        sampled = trc_sampler_sample(sampler, c->trace_lo, trc_journal_limiter(t->journal), now);
    }
    if (sampled)
        c->flags |= TRC_FLAG_SAMPLED;
    return by;
}

/* Makes slot->context that of our own span. `request` is NULL for one that was refused. */
static struct trc_decision decide(struct trc_tracer *t, struct trc_slot *slot, unsigned core,
                                  const struct trc_claim *claim,
                                  const struct trc_request *request) {
    static const struct trc_decision nobody = {TRC_SAMPLER_NONE, 0};
    struct trc_context *c = &slot->context;
    bool deferred = !claim->from, joined = false;
    *c = (struct trc_context){0};
    if (claim->from) {
        *c = claim->ex.context;
        deferred = c->flags & TRC_FLAG_DEFERRED;
        joined = (c->trace_hi | c->trace_lo) != 0; /* else it was a decision alone */
        c->flags &= (uint8_t)~TRC_FLAG_DEFERRED;
    }
    c->parent_id = c->span_id;
    if (!joined) {
        c->trace_hi = trc_random_id(&slot->random);
        c->trace_lo = trc_random_id(&slot->random);
        c->flags |= TRC_FLAG_RANDOM;
    }
    c->span_id = trc_random_id(&slot->random);
    if (claim->ex.debug_id.p && !claim->from) {
        c->flags |= TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG;
        return nobody;
    }
    return deferred ? sample(t, core, c, request) : nobody;
}

static void inject(struct trc_tracer *t, struct trc_slot *slot, const struct trc_request *request,
                   const struct trc_format *from, struct trc_injection *out) {
    const struct trc_outgoing what = {&slot->context, &slot->baggage, from};
    out->or_none = !from;
    for (unsigned i = 0; i < t->inject_count; i++) {
        const struct trc_active_format *active = &t->inject[i];
        struct trc_carrier carrier = trc_carrier_of(active, request);
        if (active->format->inject)
            active->format->inject(&what, &carrier, active->base, out);
    }
    out->or_none = false;
    for (unsigned i = 0; slot->baggage.count && i < t->inject_count; i++) {
        const struct trc_active_format *active = &t->inject[i];
        struct trc_carrier carrier = trc_carrier_of(active, request);
        if (active->format->inject_baggage)
            active->format->inject_baggage(&what, &carrier, active->base, out);
    }
}

/* A span that is still open here belongs to a request whose end nobody told us. */
static void close_stale(struct trc_tracer *t, struct trc_slot *slot, unsigned core) {
    if (__builtin_expect(atomic_load_explicit(&slot->state, memory_order_relaxed) == TRC_SLOT_OPEN,
                         0))
        trc_journal_close_slot(t->journal, t->worker, core, TRC_OUTCOME_ABANDONED,
                               trc_clock_mono_ns());
}

void trc_tracer_begin(struct trc_tracer *t, unsigned core, const struct trc_request *request,
                      struct trc_injection *injection) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    struct trc_claim claim = {0};
    close_stale(t, slot, core);
    trc_count(&slot->counters.started);
    trc_baggage_clear(&slot->baggage);
    extract(t, slot, request, &claim);
    const bool trusted = trc_trust_peer(&t->trust, request->value[TRC_FIELD_PEER]);
    if (__builtin_expect(!trusted, 0))
        distrust(slot, &claim);
    struct trc_decision by = decide(t, slot, core, &claim, request);
    slot->has_context = 1;
    slot->inner_count = slot->inner_total = slot->said = 0;
    slot->given = by.type == TRC_SAMPLER_NONE;
    const bool sampled = slot->context.flags & TRC_FLAG_SAMPLED;
    if (sampled || __builtin_expect(t->keep, 0)) {
        struct trc_span *span = trc_record_context(t, slot, core, by);
        if (!sampled) { /* its end tells */
            span->keep = TRC_KEEP_PENDING | t->keep;
            span->keep_slow_ns = t->keep_slow_ns;
        }
        trc_record_start(slot, span, request->start_unix_ns);
        trc_record_request(t, slot, span, request);
        if (trusted)
            trc_record_queue(span, request);
        trc_record_claim(t, slot, span, &claim);
        trc_slot_open(slot);
    } else {
        trc_count(&slot->counters.unsampled);
    }
    trc_injection_clear(injection);
    inject(t, slot, request, claim.from, injection);
}

void trc_tracer_exclude(struct trc_tracer *t, unsigned core) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    close_stale(t, slot, core); /* or the end of this request would be taken for its end */
    slot->has_context = 0;
    trc_count(&slot->counters.excluded);
}

void trc_tracer_not_injected(struct trc_tracer *t, unsigned core) {
    trc_count(&trc_journal_slot(t->journal, t->worker, core)->counters.not_injected);
}

/* --- End ----------------------------------------------------------------------------------- */

static void append(struct trc_tracer *t, unsigned core, struct trc_slot *slot) {
    if (__builtin_expect(trc_slot_let_go(slot), 0))
        return;
    trc_inner_end_all(t->journal, t->worker, core);
    if (__builtin_expect(trc_journal_append_mp(t->journal, t->worker, slot), 0) && t->wake)
        t->wake();
}

void trc_tracer_end(struct trc_tracer *t, unsigned core, const struct trc_result *result) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    slot->has_context = 0;
    if (!trc_slot_claim(slot))
        return;
    struct trc_span *span = trc_slot_span(slot);
    uint64_t now = trc_clock_mono_ns();
    span->duration_ns = now > span->start_mono_ns ? now - span->start_mono_ns : 0;
    span->status = result->status;
    if (result->status >= 500)
        span->error = 1; /* else an exception may have made it one */
    span->request_bytes = result->request_bytes;
    span->response_bytes = result->response_bytes;
    if (result->app.len)
        trc_span_set(span, TRC_STR_APP, result->app, TRC_SPAN_TEXT_MAX);
    if (__builtin_expect(slot->said == TRC_SAID_ROUTE, 0) ||
        (result->app.len && t->operation.uses & 1u << TRC_TEMPLATE_APP && !slot->said))
        trc_record_name(t, slot, span);
    append(t, core, slot);
}

void trc_tracer_refuse(struct trc_tracer *t, unsigned core, struct trc_slice method,
                       struct trc_slice target, uint64_t start_unix_ns) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    static const struct trc_claim nothing;
    close_stale(t, slot, core);
    trc_count(&slot->counters.started);
    trc_baggage_clear(&slot->baggage);
    struct trc_decision by = decide(t, slot, core, &nothing, NULL);
    if (!(slot->context.flags & TRC_FLAG_SAMPLED)) {
        trc_count(&slot->counters.unsampled);
        return;
    }
    struct trc_span *span = trc_record_context(t, slot, core, by);
    trc_record_start(slot, span, start_unix_ns);
    trc_record_target(t, slot, span, method, target);
    trc_slot_open(slot);
    if (trc_slot_claim(slot)) {
        uint64_t now = trc_clock_mono_ns();
        span->outcome = TRC_OUTCOME_REFUSED;
        span->duration_ns = now > span->start_mono_ns ? now - span->start_mono_ns : 0;
        append(t, core, slot);
    }
}
