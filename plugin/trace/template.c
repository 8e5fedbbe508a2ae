/* SPDX-License-Identifier: MIT
 *
 * The template of span names. See tracing/template.h.
 */
#include "tracing/template.h"
#include "tracing/names.h"
#include "tracing/span.h"
#include <errno.h>

_Static_assert(TRC_TEMPLATE_BYTES - 1 <= UINT8_MAX, "offsets and lengths are of a byte");

/* --- Reading -----------------------------------------------------------------------------------
 */

static const struct trc_slice fields[TRC_TEMPLATE_FIELDS] = {
    [TRC_TEMPLATE_METHOD] = TRC_SLICE("method"), [TRC_TEMPLATE_ROUTE] = TRC_SLICE("route"),
    [TRC_TEMPLATE_PATH] = TRC_SLICE("path"),     [TRC_TEMPLATE_HOST] = TRC_SLICE("host"),
    [TRC_TEMPLATE_APP] = TRC_SLICE("app"),
};

/* Its text is read behind that of the parts before. */
struct reader {
    struct trc_template *t;
    size_t used; /* of t->text */
};

static int begin_part(struct reader *r, enum trc_template_field kind) {
    struct trc_template *t = r->t;
    if (t->count == TRC_TEMPLATE_PARTS_MAX)
        return -EINVAL;
    t->part[t->count].kind = (uint8_t)kind;
    t->part[t->count].off = (uint8_t)r->used;
    t->part[t->count++].len = 0;
    t->uses |= (uint8_t)(1u << kind);
    return 0;
}

static void put_byte(struct reader *r, char c) {
    r->t->text[r->used++] = c; /* no more of them than were read */
    r->t->part[r->t->count - 1].len++;
}

static int add_text(struct reader *r, char c) {
    struct trc_template *t = r->t;
    if ((unsigned char)c < ' ' || c == 0x7f)
        return -EINVAL;
    if ((t->count == 0 || t->part[t->count - 1].kind != TRC_TEMPLATE_TEXT) &&
        begin_part(r, TRC_TEMPLATE_TEXT))
        return -EINVAL;
    put_byte(r, c);
    return 0;
}

static int add_variable(struct reader *r, struct trc_slice name) {
    struct trc_template *t = r->t;
    if (name.len < TRC_NAMES_LEN_MIN || t->variable_count == TRC_TEMPLATE_VARIABLES_MAX ||
        begin_part(r, TRC_TEMPLATE_VARIABLE))
        return -EINVAL;
    t->variable[t->variable_count++] = (uint8_t)(t->count - 1);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
            return -EINVAL;
        put_byte(r, c);
    }
    return 0;
}

static int add_field(struct reader *r, struct trc_slice name) {
    for (unsigned kind = 0; kind < TRC_TEMPLATE_FIELDS; kind++)
        if (trc_slice_equal(name, fields[kind]))
            return begin_part(r, (enum trc_template_field)kind);
    return add_variable(r, name);
}

int trc_template_parse(struct trc_slice text, struct trc_template *out) {
    struct trc_template t = {.count = 0};
    struct reader r = {&t, 0};
    if (text.len == 0 || text.len >= sizeof(t.text))
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.p[i];
        const bool brace = c == '{' || c == '}';
        const bool twice = brace && i + 1 < text.len && text.p[i + 1] == c;
        int rc;
        if (c == '{' && !twice) {
            const char *name = text.p + i + 1, *end = memchr(name, '}', text.len - i - 1);
            rc = end ? add_field(&r, (struct trc_slice){name, (size_t)(end - name)}) : -EINVAL;
            i = end ? (size_t)(end - text.p) : i;
        } else {
            rc = brace && !twice ? -EINVAL : add_text(&r, c);
            i += twice;
        }
        if (rc)
            return rc;
    }
    *out = t;
    return 0;
}

/* --- Expanding ---------------------------------------------------------------------------------
 */

static struct trc_slice method_of(struct trc_slice method) {
    return trc_method_known(method) ? method : TRC_SLICE("HTTP");
}

static struct trc_slice value_of(const struct trc_template *t, unsigned part,
                                 const struct trc_template_values *values, unsigned *variable) {
    const unsigned kind = t->part[part].kind;
    if (kind == TRC_TEMPLATE_TEXT)
        return (struct trc_slice){t->text + t->part[part].off, t->part[part].len};
    if (kind == TRC_TEMPLATE_VARIABLE)
        return values->variable[(*variable)++];
    return kind == TRC_TEMPLATE_METHOD ? method_of(values->field[kind]) : values->field[kind];
}

void trc_template_expand(const struct trc_template *t, const struct trc_template_values *values,
                         struct trc_buf *out) {
    const size_t start = out->len;
    unsigned variable = 0;
    for (unsigned i = 0; i < t->count; i++) {
        struct trc_slice s = value_of(t, i, values, &variable);
        const bool spaced = out->len == start || out->p[out->len - 1] == ' ';
        while (spaced && s.len && s.p[0] == ' ')
            s = (struct trc_slice){s.p + 1, s.len - 1};
        trc_buf_put_cut(out, s);
    }
    while (out->len > start && out->p[out->len - 1] == ' ')
        out->len--;
    if (out->len == start)
        trc_buf_put_cut(out, method_of(values->field[TRC_TEMPLATE_METHOD]));
}
