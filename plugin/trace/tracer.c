/* SPDX-License-Identifier: MIT
 *
 * Begin and end of a request's span: the request path, from top to bottom.
 *
 * An unsampled request leaves early: its context is passed on, nothing of it is copied and no clock
 * is read (but for a rate limiter).
 */
#include "tracing/tracer.h"
#include "tracing/clock.h"
#include "tracing/decimal.h"
#include "tracing/hex.h"
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
    return rc;
}

int trc_tracer_seed(struct trc_tracer *t) {
    int rc = 0;
    for (unsigned core = 0; rc == 0 && core < trc_journal_config(t->journal)->cores; core++)
        rc = trc_random_seed(&trc_journal_slot(t->journal, t->worker, core)->random);
    return rc;
}

/* --- Begin --------------------------------------------------------------------------------- */

static inline void count(_Atomic uint64_t *counter) {
    /* One writer, many readers: a plain add is enough, and half the price of a locked one. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static struct trc_carrier carrier_of(const struct trc_active_format *active,
                                     const struct trc_request *request) {
    return (struct trc_carrier){
        .value = request->value + active->base,
        .repeated = request->repeated >> active->base,
        .prefixed = request->prefixed,
        .prefixed_count = active->format->prefix ? request->prefixed_count : 0,
        .prefixed_more = active->format->prefix && request->prefixed_more,
    };
}

/* What the caller says. */
struct claim {
    struct trc_extracted ex;
    const struct trc_format *from; /* whose ex.context is valid; NULL: none */
    bool distrusted;               /* it says something, and is not to be believed */
};

/* The first format with a valid context wins; baggage is read from all. */
static void extract(struct trc_tracer *t, struct trc_slot *slot, const struct trc_request *request,
                    struct claim *claim) {
    for (unsigned i = 0; i < t->extract_count; i++) {
        const struct trc_format *format = t->extract[i].format;
        if (!(request->present & t->extract[i].headers) &&
            !(format->prefix && request->prefixed_count))
            continue; /* the usual case: most callers speak one of them */
        struct trc_carrier carrier = carrier_of(&t->extract[i], request);
        int rc = -ENOENT;
        if (format->extract && !claim->from)
            rc = format->extract(&carrier, &claim->ex);
        else if (format->complete)
            format->complete(&carrier, &claim->ex);
        if (rc == 0)
            claim->from = format;
        if (rc == -EINVAL)
            count(&slot->counters.context_errors);
        else if (format->baggage)
            format->baggage(&carrier, &slot->baggage);
    }
}

/* A caller who is not trusted begins nothing but a link. */
static void distrust(struct trc_slot *slot, struct claim *claim) {
    claim->distrusted = claim->from != NULL;
    claim->from = NULL;
    claim->ex.debug_id = claim->ex.state = (struct trc_slice){NULL, 0};
    claim->ex.original = (struct trc_tag){{NULL, 0}, {NULL, 0}};
    trc_baggage_clear(&slot->baggage);
}

static struct trc_decision sample(struct trc_tracer *t, struct trc_context *c,
                                  struct trc_slice method) {
    struct trc_decision by = {t->sampler.type, t->sampler.param};
    bool sampled;
    if (by.type == TRC_SAMPLER_REMOTE) {
        /* The name that the span is going to have, as far as it is known by now. */
        struct trc_slice operation = trc_method_known(method) ? method : TRC_SLICE("HTTP");
        sampled = trc_strategies_decide(t->strategies, c->trace_lo, operation,
                                        trc_clock_coarse_ns(), &by);
    } else {
        uint64_t now = by.type == TRC_SAMPLER_RATELIMITING ? trc_clock_coarse_ns() : 0;
        sampled =
            trc_sampler_sample(&t->sampler, c->trace_lo, trc_journal_limiter(t->journal), now);
    }
    if (sampled)
        c->flags |= TRC_FLAG_SAMPLED;
    return by;
}

/* Makes slot->context that of our own span. */
static struct trc_decision decide(struct trc_tracer *t, struct trc_slot *slot,
                                  const struct claim *claim, struct trc_slice method) {
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
    return deferred ? sample(t, c, method) : nobody;
}

static struct trc_span *record_context(struct trc_tracer *t, struct trc_slot *slot, unsigned core,
                                       struct trc_decision by) {
    struct trc_span *span = trc_slot_fresh(slot);
    trc_span_clear(span);
    span->flags = slot->context.flags;
    span->trace_hi = slot->context.trace_hi;
    span->trace_lo = slot->context.trace_lo;
    span->span_id = slot->context.span_id;
    span->parent_id = slot->context.parent_id;
    span->remote_parent = span->parent_id != 0;
    span->worker = (uint16_t)(t->worker + 1);
    span->core = (uint16_t)core;
    span->sampler_type = (uint8_t)by.type;
    span->sampler_param = by.param;
    return span;
}

/* The server took the request up a little before we were called, by the wall clock: the monotonic
 * start is that much earlier. A wall clock that stepped since, forwards, makes it too much; one
 * that stepped back, less than nothing, which is huge. Then what the clocks said of each other at
 * this core's last request tells how long ago it was. */
static void record_start(struct trc_slot *slot, struct trc_span *span, uint64_t start_unix_ns) {
    uint64_t now = trc_clock_unix_ns(), mono = trc_clock_mono_ns();
    uint64_t ago = now - start_unix_ns, by_last = mono + slot->wall_ahead_ns - start_unix_ns;
    if (by_last < ago)
        ago = by_last;
    if (ago > 60 * TRC_NS_PER_S || ago > mono)
        ago = 0;
    slot->wall_ahead_ns = now - mono;
    span->start_unix_ns = start_unix_ns;
    span->start_mono_ns = mono - ago;
}

static bool is_https(const struct trc_request *r) {
    struct trc_slice s = r->value[TRC_FIELD_FORWARDED_PROTO];
    if (!s.p)
        s = r->value[TRC_FIELD_SCHEME];
    if (s.p)
        return s.len == 5 && memcmp(s.p, "https", 5) == 0;
    s = r->value[TRC_FIELD_HTTPS]; /* CGI convention: "on" or "1" */
    return s.len && !trc_slice_equal(s, TRC_SLICE("off")) && !trc_slice_equal(s, TRC_SLICE("0"));
}

/* The target's path: never the query, which may hold secrets, and of an absolute target (RFC 9112
 * section 3.2.2) neither the authority, which may hold a password. */
static struct trc_slice path_of(struct trc_slice target, struct trc_slice path_info) {
    if (target.len == 0 || target.p[0] != '/')
        return path_info.len ? path_info : target.len == 1 ? target : (struct trc_slice){NULL, 0};
    const char *end = memchr(target.p, '?', target.len);
    if (end)
        target.len = (size_t)(end - target.p);
    return target;
}

/* scheme://host/path in one run of the arena, so that each part and the whole are slices of it. */
static void record_url(struct trc_span *span, struct trc_slice scheme, struct trc_slice host,
                       struct trc_slice path) {
    uint16_t start = span->arena_len;
    if (host.len) {
        trc_span_set(span, TRC_STR_SCHEME, scheme, TRC_SPAN_TOKEN_MAX);
        trc_span_set(span, TRC_STR_URL, TRC_SLICE("://"), 3);
        trc_span_set(span, TRC_STR_HOST, host, TRC_SPAN_TEXT_MAX);
    }
    trc_span_set(span, TRC_STR_PATH, path, TRC_SPAN_PATH_MAX);
    span->str[TRC_STR_URL] = (struct trc_str){start, (uint16_t)(span->arena_len - start)};
    if (!host.len)
        trc_span_set(span, TRC_STR_SCHEME, scheme, TRC_SPAN_TOKEN_MAX);
}

static void record_method(struct trc_span *span, struct trc_slice method) {
    trc_span_set(span, TRC_STR_METHOD, method, TRC_SPAN_TOKEN_MAX);
    if (trc_method_known(method))
        span->str[TRC_STR_NAME] = span->str[TRC_STR_METHOD];
}

static void record_request(struct trc_span *span, const struct trc_request *r) {
    record_method(span, r->value[TRC_FIELD_METHOD]);
    struct trc_slice host = r->value[TRC_FIELD_HOST];
    if (host.len == 0)
        host = r->value[TRC_FIELD_SERVER_NAME];
    record_url(span, is_https(r) ? TRC_SLICE("https") : TRC_SLICE("http"), host,
               path_of(r->value[TRC_FIELD_URI], r->value[TRC_FIELD_PATH_INFO]));
    trc_span_set(span, TRC_STR_PROTOCOL, r->value[TRC_FIELD_PROTOCOL], TRC_SPAN_TOKEN_MAX);
    trc_span_set(span, TRC_STR_PEER, r->value[TRC_FIELD_PEER], TRC_SPAN_TOKEN_MAX);
    trc_span_set(span, TRC_STR_USER_AGENT, r->value[TRC_FIELD_USER_AGENT], TRC_SPAN_TEXT_MAX);
    span->peer_port = trc_decimal_port(r->value[TRC_FIELD_PEER_PORT]);
}

/* What the span says because of the caller's context. */
static void record_claim(struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                         const struct claim *claim) {
    const struct trc_context *c = &claim->ex.context;
    if (claim->distrusted && c->span_id && (c->trace_hi | c->trace_lo)) {
        span->link_trace_hi = c->trace_hi;
        span->link_trace_lo = c->trace_lo;
        span->link_span_id = c->span_id;
    }
    if (claim->ex.debug_id.p && !claim->from)
        trc_span_set(span, TRC_STR_DEBUG_ID, claim->ex.debug_id, TRC_SPAN_TEXT_MAX);
    if (claim->ex.state.len > TRC_SPAN_STATE_MAX)
        span->truncated = 1; /* a part of it would be another state */
    else if (claim->ex.state.p)
        trc_span_set(span, TRC_STR_STATE, claim->ex.state, TRC_SPAN_STATE_MAX);
    if (claim->ex.original.key.p)
        (void)trc_span_add_tag(span, TRC_EXTRA_TAG, claim->ex.original.key,
                               claim->ex.original.value);
    for (unsigned i = 0; slot->baggage.count && i < t->baggage_tag_count; i++) {
        struct trc_slice value = trc_baggage_get(&slot->baggage, t->baggage_tags[i]);
        if (value.p)
            (void)trc_span_add_tag(span, TRC_EXTRA_TAG, t->baggage_tags[i], value);
    }
    if (slot->baggage.truncated)
        span->truncated = 1;
}

static void inject(struct trc_tracer *t, struct trc_slot *slot, const struct trc_request *request,
                   const struct trc_format *from, struct trc_injection *out) {
    const struct trc_outgoing what = {&slot->context, &slot->baggage, from};
    out->or_none = !from;
    for (unsigned i = 0; i < t->inject_count; i++) {
        const struct trc_active_format *active = &t->inject[i];
        struct trc_carrier carrier = carrier_of(active, request);
        if (active->format->inject)
            active->format->inject(&what, &carrier, active->base, out);
    }
    out->or_none = false;
    for (unsigned i = 0; slot->baggage.count && i < t->inject_count; i++) {
        const struct trc_active_format *active = &t->inject[i];
        struct trc_carrier carrier = carrier_of(active, request);
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
    struct claim claim = {0};
    close_stale(t, slot, core);
    count(&slot->counters.started);
    trc_baggage_clear(&slot->baggage);
    extract(t, slot, request, &claim);
    if (__builtin_expect(!trc_trust_peer(&t->trust, request->value[TRC_FIELD_PEER]), 0))
        distrust(slot, &claim);
    struct trc_decision by = decide(t, slot, &claim, request->value[TRC_FIELD_METHOD]);
    slot->has_context = 1;
    if (slot->context.flags & TRC_FLAG_SAMPLED) {
        struct trc_span *span = record_context(t, slot, core, by);
        record_start(slot, span, request->start_unix_ns);
        record_request(span, request);
        record_claim(t, slot, span, &claim);
        trc_slot_open(slot);
    } else {
        count(&slot->counters.unsampled);
    }
    trc_injection_clear(injection);
    inject(t, slot, request, claim.from, injection);
}

void trc_tracer_not_injected(struct trc_tracer *t, unsigned core) {
    count(&trc_journal_slot(t->journal, t->worker, core)->counters.not_injected);
}

/* --- End ----------------------------------------------------------------------------------- */

static void append(struct trc_tracer *t, struct trc_slot *slot) {
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
    span->error = result->status >= 500;
    span->request_bytes = result->request_bytes;
    span->response_bytes = result->response_bytes;
    if (result->app.len)
        trc_span_set(span, TRC_STR_APP, result->app, TRC_SPAN_TEXT_MAX);
    append(t, slot);
}

void trc_tracer_refuse(struct trc_tracer *t, unsigned core, struct trc_slice method,
                       struct trc_slice target, uint64_t start_unix_ns) {
    struct trc_slot *slot = trc_journal_slot(t->journal, t->worker, core);
    static const struct claim nothing;
    close_stale(t, slot, core);
    count(&slot->counters.started);
    trc_baggage_clear(&slot->baggage);
    struct trc_decision by = decide(t, slot, &nothing, method);
    if (!(slot->context.flags & TRC_FLAG_SAMPLED)) {
        count(&slot->counters.unsampled);
        return;
    }
    struct trc_span *span = record_context(t, slot, core, by);
    record_start(slot, span, start_unix_ns);
    record_method(span, method);
    record_url(span, TRC_SLICE("http"), (struct trc_slice){NULL, 0},
               path_of(target, (struct trc_slice){NULL, 0}));
    trc_slot_open(slot);
    if (trc_slot_claim(slot)) {
        uint64_t now = trc_clock_mono_ns();
        span->outcome = TRC_OUTCOME_REFUSED;
        span->duration_ns = now > span->start_mono_ns ? now - span->start_mono_ns : 0;
        append(t, slot);
    }
}
