/* SPDX-License-Identifier: MIT
 *
 * UTF-8 for the encoders: is it, and if not, make it so.
 *
 * "Well-formed" is table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing
 * beyond U+10FFFF. The collectors' decoders (Go's, protobuf's) refuse the rest, and with it the
 * whole batch. Eight bytes at a time while they are ASCII, since nearly all are.
 */
#include "tracing/utf8.h"

/* How many bytes at the start of `s` are ASCII for sure; the next one or more may be, too. */
static size_t ascii_run(struct trc_slice s) {
    size_t i = 0;

    for (uint64_t eight; s.len - i >= sizeof(eight); i += sizeof(eight)) {
        memcpy(&eight, s.p + i, sizeof(eight));
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    return i;
}

static bool between(unsigned char c, unsigned low, unsigned high) {
    return c >= low && c <= high;
}

size_t trc_utf8_char_len(struct trc_slice s) {
    const unsigned char *c = (const unsigned char *)s.p;
    unsigned low = 0x80, high = 0xbf; /* of the second byte; the others are always 80..BF */
    size_t len;

    if (c[0] < 0x80)
        return 1;
    if (between(c[0], 0xc2, 0xdf))
        len = 2;
    else if (between(c[0], 0xe0, 0xef))
        len = 3;
    else if (between(c[0], 0xf0, 0xf4))
        len = 4;
    else
        return 0;
    if (s.len < len)
        return 0;

    switch (c[0]) {
    case 0xe0:
        low = 0xa0; /* else overlong */
        break;
    case 0xed:
        high = 0x9f; /* else a surrogate */
        break;
    case 0xf0:
        low = 0x90; /* else overlong */
        break;
    case 0xf4:
        high = 0x8f; /* else beyond U+10FFFF */
        break;
    }
    if (!between(c[1], low, high))
        return 0;
    for (size_t i = 2; i < len; i++)
        if (!between(c[i], 0x80, 0xbf))
            return 0;
    return len;
}

/* How many bytes at the start of `s` are whole well-formed characters. */
static size_t valid_run(struct trc_slice s) {
    size_t i = 0;

    while (i < s.len) {
        struct trc_slice rest = {s.p + i, s.len - i};
        size_t len = ascii_run(rest);
        if (len == 0)
            len = trc_utf8_char_len(rest);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}

bool trc_utf8_valid(struct trc_slice s) {
    return valid_run(s) == s.len;
}

void trc_utf8_put(struct trc_buf *b, struct trc_slice s) {
    const size_t before = b->len;

    while (s.len > 0) {
        size_t run = valid_run(s);
        trc_buf_put(b, s.p, run);
        s.p += run;
        s.len -= run;
        if (s.len > 0) {
            trc_buf_put(b, "\xef\xbf\xbd", 3);
            s.p++;
            s.len--;
        }
    }
    if (b->overflow)
        b->len = before; /* in whole or not at all, as every other put */
}
