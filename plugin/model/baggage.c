/* SPDX-License-Identifier: MIT
 *
 * Baggage: a flat list of pairs. Items are few, so a linear walk beats an index.
 */
#include "tracing/context.h"
#include <errno.h>

void trc_baggage_at(const struct trc_baggage *b, unsigned i, struct trc_slice *key,
                    struct trc_slice *value) {
    size_t off = 0;
    for (unsigned k = 0; k < i; k++)
        off += b->item[k].key_len + b->item[k].value_len;
    *key = (struct trc_slice){b->bytes + off, b->item[i].key_len};
    *value = (struct trc_slice){b->bytes + off + b->item[i].key_len, b->item[i].value_len};
}

struct trc_slice trc_baggage_get(const struct trc_baggage *b, struct trc_slice key) {
    size_t off = 0;
    for (unsigned i = 0; i < b->count; i++) {
        struct trc_slice k = {b->bytes + off, b->item[i].key_len};
        if (trc_slice_equal(k, key))
            return (struct trc_slice){b->bytes + off + k.len, b->item[i].value_len};
        off += b->item[i].key_len + b->item[i].value_len;
    }
    return (struct trc_slice){NULL, 0};
}

int trc_baggage_add(struct trc_baggage *b, struct trc_slice key, struct trc_slice value) {
    if (trc_baggage_get(b, key).p)
        return 0;
    size_t room = sizeof(b->bytes) - b->used;
    if (b->count == TRC_BAGGAGE_ITEMS || key.len > room || value.len > room - key.len) {
        b->truncated = true;
        return -ENOSPC;
    }
    b->item[b->count].key_len = (uint16_t)key.len;
    b->item[b->count].value_len = (uint16_t)value.len;
    if (key.len)
        memcpy(b->bytes + b->used, key.p, key.len);
    if (value.len)
        memcpy(b->bytes + b->used + key.len, value.p, value.len);
    b->used = (uint16_t)(b->used + key.len + value.len);
    b->count++;
    return 0;
}
