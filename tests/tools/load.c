/* SPDX-License-Identifier: MIT
 *
 * A small fast HTTP client, for tests and benchmarks: one connection a request, as uWSGI's
 * http-socket wants it, over TCP or a UNIX socket.
 *
 *   load ADDRESS REQUESTS THREADS [PATH [HEADER...]]
 *
 * ADDRESS: host:port with a numeric host, or the path of a UNIX socket. Prints one line for each
 * status there was: "200 400". A connection that fails counts as status 0, and its thread pauses
 * for a moment. Exit code 0 when every request got an answer. SIGTERM: asks no more, and prints
 * what there was. In the environment:
 *   LOAD_P99     the last lines have the time that 99 of 100 requests took at most, and the time
 *                that all did, in microseconds: "p99 1234" and "longest 5678"
 *   LOAD_POST=N  POST with a body of so many bytes, instead of GET
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
} peer;
static socklen_t peer_len;
static char request[65536];
static size_t request_len;
static atomic_long left;
static atomic_long by_status[1000];
static long *took_us; /* by request, counted down; NULL: nobody wants to know */

static void set_peer(const char *address) {
    if (strchr(address, '/')) {
        peer.un.sun_family = AF_UNIX;
        if (strlen(address) >= sizeof(peer.un.sun_path)) {
            fprintf(stderr, "load: %s is too long for a socket\n", address);
            exit(2);
        }
        strcpy(peer.un.sun_path, address);
        peer_len = sizeof(peer.un);
        return;
    }
    const char *colon = strrchr(address, ':');
    char host[64] = "";
    if (colon && (size_t)(colon - address) < sizeof(host))
        memcpy(host, address, (size_t)(colon - address));
    peer.in.sin_family = AF_INET;
    if (!colon || inet_pton(AF_INET, host, &peer.in.sin_addr) != 1) {
        fprintf(stderr, "load: %s is no address\n", address);
        exit(2);
    }
    peer.in.sin_port = htons((uint16_t)atoi(colon + 1));
    peer_len = sizeof(peer.in);
}

static void add(const char *format, const char *value) {
    int n = snprintf(request + request_len, sizeof(request) - request_len, format, value);
    request_len += (size_t)n;
    if (request_len >= sizeof(request)) {
        fprintf(stderr, "load: the request is too long\n");
        exit(2);
    }
}

/* One request; its status, or 0 when there was no whole answer. */
static int ask(void) {
    char answer[16384];
    size_t got = 0;
    int status = 0;
    int fd = socket(peer.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, &peer.any, peer_len) == 0 &&
        send(fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len) {
        ssize_t n;
        while ((n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0)
            /* Keep the head, let the rest of a long body go. */
            got = got + (size_t)n < 1024 ? got + (size_t)n : 1024;
        answer[got] = 0;
        if (n == 0 && sscanf(answer, "HTTP/1.%*d %d", &status) != 1)
            status = 0;
    }
    close(fd);
    return status >= 0 && status < 1000 ? status : 0;
}

static void ask_no_more(int signum) {
    (void)signum;
    atomic_store(&left, 0);
}

static void *run(void *unused) {
    const struct timespec moment = {0, 10000000};
    (void)unused;
    for (long n; (n = atomic_fetch_sub(&left, 1)) > 0;) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        int status = ask();
        clock_gettime(CLOCK_MONOTONIC, &after);
        atomic_fetch_add(&by_status[status], 1);
        if (status == 0)
            nanosleep(&moment, NULL);
        if (took_us)
            took_us[n - 1] =
                (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    }
    return NULL;
}

static int by_size(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: load ADDRESS REQUESTS THREADS [PATH [HEADER...]]\n");
        return 2;
    }
    set_peer(argv[1]);
    long requests = atol(argv[2]);
    atomic_store(&left, requests);
    if (getenv("LOAD_P99") && requests > 0)
        took_us = calloc((size_t)requests, sizeof(*took_us));
    int threads = atoi(argv[3]);
    const char *post = getenv("LOAD_POST");
    add(post ? "POST %s" : "GET %s", argc > 4 ? argv[4] : "/");
    add("%s", " HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 5; i < argc; i++)
        add("%s\r\n", argv[i]);
    if (post)
        add("Content-Length: %s\r\n", post);
    add("%s", "\r\n");
    for (int i = post ? atoi(post) : 0; i > 0; i--)
        add("%s", "x");

    signal(SIGTERM, ask_no_more);
    pthread_t id[256];
    if (threads < 1 || threads > 256)
        return 2;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&id[i], NULL, run, NULL))
            return 2;
    for (int i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    for (int i = 0; i < 1000; i++)
        if (by_status[i])
            printf("%d %ld\n", i, by_status[i]);
    if (took_us) {
        qsort(took_us, (size_t)requests, sizeof(*took_us), by_size);
        printf("p99 %ld\nlongest %ld\n", took_us[(requests - 1) * 99 / 100], took_us[requests - 1]);
    }
    return by_status[0] ? 1 : 0;
}
