/* SPDX-License-Identifier: MIT
 *
 * Keys an encoder must know by name. Private to the encoders.
 */
#ifndef TRACING_ENCODE_KEYS_H
#define TRACING_ENCODE_KEYS_H

#include "tracing/attributes.h"

/* Index in trc_attribute_keys of the first key of this name, of which there must be one. */
static inline uint8_t trc_attribute_index(struct trc_slice name) {
    uint8_t i = 0;

    while (!trc_slice_equal(trc_attribute_keys[i].name, name))
        i++;
    return i;
}

#endif
