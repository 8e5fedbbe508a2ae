/* SPDX-License-Identifier: MIT
 *
 * Fuzzes what reads back a journal's file. The input is a list of changes to a good one, of which
 * there is a bit of everything in it: where (3 bytes, little-endian), how many bytes (1), those
 * bytes. The identity's sum is put right after it, so that what it guards is reached, too.
 */
#include "../../plugin/trace/journal_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth) {
    if (!truth)
        abort();
}

static void append(struct trc_journal *j, unsigned worker, uint64_t id, bool ends) {
    struct trc_slot *slot = trc_journal_slot(j, worker, ends ? 0 : 1);
    trc_span_clear(&slot->span);
    slot->span.span_id = id;
    trc_span_set(&slot->span, TRC_STR_URL, TRC_SLICE("http://localhost/path"), TRC_SPAN_PATH_MAX);
    trc_slot_open(slot);
    if (ends && trc_slot_claim(slot))
        trc_journal_append_mp(j, worker, slot);
}

/* A journal that two exporters have had some of, in memory that is a file. */
static int make_good(size_t *bytes) {
    const struct trc_journal_config config = {2, 2, 2, 1};
    struct trc_cursor_state state = {0};
    struct trc_journal *j = NULL;
    uint64_t next;
    void *at;
    int fd = memfd_create("journal", MFD_CLOEXEC);
    must(fd >= 0 && trc_journal_handle(&j, &config) == 0);
    j->fd = dup(fd);
    must(ftruncate(fd, (off_t)journal_bytes(j)) == 0 && trc_journal_map(j, fd) == 0);
    must(trc_journal_begin(j, (uint64_t[TRC_EXPORTERS_MAX]){1, 2}) == 0);
    /* The same in each run: an input says what it says. */
    j->key = j->header->identity.key = 42;
    for (unsigned i = 0; i < 20; i++) {
        append(j, i % 2, i, true);
        if (i == 9)
            must(trc_journal_reserve_mp(j, 0, 400, &at) != TRC_POS_NONE);
    }
    append(j, 0, 20, false);
    append(j, 1, 21, false);
    must(trc_journal_read(j, 1, &(uint64_t){0}, &next) != NULL);
    atomic_store(&state.pos, next);
    atomic_store(&state.exported, 1);
    trc_cursor_publish(j, 1, 1, &state);
    *bytes = journal_bytes(j);
    trc_journal_free(j);
    return fd;
}

static void change(char *image, size_t bytes, const uint8_t *data, size_t size) {
    while (size >= 5) {
        size_t at = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
        size_t len = data[3];
        at %= bytes;
        data += 4;
        size -= 4;
        if (len > size)
            len = size;
        if (len > bytes - at)
            len = bytes - at;
        memcpy(image + at, data, len);
        data += len;
        size -= len;
    }
    struct identity *id = (struct identity *)image;
    id->sum = trc_identity_sum(id);
}

/* All that is read later. */
static void read_all(const struct trc_journal *j) {
    const struct trc_span *span;
    struct trc_cursor_state s;
    struct trc_accounts a;
    uint64_t next;
    for (unsigned w = 0; w < j->config.workers; w++)
        for (unsigned e = 0; e < j->config.exporters; e++) {
            trc_cursor_get(j, w, e, &s);
            for (uint64_t pos = s.pos; (span = trc_journal_read(j, w, &pos, &next)); pos = next)
                must(trc_span_check(span, next - pos - TRC_RECORD_HEAD));
        }
    for (unsigned e = 0; e < j->config.exporters; e++)
        trc_journal_accounts(j, -1, e, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    static size_t bytes;
    static char *image, *good;
    char why[TRC_JOURNAL_TEXT_MAX] = "";
    struct trc_journal *j = NULL;
    uint64_t lost, running;
    if (fd < 0) {
        fd = make_good(&bytes);
        image = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        good = malloc(bytes);
        must(image != MAP_FAILED && good);
        memcpy(good, image, bytes);
    }
    memcpy(image, good, bytes);
    change(image, bytes, data, size);
    int rc = trc_journal_read_back(fd, &j, &lost, &running, why);
    must((rc == 0) == (j != NULL) && (rc == 0) == (why[0] == '\0'));
    if (rc == 0)
        read_all(j);
    else
        must(rc == -EINVAL);
    trc_journal_free(j);
    return 0;
}
