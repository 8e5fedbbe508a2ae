/* SPDX-License-Identifier: MIT
 *
 * The journal in a file: locked, read back, and made anew. Used by the host at start.
 *
 * A file is never gone on with in place. What it holds is read into memory, checked and put right
 * there, and copied into a new file that takes the name over: so there is one way for a file of the
 * same layout and of another one, a start that is killed has changed nothing, and no damage that a
 * disk did is ever mapped. Locks are fcntl's, which belong to a process: a child that the
 * application forks and leaves behind holds none, and what a reload's exec makes of the process has
 * no earlier self to wait for.
 */
#include "journal_internal.h"
#include "tracing/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 8 /* to lock a file whose name is being given to another one */
#define WORKERS_MAX 65535u
#define CORES_MAX (1u << 20)

__attribute__((format(printf, 3, 4))) static int refuse(char *why, int rc, const char *format,
                                                        ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, TRC_JOURNAL_TEXT_MAX, format, args);
    va_end(args);
    return rc;
}

/* What failed, and errno. */
static int failed(char *why, const char *what) {
    int rc = -errno;
    return refuse(why, rc, "cannot %s: %s", what, strerrordesc_np(-rc));
}

uint64_t trc_exporter_id(const char *url) {
    uint64_t id = 0;
    while (*url)
        id = trc_mix64(id ^ (unsigned char)*url++);
    return id;
}

/* --- Locks ----------------------------------------------------------------------------------- */

/* `len` 0: all there are from `start` on. */
static struct flock places(short type, off_t start, off_t len) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

/* Locks every place, which nobody may hold. */
static int lock_all(int fd, char *why) {
    struct flock all = places(F_WRLCK, 0, 0);
    if (fcntl(fd, F_SETLK, &all) == 0)
        return 0;
    if (errno != EACCES && errno != EAGAIN)
        return failed(why, "be locked");
    bool known = fcntl(fd, F_GETLK, &all) == 0 && all.l_type != F_UNLCK;
    return refuse(why, -EBUSY, "is in use by another instance (process %d)",
                  known ? (int)all.l_pid : 0);
}

int trc_journal_hold(const struct trc_journal *j, unsigned holder) {
    struct flock place = places(F_WRLCK, (off_t)holder, 1);
    return j->fd < 0 || fcntl(j->fd, F_SETLK, &place) == 0 ? 0 : -EBUSY;
}

void trc_journal_alive(struct trc_journal *j, uint64_t mono_ns) {
    atomic_store_explicit(&j->header->alive_mono_ns, mono_ns, memory_order_relaxed);
}

/* --- Is it to be believed? ------------------------------------------------------------------- */

