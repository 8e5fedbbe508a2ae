/* SPDX-License-Identifier: MIT
 *
 * Trust: whose trace context is continued (tracing-trust). The peer is who REMOTE_ADDR says: the
 * other end of the connection over HTTP, what the front end wrote over the uwsgi protocol.
 */
#ifndef TRACING_TRUST_H
#define TRACING_TRUST_H

#include "tracing/slice.h"
#include <stdint.h>

#define TRC_TRUST_NETWORKS_MAX 32

/* Zeroed: everybody is trusted. */
struct trc_trust {
    bool restricted; /* only who is listed here */
    bool unix_peers; /* peers without an address: UNIX sockets */
    unsigned count;
    struct {
        uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) */
        uint8_t bits;        /* of the prefix, of 128 */
    } network[TRC_TRUST_NETWORKS_MAX];
};

/* Reads `text`: "all", "none", or a comma-separated list of addresses, networks (10.0.0.0/8,
 * fd00::/8) and "unix". Returns 0, or -EINVAL with *out untouched. Thread: startup. */
int trc_trust_parse(struct trc_slice text, struct trc_trust *out);

/* What trc_trust_parse accepts, for error messages. */
#define TRC_TRUST_ALLOWED                                                                          \
    "all, none, or a list of at most 32 addresses, networks like 10.0.0.0/8 or fd00::/8, and unix"

/* Reads a textual address into out[], IPv4 as ::ffff:a.b.c.d. Returns 0, or -EINVAL with out[]
 * unspecified. Thread: any. */
int trc_address_parse(struct trc_slice text, uint8_t out[16]);

/* Is the address, as trc_address_parse reads it, of the networks? Thread: any. */
bool trc_trust_has(const struct trc_trust *trust, const uint8_t address[16]);

/* Is the peer at `address` of the networks? */
bool trc_trust_listed(const struct trc_trust *trust, struct trc_slice address);

/* Is the context of the peer with this textual address (REMOTE_ADDR; empty or absent for a UNIX
 * socket) to be continued? An address nobody can read is not. Thread: request. */
static inline bool trc_trust_peer(const struct trc_trust *trust, struct trc_slice address) {
    return !trust->restricted || trc_trust_listed(trust, address);
}

#endif
