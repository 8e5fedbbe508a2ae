/* SPDX-License-Identifier: MIT
 *
 * The file senders: one message is one line, appended to a file or written to standard output.
 *
 * Used by the reporters through the table in report/exporters.c; each worker has one of its own on
 * the same file or pipe, and other processes may write there too.
 *
 * A line must be whole and alone, or a reader loses what it says after we have ticked it off. So a
 * line is written under an advisory lock that the workers share (a pipe takes no more than PIPE_BUF
 * bytes in one piece, pipe(7)), and if the last line there has no end - the disk was full, or its
 * worker was killed in the middle - a newline is written first. The rest of a message that could
 * not be finished is never written later: the whole message is tried again.
 *
 * The path is looked up before each message, so that a file that was rotated or deleted is made
 * anew; symbolic links are followed, because /dev/stderr is one. A FIFO without a reader is a peer
 * that is not there: opening and writing never wait for long. Every failure is one to try again:
 * space can be freed, rights be changed, a reader come back.
 */
#include "tracing/clock.h"
#include "tracing/sender.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_NS (500 * TRC_NS_PER_MS) /* for the lock and for room, all in all, per message */
#define FILE_MODE 0640                    /* spans are not for everybody to read */

struct trc_sender {
    const char *path; /* NULL: standard output, which is not ours to close */
    int fd;           /* -1: not open */
    int lock;         /* the kind of lock, see below */
    dev_t dev;        /* of what is open */
    ino_t ino;
    bool half; /* the last line we wrote has no end */
};

/* What is known of the output while one message is written. */
struct output {
    int fd;
    mode_t type;       /* S_IFREG... */
    size_t piece;      /* bytes to write at once without waiting for long */
    bool ask_first;    /* is there room? because the write itself would wait */
    uint64_t deadline; /* monotonic */
};

static int file_check(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]) {
    size_t len = strlen(endpoint->path);
    if (!endpoint->host[0] && endpoint->path[0] == '/' && endpoint->path[len - 1] != '/')
        return 0;
    snprintf(why, TRC_ERROR_TEXT_MAX, "a file needs an absolute path, as in file:///var/log/spans");
    return -EINVAL;
}

static int stdout_check(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]) {
    if (!endpoint->host[0] && !endpoint->path[0])
        return 0;
    snprintf(why, TRC_ERROR_TEXT_MAX, "standard output has no host and no path");
    return -EINVAL;
}

static struct trc_sender *file_make(const struct trc_endpoint *endpoint) {
    struct trc_sender *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->path = endpoint->path;
    s->fd = -1;
    /* By open file description, which is ours alone: no close elsewhere in the process lets go of
     * it (fcntl(2), "Open file description locks"). */
    s->lock = F_OFD_SETLK;
    return s;
}

static struct trc_sender *stdout_make(const struct trc_endpoint *endpoint) {
    (void)endpoint;
    struct trc_sender *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->fd = STDOUT_FILENO;
    s->lock = F_SETLK; /* by process: the workers inherited one open file description */
    return s;
}

