/* SPDX-License-Identifier: MIT
 *
 * Environment variables of OpenTelemetry and Jaeger, translated into what the option of the same
 * meaning would say. Used by settings.c alone.
 */
#ifndef TRACING_HOST_ENVIRONMENT_H
#define TRACING_HOST_ENVIRONMENT_H

#include "tracing/settings.h"

struct environment_source {
    enum trc_option option;
    const char *variable;
    /* Writes the option's value for the variable's `value` (set and not empty) to `out`. 0;
     * -ENOENT: the variable does not concern this option; -EINVAL: it is wrong, or names what we do
     * not have. */
    int (*translate)(const char *value, struct trc_buf *out);
};

/* In order of precedence within an option; variable NULL at the end. */
extern const struct environment_source environment_sources[];

/* The variable's value, or NULL when it is not set or empty, which OpenTelemetry has mean the same.
 */
const char *environment_get(const char *variable);

/* Calls `add` for each key and value of `list` ("k=v,k2=v2"), both trimmed, in memory that lives
 * for good. `percent`: values are percent-encoded (OTEL_RESOURCE_ATTRIBUTES); else ${NAME:default}
 * is replaced (JAEGER_TAGS). Returns 0, or -EINVAL and `add` never called when any item is
 * malformed. */
int environment_pairs(const char *list, bool percent,
                      void (*add)(void *to, struct trc_slice key, struct trc_slice value),
                      void *to);

#endif
