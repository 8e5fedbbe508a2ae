/* SPDX-License-Identifier: MIT
 *
 * What an OTLP message says, whether it is JSON or protobuf. Private to those two encoders.
 *
 * Source: opentelemetry-proto, trace/v1/trace.proto, resource/v1/resource.proto.
 */
#ifndef TRACING_ENCODE_OTLP_H
#define TRACING_ENCODE_OTLP_H

#include "tracing/buf.h"
#include "tracing/context.h"
#include "tracing/encoder.h"
#include "tracing/version.h"

#define TRC_OTLP_SCOPE "uwsgi-tracing" /* InstrumentationScope.name; its version is TRC_VERSION */
#define TRC_OTLP_STATUS_ERROR 2        /* STATUS_CODE_ERROR; UNSET is left out */

/* Span.flags and Link.flags: bits 0-7 are the W3C trace flags. */
#define TRC_OTLP_FLAG_SAMPLED 0x01u
#define TRC_OTLP_FLAG_RANDOM 0x02u /* Trace Context level 2 */
#define TRC_OTLP_FLAG_HAS_IS_REMOTE 0x100u
#define TRC_OTLP_FLAG_IS_REMOTE 0x200u

/* A link is to what a caller claimed, whose own flags we do not keep. */
#define TRC_OTLP_LINK_FLAGS (TRC_OTLP_FLAG_HAS_IS_REMOTE | TRC_OTLP_FLAG_IS_REMOTE)

static inline uint32_t trc_otlp_flags(const struct trc_span *span) {
    return TRC_OTLP_FLAG_HAS_IS_REMOTE | (span->remote_parent ? TRC_OTLP_FLAG_IS_REMOTE : 0) |
           (span->flags & TRC_FLAG_SAMPLED ? TRC_OTLP_FLAG_SAMPLED : 0) |
           (span->flags & TRC_FLAG_RANDOM ? TRC_OTLP_FLAG_RANDOM : 0);
}

/* SpanKind: SPAN_KIND_INTERNAL is 1, SPAN_KIND_SERVER 2. */
static inline unsigned trc_otlp_kind(const struct trc_span *span) {
    return span->kind == TRC_KIND_SERVER ? 2 : 1;
}

/* The span's name, which must not be empty: HTTP, as the HTTP conventions call what has none. */
static inline struct trc_slice trc_otlp_name(const struct trc_span *span) {
    const struct trc_slice name = trc_span_get(span, TRC_STR_NAME);

    return name.p ? name : TRC_SLICE("HTTP");
}

/* Lists the attributes of `span` as trc_attributes does, but for those that Span has a field of its
 * own for, `kind` and `status`: receivers make attributes of these fields, and would have them
 * twice. Thread: reporter. */
unsigned trc_otlp_attributes(const struct trc_span *span, enum trc_semconv semconv,
                             struct trc_attribute *out);

/* One attribute of the resource. */
struct trc_otlp_fact {
    struct trc_slice key;
    enum trc_attribute_type type; /* STRING or INT */
    struct trc_slice string;
    int64_t number;
};

/* Hands each attribute of the resource to `put`, the first of which is service.name. No key is
 * there twice, if none of the tags' is: a tag takes the place of a fact, but the service has a name
 * of its own in the configuration. Thread: any. */
void trc_otlp_resource(const struct trc_resource *resource,
                       void (*put)(struct trc_buf *to, const struct trc_otlp_fact *fact),
                       struct trc_buf *to);

#endif
