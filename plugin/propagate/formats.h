/* SPDX-License-Identifier: MIT
 *
 * The formats of this folder, for the table in formats.c.
 */
#ifndef TRACING_PROPAGATE_FORMATS_H
#define TRACING_PROPAGATE_FORMATS_H

#include "tracing/format.h"

extern const struct trc_format trc_format_jaeger;
extern const struct trc_format trc_format_tracecontext;
extern const struct trc_format trc_format_baggage;
extern const struct trc_format trc_format_b3;
extern const struct trc_format trc_format_b3multi;
extern const struct trc_format trc_format_gcp;
extern const struct trc_format trc_format_xray;
extern const struct trc_format trc_format_eagleeye;

#endif
