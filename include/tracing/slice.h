/* SPDX-License-Identifier: MIT
 *
 * A slice: bytes somebody else owns, by pointer and length.
 *
 * Used wherever bytes are passed without being copied: request variables, option values, encoded
 * batches. Not NUL-terminated. A slice with p == NULL is absent; one with len == 0 and p != NULL is
 * there and empty (a header sent without a value). Whoever hands out a slice says how long its
 * bytes live.
 */
#ifndef TRACING_SLICE_H
#define TRACING_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct trc_slice {
    const char *p;
    size_t len;
};

/* A name and what it stands for. */
struct trc_tag {
    struct trc_slice key, value;
};

/* A slice of a string literal. */
#define TRC_SLICE(literal) ((struct trc_slice){(literal), sizeof(literal) - 1})

/* The slice of a NUL-terminated string, absent for NULL. Thread: any. */
static inline struct trc_slice trc_slice_of(const char *s) {
    return (struct trc_slice){s, s ? strlen(s) : 0};
}

/* Same bytes, same length? Two absent slices are equal, and equal to an empty one. Thread: any. */
static inline bool trc_slice_equal(struct trc_slice a, struct trc_slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* The slice without optional white space (SP and HTAB, RFC 9110 section 5.6.3) at both ends.
 * Thread: any. */
static inline struct trc_slice trc_slice_trim(struct trc_slice s) {
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Takes the item before the next `separator`, or all that is left, off *rest. False when nothing is
 * left: *rest is absent then. An empty slice is one empty item. Thread: any. */
static inline bool trc_slice_split(struct trc_slice *rest, char separator, struct trc_slice *item) {
    if (!rest->p)
        return false;
    const char *end = rest->len ? memchr(rest->p, separator, rest->len) : NULL;
    *item = (struct trc_slice){rest->p, end ? (size_t)(end - rest->p) : rest->len};
    *rest =
        end ? (struct trc_slice){end + 1, rest->len - item->len - 1} : (struct trc_slice){NULL, 0};
    return true;
}

/* The same, and the item trimmed: how options and variables have their lists. Thread: any. */
static inline bool trc_slice_next(struct trc_slice *rest, char separator, struct trc_slice *item) {
    if (!trc_slice_split(rest, separator, item))
        return false;
    *item = trc_slice_trim(*item);
    return true;
}

#endif
