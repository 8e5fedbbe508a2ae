/* SPDX-License-Identifier: MIT
 *
 * The UDP sender: one message is one datagram, to an agent that may come, go and move.
 *
 * Used by the reporter through the table in report/exporters.c.
 *
 * The socket is connected, because only then the kernel reports ICMP refusals (udp(7), "Error
 * handling"), and SO_ERROR is read straight after each send. Over the loopback the refusal is
 * raised before send(2) returns, so a datagram that found no agent is known not to have arrived and
 * stays in the journal: restarting a local agent loses nothing. From another host the refusal comes
 * a round trip later. So the first datagram on a socket, and each one after a refusal until one is
 * not refused, is given a moment for it; what a remote agent's end can cost is the datagrams sent
 * before its refusal of the first of them is seen.
 *
 * A host name is resolved again every 30 s, as jaeger-client-go's reconnectingUDPConn does (an
 * agent in Kubernetes moves), and before each send after one that failed. Only the first answer is
 * waited for: until there is a newer one, the address we have is used.
 */
#include "lookup.h"
#include "tracing/clock.h"
#include "tracing/sender.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESOLVE_EVERY_NS (30 * TRC_NS_PER_S)
#define ROOM_WAIT_MS 100   /* for room in the socket's send buffer */
#define REFUSAL_WAIT_MS 50 /* for a refusal, from a peer that is not known to be there */

/* Two datagrams of the largest size, with the kernel's bookkeeping: it counts both (socket(7)). */
#define SNDBUF_BYTES (2 * 2 * 65536)

struct trc_sender {
    const struct trc_endpoint *endpoint;
    struct trc_lookup *lookup;    /* under way, or NULL */
    int fd;                       /* connected to `peer`, or -1 */
    bool literal;                 /* the host is an address: it cannot change */
    bool local;                   /* the peer is on this host: it refuses at once or not at all */
    bool suspect;                 /* it took no datagram yet, or refused the last one */
    uint64_t resolve_at_ns;       /* monotonic; 0: before the next send */
    struct sockaddr_storage peer; /* last resolved */
    socklen_t peer_len;           /* 0: never yet */
};

static int udp_check(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]) {
    const char *wrong = NULL;
    if (!endpoint->host[0])
        wrong = "needs a host";
    else if (!endpoint->port[0])
        wrong = "needs a port";
    else if (endpoint->path[0] && strcmp(endpoint->path, "/") != 0)
        wrong = "has no path or query (allowed: host, host:port, [IPv6]:port)";
    if (!wrong)
        return 0;
    snprintf(why, TRC_ERROR_TEXT_MAX, "a UDP address %s", wrong);
    return -EINVAL;
}

static struct trc_sender *udp_make(const struct trc_endpoint *endpoint) {
    struct trc_sender *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    struct in6_addr address;
    s->endpoint = endpoint;
    s->fd = -1;
    s->literal = inet_pton(AF_INET, endpoint->host, &address) == 1 ||
                 strchr(endpoint->host, ':') != NULL; /* no host name has a colon */
    return s;
}

static void disconnect(struct trc_sender *s) {
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void udp_drop(struct trc_sender *s) {
    if (!s)
        return;
    disconnect(s);
    trc_lookup_drop(s->lookup);
    free(s);
}

/* Try again later: everything but a datagram that is too long can change by itself. */
static int later(const char *what, int err, char why[TRC_ERROR_TEXT_MAX]) {
    snprintf(why, TRC_ERROR_TEXT_MAX, "%s: %s", what, strerrordesc_np(err));
    return -EAGAIN;
}

/* The one to use of several addresses: the first IPv4, as net.ResolveUDPAddr of Go prefers, since
 * an agent often listens on 127.0.0.1 only and "localhost" is ::1 first. */
static const struct addrinfo *choose(const struct addrinfo *list) {
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        if (a->ai_family == AF_INET)
            return a;
    return list;
}

static int ask_nothing(void *arg) {
    (void)arg;
    return 0;
}

/* Brings s->peer up to date. An address we have is kept when its name cannot be resolved now. */
static int resolve(struct trc_sender *s, const struct trc_patience *patience,
                   char why[TRC_ERROR_TEXT_MAX]) {
    static const struct trc_patience no_patience = {ask_nothing, NULL};
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_DGRAM,
        .ai_flags = AI_NUMERICSERV | (s->literal ? AI_NUMERICHOST : 0),
    };
    struct addrinfo *list = NULL;
    int rc = trc_lookup(&s->lookup, s->endpoint->host, s->endpoint->port, &hints,
                        s->peer_len ? &no_patience : patience, &list);
    int err = errno;
    s->resolve_at_ns = s->literal ? UINT64_MAX : trc_clock_mono_ns() + RESOLVE_EVERY_NS;
    if (rc == EAI_INPROGRESS)
        s->resolve_at_ns = 0;
    if (rc && s->peer_len)
        return 0;
    if (rc) {
        s->resolve_at_ns = 0;
        snprintf(why, TRC_ERROR_TEXT_MAX, "cannot resolve %.90s: %s", s->endpoint->host,
                 rc == EAI_INPROGRESS ? "no answer yet"
                 : rc == EAI_SYSTEM   ? strerrordesc_np(err)
                                      : gai_strerror(rc));
        return -EAGAIN;
    }
    const struct addrinfo *a = choose(list);
    if (a->ai_addrlen != s->peer_len || memcmp(&s->peer, a->ai_addr, a->ai_addrlen) != 0) {
        disconnect(s);
        memcpy(&s->peer, a->ai_addr, a->ai_addrlen);
        s->peer_len = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return 0;
}

static void widen(int fd) {
    int bytes = 0;
    socklen_t len = sizeof(bytes);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &len) != 0 || bytes >= SNDBUF_BYTES / 2)
        return;
    bytes = SNDBUF_BYTES / 2; /* the kernel doubles it, and cuts it to net.core.wmem_max */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Does a datagram to the connected peer stay on this host? Then the socket has the peer's address
 * for its own, or the peer is anywhere in 127.0.0.0/8. */
