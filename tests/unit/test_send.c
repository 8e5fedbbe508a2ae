/* SPDX-License-Identifier: MIT
 *
 * The UDP sender, against real sockets on the loopback; what the loopback cannot be made to do is
 * scripted. (The file senders have a test of their own: a sender is a private type of its file.)
 */
#include "../../plugin/send/lookup.h"
#include "torture.h"
#include "tracing/clock.h"
#include "tracing/sender.h"
#include "unit.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

/* --- What the sender calls ----------------------------------------------------------------- */

/* Scripted answers; zero: the real thing. */
static struct {
    uint64_t now_ns;       /* the clock, if not 0 */
    const char *name[4];   /* addresses that any host resolves to */
    uint16_t port;         /* and their port */
    int resolve_error;     /* EAI_* */
    unsigned resolved;     /* calls */
    int send_error[2];     /* errnos of the next sends, 0: as it is */
    unsigned sends;        /* calls */
    int so_error[3];       /* errors pending at the next looks, 0: as it is */
    unsigned looks, polls; /* calls */
    int sndbuf, sndbuf_wanted;
    bool distant; /* nothing says that the peer is on this host */
} script;

static uint64_t scripted_now(void) {
    return script.now_ns ? script.now_ns : trc_clock_mono_ns();
}

static struct addrinfo *scripted_addresses(void) {
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *first = NULL, **last = &first;
    char port[8];
    snprintf(port, sizeof(port), "%u", script.port);
    for (size_t i = 0; i < 4 && script.name[i]; i++) {
        if (getaddrinfo(script.name[i], port, &hints, last))
            __builtin_trap();
        last = &(*last)->ai_next;
    }
    return first;
}

static int scripted_lookup(struct trc_lookup **under_way, const char *host, const char *port,
                           const struct addrinfo *hints, const struct trc_patience *patience,
                           struct addrinfo **out) {
    (void)under_way;
    (void)patience;
    script.resolved++;
    if (torture(EBADF))
        return EAI_SYSTEM;
    if (script.resolve_error)
        return script.resolve_error;
    if (!script.name[0])
        return getaddrinfo(host, port, hints, out);
    *out = scripted_addresses();
    return 0;
}

static ssize_t scripted_send(int fd, const void *p, size_t len, int flags) {
    unsigned n = script.sends++;
    assert_int_equal(flags, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (torture(EHOSTUNREACH))
        return -1;
    if (n < 2 && script.send_error[n]) {
        errno = script.send_error[n];
        return -1;
    }
    return send(fd, p, len, flags);
}

static int scripted_getsockname(int fd, struct sockaddr *own, socklen_t *len) {
    if (torture(EBADF))
        return -1;
    int rc = getsockname(fd, own, len);
    if (script.distant)
        own->sa_family = AF_UNSPEC;
    return rc;
}

static int scripted_getsockopt(int fd, int level, int option, void *value, socklen_t *len) {
    if (torture(ENOBUFS))
        return -1;
    if (option == SO_SNDBUF && script.sndbuf) {
        *(int *)value = script.sndbuf;
        return 0;
    }
    unsigned n = option == SO_ERROR ? script.looks++ : 3;
    if (n < 3 && script.so_error[n]) {
        *(int *)value = script.so_error[n];
        return 0;
    }
    return getsockopt(fd, level, option, value, len);
}

static int scripted_setsockopt(int fd, int level, int option, const void *value, socklen_t len) {
    if (torture(EPERM))
        return -1;
    script.sndbuf_wanted = *(const int *)value;
    return setsockopt(fd, level, option, value, len);
}

static int scripted_poll(struct pollfd *p, nfds_t n, int timeout_ms) {
    script.polls++;
    assert_in_range(timeout_ms, 1, 100); /* never long */
    return torture(EINTR) ? -1 : poll(p, n, timeout_ms);
}

#define trc_clock_mono_ns() scripted_now()
#define trc_lookup(...) scripted_lookup(__VA_ARGS__)
#define send(...) scripted_send(__VA_ARGS__)
#define getsockname(...) scripted_getsockname(__VA_ARGS__)
#define getsockopt(...) scripted_getsockopt(__VA_ARGS__)
#define setsockopt(...) scripted_setsockopt(__VA_ARGS__)
#define poll(...) scripted_poll(__VA_ARGS__)
#define calloc(n, size) (torture(ENOMEM) ? NULL : calloc(n, size))
#define socket(...) (torture(EMFILE) ? -1 : socket(__VA_ARGS__))
#define connect(...) (torture(ENETUNREACH) ? -1 : connect(__VA_ARGS__))
#include "../../plugin/send/udp.c"
#undef trc_clock_mono_ns
#undef trc_lookup
#undef send
#undef getsockopt
#undef setsockopt
#undef poll
#undef calloc
#undef socket
#undef connect

/* --- Tools --------------------------------------------------------------------------------- */

static const struct trc_sender_ops *udp = &trc_sender_udp;
static struct trc_send_result result;
static char *const why = result.why;

/* Binds a UDP socket to an address and *port; 0 picks one. */
static int listen_at(const char *address, uint16_t *port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(*port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
    bool six = inet_pton(AF_INET, address, &in.sin_addr) != 1;
    struct sockaddr *sa = six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t len = six ? sizeof(in6) : sizeof(in);
    if (six && inet_pton(AF_INET6, address, &in6.sin6_addr) != 1)
        return -1;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, sa, len) != 0 || getsockname(fd, sa, &len) != 0)) {
        close(fd);
        return -1;
    }
    *port = ntohs(six ? in6.sin6_port : in.sin_port);
    return fd;
}

