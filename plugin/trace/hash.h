/* SPDX-License-Identifier: MIT
 *
 * A hash of a name, for the tables of strategies.c and operations.c, which know names by it alone.
 *
 * It has 64 bits and a random key, so that nobody can make up names that meet.
 */
#ifndef TRACING_TRACE_HASH_H
#define TRACING_TRACE_HASH_H

#include "tracing/random.h"
#include "tracing/slice.h"

/* Never 0, which is an empty slot. */
static inline uint64_t trc_hash_of(uint64_t key, struct trc_slice name) {
    uint64_t hash = key ^ name.len, word;
    for (; name.len >= sizeof(word); name.p += sizeof(word), name.len -= sizeof(word)) {
        memcpy(&word, name.p, sizeof(word));
        hash = trc_mix64(hash ^ word);
    }
    word = 0;
    if (name.len)
        memcpy(&word, name.p, name.len);
    hash = trc_mix64(hash ^ word);
    return hash ? hash : 1;
}

#endif
