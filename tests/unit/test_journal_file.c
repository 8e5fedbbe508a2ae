/* SPDX-License-Identifier: MIT
 *
 * The journal in a file: what the next instance finds, whatever the last one was, however it ended,
 * and whatever has become of the file.
 */
#include "torture.h"
#include "tracing/journal.h"
#include "unit.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static bool dies; /* in a child: the call that would fail is its last one */

static bool fails(int err) {
    bool now = torture(err);
    if (now && dies)
        raise(SIGKILL);
    return now;
}

#define calloc(n, size) (fails(ENOMEM) ? NULL : calloc(n, size))
#define mmap(...) (fails(ENOMEM) ? MAP_FAILED : mmap(__VA_ARGS__))
#define memfd_create(...) (fails(EMFILE) ? -1 : memfd_create(__VA_ARGS__))
#define ftruncate(...) (fails(ENOSPC) ? -1 : ftruncate(__VA_ARGS__))
#define trc_random_bytes(...) (fails(EIO) ? -EIO : trc_random_bytes(__VA_ARGS__))
#include "../../plugin/trace/journal.c"
#define open(...) (fails(EACCES) ? -1 : open(__VA_ARGS__))
#define fstat(...) (fails(EIO) ? -1 : fstat(__VA_ARGS__))
#define pread(...) (fails(EIO) ? -1 : pread(__VA_ARGS__))
#define fchown(...) (fails(EPERM) ? -1 : fchown(__VA_ARGS__))
#define posix_fallocate(...) (fails(ENOSPC) ? ENOSPC : posix_fallocate(__VA_ARGS__))
#define rename(...) (fails(EACCES) ? -1 : rename(__VA_ARGS__))
static int torture_lock(int fd, int command, struct flock *lock);
#define fcntl(fd, command, lock) torture_lock(fd, command, lock)
#include "../../plugin/trace/journal_file.c"
#undef calloc
#undef mmap
#undef memfd_create
#undef ftruncate
#undef trc_random_bytes
#undef open
#undef fstat
#undef pread
#undef fchown
#undef posix_fallocate
#undef rename
#undef fcntl

/* To give a lock back cannot fail. */
static int torture_lock(int fd, int command, struct flock *lock) {
    return lock->l_type != F_UNLCK && fails(ENOLCK) ? -1 : fcntl(fd, command, lock);
}

/* --- Tools ------------------------------------------------------------------------------------ */

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

/* It is given that many, in order: where one had no room, a shorter one may have. */
static void assert_delivers_some(unsigned worker, unsigned exporter, uint64_t count) {
    uint64_t ids[1024];
    assert_int_equal(deliver(worker, exporter, ids, 1024), count);
    for (unsigned i = 1; i < count; i++)
        assert_true(ids[i] > ids[i - 1]);
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

static void assert_refused(int rc, const char *says) {
    struct trc_journal *before = journal;
    assert_int_equal(try_open(), rc);
    assert_ptr_equal(journal, before);
    if (!strstr(why, says))
        fail_msg("'%s' says nothing of '%s'", why, says);
    assert_int_not_equal(access(new_path, F_OK), 0);
}

/* --- What the next one finds ----------------------------------------------------------------- */

static void a_new_file_is_ours_alone_and_has_its_room(void **state) {
    (void)state;
    struct stat st;
    must_open();
    assert_found(0, 0, 0, 0, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_size, journal_bytes(journal));
    assert_true((uint64_t)st.st_blocks * 512 >= journal_bytes(journal));
    assert_int_equal(trc_journal_config(journal)->ring_bytes, TRC_RING_BYTES_MIN);
}

static void each_exporter_goes_on_where_it_stood(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 10);
    append_many(1, 100, 5);
    deliver(0, 0, NULL, 4);
    deliver(0, 1, NULL, 7);
    deliver(1, 1, NULL, 5);
    next_instance();
    assert_found(6 + 5, 0, 0, 0, 0); /* four were delivered to all */
    assert_int_equal(accounts(0).exported, 0);
    assert_int_equal(accounts(0).queued, 11);
    assert_int_equal(accounts(1).exported, 3 + 5); /* those that the other one waits for */
    assert_int_equal(accounts(1).queued, 3);
    next_instance(); /* and again, with nothing done */
    assert_found(11, 0, 0, 0, 0);
    append(0, 11);
    assert_delivers(0, 0, 5, 7);
    assert_delivers(0, 1, 8, 4);
    assert_delivers(1, 0, 100, 5);
    assert_delivers(1, 1, 0, 0);
    next_instance();
    assert_int_equal(found.taken, 0);
    assert_int_equal(accounts(0).sampled, 0);
}

