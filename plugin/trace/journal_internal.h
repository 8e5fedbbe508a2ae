/* SPDX-License-Identifier: MIT
 *
 * Layout of the journal's mapping, for the files that implement tracing/journal.h: journal.c
 * (the mapping), journal_file.c (the file, if it has one), ring.c (records and cursors), recover.c
 * (the dead, and the accounts).
 */
#ifndef TRACING_TRACE_JOURNAL_INTERNAL_H
#define TRACING_TRACE_JOURNAL_INTERNAL_H

#include "tracing/journal.h"

enum record_kind { RECORD_SPAN = 1, RECORD_PAD = 2 };

struct record {
    _Atomic uint64_t stamp; /* stamp_of(its position), written last */
    uint32_t len;           /* bytes behind this head */
    uint32_t kind;          /* enum record_kind; above it, of a span in a file, sum_of the record */
};

#define RECORD_KIND_BITS 2

struct last_error {
    _Atomic uint64_t mono_ns; /* when; 0: never */
    _Atomic uint64_t
        text[TRC_LAST_ERROR_MAX / 8]; /* NUL-terminated; words, because bytes that one
                                         process writes and another reads are atomics */
};

/* Two copies of an exporter's state, of which one is in force: a publication writes the other and
 * then turns `active`, so that a death in between leaves the old one whole. So with its error. */
struct cursor {
    _Alignas(
        64) _Atomic uint32_t active; /* counts publications; its low bit is the copy in force */
    struct trc_cursor_state state[2];
    _Atomic uint32_t error_active;
    struct last_error error[2];
};

struct block {
    _Alignas(64) _Atomic uint64_t head;  /* reserved up to here */
    _Alignas(64) _Atomic uint32_t woken; /* the reporters were told that the ring is half full */
    _Atomic uint64_t recovered;
    _Atomic uint64_t lost;
    _Atomic uint64_t ended_ns, waited_ns; /* the worker's end: see trc_journal_note_wait */
    _Atomic uint64_t harakiri_ns;         /* when the master was last about to kill it; 0: never */
    _Atomic uint64_t death_ns;            /* when it was dead; 0: it lives, or nobody saw it die */
    _Atomic uint32_t death; /* enum trc_death or a signal; with death_ns, which is set last */
    struct cursor cursor[TRC_EXPORTERS_MAX];
    /* struct trc_slot slot[slots_of()] follows */
};

/* What a journal says of itself: written once, and all that is believed before the rest is looked
 * at. What it holds is for the same machine and the same plugin; whoever changes what one of the
 * structures here or in a span means, and not its size, changes JOURNAL_FORMAT. */
#define JOURNAL_MAGIC UINT64_C(0x316c6e72756f6a74)
#define JOURNAL_FORMAT 2

struct identity {
    uint64_t magic;
    uint32_t format;
    uint32_t header_bytes, block_bytes, slot_bytes, span_bytes; /* of the structures */
    uint32_t workers, cores, exporters;
    uint64_t ring_bytes;
    uint64_t exporter_id[TRC_EXPORTERS_MAX];
    uint64_t key; /* random: makes stamps that a client cannot guess */
    uint64_t sum; /* of all before it */
};

struct header {
    struct identity identity;
    _Alignas(64) _Atomic uint64_t limiter;
    _Alignas(64) _Atomic uint64_t alive_mono_ns; /* when somebody last saw the instance alive */
    _Alignas(64) struct trc_told told[TRC_EXPORTERS_MAX];
};

struct trc_journal {
    struct trc_journal_config config;
    uint64_t key, ring_mask;
    struct header *header; /* mapping of control_bytes */
    size_t control_bytes, block_bytes;
    char *rings; /* address range of workers * 2 * ring_bytes */
    int fd;      /* of its file, for the locks; -1: it has none */
};

/* Of each worker: its cores', their second ones, and its watcher's. */
static inline unsigned slots_of(const struct trc_journal *j) {
    return 2 * j->config.cores + 1;
}

