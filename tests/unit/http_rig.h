/* SPDX-License-Identifier: MIT
 *
 * An HTTP server for the sender's tests: it answers what the test says, byte for byte, and notes
 * what it was asked. One connection at a time, as a sender has.
 */
#ifndef TRACING_TESTS_HTTP_RIG_H
#define TRACING_TESTS_HTTP_RIG_H

#include "tracing/clock.h"
#include "tracing/sender.h"
#include "unit.h"
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

enum rig_then {
    RIG_KEEP,    /* the connection is kept */
    RIG_CLOSE,   /* it is closed */
    RIG_RESET,   /* with a reset */
    RIG_HANG,    /* nothing more comes until the client closes */
    RIG_ENDLESS, /* the bytes again and again until the client closes */
};

struct rig_reply {
    const char *bytes; /* NUL-terminated unless len is given */
    enum rig_then then;
    size_t len;
};

#define RIG_REQUEST_BYTES (2 << 20)

static struct {
    int listener;
    char port[6];
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    const struct rig_reply *replies;
    unsigned reply_count;                  /* the last one is given again and again */
    unsigned requests, connections, hangs; /* seen */
    size_t len;                            /* of the last request */
    char request[RIG_REQUEST_BYTES];       /* with a NUL behind it */
    int connection;                        /* open now, or -1 */
    bool stopping;
} rig = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Reads one request into rig.request; false when the client closed instead. */
static inline bool rig_read(int fd) {
    size_t len = 0, want = SIZE_MAX;
    while (len < want) {
        ssize_t n = recv(fd, rig.request + len, sizeof(rig.request) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        rig.request[len] = '\0';
        const char *end = strstr(rig.request, "\r\n\r\n"), *length;
        if (want == SIZE_MAX && end) {
            length = strstr(rig.request, "Content-Length: ");
            want = (size_t)(end + 4 - rig.request) + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    rig.len = len;
    return true;
}

static inline void rig_wait_for_close(int fd) {
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

/* Answers one request. Returns whether the connection goes on. */
static inline bool rig_answer(int fd) {
    pthread_mutex_lock(&rig.mutex);
    unsigned i = rig.requests < rig.reply_count ? rig.requests : rig.reply_count - 1;
    struct rig_reply r = rig.replies[i];
    rig.requests++;
    pthread_mutex_unlock(&rig.mutex);
    size_t len = r.len ? r.len : strlen(r.bytes);
    do {
        for (size_t done = 0; done < len;) {
            ssize_t n = send(fd, r.bytes + done, len - done, MSG_NOSIGNAL);
            if (n <= 0)
                return false;
            done += (size_t)n;
        }
    } while (r.then == RIG_ENDLESS);
    if (r.then == RIG_HANG) {
        pthread_mutex_lock(&rig.mutex);
        rig.hangs++;
        pthread_mutex_unlock(&rig.mutex);
        rig_wait_for_close(fd);
    }
    if (r.then == RIG_RESET) {
        const struct linger hard = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    }
    return r.then == RIG_KEEP;
}

static inline void *rig_run(void *arg) {
    int fd;
    (void)arg;
    while ((fd = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        pthread_mutex_lock(&rig.mutex);
        rig.connections++;
        rig.connection = fd;
        bool go_on = !rig.stopping;
        pthread_mutex_unlock(&rig.mutex);
        while (go_on && rig_read(fd) && rig_answer(fd))
            ;
        pthread_mutex_lock(&rig.mutex);
        rig.connection = -1;
        close(fd);
        pthread_mutex_unlock(&rig.mutex);
    }
    return NULL;
}

static inline int rig_listen(char port[6]) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) || listen(fd, 8) ||
        getsockname(fd, (struct sockaddr *)&in, &len))
        __builtin_trap();
    snprintf(port, 6, "%u", ntohs(in.sin_port));
    return fd;
}

/* From now on these are the answers, counted from the first. */
static inline void rig_replies(const struct rig_reply *replies, unsigned count) {
    pthread_mutex_lock(&rig.mutex);
    rig.replies = replies;
    rig.reply_count = count;
    rig.requests = rig.connections = rig.hangs = 0;
    rig.len = 0;
    rig.request[0] = '\0';
    pthread_mutex_unlock(&rig.mutex);
}

#define RIG_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static inline int rig_setup(void **state) {
    static const struct rig_reply ok = {RIG_OK, RIG_KEEP, 0};
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* reporters have it blocked */
    rig_replies(&ok, 1);
    rig.connection = -1;
    rig.stopping = false;
    rig.listener = rig_listen(rig.port);
    return pthread_create(&rig.thread, NULL, rig_run, NULL);
}

static inline int rig_teardown(void **state) {
    (void)state;
    pthread_mutex_lock(&rig.mutex);
    rig.stopping = true;
    shutdown(rig.listener, SHUT_RDWR);
    if (rig.connection >= 0)
        shutdown(rig.connection, SHUT_RDWR); /* of a test that failed, with its sender */
    pthread_mutex_unlock(&rig.mutex);
    pthread_join(rig.thread, NULL);
    close(rig.listener);
    return 0;
}

static inline unsigned rig_seen(const unsigned *what) {
    pthread_mutex_lock(&rig.mutex);
    unsigned n = *what;
    pthread_mutex_unlock(&rig.mutex);
    return n;
}

#endif
