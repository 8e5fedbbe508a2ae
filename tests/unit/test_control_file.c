/* SPDX-License-Identifier: MIT
 *
 * The control file: what its lines do, which versions are read and when, and calls that fail.
 */
#include "torture.h"
#include "tracing/clock.h"
#include "tracing/control_file.h"
#include "tracing/log.h"
#include "tsan_join.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int failing_fstat(int fd, struct stat *s) {
    return torture(EIO) ? -1 : fstat(fd, s);
}

#define pthread_create(...) (torture(0) ? EAGAIN : pthread_create(__VA_ARGS__))
#include "../../plugin/base/thread.c"
#define open(...) (torture(EACCES) ? -1 : open(__VA_ARGS__))
#define read(...) (torture(EIO) ? -1 : read(__VA_ARGS__))
#define fstat(fd, s) failing_fstat(fd, s)
#include "../../plugin/report/control_file.c"
#undef open
#undef read
#undef fstat
#undef pthread_create

#define FAR_NS (20 * TRC_NS_PER_S)

static struct trc_control *control;
static _Atomic uint64_t account;
static char folder[] = "/tmp/trc-control-XXXXXX", path[64], new_path[64];
static char last_line[1100];
static _Atomic unsigned lines, wakes;

static void note_line(const char *line) {
    snprintf(last_line, sizeof(last_line), "%s", line);
    atomic_fetch_add(&lines, 1);
}

static void note_wake(void) {
    atomic_fetch_add(&wakes, 1);
}

static int setup(void **state) {
    (void)state;
    struct trc_rules rules = {.enabled = true};
    strcpy(folder, "/tmp/trc-control-XXXXXX");
    if (trc_sampler_parse(TRC_SLICE("const:1"), &rules.sampler) || !mkdtemp(folder) ||
        trc_control_new(&control, &rules, &account))
        return -1;
    snprintf(path, sizeof(path), "%s/control", folder);
    snprintf(new_path, sizeof(new_path), "%s/new", folder);
    memset(&watch, 0, sizeof(watch));
    watch.config = (struct trc_control_watch){control, path, 0, note_wake};
    atomic_store(&lines, 0);
    atomic_store(&wakes, 0);
    trc_log_to(note_line);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    trc_log_to(NULL);
    trc_control_free(control);
    remove(path);
    return rmdir(folder);
}

static void write_file(const char *content, size_t len) {
    FILE *file = fopen(new_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(new_path, path), 0);
}

static void put(const char *content) {
    write_file(content, strlen(content));
}

static bool is_on(void) {
    return atomic_load(trc_control_word(control)) & TRC_CONTROL_ON;
}

static int parse(const char *content, size_t len, struct trc_change *change, char *why) {
    *change = (struct trc_change){0};
    struct trc_slice s = {guarded(0, content, len), len};
    return trc_change_parse(change, control, s, why);
}

static void lines_say_what_to_change(void **state) {
    (void)state;
    static const struct {
        const char *content;
        unsigned settings;
        const char *wrong; /* in why[]; NULL: it is right */
    } cases[] = {
        {"", 0, NULL},
        {"\n\n  \n", 0, NULL},
        {"# enabled=false\n\t# so", 0, NULL},
        {"enabled=true", 1, NULL},
        {" enabled = off \r\n", 1, NULL},
        {"enabled=true\nenabled=false\n", 1, NULL},
        {"sampler=ratelimiting:5\nexclude=none", 6, NULL},
        {"exclude=/a\nexclude=/b=c", 4, NULL},
        {"exclude=", 4, NULL},
        {"enabled", 0, "line 1: enabled: not allowed (allowed: enabled=, sampler= and exclude=)"},
        {"=true", 0, "line 1: =true: not allowed"},
        {"Enabled=true", 0, "line 1: Enabled=true: not allowed"},
        {"enabled=true\n\nenabled=", 0, "line 3: enabled=: not allowed (allowed: true or false)"},
        {"enabled=true # always", 0, "line 1: "},
        {"sampler=remote", 0, "allowed: const:0, const:1, probabilistic:0..1, ratelimiting:N, or "},
        {"exclude=/a\nexclude=b", 0, "line 2: exclude=b: not allowed (allowed: none, or globs"},
    };
    struct trc_change change;
    char why[TRC_CHANGE_WHY_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int rc = parse(cases[i].content, strlen(cases[i].content), &change, why);
        assert_int_equal(rc, cases[i].wrong ? -EINVAL : 0);
        if (cases[i].wrong)
            assert_non_null(strstr(why, cases[i].wrong));
        else
            assert_int_equal(change.settings, cases[i].settings);
    }
    assert_int_equal(parse("exclude=/a\nexclude=/b", 21, &change, why), 0);
    assert_int_equal(change.to.exclude.count, 2);
    static char bytes[60000]; /* a line of what is no text at all */
    memset(bytes, 0xfe, sizeof(bytes));
    assert_int_equal(parse(bytes, sizeof(bytes), &change, why), -EINVAL);
    assert_true(strlen(why) < sizeof(why));
    assert_int_equal(parse("enabled=\0", 9, &change, why), -EINVAL);
}

