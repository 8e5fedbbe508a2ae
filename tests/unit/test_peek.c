/* SPDX-License-Identifier: MIT
 *
 * Reading a slot while its core goes on: never a mixture of two requests, never a wait, and a
 * reader may die at it. What ThreadSanitizer says of it is half of this test.
 */
#include "killed.h"
#include "tracing/clock.h"
#include "tracing/journal.h"
#include "unit.h"
#include <pthread.h>

static struct trc_journal *journal;
static struct trc_slot *slot;
static struct trc_span seen;

static int setup(void **state) {
    (void)state;
    struct trc_journal_config config = {1, 1, 1, 1};
    int rc = trc_journal_new(&journal, &config);
    slot = rc ? NULL : trc_journal_slot(journal, 0, 0);
    return rc;
}

static int teardown(void **state) {
    (void)state;
    trc_journal_free(journal);
    return 0;
}

/* A request all of whose parts tell its number: a path of as many letters of one kind as that says.
 */
static size_t path_len(uint64_t id) {
    return 1 + id % 900;
}

static char path_letter(uint64_t id) {
    return (char)('a' + id % 26);
}

static void begin(uint64_t id) {
    struct trc_span *span = trc_slot_fresh(slot);
    char path[1024];
    trc_span_clear(span);
    span->trace_hi = span->trace_lo = span->span_id = id;
    span->parent_id = ~id;
    span->start_unix_ns = id + 1;
    span->start_mono_ns = id + 2;
    span->flags = (uint8_t)(id & 1);
    span->worker = span->core = (uint16_t)id;
    memset(path, path_letter(id), sizeof(path));
    trc_span_set(span, TRC_STR_METHOD, TRC_SLICE("GET"), TRC_SPAN_TOKEN_MAX);
    trc_span_set(span, TRC_STR_PATH, (struct trc_slice){path, path_len(id)}, TRC_SPAN_PATH_MAX);
    trc_span_set(span, TRC_STR_USER_AGENT, TRC_SLICE("agent"), TRC_SPAN_TEXT_MAX);
    trc_slot_open(slot);
}

/* As trc_tracer_end. */
static void end(void) {
    struct trc_span *span = trc_slot_span(slot);
    assert_true(trc_slot_claim(slot));
    span->duration_ns = span->response_bytes = span->request_bytes = span->span_id;
    span->status = 200;
    span->error = 1;
    trc_span_set(span, TRC_STR_APP, TRC_SLICE("/mounted"), TRC_SPAN_TEXT_MAX);
    trc_journal_append_mp(journal, 0, slot);
}

/* Is *span what a request said of itself, and nothing else? */
static bool is_whole(const struct trc_span *span) {
    const uint64_t id = span->span_id;
    const struct trc_slice path = trc_span_get(span, TRC_STR_PATH);
    bool whole = span->trace_hi == id && span->trace_lo == id && span->parent_id == ~id &&
                 span->start_unix_ns == id + 1 && span->start_mono_ns == id + 2 &&
                 span->flags == (id & 1) && span->worker == (uint16_t)id &&
                 span->core == (uint16_t)id && path.len == path_len(id) &&
                 trc_slice_equal(trc_span_get(span, TRC_STR_METHOD), TRC_SLICE("GET"));
    for (size_t i = 0; whole && i < path.len; i++)
        whole = path.p[i] == path_letter(id);
    return whole && !span->duration_ns && !span->status && !span->error &&
           !trc_span_get(span, TRC_STR_APP).p;
}

/* Ticks off what is in the ring; returns the last span's id. All spans must be whole. */
static uint64_t drain(void) {
    struct trc_cursor_state s;
    const struct trc_span *span;
    uint64_t next, pos, last = 0;
    trc_cursor_get(journal, 0, 0, &s);
    for (pos = s.pos; (span = trc_journal_read(journal, 0, &pos, &next)); pos = next) {
        assert_true(trc_span_check(span, next - pos - TRC_RECORD_HEAD));
        assert_int_equal(span->duration_ns, span->span_id);
        assert_int_equal(trc_span_get(span, TRC_STR_PATH).len, path_len(span->span_id));
        assert_int_equal(trc_span_get(span, TRC_STR_PATH).p[0], path_letter(span->span_id));
        last = span->span_id;
        s.exported++;
    }
    s.pos = pos;
    trc_cursor_publish(journal, 0, 0, &s);
    return last;
}

static void only_an_open_span_is_seen(void **state) {
    (void)state;
    assert_false(trc_slot_peek(slot, &seen));
    begin(42);
    assert_true(trc_slot_peek(slot, &seen));
    assert_int_equal(seen.span_id, 42);
    assert_true(is_whole(&seen));
    trc_span_seal(&seen);
    assert_true(trc_span_check(&seen, seen.size));
    assert_true(trc_slot_claim(slot));
    assert_false(trc_slot_peek(slot, &seen)); /* its end is being written */
    trc_journal_append_mp(journal, 0, slot);
    assert_false(trc_slot_peek(slot, &seen));
}

/* A reader that is held up for good: requests come and go, each of them whole, and never in the
 * span that it is at. */
