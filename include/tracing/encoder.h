/* SPDX-License-Identifier: MIT
 *
 * An encoder: spans in, the bytes of one message out. One file in plugin/encode/ for each wire; it
 * does no input or output and knows no transport.
 *
 * Use: add spans until -ENOSPC, finish, hand the bytes to a sender, add the refused span again.
 */
#ifndef TRACING_ENCODER_H
#define TRACING_ENCODER_H

#include "tracing/attributes.h"
#include "tracing/slice.h"
#include "tracing/span.h"

/* What every message says of the process, and the limits. Made in the worker, after the fork. All
 * pointers must live as long as the encoder. */
struct trc_resource {
    struct trc_slice service;
    const struct trc_tag *tags; /* tracing-tag and the facts of the host */
    unsigned tag_count;
    struct trc_slice hostname;
    struct trc_slice ip;  /* textual; absent if unknown */
    uint64_t client_uuid; /* random, one a worker process */
    int64_t pid;
};

struct trc_encoder_config {
    const struct trc_resource *resource;
    enum trc_semconv semconv;
    size_t max_bytes; /* no message is longer */
};

/* Losses so far of this client, for wires that tell the collector (Jaeger's ClientStats). */
struct trc_client_stats {
    uint64_t full_queue, too_large, failed;
};

struct trc_encoder; /* each encoder's own */

struct trc_encoder_ops {
    const char *name; /* "jaeger compact" */

    /* Prepares constant bytes and a buffer of config->max_bytes. NULL when out of memory or when
     * the resource alone does not fit. Thread: reporter. */
    struct trc_encoder *(*make)(const struct trc_encoder_config *config);
    void (*drop)(struct trc_encoder *encoder); /* NULL is fine */

    /* Adds one span to the message. 0; -ENOSPC: no room left, the message is as it was, finish it
     * first; -EMSGSIZE: this span does not fit an empty message either. Thread: reporter. */
    int (*add)(struct trc_encoder *encoder, const struct trc_span *span);

    /* Completes the message and starts an empty one. The bytes live until the next add. At least
     * one span was added. `sequence`: 1, 2, ... of this client. Thread: reporter. */
    struct trc_slice (*finish)(struct trc_encoder *encoder, uint64_t sequence,
                               const struct trc_client_stats *stats);
};

extern const struct trc_encoder_ops trc_encoder_jaeger_compact;
extern const struct trc_encoder_ops trc_encoder_jaeger_binary;
extern const struct trc_encoder_ops trc_encoder_jaeger_batch;  /* for a collector, over HTTP */
extern const struct trc_encoder_ops trc_encoder_zipkin_thrift; /* for an agent on port 5775 */
extern const struct trc_encoder_ops
    trc_encoder_otlp_json; /* one line a message, with its newline */
extern const struct trc_encoder_ops trc_encoder_otlp_protobuf;
extern const struct trc_encoder_ops trc_encoder_zipkin_json; /* v2 */

#endif
