/* SPDX-License-Identifier: MIT
 *
 * What a span says, as a list of attributes, in either set of names. Every encoder writes this
 * list, so that all wires say the same and a new attribute is added in one place.
 */
#ifndef TRACING_ATTRIBUTES_H
#define TRACING_ATTRIBUTES_H

#include "tracing/span.h"

/* Sets of names (tracing-semconv). Bits: HTTP_DUP has both. */
enum trc_semconv {
    TRC_SEMCONV_HTTP = 1,        /* OpenTelemetry HTTP semantic conventions 1.44, stable */
    TRC_SEMCONV_OPENTRACING = 2, /* OpenTracing semantic conventions, as Jaeger's clients */
    TRC_SEMCONV_HTTP_DUP = 3,
};

enum trc_attribute_type { TRC_ATTR_STRING, TRC_ATTR_INT, TRC_ATTR_BOOL, TRC_ATTR_DOUBLE };

/* One name there can be. Constant: known before any span is, so that an encoder can prepare its
 * bytes. `constant`: the value never changes (span.kind=server), and no span need be asked, but for
 * its kind: span.kind, the last constant there is, only a server's span has. */
struct trc_attribute_key {
    struct trc_slice name;
    enum trc_attribute_type type;
    struct trc_slice constant; /* string value of a constant attribute, else absent */
};

#define TRC_ATTR_KEYS_MAX 48 /* keys there are */
extern const struct trc_attribute_key trc_attribute_keys[];
extern const unsigned trc_attribute_key_count;

/* Attributes one span can have: under names of ours, and tags. */
#define TRC_ATTR_OWN_MAX 48
#define TRC_ATTR_MAX (TRC_ATTR_OWN_MAX + TRC_SPAN_TAGS_MAX)

#define TRC_ATTR_NAMED 255 /* in place of an index: a string under `name` */

struct trc_attribute {
    uint8_t key;           /* index in trc_attribute_keys, which tells name and type; or NAMED */
    bool array;            /* NAMED: an array of one string, where the wire has arrays */
    struct trc_slice name; /* NAMED: points into the span; else not set */
    union {
        struct trc_slice s; /* points into the span or at a constant */
        int64_t i;          /* also BOOL: 0 or 1 */
        double d;
    };
};

/* Lists the attributes of `span` under the names of `semconv` in out[TRC_ATTR_MAX]; returns how
 * many. Absent things are left out, and so are NAMED ones whose name is one of trc_attribute_keys,
 * or that of another. Order is stable; constants come first, NAMED ones last. Thread: reporter. */
unsigned trc_attributes(const struct trc_span *span, enum trc_semconv semconv,
                        struct trc_attribute *out);

#endif
