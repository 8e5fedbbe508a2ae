/* SPDX-License-Identifier: MIT
 *
 * The tables of good and bad headers, tests/unit/data/FORMAT.txt: one case a line, read by
 * test_formats.c for every format there is.
 *
 *   # a comment
 *   uber-trace-id="1:2:3:1" uberctx-user="a%20b" => trace=1 span=2 parent=3 flags=sampled
 * item="user=a b" uber-trace-id="1:2:3"                        => malformed
 *                                                => none
 *
 * Left of the arrow: headers as HTTP names them. One that is there twice is a repeated variable; a
 * name that begins with the format's prefix is such a header. In quotes: \" \\ \t \xNN, and
 * \{N:text}, which is the text N times, each # in it being the number of the turn, from 1.
 *
 * Right of it: `none` (-ENOENT), `malformed` (-EINVAL), or a context in any of
 *   trace= span= parent= (hex), flags= (sampled, debug, random, deferred; joined by commas)
 * and with it, or after `none`, any of
 *   state="..." debug-id="..." original="name=value"
 *   item="key=value"  an item of the baggage, all of them in order; or items=N, how many they are
 *   truncated         baggage was left out
 * What is not named has to be 0 or absent.
 */
#ifndef TESTS_FORMAT_CASES_H
#define TESTS_FORMAT_CASES_H

#include "tracing/format.h"
#include "unit.h"

#define CASE_HEADERS 8 /* lanes of guarded memory: a page for each value */
#define CASE_TEXT (1 << 17)

struct format_case {
    char where[128]; /* file and line, for messages */
    const struct trc_format *format;
    struct trc_slice value[CASE_HEADERS]; /* on guard pages */
    struct trc_prefixed prefixed[CASE_HEADERS];
    struct trc_carrier carrier;

    int rc;
    struct trc_extracted want;
    struct trc_tag item[TRC_BAGGAGE_ITEMS];
    unsigned items, listed;
    bool truncated;

    char text[CASE_TEXT]; /* of all words */
    size_t text_len;
};

static inline void case_byte(struct format_case *c, char byte) {
    assert_true(c->text_len < CASE_TEXT);
    c->text[c->text_len++] = byte;
}

/* \{N:text}, from behind the backslash. Returns what follows. */
static inline const char *case_repeat(struct format_case *c, const char *p) {
    char *text, number[16];
    unsigned long times = strtoul(p + 1, &text, 10);
    const char *end = strchr(text, '}');
    assert_true(*text == ':' && end != NULL);
    for (unsigned long turn = 1; turn <= times; turn++)
        for (const char *s = text + 1; s < end; s++) {
            if (*s == '#')
                snprintf(number, sizeof(number), "%lu", turn);
            else
                snprintf(number, sizeof(number), "%c", *s);
            for (const char *d = number; *d; d++)
                case_byte(c, *d);
        }
    return end + 1;
}

/* A value, quoted or bare, at `p`. Returns what follows. */
static inline const char *case_value(struct format_case *c, const char *p, struct trc_slice *out) {
    const bool quoted = *p == '"';
    const size_t start = c->text_len;
    for (p += quoted; *p && *p != (quoted ? '"' : ' ');) {
        char byte = *p++;
        if (quoted && byte == '\\') {
            unsigned number;
            if (*p == '{') {
                p = case_repeat(c, p);
                continue;
            }
            byte = *p++;
            if (byte == 't')
                byte = '\t';
            if (byte == 'x') {
                assert_int_equal(sscanf(p, "%2x", &number), 1);
                byte = (char)number;
                p += 2;
            }
        }
        case_byte(c, byte);
    }
    assert_true(*p == '"' || !quoted);
    *out = (struct trc_slice){c->text + start, c->text_len - start};
    case_byte(c, '\0');
    return p + quoted;
}

