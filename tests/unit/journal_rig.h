/* SPDX-License-Identifier: MIT
 *
 * What the tests of the journal stand on: one of two workers with four cores, spans in it, a
 * reader.
 */
#ifndef TESTS_JOURNAL_RIG_H
#define TESTS_JOURNAL_RIG_H

#include "killed.h"
#include "tracing/journal.h"
#include "unit.h"

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

#endif
