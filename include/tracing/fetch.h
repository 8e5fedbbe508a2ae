/* SPDX-License-Identifier: MIT
 *
 * A GET, again and again, by libcurl: for what a server is asked and not told.
 *
 * One object asks one URL from one thread, which sleeps in it, too, so that trc_fetch_stop can end
 * whatever it is at.
 */
#ifndef TRACING_FETCH_H
#define TRACING_FETCH_H

#include "tracing/sender.h"

#define TRC_FETCH_BYTES_MAX (1024u * 1024u) /* of an answer */
#define TRC_FETCH_TIMEOUT_MS 10000          /* from connect to the last byte */

struct trc_fetch;

/* `url`: NUL-terminated, copied. Of `config`, borrowed for this call, its authorities and the
 * client's certificate hold; NULL: the defaults. NULL when out of memory. Opens nothing;
 * trc_http_init was called. Thread: any but request, after the fork. */
struct trc_fetch *trc_fetch_new(const char *url, const struct trc_http_config *config);
void trc_fetch_free(struct trc_fetch *f); /* NULL is fine */

/* Asks. Returns 0 and *body, which lives until the next call; -ECANCELED when stopped; or another
 * negative errno with one line in why[]: no answer, one that is too large, or one whose status is
 * not 2xx (a redirect is not followed). Thread: the object's. */
int trc_fetch_get(struct trc_fetch *f, struct trc_slice *body, char why[TRC_ERROR_TEXT_MAX]);

/* Sleeps until `mono_ns`, or until stopped. Thread: the object's. */
void trc_fetch_wait(struct trc_fetch *f, uint64_t mono_ns);

/* Ends what the object's thread is at, and from now on all that it begins. Thread: any. */
void trc_fetch_stop(struct trc_fetch *f);
bool trc_fetch_stopped(const struct trc_fetch *f);

#endif
