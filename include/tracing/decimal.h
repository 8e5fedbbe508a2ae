/* SPDX-License-Identifier: MIT
 *
 * Decimal numbers of trace context headers.
 */
#ifndef TRACING_DECIMAL_H
#define TRACING_DECIMAL_H

#include "tracing/slice.h"
#include <stdint.h>

/* Reads `s`, 1 to 20 decimal digits and nothing else, into *out. Returns 0, or -EINVAL with *out
 * untouched when it is anything else or more than 64 bits hold. Thread: any. */
int trc_decimal_u64(struct trc_slice s, uint64_t *out);

/* The port in `s`, 1 to 5 decimal digits, or 0 when it is none. Thread: any. */
uint16_t trc_decimal_port(struct trc_slice s);

#define TRC_DECIMAL_TEXT_MAX 32 /* of a double: 17 digits, sign, point, exponent, and a NUL */

/* Reads a finite number >= 0 that fills all of `s`: digits, a point, an exponent. Returns 0, or
 * -EINVAL or -ENOMEM with *out untouched. Thread: any but request. */
int trc_decimal_double(struct trc_slice s, double *out);

/* Writes the shortest text of 15 to 17 digits that is the same number again, or NaN, Infinity or
 * -Infinity. Returns its length; no NUL is promised. Thread: any but request. */
size_t trc_decimal_print(char text[TRC_DECIMAL_TEXT_MAX], double d);

#endif
