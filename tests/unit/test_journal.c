/* SPDX-License-Identifier: MIT
 *
 * The journal: wrap-around, several writers, full, cursors, and writers that die at every step.
 */
#include "killed.h"
#include "tracing/journal.h"
#include "unit.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define EXPORTERS 2

static struct trc_journal *journal;

static int setup(void **state) {
    (void)state;
    struct trc_journal_config config = {2, 4, EXPORTERS, 1};
    return trc_journal_new(&journal, &config);
}

static int teardown(void **state) {
    (void)state;
    trc_journal_free(journal);
    return 0;
}

static struct trc_slot *open_slot(unsigned worker, unsigned core, uint64_t id, size_t url_len) {
    static const char text[2048];
    struct trc_slot *slot = trc_journal_slot(journal, worker, core);
    trc_span_clear(&slot->span);
    slot->span.span_id = id;
    slot->span.start_mono_ns = 1000;
    trc_span_set(&slot->span, TRC_STR_URL, (struct trc_slice){text, url_len}, TRC_SPAN_PATH_MAX);
    trc_slot_open(slot);
    return slot;
}

/* Returns whether the reporters were to be woken. */
static bool append(unsigned worker, unsigned core, uint64_t id, size_t url_len) {
    struct trc_slot *slot = open_slot(worker, core, id, url_len);
    assert_true(trc_slot_claim(slot));
    return trc_journal_append_mp(journal, worker, slot);
}

/* Reads everything behind the exporter's cursor and ticks it off. Returns how many; ids[] gets
 * them. */
static unsigned drain(unsigned worker, unsigned exporter, uint64_t *ids, unsigned max) {
    struct trc_cursor_state s;
    const struct trc_span *span;
    uint64_t next;
    unsigned count = 0;
    trc_cursor_get(journal, worker, exporter, &s);
    uint64_t pos = s.pos;
    while (count < max && (span = trc_journal_read(journal, worker, &pos, &next))) {
        assert_true(trc_span_check(span, span->size));
        if (ids)
            ids[count] = span->span_id;
        count++;
        pos = next;
    }
    s.pos = pos;
    s.exported += count;
    trc_cursor_publish(journal, worker, exporter, &s);
    return count;
}

static void assert_balanced(int worker) {
    for (unsigned e = 0; e < EXPORTERS; e++) {
        struct trc_accounts a;
        trc_journal_accounts(journal, worker, e, &a);
        assert_int_equal(a.sampled, a.exported + a.failed + a.dropped + a.lost + a.queued);
    }
}

static struct trc_accounts accounts(unsigned exporter) {
    struct trc_accounts a;
    trc_journal_accounts(journal, -1, exporter, &a);
    return a;
}

static void is_empty_at_first(void **state) {
    (void)state;
    uint64_t pos = 0, next;
    assert_null(trc_journal_read(journal, 0, &pos, &next));
    assert_int_equal(atomic_load(trc_journal_enabled(journal)), 1);
    assert_int_equal(trc_journal_config(journal)->ring_bytes, TRC_RING_BYTES_MIN);
    assert_balanced(-1);
}

static void keeps_order_over_many_laps(void **state) {
    (void)state;
    uint64_t ids[8], id = 0, read = 0;
    while (trc_journal_head(journal, 0) < 20 * TRC_RING_BYTES_MIN) {
        unsigned some = 1 + id % 5;
        for (unsigned i = 0; i < some; i++)
            append(0, i % 4, id + i, (id + i) * 37 % 1024);
        id += some;
        for (unsigned e = 0; e < EXPORTERS; e++) {
            unsigned n = drain(0, e, ids, 8);
            for (unsigned i = 0; i < n; i++)
                assert_int_equal(ids[i], read + i);
            if (e == EXPORTERS - 1)
                read += n;
        }
    }
    assert_int_equal(read, id);
    assert_int_equal(accounts(0).dropped, 0);
    assert_balanced(-1);
}

