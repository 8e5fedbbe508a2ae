/* SPDX-License-Identifier: MIT
 *
 * Values with a unit, as options have them: "500ms", "1s", "2m" / "64k", "1M", "65000".
 */
#ifndef TRACING_VALUES_H
#define TRACING_VALUES_H

#include "tracing/slice.h"
#include <stdint.h>

/* Return 0, or -EINVAL with *out untouched. Thread: startup. */
int trc_parse_duration(struct trc_slice text, uint64_t *out_ns);
int trc_parse_size(struct trc_slice text, uint64_t *out_bytes);

#endif
