/* SPDX-License-Identifier: MIT
 *
 * The journal: every span of the instance, in one shared mapping made before the fork.
 *
 *   header | per worker: block | per worker: one ring, mapped twice in a row
 *
 *   block of a worker = head of its ring, counters, a cursor for each exporter, two slots for each
 * core (its request's, and one for spans within that), and one for its watcher
 *
 * A span lives in exactly one place. While its request runs it is in its core's slot; at its end it
 * is appended to its worker's ring. A reporter reads at its own exporter's cursor and moves the
 * cursor when the collector has the bytes. So the ring is the queue, the retry buffer and the crash
 * journal at once, and there is no second copy to bound, lose or count.
 *
 * Positions are byte counts since the journal was made; they only grow, and the ring holds the
 * bytes from the slowest cursor to the head. A record is a 16-byte head and a span, a multiple of 8
 * bytes:
 *
 *   | stamp u64 | len u32 | kind u32 | span ... |
 *
 * The stamp is written last and is a keyed mix of the record's own position. Bytes of an earlier
 * lap and bytes a client sent never carry the stamp that belongs where they lie, so a reader knows
 * committed from not, and recovery can find the next record behind a hole a dying writer left. The
 * ring's memory is mapped twice in a row, so no record is ever split. In a journal that has a file
 * a record has a checksum, too, for who reads the file back.
 *
 * A worker may die at any instruction: the next one's trc_journal_recover puts right what was half
 * done, so that no span is lost, doubled or counted twice, but for the batch a reporter had sent
 * and not yet ticked off: that one is sent again (at least once).
 */
#ifndef TRACING_JOURNAL_H
#define TRACING_JOURNAL_H

#include "tracing/context.h"
#include "tracing/random.h"
#include "tracing/span.h"
#include <stdatomic.h>
#include <sys/types.h>

#define TRC_EXPORTERS_MAX 8
#define TRC_RECORD_HEAD 16 /* bytes of a record before its span */
#define TRC_RING_BYTES_MIN (64u * 1024u)
#define TRC_RING_BYTES_MAX (1024u * 1024u * 1024u)

/* Counters of one core. Written only by the thread that serves the core, read by anybody. */
struct trc_core_counters {
    _Atomic uint64_t started;   /* requests begun with tracing on */
    _Atomic uint64_t sampled;   /* spans that came to their end and were offered to the ring */
    _Atomic uint64_t excluded;  /* requests that tracing-exclude names: not of started */
    _Atomic uint64_t unsampled; /* requests the sampler, the caller or a route decided against */
    _Atomic uint64_t dropped;   /* of sampled: the ring was full */
    _Atomic uint64_t truncated; /* spans with a string that was cut, or baggage that was */
    _Atomic uint64_t context_errors; /* incoming trace context that was malformed */
    _Atomic uint64_t not_injected;   /* context the packet had no room to tell the application */
};

enum trc_slot_state {
    TRC_SLOT_IDLE = 0,
    TRC_SLOT_OPEN = 1,   /* its request is running: the span is complete but for its end */
    TRC_SLOT_ENDING = 2, /* somebody took on to end it and is writing its end */
    TRC_SLOT_ENDED = 3,  /* the span is complete and on its way into the ring */
};

#define TRC_POS_NONE UINT64_MAX

#define TRC_INNER_MAX 16    /* spans within a request that are open at once */
#define TRC_INNER_TOTAL 128 /* and in all */

/* A span within a request that has not ended. */
struct trc_inner {
    uint64_t span_id, parent_id, start_mono_ns;
    uint8_t name_len;
    char name[TRC_SPAN_TOKEN_MAX];
};

/* Who said what the span is called: bits. */
#define TRC_SAID_ROUTE 1u
#define TRC_SAID_NAME 2u

#define TRC_SLOT_VARIABLES 4 /* of the request, that a name is made of */
#define TRC_SLOT_VARIABLE_BYTES 64

