/* SPDX-License-Identifier: MIT
 *
 * Inside the Zipkin Thrift encoder. Private: zipkin_thrift.c, zipkin_constants.c, and the test that
 * makes its calls fail.
 */
#ifndef TRACING_ENCODE_ZIPKIN_INTERNAL_H
#define TRACING_ENCODE_ZIPKIN_INTERNAL_H

#include "thrift_write.h"
#include "tracing/encoder.h"

/* AnnotationType of zipkincore.thrift. */
enum {
    TRC_ZIPKIN_BOOL = 0,
    TRC_ZIPKIN_I64 = 4,
    TRC_ZIPKIN_DOUBLE = 5,
    TRC_ZIPKIN_STRING = 6,
};

/* Everything of a BinaryAnnotation behind its value: its type in two bytes, and its stop byte. */
#define TRC_ZIPKIN_ANNOTATION_END 3

struct trc_zipkin_constants {
    struct trc_thrift_prefix prefix[TRC_ATTR_KEYS_MAX]; /* by index of the key */
    struct trc_slice open, head; /* of the message, before and behind seqid */
    struct trc_slice sr, ss;     /* annotations: all behind their times */
    struct trc_slice peer;       /* the annotation ca: all before its address */
    struct trc_slice local;      /* binary annotation lc, of a span that is no server's */
    struct trc_slice lead;       /* binary annotations that every span has; and at its end the
                                    component, if it is there, which lc says, too */
    size_t component_len;        /* of that */
    unsigned lead_count;         /* of these */
    unsigned lead_skip;          /* attributes of each server's span that the lead has already */
    unsigned component_count;    /* 1 if it has the component, which any span's list has */
    char *bytes;                 /* malloc'd */
};

/* Writes the constants. Returns 0, or -ENOMEM, -E2BIG (a key is too long), -EIO (Thrift refused)
 * with nothing held. Thread: reporter. */
int trc_zipkin_constants_init(struct trc_zipkin_constants *c,
                              const struct trc_encoder_config *config);
void trc_zipkin_constants_fini(struct trc_zipkin_constants *c);

/* An Endpoint's address. */
struct trc_zipkin_address {
    uint32_t ipv4; /* most significant byte first; 0: none */
    bool is_ipv6;
    uint8_t ipv6[16];
};

/* Reads a textual address; an IPv4 address that IPv6 has mapped (RFC 4291 section 2.5.5.2) is one
 * of IPv4, as in Zipkin. False if it is neither, with *out untouched. Thread: any. */
bool trc_zipkin_address_parse(struct trc_slice text, struct trc_zipkin_address *out);

#endif
