/* SPDX-License-Identifier: MIT
 *
 * What gets no span. Used by the settings, which read it, and the request hook, which asks it.
 */
#include "tracing/exclude.h"
#include "tracing/glob.h"
#include <errno.h>

static const struct trc_slice prefixes[TRC_EXCLUDE_SUBJECTS] = {
    [TRC_EXCLUDE_PATH] = TRC_SLICE(""),
    [TRC_EXCLUDE_AGENT] = TRC_SLICE("agent:"),
    [TRC_EXCLUDE_METHOD] = TRC_SLICE("method:"),
};

/* Takes the prefix off; a glob that no path can match is a mistake, such as a missing slash. */
static int subject_of(struct trc_slice *glob) {
    for (int i = TRC_EXCLUDE_SUBJECTS - 1; i >= 0; i--) {
        const struct trc_slice prefix = prefixes[i];
        if (glob->len <= prefix.len || memcmp(glob->p, prefix.p, prefix.len) != 0)
            continue;
        *glob = (struct trc_slice){glob->p + prefix.len, glob->len - prefix.len};
        return i != TRC_EXCLUDE_PATH || strchr("/*?", glob->p[0]) ? i : -EINVAL;
    }
    return -EINVAL;
}

static bool is_text(struct trc_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static int add(struct trc_exclude *e, struct trc_slice glob) {
    size_t begin = e->count ? e->pattern[e->count - 1].end : 0;
    int subject = is_text(glob) ? subject_of(&glob) : -EINVAL;
    if (subject < 0 || e->count == TRC_EXCLUDE_MAX || glob.len > TRC_EXCLUDE_BYTES - begin)
        return -EINVAL;
    memcpy(e->text + begin, glob.p, glob.len);
    e->pattern[e->count].end = (uint16_t)(begin + glob.len);
    e->pattern[e->count].subject = (uint16_t)subject;
    e->subjects |= (uint16_t)(1u << subject);
    e->count++;
    return 0;
}

int trc_exclude_add(struct trc_exclude *e, struct trc_slice list) {
    struct trc_exclude all = *e;
    struct trc_slice rest = list, glob;
    if (list.len == 0 || trc_slice_equal(list, TRC_SLICE("none")))
        return 0;
    while (trc_slice_next(&rest, ',', &glob))
        if (add(&all, glob))
            return -EINVAL;
    *e = all;
    return 0;
}

static struct trc_slice glob_of(const struct trc_exclude *e, unsigned i) {
    size_t begin = i ? e->pattern[i - 1].end : 0;
    return (struct trc_slice){e->text + begin, e->pattern[i].end - begin};
}

void trc_exclude_put(struct trc_buf *b, const struct trc_exclude *e) {
    if (e->count == 0)
        trc_buf_put_slice(b, TRC_SLICE("none"));
    for (unsigned i = 0; i < e->count; i++) {
        if (i > 0)
            trc_buf_put_byte(b, ',');
        trc_buf_put_slice(b, prefixes[e->pattern[i].subject]);
        trc_buf_put_slice(b, glob_of(e, i));
    }
}

bool trc_exclude_match(const struct trc_exclude *e,
                       const struct trc_slice subject[TRC_EXCLUDE_SUBJECTS]) {
    for (unsigned i = 0; i < e->count; i++) {
        const struct trc_slice text = subject[e->pattern[i].subject];
        if (text.p && trc_glob_match(glob_of(e, i), text))
            return true;
    }
    return false;
}