static void the_requests_that_were_running_end_when_the_instance_was_last_alive(void **state) {
    (void)state;
    must_open();
    open_slot(0, 1, 1);
    open_slot(1, 2, 2)->span.start_mono_ns = 5000000; /* after the last sign of life */
    trc_slot_claim(open_slot(1, 0, 3));               /* somebody was writing its end */
    trc_journal_alive(journal, 4000000);
    next_instance();
    assert_found(3, 3, 0, 0, 0);
    assert_int_equal(accounts(0).recovered, 3);
    uint64_t pos = 0, next;
    const struct trc_span *span = trc_journal_read(journal, 0, &pos, &next);
    assert_int_equal(span->span_id, 1);
    assert_int_equal(span->outcome, TRC_OUTCOME_KILLED);
    assert_int_equal(span->error, 1);
    assert_int_equal(span->duration_ns, 4000000 - 1000);
    pos = 0;
    for (unsigned i = 0; i < 2; i++, pos = next) {
        span = trc_journal_read(journal, 1, &pos, &next);
        assert_int_equal(span->duration_ns, span->span_id == 2 ? 0 : 4000000 - 1000);
    }
    next_instance(); /* they are ended once */
    assert_found(3, 0, 0, 0, 0);
}

static void over_many_laps_and_lives(void **state) {
    (void)state;
    uint64_t id = 1, read[2] = {1, 1};
    for (unsigned life = 0; life < 40; life++) {
        if (life == 0)
            must_open();
        else
            next_instance();
        assert_int_equal(found.lost + found.dropped, 0);
        for (unsigned i = 0; i < 30; i++) {
            append_many(0, id, 20);
            id += 20;
            for (unsigned e = 0; e < 2; e++) {
                uint64_t ids[64];
                unsigned n = deliver(0, e, ids, 16 + (i + life + e) % 10);
                for (unsigned k = 0; k < n; k++)
                    assert_int_equal(ids[k], read[e]++);
            }
        }
        assert_balanced();
        assert_int_equal(accounts(0).dropped, 0);
    }
}

static void what_a_dying_writer_left_half_done_is_put_right(void **state) {
    (void)state;
    void *at;
    must_open();
    append(0, 1);
    assert_int_not_equal(trc_journal_reserve_mp(journal, 0, 400, &at), TRC_POS_NONE);
    memset(at, 0xff, 400);
    append(0, 2);
    struct trc_slot *slot = open_slot(1, 1, 3); /* complete, its place reserved, not copied */
    trc_span_seal(&slot->span);
    atomic_store(&slot->state, TRC_SLOT_ENDED);
    atomic_store(&slot->pos, trc_journal_reserve_mp(journal, 1, slot->span.size, &at));
    next_instance();
    assert_found(3, 1, 1, 0, 0);
    assert_int_equal(accounts(0).lost, 1);
    assert_delivers(0, 0, 1, 2);
    assert_delivers(1, 0, 3, 1);
}

static void a_full_ring_is_taken_over_whole(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 1000);
    uint64_t queued = accounts(0).queued;
    open_slot(0, 1, 5); /* it has no room */
    next_instance();
    assert_int_equal(found.taken, queued);
    assert_int_equal(found.lost, 1);
    assert_delivers_some(0, 0, queued);
}

/* --- Another configuration ------------------------------------------------------------------- */

