/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding. See tracing/percent.h.
 */
#include "tracing/percent.h"
#include "tracing/hex.h"
#include <errno.h>

int trc_percent_decode(struct trc_buf *out, struct trc_slice s, bool plus) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.len - i < 3)
                return -EINVAL;
            int hi = trc_hex_digit(s.p[i + 1]), lo = trc_hex_digit(s.p[i + 2]);
            if (hi < 0 || lo < 0)
                return -EINVAL;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        trc_buf_put_byte(out, (uint8_t)c);
    }
    return 0;
}

static bool unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void trc_percent_encode(struct trc_buf *out, struct trc_slice s) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (unreserved((char)c)) {
            trc_buf_put_byte(out, c);
            continue;
        }
        char *at = trc_buf_take(out, 3);
        if (!at)
            return;
        at[0] = '%';
        at[1] = digits[c >> 4];
        at[2] = digits[c & 15];
    }
}
