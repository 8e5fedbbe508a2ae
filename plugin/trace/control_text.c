/* SPDX-License-Identifier: MIT
 *
 * Settings that can be switched, as text: read from a file or a call, and shown.
 */
#include "tracing/control.h"
#include "tracing/values.h"
#include <errno.h>
#include <stdio.h>

/* A remote sampler has a poller and memory of its own, which are there or not since the start. */
static int set_sampler(struct trc_sampler *out, const struct trc_sampler *configured,
                       struct trc_slice text) {
    struct trc_sampler s;
    if (trc_sampler_parse(text, &s))
        return -EINVAL;
    if (s.type == TRC_SAMPLER_REMOTE) {
        bool same = s.param == configured->param && s.interval_ns == configured->interval_ns &&
                    trc_slice_equal(s.url, configured->url);
        if (configured->type != TRC_SAMPLER_REMOTE ||
            !(same || trc_slice_equal(text, TRC_SLICE("remote"))))
            return -EINVAL;
        s = *configured;
    }
    *out = s;
    return 0;
}

static int set_exclude(struct trc_change *change, struct trc_slice text) {
    struct trc_exclude e = {0};
    if (change->settings & 1u << TRC_SETTING_EXCLUDE)
        e = change->to.exclude;
    if (trc_exclude_add(&e, text))
        return -EINVAL;
    change->to.exclude = e;
    return 0;
}

int trc_change_set(struct trc_change *change, const struct trc_control *c, enum trc_setting setting,
                   struct trc_slice text, const char **allowed) {
    int rc;
    switch (setting) {
    case TRC_SETTING_ENABLED:
        rc = trc_parse_bool(text, &change->to.enabled);
        *allowed = "true or false";
        break;
    case TRC_SETTING_SAMPLER:
        rc = set_sampler(&change->to.sampler, &trc_control_configured(c)->sampler, text);
        *allowed =
            "const:0, const:1, probabilistic:0..1, ratelimiting:N, or remote if that is "
            "what tracing-sampler says";
        break;
    default:
        rc = set_exclude(change, text);
        *allowed = TRC_EXCLUDE_ALLOWED;
    }
    if (rc == 0)
        change->settings |= 1u << setting;
    return rc;
}

/* Returns the setting whose name stands before the first =, and what is behind that. */
static int split(struct trc_slice line, struct trc_slice *value) {
    const char *eq = memchr(line.p, '=', line.len);
    struct trc_slice name = {line.p, eq ? (size_t)(eq - line.p) : 0};
    for (int s = 0; eq && s < TRC_SETTING_COUNT; s++) {
        if (!trc_slice_equal(trc_slice_trim(name), trc_setting_names[s]))
            continue;
        *value = trc_slice_trim((struct trc_slice){eq + 1, line.len - name.len - 1});
        return s;
    }
    return -EINVAL;
}

int trc_change_parse(struct trc_change *change, const struct trc_control *c,
                     struct trc_slice content, char why[TRC_CHANGE_WHY_MAX]) {
    struct trc_slice rest = content, line, value;
    for (unsigned n = 1; trc_slice_split(&rest, '\n', &line); n++) {
        const char *allowed = "enabled=, sampler= and exclude=";
        if (line.len && line.p[line.len - 1] == '\r')
            line.len--;
        line = trc_slice_trim(line);
        if (line.len == 0 || line.p[0] == '#')
            continue;
        int setting = split(line, &value);
        if (setting >= 0 && trc_change_set(change, c, setting, value, &allowed) == 0)
            continue;
        snprintf(why, TRC_CHANGE_WHY_MAX, "line %u: %.*s: not allowed (allowed: %s)", n,
                 (int)(line.len < 100 ? line.len : 100), line.p, allowed);
        return -EINVAL;
    }
    return 0;
}

void trc_rules_put(struct trc_buf *b, const struct trc_rules *rules, enum trc_setting setting) {
    switch (setting) {
    case TRC_SETTING_ENABLED:
        trc_buf_put_slice(b, rules->enabled ? TRC_SLICE("true") : TRC_SLICE("false"));
        break;
    case TRC_SETTING_SAMPLER:
        trc_sampler_put(b, &rules->sampler);
        break;
    default:
        trc_exclude_put(b, &rules->exclude);
    }
}