static void exporters_are_known_by_their_urls(void **state) {
    (void)state;
    uint64_t a = trc_exporter_id("jaeger+udp://127.0.0.1:6831");
    assert_int_equal(a, trc_exporter_id("jaeger+udp://127.0.0.1:6831"));
    assert_int_not_equal(a, trc_exporter_id("jaeger+udp://127.0.0.1:6832"));
    assert_int_not_equal(a, trc_exporter_id("jaeger+udp://127.0.0.1:683"));
}

/* Ten spans; the exporter 11 has the first four, 22 the first seven. Then those are there. */
static void with_exporters(unsigned count, uint64_t first, uint64_t second, uint64_t third) {
    die();
    unlink(path);
    config.exporters = 2;
    memcpy(file.exporter_id, (uint64_t[]){11, 22, 0}, 24);
    must_open();
    append_many(0, 1, 10);
    deliver(0, 0, NULL, 4);
    deliver(0, 1, NULL, 7);
    config.exporters = count;
    memcpy(file.exporter_id, (uint64_t[]){first, second, third}, 24);
    next_instance();
}

static void exporters_come_and_go(void **state) {
    (void)state;
    with_exporters(2, 22, 11, 0); /* in another order */
    assert_found(6, 0, 0, 0, 0);
    assert_delivers(0, 0, 8, 3);
    assert_delivers(0, 1, 5, 6);
    with_exporters(1, 22, 0, 0); /* the slower one is gone, and what only it waited for */
    assert_found(3, 0, 0, 0, 3);
    assert_delivers(0, 0, 8, 3);
    with_exporters(1, 33, 0, 0); /* other ones */
    assert_found(6, 0, 0, 0, 0);
    assert_delivers(0, 0, 5, 6);
    with_exporters(3, 22, 33, 11); /* one more: it has what anybody waited for */
    assert_found(6, 0, 0, 0, 0);
    assert_delivers(0, 0, 8, 3);
    assert_delivers(0, 1, 5, 6);
    assert_delivers(0, 2, 5, 6);
    with_exporters(2, 11, 11, 0); /* the same twice: the second is a new one */
    assert_found(6, 0, 0, 0, 0);
    assert_delivers(0, 0, 5, 6);
    assert_delivers(0, 1, 5, 6);
    with_exporters(0, 0, 0, 0);
    assert_found(0, 0, 0, 0, 6);
    assert_int_equal(accounts(0).sampled, 0);
}

static void two_of_one_url_keep_their_places(void **state) {
    (void)state;
    memcpy(file.exporter_id, (uint64_t[]){11, 11}, 16);
    must_open();
    append_many(0, 1, 10);
    deliver(0, 0, NULL, 2);
    deliver(0, 1, NULL, 6);
    next_instance();
    assert_delivers(0, 0, 3, 8);
    assert_delivers(0, 1, 7, 4);
}

static void fewer_workers_share_the_rings(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 10);
    append_many(1, 11, 10);
    deliver(0, 1, NULL, 10);
    deliver(1, 1, NULL, 3);
    config = (struct trc_journal_config){1, 1, 2, 1};
    next_instance();
    assert_found(20, 0, 0, 0, 0);
    assert_delivers(0, 0, 1, 20);
    assert_delivers(0, 1, 14, 7);
    append(0, 21);
    assert_delivers(0, 0, 21, 1);
}

/* The prefix rule: who had a span behind one it still waits for, gets it again. */
static void fewer_workers_may_send_twice_to_who_was_ahead(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 3);
    append_many(1, 4, 3);
    deliver(1, 1, NULL, 2);
    config.workers = 1;
    next_instance();
    assert_delivers(0, 0, 1, 6);
    assert_delivers(0, 1, 1, 6);
    assert_balanced();
}

static void more_workers_and_cores(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 10);
    append_many(1, 11, 10);
    config = (struct trc_journal_config){7, 20, 2, 300000};
    next_instance();
    assert_found(20, 0, 0, 0, 0);
    assert_delivers(0, 0, 1, 10);
    assert_delivers(1, 0, 11, 10);
    append(6, 1);
}

