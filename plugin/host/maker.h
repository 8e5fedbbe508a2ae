/* SPDX-License-Identifier: MIT
 *
 * Settings while they are made: shared by settings.c, settings_export.c and settings_trace.c, of no
 * use to others.
 */
#ifndef TRACING_HOST_MAKER_H
#define TRACING_HOST_MAKER_H

#include "tracing/settings.h"

#define TRC_WIRES_ALL ((1u << TRC_WIRE_COUNT) - 1)

struct trc_maker {
    struct trc_settings *out;
    unsigned wires; /* whom the text is for, of an option that HTTP exporters read: 1u << wire */
    bool semconv_set;
    enum trc_semconv semconv;
    bool no_memory; /* a text is missing for want of it, and not because it is wrong */
    char why[TRC_ERROR_TEXT_MAX]; /* what is wrong with a refused value and what is allowed */
};

/* Writes why[] and returns -EINVAL. */
int trc_maker_refuse(struct trc_maker *m, const char *allowed);

int trc_maker_bool(struct trc_maker *m, struct trc_slice text, bool *out);

/* Options that say where and how to export: one function each, as settings.c has them. Any may
 * also fail with no_memory, and no word of it in why[]. */
int trc_maker_export(struct trc_maker *m, struct trc_slice text);
int trc_maker_export_header(struct trc_maker *m, struct trc_slice text);
int trc_maker_export_timeout(struct trc_maker *m, struct trc_slice text);
int trc_maker_export_ca(struct trc_maker *m, struct trc_slice text);
int trc_maker_export_cert(struct trc_maker *m, struct trc_slice text);
int trc_maker_export_key(struct trc_maker *m, struct trc_slice text);
int trc_maker_export_gzip(struct trc_maker *m, struct trc_slice text);

/* The same of options that say what is traced, and how a span is named and what it says. */
int trc_maker_sampler(struct trc_maker *m, struct trc_slice text);
int trc_maker_keep(struct trc_maker *m, struct trc_slice text);
int trc_maker_exclude(struct trc_maker *m, struct trc_slice text);
int trc_maker_operation(struct trc_maker *m, struct trc_slice text);
int trc_maker_extract(struct trc_maker *m, struct trc_slice text);
int trc_maker_inject(struct trc_maker *m, struct trc_slice text);
int trc_maker_trust(struct trc_maker *m, struct trc_slice text);
int trc_maker_response_headers(struct trc_maker *m, struct trc_slice text);
int trc_maker_baggage_tag(struct trc_maker *m, struct trc_slice text);
int trc_maker_variables(struct trc_maker *m, struct trc_slice text);
int trc_maker_capture_request(struct trc_maker *m, struct trc_slice text);
int trc_maker_capture_response(struct trc_maker *m, struct trc_slice text);
int trc_maker_query(struct trc_maker *m, struct trc_slice text);
int trc_maker_client_ip(struct trc_maker *m, struct trc_slice text);
int trc_maker_semconv(struct trc_maker *m, struct trc_slice text);

/* Hands each exporter the names and the HTTP settings of its wire, when all are read. */
void trc_maker_join(struct trc_maker *m);

#endif
