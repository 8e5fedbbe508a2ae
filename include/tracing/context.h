/* SPDX-License-Identifier: MIT
 *
 * Trace context: what one hop tells the next, whatever header format carried it, and baggage.
 *
 * Written by the formats in propagate/ on the way in, by the tracer for its own span, read by the
 * formats on the way out.
 */
#ifndef TRACING_CONTEXT_H
#define TRACING_CONTEXT_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_FLAG_SAMPLED 0x01u
#define TRC_FLAG_DEBUG 0x02u /* only together with SAMPLED */
/* The low 56 bits of the trace id are random (W3C Trace Context level 2, random-trace-id flag): as
 * the caller said, or because we made the id. */
#define TRC_FLAG_RANDOM 0x04u
/* Of an incoming context only: the caller left the decision to us (B3: no sampled header, X-Ray:
 * no Sampled field). */
#define TRC_FLAG_DEFERRED 0x08u

/* Ids are numbers here: the first 8 bytes of a 128-bit trace id, big-endian, are trace_hi. */
struct trc_context {
    uint64_t trace_hi;  /* 0 for a 64-bit trace id */
    uint64_t trace_lo;  /* trace_hi and trace_lo both 0: no trace; incoming, a decision alone
                           (B3: `0`), for the trace that begins here */
    uint64_t span_id;   /* incoming: the caller's span, or 0 for a trace without one (X-Ray: Root
                           alone); outgoing: ours */
    uint64_t parent_id; /* parent of span_id; 0 for a root */
    uint8_t flags;      /* TRC_FLAG_* */
};

#define TRC_BAGGAGE_ITEMS 64 /* items kept, as many as W3C baggage must carry */
/* Bytes of all keys and values together, as many as W3C baggage must carry; what is more is left
 * out and counted. */
#define TRC_BAGGAGE_BYTES 8192

/* Baggage: decoded key/value pairs, flat so that it can live in shared memory. Items are laid out
 * in `bytes` one after the other, key then value. */
struct trc_baggage {
    uint16_t count;
    uint16_t used;  /* of bytes */
    bool truncated; /* an item did not fit and was left out */
    struct {
        uint16_t key_len, value_len;
    } item[TRC_BAGGAGE_ITEMS];
    char bytes[TRC_BAGGAGE_BYTES];
};

/* Empties *b: touches its head only. Thread: any. */
static inline void trc_baggage_clear(struct trc_baggage *b) {
    b->count = 0;
    b->used = 0;
    b->truncated = false;
}

/* Adds or replaces nothing half: copies key and value in whole, or leaves *b as it was but for
 * `truncated` and returns -ENOSPC. A key that is there already keeps its first value; returns 0.
 * Thread: the core that owns *b. */
int trc_baggage_add(struct trc_baggage *b, struct trc_slice key, struct trc_slice value);

/* The same, but the key gets this value in place of one that it has; on failure *b is as it was,
 * `truncated` too. Neither slice points into *b. Thread: the core that owns *b. */
int trc_baggage_set(struct trc_baggage *b, struct trc_slice key, struct trc_slice value);

/* The value of `key`, absent if it is not there; lives as long as *b is unchanged. Thread: any. */
struct trc_slice trc_baggage_get(const struct trc_baggage *b, struct trc_slice key);

/* Item `i` < b->count, by its place: O(i). Thread: any. */
void trc_baggage_at(const struct trc_baggage *b, unsigned i, struct trc_slice *key,
                    struct trc_slice *value);

#endif
