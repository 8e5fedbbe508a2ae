/* SPDX-License-Identifier: MIT
 *
 * Response headers: has uWSGI send what response.c writes. Called by the hooks.
 *
 * uWSGI sends the lines of wsgi_req->additional_headers behind the application's own, whatever
 * answers: an application, a file, a route, an error (core/writer.c). It frees them when the
 * request is closed (core/utils.c), right after the after-request hooks. So the nodes and lines
 * here, which each core has for good, are put into that list at the begin and taken out again at
 * the end: no request allocates any, and none is freed.
 */
#include "host.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

struct answer {
    struct uwsgi_string_list node[TRC_RESPONSE_LINES];
    struct trc_response response;
};

static struct answer *answers; /* of each core, when headers are asked for */

void trc_headers_prepare(unsigned cores) {
    if (trc_host.settings.response_headers)
        answers = uwsgi_calloc(cores * sizeof(*answers));
}

void trc_headers_remove(struct wsgi_request *wsgi_req) {
    /* Others may have put theirs before and behind ours. */
    const struct answer *a = &answers[wsgi_req->async_id];
    struct uwsgi_string_list **at = &wsgi_req->additional_headers;
    while (*at && *at != a->node)
        at = &(*at)->next;
    if (*at)
        *at = a->node[a->response.count - 1].next;
}

void trc_headers_add(struct wsgi_request *wsgi_req) {
    struct answer *a = &answers[wsgi_req->async_id];
    const struct trc_slot *slot =
        trc_journal_slot(trc_host.journal, trc_host.tracer.worker, (unsigned)wsgi_req->async_id);
    trc_headers_remove(wsgi_req); /* a list that has ours twice would have no end */
    trc_response_write(trc_host.settings.response_headers, &slot->context, &a->response);
    for (unsigned i = a->response.count; i-- > 0;) {
        a->node[i] = (struct uwsgi_string_list){
            .value = (char *)(uintptr_t)a->response.line[i].p,
            .len = a->response.line[i].len,
            .next = wsgi_req->additional_headers,
        };
        wsgi_req->additional_headers = &a->node[i];
    }
}
