/* SPDX-License-Identifier: MIT
 *
 * The file senders: real files, FIFOs, pipes and sockets. What every test is after in the end: each
 * line that was said to be written is there, whole and alone.
 */
#include "torture.h"
#include "tracing/clock.h"
#include "tracing/sender.h"
#include "unit.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define calloc(n, size) (torture(ENOMEM) ? NULL : calloc(n, size))
#define open(...) (torture(EACCES) ? -1 : open(__VA_ARGS__))
#define fstat(...) (torture(EIO) ? -1 : fstat(__VA_ARGS__))
#define fcntl(...) (torture(ENOLCK) ? -1 : fcntl(__VA_ARGS__))
#define pread(...) (torture(EIO) ? -1 : pread(__VA_ARGS__))
#define write(...) (torture(ENOSPC) ? -1 : write(__VA_ARGS__))
#include "../../plugin/send/file.c"
#undef calloc
#undef open
#undef fstat
#undef fcntl
#undef pread
#undef write

/* --- Tools --------------------------------------------------------------------------------- */

static const struct trc_sender_ops *file = &trc_sender_file, *out = &trc_sender_stdout;
static const struct trc_endpoint nowhere;
static struct trc_send_result result;
static char *const why = result.why;
static char dir[64], content[1 << 21];
static struct trc_endpoint there; /* dir/spans */
static struct trc_sender *sender; /* of the test that runs, dropped after it */
static int saved_stdout = -1;

