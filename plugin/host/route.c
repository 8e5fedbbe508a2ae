/* SPDX-License-Identifier: MIT
 *
 * The routing action `tracing`: what a route says of a request's span.
 *
 *   route = ^/health tracing:off
 *   final-route-status = 500 tracing:tag=customer=${HTTP_X_CUSTOMER}
 *
 * It never ends the routing. uWSGI expands variables itself, and allocates to do so, as for every
 * action: so only a text that has any is given to it.
 */
#include "host.h"
#include "tracing/action.h"
#include "tracing/log.h"
#include <uwsgi.h>

#ifdef UWSGI_ROUTING

extern struct uwsgi_server uwsgi;

/* --- While a request runs ------------------------------------------------------------------ */

/* Writes the new decision over the old one, wherever the application will read it: uWSGI has parsed
 * the packet, so only what is as long can be written. */
static void retell(struct wsgi_request *wsgi_req, const struct trc_request *request) {
    struct trc_injection injection;
    trc_tracer_retell(&trc_host.tracer, (unsigned)wsgi_req->async_id, request, &injection);
    for (unsigned i = 0; i < injection.count; i++) {
        const struct trc_slice value = injection.item[i].value,
                               old = injection.item[i].header < 0
                                         ? (struct trc_slice){NULL, 0}
                                         : request->value[injection.item[i].header];
        if (value.p && old.p && value.len == old.len)
            memcpy(wsgi_req->buffer + (old.p - wsgi_req->buffer), value.p, value.len);
    }
    if (trc_host.settings.response_headers)
        trc_headers_add(wsgi_req);
}

static void decide(struct wsgi_request *wsgi_req, const struct trc_action *action) {
    struct trc_tracer *tracer = &trc_host.tracer;
    const unsigned core = (unsigned)wsgi_req->async_id;
    struct trc_request request;
    bool changed;
    if (!trc_request_scan(wsgi_req, &request))
        return;
    if (action->type == TRC_ACTION_OFF)
        changed = trc_tracer_off(tracer, core);
    else if (action->type == TRC_ACTION_ON)
        changed = trc_tracer_on(tracer, core, &request);
    else
        changed = trc_tracer_resample(tracer, core, &request, action->probability);
    if (changed)
        retell(wsgi_req, &request);
}

static void say(struct wsgi_request *wsgi_req, const struct trc_action *action,
                struct trc_slice text) {
    const unsigned core = (unsigned)wsgi_req->async_id;
    if (action->type == TRC_ACTION_NAME)
        (void)trc_tracer_name(&trc_host.tracer, core, text);
    else
        (void)trc_tracer_tag(&trc_host.tracer, core, action->key, text);
}

/* A route that an application makes up (uwsgi.route) has no subject, and nothing to expand with. */
static void expand_and_say(struct wsgi_request *wsgi_req, struct uwsgi_route *route,
                           const struct trc_action *action) {
    if (!route->condition_ub || !memchr(action->text.p, '$', action->text.len)) {
        say(wsgi_req, action, action->text);
        return;
    }
    char **subject = (char **)((char *)wsgi_req + route->subject);
    uint16_t *subject_len = (uint16_t *)((char *)wsgi_req + route->subject_len);
    struct uwsgi_buffer *b = uwsgi_routing_translate(
        wsgi_req, route, route->subject ? *subject : NULL, route->subject ? *subject_len : 0,
        (char *)action->text.p, action->text.len);
    if (!b)
        return;
    say(wsgi_req, action, (struct trc_slice){b->buf, b->pos});
    uwsgi_buffer_destroy(b);
}

static int act(struct wsgi_request *wsgi_req, struct uwsgi_route *route) {
    const struct trc_action *action = route->data;
    if (!trc_host.active)
        return UWSGI_ROUTE_NEXT;
    if (action->type == TRC_ACTION_NAME || action->type == TRC_ACTION_TAG)
        expand_and_say(wsgi_req, route, action);
    else
        decide(wsgi_req, action);
    return UWSGI_ROUTE_NEXT;
}

/* --- Startup ------------------------------------------------------------------------------- */

static void forget(struct uwsgi_route *route) {
    free(route->data);
}

/* `text` lives as long as the route. Called for the configuration, or by an application that makes
 * a route up, which is told. */
static int take_action(struct uwsgi_route *route, char *text) {
    struct trc_action action;
    if (trc_action_parse(trc_slice_of(text), &action)) {
        if (uwsgi.workers)
            return -1;
        trc_log("route action tracing:%.100s: not an action (allowed: %s)", text,
                TRC_ACTION_ALLOWED);
        exit(1);
    }
    route->data = uwsgi_malloc(sizeof(action));
    memcpy(route->data, &action, sizeof(action));
    route->func = act;
    route->free = forget;
    return 0;
}

void trc_route_register(void) {
    uwsgi_register_router("tracing", take_action);
}

#else

void trc_route_register(void) {}

#endif
