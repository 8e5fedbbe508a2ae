/* SPDX-License-Identifier: MIT
 *
 * Decimal numbers: of header formats, settings and JSON.
 *
 * Not strtoull: it takes a sign and white space, which no header format allows, and needs a NUL.
 * And not strtod and printf as they are: an application may have set a locale whose decimal point
 * is another.
 */
#include "tracing/decimal.h"
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int trc_decimal_u64(struct trc_slice s, uint64_t *out) {
    uint64_t v = 0;
    if (s.len < 1 || s.len > 20)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return -EINVAL;
    }
    *out = v;
    return 0;
}

uint16_t trc_decimal_port(struct trc_slice s) {
    uint64_t port;
    return s.len <= 5 && trc_decimal_u64(s, &port) == 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

int trc_decimal_double(struct trc_slice s, double *out) {
    char text[TRC_DECIMAL_TEXT_MAX], *end;
    if (s.len == 0 || s.len >= sizeof(text) || !((s.p[0] >= '0' && s.p[0] <= '9') || s.p[0] == '.'))
        return -EINVAL;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    if (strspn(text, "0123456789.eE+-") != s.len) /* strtod also reads hex, inf and nan */
        return -EINVAL;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return -ENOMEM;
    double v = strtod_l(text, &end, c);
    freelocale(c);
    if (*end || !isfinite(v))
        return -EINVAL;
    *out = v;
    return 0;
}

size_t trc_decimal_print(char text[TRC_DECIMAL_TEXT_MAX], double d) {
    int len;
    if (isnan(d))
        return (size_t)snprintf(text, TRC_DECIMAL_TEXT_MAX, "NaN");
    if (isinf(d))
        return (size_t)snprintf(text, TRC_DECIMAL_TEXT_MAX, d < 0 ? "-Infinity" : "Infinity");
    for (int digits = 15;; digits++) {
        len = snprintf(text, TRC_DECIMAL_TEXT_MAX, "%.*g", digits, d);
        if (digits == 17 || strtod(text, NULL) == d)
            break;
    }
    /* An application may have set a locale whose decimal point is another, of one byte or two. */
    size_t kept = 0;
    for (int i = 0; i < len; i++) {
        if (strchr("0123456789+-e", text[i]))
            text[kept++] = text[i];
        else if (text[kept - 1] != '.')
            text[kept++] = '.';
    }
    return kept;
}
