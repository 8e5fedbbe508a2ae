/* SPDX-License-Identifier: MIT
 *
 * Thrift's two protocols, the few parts that change from span to span, written at a pointer.
 * Private to the encoders. Sources: thrift/doc/specs/thrift-compact-protocol.md,
 * thrift-binary-protocol.md.
 *
 * No function checks for room, and some write up to TRC_THRIFT_SLACK bytes beyond what they return:
 * the caller has room for the worst case and looks at the end once. `compact` is a constant at
 * every call, so that each protocol gets code of its own without a branch.
 */
#ifndef TRACING_ENCODE_THRIFT_PUT_H
#define TRACING_ENCODE_THRIFT_PUT_H

#include "tracing/utf8.h"
#include <endian.h>

#define TRC_THRIFT_SLACK 16
#define TRC_THRIFT_VARINT32_MAX 5
#define TRC_THRIFT_VARINT64_MAX 10

#define TRC_THRIFT_INLINE static inline __attribute__((always_inline))

/* Types: compact protocol in the high byte, binary protocol in the low one. */
enum trc_thrift_type {
    TRC_THRIFT_DOUBLE = 0x0704,
    TRC_THRIFT_I16 = 0x0406,
    TRC_THRIFT_I32 = 0x0508,
    TRC_THRIFT_I64 = 0x060a,
    TRC_THRIFT_STRING = 0x080b,
    TRC_THRIFT_STRUCT = 0x0c0c,
    TRC_THRIFT_LIST = 0x090f,
};

TRC_THRIFT_INLINE char *trc_thrift_put_be32(char *at, uint32_t v) {
    v = htobe32(v);
    memcpy(at, &v, 4);
    return at + 4;
}

TRC_THRIFT_INLINE char *trc_thrift_put_be64(char *at, uint64_t v) {
    v = htobe64(v);
    memcpy(at, &v, 8);
    return at + 8;
}

/* The seven-bit groups of v < 2^56, one in each byte. The upper half of the groups moves up by four
 * bits, then of each half by two, then by one: x + m * (2^n - 1) moves the part m of x by n bits.
 */
TRC_THRIFT_INLINE uint64_t trc_thrift_spread(uint64_t x) {
    x += (x & UINT64_C(0x00fffffff0000000)) * 15;
    x += (x & UINT64_C(0x0fffc0000fffc000)) * 3;
    x += x & UINT64_C(0x3f803f803f803f80);
    return x;
}

/* ULEB128. By bytes while they are few; an id takes nine or ten, so those go all at once. */
TRC_THRIFT_INLINE char *trc_thrift_put_varint(char *at, uint64_t v) {
    if (v < UINT64_C(1) << 21) {
        for (; v >= 0x80; v >>= 7)
            *at++ = (char)(v | 0x80);
        *at = (char)v;
        return at + 1;
    }
    const uint64_t more = UINT64_C(0x8080808080808080);
    const unsigned top_bit = 63 ^ (unsigned)__builtin_clzll(v);
    if (top_bit < 56) {
        const unsigned len = (top_bit * 9 + 73) / 64; /* top_bit / 7 + 1, for all there are */
        const uint64_t x = htole64(trc_thrift_spread(v) | more >> (72 - 8 * len));
        memcpy(at, &x, 8);
        return at + len;
    }
    const uint64_t x = htole64(trc_thrift_spread(v & UINT64_C(0x00ffffffffffffff)) | more);
    memcpy(at, &x, 8);
    const unsigned top = (unsigned)(v >> 56);
    at[8] = (char)top; /* its bit 7 is bit 63 of v, and just then another byte follows */
    at[9] = 1;
    return at + 9 + (top >> 7);
}

TRC_THRIFT_INLINE char *trc_thrift_put_i64(char *at, int64_t v, const bool compact) {
    if (compact)
        return trc_thrift_put_varint(at, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); /* zigzag */
    return trc_thrift_put_be64(at, (uint64_t)v);
}

TRC_THRIFT_INLINE char *trc_thrift_put_i32(char *at, int32_t v, const bool compact) {
    if (compact) /* zigzag of the same number in 64 bits is the same */
        return trc_thrift_put_i64(at, v, true);
    return trc_thrift_put_be32(at, (uint32_t)v);
}

/* Little-endian in the compact protocol: not what its specification meant at first, but what all
 * implementations do and it now says. */
TRC_THRIFT_INLINE char *trc_thrift_put_double(char *at, double d, const bool compact) {
    uint64_t v;
    memcpy(&v, &d, 8);
    v = compact ? htole64(v) : htobe64(v);
    memcpy(at, &v, 8);
    return at + 8;
}

/* Length of a string. */
TRC_THRIFT_INLINE char *trc_thrift_put_len(char *at, size_t len, const bool compact) {
    return compact ? trc_thrift_put_varint(at, len) : trc_thrift_put_be32(at, (uint32_t)len);
}

/* A short string's bytes: a call of memcpy costs more than most of them. Reads nothing beyond it.
 */
TRC_THRIFT_INLINE char *trc_thrift_put_bytes(char *at, const char *p, size_t len) {
    if (len >= 8 && len <= 16) {
        uint64_t first, last;
        memcpy(&first, p, 8);
        memcpy(&last, p + len - 8, 8);
        memcpy(at, &first, 8);
        memcpy(at + len - 8, &last, 8);
    } else if (len >= 4 && len < 8) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + len - 4, 4);
        memcpy(at, &first, 4);
        memcpy(at + len - 4, &last, 4);
    } else if (len > 0) {
        memcpy(at, p, len);
    }
    return at + len;
}

/* A string that need not be UTF-8, made so. Takes at most 5 + 3 * len bytes. */
char *trc_thrift_put_unclean(char *at, struct trc_slice s, bool compact);

/* A string; `plain`: it is known to be ASCII. */
TRC_THRIFT_INLINE char *trc_thrift_put_string(char *at, struct trc_slice s, bool plain,
                                              const bool compact) {
    if (__builtin_expect(!plain, 0) && !trc_utf8_valid(s))
        return trc_thrift_put_unclean(at, s, compact);
    at = trc_thrift_put_len(at, s.len, compact);
    return trc_thrift_put_bytes(at, s.p, s.len);
}

/* The header of field `id`, `delta` above the one before it in its struct (0 at first). */
TRC_THRIFT_INLINE char *trc_thrift_put_field(char *at, enum trc_thrift_type type, unsigned id,
                                             unsigned delta, const bool compact) {
    if (compact) {
        *at = (char)(delta << 4 | type >> 8);
        return at + 1;
    }
    at[0] = (char)(type & 0xff);
    at[1] = 0;
    at[2] = (char)id;
    return at + 3;
}

/* The header of a list of structs. */
TRC_THRIFT_INLINE char *trc_thrift_put_list(char *at, unsigned count, const bool compact) {
    if (!compact) {
        *at = TRC_THRIFT_STRUCT & 0xff;
        return trc_thrift_put_be32(at + 1, count);
    }
    if (count <= 14) {
        *at = (char)(count << 4 | TRC_THRIFT_STRUCT >> 8);
        return at + 1;
    }
    *at = (char)(0xf0 | TRC_THRIFT_STRUCT >> 8);
    return trc_thrift_put_varint(at + 1, count);
}

#endif
