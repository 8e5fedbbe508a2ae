/* SPDX-License-Identifier: MIT
 *
 * The journal: wrap-around, several writers, full, cursors, the last error.
 */
#include "journal_rig.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>

static void is_empty_at_first(void **state) {
    (void)state;
    uint64_t pos = 0, next;
    assert_null(trc_journal_read(journal, 0, &pos, &next));
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
        TEST(a_cursor_is_replaced_as_a_whole),
        TEST(keeps_the_last_error),
        TEST(an_error_is_never_torn),
        TEST(each_instruction_of_a_note_can_be_the_last),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
