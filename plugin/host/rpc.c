/* SPDX-License-Identifier: MIT
 *
 * RPC functions: their table, and the way from uWSGI to them and back.
 *
 * A name, how many arguments it takes, and the bytes that its answer may have. An answer is memory
 * that uWSGI frees, so each call allocates: by whoever called, not on the request path.
 */
#include "rpc.h"
#include "tracing/context.h"
#include "tracing/log.h"
#include <stdlib.h>
#include <uwsgi.h>

extern struct uwsgi_plugin tracing_plugin;

#define ANSWER_BYTES 512          /* of one that is a line */
#define HEADERS_BYTES (48 * 1024) /* of one that is headers: more than a packet has */

static const struct function {
    const char *name;
    uint8_t args_min, args_max;
    size_t answer_bytes;
    trc_rpc_function *call;
    bool may_be_empty; /* else an empty answer is "ok" */
} functions[] = {
    {"tracing.enable", 0, 0, ANSWER_BYTES, trc_rpc_enable},
    {"tracing.disable", 0, 0, ANSWER_BYTES, trc_rpc_disable},
    {"tracing.sampler", 1, 1, ANSWER_BYTES, trc_rpc_sampler},
    {"tracing.flush", 0, 0, ANSWER_BYTES, trc_rpc_flush},
    {"tracing.reset", 0, 0, ANSWER_BYTES, trc_rpc_reset},
    {"tracing.status", 0, 0, ANSWER_BYTES, trc_rpc_status},
    {"tracing.tag", 2, 2, ANSWER_BYTES, trc_rpc_tag},
    {"tracing.log", 1, 1, ANSWER_BYTES, trc_rpc_log},
    {"tracing.name", 1, 1, ANSWER_BYTES, trc_rpc_name},
    {"tracing.baggage", 1, 2, TRC_BAGGAGE_BYTES, trc_rpc_baggage, true},
    {"tracing.inject", 0, 0, HEADERS_BYTES, trc_rpc_inject, true},
    {"tracing.start", 1, 1, ANSWER_BYTES, trc_rpc_start},
    {"tracing.end", 1, 2, ANSWER_BYTES, trc_rpc_end},
};

void trc_rpc_error(struct trc_buf *answer, const char *why) {
    trc_buf_rewind(answer, 0);
    trc_buf_put_slice(answer, TRC_SLICE("error: "));
    trc_buf_put_slice(answer, trc_slice_of(why));
}

void trc_rpc_not_allowed(struct trc_buf *answer, const char *allowed) {
    trc_rpc_error(answer, "not allowed (allowed: ");
    trc_buf_put_slice(answer, trc_slice_of(allowed));
    trc_buf_put_byte(answer, ')');
}

static void call(const struct function *f, unsigned count, char **argv, const uint16_t *argvs,
                 struct trc_buf *answer) {
    struct trc_slice arg[UINT8_MAX];
    if (count < f->args_min || count > f->args_max) {
        trc_rpc_error(answer, "wrong number of arguments");
        return;
    }
    for (unsigned i = 0; i < count; i++)
        arg[i] = (struct trc_slice){argv[i], argvs[i]};
    f->call(arg, count, answer);
    if (answer->overflow)
        trc_rpc_error(answer, "the answer is too long");
    else if (answer->len == 0 && !f->may_be_empty)
        trc_buf_put_slice(answer, TRC_SLICE("ok"));
}

/* uWSGI's way in, for all of them. Returns the length of *out, which uWSGI frees. */
static uint64_t answer_call(void *function, uint8_t count, char **argv, uint16_t *argvs,
                            char **out) {
    const struct function *f = function;
    struct trc_buf answer = trc_buf_over(malloc(f->answer_bytes), f->answer_bytes);
    if (!answer.p)
        return 0;
    call(f, count, argv, argvs, &answer);
    *out = answer.p;
    return answer.len;
}

void trc_rpc_register(void) {
    tracing_plugin.rpc = answer_call;
    for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (uwsgi_register_rpc((char *)functions[i].name, &tracing_plugin, 0,
                               (void *)&functions[i]))
            trc_log("no room for the RPC function %s: raise rpc-max", functions[i].name);
}
