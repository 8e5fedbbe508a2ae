/* SPDX-License-Identifier: MIT
 *
 * Values with a unit, and words. Used by whatever reads options.
 */
#include "tracing/values.h"
#include "tracing/clock.h"
#include <errno.h>
#include <strings.h>

/* Digits at the start of *text; what follows is left in *text. */
static int take_number(struct trc_slice *text, uint64_t *out) {
    uint64_t v = 0;
    size_t i = 0;
    for (; i < text->len && text->p[i] >= '0' && text->p[i] <= '9'; i++) {
        if (v > UINT64_MAX / 10 - 1)
            return -EINVAL;
        v = v * 10 + (uint64_t)(text->p[i] - '0');
    }
    if (i == 0)
        return -EINVAL;
    *text = (struct trc_slice){text->p + i, text->len - i};
    *out = v;
    return 0;
}

struct unit {
    struct trc_slice name;
    uint64_t factor;
};

static int parse_with_unit(struct trc_slice text, const struct unit *units, size_t unit_count,
                           uint64_t *out) {
    uint64_t v;
    if (take_number(&text, &v))
        return -EINVAL;
    for (size_t i = 0; i < unit_count; i++) {
        if (!trc_slice_equal(text, units[i].name))
            continue;
        if (v > UINT64_MAX / units[i].factor)
            return -EINVAL;
        *out = v * units[i].factor;
        return 0;
    }
    return -EINVAL;
}

int trc_parse_duration(struct trc_slice text, uint64_t *out_ns) {
    static const struct unit units[] = {{TRC_SLICE("ms"), TRC_NS_PER_MS},
                                        {TRC_SLICE("s"), TRC_NS_PER_S},
                                        {TRC_SLICE("m"), 60 * TRC_NS_PER_S}};
    return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), out_ns);
}

int trc_parse_size(struct trc_slice text, uint64_t *out_bytes) {
    static const struct unit units[] = {
        {TRC_SLICE(""), 1}, {TRC_SLICE("k"), 1024}, {TRC_SLICE("M"), 1024 * 1024}};
    return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), out_bytes);
}

int trc_parse_bool(struct trc_slice text, bool *out) {
    static const char *const words[2][4] = {{"false", "no", "off", "0"},
                                            {"true", "yes", "on", "1"}};
    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 4; i++)
            if (text.len == strlen(words[truth][i]) &&
                strncasecmp(text.p, words[truth][i], text.len) == 0) {
                *out = truth;
                return 0;
            }
    return -EINVAL;
}
