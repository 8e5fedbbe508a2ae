/* SPDX-License-Identifier: MIT
 *
 * A span: one request, flat and free of pointers.
 *
 *   +------------------------- struct trc_span -------------------------+
 *   | ids, times, numbers | str[]: offset and length of each string | arena ... |
 *   +--------------------------------------------------------------------+
 *                           `size` bytes of it are in use and are copied
 *
 * Because it holds no pointer it can be copied with one memcpy, survive the process that wrote it
 * in shared memory, and be read by another one. Strings are cut to their limits when they are put
 * in; they are raw bytes as the client sent them (an encoder makes them UTF-8).
 */
#ifndef TRACING_SPAN_H
#define TRACING_SPAN_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_SPAN_ARENA 3840 /* bytes of all strings together: room for each at its longest */

/* Longest each string may be, in bytes; what is longer is cut and counted as truncated. */
#define TRC_SPAN_PATH_MAX 1024
#define TRC_SPAN_TEXT_MAX 256
#define TRC_SPAN_TOKEN_MAX 64
#define TRC_SPAN_STATE_MAX                                                                         \
    512 /* W3C Trace Context section 3.3.1.5: at least 512 are propagated                          \
         */

/* Attributes under names of the user's or the caller's, beside those that every span can have. */
#define TRC_SPAN_NAMED_MAX 8
#define TRC_SPAN_NAMED_BYTES 1024 /* of the arena, for all of them */

enum trc_span_str {
    TRC_STR_NAME,   /* operation name */
    TRC_STR_METHOD, /* as the client sent it */
    TRC_STR_URL,    /* scheme://host/path without query; SCHEME, HOST and PATH lie inside it */
    TRC_STR_SCHEME,
    TRC_STR_HOST,     /* with the port, if the client named one */
    TRC_STR_PATH,     /* as sent, still percent-encoded, without query */
    TRC_STR_PROTOCOL, /* HTTP/1.1 */
    TRC_STR_PEER,     /* address of the peer, textual, IPv4 or IPv6 */
    TRC_STR_USER_AGENT,
    TRC_STR_APP,      /* uWSGI mountpoint */
    TRC_STR_DEBUG_ID, /* value of jaeger-debug-id */
    TRC_STR_STATE,    /* tracestate, whole or not at all */
    TRC_STR_COUNT
};

/* How a request came to its end. */
enum trc_outcome {
    TRC_OUTCOME_ANSWERED = 0,  /* uWSGI finished it */
    TRC_OUTCOME_REFUSED = 1,   /* its head was too large or malformed: no application saw it */
    TRC_OUTCOME_ABANDONED = 2, /* uWSGI dropped it without telling, its core took the next one */
    TRC_OUTCOME_KILLED = 3,    /* its worker died or exited while it ran */
};

/* What a span stands for (OpenTelemetry trace/api.md, SpanKind). */
enum trc_span_kind {
    TRC_KIND_SERVER = 0,   /* a request */
    TRC_KIND_INTERNAL = 1, /* something within one */
};

/* What a request's worker died of. The number of a signal is one, too: 1 to 64 on Linux. */
enum trc_death {
    TRC_DEATH_UNKNOWN = 0,    /* nobody saw it */
    TRC_DEATH_EXIT = 128,     /* it exited: the application ended it, or it was told to end */
    TRC_DEATH_HARAKIRI = 129, /* a request took longer than uWSGI's harakiri allows */
};

enum trc_sampler_type {
    TRC_SAMPLER_NONE = 0, /* not a root: the caller decided */
    TRC_SAMPLER_CONST = 1,
    TRC_SAMPLER_PROBABILISTIC = 2,
    TRC_SAMPLER_RATELIMITING = 3,
    TRC_SAMPLER_LOWERBOUND = 4, /* probability said no, the rate each operation is promised yes */
    TRC_SAMPLER_REMOTE = 5,     /* a server says which: never in a span, which has the one above */
};

struct trc_str {
    uint16_t off, len; /* in the arena; len 0: absent */
};

