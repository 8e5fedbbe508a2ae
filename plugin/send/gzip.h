/* SPDX-License-Identifier: MIT
 *
 * Messages made smaller, by zlib, in the format of gzip (RFC 1952). Used by http.c.
 */
#ifndef TRACING_SEND_GZIP_H
#define TRACING_SEND_GZIP_H

#include "tracing/slice.h"

struct trc_gzip;

/* NULL when out of memory. Thread: reporter. */
struct trc_gzip *trc_gzip_new(void);
void trc_gzip_free(struct trc_gzip *gzip); /* NULL is fine */

/* Compresses `in`, not longer than 4 GiB. Returns 0 and *out, which lives until the next call, or
 * -ENOMEM. Thread: reporter. */
int trc_gzip_pack(struct trc_gzip *gzip, struct trc_slice in, struct trc_slice *out);

#endif
