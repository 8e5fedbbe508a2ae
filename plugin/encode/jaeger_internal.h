/* SPDX-License-Identifier: MIT
 *
 * Inside the Jaeger encoder. Private: jaeger.c, jaeger_constants.c, and the test that shows golden
 * bytes, which needs process tags and attributes of its own choice.
 *
 *   message = open, seqid, head, list header of the spans, span ..., seqNo, stats
 *   bare    =              head, list header of the spans, span ..., seqNo, stats
 *   span    = ids, name, flags, times, list header of the tags, lead, (prefix, value) ...
 *
 * `open`, `head`, `lead` and each `prefix` are constant: Thrift's c_glib library writes them once,
 * in the worker, in jaeger_constants.c. What lies between changes, and is written by jaeger.c.
 */
#ifndef TRACING_ENCODE_JAEGER_INTERNAL_H
#define TRACING_ENCODE_JAEGER_INTERNAL_H

#include "thrift_write.h"
#include "tracing/encoder.h"

/* A tag with its value. */
struct trc_jaeger_tag {
    struct trc_slice key;
    enum trc_attribute_type type;
    union {
        struct trc_slice s;
        int64_t i; /* also BOOL */
        double d;
    };
};

/* What an encoder is made for. Borrowed by make only, but for `keys`, of which nothing is kept. */
struct trc_jaeger_setup {
    bool compact; /* else the binary protocol */
    bool bare;    /* a Batch alone, as the collector takes it, and no message around it */
    size_t max_bytes;
    struct trc_slice service;
    const struct trc_jaeger_tag *process; /* tags of the process */
    unsigned process_count;
    const struct trc_jaeger_tag *lead; /* tags a server's span begins with; the last one, which
                                          tells that it is, no other span has */
    unsigned lead_count;
    const struct trc_attribute_key *keys; /* of the attributes handed to add */
    unsigned key_count;
};

/* What the tags of a span begin with. */
struct trc_jaeger_lead {
    struct trc_slice bytes;
    unsigned count;
    unsigned skip; /* attributes of the span that it has already; set by jaeger.c */
};

struct trc_jaeger_constants {
    struct trc_thrift_prefix prefix[TRC_ATTR_KEYS_MAX]; /* by index of the key */
    struct trc_jaeger_lead server, internal;            /* by kind of span */
    struct trc_slice open, head;                        /* in bytes */
    char *bytes;                                        /* malloc'd */
};

/* Writes the constants. Returns 0, or -ENOMEM, -E2BIG (a key is too long, or too many), -EIO
 * (Thrift refused) with nothing held. Thread: reporter. */
int trc_jaeger_constants_init(struct trc_jaeger_constants *c, const struct trc_jaeger_setup *setup);
void trc_jaeger_constants_fini(struct trc_jaeger_constants *c);

/* An encoder as the ops make it, of any parts; dropped by the ops' drop. NULL as make. */
struct trc_encoder *trc_jaeger_make(const struct trc_jaeger_setup *setup);

/* add of the ops, with `count` attributes (at most TRC_ATTR_MAX; keys are setup->keys, or NAMED)
 * instead of the span's own. No string is longer than TRC_SPAN_ARENA, no name than 255. */
int trc_jaeger_add(struct trc_encoder *encoder, const struct trc_span *span,
                   const struct trc_attribute *attributes, unsigned count);

#endif
