/* SPDX-License-Identifier: MIT
 *
 * Strategies: decisions as jaeger-client-go's, promises and rates that many threads share, and
 * publications that are read while they are made, or never finished.
 */
#include "killed.h"
#include "torture.h"
#include "tracing/clock.h"
#include "tracing/random.h"
#include "unit.h"
#include <pthread.h>
#include <sys/mman.h>

#define mmap(...) (torture(ENOMEM) ? MAP_FAILED : mmap(__VA_ARGS__))
#define trc_random_bytes(...) (torture(ENOSYS) ? -ENOSYS : trc_random_bytes(__VA_ARGS__))
#define pthread_mutexattr_init(a) (torture(0) ? ENOMEM : pthread_mutexattr_init(a))
#define pthread_mutexattr_setpshared(a, b)                                                         \
    (torture(0) ? EINVAL : pthread_mutexattr_setpshared(a, b))
#define pthread_mutexattr_setrobust(a, b) (torture(0) ? EINVAL : pthread_mutexattr_setrobust(a, b))
#define pthread_mutex_init(a, b) (torture(0) ? ENOMEM : pthread_mutex_init(a, b))
#include "../../plugin/base/robust.c"
#include "../../plugin/trace/strategies.c"

#define T0 (1000 * TRC_NS_PER_S)          /* a clock */
#define RARE UINT64_C(0x7fffffffffffff00) /* an id that only a probability of 1 takes */
#define LIST(...)                                                                                  \
    (const struct trc_operation[]){__VA_ARGS__},                                                   \
        sizeof((const struct trc_operation[]){__VA_ARGS__}) / sizeof(struct trc_operation)

static struct trc_strategies *s;
static struct trc_decision by;

static int setup(void **state) {
    (void)state;
    return trc_strategies_new(&s, 0.001);
}

static int teardown(void **state) {
    (void)state;
    trc_strategies_free(s);
    return 0;
}

static bool decide_at(uint64_t now, uint64_t id, const char *operation) {
    return trc_strategies_decide(s, id, trc_slice_of(operation), now, &by);
}

static bool decide(uint64_t id, const char *operation) {
    return decide_at(T0, id, operation);
}

static void assert_by(enum trc_sampler_type type, double param) {
    assert_int_equal(by.type, type);
    assert_true(by.param == param);
}

static void publish_probability(double p) {
    const struct trc_strategy strategy = {TRC_SAMPLER_PROBABILISTIC, p, 0, NULL, 0};
    trc_strategies_publish(s, &strategy, T0);
}

static void publish_rate_at(uint64_t now, double rate) {
    const struct trc_strategy strategy = {TRC_SAMPLER_RATELIMITING, rate, 0, NULL, 0};
    trc_strategies_publish(s, &strategy, now);
}

static void publish_bound_at(uint64_t now, double lower_bound) {
    const struct trc_strategy strategy = {TRC_SAMPLER_LOWERBOUND, 0, lower_bound,
                                          LIST({TRC_SLICE("GET"), 0.5})};
    trc_strategies_publish(s, &strategy, now);
}

/* --- One decision --------------------------------------------------------------------------- */

/* jaeger-client-go, sampler.go: sampled when float64(1<<63 - 1) * rate >= id & (1<<63 - 1). */
static const struct {
    double p;
    uint64_t id;
    bool sampled;
} go[] = {
    {1, UINT64_MAX, true},
    {1, INT64_MAX, true},
    {0, 1, false},
    {0.5, UINT64_C(0x4000000000000000), true},
    {0.5, UINT64_C(0x4000000000000001), false},
    {0.5, UINT64_C(0xc000000000000000), true}, /* the top bit does not count */
    {0.25, UINT64_C(0x2000000000000000), true},
    {0.25, UINT64_C(0x2000000000000001), false},
    {0.001, UINT64_C(9223372036854775), true},
    {0.001, UINT64_C(9223372036854775) + 1024, false},
};

static void a_probability_decides_as_gos(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof(go) / sizeof(go[0]); i++) {
        publish_probability(go[i].p);
        assert_int_equal(decide(go[i].id, "GET"), go[i].sampled);
        assert_by(TRC_SAMPLER_PROBABILISTIC, go[i].p);
        for (unsigned listed = 0; listed < 2; listed++) {
            const struct trc_strategy strategy = {TRC_SAMPLER_LOWERBOUND, listed ? 0.7 : go[i].p, 0,
                                                  LIST({TRC_SLICE("GET"), go[i].p})};
            trc_strategies_publish(s, &strategy, T0);
            assert_int_equal(decide(go[i].id, listed ? "GET" : "PUT"), go[i].sampled);
            assert_true(by.param == go[i].p);
        }
    }
}

