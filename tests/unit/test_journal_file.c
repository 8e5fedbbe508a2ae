/* SPDX-License-Identifier: MIT
 *
 * The journal in a file: what the next instance finds, whatever the last one was and however it
 * ended.
 */
#include "journal_file_rig.h"
#include "torture.h"
#include <fcntl.h>
#include <sys/resource.h>
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

/* It is given that many, in order: where one had no room, a shorter one may have. */
static void assert_delivers_some(unsigned worker, unsigned exporter, uint64_t count) {
    uint64_t ids[1024];
    assert_int_equal(deliver(worker, exporter, ids, 1024), count);
    for (unsigned i = 1; i < count; i++)
        assert_true(ids[i] > ids[i - 1]);
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
        TEST(every_call_can_fail),
        TEST(every_call_can_be_the_last),
    };
    return cmocka_run_group_tests_name("journal_file", tests, NULL, NULL);
}