/* In-flight span of one core, with what else belongs to the core. */
struct trc_slot {
    _Alignas(64) _Atomic uint32_t state; /* enum trc_slot_state */
    uint32_t has_context;                /* 1 while a request runs and its ids are known, sampled or
                                            not: for log variables */
    _Atomic uint32_t turn;               /* which of the two spans is the core's: 0 or 1 */
    _Atomic uint32_t reading;            /* 1 + the turn that a reader is at, or 0 */
    uint64_t told;                       /* the watcher's: id of the last span it told of */
    _Atomic uint64_t pos;                /* ENDED: where the record was reserved, or TRC_POS_NONE */
    uint64_t sampled_before;             /* counters.sampled when the span was opened */
    uint64_t dropped_before;             /* counters.dropped likewise */
    struct trc_context context;
    char trace_text[32], span_text[16]; /* the ids as log variables show them */
    uint64_t wall_ahead_ns;             /* wall clock less monotonic clock at the last request */
    struct trc_random random;           /* reseeded by each worker that takes the slot over */
    struct trc_core_counters counters;
    uint8_t said;        /* TRC_SAID_*: of this request */
    uint8_t inner_count; /* of inner[] that are open */
    uint8_t inner_total; /* that were begun */
    uint8_t given;       /* 1: the caller decided on the trace */
    _Alignas(64) struct trc_span span;
    struct trc_baggage baggage;
    struct trc_span other; /* the core's while a reader is at `span`, and the other way about */
    struct trc_inner inner[TRC_INNER_MAX]; /* a stack: each is within the one before it */
    struct {
        uint8_t len;
        char text[TRC_SLOT_VARIABLE_BYTES];
    } variable[TRC_SLOT_VARIABLES];
};

/* What an exporter has done with one worker's ring. Replaced as a whole (see trc_cursor_publish).
 */
struct trc_cursor_state {
    _Atomic uint64_t pos;       /* everything before it is accounted for below */
    _Atomic uint64_t exported;  /* spans the collector has, as far as the transport can know */
    _Atomic uint64_t failed;    /* spans given up: refused for good */
    _Atomic uint64_t too_large; /* of failed: larger than a packet */
    _Atomic uint64_t rejected;  /* of failed: in a message the collector took without them */
    _Atomic uint64_t skipped;   /* spans passed over because the exporter fell too far behind */
    _Atomic uint64_t batches;   /* messages sent */
    _Atomic uint64_t bytes;     /* bytes of them */
    _Atomic uint64_t retried;   /* sends that failed and will be tried again */
};

struct trc_journal; /* this process's handle on the mapping */

struct trc_journal_config {
    unsigned workers;   /* 1... */
    unsigned cores;     /* of each worker, 1... */
    unsigned exporters; /* 0..TRC_EXPORTERS_MAX */
    size_t ring_bytes;  /* wanted, for each worker; rounded up to a power of two */
};

/* Makes the mapping, zeroed, with every slot idle. Returns 0 and *out, owned by the
 * caller, or a negative errno and nothing changed. Thread: startup, in the master before the fork.
 */
int trc_journal_new(struct trc_journal **out, const struct trc_journal_config *config);

/* --- In a file ----------------------------------------------------------------------------- */

/* A number that stands for an exporter from one instance to the next: of its URL as it may be
 * shown. Thread: startup. */
uint64_t trc_exporter_id(const char *url);

#define TRC_JOURNAL_TEXT_MAX 256 /* of a line that says what is wrong with a file, with its NUL */

struct trc_journal_file {
    const char *path; /* absolute */
    uid_t owner;      /* whose the file is to be, (uid_t)-1: this process's user... */
    gid_t group;      /* ...and group */
    uint64_t exporter_id[TRC_EXPORTERS_MAX]; /* trc_exporter_id of each */
};

/* What an earlier instance had left in the file. */
struct trc_journal_found {
    uint64_t taken;   /* spans that are in the new journal now... */
    uint64_t running; /* ...of these: whose requests were running when it died */
    uint64_t lost;    /* damaged */
    uint64_t dropped; /* the new journal has no room for them */
    uint64_t unasked; /* they waited for exporters that are gone, and for nobody else */
    bool set_aside;   /* it was not to be believed, and is FILE.bad now; why[] says why */
};