/* The next datagram, waited for at most five seconds; -1: none came. */
static ssize_t receive(int fd, char *out, size_t cap) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 5000) == 1 ? recv(fd, out, cap, MSG_DONTWAIT) : -1;
}

static struct trc_endpoint endpoint_of(const char *host, uint16_t port) {
    struct trc_endpoint e = {.host = "", .port = "", .path = ""};
    snprintf(e.host, sizeof(e.host), "%s", host);
    snprintf(e.port, sizeof(e.port), "%u", port);
    return e;
}

static struct trc_slice pattern(size_t len) {
    static char bytes[70000];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 + (i >> 8));
    return (struct trc_slice){bytes, len};
}

static void assert_arrives(int fd, struct trc_slice message) {
    static char got[70000];
    assert_int_equal(receive(fd, got, sizeof(got)), message.len);
    assert_memory_equal(got, message.p, message.len);
}

static int setup(void **state) {
    (void)state;
    memset(&script, 0, sizeof(script));
    why[0] = '\0';
    return 0;
}

/* --- Delivered or not ---------------------------------------------------------------------- */

/* What makes the restart of a local agent lossless. */
static void knows_when_nobody_listens(void **state) {
    (void)state;
    uint16_t port = 0;
    close(listen_at("127.0.0.1", &port));
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    for (int restart = 0; restart < 3; restart++) {
        for (int i = 0; i < 3; i++) {
            assert_int_equal(udp->send(s, pattern(100), NULL, &result), -EAGAIN);
            assert_string_equal(why, "cannot send: Connection refused");
        }
        int agent = listen_at("127.0.0.1", &port);
        assert_true(agent >= 0);
        assert_int_equal(udp->send(s, pattern(65000), NULL, &result), 0);
        assert_arrives(agent, pattern(65000));
        assert_int_equal(udp->send(s, pattern(1), NULL, &result), 0);
        assert_arrives(agent, pattern(1));
        char more;
        assert_int_equal(recv(agent, &more, 1, MSG_DONTWAIT),
                         -1); /* the refused ones are not there */
        close(agent);
    }
    assert_int_equal(script.resolved, 1); /* an address does not change */
    udp->drop(s);
}

static void sends_largest_datagram(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    assert_int_equal(udp->send(s, pattern(65507), NULL, &result), 0);
    assert_arrives(agent, pattern(65507));
    assert_int_equal(udp->send(s, pattern(65508), NULL, &result), -EMSGSIZE); /* given up... */
    assert_non_null(strstr(why, "65508 bytes"));
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0); /* ...and no other with it */
    assert_arrives(agent, pattern(10));
    udp->drop(s);
    close(agent);
}

