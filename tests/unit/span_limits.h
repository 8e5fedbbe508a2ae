/* SPDX-License-Identifier: MIT
 *
 * Limits that encoders keep alike. For a test file that has `ops`, make(), check_message() and
 * no_losses of its encoder, and defines WORST_BYTE(i), byte i of a text that grows the most.
 */
#ifndef TRACING_UNIT_SPAN_LIMITS_H
#define TRACING_UNIT_SPAN_LIMITS_H

/* Behind a message that is full there is room to write the largest span, and see that it does not
 * fit (a sanitizer looks). The message stays as it is. */
static void room_for_the_largest_span(void **state) {
    static struct trc_span spans[64], largest;
    static char text[TRC_SPAN_ARENA];
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP_DUP, 6000);
    unsigned count = 0;

    (void)state;
    assert_non_null(e);
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)(WORST_BYTE(i));
    spans_largest(&largest, text);
    spans_usual(&spans[0]);
    while (ops->add(e, &spans[count]) == 0) {
        count++;
        spans[count] = spans[0];
    }
    assert_true(count > 0);
    assert_int_equal(ops->add(e, &largest), -EMSGSIZE);
    check_message(ops->finish(e, 1, &no_losses), spans, count, TRC_SEMCONV_HTTP_DUP);
    ops->drop(e);
}

static void no_encoder_without_room_or_memory(void **state) {
    bool made = false;

    (void)state;
    for (size_t max = 0; max < 1000; max++) {
        struct trc_encoder *e = make(TRC_SEMCONV_HTTP, max);
        assert_true(e || !made);
        made = e != NULL;
        ops->drop(e);
    }
    assert_true(made);
    assert_null(make(TRC_SEMCONV_HTTP, (size_t)1 << 61));
}

#endif
