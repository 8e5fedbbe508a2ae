/* SPDX-License-Identifier: MIT
 *
 * What the tests of the journal in a file stand on: a directory for one, instances that die and
 * follow each other, and what they find.
 */
#ifndef TESTS_JOURNAL_FILE_RIG_H
#define TESTS_JOURNAL_FILE_RIG_H

#include "tracing/journal.h"
#include "unit.h"
#include <signal.h>
#include <sys/stat.h>

static char dir[64], path[80], new_path[96], bad_path[96], why[TRC_JOURNAL_TEXT_MAX];
static struct trc_journal *journal;
static struct trc_journal_found found;
static struct trc_journal_config config;
static struct trc_journal_file file;

static int setup(void **state) {
    (void)state;
    snprintf(dir, sizeof(dir), "%s/trc-journal-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/journal", dir);
    snprintf(new_path, sizeof(new_path), "%s.new", path);
    snprintf(bad_path, sizeof(bad_path), "%s.bad", path);
    config = (struct trc_journal_config){2, 3, 2, 1};
    file = (struct trc_journal_file){path, (uid_t)-1, (gid_t)-1, {11, 22}};
    journal = NULL;
    umask(0);
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    trc_journal_free(journal);
    unlink(path);
    unlink(new_path);
    unlink(bad_path);
    return rmdir(dir);
}

static int try_open(void) {
    return trc_journal_open(&journal, &config, &file, &found, why);
}

static void must_open(void) {
    assert_int_equal(try_open(), 0);
    assert_int_not_equal(access(new_path, F_OK), 0);
}

/* The instance dies, whatever it was doing, and the next one starts. */
static void die(void) {
    trc_journal_free(journal);
    journal = NULL;
}

static void next_instance(void) {
    die();
    must_open();
}

static struct trc_slot *open_slot(unsigned worker, unsigned core, uint64_t id) {
    static const char text[1024];
    struct trc_slot *slot = trc_journal_slot(journal, worker, core);
    trc_span_clear(&slot->span);
    slot->span.span_id = id;
    slot->span.start_mono_ns = 1000;
    trc_span_set(&slot->span, TRC_STR_URL, (struct trc_slice){text, id * 7 % 300}, 1024);
    trc_slot_open(slot);
    return slot;
}

static void append(unsigned worker, uint64_t id) {
    struct trc_slot *slot = open_slot(worker, 0, id);
    assert_true(trc_slot_claim(slot));
    trc_journal_append_mp(journal, worker, slot);
}

static void append_many(unsigned worker, uint64_t first, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        append(worker, first + i);
}

/* Has the exporter deliver up to `max` spans of the worker's. Returns how many, in ids[]. */
static unsigned deliver(unsigned worker, unsigned exporter, uint64_t *ids, unsigned max) {
    struct trc_cursor_state s;
    const struct trc_span *span;
    uint64_t next;
    unsigned count = 0;
    trc_cursor_get(journal, worker, exporter, &s);
    for (uint64_t pos = s.pos;
         count < max && (span = trc_journal_read(journal, worker, &pos, &next)); pos = next) {
        assert_true(trc_span_check(span, next - pos - TRC_RECORD_HEAD));
        if (ids)
            ids[count] = span->span_id;
        count++;
        s.pos = next;
    }
    s.exported += count;
    trc_cursor_publish(journal, worker, exporter, &s);
    return count;
}

/* The exporter is given exactly these, in this order. */
static void assert_delivers(unsigned worker, unsigned exporter, uint64_t first, unsigned count) {
    uint64_t ids[1024];
    assert_int_equal(deliver(worker, exporter, ids, 1024), count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(ids[i], first + i);
}

static struct trc_accounts accounts(unsigned exporter) {
    struct trc_accounts a;
    trc_journal_accounts(journal, -1, exporter, &a);
    assert_int_equal(a.sampled, a.exported + a.failed + a.dropped + a.lost + a.queued);
    return a;
}

static void assert_balanced(void) {
    for (unsigned e = 0; e < config.exporters; e++)
        accounts(e);
}

static void assert_found(uint64_t taken, uint64_t running, uint64_t lost, uint64_t dropped,
                         uint64_t unasked) {
    assert_int_equal(found.taken, taken);
    assert_int_equal(found.running, running);
    assert_int_equal(found.lost, lost);
    assert_int_equal(found.dropped, dropped);
    assert_int_equal(found.unasked, unasked);
    assert_false(found.set_aside);
    assert_balanced();
}

#endif