struct trc_span {
    uint32_t size;      /* bytes in use: the fixed part and the used arena, a multiple of 8 */
    uint16_t arena_len; /* bytes of the arena in use */
    uint8_t flags;      /* TRC_FLAG_* of its context */
    uint8_t outcome;    /* enum trc_outcome */
    uint64_t trace_hi, trace_lo, span_id;
    uint64_t parent_id; /* 0 for a root */
    /* A link to what a caller claimed whose word we do not take (FOLLOWS_FROM in Jaeger's terms);
     * link_span_id 0: none. */
    uint64_t link_trace_hi, link_trace_lo, link_span_id;
    uint64_t start_unix_ns;
    uint64_t start_mono_ns; /* to measure the duration; means nothing after a reboot */
    uint64_t duration_ns;
    uint64_t request_bytes;  /* body, as announced */
    uint64_t response_bytes; /* body, as sent */
    double sampler_param;
    uint16_t worker;       /* 1... */
    uint16_t core;         /* 0... */
    uint16_t status;       /* HTTP status, 0: none was ever set */
    uint16_t peer_port;    /* 0: unknown */
    uint8_t sampler_type;  /* enum trc_sampler_type */
    uint8_t remote_parent; /* 1: parent_id came from a header */
    uint8_t error;         /* 1: status >= 500, or outcome KILLED or ABANDONED */
    uint8_t truncated;     /* 1: a string was cut */
    uint16_t named_bytes;  /* of the arena, for named[] */
    uint8_t named_count;   /* of named[] */
    uint8_t death;         /* KILLED: of what, enum trc_death or a signal */
    uint16_t kind;         /* enum trc_span_kind */
    struct trc_str str[TRC_STR_COUNT];
    struct trc_str named[TRC_SPAN_NAMED_MAX]; /* in the arena: a byte with the length of the name,
                                                 the name, the value */
    char arena[TRC_SPAN_ARENA];
};

#define TRC_SPAN_FIXED offsetof(struct trc_span, arena)

/* One of the span's strings; absent if it was never set. Lives as long as the span. Thread: any. */
static inline struct trc_slice trc_span_get(const struct trc_span *span, enum trc_span_str which) {
    struct trc_str s = span->str[which];
    return (struct trc_slice){s.len ? span->arena + s.off : NULL, s.len};
}

/* Makes *span an empty one: everything before the arena is zero. Thread: its owner. */
static inline void trc_span_clear(struct trc_span *span) {
    memset(span, 0, TRC_SPAN_FIXED);
    span->size = TRC_SPAN_FIXED;
}

/* Copies `value`, cut to `max` and to the room left, into the arena and names it `which`. A cut
 * sets span->truncated. Thread: its owner. */
static inline void trc_span_set(struct trc_span *span, enum trc_span_str which,
                                struct trc_slice value, size_t max) {
    size_t len = value.len, room = TRC_SPAN_ARENA - span->arena_len;
    if (max > room)
        max = room;
    if (__builtin_expect(len > max, 0)) {
        len = max;
        span->truncated = 1;
    }
    span->str[which] = (struct trc_str){span->arena_len, (uint16_t)len};
    if (len)
        memcpy(span->arena + span->arena_len, value.p, len);
    span->arena_len = (uint16_t)(span->arena_len + len);
}

/* Adds an attribute under a name of up to 255 bytes. One that has no room, or whose name is too
 * long or empty, is left out whole and sets span->truncated. Thread: its owner. */
void trc_span_add_named(struct trc_span *span, struct trc_slice name, struct trc_slice value);

/* Number `i` < span->named_count of them; lives as long as the span. Thread: any. */
static inline struct trc_tag trc_span_named(const struct trc_span *span, unsigned i) {
    const char *p = span->arena + span->named[i].off;
    size_t name_len = (unsigned char)*p;
    return (struct trc_tag){{p + 1, name_len},
                            {p + 1 + name_len, span->named[i].len - 1 - name_len}};
}

/* Sets span->size from what the arena holds: call before copying it. Thread: its owner. */
static inline void trc_span_seal(struct trc_span *span) {
    span->size = (uint32_t)((TRC_SPAN_FIXED + span->arena_len + 7u) & ~(size_t)7u);
}

/* Is `method` one of those that may name a span (OpenTelemetry http-spans.md: RFC 9110 section 9,
 * RFC 5789 and QUERY)? Anything else a client made up, and what clients make up has no bound.
 * Case-sensitive. Thread: any. */
bool trc_method_known(struct trc_slice method);

/* Is a span read back from shared memory one that can be used without harm: `len` bytes at *span
 * that agree with its own size, arena and string offsets? Thread: any. */
bool trc_span_check(const struct trc_span *span, size_t len);

#endif
