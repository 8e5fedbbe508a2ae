/* SPDX-License-Identifier: MIT
 *
 * A set of request variable names, built once at start, asked for each variable of each request.
 *
 * The request scanner walks a packet once and asks here whether anybody wants the variable: the
 * tracer (method, host...) and the propagation formats that are switched on. A miss, the usual
 * answer, costs one hash of length and three bytes.
 */
#ifndef TRACING_NAMES_H
#define TRACING_NAMES_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_NAMES_MAX 64 /* names in a set */
#define TRC_NAMES_BUCKETS 256

struct trc_names {
    struct trc_slice name[TRC_NAMES_MAX]; /* strings owned by whoever added them, for good */
    uint8_t next[TRC_NAMES_MAX];          /* chain in a bucket: index + 1, 0 ends it */
    uint8_t bucket[TRC_NAMES_BUCKETS];    /* index + 1, 0 for none */
    unsigned count;
};

static inline unsigned trc_names_hash(const char *p, size_t len) {
    /* The last and middle bytes differ most: nearly all names begin with HTTP_. */
    return (unsigned)(len * 7 + (uint8_t)p[len - 1] * 31 + (uint8_t)p[len / 2] * 3 +
                      (uint8_t)p[len - len / 4 - 1]) &
           (TRC_NAMES_BUCKETS - 1);
}

/* Adds `name` (not empty; kept by pointer, so it must live as long as the set) and returns its
 * index, counted from 0 in the order of adding; the index it has already if it is there; -ENOSPC if
 * the set is full. Thread: startup. */
int trc_names_add(struct trc_names *set, struct trc_slice name);

/* Index of the name of `len` bytes at `p`, or -1. Thread: any. */
static inline int trc_names_find(const struct trc_names *set, const char *p, size_t len) {
    if (__builtin_expect(len == 0, 0))
        return -1;
    for (unsigned i = set->bucket[trc_names_hash(p, len)]; i; i = set->next[i - 1])
        if (set->name[i - 1].len == len && memcmp(set->name[i - 1].p, p, len) == 0)
            return (int)i - 1;
    return -1;
}

#endif
