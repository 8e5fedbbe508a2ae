/* SPDX-License-Identifier: MIT
 *
 * The reporter at work: every span reaches its collector once and in order, or is counted under the
 * reason it did not. (How reporters start and end: test_reporter_life.c.)
 */
#include "reporter_rig.h"
#include <sched.h>

/* --- Delivered ----------------------------------------------------------------------------- */

static void delivers_all_in_order(void **state) {
    (void)state;
    rig_exporters[0].max_bytes = 7 * sizeof(uint64_t);
    rig_append_many(1, 100);
    assert_int_equal(trc_reporters_start(&rig_config), 0); /* what was there goes out at once */
    RIG_WAIT(rig_sinks[0].count == 100 && rig_sinks[1].count == 100);
    rig_append_many(101, 150);
    trc_reporters_wake();
    RIG_WAIT(rig_sinks[0].count == 150 && rig_sinks[1].count == 150);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 1, 150);
    rig_assert_ids(1, 1, 150);
    assert_int_equal(rig_sinks[0].messages, 15 + 8);
    assert_int_equal(rig_sinks[1].messages, 2);
    rig_assert_balanced();
    assert_int_equal(rig_accounts(0).queued, 0);
    assert_int_equal(rig_log.failing + rig_log.working + rig_log.losing, 0);
}

static void sends_when_the_interval_is_over(void **state) {
    (void)state;
    rig_config.flush_interval_ns = 5 * TRC_NS_PER_MS;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    for (uint64_t id = 1; id <= 5; id++) {
        rig_append(0, id, 200);
        RIG_WAIT(rig_sinks[0].count == id && rig_sinks[1].count == id);
    }
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_balanced();
}

static void makes_nothing_while_there_is_nothing(void **state) {
    (void)state;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    trc_reporters_wake();
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_sinks[0].made + rig_sinks[0].attempts, 0);
}

static void drains_only_its_own_worker(void **state) {
    (void)state;
    rig_append_many(1, 3);
    rig_config.worker = 1;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_sinks[0].count, 0);
    assert_int_equal(rig_accounts(0).queued, 3);
}

/* --- Refused for now ----------------------------------------------------------------------- */

static void tries_again_until_taken(void **state) {
    (void)state;
    rig_config.flush_interval_ns = TRC_NS_PER_MS;
    rig_exporters[0].max_bytes = 10 * sizeof(uint64_t);
    rig_sinks[0].refuse = 4;
    rig_append_many(1, 25);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].count == 25 && rig_sinks[1].count == 25);
    rig_set(&rig_sinks[0].refuse, 2); /* and once more: too soon to be said again */
    rig_append_many(26, 30);
    trc_reporters_wake();
    RIG_WAIT(rig_sinks[0].count == 30 && rig_sinks[1].count == 30);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 1, 30);
    rig_assert_ids(1, 1, 30);
    rig_assert_balanced();
    assert_int_equal(rig_accounts(0).retried, 6);
    assert_int_equal(rig_accounts(0).failed, 0);
    assert_int_equal(rig_accounts(1).retried, 0);
    assert_int_equal(set.reporter[0].backoff_ns, 0); /* the next trouble begins anew */
    assert_int_equal(rig_log.failing, 1);
    assert_int_equal(rig_log.working, 1);
}

static void says_what_fails(void **state) {
    (void)state;
    rig_sinks[1].refuse = UINT32_MAX;
    rig_append_many(1, 3);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_log.failing == 1);
    assert_string_equal(rig_log.last,
                        "[tracing] rig+test://1: cannot export: nobody there "
                        "(will try again)\n");
    rig_set(&rig_sinks[1].refuse, 0);
    rig_settle(1);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0); /* tries whether it is time or not */
    rig_assert_ids(1, 1, 3);
    assert_string_equal(rig_log.last, "[tracing] rig+test://1: exports again\n");
}