static void workers_do_not_meet(void **state) {
    (void)state;
    uint64_t ids[2];
    append(0, 0, 1, 0);
    append(1, 0, 2, 0);
    assert_int_equal(drain(0, 0, ids, 2), 1);
    assert_int_equal(ids[0], 1);
    assert_int_equal(drain(1, 0, ids, 2), 1);
    assert_int_equal(ids[0], 2);
}

static void drops_the_new_when_full(void **state) {
    (void)state;
    uint64_t ids[1000];
    for (unsigned i = 0; i < 500; i++)
        append(0, 0, i, 500);
    struct trc_accounts a = accounts(0);
    assert_int_equal(a.sampled, 500);
    assert_in_range(a.dropped, 1, 499);
    assert_balanced(-1);
    unsigned kept = drain(0, 0, ids, 1000);
    assert_int_equal(kept, 500 - a.dropped);
    for (unsigned i = 0; i < kept; i++)
        assert_int_equal(ids[i], i); /* the old ones are those that stayed */
    /* The other exporter has not read yet: its spans must still be whole. */
    append(0, 0, 9999, 500);
    assert_int_equal(drain(0, 1, ids, 1000), kept);
    assert_balanced(-1);
}

static void wakes_once_at_half(void **state) {
    (void)state;
    unsigned woken = 0, appended = 0;
    for (; appended < 60; appended++)
        woken += append(0, 0, appended, 800);
    assert_int_equal(woken, 1);
    for (unsigned e = 0; e < EXPORTERS; e++)
        drain(0, e, NULL, 1000);
    for (unsigned i = 0; i < 60; i++)
        woken += append(0, 0, i, 800);
    assert_int_equal(woken, 2);
}

static void a_late_exporter_skips_to_half(void **state) {
    (void)state;
    struct trc_cursor_state s;
    for (unsigned i = 0; i < 500; i++) {
        append(0, 0, i, 500);
        drain(0, 0, NULL, 1000);
    }
    trc_cursor_get(journal, 0, 1, &s);
    uint64_t skipped = trc_cursor_skip(journal, 0, &s);
    assert_in_range(skipped, 1, 500);
    assert_int_equal(s.skipped, skipped);
    trc_cursor_publish(journal, 0, 1, &s);
    uint64_t behind = trc_journal_head(journal, 0) - s.pos;
    assert_in_range(behind, TRC_RING_BYTES_MIN / 2 - 1024, TRC_RING_BYTES_MIN / 2);
    assert_int_equal(trc_cursor_skip(journal, 0, &s), 0);
    assert_balanced(-1);
}

static void without_exporters_nothing_is_full(void **state) {
    (void)state;
    struct trc_journal_config config = {1, 1, 0, 1};
    struct trc_journal *all = journal;
    assert_int_equal(trc_journal_new(&journal, &config), 0);
    for (unsigned i = 0; i < 1000; i++)
        append(0, 0, i, 500);
    assert_int_equal(accounts(0).dropped, 0);
    trc_journal_free(journal);
    journal = all;
}

static void refuses_a_record_larger_than_a_quarter(void **state) {
    (void)state;
    void *at;
    assert_int_equal(trc_journal_reserve_mp(journal, 0, TRC_RING_BYTES_MIN / 4, &at), TRC_POS_NONE);
    assert_int_not_equal(trc_journal_reserve_mp(journal, 0, TRC_RING_BYTES_MIN / 4 - 16, &at),
                         TRC_POS_NONE);
}

/* --- Threads ---------------------------------------------------------------------------------- */

#define PER_WRITER 20000

static void *writer(void *arg) {
    unsigned core = (unsigned)(uintptr_t)arg;
    for (uint64_t i = 0; i < PER_WRITER; i++)
        append(0, core, (uint64_t)core << 32 | i, i % 300);
    return NULL;
}

