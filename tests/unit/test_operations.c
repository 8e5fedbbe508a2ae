/* SPDX-License-Identifier: MIT
 *
 * The bounded set of names: what it admits, from many threads and processes at once, some of which
 * die at it.
 */
#include "killed.h"
#include "torture.h"
#include "tracing/random.h"
#include "unit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define mmap(...) (torture(ENOMEM) ? MAP_FAILED : mmap(__VA_ARGS__))
#define trc_random_bytes(...) (torture(ENOSYS) ? -ENOSYS : trc_random_bytes(__VA_ARGS__))

/* What another thread puts into the slot that is about to be claimed; 0: none comes. */
static uint64_t rival;
static bool put_before(_Atomic uint64_t *slot, uint64_t *there, uint64_t hash) {
    if (rival) {
        *slot = rival;
        rival = 0;
    }
    return __atomic_compare_exchange_n(slot, there, hash, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}
#undef atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong_explicit(slot, there, hash, success, failure)               \
    put_before(slot, there, hash)
#include "../../plugin/trace/operations.c"

#define MAX TRC_OPERATION_NAMES_MAX
#define THREADS 8u
#define NAMES 1500u /* more than there are places */

static struct trc_operations *set;

static int setup(void **state) {
    (void)state;
    return trc_operations_new(&set);
}

static int teardown(void **state) {
    (void)state;
    trc_operations_free(set);
    return 0;
}

static bool admit(unsigned number) {
    char name[32];
    snprintf(name, sizeof(name), "GET /%u", number);
    return trc_operations_admit(set, trc_slice_of(name));
}

static unsigned filled(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        n += set->slot[i] != 0;
    return n;
}

static void a_thousand_names_are_admitted_and_no_more(void **state) {
    (void)state;
    assert_int_equal(trc_operations_count(set), 0);
    for (unsigned i = 0; i < MAX; i++)
        assert_true(admit(i));
    assert_int_equal(trc_operations_count(set), MAX);
    for (unsigned i = MAX; i < NAMES; i++)
        assert_false(admit(i));
    for (unsigned i = 0; i < MAX; i++)
        assert_true(admit(i)); /* they stay */
    assert_int_equal(filled(), MAX);
    assert_int_equal(trc_operations_count(set), MAX);
}

static void names_are_told_apart(void **state) {
    (void)state;
    static const char *const names[] = {"",
                                        "G",
                                        "GET",
                                        "GET ",
                                        "GET /",
                                        "GET /users",
                                        "POST /users",
                                        "GET /users/{id}",
                                        "GET /users/{id}/"};
    unsigned n = sizeof(names) / sizeof(names[0]);
    for (unsigned i = 0; i < 2 * n; i++) {
        size_t len = strlen(names[i % n]);
        assert_true(
            trc_operations_admit(set, (struct trc_slice){guarded(0, names[i % n], len), len}));
        assert_int_equal(trc_operations_count(set), i < n ? i + 1 : n);
    }
    assert_true(
        trc_operations_admit(set, (struct trc_slice){NULL, 0})); /* as good as an empty one */
    assert_true(trc_operations_admit(set, TRC_SLICE("GET\0")));  /* bytes, not strings */
    assert_int_equal(trc_operations_count(set), n + 1);
}

/* The slots before the end of the table lead on to its beginning. */
static void slots_go_round(void **state) {
    (void)state;
    for (unsigned i = 0; i < SLOTS; i++)
        if (i > 10)
            set->slot[i] = UINT64_MAX - i;
    for (unsigned i = 0; i < 11; i++)
        assert_true(admit(i));
    for (unsigned i = 0; i < 11; i++)
        assert_true(set->slot[i] != 0 && admit(i));
    assert_int_equal(trc_operations_count(set), 11);
}

/* A place that was taken for a name is given back when another thread has put the name in, and used
 * for the next slot when that was another name. */
static void of_two_at_one_slot_one_goes_on(void **state) {
    (void)state;
    rival = trc_hash_of(set->key, TRC_SLICE("GET /0"));
    set->taken = 1; /* the rival's */
    assert_true(admit(0));
    assert_int_equal(trc_operations_count(set), 1);
    assert_int_equal(filled(), 1);
    rival = 4711;
    set->taken++;
    assert_true(admit(1));
    assert_int_equal(trc_operations_count(set), 3);
    assert_int_equal(filled(), 3);
    set->taken = MAX - 1;
    rival = 4712; /* takes the last place */
    set->taken++;
    assert_false(admit(2));
    rival = 0;
    assert_int_equal(trc_operations_count(set), MAX);
    assert_true(admit(0) && admit(1));
}

static pthread_barrier_t together;

/* Every thread asks for every name, from another one on. Returns how many were admitted. */
static void *admit_all(void *from) {
    uintptr_t admitted = 0;
    pthread_barrier_wait(&together);
    for (unsigned i = 0; i < NAMES; i++)
        admitted += admit((i + (unsigned)(uintptr_t)from) % NAMES);
    return (void *)admitted;
}

static void threads_that_race_stay_below_the_limit(void **state) {
    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        pthread_t thread[THREADS];
        trc_operations_free(set);
        assert_int_equal(trc_operations_new(&set), 0);
        pthread_barrier_init(&together, NULL, THREADS);
        for (unsigned i = 0; i < THREADS; i++) /* neighbours meet at each name, others seldom */
            pthread_create(&thread[i], NULL, admit_all, (void *)(uintptr_t)(i / 2 * 97));
        for (unsigned i = 0; i < THREADS; i++) {
            void *admitted;
            pthread_join(thread[i], &admitted);
            assert_true((uintptr_t)admitted <= MAX);
        }
        pthread_barrier_destroy(&together);
        assert_int_equal(filled(), MAX);
        assert_int_equal(trc_operations_count(set), MAX);
        unsigned known = 0;
        for (unsigned i = 0; i < NAMES; i++)
            known += admit(i);
        assert_int_equal(known, MAX); /* and none of them has two slots */
    }
}

