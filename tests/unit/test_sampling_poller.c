/* SPDX-License-Identifier: MIT
 *
 * The poller: what is in force after each kind of answer, who asks, and its end.
 */
#include "http_rig.h"
#include "torture.h"
#include "tracing/clock.h"
#include "tracing/fetch.h"
#include "tracing/log.h"
#include "tracing/sampling_poller.h"
#include "tsan_join.h"
#include <curl/curl.h>
#include <sched.h>
#include <sys/wait.h>

#define pthread_attr_init(a) (torture(0) ? ENOMEM : pthread_attr_init(a))
#define pthread_create(...) (torture(0) ? EAGAIN : pthread_create(__VA_ARGS__))
#define curl_easy_escape(...) (torture(0) ? NULL : curl_easy_escape(__VA_ARGS__))
#define asprintf(...) (torture(ENOMEM) ? -1 : asprintf(__VA_ARGS__))
#define trc_fetch_new(...) (torture(ENOMEM) ? NULL : trc_fetch_new(__VA_ARGS__))
#include "../../plugin/base/thread.c"
#include "../../plugin/report/sampling_poller.c"
#undef pthread_create

#define HEAD "HTTP/1.1 200 OK\r\n\r\n"
#define PROBABILISTIC(p) HEAD "{\"probabilisticSampling\":{\"samplingRate\":" #p "}}"

static struct trc_strategies *strategies;
static struct trc_sampler sampler;
static char url[128];
static char lines[10][1100];
static _Atomic unsigned line_count;

static void take_line(const char *line) {
    unsigned n = atomic_load(&line_count);
    if (n < 10)
        strcpy(lines[n], line);
    atomic_store(&line_count, n + 1);
}

static int setup(void **state) {
    snprintf(url, sizeof(url), "%s", "");
    if (rig_setup(state) || trc_strategies_new(&strategies, 0.001))
        return -1;
    snprintf(url, sizeof(url), "http://127.0.0.1:%s/sampling", rig.port);
    sampler = (struct trc_sampler){
        .type = TRC_SAMPLER_REMOTE, .url = trc_slice_of(url), .interval_ns = 20 * TRC_NS_PER_MS};
    atomic_store(&line_count, 0);
    trc_log_to(take_line);
    return 0;
}

static uint64_t soon(void) {
    return trc_clock_mono_ns() + 20 * TRC_NS_PER_S;
}

static int teardown(void **state) {
    bool ended = trc_poller_stop(soon());
    trc_strategies_free(strategies);
    trc_log_to(NULL);
    return rig_teardown(state) || !ended;
}

static int start_it(void) {
    const struct trc_poller_config config = {
        .strategies = strategies, .sampler = &sampler, .service = TRC_SLICE("a b&c/\xc3\xa9")};
    return trc_poller_start(&config);
}

static void reply(const char *bytes, enum rig_then then) {
    static struct rig_reply r[2]; /* one that is being given stays as it is */
    static unsigned turn;
    turn ^= 1;
    r[turn] = (struct rig_reply){bytes, then, 0};
    rig_replies(&r[turn], 1);
}

static double in_force(void) {
    struct trc_decision by;
    trc_strategies_decide(strategies, 1, TRC_SLICE("GET"), trc_clock_mono_ns(), &by);
    return by.param;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (uint64_t end = soon(); !(condition); sched_yield())                                   \
            if (trc_clock_mono_ns() > end)                                                         \
                fail_msg("waited in vain for " #condition);                                        \
    } while (0)

/* Returns when the server has been asked so many times more. */
static void polls(unsigned count) {
    unsigned before = rig_seen(&rig.requests);
    UNTIL(rig_seen(&rig.requests) >= before + count);
}

static void asks_at_once_and_then_again(void **state) {
    (void)state;
    reply(PROBABILISTIC(0.5), RIG_CLOSE);
    sampler.interval_ns = 3600 * TRC_NS_PER_S;
    uint64_t before = trc_clock_mono_ns();
    assert_int_equal(start_it(), 0);
    UNTIL(in_force() == 0.5);
    assert_non_null(strstr(rig.request, "GET /sampling?service=a%20b%26c%2F%C3%A9 HTTP/1.1\r\n"));
    struct trc_poll *poll = trc_strategies_poll(strategies);
    UNTIL(atomic_load(&poll->next_mono_ns) > before);
    assert_in_range(atomic_load(&poll->next_mono_ns) - before, 3240 * TRC_NS_PER_S,
                    3620 * TRC_NS_PER_S);
    assert_true(trc_poller_stop(soon())); /* in the middle of a long sleep */
    sampler.interval_ns = 20 * TRC_NS_PER_MS;
    atomic_store(&poll->next_mono_ns, 0);
    assert_int_equal(start_it(), 0);
    polls(3);
    reply(PROBABILISTIC(0.25), RIG_CLOSE);
    UNTIL(in_force() == 0.25);
    reply(HEAD "{\"rateLimitingSampling\":{\"maxTracesPerSecond\":7}}", RIG_CLOSE);
    UNTIL(in_force() == 7);
    reply(HEAD
          "{\"operationSampling\":{\"defaultSamplingProbability\":0.1,"
          "\"perOperationStrategies\":[{\"operation\":\"GET\",\"probabilisticSampling\":"
          "{\"samplingRate\":0.75}}]}}",
          RIG_CLOSE);
    UNTIL(in_force() == 0.75);
    assert_int_equal(line_count, 0);
}

static void a_bad_answer_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        HEAD "{}",
        HEAD "garbage",
        HEAD,
        HEAD "{\"probabilisticSampling\":{\"samplingRate\":2}}",
        "HTTP/1.1 500 Error\r\n\r\n{\"probabilisticSampling\":{\"samplingRate\":1}}",
        "HTTP/1.1 404 Not Found\r\n\r\n",
    };
    reply(PROBABILISTIC(0.5), RIG_CLOSE);
    assert_int_equal(start_it(), 0);
    UNTIL(in_force() == 0.5);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reply(bad[i], RIG_CLOSE);
        polls(2);
        assert_true(in_force() == 0.5);
    }
    UNTIL(line_count > 0);
    char want[256];
    snprintf(want, sizeof(want),
             "[tracing] tracing-sampler %s: no strategy: no strategy in the answer (the one in "
             "force stays)\n",
             url);
    assert_string_equal(lines[0], want);
    reply(PROBABILISTIC(0.25), RIG_CLOSE);
    UNTIL(in_force() == 0.25);
    UNTIL(line_count > 1);
    snprintf(want, sizeof(want), "[tracing] tracing-sampler %s: answers again\n", url);
    assert_string_equal(lines[1], want);
    reply(HEAD, RIG_CLOSE); /* again, and too soon to be said again */
    polls(3);
    assert_int_equal(line_count, 2);
}

