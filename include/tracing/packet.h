/* SPDX-License-Identifier: MIT
 *
 * The request packet of uWSGI: scanning it once, and setting variables in it.
 *
 * A packet is a list of u16 little-endian length, key, u16 little-endian length, value (uWSGI
 * documentation, "The uwsgi Protocol": the "vars" block). uWSGI turns HTTP, FastCGI and SCGI
 * requests into one as well; over the uwsgi protocol a peer wrote it, so nothing in it is trusted.
 * Knows no uWSGI structure, so that it can be tested and fuzzed without one.
 */
#ifndef TRACING_PACKET_H
#define TRACING_PACKET_H

#include "tracing/request.h"

/* Walks `len` bytes at `packet` and fills *out, but for the start, for each name in `names` and
 * each variable that begins with `prefix` (at least 8 bytes; absent: none). Returns 0, or -EINVAL
 * when the bytes are not such a list; *out then holds what came before. Reads nothing outside
 * [packet, packet + len). Thread: request. */
int trc_packet_scan(const char *packet, size_t len, const struct trc_names *names,
                    struct trc_slice prefix, struct trc_request *out);

/* Looks for some names alone: walks until it has seen each name of `wanted` (bit i: name i, which
 * is below TRC_FIELD_COUNT) once, and fills value[i] with what it says first; absent: it is not
 * there. Returns true when all were there. As above, and lighter. Thread: request. */
bool trc_packet_peek(const char *packet, size_t len, const struct trc_names *names, uint64_t wanted,
                     struct trc_slice value[TRC_FIELD_COUNT]);

/* A packet in its memory:  | p ... len | tail ... tail_len | free ... cap |
 * Packet and tail may reach beyond cap already: then there is no room to grow. The tail is what was
 * read behind the packet and belongs to the body; it is moved, never changed.
 */
struct trc_packet {
    char *p;
    size_t len;
    size_t tail_len; /* 0: the bytes from len to cap are free */
    size_t cap;
};

/* Sets the variable `name` to `value`: over `old`, its present value in the packet, moving what is
 * behind it when the lengths differ; or, `old` absent, as a new variable at the end. Returns by how
 * many bytes everything behind moved in *shift and 0, or -ENOSPC with the packet unchanged.
 * Thread: request. */
int trc_packet_set(struct trc_packet *packet, struct trc_slice old, struct trc_slice name,
                   struct trc_slice value, ptrdiff_t *shift);

/* Takes the variable with key length `name_len` and the value `old` out. The tail stays where it
 * is. Thread: request. */
void trc_packet_remove(struct trc_packet *packet, size_t name_len, struct trc_slice old);

/* How a variable is set that does not fit before the tail: moves the tail, which begins at
 * packet->p + packet->len, elsewhere and sets the variable, with packet->tail_len 0 from then on;
 * or returns false with nothing changed. `old` as above. */
typedef bool (*trc_packet_beside)(void *arg, struct trc_packet *packet, struct trc_slice old,
                                  struct trc_slice name, struct trc_slice value);

/* Sets each variable of *injection, or takes it out, over the value that *request (scanned from
 * this packet with a set of `names` names) has of it; one that is set or_none and has no room is
 * taken out, too. A packet never gets more than `max_variables` variables by this. Values in
 * *request follow those that move. Returns how many variables could not be set.
 * Thread: request. */
unsigned trc_packet_inject(struct trc_packet *packet, struct trc_request *request, unsigned names,
                           unsigned max_variables, const struct trc_injection *injection,
                           trc_packet_beside beside, void *arg);

#endif