static void what_a_smaller_ring_has_no_room_for_is_counted(void **state) {
    (void)state;
    config = (struct trc_journal_config){1, 1, 2, 4 * TRC_RING_BYTES_MIN};
    must_open();
    append_many(0, 1, 400);
    assert_int_equal(accounts(0).dropped, 0);
    config.ring_bytes = TRC_RING_BYTES_MIN;
    next_instance();
    assert_in_range(found.dropped, 1, 399);
    assert_int_equal(found.taken + found.dropped, 400);
    assert_int_equal(accounts(0).dropped, found.dropped);
    assert_delivers_some(0, 0, found.taken);
}

/* --- Locks ----------------------------------------------------------------------------------- */

/* A process that does `what` and then waits to be killed. */
static pid_t process(void (*what)(void)) {
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        what();
        if (write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void end(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void open_it(void) {
    if (try_open())
        _exit(1);
}

static void nothing(void) {}

static void hold_second(void) {
    if (trc_journal_hold(journal, 2))
        _exit(1);
}

static void two_instances_never_share_it(void **state) {
    (void)state;
    char says[64];
    pid_t pid = process(open_it);
    snprintf(says, sizeof(says), "in use by another instance (process %d)", pid);
    assert_refused(-EBUSY, says);
    assert_refused(-EBUSY, says);
    end(pid);
    must_open();
}

static void a_worker_that_outlives_its_master_keeps_it(void **state) {
    (void)state;
    must_open();
    pid_t worker = process(hold_second), child = process(nothing);
    assert_int_equal(trc_journal_hold(journal, 1), 0);
    assert_int_equal(trc_journal_hold(journal, 1), 0);
    assert_int_equal(trc_journal_hold(journal, 2), -EBUSY);
    die();
    assert_refused(-EBUSY, "in use");
    end(worker);
    must_open(); /* that the application left a child behind is nothing to us */
    end(child);
}

static void without_a_file_there_is_nothing_to_hold(void **state) {
    (void)state;
    assert_int_equal(trc_journal_new(&journal, &config), 0);
    assert_int_equal(trc_journal_hold(journal, 0), 0);
    pid_t pid = process(hold_second);
    assert_int_equal(trc_journal_hold(journal, 2), 0);
    end(pid);
}

/* --- Files that are none --------------------------------------------------------------------- */

static void touch(mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0);
    close(fd);
}

static void says_what_is_wrong_with_a_file(void **state) {
    (void)state;
    char long_path[PATH_MAX + 1];
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(-EISDIR, "cannot be opened: Is a directory");
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(-EINVAL, "is not a file");
    unlink(path);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_refused(-ELOOP, "cannot be opened");
    unlink(path);
    touch(0640);
    assert_refused(-EPERM, "mode 640");
    unlink(path);
    touch(0602);
    assert_refused(-EPERM, "mode 602");
    unlink(path);
    file.path = "/nowhere/at/all";
    assert_refused(-ENOENT, "cannot be opened: No such file or directory");
    file.path = "/proc/self/journal";
    assert_refused(-ENOENT, "cannot be opened");
    memset(long_path, 'x', PATH_MAX);
    long_path[0] = '/';
    long_path[PATH_MAX - 3] = '\0';
    file.path = long_path;
    assert_refused(-ENAMETOOLONG, "too long");
    file.path = path;
}

static void root_gives_it_away_and_believes_no_stranger(void **state) {
    (void)state;
    struct stat st;
    if (geteuid() != 0)
        skip();
    file.owner = 12345;
    file.group = 54321;
    must_open();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 12345);
    assert_int_equal(st.st_gid, 54321);
    next_instance();
    die();
    assert_int_equal(chown(path, 999, 999), 0);
    assert_refused(-EPERM, "belongs to another user (999)");
}

static void a_disk_without_room_is_no_surprise_later(void **state) {
    (void)state;
    struct rlimit before, little;
    struct stat st;
    must_open();
    append_many(0, 1, 10);
    assert_int_equal(stat(path, &st), 0);
    die();
    getrlimit(RLIMIT_FSIZE, &before);
    little = (struct rlimit){(rlim_t)st.st_size, before.rlim_max}; /* the old one can be read */
    config.workers = 5;
    setrlimit(RLIMIT_FSIZE, &little);
    assert_refused(-EFBIG, "cannot be as large as it has to be");
    setrlimit(RLIMIT_FSIZE, &before);
    must_open();
    assert_found(10, 0, 0, 0, 0);
}

/* --- Damage ---------------------------------------------------------------------------------- */

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
        {.workers = 0},        {.workers = WORKERS_MAX + 1},
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

static void a_damaged_span_is_lost_alone(void **state) {
    (void)state;
    must_open();
    append_many(0, 1, 20);
    uint64_t pos = 0, next, at[21];
    for (unsigned i = 0; i < 20; i++, pos = next) {
        assert_non_null(trc_journal_read(journal, 0, &pos, &next));
        at[i] = pos;
    }
    at[20] = pos;
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

/* --- Every call fails, or is the last one ---------------------------------------------------- */

static void assert_nothing_is_lost(void) {
    must_open();
    assert_found(11, 0, 0, 0, 0);
    die();
}

static void leave_eleven(void) {
    must_open();
    append_many(0, 1, 10);
    open_slot(1, 0, 11);
    next_instance();
    die();
}

static void every_call_can_fail(void **state) {
    (void)state;
    unsigned refused = 0, fds = torture_count("fd");
    leave_eleven();
    for (torture_begin(); torture_next();) {
        int rc = try_open();
        torture_state.on = false;
        refused += rc != 0;
        assert_true(rc == 0 || (rc < 0 && why[0]));
        assert_true((rc == 0) == (journal != NULL));
        assert_int_not_equal(access(new_path, F_OK), 0);
        die();
        assert_int_equal(torture_count("fd"), fds);
        assert_nothing_is_lost();
        torture_state.on = true;
    }
    assert_in_range(torture_state.failed, 20, 100);
    assert_int_equal(refused, torture_state.failed);
}

static void every_call_can_be_the_last(void **state) {
    (void)state;
    int status = 1;
    leave_eleven();
    for (unsigned last = 1; status != 0; last++) {
        pid_t pid = fork();
        if (pid == 0) {
            torture_begin();
            torture_state.fail_at = last;
            dies = true;
            _exit(try_open() ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(status == 0 || WIFSIGNALED(status));
        assert_nothing_is_lost();
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_is_ours_alone_and_has_its_room),
        TEST(each_exporter_goes_on_where_it_stood),
        TEST(the_requests_that_were_running_end_when_the_instance_was_last_alive),
        TEST(over_many_laps_and_lives),
        TEST(what_a_dying_writer_left_half_done_is_put_right),
        TEST(a_full_ring_is_taken_over_whole),
        TEST(exporters_are_known_by_their_urls),
        TEST(exporters_come_and_go),
        TEST(two_of_one_url_keep_their_places),
        TEST(fewer_workers_share_the_rings),
        TEST(fewer_workers_may_send_twice_to_who_was_ahead),
        TEST(more_workers_and_cores),
        TEST(what_a_smaller_ring_has_no_room_for_is_counted),
        TEST(two_instances_never_share_it),
        TEST(a_worker_that_outlives_its_master_keeps_it),
        TEST(without_a_file_there_is_nothing_to_hold),
        TEST(says_what_is_wrong_with_a_file),
        TEST(root_gives_it_away_and_believes_no_stranger),
        TEST(a_disk_without_room_is_no_surprise_later),
        TEST(a_file_of_another_kind_is_set_aside),
        TEST(a_damaged_head_or_cursor_is_set_aside),
        TEST(a_damaged_span_is_lost_alone),
        TEST(a_damaged_slot_is_lost_alone),
        TEST(ten_thousand_damages),
        TEST(every_call_can_fail),
        TEST(every_call_can_be_the_last),
    };
    return cmocka_run_group_tests_name("journal_file", tests, NULL, NULL);
}