/* Makes *out a handle for such a journal that is not mapped yet, its configuration rounded. Returns
 * 0 or -ENOMEM. */
int trc_journal_handle(struct trc_journal **out, const struct trc_journal_config *config);

/* Bytes of all that is mapped, each ring once. */
static inline size_t journal_bytes(const struct trc_journal *j) {
    return j->control_bytes + j->config.workers * j->config.ring_bytes;
}

/* Maps a file of journal_bytes. Returns 0, or a negative errno and nothing mapped. */
int trc_journal_map(struct trc_journal *j, int fd);

/* Makes zeroed memory of journal_bytes and maps that. As trc_journal_map. */
int trc_journal_map_memory(struct trc_journal *j);

/* Makes a journal of the mapping, which is zeroed: key, identity. `exporter_id`: of each
 * that can be, or NULL. Returns 0 or a negative errno. */
int trc_journal_begin(struct trc_journal *j, const uint64_t *exporter_id);

/* Reads a journal file back, as nobody has it any more, into memory of its own: *out is as after
 * trc_journal_recover of each worker, so trc_journal_read goes over what is whole. *lost gets the
 * number of spans that were not, *running that of requests nobody had ended. Returns 0 and *out,
 * for trc_journal_free; -EINVAL and why[] when it is not to be believed; or another negative errno.
 */
int trc_journal_read_back(int fd, struct trc_journal **out, uint64_t *lost, uint64_t *running,
                          char why[TRC_JOURNAL_TEXT_MAX]);

/* Over the identity, but for its last word. */
uint64_t trc_identity_sum(const struct identity *id);

static inline struct block *block_of(const struct trc_journal *j, unsigned worker) {
    return (struct block *)((char *)j->header + sizeof(struct header) + worker * j->block_bytes);
}

static inline struct record *record_at(const struct trc_journal *j, unsigned worker, uint64_t pos) {
    return (struct record *)(j->rings + worker * 2 * j->config.ring_bytes + (pos & j->ring_mask));
}

/* Never 0, which is what fresh memory holds. */
static inline uint64_t stamp_of(const struct trc_journal *j, uint64_t pos) {
    return trc_mix64(pos ^ j->key) | 1;
}

static inline uint64_t record_bytes(uint32_t len) {
    return TRC_RECORD_HEAD + (((uint64_t)len + 7) & ~UINT64_C(7));
}

static inline uint32_t kind_of(const struct record *r) {
    return r->kind & ((1u << RECORD_KIND_BITS) - 1);
}

/* Fletcher's checksum (IEEE Transactions on Communications 30, 1982) of words of 64 bits, for spans
 * in a file: on the request path, so as cheap as one can be that sees words change places. */
static inline uint64_t sum_words(uint64_t seed, const void *words, size_t bytes) {
    uint64_t a = seed, b = 0, word;
    for (const char *p = words, *end = p + bytes; p < end; p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        a += word;
        b += a;
    }
    return trc_mix64(a ^ trc_rotl64(b, 32));
}

static inline uint32_t sum_of(const struct record *r) {
    return (uint32_t)sum_words(r->len, r + 1, record_bytes(r->len) - TRC_RECORD_HEAD)
           << RECORD_KIND_BITS;
}

/* Position of the slowest exporter: what lies before it may be overwritten. Without exporters, the
 * head: nobody waits for anything. */
static inline uint64_t tail_of(const struct trc_journal *j, struct block *b, uint64_t head) {
    uint64_t tail = head;
    for (unsigned e = 0; e < j->config.exporters; e++) {
        struct cursor *c = &b->cursor[e];
        uint32_t active = atomic_load_explicit(&c->active, memory_order_acquire), before;
        uint64_t pos;
        do { /* not the position of a publication that may never come into force */
            before = active;
            pos = atomic_load_explicit(&c->state[active & 1].pos, memory_order_acquire);
            active = atomic_load_explicit(&c->active, memory_order_acquire);
        } while (__builtin_expect(active != before, 0));
        if (pos < tail)
            tail = pos;
    }
    return tail;
}

/* A counter that one thread writes and others read. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
