/* SPDX-License-Identifier: MIT
 *
 * The journal in a file: what is made of one that was damaged.
 */
#include "../../plugin/trace/journal_internal.h"
#include "journal_file_rig.h"
#include <fcntl.h>

static char *image; /* the bytes of a file that was left behind */
static size_t image_bytes;

static void read_image(void) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image_bytes = (size_t)st.st_size;
    image = malloc(image_bytes);
    assert_non_null(image);
    assert_int_equal(read(fd, image, image_bytes), image_bytes);
    close(fd);
}

static void write_image(const char *bytes, size_t len) {
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* A bit of everything: laps, holes, spans that are open, ended and half appended. */
static void leave_a_file(void) {
    void *at;
    must_open();
    for (unsigned i = 0; i < 30; i++) {
        append_many(0, 1, 20);
        append_many(1, 1, 3);
        deliver(0, 0, NULL, 20);
        deliver(0, 1, NULL, 18);
        deliver(1, i % 2, NULL, 2);
    }
    trc_journal_reserve_mp(journal, 0, 400, &at);
    append_many(0, 1, 5);
    open_slot(0, 1, 9);
    trc_slot_claim(open_slot(1, 1, 9));
    struct trc_slot *slot = open_slot(1, 2, 9);
    trc_span_seal(&slot->span);
    atomic_store(&slot->state, TRC_SLOT_ENDED);
    atomic_store(&slot->pos, trc_journal_reserve_mp(journal, 1, slot->span.size, &at));
    die();
    read_image();
}

static void assert_set_aside(const char *says) {
    must_open();
    assert_true(found.set_aside);
    if (!strstr(why, says))
        fail_msg("'%s' says nothing of '%s'", why, says);
    assert_int_equal(accounts(0).sampled, 0);
    assert_int_equal(access(bad_path, F_OK), 0);
    die();
}

static void a_file_of_another_kind_is_set_aside(void **state) {
    (void)state;
    leave_a_file();
    struct identity *id = (struct identity *)image, good = *id;
    struct {
        size_t offset;
        const char *says;
    } fields[] = {
        {offsetof(struct identity, magic), "not a journal"},
        {offsetof(struct identity, format), "another version"},
        {offsetof(struct identity, header_bytes), "another version"},
        {offsetof(struct identity, block_bytes), "another version"},
        {offsetof(struct identity, slot_bytes), "another version"},
        {offsetof(struct identity, span_bytes), "another version"},
        {offsetof(struct identity, workers), "header is damaged"},
        {offsetof(struct identity, cores), "header is damaged"},
        {offsetof(struct identity, exporters), "header is damaged"},
        {offsetof(struct identity, ring_bytes), "header is damaged"},
        {offsetof(struct identity, exporter_id), "header is damaged"},
        {offsetof(struct identity, key), "header is damaged"},
        {offsetof(struct identity, sum), "header is damaged"},
    };
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        *id = good;
        image[fields[i].offset] ^= 0x10;
        write_image(image, image_bytes);
        assert_set_aside(fields[i].says);
    }
    /* With the right sum over it. */
    static const struct identity odd[] = {
        {.workers = 0},        {.workers = UINT16_MAX + 1},
        {.cores = 0},          {.cores = UINT32_MAX},
        {.exporters = 9},      {.ring_bytes = 1},
        {.ring_bytes = 65537}, {.ring_bytes = 1u << 31},
    };
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        *id = good;
        if (i < 2)
            id->workers = odd[i].workers;
        else if (i < 4)
            id->cores = odd[i].cores;
        else if (i < 5)
            id->exporters = odd[i].exporters;
        else
            id->ring_bytes = odd[i].ring_bytes;
        id->sum = trc_identity_sum(id);
        write_image(image, image_bytes);
        assert_set_aside("header is damaged");
    }
    *id = good;
    for (size_t len = 1; len < image_bytes; len = len * 3 + 1) {
        write_image(image, len);
        assert_set_aside(len < sizeof(*id) ? "ends too soon" : "bytes instead of");
    }
    static const char text[] = "#!/bin/sh\n# somebody else's file, which must not be lost\n";
    write_image(text, sizeof(text));
    assert_set_aside("ends too soon");
    free(image);
}