static bool is_local(int fd, const struct sockaddr_storage *peer) {
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    if (getsockname(fd, (struct sockaddr *)&own, &len) != 0 || own.ss_family != peer->ss_family)
        return false;
    if (peer->ss_family == AF_INET6)
        return memcmp(&((struct sockaddr_in6 *)&own)->sin6_addr,
                      &((const struct sockaddr_in6 *)peer)->sin6_addr, 16) == 0;
    in_addr_t to = ((const struct sockaddr_in *)peer)->sin_addr.s_addr;
    return to == ((struct sockaddr_in *)&own)->sin_addr.s_addr || ntohl(to) >> 24 == 127;
}

static int connect_peer(struct trc_sender *s, char why[TRC_ERROR_TEXT_MAX]) {
    int fd = socket(s->peer.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return later("cannot make a socket", errno, why);
    widen(fd);
    if (connect(fd, (const struct sockaddr *)&s->peer, s->peer_len) != 0) {
        int err = errno;
        close(fd);
        return later("cannot connect", err, why);
    }
    s->fd = fd;
    s->local = is_local(fd, &s->peer);
    s->suspect = true;
    return 0;
}

/* Makes s->fd a socket connected to where the host is now. */
static int reach(struct trc_sender *s, const struct trc_patience *patience,
                 char why[TRC_ERROR_TEXT_MAX]) {
    if (trc_clock_mono_ns() >= s->resolve_at_ns) {
        int rc = resolve(s, patience, why);
        if (rc)
            return rc;
    }
    return s->fd >= 0 ? 0 : connect_peer(s, why);
}

/* Takes the pending error off the socket: 0 or a positive errno. */
static int take_error(int fd) {
    int err = 0;
    socklen_t len = sizeof(err);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 ? err : errno;
}

static void wait_for(int fd, short events, int timeout_ms) {
    struct pollfd p = {.fd = fd, .events = events};
    (void)poll(&p, 1, timeout_ms); /* whatever it says, the next call on the socket says better */
}

/* Hands the datagram to the kernel, whole or not at all: 0 or a positive errno. */
static int hand_over(int fd, struct trc_slice message) {
    for (bool waited = false;;) {
        if (send(fd, message.p, message.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN || waited)
            return errno;
        waited = true;
        wait_for(fd, POLLOUT, ROOM_WAIT_MS);
    }
}

/* What the peer's host answered to the datagram that was just sent, if it did: 0 or an errno. */
static int answer(struct trc_sender *s) {
    if (s->suspect && !s->local)
        wait_for(s->fd, 0, REFUSAL_WAIT_MS); /* POLLERR needs no asking for */
    int err = take_error(s->fd);
    s->suspect = err != 0;
    return err;
}

static int udp_send(struct trc_sender *s, struct trc_slice message,
                    const struct trc_patience *patience, struct trc_send_result *result) {
    *result = (struct trc_send_result){.rejected = 0};
    int rc = reach(s, patience, result->why);
    if (rc)
        return rc;
    if (take_error(s->fd) != 0) /* meant an earlier datagram, and send(2) would fail with it */
        s->suspect = true;
    int err = hand_over(s->fd, message);
    /* EMSGSIZE is also how an ICMP "fragmentation needed" for an earlier datagram reads, should it
     * arrive right now. Only what is really too long fails twice. */
    if (err == EMSGSIZE)
        err = hand_over(s->fd, message);
    if (err == EMSGSIZE) {
        snprintf(result->why, sizeof(result->why), "%zu bytes do not fit a datagram", message.len);
        return -EMSGSIZE;
    }
    if (!err)
        err = answer(s);
    if (!err)
        return 0;
    if (err != ECONNREFUSED && err != EAGAIN && err != ENOBUFS)
        disconnect(s); /* our own address or route may have changed: bind anew */
    if (!s->literal)
        s->resolve_at_ns = 0; /* nobody there: the host may have moved */
    return later("cannot send", err, result->why);
}

const struct trc_sender_ops trc_sender_udp = {"udp", udp_check, udp_make, udp_drop, udp_send};