/* Nothing is made again by a retry: not the number of the message, not a span's account. */
static void leaves_the_cursor_when_refused(void **state) {
    (void)state;
    struct trc_cursor_state before, after;
    rig_exporters[0].max_bytes = 4 * sizeof(uint64_t);
    rig_append(0, 1, TOO_LARGE);
    rig_append(0, 2, 200);
    rig_append(0, 3, TOO_LARGE);
    rig_sinks[0].refuse = 1;
    trc_cursor_get(rig_journal, 0, 0, &before);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_POLL(rig_accounts(0).retried == 1);
    trc_cursor_get(rig_journal, 0, 0, &after);
    assert_int_equal(before.pos, after.pos); /* not over the first, though it is hopeless */
    assert_int_equal(after.failed + after.too_large + after.exported + after.batches, 0);
    rig_settle(0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_accounts(0).exported, 1);
    assert_int_equal(rig_accounts(0).failed, 2);
    assert_int_equal(rig_accounts(0).too_large, 2);
    assert_int_equal(rig_sinks[0].last_sequence, 1);
    rig_assert_balanced();
}

static struct reporter idle_reporter(void) {
    struct reporter r = {
        .exporter = &rig_exporters[0],
        .journal = rig_journal,
        .interval_ns = TRC_NS_PER_S,
    };
    trc_news_init(&r.news, "x", rig_journal, 0);
    return r;
}

/* Between half and all of a time that doubles up to 5 s, and not always the same. */
static void waits_longer_each_time(void **state) {
    (void)state;
    static const unsigned seconds[] = {1, 2, 4, 5, 5, 5};
    uint64_t least = UINT64_MAX, most = 0;
    rig_now_ns = 1000 * TRC_NS_PER_S;
    for (int round = 0; round < 200; round++) {
        struct reporter r = idle_reporter();
        assert_int_equal(trc_random_seed(&r.random), 0);
        assert_int_equal(next_look(&r), rig_now_ns + TRC_NS_PER_S);
        for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
            assert_int_equal(postpone(&r, "why", 0), -EAGAIN);
            uint64_t wait = r.retry_at_ns - rig_now_ns, all = seconds[i] * TRC_NS_PER_S;
            assert_in_range(wait, all / 2, all);
            /* It goes on looking at the ring, and soon if that fills up. */
            assert_int_equal(next_look(&r), rig_now_ns + (i ? TRC_NS_PER_S : wait));
            r.crowded = true;
            assert_int_equal(next_look(&r), rig_now_ns + 50 * TRC_NS_PER_MS);
            r.crowded = false;
            least = i == 5 && wait < least ? wait : least;
            most = i == 5 && wait > most ? wait : most;
        }
    }
    assert_true(most - least > TRC_NS_PER_S);
    struct reporter r = idle_reporter(); /* without random numbers: all of it */
    r.interval_ns = 60 * TRC_NS_PER_S;
    postpone(&r, "why", 0);
    assert_int_equal(next_look(&r), rig_now_ns + 5 * TRC_NS_PER_S); /* soon, all the same */
}

static void waits_as_long_as_it_is_asked_to(void **state) {
    (void)state;
    rig_now_ns = 1000 * TRC_NS_PER_S;
    struct reporter r = idle_reporter();
    postpone(&r, "why", 90 * TRC_NS_PER_S); /* longer than of its own accord... */
    assert_int_equal(r.retry_at_ns, rig_now_ns + 90 * TRC_NS_PER_S);
    assert_int_equal(next_look(&r), rig_now_ns + TRC_NS_PER_S);
    for (int i = 0; i < 5; i++)
        postpone(&r, "why", 0);
    postpone(&r, "why", TRC_NS_PER_MS); /* ...or shorter */
    assert_int_equal(r.retry_at_ns, rig_now_ns + TRC_NS_PER_MS);
    /* Workers that were all told a date do not come back together, and none too soon. */
    uint64_t least = UINT64_MAX, most = 0;
    for (int round = 0; round < 200; round++) {
        r = idle_reporter();
        assert_int_equal(trc_random_seed(&r.random), 0);
        postpone(&r, "why", 0);
        postpone(&r, "why", 90 * TRC_NS_PER_S);
        uint64_t wait = r.retry_at_ns - rig_now_ns;
        assert_in_range(wait, 90 * TRC_NS_PER_S, 91 * TRC_NS_PER_S);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(most - least > TRC_NS_PER_S / 2);
    rig_now_ns = 0;
    rig_config.flush_interval_ns = TRC_NS_PER_MS;
    rig_sinks[0].refuse = 1;
    rig_sinks[0].retry_after_ns = 200 * TRC_NS_PER_MS;
    rig_append_many(1, 3);
    uint64_t begun = trc_clock_mono_ns();
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].count == 3);
    assert_true(trc_clock_mono_ns() - begun >= 200 * TRC_NS_PER_MS);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
}

