/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding (RFC 3986 section 2.1) of header values and of environment
 * variables that carry lists.
 */
#ifndef TRACING_PERCENT_H
#define TRACING_PERCENT_H

#include "tracing/buf.h"

/* Appends `s` decoded to `out`; `plus`: '+' is a space, as in HTML forms (Go's and Java's clients
 * encode baggage so). Returns 0, or -EINVAL for a '%' without two hex digits, with `out` partly
 * written. What does not fit sets out->overflow. Thread: any. */
int trc_percent_decode(struct trc_buf *out, struct trc_slice s, bool plus);

/* Appends `s` with everything but RFC 3986's unreserved characters as %XX, or sets out->overflow.
 * Thread: any. */
void trc_percent_encode(struct trc_buf *out, struct trc_slice s);

#endif
