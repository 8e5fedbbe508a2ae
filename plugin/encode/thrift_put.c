/* SPDX-License-Identifier: MIT
 *
 * What of thrift_put.h is too rare to be inlined.
 */
#include "thrift_put.h"

char *trc_thrift_put_unclean(char *at, struct trc_slice s, bool compact) {
    char *const text = at + TRC_THRIFT_VARINT32_MAX;
    struct trc_buf b = trc_buf_over(text, 3 * s.len);

    trc_utf8_put(&b, s);
    at = trc_thrift_put_len(at, b.len, compact);
    memmove(at, text, b.len);
    return at + b.len;
}
