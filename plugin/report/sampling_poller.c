/* SPDX-License-Identifier: MIT
 *
 * The poller's thread. Used by the host: started after the fork, stopped at exit.
 *
 * The lease is a robust mutex and not a word with a deadline: a holder that is only slow keeps it,
 * so that no two ever publish at once, and one that is dead loses it at once. Nobody waits for it;
 * who finds it taken looks again a second later.
 */
#include "tracing/sampling_poller.h"
#include "tracing/clock.h"
#include "tracing/fetch.h"
#include "tracing/log.h"
#include "tracing/random.h"
#include "tracing/robust.h"
#include "tracing/sampling_answer.h"
#include "tracing/thread.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STACK_BYTES (512u * 1024u)        /* as the reporters': jansson's nesting */
#define TAKEN_NS TRC_NS_PER_S             /* until we look again whether the lease is free */
#define TELL_EVERY_NS (30 * TRC_NS_PER_S) /* a line of each sort in the log */

/* One per process. */
static struct {
    struct trc_strategies *strategies;
    struct trc_poll *poll;
    uint64_t interval_ns;
    char url[TRC_SAMPLER_URL_MAX + 1]; /* for the log */
    struct trc_fetch *fetch; /* the thread's, and after its end nobody's until the next start: stop
                                may be called in a signal handler, and frees nothing */
    struct trc_thread thread;
} poller;

/* --- The thread ---------------------------------------------------------------------------- */

/* Says that the server fails or answers again, if that is news and not too soon. */
static void tell(bool failing, const char *why) {
    struct trc_poll *p = poller.poll;
    uint64_t now = trc_clock_mono_ns(), *last = &p->told_at_ns[failing];
    if (failing == p->told_failing || (*last && now - *last < TELL_EVERY_NS))
        return;
    *last = now;
    p->told_failing = failing;
    if (failing)
        trc_log("tracing-sampler %s: no strategy: %s (the one in force stays)", poller.url, why);
    else
        trc_log("tracing-sampler %s: answers again", poller.url);
}

/* Between 0.9 and 1 intervals: instances that were started together do not ask together for long,
 * and none keeps an old strategy for longer than it was told to. */
static uint64_t next_poll(uint64_t now) {
    uint64_t random = 0;
    (void)trc_random_bytes(&random, sizeof(random)); /* without, they ask together */
    return now + poller.interval_ns - random % (poller.interval_ns / 10);
}

static int get_strategy(struct trc_fetch *fetch, struct trc_strategy **out,
                        char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_slice body;
    int rc = trc_fetch_get(fetch, &body, why);
    return rc ? rc : trc_sampling_answer_parse(body, out, why);
}

static void ask(struct trc_fetch *fetch) {
    char why[TRC_ERROR_TEXT_MAX] = "";
    struct trc_strategy *strategy = NULL;
    uint64_t begun = trc_clock_mono_ns();
    int rc = get_strategy(fetch, &strategy, why);
    if (rc == -ECANCELED)
        return; /* it is still time: for another worker */
    if (rc == 0) {
        trc_strategies_publish(poller.strategies, strategy, trc_clock_mono_ns());
        free(strategy);
    }
    atomic_fetch_add(&poller.poll->asked, 1);
    atomic_fetch_add(&poller.poll->failed, rc != 0);
    tell(rc != 0, why);
    atomic_store(&poller.poll->next_mono_ns, next_poll(begun));
}

static bool is_time(void) {
    return trc_clock_mono_ns() >= atomic_load(&poller.poll->next_mono_ns);
}

static void run(void *arg) {
    struct trc_fetch *fetch = arg;
    while (!trc_fetch_stopped(fetch)) {
        if (!is_time()) {
            trc_fetch_wait(fetch, atomic_load(&poller.poll->next_mono_ns));
        } else if (trc_robust_lock(&poller.poll->lease, 0) == 0) {
            if (is_time()) /* still: not asked by another in between */
                ask(fetch);
            trc_robust_unlock(&poller.poll->lease);
        } else {
            trc_fetch_wait(fetch, trc_clock_mono_ns() + TAKEN_NS);
        }
    }
}

/* --- Start and stop ------------------------------------------------------------------------ */

static struct trc_fetch *fetch_of(const struct trc_poller_config *config) {
    struct trc_slice url = config->sampler->url, service = config->service;
    char *escaped = curl_easy_escape(NULL, service.p, (int)service.len), *whole = NULL;
    if (!escaped || asprintf(&whole, "%.*s?service=%s", (int)url.len, url.p, escaped) < 0)
        whole = NULL;
    struct trc_fetch *fetch = whole ? trc_fetch_new(whole, config->http) : NULL;
    curl_free(escaped);
    free(whole);
    return fetch;
}

int trc_poller_ask(const struct trc_poller_config *config, struct trc_strategy **out,
                   char why[TRC_ERROR_TEXT_MAX]) {
    struct trc_fetch *fetch = fetch_of(config);
    snprintf(why, TRC_ERROR_TEXT_MAX, "no memory");
    int rc = fetch ? get_strategy(fetch, out, why) : -ENOMEM;
    trc_fetch_free(fetch);
    return rc;
}

int trc_poller_start(const struct trc_poller_config *config) {
    const struct trc_sampler *sampler = config->sampler;
    char name[64];
    if (atomic_load(&poller.thread.alive)) /* it uses what is here */
        return -EBUSY;
    poller.strategies = config->strategies;
    poller.poll = trc_strategies_poll(config->strategies);
    poller.interval_ns = sampler->interval_ns;
    snprintf(poller.url, sizeof(poller.url), "%.*s", (int)sampler->url.len, sampler->url.p);
    snprintf(name, sizeof(name), "trc-%u-sampling", config->worker + 1);
    trc_fetch_free(poller.fetch);
    poller.fetch = fetch_of(config);
    if (!poller.fetch)
        return -ENOMEM;
    return trc_thread_start(&poller.thread, name, STACK_BYTES, run, poller.fetch);
}

bool trc_poller_stop(uint64_t deadline_mono_ns) {
    if (!trc_thread_is_ours(&poller.thread))
        return true;
    trc_fetch_stop(poller.fetch);
    return trc_thread_join(&poller.thread, deadline_mono_ns);
}

void trc_poller_forget(void) {
    poller.fetch = NULL; /* its thread may have been in the middle of it */
    trc_thread_forget(&poller.thread);
}
