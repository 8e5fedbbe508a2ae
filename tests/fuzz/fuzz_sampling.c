/* SPDX-License-Identifier: MIT
 *
 * Fuzzes what reads a sampling server's answer, and decides by what was read.
 */
#include "tracing/sampling_answer.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth) {
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trc_strategies *strategies;
    struct trc_strategy *s = NULL;
    struct trc_decision by;
    char why[TRC_ERROR_TEXT_MAX] = "";
    if (!strategies)
        must(trc_strategies_new(&strategies, 0.5) == 0);
    int rc = trc_sampling_answer_parse((struct trc_slice){(const char *)data, size}, &s, why);
    must((rc == 0) == (s != NULL) && (rc == 0) == (why[0] == '\0'));
    must(memchr(why, 0, sizeof(why)) != NULL);
    if (rc) {
        must(rc == -EINVAL);
        return 0;
    }
    must(s->param >= 0 && s->param <= (s->type == TRC_SAMPLER_RATELIMITING ? TRC_RATE_MAX : 1));
    trc_strategies_publish(strategies, s, size);
    for (size_t i = 0; i < s->operation_count; i++) {
        double p = s->operation[i].probability;
        must(p >= 0 && p <= 1);
        bool sampled = trc_strategies_decide(strategies, INT64_MAX, s->operation[i].name, 0, &by);
        must(sampled || by.param < 1);
    }
    free(s);
    return 0;
}
