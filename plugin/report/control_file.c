/* SPDX-License-Identifier: MIT
 *
 * Looking at the control file. Used by the host: once before the fork, then from a thread of each
 * worker.
 *
 * By stat, four times a second, and not by inotify: that would have to follow each link on the way
 * and each folder that is not there yet, and sees nothing of what another machine does to a shared
 * file system. Every worker reads a new version; the first that comes with it puts it in force.
 */
#include "tracing/control_file.h"
#include "tracing/clock.h"
#include "tracing/log.h"
#include "tracing/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STACK_BYTES (128u * 1024u)
#define LOOK_NS (250 * TRC_NS_PER_MS)

/* One per process. */
static struct {
    struct trc_control_watch config;
    struct trc_file_version dealt_with, last; /* what was read, and what the last look saw */
    uint64_t flushes;                         /* that were passed on */
    char text[TRC_CONTROL_FILE_MAX + 1];      /* one more tells that it is too long */
    struct trc_thread thread;
} watch;

static uint64_t ns_of(struct timespec t) {
    return (uint64_t)t.tv_sec * TRC_NS_PER_S + (uint64_t)t.tv_nsec;
}

static struct trc_file_version version_of(const struct stat *s) {
    return (struct trc_file_version){s->st_dev, s->st_ino, (uint64_t)s->st_size, ns_of(s->st_mtim),
                                     ns_of(s->st_ctim)};
}

static bool same(const struct trc_file_version *a, const struct trc_file_version *b) {
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- One version --------------------------------------------------------------------------- */

static int say(char why[TRC_CHANGE_WHY_MAX], const char *what) {
    snprintf(why, TRC_CHANGE_WHY_MAX, "%s", what);
    return -EINVAL;
}

static int read_all(int fd, struct trc_slice *content, char why[TRC_CHANGE_WHY_MAX]) {
    size_t len = 0;
    ssize_t n;
    do {
        n = read(fd, watch.text + len, sizeof(watch.text) - len);
        len += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && len < sizeof(watch.text)) || (n < 0 && errno == EINTR));
    if (n < 0)
        return say(why, strerror(errno));
    if (len > TRC_CONTROL_FILE_MAX)
        return say(why, "too long (allowed: 64 KB)");
    *content = (struct trc_slice){watch.text, len};
    return 0;
}

/* Reads that version of the file. Returns 0; -EINVAL and why[] when it is none to be used; -EAGAIN
 * when there is another by now. Never waits: what is no file is not opened, or not for long. */
static int read_version(const char *path, const struct trc_file_version *version, mode_t mode,
                        struct trc_slice *content, char why[TRC_CHANGE_WHY_MAX]) {
    struct stat s;
    if (!S_ISREG(mode))
        return say(why, "not a regular file");
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -EAGAIN : say(why, strerror(errno));
    int rc = -EAGAIN;
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode)) {
        const struct trc_file_version opened = version_of(&s);
        if (same(&opened, version))
            rc = read_all(fd, content, why);
    }
    close(fd);
    return rc;
}

static void tell_changed(struct trc_control *c, const char *path, unsigned changed) {
    char text[TRC_SETTING_COUNT * TRC_SETTING_TEXT_MAX];
    struct trc_control_state state;
    struct trc_buf b = trc_buf_over(text, sizeof(text));
    trc_control_read(c, &state);
    for (unsigned s = 0; s < TRC_SETTING_COUNT; s++) {
        if (!(changed & 1u << s))
            continue;
        trc_buf_put_slice(&b, b.len ? TRC_SLICE(", ") : TRC_SLICE(""));
        trc_buf_put_slice(&b, trc_setting_names[s]);
        trc_buf_put_byte(&b, '=');
        trc_rules_put(&b, &state.now, s);
    }
    trc_log("tracing-control = %s: now %.*s", path, (int)b.len, text);
}

/* Deals with one version. False: it is to be tried again. */
static bool take(struct trc_control *c, const char *path, const struct trc_file_version *version,
                 mode_t mode) {
    struct trc_change change = {0};
    struct trc_slice content;
    char why[TRC_CHANGE_WHY_MAX] = "";
    unsigned changed;
    int read = read_version(path, version, mode, &content, why);
    if (read == -EAGAIN)
        return false;
    bool good = read == 0 && trc_change_parse(&change, c, content, why) == 0;
    int rc = trc_control_apply_version(c, version, good ? &change : NULL, &changed);
    if (rc == 0 && !good)
        trc_log("tracing-control = %s: %s; the settings stay as they are", path, why);
    else if (rc == 0 && changed)
        tell_changed(c, path, changed);
    return rc != -EBUSY;
}

/* The version there is. False: none. */
static bool find(const char *path, struct trc_file_version *version, mode_t *mode) {
    struct stat s;
    if (stat(path, &s))
        return false;
    *version = version_of(&s);
    *mode = s.st_mode;
    return true;
}

void trc_control_file_read(struct trc_control *control, const char *path) {
    struct trc_file_version version;
    mode_t mode;
    if (find(path, &version, &mode))
        (void)take(control, path, &version, mode);
}

/* --- The thread ---------------------------------------------------------------------------- */

static void look(void) {
    struct trc_file_version version;
    mode_t mode;
    if (!watch.config.path || !find(watch.config.path, &version, &mode) ||
        same(&version, &watch.dealt_with))
        return;
    if (!same(&version, &watch.last))
        watch.last = version; /* it may be in the middle of being written */
    else if (take(watch.config.control, watch.config.path, &version, mode))
        watch.dealt_with = version;
}

static void pass_flushes_on(void) {
    uint64_t flushes = trc_control_flushes(watch.config.control);
    if (flushes == watch.flushes)
        return;
    watch.flushes = flushes;
    watch.config.wake();
}

static void run(void *arg) {
    (void)arg;
    do {
        look();
        pass_flushes_on();
    } while (!trc_thread_wait(&watch.thread, trc_clock_mono_ns() + LOOK_NS));
}

int trc_control_watch_start(const struct trc_control_watch *config) {
    char name[32];
    if (atomic_load(&watch.thread.alive)) /* it uses what is here */
        return -EBUSY;
    watch.config = *config;
    watch.dealt_with = watch.last = (struct trc_file_version){0};
    watch.flushes = trc_control_flushes(config->control);
    snprintf(name, sizeof(name), "trc-%u-control", config->worker + 1);
    return trc_thread_start(&watch.thread, name, STACK_BYTES, run, NULL);
}

bool trc_control_watch_stop(uint64_t deadline_mono_ns) {
    if (!trc_thread_is_ours(&watch.thread))
        return true;
    trc_thread_ring(&watch.thread);
    return trc_thread_join(&watch.thread, deadline_mono_ns);
}

void trc_control_watch_forget(void) {
    trc_thread_forget(&watch.thread);
}
