/* SPDX-License-Identifier: MIT
 *
 * What every unit test includes: cmocka with what it needs, and guarded memory.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* Guarded memory: bytes that end where an unreadable page begins, so that a parser that reads one
 * byte too many is killed on the spot. `len` bytes copied to where they end at an unreadable page.
 * Lives until the next call with the same `lane` (0 to 7). */
static inline char *guarded(unsigned lane, const void *bytes, size_t len) {
    static char *area[8];
    const size_t size = 1 << 17, page = (size_t)sysconf(_SC_PAGESIZE);
    if (!area[lane]) {
        area[lane] =
            mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area[lane] == MAP_FAILED || mprotect(area[lane] + size, page, PROT_NONE))
            __builtin_trap();
    }
    char *at = area[lane] + size - len;
    if (len)
        memcpy(at, bytes, len);
    return at;
}

#endif
