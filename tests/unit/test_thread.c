/* SPDX-License-Identifier: MIT
 *
 * A thread beside the requests: its name and signals, bell, end, and what a fork has of it.
 */
#include "torture.h"
#include "tracing/clock.h"
#include "tsan_join.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>

#define pthread_attr_init(a) (torture(0) ? ENOMEM : pthread_attr_init(a))
#define pthread_create(...) (torture(0) ? EAGAIN : pthread_create(__VA_ARGS__))
#define sem_init(...) (torture(ENOSPC) ? -1 : sem_init(__VA_ARGS__))
#include "../../plugin/base/thread.c"
#undef pthread_create

#define FAR_NS (20 * TRC_NS_PER_S)

static struct trc_thread thread;
static _Atomic int rings;
static _Atomic bool hang;
static char name[16];
static sigset_t blocked;

/* Counts rings, and ends at the third. */
static void count_rings(void *arg) {
    assert_ptr_equal(arg, &rings);
    pthread_getname_np(pthread_self(), name, sizeof(name));
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    while (atomic_load(&rings) < 3)
        if (trc_thread_wait(&thread, trc_clock_mono_ns() + FAR_NS))
            atomic_fetch_add(&rings, 1);
    while (atomic_load(&hang))
        ;
}

static int start(void) {
    atomic_store(&rings, 0);
    return trc_thread_start(&thread, "trc-1000-named-at-length", 128 * 1024, count_rings, &rings);
}

static bool stop(uint64_t within_ns) {
    for (int i = 0; i < 3; i++)
        trc_thread_ring(&thread);
    return trc_thread_join(&thread, trc_clock_mono_ns() + within_ns);
}

static void runs_until_it_is_told(void **state) {
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(start(), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int s = 1; s < 32; s++)
        assert_int_equal(sigismember(&before, s), sigismember(&after, s));
    assert_true(trc_thread_is_ours(&thread));
    assert_int_equal(start(), -EBUSY);
    assert_true(stop(FAR_NS));
    assert_int_equal(atomic_load(&rings), 3);
    assert_string_equal(name, "trc-1000-named-"); /* cut to what Linux takes */
    assert_true(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGUSR1));
    assert_false(trc_thread_is_ours(&thread));
    assert_true(trc_thread_join(&thread, 0)); /* a second time: nobody to wait for */
}

static void waits_for_a_time(void **state) {
    (void)state;
    uint64_t until = trc_clock_mono_ns() + 20 * TRC_NS_PER_MS;
    struct trc_thread t = {0};
    assert_int_equal(sem_init(&t.bell, 0, 0), 0);
    assert_false(trc_thread_wait(&t, until));
    assert_true(trc_clock_mono_ns() >= until);
    trc_thread_ring(&t);
    assert_true(trc_thread_wait(&t, until)); /* a ring is not lost, however late */
}

static void is_left_alone_when_it_hangs(void **state) {
    (void)state;
    atomic_store(&hang, true);
    assert_int_equal(start(), 0);
    assert_false(stop(20 * TRC_NS_PER_MS));
    assert_int_equal(start(), -EBUSY);
    atomic_store(&hang, false);
    for (uint64_t end = trc_clock_mono_ns() + FAR_NS; atomic_load(&thread.alive);)
        assert_true(trc_clock_mono_ns() < end);
    assert_int_equal(start(), 0);
    assert_true(stop(FAR_NS));
}

static void says_why_it_cannot_start(void **state) {
    (void)state;
    for (torture_begin(); torture_next();) {
        int rc = start();
        assert_int_equal(rc != 0, torture_state.calls >= torture_state.fail_at);
        assert_int_equal(trc_thread_is_ours(&thread), rc == 0);
        if (rc == 0)
            assert_true(stop(FAR_NS));
    }
    assert_int_equal(torture_state.failed, 3);
}

static void is_not_a_forks(void **state) {
    (void)state;
    int status;
    assert_int_equal(start(), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool none = !trc_thread_is_ours(&thread) && trc_thread_join(&thread, 0);
        trc_thread_forget(&thread);
        _exit(none && !atomic_load(&thread.alive) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(stop(FAR_NS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_until_it_is_told),
        cmocka_unit_test(waits_for_a_time),
        cmocka_unit_test(is_left_alone_when_it_hangs),
        cmocka_unit_test(says_why_it_cannot_start),
        cmocka_unit_test(is_not_a_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
