/* SPDX-License-Identifier: MIT
 *
 * What encoding costs: nanoseconds a span, for each wire.
 *
 *   bench_encode [spans] [wire]      1,000,000 spans, all wires
 *
 * Fills packets of 65,000 bytes with the usual span of tests/unit/spans.h, failed, under the names
 * its wire has by default: 13 attributes for Jaeger, 18 for OTLP. Ids and times change from span to
 * span. For instructions a span, which do not depend on the machine's load, take the difference of
 * two runs:
 *
 *   valgrind --tool=callgrind bench_encode 10000 "jaeger compact"
 *   valgrind --tool=callgrind bench_encode 20000 "jaeger compact"
 */
#include "../unit/spans.h"
#include "tracing/encoder.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct trc_tag tags[] = {{TRC_SLICE("region"), TRC_SLICE("eu-west-1")}};
static const struct trc_resource resource = {
    .service = TRC_SLICE("shop"),
    .tags = tags,
    .tag_count = 1,
    .hostname = TRC_SLICE("web-1"),
    .ip = TRC_SLICE("192.0.2.1"),
    .client_uuid = UINT64_C(0x0123456789abcdef),
    .pid = 4711,
};

static const struct {
    const struct trc_encoder_ops *ops;
    enum trc_semconv semconv;
} wires[] = {
    {&trc_encoder_jaeger_compact, TRC_SEMCONV_OPENTRACING},
    {&trc_encoder_jaeger_binary, TRC_SEMCONV_OPENTRACING},
    {&trc_encoder_jaeger_batch, TRC_SEMCONV_OPENTRACING},
    {&trc_encoder_zipkin_thrift, TRC_SEMCONV_OPENTRACING},
    {&trc_encoder_otlp_json, TRC_SEMCONV_HTTP},
    {&trc_encoder_otlp_protobuf, TRC_SEMCONV_HTTP},
    {&trc_encoder_zipkin_json, TRC_SEMCONV_OPENTRACING},
};

static int run(const struct trc_encoder_ops *ops, enum trc_semconv semconv, unsigned long spans) {
    const struct trc_encoder_config config = {&resource, semconv, 65000};
    const struct trc_client_stats stats = {0, 0, 0};
    struct trc_encoder *encoder = ops->make(&config);
    struct trc_random random = {{1, 2, 3, 4}};
    struct trc_attribute list[TRC_ATTR_MAX];
    struct trc_span span;
    uint64_t sequence = 0, bytes = 0;

    if (!encoder)
        return 1;
    spans_usual(&span);
    span.status = 503;
    span.error = 1;
    const uint64_t start = trc_clock_mono_ns();
    for (unsigned long i = 0; i < spans; i++) {
        span.trace_lo = trc_random_id(&random);
        span.span_id = trc_random_id(&random);
        span.start_unix_ns += 1000003;
        if (ops->add(encoder, &span) != -ENOSPC)
            continue;
        bytes += ops->finish(encoder, ++sequence, &stats).len;
        if (ops->add(encoder, &span) != 0)
            return 1;
    }
    const uint64_t took = trc_clock_mono_ns() - start;
    printf("%-14s %6.1f ns a span, %u attributes, %.0f bytes a span, %llu packets\n", ops->name,
           (double)took / (double)spans, trc_attributes(&span, semconv, list),
           (double)bytes / (double)spans, (unsigned long long)sequence);
    ops->drop(encoder);
    return 0;
}

int main(int argc, char **argv) {
    const unsigned long spans = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    int rc = 0;

    for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
        if (argc < 3 || strcmp(argv[2], wires[i].ops->name) == 0)
            rc |= run(wires[i].ops, wires[i].semconv, spans);
    return rc;
}
