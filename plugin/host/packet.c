/* SPDX-License-Identifier: MIT
 *
 * The request packet. See packet.h. The one file of this folder that does not know uWSGI.
 */
#include "tracing/packet.h"
#include <endian.h>
#include <errno.h>

static inline size_t read_u16(const char *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return le16toh(v);
}

static void write_u16(char *p, size_t v) {
    p[0] = (char)(v & 0xff);
    p[1] = (char)(v >> 8);
}

/* The prefix, with its first bytes as a number: nearly every variable is asked and refused. */
struct prefix {
    struct trc_slice s;
    uint64_t first;
};

static inline struct prefix prefix_of(struct trc_slice s) {
    struct prefix p = {s, 0};
    if (s.len >= 8)
        memcpy(&p.first, s.p, 8);
    else
        p.s.len = SIZE_MAX; /* longer than any name */
    return p;
}

static inline bool begins_with(const char *p, size_t len, const struct prefix *prefix) {
    uint64_t first;
    if (len <= prefix->s.len)
        return false;
    memcpy(&first, p, 8);
    return first == prefix->first && memcmp(p + 8, prefix->s.p + 8, prefix->s.len - 8) == 0;
}

static void add_prefixed(struct trc_request *out, const char *key, size_t key_len,
                         size_t prefix_len, struct trc_slice value) {
    if (out->prefixed_count < TRC_PREFIXED_MAX)
        out->prefixed[out->prefixed_count++] =
            (struct trc_prefixed){{key + prefix_len, key_len - prefix_len}, value};
    else
        out->prefixed_more = true;
}

/* The variable at *p, which moves behind it. False when there is none that ends by `end`. */
static inline bool next_variable(const char **p, const char *end, struct trc_slice *key,
                                 struct trc_slice *value) {
    if (end - *p < 4)
        return false;
    size_t key_len = read_u16(*p), left = (size_t)(end - *p) - 4;
    const char *at = *p + 2;
    if (key_len > left)
        return false;
    *key = (struct trc_slice){at, key_len};
    *value = (struct trc_slice){at + key_len + 2, read_u16(at + key_len)};
    if (value->len > left - key_len)
        return false;
    *p = value->p + value->len;
    return true;
}

int trc_packet_scan(const char *packet, size_t len, const struct trc_names *names,
                    struct trc_slice prefix, struct trc_request *out) {
    const char *p = packet, *end = packet + len;
    const struct prefix wanted = prefix_of(prefix);
    unsigned variables = 0;
    int rc = 0;
    memset(out->value, 0, names->count * sizeof(out->value[0]));
    out->present = out->repeated = 0;
    out->prefixed_count = 0;
    out->prefixed_more = false;
    while (p < end) {
        struct trc_slice key, value;
        if (!next_variable(&p, end, &key, &value)) {
            rc = -EINVAL;
            break;
        }
        variables++;

        int i = trc_names_find(names, key.p, key.len);
        if (i >= 0) {
            const uint64_t bit = UINT64_C(1) << i;
            out->repeated |= out->present & bit;
            out->present |= bit;
            out->value[i] = value;
        } else if (__builtin_expect(begins_with(key.p, key.len, &wanted), 0)) {
            add_prefixed(out, key.p, key.len, prefix.len, value);
        }
    }
    out->variable_count = variables;
    return rc;
}

bool trc_packet_peek(const char *packet, size_t len, const struct trc_names *names, uint64_t wanted,
                     struct trc_slice value[TRC_FIELD_COUNT]) {
    const char *p = packet, *end = packet + len;
    struct trc_slice key, v;
    memset(value, 0, TRC_FIELD_COUNT * sizeof(value[0]));
    while (wanted && next_variable(&p, end, &key, &v)) {
        int i = trc_names_find(names, key.p, key.len);
        if (i < 0 || !(wanted & UINT64_C(1) << i))
            continue;
        wanted &= ~(UINT64_C(1) << i);
        value[i] = v;
    }
    return wanted == 0;
}

