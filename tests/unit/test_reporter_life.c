/* SPDX-License-Identifier: MIT
 *
 * How reporters start, stop, are left alone and are forgotten. (What they do in between:
 * test_reporter.c.)
 */
#include "reporter_rig.h"
#include <dirent.h>
#include <sched.h>
#include <sys/wait.h>

static unsigned threads_before;

static void *do_nothing(void *arg) {
    return arg;
}

/* With the first thread ThreadSanitizer starts one of its own. */
static int setup_all(void **state) {
    (void)state;
    pthread_t thread;
    return pthread_create(&thread, NULL, do_nothing, NULL) || pthread_join(thread, NULL);
}

static int setup(void **state) {
    threads_before = torture_count("task");
    return rig_setup(state);
}

/* A thread that was joined may be in /proc a moment longer. */
static void assert_threads_gone(void) {
    RIG_POLL(torture_count("task") == threads_before);
}

/* --- Starting ------------------------------------------------------------------------------ */

static const char *read_file(const char *path) {
    static char text[4096];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    return text;
}

/* /proc/self/task/<id> of the thread of this name, or NULL. */
static const char *find_thread(const char *name) {
    static char path[320], line[32];
    DIR *dir = opendir("/proc/self/task");
    bool found = false;
    snprintf(line, sizeof(line), "%s\n", name);
    for (struct dirent *e; dir && !found && (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
        found = strcmp(read_file(path), line) == 0;
    }
    if (dir)
        closedir(dir);
    if (found)
        path[strlen(path) - strlen("/comm")] = '\0';
    return found ? path : NULL;
}

static void names_threads_and_blocks_signals(void **state) {
    (void)state;
    sigset_t before, after;
    char path[400];
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int s = 1; s < 32; s++)
        assert_int_equal(sigismember(&before, s), sigismember(&after, s)); /* ours is as it was */
    RIG_POLL(find_thread("trc-1-rig.first"));
    RIG_POLL(find_thread("trc-1-rig"));
    snprintf(path, sizeof(path), "%s/status", find_thread("trc-1-rig"));
    const char *blocked = strstr(read_file(path), "SigBlk:\t");
    assert_non_null(blocked);
    /* Whatever can be blocked: not KILL, STOP and the two that the C library keeps. */
    assert_int_equal(strtoull(blocked + 8, NULL, 16) | 0x380040100, 0xffffffffffffffff);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_threads_gone();
}

static void bounds_its_interval(void **state) {
    (void)state;
    struct reporter r;
    rig_config.flush_interval_ns = 0;
    init_reporter(&r, &rig_config, 0);
    assert_int_equal(r.interval_ns, TRC_NS_PER_MS);
    rig_config.flush_interval_ns = UINT64_MAX;
    init_reporter(&r, &rig_config, 0);
    assert_int_equal(r.interval_ns, 3600 * TRC_NS_PER_S);
}

static void starts_nothing_or_all(void **state) {
    (void)state;
    rig_append_many(1, 5);
    unsigned fds = torture_count("fd");
    for (torture_begin(); torture_next();) {
        int rc = trc_reporters_start(&rig_config);
        bool failed = torture_state.calls >= torture_state.fail_at;
        assert_int_equal(rc != 0, failed);
        if (rc) {
            assert_true(rc == -ENOMEM || rc == -ENOSPC || rc == -EAGAIN);
            trc_reporters_wake();
            assert_int_equal(rig_stop(0), 0); /* there is nothing to stop */
            assert_threads_gone();
            assert_int_equal(rig_sinks[0].attempts, 0);
        }
    }
    assert_int_equal(torture_state.failed, 3 * RIG_EXPORTERS);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0); /* the last one was not made to fail */
    assert_threads_gone();
    assert_int_equal(torture_count("fd"), fds);
    rig_assert_ids(0, 1, 5);
    rig_assert_balanced();
}

static void runs_without_exporters(void **state) {
    (void)state;
    const struct trc_journal_config none = {1, 1, 0, TRC_RING_BYTES_MIN};
    struct trc_reporters_config config = rig_config;
    assert_int_equal(trc_journal_new(&config.journal, &none), 0);
    assert_int_equal(trc_reporters_start(&config), 0);
    trc_reporters_wake();
    assert_int_equal(rig_stop(0), 0);
    trc_journal_free(config.journal);
}

