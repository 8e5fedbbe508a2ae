/* SPDX-License-Identifier: MIT
 *
 * A bounded set of names. See tracing/operations.h.
 *
 * Open addressing, at most half full, and nothing is ever taken out: so whoever looks for a name
 * passes all the slots that whoever added it had passed, and a name has one slot.
 */
#include "tracing/operations.h"
#include "hash.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define SLOTS 2048u

_Static_assert(SLOTS >= 2 * TRC_OPERATION_NAMES_MAX, "there is always an empty slot, and near");

struct trc_operations {
    uint64_t key;
    _Alignas(64) _Atomic uint32_t taken;       /* places */
    _Alignas(64) _Atomic uint64_t slot[SLOTS]; /* hashes; 0: empty */
};

/* Relaxed, all of it: a hash tells of nothing but itself. */
static bool take_place(struct trc_operations *set) {
    uint32_t taken = atomic_load_explicit(&set->taken, memory_order_relaxed);
    do {
        if (taken >= TRC_OPERATION_NAMES_MAX)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&set->taken, &taken, taken + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* False: it is another's by now, whose hash is in *there. */
static bool claim(struct trc_operations *set, _Atomic uint64_t *slot, uint64_t *there,
                  uint64_t hash) {
    *there = 0;
    if (atomic_compare_exchange_strong_explicit(slot, there, hash, memory_order_relaxed,
                                                memory_order_relaxed))
        return true;
    atomic_fetch_sub_explicit(&set->taken, 1, memory_order_relaxed);
    return false;
}

bool trc_operations_admit(struct trc_operations *set, struct trc_slice name) {
    const uint64_t hash = trc_hash_of(set->key, name);
    for (uint64_t i = hash;; i++) {
        _Atomic uint64_t *slot = &set->slot[i % SLOTS];
        uint64_t there = atomic_load_explicit(slot, memory_order_relaxed);
        if (there == 0) {
            if (!take_place(set))
                return false;
            if (claim(set, slot, &there, hash))
                return true;
        }
        if (there == hash)
            return true;
    }
}

unsigned trc_operations_count(const struct trc_operations *set) {
    return atomic_load_explicit(&set->taken, memory_order_relaxed);
}

int trc_operations_new(struct trc_operations **out) {
    struct trc_operations *set =
        mmap(NULL, sizeof(*set), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (set == MAP_FAILED)
        return -errno;
    int rc = trc_random_bytes(&set->key, sizeof(set->key));
    if (rc) {
        trc_operations_free(set);
        return rc;
    }
    *out = set;
    return 0;
}

void trc_operations_free(struct trc_operations *set) {
    if (set)
        munmap(set, sizeof(*set));
}