static void a_server_that_is_not_there_is_waited_for(void **state) {
    sampler.url = TRC_SLICE("http://127.0.0.1:9/"); /* discard, and nobody at it */
    assert_int_equal(start_it(), 0);
    UNTIL(line_count > 0);
    assert_non_null(strstr(lines[0], ": no strategy: Failed to connect to 127.0.0.1 port 9"));
    assert_true(in_force() == 0.001);
    (void)state;
}

static void its_end_waits_for_no_server(void **state) {
    (void)state;
    struct trc_poll *poll = trc_strategies_poll(strategies);
    reply("HTTP/1.1 200 OK\r\n", RIG_HANG);
    assert_int_equal(start_it(), 0);
    UNTIL(rig_seen(&rig.hangs) > 0);
    uint64_t before = trc_clock_mono_ns();
    assert_true(trc_poller_stop(soon()));
    assert_true(trc_clock_mono_ns() - before < 5 * TRC_NS_PER_S);
    assert_int_equal(atomic_load(&poll->next_mono_ns), 0); /* it is still time, for another */
    assert_int_equal(pthread_mutex_trylock(&poll->lease), 0);
    pthread_mutex_unlock(&poll->lease);
    assert_int_equal(line_count, 0);
    assert_true(trc_poller_stop(0));
}

/* A process that takes the lease and keeps it until it is killed. */
static pid_t hold_lease(void) {
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        byte = pthread_mutex_trylock(&trc_strategies_poll(strategies)->lease) == 0;
        if (write(ready[1], &byte, 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void one_asks_at_a_time_and_the_dead_are_followed(void **state) {
    (void)state;
    reply(PROBABILISTIC(0.5), RIG_CLOSE);
    pid_t holder = hold_lease();
    assert_int_equal(start_it(), 0);
    usleep(100000); /* time for five polls: a wrong one may be missed, a right one not be refused */
    assert_int_equal(rig_seen(&rig.requests), 0);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    UNTIL(in_force() == 0.5);
    polls(2);
}

static bool there_is_a_thread(const char *wanted) {
    char name[32], path[64];
    bool found = false;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", e->d_name);
        FILE *file = fopen(path, "r");
        found = found || (file && fgets(name, sizeof(name), file) && strcmp(name, wanted) == 0);
        if (file)
            fclose(file);
    }
    closedir(dir);
    return found;
}

static void there_is_one_in_a_process(void **state) {
    (void)state;
    assert_int_equal(start_it(), 0);
    assert_int_equal(start_it(), -EBUSY);
    UNTIL(there_is_a_thread("trc-1-sampling\n"));
    pid_t child = fork(); /* has none, and says so to nobody */
    if (child == 0) {
        bool ended = trc_poller_stop(0);
        trc_poller_forget();
        _exit(!ended);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_true(trc_poller_stop(soon()));
    assert_int_equal(start_it(), 0); /* and may be started again */
    polls(1);
}

static void survives_torture(void **state) {
    (void)state;
    for (torture_begin(); torture_next();) {
        int rc = start_it();
        assert_true(rc == 0 || rc == -ENOMEM || rc == -EAGAIN);
        assert_true(trc_poller_stop(soon()));
    }
    assert_int_equal(torture_state.failed, 5);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(asks_at_once_and_then_again),
        TEST(a_bad_answer_changes_nothing),
        TEST(a_server_that_is_not_there_is_waited_for),
        TEST(its_end_waits_for_no_server),
        TEST(one_asks_at_a_time_and_the_dead_are_followed),
        TEST(there_is_one_in_a_process),
        TEST(survives_torture),
    };
    return trc_http_init() ? 1 : cmocka_run_group_tests_name("sampling_poller", tests, NULL, NULL);
}