/* As trc_journal_new, but in a file that outlives all processes: mode 0600, its room taken from the
 * disk at once, locked for as long as this process or a worker that holds its place lives. The file
 * is always a new one, in which what the old one still held has been copied: so workers, cores,
 * sizes and exporters may be others than before. An exporter goes on where it stood, if it was
 * there before, and else at the oldest span that any of the old ones still wanted. (With several
 * exporters and fewer workers than before, spans may go a second time to one that was ahead.) All
 * counters begin anew, with what was taken over as sampled, and as exported by whom it was. A file
 * that is not to be believed is renamed to FILE.bad, in place of the one before.
 *
 * Holds against the death of any or all processes. When the machine dies, what is found later is
 * each span whole or not at all, and the file whole or set aside, and no more is promised: nothing
 * is synced.
 *
 * Returns 0, *out and *found; or a negative errno, one line in why[] and no file changed: -EBUSY
 * when another instance has it. Thread: startup, in the master before the fork. */
int trc_journal_open(struct trc_journal **out, const struct trc_journal_config *config,
                     const struct trc_journal_file *file, struct trc_journal_found *found,
                     char why[TRC_JOURNAL_TEXT_MAX]);

#define TRC_HOLDER_MASTER 0u

/* Locks the place of the master, or of a worker (from 1), for this process until it is gone. A
 * worker that does not get its place must not write: another instance has the file. 0, or -EBUSY;
 * without a file always 0. Thread: startup of a worker, or the master. */
int trc_journal_hold(const struct trc_journal *journal, unsigned holder);

/* Notes that the instance is alive: spans of the dead end then, at the latest, for who opens the
 * file after them. Thread: the master. */
void trc_journal_alive(struct trc_journal *journal, uint64_t mono_ns);

/* Unmaps it from this process. NULL is fine. Thread: startup or exit. */
void trc_journal_free(struct trc_journal *journal);

/* As configured, ring_bytes as rounded. Thread: any. */
const struct trc_journal_config *trc_journal_config(const struct trc_journal *journal);

/* The rate limiter's account. Lives in the mapping. Thread: any. */
_Atomic uint64_t *trc_journal_limiter(const struct trc_journal *journal);

/* The slot of a core; worker counts from 0 here as everywhere below. Thread: any. */
struct trc_slot *trc_journal_slot(const struct trc_journal *journal, unsigned worker,
                                  unsigned core);

/* The core's second slot, for spans within its requests. Thread: any. */
struct trc_slot *trc_journal_inner_slot(const struct trc_journal *journal, unsigned worker,
                                        unsigned core);

/* The slot of no core, for spans that a thread beside the requests puts into the ring: counted and
 * recovered as all others are. Thread: any. */
struct trc_slot *trc_journal_watcher_slot(const struct trc_journal *journal, unsigned worker);

/* --- Writing ------------------------------------------------------------------------------- */

/* Reserves room for a record of `len` bytes of span in the worker's ring; several cores may at
 * once. Returns its position and *span, where to write those bytes (contiguous, 8-aligned), or
 * TRC_POS_NONE when the ring is full or len does not fit a quarter of it. What is reserved MUST be
 * committed by this process. Lock-free. Thread: request. */
uint64_t trc_journal_reserve_mp(struct trc_journal *journal, unsigned worker, uint32_t len,
                                void **span);

/* Makes the record at `pos` visible to readers. Returns true once when the ring has passed half
 * full, for the caller to wake the reporters. Thread: the one that reserved. */
bool trc_journal_commit_mp(struct trc_journal *journal, unsigned worker, uint64_t pos);

/* --- Reading ------------------------------------------------------------------------------- */

/* The first committed span at or after *pos in the worker's ring: returns it, moves *pos to its
 * record's start and sets *next to the position behind it. NULL when there is none (yet); *pos has
 * then moved over padding only. The span stays there until the cursor of every exporter has passed
 * it. Thread: the exporter's reporter, with *pos starting at its own cursor. */
