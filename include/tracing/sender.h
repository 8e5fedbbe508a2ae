/* SPDX-License-Identifier: MIT
 *
 * A sender: bytes to a collector. One file in plugin/send/ for each transport; it knows no wire.
 */
#ifndef TRACING_SENDER_H
#define TRACING_SENDER_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_ERROR_TEXT_MAX 256

/* Where to send: the parts of an export URL. NUL-terminated, owned by the exporter. */
struct trc_endpoint {
    char host[256]; /* empty if the transport has none; IPv6 without brackets */
    char port[6];
    char path[512];
};

struct trc_sender; /* each sender's own */

struct trc_sender_ops {
    const char *name; /* "udp" */

    /* Is the endpoint one this transport can use? 0, or -EINVAL with one line in why[]. Looks
     * nothing up, opens nothing. Thread: startup. */
    int (*check)(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]);

    /* Thread: reporter. NULL when out of memory; an unreachable peer is no error here. */
    struct trc_sender *(*make)(const struct trc_endpoint *endpoint);
    void (*drop)(struct trc_sender *sender); /* NULL is fine */

    /* Sends one message. 0: delivered as far as this transport can know. -EAGAIN: not delivered,
     * the same message may be tried again later. Any other negative errno: give it up. Both leave
     * one line in why[]. Thread: reporter. */
    int (*send)(struct trc_sender *sender, struct trc_slice message, char why[TRC_ERROR_TEXT_MAX]);
};

extern const struct trc_sender_ops trc_sender_udp;
extern const struct trc_sender_ops trc_sender_file;
extern const struct trc_sender_ops trc_sender_stdout;

#endif
