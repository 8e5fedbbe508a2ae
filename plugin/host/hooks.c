/* SPDX-License-Identifier: MIT
 *
 * The request hooks: where uWSGI's requests begin and end for us.
 *
 * Begin is the protocol parser of the request's socket, wrapped: when it says that the head is
 * complete, nothing has been routed, parsed or run yet, whatever will answer the request in the
 * end. End is an after-request hook, which uWSGI finds by its exported name. Together they are the
 * request path: no allocation, no lock, no system call, no log line here (but see
 * append_beside_body).
 */
#include "host.h"
#include "tracing/packet.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

struct hook {
    struct uwsgi_socket *socket;
    int (*parse)(struct wsgi_request *);       /* the parser that was there before */
    int (*fix_headers)(struct wsgi_request *); /* likewise */
};

static struct hook *hooks;
static unsigned hook_count;

/* --- Setting variables ------------------------------------------------------------------------ */

/* uWSGI parses variables into a vector of fixed size, from a buffer of fixed size, and refuses a
 * request that has more; routes and plugins add some of their own after us. */
#define SPARE_VARIABLES 8
#define SPARE_BYTES (uwsgi.buffer_size / 8)

static unsigned max_variables(void) {
    int max = (uwsgi.vec_size - 5) / 2 - SPARE_VARIABLES;
    return max > 0 ? (unsigned)max : 0;
}

/* Body bytes that came with the head lie behind the packet and leave it no room to grow. uWSGI's
 * own function moves them away first (it allocates, as it would for any variable added to such a
 * request); the room is checked before, because it logs a line when the packet is full. */
static bool append_beside_body(void *arg, struct trc_packet *packet, struct trc_slice old,
                               struct trc_slice name, struct trc_slice value) {
    struct wsgi_request *wsgi_req = arg;
    size_t freed = old.p ? 4 + name.len + old.len : 0;
    if (packet->len - freed + 4 + name.len + value.len > packet->cap)
        return false;
    /* The tail may have moved with a variable set before this one. */
    wsgi_req->proto_parser_remains_buf = packet->p + packet->len;
    if (old.p)
        trc_packet_remove(packet, name.len, old);
    wsgi_req->uh->pktsize = (uint16_t)packet->len;
    uint16_t parsed = wsgi_req->var_cnt; /* parsing is still to come and would add it twice */
    uwsgi_req_append(wsgi_req, (char *)name.p, (uint16_t)name.len, (char *)value.p,
                     (uint16_t)value.len);
    wsgi_req->var_cnt = parsed;
    packet->len = wsgi_req->uh->pktsize;
    packet->tail_len = 0;
    return true;
}

static void set_variables(struct wsgi_request *wsgi_req, struct trc_request *request,
                          const struct trc_injection *injection) {
    bool tail = wsgi_req->proto_parser_remains > 0 && !wsgi_req->proto_parser_buf;
    struct trc_packet packet = {wsgi_req->buffer, wsgi_req->uh->pktsize,
                                tail ? wsgi_req->proto_parser_remains : 0,
                                uwsgi.buffer_size - SPARE_BYTES};
    unsigned left_out = trc_packet_inject(&packet, request, trc_host.tracer.names.count,
                                          max_variables(), injection, append_beside_body, wsgi_req);
    wsgi_req->uh->pktsize = (uint16_t)packet.len;
    if (packet.tail_len)
        wsgi_req->proto_parser_remains_buf = packet.p + packet.len;
    if (__builtin_expect(left_out || injection->overflow, 0))
        trc_tracer_not_injected(&trc_host.tracer, (unsigned)wsgi_req->async_id);
}

/* --- Begin ------------------------------------------------------------------------------------ */

/* Over the uwsgi protocol the first modifier may name something that is no request at all; what
 * follows is then not a list of variables, even when it happens to look like one. From uWSGI's
 * documentation, "uwsgi protocol magic variables". */
static bool is_request(uint8_t modifier1, uint8_t modifier2) {
    switch (modifier1) {
    case 17:  /* spooler */
    case 31:  /* message passing */
    case 100: /* ping */
    case 101: /* echo */
    case 103: /* reload of a logged-in worker */
    case 110: /* signal */
    case 111: /* cache */
    case 200: /* raw body from here on */
    case 224: /* subscription */
    case 250: /* cluster configuration */
        return false;
    case 173: /* RPC, of which 2 is an HTTP request that is answered by a function */
        return modifier2 == 2;
    default:
        return true;
    }
}