static void begins_with_what_it_is_given(void **state) {
    (void)state;
    assert_true(decide(UINT64_C(9223372036854775), "GET"));
    assert_by(TRC_SAMPLER_PROBABILISTIC, 0.001);
    assert_false(decide(UINT64_C(9223372036854775) + 1024, "GET"));
}

static void names_are_told_apart(void **state) {
    (void)state;
    static const char *const names[] = {"",         "G",         "GE",          "GET /a/b",
                                        "GET /a/c", "GET /a/b/", "GET /a/b/cc", "GET /a/b/cd",
                                        "POST",     "é"};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    struct trc_operation list[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        size_t len = strlen(names[i]);
        list[i] = (struct trc_operation){{guarded(0, names[i], len), len}, 1.0 / (i + 2)};
        const struct trc_strategy one = {TRC_SAMPLER_LOWERBOUND, 0, 0, &list[i], 1};
        trc_strategies_publish(s, &one, T0); /* reads no byte too many */
        list[i].name = trc_slice_of(names[i]);
    }
    const struct trc_strategy all = {TRC_SAMPLER_LOWERBOUND, 0.9, 0, list, COUNT};
    trc_strategies_publish(s, &all, T0);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(decide(1, names[i]));
        assert_by(TRC_SAMPLER_PROBABILISTIC, 1.0 / (i + 2));
    }
    assert_true(decide(1, "GET"));
    assert_by(TRC_SAMPLER_PROBABILISTIC, 0.9);
}

static void of_an_operation_listed_twice_the_last_counts(void **state) {
    (void)state;
    const struct trc_strategy strategy = {TRC_SAMPLER_LOWERBOUND, 0, 0,
                                          LIST({TRC_SLICE("GET"), 0.25}, {TRC_SLICE("GET"), 0.5})};
    trc_strategies_publish(s, &strategy, T0);
    assert_true(decide(1, "GET"));
    assert_by(TRC_SAMPLER_PROBABILISTIC, 0.5);
}

/* --- Promises and rates --------------------------------------------------------------------- */

static unsigned passed(const char *operation, uint64_t id, uint64_t from, unsigned seconds) {
    unsigned n = 0;
    for (unsigned i = 0; i < seconds * 100; i++)
        n += decide_at(from + i * (TRC_NS_PER_S / 100), id, operation);
    return n;
}

static void each_operation_has_its_promise(void **state) {
    (void)state;
    publish_bound_at(T0, 0.5);
    assert_int_equal(passed("GET", RARE, T0, 10), 5);
    assert_int_equal(passed("PUT", RARE, T0, 10), 5); /* not listed, an account all the same */
    assert_int_equal(passed("HTTP", RARE, T0, 10), 5);
    assert_true(decide_at(T0 + 10 * TRC_NS_PER_S, RARE, "GET"));
    assert_by(TRC_SAMPLER_LOWERBOUND, 0.5); /* the probability that said no, as Go's */
    assert_true(decide_at(T0 + 10 * TRC_NS_PER_S, RARE, "PUT"));
    assert_by(TRC_SAMPLER_LOWERBOUND, 0);
}

static void what_the_probability_takes_counts(void **state) {
    (void)state;
    publish_bound_at(T0, 0.5);
    assert_true(decide_at(T0, 1, "GET"));
    assert_by(TRC_SAMPLER_PROBABILISTIC, 0.5);
    assert_false(decide_at(T0, RARE, "GET")); /* the promise was kept */
    assert_true(decide_at(T0 + 1, 1, "GET"));
    assert_true(decide_at(T0 + 2 * TRC_NS_PER_S, RARE, "GET"));
}

static void nothing_promised_nothing_kept(void **state) {
    (void)state;
    publish_bound_at(T0, 0);
    assert_int_equal(passed("GET", RARE, T0, 10), 0);
    assert_int_equal(passed("PUT", RARE, T0, 10), 0);
    assert_int_equal(s->copy[s->generation & 1].used, 1); /* and no slot taken */
}

static void a_rate_is_kept(void **state) {
    (void)state;
    publish_rate_at(T0, 1);
    assert_int_equal(passed("GET", 1, T0, 10), 10);
    assert_by(TRC_SAMPLER_RATELIMITING, 1);
    publish_rate_at(T0 + 20 * TRC_NS_PER_S, 0);
    assert_int_equal(passed("GET", 1, T0 + 20 * TRC_NS_PER_S, 10), 0);
}

static void name_of(char name[16], unsigned i) {
    snprintf(name, 16, "GET /%u", i);
}

