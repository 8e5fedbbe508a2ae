/* SPDX-License-Identifier: MIT
 *
 * Facts of this worker process, told to the collector with every batch.
 */
#include "host.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

static char hostname[256], ip[INET6_ADDRSTRLEN];

/* The first address of an interface that is up and leads somewhere; IPv4 before IPv6. */
static void find_ip(void) {
    struct ifaddrs *all;
    if (getifaddrs(&all))
        return;
    for (int family = AF_INET; !ip[0]; family = AF_INET6) {
        for (struct ifaddrs *i = all; i && !ip[0]; i = i->ifa_next) {
            if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) ||
                (i->ifa_flags & IFF_LOOPBACK))
                continue;
            const void *address = family == AF_INET
                                      ? (void *)&((struct sockaddr_in *)i->ifa_addr)->sin_addr
                                      : (void *)&((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr;
            inet_ntop(family, address, ip, sizeof(ip));
        }
        if (family == AF_INET6)
            break;
    }
    freeifaddrs(all);
    if (!ip[0])
        strcpy(ip, "127.0.0.1");
}

int trc_process_describe(const struct trc_settings *settings, struct trc_resource *out) {
    if (!ip[0])
        find_ip();
    if (gethostname(hostname, sizeof(hostname) - 1))
        hostname[0] = '\0';
    *out = (struct trc_resource){
        .service = settings->service,
        .tags = settings->tag,
        .tag_count = settings->tag_count,
        .hostname = trc_slice_of(hostname),
        .ip = trc_slice_of(ip),
        .pid = getpid(),
    };
    return trc_random_bytes(&out->client_uuid, sizeof(out->client_uuid));
}
