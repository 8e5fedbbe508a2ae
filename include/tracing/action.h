/* SPDX-License-Identifier: MIT
 *
 * What a route does to the request's span: the text behind `tracing:`.
 */
#ifndef TRACING_ACTION_H
#define TRACING_ACTION_H

#include "tracing/slice.h"

enum trc_action_type {
    TRC_ACTION_OFF,
    TRC_ACTION_ON,
    TRC_ACTION_SAMPLE,
    TRC_ACTION_NAME,
    TRC_ACTION_TAG,
};

struct trc_action {
    enum trc_action_type type;
    double probability;    /* SAMPLE: 0 to 1 */
    struct trc_slice key;  /* TAG: 1 to 255 bytes */
    struct trc_slice text; /* NAME, TAG: may be empty of a tag */
};

/* What trc_action_parse accepts, for error messages. */
#define TRC_ACTION_ALLOWED "off, on, sample=0..1, name=TEXT, tag=KEY=VALUE"

/* Reads `text`, one of
 *
 *   off   on   sample=P   name=TEXT   tag=KEY=VALUE
 *
 * where only the last part may hold anything. Returns 0, or -EINVAL with *out untouched; *out
 * points into `text`. Thread: any. */
int trc_action_parse(struct trc_slice text, struct trc_action *out);

#endif
