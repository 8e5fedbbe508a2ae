/* SPDX-License-Identifier: MIT
 *
 * The template of span names (tracing-operation): read once at start, expanded for each span.
 *
 *     {method} {route}        GET /users/{id}
 *
 * A field is {method}, {route}, {path}, {host}, {app} or a request variable ({HTTP_X_TENANT}):
 * upper case, digits and underscores, at least four bytes. {{ and }} are braces. What a field
 * stands for may be absent; a space beside it goes with it, so that the above is `GET` without a
 * route.
 */
#ifndef TRACING_TEMPLATE_H
#define TRACING_TEMPLATE_H

#include "tracing/buf.h"

#define TRC_TEMPLATE_PARTS_MAX 16    /* fields, and texts between them */
#define TRC_TEMPLATE_VARIABLES_MAX 4 /* of them, request variables */
#define TRC_TEMPLATE_BYTES 256

enum trc_template_field {
    TRC_TEMPLATE_METHOD,
    TRC_TEMPLATE_ROUTE,
    TRC_TEMPLATE_PATH,
    TRC_TEMPLATE_HOST,
    TRC_TEMPLATE_APP,
    TRC_TEMPLATE_FIELDS, /* so many with a name of their own */
    TRC_TEMPLATE_VARIABLE = TRC_TEMPLATE_FIELDS,
    TRC_TEMPLATE_TEXT
};

/* Flat: copied with memcpy. */
struct trc_template {
    uint8_t uses; /* 1u << enum trc_template_field of all that it has */
    uint8_t count, variable_count;
    struct {
        uint8_t kind;     /* enum trc_template_field */
        uint8_t off, len; /* in text[], of a text or of the name of a variable */
    } part[TRC_TEMPLATE_PARTS_MAX];
    uint8_t variable[TRC_TEMPLATE_VARIABLES_MAX]; /* which parts they are, in order */
    char text[TRC_TEMPLATE_BYTES];
};

/* Reads `text` into *out. Returns 0, or -EINVAL with *out untouched. Thread: startup. */
int trc_template_parse(struct trc_slice text, struct trc_template *out);

/* What trc_template_parse accepts, for error messages. */
#define TRC_TEMPLATE_ALLOWED                                                                       \
    "1 to 255 bytes of text with {method}, {route}, {path}, {host}, {app}, at most 4 request "     \
    "variables like {HTTP_X_TENANT}, and {{ and }} for braces"

/* Name of request variable `i` < variable_count; lives as long as *t. Thread: any. */
static inline struct trc_slice trc_template_variable(const struct trc_template *t, unsigned i) {
    return (struct trc_slice){t->text + t->part[t->variable[i]].off, t->part[t->variable[i]].len};
}

/* What the fields stand for; each may be absent or empty, which is the same. */
struct trc_template_values {
    struct trc_slice field[TRC_TEMPLATE_FIELDS]; /* by enum trc_template_field; looked at if used */
    struct trc_slice variable[TRC_TEMPLATE_VARIABLES_MAX]; /* by number of variable */
};

/* Appends the name. A method that may not name a span (trc_method_known), or none, is HTTP
 * (OpenTelemetry http-spans.md, Name). It begins and ends with no space, and is never empty:
 * if nothing is left of it, it is the method. What `out` has no room for is cut and sets its
 * overflow. Thread: any. */
void trc_template_expand(const struct trc_template *t, const struct trc_template_values *values,
                         struct trc_buf *out);

#endif