static void a_damaged_head_or_cursor_is_set_aside(void **state) {
    (void)state;
    leave_a_file();
    must_open(); /* for a handle to find places by; the file is another one by now */
    size_t head = (size_t)((char *)&block_of(journal, 1)->head - (char *)journal->header);
    uint64_t values[] = {1, 8, UINT64_MAX - 7, UINT64_MAX};
    for (unsigned i = 0; i < 4; i++) {
        char *bytes = malloc(image_bytes);
        assert_non_null(bytes);
        memcpy(bytes, image, image_bytes);
        die();
        memcpy(bytes + head, &values[i], 8);
        write_image(bytes, image_bytes);
        assert_set_aside("head of ring 2 is damaged");
        free(bytes);
    }
    free(image);
}

/* Of the first ring's first records, and of what is behind them. */
static void get_positions(uint64_t *at, unsigned count) {
    uint64_t pos = 0;
    at[0] = 0;
    for (unsigned i = 0; i < count; i++, pos = at[i])
        assert_non_null(trc_journal_read(journal, 0, &pos, &at[i + 1]));
}

static void a_damaged_span_is_lost_alone(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 20);
    uint64_t at[21];
    get_positions(at, 20);
    /* A byte of its content, which no rule of form tells from another; its stamp; its length. */
    ((char *)record_at(journal, 0, at[5]))[TRC_RECORD_HEAD + TRC_SPAN_FIXED] ^= 1;
    ((char *)record_at(journal, 0, at[9]))[0] ^= 1;
    record_at(journal, 0, at[13])->len += 8;
    record_at(journal, 0, at[16])->len = UINT32_MAX;
    next_instance();
    assert_found(16, 0, 4, 0, 0);
    assert_int_equal(accounts(0).lost, 4);
    uint64_t ids[20];
    assert_int_equal(deliver(0, 0, ids, 20), 16);
    assert_int_equal(ids[4], 5);
    assert_int_equal(ids[5], 7);
    assert_balanced();
}

static void a_damaged_slot_is_lost_alone(void **state) {
    (void)state;
    must_open();
    open_slot(0, 0, 1)->span.arena_len = UINT16_MAX;
    open_slot(0, 1, 2)->span.str[3].off = UINT16_MAX;
    open_slot(0, 2, 3);
    atomic_store(&open_slot(1, 0, 4)->state, 77);
    next_instance();
    assert_found(1, 1, 3, 0, 0);
    assert_delivers(0, 0, 3, 1);
}

/* --- Less than padding has room for ----------------------------------------------------------- */

static void put_cursors(uint64_t pos) {
    for (unsigned e = 0; e < 2; e++) {
        struct trc_cursor_state s;
        trc_cursor_get(journal, 0, e, &s);
        s.pos = pos;
        trc_cursor_publish(journal, 0, e, &s);
    }
}

static void a_word_before_a_head(void **state) {
    (void)state;
    uint64_t ids[4];
    must_open();
    append_many(0, 1, 3);
    open_slot(0, 1, 4);
    block_of(journal, 0)->head += 8;
    next_instance(); /* the last record goes with it, and what is appended has a place of its own */
    assert_found(3, 1, 1, 0, 0);
    assert_int_equal(deliver(0, 0, ids, 4), 3);
    assert_int_equal(ids[1], 2);
    assert_int_equal(ids[2], 4);
    deliver(0, 1, NULL, 3);
    block_of(journal, 0)->head += 8; /* there is none to go with it */
    die();
    assert_set_aside("head of ring 1 is damaged");
}

/* The word's padding would reach over the ring's end, where the first record begins. */
static void a_word_before_the_head_of_a_full_ring(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 1000);
    uint64_t queued = accounts(0).queued, head = trc_journal_head(journal, 0);
    uint32_t left = (uint32_t)(TRC_RING_BYTES_MIN - head);
    struct record *last = record_at(journal, 0, head);
    void *at;
    assert_int_equal(trc_journal_reserve_mp(journal, 0, left - TRC_RECORD_HEAD, &at), head);
    *last = (struct record){stamp_of(journal, head), left - TRC_RECORD_HEAD - 8, RECORD_PAD};
    next_instance();
    assert_found(queued, 0, 1, 0, 0);
    assert_int_equal(deliver(0, 0, NULL, UINT32_MAX), queued);
}

