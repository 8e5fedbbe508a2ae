/* SPDX-License-Identifier: MIT
 *
 * Folds paths. See tracing/fold.h, which has the rules.
 *
 * No list of known words and no regular expression: one look at each byte tells what is needed. The
 * thresholds were found with the URLs in tests/unit/test_fold.c.
 */
#include "tracing/fold.h"

enum {
    LOWER = 1,
    UPPER = 2,
    DIGIT = 4,
    HEX = 8,
    MARK = 16, /* may stand for an at sign */
    END = 32,  /* of a segment */
    LETTER = LOWER | UPPER,
    ALNUM = LETTER | DIGIT
};

static const uint8_t classes[256] = {
    ['0' ... '9'] = DIGIT | HEX,
    ['A' ... 'F'] = UPPER | HEX,
    ['G' ... 'Z'] = UPPER,
    ['a' ... 'f'] = LOWER | HEX,
    ['g' ... 'z'] = LOWER,
    ['@'] = MARK,
    ['%'] = MARK,
    ['/'] = END,
    [';'] = END,
    ['?'] = END,
    ['#'] = END,
};

static inline unsigned class_of(char c) {
    return classes[(unsigned char)c];
}

#define HEX_WORD_MIN 12 /* words that happen to be hex are shorter */

/* --- Runs of letters and digits -------------------------------------------------------------- */

struct run {
    size_t len;
    unsigned digits, digits_in_a_row; /* the longest */
    unsigned changes;                 /* of kind; not from a capital to its word */
    unsigned all;                     /* the classes that all have */
};

static struct run run_at(const char *p, const char *end) {
    struct run r = {.all = HEX};
    unsigned row = 0, before = class_of(*p) & ALNUM;
    const char *at = p;
    for (unsigned c; at < end && (c = class_of(*at)) & ALNUM; at++) {
        const unsigned kind = c & ALNUM;
        row = kind == DIGIT ? row + 1 : 0;
        if (row > r.digits_in_a_row)
            r.digits_in_a_row = row;
        r.digits += kind == DIGIT;
        r.changes += kind != before && !(before == UPPER && kind == LOWER);
        r.all &= c;
        before = kind;
    }
    r.len = (size_t)(at - p);
    return r;
}

static bool is_year(const char *p) {
    return (p[0] == '1' && p[1] == '9') || (p[0] == '2' && p[1] == '0');
}

static bool is_id_run(const char *p, const struct run *r) {
    if (r->all & HEX && r->len >= (r->digits ? 8 : HEX_WORD_MIN))
        return true;
    if (r->digits == 4 && r->len == 4)
        return !is_year(p);
    return r->digits_in_a_row >= 5 ||
           (r->digits && r->len >= 7 && r->changes >= 4 && 4 * r->changes > r->len);
}

/* Sets *seen to the classes there are. What is percent-encoded stands between runs. */
static bool has_id_run(struct trc_slice s, unsigned *seen) {
    const char *p = s.p, *const end = s.p + s.len;
    *seen = 0;
    while (p < end) {
        if (!(class_of(*p) & ALNUM)) {
            p += *p == '%' && end - p > 2 ? 3 : 1;
            continue;
        }
        struct run r = run_at(p, end);
        *seen |= (r.digits ? DIGIT : 0) | (r.digits < r.len ? LETTER : 0);
        if (is_id_run(p, &r))
            return true;
        p += r.len;
    }
    return false;
}

/* --- Whole segments -------------------------------------------------------------------------- */

static size_t count_digits(struct trc_slice s, size_t from) {
    size_t i = from;
    while (i < s.len && class_of(s.p[i]) & DIGIT)
        i++;
    return i - from;
}

/* Two or three numbers of at most three digits with dots between them. */
static bool is_version(struct trc_slice s) {
    unsigned numbers = 0;
    for (size_t i = 0; i <= s.len; i++) {
        size_t digits = count_digits(s, i);
        if (digits == 0 || digits > 3)
            return false;
        numbers++;
        i += digits;
        if (i < s.len && s.p[i] != '.')
            return false;
    }
    return numbers == 2 || numbers == 3;
}

static bool has_number_in_front(struct trc_slice s) {
    size_t digits = count_digits(s, 0);
    if (digits == 4 && s.len >= 10 && s.p[4] == '-' && s.p[7] == '-')
        return count_digits(s, 5) == 2 && count_digits(s, 8) >= 2;
    return digits == 3 && s.len > 3 && s.p[3] == '-';
}

