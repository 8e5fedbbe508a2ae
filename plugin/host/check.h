/* SPDX-License-Identifier: MIT
 *
 * tracing-check: what the settings are, and whether each exporter's collector takes a span.
 */
#ifndef TRACING_HOST_CHECK_H
#define TRACING_HOST_CHECK_H

#include "tracing/settings.h"

/* Prints each setting with where it comes from, credentials left out, then sends one span by each
 * exporter, with the encoders and senders that serve, and prints what came of it. Returns 0 when
 * all took it, else 1. Needs trc_http_init. Waits for answers, each as long as
 * tracing-export-timeout. Thread: startup, in a process that ends after it. */
int trc_check(const struct trc_settings *settings, const struct trc_resource *resource);

#endif
