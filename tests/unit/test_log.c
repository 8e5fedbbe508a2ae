/* SPDX-License-Identifier: MIT
 *
 * The log: one call, one whole line.
 */
#include "tracing/log.h"
#include "unit.h"
#include <fcntl.h>

static char got[4096];
static unsigned lines;

static void keep(const char *line) {
    snprintf(got, sizeof(got), "%s", line);
    lines++;
}

static int setup(void **state) {
    (void)state;
    lines = 0;
    trc_log_to(keep);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    trc_log_to(NULL);
    return 0;
}

static void says_a_whole_line(void **state) {
    (void)state;
    errno = EXDEV;
    trc_log("%s is %d", "answer", 42);
    assert_string_equal(got, "[tracing] answer is 42\n");
    assert_int_equal(errno, EXDEV);
    assert_int_equal(lines, 1);
}

static void cuts_what_is_too_long(void **state) {
    (void)state;
    char text[3000];
    for (size_t len = 998; len < 1003; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        trc_log("%s", text);
        assert_int_equal(strlen(got), 10 + (len < 1000 ? len : 1000) + 1);
        assert_int_equal(got[strlen(got) - 1], '\n');
    }
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    trc_log("%s", text);
    assert_int_equal(strlen(got), 1011);
}

static void stays_one_line(void **state) {
    (void)state;
    trc_log("%s", "a\nb\r\x1b[31m\x7f\tc \xc3\xa9");
    assert_string_equal(got, "[tracing] a?b??[31m??c \xc3\xa9\n");
}

static void goes_to_standard_error_by_default(void **state) {
    (void)state;
    int pipe_fd[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    dup2(pipe_fd[1], STDERR_FILENO);
    trc_log_to(NULL);
    trc_log("plain");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fd[1]);
    ssize_t n = read(pipe_fd[0], got, sizeof(got));
    close(pipe_fd[0]);
    assert_int_equal(n, strlen("[tracing] plain\n"));
    assert_memory_equal(got, "[tracing] plain\n", (size_t)n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_a_whole_line, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_what_is_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(stays_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(goes_to_standard_error_by_default, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