static void says_news_twice_a_minute_at_most(void **state) {
    (void)state;
    struct trc_news r, other; /* of another worker */
    trc_news_init(&r, "x", rig_journal, 0);
    trc_news_init(&other, "x", rig_journal, 0);
    rig_now_ns = 1000 * TRC_NS_PER_S;
    for (int i = 0; i < 300; i++) { /* 30 s of flapping, ten times a second */
        trc_news_fails(&r, "why", "now");
        trc_news_fails(&other, "why", "now");
        trc_news_works(&other);
        trc_news_works(&r);
        rig_now_ns += 100 * TRC_NS_PER_MS - 1;
    }
    assert_int_equal(rig_log.failing, 1);
    assert_int_equal(rig_log.working, 1);
    rig_now_ns += 300;
    trc_news_fails(&r, "why", "now");
    trc_news_fails(&r, "why", "now");
    assert_int_equal(rig_log.failing, 2);
    rig_now_ns += TRC_NS_PER_S;
    trc_news_works(&r);
    assert_int_equal(rig_log.working, 2);
    trc_news_fails(&r, "why", "now"); /* kept back... */
    assert_int_equal(rig_log.failing, 2);
    rig_now_ns += 30 * TRC_NS_PER_S;
    trc_news_init(&other, "x", rig_journal, 0);
    trc_news_fails(&other, "why", "now"); /* ...and said when it still holds, by whoever comes */
    trc_news_fails(&r, "why", "now");
    assert_int_equal(rig_log.failing, 3);
    trc_news_init(&other, "y", rig_journal, 1);
    trc_news_fails(&other, "why", "now"); /* another exporter's is other news */
    assert_int_equal(rig_log.failing, 4);
}

/* Has worker `w` give up so many more spans. Returns how many it has lost. */
static uint64_t give_up(unsigned w, uint64_t count) {
    struct trc_cursor_state s;
    trc_cursor_get(rig_journal, w, 0, &s);
    s.failed += count;
    trc_cursor_publish(rig_journal, w, 0, &s);
    return s.failed;
}

static void says_what_all_workers_have_lost(void **state) {
    (void)state;
    struct trc_news first, second;
    trc_news_init(&first, "x", rig_journal, 0);
    trc_news_init(&second, "x", rig_journal, 0);
    rig_now_ns = 1000 * TRC_NS_PER_S;
    trc_news_loses(&first, 0);
    assert_int_equal(rig_log.losing, 0);
    uint64_t lost = give_up(0, 3), other = give_up(1, 4);
    trc_news_loses(&first, lost);
    assert_int_equal(rig_log.losing, 1);
    assert_non_null(strstr(rig_log.last,
                           "x: 7 spans lost (in all: 0 dropped because the journal "
                           "was full, 7 given up, 0 of them larger"));
    trc_news_loses(&second, other);
    lost = give_up(0, 10);
    trc_news_loses(&first, lost); /* kept back... */
    assert_int_equal(rig_log.losing, 1);
    rig_now_ns += 30 * TRC_NS_PER_S;
    trc_news_init(&second, "x", rig_journal, 0); /* ...by one that died */
    trc_news_loses(&second, other);
    assert_int_equal(rig_log.losing, 2);
    assert_non_null(strstr(rig_log.last,
                           "x: 10 spans lost (in all: 0 dropped because the journal "
                           "was full, 17 given up"));
    rig_now_ns += 30 * TRC_NS_PER_S;
    trc_news_loses(&first, lost); /* all of it has been told of */
    trc_news_loses(&second, other);
    assert_int_equal(rig_log.losing, 2);
}

/* --- Refused for good ---------------------------------------------------------------------- */

static void counts_what_is_given_up(void **state) {
    (void)state;
    rig_exporters[0].max_bytes = 10 * sizeof(uint64_t);
    rig_sinks[0].give_up = 1;
    rig_append_many(1, 25);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].count == 15 && rig_sinks[1].count == 25);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 11, 25);
    assert_int_equal(rig_accounts(0).failed, 10);
    assert_int_equal(rig_accounts(0).too_large, 0);
    assert_int_equal(rig_sinks[0].stats.failed, 10); /* the agent is told */
    assert_int_equal(rig_log.failing, 1);
    assert_int_equal(rig_log.losing, 1);
    rig_assert_balanced();
}

