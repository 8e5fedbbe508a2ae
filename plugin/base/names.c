/* SPDX-License-Identifier: MIT
 *
 * Building a set of names. Asking it is inline, in the header.
 */
#include "tracing/names.h"
#include <errno.h>

int trc_names_add(struct trc_names *set, struct trc_slice name) {
    int there = trc_names_find(set, name.p, name.len);
    if (there >= 0)
        return there;
    if (set->count == TRC_NAMES_MAX)
        return -ENOSPC;
    unsigned i = set->count++, bucket = trc_names_hash(name.p, name.len);
    set->name[i] = name;
    set->next[i] = set->bucket[bucket];
    set->bucket[bucket] = (uint8_t)(i + 1);
    return (int)i;
}
