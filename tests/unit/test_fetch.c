/* SPDX-License-Identifier: MIT
 *
 * GET: what counts as an answer, what ends a transfer or a sleep, and every call failing in turn.
 */
#include "http_rig.h"
#include "torture.h"
#include "tracing/clock.h"
#include <curl/curl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>

#undef curl_easy_setopt
#define curl_easy_setopt(...) (torture(0) ? CURLE_OUT_OF_MEMORY : (curl_easy_setopt)(__VA_ARGS__))
#define curl_easy_init() (torture(0) ? NULL : curl_easy_init())
#define curl_multi_init() (torture(0) ? NULL : curl_multi_init())
#define curl_multi_add_handle(...)                                                                 \
    (torture(0) ? CURLM_OUT_OF_MEMORY : curl_multi_add_handle(__VA_ARGS__))
#define curl_multi_perform(...) (torture(0) ? CURLM_OUT_OF_MEMORY : curl_multi_perform(__VA_ARGS__))
#define curl_multi_poll(...) (torture(0) ? CURLM_OUT_OF_MEMORY : curl_multi_poll(__VA_ARGS__))
#define calloc(...) (torture(ENOMEM) ? NULL : calloc(__VA_ARGS__))
#define realloc(...) (torture(ENOMEM) ? NULL : realloc(__VA_ARGS__))
static _Atomic bool asleep;
#define sem_clockwait(...) (atomic_store(&asleep, true), sem_clockwait(__VA_ARGS__))
#include "../../plugin/send/fetch.c"

static struct trc_fetch *fetch;
static struct trc_slice body;
static char why[TRC_ERROR_TEXT_MAX];

static struct trc_fetch *fetch_of(const char *path) {
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%s%s", rig.port, path);
    return trc_fetch_new(url, NULL);
}

static int setup(void **state) {
    torture_state.on = false;
    why[0] = '\0';
    if (rig_setup(state))
        return -1;
    fetch = fetch_of("/sampling?service=a");
    return fetch ? 0 : -1;
}

static int teardown(void **state) {
    trc_fetch_free(fetch);
    return rig_teardown(state);
}

static void reply(const char *bytes, enum rig_then then) {
    static struct rig_reply r;
    r = (struct rig_reply){bytes, then, 0};
    rig_replies(&r, 1);
}

static void assert_refused(const char *beginning) {
    body = TRC_SLICE("as it was");
    why[0] = '\0';
    assert_int_equal(trc_fetch_get(fetch, &body, why), -EIO);
    assert_string_equal(body.p, "as it was");
    assert_true(why[0] != '\0');
    why[strnlen(why, strlen(beginning))] = '\0';
    assert_string_equal(why, beginning);
}

static void assert_got(const char *want) {
    assert_int_equal(trc_fetch_get(fetch, &body, why), 0);
    assert_int_equal(body.len, strlen(want));
    if (body.len)
        assert_memory_equal(body.p, want, body.len);
}

static void an_answer_is_its_body(void **state) {
    (void)state;
    for (unsigned i = 1; i < 4; i++) {
        assert_got("{}");
        assert_int_equal(rig_seen(&rig.requests), i);
        assert_int_equal(rig_seen(&rig.connections), i);
    }
    assert_non_null(strstr(rig.request, "GET /sampling?service=a HTTP/1.1\r\n"));
    reply("HTTP/1.1 200 OK\r\n\r\n", RIG_CLOSE);
    assert_got("");
}