static int read_at(int fd, void *to, size_t len, off_t at, char *why) {
    char *p = to;
    while (len > 0) {
        ssize_t n = pread(fd, p, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(why, "be read");
        if (n == 0)
            return refuse(why, -EINVAL, "it ends too soon");
        p += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static bool is_layout(const struct identity *id) {
    return id->workers > 0 && id->workers <= WORKERS_MAX && id->cores > 0 &&
           id->cores <= CORES_MAX && id->exporters <= TRC_EXPORTERS_MAX &&
           id->ring_bytes >= TRC_RING_BYTES_MIN && id->ring_bytes <= TRC_RING_BYTES_MAX &&
           (id->ring_bytes & (id->ring_bytes - 1)) == 0;
}

static int check_identity(const struct identity *id, char *why) {
    if (id->magic != JOURNAL_MAGIC)
        return refuse(why, -EINVAL, "it is not a journal");
    if (id->format != JOURNAL_FORMAT || id->header_bytes != sizeof(struct header) ||
        id->block_bytes != sizeof(struct block) || id->slot_bytes != sizeof(struct trc_slot) ||
        id->span_bytes != sizeof(struct trc_span))
        return refuse(why, -EINVAL, "it is of another version of this plugin");
    if (id->sum != trc_identity_sum(id) || !is_layout(id))
        return refuse(why, -EINVAL, "its header is damaged");
    return 0;
}

/* Position of the copy in force. */
static uint64_t cursor_of(const struct block *b, unsigned exporter) {
    const struct cursor *c = &b->cursor[exporter];
    return counter_get(&c->state[atomic_load(&c->active) & 1].pos);
}

/* Recovery makes a hole padding, which has a head: one byte less, and it would write over what is
 * behind it. A live ring has none so small, because whole records are reserved. */
static bool can_be_hole(uint64_t bytes) {
    return bytes == 0 || bytes >= TRC_RECORD_HEAD;
}

/* Head and cursors bound every walk over the ring. */
static int check_block(const struct trc_journal *j, unsigned worker, char *why) {
    const struct block *b = block_of(j, worker);
    uint64_t head = trc_journal_head(j, worker);
    bool good = head % 8 == 0;
    for (unsigned e = 0; e < j->config.exporters; e++) {
        uint64_t pos = cursor_of(b, e);
        good = good && pos % 8 == 0 && pos <= head && head - pos <= j->config.ring_bytes &&
               can_be_hole(head - pos);
    }
    return good ? 0 : refuse(why, -EINVAL, "the head of ring %u is damaged", worker + 1);
}

/* --- Putting it right ------------------------------------------------------------------------ */

/* Can recovery end and append what the slot has? */
static bool is_whole(struct trc_slot *slot) {
    struct trc_span *span = trc_slot_span(slot);
    if (atomic_load(&slot->state) > TRC_SLOT_ENDED || span->arena_len > TRC_SPAN_ARENA)
        return false;
    trc_span_seal(span);
    return trc_span_check(span, span->size);
}

/* Empties slots that were damaged, and has them count what recovery finds no room for from 0.
 * Returns how many. */
static unsigned check_slots(struct trc_journal *j, unsigned worker) {
    unsigned bad = 0;
    for (unsigned core = 0; core < slots_of(j); core++) {
        struct trc_slot *slot = trc_journal_slot(j, worker, core);
        slot->dropped_before = 0;
        atomic_store(&slot->counters.dropped, 0);
        if (atomic_load(&slot->pos) % 8) /* that no record has */
            atomic_store(&slot->pos, TRC_POS_NONE);
        if (atomic_load(&slot->state) == TRC_SLOT_IDLE || is_whole(slot))
            continue;
        atomic_store(&slot->state, TRC_SLOT_IDLE);
        bad++;
    }
    return bad;
}

/* Is what carries the right stamp whole? */
static bool is_record(const struct record *r, uint64_t left) {
    uint64_t bytes = record_bytes(r->len);
    if (bytes > left || !can_be_hole(left - bytes))
        return false;
    if (kind_of(r) == RECORD_PAD)
        return true;
    return r->len <= sizeof(struct trc_span) && r->kind == (RECORD_SPAN | sum_of(r)) &&
           trc_span_check((const struct trc_span *)(r + 1), r->len);
}

/* Takes the stamp from records that were damaged: what recovery finds there is a hole. */
static void check_records(struct trc_journal *j, unsigned worker) {
    struct block *b = block_of(j, worker);
    uint64_t head = trc_journal_head(j, worker), pos = tail_of(j, b, head);
    uint64_t end = pos; /* of the last one that is whole */
    while (pos < head) {
        struct record *r = record_at(j, worker, pos);
        bool stamped = atomic_load(&r->stamp) == stamp_of(j, pos);
        if (stamped && can_be_hole(pos - end) && is_record(r, head - pos)) {
            pos = end = pos + record_bytes(r->len);
            continue;
        }
        if (stamped)
            atomic_store(&r->stamp, 0);
        pos += 8;
    }
}

/* The file's bytes, in memory, where no walk over them leaves its ring. */
static int copy_in(struct trc_journal *j, int fd, char *why) {
    struct stat st;
    if (fstat(fd, &st))
        return failed(why, "be looked at");
    if ((uint64_t)st.st_size != journal_bytes(j))
        return refuse(why, -EINVAL, "it has %lld bytes instead of %zu", (long long)st.st_size,
                      journal_bytes(j));
    int rc = trc_journal_map_memory(j);
    if (rc)
        return refuse(why, rc, "cannot be read: %s", strerrordesc_np(-rc));
    rc = read_at(fd, j->header, j->control_bytes, 0, why);
    for (unsigned w = 0; rc == 0 && w < j->config.workers; w++)
        rc = read_at(fd, record_at(j, w, 0), j->config.ring_bytes,
                     (off_t)(j->control_bytes + w * j->config.ring_bytes), why);
    for (unsigned w = 0; rc == 0 && w < j->config.workers; w++)
        rc = check_block(j, w, why);
    return rc;
}

static int copy_of(int fd, struct trc_journal **out, char *why) {
    struct identity id;
    struct trc_journal *j;
    int rc = read_at(fd, &id, sizeof(id), 0, why);
    if (rc == 0)
        rc = check_identity(&id, why);
    if (rc)
        return rc;
    struct trc_journal_config config = {id.workers, id.cores, id.exporters, id.ring_bytes};
    rc = trc_journal_handle(&j, &config);
    if (rc)
        return refuse(why, rc, "cannot be read: no memory");
    j->key = id.key;
    rc = copy_in(j, fd, why);
    if (rc)
        trc_journal_free(j);
    else
        *out = j;
    return rc;
}

int trc_journal_read_back(int fd, struct trc_journal **out, uint64_t *lost, uint64_t *running,
                          char why[TRC_JOURNAL_TEXT_MAX]) {
    struct trc_journal *j = NULL;
    int rc = copy_of(fd, &j, why);
    if (rc)
        return rc;
    uint64_t alive = counter_get(&j->header->alive_mono_ns);
    *lost = *running = 0;
    for (unsigned w = 0; w < j->config.workers; w++) {
        atomic_store(&block_of(j, w)->lost, 0);
        *lost += check_slots(j, w);
        check_records(j, w);
        *running += trc_journal_recover(j, w, alive);
        *lost += counter_get(&block_of(j, w)->lost) + trc_journal_dropped(j, w);
    }
    *out = j;
    return 0;
}

/* --- From the old one to the new ------------------------------------------------------------- */

struct move {
    struct trc_journal *from, *to;
    uint64_t want[TRC_EXPORTERS_MAX]; /* of the ring at hand: where each exporter of `to` begins */
    struct trc_cursor_state state[TRC_EXPORTERS_MAX]; /* of the ring it goes to */
    struct trc_journal_found *found;
};

/* The old exporter of this one's URL, the n-th of the n-th; or -1. */
static int old_exporter(const struct move *m, unsigned exporter) {
    const struct identity *now = &m->to->header->identity, *then = &m->from->header->identity;
    uint64_t id = now->exporter_id[exporter];
    unsigned before = 0;
    for (unsigned e = 0; e < exporter; e++)
        before += now->exporter_id[e] == id;
    for (unsigned e = 0; e < then->exporters; e++)
        if (then->exporter_id[e] == id && before-- == 0)
            return (int)e;
    return -1;
}

/* Fills want[] for a ring, whose oldest record is at `tail`. Returns the first of them. */
static uint64_t begin_of(struct move *m, unsigned worker, uint64_t tail) {
    uint64_t first = trc_journal_head(m->from, worker);
    for (unsigned e = 0; e < m->to->config.exporters; e++) {
        int old = old_exporter(m, e);
        m->want[e] = old < 0 ? tail : cursor_of(block_of(m->from, worker), (unsigned)old);
        if (m->want[e] < first)
            first = m->want[e];
    }
    return first;
}

/* Copies a record of `len` bytes of span at `pos` and moves the cursors of those that have it, as
 * far as they have all before it. */
static void move_span(struct move *m, unsigned worker, const struct trc_span *span, uint32_t len,
                      uint64_t pos) {
    struct trc_core_counters *c = &trc_journal_slot(m->to, worker, 0)->counters;
    void *at;
    uint64_t there = trc_journal_reserve_mp(m->to, worker, len, &at);
    counter_add(&c->sampled, 1);
    if (there == TRC_POS_NONE) {
        counter_add(&c->dropped, 1);
        m->found->dropped++;
        return;
    }
    memcpy(at, span, len);
    trc_journal_commit_mp(m->to, worker, there);
    m->found->taken++;
    for (unsigned e = 0; e < m->to->config.exporters; e++) {
        struct trc_cursor_state *s = &m->state[e];
        if (m->want[e] <= pos || s->pos != there)
            continue;
        s->pos = there + record_bytes(len);
        s->exported++;
    }
}

static void move_ring(struct move *m, unsigned worker) {
    unsigned to = worker % m->to->config.workers;
    uint64_t pos = tail_of(m->from, block_of(m->from, worker), trc_journal_head(m->from, worker));
    uint64_t first = begin_of(m, worker, pos), next;
    const struct trc_span *span;
    for (unsigned e = 0; e < m->to->config.exporters; e++)
        trc_cursor_get(m->to, to, e, &m->state[e]);
    for (; (span = trc_journal_read(m->from, worker, &pos, &next)) != NULL; pos = next) {
        if (pos < first)
            m->found->unasked++;
        else
            move_span(m, to, span, (uint32_t)(next - pos - TRC_RECORD_HEAD), pos);
    }
    for (unsigned e = 0; e < m->to->config.exporters; e++)
        trc_cursor_publish(m->to, to, e, &m->state[e]);
}

static void move_all(struct trc_journal *from, struct trc_journal *to,
                     struct trc_journal_found *found) {
    struct move m = {.from = from, .to = to, .found = found};
    for (unsigned w = 0; w < from->config.workers; w++)
        move_ring(&m, w);
    counter_add(&block_of(to, 0)->recovered, found->running);
    counter_add(&block_of(to, 0)->lost, found->lost);
    counter_add(&trc_journal_slot(to, 0, 0)->counters.sampled, found->lost);
    for (unsigned e = 0; e < to->config.exporters; e++) /* with the rest of what was found */
        atomic_store(&to->header->told[e].losses, found->lost);
}

/* --- Files ----------------------------------------------------------------------------------- */

static int check_file(int fd, const struct trc_journal_file *file, struct stat *st, char *why) {
    if (fstat(fd, st))
        return failed(why, "be looked at");
    if (!S_ISREG(st->st_mode))
        return refuse(why, -EINVAL, "is not a file");
    if (st->st_uid != geteuid() && st->st_uid != file->owner)
        return refuse(why, -EPERM, "belongs to another user (%u)", st->st_uid);
    if (st->st_mode & (S_IRWXG | S_IRWXO))
        return refuse(why, -EPERM, "can be opened by other users (mode %o, needs 600)",
                      st->st_mode & 07777);
    return 0;
}

/* Opens the file, empty if there was none, and locks it. Returns its descriptor. */
static int open_locked(const struct trc_journal_file *file, char *why) {
    for (int i = 0; i < TRIES; i++) {
        struct stat st, now;
        int fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return failed(why, "be opened");
        int rc = check_file(fd, file, &st, why);
        if (rc == 0)
            rc = lock_all(fd, why);
        /* Who had it may have put another in its place between our two calls. */
        if (rc == 0 && lstat(file->path, &now) == 0 && now.st_ino == st.st_ino &&
            now.st_dev == st.st_dev)
            return fd;
        close(fd);
        if (rc)
            return rc;
    }
    return refuse(why, -EBUSY, "is in use by another instance");
}

/* Gives the handle a new file at `path`, as large as it will ever be: a page that the disk has no
 * room for would be SIGBUS in a request. */
static int make_file(struct trc_journal *j, const char *path, const struct trc_journal_file *file,
                     char *why) {
    (void)unlink(path); /* of a start that was killed; we have the lock */
    j->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return failed(why, "be made anew in its directory");
    int rc = lock_all(j->fd, why);
    if (rc)
        return rc;
    if (fchown(j->fd, file->owner, file->group))
        return failed(why, "be given to its user");
    errno = posix_fallocate(j->fd, 0, (off_t)journal_bytes(j));
    if (errno)
        return failed(why, "be as large as it has to be");
    rc = trc_journal_map(j, j->fd);
    if (rc == 0)
        rc = trc_journal_begin(j, file->exporter_id);
    return rc ? refuse(why, rc, "cannot be mapped: %s", strerrordesc_np(-rc)) : 0;
}

struct names {
    char new[PATH_MAX], bad[PATH_MAX];
};

static int make_names(const struct trc_journal_file *file, struct names *names, char *why) {
    int a = snprintf(names->new, PATH_MAX, "%s.new", file->path);
    int b = snprintf(names->bad, PATH_MAX, "%s.bad", file->path);
    return a < PATH_MAX && b < PATH_MAX ? 0 : refuse(why, -ENAMETOOLONG, "is too long a name");
}

/* Reads what the file at `fd` holds: *old, or NULL when it is a new one or not to be believed. */
static int find(int fd, struct trc_journal **old, struct trc_journal_found *found, char *why) {
    struct stat st;
    *old = NULL;
    if (fstat(fd, &st))
        return failed(why, "be looked at");
    if (st.st_size == 0)
        return 0;
    int rc = trc_journal_read_back(fd, old, &found->lost, &found->running, why);
    found->set_aside = rc == -EINVAL;
    return found->set_aside ? 0 : rc;
}

/* Gives the new file the old one's name. Last of all: before, nothing has changed. */
static int put_in_place(const struct trc_journal_file *file, const struct names *names,
                        bool set_aside, char *why) {
    if (set_aside && rename(file->path, names->bad))
        return failed(why, "be set aside");
    return rename(names->new, file->path) ? failed(why, "be replaced") : 0;
}

static int open_new(struct trc_journal *j, int old_fd, const struct trc_journal_file *file,
                    const struct names *names, struct trc_journal_found *found, char *why) {
    struct trc_journal *old;
    int rc = find(old_fd, &old, found, why);
    if (rc)
        return rc;
    rc = make_file(j, names->new, file, why);
    if (rc == 0 && old)
        move_all(old, j, found);
    trc_journal_free(old);
    if (rc == 0)
        rc = put_in_place(file, names, found->set_aside, why);
    if (rc && j->fd >= 0)
        (void)unlink(names->new);
    return rc;
}

int trc_journal_open(struct trc_journal **out, const struct trc_journal_config *config,
                     const struct trc_journal_file *file, struct trc_journal_found *found,
                     char why[TRC_JOURNAL_TEXT_MAX]) {
    struct trc_journal_found here = {0};
    struct trc_journal *j;
    struct names names;
    why[0] = '\0';
    int rc = make_names(file, &names, why);
    if (rc)
        return rc;
    int old_fd = open_locked(file, why);
    if (old_fd < 0)
        return old_fd;
    rc = trc_journal_handle(&j, config);
    if (rc) {
        close(old_fd);
        return refuse(why, rc, "cannot be opened: no memory");
    }
    rc = open_new(j, old_fd, file, &names, &here, why);
    close(old_fd); /* and its lock; the new one's is held */
    if (rc) {
        trc_journal_free(j);
        return rc;
    }
    struct flock others = places(F_UNLCK, TRC_HOLDER_MASTER + 1, 0);
    (void)fcntl(j->fd, F_SETLK, &others); /* for workers to take */
    trc_journal_alive(j, trc_clock_mono_ns());
    *out = j;
    *found = here;
    return 0;
}
