/* SPDX-License-Identifier: MIT
 *
 * The generator of trace and span ids: xoshiro256** (Blackman and Vigna, public domain), one per
 * core, seeded by getrandom after the fork. Not for secrets.
 *
 * One generator serves one thread at a time and is never shared or copied: two copies would make
 * the same ids. A worker reseeds all of its own after each fork.
 */
#ifndef TRACING_RANDOM_H
#define TRACING_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct trc_random {
    uint64_t s[4];
};

/* Seeds *r from the kernel. Returns 0, or a negative errno when getrandom fails, with *r untouched.
 * Thread: startup, one thread. */
int trc_random_seed(struct trc_random *r);

/* Fills `len` bytes at `out` from the kernel. Returns 0 or a negative errno. Thread: any but
 * request. */
int trc_random_bytes(void *out, size_t len);

static inline uint64_t trc_rotl64(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

/* splitmix64's finaliser: every bit of the argument changes half of the result's. Thread: any. */
static inline uint64_t trc_mix64(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The next 64 random bits. Thread: the core that owns *r. */
static inline uint64_t trc_random_next(struct trc_random *r) {
    const uint64_t result = trc_rotl64(r->s[1] * 5, 7) * 9;
    const uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = trc_rotl64(r->s[3], 45);
    return result;
}

/* The same, never 0: 0 means "no id" in every format. Thread: the core that owns *r. */
static inline uint64_t trc_random_id(struct trc_random *r) {
    uint64_t id;
    do {
        id = trc_random_next(r);
    } while (__builtin_expect(id == 0, 0));
    return id;
}

#endif
