/* SPDX-License-Identifier: MIT
 *
 * Values with a unit, as options have them: "500ms", "1s", "2m" / "64k", "1M", "65000"; and true
 * and false with their other names: no, off, 0, yes, on, 1, in any case.
 */
#ifndef TRACING_VALUES_H
#define TRACING_VALUES_H

#include "tracing/slice.h"
#include <stdint.h>

/* Return 0, or -EINVAL with *out untouched. Thread: any but request. */
int trc_parse_duration(struct trc_slice text, uint64_t *out_ns);
int trc_parse_size(struct trc_slice text, uint64_t *out_bytes);
int trc_parse_bool(struct trc_slice text, bool *out);

#endif
