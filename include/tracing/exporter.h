/* SPDX-License-Identifier: MIT
 *
 * Exporters: the table that joins a wire to a transport, and the export URL that picks from it.
 */
#ifndef TRACING_EXPORTER_H
#define TRACING_EXPORTER_H

#include "tracing/encoder.h"
#include "tracing/sender.h"

/* One kind of exporter: a line of the table in plugin/report/exporters.c. */
struct trc_exporter_kind {
    const char *scheme; /* "jaeger+udp" */
    const struct trc_encoder_ops *encoder;
    const struct trc_sender_ops *sender;
    const char *default_port;         /* NULL: the URL has no host */
    size_t max_bytes;                 /* of one message; 0: tracing-udp-packet */
    enum trc_semconv semconv;         /* unless tracing-semconv says otherwise */
    const struct trc_http_wire *http; /* of the HTTP senders, else NULL */
};

extern const struct trc_exporter_kind trc_exporter_kinds[]; /* scheme NULL at the end */

/* An exporter as configured. */
struct trc_exporter {
    const struct trc_exporter_kind *kind;
    struct trc_endpoint endpoint;
    enum trc_semconv semconv;
    size_t max_bytes;
    char url[512]; /* for messages and the status: as given, without what may be secret */
};

/* Reads an export URL. Returns 0 and *out (semconv and max_bytes as the kind has them, max_bytes 0
 * replaced by `udp_packet`, endpoint.http NULL), or -EINVAL with *out untouched and one line in
 * why[] that says what is allowed and quotes nothing secret. Thread: startup. */
int trc_exporter_parse(struct trc_slice url, size_t udp_packet, struct trc_exporter *out,
                       char why[TRC_ERROR_TEXT_MAX]);

/* Writes to out[] what of an export URL, right or wrong, may be shown: without user, password and
 * query, cut to cap bytes with the NUL. Thread: any. */
void trc_exporter_show(struct trc_slice url, char *out, size_t cap);

#endif
