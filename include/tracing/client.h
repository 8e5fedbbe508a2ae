/* SPDX-License-Identifier: MIT
 *
 * The client's address, as proxies before this server tell it (tracing-client-ip).
 *
 * Each proxy adds the address it was asked from at the right end of X-Forwarded-For or Forwarded,
 * so what is there is to be believed as far as those on its right are proxies of ours. One rule for
 * any tracing-trust, which is nginx's with real_ip_recursive: from the right, the first address
 * that is not trusted; if all are, the left-most. With `all`, the default, that is the left-most
 * address, which is what OpenTelemetry asks for (semantic-conventions docs/http/http-spans.md,
 * client.address) and what a client may make up.
 */
#ifndef TRACING_CLIENT_H
#define TRACING_CLIENT_H

#include "tracing/trust.h"

#define TRC_CLIENT_HEADERS_MAX 4
#define TRC_CLIENT_NAME_MAX 64 /* bytes of a header's name */
#define TRC_CLIENT_HOPS_MAX 32 /* addresses looked at, from the right */

/* Zeroed: no header tells. Flat. */
struct trc_client {
    unsigned count;
    struct {
        bool forwarded; /* it is RFC 7239's, else a list of addresses or one */
        char variable[sizeof("HTTP_") + TRC_CLIENT_NAME_MAX]; /* HTTP_X_FORWARDED_FOR */
    } header[TRC_CLIENT_HEADERS_MAX];
};

/* Reads `text`: "none" or a comma-separated list of names of headers, the most telling one first.
 * Returns 0, or -EINVAL with *out untouched. Thread: startup. */
int trc_client_parse(struct trc_slice text, struct trc_client *out);

/* What trc_client_parse accepts, for error messages. */
#define TRC_CLIENT_ALLOWED                                                                         \
    "none, or a list of at most 4 headers like Forwarded, X-Forwarded-For or X-Real-IP, of at "    \
    "most 64 letters, digits, hyphens and underscores"

/* The client's address out of one header's value, as text that lies in it: IPv4 or IPv6, without
 * brackets, port or quotes. `forwarded`: it is RFC 7239's. Absent when there is none: no address
 * that anybody can read, or, where trust is restricted, one to the right of which somebody is
 * unknown (`unknown`, `_hidden`); or the value is not well-formed. Whether the peer that sent the
 * header is trusted is the caller's to ask. Time: linear in the length, at most TRC_CLIENT_HOPS_MAX
 * addresses. Thread: request. */
struct trc_slice trc_client_find(struct trc_slice value, bool forwarded,
                                 const struct trc_trust *trust);

/* The same out of all headers: the first that tells. value[i] is that of client->header[i], or
 * absent. Absent when the peer is not trusted, or none tells. Thread: request. */
struct trc_slice trc_client_address(const struct trc_client *client, const struct trc_slice *value,
                                    struct trc_slice peer, const struct trc_trust *trust);

#endif
