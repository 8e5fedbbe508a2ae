/* SPDX-License-Identifier: MIT
 *
 * What can be asked of a span that is more than a line.
 */
#include "tracing/span.h"

bool trc_method_known(struct trc_slice m) {
    switch (m.len) {
    case 3:
        return memcmp(m.p, "GET", 3) == 0 || memcmp(m.p, "PUT", 3) == 0;
    case 4:
        return memcmp(m.p, "POST", 4) == 0 || memcmp(m.p, "HEAD", 4) == 0;
    case 5:
        return memcmp(m.p, "PATCH", 5) == 0 || memcmp(m.p, "TRACE", 5) == 0 ||
               memcmp(m.p, "QUERY", 5) == 0;
    case 6:
        return memcmp(m.p, "DELETE", 6) == 0;
    case 7:
        return memcmp(m.p, "OPTIONS", 7) == 0 || memcmp(m.p, "CONNECT", 7) == 0;
    default:
        return false;
    }
}

bool trc_span_check(const struct trc_span *span, size_t len) {
    if (len < TRC_SPAN_FIXED || len > sizeof(*span) || span->size != len ||
        span->arena_len > len - TRC_SPAN_FIXED)
        return false;
    /* A span is checked each time it is read: no branch for each string, and offset and length are
     * read as one number, whose halves are the same in either order. */
    uint32_t beyond = 0, both;
    for (unsigned i = 0; i < TRC_STR_COUNT; i++) {
        memcpy(&both, &span->str[i], sizeof(both));
        beyond |= span->arena_len - ((both & 0xffff) + (both >> 16));
    }
    if (beyond > UINT16_MAX || span->named_count > TRC_SPAN_NAMED_MAX) /* one went below zero */
        return false;
    for (unsigned i = 0; i < span->named_count; i++) {
        struct trc_str s = span->named[i];
        if (s.len == 0 || s.off + s.len > span->arena_len ||
            s.len < 1u + (unsigned char)span->arena[s.off])
            return false;
    }
    return true;
}

void trc_span_add_named(struct trc_span *span, struct trc_slice name, struct trc_slice value) {
    const size_t len = 1 + name.len + value.len;
    if (span->named_count == TRC_SPAN_NAMED_MAX || name.len == 0 || name.len > UINT8_MAX ||
        value.len > TRC_SPAN_NAMED_BYTES || span->named_bytes + len > TRC_SPAN_NAMED_BYTES ||
        span->arena_len + len > TRC_SPAN_ARENA) {
        span->truncated = 1;
        return;
    }
    char *at = span->arena + span->arena_len;
    span->named[span->named_count++] = (struct trc_str){span->arena_len, (uint16_t)len};
    *at++ = (char)(unsigned char)name.len;
    memcpy(at, name.p, name.len);
    if (value.len)
        memcpy(at + name.len, value.p, value.len);
    span->named_bytes = (uint16_t)(span->named_bytes + len);
    span->arena_len = (uint16_t)(span->arena_len + len);
}