static void starts_once(void **state) {
    (void)state;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    assert_int_equal(trc_reporters_start(&rig_config), -EBUSY);
    rig_append_many(1, 5);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0); /* the first ones are as they were */
    rig_assert_ids(0, 1, 5);
}

/* --- Waking -------------------------------------------------------------------------------- */

static void answers_every_ring(void **state) {
    (void)state;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    for (uint64_t id = 1; id <= 2000; id++) { /* a ring that is missed would wait for a minute */
        rig_append(0, id, 200);
        trc_reporters_wake();
        if (id % 3 == 0)
            RIG_WAIT(rig_sinks[0].count == id && rig_sinks[1].count == id);
    }
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 1, 2000);
}

/* However often it was rung at while it was busy, it looks once. */
static void does_not_pile_up_rings(void **state) {
    (void)state;
    int waiting = -1;
    rig_sinks[0].hang = true;
    rig_append_many(1, 1);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].hanging);
    for (int i = 0; i < 1000; i++)
        trc_reporters_wake();
    assert_int_equal(sem_getvalue(&set.reporter[0].thread.bell, &waiting), 0);
    assert_int_equal(waiting, 1);
    rig_hang(0, false);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
}

/* --- Stopping ------------------------------------------------------------------------------ */

static void sends_the_rest_when_stopped(void **state) {
    (void)state;
    rig_exporters[0].max_bytes = 3 * sizeof(uint64_t);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    rig_append_many(1, 100);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0); /* the second time: nothing */
    trc_reporters_wake();
    assert_threads_gone();
    rig_assert_ids(0, 1, 100);
    rig_assert_ids(1, 1, 100);
    rig_assert_balanced();
}

static void tries_once_when_stopped(void **state) {
    (void)state;
    rig_exporters[0].max_bytes = 3 * sizeof(uint64_t);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    rig_settle(0);
    rig_settle(0); /* it has nothing to do, and waits for a minute */
    rig_set(&rig_sinks[0].refuse, UINT32_MAX);
    rig_append_many(1, 10);
    uint64_t begun = trc_clock_mono_ns();
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_true(trc_clock_mono_ns() - begun < RIG_PATIENCE_NS);
    assert_int_equal(rig_sinks[0].attempts, 1);
    rig_assert_ids(1, 1, 10);
    rig_assert_balanced();
    rig_set(&rig_sinks[0].refuse, 0);
    rig_sinks[0].last_sequence = 0; /* another client: the next worker */
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 1, 10); /* each once, as if nothing had been */
    rig_assert_balanced();
}

static void sends_nothing_after_the_deadline(void **state) {
    (void)state;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    rig_settle(0);
    rig_settle(1);
    rig_append_many(1, 10);
    trc_reporters_stop(0); /* may or may not see them end */
    RIG_POLL(!any_alive());
    rig_assert_balanced();
    assert_int_equal(rig_accounts(0).queued + rig_sinks[0].count, 10);
}

/* One that hangs costs the deadline and no more, and what it uses stays. */
static void leaves_alone_what_hangs(void **state) {
    (void)state;
    const uint64_t patience = 100 * TRC_NS_PER_MS;
    rig_sinks[0].hang = true;
    rig_append_many(1, 10);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].hanging);
    rig_append_many(11, 20);
    uint64_t begun = trc_clock_mono_ns();
    assert_int_equal(rig_stop(patience), 1);
    assert_in_range(trc_clock_mono_ns() - begun, patience, RIG_PATIENCE_NS);
    rig_assert_ids(1, 1, 20); /* the other one was not held up */
    assert_int_equal(rig_stop(patience), 0);
    assert_int_equal(trc_reporters_start(&rig_config), -EBUSY); /* it is still there */
    rig_hang(0, false);
    RIG_POLL(!any_alive());
    assert_threads_gone();
    rig_assert_ids(0, 1, 10); /* it ticked off what it had sent, and began nothing new */
    rig_assert_balanced();
    assert_int_equal(rig_accounts(0).queued, 10);
    rig_sinks[0].last_sequence = rig_sinks[1].last_sequence = 0;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 1, 20);
}

