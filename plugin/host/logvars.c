/* SPDX-License-Identifier: MIT
 *
 * Log variables: the ids in uWSGI's own access log.
 */
#include "host.h"
#include "tracing/hex.h"
#include <uwsgi.h>

/* The slot of a request that is being traced, or NULL. */
static struct trc_slot *slot_of(struct wsgi_request *wsgi_req) {
    if (!trc_host.active)
        return NULL;
    struct trc_slot *slot =
        trc_journal_slot(trc_host.journal, trc_host.tracer.worker, (unsigned)wsgi_req->async_id);
    return slot->has_context ? slot : NULL;
}

static ssize_t none(char **out) {
    *out = "-";
    return 1;
}

static ssize_t trace_id(struct wsgi_request *wsgi_req, char **out) {
    struct trc_slot *slot = slot_of(wsgi_req);
    if (!slot)
        return none(out);
    struct trc_buf b = trc_buf_over(slot->trace_text, sizeof(slot->trace_text));
    trc_hex_put_trace_id(&b, slot->context.trace_hi, slot->context.trace_lo);
    *out = b.p;
    return (ssize_t)b.len;
}

static ssize_t span_id(struct wsgi_request *wsgi_req, char **out) {
    struct trc_slot *slot = slot_of(wsgi_req);
    if (!slot)
        return none(out);
    trc_hex_put16(slot->span_text, slot->context.span_id);
    *out = slot->span_text;
    return sizeof(slot->span_text);
}

static ssize_t trace_sampled(struct wsgi_request *wsgi_req, char **out) {
    struct trc_slot *slot = slot_of(wsgi_req);
    if (!slot)
        return none(out);
    *out = slot->context.flags & TRC_FLAG_SAMPLED ? "1" : "0";
    return 1;
}

void trc_logvars_register(void) {
    uwsgi_register_logchunk("trace_id", trace_id, 0);
    uwsgi_register_logchunk("span_id", span_id, 0);
    uwsgi_register_logchunk("trace_sampled", trace_sampled, 0);
}
