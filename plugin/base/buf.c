/* SPDX-License-Identifier: MIT
 *
 * Numbers into a bounded buffer; what else a buffer does is inline in its header.
 *
 * Used by the header writers and the JSON encoders, which print several 19-digit times a span: so
 * digits are made two at a time from a table, and not by printf, which also follows the locale.
 */
#include "tracing/buf.h"

static const char pairs[] =
    "00010203040506070809"
    "10111213141516171819"
    "20212223242526272829"
    "30313233343536373839"
    "40414243444546474849"
    "50515253545556575859"
    "60616263646566676869"
    "70717273747576777879"
    "80818283848586878889"
    "90919293949596979899";

void trc_buf_put_u64(struct trc_buf *b, uint64_t v) {
    char digits[20]; /* UINT64_MAX has 20 */
    char *const end = digits + sizeof(digits);
    char *at = end;

    while (v >= 100) {
        at -= 2;
        memcpy(at, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        at -= 2;
        memcpy(at, pairs + 2 * v, 2);
    } else {
        *--at = (char)('0' + v);
    }
    trc_buf_put(b, at, (size_t)(end - at));
}
