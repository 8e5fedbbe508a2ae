/* SPDX-License-Identifier: MIT
 *
 * Torture: every fallible call of one file under test, made to fail in turn.
 *
 * A test redirects the calls with function-like macros and then includes the .c file itself, as
 * curl's memdebug does: no linker flag, and it works under every sanitizer. A macro with
 * parentheses leaves members of the same name (`.send = ...`) alone.
 *
 *     #define socket(...) (torture(EMFILE) ? -1 : socket(__VA_ARGS__))
 *     #include "../../plugin/send/udp.c"
 *
 *     for (torture_begin(); torture_next();)
 *         scenario();                    // must neither crash nor leak, whatever it returns
 */
#ifndef TRACING_TESTS_TORTURE_H
#define TRACING_TESTS_TORTURE_H

#include "tracing/clock.h"
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct {
    bool on;
    unsigned calls;   /* in this round */
    unsigned fail_at; /* the call that fails, 1... */
    unsigned failed;  /* rounds in which it did */
} torture_state;

/* Is it this call that fails? Sets errno then. */
static inline bool torture(int err) {
    if (!torture_state.on || ++torture_state.calls != torture_state.fail_at)
        return false;
    errno = err;
    return true;
}

static inline void torture_begin(void) {
    torture_state.on = true;
    torture_state.calls = torture_state.fail_at = torture_state.failed = 0;
}

/* The next round, while the last one got as far as the call that was to fail. */
static inline bool torture_next(void) {
    if (torture_state.fail_at > 0) {
        if (torture_state.calls < torture_state.fail_at)
            return torture_state.on = false;
        torture_state.failed++;
    }
    torture_state.calls = 0;
    torture_state.fail_at++;
    return true;
}

/* Entries of a folder of /proc/self: "fd" for open files, "task" for threads. */
static inline unsigned torture_count(const char *folder) {
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof(path), "/proc/self/%s", folder);
    DIR *dir = opendir(path);
    if (!dir)
        __builtin_trap();
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count - (strcmp(folder, "fd") == 0); /* the one we look with */
}

/* The same, when it has become `wanted` or not within five seconds: another thread has its end of a
 * connection to close, or its own to come to. */
static inline unsigned torture_count_settled(const char *folder, unsigned wanted) {
    const uint64_t end = trc_clock_mono_ns() + 5 * TRC_NS_PER_S;
    while (torture_count(folder) != wanted && trc_clock_mono_ns() < end)
        sched_yield();
    return torture_count(folder);
}

#endif
