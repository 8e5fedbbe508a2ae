/* SPDX-License-Identifier: MIT
 *
 * A collector that looks at nothing: takes datagrams as fast as they come and counts them. One that
 * decodes would take the processor from the server that is measured.
 *
 *   sink     prints "port N"; at SIGTERM or SIGINT "DATAGRAMS BYTES"; ends by itself after half an
 * hour
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

int main(void) {
    static char datagram[65536];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    const int bytes_wanted = 8 << 20;
    unsigned long long datagrams = 0, bytes = 0;
    /* Without SA_RESTART: the signal ends the recv that waits. */
    const struct sigaction action = {.sa_handler = on_signal};
    /* A timeout as well, for the signal that comes just before it. */
    const struct timeval timeout = {.tv_usec = 200000};

    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        perror("sink");
        return 1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes_wanted, sizeof(bytes_wanted));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    alarm(1800);
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    while (!stop) {
        const ssize_t n = recv(fd, datagram, sizeof(datagram), 0);
        if (n >= 0) {
            datagrams++;
            bytes += (unsigned long long)n;
        }
    }
    printf("%llu %llu\n", datagrams, bytes);
    return 0;
}
