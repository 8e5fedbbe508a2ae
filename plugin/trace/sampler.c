/* SPDX-License-Identifier: MIT
 *
 * Samplers. The rate limiter is a leaky bucket written down as one number, the time at which the
 * account would be level (GCRA), so that all workers can share it with one compare-and-swap.
 */
#include "tracing/sampler.h"
#include "tracing/clock.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ID_MASK UINT64_C(0x7fffffffffffffff)

/* A finite number >= 0 that fills all of `s`. */
static int parse_number(struct trc_slice s, double *out) {
    char text[32], *end;
    if (s.len == 0 || s.len >= sizeof(text) || !((s.p[0] >= '0' && s.p[0] <= '9') || s.p[0] == '.'))
        return -EINVAL;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    if (strspn(text, "0123456789.eE+-") != s.len) /* strtod also reads hex, inf and nan */
        return -EINVAL;
    double v = strtod(text, &end);
    if (*end || !isfinite(v) || v < 0)
        return -EINVAL;
    *out = v;
    return 0;
}

int trc_sampler_parse(struct trc_slice text, struct trc_sampler *out) {
    const char *colon = text.len ? memchr(text.p, ':', text.len) : NULL;
    struct trc_sampler s = {0};
    if (!colon)
        return -EINVAL;
    struct trc_slice name = {text.p, (size_t)(colon - text.p)};
    if (parse_number((struct trc_slice){colon + 1, text.len - name.len - 1}, &s.param))
        return -EINVAL;
    if (trc_slice_equal(name, TRC_SLICE("const")) && (s.param == 0 || s.param == 1)) {
        s.type = TRC_SAMPLER_CONST;
    } else if (trc_slice_equal(name, TRC_SLICE("probabilistic")) && s.param <= 1) {
        s.type = TRC_SAMPLER_PROBABILISTIC;
        /* 2^63 - 1 is not a double: the product for 1 is 2^63, one too many. */
        s.boundary = s.param == 1 ? ID_MASK : (uint64_t)(s.param * (double)ID_MASK);
    } else if (trc_slice_equal(name, TRC_SLICE("ratelimiting")) && s.param <= 1e9) {
        s.type = TRC_SAMPLER_RATELIMITING;
        if (s.param > 0) {
            /* As Jaeger's clients: the balance is at most max(rate, 1), and full at the start. */
            double cost = (double)TRC_NS_PER_S / s.param, burst = s.param > 1 ? s.param : 1;
            s.cost_ns = cost < 1e18 ? (uint64_t)cost : (uint64_t)1e18;
            s.burst_ns = (uint64_t)((burst - 1) * (double)s.cost_ns);
        }
    } else {
        return -EINVAL;
    }
    *out = s;
    return 0;
}

static bool spend(const struct trc_sampler *s, _Atomic uint64_t *account, uint64_t now) {
    uint64_t level = atomic_load_explicit(account, memory_order_relaxed);
    for (;;) {
        if (level > now && level - now > s->burst_ns)
            return false;
        uint64_t after = (level > now ? level : now) + s->cost_ns;
        if (atomic_compare_exchange_weak_explicit(account, &level, after, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}

bool trc_sampler_sample(const struct trc_sampler *s, uint64_t trace_lo, _Atomic uint64_t *account,
                        uint64_t mono_ns) {
    switch (s->type) {
    case TRC_SAMPLER_PROBABILISTIC:
        return s->boundary && (trace_lo & ID_MASK) <= s->boundary;
    case TRC_SAMPLER_RATELIMITING:
        return s->cost_ns && spend(s, account, mono_ns);
    default:
        return s->param != 0;
    }
}