static void speaks_ipv6(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("::1", &port);
    if (agent < 0)
        skip(); /* a machine without IPv6 */
    struct trc_endpoint e = endpoint_of("::1", port);
    struct trc_sender *s = udp->make(&e);
    assert_int_equal(udp->send(s, pattern(65000), NULL, &result), 0);
    assert_arrives(agent, pattern(65000));
    close(agent);
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), -EAGAIN);
    udp->drop(s);
}

/* --- Names --------------------------------------------------------------------------------- */

static void prefers_ipv4(void **state) {
    (void)state;
    int agent = listen_at("127.0.0.1", &script.port);
    struct trc_endpoint e = endpoint_of("agent.example", 1);
    struct trc_sender *s = udp->make(&e);
    script.name[0] = "::1";
    script.name[1] = "127.0.0.1";
    script.name[2] = "127.0.0.2";
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_arrives(agent, pattern(10));
    udp->drop(s);
    close(agent);
}

static void takes_ipv6_when_there_is_no_other(void **state) {
    (void)state;
    int agent = listen_at("::1", &script.port);
    if (agent < 0)
        skip();
    struct trc_endpoint e = endpoint_of("agent.example", 1);
    struct trc_sender *s = udp->make(&e);
    script.name[0] = "::1";
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_arrives(agent, pattern(10));
    udp->drop(s);
    close(agent);
}

static void resolves_localhost(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("localhost", port);
    struct trc_sender *s = udp->make(&e);
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_arrives(agent, pattern(10));
    udp->drop(s);
    close(agent);
}

static void waits_for_a_name_that_does_not_resolve(void **state) {
    (void)state;
    int agent = listen_at("127.0.0.1", &script.port);
    struct trc_endpoint e = endpoint_of("agent.example", 1);
    struct trc_sender *s = udp->make(&e);
    script.resolve_error = EAI_NONAME;
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), -EAGAIN);
    assert_non_null(strstr(why, "cannot resolve agent.example: Name or service not known"));
    script.resolve_error = 0;
    script.name[0] = "127.0.0.1";
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0); /* at once, and not in 30 s */
    assert_arrives(agent, pattern(10));
    udp->drop(s);
    close(agent);
}

static void follows_an_agent_that_moves(void **state) {
    (void)state;
    uint16_t other_port = 0;
    int agent = listen_at("127.0.0.1", &script.port), other = listen_at("127.0.0.1", &other_port);
    struct trc_endpoint e = endpoint_of("agent.example", 1);
    struct trc_sender *s = udp->make(&e);
    script.now_ns = 1000 * TRC_NS_PER_S;
    script.name[0] = "127.0.0.1";
    assert_int_equal(udp->send(s, pattern(1), NULL, &result), 0);
    assert_arrives(agent, pattern(1));
    script.port = other_port; /* moved, and nobody asks before the time has come */
    script.now_ns += 30 * TRC_NS_PER_S - 1;
    assert_int_equal(udp->send(s, pattern(2), NULL, &result), 0);
    assert_arrives(agent, pattern(2));
    assert_int_equal(script.resolved, 1);
    script.resolve_error = EAI_AGAIN; /* the name service is away: keep what we know */
    script.now_ns += 1;
    assert_int_equal(udp->send(s, pattern(3), NULL, &result), 0);
    assert_arrives(agent, pattern(3));
    assert_int_equal(script.resolved, 2);
    assert_int_equal(udp->send(s, pattern(3), NULL, &result), 0); /* not asked at every send */
    assert_arrives(agent, pattern(3));
    assert_int_equal(script.resolved, 2);
    script.resolve_error = 0;
    script.now_ns += 30 * TRC_NS_PER_S;
    assert_int_equal(udp->send(s, pattern(4), NULL, &result), 0);
    assert_arrives(other, pattern(4));
    udp->drop(s);
    close(agent);
    close(other);
}

