/* SPDX-License-Identifier: MIT
 *
 * GET by libcurl. Used by the sampling poller.
 *
 * The multi interface for a single transfer, because curl_easy_perform comes up for air once a
 * second only, and curl_multi_wakeup ends a wait at once. A connection of its own for each request:
 * a minute lies between two, and the next may be another worker's.
 */
#include "tracing/fetch.h"
#include "easy.h"
#include "tracing/clock.h"
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct trc_fetch {
    CURLM *multi;
    CURL *easy;
    _Atomic bool stopped;
    sem_t bell;
    char *body; /* malloc'd */
    size_t body_len;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

/* --- What libcurl calls -------------------------------------------------------------------- */

static size_t take_body(char *p, size_t size, size_t count, void *arg) {
    struct trc_fetch *f = arg;
    size_t len = size * count; /* at most CURL_MAX_WRITE_SIZE: so few that growing is no matter */
    f->too_large = len > TRC_FETCH_BYTES_MAX - f->body_len;
    char *larger = f->too_large ? NULL : realloc(f->body, f->body_len + len);
    if (!larger)
        return 0; /* ends the transfer */
    memcpy(larger + f->body_len, p, len);
    f->body = larger;
    f->body_len += len;
    return len;
}

/* --- Making -------------------------------------------------------------------------------- */

static bool set_up(struct trc_fetch *f, const char *url, const struct trc_http_config *config) {
    static const struct trc_http_config defaults;
    CURL *e = f->easy;
    bool ok = easy_set_up(e, "http,https", config ? config : &defaults, f->error);
    ok = ok && curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)TRC_FETCH_TIMEOUT_MS) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
    return ok && curl_easy_setopt(e, CURLOPT_WRITEDATA, f) == CURLE_OK;
}

struct trc_fetch *trc_fetch_new(const char *url, const struct trc_http_config *config) {
    struct trc_fetch *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    sem_init(&f->bell, 0, 0);
    f->multi = curl_multi_init();
    f->easy = curl_easy_init();
    if (f->multi && f->easy && set_up(f, url, config))
        return f;
    trc_fetch_free(f);
    return NULL;
}

void trc_fetch_free(struct trc_fetch *f) {
    if (!f)
        return;
    curl_easy_cleanup(f->easy);
    curl_multi_cleanup(f->multi);
    sem_destroy(&f->bell);
    free(f->body);
    free(f);
}

/* --- Asking -------------------------------------------------------------------------------- */

/* Runs the transfer to its end, or until stopped. */
static CURLcode run(struct trc_fetch *f) {
    CURLcode code = CURLE_OUT_OF_MEMORY; /* what fails without a transfer fails for want of it */
    int running = 1, left;
    CURLMcode rc = curl_multi_add_handle(f->multi, f->easy);
    while (rc == CURLM_OK && !atomic_load(&f->stopped)) {
        rc = curl_multi_perform(f->multi, &running);
        if (rc != CURLM_OK || !running)
            break;
        rc = curl_multi_poll(f->multi, NULL, 0, TRC_FETCH_TIMEOUT_MS, NULL);
    }
    for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE)
            code = m->data.result;
    curl_multi_remove_handle(f->multi, f->easy); /* ends one that is not over */
    return code;
}

int trc_fetch_get(struct trc_fetch *f, struct trc_slice *body, char why[TRC_ERROR_TEXT_MAX]) {
    long status = 0;
    free(f->body);
    f->body = NULL;
    f->body_len = 0;
    f->too_large = false;
    f->error[0] = '\0';
    CURLcode code = run(f);
    if (atomic_load(&f->stopped))
        return -ECANCELED;
    (void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (f->too_large)
        snprintf(why, TRC_ERROR_TEXT_MAX, "the answer is larger than %u bytes",
                 TRC_FETCH_BYTES_MAX);
    else if (code != CURLE_OK)
        snprintf(why, TRC_ERROR_TEXT_MAX, "%s", f->error[0] ? f->error : curl_easy_strerror(code));
    else if (status < 200 || status > 299)
        snprintf(why, TRC_ERROR_TEXT_MAX, "HTTP status %ld", status);
    else
        return *body = (struct trc_slice){f->body, f->body_len}, 0;
    return -EIO;
}

void trc_fetch_wait(struct trc_fetch *f, uint64_t mono_ns) {
    const struct timespec at = {(time_t)(mono_ns / TRC_NS_PER_S), (long)(mono_ns % TRC_NS_PER_S)};
    while (!atomic_load(&f->stopped) && sem_clockwait(&f->bell, CLOCK_MONOTONIC, &at) != 0 &&
           errno == EINTR)
        ;
}

void trc_fetch_stop(struct trc_fetch *f) {
    atomic_store(&f->stopped, true);
    (void)curl_multi_wakeup(f->multi); /* a transfer */
    (void)sem_post(&f->bell);          /* a sleep */
}

bool trc_fetch_stopped(const struct trc_fetch *f) {
    return atomic_load(&f->stopped);
}
