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

#endif
