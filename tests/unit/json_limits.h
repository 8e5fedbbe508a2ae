/* SPDX-License-Identifier: MIT
 *
 * Limits that the JSON encoders keep alike. For a test file that has `ops`, make(), check_message()
 * and no_losses of its encoder, and defines LEAST_BYTES, a length in which its head and some spans
 * have room.
 */
#ifndef TRACING_UNIT_JSON_LIMITS_H
#define TRACING_UNIT_JSON_LIMITS_H

static void no_message_is_too_long(void **state) {
    static struct trc_span spans[200];
    struct trc_random random = {{9, 9, 9, 9}};

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        const size_t max = LEAST_BYTES + 331 * round;
        struct trc_encoder *e = make(TRC_SEMCONV_HTTP, max);
        unsigned count = 0;

        assert_non_null(e);
        for (unsigned i = 0; i < 200; i++) {
            spans_random(&random, &spans[count]);
            spans_random_claims(&random, &spans[count]);
            const int rc = ops->add(e, &spans[count]);
            if (rc == 0)
                count++;
            if (rc == 0 || rc == -EMSGSIZE) /* nothing is in the way of the latter but itself */
                continue;
            assert_int_equal(rc, -ENOSPC);
            assert_true(count > 0);
            const struct trc_slice message = ops->finish(e, 1, &no_losses);
            assert_true(message.len <= max);
            check_message(message, spans, count, TRC_SEMCONV_HTTP);
            spans[0] = spans[count];
            assert_int_equal(ops->add(e, &spans[0]), 0);
            count = 1;
        }
        ops->drop(e);
    }
}

/* To the byte: a limit of a message's length is enough for it, and one less is not. */
static void limits_are_exact(void **state) {
    struct trc_encoder *e = make(TRC_SEMCONV_HTTP, 65000);
    struct trc_span span;
    size_t len[2];

    (void)state;
    spans_usual(&span);
    for (int two = 0; two < 2; two++) {
        for (int i = 0; i <= two; i++)
            assert_int_equal(ops->add(e, &span), 0);
        len[two] = ops->finish(e, 1, &no_losses).len;
    }
    ops->drop(e);
    for (int less = 0; less < 2; less++) {
        e = make(TRC_SEMCONV_HTTP, len[0] - (size_t)less);
        assert_int_equal(ops->add(e, &span), less ? -EMSGSIZE : 0);
        ops->drop(e);
        e = make(TRC_SEMCONV_HTTP, len[1] - (size_t)less);
        assert_int_equal(ops->add(e, &span), 0);
        assert_int_equal(ops->add(e, &span), less ? -ENOSPC : 0);
        check_message(ops->finish(e, 1, &no_losses), (struct trc_span[]){span, span}, less ? 1 : 2,
                      TRC_SEMCONV_HTTP);
        ops->drop(e);
    }
}

#define WORST_BYTE(i) (1 + (i) % 8) /* six of JSON */
#include "span_limits.h"

#endif
