/* SPDX-License-Identifier: MIT
 *
 * What of writing JSON is rare, or done once: escapes, bytes that are not UTF-8, doubles. Used by
 * otlp_json.c and zipkin_json.c.
 */
#include "json_put.h"
#include "tracing/utf8.h"

#define PUT(b, literal) trc_buf_put((b), (literal), sizeof(literal) - 1)

/* One character that RFC 8259 section 7 wants escaped. */
static void put_escape(struct trc_buf *b, char c) {
    static const char hex[] = "0123456789abcdef";

    switch (c) {
    case '"':
        PUT(b, "\\\"");
        break;
    case '\\':
        PUT(b, "\\\\");
        break;
    case '\n':
        PUT(b, "\\n");
        break;
    case '\t':
        PUT(b, "\\t");
        break;
    default:
        PUT(b, "\\u00");
        trc_buf_put_byte(b, (uint8_t)hex[(uint8_t)c >> 4]);
        trc_buf_put_byte(b, (uint8_t)hex[c & 15]);
    }
}

static bool needs_escape(char c) {
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

void trc_json_put_text(struct trc_buf *b, struct trc_slice s) {
    size_t run = 0; /* bytes at the start of s that need no escape */

    while (run < s.len) {
        if (!needs_escape(s.p[run])) {
            run++;
            continue;
        }
        trc_utf8_put(b,
                     (struct trc_slice){s.p, run}); /* an escaped byte is no part of a character */
        put_escape(b, s.p[run]);
        s.p += run + 1;
        s.len -= run + 1;
        run = 0;
    }
    trc_utf8_put(b, s);
}

char *trc_json_text_at(char *at, struct trc_slice s) {
    struct trc_buf b = trc_buf_over(at, TRC_JSON_GROWTH * s.len);

    trc_json_put_text(&b, s);
    return at + b.len;
}

void trc_json_print_double(struct trc_json_double *number, double d) {
    number->number = d;
    number->len = trc_decimal_print(number->text, d);
}
