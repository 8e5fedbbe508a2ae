/* SPDX-License-Identifier: MIT
 *
 * What a dead worker left in the journal: writers and recoveries that die at every step, and what
 * is said of the request that was running.
 */
#include "journal_rig.h"
#include <signal.h>

/* --- What it left
 * --------------------------------------------------------------------------------- */

static void a_hole_is_closed_and_counted(void **state) {
    (void)state;
    void *at;
    uint64_t ids[8];
    append(0, 0, 1, 10);
    assert_int_not_equal(trc_journal_reserve_mp(journal, 0, 400, &at), TRC_POS_NONE);
    append(0, 0, 2, 700);
    assert_int_not_equal(trc_journal_reserve_mp(journal, 0, 800, &at), TRC_POS_NONE);
    memset(at, 0xff, 800);                    /* it had begun to write */
    assert_int_equal(drain(0, 0, ids, 8), 1); /* a reader stops at the hole */

    assert_int_equal(trc_journal_recover(journal, 0, 5000), 0);
    assert_int_equal(accounts(0).lost, 2);
    append(0, 0, 3, 10);
    assert_int_equal(drain(0, 0, ids, 8), 2);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 3);
    assert_int_equal(drain(0, 1, ids, 8), 3);
    assert_balanced(-1);
    assert_int_equal(trc_journal_recover(journal, 0, 5000), 0); /* and only once */
    assert_int_equal(accounts(0).lost, 2);
}

static void stale_bytes_are_no_record(void **state) {
    (void)state;
    /* Fill two laps, so that every place in the ring has seen a stamp, then leave holes. */
    for (unsigned i = 0; i < 400; i++) {
        append(0, 0, i, 600);
        for (unsigned e = 0; e < EXPORTERS; e++)
            drain(0, e, NULL, 8);
    }
    void *at;
    for (unsigned i = 0; i < 30; i++) {
        assert_int_not_equal(trc_journal_reserve_mp(journal, 0, 304, &at), TRC_POS_NONE);
        if (i % 3 == 0)
            append(0, 0, 1000 + i, 600);
    }
    trc_journal_recover(journal, 0, 5000);
    uint64_t ids[64];
    assert_int_equal(drain(0, 0, ids, 64), 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ids[i], 1000 + 3 * i);
}

static void an_open_span_is_reported_as_killed(void **state) {
    (void)state;
    open_slot(0, 2, 77, 20);
    open_slot(1, 0, 78, 20); /* of a worker that lives */
    assert_int_equal(trc_journal_recover(journal, 0, 4000), 1);
    uint64_t pos = 0, next;
    const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
    assert_non_null(span);
    assert_int_equal(span->span_id, 77);
    assert_int_equal(span->outcome, TRC_OUTCOME_KILLED);
    assert_int_equal(span->error, 1);
    assert_int_equal(span->duration_ns, 3000);
    pos = next;
    assert_null(trc_journal_read(journal, 0, &pos, &next));
    assert_int_equal(accounts(0).recovered, 1);
    assert_int_equal(trc_journal_slot(journal, 1, 0)->state, TRC_SLOT_OPEN);
    assert_balanced(-1);
    assert_int_equal(trc_journal_recover(journal, 0, 4000), 0);
}

static void only_one_ends_a_span(void **state) {
    (void)state;
    struct trc_slot *slot = open_slot(0, 0, 1, 0);
    assert_true(trc_slot_claim(slot));
    assert_false(trc_slot_claim(slot));
    assert_false(trc_journal_close_slot(journal, 0, 0, TRC_OUTCOME_KILLED, 5000));
    trc_journal_append_mp(journal, 0, slot);
    assert_false(trc_slot_claim(slot));
}

/* Freezes a writer after each of the stores of an append in turn, by replaying what memory then
 * holds, and lets recovery find it: every span is there exactly once and counted exactly once. */