static void operations_are_bounded(void **state) {
    (void)state;
    char name[16];
    publish_bound_at(T0, 0.1);
    for (unsigned i = 1; i < TRC_OPERATIONS_MAX; i++) { /* GET is one */
        name_of(name, i);
        assert_true(decide(RARE, name));
    }
    for (unsigned i = TRC_OPERATIONS_MAX; i < TRC_OPERATIONS_MAX + 100; i++) {
        name_of(name, i);
        assert_false(decide(RARE, name)); /* the default probability, and no promise */
    }
    assert_true(decide(RARE, "GET"));
    publish_bound_at(T0 + TRC_NS_PER_S, 0.1); /* all of them are in debt, and keep their slots */
    assert_false(decide_at(T0 + TRC_NS_PER_S, RARE, name));
    publish_bound_at(T0 + 10 * TRC_NS_PER_S, 0.1); /* none is, and there is room for new names */
    assert_true(decide_at(T0 + 10 * TRC_NS_PER_S, RARE, name));
}

static void lists_are_bounded(void **state) {
    (void)state;
    static char names[TRC_OPERATIONS_MAX + 10][16];
    static struct trc_operation list[TRC_OPERATIONS_MAX + 10];
    for (unsigned i = 0; i < TRC_OPERATIONS_MAX + 10; i++) {
        name_of(names[i], i);
        list[i] = (struct trc_operation){trc_slice_of(names[i]), 0.5};
    }
    const struct trc_strategy strategy = {TRC_SAMPLER_LOWERBOUND, 0.25, 0.1, list,
                                          TRC_OPERATIONS_MAX + 10};
    trc_strategies_publish(s, &strategy, T0);
    for (unsigned i = 0; i < TRC_OPERATIONS_MAX + 10; i++) {
        assert_true(decide(1, names[i]));
        assert_by(TRC_SAMPLER_PROBABILISTIC, i < TRC_OPERATIONS_MAX ? 0.5 : 0.25);
    }
}

/* --- From one strategy to the next ---------------------------------------------------------- */

static void accounts_go_on(void **state) {
    (void)state;
    uint64_t now = T0;
    publish_bound_at(now, 0.1);
    assert_true(decide_at(now, RARE, "GET"));
    assert_true(decide_at(now, RARE, "PUT"));
    for (unsigned i = 0; i < 9; i++) {
        now += TRC_NS_PER_S;
        publish_bound_at(now, 0.1);
        assert_false(decide_at(now, RARE, "GET"));
        assert_false(decide_at(now, RARE, "PUT"));
    }
    now += TRC_NS_PER_S;
    assert_true(decide_at(now, RARE, "GET"));
    assert_true(decide_at(now, RARE, "PUT"));
    publish_rate_at(now, 0.1);
    assert_true(decide_at(now, RARE, "GET"));
    publish_rate_at(now, 0.1);
    assert_false(decide_at(now, RARE, "GET"));
}

static void old_debts_do_not_outlast_a_better_rate(void **state) {
    (void)state;
    publish_bound_at(T0, 0.0001);
    assert_true(decide(RARE, "GET"));
    publish_bound_at(T0, 10);
    assert_true(decide_at(T0 + TRC_NS_PER_S, RARE, "GET"));
    publish_rate_at(T0, 0.0001);
    assert_true(decide(RARE, "GET"));
    publish_rate_at(T0, 10);
    assert_true(decide_at(T0 + TRC_NS_PER_S, RARE, "GET"));
}

/* --- Together ------------------------------------------------------------------------------- */

enum { THREADS = 4, OPERATIONS = 1500 };

static pthread_barrier_t together;

static void *spend(void *out) {
    char name[16];
    struct trc_decision mine;
    unsigned n = 0;
    pthread_barrier_wait(&together);
    for (unsigned i = 0; i < OPERATIONS * 2; i++) {
        name_of(name, i % OPERATIONS);
        n += trc_strategies_decide(s, RARE, trc_slice_of(name), T0, &mine);
    }
    *(unsigned *)out = n;
    return NULL;
}

static unsigned spent_by_all(void) {
    pthread_t thread[THREADS];
    unsigned n[THREADS], sum = 0;
    pthread_barrier_init(&together, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, spend, &n[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        sum += n[i];
    }
    pthread_barrier_destroy(&together);
    return sum;
}

static void many_threads_share_one_account(void **state) {
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        publish_bound_at(T0 + 3600 * TRC_NS_PER_S, 0.1); /* all accounts are new */
        assert_int_equal(spent_by_all(), OPERATIONS);
        assert_int_equal(s->copy[s->generation & 1].used, OPERATIONS + 1); /* and GET */
    }
    publish_bound_at(T0 + 1, 0.1);
    assert_int_equal(spent_by_all(), 0);
    publish_rate_at(T0, 6000);
    assert_int_equal(spent_by_all(), 6000);
}

static _Atomic bool over;
static _Atomic unsigned watching; /* threads that have decided at least once */

/* Each of the strategies that are published in turn has one answer for this id, and says by its
 * param which it is: a mixture would show. */