/* At the second look, so that half a file is not read; once; and none that is not there. */
static void a_version_is_read_when_it_rests(void **state) {
    (void)state;
    look();
    put("enabled=false");
    look();
    assert_true(is_on());
    put("enabled=false # half");
    look();
    assert_int_equal(atomic_load(&lines), 0);
    put("enabled=false");
    look();
    look();
    assert_false(is_on());
    assert_non_null(strstr(last_line, "/control: now enabled=false\n"));
    look();
    remove(path);
    look();
    assert_false(is_on());
    assert_int_equal(atomic_load(&lines), 1);
    bool on;
    trc_control_toggle(control, TRC_CHANGER_RPC, &on);
    put("enabled=false"); /* another file that says the same */
    look();
    look();
    assert_false(is_on());
}

/* Another process's thread, which comes later with the same version. */
static void what_another_has_obeyed_is_not_obeyed_again(void **state) {
    (void)state;
    bool on;
    put("enabled=false");
    trc_control_file_read(control, path);
    trc_control_toggle(control, TRC_CHANGER_RPC, &on);
    look();
    look();
    assert_true(is_on());
    assert_int_equal(atomic_load(&lines), 1);
    assert_true(watch.dealt_with.inode != 0);
}

static void has_a_limit(void **state) {
    (void)state;
    static char text[TRC_CONTROL_FILE_MAX + 1];
    memset(text, '\n', sizeof(text));
    memcpy(text, "enabled=false", 13);
    write_file(text, sizeof(text));
    trc_control_file_read(control, path);
    assert_true(is_on());
    assert_non_null(
        strstr(last_line, ": too long (allowed: 64 KB); the settings stay as they are"));
    write_file(text, sizeof(text) - 1);
    trc_control_file_read(control, path);
    assert_false(is_on());
}

static void what_is_no_file_is_not_waited_for(void **state) {
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    trc_control_file_read(control, path);
    assert_non_null(strstr(last_line, ": not a regular file; the settings stay as they are"));
    assert_int_equal(atomic_load(&lines), 1);
}

static void a_call_that_fails_is_said_or_tried_again(void **state) {
    (void)state;
    unsigned fds = torture_count("fd");
    for (torture_begin(); torture_next();) {
        bool failed, on;
        torture_state.on = false;
        if (!is_on())
            trc_control_toggle(control, TRC_CHANGER_RPC, &on);
        put("enabled=false");
        torture_state.on = true;
        trc_control_file_read(control, path);
        failed = torture_state.calls >= torture_state.fail_at;
        assert_int_equal(is_on(), failed);
        assert_int_equal(torture_count("fd"), fds);
    }
    assert_int_equal(torture_state.failed, 4); /* open, fstat, read, and the read that ends it */
}

static void the_thread_looks_and_passes_flushes_on(void **state) {
    (void)state;
    const struct trc_control_watch config = watch.config;
    put("enabled=false");
    assert_int_equal(trc_control_watch_start(&config), 0);
    assert_int_equal(trc_control_watch_start(&config), -EBUSY);
    trc_control_flush(control);
    for (uint64_t end = trc_clock_mono_ns() + FAR_NS; is_on() || !atomic_load(&wakes);)
        assert_true(trc_clock_mono_ns() < end);
    assert_true(trc_control_watch_stop(trc_clock_mono_ns() + FAR_NS));
    assert_true(trc_control_watch_stop(0));
    assert_int_equal(atomic_load(&wakes), 1);
    trc_control_watch_forget();
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_say_what_to_change),
        TEST(a_version_is_read_when_it_rests),
        TEST(what_another_has_obeyed_is_not_obeyed_again),
        TEST(has_a_limit),
        TEST(what_is_no_file_is_not_waited_for),
        TEST(a_call_that_fails_is_said_or_tried_again),
        TEST(the_thread_looks_and_passes_flushes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
