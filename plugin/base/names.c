/* SPDX-License-Identifier: MIT
 *
 * Building a set of names: looking for a factor that gives each one a bucket of its own. Asking the
 * set is inline, in the header.
 */
#include "tracing/names.h"
#include <errno.h>

/* What the hash is made of. */
static bool has_hash_of(struct trc_slice a, struct trc_slice b) {
    return a.len == b.len && memcmp(a.p + a.len - 4, b.p + b.len - 4, 4) == 0;
}

/* Puts every name into its bucket, or fails when two want the same that no factor can part. */
static bool place(struct trc_names *set) {
    memset(set->bucket, 0, sizeof(set->bucket));
    for (unsigned i = 0; i < set->count; i++) {
        uint8_t *bucket = &set->bucket[trc_names_hash(set, set->name[i].p, set->name[i].len)];
        if (*bucket && !has_hash_of(set->name[i], set->name[*bucket - 1]))
            return false;
        set->next[i] = *bucket;
        *bucket = (uint8_t)(i + 1);
    }
    return true;
}

int trc_names_add(struct trc_names *set, struct trc_slice name) {
    if (name.len < TRC_NAMES_LEN_MIN)
        return -EINVAL;
    int there = trc_names_find(set, name.p, name.len);
    if (there >= 0)
        return there;
    if (set->count == TRC_NAMES_MAX)
        return -ENOSPC;
    const struct trc_names before = *set;
    set->name[set->count++] = name;
    /* 64 names in 1,024 buckets: about one factor in eight will do. */
    for (unsigned tries = 0; tries < 100000; tries++) {
        set->factor = set->factor * UINT32_C(2654435769) + UINT32_C(0x9e3779b1);
        set->factor |= 1;
        if (place(set))
            return (int)set->count - 1;
    }
    *set = before;
    return -ENOSPC;
}
