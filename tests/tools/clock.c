/* SPDX-License-Identifier: MIT
 *
 * Preloaded into uWSGI (LD_PRELOAD): a wall clock that steps. Used by tests/e2e/clock.bats.
 *
 * CLOCK_SHIFT names a file of 8 bytes: nanoseconds, signed and little-endian, to add to the wall
 * clock from now on, read at each call. The monotonic clock goes on as ever: so do the kernel's.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

static const volatile int64_t *shift;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void open_shift(void) {
    const char *path = getenv("CLOCK_SHIFT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *there = fd >= 0 ? mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (there != MAP_FAILED)
        shift = there;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t id, struct timespec *out) {
    if (!real_gettime)
        open_shift();
    int rc = real_gettime(id, out);
    if (rc == 0 && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = out->tv_sec * NS_PER_S + out->tv_nsec + *shift;
        *out = (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
    }
    return rc;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return rc;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