static void writers_and_readers_agree(void **state) {
    (void)state;
    pthread_t threads[4];
    uint64_t seen[EXPORTERS][4] = {{0}}, ids[64];
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, writer, (void *)i);
    for (uint64_t done = 0; done < (uint64_t)EXPORTERS * 4 * PER_WRITER;) {
        uint64_t dropped = accounts(0).dropped;
        done = dropped * EXPORTERS;
        for (unsigned e = 0; e < EXPORTERS; e++) {
            unsigned n = drain(0, e, ids, 64);
            for (unsigned i = 0; i < n; i++) { /* of each writer in order, none twice */
                uint64_t core = ids[i] >> 32, k = ids[i] & 0xffffffff;
                assert_true(core < 4 && k + 1 > seen[e][core]);
                seen[e][core] = k + 1;
            }
            done += accounts(e).exported;
        }
        sched_yield();
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(accounts(0).sampled, 4 * PER_WRITER);
    assert_balanced(-1);
}

/* --- The dead --------------------------------------------------------------------------------- */

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

/* --- Killed after each instruction ---------------------------------------------------------------
 */

#if defined(__SANITIZE_THREAD__)
#define STRIDE 0 /* its own instructions are a thousand times ours, and there is one thread */
#elif defined(__SANITIZE_ADDRESS__)
#define STRIDE 499
#else
#define STRIDE 29
#endif

static void append_it(void) {
    struct trc_slot *slot = trc_journal_slot(journal, 0, 0);
    if (trc_slot_claim(slot))
        trc_journal_append_mp(journal, 0, slot);
}

static void recover_it(void) {
    trc_journal_recover(journal, 0, 9000);
}

/* Whoever was killed, the next worker finds the span once, and counts it once. */
static void assert_recovers_one(void) {
    uint64_t ids[4];
    trc_journal_recover(journal, 0, 9000);
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
    open_slot(0, 0, 42, 100);
}

static void prepare_half_appended(void) {
    struct trc_slot *slot = open_slot(0, 0, 42, 100);
    void *at;
    trc_span_seal(&slot->span);
    atomic_store(&slot->state, TRC_SLOT_ENDED);
    atomic_store(&slot->pos, trc_journal_reserve_mp(journal, 0, slot->span.size, &at));
}

static void each_instruction_of_an_append_can_be_the_last(void **state) {
    each_instruction_is_the_last(state, prepare_open, append_it);
}

