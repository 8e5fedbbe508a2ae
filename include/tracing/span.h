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

/* Bytes of all strings, tags and events together: room for each at its longest. */
#define TRC_SPAN_ARENA 10752

/* Longest each string may be, in bytes; what is longer is cut and counted as truncated. */
#define TRC_SPAN_PATH_MAX 1024
#define TRC_SPAN_TEXT_MAX 256
#define TRC_SPAN_TOKEN_MAX 64
#define TRC_SPAN_STATE_MAX                                                                         \
    512 /* W3C Trace Context section 3.3.1.5: at least 512 are propagated                          \
         */

/* What is added to a span under a name of the user's or the caller's, or with a time of its own. */
#define TRC_SPAN_TAGS_MAX 32
#define TRC_SPAN_TAG_BYTES 2048 /* of the arena, for all of them, each with its head */
#define TRC_SPAN_EVENTS_MAX 16
#define TRC_SPAN_EVENT_BYTES 4096 /* likewise */

/* Longest parts of an exception; of its stack what has room. */
#define TRC_SPAN_EXCEPTION_TYPE_MAX 128
#define TRC_SPAN_EXCEPTION_MESSAGE_MAX 512
#define TRC_SPAN_EXCEPTION_STACK_MAX 2048
#define TRC_SPAN_LOG_MAX 1024

enum trc_span_str {
    TRC_STR_NAME,   /* operation name */
    TRC_STR_METHOD, /* as the client sent it */
    TRC_STR_URL,    /* scheme://host/path, and ?query if that is told; the parts lie inside it */
    TRC_STR_SCHEME,
    TRC_STR_HOST,     /* with the port, if the client named one */
    TRC_STR_PATH,     /* as sent, still percent-encoded, without query */
    TRC_STR_QUERY,    /* as sent, but for what is secret; without the question mark */
    TRC_STR_PROTOCOL, /* HTTP/1.1 */
    TRC_STR_PEER,     /* address of the peer, textual, IPv4 or IPv6 */
    TRC_STR_USER_AGENT,
    TRC_STR_APP,       /* uWSGI mountpoint */
    TRC_STR_DEBUG_ID,  /* value of jaeger-debug-id */
    TRC_STR_STATE,     /* tracestate, whole or not at all */
    TRC_STR_CLIENT,    /* address of the client, where proxies that are trusted tell of another one
                          than the peer's */
    TRC_STR_ROUTE,     /* what the path matched, as the application or a route says: /users/{id} */
    TRC_STR_EXCEPTION, /* type of the exception that left the application */
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
    TRC_SAMPLER_KEEP = 6,       /* refused, and kept for how it ended (tracing-keep) */
};

/* What makes a span be kept whose request the sampler refused: bits. */
enum trc_keep {
    TRC_KEEP_PENDING = 1, /* it was refused: at its end it is kept for one of these, or let go */
    TRC_KEEP_ERRORS = 2,
    TRC_KEEP_SLOW = 4,
};

/* Kinds of what is added to a span: tags, which have a name and a value, and events, which have a
 * time. */
enum trc_extra_kind {
    TRC_EXTRA_TAG = 1,
    TRC_EXTRA_HEADER = 2,    /* a tag that is an array of strings where the wire has arrays */
    TRC_EXTRA_LOG = 3,       /* a text of the application's */
    TRC_EXTRA_EXCEPTION = 4, /* one that left the application */
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
    uint64_t queue_ns;       /* it had waited for, before start_unix_ns, in front of the server; 0:
                                not known */
    uint64_t keep_slow_ns;   /* KEEP_SLOW: kept when it took that long */
    uint64_t request_bytes;  /* body, as announced */
    uint64_t response_bytes; /* body, as sent */
    double sampler_param;
    uint16_t worker;       /* 1... */
    uint16_t core;         /* 0... */
    uint16_t status;       /* HTTP status, 0: none was ever set */
    uint16_t peer_port;    /* 0: unknown */
    uint8_t sampler_type;  /* enum trc_sampler_type */
    uint8_t remote_parent; /* 1: parent_id came from a header */
    uint8_t error;         /* 1: status >= 500, outcome KILLED or ABANDONED, or an exception */
    uint8_t truncated;     /* 1: a string was cut, or something had no room */
    uint8_t death;         /* KILLED: of what, enum trc_death or a signal */
    uint8_t kind;          /* enum trc_span_kind */
    uint8_t keep;          /* enum trc_keep, bits */
    uint8_t tag_count, event_count;
    uint16_t tag_bytes, event_bytes;  /* of the arena */
    uint16_t extra_first, extra_last; /* offset + 1 in the arena of tags and events, which are a
                                         chain; 0: none */
    struct trc_str str[TRC_STR_COUNT];
    _Alignas(8) char arena[TRC_SPAN_ARENA];
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

/* What has been written so far is there for who looks at the memory of a process that was killed at
 * any instruction. */
static inline void trc_span_barrier(void) {
    __asm__ volatile("" ::: "memory");
}

/* Copies `value`, cut to `max` and to the room left, into the arena and names it `which`. A cut
 * sets span->truncated. A process that dies in here leaves the string it had, or this one. Thread:
 * its owner. */
static inline void trc_span_set(struct trc_span *span, enum trc_span_str which,
                                struct trc_slice value, size_t max) {
    size_t len = value.len, off = span->arena_len, room = TRC_SPAN_ARENA - off;
    if (max > room)
        max = room;
    if (__builtin_expect(len > max, 0)) {
        len = max;
        span->truncated = 1;
    }
    if (len)
        memcpy(span->arena + off, value.p, len);
    span->arena_len = (uint16_t)(off + len);
    trc_span_barrier();
    span->str[which] = (struct trc_str){(uint16_t)off, (uint16_t)len};
}

/* --- Tags and events ----------------------------------------------------------------------- */

/* One of them, as it is read: slices of the span. */
struct trc_extra {
    enum trc_extra_kind kind;
    struct trc_slice name;                 /* of a tag */
    struct trc_slice value;                /* of a tag; text of a log */
    uint64_t after_ns;                     /* of an event: since the start of the span */
    struct trc_slice type, message, stack; /* of an exception */
    uint16_t at;                           /* where it is: for trc_span_extra */
};

/* Adds a tag, TAG or HEADER, under a name of 1 to 255 bytes; one of that name that is there already
 * is replaced by it, in its place. One that has no room, or no such name, is left out whole and
 * sets span->truncated. A process that dies in here leaves the chain whole. Returns whether it is
 * in. Thread: its owner. */
bool trc_span_add_tag(struct trc_span *span, enum trc_extra_kind kind, struct trc_slice name,
                      struct trc_slice value);

/* Adds an event, `after_ns` after the start of the span. Each part is cut to its limit, a stack at
 * its beginning, where the outermost frames are; what has no room is left out, with span->truncated
 * set. Returns and dies as above. Thread: its owner. */
bool trc_span_add_log(struct trc_span *span, uint64_t after_ns, struct trc_slice text);
bool trc_span_add_exception(struct trc_span *span, uint64_t after_ns, struct trc_slice type,
                            struct trc_slice message, struct trc_slice stack);

/* Makes *extra the first of them (extra->at 0 before) or the one behind *extra, in the order they
 * were added; false when there is none. Of a span that trc_span_check accepts. Thread: any. */
bool trc_span_extra(const struct trc_span *span, struct trc_extra *extra);

/* --- All of it ----------------------------------------------------------------------------- */

/* Is the span, which has come to its end, one to let go: refused, and no reason to keep it? One
 * that is kept says so from here on. Thread: its owner. */
bool trc_span_let_go(struct trc_span *span);

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
