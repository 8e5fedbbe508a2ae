/* SPDX-License-Identifier: MIT
 *
 * Fuzzes what reads the texts of a request for its span. Input: a byte that picks the reader, a
 * byte that is the room for its answer, the text.
 */
#include "tracing/client.h"
#include "tracing/fold.h"
#include "tracing/queue.h"
#include "tracing/scrub.h"
#include "tracing/template.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth) {
    if (!truth)
        abort();
}

/* A name is short, and folded again it stays. */
static void fold(struct trc_slice text, struct trc_buf *out) {
    char again[UINT8_MAX];
    struct trc_buf b = trc_buf_over(again, sizeof(again));
    trc_fold_path(text, out);
    must(out->overflow == (out->len == 0));
    if (out->overflow || out->cap < sizeof(again) || out->p[0] != '/')
        return;
    trc_fold_path(trc_buf_slice(out), &b);
    must(trc_slice_equal(trc_buf_slice(out), trc_buf_slice(&b)));
}

/* A line that is a template, then one that is what all of its fields stand for. */
static void name(struct trc_slice text, struct trc_buf *out) {
    struct trc_template t;
    struct trc_template_values values;
    struct trc_slice line;
    trc_slice_split(&text, '\n', &line);
    int rc = trc_template_parse(line, &t);
    must(rc == 0 || rc == -EINVAL);
    if (rc)
        return;
    for (unsigned i = 0; i < TRC_TEMPLATE_FIELDS; i++)
        values.field[i] = text;
    for (unsigned i = 0; i < TRC_TEMPLATE_VARIABLES_MAX; i++)
        values.variable[i] = text;
    for (unsigned i = 0; i < t.variable_count; i++)
        must(trc_template_variable(&t, i).len >= 4);
    trc_template_expand(&t, &values, out);
    must(out->overflow || out->len > 0);
    must(out->len == 0 || (out->p[0] != ' ' && out->p[out->len - 1] != ' '));
}

static void queue(struct trc_slice text, struct trc_buf *out) {
    uint64_t ns = 1;
    (void)out;
    int rc = trc_queue_start(text, &ns);
    must(rc == 0 || (rc == -EINVAL && ns == 1));
    must(rc || ns >= UINT64_C(1000000000) * 1000000000);
}

/* Scrubbed again it stays, and a secret behind it goes. */
static void scrub(struct trc_slice text, struct trc_buf *out) {
    static char first[8192 + 4096], again[sizeof(first)];
    static const struct trc_slice behind = TRC_SLICE("&my[%54oken]=*");
    struct trc_buf a = trc_buf_over(first, sizeof(first)), b = trc_buf_over(again, sizeof(again));
    trc_query_scrub(text, out);
    must(!out->overflow || out->len == out->cap);
    trc_query_scrub(text, &a);
    must(out->len <= a.len && (out->overflow || out->len == a.len));
    must(out->len == 0 || memcmp(out->p, first, out->len) == 0);
    trc_buf_put_slice(&a, behind);
    if (a.overflow)
        return;
    trc_query_scrub(trc_buf_slice(&a), &b);
    must(b.overflow || trc_slice_equal((struct trc_slice){again, a.len - 1},
                                       (struct trc_slice){first, a.len - 1}));
    must(b.overflow || (b.len == a.len + 7 && again[b.len - 1] == 'D'));
}

/* The room picks the header and whom to trust. */
static void client(struct trc_slice text, struct trc_buf *out) {
    struct trc_trust trust = {0};
    uint8_t address[16];
    if (out->cap & 2)
        must(trc_trust_parse(TRC_SLICE("10.0.0.0/8,fd00::/8"), &trust) == 0);
    struct trc_slice got = trc_client_find(text, out->cap & 1, &trust);
    must(!got.p || (got.p >= text.p && got.p + got.len <= text.p + text.len));
    must(!got.p || trc_address_parse(got, address) == 0);
}

static void client_headers(struct trc_slice text, struct trc_buf *out) {
    struct trc_client c;
    (void)out;
    int rc = trc_client_parse(text, &c);
    must(rc == 0 || rc == -EINVAL);
    for (unsigned i = 0; rc == 0 && i < c.count; i++)
        must(strlen(c.header[i].variable) > 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    typedef void reader(struct trc_slice text, struct trc_buf * out);
    static reader *const readers[] = {fold, name, queue, scrub, client, client_headers};
    if (size < 2)
        return 0;
    char *room = malloc(data[1]); /* of just that size, for the sanitizer */
    struct trc_buf out = trc_buf_over(room, room ? data[1] : 0);
    readers[data[0] % (sizeof(readers) / sizeof(readers[0]))](
        (struct trc_slice){(const char *)data + 2, size - 2}, &out);
    must(out.len <= out.cap);
    free(room);
    return 0;
}
