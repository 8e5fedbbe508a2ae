/* SPDX-License-Identifier: MIT
 *
 * The client's address. See tracing/client.h.
 *
 * Forwarded is read strictly, from the left: a client may send a quotation mark that would swallow
 * what the proxies add, or turn the meaning of their quotes round, so what is not well-formed tells
 * nothing.
 */
#include "tracing/client.h"
#include "tracing/decimal.h"
#include <errno.h>
#include <strings.h>

/* --- The names of headers -------------------------------------------------------------------- */

static bool put_variable(char *out, struct trc_slice name) {
    if (name.len == 0 || name.len > TRC_CLIENT_NAME_MAX)
        return false;
    strcpy(out, "HTTP_");
    out += 5;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.p[i];
        if (c >= 'a' && c <= 'z')
            *out++ = (char)(c - 0x20);
        else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            *out++ = c;
        else if (c == '-' || c == '_')
            *out++ = '_';
        else
            return false;
    }
    *out = '\0';
    return true;
}

int trc_client_parse(struct trc_slice text, struct trc_client *out) {
    struct trc_client client = {.count = 0};
    struct trc_slice rest = text, item;
    while (!trc_slice_equal(text, TRC_SLICE("none")) && trc_slice_next(&rest, ',', &item)) {
        if (client.count == TRC_CLIENT_HEADERS_MAX ||
            !put_variable(client.header[client.count].variable, item))
            return -EINVAL;
        client.header[client.count].forwarded =
            strcmp(client.header[client.count].variable, "HTTP_FORWARDED") == 0;
        client.count++;
    }
    *out = client;
    return 0;
}

/* --- Hops --------------------------------------------------------------------------------------
 */

/* Who the proxies say they were asked by, from the left; the last ones, if there are too many. */
struct hops {
    struct trc_slice hop[TRC_CLIENT_HOPS_MAX]; /* absent: nobody said */
    unsigned count;
};

static void add_hop(struct hops *h, struct trc_slice hop) {
    h->hop[h->count++ % TRC_CLIENT_HOPS_MAX] = hop;
}

static unsigned hops_kept(const struct hops *h) {
    return h->count < TRC_CLIENT_HOPS_MAX ? h->count : TRC_CLIENT_HOPS_MAX;
}

static struct trc_slice from_right(const struct hops *h, unsigned i) {
    return h->hop[(h->count - 1 - i) % TRC_CLIENT_HOPS_MAX];
}

static bool read_list(struct trc_slice value, struct hops *h) {
    struct trc_slice item;
    while (trc_slice_next(&value, ',', &item))
        if (item.len)
            add_hop(h, item);
    return true;
}

/* --- Forwarded (RFC 7239 section 4) ------------------------------------------------------------
 */

static struct trc_slice skip(struct trc_slice s, size_t n) {
    return (struct trc_slice){s.p + n, s.len - n};
}

/* Bytes of a name, or of a value without quotes. */
static size_t until_end(struct trc_slice s) {
    static const bool ends[256] = {
        ['='] = true, [';'] = true, [','] = true, [' '] = true, ['\t'] = true, ['"'] = true};
    size_t n = 0;
    while (n < s.len && !ends[(unsigned char)s.p[n]])
        n++;
    return n;
}

/* Takes what is between quotes off *rest, escapes as they are. */
static bool take_quoted(struct trc_slice *rest, struct trc_slice *out) {
    size_t n = 1;
    while (n < rest->len && rest->p[n] != '"')
        n += rest->p[n] == '\\' ? 2 : 1;
    if (n >= rest->len)
        return false;
    *out = (struct trc_slice){rest->p + 1, n - 1};
    *rest = skip(*rest, n + 1);
    return true;
}

