/* SPDX-License-Identifier: MIT
 *
 * JSON, the few parts that change from span to span, written at a pointer. Private to the encoders.
 *
 * No JSON library: building its tree would cost more than everything else. No function here checks
 * for room unless it takes a buffer: the caller has room for the worst case and looks at the end
 * once.
 */
#ifndef TRACING_ENCODE_JSON_PUT_H
#define TRACING_ENCODE_JSON_PUT_H

#include "plain.h"
#include "tracing/buf.h"
#include "tracing/decimal.h"
#include "tracing/hex.h"

/* Bytes one byte of a string can become: \u00XX. */
#define TRC_JSON_GROWTH 6
/* Longest number: a double's; UINT64_MAX has 20 digits. */
#define TRC_JSON_NUMBER_MAX TRC_DECIMAL_TEXT_MAX

/* The last double that was printed, and its text: a process's sampler has one parameter. */
struct trc_json_double {
    double number;
    size_t len; /* of text; 0: none yet */
    char text[TRC_JSON_NUMBER_MAX];
};

/* Appends the inside of a JSON string (RFC 8259 section 7), of any bytes: what is not UTF-8 becomes
 * U+FFFD. Or sets the buffer's overflow. Thread: any. */
void trc_json_put_text(struct trc_buf *b, struct trc_slice s);

/* The same where there is room for TRC_JSON_GROWTH bytes for each of s; returns its end. Thread:
 * any. */
char *trc_json_text_at(char *at, struct trc_slice s);

/* Makes *number the text of `d`: the shortest of 15 to 17 digits that is the same number again;
 * what is not finite becomes a word of protobuf's JSON: NaN, Infinity, -Infinity. Thread: its
 * owner. */
void trc_json_print_double(struct trc_json_double *number, double d);

/* A literal's bytes, without its NUL. */
#define TRC_JSON_AT(at, literal)                                                                   \
    (memcpy((at), (literal), sizeof(literal) - 1), (at) + (sizeof(literal) - 1))

/* The inside of a JSON string; `plain`: no byte of it needs a look. */
static inline char *trc_json_string(char *at, struct trc_slice s, bool plain) {
    if (__builtin_expect(!plain, 0) && !trc_plain(s.p, s.len, true))
        return trc_json_text_at(at, s);
    if (s.len)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

static inline char *trc_json_u64(char *at, uint64_t v) {
    struct trc_buf b = trc_buf_over(at, 20);

    trc_buf_put_u64(&b, v);
    return at + b.len;
}

static inline char *trc_json_i64(char *at, int64_t v) {
    if (v < 0) {
        *at++ = '-';
        return trc_json_u64(at, -(uint64_t)v);
    }
    return trc_json_u64(at, (uint64_t)v);
}

/* Without quotation marks, also around what is not finite. */
static inline char *trc_json_double(char *at, struct trc_json_double *number, double d) {
    if (memcmp(&d, &number->number, sizeof(d)) != 0 || number->len == 0)
        trc_json_print_double(number, d);
    memcpy(at, number->text, number->len);
    return at + number->len;
}

/* Sixteen lower-case hex digits. */
static inline char *trc_json_id(char *at, uint64_t id) {
    trc_hex_put16(at, id);
    return at + 16;
}

#endif
