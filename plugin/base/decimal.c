/* SPDX-License-Identifier: MIT
 *
 * Decimal numbers, for the header formats that have them (gcp, eagleeye).
 *
 * Not strtoull: it takes a sign and white space, which no header format allows, and needs a NUL.
 */
#include "tracing/decimal.h"
#include <errno.h>

int trc_decimal_u64(struct trc_slice s, uint64_t *out) {
    uint64_t v = 0;
    if (s.len < 1 || s.len > 20)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return -EINVAL;
    }
    *out = v;
    return 0;
}

uint16_t trc_decimal_port(struct trc_slice s) {
    uint64_t port;
    return s.len <= 5 && trc_decimal_u64(s, &port) == 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}