/* Takes name=value off *rest, or nothing, which is a pair, too. */
static bool take_pair(struct trc_slice *rest, struct trc_slice *name, struct trc_slice *value) {
    size_t n = until_end(*rest);
    *name = (struct trc_slice){rest->p, n};
    *rest = skip(*rest, n);
    if (n == 0)
        return rest->len == 0 || *rest->p == ';' || *rest->p == ',';
    if (rest->len == 0 || *rest->p != '=')
        return false;
    *rest = skip(*rest, 1);
    if (rest->len && *rest->p == '"')
        return take_quoted(rest, value);
    n = until_end(*rest);
    *value = (struct trc_slice){rest->p, n};
    *rest = skip(*rest, n);
    return true;
}

static bool is_for(struct trc_slice name) {
    return name.len == 3 && strncasecmp(name.p, "for", 3) == 0;
}

static bool read_forwarded(struct trc_slice value, struct hops *h) {
    struct trc_slice rest = value, name, node, hop = {NULL, 0};
    bool pairs = false;
    for (;; rest = skip(rest, 1)) {
        rest = trc_slice_trim(rest);
        if (!take_pair(&rest, &name, &node))
            return false;
        pairs = pairs || name.len;
        if (is_for(name)) {
            if (hop.p)
                return false; /* RFC 7239 section 4: each once */
            hop = node;
        }
        rest = trc_slice_trim(rest);
        const char end = rest.len ? *rest.p : ',';
        if (end == ',') {
            if (pairs)
                add_hop(h, hop);
            hop = (struct trc_slice){NULL, 0};
            pairs = false;
        } else if (end != ';') {
            return false;
        }
        if (rest.len == 0)
            return true;
    }
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

/* RFC 7239 section 6: a number, or an obfuscated one. */
static bool is_port(struct trc_slice s) {
    return trc_decimal_port(s) != 0 || (s.len > 1 && s.p[0] == '_');
}

/* Takes brackets and port off. */
static struct trc_slice bare(struct trc_slice s) {
    static const struct trc_slice none = {NULL, 0};
    const char *end = memchr(s.p, ']', s.len);
    if (s.p[0] == '[') {
        struct trc_slice after = end ? skip(s, (size_t)(end + 1 - s.p)) : none;
        s = end ? (struct trc_slice){s.p + 1, (size_t)(end - s.p) - 1} : none;
        if (!s.len || !memchr(s.p, ':', s.len))
            return none;
        return after.len == 0 || (after.p[0] == ':' && is_port(skip(after, 1))) ? s : none;
    }
    const char *colon = memrchr(s.p, ':', s.len);
    size_t len = colon ? (size_t)(colon - s.p) : s.len;
    return colon && is_port(skip(s, len + 1)) ? (struct trc_slice){s.p, len} : none;
}

/* The address that a hop is, with or without a port; absent if it is none. */
static struct trc_slice address_of(struct trc_slice hop, uint8_t address[16]) {
    if (trc_address_parse(hop, address) == 0)
        return hop;
    if (hop.len)
        hop = bare(hop);
    return trc_address_parse(hop, address) == 0 ? hop : (struct trc_slice){NULL, 0};
}

struct trc_slice trc_client_find(struct trc_slice value, bool forwarded,
                                 const struct trc_trust *trust) {
    struct trc_slice found = {NULL, 0};
    struct hops h;
    uint8_t address[16];
    h.count = 0;
    if (!(forwarded ? read_forwarded(value, &h) : read_list(value, &h)))
        return found;
    const unsigned kept = hops_kept(&h);
    if (!trust->restricted) { /* all are: the left-most that is an address */
        for (unsigned i = kept; i-- > 0 && !found.p;)
            found = address_of(from_right(&h, i), address);
        return found;
    }
    for (unsigned i = 0; i < kept; i++) {
        found = address_of(from_right(&h, i), address);
        if (!found.p || !trc_trust_has(trust, address))
            break;
    }
    return found;
}

struct trc_slice trc_client_address(const struct trc_client *client, const struct trc_slice *value,
                                    struct trc_slice peer, const struct trc_trust *trust) {
    struct trc_slice found = {NULL, 0};
    if (client->count == 0 || !trc_trust_peer(trust, peer))
        return found;
    for (unsigned i = 0; i < client->count && !found.p; i++)
        found = trc_client_find(value[i], client->header[i].forwarded, trust);
    return found;
}
