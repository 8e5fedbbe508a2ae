/* SPDX-License-Identifier: MIT
 *
 * How long a request waited before the server took it up: from the time that a front end wrote into
 * X-Request-Start or X-Queue-Start.
 *
 * There is no standard, and every front end has a unit of its own. They are told apart by their
 * magnitude, which works for times from September 2001 to November 2286:
 *
 *     1700000000.123        seconds, nginx: $msec
 *     1700000000123         milliseconds, Heroku's router; HAProxy: %Ts%ms
 *     1700000000123456      microseconds, Apache: %t
 *     1700000000123456789   nanoseconds
 */
#ifndef TRACING_QUEUE_H
#define TRACING_QUEUE_H

#include "tracing/slice.h"
#include <stdint.h>

/* Reads the value of such a header: one of the above with any fraction, `t=` before it or not,
 * words before that (Apache: "D=123 t=..."), white space around it; of a list with commas the
 * first, which is the first front end's. Returns 0 and nanoseconds since 1970 in *unix_ns, or
 * -EINVAL with *unix_ns untouched. Thread: any. */
int trc_queue_start(struct trc_slice value, uint64_t *unix_ns);

/* What is more than this is a clock that is wrong, or a header that was kept, and no queue. */
#define TRC_QUEUE_MAX_NS (UINT64_C(3600) * 1000 * 1000 * 1000)

/* Nanoseconds from `start_ns`, as read, to `now_ns`: 0 if that is in the future, as the clocks of
 * two hosts may have it, and 0 if it is more than TRC_QUEUE_MAX_NS. Thread: any. */
static inline uint64_t trc_queue_ns(uint64_t start_ns, uint64_t now_ns) {
    return now_ns > start_ns && now_ns - start_ns <= TRC_QUEUE_MAX_NS ? now_ns - start_ns : 0;
}

#endif
