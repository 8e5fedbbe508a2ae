/* SPDX-License-Identifier: MIT
 *
 * What the tests of the tracer stand on: a tracer, requests made of "NAME=value", and the spans
 * that come of them.
 */
#ifndef TESTS_TRACER_RIG_H
#define TESTS_TRACER_RIG_H

#include "tracing/clock.h"
#include "tracing/packet.h"
#include "tracing/tracer.h"
#include "unit.h"

static struct trc_tracer tracer;
static struct trc_journal *journal;
static struct trc_injection injection;

/* A tracer of these formats (NULL at the end) that records everything, over a journal of its own.
 */
static int tracer_setup_named(const struct trc_format *const *extract,
                              const struct trc_format *const *inject,
                              const struct trc_template *operation) {
    struct trc_journal_config config = {2, 2, 1, 1};
    memset(&tracer, 0, sizeof(tracer));
    if (operation)
        tracer.operation = *operation;
    if (trc_journal_new(&journal, &config) || trc_tracer_init(&tracer, extract, inject))
        return -1;
    tracer.journal = journal;
    assert_int_equal(trc_sampler_parse(TRC_SLICE("const:1"), &tracer.sampler), 0);
    return trc_tracer_seed(&tracer);
}

static inline int tracer_setup(const struct trc_format *const *extract,
                               const struct trc_format *const *inject) {
    return tracer_setup_named(extract, inject, NULL);
}

static int teardown(void **state) {
    (void)state;
    trc_journal_free(journal);
    return 0;
}

/* A packet out of "NAME=value" strings. */
static inline void begin(unsigned core, const char *const *variables) {
    static char packet[70000];
    static struct trc_request request;
    size_t used = 0;
    for (; *variables; variables++) {
        const char *eq = strchr(*variables, '=');
        size_t k = (size_t)(eq - *variables), v = strlen(eq + 1);
        packet[used++] = (char)k;
        packet[used++] = (char)(k >> 8);
        memcpy(packet + used, *variables, k);
        used += k;
        packet[used++] = (char)v;
        packet[used++] = (char)(v >> 8);
        memcpy(packet + used, eq + 1, v);
        used += v;
    }
    assert_int_equal(trc_packet_scan(packet, used, &tracer.names, tracer.prefix, &request), 0);
    request.start_unix_ns = trc_clock_unix_ns() - 5 * TRC_NS_PER_MS;
    trc_tracer_begin(&tracer, core, &request, &injection);
}

#define BEGIN(core, ...) begin(core, (const char *const[]){"REQUEST_METHOD=GET", __VA_ARGS__, NULL})

static void end(unsigned core, uint16_t status) {
    trc_tracer_end(&tracer, core, &(struct trc_result){.status = status, .response_bytes = 7});
}

static uint64_t read_pos;

static const struct trc_span *next_span(void) {
    uint64_t next;
    const struct trc_span *span = trc_journal_read(journal, tracer.worker, &read_pos, &next);
    if (span)
        read_pos = next;
    return span;
}

static const struct trc_span *only_span(void) {
    read_pos = 0;
    const struct trc_span *span = next_span();
    assert_non_null(span);
    assert_true(trc_span_check(span, span->size));
    assert_null(next_span());
    return span;
}

static void assert_str(const struct trc_span *span, enum trc_span_str which, const char *want) {
    struct trc_slice s = trc_span_get(span, which);
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.p, want, s.len);
}

static struct trc_accounts accounts(void) {
    struct trc_accounts a;
    trc_journal_accounts(journal, -1, 0, &a);
    return a;
}

#endif
