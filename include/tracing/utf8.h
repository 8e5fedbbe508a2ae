/* SPDX-License-Identifier: MIT
 *
 * UTF-8 for the encoders: every wire's strings are UTF-8, a request's bytes need not be.
 */
#ifndef TRACING_UTF8_H
#define TRACING_UTF8_H

#include "tracing/buf.h"

/* Is `s` well-formed UTF-8 (Unicode 15, table 3-7)? Fast for plain ASCII. Thread: any. */
bool trc_utf8_valid(struct trc_slice s);

/* Length in bytes of the well-formed character at the start of `s` (1 to 4), or 0 if what stands
 * there is not one. `s` is not empty. Thread: any. */
size_t trc_utf8_char_len(struct trc_slice s);

/* Appends `s` to `b` with each byte that is not part of a well-formed character replaced by U+FFFD,
 * or sets the buffer's overflow. At most 3 bytes for each of s. Thread: any. */
void trc_utf8_put(struct trc_buf *b, struct trc_slice s);

#endif
