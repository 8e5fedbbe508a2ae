/* SPDX-License-Identifier: MIT
 *
 * The watcher: whom it tells of, when and once; beside cores that run; its start and end.
 */
#include "killed.h"
#include "torture.h"
#include "tracing/clock.h"
#include "tracing/watcher.h"
#include "tsan_join.h"
#include "unit.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define pthread_attr_init(a) (torture(0) ? ENOMEM : pthread_attr_init(a))
#define pthread_create(...) (torture(0) ? EAGAIN : pthread_create(__VA_ARGS__))
#define sem_init(...) (torture(ENOSPC) ? -1 : sem_init(__VA_ARGS__))
#define trc_random_seed(r) (torture(0) ? -EIO : trc_random_seed(r))
#include "../../plugin/base/thread.c"
#include "../../plugin/report/watcher.c"
#undef pthread_create

#define CORES 4
#define SLOW_NS (500 * TRC_NS_PER_MS)
#define BEGUN_NS                                                                                   \
    (1000 * TRC_NS_PER_S) /* when requests of these tests begin, if they do not say                \
                           */

static struct trc_journal *journal;
static struct trc_watcher_config config;
static _Atomic unsigned woken;

static void wake(void) {
    atomic_fetch_add(&woken, 1);
}

static int setup(void **state) {
    (void)state;
    const struct trc_journal_config sizes = {2, CORES, 1, 1};
    if (trc_journal_new(&journal, &sizes))
        return -1;
    atomic_store(&woken, 0);
    config = (struct trc_watcher_config){journal, 1, SLOW_NS, wake};
    watcher.config = config;
    watcher.own = trc_journal_watcher_slot(journal, 1);
    return trc_random_seed(&watcher.own->random);
}

static int teardown(void **state) {
    (void)state;
    bool ended = trc_watcher_stop(trc_clock_mono_ns() + 20 * TRC_NS_PER_S);
    trc_journal_free(journal);
    return !ended;
}

static void begin(unsigned core, uint64_t id, uint64_t mono_ns) {
    struct trc_slot *slot = trc_journal_slot(journal, 1, core);
    struct trc_span *span = trc_slot_fresh(slot);
    trc_span_clear(span);
    span->span_id = span->trace_lo = span->trace_hi = id;
    span->parent_id = 17;
    span->flags = 1;
    span->start_unix_ns = 5000;
    span->start_mono_ns = mono_ns;
    span->worker = 2;
    span->core = (uint16_t)core;
    trc_span_set(span, TRC_STR_METHOD, TRC_SLICE("GET"), TRC_SPAN_TOKEN_MAX);
    span->str[TRC_STR_NAME] = span->str[TRC_STR_METHOD];
    trc_span_set(span, TRC_STR_PATH, TRC_SLICE("/slow"), TRC_SPAN_PATH_MAX);
    trc_slot_open(slot);
}

static void end(unsigned core) {
    struct trc_slot *slot = trc_journal_slot(journal, 1, core);
    assert_true(trc_slot_claim(slot));
    trc_slot_span(slot)->status = 200;
    trc_journal_append_mp(journal, 1, slot);
}

/* A copy of the next span in the ring, which is ticked off, or NULL. */
static const struct trc_span *next_span(void) {
    static struct trc_span copy;
    struct trc_cursor_state s;
    uint64_t pos, next;
    trc_cursor_get(journal, 1, 0, &s);
    pos = s.pos;
    const struct trc_span *span = trc_journal_read(journal, 1, &pos, &next);
    if (!span)
        return NULL;
    assert_true(trc_span_check(span, next - pos - TRC_RECORD_HEAD));
    memcpy(&copy, span, span->size);
    s.pos = next;
    s.exported++;
    trc_cursor_publish(journal, 1, 0, &s);
    return &copy;
}

static bool is_running(const struct trc_span *span) {
    return span->kind == TRC_KIND_INTERNAL;
}

static void assert_text(const struct trc_span *span, enum trc_span_str which, const char *want) {
    assert_true(trc_slice_equal(trc_span_get(span, which), trc_slice_of(want)));
}

static struct trc_accounts balanced(void) {
    struct trc_accounts a;
    trc_journal_accounts(journal, -1, 0, &a);
    assert_int_equal(a.sampled, a.exported + a.failed + a.dropped + a.lost + a.queued);
    return a;
}

/* --- Looking -----------------------------------------------------------------------------------
 */