static void a_status_but_2xx_is_none(void **state) {
    (void)state;
    static const struct {
        const char *answer, *why;
    } cases[] = {
        {"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "HTTP status 301"},
        {"HTTP/1.1 400 Bad\r\n\r\n{}", "HTTP status 400"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP status 404"},
        {"HTTP/1.1 500 Error\r\n\r\ncollector error", "HTTP status 500"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reply(cases[i].answer, RIG_CLOSE);
        assert_refused(cases[i].why);
    }
    reply("HTTP/1.1 204 Nothing\r\n\r\n", RIG_CLOSE);
    assert_got("");
}

static void what_is_no_http_is_none(void **state) {
    (void)state;
    static const char *const answers[] = {"", "\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"};
    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        reply(answers[i], i % 2 ? RIG_CLOSE : RIG_RESET);
        assert_refused("");
    }
    reply(RIG_OK, RIG_KEEP); /* and it goes on */
    assert_got("{}");
}

static void nobody_there_is_said(void **state) {
    assert_int_equal(rig_teardown(state), 0);
    assert_refused("Failed to connect to 127.0.0.1 port ");
    assert_int_equal(rig_setup(state), 0);
}

static void an_answer_is_bounded(void **state) {
    (void)state;
    static char large[TRC_FETCH_BYTES_MAX + 100] = "HTTP/1.1 200 OK\r\n\r\n";
    struct rig_reply r = {large, RIG_CLOSE, strlen(large) + TRC_FETCH_BYTES_MAX};
    rig_replies(&r, 1);
    assert_int_equal(trc_fetch_get(fetch, &body, why), 0);
    assert_int_equal(body.len, TRC_FETCH_BYTES_MAX);
    r.len++;
    rig_replies(&r, 1);
    assert_refused("the answer is larger than 1048576 bytes");
    reply("HTTP/1.1 200 OK\r\n\r\n", RIG_ENDLESS);
    assert_refused("the answer is larger than 1048576 bytes");
    reply("HTTP/1.1 500 Error\r\n\r\n", RIG_CLOSE);
    assert_refused("HTTP status 500");
    reply(RIG_OK, RIG_KEEP);
    assert_got("{}");
}

/* --- Stopping -------------------------------------------------------------------------------- */

static void *stop_when_asked(void *arg) {
    (void)arg;
    while (rig_seen(&rig.hangs) == 0)
        sched_yield();
    usleep(400000); /* libcurl has timers of its own in the beginning, which would wake it, too */
    trc_fetch_stop(fetch);
    return NULL;
}

static void a_hanging_server_does_not_hold_us(void **state) {
    (void)state;
    pthread_t stopper;
    uint64_t before = trc_clock_mono_ns();
    reply("HTTP/1.1 200 OK\r\n", RIG_HANG);
    pthread_create(&stopper, NULL, stop_when_asked, NULL);
    assert_int_equal(trc_fetch_get(fetch, &body, why), -ECANCELED);
    pthread_join(stopper, NULL);
    trc_fetch_wait(fetch, UINT64_MAX / 2); /* nor anything else */
    assert_int_equal(trc_fetch_get(fetch, &body, why), -ECANCELED);
    assert_true(trc_fetch_stopped(fetch));
    assert_true(trc_clock_mono_ns() - before < 5 * TRC_NS_PER_S); /* and not 10 */
}

static void *sleep_long(void *arg) {
    (void)arg;
    trc_fetch_wait(fetch, trc_clock_mono_ns() + 3600 * TRC_NS_PER_S);
    return NULL;
}

static void a_sleep_ends_in_time_or_when_stopped(void **state) {
    (void)state;
    pthread_t sleeper;
    uint64_t at = trc_clock_mono_ns() + 20 * TRC_NS_PER_MS;
    trc_fetch_wait(fetch, at);
    assert_true(trc_clock_mono_ns() >= at);
    trc_fetch_wait(fetch, 0);
    atomic_store(&asleep, false);
    pthread_create(&sleeper, NULL, sleep_long, NULL);
    while (!atomic_load(&asleep))
        sched_yield();
    trc_fetch_stop(fetch);
    pthread_join(sleeper, NULL);
}

static void survives_torture(void **state) {
    (void)state;
    unsigned fds = torture_count("fd"), got = 0;
    for (torture_begin(); torture_next();) {
        struct trc_fetch *f = fetch_of("/");
        int rc = f ? trc_fetch_get(f, &body, why) : -EIO;
        assert_true(rc == 0 || rc == -EIO);
        got += rc == 0;
        torture_state.on = false;
        if (f) /* whatever it was, it goes on */
            assert_int_equal(trc_fetch_get(f, &body, why), 0);
        torture_state.on = true;
        trc_fetch_free(f);
        assert_int_equal(torture_count_settled("fd", fds), fds); /* the server's end of it, too */
    }
    assert_true(torture_state.failed > 10);
    assert_true(got < torture_state.failed);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_its_body),
        TEST(a_status_but_2xx_is_none),
        TEST(what_is_no_http_is_none),
        TEST(nobody_there_is_said),
        TEST(an_answer_is_bounded),
        TEST(a_hanging_server_does_not_hold_us),
        TEST(a_sleep_ends_in_time_or_when_stopped),
        TEST(survives_torture),
    };
    return trc_http_init() ? 1 : cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