static void every_step_of_an_append_can_be_the_last(void **state) {
    for (int step = 0; step < 7; step++) {
        struct trc_slot *slot = open_slot(0, 0, 42, 100);
        void *at;
        uint64_t pos, ids[4];
        assert_true(trc_slot_claim(slot));
        if (step == 0) /* writing the end of the span */
            goto dead;
        trc_span_seal(&slot->span);
        atomic_store(&slot->state, TRC_SLOT_ENDED);
        if (step == 1)
            goto dead;
        if (step == 6) { /* the ring was full: counted as dropped, not yet as sampled */
            slot->counters.dropped++;
            goto dead;
        }
        pos = trc_journal_reserve_mp(journal, 0, slot->span.size, &at);
        if (step == 2) /* reserved, and the slot does not know where */
            goto dead;
        atomic_store(&slot->pos, pos);
        memcpy(at, &slot->span, step == 3 ? 10 : slot->span.size);
        if (step == 3) /* half written */
            goto dead;
        trc_journal_commit_mp(journal, 0, pos);
        if (step == 4) /* committed, not counted */
            goto dead;
        atomic_store(&slot->counters.sampled, slot->sampled_before + 1);
    dead:
        trc_journal_recover(journal, 0, 9000);
        assert_int_equal(atomic_load(&slot->state), TRC_SLOT_IDLE);
        assert_int_equal(drain(0, 0, ids, 4), 1);
        assert_int_equal(ids[0], 42);
        assert_int_equal(accounts(0).sampled, 1);
        assert_int_equal(accounts(0).lost, 0);
        assert_balanced(-1);
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static const struct trc_span *only_span(void) {
    uint64_t pos = 0, next;
    const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
    assert_non_null(span);
    pos = next;
    assert_null(trc_journal_read(journal, 0, &pos, &next));
    return span;
}

/* --- Killed after each instruction ---------------------------------------------------------------
 */

static void append_it(void) {
    struct trc_slot *slot = trc_journal_slot(journal, 0, 0);
    if (trc_slot_claim(slot))
        trc_journal_append_mp(journal, 0, slot);
}

static void recover_it(void) {
    trc_journal_recover(journal, 0, 9000);
}

static unsigned noted; /* what the worker died of */

/* Whoever was killed, the next worker finds the span once, and counts it once. */
static void assert_recovers_one(void) {
    uint64_t ids[4];
    trc_journal_recover(journal, 0, 9000);
    assert_int_equal(only_span()->death, noted);
    assert_int_equal(drain(0, 0, ids, 4), 1);
    assert_int_equal(ids[0], 42);
    assert_int_equal(accounts(0).sampled, 1);
    assert_int_equal(accounts(0).lost, 0);
    assert_balanced(-1);
}

/* `prepare` leaves one span with the id 42 to be finished by `what`, of which each instruction is
 * the last one once. */
static void each_instruction_is_the_last(void **state, void (*prepare)(void), void (*what)(void)) {
    bool killed = true;
    if (STRIDE == 0)
        skip();
    unsigned first = (unsigned)getpid() % (STRIDE + 1); /* another set of them each time */
    print_message("from %u by %u\n", first, STRIDE);
    for (unsigned n = first; killed; n += STRIDE) {
        prepare();
        killed = killed_after(n, what);
        assert_recovers_one();
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void prepare_open(void) {
    noted = TRC_DEATH_UNKNOWN;
    open_slot(0, 0, 42, 100);
}

static void prepare_dead(void) {
    open_slot(0, 0, 42, 100);
    noted = SIGSEGV;
    trc_journal_note_death(journal, 0, noted, 4000);
}

static void prepare_half_appended(void) {
    struct trc_slot *slot = open_slot(0, 0, 42, 100);
    void *at;
    noted = TRC_DEATH_UNKNOWN;
    trc_span_seal(&slot->span);
    atomic_store(&slot->state, TRC_SLOT_ENDED);
    atomic_store(&slot->pos, trc_journal_reserve_mp(journal, 0, slot->span.size, &at));
}

static void each_instruction_of_an_append_can_be_the_last(void **state) {
    each_instruction_is_the_last(state, prepare_open, append_it);
}

static void each_instruction_of_a_recovery_can_be_the_last(void **state) {
    each_instruction_is_the_last(state, prepare_half_appended, recover_it);
    each_instruction_is_the_last(state, prepare_dead, recover_it);
}

/* Committed, read by everybody, and overwritten, all while the slot still said "on its way". */
static void a_record_long_gone_is_not_repeated(void **state) {
    (void)state;
    struct trc_slot *slot = open_slot(0, 1, 42, 100);
    void *at;
    assert_true(trc_slot_claim(slot));
    trc_span_seal(&slot->span);
    atomic_store(&slot->state, TRC_SLOT_ENDED);
    uint64_t pos = trc_journal_reserve_mp(journal, 0, slot->span.size, &at);
    atomic_store(&slot->pos, pos);
    memcpy(at, &slot->span, slot->span.size);
    trc_journal_commit_mp(journal, 0, pos);
    for (unsigned i = 0; i < 500; i++) {
        append(0, 0, 1000 + i, 500);
        for (unsigned e = 0; e < EXPORTERS; e++)
            drain(0, e, NULL, 8);
    }
    assert_int_equal(trc_journal_recover(journal, 0, 9000), 0);
    assert_int_equal(drain(0, 0, NULL, 8), 0);
    assert_int_equal(accounts(0).sampled, 501);
    assert_balanced(-1);
}

/* Real processes, killed at moments nobody chose. Every id that comes out is whole and comes once.
 */
static void killed_at_any_moment(void **state) {
    (void)state;
    unsigned seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    srandom(seed);
    uint64_t last = 0;
    for (int round = 0; round < 60; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (uint64_t id = (uint64_t)(round + 1) << 32;; id++) {
                struct trc_slot *slot = open_slot(0, 0, id, id % 700);
                slot->span.trace_lo = ~id;
                if (trc_slot_claim(slot))
                    trc_journal_append_mp(journal, 0, slot);
            }
        }
        uint64_t until = trc_journal_head(journal, 0) + (uint64_t)random() % 100000;
        while (trc_journal_head(journal, 0) < until) {
            uint64_t ids[64];
            for (unsigned e = 0; e < EXPORTERS; e++) {
                unsigned n = drain(0, e, ids, 64);
                for (unsigned i = 0; e == 0 && i < n; last = ids[i++])
                    assert_true(ids[i] > last);
            }
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        trc_journal_recover(journal, 0, 9000);
        assert_balanced(-1);
        uint64_t ids[64];
        for (unsigned n; (n = drain(0, 0, ids, 64));)
            for (unsigned i = 0; i < n; last = ids[i++])
                assert_true(ids[i] > last);
        while (drain(0, 1, NULL, 64))
            ;
    }
    struct trc_accounts a = accounts(0);
    assert_int_equal(a.lost, 0);
    assert_int_equal(a.queued, 0);
    assert_int_equal(a.exported, accounts(1).exported);
}

/* --- What is said of it ------------------------------------------------------------------------
 */

/* A request that began at 1000, what was noted of its worker (0: not noted), and a recovery at
 * 9000.
 */
static void says_of_what_and_when(void **state) {
    static const struct {
        uint64_t harakiri[2];
        struct {
            unsigned of;
            uint64_t at;
        } death[2];
        unsigned want_death;
        uint64_t want_duration;
    } cases[] = {
        {{0}, {{0}}, TRC_DEATH_UNKNOWN, 8000},
        {{0}, {{SIGSEGV, 4000}}, SIGSEGV, 3000},
        {{0}, {{TRC_DEATH_EXIT, 4000}}, TRC_DEATH_EXIT, 3000},
        {{0}, {{SIGKILL, 4000}, {SIGKILL, 6000}}, SIGKILL, 3000}, /* seen, seen again */
        {{0}, {{TRC_DEATH_EXIT, 4000}, {SIGKILL, 6000}}, TRC_DEATH_EXIT, 3000},
        {{0}, {{TRC_DEATH_EXIT, 500}}, TRC_DEATH_EXIT, 8000}, /* begun while it exited */
        /* Harakiri, which kills at once; the last try is the one that did. */
        {{3000}, {{SIGKILL, 4000}}, TRC_DEATH_HARAKIRI, 2000},
        {{3000, 3500}, {{SIGKILL, 4000}}, TRC_DEATH_HARAKIRI, 2500},
        {{3000}, {{0}}, TRC_DEATH_HARAKIRI, 2000},
        /* ... or which asks, and the worker exits later. */
        {{3000}, {{TRC_DEATH_EXIT, 4000}}, TRC_DEATH_HARAKIRI, 3000},
        /* Of an earlier request, which got away with it. */
        {{900}, {{SIGKILL, 4000}}, SIGKILL, 3000},
        {{900}, {{0}}, TRC_DEATH_UNKNOWN, 8000},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_slot(0, 1, 42, 20);
        for (unsigned k = 0; k < 2; k++)
            if (cases[i].harakiri[k])
                trc_journal_note_harakiri(journal, 0, cases[i].harakiri[k]);
        for (unsigned k = 0; k < 2; k++)
            if (cases[i].death[k].at)
                trc_journal_note_death(journal, 0, cases[i].death[k].of, cases[i].death[k].at);
        assert_int_equal(trc_journal_recover(journal, 0, 9000), 1);
        const struct trc_span *span = only_span();
        assert_int_equal(span->outcome, TRC_OUTCOME_KILLED);
        assert_int_equal(span->error, 1);
        assert_int_equal(span->death, cases[i].want_death);
        assert_int_equal(span->duration_ns, cases[i].want_duration);
        assert_balanced(-1);
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void what_was_noted_is_of_one_worker_and_one_life(void **state) {
    (void)state;
    uint64_t next, pos = 0;
    open_slot(0, 0, 1, 20);
    open_slot(1, 0, 2, 20);
    trc_journal_note_harakiri(journal, 0, 3000);
    trc_journal_note_death(journal, 0, SIGKILL, 3000);
    trc_journal_recover(journal, 1, 9000);
    assert_int_equal(trc_journal_read(journal, 1, &pos, &next)->death, TRC_DEATH_UNKNOWN);
    trc_journal_recover(journal, 0, 9000);
    assert_int_equal(only_span()->death, TRC_DEATH_HARAKIRI);
    drain(0, 0, NULL, 8);
    drain(0, 1, NULL, 8);

    open_slot(0, 0, 3, 20);
    trc_journal_note_death(journal, 0, SIGABRT, 5000);
    trc_journal_recover(journal, 0, 9000);
    struct trc_cursor_state s;
    trc_cursor_get(journal, 0, 0, &s);
    pos = s.pos;
    const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
    assert_int_equal(span->death, SIGABRT);
    assert_int_equal(span->duration_ns, 4000);
}

static void all_its_cores_say_the_same(void **state) {
    (void)state;
    uint64_t pos = 0, next;
    for (unsigned core = 0; core < 4; core++)
        open_slot(0, core, core, 20);
    trc_journal_note_death(journal, 0, SIGBUS, 4000);
    assert_int_equal(trc_journal_recover(journal, 0, 9000), 4);
    for (unsigned core = 0; core < 4; core++, pos = next) {
        const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
        assert_int_equal(span->span_id, core);
        assert_int_equal(span->death, SIGBUS);
        assert_int_equal(span->duration_ns, 3000);
    }
}

/* Harakiri that comes while the worker ends is not why it ends; but the one that made it end is. */
static void harakiri_is_too_late_for_the_dead(void **state) {
    for (unsigned asked = 0; asked < 2; asked++) {
        open_slot(0, 1, 42, 20);
        if (asked)
            trc_journal_note_harakiri(journal, 0, 3000);
        trc_journal_note_death(journal, 0, asked ? TRC_DEATH_EXIT : SIGSEGV, 4000);
        trc_journal_note_harakiri(journal, 0, 5000);
        trc_journal_recover(journal, 0, 9000);
        assert_int_equal(only_span()->death, asked ? TRC_DEATH_HARAKIRI : SIGSEGV);
        assert_int_equal(only_span()->duration_ns, 3000);
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

/* A worker at its own end closes its spans itself. */
static void a_worker_that_exits_says_so(void **state) {
    (void)state;
    open_slot(0, 0, 1, 20);
    trc_journal_note_death(journal, 0, TRC_DEATH_EXIT, 4000);
    assert_true(trc_journal_close_slot(journal, 0, 0, TRC_OUTCOME_KILLED, 4000));
    assert_int_equal(only_span()->death, TRC_DEATH_EXIT);
    assert_int_equal(trc_journal_recover(journal, 0, 9000), 0);
}

/* A span that ended as it should has no death, whatever its worker died of later. */
static void a_span_that_had_ended_did_not_die(void **state) {
    (void)state;
    struct trc_slot *slot = open_slot(0, 0, 42, 20);
    assert_true(trc_slot_claim(slot));
    trc_span_seal(&slot->span);
    atomic_store(&slot->state, TRC_SLOT_ENDED); /* and is not in the ring yet */
    open_slot(0, 1, 43, 20);
    trc_journal_close_slot(journal, 0, 1, TRC_OUTCOME_ABANDONED, 2000);
    trc_journal_note_death(journal, 0, SIGSEGV, 4000);
    assert_int_equal(trc_journal_recover(journal, 0, 9000), 1);
    uint64_t pos = 0, next;
    for (unsigned i = 0; i < 2; i++, pos = next) {
        const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
        assert_int_equal(span->death, TRC_DEATH_UNKNOWN);
        assert_int_not_equal(span->outcome, TRC_OUTCOME_KILLED);
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_hole_is_closed_and_counted),
        TEST(stale_bytes_are_no_record),
        TEST(an_open_span_is_reported_as_killed),
        TEST(only_one_ends_a_span),
        TEST(every_step_of_an_append_can_be_the_last),
        TEST(each_instruction_of_an_append_can_be_the_last),
        TEST(each_instruction_of_a_recovery_can_be_the_last),
        TEST(a_record_long_gone_is_not_repeated),
        TEST(killed_at_any_moment),
        TEST(says_of_what_and_when),
        TEST(what_was_noted_is_of_one_worker_and_one_life),
        TEST(all_its_cores_say_the_same),
        TEST(harakiri_is_too_late_for_the_dead),
        TEST(a_worker_that_exits_says_so),
        TEST(a_span_that_had_ended_did_not_die),
    };
    return cmocka_run_group_tests_name("journal, death", tests, NULL, NULL);
}