static void *watch(void *out) {
    struct trc_decision mine;
    unsigned seen = 0;
    while (!atomic_load(&over)) {
        if (seen == 0)
            atomic_fetch_add(&watching, 1);
        bool sampled = trc_strategies_decide(s, INT64_MAX / 2, TRC_SLICE("GET"), T0, &mine);
        if (sampled != (mine.param == 0.75 || mine.param == 1.0))
            __builtin_trap();
        seen |= mine.param == 0.25 ? 1 : mine.param == 0.75 ? 2 : mine.param == 1.0 ? 4 : 8;
    }
    *(unsigned *)out = seen;
    return NULL;
}

static void publish_number(unsigned i) {
    static const struct trc_operation lists[2][2] = {
        {{TRC_SLICE("GET"), 0.25}, {TRC_SLICE("A"), 1}},
        {{TRC_SLICE("B"), 0}, {TRC_SLICE("GET"), 1}}};
    const struct trc_strategy strategies[] = {
        {TRC_SAMPLER_LOWERBOUND, 0.9, 0, lists[0], 2},
        {TRC_SAMPLER_PROBABILISTIC, 0.75, 0, NULL, 0},
        {TRC_SAMPLER_LOWERBOUND, 0.1, 0, lists[1], 2},
    };
    trc_strategies_publish(s, &strategies[i % 3], T0);
}

static void nobody_reads_half_a_strategy(void **state) {
    (void)state;
    pthread_t thread[2];
    unsigned seen[2];
    publish_number(0);
    atomic_store(&over, false);
    atomic_store(&watching, 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, watch, &seen[i]);
    for (unsigned i = 1; i < 1500 || atomic_load(&watching) < 2; i++)
        publish_number(i);
    atomic_store(&over, true);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert_true(seen[i] > 0 && seen[i] < 8);
    }
}

/* --- Dead ------------------------------------------------------------------------------------ */

static void publish_next(void) {
    publish_number(2);
}

/* Returns false when the publisher had come to its end before. */
static bool dies_after(unsigned instructions) {
    publish_number(0);
    uint32_t generation = s->generation;
    bool died = killed_after(instructions, publish_next), done = s->generation != generation;
    assert_true(died || done);
    assert_int_equal(decide(INT64_MAX / 2, "GET"), done);
    assert_true(by.param == (done ? 1.0 : 0.25));
    assert_true(decide(RARE, done ? "GET" : "A"));
    publish_number(1); /* by the next */
    assert_true(decide(1, "GET"));
    assert_by(TRC_SAMPLER_PROBABILISTIC, 0.75);
    publish_number(0); /* over what the dead one left */
    assert_false(decide(INT64_MAX / 2, "GET"));
    return died;
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STEPS 0 /* their own instructions are a thousand times ours */
#else
#define STEPS 4999
#endif

/* A poller that dies in a publication leaves the strategy before it whole, or has made its own. */
static void a_dead_publisher_leaves_one_strategy(void **state) {
    for (unsigned i = 0; dies_after(i) && STEPS; i += STEPS) {
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void the_lease_of_the_dead_is_free(void **state) {
    (void)state;
    pthread_mutex_t *lease = &trc_strategies_poll(s)->lease;
    pid_t pid = fork();
    if (pid == 0)
        _exit(pthread_mutex_trylock(lease)); /* and dies with it */
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(pthread_mutex_trylock(lease), EOWNERDEAD);
    assert_int_equal(pthread_mutex_consistent(lease), 0);
    pid = fork();
    if (pid == 0)
        _exit(pthread_mutex_trylock(lease));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), EBUSY); /* not that of the living */
    pthread_mutex_unlock(lease);
}

static void survives_torture(void **state) {
    (void)state;
    for (torture_begin(); torture_next();) {
        struct trc_strategies *made = NULL;
        int rc = trc_strategies_new(&made, 0.5);
        assert_true((rc == 0) == (made != NULL));
        assert_true(rc <= 0);
        trc_strategies_free(made);
    }
    assert_int_equal(torture_state.failed, 6);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_probability_decides_as_gos),
        TEST(begins_with_what_it_is_given),
        TEST(names_are_told_apart),
        TEST(of_an_operation_listed_twice_the_last_counts),
        TEST(each_operation_has_its_promise),
        TEST(what_the_probability_takes_counts),
        TEST(nothing_promised_nothing_kept),
        TEST(a_rate_is_kept),
        TEST(operations_are_bounded),
        TEST(lists_are_bounded),
        TEST(accounts_go_on),
        TEST(old_debts_do_not_outlast_a_better_rate),
        TEST(many_threads_share_one_account),
        TEST(nobody_reads_half_a_strategy),
        TEST(a_dead_publisher_leaves_one_strategy),
        TEST(the_lease_of_the_dead_is_free),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests_name("strategies", tests, NULL, NULL);
}
