/* SPDX-License-Identifier: MIT
 *
 * W3C Baggage: the header baggage. In the table in formats.c.
 *
 *   baggage = key "=" value *( ";" property ) *( "," ... )      white space around any of them
 *
 * The caller's header stays in the request as it came, with its properties, which we keep nothing
 * of; what came in by other formats is written behind it. That holds for a caller who is not
 * trusted, too: nothing is read of his header, and nothing is done to it. It names no trace, and an
 * application that did not ask for this plugin would have seen it.
 */
#include "formats.h"
#include "tracing/hex.h"
#include "tracing/percent.h"
#include "tracing/utf8.h"
#include <errno.h>

static const char *const headers[] = {"HTTP_BAGGAGE", NULL};

/* What everybody must carry ("Limits"), and nobody more than we. */
#define MEMBERS_MAX TRC_BAGGAGE_ITEMS
#define BYTES_MAX TRC_BAGGAGE_BYTES

/* --- In --------------------------------------------------------------------------------------- */

/* RFC 9110 section 5.6.2 */
static bool is_token(struct trc_slice s) {
    static const bool tchar[256] = {
        ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,
        ['#'] = true,         ['$'] = true,         ['%'] = true,         ['&'] = true,
        ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true,
        ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true,
        ['|'] = true,         ['~'] = true};
    for (size_t i = 0; i < s.len; i++)
        if (!tchar[(uint8_t)s.p[i]])
            return false;
    return s.len > 0;
}

/* baggage-octet: printable, but for space, '"', ',', ';' and '\' */
static bool is_value(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

/* Takes the next member that is not empty off *rest; one without '=' has no value. */
static bool next_member(struct trc_slice *rest, struct trc_tag *out) {
    struct trc_slice member, pair, key;
    while (trc_slice_split(rest, ',', &member)) {
        if (trc_slice_trim(member).len == 0)
            continue;
        trc_slice_split(&member, ';', &pair); /* what is left are properties */
        trc_slice_split(&pair, '=', &key);
        out->key = trc_slice_trim(key);
        out->value = pair.p ? trc_slice_trim(pair) : pair;
        return true;
    }
    return false;
}

/* The whole members that stand in the first BYTES_MAX bytes. */
static struct trc_slice within_limit(struct trc_slice header, bool *cut) {
    if (header.len <= BYTES_MAX)
        return header;
    *cut = true;
    size_t len = BYTES_MAX;
    while (len > 0 && header.p[len] != ',')
        len--;
    return (struct trc_slice){header.p, len};
}

/* What does not decode, be it percent-encoding or UTF-8, becomes U+FFFD ("value").
 */
static void add_encoded(struct trc_tag member, struct trc_baggage *baggage) {
    char bytes[BYTES_MAX], text[BYTES_MAX];
    struct trc_buf raw = trc_buf_over(bytes, sizeof(bytes)),
                   utf8 = trc_buf_over(text, sizeof(text));
    for (struct trc_slice v = member.value; v.len > 0; v.p++, v.len--) {
        int high = v.len > 2 ? trc_hex_digit(v.p[1]) : -1;
        int low = v.len > 2 ? trc_hex_digit(v.p[2]) : -1;
        if (v.p[0] != '%') {
            trc_buf_put_byte(&raw, (uint8_t)v.p[0]);
        } else if (high < 0 || low < 0) {
            trc_buf_put(&raw, "\xef\xbf\xbd", 3);
        } else {
            trc_buf_put_byte(&raw, (uint8_t)(high << 4 | low));
            v.p += 2;
            v.len -= 2;
        }
    }
    trc_utf8_put(&utf8, trc_buf_slice(&raw));
    if (raw.overflow || utf8.overflow)
        baggage->truncated = true;
    else
        trc_baggage_add(baggage, member.key, trc_buf_slice(&utf8));
}

/* A member that is none by the grammar is passed by: the others still mean what they say. */
static void extract_baggage(const struct trc_carrier *carrier, struct trc_baggage *baggage) {
    struct trc_slice rest = carrier->value[0];
    struct trc_tag member;
    if (!rest.p)
        return;
    rest = within_limit(trc_slice_trim(rest), &baggage->truncated);
    for (unsigned members = 0; next_member(&rest, &member); members++) {
        if (members == MEMBERS_MAX) {
            baggage->truncated = true;
            return;
        }
        if (!member.value.p || !is_token(member.key) || !is_value(member.value))
            continue;
        if (member.value.len && memchr(member.value.p, '%', member.value.len))
            add_encoded(member, baggage);
        else
            trc_baggage_add(baggage, member.key, member.value);
    }
}

/* --- Out -------------------------------------------------------------------------------------- */

/* Is there anything in it that was no header's to begin with? */
static bool is_text(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

/* The keys in the header; 0 to MEMBERS_MAX + 1 of them, the last of which stands for any more. */
static unsigned keys_of(struct trc_slice header, struct trc_slice keys[MEMBERS_MAX + 1]) {
    unsigned count = 0;
    struct trc_tag member;
    while (count <= MEMBERS_MAX && next_member(&header, &member))
        keys[count++] = member.key;
    return count;
}

static bool is_one_of(struct trc_slice key, const struct trc_slice *keys, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (trc_slice_equal(key, keys[i]))
            return true;
    return false;
}

/* Writes the member behind what is in the buffer since `start`, in whole or not at all. */
static bool put_member(struct trc_buf *b, size_t start, struct trc_tag item) {
    const size_t before = b->len;
    if (b->len > start)
        trc_buf_put_byte(b, ',');
    trc_buf_put_slice(b, item.key);
    trc_buf_put_byte(b, '=');
    trc_percent_encode(b, item.value);
    if (!b->overflow && b->len - start <= BYTES_MAX)
        return true;
    trc_buf_rewind(b, before);
    return false;
}

/* Items that came in this header are in the request already; what others said is added to it.
 * Names that are no tokens cannot be written. */
static void inject_baggage(const struct trc_outgoing *what, const struct trc_carrier *carrier,
                           int base, struct trc_injection *out) {
    const struct trc_baggage *baggage = what->baggage;
    struct trc_slice keys[MEMBERS_MAX + 1], header = carrier->value[0];
    if (header.p)
        header = trc_slice_trim(header);
    bool cut = false;
    unsigned members = keys_of(within_limit(header, &cut), keys);
    const unsigned came = members;
    struct trc_tag add[TRC_BAGGAGE_ITEMS];
    unsigned count = 0;
    for (unsigned i = 0; i < baggage->count; i++) {
        trc_baggage_at(baggage, i, &add[count].key, &add[count].value);
        count += is_token(add[count].key) && !is_one_of(add[count].key, keys, came);
    }
    if (count == 0)
        return;
    if (!is_text(header)) {
        out->overflow = true;
        return;
    }
    struct trc_buf *b = trc_injection_begin(out, base, TRC_SLICE("HTTP_BAGGAGE"));
    const size_t start = b->len;
    trc_buf_put_slice(b, header);
    for (unsigned i = 0; i < count && !b->overflow; i++) {
        if (members < MEMBERS_MAX && put_member(b, start, add[i]))
            members++;
        else
            out->overflow = true;
    }
    if (b->overflow || members > came)
        trc_injection_end(out);
    else
        trc_buf_rewind(b, start);
}

const struct trc_format trc_format_baggage = {
    .name = "baggage",
    .headers = headers,
    .baggage = extract_baggage,
    .inject_baggage = inject_baggage,
};
