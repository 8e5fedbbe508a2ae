/* SPDX-License-Identifier: MIT
 *
 * What an answer over HTTP means: taken, to be tried again, or given up.
 *
 * The rules are those of OTLP/HTTP for every wire (opentelemetry-proto docs/specification.md,
 * "Failures", "Retryable Response Codes", "OTLP/HTTP Connection"): 429, 502, 503 and 504 are tried
 * again, and so is what got no answer. A status tells even when the rest of its answer is lost, or
 * a message that a collector refuses, and breaks off, would be sent for ever. Problems of TLS are
 * tried again, because a certificate can be mended on the other side while we run.
 */
#include "http_answer.h"
#include "excerpt.h"
#include <errno.h>
#include <stdio.h>

#define EXCERPT_MAX 121 /* of a body, with its NUL */

static bool may_pass(long status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* The URL without what may be secret in it: user, password, query, fragment. */
static int tell_redirect(const char *url, char why[TRC_ERROR_TEXT_MAX]) {
    CURLU *u = curl_url();
    char *clean = NULL;
    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
        (void)curl_url_set(u, CURLUPART_USER, NULL, 0);
        (void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
        (void)curl_url_set(u, CURLUPART_QUERY, NULL, 0);
        (void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
        (void)curl_url_get(u, CURLUPART_URL, &clean, 0);
    }
    snprintf(why, TRC_ERROR_TEXT_MAX, "redirected to ");
    size_t len = strlen(why);
    trc_excerpt(why + len, TRC_ERROR_TEXT_MAX - len,
                trc_slice_of(clean ? clean : "a URL that cannot be read"));
    curl_free(clean);
    curl_url_cleanup(u);
    return -EPROTO;
}

static int tell_status(const struct trc_http_exchange *x, char why[TRC_ERROR_TEXT_MAX]) {
    char excerpt[EXCERPT_MAX];
    trc_excerpt(excerpt, sizeof(excerpt), x->body);
    snprintf(why, TRC_ERROR_TEXT_MAX, "answered %ld%s%s", x->status, excerpt[0] ? ": " : "",
             excerpt);
    return -EPROTO;
}

/* Taken. An answer we do not understand changes nothing about that, but a web server that says yes
 * to everything is worth a word. */
static int taken(const struct trc_http_exchange *x, const struct trc_http_wire *wire,
                 struct trc_send_result *result) {
    if (x->body.len == 0 || !wire->answer || wire->answer(x->body, result) == 0)
        return 0;
    char excerpt[EXCERPT_MAX];
    trc_excerpt(excerpt, sizeof(excerpt), x->body);
    snprintf(result->why, sizeof(result->why), "answered %ld, but not as a collector does: %s",
             x->status, excerpt);
    return 0;
}

/* No whole answer came. */
static int broken(const struct trc_http_exchange *x, char why[TRC_ERROR_TEXT_MAX]) {
    trc_excerpt(why, TRC_ERROR_TEXT_MAX, trc_slice_of(x->error));
    switch (x->code) {
    case CURLE_UNSUPPORTED_PROTOCOL: /* what answers does not speak HTTP */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return -EPROTO;
    default:
        return -EAGAIN;
    }
}

int trc_http_judge(const struct trc_http_exchange *x, const struct trc_http_wire *wire,
                   struct trc_send_result *result) {
    memset(result, 0, sizeof(*result));
    result->status = x->status >= 200 ? (unsigned)x->status : 0;
    if (may_pass(x->status)) {
        result->retry_after_ns = x->retry_after_ns;
        tell_status(x, result->why);
        return -EAGAIN;
    }
    if (x->status >= 300)
        return x->status < 400 && x->redirect ? tell_redirect(x->redirect, result->why)
                                              : tell_status(x, result->why);
    if (x->too_large) {
        snprintf(result->why, sizeof(result->why), "answered %ld and then without an end",
                 x->status);
        return -EPROTO;
    }
    if (x->code != CURLE_OK)
        return broken(x, result->why);
    if (x->status < 200) /* 101, of which libcurl thinks that it is the answer */
        return tell_status(x, result->why);
    return taken(x, wire, result);
}
