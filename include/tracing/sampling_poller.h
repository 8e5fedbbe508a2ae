/* SPDX-License-Identifier: MIT
 *
 * The sampling poller: asks a remote sampler's server for its strategy and puts it in force.
 *
 * Each worker has one, a thread with all signals blocked and the name trc-<worker>-sampling, and
 * one of the instance asks at a time: whichever finds first that it is time takes the lease in the
 * shared strategies. The kernel gives the lease of a dead worker to the next that tries.
 *
 * What a server cannot give, or gives wrong, changes nothing: the strategy in force stays. The
 * operator is told when that begins and when it is over.
 */
#ifndef TRACING_SAMPLING_POLLER_H
#define TRACING_SAMPLING_POLLER_H

#include "tracing/sampler.h"
#include "tracing/sender.h"
#include "tracing/strategies.h"

struct trc_poller_config {
    struct trc_strategies *strategies;  /* borrowed, outlives the poller */
    const struct trc_sampler *sampler;  /* REMOTE; borrowed */
    const struct trc_http_config *http; /* borrowed for the call; NULL: the defaults */
    struct trc_slice service;
    unsigned worker; /* 0... */
};

/* Asks the server now, without a poller: of the configuration, sampler, http and service count.
 * Returns 0 and *out, to be freed with one free(); or a negative errno with one line in why[].
 * Thread: any but request, for up to TRC_FETCH_TIMEOUT_MS. */
int trc_poller_ask(const struct trc_poller_config *config, struct trc_strategy **out,
                   char why[TRC_ERROR_TEXT_MAX]);

/* Starts this process's poller. The first poll of an instance is at once, the others are 0.9 to 1
 * intervals apart. Returns 0 or a negative errno with none running. Thread: startup of a worker. */
int trc_poller_start(const struct trc_poller_config *config);

/* Ends it, in the middle of whatever it is at, and waits for that until `deadline_mono_ns`. Returns
 * false if it did not end in time and was left alone, for the process is about to exit: strategies
 * and sampler MUST stay, and trc_poller_start returns -EBUSY while it lives. Frees nothing. No-op
 * without one. Thread: exit. */
bool trc_poller_stop(uint64_t deadline_mono_ns);

/* Forgets it without waiting: for the child of a fork, in which the thread does not exist.
 * Async-signal-safe. Thread: any. */
void trc_poller_forget(void);

#endif
