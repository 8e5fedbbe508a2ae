/* SPDX-License-Identifier: MIT
 *
 * Hexadecimal numbers, for the header formats and the JSON encoders.
 *
 * Not strtoull: it takes a sign, "0x" and white space, which no header format allows.
 */
#include "tracing/hex.h"
#include <endian.h>
#include <errno.h>

int trc_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Eight digits at once, the first in the highest byte of x. Returns false when one is not a digit.
 * A letter has bit 6 set; its value is its low nibble and 9, a digit's is its low nibble. */
static inline __attribute__((always_inline)) bool parse8(const char *p, uint64_t *out) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x;
    memcpy(&x, p, 8);
    x = be64toh(x);
    const uint64_t letter = x >> 6 & ones;
    uint64_t v = (x & 15 * ones) + letter * 9;
    /* Back to characters, upper case: whatever was no digit does not come back as itself. */
    const uint64_t again = v + '0' * ones + letter * ('A' - '0' - 10);
    const uint64_t ten_or_more = (v + 6 * ones) >> 4 & ones;
    if (again != (x & ~(letter << 5)) || ten_or_more != letter || v & 16 * ones)
        return false;
    v = (v | v >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v >> 8) & UINT64_C(0x0000ffff0000ffff);
    *out = (v | v >> 16) & UINT64_C(0xffffffff);
    return true;
}

int trc_hex_u64(struct trc_slice s, uint64_t *out) {
    char padded[16] = "0000000000000000";
    uint64_t high, low;
    const char *p = s.p;
    if (s.len != 16) {
        if (s.len < 1 || s.len > 16)
            return -EINVAL;
        for (size_t i = 0; i < s.len; i++)
            padded[16 - s.len + i] = s.p[i];
        p = padded;
    }
    if (!parse8(p, &high) || !parse8(p + 8, &low))
        return -EINVAL;
    *out = high << 32 | low;
    return 0;
}

/* The digits of 32 bits, one in each byte of the result, first digit in the lowest: all eight at
 * once, since ids are printed two or three times a span. */
static uint64_t digits8(uint32_t v) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = __builtin_bswap32(v); /* the first digit's byte is the lowest */

    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x >> 4 | x << 8) & UINT64_C(0x0f0f0f0f0f0f0f0f); /* one nibble a byte, high one first */
    /* 1 in each byte that holds 10 or more: 'a' is 39 further than '9' + 1 */
    const uint64_t letter = (x + 6 * ones) >> 4 & ones;
    return x + '0' * ones + letter * ('a' - '0' - 10);
}

void trc_hex_put16(char *out, uint64_t v) {
    for (int half = 0; half < 2; half++) {
        uint64_t digits = digits8((uint32_t)(v >> (half ? 0 : 32)));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        digits = __builtin_bswap64(digits);
#endif
        memcpy(out + 8 * half, &digits, 8);
    }
}