static void each_instruction_of_a_recovery_can_be_the_last(void **state) {
    each_instruction_is_the_last(state, prepare_half_appended, recover_it);
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

/* A cursor publication is whole or not there at all. */
static void a_cursor_is_replaced_as_a_whole(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        for (uint64_t i = 1;; i++) {
            struct trc_cursor_state s = {i, i, i, i, i, i, i, i, i};
            trc_cursor_publish(journal, 0, 0, &s);
        }
    }
    struct trc_cursor_state s;
    do
        trc_cursor_get(journal, 0, 0, &s);
    while (s.pos == 0);
    for (unsigned i = 0; i < 200000; i++) {
        trc_cursor_get(journal, 0, 0, &s);
        assert_true(s.pos == s.exported && s.pos == s.retried && s.pos == s.rejected);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    trc_cursor_get(journal, 0, 0, &s);
    assert_true(s.pos > 0 && s.pos == s.exported && s.pos == s.retried);
}

/* --- The last error ------------------------------------------------------------------------ */

static void keeps_the_last_error(void **state) {
    (void)state;
    char out[TRC_LAST_ERROR_MAX + 1], longer[2 * TRC_LAST_ERROR_MAX];
    out[TRC_LAST_ERROR_MAX] = 'x';
    assert_false(trc_journal_last_error(journal, 0, 1, out));
    assert_string_equal(out, "");
    trc_journal_note_error(journal, 0, 1, "first");
    trc_journal_note_error(journal, 0, 1, "a\nb\x1b[0m\xc3\xa9");
    assert_true(trc_journal_last_error(journal, 0, 1, out));
    assert_string_equal(out, "a?b?[0m??");
    assert_true(trc_journal_last_error(journal, -1, 1, out));
    assert_false(trc_journal_last_error(journal, 0, 0, out)); /* of no other exporter */
    assert_false(trc_journal_last_error(journal, 1, 1, out)); /* nor worker */
    trc_journal_note_error(journal, 1, 1, "later");
    assert_true(trc_journal_last_error(journal, -1, 1, out));
    assert_string_equal(out, "later");
    assert_true(trc_journal_last_error(journal, 0, 1, out));
    assert_string_equal(out, "a?b?[0m??");
    memset(longer, 'y', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    trc_journal_note_error(journal, 0, 1, longer);
    trc_journal_last_error(journal, -1, 1, out);
    assert_int_equal(strlen(out), TRC_LAST_ERROR_MAX - 1);
    assert_int_equal(out[TRC_LAST_ERROR_MAX], 'x');
}

static const char *error_of(char c) {
    static char text[TRC_LAST_ERROR_MAX];
    memset(text, c, sizeof(text) - 1);
    return text;
}

static void an_error_is_never_torn(void **state) {
    (void)state;
    char out[TRC_LAST_ERROR_MAX], whole[TRC_LAST_ERROR_MAX];
    pid_t pid = fork();
    if (pid == 0)
        for (unsigned i = 0;; i++)
            trc_journal_note_error(journal, 0, 0, error_of((char)('a' + i % 26)));
    while (!trc_journal_last_error(journal, 0, 0, out))
        ;
    for (unsigned i = 0; i < 200000; i++) {
        assert_true(trc_journal_last_error(journal, 0, 0, out));
        memset(whole, out[0], sizeof(whole) - 1);
        whole[sizeof(whole) - 1] = '\0';
        assert_string_equal(out, whole);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void note_b(void) {
    trc_journal_note_error(journal, 0, 0, error_of('b'));
}

/* Nor when its writer dies: the old or the new is there, and the next one can be noted. */
static void each_instruction_of_a_note_can_be_the_last(void **state) {
    (void)state;
    char out[TRC_LAST_ERROR_MAX];
    if (STRIDE == 0)
        skip();
    bool killed = true, old = true;
    for (unsigned n = 0; killed; n += STRIDE) {
        trc_journal_note_error(journal, 0, 0, error_of('a'));
        killed = killed_after(n, note_b);
        assert_true(trc_journal_last_error(journal, 0, 0, out));
        old &= out[0] == 'a';
        assert_string_equal(out, error_of(out[0] == 'b' ? 'b' : 'a'));
    }
    assert_false(old);
}

static void what_workers_waited_at_their_ends(void **state) {
    (void)state;
    assert_int_equal(trc_journal_waited(journal, 1), 0); /* nobody ever ended */
    trc_journal_note_wait(journal, 0, 1000, 1700);
    trc_journal_note_wait(journal, 1, 5000, 5100);
    assert_int_equal(trc_journal_waited(journal, 1), 700);
    assert_int_equal(trc_journal_waited(journal, 1700), 700);
    assert_int_equal(trc_journal_waited(journal, 1701), 100); /* that one was long ago */
    assert_int_equal(trc_journal_waited(journal, 5101), 0);
    trc_journal_note_wait(journal, 1, 0, 0); /* another worker is there */
    assert_int_equal(trc_journal_waited(journal, 1701), 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_workers_waited_at_their_ends),
        TEST(is_empty_at_first),
        TEST(keeps_order_over_many_laps),
        TEST(workers_do_not_meet),
        TEST(drops_the_new_when_full),
        TEST(wakes_once_at_half),
        TEST(a_late_exporter_skips_to_half),
        TEST(without_exporters_nothing_is_full),
        TEST(refuses_a_record_larger_than_a_quarter),
        TEST(writers_and_readers_agree),
        TEST(a_hole_is_closed_and_counted),
        TEST(stale_bytes_are_no_record),
        TEST(an_open_span_is_reported_as_killed),
        TEST(only_one_ends_a_span),
        TEST(every_step_of_an_append_can_be_the_last),
        TEST(each_instruction_of_an_append_can_be_the_last),
        TEST(each_instruction_of_a_recovery_can_be_the_last),
        TEST(a_record_long_gone_is_not_repeated),
        TEST(killed_at_any_moment),
        TEST(a_cursor_is_replaced_as_a_whole),
        TEST(keeps_the_last_error),
        TEST(an_error_is_never_torn),
        TEST(each_instruction_of_a_note_can_be_the_last),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