const struct trc_span *trc_journal_read(const struct trc_journal *journal, unsigned worker,
                                        uint64_t *pos, uint64_t *next);

/* Where the worker's ring ends now: positions from here on are unwritten. Thread: any. */
uint64_t trc_journal_head(const struct trc_journal *journal, unsigned worker);

/* A consistent copy of an exporter's cursor and counters. Thread: any. */
void trc_cursor_get(const struct trc_journal *journal, unsigned worker, unsigned exporter,
                    struct trc_cursor_state *out);

/* Replaces them all at once: a process that dies in here leaves the old or the new. Thread: the
 * exporter's reporter in that worker, and recovery. */
void trc_cursor_publish(struct trc_journal *journal, unsigned worker, unsigned exporter,
                        const struct trc_cursor_state *state);

/* Is the exporter three quarters of the ring behind? Thread: the exporter's reporter. */
bool trc_cursor_is_late(const struct trc_journal *journal, unsigned worker,
                        const struct trc_cursor_state *state);

/* If the exporter is that late, moves its *state (not published) forward to
 * half, counting each span it passes as skipped, so that it starves no other. Returns the number of
 * spans skipped. Thread: the exporter's reporter. */
uint64_t trc_cursor_skip(const struct trc_journal *journal, unsigned worker,
                         struct trc_cursor_state *state);

#define TRC_LAST_ERROR_MAX 128 /* with its NUL */

/* Notes why an exporter failed, cut to the maximum; what is not printable ASCII becomes '?'. Later
 * ones replace it, success does not. A process that dies in here leaves the old or the new. Thread:
 * the exporter's reporter in that worker. */
void trc_journal_note_error(struct trc_journal *journal, unsigned worker, unsigned exporter,
                            const char *why);

/* The last of them, whole: true and out[], or false and out[] empty when there never was one.
 * `worker`: which one, or -1 for the latest of all. Thread: any. */
bool trc_journal_last_error(const struct trc_journal *journal, int worker, unsigned exporter,
                            char out[TRC_LAST_ERROR_MAX]);

/* What the operator has been told of an exporter, by whichever reporter came first. */
struct trc_told {
    _Atomic uint64_t fails_ns, works_ns, warns_ns, losses_ns; /* when last, monotonic; 0: never */
    _Atomic uint64_t losses;                                  /* spans told of as lost */
    _Atomic uint32_t failing; /* of fails and works, which was last */
};

/* Lives in the mapping. Thread: any. */
struct trc_told *trc_journal_told(const struct trc_journal *journal, unsigned exporter);

/* --- Slots, and the dead
 * ------------------------------------------------------------------------------ */

/* The slot's span. Thread: the one that serves the core, or has claimed the slot. */
static inline struct trc_span *trc_slot_span(struct trc_slot *slot) {
    return atomic_load_explicit(&slot->turn, memory_order_relaxed) ? &slot->other : &slot->span;
}

/* The span to fill for the slot's next request: the last one's, unless somebody still reads that.
 * Nobody waits: there is one reader, and two spans. The slot is idle. Thread: request. */
static inline struct trc_span *trc_slot_fresh(struct trc_slot *slot) {
    uint32_t turn = atomic_load_explicit(&slot->turn, memory_order_relaxed);
    if (__builtin_expect(atomic_load(&slot->reading) == turn + 1, 0))
        atomic_store_explicit(&slot->turn, turn ^ 1, memory_order_relaxed);
    return trc_slot_span(slot);
}

/* Copies what a running request's span has said since its beginning - ids, start, worker, core,
 * method and URL - into *out, with no name and not sealed. Returns false, and *out may be anything,
 * when no span is open in the slot. The request is not held up and the copy is of one request,
 * whatever happens meanwhile. Lock-free. Thread: one reader, in the slot's worker. */
bool trc_slot_peek(struct trc_slot *slot, struct trc_span *out);

/* Opens the slot's span, which the caller has filled: from now on it is reported whatever happens.
 * The slot is idle. Thread: request. */
void trc_slot_open(struct trc_slot *slot);

/* Takes on to end an open span: true for exactly one caller, who then writes the span's end and
 * calls trc_journal_append_mp. Lock-free. Thread: any. */
