/* SPDX-License-Identifier: MIT
 *
 * Looking up a host's addresses without being held up by a name server that does not answer.
 */
#ifndef TRACING_SEND_LOOKUP_H
#define TRACING_SEND_LOOKUP_H

#include "tracing/sender.h"
#include <netdb.h>

struct trc_lookup; /* one that is under way */

/* As getaddrinfo(3), but waits only as long as `patience` has it and returns EAI_INPROGRESS then:
 * *under_way (NULL at first) goes on, and the next call takes up where this one left. The strings
 * MUST stay until there is an answer. Thread: reporter, one for each *under_way. */
int trc_lookup(struct trc_lookup **under_way, const char *host, const char *port,
               const struct addrinfo *hints, const struct trc_patience *patience,
               struct addrinfo **out);

/* Gives one up, if there is one. Thread: as above. */
void trc_lookup_drop(struct trc_lookup *under_way);

#endif
