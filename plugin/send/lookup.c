/* SPDX-License-Identifier: MIT
 *
 * getaddrinfo(3) with patience, by glibc's getaddrinfo_a(3), which calls it in a thread of its own.
 * Used by the UDP sender: while a name server is silent its reporter must go on looking after the
 * ring, or it holds up the other exporters until there is no room left, and the exit.
 */
#include "lookup.h"
#include <stdlib.h>

struct trc_lookup {
    struct gaicb request;
    struct addrinfo hints;
};

static struct trc_lookup *start(const char *host, const char *port, const struct addrinfo *hints,
                                int *rc) {
    struct trc_lookup *l = calloc(1, sizeof(*l));
    *rc = EAI_MEMORY;
    if (!l)
        return NULL;
    l->hints = *hints;
    l->request = (struct gaicb){.ar_name = host, .ar_service = port, .ar_request = &l->hints};
    *rc = getaddrinfo_a(GAI_NOWAIT, (struct gaicb *[]){&l->request}, 1, NULL);
    if (*rc == 0)
        return l;
    free(l);
    return NULL;
}

/* Until there is an answer, or patience ends. */
static int wait_for(struct trc_lookup *l, const struct trc_patience *patience) {
    const struct gaicb *const list[] = {&l->request};
    int rc;
    while ((rc = gai_error(&l->request)) == EAI_INPROGRESS) {
        int ms = patience ? patience->ask_ms(patience->arg) : 1000;
        const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
        if (ms == 0)
            break;
        (void)gai_suspend(list, 1, &time); /* whatever it says: we look again */
    }
    return rc;
}

int trc_lookup(struct trc_lookup **under_way, const char *host, const char *port,
               const struct addrinfo *hints, const struct trc_patience *patience,
               struct addrinfo **out) {
    int rc;
    if (hints->ai_flags & AI_NUMERICHOST) /* nobody is asked */
        return getaddrinfo(host, port, hints, out);
    if (!*under_way)
        *under_way = start(host, port, hints, &rc);
    if (!*under_way)
        return rc;
    rc = wait_for(*under_way, patience);
    if (rc == EAI_INPROGRESS)
        return rc;
    if (rc == 0)
        *out = (*under_way)->request.ar_result;
    free(*under_way);
    *under_way = NULL;
    return rc;
}

void trc_lookup_drop(struct trc_lookup *l) {
    if (!l)
        return;
    int rc = gai_cancel(&l->request);
    if (rc == EAI_NOTCANCELED)
        return; /* its thread writes to it at any time: it stays, for the process is to end */
    if (rc == EAI_ALLDONE && gai_error(&l->request) == 0)
        freeaddrinfo(l->request.ar_result);
    free(l);
}