/* The hole takes the record with it, before anybody takes that for committed. */
static void a_word_before_a_record(void **state) {
    (void)state;
    uint64_t at[5];
    must_open();
    append_many(0, 1, 4);
    get_positions(at, 4);
    struct trc_slot *slot = trc_journal_slot(journal, 0, 0);
    atomic_store(&slot->pos, at[3]); /* killed before it was counted: its slot has the span, too */
    atomic_store(&slot->counters.sampled, slot->sampled_before);
    atomic_store(&slot->state, TRC_SLOT_ENDED);
    put_cursors(at[3] - 8);
    next_instance();
    assert_found(1, 1, 0, 0, 0);
    assert_delivers(0, 0, 4, 1);
}

/* --- Anything --------------------------------------------------------------------------------- */

/* Somewhere, somehow. */
static size_t damage(char *bytes) {
    size_t len = image_bytes, control = image_bytes - 2 * TRC_RING_BYTES_MIN;
    unsigned times = 1 + (unsigned)random() % 8;
    for (unsigned i = 0; i < times; i++) {
        /* The rings are most of it, and the head has what hurts. */
        size_t at = (size_t)random() % (random() % 2 ? len : control);
        size_t some = 1 + (size_t)random() % (random() % 2 ? 8 : 6000);
        if (some > len - at)
            some = len - at;
        switch (random() % 5) {
        case 0:
            bytes[at] ^= (char)(1 << random() % 8);
            break;
        case 1:
            memset(bytes + at, random() % 2 ? 0 : 0xff, some);
            break;
        case 2:
            memmove(bytes + at, bytes + (size_t)random() % (len - some), some);
            break;
        case 3:
            for (size_t k = 0; k < some; k++)
                bytes[at + k] = (char)random();
            break;
        default: /* a number that was there, and another one near it */
            at &= ~(size_t)7;
            uint64_t word;
            memcpy(&word, bytes + at, 8);
            word += (uint64_t)(random() % 64 - 32) * 8;
            memcpy(bytes + at, &word, 8);
        }
    }
    if (random() % 4) { /* else next to nothing gets past the identity when that is hit */
        struct identity *id = (struct identity *)bytes;
        id->sum = trc_identity_sum(id);
    }
    return random() % 50 ? len : (size_t)random() % len;
}

static void ten_thousand_damages(void **state) {
    (void)state;
    unsigned seed = (unsigned)getpid(), believed = 0, rounds = 10000;
#if defined(__SANITIZE_THREAD__)
    rounds = 500;
#endif
    print_message("seed %u\n", seed);
    srandom(seed);
    leave_a_file();
    char *bytes = malloc(image_bytes);
    assert_non_null(bytes);
    for (unsigned i = 0; i < rounds; i++) {
        memcpy(bytes, image, image_bytes);
        write_image(bytes, damage(bytes));
        must_open();
        believed += !found.set_aside;
        for (unsigned w = 0; w < 2; w++)
            for (unsigned e = 0; e < 2; e++)
                deliver(w, e, NULL, UINT32_MAX);
        assert_balanced();
        append(1, 1); /* and it works */
        assert_delivers(1, 0, 1, 1);
        die();
    }
    print_message("%u of %u were believed, but for what was damaged\n", believed, rounds);
    assert_in_range(believed, rounds / 10, rounds - rounds / 100);
    free(bytes);
    free(image);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_of_another_kind_is_set_aside),
        TEST(a_damaged_head_or_cursor_is_set_aside),
        TEST(a_damaged_span_is_lost_alone),
        TEST(a_damaged_slot_is_lost_alone),
        TEST(a_word_before_a_head),
        TEST(a_word_before_the_head_of_a_full_ring),
        TEST(a_word_before_a_record),
        TEST(ten_thousand_damages),
    };
    return cmocka_run_group_tests_name("journal_damage", tests, NULL, NULL);
}
