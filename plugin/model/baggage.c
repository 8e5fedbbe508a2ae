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

/* Which item has the key, b->count if none has, and where its bytes begin. */
static unsigned find(const struct trc_baggage *b, struct trc_slice key, size_t *at) {
    unsigned i = 0;
    for (*at = 0; i < b->count; i++) {
        struct trc_slice k = {b->bytes + *at, b->item[i].key_len};
        if (trc_slice_equal(k, key))
            break;
        *at += b->item[i].key_len + b->item[i].value_len;
    }
    return i;
}

struct trc_slice trc_baggage_get(const struct trc_baggage *b, struct trc_slice key) {
    size_t at;
    unsigned i = find(b, key, &at);
    if (i == b->count)
        return (struct trc_slice){NULL, 0};
    return (struct trc_slice){b->bytes + at + b->item[i].key_len, b->item[i].value_len};
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

static void take_out(struct trc_baggage *b, unsigned i, size_t at) {
    size_t len = b->item[i].key_len + b->item[i].value_len;
    memmove(b->bytes + at, b->bytes + at + len, b->used - at - len);
    memmove(&b->item[i], &b->item[i + 1], (b->count - i - 1) * sizeof(b->item[0]));
    b->used = (uint16_t)(b->used - len);
    b->count--;
}

int trc_baggage_set(struct trc_baggage *b, struct trc_slice key, struct trc_slice value) {
    size_t at, room = sizeof(b->bytes) - b->used;
    unsigned i = find(b, key, &at);
    bool there = i < b->count;
    if (there)
        room += b->item[i].key_len + b->item[i].value_len;
    if ((!there && b->count == TRC_BAGGAGE_ITEMS) || key.len > room || value.len > room - key.len)
        return -ENOSPC;
    if (there)
        take_out(b, i, at);
    return trc_baggage_add(b, key, value);
}