static void a_reader_holds_up_nobody(void **state) {
    (void)state;
    begin(1);
    atomic_store(&slot->reading, 1);
    const struct trc_span held = slot->span;
    end();
    for (uint64_t id = 2; id < 10; id++) {
        begin(id);
        assert_ptr_equal(trc_slot_span(slot), &slot->other);
        assert_int_equal(slot->span.span_id, held.span_id);
        end();
        assert_int_equal(drain(), id);
    }
    /* It has come to its end: the core keeps the span it has, and that one is read, too. */
    atomic_store(&slot->reading, 0);
    begin(11);
    assert_ptr_equal(trc_slot_span(slot), &slot->other);
    assert_true(trc_slot_peek(slot, &seen));
    assert_int_equal(seen.span_id, 11);
    assert_true(is_whole(&seen));
    /* A reader of this one makes the core go back. */
    atomic_store(&slot->reading, 2);
    end();
    begin(12);
    assert_ptr_equal(trc_slot_span(slot), &slot->span);
    end();
    assert_int_equal(drain(), 12);
}

/* --- Beside a core that runs ---------------------------------------------------------------------
 */

static _Atomic bool stop;

static void *serve(void *arg) {
    uint64_t *turns = arg;
    uint32_t turn = 0;
    for (uint64_t id = 1; !atomic_load(&stop); id++) {
        begin(id);
        *turns += atomic_load(&slot->turn) != turn;
        turn = atomic_load(&slot->turn);
        end();
        drain();
    }
    return NULL;
}

/* Until the core had to turn to its other span often enough: then it began a request in the middle
 * of a copy of the one before. */
static void a_copy_is_never_torn(void **state) {
    (void)state;
    const uint64_t give_up = trc_clock_mono_ns() + 30 * TRC_NS_PER_S;
    uint64_t turns = 0, copies = 0, looks = 0;
    uint32_t turn = 0, turned = 0;
    pthread_t thread;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, serve, &turns), 0);
    for (; (turned < 50 || copies < 50000) && trc_clock_mono_ns() < give_up; looks++) {
        if (trc_slot_peek(slot, &seen)) {
            copies++;
            assert_true(is_whole(&seen));
        }
        turned += atomic_load(&slot->turn) != turn;
        turn = atomic_load(&slot->turn);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    print_message("%llu looks, %llu copies, %llu turns\n", (unsigned long long)looks,
                  (unsigned long long)copies, (unsigned long long)turns);
    assert_in_range(copies, 1000, UINT64_MAX);
    assert_in_range(turns, 1, UINT64_MAX);
}

/* --- Killed
 * --------------------------------------------------------------------------------------- */

#if defined(__SANITIZE_THREAD__)
#define STEPS 0 /* its own instructions are a thousand times ours, and there is one thread */
#elif defined(__SANITIZE_ADDRESS__)
#define STEPS 997
#else
#define STEPS 3
#endif

static void look(void) {
    (void)trc_slot_peek(slot, &seen);
}

static void each_instruction_of_a_reader_can_be_the_last(void **state) {
    (void)state;
    bool killed = true, held = false;
    uint64_t id = 1;
    if (STEPS == 0)
        skip();
    for (unsigned n = 0; killed; n += STEPS) {
        begin(id);
        killed = killed_after(n, look);
        held |= atomic_load(&slot->reading) != 0;
        end();
        assert_int_equal(drain(), id++);
        begin(id); /* before anybody has put anything right */
        end();
        assert_int_equal(drain(), id++);
        trc_journal_recover(journal, 0, 9000);
        assert_int_equal(atomic_load(&slot->reading), 0);
        begin(id);
        assert_true(trc_slot_peek(slot, &seen));
        assert_true(is_whole(&seen));
        end();
        assert_int_equal(drain(), id++);
    }
    assert_true(held);
}

/* What the dead worker's core had open is recovered from whichever span that is. */
static void recovery_knows_the_turn(void **state) {
    (void)state;
    uint64_t pos = 0, next;
    begin(1);
    atomic_store(&slot->reading, 1);
    end();
    drain();
    begin(2);
    assert_int_equal(trc_journal_recover(journal, 0, 9000), 1);
    trc_journal_read(journal, 0, &pos, &next);
    struct trc_cursor_state s;
    trc_cursor_get(journal, 0, 0, &s);
    pos = s.pos;
    const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
    assert_non_null(span);
    assert_int_equal(span->span_id, 2);
    assert_int_equal(span->outcome, TRC_OUTCOME_KILLED);
    assert_int_equal(span->duration_ns, 9000 - 4);
}

/* What the watcher has on its way is recovered and counted as what a core has. */
static void the_watchers_slot_is_recovered(void **state) {
    (void)state;
    struct trc_accounts a;
    slot = trc_journal_watcher_slot(journal, 0);
    assert_ptr_equal(slot, trc_journal_slot(journal, 0, 0) + 2);
    begin(7);
    end();
    begin(8);
    trc_journal_recover(journal, 0, 9000);
    trc_journal_accounts(journal, -1, 0, &a);
    assert_int_equal(a.sampled, 2);
    assert_int_equal(a.queued, 2);
    assert_int_equal(a.recovered, 1);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_an_open_span_is_seen), TEST(a_reader_holds_up_nobody),
        TEST(a_copy_is_never_torn),      TEST(each_instruction_of_a_reader_can_be_the_last),
        TEST(recovery_knows_the_turn),   TEST(the_watchers_slot_is_recovered),
    };
    return cmocka_run_group_tests_name("peek", tests, NULL, NULL);
}
