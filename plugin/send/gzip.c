/* SPDX-License-Identifier: MIT
 *
 * gzip for http.c. The quickest level: spans are so alike that the better ones save little more,
 * and the processor is the application's.
 */
#include "gzip.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#define WINDOW_BITS (15 + 16) /* zlib.h, deflateInit2: 16 more for gzip's head and tail */
#define MEMORY_LEVEL 8        /* zlib's default */

struct trc_gzip {
    z_stream stream;
    char *out;
    size_t cap;
};

struct trc_gzip *trc_gzip_new(void) {
    struct trc_gzip *g = calloc(1, sizeof(*g));
    if (g && deflateInit2(&g->stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                          Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        return NULL;
    }
    return g;
}

void trc_gzip_free(struct trc_gzip *g) {
    if (!g)
        return;
    deflateEnd(&g->stream);
    free(g->out);
    free(g);
}

int trc_gzip_pack(struct trc_gzip *g, struct trc_slice in, struct trc_slice *out) {
    size_t bound = deflateBound(&g->stream, in.len);
    if (bound > g->cap) {
        char *larger = realloc(g->out, bound);
        if (!larger)
            return -ENOMEM;
        g->out = larger;
        g->cap = bound;
    }
    deflateReset(&g->stream);
    g->stream.next_in = (Bytef *)(uintptr_t)in.p; /* zlib does not write there */
    g->stream.avail_in = (uInt)in.len;
    g->stream.next_out = (Bytef *)g->out;
    g->stream.avail_out = (uInt)g->cap;
    if (deflate(&g->stream, Z_FINISH) != Z_STREAM_END)
        return -ENOMEM; /* there is room for all of it, so it can be nothing else */
    *out = (struct trc_slice){g->out, g->cap - g->stream.avail_out};
    return 0;
}
