/* SPDX-License-Identifier: MIT
 *
 * What each propagation format costs, in and out.
 *
 *   bench_formats OPERATION OPERATIONS     nanoseconds each: "median quarter three-quarters"
 *   bench_formats --list                   the operations there are, a line each: name, tab, text
 *
 * Run by operations.sh, which also counts instructions with it: callgrind, told to look only inside
 * measure(), two numbers of operations, the difference.
 *
 * A format reads what it writes itself: a sampled context of 128 bits, or, if it has baggage only,
 * two items of that. Around it is what the tracer does for each: an empty answer, an empty list.
 */
#include "tracing/clock.h"
#include "tracing/format.h"
#include <stdio.h>
#include <stdlib.h>

#define BATCH 256u
#define BATCHES_MAX 20000 /* medians need no more */
#define HEADERS_MAX 8

static const struct trc_format *format;
static const struct trc_context context = {0x0af7651916cd43dd, 0x8448eb211c80319c,
                                           0xb7ad6b7169203331, 0, TRC_FLAG_SAMPLED};
static struct trc_slice values[HEADERS_MAX], none[HEADERS_MAX];
static const struct trc_carrier sent = {.value = values}, nothing = {.value = none};
static struct trc_baggage baggage, incoming;
static struct trc_injection injection;
static int answer;

static void extract_one(void) {
    struct trc_extracted ex = {0};
    trc_baggage_clear(&incoming);
    if (format->extract)
        answer = format->extract(&sent, &ex);
    if (format->baggage)
        format->baggage(&sent, &incoming);
}

static void inject(struct trc_injection *out) {
    const struct trc_outgoing what = {&context, &baggage, format};
    if (format->inject)
        format->inject(&what, &nothing, 0, out);
    if (baggage.count)
        format->inject_baggage(&what, &nothing, 0, out);
}

static void inject_one(void) {
    trc_injection_clear(&injection);
    inject(&injection);
}

/* What is measured, and nothing else: callgrind is told this name. */
__attribute__((noinline, noclone)) void measure(void (*one)(void), unsigned count) {
    for (unsigned i = 0; i < count; i++)
        one();
}

static void prepare(void) {
    static struct trc_injection written;
    if (!format->extract) {
        trc_baggage_add(&baggage, TRC_SLICE("user-id"), TRC_SLICE("4711"));
        trc_baggage_add(&baggage, TRC_SLICE("region"), TRC_SLICE("eu-west-1"));
    }
    trc_injection_clear(&written);
    inject(&written);
    for (unsigned i = 0; i < written.count; i++)
        values[written.item[i].header] = written.item[i].value;
}

static int by_value(const void *a, const void *b) {
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static void report(void (*one)(void), unsigned long count) {
    static double ns[BATCHES_MAX];
    unsigned batches = 0;
    for (unsigned long done = 0; done < count && batches < BATCHES_MAX; done += BATCH) {
        const uint64_t start = trc_clock_mono_ns();
        measure(one, BATCH);
        ns[batches++] = (double)(trc_clock_mono_ns() - start) / BATCH;
    }
    /* A number is worth nothing if it is of something else. */
    if (answer || incoming.count != (one == extract_one ? baggage.count : 0) ||
        (one == inject_one && injection.count == 0)) {
        fprintf(stderr, "bench_formats: %s did not do it\n", format->name);
        exit(1);
    }
    qsort(ns, batches, sizeof(ns[0]), by_value);
    printf("%.1f %.1f %.1f\n", ns[batches / 2], ns[batches / 4], ns[batches * 3 / 4]);
}

int main(int argc, char **argv) {
    const bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
    for (unsigned i = 0; trc_formats[i]; i++)
        for (int out = 0; out < 2; out++) {
            char name[64];
            snprintf(name, sizeof(name), "%s/%s", out ? "inject" : "extract", trc_formats[i]->name);
            if (list)
                printf("%s\t%s, sampled, 128 bits\n", name,
                       out ? "write a context" : "read a context");
            if (list || argc != 3 || strcmp(argv[1], name) != 0)
                continue;
            format = trc_formats[i];
            prepare();
            report(out ? inject_one : extract_one, strtoul(argv[2], NULL, 10));
            return 0;
        }
    if (!list)
        fprintf(stderr, "usage: bench_formats OPERATION OPERATIONS | --list\n");
    return list ? 0 : 2;
}