static void steps_over_what_cannot_be_sent(void **state) {
    (void)state;
    rig_append(0, 901, TOO_LARGE);
    rig_append_many(1, 3);
    rig_append(0, 902, TOO_LARGE);
    struct trc_slot *slot = trc_journal_slot(rig_journal, 0, 1); /* one that is damaged */
    trc_span_clear(&slot->span);
    slot->span.str[TRC_STR_NAME] = (struct trc_str){2000, 9};
    trc_slot_open(slot);
    assert_true(trc_slot_claim(slot));
    trc_journal_append_mp(rig_journal, 0, slot);
    rig_append_many(4, 5);
    rig_append(0, 903, TOO_LARGE);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_POLL(rig_accounts(0).queued == 0 && rig_accounts(1).queued == 0);
    rig_append(0, 904, TOO_LARGE); /* alone: there is nothing to send */
    trc_reporters_wake();
    RIG_POLL(rig_accounts(0).queued == 0 && rig_accounts(1).queued == 0);
    assert_int_equal(rig_sinks[0].messages, 1);
    rig_append(0, 6, 200);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, 1, 6);
    assert_int_equal(rig_accounts(0).failed, 5);
    assert_int_equal(rig_accounts(0).too_large, 4);
    assert_int_equal(rig_sinks[0].stats.too_large, 4);
    assert_int_equal(rig_sinks[0].stats.failed, 1); /* without the large ones: the agent adds up */
    rig_assert_balanced();
}

/* An encoder that has no room even in an empty message must not keep us for ever. */
static void bears_an_encoder_without_room(void **state) {
    (void)state;
    rig_exporters[0].max_bytes = 0;
    rig_append_many(1, 3);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_POLL(rig_accounts(0).queued == 0);
    assert_int_equal(rig_accounts(0).too_large, 3);
}

static void tries_again_when_memory_was_short(void **state) {
    (void)state;
    rig_config.flush_interval_ns = TRC_NS_PER_MS;
    rig_sinks[0].no_encoder = 2;
    rig_sinks[0].no_sender = 2;
    rig_append_many(1, 3);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[0].count == 3 && rig_sinks[1].count == 3);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_log.failing, 1);
    assert_int_equal(rig_log.working, 1);
    assert_int_equal(rig_accounts(0).retried, 0); /* nothing was sent */
    rig_assert_balanced();
}

/* --- Taken in part ------------------------------------------------------------------------- */

static void counts_what_is_rejected(void **state) {
    (void)state;
    char error[TRC_LAST_ERROR_MAX];
    rig_exporters[0].max_bytes = 10 * sizeof(uint64_t);
    rig_sinks[0].reject = 3;
    rig_sinks[0].says = "too old";
    rig_append_many(1, 22); /* the last message has 2: no more of them can be rejected */
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_POLL(rig_accounts(0).queued == 0);
    RIG_WAIT(rig_log.losing == 1);
    assert_int_equal(rig_accounts(0).exported, 14);
    assert_int_equal(rig_accounts(0).failed, 8);
    assert_int_equal(rig_accounts(0).rejected, 8);
    assert_int_equal(rig_accounts(0).retried, 0);
    assert_true(trc_journal_last_error(rig_journal, 0, 0, error));
    assert_string_equal(error, "2 of 2 spans rejected: too old");
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_log.failing, 1);
    assert_int_equal(rig_log.warning, 0);
    assert_int_equal(rig_sinks[0].stats.failed, 6); /* as told with the last message */
    rig_assert_balanced();
}