static bool speaks_http(const struct uwsgi_socket *socket) {
    const char *name = socket->proto_name ? socket->proto_name : uwsgi.protocol;
    return name && strncmp(name, "http", 4) == 0; /* http, http11, https */
}

/* uWSGI's HTTP parser takes the address of any peer for an IPv4 one: of a UNIX socket's it reads
 * 0.0.0.0, or bytes of the path that the peer chose for its own end. A real one, of the PROXY
 * protocol, comes with its port. Over the other protocols a front end wrote it. */
static bool is_peer_made_up(const struct wsgi_request *wsgi_req,
                            const struct trc_request *request) {
    return wsgi_req->socket->family == AF_UNIX && speaks_http(wsgi_req->socket) &&
           !request->value[TRC_FIELD_PEER_PORT].p;
}

/* Does tracing-exclude name it? Decided before the packet is scanned, by as few variables as will
 * do. One without a method is no request, or a broken one: that is for the scan to say. */
static bool is_excluded(const struct wsgi_request *wsgi_req, const struct trc_exclude *exclude) {
    static const uint64_t fields[TRC_EXCLUDE_SUBJECTS] = {
        [TRC_EXCLUDE_PATH] = UINT64_C(1) << TRC_FIELD_URI,
        [TRC_EXCLUDE_AGENT] = UINT64_C(1) << TRC_FIELD_USER_AGENT,
        [TRC_EXCLUDE_METHOD] = 0,
    };
    struct trc_slice value[TRC_FIELD_COUNT], other[TRC_FIELD_COUNT];
    uint64_t wanted = UINT64_C(1) << TRC_FIELD_METHOD;
    for (unsigned i = 0; i < TRC_EXCLUDE_SUBJECTS; i++)
        if (exclude->subjects & 1u << i)
            wanted |= fields[i];
    (void)trc_packet_peek(wsgi_req->buffer, wsgi_req->uh->pktsize, &trc_host.tracer.names, wanted,
                          value);
    if (!value[TRC_FIELD_METHOD].p)
        return false;
    struct trc_slice target = value[TRC_FIELD_URI], path_info = {NULL, 0};
    if (exclude->subjects & 1u << TRC_EXCLUDE_PATH && (!target.len || target.p[0] != '/') &&
        trc_packet_peek(wsgi_req->buffer, wsgi_req->uh->pktsize, &trc_host.tracer.names,
                        UINT64_C(1) << TRC_FIELD_PATH_INFO, other))
        path_info = other[TRC_FIELD_PATH_INFO];
    const struct trc_slice subject[TRC_EXCLUDE_SUBJECTS] = {
        [TRC_EXCLUDE_PATH] = trc_request_path(target, path_info),
        [TRC_EXCLUDE_AGENT] = value[TRC_FIELD_USER_AGENT],
        [TRC_EXCLUDE_METHOD] = value[TRC_FIELD_METHOD],
    };
    return trc_exclude_match(exclude, subject);
}

bool trc_request_scan(struct wsgi_request *wsgi_req, struct trc_request *request) {
    /* Of a packet that a peer wrote, only one that names a method is a request. One that uWSGI made
     * of an HTTP head (it kept the head) always is, even when the head had no method that it could
     * see. */
    if (trc_packet_scan(wsgi_req->buffer, wsgi_req->uh->pktsize, &trc_host.tracer.names,
                        trc_host.tracer.prefix, request) ||
        (!request->value[TRC_FIELD_METHOD].p && !wsgi_req->proto_parser_buf))
        return false;
    if (is_peer_made_up(wsgi_req, request))
        request->value[TRC_FIELD_PEER] = (struct trc_slice){NULL, 0};
    request->start_unix_ns = wsgi_req->start_of_request * 1000;
    return true;
}

static void begin(struct wsgi_request *wsgi_req) {
    struct trc_request request;
    struct trc_injection injection;
    /* Languages do not answer an empty packet (FastCGI brings such); with a variable it were none.
     */
    if (!is_request(wsgi_req->uh->modifier1, wsgi_req->uh->modifier2) || wsgi_req->is_raw ||
        wsgi_req->uh->pktsize == 0)
        return;
    const struct trc_exclude *exclude = &trc_host.rules[wsgi_req->async_id].now.exclude;
    if (exclude->count && is_excluded(wsgi_req, exclude)) {
        trc_tracer_exclude(&trc_host.tracer, (unsigned)wsgi_req->async_id);
        return;
    }
    if (!trc_request_scan(wsgi_req, &request))
        return;
    trc_tracer_begin(&trc_host.tracer, (unsigned)wsgi_req->async_id, &request, &injection);
    set_variables(wsgi_req, &request, &injection);
    if (__builtin_expect(trc_host.settings.response_headers, 0))
        trc_headers_add(wsgi_req);
}