static void a_slow_request_is_told_of_once(void **state) {
    (void)state;
    begin(3, 42, BEGUN_NS);
    assert_true(look(BEGUN_NS + SLOW_NS - 30 * TRC_NS_PER_MS) == BEGUN_NS + SLOW_NS);
    assert_null(next_span());
    assert_int_equal(woken, 0);

    look(BEGUN_NS + SLOW_NS + 3);
    const struct trc_span *span = next_span();
    assert_non_null(span);
    assert_text(span, TRC_STR_NAME, "running");
    assert_text(span, TRC_STR_METHOD, "GET");
    assert_text(span, TRC_STR_PATH, "/slow");
    assert_true(is_running(span));
    assert_int_equal(span->parent_id, 42);
    assert_true(span->span_id != 42 && span->span_id != 0);
    assert_int_equal(span->trace_lo, 42);
    assert_int_equal(span->trace_hi, 42);
    assert_int_equal(span->start_unix_ns, 5000);
    assert_int_equal(span->duration_ns, SLOW_NS + 3);
    assert_int_equal(span->worker, 2);
    assert_int_equal(span->core, 3);
    assert_int_equal(span->flags, 1);
    assert_int_equal(span->error, 0);
    assert_int_equal(span->status, 0);
    assert_null(next_span());
    assert_int_equal(woken, 1);

    look(BEGUN_NS + 9 * SLOW_NS);
    assert_null(next_span());
    end(3);
    look(BEGUN_NS + 10 * SLOW_NS);
    span = next_span();
    assert_int_equal(span->span_id, 42);
    assert_int_equal(span->status, 200);
    assert_text(span, TRC_STR_NAME, "GET");
    assert_null(next_span());
    assert_int_equal(woken, 1);
    assert_int_equal(balanced().sampled, 2);

    /* The next one of the core is another one. */
    begin(3, 43, BEGUN_NS);
    look(BEGUN_NS + SLOW_NS);
    assert_int_equal(next_span()->parent_id, 43);
    assert_null(next_span());
}

static void many_at_once(void **state) {
    (void)state;
    for (unsigned core = 0; core < CORES; core++)
        begin(core, 100 + core, BEGUN_NS + core);
    look(BEGUN_NS + SLOW_NS + CORES - 2); /* all but the last */
    for (unsigned core = 0; core < CORES - 1; core++)
        assert_int_equal(next_span()->parent_id, 100 + core);
    assert_null(next_span());
    assert_int_equal(woken, 1);
    look(BEGUN_NS + SLOW_NS + CORES);
    assert_int_equal(next_span()->parent_id, 100 + CORES - 1);
    assert_null(next_span());
}

static void looks_neither_all_the_time_nor_too_seldom(void **state) {
    (void)state;
    assert_true(look(BEGUN_NS) == BEGUN_NS + SLOW_NS);
    begin(0, 1, BEGUN_NS + 1 - SLOW_NS); /* in a nanosecond */
    assert_true(look(BEGUN_NS) == BEGUN_NS + 10 * TRC_NS_PER_MS);
    watcher.config.slow_ns = 1;
    assert_true(look(BEGUN_NS) == BEGUN_NS + 10 * TRC_NS_PER_MS);
    watcher.config.slow_ns = 3600 * TRC_NS_PER_S;
    assert_true(look(BEGUN_NS) == BEGUN_NS + TRC_NS_PER_S);
}

static void what_the_ring_has_no_room_for_is_counted(void **state) {
    (void)state;
    for (uint64_t id = 1000; balanced().dropped == 0; id++) {
        begin(1, id, BEGUN_NS);
        end(1);
    }
    const struct trc_accounts before = balanced();
    begin(0, 1, BEGUN_NS);
    look(BEGUN_NS + SLOW_NS);
    look(BEGUN_NS + SLOW_NS);
    const struct trc_accounts after = balanced();
    assert_int_equal(after.sampled, before.sampled + 1);
    assert_int_equal(after.dropped, before.dropped + 1);
    assert_int_equal(trc_journal_dropped(journal, 1), after.dropped);
}

/* --- Killed -------------------------------------------------------------------------------------
 */

#if defined(__SANITIZE_THREAD__)
#define STEPS 0 /* its own instructions are a thousand times ours, and there is one thread */
#elif defined(__SANITIZE_ADDRESS__)
#define STEPS 1999
#else
#define STEPS 7
#endif

static void look_once(void) {
    look(BEGUN_NS + SLOW_NS);
}

/* Whatever the watcher's last instruction was: the request is reported as killed, `running` at most
 * once, and the books are right. */
