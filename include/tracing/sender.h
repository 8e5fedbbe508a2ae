/* SPDX-License-Identifier: MIT
 *
 * A sender: bytes to a collector. One file in plugin/send/ for each transport; it knows no wire.
 */
#ifndef TRACING_SENDER_H
#define TRACING_SENDER_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_ERROR_TEXT_MAX 384

/* What became of a message, beside what send returned. */
struct trc_send_result {
    unsigned status;              /* HTTP: of the answer; 0: another transport, or none came */
    uint64_t rejected;            /* of a message that was delivered: spans the collector refused */
    uint64_t retry_after_ns;      /* -EAGAIN: the collector asked to wait so long; 0: it did not */
    char why[TRC_ERROR_TEXT_MAX]; /* one line; after 0: a warning of the collector's, or "" */
};

/* What a wire is over HTTP. */
struct trc_http_wire {
    const char *path; /* unless the URL has one */
    const char *content_type;

    /* Reads the body, not empty, of an answer that says that the message was taken: 0 and
     * rejected and why of *result (which are 0 and "" before) set, or -EINVAL with *result
     * untouched when it is not such a body. NULL: the wire has nothing to say. Thread: reporter. */
    int (*answer)(struct trc_slice body, struct trc_send_result *result);
};

#define TRC_HTTP_HEADERS_MAX 32

/* How to speak to collectors over HTTP, one for each wire. Zeroed: the defaults. Strings are
 * NUL-terminated, borrowed for good, and have no control characters in them. NULL or "": absent. */
struct trc_http_config {
    const char *headers[TRC_HTTP_HEADERS_MAX]; /* "Name: value"; NULL at the end, if there is room;
                                                * one called Authorization beats what follows */
    const char *user, *password;               /* Basic credentials; those of a URL beat them */
    const char *token;                         /* Bearer; Basic credentials beat it */
    const char *ca;      /* PEM file of authorities to trust instead of the system's */
    const char *cert;    /* PEM file of the client certificate */
    const char *key;     /* PEM file of its private key, if that is not in `cert` */
    bool gzip;           /* compress messages */
    uint64_t timeout_ns; /* for one message from connect to answer; 0: TRC_HTTP_TIMEOUT_NS */
};

#define TRC_HTTP_TIMEOUT_NS UINT64_C(10000000000) /* as OTEL_EXPORTER_OTLP_TIMEOUT's default */

/* Where to send: the parts of an export URL. NUL-terminated, owned by the exporter. */
struct trc_endpoint {
    char host[256]; /* empty if the transport has none; IPv6 without brackets */
    char port[6];
    char path[512]; /* with the query */
    /* HTTP only. */
    char user[128], password[256];      /* decoded; user empty: none in the URL */
    const struct trc_http_wire *wire;   /* NULL: another transport */
    const struct trc_http_config *http; /* NULL: the defaults */
};

/* Who waits for a send. Asked again and again while it does: for how many milliseconds the sender
 * may wait until it asks again, or 0 to end the attempt. Called in the sender's thread. NULL: the
 * sender may wait for as long as it likes. */
struct trc_patience {
    int (*ask_ms)(void *arg);
    void *arg;
};

struct trc_sender; /* each sender's own */

struct trc_sender_ops {
    const char *name; /* "udp" */

    /* Is the endpoint one this transport can use? 0, or -EINVAL with one line in why[]. Looks
     * nothing up, opens nothing. Thread: startup. */
    int (*check)(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]);

    /* Thread: reporter. NULL when out of memory; an unreachable peer is no error here. The endpoint
     * outlives the sender. */
    struct trc_sender *(*make)(const struct trc_endpoint *endpoint);
    void (*drop)(struct trc_sender *sender); /* NULL is fine */

    /* Sends one message. 0: delivered as far as this transport can know, but for the rejected.
     * -EAGAIN: not delivered, the same message may be tried again later. Any other negative errno:
     * give it up. Sets the whole of *result: the last two leave one line in why[]. A transport that
     * may wait for more than a second asks `patience`. Thread: reporter. */
    int (*send)(struct trc_sender *sender, struct trc_slice message,
                const struct trc_patience *patience, struct trc_send_result *result);
};

extern const struct trc_sender_ops trc_sender_udp;
extern const struct trc_sender_ops trc_sender_file;
extern const struct trc_sender_ops trc_sender_stdout;
extern const struct trc_sender_ops trc_sender_http;
extern const struct trc_sender_ops trc_sender_https;

/* Makes libcurl ready. Once, before the first HTTP sender, while the process has one thread.
 * Returns 0, or -ENOMEM. Thread: startup, in the master before the fork. */
int trc_http_init(void);

#endif
