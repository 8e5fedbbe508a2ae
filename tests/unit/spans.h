/* SPDX-License-Identifier: MIT
 *
 * Spans for tests: one that a usual request makes, and random ones of every kind there can be.
 */
#ifndef TRACING_TESTS_SPANS_H
#define TRACING_TESTS_SPANS_H

#include "tracing/attributes.h"
#include "tracing/clock.h"
#include "tracing/context.h"
#include "tracing/random.h"
#include "tracing/span.h"
#include <string.h>

/* Names a part of a string that is in the arena already, as the tracer does with the URL's parts.
 */
static inline void spans_part(struct trc_span *span, enum trc_span_str which,
                              enum trc_span_str whole, size_t off, size_t len) {
    span->str[which] = (struct trc_str){(uint16_t)(span->str[whole].off + off), (uint16_t)len};
}

static inline void spans_set(struct trc_span *span, enum trc_span_str which, const char *value) {
    trc_span_set(span, which, trc_slice_of(value), TRC_SPAN_ARENA);
}

/* scheme://host/path into URL, and its parts. */
static inline void spans_set_url(struct trc_span *span, const char *scheme, const char *host,
                                 const char *path) {
    char url[1500];
    const size_t s = strlen(scheme), h = strlen(host), p = strlen(path);

    memcpy(url, scheme, s);
    memcpy(url + s, "://", 3);
    memcpy(url + s + 3, host, h);
    memcpy(url + s + 3 + h, path, p);
    trc_span_set(span, TRC_STR_URL, (struct trc_slice){url, s + 3 + h + p}, TRC_SPAN_ARENA);
    spans_part(span, TRC_STR_SCHEME, TRC_STR_URL, 0, s);
    spans_part(span, TRC_STR_HOST, TRC_STR_URL, s + 3, h);
    spans_part(span, TRC_STR_PATH, TRC_STR_URL, s + 3 + h, p);
}

/* A sampled root span of GET http://shop.example.com:8080/users/42/orders. 12 attributes under the
 * opentracing names, 17 under the http names. */
static inline void spans_usual(struct trc_span *span) {
    trc_span_clear(span);
    span->flags = TRC_FLAG_SAMPLED;
    span->trace_lo = UINT64_C(0x5af7183fb1d4cf5f);
    span->span_id = UINT64_C(0xff00000000000001);
    span->start_unix_ns = UINT64_C(1556604172355737123);
    span->duration_ns = 1431999;
    span->response_bytes = 5120;
    span->sampler_type = TRC_SAMPLER_PROBABILISTIC;
    span->sampler_param = 0.1;
    span->worker = 3;
    span->core = 1;
    span->status = 200;
    span->peer_port = 51234;
    spans_set(span, TRC_STR_NAME, "GET /users/{id}/orders");
    spans_set(span, TRC_STR_METHOD, "GET");
    spans_set_url(span, "http", "shop.example.com:8080", "/users/42/orders");
    spans_set(span, TRC_STR_PROTOCOL, "HTTP/1.1");
    spans_set(span, TRC_STR_PEER, "192.0.2.17");
    spans_set(span, TRC_STR_USER_AGENT,
              "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0");
    spans_set(span, TRC_STR_APP, "/shop");
    trc_span_seal(span);
}

/* A number of any size: as often one of 8 bits as one of 64. */
static inline uint64_t spans_random_number(struct trc_random *r) {
    const uint64_t bits = trc_random_next(r) % 65;
    const uint64_t v = trc_random_next(r);
    return bits == 0 ? 0 : v >> (64 - bits);
}

/* Bytes of one of several kinds: ASCII, ASCII with what JSON escapes, UTF-8, any bytes. But no NUL,
 * at which the decoders of the tests would end a string. */
