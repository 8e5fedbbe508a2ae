/* SPDX-License-Identifier: MIT
 *
 * Is a text one that needs no look at each of its strings? Private to the encoders.
 *
 * An encoder asks this once for a span's whole arena, and not for each string in it: "all ASCII"
 * and "nothing to escape" hold for every part of a text that has them (well-formed UTF-8 does not:
 * a part may begin inside a character), and nearly every request is like that.
 */
#ifndef TRACING_ENCODE_PLAIN_H
#define TRACING_ENCODE_PLAIN_H

#include "tracing/slice.h"
#include <stdint.h>

/* Sixteen bytes at a time with what the compiler has for the machine (SSE2, NEON). Signed: a byte
 * beyond ASCII is less than any other. */
typedef int8_t trc_bytes16 __attribute__((vector_size(16)));

static inline bool trc_plain_any(trc_bytes16 v) {
    uint64_t half[2];
    memcpy(half, &v, sizeof(half));
    return (half[0] | half[1]) != 0;
}

/* Bytes that are not ASCII (high bit set), or for JSON also those that need an escape: RFC 8259
 * section 7 names the quotation mark, the reverse solidus and U+0000 to U+001F. Not 0 where so. */
static inline trc_bytes16 trc_plain_not(trc_bytes16 v, const bool json) {
    return json ? (v < 0x20) | (v == '"') | (v == '\\') : v & -128;
}

static inline trc_bytes16 trc_plain_look(const char *p, const bool json) {
    trc_bytes16 v;
    memcpy(&v, p, sizeof(v));
    return trc_plain_not(v, json);
}

static inline __attribute__((always_inline)) bool trc_plain(const char *p, size_t len,
                                                            const bool json) {
    const char *const end = p + len;
    trc_bytes16 found = {0};

    if (len < 16) {
        char text[16] = "                "; /* no byte behind the text is read */
        for (size_t i = 0; i < len; i++)
            text[i] = p[i];
        return !trc_plain_any(trc_plain_look(text, json));
    }
    for (; end - p >= 32; p += 32)
        found |= trc_plain_look(p, json) | trc_plain_look(p + 16, json);
    if (end - p >= 16)
        found |= trc_plain_look(p, json);
    found |= trc_plain_look(end - 16, json); /* what is left, and some of what was seen */
    return !trc_plain_any(found);
}

#endif
