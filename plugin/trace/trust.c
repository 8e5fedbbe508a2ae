/* SPDX-License-Identifier: MIT
 *
 * Trust: networks of peers. All addresses are compared as IPv6 ones, so that a peer of a dual-stack
 * socket (::ffff:10.0.0.1) is the same as 10.0.0.1.
 */
#include "tracing/trust.h"
#include "tracing/decimal.h"
#include <arpa/inet.h>
#include <errno.h>

int trc_address_parse(struct trc_slice text, uint8_t out[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char s[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof(s) || memchr(text.p, '\0', text.len))
        return -EINVAL;
    memcpy(s, text.p, text.len);
    s[text.len] = '\0';
    if (memchr(s, ':', text.len))
        return inet_pton(AF_INET6, s, out) == 1 ? 0 : -EINVAL;
    if (inet_pton(AF_INET, s, out + 12) != 1)
        return -EINVAL;
    memcpy(out, mapped, sizeof(mapped));
    return 0;
}

/* Digits after the slash, at most `max`. */
static int parse_bits(struct trc_slice text, unsigned max, unsigned *out) {
    uint64_t bits;
    if (text.len > 3 || trc_decimal_u64(text, &bits) || bits > max)
        return -EINVAL;
    *out = (unsigned)bits;
    return 0;
}

static int add_network(struct trc_slice text, struct trc_trust *out) {
    const char *slash = text.len ? memchr(text.p, '/', text.len) : NULL;
    struct trc_slice address = {text.p, slash ? (size_t)(slash - text.p) : text.len};
    unsigned bits = 0;
    if (out->count == TRC_TRUST_NETWORKS_MAX ||
        trc_address_parse(address, out->network[out->count].address))
        return -EINVAL;
    const unsigned offset = memchr(address.p, ':', address.len) ? 0 : 96; /* of an IPv4 one */
    if (!slash)
        bits = 128 - offset;
    else if (parse_bits((struct trc_slice){slash + 1, text.len - address.len - 1}, 128 - offset,
                        &bits))
        return -EINVAL;
    out->network[out->count++].bits = (uint8_t)(offset + bits);
    return 0;
}

int trc_trust_parse(struct trc_slice text, struct trc_trust *out) {
    struct trc_trust t = {.restricted = true};
    struct trc_slice rest = text, item;
    if (trc_slice_equal(text, TRC_SLICE("all"))) {
        t.restricted = false;
    } else if (!trc_slice_equal(text, TRC_SLICE("none"))) {
        while (trc_slice_next(&rest, ',', &item)) {
            if (trc_slice_equal(item, TRC_SLICE("unix")))
                t.unix_peers = true;
            else if (add_network(item, &t))
                return -EINVAL;
        }
    }
    *out = t;
    return 0;
}

static bool is_in(const uint8_t address[16], const uint8_t network[16], unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(address, network, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ network[whole]) >> (8 - rest) == 0;
}

bool trc_trust_has(const struct trc_trust *trust, const uint8_t address[16]) {
    for (unsigned i = 0; i < trust->count; i++)
        if (is_in(address, trust->network[i].address, trust->network[i].bits))
            return true;
    return false;
}

bool trc_trust_listed(const struct trc_trust *trust, struct trc_slice text) {
    uint8_t address[16];
    if (text.len == 0)
        return trust->unix_peers;
    return trc_address_parse(text, address) == 0 && trc_trust_has(trust, address);
}