static void shut(struct trc_sender *s) {
    if (s->path && s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void file_drop(struct trc_sender *s) {
    if (!s)
        return;
    shut(s);
    free(s);
}

static int later(const char *what, int err, char why[TRC_ERROR_TEXT_MAX]) {
    snprintf(why, TRC_ERROR_TEXT_MAX, "%s: %s", what, strerrordesc_np(err));
    return -EAGAIN;
}

/* --- Opening ------------------------------------------------------------------------------- */

/* O_NONBLOCK: a FIFO without a reader fails with ENXIO, and a full one takes what fits (fifo(7)); a
 * regular file does not care. A regular file is opened for reading too, to see how it ends; a FIFO
 * must not be, or we would be its reader. */
static int open_path(const char *path) {
    const int flags = O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return open(path, O_WRONLY | flags);
    int fd = open(path, O_RDWR | O_CREAT | flags, FILE_MODE);
    return fd < 0 && errno == EACCES ? open(path, O_WRONLY | flags) : fd;
}

/* Makes s->fd what the path leads to now. */
static int reach(struct trc_sender *s, char why[TRC_ERROR_TEXT_MAX]) {
    struct stat st;
    if (!s->path)
        return 0;
    if (s->fd >= 0) {
        if (stat(s->path, &st) == 0 ? st.st_dev == s->dev && st.st_ino == s->ino : errno != ENOENT)
            return 0;
        shut(s);
    }
    s->fd = open_path(s->path);
    if (s->fd < 0)
        return later("cannot open the file", errno, why);
    if (fstat(s->fd, &st) != 0) {
        int err = errno;
        shut(s);
        return later("cannot look at the file", err, why);
    }
    if (st.st_dev != s->dev || st.st_ino != s->ino)
        s->half = false; /* what we left is elsewhere */
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

/* --- Writing ------------------------------------------------------------------------------- */

/* Takes the lock on the whole of the output: 0 or a positive errno. What cannot be locked is
 * written to without. It goes with the process, so a dead worker holds none. */
static int lock(const struct trc_sender *s, const struct output *o) {
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (S_ISCHR(o->type))
        return 0; /* a terminal, or the one /dev/null of all programs */
    while (fcntl(s->fd, s->lock, &all) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EACCES)
            return 0;
        if (trc_clock_mono_ns() >= o->deadline)
            return EAGAIN;
        (void)poll(NULL, 0,
                   1); /* the others write for microseconds, and there is nothing to wait on */
    }
    return 0;
}

static void unlock(const struct trc_sender *s) {
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    (void)fcntl(s->fd, s->lock, &all);
}

/* Waits for room: 0, or EAGAIN when there is none until the deadline. */
static int wait_room(const struct output *o) {
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};
    for (;;) {
        uint64_t now = trc_clock_mono_ns();
        if (now >= o->deadline)
            return EAGAIN; /* a reader that takes a little at a time must not keep us for ever */
        int rc = poll(&p, 1, (int)((o->deadline - now) / TRC_NS_PER_MS) + 1);
        if (rc > 0)
            return 0; /* or an error, which the write will name */
        if (rc == 0 || errno != EINTR)
            return EAGAIN;
    }
}

/* Writes it all, in as few calls as the output allows; *done says how far it came. Returns 0 or a
 * positive errno. */
static int write_all(const struct output *o, struct trc_slice bytes, size_t *done) {
    for (*done = 0; *done < bytes.len;) {
        const char *from = bytes.p + *done;
        size_t len = bytes.len - *done < o->piece ? bytes.len - *done : o->piece;
        if (o->ask_first && wait_room(o) != 0)
            return EAGAIN;
        ssize_t n = S_ISSOCK(o->type) ? send(o->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                      : write(o->fd, from, len);
        if (n > 0) {
            *done += (size_t)n;
            continue;
        }
        int err = n == 0 ? EIO : errno;
        if (err == EAGAIN)
            err = wait_room(o);
        if (err && err != EINTR)
            return err;
    }
    return 0;
}

/* Would the next line be glued to one that has no end? In a file its last byte tells, whoever wrote
 * it; elsewhere we know of ourselves only. */
static bool needs_newline(const struct trc_sender *s, const struct stat *st) {
    char last;
    if (s->path && S_ISREG(st->st_mode)) {
        if (st->st_size == 0)
            return false;
        if (pread(s->fd, &last, 1, st->st_size - 1) == 1)
            return last != '\n';
    }
    return s->half;
}

/* How to write to s->fd without waiting for long. It is asked each time: standard output is shared
 * with other programs, and any of them can change it. */
static struct output output_of(const struct trc_sender *s, mode_t mode) {
    struct output o = {.fd = s->fd, .type = mode & S_IFMT, .piece = SSIZE_MAX};
    o.deadline = trc_clock_mono_ns() + PATIENCE_NS;
    int flags = fcntl(s->fd, F_GETFL);
    bool waits = flags >= 0 && !(flags & O_NONBLOCK);
    if (waits && !S_ISREG(o.type) && !S_ISSOCK(o.type)) {
        /* POLLOUT promises room for PIPE_BUF bytes and no more (pipe(7)). Making it non-blocking
         * would do so for every program that shares it. */
        o.ask_first = true;
        o.piece = PIPE_BUF;
    }
    return o;
}

static int write_line(struct trc_sender *s, const struct output *o, struct trc_slice message,
                      size_t *done) {
    struct stat
        st; /* asked under the lock: before, another worker may be in the middle of a line */
    *done = 0;
    if (fstat(s->fd, &st) == 0 && needs_newline(s, &st)) {
        int err = write_all(o, TRC_SLICE("\n"), done);
        *done = 0;
        if (err)
            return err;
    }
    s->half = false;
    return write_all(o, message, done);
}

static int file_send(struct trc_sender *s, struct trc_slice message,
                     const struct trc_patience *patience, struct trc_send_result *result) {
    (void)patience; /* ours is shorter */
    *result = (struct trc_send_result){.rejected = 0};
    char *why = result->why;
    struct stat st;
    size_t done;
    int rc = reach(s, why);
    if (rc)
        return rc;
    if (fstat(s->fd, &st) != 0)
        return later("cannot look at the output", errno, why);
    struct output o = output_of(s, st.st_mode);
    int err = lock(s, &o);
    if (err)
        return later("another worker is writing and does not end", err, why);
    err = write_line(s, &o, message, &done);
    unlock(s);
    if (!err)
        return 0;
    if (done > 0)
        s->half = true;
    return later(done > 0 ? "cannot write, half a line was left" : "cannot write", err, why);
}

const struct trc_sender_ops trc_sender_file = {
    "file", file_check, file_make, file_drop, file_send,
};
const struct trc_sender_ops trc_sender_stdout = {
    "stdout", stdout_check, stdout_make, file_drop, file_send,
};
