/* SPDX-License-Identifier: MIT
 *
 * What of a request is rare: targets that are no paths.
 */
#include "tracing/request.h"

/* Where the authority of "scheme://authority/path" begins, or NULL. */
static const char *authority_of(struct trc_slice target) {
    const char *colon = target.len ? memchr(target.p, ':', target.len) : NULL;
    size_t left = colon ? (size_t)(target.p + target.len - colon) : 0;
    return left >= 3 && memcmp(colon, "://", 3) == 0 ? colon + 3 : NULL;
}

struct trc_slice trc_request_odd_path(struct trc_slice target, struct trc_slice path_info) {
    const char *authority = authority_of(target);
    if (path_info.len && path_info.p[0] == '/')
        return path_info;
    if (authority) { /* uWSGI's HTTP parser takes all of the target for PATH_INFO, too */
        const char *end = target.p + target.len;
        const char *query = memchr(authority, '?', (size_t)(end - authority));
        if (query)
            end = query;
        const char *slash = memchr(authority, '/', (size_t)(end - authority));
        return slash ? (struct trc_slice){slash, (size_t)(end - slash)} : TRC_SLICE("/");
    }
    return target.len == 1 ? target : (struct trc_slice){NULL, 0};
}
