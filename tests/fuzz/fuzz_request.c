/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the whole request path with a raw packet: scan, begin, variables set, end, and the span
 * that comes out of it through every encoder. The first byte of the input chooses the surroundings.
 */
#include "tracing/encoder.h"
#include "tracing/packet.h"
#include "tracing/tracer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct trc_tracer tracer;
static struct trc_encoder *encoders[3];
static const struct trc_encoder_ops *const ops[3] = {
    &trc_encoder_jaeger_compact, &trc_encoder_jaeger_binary, &trc_encoder_otlp_json};

static void must(bool truth) {
    if (!truth)
        abort();
}

static void start(void) {
    static const struct trc_format *inject[TRC_FORMATS_MAX + 1];
    static const struct trc_resource resource = {.service = {"fuzz", 4}};
    static const struct trc_encoder_config config = {&resource, TRC_SEMCONV_HTTP_DUP, 65000};
    unsigned count = 0;
    for (; trc_formats[count]; count++)
        inject[count] = trc_formats[count];
    inject[count] = &trc_format_variables;
    must(trc_journal_new(&tracer.journal, &(struct trc_journal_config){1, 1, 0, 1}) == 0);
    must(trc_tracer_init(&tracer, trc_formats, inject) == 0);
    must(trc_sampler_parse(TRC_SLICE("const:1"), &tracer.sampler) == 0);
    must(trc_tracer_seed(&tracer) == 0);
    for (int i = 0; i < 3; i++)
        must((encoders[i] = ops[i]->make(&config)) != NULL);
}

static bool move_tail(void *arg, struct trc_packet *k, struct trc_slice old, struct trc_slice name,
                      struct trc_slice value) {
    ptrdiff_t shift;
    (void)arg;
    size_t freed = old.p ? 4 + name.len + old.len : 0;
    if (k->len - freed + 4 + name.len + value.len > k->cap)
        return false;
    if (old.p)
        trc_packet_remove(k, name.len, old);
    k->tail_len = 0;
    return trc_packet_set(k, (struct trc_slice){NULL, 0}, name, value, &shift) == 0;
}

/* The packet is a list of variables still, with its tail behind it as it was. */
static void set_variables(const uint8_t *data, size_t size, size_t tail, size_t room,
                          struct trc_request *request, const struct trc_injection *injection) {
    static struct trc_request again;
    size_t cap = size + tail + room;
    char *memory = malloc(cap ? cap : 1);
    struct trc_packet k = {memory, size, tail, cap};
    if (size)
        memcpy(memory, data, size);
    memset(memory + size, 't', tail);
    must(trc_packet_scan(k.p, k.len, &tracer.names, tracer.prefix, request) == 0);
    unsigned before = request->variable_count;
    unsigned left_out =
        trc_packet_inject(&k, request, tracer.names.count, before + 3, injection, move_tail, NULL);
    must(k.len + k.tail_len <= k.cap);
    must(trc_packet_scan(k.p, k.len, &tracer.names, tracer.prefix, &again) == 0);
    must(again.variable_count <= before + 3);
    for (unsigned i = 0; left_out == 0 && i < injection->count; i++)
        if (injection->item[i].header >= 0)
            must(trc_slice_equal(again.value[injection->item[i].header], injection->item[i].value));
    for (size_t i = 0; i < k.tail_len; i++)
        must(k.p[k.len + i] == 't');
    free(memory);
}

static void encode(const struct trc_span *span) {
    static const struct trc_client_stats stats;
    must(trc_span_check(span, span->size));
    for (int i = 0; i < 3; i++) {
        must(ops[i]->add(encoders[i], span) == 0);
        must(ops[i]->finish(encoders[i], 1, &stats).len <= 65000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trc_request request;
    static struct trc_injection injection;
    if (!tracer.journal)
        start();
    if (size < 1 || size > 60000)
        return 0;
    unsigned how = *data++;
    size--;
    if (trc_packet_scan((const char *)data, size, &tracer.names, tracer.prefix, &request))
        return 0;
    request.start_unix_ns = how;
    trc_tracer_begin(&tracer, 0, &request, &injection);
    set_variables(data, size, how & 1 ? 40 : 0,
                  how & 2   ? 0
                  : how & 4 ? 30
                            : 4000,
                  &request, &injection);
    uint64_t pos = trc_journal_head(tracer.journal, 0), next;
    trc_tracer_end(&tracer, 0, &(struct trc_result){.status = (uint16_t)(how * 5)});
    const struct trc_span *span = trc_journal_read(tracer.journal, 0, &pos, &next);
    if (span)
        encode(span);
    return 0;
}