static void passes_on_a_warning(void **state) {
    (void)state;
    char error[TRC_LAST_ERROR_MAX];
    rig_exporters[0].max_bytes = 10 * sizeof(uint64_t);
    rig_sinks[0].says = "soon gone";
    rig_append_many(1, 30);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_POLL(rig_accounts(0).queued == 0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    assert_int_equal(rig_accounts(0).exported, 30);
    assert_int_equal(rig_log.warning, 1);
    assert_int_equal(rig_log.failing + rig_log.losing, 0);
    assert_string_equal(rig_log.last, "[tracing] rig+test://0: the collector warns: soon gone\n");
    assert_false(trc_journal_last_error(rig_journal, 0, 0, error));
    rig_assert_balanced();
}

/* --- A collector that hangs ---------------------------------------------------------------- */

/* While it does, the ring is kept from filling up; what it took after all is counted as taken. */
static void lets_go_of_what_is_on_its_way(void **state) {
    (void)state;
    enum { SPANS = 5000, RING = TRC_RING_BYTES_MIN / (TRC_SPAN_FIXED + TRC_RECORD_HEAD) };
    for (int taken = 0; taken < 3; taken++) { /* refused, taken, given up */
        rig_exporters[0].max_bytes = 20 * sizeof(uint64_t);
        rig_sinks[0].hang = rig_sinks[0].asks = true;
        rig_append(0, 1, TOO_LARGE);
        rig_append_many(2, 10);
        assert_int_equal(trc_reporters_start(&rig_config), 0);
        RIG_WAIT(rig_sinks[0].hanging);
        for (uint64_t id = 11; id <= SPANS; id++) {
            if (id % 10 == 0)
                RIG_POLL(rig_accounts(0).queued < RING * 9 / 10 &&
                         rig_accounts(1).queued < RING / 2);
            if (rig_append(0, id, 200))
                trc_reporters_wake();
        }
        struct trc_accounts during = rig_accounts(0);
        assert_int_equal(rig_sinks[0].attempts, 1); /* still the first */
        assert_int_equal(during.sampled,
                         during.dropped + during.queued); /* a death now is no loss of books */
        rig_set(&rig_sinks[0].refuse, taken == 0);
        rig_set(&rig_sinks[0].give_up, taken == 2);
        rig_hang(0, false);
        RIG_POLL(rig_accounts(0).retried + rig_accounts(0).batches + rig_accounts(0).failed > 0);
        rig_settle(0); /* or the refusal would have been its last try */
        assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
        struct trc_accounts a = rig_accounts(0);
        assert_int_equal(a.retried, taken == 0);
        assert_int_equal(a.too_large, taken != 0);
        assert_int_equal(a.failed, taken == 0 ? 0 : taken == 1 ? 1 : 10);
        assert_int_equal(a.queued, 0);
        assert_true(a.dropped + (taken ? 10 : 0) >= during.dropped);
        if (taken == 1)
            assert_int_equal(rig_sinks[0].id[0], 2); /* of the first message, and so on */
        assert_true(rig_sinks[0].count < SPANS);
        assert_int_equal(rig_sinks[1].count, SPANS - 1); /* nobody was starved */
        rig_assert_balanced();
        rig_teardown(state);
        assert_int_equal(rig_setup(state), 0);
    }
}

/* --- A ring that is full ------------------------------------------------------------------- */

/* A dead exporter passes over its oldest spans long before it may try to send again, and gives the
 * live one room. */
static void starves_nobody(void **state) {
    (void)state;
    enum { SPANS = 5000, RING = TRC_RING_BYTES_MIN / (TRC_SPAN_FIXED + TRC_RECORD_HEAD) };
    rig_sinks[0].refuse = UINT32_MAX;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    for (uint64_t id = 1; id <= SPANS; id++) {
        if (id % 10 == 0) /* spans come no faster than threads are woken, however small the ring */
            RIG_POLL(rig_accounts(0).queued < RING * 9 / 10 && rig_accounts(1).queued < RING / 2);
        if (rig_append(0, id, 200))
            trc_reporters_wake();
    }
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(1, 1, SPANS);
    struct trc_accounts a = rig_accounts(0);
    assert_int_equal(a.exported, 0);
    assert_true(a.dropped > 0 && a.queued > 0);
    assert_true(rig_sinks[0].attempts < 10); /* and it did not hammer at the collector */
    assert_true(rig_log.losing <= 1);
    rig_assert_balanced();
    rig_set(&rig_sinks[0].refuse, 0);
    assert_int_equal(trc_reporters_start(&rig_config), 0); /* as the next worker does */
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(0, SPANS - a.queued + 1, SPANS); /* the newest, in order */
    assert_int_equal(rig_sinks[0].stats.full_queue, a.dropped);
    rig_assert_balanced();
}

/* While a dead exporter holds the ring above half its producers do not ring. */
static void hurries_the_others(void **state) {
    (void)state;
    uint64_t id = 1;
    rig_sinks[0].refuse = UINT32_MAX;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    while (!rig_append(0, id, 200))
        id++;
    trc_reporters_wake();
    RIG_WAIT(rig_sinks[1].count == id);
    for (int i = 0; i < 10; i++)
        assert_false(rig_append(0, ++id, 200));
    RIG_WAIT(rig_sinks[1].count == id); /* its own interval is a minute */
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    rig_assert_ids(1, 1, id);
}

/* So it is while its collector hangs. */
static void hurries_the_others_while_it_hangs(void **state) {
    (void)state;
    uint64_t id = 1;
    rig_sinks[0].hang = rig_sinks[0].asks = true;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    while (!rig_append(0, id, 200))
        id++;
    trc_reporters_wake();
    RIG_WAIT(rig_sinks[0].hanging && rig_sinks[1].count == id);
    for (int i = 0; i < 10; i++)
        assert_false(rig_append(0, ++id, 200));
    RIG_WAIT(rig_sinks[1].count == id);
    assert_int_equal(rig_stop(100 * TRC_NS_PER_MS), 0);
    rig_assert_ids(1, 1, id);
}

static void tells_the_agent_of_drops(void **state) {
    (void)state;
    rig_append_many(1, 1000); /* more than the ring holds, and nobody reads */
    uint64_t dropped = rig_accounts(1).dropped, queued = rig_accounts(1).queued;
    assert_true(dropped > 0);
    assert_int_equal(dropped + queued, 1000);
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    RIG_WAIT(rig_sinks[1].count > 0);
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    /* It also passes over a quarter of the ring, as any reporter so far behind. */
    struct trc_accounts a = rig_accounts(1);
    assert_int_equal(rig_sinks[1].stats.full_queue, a.dropped);
    assert_int_equal(a.exported + a.dropped, 1000);
    rig_assert_balanced();
}

/* --- All at once --------------------------------------------------------------------------- */

enum { PRODUCERS = 3, EACH = 60000 };

static void *produce(void *arg) {
    uint64_t core = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 1; i <= EACH; i++) {
        if (rig_append((unsigned)core, core << 32 | i, 200))
            trc_reporters_wake();
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

static void keeps_order_while_cores_write(void **state) {
    (void)state;
    pthread_t thread[PRODUCERS];
    rig_config.flush_interval_ns = TRC_NS_PER_MS;
    rig_exporters[0].max_bytes = 33 * sizeof(uint64_t);
    rig_sinks[1].refuse = 3;
    rig_sinks[1].give_up = 3;
    assert_int_equal(trc_reporters_start(&rig_config), 0);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, produce, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(thread[i], NULL);
    RIG_POLL(rig_accounts(1).retried == 3);
    rig_settle(1); /* as above */
    assert_int_equal(rig_stop(RIG_PATIENCE_NS), 0);
    for (unsigned e = 0; e < RIG_EXPORTERS; e++) {
        uint64_t last[PRODUCERS + 1] = {0};
        for (size_t i = 0; i < rig_sinks[e].count; i++) {
            uint64_t id = rig_sinks[e].id[i], core = id >> 32;
            assert_in_range(core, 1, PRODUCERS);
            assert_true((id & UINT32_MAX) > last[core]); /* in order, so none twice */
            last[core] = id & UINT32_MAX;
        }
        assert_int_equal(rig_accounts(e).sampled, PRODUCERS * EACH);
        assert_int_equal(rig_accounts(e).queued, 0);
    }
    assert_int_equal(rig_accounts(1).retried, 3);
    rig_assert_balanced();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(delivers_all_in_order),
        RIG_TEST(sends_when_the_interval_is_over),
        RIG_TEST(makes_nothing_while_there_is_nothing),
        RIG_TEST(drains_only_its_own_worker),
        RIG_TEST(tries_again_until_taken),
        RIG_TEST(says_what_fails),
        RIG_TEST(leaves_the_cursor_when_refused),
        RIG_TEST(waits_longer_each_time),
        RIG_TEST(waits_as_long_as_it_is_asked_to),
        RIG_TEST(says_news_twice_a_minute_at_most),
        RIG_TEST(says_what_all_workers_have_lost),
        RIG_TEST(counts_what_is_given_up),
        RIG_TEST(steps_over_what_cannot_be_sent),
        RIG_TEST(bears_an_encoder_without_room),
        RIG_TEST(tries_again_when_memory_was_short),
        RIG_TEST(counts_what_is_rejected),
        RIG_TEST(passes_on_a_warning),
        RIG_TEST(lets_go_of_what_is_on_its_way),
        RIG_TEST(starves_nobody),
        RIG_TEST(hurries_the_others),
        RIG_TEST(hurries_the_others_while_it_hangs),
        RIG_TEST(tells_the_agent_of_drops),
        RIG_TEST(keeps_order_while_cores_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
