/* SPDX-License-Identifier: MIT
 *
 * One way to say a line to the operator. The host points it at uWSGI's log; tests leave it at
 * standard error. Never called on the request path.
 */
#ifndef TRACING_LOG_H
#define TRACING_LOG_H

/* Writes "[tracing] " and the formatted line (no newline in it; at most 1,000 bytes, longer ones
 * are cut). Thread: any but request. */
void trc_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sets where lines go: `write` gets one whole line with its newline. NULL: standard error.
 * Thread: startup. */
void trc_log_to(void (*write)(const char *line));

#endif
