/* SPDX-License-Identifier: MIT
 *
 * Preloaded into uWSGI (LD_PRELOAD): makes calls of the C library and libcurl fail that one object
 * makes, such as the plugin. Used by tests/e2e/failing.bats.
 *
 *   FAIL_CALL=malloc             the function
 *   FAIL_AT=3                    its third call fails, counted over all processes of the instance
 *   FAIL_ON=1                    and every one after it, too
 *   FAIL_FOR=tracing_plugin.so   calls from the object whose path has this in it; others work
 *   FAIL_COUNT=FILE              4 bytes, zero at first: calls so far, shared by the processes
 *
 * Who calls is told by the return address: the allocations of uWSGI and Python, which end the
 * process when there is no memory, are left alone.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static struct {
    const char *call, *object;
    unsigned at;
    bool on;
    _Atomic unsigned *count;
} plan;

__attribute__((constructor)) static void read_plan(void) {
    const char *file = getenv("FAIL_COUNT"), *at = getenv("FAIL_AT");
    int fd = file && at ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    plan.count = mmap(NULL, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    plan.at = (unsigned)atoi(at);
    plan.on = getenv("FAIL_ON") != NULL;
    plan.object = getenv("FAIL_FOR");
    plan.call = plan.count != MAP_FAILED ? getenv("FAIL_CALL") : NULL;
}

static bool is_from(const void *caller) {
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, plan.object);
}

/* Does this call of `name` fail? Sets errno then. */
static bool fails(const char *name, const void *caller, int err) {
    if (!plan.call || strcmp(plan.call, name) != 0 || !is_from(caller))
        return false;
    unsigned n = atomic_fetch_add(plan.count, 1) + 1;
    if (plan.on ? n < plan.at : n != plan.at)
        return false;
    errno = err;
    return true;
}

/* WRAP(type, name, (parameters), (arguments), errno, what it returns when it fails) */
#define WRAP(type, name, parameters, arguments, err, failure)                                      \
    type name parameters {                                                                         \
        static type(*real) parameters;                                                             \
        if (fails(#name, __builtin_return_address(0), err))                                        \
            return failure;                                                                        \
        if (!real)                                                                                 \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return real arguments;                                                                     \
    }

/* dlsym allocates: what it allocates with must not ask it. */
void *malloc(size_t n) {
    return fails("malloc", __builtin_return_address(0), ENOMEM) ? NULL : __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    return fails("calloc", __builtin_return_address(0), ENOMEM) ? NULL : __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
    return fails("realloc", __builtin_return_address(0), ENOMEM) ? NULL : __libc_realloc(p, n);
}

WRAP(char *, strdup, (const char *s), (s), ENOMEM, NULL)
WRAP(char *, strndup, (const char *s, size_t len), (s, len), ENOMEM, NULL)
WRAP(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t off),
     (at, len, prot, flags, fd, off), ENOMEM, MAP_FAILED)
WRAP(void *, mmap64, (void *at, size_t len, int prot, int flags, int fd, off_t off),
     (at, len, prot, flags, fd, off), ENOMEM, MAP_FAILED)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE, -1)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), ENOSPC, -1)
WRAP(int, ftruncate64, (int fd, off_t len), (fd, len), ENOSPC, -1)
WRAP(ssize_t, getrandom, (void *to, size_t len, unsigned flags), (to, len, flags), ENOSYS, -1)
WRAP(int, gethostname, (char *name, size_t len), (name, len), ENAMETOOLONG, -1)
WRAP(int, getifaddrs, (struct ifaddrs * *all), (all), ENOBUFS, -1)
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg),
     (thread, attr, run, arg), 0, EAGAIN)
WRAP(int, pthread_attr_init, (pthread_attr_t * attr), (attr), 0, ENOMEM)
WRAP(int, pthread_attr_setstacksize, (pthread_attr_t * attr, size_t size), (attr, size), 0, EINVAL)
int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *); /* pthread_atfork */
WRAP(int, __register_atfork,
     (void (*before)(void), void (*parent)(void), void (*child)(void), void *object),
     (before, parent, child, object), 0, ENOMEM)
WRAP(int, pthread_mutexattr_init, (pthread_mutexattr_t * attr), (attr), 0, ENOMEM)
WRAP(int, pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attr),
     (mutex, attr), 0, ENOMEM)
WRAP(int, sem_init, (sem_t * sem, int shared, unsigned value), (sem, shared, value), ENOSPC, -1)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE, -1)
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len), ENETUNREACH,
     -1)
WRAP(ssize_t, send, (int fd, const void *bytes, size_t len, int flags), (fd, bytes, len, flags),
     ENOBUFS, -1)
WRAP(int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out),
     (host, port, hints, out), 0, EAI_MEMORY)
WRAP(int, fstat64, (int fd, struct stat64 *out), (fd, out), EIO, -1)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
     (fd, level, name, value, len), ENOBUFS, -1)
WRAP(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len), ENOSPC, -1)

WRAP(CURLcode, curl_global_init, (long flags), (flags), 0, CURLE_FAILED_INIT)
WRAP(CURL *, curl_easy_init, (void), (), 0, NULL)
WRAP(CURLM *, curl_multi_init, (void), (), 0, NULL)
WRAP(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text),
     (list, text), 0, NULL)
WRAP(CURLU *, curl_url, (void), (), 0, NULL)
WRAP(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy), 0,
     CURLM_OUT_OF_MEMORY)
WRAP(CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running), 0,
     CURLM_OUT_OF_MEMORY)
WRAP(CURLMcode, curl_multi_poll,
     (CURLM * multi, struct curl_waitfd *fds, unsigned count, int timeout_ms, int *ready),
     (multi, fds, count, timeout_ms, ready), 0, CURLM_OUT_OF_MEMORY)
WRAP(char *, curl_easy_escape, (CURL * easy, const char *text, int len), (easy, text, len), 0, NULL)

/* What takes any number of arguments, under a name of ours that has as many as we pass: they come
 * in the same registers. */
#define WRAP_ANY(type, name, parameters, arguments, err, failure)                                  \
    type any_##name parameters __asm__(#name);                                                     \
    type any_##name parameters {                                                                   \
        static type(*real) parameters;                                                             \
        if (fails(#name, __builtin_return_address(0), err))                                        \
            return failure;                                                                        \
        if (!real)                                                                                 \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return real arguments;                                                                     \
    }

WRAP_ANY(int, fcntl64, (int fd, int command, void *arg), (fd, command, arg), ENOLCK, -1)
WRAP_ANY(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), EMFILE, -1)
WRAP_ANY(CURLcode, curl_easy_setopt, (CURL * easy, CURLoption option, void *value),
         (easy, option, value), 0, CURLE_OUT_OF_MEMORY)

int asprintf(char **out, const char *format, ...) {
    if (fails("asprintf", __builtin_return_address(0), ENOMEM))
        return -1;
    va_list args;
    va_start(args, format);
    int len = vasprintf(out, format, args);
    va_end(args);
    return len;
}