static void each_instruction_can_be_the_last(void **state) {
    bool killed = true;
    unsigned told = 0, untold = 0;
    if (STEPS == 0)
        skip();
    for (unsigned n = 0; killed; n += STEPS) {
        unsigned running = 0, requests = 0;
        begin(0, 42, BEGUN_NS);
        killed = killed_after(n, look_once);
        trc_journal_recover(journal, 1, BEGUN_NS + 2 * SLOW_NS);
        for (const struct trc_span *span; (span = next_span()) != NULL;) {
            running += is_running(span);
            requests += !is_running(span);
            assert_int_equal(is_running(span) ? span->parent_id : span->span_id, 42);
        }
        assert_int_equal(requests, 1);
        assert_in_range(running, 0, 1);
        assert_int_equal(balanced().lost, 0);
        assert_int_equal(balanced().queued, 0);
        told += running;
        untold += !running;
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
    assert_true(told > 0 && untold > 0);
}

/* --- Beside cores that run ----------------------------------------------------------------------
 */

static _Atomic bool stop;

static void *serve(void *arg) {
    unsigned core = (unsigned)(uintptr_t)arg;
    for (uint64_t id = core + 1; !atomic_load(&stop); id += CORES) {
        begin(core, id, id);
        end(core);
    }
    return NULL;
}

/* Every request is slow, and the watcher looks all the time: what it tells is of a request that is
 * in the ring, too, and no request is told of twice. */
static void beside_cores_that_run(void **state) {
    (void)state;
    enum { ENOUGH = 3000 };
    const uint64_t give_up = trc_clock_mono_ns() + 30 * TRC_NS_PER_S;
    uint64_t last_told[CORES] = {0}, last[CORES] = {0}, told = 0;
    pthread_t thread[CORES];
    watcher.config.slow_ns = 0;
    atomic_store(&stop, false);
    for (unsigned core = 0; core < CORES; core++)
        assert_int_equal(pthread_create(&thread[core], NULL, serve, (void *)(uintptr_t)core), 0);
    while (told < ENOUGH && trc_clock_mono_ns() < give_up) {
        look(BEGUN_NS);
        const struct trc_span *span;
        /* Not to the ring's end: the cores may fill it as fast as it is read, for ever. */
        for (unsigned read = 0; read < 200 && (span = next_span()) != NULL; read++) {
            uint64_t *at = is_running(span) ? last_told : last;
            uint64_t id = is_running(span) ? span->parent_id : span->span_id;
            assert_int_equal(span->trace_lo, id);
            assert_int_equal(span->core, (id - 1) % CORES);
            assert_true(id > at[span->core]);
            at[span->core] = id;
            told += is_running(span);
        }
    }
    atomic_store(&stop, true);
    for (unsigned core = 0; core < CORES; core++)
        pthread_join(thread[core], NULL);
    assert_in_range(told, 10, UINT64_MAX); /* how many is the scheduler's */
    balanced();
}

/* --- The thread ---------------------------------------------------------------------------------
 */

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (uint64_t until = trc_clock_mono_ns() + 20 * TRC_NS_PER_S; !(condition);               \
             sched_yield())                                                                        \
            if (trc_clock_mono_ns() > until)                                                       \
                fail_msg("waited in vain for " #condition);                                        \
    } while (0)

static void tells_while_the_request_runs(void **state) {
    (void)state;
    const uint64_t now = trc_clock_mono_ns();
    config.slow_ns = 30 * TRC_NS_PER_MS;
    begin(0, 42, now);
    begin(1, 43, now + 3600 * TRC_NS_PER_S); /* not slow for a while */
    assert_int_equal(trc_watcher_start(&config), 0);
    assert_int_equal(trc_watcher_start(&config), -EBUSY);
    UNTIL(atomic_load(&woken) == 1);
    const struct trc_span *span = next_span();
    assert_int_equal(span->parent_id, 42);
    assert_true(span->duration_ns >= config.slow_ns);
    begin(2, 44, now);
    UNTIL(atomic_load(&woken) == 2);
    assert_int_equal(next_span()->parent_id, 44);
    assert_true(trc_watcher_stop(trc_clock_mono_ns() + 20 * TRC_NS_PER_S));
    assert_true(trc_watcher_stop(0)); /* there is none */
    assert_null(next_span());
    assert_int_equal(trc_watcher_start(&config), 0);
}

static void starts_or_says_why_not(void **state) {
    (void)state;
    for (torture_begin(); torture_next();) {
        int rc = trc_watcher_start(&config);
        assert_int_equal(rc != 0, torture_state.calls >= torture_state.fail_at);
        assert_true(trc_watcher_stop(trc_clock_mono_ns() + 20 * TRC_NS_PER_S));
    }
    assert_int_equal(torture_state.failed, 4);
}

/* In the child of a fork there is no thread to wait for, whether we were told or not. */
static void is_forgotten_in_a_child(void **state) {
    (void)state;
    int status;
    assert_int_equal(trc_watcher_start(&config), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool none = trc_watcher_stop(trc_clock_mono_ns() + 20 * TRC_NS_PER_S);
        trc_watcher_forget();
        _exit(!none || atomic_load(&watcher.thread.alive) || watcher.thread.pid != 0);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_slow_request_is_told_of_once),
        TEST(many_at_once),
        TEST(looks_neither_all_the_time_nor_too_seldom),
        TEST(what_the_ring_has_no_room_for_is_counted),
        TEST(each_instruction_can_be_the_last),
        TEST(beside_cores_that_run),
        TEST(tells_while_the_request_runs),
        TEST(starts_or_says_why_not),
        TEST(is_forgotten_in_a_child),
    };
    return cmocka_run_group_tests_name("watcher", tests, NULL, NULL);
}