/* One whose transport can be ended ends in time, even if it tries and tries. */
static void ends_in_time_what_hangs(void **state) {
    (void)state;
    const uint64_t patience = 400 * TRC_NS_PER_MS;
    rig_sinks[0].hang = rig_sinks[0].asks = true;
    rig_append_many(1, 10);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].hanging);
    uint64_t begun = trc_clock_mono_ns();
    assert_int_equal(rig_stop(patience), 0);
    assert_in_range(trc_clock_mono_ns() - begun, patience / 2, patience);
    assert_int_equal(rig_sinks[0].ended, 1);
    assert_threads_gone();
    rig_assert_ids(1, 1, 10);
    assert_int_equal(rig_accounts(0).queued, 10);
    assert_int_equal(rig_accounts(0).retried, 1);
    rig_assert_balanced();
}

/* What waits for its next try is tried once more at the end, and for no longer than there is. */
static void tries_at_the_end_though_it_waits(void **state) {
    (void)state;
    rig_sinks[0].refuse = 1;
    rig_sinks[0].retry_after_ns = 300 * TRC_NS_PER_S;
    rig_append_many(1, 10);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_POLL(rig_accounts(0).retried == 1);
    rig_settle(0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_sinks[0].attempts, 2);
    rig_assert_ids(0, 1, 10);
    rig_assert_balanced();
}

/* --- Forks --------------------------------------------------------------------------------- */

/* What a child finds; the parent's threads do not exist in it. Returns the number of wrongs. */
static int live_as_a_child(bool told) {
    uint64_t begun = trc_clock_mono_ns();
    int wrong = 0;
    if (told)
        trc_reporters_forget();
    trc_reporters_wake();
    wrong += trc_reporters_stop(begun + RIG_PATIENCE_NS) != 0;
    wrong += trc_clock_mono_ns() - begun > RIG_PATIENCE_NS / 2;
#ifndef __SANITIZE_THREAD__ /* which lets no thread start in such a child */
    const struct trc_journal_config own = {1, 4, RIG_EXPORTERS, TRC_RING_BYTES_MIN};
    wrong += trc_journal_new(&rig_journal, &own) != 0; /* it may have a life of its own */
    rig_config.journal = rig_journal;
    rig_sinks[0].count = 0;
    rig_append(0, 7, 200);
    wrong += trc_reporters_start(&rig_config) != 0;
    wrong += rig_stop(RIG_PATIENCE_NS) != 0;
    wrong += rig_sinks[0].count != 1;
#endif
    return wrong;
}

static void does_nothing_in_a_child(void **state) {
    (void)state;
    for (int told = 0; told < 2; told++) {
        assert_int_equal(trc_reporters_start(&rig_config), 0);
        rig_settle(0);
        rig_settle(1);
        pthread_mutex_lock(&rig_mutex); /* so that no thread has it at the fork */
        pid_t child = fork();
        pthread_mutex_unlock(&rig_mutex);
        if (child == 0)
            _exit(live_as_a_child(told));
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        rig_append(0, (uint64_t)told + 1, 200);
        trc_reporters_wake(); /* and the parent's are as they were */
        RIG_WAIT(rig_sinks[0].count == (size_t)told + 1);
        assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
        rig_sinks[0].last_sequence = rig_sinks[1].last_sequence = 0;
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names_threads_and_blocks_signals),
        TEST(bounds_its_interval),
        TEST(starts_nothing_or_all),
        TEST(runs_without_exporters),
        TEST(starts_once),
        TEST(answers_every_ring),
        TEST(does_not_pile_up_rings),
        TEST(sends_the_rest_when_stopped),
        TEST(tries_once_when_stopped),
        TEST(sends_nothing_after_the_deadline),
        TEST(leaves_alone_what_hangs),
        TEST(ends_in_time_what_hangs),
        TEST(tries_at_the_end_though_it_waits),
        TEST(does_nothing_in_a_child),
    };
    return cmocka_run_group_tests(tests, setup_all, NULL);
}
