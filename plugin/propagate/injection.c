/* SPDX-License-Identifier: MIT
 *
 * Collecting the variables that the formats want set. Used by the formats; the host reads the
 * result.
 */
#include "tracing/format.h"

struct trc_buf *trc_injection_begin(struct trc_injection *out, int header, struct trc_slice name) {
    /* With every item taken the value is written all the same, into a buffer that is already full:
     * the format needs no second path. */
    if (out->count == TRC_INJECTION_ITEMS) {
        out->buf.overflow = true;
        return &out->buf;
    }
    out->item[out->count].header = header;
    out->item[out->count].or_none = out->or_none;
    out->item[out->count].name = name;
    out->item[out->count].value = (struct trc_slice){out->buf.p + out->buf.len, 0};
    return &out->buf;
}

void trc_injection_remove(struct trc_injection *out, int header, struct trc_slice name) {
    if (out->count == TRC_INJECTION_ITEMS) {
        out->overflow = true;
        return;
    }
    out->item[out->count].header = header;
    out->item[out->count].name = name;
    out->item[out->count++].value = (struct trc_slice){NULL, 0};
}

void trc_injection_end(struct trc_injection *out) {
    if (out->buf.overflow) {
        out->overflow = true;
        if (out->count < TRC_INJECTION_ITEMS)
            trc_buf_rewind(&out->buf, (size_t)(out->item[out->count].value.p - out->buf.p));
        else
            out->buf.overflow = false;
        return;
    }
    struct trc_slice *value = &out->item[out->count].value;
    value->len = (size_t)(out->buf.p + out->buf.len - value->p);
    out->count++;
}
