/* SPDX-License-Identifier: MIT
 *
 * Queries without secrets. See tracing/scrub.h, which has the lists.
 *
 * One pass over the bytes, decoded. Everything between two separators is taken for a key until it
 * turns out not to have an equals sign after it: so what is a key and what a value needs not to be
 * known, and both may be a query of its own.
 */
#include "tracing/scrub.h"
#include "tracing/hex.h"

#define WORD_MAX 128 /* letters and digits of a key that are looked at together */

/* What of a key has been read: its letters and digits, in lower case. */
struct key {
    bool secret; /* one of its parts was */
    unsigned len;
    char word[WORD_MAX];
};

/* --- Words -------------------------------------------------------------------------------------
 */

/* Whole words, by their length. */
static const char *const words[] = {
    [2] = "pw",
    [3] = "cvc cvv jwt key otp pin sid sig ssn",
    [4] = "auth code csrf hmac pass sess totp xsrf",
    [5] = "xauth",
    [6] = "bearer cookie",
    [7] = "session",
    [8] = "authcode passcode userpass",
    [9] = "assertion",
    [10] = "devicecode",
    [11] = "idtokenhint",
    [12] = "codeverifier samlresponse",
    [13] = "authorization oauthverifier",
    [15] = "clientassertion",
};

static bool is_listed(const char *word, size_t len) {
    if (len >= sizeof(words) / sizeof(words[0]) || !words[len])
        return false;
    for (const char *w = words[len];; w += len + 1) {
        if (*w == *word && memcmp(w, word, len) == 0)
            return true;
        if (w[len] == '\0')
            return false;
    }
}

/* Ends of words, by their last letter. */
static struct trc_slice ends_in(char last) {
    switch (last) {
    case 'd':
        return TRC_SLICE("accesskeyid creditcard pwd sessid sessionid");
    case 'e':
        return TRC_SLICE("signature");
    case 'n':
        return TRC_SLICE("token");
    case 'r':
        return TRC_SLICE("cardnumber ccnumber");
    case 'y':
        return TRC_SLICE(
            "accesskey accountkey apikey appkey authkey clientkey encryptionkey "
            "masterkey privatekey sharedkey signingkey subscriptionkey");
    default:
        return (struct trc_slice){NULL, 0};
    }
}

static bool has_listed_end(const char *word, size_t len) {
    struct trc_slice rest = ends_in(word[len - 1]), end;
    while (trc_slice_split(&rest, ' ', &end))
        if (end.len <= len && word[len - end.len] == *end.p &&
            memcmp(word + len - end.len, end.p, end.len) == 0)
            return true;
    return false;
}

static bool begins(const char *p, size_t len, struct trc_slice with) {
    return len >= with.len && memcmp(p, with.p, with.len) == 0;
}

static bool has_listed_part(const char *word, size_t len) {
    for (size_t i = 0; i + 5 <= len; i++) {
        const char *p = word + i;
        if (*p == 'p') {
            if (begins(p, len - i, TRC_SLICE("passw")) ||
                begins(p, len - i, TRC_SLICE("passphrase")))
                return true;
        } else if (*p == 's') {
            if (begins(p, len - i, TRC_SLICE("secret")))
                return true;
        } else if (*p == 'c') {
            if (begins(p, len - i, TRC_SLICE("credential")))
                return true;
        }
    }
    return false;
}

static void end_part(struct key *key) {
    if (key->len >= 2 && !key->secret)
        key->secret = is_listed(key->word, key->len) || has_listed_end(key->word, key->len) ||
                      has_listed_part(key->word, key->len);
    key->len = 0;
}

/* --- Queries -----------------------------------------------------------------------------------
 */

enum kind { BETWEEN, WORD, PART, SEPARATOR, EQUALS };

static const uint8_t kinds[256] = {
    ['0' ... '9'] = WORD, ['A' ... 'Z'] = WORD, ['a' ... 'z'] = WORD, ['['] = PART,
    [']'] = PART,         ['.'] = PART,         ['&'] = SEPARATOR,    [';'] = SEPARATOR,
    ['?'] = SEPARATOR,    ['#'] = SEPARATOR,    ['='] = EQUALS,
};

/* The next byte, decoded if it is encoded. */
static inline unsigned char take(const char **p, const char *end) {
    const char *at = *p;
    *p = at + 1;
    if (__builtin_expect(*at == '%' && end - at > 2, 0)) {
        int hi = trc_hex_digit(at[1]), lo = trc_hex_digit(at[2]);
        if (hi >= 0 && lo >= 0) {
            *p = at + 3;
            return (unsigned char)(hi << 4 | lo);
        }
    }
    return (unsigned char)*at;
}

static void put_range(struct trc_buf *out, const char *from, const char *to) {
    trc_buf_put_cut(out, (struct trc_slice){from, (size_t)(to - from)});
}

void trc_query_scrub(struct trc_slice query, struct trc_buf *out) {
    const char *p = query.p, *const end = p + query.len, *copied = p;
    struct key key;
    key.secret = false;
    key.len = 0;
    while (p < end) {
        const unsigned char c = take(&p, end);
        switch (kinds[c]) {
        case WORD:
            if (key.len == WORD_MAX)
                end_part(&key);
            key.word[key.len++] = (char)(c <= '9' ? c : c | 0x20);
            break;
        case PART:
            end_part(&key);
            break;
        case EQUALS:
            end_part(&key);
            if (key.secret) {
                put_range(out, copied, p);
                trc_buf_put_cut(out, TRC_SLICE("REDACTED"));
                copied = memchr(p, '&', (size_t)(end - p));
                p = copied = copied ? copied : end;
            }
            key.secret = false;
            break;
        case SEPARATOR:
            key.secret = false;
            key.len = 0;
            break;
        default:
            break;
        }
    }
    put_range(out, copied, end);
}
