/* SPDX-License-Identifier: MIT
 *
 * What a collector said, made fit for a line of the log. Used by the files that read answers.
 */
#ifndef TRACING_SEND_EXCERPT_H
#define TRACING_SEND_EXCERPT_H

#include "tracing/slice.h"

/* Copies `from` as a string into `cap` bytes at `to`, cut: a run of white space and control
 * characters becomes one space, none at the start, and a byte that is not ASCII '?'. */
static inline void trc_excerpt(char *to, size_t cap, struct trc_slice from) {
    size_t len = 0;
    bool gap = false;
    for (size_t i = 0; i < from.len && len + 1 < cap; i++) {
        unsigned char c = (unsigned char)from.p[i];
        if (c <= ' ' || c == 0x7f) {
            gap = len > 0;
            continue;
        }
        if (gap && len + 2 < cap)
            to[len++] = ' ';
        gap = false;
        to[len++] = (char)(c < 0x80 ? c : '?');
    }
    to[len] = '\0';
}

#endif