static void processes_share_it(void **state) {
    (void)state;
    for (unsigned child = 0; child < 4; child++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (unsigned i = 0; i < NAMES; i++)
                admit((i + child * 300) % NAMES);
            _exit(0);
        }
        assert_true(pid > 0);
    }
    for (unsigned child = 0; child < 4; child++) {
        int status;
        wait(&status);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(filled(), MAX);
    assert_int_equal(trc_operations_count(set), MAX);
}

static void add_one(void) {
    trc_operations_admit(set, TRC_SLICE("GET /users/{id}"));
}

/* Whatever instruction is its last: the name is in or not, others come in, and no more than there
 * may be. */
static void one_that_is_killed_takes_a_place_at_most(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* a thousand times as many instructions, and none of them another */
#endif
    bool in = false, lost = false;
    for (unsigned n = 1; !in; n++) {
        trc_operations_free(set);
        assert_int_equal(trc_operations_new(&set), 0);
        in = !killed_after(n, add_one) || filled() == 1;
        unsigned taken = trc_operations_count(set);
        assert_true(filled() <= taken && taken <= 1);
        lost = lost || filled() < taken;
        for (unsigned i = 0; i < NAMES; i++)
            admit(i);
        assert_int_equal(trc_operations_count(set), MAX);
        assert_true(filled() >= MAX - 1);
    }
    assert_true(lost); /* it did hit that */
}

static void without_memory_there_is_none(void **state) {
    (void)state;
    unsigned failures = 0;
    for (torture_begin(); torture_next();) {
        struct trc_operations *fresh = NULL;
        int rc = trc_operations_new(&fresh);
        assert_true(rc == 0 || (rc == -ENOMEM || rc == -ENOSYS));
        assert_true((rc == 0) == (fresh != NULL));
        failures += rc != 0;
        trc_operations_free(fresh);
    }
    assert_int_equal(failures, 2);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_names_are_admitted_and_no_more),
        TEST(names_are_told_apart),
        TEST(slots_go_round),
        TEST(of_two_at_one_slot_one_goes_on),
        TEST(threads_that_race_stay_below_the_limit),
        TEST(processes_share_it),
        TEST(one_that_is_killed_takes_a_place_at_most),
        TEST(without_memory_there_is_none),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