int trc_packet_set(struct trc_packet *k, struct trc_slice old, struct trc_slice name,
                   struct trc_slice value, ptrdiff_t *shift) {
    size_t used = k->len + k->tail_len, room = k->cap > used ? k->cap - used : 0;
    size_t grow = old.p ? 0 : 4 + name.len + value.len;
    if (old.p && value.len > old.len)
        grow = value.len - old.len;
    if (name.len > UINT16_MAX || value.len > UINT16_MAX || grow > room ||
        grow > UINT16_MAX - k->len)
        return -ENOSPC;
    if (!old.p) {
        char *at = k->p + k->len;
        memmove(at + grow, at, k->tail_len);
        write_u16(at, name.len);
        memcpy(at + 2, name.p, name.len);
        write_u16(at + 2 + name.len, value.len);
        memcpy(at + 4 + name.len, value.p, value.len);
        k->len += grow;
        *shift = (ptrdiff_t)grow;
        return 0;
    }
    char *at = k->p + (old.p - k->p);
    if (value.len != old.len) {
        char *behind = at + old.len;
        memmove(at + value.len, behind, (size_t)(k->p + used - behind));
        write_u16(at - 2, value.len);
        k->len = k->len - old.len + value.len;
    }
    memcpy(at, value.p, value.len);
    *shift = (ptrdiff_t)value.len - (ptrdiff_t)old.len;
    return 0;
}

void trc_packet_remove(struct trc_packet *k, size_t name_len, struct trc_slice old) {
    char *behind = k->p + (old.p - k->p) + old.len, *at = k->p + (old.p - k->p) - name_len - 4;
    memmove(at, behind, (size_t)(k->p + k->len - behind));
    k->len -= (size_t)(behind - at);
}

/* Values further on in the packet moved: let the request's slices follow. */
static void shift_values(struct trc_request *request, unsigned names, const char *from,
                         ptrdiff_t by) {
    for (unsigned i = 0; i < names; i++)
        if (request->value[i].p > from)
            request->value[i].p += by;
}

/* Takes the variable out, if it is there; what stands behind it, the tail too, moves up. One that
 * is there several times is emptied: the last, which applications see, would uncover another. */
static void take_out(struct trc_packet *k, struct trc_request *request, unsigned names, int header,
                     struct trc_slice name) {
    struct trc_slice old = request->value[header];
    ptrdiff_t shift;
    if (!old.p)
        return;
    if (request->repeated & UINT64_C(1) << header) {
        trc_packet_set(k, old, name, TRC_SLICE(""), &shift);
    } else {
        size_t before = k->len;
        trc_packet_remove(k, name.len, old);
        memmove(k->p + k->len, k->p + before, k->tail_len);
        shift = -(ptrdiff_t)(before - k->len);
        request->value[header].p = NULL;
        request->variable_count--;
    }
    shift_values(request, names, old.p, shift);
}

unsigned trc_packet_inject(struct trc_packet *k, struct trc_request *request, unsigned names,
                           unsigned max_variables, const struct trc_injection *injection,
                           trc_packet_beside beside, void *arg) {
    unsigned left_out = 0;
    for (unsigned i = 0; i < injection->count; i++) {
        struct trc_slice old = {NULL, 0}, name = injection->item[i].name,
                         value = injection->item[i].value;
        ptrdiff_t shift = 0;
        int header = injection->item[i].header;
        if (!value.p) {
            take_out(k, request, names, header, name);
            continue;
        }
        if (header >= 0)
            old = request->value[header];
        if (!old.p && request->variable_count >= max_variables) {
            left_out++;
            continue;
        }
        if (trc_packet_set(k, old, name, value, &shift) == 0) {
            if (old.p && shift)
                shift_values(request, names, old.p, shift);
        } else if (k->tail_len && beside && beside(arg, k, old, name, value)) {
            if (old.p) { /* it was taken out, and stands at the end now */
                shift_values(request, names, old.p, -(ptrdiff_t)(4 + name.len + old.len));
                request->value[header].p = NULL;
            }
        } else {
            if (old.p && injection->item[i].or_none)
                take_out(k, request, names, header, name);
            left_out++;
            continue;
        }
        request->variable_count += old.p == NULL;
    }
    return left_out;
}
