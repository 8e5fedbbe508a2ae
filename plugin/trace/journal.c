/* SPDX-License-Identifier: MIT
 *
 * The journal's mapping: made once by the master, inherited by every worker.
 *
 * Without a file: a memfd and not an anonymous mapping, because a ring is mapped twice in a row: a
 * record that passes the end of the ring goes on in the second mapping, which is the beginning
 * again. That needs something to map from.
 */
#include "journal_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct record) == TRC_RECORD_HEAD, "what a span's place is reckoned with");
_Static_assert(sizeof(struct trc_slot) % 64 == 0, "slots of two cores share no cache line");
_Static_assert(sizeof(struct block) % 64 == 0, "slots begin on a cache line");
_Static_assert(offsetof(struct identity, sum) % 8 == 0 &&
                   sizeof(struct identity) == offsetof(struct identity, sum) + 8,
               "summed up by words, and without holes");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics are shared between processes");

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static size_t round_ring(size_t wanted) {
    size_t bytes = TRC_RING_BYTES_MIN; /* a multiple of every page size Linux has */
    while (bytes < wanted && bytes < TRC_RING_BYTES_MAX)
        bytes *= 2;
    return bytes;
}

/* Maps each worker's ring twice in a row at j->rings. */
static int map_rings(struct trc_journal *j, int fd) {
    size_t ring = j->config.ring_bytes, all = j->config.workers * 2 * ring;
    char *base = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return -errno;
    for (unsigned i = 0; i < j->config.workers * 2; i++) {
        off_t off = (off_t)(j->control_bytes + (i / 2) * ring);
        if (mmap(base + i * ring, ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, off) ==
            MAP_FAILED) {
            int rc = -errno;
            munmap(base, all);
            return rc;
        }
    }
    j->rings = base;
    return 0;
}

int trc_journal_map(struct trc_journal *j, int fd) {
    void *control = mmap(NULL, j->control_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED)
        return -errno;
    int rc = map_rings(j, fd);
    if (rc)
        munmap(control, j->control_bytes);
    else
        j->header = control;
    return rc;
}

int trc_journal_map_memory(struct trc_journal *j) {
    int fd = memfd_create("uwsgi-tracing-journal", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = ftruncate(fd, (off_t)journal_bytes(j)) ? -errno : trc_journal_map(j, fd);
    close(fd); /* the mappings keep the memory */
    return rc;
}

int trc_journal_handle(struct trc_journal **out, const struct trc_journal_config *config) {
    struct trc_journal *j = calloc(1, sizeof(*j));
    if (!j)
        return -ENOMEM;
    j->fd = -1;
    j->config = *config;
    j->config.ring_bytes = round_ring(config->ring_bytes);
    j->ring_mask = j->config.ring_bytes - 1;
    j->block_bytes = sizeof(struct block) + slots_of(j) * sizeof(struct trc_slot);
    j->control_bytes = round_up(sizeof(struct header) + config->workers * j->block_bytes,
                                (size_t)sysconf(_SC_PAGESIZE));
    *out = j;
    return 0;
}

uint64_t trc_identity_sum(const struct identity *id) {
    return sum_words(0, id, offsetof(struct identity, sum));
}

int trc_journal_begin(struct trc_journal *j, const uint64_t *exporter_id) {
    struct identity *id = &j->header->identity;
    int rc = trc_random_bytes(&j->key, sizeof(j->key));
    if (rc)
        return rc;
    *id = (struct identity){
        .magic = JOURNAL_MAGIC,
        .format = JOURNAL_FORMAT,
        .header_bytes = sizeof(struct header),
        .block_bytes = sizeof(struct block),
        .slot_bytes = sizeof(struct trc_slot),
        .span_bytes = sizeof(struct trc_span),
        .workers = j->config.workers,
        .cores = j->config.cores,
        .exporters = j->config.exporters,
        .ring_bytes = j->config.ring_bytes,
        .key = j->key,
    };
    if (exporter_id)
        memcpy(id->exporter_id, exporter_id, sizeof(id->exporter_id));
    id->sum = trc_identity_sum(id);
    return 0;
}

int trc_journal_new(struct trc_journal **out, const struct trc_journal_config *config) {
    struct trc_journal *j;
    int rc = trc_journal_handle(&j, config);
    if (rc)
        return rc;
    rc = trc_journal_map_memory(j);
    if (rc == 0)
        rc = trc_journal_begin(j, NULL);
    if (rc)
        trc_journal_free(j);
    else
        *out = j;
    return rc;
}

void trc_journal_free(struct trc_journal *j) {
    if (!j)
        return;
    if (j->header) {
        munmap(j->rings, j->config.workers * 2 * j->config.ring_bytes);
        munmap(j->header, j->control_bytes);
    }
    if (j->fd >= 0)
        close(j->fd);
    free(j);
}

const struct trc_journal_config *trc_journal_config(const struct trc_journal *j) {
    return &j->config;
}

_Atomic uint64_t *trc_journal_limiter(const struct trc_journal *j) {
    return &j->header->limiter;
}

struct trc_told *trc_journal_told(const struct trc_journal *j, unsigned exporter) {
    return &j->header->told[exporter];
}

struct trc_slot *trc_journal_slot(const struct trc_journal *j, unsigned worker, unsigned core) {
    return (struct trc_slot *)(block_of(j, worker) + 1) + core;
}

void trc_journal_note_wait(struct trc_journal *j, unsigned worker, uint64_t began_ns,
                           uint64_t ended_ns) {
    struct block *b = block_of(j, worker);
    atomic_store(&b->waited_ns, ended_ns - began_ns);
    atomic_store(&b->ended_ns, ended_ns);
}

uint64_t trc_journal_waited(const struct trc_journal *j, uint64_t since_ns) {
    uint64_t longest = 0;
    for (unsigned w = 0; w < j->config.workers; w++) {
        const struct block *b = block_of(j, w);
        uint64_t waited = atomic_load(&b->waited_ns);
        if (atomic_load(&b->ended_ns) >= since_ns && waited > longest)
            longest = waited;
    }
    return longest;
}

struct trc_slot *trc_journal_inner_slot(const struct trc_journal *j, unsigned worker,
                                        unsigned core) {
    return trc_journal_slot(j, worker, j->config.cores + core);
}

struct trc_slot *trc_journal_watcher_slot(const struct trc_journal *j, unsigned worker) {
    return trc_journal_slot(j, worker, 2 * j->config.cores);
}
