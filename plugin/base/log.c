/* SPDX-License-Identifier: MIT
 *
 * Lines to the operator. Used by everything that may log: startup, reporters, exit.
 *
 * A line is formatted on the stack and handed over whole. Control characters in it become '?': an
 * error text may quote what a configuration or a peer said, and one call must stay one line.
 */
#include "tracing/log.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1000
#define PREFIX "[tracing] "

/* stdio's lock could be held for ever by a thread that a fork left behind: write(2) has none. */
static void write_stderr(const char *line) {
    size_t len = strlen(line);
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody is left to be told */
        line += n;
        len -= (size_t)n;
    }
}

/* Atomic, because a reporter that stop left alone may still log while a test sets another one. */
static void (*_Atomic write_line)(const char *line) = write_stderr;

void trc_log_to(void (*write)(const char *line)) {
    write_line = write ? write : write_stderr;
}

void trc_log(const char *format, ...) {
    char line[sizeof(PREFIX) - 1 + LINE_MAX_BYTES + sizeof("\n")] = PREFIX;
    char *text = line + sizeof(PREFIX) - 1;
    int saved = errno;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, LINE_MAX_BYTES + 1, format, args);
    va_end(args);
    if (len < 0) /* a format that cannot be carried out says more than nothing */
        len = snprintf(text, LINE_MAX_BYTES + 1, "%s", format);
    if (len > LINE_MAX_BYTES)
        len = LINE_MAX_BYTES;
    for (char *c = text; c < text + len; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    memcpy(text + len, "\n", sizeof("\n"));
    write_line(line);
    errno = saved;
}
