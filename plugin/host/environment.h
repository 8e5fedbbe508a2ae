/* SPDX-License-Identifier: MIT
 *
 * Environment variables of OpenTelemetry and Jaeger, translated into what the option of the same
 * meaning would say. Used by settings.c alone.
 *
 *   environment.c          the table, and reading variables and lists
 *   environment_export.c   where spans go: endpoints, headers, credentials
 *   environment_trace.c    samplers, propagators, names of tags
 */
#ifndef TRACING_HOST_ENVIRONMENT_H
#define TRACING_HOST_ENVIRONMENT_H

#include "tracing/settings.h"

/* Writes the option's value for the variable's `value` (set and not empty) to `out`; for an option
 * that can be given several times one value a line, and "none" for an exporter means none. Returns
 * 0; -ENOENT: the variable does not concern this option, or what is wrong with it has been said;
 * -EINVAL: it is wrong, or names what we do not have, and why[] may say more. */
typedef int trc_translate(const char *value, struct trc_buf *out, char why[TRC_ERROR_TEXT_MAX]);

struct trc_environment_source {
    enum trc_option option;
    const char *variable;
    trc_translate *translate;
    unsigned wires; /* of an option that HTTP exporters read: for whom, 1u << wire; 0: no such */
};

/* In order of precedence within an option; variable NULL at the end. */
extern const struct trc_environment_source trc_environment_sources[];

/* The variable's value, or NULL when it is not set or empty, which OpenTelemetry has mean the same.
 */
const char *trc_environment_get(const char *variable);

/* Says that what is set counts as not set. Shows the value, unless it may hold a credential. */
void trc_environment_ignored(const char *variable, const char *why);

/* The same of a list with words in it that we do not know; the others hold. */
void trc_environment_ignored_in_part(const char *variable, const char *why);

/* Calls `add` for each key and value of `list` ("k=v,k2=v2"), both trimmed, in memory that lives
 * for good. `percent`: both are percent-encoded (OTEL_RESOURCE_ATTRIBUTES); else ${NAME:default}
 * is replaced (JAEGER_TAGS). Returns 0; or, and `add` is never called, -EINVAL when any item is
 * malformed, -ENOMEM. */
int trc_environment_pairs(const char *list, bool percent,
                          void (*add)(void *to, struct trc_slice key, struct trc_slice value),
                          void *to);

/* Is `s` this word, in any case? */
bool trc_environment_is(struct trc_slice s, const char *word);

/* "250" in milliseconds as a duration; one with a unit as it is, too, for the second (Go's client
 * takes "1s", Jaeger's others milliseconds). */
trc_translate trc_translate_copy, trc_translate_ms, trc_translate_duration;

/* --- environment_export.c ----------------------------------------------------------------------
 */

trc_translate trc_translate_exporters, trc_translate_otlp_traces_endpoint,
    trc_translate_otlp_endpoint, trc_translate_jaeger_endpoint, trc_translate_agent_host,
    trc_translate_agent_port, trc_translate_headers, trc_translate_compression;

/* JAEGER_USER with JAEGER_PASSWORD, JAEGER_AUTH_TOKEN. Returns the variable that gave *http its
 * credentials, or NULL. */
const char *trc_environment_credentials(struct trc_http_config *http);

/* --- environment_trace.c -----------------------------------------------------------------------
 */

trc_translate trc_translate_otel_sampler, trc_translate_jaeger_sampler,
    trc_translate_jaeger_sampling, trc_translate_otel_extract, trc_translate_otel_inject,
    trc_translate_jaeger_extract, trc_translate_jaeger_inject, trc_translate_semconv,
    trc_translate_capture;

/* Says what is set and means something else here than where it comes from. */
void trc_environment_mention(void);

#endif
