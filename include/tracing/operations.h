/* SPDX-License-Identifier: MIT
 *
 * The names that the spans of an instance have had: at most a thousand, whatever clients ask for.
 *
 * Names made out of requests have no bound, and every backend keeps an index of them. So a name is
 * asked for here before it is given to a span; when the thousand are full, a new one is not
 * admitted, and the caller takes a name that says less ({method} *).
 *
 * The set is in memory that all workers share. It knows names by a hash of 64 bits with a random
 * key. What is in it stays.
 */
#ifndef TRACING_OPERATIONS_H
#define TRACING_OPERATIONS_H

#include "tracing/slice.h"

#define TRC_OPERATION_NAMES_MAX 1000

struct trc_operations; /* the mapping */

/* Makes the mapping, with no name in it. Returns 0 and *out, owned by the caller, or a negative
 * errno. Thread: startup, in the master before the fork. */
int trc_operations_new(struct trc_operations **out);

/* Unmaps it; nothing for NULL. */
void trc_operations_free(struct trc_operations *set);

/* Is `name` in the set, or has it been added? False when there is no place left. There are never
 * more than TRC_OPERATION_NAMES_MAX in it. A place is taken before a name is put in: when one name
 * is added by two at once, the second may take the last place for a moment and keep another name
 * out that comes then; and a process that is killed in between, within some ten instructions, takes
 * a place with it. Lock-free. Thread: any. */
bool trc_operations_admit(struct trc_operations *set, struct trc_slice name);

/* Places that are taken. Thread: any. */
unsigned trc_operations_count(const struct trc_operations *set);

#endif
