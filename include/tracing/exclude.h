/* SPDX-License-Identifier: MIT
 *
 * What gets no span: globs on a request's path, user agent and method.
 */
#ifndef TRACING_EXCLUDE_H
#define TRACING_EXCLUDE_H

#include "tracing/buf.h"
#include <stdint.h>

#define TRC_EXCLUDE_MAX 32     /* patterns */
#define TRC_EXCLUDE_BYTES 2048 /* of all of them */

enum trc_exclude_subject {
    TRC_EXCLUDE_PATH,
    TRC_EXCLUDE_AGENT,
    TRC_EXCLUDE_METHOD,
    TRC_EXCLUDE_SUBJECTS
};

/* Flat: copied with one memcpy, valid in any process. Zeroed: nothing is excluded. */
struct trc_exclude {
    uint16_t count;
    uint16_t subjects; /* a set: 1u << enum trc_exclude_subject, of all patterns */
    struct {
        uint16_t end; /* in text[]; it begins where the one before ends */
        uint16_t subject;
    } pattern[TRC_EXCLUDE_MAX];
    char text[TRC_EXCLUDE_BYTES];
};

/* Adds the patterns of `list`: separated by commas, each "agent:GLOB", "method:GLOB", or a GLOB of
 * a path, which begins with / or * or ?. "none" and the empty list add nothing. A glob has no
 * comma: `?` takes one. Returns 0, or -EINVAL with *e untouched. Thread: any but request. */
int trc_exclude_add(struct trc_exclude *e, struct trc_slice list);

/* What trc_exclude_add accepts, for error messages. */
#define TRC_EXCLUDE_ALLOWED                                                                        \
    "none, or globs on the path such as /healthz or /static/*, agent:GLOB or method:GLOB; at "     \
    "most 32, of 2048 bytes together"

/* Appends it as a list that trc_exclude_add takes. Thread: any but request. */
void trc_exclude_put(struct trc_buf *b, const struct trc_exclude *e);

/* Does any pattern match? subject[]: by enum trc_exclude_subject; one that is absent matches
 * nothing. Thread: request. */
bool trc_exclude_match(const struct trc_exclude *e,
                       const struct trc_slice subject[TRC_EXCLUDE_SUBJECTS]);

#endif
