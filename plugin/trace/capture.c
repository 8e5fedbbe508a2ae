/* SPDX-License-Identifier: MIT
 *
 * Headers that become tags. See capture.h.
 */
#include "tracing/capture.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define NAME_MAX_BYTES 64

bool trc_capture_is_name(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.p[i]) && !memchr("!#$%&'*+-.^_`|~", s.p[i], 15))
            return false;
    return s.len > 0 && s.len <= NAME_MAX_BYTES;
}

static struct trc_slice copy(const char *prefix, struct trc_slice name, int (*change)(int)) {
    const size_t before = strlen(prefix);
    char *text = malloc(before + name.len);
    if (!text)
        return (struct trc_slice){NULL, 0};
    memcpy(text, prefix, before);
    for (size_t i = 0; i < name.len; i++)
        text[before + i] = (char)change((unsigned char)name.p[i]);
    return (struct trc_slice){text, before + name.len};
}

/* RFC 3875 section 4.1.18. */
static int to_variable(int c) {
    return c == '-' ? '_' : toupper(c);
}

int trc_capture_make(struct trc_slice name, enum trc_direction direction, struct trc_capture *out) {
    if (!trc_capture_is_name(name))
        return -EINVAL;
    const bool bare = (name.len == 12 && strncasecmp(name.p, "content-type", 12) == 0) ||
                      (name.len == 14 && strncasecmp(name.p, "content-length", 14) == 0);
    const struct trc_capture c = {
        .variable = copy(bare ? "" : "HTTP_", name, to_variable),
        .header = copy("", name, tolower),
        .tag = copy(direction == TRC_REQUEST ? "http.request.header." : "http.response.header.",
                    name, tolower),
    };
    if (!c.variable.p || !c.header.p || !c.tag.p) {
        free((char *)c.variable.p);
        free((char *)c.header.p);
        free((char *)c.tag.p);
        return -ENOMEM;
    }
    *out = c;
    return 0;
}

struct trc_slice trc_capture_find(const struct trc_capture *capture, struct trc_slice lines) {
    const struct trc_slice name = capture->header;
    struct trc_slice found = {NULL, 0};
    for (const char *p = lines.p, *end = lines.p + lines.len, *eol; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol)
            break;
        const size_t len = (size_t)(eol - p);
        if (len > name.len && p[name.len] == ':' && strncasecmp(p, name.p, name.len) == 0) {
            struct trc_slice value = {p + name.len + 1, len - name.len - 1};
            if (value.len && value.p[value.len - 1] == '\r')
                value.len--;
            found = trc_slice_trim(value);
        }
    }
    return found;
}
