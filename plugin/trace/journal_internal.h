/* SPDX-License-Identifier: MIT
 *
 * Layout of the journal's mapping, for the files that implement tracing/journal.h: journal.c (the
 * mapping), ring.c (records and cursors), recover.c (the dead, and the accounts).
 */
#ifndef TRACING_TRACE_JOURNAL_INTERNAL_H
#define TRACING_TRACE_JOURNAL_INTERNAL_H

#include "tracing/journal.h"

enum record_kind { RECORD_SPAN = 1, RECORD_PAD = 2 };

struct record {
    _Atomic uint64_t stamp; /* stamp_of(its position), written last */
    uint32_t len;           /* bytes behind this head */
    uint32_t kind;
};

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

struct header {
    uint64_t key; /* random: makes stamps that a client cannot guess */
    _Alignas(64) _Atomic uint32_t enabled;
    _Alignas(64) _Atomic uint64_t limiter;
};

struct trc_journal {
    struct trc_journal_config config;
    uint64_t key, ring_mask;
    struct header *header; /* mapping of control_bytes */
    size_t control_bytes, block_bytes;
    char *rings; /* address range of workers * 2 * ring_bytes */
};

/* Of each worker: its cores', and its watcher's. */
static inline unsigned slots_of(const struct trc_journal *j) {
    return j->config.cores + 1;
}

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