static inline void spans_random_text(struct trc_random *r, char *out, size_t len) {
    static const char utf8[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\x9f\xbf"; /* cut at will */
    const unsigned kind = (unsigned)(trc_random_next(r) % 4);

    for (size_t i = 0; i < len; i++) {
        const uint64_t v = trc_random_next(r);
        if (kind == 0)
            out[i] = (char)(' ' + v % 95);
        else if (kind == 1)
            out[i] = (char)(1 + v % 127);
        else if (kind == 2)
            out[i] = utf8[i % (sizeof(utf8) - 1)];
        else
            out[i] = (char)(1 + v % 255);
    }
}

static inline void spans_random_set(struct trc_random *r, struct trc_span *span,
                                    enum trc_span_str which, size_t max) {
    char text[TRC_SPAN_ARENA];
    size_t len = trc_random_next(r) % 8 == 0 ? max : trc_random_next(r) % 40;

    if (trc_random_next(r) % 4 == 0)
        return;
    if (len > max)
        len = max;
    spans_random_text(r, text, len);
    trc_span_set(span, which, (struct trc_slice){text, len}, max);
}

/* Any span trc_span_check lets through, and no two alike. */
static inline void spans_random(struct trc_random *r, struct trc_span *span) {
    static const char *const methods[] = {"GET", "POST", "OPTIONS", "get", "BREW"};
    static const char *const peers[] = {"127.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"};
    static const char *const hosts[] = {"a.example", "a.example:80", "[::1]:8080", "::1", ""};

    trc_span_clear(span);
    span->flags = (uint8_t)(trc_random_next(r) % 4);
    span->outcome = (uint8_t)(trc_random_next(r) % 4);
    span->trace_hi = spans_random_number(r);
    span->trace_lo = spans_random_number(r);
    span->span_id = spans_random_number(r);
    span->parent_id = spans_random_number(r);
    span->start_unix_ns = spans_random_number(r);
    span->duration_ns = spans_random_number(r) >> 8;
    span->request_bytes = spans_random_number(r) >> 1;
    span->response_bytes = spans_random_number(r) >> 1;
    span->queue_ns = trc_random_next(r) % 2 ? spans_random_number(r) : 0;
    span->sampler_type = (uint8_t)(trc_random_next(r) % (TRC_SAMPLER_KEEP + 1));
    span->sampler_param =
        (double)(trc_random_next(r) >> 11) * 0x1p-53 * (double)(1 << trc_random_next(r) % 8);
    span->worker = (uint16_t)spans_random_number(r);
    span->core = (uint16_t)spans_random_number(r);
    span->status = (uint16_t)(trc_random_next(r) % 4 ? trc_random_next(r) % 700 : 0);
    span->peer_port = (uint16_t)spans_random_number(r);
    span->remote_parent = (uint8_t)(trc_random_next(r) % 2);
    span->error = (uint8_t)(trc_random_next(r) % 2);
    span->kind = trc_random_next(r) % 4 ? TRC_KIND_SERVER : TRC_KIND_INTERNAL;
    spans_random_set(r, span, TRC_STR_NAME, TRC_SPAN_TEXT_MAX);
    if (trc_random_next(r) % 2) {
        spans_set(span, TRC_STR_METHOD, methods[trc_random_next(r) % 5]);
        spans_set_url(span, "https", hosts[trc_random_next(r) % 5], "/a/b");
        spans_set(span, TRC_STR_PEER, peers[trc_random_next(r) % 3]);
        spans_set(span, TRC_STR_PROTOCOL, "HTTP/2.0");
    } else {
        spans_random_set(r, span, TRC_STR_METHOD, TRC_SPAN_TOKEN_MAX);
        spans_random_set(r, span, TRC_STR_URL, TRC_SPAN_PATH_MAX);
        spans_random_set(r, span, TRC_STR_HOST, TRC_SPAN_TEXT_MAX);
        spans_random_set(r, span, TRC_STR_PATH, TRC_SPAN_PATH_MAX);
        spans_random_set(r, span, TRC_STR_PEER, TRC_SPAN_TOKEN_MAX);
    }
    spans_random_set(r, span, TRC_STR_USER_AGENT, TRC_SPAN_TEXT_MAX);
    spans_random_set(r, span, TRC_STR_APP, TRC_SPAN_TEXT_MAX);
    spans_random_set(r, span, TRC_STR_DEBUG_ID, TRC_SPAN_TOKEN_MAX);
    spans_random_set(r, span, TRC_STR_QUERY, TRC_SPAN_TEXT_MAX);
    spans_random_set(r, span, TRC_STR_ROUTE, TRC_SPAN_TEXT_MAX);
    spans_random_set(r, span, TRC_STR_EXCEPTION, TRC_SPAN_EXCEPTION_TYPE_MAX);
    if (trc_random_next(r) % 2)
        spans_set(span, TRC_STR_CLIENT, peers[trc_random_next(r) % 3]);
    trc_span_seal(span);
}

/* The head of a tag or an event in the arena: see plugin/model/span.c. */
struct spans_head {
    uint16_t next, len, used;
    uint8_t kind, name_len;
};

/* The bytes of an event that are not text. */
#define SPANS_EVENT_FIXED (sizeof(uint64_t) + 2 * sizeof(uint16_t))

/* Makes the `len` bytes at `at` an event of the kind, whose texts are what they are but for the
 * first of them. */
static inline void spans_fill_event(char *at, size_t len, enum trc_extra_kind kind,
                                    uint64_t after_ns) {
    const size_t third = (len - SPANS_EVENT_FIXED) / 3;
    const uint16_t lens[2] = {(uint16_t)third, (uint16_t)third};

    memcpy(at, &after_ns, sizeof(after_ns));
    if (kind == TRC_EXTRA_EXCEPTION)
        memcpy(at + sizeof(after_ns), lens, sizeof(lens));
}

/* Puts as many tags and events as there may be over all of the arena from `off` on, each tag with
 * `name_max` bytes of what it has as its name. */
static inline void spans_fill_with_extras(struct trc_span *span, size_t off, size_t name_max) {
    const unsigned count = TRC_SPAN_TAGS_MAX + TRC_SPAN_EVENTS_MAX;
    const size_t share = (span->arena_len - off) / count;

    if (share <= sizeof(struct spans_head) + SPANS_EVENT_FIXED)
        return;
    span->extra_first = (uint16_t)(off + 1);
    for (unsigned i = 0; i < count; i++, off += share) {
        const bool last = i + 1 == count, event = i % 3 == 2;
        const size_t len = (last ? span->arena_len - off : share) - sizeof(struct spans_head);
        const size_t name_len = len < name_max ? len : name_max;
        const struct spans_head head = {
            .next = last ? 0 : (uint16_t)(off + share + 1),
            .len = (uint16_t)len,
            .used = (uint16_t)len,
            .kind = event   ? (i % 2 ? TRC_EXTRA_LOG : TRC_EXTRA_EXCEPTION)
                    : i % 2 ? TRC_EXTRA_TAG
                            : TRC_EXTRA_HEADER,
            .name_len = (uint8_t)(event                  ? 0
                                  : name_len < UINT8_MAX ? name_len
                                                         : UINT8_MAX),
        };
        char *const at = span->arena + off;
        memcpy(at, &head, sizeof(head));
        if (event)
            spans_fill_event(at + sizeof(head), len, head.kind, i * UINT64_C(1000003));
        else
            at[sizeof(head)] = (char)('0' + i); /* no two names alike */
        span->extra_last = (uint16_t)(off + 1);
    }
    span->tag_count = TRC_SPAN_TAGS_MAX;
    span->event_count = TRC_SPAN_EVENTS_MAX;
}

/* The largest span trc_span_check lets through: half of the arena, whose bytes are
 * text[TRC_SPAN_ARENA], is every string, and half of it tags and events. (More would have their
 * heads, and so zeros, in strings, which Thrift's C types end there.) */
static inline void spans_largest(struct trc_span *span, const char *text) {
    trc_span_clear(span);
    span->trace_hi = span->trace_lo = span->span_id = span->parent_id = UINT64_MAX;
    span->link_trace_hi = span->link_trace_lo = span->link_span_id = UINT64_MAX;
    span->start_unix_ns = UINT64_MAX / 2;
    span->duration_ns = UINT64_MAX / 2;
    span->request_bytes = span->response_bytes = INT64_MAX;
    span->queue_ns = UINT64_MAX;
    span->flags = TRC_FLAG_SAMPLED;
    span->outcome = TRC_OUTCOME_KILLED;
    span->worker = span->core = span->status = span->peer_port = UINT16_MAX;
    span->sampler_type = TRC_SAMPLER_RATELIMITING;
    span->sampler_param = -1.0 / 3e-300;
    span->remote_parent = span->error = 1;
    memcpy(span->arena, text, TRC_SPAN_ARENA);
    span->arena_len = TRC_SPAN_ARENA;
    for (int i = 0; i < TRC_STR_COUNT; i++)
        span->str[i] = (struct trc_str){0, TRC_SPAN_ARENA / 2};
    spans_fill_with_extras(span, TRC_SPAN_ARENA / 2, UINT16_MAX);
    trc_span_seal(span);
}

/* A text of up to `max` bytes in out[max]: of any length, or none. */
static inline struct trc_slice spans_random_slice(struct trc_random *r, char *out, size_t max) {
    const size_t len = trc_random_next(r) % 3 ? trc_random_next(r) % (max + 1) : 0;

    spans_random_text(r, out, len);
    return (struct trc_slice){out, len};
}

/* Adds events of each kind to any span, as many as have room. */
static inline void spans_random_events(struct trc_random *r, struct trc_span *span) {
    char text[TRC_SPAN_LOG_MAX], message[100], stack[TRC_SPAN_EXCEPTION_STACK_MAX];

    if (trc_random_next(r) % 4 == 0)
        span->event_count++; /* as a process leaves it that dies while it adds one */
    if (trc_random_next(r) % 2)
        return;
    for (uint64_t i = trc_random_next(r) % (TRC_SPAN_EVENTS_MAX + 1); i > 0; i--) {
        const size_t max = trc_random_next(r) % 4 ? 60 : sizeof(text);
        const uint64_t after_ns = spans_random_number(r) >> 1;
        if (trc_random_next(r) % 2)
            trc_span_add_log(span, after_ns, spans_random_slice(r, text, max));
        else
            trc_span_add_exception(span, after_ns, spans_random_slice(r, text, 40),
                                   spans_random_slice(r, message, sizeof(message)),
                                   spans_random_slice(r, stack, 2 * max));
    }
}

/* Adds what a caller's context and the application bring to any span: a link, a tracestate,
 * attributes under names of their own (no two alike, and no name that other attributes have),
 * events. */
static inline void spans_random_claims(struct trc_random *r, struct trc_span *span) {
    char name[TRC_SPAN_TOKEN_MAX], value[TRC_SPAN_TEXT_MAX];

    if (trc_random_next(r) % 2)
        span->flags |= TRC_FLAG_RANDOM;
    if (trc_random_next(r) % 2) {
        span->link_trace_hi = spans_random_number(r);
        span->link_trace_lo = spans_random_number(r);
        span->link_span_id = spans_random_number(r);
    }
    spans_random_set(r, span, TRC_STR_STATE, TRC_SPAN_STATE_MAX);
    spans_random_events(r, span);
    for (uint64_t i = trc_random_next(r) % (TRC_SPAN_TAGS_MAX + 1); i > 0; i--) {
        const size_t name_len = 1 + trc_random_next(r) % sizeof(name);
        const size_t value_len = trc_random_next(r) % sizeof(value);
        spans_random_text(r, name, name_len);
        spans_random_text(r, value, value_len);
        name[0] = (char)('0' + i);
        trc_span_add_tag(span, i % 2 ? TRC_EXTRA_TAG : TRC_EXTRA_HEADER,
                         (struct trc_slice){name, name_len}, (struct trc_slice){value, value_len});
    }
    trc_span_seal(span);
}

/* Lets the strings, tags and events of any span lie anywhere in their parts of its arena, as
 * trc_span_check lets them: what is read back from shared memory need not be what was written. */
static inline void spans_scramble(struct trc_random *r, struct trc_span *span) {
    const size_t all = span->arena_len, end = all - trc_random_next(r) % (all + 1);

    for (size_t i = 0; i < all; i++) /* no heads of tags in strings: see spans_largest */
        span->arena[i] = span->arena[i] ? span->arena[i] : '0';
    for (int i = 0; i < TRC_STR_COUNT; i++) {
        const size_t off = trc_random_next(r) % (end + 1);
        const size_t len = trc_random_next(r) % (end - off + 1);
        span->str[i] = (struct trc_str){(uint16_t)off, (uint16_t)len};
    }
    span->extra_first = span->extra_last = 0;
    span->tag_count = span->event_count = 0;
    spans_fill_with_extras(span, end, 1 + trc_random_next(r) % 8);
}

/* What OTLP says of a span as attributes, in list[TRC_ATTR_MAX]: all but what Span has a field for.
 */
static inline unsigned spans_otlp_attributes(const struct trc_span *span, enum trc_semconv semconv,
                                             struct trc_attribute *list) {
    const unsigned count = trc_attributes(span, semconv, list);
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        const char *name =
            list[i].key == TRC_ATTR_NAMED ? "" : trc_attribute_keys[list[i].key].name.p;
        if (strcmp(name, "span.kind") != 0 && strcmp(name, "error") != 0)
            list[kept++] = list[i];
    }
    return kept;
}

#endif