/* The next word of the line, NAME or NAME=VALUE; false at its end. */
static inline bool case_word(struct format_case *c, const char **line, char name[64],
                             struct trc_slice *value) {
    const char *p = *line;
    size_t len = 0;
    p += strspn(p, " ");
    *value = (struct trc_slice){NULL, 0};
    if (strncmp(p, "=>", 2) == 0) {
        strcpy(name, "=>");
        *line = p + 2;
        return true;
    }
    while (*p && *p != ' ' && *p != '=' && len < 63)
        name[len++] = *p++;
    name[len] = '\0';
    if (*p == '=')
        p = case_value(c, p + 1, value);
    *line = p;
    return len > 0;
}

static inline struct trc_slice case_guarded(unsigned lane, struct trc_slice s) {
    assert_true(lane < CASE_HEADERS);
    return (struct trc_slice){guarded(lane, s.p, s.len), s.len};
}

static inline void case_header(struct format_case *c, const char *name, struct trc_slice value) {
    char cgi[80] = "HTTP_";
    unsigned i = 0, count = 0;
    for (size_t k = 0; name[k]; k++) {
        char lower = name[k];
        cgi[5 + k] = lower == '-' ? '_' : lower >= 'a' && lower <= 'z' ? (char)(lower - 32) : lower;
    }
    while (c->format->headers[i] && strcmp(c->format->headers[i], cgi) != 0)
        i++;
    while (c->format->headers[count])
        count++;
    if (i < count) {
        if (c->value[i].p)
            c->carrier.repeated |= UINT64_C(1) << i;
        c->value[i] = case_guarded(i, value);
        return;
    }
    size_t prefix = c->format->prefix ? strlen(c->format->prefix) : 0;
    if (!prefix || strncmp(cgi, c->format->prefix, prefix) != 0)
        fail_msg("%s: %s is no header of %s", c->where, name, c->format->name);
    unsigned n = c->carrier.prefixed_count++;
    char *rest = c->text + c->text_len;
    for (size_t k = prefix; cgi[k]; k++)
        case_byte(c, cgi[k]);
    c->prefixed[n].rest = (struct trc_slice){rest, strlen(cgi) - prefix};
    c->prefixed[n].value = case_guarded(count + n, value);
}

static inline uint8_t case_flags(struct trc_slice s) {
    static const char *const names[] = {"sampled", "debug", "random", "deferred"};
    static const uint8_t flags[] = {TRC_FLAG_SAMPLED, TRC_FLAG_DEBUG, TRC_FLAG_RANDOM,
                                    TRC_FLAG_DEFERRED};
    uint8_t sum = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *found = strstr(s.p, names[i]);
        if (found) {
            sum |= flags[i];
            s.len -= strlen(names[i]);
        }
    }
    assert_true(s.len <= 3); /* commas */
    return sum;
}

static inline struct trc_tag case_pair(struct trc_slice s) {
    const char *eq = memchr(s.p, '=', s.len);
    assert_non_null(eq);
    return (struct trc_tag){{s.p, (size_t)(eq - s.p)}, {eq + 1, s.len - (size_t)(eq - s.p) - 1}};
}

static inline uint64_t case_hex(const char *digits, size_t len) {
    char text[17] = "";
    assert_true(len <= 16);
    memcpy(text, digits, len);
    return strtoull(text, NULL, 16);
}

static inline void case_trace(struct trc_context *out, struct trc_slice v) {
    size_t upper = v.len > 16 ? v.len - 16 : 0;
    out->trace_hi = case_hex(v.p, upper);
    out->trace_lo = case_hex(v.p + upper, v.len - upper);
}

