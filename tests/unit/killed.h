/* SPDX-License-Identifier: MIT
 *
 * Processes that are killed after each of their instructions, for what has to survive it in shared
 * memory.
 */
#ifndef TESTS_KILLED_H
#define TESTS_KILLED_H

#include "unit.h"
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* How many instructions apart a process is killed. */
#if defined(__SANITIZE_THREAD__)
#define STRIDE 0 /* its own instructions are a thousand times ours, and there is one thread */
#elif defined(__SANITIZE_ADDRESS__)
#define STRIDE 499
#else
#define STRIDE 29
#endif

/* Runs `what` in a process of its own and kills that after so many instructions. Returns false when
 * it had come to its end before. */
static inline bool killed_after(unsigned instructions, void (*what)(void)) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(1);
        raise(SIGSTOP);
        what();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    for (unsigned i = 0; WIFSTOPPED(status) && i < instructions; i++) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
    }
    if (!WIFSTOPPED(status)) {
        assert_int_equal(status, 0);
        return false;
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return true;
}

#endif
