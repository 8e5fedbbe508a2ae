/* SPDX-License-Identifier: MIT
 *
 * A bounded output buffer over memory the caller owns.
 *
 * Used by the encoders and the header writers. The first write that does not fit sets `overflow`
 * and writes nothing, and so does every write after it: one check at the end is enough, and there
 * is no way to make a buffer without its limit.
 */
#ifndef TRACING_BUF_H
#define TRACING_BUF_H

#include "tracing/slice.h"
#include <stdint.h>

struct trc_buf {
    char *p;    /* cap bytes, owned by the caller */
    size_t len; /* bytes written */
    size_t cap;
    bool overflow; /* a write did not fit; the bytes before it are intact */
};

/* An empty buffer over `cap` bytes at `p`. Thread: any. */
static inline struct trc_buf trc_buf_over(void *p, size_t cap) {
    return (struct trc_buf){p, 0, cap, false};
}

/* Room for `len` bytes: the place to write them to, already counted in `len`, or NULL after setting
 * `overflow`. Thread: any. */
static inline char *trc_buf_take(struct trc_buf *b, size_t len) {
    if (__builtin_expect(b->overflow || len > b->cap - b->len, 0)) {
        b->overflow = true;
        return NULL;
    }
    char *at = b->p + b->len;
    b->len += len;
    return at;
}

/* Appends bytes, or sets `overflow`. Thread: any. */
static inline void trc_buf_put(struct trc_buf *b, const void *p, size_t len) {
    char *at = trc_buf_take(b, len);
    if (at && len)
        memcpy(at, p, len);
}

static inline void trc_buf_put_slice(struct trc_buf *b, struct trc_slice s) {
    trc_buf_put(b, s.p, s.len);
}

/* Appends as much of the bytes as there is room for, and sets `overflow` when that is not all.
 * Thread: any. */
static inline void trc_buf_put_cut(struct trc_buf *b, struct trc_slice s) {
    size_t room = b->cap - b->len;
    trc_buf_put(b, s.p, s.len < room ? s.len : room);
    b->overflow |= s.len > room;
}

static inline void trc_buf_put_byte(struct trc_buf *b, uint8_t byte) {
    char *at = trc_buf_take(b, 1);
    if (at)
        *at = (char)byte;
}

/* Takes back everything written after `len` (an earlier value of b->len) and forgets an overflow.
 * Thread: any. */
static inline void trc_buf_rewind(struct trc_buf *b, size_t len) {
    b->len = len;
    b->overflow = false;
}

/* What was written, as a slice that lives as long as the buffer. Thread: any. */
static inline struct trc_slice trc_buf_slice(const struct trc_buf *b) {
    return (struct trc_slice){b->p, b->len};
}

/* Appends an unsigned number in decimal digits, or sets `overflow`. Thread: any. */
void trc_buf_put_u64(struct trc_buf *b, uint64_t v);

#endif