static inline void case_answer(struct format_case *c, const char *name, struct trc_slice v) {
    if (strcmp(name, "none") == 0)
        c->rc = -ENOENT;
    else if (strcmp(name, "malformed") == 0)
        c->rc = -EINVAL;
    else if (strcmp(name, "truncated") == 0)
        c->truncated = true;
    else if (!v.p)
        fail_msg("%s: what is %s?", c->where, name);
    else if (strcmp(name, "trace") == 0)
        case_trace(&c->want.context, v);
    else if (strcmp(name, "span") == 0)
        c->want.context.span_id = case_hex(v.p, v.len);
    else if (strcmp(name, "parent") == 0)
        c->want.context.parent_id = case_hex(v.p, v.len);
    else if (strcmp(name, "flags") == 0)
        c->want.context.flags = case_flags(v);
    else if (strcmp(name, "state") == 0)
        c->want.state = v;
    else if (strcmp(name, "debug-id") == 0)
        c->want.debug_id = v;
    else if (strcmp(name, "original") == 0)
        c->want.original = case_pair(v);
    else if (strcmp(name, "item") == 0)
        c->item[c->listed++] = case_pair(v), c->items++;
    else if (strcmp(name, "items") == 0)
        c->items = (unsigned)strtoul(v.p, NULL, 10);
    else
        fail_msg("%s: what is %s?", c->where, name);
}

/* Reads the line into *c, whose carrier lives until the next one. */
static inline void case_read(struct format_case *c, const char *line) {
    char name[64];
    struct trc_slice v;
    bool answer = false;
    while (case_word(c, &line, name, &v)) {
        if (strcmp(name, "=>") == 0)
            answer = true;
        else if (answer)
            case_answer(c, name, v);
        else
            case_header(c, name, v);
    }
    if (!answer)
        fail_msg("%s: no =>", c->where);
    c->carrier.value = c->value;
    c->carrier.prefixed = c->prefixed;
}

/* A carrier of `headers`, written as on the left of an arrow; lives until the next one. */
static inline const struct trc_carrier *case_carrier(const struct trc_format *format,
                                                     const char *headers) {
    static struct format_case c;
    static char line[CASE_TEXT];
    memset(&c, 0, offsetof(struct format_case, text));
    c.text_len = 0;
    c.format = format;
    snprintf(c.where, sizeof(c.where), "%s", headers);
    snprintf(line, sizeof(line), "%s =>", headers);
    case_read(&c, line);
    return &c.carrier;
}

/* What the format tells: its context, then its baggage, as the tracer has it. */
static inline void case_inject(const struct trc_format *format, const struct trc_outgoing *what,
                               const struct trc_carrier *carrier, int base,
                               struct trc_injection *out) {
    if (format->inject)
        format->inject(what, carrier, base, out);
    if (format->inject_baggage && what->baggage->count)
        format->inject_baggage(what, carrier, base, out);
}

/* What was injected under a CGI name: text that lives until the next call, "removed", or NULL. */
static inline const char *case_injected(const struct trc_injection *injection, const char *name) {
    static char text[TRC_INJECTION_BYTES + 1];
    for (unsigned i = 0; i < injection->count; i++)
        if (trc_slice_equal(injection->item[i].name, trc_slice_of(name))) {
            struct trc_slice v = injection->item[i].value;
            snprintf(text, sizeof(text), "%.*s", (int)v.len, v.p ? v.p : "");
            return v.p ? text : "removed";
        }
    return NULL;
}

/* Calls `each` for every case of the format's file. */
static inline void format_cases(const struct trc_format *format,
                                void (*each)(struct format_case *)) {
    static struct format_case c;
    static char line[CASE_TEXT];
    char path[96];
    unsigned count = 0;
    snprintf(path, sizeof(path), "tests/unit/data/%s.txt", format->name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    for (unsigned number = 1; fgets(line, sizeof(line), f); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#')
            continue;
        memset(&c, 0, offsetof(struct format_case, text));
        c.text_len = 0;
        c.format = format;
        snprintf(c.where, sizeof(c.where), "%s:%u", path, number);
        case_read(&c, line);
        each(&c);
        count++;
    }
    fclose(f);
    assert_true(count > 0);
}

#endif
