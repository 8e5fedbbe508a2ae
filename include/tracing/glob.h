/* SPDX-License-Identifier: MIT
 *
 * Globs: `*` is any bytes, of a path `/` too, `?` is one byte, anything else is itself.
 */
#ifndef TRACING_GLOB_H
#define TRACING_GLOB_H

#include "tracing/slice.h"

/* Does all of `text` match? At most pattern times text comparisons, whatever they hold; allocates
 * nothing. Thread: request. */
bool trc_glob_match(struct trc_slice pattern, struct trc_slice text);

#endif
