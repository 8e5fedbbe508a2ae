/* SPDX-License-Identifier: MIT
 *
 * Samplers as configured: their text, and the decisions of those that need no server.
 */
#include "tracing/sampler.h"
#include "limit.h"
#include "tracing/decimal.h"
#include "tracing/values.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

#define INITIAL 0.001
#define INTERVAL_NS (60 * TRC_NS_PER_S)
#define INTERVAL_MIN_NS (100 * TRC_NS_PER_MS)
#define INTERVAL_MAX_NS (3600 * TRC_NS_PER_S)

/* Takes what lies before the first byte of `stop`, or all, off the front of *s. */
static struct trc_slice take_until(struct trc_slice *s, const char *stop) {
    size_t len = 0;
    while (len < s->len && !strchr(stop, s->p[len]))
        len++;
    struct trc_slice head = {s->p, len};
    *s = (struct trc_slice){s->p + len, s->len - len};
    return head;
}

static bool take_prefix(struct trc_slice *s, const char *prefix) {
    size_t len = strlen(prefix);
    if (s->len < len || memcmp(s->p, prefix, len) != 0)
        return false;
    *s = (struct trc_slice){s->p + len, s->len - len};
    return true;
}

/* --- Remote -------------------------------------------------------------------------------- */

/* libcurl says now what it would say at the first poll. A query is ours to write, a fragment is
 * sent nowhere, and a password would end up in the log. Returns 0, -EINVAL or -ENOMEM. */
static int check_url(struct trc_slice s) {
    char text[TRC_SAMPLER_URL_MAX + 1], *part = NULL;
    struct trc_slice rest = s;
    if (s.len >= sizeof(text) || memchr(s.p, '\0', s.len) ||
        !(take_prefix(&rest, "http://") || take_prefix(&rest, "https://")) ||
        (rest.len > 0 && rest.p[0] == '/')) /* libcurl passes over a third slash */
        return -EINVAL;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    CURLU *url = curl_url();
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
    bool good = code == CURLUE_OK;
    static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                         CURLUPART_FRAGMENT};
    for (unsigned i = 0; good && i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        code = curl_url_get(url, unwanted[i], &part, 0);
        good = code != CURLUE_OK && code != CURLUE_OUT_OF_MEMORY;
        curl_free(part);
        part = NULL;
    }
    curl_url_cleanup(url);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    return good && !memchr(s.p, '?', s.len) && !memchr(s.p, '#', s.len) ? 0 : -EINVAL;
}

static int parse_option(struct trc_slice word, struct trc_sampler *s) {
    uint64_t ns;
    double p;
    if (take_prefix(&word, "interval=")) {
        if (trc_parse_duration(word, &ns) || ns < INTERVAL_MIN_NS || ns > INTERVAL_MAX_NS)
            return -EINVAL;
        s->interval_ns = ns;
        return 0;
    }
    if (!take_prefix(&word, "initial=") || trc_decimal_double(word, &p) || p > 1)
        return -EINVAL;
    s->param = p;
    return 0;
}

/* What follows "remote". */
static int parse_remote(struct trc_slice rest, struct trc_sampler *out) {
    struct trc_sampler s = {
        .type = TRC_SAMPLER_REMOTE,
        .param = INITIAL,
        .url = TRC_SLICE(TRC_SAMPLER_URL),
        .interval_ns = INTERVAL_NS,
    };
    if (take_prefix(&rest, ":")) {
        s.url = take_until(&rest, " ");
        int rc = check_url(s.url);
        if (rc)
            return rc;
    }
    while (rest.len > 0) {
        if (!take_prefix(&rest, " "))
            return -EINVAL;
        struct trc_slice word = take_until(&rest, " ");
        if (word.len > 0 && parse_option(word, &s))
            return -EINVAL;
    }
    *out = s;
    return 0;
}

/* --- Local --------------------------------------------------------------------------------- */

int trc_sampler_parse(struct trc_slice text, struct trc_sampler *out) {
    struct trc_sampler s = {0};
    struct trc_slice rest = text, name = take_until(&rest, ": ");
    if (trc_slice_equal(name, TRC_SLICE("remote")))
        return parse_remote(rest, out);
    if (!take_prefix(&rest, ":") || trc_decimal_double(rest, &s.param))
        return -EINVAL;
    if (trc_slice_equal(name, TRC_SLICE("const")) && (s.param == 0 || s.param == 1)) {
        s.type = TRC_SAMPLER_CONST;
    } else if (trc_slice_equal(name, TRC_SLICE("probabilistic")) && s.param <= 1) {
        s.type = TRC_SAMPLER_PROBABILISTIC;
        s.boundary = trc_boundary_of(s.param);
    } else if (trc_slice_equal(name, TRC_SLICE("ratelimiting")) && s.param <= TRC_RATE_MAX) {
        s.type = TRC_SAMPLER_RATELIMITING;
        s.limit = trc_limit_of(s.param);
    } else {
        return -EINVAL;
    }
    *out = s;
    return 0;
}

void trc_sampler_put(struct trc_buf *b, const struct trc_sampler *s) {
    static const struct trc_slice names[] = {
        [TRC_SAMPLER_CONST] = TRC_SLICE("const:"),
        [TRC_SAMPLER_PROBABILISTIC] = TRC_SLICE("probabilistic:"),
        [TRC_SAMPLER_RATELIMITING] = TRC_SLICE("ratelimiting:"),
        [TRC_SAMPLER_REMOTE] = TRC_SLICE("remote:"),
    };
    char number[TRC_DECIMAL_TEXT_MAX];
    size_t len = trc_decimal_print(number, s->param);
    trc_buf_put_slice(b, names[s->type]);
    if (s->type == TRC_SAMPLER_REMOTE) {
        trc_buf_put_slice(b, s->url);
        trc_buf_put_slice(b, TRC_SLICE(" interval="));
        trc_buf_put_u64(b, s->interval_ns / TRC_NS_PER_MS);
        trc_buf_put_slice(b, TRC_SLICE("ms initial="));
    }
    trc_buf_put(b, number, len);
}

bool trc_sampler_sample(const struct trc_sampler *s, uint64_t trace_lo, _Atomic uint64_t *account,
                        uint64_t mono_ns) {
    switch (s->type) {
    case TRC_SAMPLER_PROBABILISTIC:
        return trc_probable(s->boundary, trace_lo);
    case TRC_SAMPLER_RATELIMITING:
        return trc_limit_spend(s->limit, account, mono_ns);
    default:
        return s->param != 0;
    }
}