static int setup(void **state) {
    (void)state;
    strcpy(dir, "/tmp/trc-file-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    memset(&there, 0, sizeof(there));
    snprintf(there.path, sizeof(there.path), "%s/spans", dir);
    why[0] = '\0';
    umask(0);
    signal(SIGPIPE, SIG_IGN); /* in a reporter's thread it is blocked */
    signal(SIGXFSZ, SIG_IGN);
    sender = file->make(&there);
    return sender ? 0 : -1;
}

static void restore_stdout(void) {
    if (saved_stdout >= 0) {
        dup2(saved_stdout, STDOUT_FILENO);
        close(saved_stdout);
        saved_stdout = -1;
    }
}

static void replace_stdout(int fd) {
    fflush(stdout); /* cmocka's own lines */
    saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
    dup2(fd, STDOUT_FILENO);
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    restore_stdout();
    file->drop(sender);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static const char *read_all(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, content, sizeof(content) - 1);
    if (fd >= 0)
        close(fd);
    content[n > 0 ? n : 0] = '\0';
    return content;
}

static int say(const char *text) {
    return file->send(sender, trc_slice_of(text), NULL, &result);
}

/* A line of `len` bytes with its newline, which begins with a letter and goes on with it. */
static struct trc_slice line_of(char letter, size_t len) {
    static char bytes[1 << 20];
    memset(bytes, letter, len - 1);
    bytes[len - 1] = '\n';
    return (struct trc_slice){bytes, len};
}

/* --- Files --------------------------------------------------------------------------------- */

static void appends_lines(void **state) {
    (void)state;
    struct stat st;
    assert_int_equal(access(there.path, F_OK), -1); /* make opens nothing */
    assert_int_equal(say("{1}\n"), 0);
    assert_int_equal(say("{2}\n"), 0);
    struct trc_sender *second = file->make(&there); /* as another worker's */
    assert_int_equal(file->send(second, TRC_SLICE("{3}\n"), NULL, &result), 0);
    assert_int_equal(say("{4}\n"), 0);
    file->drop(second);
    assert_string_equal(read_all(there.path), "{1}\n{2}\n{3}\n{4}\n");
    assert_int_equal(stat(there.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(fcntl(sender->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void writes_a_large_line_whole(void **state) {
    (void)state;
    struct trc_slice line = line_of('x', 256 * 1024);
    assert_int_equal(file->send(sender, line, NULL, &result), 0);
    assert_int_equal(strlen(read_all(there.path)), line.len);
    assert_memory_equal(content, line.p, line.len);
}

static void follows_rotation(void **state) {
    (void)state;
    assert_int_equal(say("{1}\n"), 0);
    assert_int_equal(rename(there.path, path_of("spans.1")), 0);
    assert_int_equal(say("{2}\n"), 0);
    assert_string_equal(read_all(there.path), "{2}\n");
    assert_string_equal(read_all(path_of("spans.1")), "{1}\n");
    assert_int_equal(unlink(there.path), 0);
    assert_int_equal(say("{3}\n"), 0);
    assert_string_equal(read_all(there.path), "{3}\n");
    assert_int_equal(truncate(there.path, 0), 0); /* logrotate's copytruncate */
    assert_int_equal(say("{4}\n"), 0);
    assert_string_equal(read_all(there.path), "{4}\n");
    int fd =
        open(path_of("new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* replaced at one stroke */
    close(fd);
    assert_int_equal(rename(path_of("new"), there.path), 0);
    assert_int_equal(say("{5}\n"), 0);
    assert_string_equal(read_all(there.path), "{5}\n");
}

static void waits_for_its_folder(void **state) {
    (void)state;
    unsigned fds = torture_count("fd");
    assert_int_equal(say("{1}\n"), 0);
    unlink(there.path);
    rmdir(dir);
    assert_int_equal(say("{2}\n"), -EAGAIN);
    assert_string_equal(why, "cannot open the file: No such file or directory");
    assert_int_equal(torture_count("fd"), fds);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(say("{2}\n"), 0);
    assert_string_equal(read_all(there.path), "{2}\n");
    unlink(there.path);
    assert_int_equal(mkdir(there.path, 0700), 0);
    assert_int_equal(say("{3}\n"), -EAGAIN);
    assert_string_equal(why, "cannot open the file: Is a directory");
}

static void follows_a_link(void **state) {
    (void)state;
    assert_int_equal(symlink("target", there.path), 0);
    assert_int_equal(say("{1}\n"), 0);
    assert_string_equal(read_all(path_of("target")), "{1}\n");
    unlink(there.path);
    assert_int_equal(symlink("other", there.path), 0);
    assert_int_equal(say("{2}\n"), 0);
    assert_string_equal(read_all(path_of("other")), "{2}\n");
}

static void never_glues_lines(void **state) {
    (void)state;
    int fd = open(there.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "{half", 5), 5); /* of a worker that was killed */
    assert_int_equal(say("{1}\n"), 0);
    assert_string_equal(read_all(there.path), "{half\n{1}\n");
    lseek(fd, 0, SEEK_END);
    assert_int_equal(write(fd, "{more", 5), 5); /* while we have it open */
    close(fd);
    assert_int_equal(say("{2}\n"), 0);
    assert_string_equal(read_all(there.path), "{half\n{1}\n{more\n{2}\n");
}

static void survives_a_full_disk(void **state) {
    (void)state;
    struct rlimit old, tight;
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = 100;
    assert_int_equal(file->send(sender, line_of('a', 60), NULL, &result), 0);
    setrlimit(RLIMIT_FSIZE, &tight); /* write(2) takes what fits, as on a full disk */
    int first = file->send(sender, line_of('b', 60), NULL, &result);
    char first_why[TRC_ERROR_TEXT_MAX];
    strcpy(first_why, why);
    int second =
        file->send(sender, line_of('b', 60), NULL, &result); /* and not even a newline goes in */
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(first, -EAGAIN);
    assert_string_equal(first_why, "cannot write, half a line was left: File too large");
    assert_int_equal(second, -EAGAIN);
    assert_int_equal(strlen(read_all(there.path)), 100);
    assert_int_equal(file->send(sender, line_of('b', 60), NULL, &result), 0);
    assert_int_equal(file->send(sender, line_of('c', 60), NULL, &result), 0);
    read_all(there.path);
    assert_int_equal(strlen(content), 60 + 40 + 1 + 60 + 60);
    assert_memory_equal(content + 60 + 40, "\nbbb", 4);
    assert_memory_equal(content + 60 + 40 + 1 + 59, "\nccc", 4);
}

static void says_that_the_disk_is_full(void **state) {
    (void)state;
    assert_int_equal(symlink("/dev/full", there.path), 0);
    assert_int_equal(say("{1}\n"), -EAGAIN);
    assert_string_equal(why, "cannot write: No space left on device");
    unlink(there.path);
    assert_int_equal(say("{1}\n"), 0);
}

static void waits_for_another_writer_but_not_long(void **state) {
    (void)state;
    assert_int_equal(say("{1}\n"), 0);
    int fd = open(there.path, O_WRONLY | O_CLOEXEC);
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &all), 0);
    uint64_t before = trc_clock_mono_ns();
    assert_int_equal(say("{2}\n"), -EAGAIN);
    assert_in_range(trc_clock_mono_ns() - before, PATIENCE_NS, 10 * PATIENCE_NS);
    close(fd);
    assert_int_equal(say("{3}\n"), 0);
    assert_string_equal(read_all(there.path), "{1}\n{3}\n");
}

/* --- FIFOs --------------------------------------------------------------------------------- */

static void needs_a_reader_at_a_fifo(void **state) {
    (void)state;
    char got[16] = "";
    assert_int_equal(mkfifo(there.path, 0600), 0);
    assert_int_equal(say("{1}\n"), -EAGAIN); /* and did not wait for one */
    assert_string_equal(why, "cannot open the file: No such device or address");
    int reader = open(there.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(say("{1}\n"), 0);
    assert_int_equal(read(reader, got, sizeof(got)), 4);
    assert_string_equal(got, "{1}\n");
    close(reader);
    assert_int_equal(say("{2}\n"), -EAGAIN);
    assert_string_equal(why, "cannot write: Broken pipe");
    reader = open(there.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(say("{2}\n"), 0);
    assert_int_equal(read(reader, got, sizeof(got)), 4);
    assert_string_equal(got, "{2}\n");
    close(reader);
}

static void does_not_wait_long_for_a_slow_reader(void **state) {
    (void)state;
    assert_int_equal(mkfifo(there.path, 0600), 0);
    int reader = open(there.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    uint64_t before = trc_clock_mono_ns();
    assert_int_equal(file->send(sender, line_of('x', 200 * 1024), NULL, &result), -EAGAIN);
    assert_in_range(trc_clock_mono_ns() - before, PATIENCE_NS, 10 * PATIENCE_NS);
    assert_non_null(strstr(why, "half a line was left"));
    size_t half = 0;
    for (ssize_t n; (n = read(reader, content, sizeof(content))) > 0;)
        half += (size_t)n;
    assert_in_range(half, 1, 200 * 1024 - 1);
    assert_int_equal(say("{1}\n"), 0);
    assert_int_equal(read(reader, content, sizeof(content)), 5);
    assert_memory_equal(content, "\n{1}\n", 5); /* parseable again */
    assert_int_equal(say("{2}\n"), 0);
    assert_int_equal(read(reader, content, sizeof(content)), 4);
    assert_int_equal(file->send(sender, line_of('x', 200 * 1024), NULL, &result), -EAGAIN);
    unlink(there.path); /* another FIFO has not seen that half */
    assert_int_equal(mkfifo(there.path, 0600), 0);
    close(reader);
    reader = open(there.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(say("{3}\n"), 0);
    assert_int_equal(read(reader, content, sizeof(content)), 4);
    close(reader);
}

/* --- Standard output ----------------------------------------------------------------------- */

static void writes_to_standard_output(void **state) {
    (void)state;
    int fd = open(there.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct trc_sender *s = out->make(&nowhere);
    replace_stdout(fd);
    int rc = out->send(s, TRC_SLICE("{1}\n"), NULL, &result);
    rc += out->send(s, TRC_SLICE("{2}\n"), NULL, &result);
    out->drop(s);
    bool open_still = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    restore_stdout();
    close(fd);
    assert_int_equal(rc, 0);
    assert_true(open_still);
    assert_string_equal(read_all(there.path), "{1}\n{2}\n");
}

/* A pipe that nobody reads, blocking or not: neither may hold us. */
static void is_not_held_by_a_full_pipe(void **state) {
    (void)state;
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        int p[2];
        struct trc_sender *s = out->make(&nowhere);
        assert_int_equal(pipe2(p, O_CLOEXEC | flags), 0);
        replace_stdout(p[1]);
        uint64_t before = trc_clock_mono_ns();
        int rc = out->send(s, line_of('x', 200 * 1024), NULL, &result);
        uint64_t took = trc_clock_mono_ns() - before;
        bool waits_still = (fcntl(p[1], F_GETFL) & O_NONBLOCK) == flags;
        restore_stdout();
        close(p[1]);
        assert_int_equal(rc, -EAGAIN);
        assert_non_null(strstr(why, "half a line was left"));
        assert_in_range(took, PATIENCE_NS, 10 * PATIENCE_NS);
        assert_true(waits_still); /* it is not ours alone to change */
        close(p[0]);
        out->drop(s);
    }
}

static void bears_a_reader_that_left(void **state) {
    (void)state;
    int p[2];
    struct trc_sender *s = out->make(&nowhere);
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    close(p[0]);
    replace_stdout(p[1]);
    int rc = out->send(s, TRC_SLICE("{1}\n"), NULL, &result);
    restore_stdout();
    close(p[1]);
    out->drop(s);
    assert_int_equal(rc, -EAGAIN);
    assert_string_equal(why, "cannot write: Broken pipe");
}

static void writes_to_a_socket(void **state) {
    (void)state;
    int pair[2];
    struct trc_sender *s = out->make(&nowhere);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    replace_stdout(pair[1]);
    int rc = out->send(s, TRC_SLICE("{1}\n"), NULL, &result);
    int full = 0;
    while (full == 0) /* until it holds no more: it blocks, and must not block us */
        full = out->send(s, line_of('x', 60 * 1024), NULL, &result);
    restore_stdout();
    assert_int_equal(rc, 0);
    assert_int_equal(full, -EAGAIN);
    assert_int_equal(read(pair[0], content, 4), 4);
    assert_memory_equal(content, "{1}\n", 4);
    close(pair[0]);
    close(pair[1]);
    out->drop(s);
}

/* What of a piped line was written must be a line of its own kind, for whoever reads it: letters of
 * one worker only, and all of them. Returns how many lines were whole. */
static unsigned check_lines(const char *text, size_t len, size_t line_len, unsigned *broken) {
    unsigned whole = 0;
    for (const char *end; len > 0 && (end = memchr(text, '\n', len)) != NULL;) {
        size_t n = (size_t)(end - text);
        size_t same = 0;
        while (same < n && text[same] == text[0])
            same++;
        if (n == line_len - 1 && same == n)
            whole++;
        else
            ++*broken;
        len -= n + 1;
        text = end + 1;
    }
    return whole;
}

/* Four workers, one pipe, lines larger than a pipe takes at once. */
static void keeps_lines_of_workers_apart(void **state) {
    (void)state;
    enum { WORKERS = 4, LINES = 8, LEN = 60 * 1024 };
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    replace_stdout(p[1]);
    for (int w = 0; w < WORKERS; w++) {
        if (fork() != 0)
            continue;
        close(p[0]);
        struct trc_sender *s = out->make(&nowhere);
        int failed = 0;
        for (int i = 0; i < LINES; i++)
            for (int tries = 0; out->send(s, line_of((char)('a' + w), LEN), NULL, &result) != 0;)
                if (++tries == 100) {
                    failed++;
                    break;
                }
        _exit(failed);
    }
    restore_stdout();
    close(p[1]);
    size_t got = 0;
    for (ssize_t n; (n = read(p[0], content + got, sizeof(content) - got)) > 0;)
        got += (size_t)n;
    close(p[0]);
    for (int w = 0; w < WORKERS; w++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    unsigned broken = 0;
    assert_int_equal(check_lines(content, got, LEN, &broken), WORKERS * LINES);
    assert_int_equal(broken, 0);
}

/* --- The rest ------------------------------------------------------------------------------ */

static void survives_torture(void **state) {
    (void)state;
    unsigned fds = torture_count("fd"), delivered = 0;
    for (torture_begin(); torture_next();) {
        struct trc_sender *s = file->make(&there);
        int rc = s ? file->send(s, TRC_SLICE("{1}\n"), NULL, &result) : -EAGAIN;
        assert_true(rc == 0 || rc == -EAGAIN);
        delivered += rc == 0;
        if (s && file->send(s, TRC_SLICE("{1}\n"), NULL, &result) == 0)
            delivered++;
        file->drop(s);
        assert_int_equal(torture_count("fd"), fds);
    }
    assert_true(torture_state.failed >= 10);
    assert_int_equal(strlen(read_all(there.path)), 4 * delivered);
    for (torture_begin(); torture_next();) { /* nothing to write to, but the same calls */
        struct trc_sender *s = out->make(&nowhere);
        int fd = s ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
        if (s) {
            replace_stdout(fd);
            int rc = out->send(s, TRC_SLICE("{1}\n"), NULL, &result);
            restore_stdout();
            close(fd);
            assert_true(rc == 0 || rc == -EAGAIN);
        }
        out->drop(s);
    }
    file->drop(NULL);
}

static void checks_the_path(void **state) {
    (void)state;
    static const struct {
        const char *host, *path;
        int file_rc, stdout_rc;
    } cases[] = {
        {"", "/x", 0, -EINVAL},      {"", "", -EINVAL, 0},          {"", "x", -EINVAL, -EINVAL},
        {"", "/", -EINVAL, -EINVAL}, {"", "/x/", -EINVAL, -EINVAL}, {"h", "/x", -EINVAL, -EINVAL},
        {"h", "", -EINVAL, -EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trc_endpoint e = nowhere;
        strcpy(e.host, cases[i].host);
        strcpy(e.path, cases[i].path);
        assert_int_equal(file->check(&e, why), cases[i].file_rc);
        assert_int_equal(out->check(&e, why), cases[i].stdout_rc);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(appends_lines),
        TEST(writes_a_large_line_whole),
        TEST(follows_rotation),
        TEST(waits_for_its_folder),
        TEST(follows_a_link),
        TEST(never_glues_lines),
        TEST(survives_a_full_disk),
        TEST(says_that_the_disk_is_full),
        TEST(waits_for_another_writer_but_not_long),
        TEST(needs_a_reader_at_a_fifo),
        TEST(does_not_wait_long_for_a_slow_reader),
        TEST(writes_to_standard_output),
        TEST(is_not_held_by_a_full_pipe),
        TEST(bears_a_reader_that_left),
        TEST(writes_to_a_socket),
        TEST(keeps_lines_of_workers_apart),
        TEST(survives_torture),
        TEST(checks_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
