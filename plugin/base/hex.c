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

/* Sixteen digits at once, in GCC's vectors, which any CPU with 16-byte registers has instructions
 * for: a request reads four such numbers and writes four. */
typedef int8_t digits __attribute__((vector_size(16)));
typedef uint16_t pairs __attribute__((vector_size(16)));
typedef uint64_t wide __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(8)));

/* A letter has bit 6 set; its value is its low nibble and 9, a digit's is its low nibble. */
static bool parse16(const char *p, uint64_t *out) {
    digits x;
    uint64_t number;
    memcpy(&x, p, 16);
    const digits letter = (x & 0x40) != 0; /* -1 or 0, as all comparisons of vectors */
    const digits v = (x & 0x0f) + (letter & 9);
    /* Back to characters, upper case: what was no digit does not come back as itself, or has a
     * value that is not of its kind. */
    const digits again = v + '0' + (letter & ('A' - '0' - 10));
    const digits bad = (again ^ (x & ~(letter & 0x20))) | ((v > 9) ^ letter) | (v & 0x10);
    const wide wrong = (wide)bad;
    if (wrong[0] | wrong[1])
        return false;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const pairs pair = ((pairs)v << 4 | (pairs)v >> 8) & 0xff;
#else
    const pairs pair = ((pairs)v >> 4 | (pairs)v) & 0xff;
#endif
    const bytes packed = __builtin_convertvector(pair, bytes);
    memcpy(&number, &packed, 8);
    *out = be64toh(number);
    return true;
}

/* Apart from the usual width, which needs no array on the stack and so no guard behind it. */
static __attribute__((noinline)) int parse_short(struct trc_slice s, uint64_t *out) {
    char padded[16] = "0000000000000000";
    if (s.len < 1 || s.len > 16)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++)
        padded[16 - s.len + i] = s.p[i];
    return parse16(padded, out) ? 0 : -EINVAL;
}

int trc_hex_u64(struct trc_slice s, uint64_t *out) {
    if (s.len == 16)
        return parse16(s.p, out) ? 0 : -EINVAL;
    return parse_short(s, out);
}

int trc_hex_id(const char *p, uint64_t *out) {
    digits x;
    memcpy(&x, p, 16);
    const wide upper = (wide)((x & 0x60) == 0x40); /* where the letters of the upper case are */
    return !(upper[0] | upper[1]) && parse16(p, out) ? 0 : -EINVAL;
}

void trc_hex_put16(char *out, uint64_t v) {
    bytes packed;
    v = htobe64(v);
    memcpy(&packed, &v, 8);
    const pairs byte = __builtin_convertvector(packed, pairs);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const digits nibble = (digits)(byte >> 4 | (byte & 15) << 8);
#else
    const digits nibble = (digits)((byte & 0xf0) << 4 | (byte & 15));
#endif
    const digits text = nibble + '0' + ((nibble > 9) & ('a' - '0' - 10));
    memcpy(out, &text, 16);
}
