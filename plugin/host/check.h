/* SPDX-License-Identifier: MIT
 *
 * tracing-check: what the settings are, whether each exporter's collector takes a span, and what
 * the sampling server says.
 */
#ifndef TRACING_HOST_CHECK_H
#define TRACING_HOST_CHECK_H

#include "tracing/settings.h"

/* Prints each setting with where it comes from, credentials left out, then sends one span by each
 * exporter, with the encoders and senders that serve, asks the server of a remote sampler, and
 * prints what came of it. Returns 0 when all took it and there is a strategy, else 1. Needs
 * trc_http_init. Waits for answers, each as long as tracing-export-timeout. Thread: startup, in a
 * process that ends after it. */
int trc_check(const struct trc_settings *settings, const struct trc_resource *resource);

#endif
