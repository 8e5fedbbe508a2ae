/* SPDX-License-Identifier: MIT
 *
 * Seeding of the id generators. getrandom, not /dev/urandom: no file to open, none to run out of.
 */
#include "tracing/random.h"
#include <errno.h>
#include <sys/random.h>

int trc_random_bytes(void *out, size_t len) {
    char *at = out;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int trc_random_seed(struct trc_random *r) {
    struct trc_random seed;
    do {
        int rc = trc_random_bytes(&seed, sizeof(seed));
        if (rc)
            return rc;
        /* The all-zero state is the one xoshiro never leaves. */
    } while ((seed.s[0] | seed.s[1] | seed.s[2] | seed.s[3]) == 0);
    *r = seed;
    return 0;
}