/* What is there of an HTTP request line, however broken. */
static void refuse(struct wsgi_request *wsgi_req) {
    struct trc_slice method = {NULL, 0}, target = {NULL, 0};
    size_t len = wsgi_req->proto_parser_pos;
    const char *p = wsgi_req->proto_parser_buf;
    const char *space = p && len ? memchr(p, ' ', len) : NULL;
    if (space) {
        method = (struct trc_slice){p, (size_t)(space - p)};
        len -= method.len + 1;
        const char *end = memchr(space + 1, ' ', len);
        target = (struct trc_slice){space + 1, end ? (size_t)(end - space - 1) : len};
    }
    trc_tracer_refuse(&trc_host.tracer, (unsigned)wsgi_req->async_id, method, target,
                      wsgi_req->start_of_request * 1000);
}

static const struct hook *hook_of(const struct wsgi_request *wsgi_req) {
    unsigned i = 0;
    while (i + 1 < hook_count && hooks[i].socket != wsgi_req->socket)
        i++;
    return &hooks[i];
}

static int parse(struct wsgi_request *wsgi_req) {
    int ret = hook_of(wsgi_req)->parse(wsgi_req);
    if (!trc_host.active)
        return ret;
    uint64_t word = atomic_load_explicit(trc_control_word(trc_host.control), memory_order_relaxed);
    if (!(word & TRC_CONTROL_ON))
        return ret;
    trc_control_follow(trc_host.control, &trc_host.rules[wsgi_req->async_id], word);
    if (ret == UWSGI_OK)
        begin(wsgi_req);
    else if (ret < 0 && wsgi_req->proto_parser_pos > 0) /* else: connected, and said nothing */
        refuse(wsgi_req);
    return ret;
}

/* --- The head of the response -------------------------------------------------------------------
 */

static void capture(const struct wsgi_request *wsgi_req, struct trc_slice head) {
    for (unsigned i = 0; i < trc_host.settings.capture_count[TRC_RESPONSE]; i++) {
        const struct trc_capture *c = &trc_host.settings.capture[TRC_RESPONSE][i];
        struct trc_slice value = trc_capture_find(c, head);
        if (value.p)
            (void)trc_tracer_header(&trc_host.tracer, (unsigned)wsgi_req->async_id, c->tag, value);
    }
}

/* uWSGI calls it once, right before it sends the head; at the request's end it has freed that. Only
 * wrapped when there are headers to capture. */
static int fix_headers(struct wsgi_request *wsgi_req) {
    int ret = hook_of(wsgi_req)->fix_headers(wsgi_req);
    if (trc_host.active && ret == 0)
        capture(wsgi_req, (struct trc_slice){wsgi_req->headers->buf, wsgi_req->headers->pos});
    return ret;
}

/* --- End -------------------------------------------------------------------------------------- */

/* Exported: uWSGI looks it up by name. Runs after the response is out and the socket closed. */
__attribute__((visibility("default"))) void trc_request_end(struct wsgi_request *wsgi_req) {
    if (__builtin_expect(trc_host.settings.response_headers, 0))
        trc_headers_remove(wsgi_req);
    if (!trc_host.active)
        return;
    struct trc_result result = {
        .status = wsgi_req->status > 0 ? (uint16_t)wsgi_req->status : 0,
        .request_bytes = wsgi_req->post_cl,
        .response_bytes = wsgi_req->response_size,
        .app = {wsgi_req->appid, wsgi_req->appid ? wsgi_req->appid_len : 0},
    };
    trc_tracer_end(&trc_host.tracer, (unsigned)wsgi_req->async_id, &result);
}

void trc_hooks_install(void) {
    unsigned count = 0;
    for (struct uwsgi_socket *s = uwsgi.sockets; s; s = s->next)
        count += s->proto != NULL;
    if (count == 0)
        return;
    hooks = uwsgi_calloc(count * sizeof(*hooks));
    for (struct uwsgi_socket *s = uwsgi.sockets; s; s = s->next) {
        if (!s->proto)
            continue;
        hooks[hook_count++] = (struct hook){s, s->proto, s->proto_fix_headers};
        s->proto = parse;
        if (s->proto_fix_headers && trc_host.settings.capture_count[TRC_RESPONSE])
            s->proto_fix_headers = fix_headers;
    }
    uwsgi_string_new_list(&uwsgi.after_request_hooks, "trc_request_end");
}
