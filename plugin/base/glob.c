/* SPDX-License-Identifier: MIT
 *
 * Globs. Used by what is excluded from tracing.
 *
 * When something does not match, only the last star is tried again, one byte further on: what an
 * earlier star took has led to it, and taking more could lead to nothing better. So there is no
 * recursion, and no pattern a peer's text could make exponential.
 */
#include "tracing/glob.h"
#include <stdint.h>

bool trc_glob_match(struct trc_slice pattern, struct trc_slice text) {
    size_t p = 0, t = 0, star = SIZE_MAX, taken = 0; /* behind the last star; where its bytes end */
    while (t < text.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = ++p;
            taken = t;
        } else if (p < pattern.len && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
            p++;
            t++;
        } else if (star == pattern.len) {
            return true; /* a star at the end takes the rest */
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}
