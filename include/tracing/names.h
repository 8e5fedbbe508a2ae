/* SPDX-License-Identifier: MIT
 *
 * A set of request variable names, built once at start, asked for each variable of each request.
 *
 * The request scanner walks a packet once and asks here whether anybody wants the variable: the
 * tracer (method, host...) and the propagation formats that are switched on. A miss, the usual
 * answer, costs one multiplication and one look into a table: the factor is chosen when a name is
 * added so that no two names of the set share a bucket, but for those whose length and last four
 * bytes are the same (REMOTE_ADDR and SERVER_ADDR), which are a chain.
 */
#ifndef TRACING_NAMES_H
#define TRACING_NAMES_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_NAMES_MAX 64    /* names in a set */
#define TRC_NAMES_LEN_MIN 4 /* the hash reads that many bytes at once */
#define TRC_NAMES_BUCKETS 1024

struct trc_names {
    struct trc_slice name[TRC_NAMES_MAX]; /* strings owned by whoever added them, for good */
    uint8_t bucket[TRC_NAMES_BUCKETS];    /* index + 1, 0 for none */
    uint8_t next[TRC_NAMES_MAX];          /* index + 1 of another with the same hash, 0 for none */
    uint32_t factor;
    unsigned count;
};

static inline unsigned trc_names_hash(const struct trc_names *set, const char *p, size_t len) {
    uint32_t tail; /* names differ most at their end: nearly all begin with HTTP_ */
    memcpy(&tail, p + len - 4, 4);
    return (tail ^ (uint32_t)len) * set->factor >> 22;
}

/* Adds `name` (at least TRC_NAMES_LEN_MIN bytes; kept by pointer, so it must live as long as the
 * set) to a set that was zeroed at first. Returns its index, counted from 0 in the order of adding;
 * the index it has already if it is there; -ENOSPC if the set is full or -EINVAL if the name is too
 * short, the set unchanged. Thread: startup. */
int trc_names_add(struct trc_names *set, struct trc_slice name);

/* The same bytes? Both are of `len` >= TRC_NAMES_LEN_MIN bytes. Thread: any. */
static inline bool trc_names_same(const char *a, const char *b, size_t len) {
    uint64_t x, y, u, v;
    if (len < 8)
        return memcmp(a, b, len) == 0;
    memcpy(&x, a, 8); /* the first and the last eight, which may overlap */
    memcpy(&y, b, 8);
    memcpy(&u, a + len - 8, 8);
    memcpy(&v, b + len - 8, 8);
    return x == y && u == v && (len <= 16 || memcmp(a + 8, b + 8, len - 16) == 0);
}

/* Index of the name of `len` bytes at `p`, or -1. Thread: any. */
static inline int trc_names_find(const struct trc_names *set, const char *p, size_t len) {
    if (__builtin_expect(len < TRC_NAMES_LEN_MIN, 0))
        return -1;
    int i = set->bucket[trc_names_hash(set, p, len)] - 1;
    while (i >= 0 && (set->name[i].len != len || !trc_names_same(set->name[i].p, p, len)))
        i = set->next[i] - 1;
    return i;
}

#endif
