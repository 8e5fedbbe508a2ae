/* SPDX-License-Identifier: MIT
 *
 * What a span says of its request from the beginning: copied out of the packet, which the
 * application may change and uWSGI reuses. Used by the tracer, when a request is recorded.
 */
#include "record.h"
#include "tracing/clock.h"
#include "tracing/decimal.h"
#include "tracing/fold.h"
#include "tracing/queue.h"

struct trc_span *trc_record_context(const struct trc_tracer *t, struct trc_slot *slot,
                                    unsigned core, struct trc_decision by) {
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
void trc_record_start(struct trc_slot *slot, struct trc_span *span, uint64_t start_unix_ns) {
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

/* ?query, behind the path. */
static void record_query(struct trc_span *span, struct trc_slice query, enum trc_query what) {
    if (query.len == 0 || what == TRC_QUERY_DROP)
        return;
    trc_span_set(span, TRC_STR_QUERY, TRC_SLICE("?"), 1);
    if (what == TRC_QUERY_KEEP) {
        trc_span_set(span, TRC_STR_QUERY, query, TRC_SPAN_PATH_MAX);
        return;
    }
    size_t room = TRC_SPAN_ARENA - span->arena_len;
    struct trc_buf b = trc_buf_over(span->arena + span->arena_len,
                                    room < TRC_SPAN_PATH_MAX ? room : TRC_SPAN_PATH_MAX);
    trc_query_scrub(query, &b);
    span->truncated |= b.overflow;
    span->str[TRC_STR_QUERY] = (struct trc_str){span->arena_len, (uint16_t)b.len};
    span->arena_len = (uint16_t)(span->arena_len + b.len);
}

/* scheme://host/path?query in one run of the arena, so that each part and the whole are slices of
 * it. */
static void record_url(struct trc_span *span, struct trc_slice scheme, struct trc_slice host,
                       struct trc_slice path, struct trc_slice query, enum trc_query what) {
    uint16_t start = span->arena_len;
    if (host.len) {
        trc_span_set(span, TRC_STR_SCHEME, scheme, TRC_SPAN_TOKEN_MAX);
        trc_span_set(span, TRC_STR_URL, TRC_SLICE("://"), 3);
        trc_span_set(span, TRC_STR_HOST, host, TRC_SPAN_TEXT_MAX);
    }
    trc_span_set(span, TRC_STR_PATH, path, TRC_SPAN_PATH_MAX);
    record_query(span, query, what);
    span->str[TRC_STR_URL] = (struct trc_str){start, (uint16_t)(span->arena_len - start)};
    if (!host.len)
        trc_span_set(span, TRC_STR_SCHEME, scheme, TRC_SPAN_TOKEN_MAX);
}

static struct trc_slice host_of(const struct trc_request *r) {
    struct trc_slice host = r->value[TRC_FIELD_HOST];
    return host.len ? host : r->value[TRC_FIELD_SERVER_NAME];
}

static struct trc_slice path_of(const struct trc_request *r) {
    return trc_request_path(r->value[TRC_FIELD_URI], r->value[TRC_FIELD_PATH_INFO]);
}

/* --- The name ------------------------------------------------------------------------------ */

bool trc_record_admits(const struct trc_tracer *t, struct trc_slice name) {
    return !t->operations || trc_operations_admit(t->operations, name);
}

/* In place of one name too many. */
static struct trc_slice any_of(struct trc_slice method, char *buf) {
    struct trc_buf name = trc_buf_over(buf, TRC_NAME_BYTES - 1);
    trc_buf_put_slice(&name, trc_method_known(method) ? method : TRC_SLICE("HTTP"));
    trc_buf_put(&name, " *", 2);
    return trc_buf_slice(&name);
}

/* Expands the template over `values` in buf[TRC_NAME_BYTES]; a route that nobody told is the path,
 * folded. */
static struct trc_slice expand(const struct trc_tracer *t, struct trc_template_values *values,
                               char *buf) {
    char folded[TRC_SPAN_TEXT_MAX];
    struct trc_buf name = trc_buf_over(buf, TRC_NAME_BYTES - 1);
    struct trc_slice *route = &values->field[TRC_TEMPLATE_ROUTE];
    if (!route->len && values->field[TRC_TEMPLATE_PATH].len &&
        t->operation.uses & 1u << TRC_TEMPLATE_ROUTE) {
        struct trc_buf b = trc_buf_over(folded, sizeof(folded));
        trc_fold_path(values->field[TRC_TEMPLATE_PATH], &b);
        *route = trc_buf_slice(&b);
    }
    trc_template_expand(&t->operation, values, &name);
    return trc_record_admits(t, trc_buf_slice(&name))
               ? trc_buf_slice(&name)
               : any_of(values->field[TRC_TEMPLATE_METHOD], buf);
}

struct trc_slice trc_record_operation(const struct trc_tracer *t, const struct trc_request *request,
                                      char *buf) {
    struct trc_template_values values = {
        .field = {
            [TRC_TEMPLATE_METHOD] = request->value[TRC_FIELD_METHOD],
            [TRC_TEMPLATE_PATH] = path_of(request),
            [TRC_TEMPLATE_HOST] = host_of(request),
        }};
    for (unsigned i = 0; i < t->operation.variable_count; i++)
        values.variable[i] = request->value[t->operation_variable[i]];
    return expand(t, &values, buf);
}

void trc_record_name(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span) {
    struct trc_template_values values = {
        .field = {
            [TRC_TEMPLATE_METHOD] = trc_span_get(span, TRC_STR_METHOD),
            [TRC_TEMPLATE_ROUTE] = trc_span_get(span, TRC_STR_ROUTE),
            [TRC_TEMPLATE_PATH] = trc_span_get(span, TRC_STR_PATH),
            [TRC_TEMPLATE_HOST] = trc_span_get(span, TRC_STR_HOST),
            [TRC_TEMPLATE_APP] = trc_span_get(span, TRC_STR_APP),
        }};
    char buf[TRC_NAME_BYTES];
    for (unsigned i = 0; i < t->operation.variable_count; i++)
        values.variable[i] = (struct trc_slice){slot->variable[i].text, slot->variable[i].len};
    trc_span_set(span, TRC_STR_NAME, expand(t, &values, buf), TRC_SPAN_TEXT_MAX);
}

/* What the packet will not tell any more when the name is made again. */
static void keep_variables(const struct trc_tracer *t, struct trc_slot *slot,
                           const struct trc_request *r) {
    for (unsigned i = 0; i < t->operation.variable_count; i++) {
        struct trc_slice value =
            r ? r->value[t->operation_variable[i]] : (struct trc_slice){NULL, 0};
        slot->variable[i].len =
            (uint8_t)(value.len < TRC_SLOT_VARIABLE_BYTES ? value.len : TRC_SLOT_VARIABLE_BYTES);
        if (value.len)
            memcpy(slot->variable[i].text, value.p, slot->variable[i].len);
    }
}

void trc_record_header(struct trc_span *span, struct trc_slice tag, struct trc_slice value) {
    if (!value.p)
        return;
    value = trc_slice_trim(value);
    if (value.len > TRC_SPAN_TEXT_MAX) {
        value.len = TRC_SPAN_TEXT_MAX;
        span->truncated = 1;
    }
    (void)trc_span_add_tag(span, TRC_EXTRA_HEADER, tag, value);
}

/* --- All of it ----------------------------------------------------------------------------- */

void trc_record_target(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                       struct trc_slice method, struct trc_slice target) {
    const struct trc_slice none = {NULL, 0};
    trc_span_set(span, TRC_STR_METHOD, method, TRC_SPAN_TOKEN_MAX);
    record_url(span, TRC_SLICE("http"), none, trc_request_path(target, none), none, TRC_QUERY_DROP);
    keep_variables(t, slot, NULL);
    trc_record_name(t, slot, span);
}

static void record_client(const struct trc_tracer *t, struct trc_span *span,
                          const struct trc_request *r) {
    struct trc_slice value[TRC_CLIENT_HEADERS_MAX];
    for (unsigned i = 0; i < t->client.count; i++)
        value[i] = r->value[t->client_variable[i]];
    trc_span_set(span, TRC_STR_CLIENT,
                 trc_client_address(&t->client, value, r->value[TRC_FIELD_PEER], &t->trust),
                 TRC_SPAN_TOKEN_MAX);
}

void trc_record_request(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                        const struct trc_request *r) {
    trc_span_set(span, TRC_STR_METHOD, r->value[TRC_FIELD_METHOD], TRC_SPAN_TOKEN_MAX);
    record_url(span, is_https(r) ? TRC_SLICE("https") : TRC_SLICE("http"), host_of(r), path_of(r),
               r->value[TRC_FIELD_QUERY], t->query);
    trc_span_set(span, TRC_STR_PROTOCOL, r->value[TRC_FIELD_PROTOCOL], TRC_SPAN_TOKEN_MAX);
    trc_span_set(span, TRC_STR_PEER, r->value[TRC_FIELD_PEER], TRC_SPAN_TOKEN_MAX);
    trc_span_set(span, TRC_STR_USER_AGENT, r->value[TRC_FIELD_USER_AGENT], TRC_SPAN_TEXT_MAX);
    span->peer_port = trc_decimal_port(r->value[TRC_FIELD_PEER_PORT]);
    if (__builtin_expect(t->client.count, 0))
        record_client(t, span, r);
    for (unsigned i = 0; i < t->capture_count; i++)
        trc_record_header(span, t->capture[i].tag, r->value[t->capture_variable[i]]);
    keep_variables(t, slot, r);
    trc_record_name(t, slot, span);
}

void trc_record_queue(struct trc_span *span, const struct trc_request *r) {
    struct trc_slice value = r->value[TRC_FIELD_REQUEST_START];
    uint64_t start_ns;
    if (!value.p)
        value = r->value[TRC_FIELD_QUEUE_START];
    if (__builtin_expect(value.p != NULL, 0) && trc_queue_start(value, &start_ns) == 0)
        span->queue_ns = trc_queue_ns(start_ns, r->start_unix_ns);
}

/* What the span says because of the caller's context. */
void trc_record_claim(const struct trc_tracer *t, struct trc_slot *slot, struct trc_span *span,
                      const struct trc_claim *claim) {
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
