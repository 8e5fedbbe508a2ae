/* SPDX-License-Identifier: MIT
 *
 * Hexadecimal numbers of trace context headers and of JSON wires.
 */
#ifndef TRACING_HEX_H
#define TRACING_HEX_H

#include "tracing/buf.h"

/* Reads `s`, 1 to 16 hex digits of either case and nothing else, into *out.
 * Returns 0, or -EINVAL with *out untouched. Thread: any. */
int trc_hex_u64(struct trc_slice s, uint64_t *out);

/* Reads exactly 16 digits at `p`, of the lower case only, into *out: ids as W3C and B3 write them.
 * Returns 0, or -EINVAL with *out untouched. Thread: any. */
int trc_hex_id(const char *p, uint64_t *out);

/* Writes `v` as exactly 16 lower-case digits at `out`, without a NUL. Thread: any. */
void trc_hex_put16(char *out, uint64_t v);

/* Appends `v` as 16 digits, or sets the buffer's overflow. Thread: any. */
static inline void trc_hex_put_id(struct trc_buf *b, uint64_t v) {
    char *at = trc_buf_take(b, 16);
    if (at)
        trc_hex_put16(at, v);
}

/* Appends a trace id: 32 digits, or 16 when its upper half is 0. Thread: any. */
static inline void trc_hex_put_trace_id(struct trc_buf *b, uint64_t hi, uint64_t lo) {
    if (hi)
        trc_hex_put_id(b, hi);
    trc_hex_put_id(b, lo);
}

/* Value of one hex digit of either case, or -1. Thread: any. */
int trc_hex_digit(char c);

#endif