bool trc_slot_claim(struct trc_slot *slot);

/* Makes a claimed slot idle, and its request one that was not sampled, if trc_span_let_go says so
 * of its span; false else, with nothing done. Thread: the one that claimed. */
bool trc_slot_let_go(struct trc_slot *slot);

/* Ends all spans within the core's request that are open, when that ends, whose duration is known;
 * and tells of the time it had waited for. The request is not one to let go. Thread: the one that
 * claimed the core's slot. */
void trc_inner_end_all(struct trc_journal *journal, unsigned worker, unsigned core);

/* Appends the span of a claimed slot to the ring, or counts it as dropped, and makes the slot idle.
 * Returns true when the reporters are to be woken. Lock-free. Thread: the one that claimed. */
bool trc_journal_append_mp(struct trc_journal *journal, unsigned worker, struct trc_slot *slot);

/* Ends the span of one slot if it is open and appends it: outcome as given, duration until
 * `mono_ns`; one that was KILLED says of what and ends when, as far as that has been noted (below).
 * For spans that no request-end hook will see; safe against the hook running at the same moment.
 * Returns true if it was this call that ended it. Thread: any. */
bool trc_journal_close_slot(struct trc_journal *journal, unsigned worker, unsigned core,
                            enum trc_outcome outcome, uint64_t mono_ns);

/* Notes that the worker is about to be killed because a request of its took too long; again, when
 * it is tried again; not when its death has been noted. It may live on all the same: the note
 * counts for spans that were open then. Thread: the master. */
void trc_journal_note_harakiri(struct trc_journal *journal, unsigned worker, uint64_t mono_ns);

/* Notes that the worker is dead, of what (enum trc_death or a signal) and when. The first note
 * counts, until the place is recovered. Thread: the master, or the worker at its own end. */
void trc_journal_note_death(struct trc_journal *journal, unsigned worker, unsigned death,
                            uint64_t mono_ns);

/* Puts right what a worker that died left: closes holes in the ring, counts a record that nobody
 * can give back as lost, ends the spans of its slots with TRC_OUTCOME_KILLED at the time that was
 * noted, else at `mono_ns`, lets each slot be used again, forgets the notes. Returns the number of
 * spans recovered from slots. Thread: startup of the worker that takes the place over, before it
 * has other threads. */
unsigned trc_journal_recover(struct trc_journal *journal, unsigned worker, uint64_t mono_ns);

/* Notes how long a worker's end waited for collectors: from `began_ns` to `ended_ns`, monotonic. A
 * worker notes the longest it may take before it waits, for it may be killed meanwhile, and then
 * what it took. Thread: exit of a worker; startup of one, with zeros. */
void trc_journal_note_wait(struct trc_journal *journal, unsigned worker, uint64_t began_ns,
                           uint64_t ended_ns);

/* The longest wait noted of an end that was not over before `since_ns`. Thread: exit. */
uint64_t trc_journal_waited(const struct trc_journal *journal, uint64_t since_ns);

/* --- The accounts -------------------------------------------------------------------------- */

/* Sums over all workers, for one exporter:
 * sampled = exported + failed + dropped + lost + queued at any quiet moment. */
struct trc_accounts {
    uint64_t started, excluded, sampled, unsampled, truncated, context_errors, not_injected;
    uint64_t recovered; /* spans of requests whose worker died */
    uint64_t lost;      /* records a dying worker had not finished writing */
    uint64_t exported, failed, too_large, rejected, dropped, batches, bytes, retried;
    uint64_t queued; /* found by walking the rings, not by subtracting */
};

/* Spans that the worker's cores dropped because its ring was full. Thread: any. */
uint64_t trc_journal_dropped(const struct trc_journal *journal, unsigned worker);

/* Fills *out for `exporter` (beyond the last: only what no exporter changes). `worker`: which one,
 * or -1 for all. Thread: any; exact when quiet. */
void trc_journal_accounts(const struct trc_journal *journal, int worker, unsigned exporter,
                          struct trc_accounts *out);

#endif
