/* SPDX-License-Identifier: MIT
 *
 * Fuzzes each propagation format with the values of its own headers, and reads back what it writes.
 * What every format must hold is here; a new one needs no line. Input: values separated by
 * newlines, in the order of the format's headers, then prefixed ones; "~" is one that was not sent.
 */
#include "tracing/format.h"
#include "tracing/utf8.h"
#include <errno.h>
#include <stdlib.h>

#define HEADERS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth) {
    if (!truth)
        abort();
}

/* Is it a part of one of the values? */
static bool is_within(struct trc_slice s, const struct trc_carrier *carrier, unsigned headers) {
    for (unsigned i = 0; i < headers; i++) {
        struct trc_slice v = carrier->value[i];
        if (v.p && s.p >= v.p && s.p + s.len <= v.p + v.len)
            return true;
    }
    return false;
}

/* What was found is of one piece. */
static void check_extracted(const struct trc_extracted *ex, const struct trc_carrier *carrier,
                            unsigned headers) {
    const struct trc_context *c = &ex->context;
    must((c->flags & ~(TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG | TRC_FLAG_RANDOM | TRC_FLAG_DEFERRED)) ==
         0);
    must(!(c->flags & TRC_FLAG_DEBUG) || c->flags & TRC_FLAG_SAMPLED);
    must(!(c->flags & TRC_FLAG_DEFERRED) || c->flags == TRC_FLAG_DEFERRED ||
         c->flags == (TRC_FLAG_DEFERRED | TRC_FLAG_RANDOM));
    if (!(c->trace_hi | c->trace_lo)) /* a decision alone */
        must(!c->span_id && !(c->flags & TRC_FLAG_DEFERRED) && !ex->state.p);
    must(!ex->state.p || (ex->state.len && is_within(ex->state, carrier, headers)));
    for (size_t i = 0; i < ex->state.len; i++)
        must((ex->state.p[i] >= 0x20 && ex->state.p[i] < 0x7f) || ex->state.p[i] == '\t');
}

/* An item that was to be told in a baggage header is there, unless the caller's own is. */
static void check_baggage(const struct trc_baggage *baggage, const struct trc_baggage *again) {
    struct trc_slice key = TRC_SLICE("extra");
    struct trc_slice want = trc_baggage_get(baggage, key), got = trc_baggage_get(again, key);
    must(!got.p || !trc_utf8_valid(want) || trc_slice_equal(got, want));
}

/* What is written, over what the caller sent, reads as what was to be told. */
static void check(const struct trc_format *format, const struct trc_carrier *carrier,
                  unsigned headers, const struct trc_baggage *baggage,
                  const struct trc_extracted *told, const struct trc_format *from) {
    static struct trc_injection injection;
    static struct trc_baggage again;
    struct trc_slice values[HEADERS_MAX] = {{NULL, 0}};
    struct trc_extracted ex = {0};
    const struct trc_context *context = &told->context;
    const struct trc_outgoing what = {context, baggage, from};
    const bool is_w3c = strcmp(format->name, "baggage") == 0;
    memcpy(values, carrier->value, headers * sizeof(values[0]));
    trc_injection_clear(&injection);
    trc_baggage_clear(&again);
    if (format->inject)
        format->inject(&what, carrier, 0, &injection);
    if (format->inject_baggage && baggage->count)
        format->inject_baggage(&what, carrier, 0, &injection);
    for (unsigned i = 0; i < injection.count; i++) {
        struct trc_slice v = injection.item[i].value;
        for (size_t k = 0; k < v.len; k++) /* nothing that could end a header */
            must((v.p[k] >= 0x20 && v.p[k] < 0x7f) || v.p[k] == '\t');
        must(!is_w3c || v.len <= TRC_BAGGAGE_BYTES);
        if (injection.item[i].header >= 0)
            values[injection.item[i].header] = v;
    }
    struct trc_carrier own = {.value = values};
    if (format->baggage)
        format->baggage(&own, &again);
    if (is_w3c)
        check_baggage(baggage, &again);
    if (!format->extract)
        return;
    must(format->extract(&own, &ex) == 0);
    must(ex.context.trace_lo == context->trace_lo && ex.context.span_id == context->span_id);
    must(!((ex.context.flags ^ context->flags) & TRC_FLAG_SAMPLED));
    must(trc_slice_equal(ex.state, told->state)); /* of a trace that goes on, else none */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trc_baggage baggage;
    for (unsigned f = 0; trc_formats[f]; f++) {
        struct trc_slice values[HEADERS_MAX] = {{NULL, 0}}, rest = {(const char *)data, size};
        struct trc_prefixed prefixed[8];
        struct trc_carrier carrier = {values, size ? data[0] == '!' : 0, prefixed, 0, false};
        unsigned headers = 0;
        while (trc_formats[f]->headers[headers])
            headers++;
        for (unsigned i = 0; rest.len > 0 && i < headers + 8; i++) {
            const char *end = memchr(rest.p, '\n', rest.len);
            struct trc_slice v = {rest.p, end ? (size_t)(end - rest.p) : rest.len};
            rest = (struct trc_slice){rest.p + v.len + (end != NULL),
                                      rest.len - v.len - (end != NULL)};
            if (i >= headers)
                prefixed[carrier.prefixed_count++] = (struct trc_prefixed){v, v};
            else if (!trc_slice_equal(v, TRC_SLICE("~")))
                values[i] = v;
        }
        struct trc_extracted ex = {0};
        const struct trc_context ours = {0x0102030405060708, 0x1112131415161718, 0x21, 0x22, 1};
        int rc = -ENOENT;
        trc_baggage_clear(&baggage);
        if (trc_formats[f]->extract)
            rc = trc_formats[f]->extract(&carrier, &ex);
        must(rc == 0 || rc == -ENOENT || rc == -EINVAL);
        if (rc == 0)
            check_extracted(&ex, &carrier, headers);
        if (rc != -EINVAL && trc_formats[f]->baggage)
            trc_formats[f]->baggage(&carrier, &baggage);
        trc_baggage_add(&baggage, TRC_SLICE("extra"), (struct trc_slice){(const char *)data, size});
        if (rc != 0 || !(ex.context.trace_hi | ex.context.trace_lo))
            ex.context = ours;
        ex.context.flags &= (uint8_t)~TRC_FLAG_DEFERRED;
        ex.context.span_id = ours.span_id;
        check(trc_formats[f], &carrier, headers, &baggage, &ex, rc == 0 ? trc_formats[f] : NULL);
    }
    return 0;
}