static void looks_for_an_agent_that_left(void **state) {
    (void)state;
    uint16_t gone = 0;
    int other = listen_at("127.0.0.1", &script.port);
    close(listen_at("127.0.0.1", &gone));
    uint16_t here = script.port;
    struct trc_endpoint e = endpoint_of("agent.example", 1);
    struct trc_sender *s = udp->make(&e);
    script.name[0] = "127.0.0.1";
    script.port = gone;
    assert_int_equal(udp->send(s, pattern(1), NULL, &result), -EAGAIN);
    script.port = here;
    assert_int_equal(udp->send(s, pattern(1), NULL, &result), 0);
    assert_arrives(other, pattern(1));
    udp->drop(s);
    close(other);
}

/* --- What the kernel may say --------------------------------------------------------------- */

static void keeps_or_gives_up_by_errno(void **state) {
    (void)state;
    static const struct {
        int err, rc;
    } cases[] = {
        {ECONNREFUSED, -EAGAIN}, {ENETUNREACH, -EAGAIN}, {EHOSTUNREACH, -EAGAIN},
        {ENOBUFS, -EAGAIN},      {EPERM, -EAGAIN},       {EACCES, -EAGAIN},
        {ENETDOWN, -EAGAIN},     {ENOMEM, -EAGAIN},      {EADDRNOTAVAIL, -EAGAIN},
        {EINVAL, -EAGAIN},       {EMSGSIZE, -EMSGSIZE},
    };
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&script, 0, sizeof(script));
        script.send_error[0] = script.send_error[1] = cases[i].err;
        why[0] = '\0';
        assert_int_equal(udp->send(s, pattern(10), NULL, &result), cases[i].rc);
        assert_true(why[0] != '\0');
        memset(&script, 0, sizeof(script));
        assert_int_equal(udp->send(s, pattern(20), NULL, &result),
                         0); /* whatever it was, it goes on */
        assert_arrives(agent, pattern(20));
    }
    udp->drop(s);
    close(agent);
}

static void waits_for_room_a_moment(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    assert_int_equal(udp->send(s, pattern(9), NULL, &result), 0);
    assert_arrives(agent, pattern(9));
    setup(NULL);
    script.send_error[0] = EAGAIN;
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_arrives(agent, pattern(10));
    assert_int_equal(script.polls, 1);
    setup(NULL);
    script.send_error[0] = script.send_error[1] = EAGAIN;
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), -EAGAIN);
    assert_int_equal(script.sends, 2);
    setup(NULL);
    script.send_error[0] = EINTR;
    assert_int_equal(udp->send(s, pattern(11), NULL, &result), 0);
    assert_arrives(agent, pattern(11));
    udp->drop(s);
    close(agent);
}

/* An ICMP "fragmentation needed" of an earlier datagram is not this one's fault. */
static void tells_a_stale_emsgsize(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    script.send_error[0] = EMSGSIZE;
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_arrives(agent, pattern(10));
    udp->drop(s);
    close(agent);
}

/* A peer on this host refuses before send(2) returns: waiting would only widen the gap between a
 * send and its note in the journal. */
static void waits_for_nobody_on_this_host(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.2", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.2", port);
    struct trc_sender *s = udp->make(&e);
    assert_int_equal(udp->send(s, pattern(1), NULL, &result), 0);
    assert_arrives(agent, pattern(1));
    assert_int_equal(script.polls, 0);
    udp->drop(s);
    close(agent);
}

/* A refusal by another host comes after a round trip: the one found before a send is an earlier
 * datagram's, and makes us wait for this one's. */
static void waits_for_a_late_refusal(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    script.distant = true;
    assert_int_equal(udp->send(s, pattern(1), NULL, &result), 0);
    assert_arrives(agent, pattern(1));
    assert_int_equal(script.polls, 1); /* the first of all */
    assert_int_equal(udp->send(s, pattern(1), NULL, &result), 0);
    assert_arrives(agent, pattern(1));
    assert_int_equal(script.polls, 1); /* for a peer in good standing nothing is waited for */
    setup(NULL);
    script.so_error[0] = script.so_error[1] = ECONNREFUSED;
    assert_int_equal(udp->send(s, pattern(2), NULL, &result), -EAGAIN);
    assert_arrives(agent, pattern(2));
    assert_int_equal(script.polls, 1);
    setup(NULL);
    assert_int_equal(udp->send(s, pattern(3), NULL, &result), 0); /* waits, and nothing comes */
    assert_arrives(agent, pattern(3));
    assert_int_equal(script.polls, 1);
    assert_int_equal(udp->send(s, pattern(4), NULL, &result), 0); /* trusted again */
    assert_arrives(agent, pattern(4));
    assert_int_equal(script.polls, 1);
    udp->drop(s);
    close(agent);
}

