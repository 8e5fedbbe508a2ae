/* SPDX-License-Identifier: MIT
 *
 * Times that front ends write. See tracing/queue.h.
 *
 * Not as a floating-point number: a double has no place for the nanoseconds of these years.
 */
#include "tracing/queue.h"
#include <errno.h>

/* The units there are: a number of so many digits before its point counts so many nanoseconds. */
static const struct {
    unsigned digits;
    uint64_t ns;
} units[] = {{10, 1000000000}, {13, 1000000}, {16, 1000}, {19, 1}};

static uint64_t unit_of(size_t digits) {
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].digits == digits)
            return units[i].ns;
    return 0;
}

/* Digits in front. */
static size_t count_digits(struct trc_slice s) {
    size_t n = 0;
    while (n < s.len && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

/* The last word, and what is after its "t=". */
static struct trc_slice time_of(struct trc_slice s) {
    const char *space = s.len ? memrchr(s.p, ' ', s.len) : NULL;
    if (space)
        s = (struct trc_slice){space + 1, s.len - (size_t)(space + 1 - s.p)};
    const bool named = s.len >= 2 && s.p[0] == 't' && s.p[1] == '=';
    if (named)
        return (struct trc_slice){s.p + 2, s.len - 2};
    return space ? (struct trc_slice){NULL, 0} : s;
}

int trc_queue_start(struct trc_slice value, uint64_t *unix_ns) {
    struct trc_slice item;
    if (!trc_slice_next(&value, ',', &item))
        return -EINVAL;
    const struct trc_slice s = time_of(item);
    const size_t whole = count_digits(s);
    uint64_t unit = unit_of(whole), ns = 0;
    if (!unit || s.p[0] == '0')
        return -EINVAL;
    for (size_t i = 0; i < whole; i++)
        ns = ns * 10 + (uint64_t)(s.p[i] - '0'); /* 19 digits are below 2^64 */
    ns *= unit;
    if (whole < s.len) {
        const struct trc_slice part = {s.p + whole + 1, s.len - whole - 1};
        if (s.p[whole] != '.' || part.len == 0 || count_digits(part) != part.len)
            return -EINVAL;
        for (size_t i = 0; i < part.len && unit > 1; i++)
            ns += (uint64_t)(part.p[i] - '0') * (unit /= 10);
    }
    *unix_ns = ns;
    return 0;
}
