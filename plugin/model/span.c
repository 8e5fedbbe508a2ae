/* SPDX-License-Identifier: MIT
 *
 * What can be asked of a span that is more than a line.
 */
#include "tracing/span.h"

bool trc_method_known(struct trc_slice m) {
    static const struct trc_slice known[] = {
        TRC_SLICE("GET"),   TRC_SLICE("POST"),    TRC_SLICE("HEAD"),
        TRC_SLICE("PUT"),   TRC_SLICE("DELETE"),  TRC_SLICE("OPTIONS"),
        TRC_SLICE("PATCH"), TRC_SLICE("CONNECT"), TRC_SLICE("TRACE"),
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (trc_slice_equal(m, known[i]))
            return true;
    return false;
}

bool trc_span_check(const struct trc_span *span, size_t len) {
    if (len < TRC_SPAN_FIXED || len > sizeof(*span) || span->size != len ||
        span->arena_len > len - TRC_SPAN_FIXED)
        return false;
    for (unsigned i = 0; i < TRC_STR_COUNT; i++)
        if (span->str[i].off > span->arena_len ||
            span->str[i].len > span->arena_len - span->str[i].off)
            return false;
    return true;
}