static void widens_a_small_buffer(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    struct trc_sender *s = udp->make(&e);
    script.sndbuf = 65536;
    assert_int_equal(udp->send(s, pattern(65000), NULL, &result), 0);
    assert_arrives(agent, pattern(65000));
    assert_true(script.sndbuf_wanted >= 2 * 65000);
    udp->drop(s);
    setup(NULL);
    s = udp->make(&e);
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_int_equal(script.sndbuf_wanted, 0); /* large enough as it is */
    udp->drop(s);
    close(agent);
}

/* --- The rest ------------------------------------------------------------------------------ */

static void closes_its_socket_on_exec(void **state) {
    (void)state;
    uint16_t port = 0;
    int agent = listen_at("127.0.0.1", &port);
    struct trc_endpoint e = endpoint_of("127.0.0.1", port);
    unsigned before = torture_count("fd");
    struct trc_sender *s = udp->make(&e);
    assert_int_equal(torture_count("fd"), before); /* nothing is opened by make */
    assert_int_equal(udp->send(s, pattern(10), NULL, &result), 0);
    assert_int_equal(torture_count("fd"), before + 1);
    assert_int_equal(fcntl(s->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    udp->drop(s);
    assert_int_equal(torture_count("fd"), before);
    udp->drop(NULL);
    close(agent);
}

static void survives_torture(void **state) {
    (void)state;
    int agent = listen_at("127.0.0.1", &script.port);
    struct trc_endpoint e = endpoint_of("agent.example", 1);
    unsigned before = torture_count("fd");
    script.name[0] = "127.0.0.1";
    script.sndbuf = 4096;
    for (torture_begin(); torture_next();) {
        struct trc_sender *s = udp->make(&e);
        if (s) {
            int rc = udp->send(s, pattern(10), NULL, &result);
            assert_true(rc == 0 || rc == -EAGAIN);
            if (rc == 0)
                assert_arrives(agent, pattern(10));
            bool on = torture_state.on;
            torture_state.on = false;
            char late;
            while (recv(agent, &late, 1, MSG_DONTWAIT) >= 0)
                ; /* sent, and then we could not ask what became of it */
            assert_int_equal(udp->send(s, pattern(20), NULL, &result), 0);
            assert_arrives(agent, pattern(20));
            torture_state.on = on;
        }
        udp->drop(s);
        assert_int_equal(torture_count("fd"), before);
    }
    assert_true(torture_state.failed >= 7);
    close(agent);
}

static void checks_the_address(void **state) {
    (void)state;
    struct trc_endpoint e = endpoint_of("h", 1);
    assert_int_equal(udp->check(&e, why), 0);
    strcpy(e.path, "/");
    assert_int_equal(udp->check(&e, why), 0);
    strcpy(e.path, "/x");
    assert_int_equal(udp->check(&e, why), -EINVAL);
    assert_non_null(strstr(why, "no path"));
    e = endpoint_of("", 1);
    assert_int_equal(udp->check(&e, why), -EINVAL);
    e = endpoint_of("h", 1);
    e.port[0] = '\0';
    assert_int_equal(udp->check(&e, why), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(knows_when_nobody_listens),
        TEST(sends_largest_datagram),
        TEST(speaks_ipv6),
        TEST(prefers_ipv4),
        TEST(takes_ipv6_when_there_is_no_other),
        TEST(resolves_localhost),
        TEST(waits_for_a_name_that_does_not_resolve),
        TEST(follows_an_agent_that_moves),
        TEST(looks_for_an_agent_that_left),
        TEST(keeps_or_gives_up_by_errno),
        TEST(waits_for_room_a_moment),
        TEST(tells_a_stale_emsgsize),
        TEST(waits_for_nobody_on_this_host),
        TEST(waits_for_a_late_refusal),
        TEST(widens_a_small_buffer),
        TEST(closes_its_socket_on_exec),
        TEST(survives_torture),
        TEST(checks_the_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
