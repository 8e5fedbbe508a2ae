/* SPDX-License-Identifier: MIT
 *
 * Actions of routes. See action.h; plugin/host/route.c does what they say.
 */
#include "tracing/action.h"
#include "tracing/decimal.h"
#include <errno.h>
#include <stdint.h>

static int parse_sample(struct trc_slice value, struct trc_action *a) {
    return trc_decimal_double(value, &a->probability) || a->probability > 1 ? -EINVAL : 0;
}

static int parse_name(struct trc_slice value, struct trc_action *a) {
    a->text = value;
    return value.len ? 0 : -EINVAL;
}

static int parse_tag(struct trc_slice value, struct trc_action *a) {
    a->text = value;
    if (!trc_slice_split(&a->text, '=', &a->key) || !a->text.p)
        return -EINVAL;
    return a->key.len && a->key.len <= UINT8_MAX ? 0 : -EINVAL;
}

/* In the order of the types. */
static const struct {
    const char *word;
    int (*parse)(struct trc_slice value, struct trc_action *a); /* NULL: it has none */
} actions[] = {
    [TRC_ACTION_OFF] = {"off", NULL},
    [TRC_ACTION_ON] = {"on", NULL},
    [TRC_ACTION_SAMPLE] = {"sample", parse_sample},
    [TRC_ACTION_NAME] = {"name", parse_name},
    [TRC_ACTION_TAG] = {"tag", parse_tag},
};

int trc_action_parse(struct trc_slice text, struct trc_action *out) {
    struct trc_slice value = text, word;
    if (!trc_slice_split(&value, '=', &word)) /* leaves the value, absent without a '=' */
        return -EINVAL;
    for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct trc_action a = {.type = (enum trc_action_type)i};
        if (!trc_slice_equal(word, trc_slice_of(actions[i].word)))
            continue;
        if ((value.p != NULL) != (actions[i].parse != NULL) ||
            (value.p && actions[i].parse(value, &a)))
            return -EINVAL;
        *out = a;
        return 0;
    }
    return -EINVAL;
}
