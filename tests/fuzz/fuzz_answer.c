/* SPDX-License-Identifier: MIT
 *
 * Fuzzes what reads a collector's answer to OTLP. Input: a byte that picks the parser, the body.
 */
#include "tracing/otlp_answer.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth) {
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trc_send_result r = {.rejected = 0};
    if (size == 0)
        return 0;
    struct trc_slice body = {(const char *)data + 1, size - 1};
    int rc = data[0] & 1 ? trc_otlp_answer_json(body, &r) : trc_otlp_answer_protobuf(body, &r);
    must(rc == 0 || rc == -EINVAL);
    must(rc == 0 || (r.rejected == 0 && r.why[0] == '\0'));
    must(r.rejected <= INT64_MAX);
    must(memchr(r.why, 0, sizeof(r.why)) != NULL);
    for (const char *c = r.why; *c; c++)
        must(*c >= ' ' && *c < 0x7f);
    return 0;
}
