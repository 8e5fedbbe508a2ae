/* SPDX-License-Identifier: MIT
 *
 * What the encoders ask of a resource. Private to them.
 */
#ifndef TRACING_ENCODE_RESOURCE_H
#define TRACING_ENCODE_RESOURCE_H

#include "tracing/encoder.h"

/* Does one of the configured tags have this name? Then it takes the place of the fact we would
 * write under it: whoever sets service.instance.id or hostname means it, and OTLP forbids a name to
 * be there twice (opentelemetry-proto, Resource.attributes). */
static inline bool trc_resource_has_tag(const struct trc_resource *resource,
                                        struct trc_slice name) {
    for (unsigned i = 0; i < resource->tag_count; i++)
        if (trc_slice_equal(resource->tags[i].key, name))
            return true;
    return false;
}

#endif
