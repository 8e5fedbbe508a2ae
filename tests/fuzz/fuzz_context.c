/* SPDX-License-Identifier: MIT
 *
 * Fuzzes each propagation format with the values of its own headers, and reads back what it writes.
 * What every format must hold is here; a new one needs no line. Input: values separated by
 * newlines, in the order of the format's headers, then prefixed ones.
 */
#include "tracing/format.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth) {
    if (!truth)
        abort();
}

static void check(const struct trc_format *format, const struct trc_carrier *carrier,
                  const struct trc_baggage *baggage, const struct trc_context *context,
                  const struct trc_format *from) {
    static struct trc_injection injection;
    static struct trc_baggage again;
    struct trc_slice values[8] = {{NULL, 0}};
    struct trc_extracted ex = {0};
    const struct trc_outgoing what = {context, baggage, from};
    trc_injection_clear(&injection);
    trc_baggage_clear(&again);
    format->inject(&what, carrier, 0, &injection);
    for (unsigned i = 0; i < injection.count; i++) {
        struct trc_slice v = injection.item[i].value;
        for (size_t k = 0; k < v.len; k++) /* nothing that could end a header */
            must(v.p[k] >= 0x20 && v.p[k] < 0x7f);
        if (injection.item[i].header >= 0)
            values[injection.item[i].header] = v;
    }
    struct trc_carrier own = {.value = values};
    if (format->baggage)
        format->baggage(&own, &again);
    if (!format->extract)
        return;
    must(format->extract(&own, &ex) == 0);
    must(ex.context.trace_lo == context->trace_lo && ex.context.span_id == context->span_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trc_baggage baggage;
    for (unsigned f = 0; trc_formats[f]; f++) {
        struct trc_slice values[8] = {{NULL, 0}}, rest = {(const char *)data, size};
        struct trc_prefixed prefixed[8];
        struct trc_carrier carrier = {values, size ? data[0] == '!' : 0, prefixed, 0};
        unsigned headers = 0;
        while (trc_formats[f]->headers[headers])
            headers++;
        for (unsigned i = 0; rest.len > 0 && i < headers + 8; i++) {
            const char *end = memchr(rest.p, '\n', rest.len);
            struct trc_slice v = {rest.p, end ? (size_t)(end - rest.p) : rest.len};
            rest = (struct trc_slice){rest.p + v.len + (end != NULL),
                                      rest.len - v.len - (end != NULL)};
            if (i < headers)
                values[i] = v;
            else
                prefixed[carrier.prefixed_count++] = (struct trc_prefixed){v, v};
        }
        struct trc_extracted ex = {0};
        const struct trc_context ours = {0x0102030405060708, 0x1112131415161718, 0x21, 0x22, 1};
        int rc = -ENOENT;
        trc_baggage_clear(&baggage);
        if (trc_formats[f]->extract)
            rc = trc_formats[f]->extract(&carrier, &ex);
        must(rc == 0 || rc == -ENOENT || rc == -EINVAL);
        if (rc != -EINVAL && trc_formats[f]->baggage)
            trc_formats[f]->baggage(&carrier, &baggage);
        if (rc != 0)
            ex.context = ours;
        if (ex.context.trace_hi | ex.context.trace_lo) {
            ex.context.flags &= (uint8_t)~TRC_FLAG_DEFERRED;
            ex.context.span_id = ours.span_id;
            check(trc_formats[f], &carrier, &baggage, &ex.context, rc == 0 ? trc_formats[f] : NULL);
        }
    }
    return 0;
}