/* PROJ-7 */
static bool is_issue(struct trc_slice s) {
    size_t i = 0;
    if (!(class_of(s.p[0]) & UPPER) || !(class_of(s.p[s.len - 1]) & DIGIT))
        return false;
    while (class_of(s.p[i]) & (UPPER | DIGIT) || s.p[i] == '_')
        if (++i == s.len)
            return false;
    return s.p[i] == '-' && i + 1 + count_digits(s, i + 1) == s.len;
}

/* Something, an at sign, and a domain that ends in letters. */
static bool is_email(struct trc_slice s) {
    const char *at = memchr(s.p, '@', s.len);
    if (!at && memchr(s.p, '%', s.len))
        at = memmem(s.p, s.len, "%40", 3);
    if (!at || at == s.p)
        return false;
    size_t letters = 0;
    while (class_of(s.p[s.len - 1 - letters]) & LETTER) /* not beyond `at`, which is none */
        letters++;
    return letters >= 2 && letters < s.len && s.p[s.len - 1 - letters] == '.';
}

static bool is_id(struct trc_slice s) {
    unsigned seen;
    if (s.len == 0)
        return false;
    if (has_id_run(s, &seen))
        return true;
    if (!(seen & DIGIT))
        return false;
    if (!(seen & LETTER))
        return !is_version(s);
    return has_number_in_front(s) || is_issue(s);
}

/* Where the extensions begin: at most two, of a letter and at most four letters or digits each. */
static size_t before_extensions(struct trc_slice s) {
    size_t end = s.len;
    for (unsigned i = 0; i < 2; i++) {
        size_t dot = end;
        while (dot > 0 && end - dot < 6 && class_of(s.p[dot - 1]) & ALNUM)
            dot--;
        if (dot < 2 || dot == end || end - dot > 5 || s.p[dot - 1] != '.' ||
            !(class_of(s.p[dot]) & LETTER))
            break;
        end = dot - 1;
    }
    return end;
}

/* --- Paths ----------------------------------------------------------------------------------- */

/* Takes the segment in front, and what belongs to it and is left out, off *rest, which is absent
 * when it was the last one. Sets *seen to the classes of its bytes. */
static struct trc_slice take_segment(struct trc_slice *rest, unsigned *seen) {
    const char *p = rest->p, *const end = p + rest->len;
    unsigned c;
    *seen = 0;
    while (p < end && !((c = class_of(*p)) & END)) {
        *seen |= c;
        p++;
    }
    struct trc_slice segment = {rest->p, (size_t)(p - rest->p)};
    while (p < end && *p != '/')
        p = *p == '?' || *p == '#' ? end : p + 1;
    *rest =
        p < end ? (struct trc_slice){p + 1, (size_t)(end - p) - 1} : (struct trc_slice){NULL, 0};
    return segment;
}

/* Where the extensions of an id begin; absent if it is none. */
static struct trc_slice look(struct trc_slice s, unsigned seen) {
    static const struct trc_slice no = {NULL, 0}, bare = TRC_SLICE("");
    /* Most segments are a short word. */
    if (!(seen & (DIGIT | MARK)) && s.len < HEX_WORD_MIN)
        return no;
    if (s.len > TRC_FOLD_SEGMENT_BYTES || (seen & MARK && is_email(s)))
        return bare;
    size_t name = before_extensions(s);
    return is_id((struct trc_slice){s.p, name}) ? (struct trc_slice){s.p + name, s.len - name} : no;
}

/* False: there is no room for it and an asterisk. */
static bool put_segment(struct trc_buf *out, struct trc_slice s, unsigned seen) {
    static const struct trc_slice id = TRC_SLICE("{id}");
    struct trc_slice extensions = look(s, seen);
    if (extensions.p)
        s = id;
    char *at = trc_buf_take(out, 1 + s.len + extensions.len + 2);
    if (!at)
        return false;
    out->len -= 2;
    at[0] = '/';
    memcpy(at + 1, s.p, s.len);
    if (extensions.len)
        memcpy(at + 1 + s.len, extensions.p, extensions.len);
    return true;
}

void trc_fold_path(struct trc_slice path, struct trc_buf *out) {
    struct trc_slice rest = path;
    unsigned count = 0, seen;
    bool slash = true;
    if (out->overflow)
        return;
    if (trc_slice_equal(path, TRC_SLICE("*"))) { /* RFC 9112 section 3.2.4 */
        trc_buf_put_byte(out, '*');
        return;
    }
    while (rest.p) {
        struct trc_slice segment = take_segment(&rest, &seen);
        slash = segment.len == 0;
        if (slash)
            continue;
        if (count++ == TRC_FOLD_SEGMENTS_MAX || !put_segment(out, segment, seen)) {
            trc_buf_rewind(out, out->len);
            trc_buf_put(out, "/*", 2);
            return;
        }
    }
    if (slash)
        trc_buf_put_byte(out, '/');
}
