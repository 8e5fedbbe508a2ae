/* SPDX-License-Identifier: MIT
 *
 * Settings: options and environment made into what the rest of the plugin is told.
 *
 * An option beats the environment, the environment beats the default. A wrong option is an error; a
 * wrong environment variable is a warning and counts as not set, as the OpenTelemetry specification
 * asks (configuration/sdk-environment-variables.md). Knows no uWSGI structure, so that each rule
 * can be tested alone.
 */
#ifndef TRACING_SETTINGS_H
#define TRACING_SETTINGS_H

#include "tracing/capture.h"
#include "tracing/client.h"
#include "tracing/exclude.h"
#include "tracing/exporter.h"
#include "tracing/format.h"
#include "tracing/journal.h"
#include "tracing/response.h"
#include "tracing/sampler.h"
#include "tracing/scrub.h"
#include "tracing/template.h"
#include "tracing/trust.h"

#define TRC_TAGS_MAX 64
#define TRC_BAGGAGE_TAGS_MAX 8
#define TRC_LIST_MAX 8 /* formats in a list */
#define TRC_OPTION_VALUES_MAX TRC_TAGS_MAX
#define TRC_ORIGINS_MAX 256 /* every value of every option, and the tags of the environment */
#define TRC_ERROR_LINE_MAX 640

/* Options there are. Names, help and defaults: trc_option_table. */
enum trc_option {
    TRC_OPT_SERVICE,
    TRC_OPT_TAG,
    TRC_OPT_DISABLE,
    TRC_OPT_EXPORT,
    TRC_OPT_EXPORT_HEADER,
    TRC_OPT_EXPORT_TIMEOUT,
    TRC_OPT_EXPORT_CA,
    TRC_OPT_EXPORT_CERT,
    TRC_OPT_EXPORT_KEY,
    TRC_OPT_EXPORT_GZIP,
    TRC_OPT_FLUSH_INTERVAL,
    TRC_OPT_JOURNAL_SIZE,
    TRC_OPT_JOURNAL,
    TRC_OPT_EXIT_TIMEOUT,
    TRC_OPT_UDP_PACKET,
    TRC_OPT_SAMPLER,
    TRC_OPT_KEEP,
    TRC_OPT_EXCLUDE,
    TRC_OPT_CONTROL,
    TRC_OPT_OPERATION,
    TRC_OPT_EXTRACT,
    TRC_OPT_INJECT,
    TRC_OPT_TRUST,
    TRC_OPT_RESPONSE_HEADER,
    TRC_OPT_BAGGAGE_TAG,
    TRC_OPT_VARIABLES,
    TRC_OPT_CAPTURE_REQUEST,
    TRC_OPT_CAPTURE_RESPONSE,
    TRC_OPT_QUERY,
    TRC_OPT_CLIENT_IP,
    TRC_OPT_SEMCONV,
    TRC_OPT_PYTHON,
    TRC_OPT_CHECK,
    TRC_OPT_COUNT
};

struct trc_option_info {
    const char *name;    /* "tracing-service" */
    bool flag;           /* may stand without a value, which means true */
    bool many;           /* may be given several times; else the last one counts */
    const char *initial; /* the default as the documentation gives it */
    const char *help;    /* one line with the unit; the host adds the default */
};

extern const struct trc_option_info trc_option_table[TRC_OPT_COUNT];

/* Options as given, values NUL-terminated and owned by the caller for good. */
struct trc_options {
    const char *value[TRC_OPT_COUNT][TRC_OPTION_VALUES_MAX];
    unsigned count[TRC_OPT_COUNT];
};

/* A value as an option would say it, and who said it. */
struct trc_origin {
    enum trc_option option;
    const char *source; /* "option", "default", or the name of an environment variable */
    struct trc_slice text;
};

/* Wires that HTTP exporters speak. Each has an environment of its own, and what that says of
 * headers and credentials is for no collector of another wire. */
enum trc_wire { TRC_WIRE_OTLP, TRC_WIRE_ZIPKIN, TRC_WIRE_JAEGER, TRC_WIRE_COUNT };

struct trc_settings {
    struct trc_slice service;
    struct trc_tag tag[TRC_TAGS_MAX];
    unsigned tag_count;
    bool disabled;
    struct trc_exporter exporter[TRC_EXPORTERS_MAX];
    unsigned exporter_count;
    struct trc_http_config http[TRC_WIRE_COUNT]; /* exporter[].endpoint.http points here */
    uint64_t flush_interval_ns, exit_timeout_ns;
    size_t journal_bytes, udp_packet;
    const char *journal_path; /* NULL: none */
    struct trc_sampler sampler;
    uint8_t keep;          /* KEEP_ERRORS, KEEP_SLOW */
    uint64_t keep_slow_ns; /* a request that runs for longer is told of meanwhile; 0: none is */
    struct trc_exclude exclude;
    const char *control_path;                           /* NULL: none */
    struct trc_template operation;                      /* how a span is named */
    const struct trc_format *extract[TRC_LIST_MAX + 1]; /* NULL at the end */
    const struct trc_format *inject[TRC_LIST_MAX + 2];  /* with the variables, if asked for */
    struct trc_trust trust;
    unsigned response_headers; /* a set: 1u << enum trc_response_header */
    struct trc_slice baggage_tag[TRC_BAGGAGE_TAGS_MAX];
    unsigned baggage_tag_count;
    struct trc_capture capture[2][TRC_CAPTURES_MAX]; /* by enum trc_direction */
    unsigned capture_count[2];
    enum trc_query query;
    struct trc_client client; /* headers that tell the client's address */
    bool python;
    bool check;
    struct trc_origin origin[TRC_ORIGINS_MAX]; /* in the order they were read */
    unsigned origin_count;
};

/* Takes note of one option as given. Returns 0, or -ENOSPC when it was given too often.
 * Thread: startup. */
int trc_options_add(struct trc_options *options, enum trc_option option, const char *value);

/* Makes *out of the options and the environment (getenv), `directory` giving the default service
 * name. Warnings go to trc_log. Returns 0, or -EINVAL with one line in error[] that names option,
 * value and what is allowed, or -ENOMEM and *out is not to be used. No line has a credential in it.
 * Memory that *out points to lives for good, and *out stays where it is: it points into itself.
 * Thread: startup. */
int trc_settings_make(const struct trc_options *options, const char *directory,
                      struct trc_settings *out, char error[TRC_ERROR_LINE_MAX]);

/* Is `text` what tracing-export-header takes? Thread: any. */
bool trc_settings_is_header(struct trc_slice text);

/* Appends in one line what is traced, how, and where to; no credential. Thread: any. */
void trc_settings_summarize(const struct trc_settings *settings, struct trc_buf *b);

/* Writes to out[] what of an option's value, right or wrong, may be shown: no value of a header, no
 * password in a URL, no key; cut to cap bytes with the NUL. Thread: any. */
void trc_settings_show(enum trc_option option, struct trc_slice value, char *out, size_t cap);

#endif
