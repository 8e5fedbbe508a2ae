/* SPDX-License-Identifier: MIT
 *
 * The path of a request as the name of a route: /users/42/orders/9f86d081 is
 * /users/{id}/orders/{id}.
 *
 * For requests whose route nobody tells: what looks like the name of one thing among many becomes
 * {id}, so that spans of one route have one name. It goes by the looks alone, so a word that is one
 * of many (/torvalds/linux) stays, and who uses it needs a bound on names besides.
 *
 * A segment is {id} when it has
 *   - digits and no letter (42, 2024-05-01, 192.0.2.1), but is no version (3.12, 4.2.1);
 *   - a date in front (2024-05-01-title), or three digits and a hyphen (123-title);
 *   - an e-mail address;
 *   - upper case, a hyphen and a number, and nothing else (PROJ-7);
 *   - more than 64 bytes;
 * or when one of its runs of letters and digits is
 *   - 8 or more hex digits, one of them from 0 to 9, or 12 or more of any: UUIDs in every spelling,
 *     hashes, ObjectIds;
 *   - a number of 4 or more digits that is no year from 1900 to 2099;
 *   - anything with 5 digits in a row (T12345);
 *   - random-looking: 7 or more bytes that change between digits, lower and upper case more often
 *     than every fourth byte, and four times at least (ULIDs, KSUIDs, base64url, ids of YouTube).
 * Up to two extensions of at most five bytes are no part of that and stay: {id}.json, {id}.tar.gz.
 */
#ifndef TRACING_FOLD_H
#define TRACING_FOLD_H

#include "tracing/buf.h"

#define TRC_FOLD_SEGMENTS_MAX 16 /* what follows is an asterisk */
#define TRC_FOLD_SEGMENT_BYTES 64

/* Appends `path`, as the client sent it, folded. Left out are a query or fragment, path parameters
 * (;jsessionid=...) and what repeated slashes have between them; a slash at the end stays. Percent
 * encoding is neither decoded nor looked into. Nothing is "/". Segments beyond
 * TRC_FOLD_SEGMENTS_MAX, or for which `out` has no room, are one "*"; `out` overflows only if it
 * has no room for two bytes. Time: linear in the length. Thread: any. */
void trc_fold_path(struct trc_slice path, struct trc_buf *out);

#endif
