/* SPDX-License-Identifier: MIT
 *
 * What a span says, under either set of names (design 3.5). Used by every encoder.
 *
 * Names of the `http` set: OpenTelemetry semantic conventions 1.44, docs/http/http-spans.md; of the
 * `opentracing` set: OpenTracing's semantic_conventions.md and Jaeger's clients. The list is made
 * per span, by plain code and not by a table of rules: half of the attributes have a condition of
 * their own, and this runs once a span and exporter.
 */
#include "tracing/attributes.h"
#include "tracing/clock.h"
#include "tracing/decimal.h"
#include <signal.h>

/* Index in trc_attribute_keys. Constants first, as trc_attributes promises. */
enum key {
    COMPONENT,
    SPAN_KIND,
    OT_METHOD,
    OT_URL,
    OT_STATUS_CODE,
    OT_PEER_IPV4,
    OT_PEER_IPV6,
    OT_PEER_PORT,
    OT_ERROR,
    REQUEST_METHOD,
    REQUEST_METHOD_ORIGINAL,
    URL_SCHEME,
    URL_PATH,
    URL_QUERY,
    SERVER_ADDRESS,
    SERVER_PORT,
    CLIENT_ADDRESS,
    NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT,
    NETWORK_PROTOCOL_VERSION,
    USER_AGENT_ORIGINAL,
    RESPONSE_STATUS_CODE,
    REQUEST_BODY_SIZE,
    RESPONSE_BODY_SIZE,
    HTTP_ROUTE,
    ERROR_TYPE,
    UWSGI_WORKER,
    UWSGI_CORE,
    UWSGI_APP,
    UWSGI_QUEUE_US,
    UWSGI_REFUSED,
    SAMPLER_TYPE,
    SAMPLER_PARAM,
    SAMPLER_PARAM_CONST,
    JAEGER_DEBUG_ID,
    KEY_COUNT
};
_Static_assert(KEY_COUNT <= TRC_ATTR_KEYS_MAX, "TRC_ATTR_KEYS_MAX is too small");

#define ABSENT ((struct trc_slice){NULL, 0})
#define KEY(name_, type_) .name = TRC_SLICE(name_), .type = TRC_ATTR_##type_, .constant = ABSENT
#define CONSTANT(name_, value_)                                                                    \
    .name = TRC_SLICE(name_), .type = TRC_ATTR_STRING, .constant = TRC_SLICE(value_)

const struct trc_attribute_key trc_attribute_keys[] = {
    [COMPONENT] = {CONSTANT("component", "uwsgi")},
    [SPAN_KIND] = {CONSTANT("span.kind", "server")},
    [OT_METHOD] = {KEY("http.method", STRING)},
    [OT_URL] = {KEY("http.url", STRING)},
    [OT_STATUS_CODE] = {KEY("http.status_code", INT)},
    [OT_PEER_IPV4] = {KEY("peer.ipv4", STRING)},
    [OT_PEER_IPV6] = {KEY("peer.ipv6", STRING)},
    [OT_PEER_PORT] = {KEY("peer.port", INT)},
    [OT_ERROR] = {KEY("error", BOOL)},
    [REQUEST_METHOD] = {KEY("http.request.method", STRING)},
    [REQUEST_METHOD_ORIGINAL] = {KEY("http.request.method_original", STRING)},
    [URL_SCHEME] = {KEY("url.scheme", STRING)},
    [URL_PATH] = {KEY("url.path", STRING)},
    [URL_QUERY] = {KEY("url.query", STRING)},
    [SERVER_ADDRESS] = {KEY("server.address", STRING)},
    [SERVER_PORT] = {KEY("server.port", INT)},
    [CLIENT_ADDRESS] = {KEY("client.address", STRING)},
    [NETWORK_PEER_ADDRESS] = {KEY("network.peer.address", STRING)},
    [NETWORK_PEER_PORT] = {KEY("network.peer.port", INT)},
    [NETWORK_PROTOCOL_VERSION] = {KEY("network.protocol.version", STRING)},
    [USER_AGENT_ORIGINAL] = {KEY("user_agent.original", STRING)},
    [RESPONSE_STATUS_CODE] = {KEY("http.response.status_code", INT)},
    [REQUEST_BODY_SIZE] = {KEY("http.request.body.size", INT)},
    [RESPONSE_BODY_SIZE] = {KEY("http.response.body.size", INT)},
    [HTTP_ROUTE] = {KEY("http.route", STRING)},
    [ERROR_TYPE] = {KEY("error.type", STRING)},
    [UWSGI_WORKER] = {KEY("uwsgi.worker", INT)},
    [UWSGI_CORE] = {KEY("uwsgi.core", INT)},
    [UWSGI_APP] = {KEY("uwsgi.app", STRING)},
    [UWSGI_QUEUE_US] = {KEY("uwsgi.queue_us", INT)},
    [UWSGI_REFUSED] = {KEY("uwsgi.refused", BOOL)},
    [SAMPLER_TYPE] = {KEY("sampler.type", STRING)},
    /* Jaeger's clients write a bool for const and a double for the others: one name, two types. */
    [SAMPLER_PARAM] = {KEY("sampler.param", DOUBLE)},
    [SAMPLER_PARAM_CONST] = {KEY("sampler.param", BOOL)},
    [JAEGER_DEBUG_ID] = {KEY("jaeger-debug-id", STRING)},
};
const unsigned trc_attribute_key_count = KEY_COUNT;

/* The list under construction. */
struct list {
    struct trc_attribute *next;
    const struct trc_span *span;
};

static inline void add_string(struct list *l, enum key key, struct trc_slice s) {
    if (s.p) {
        l->next->key = (uint8_t)key;
        l->next++->s = s;
    }
}

static inline void add_span_string(struct list *l, enum key key, enum trc_span_str which) {
    add_string(l, key, trc_span_get(l->span, which));
}

static inline void add_int(struct list *l, enum key key, uint64_t i) {
    l->next->key = (uint8_t)key;
    l->next++->i = (int64_t)i;
}

static inline void add_double(struct list *l, enum key key, double d) {
    l->next->key = (uint8_t)key;
    l->next++->d = d;
}

/* Is `name` one that attributes have whose names we choose, or that one behind `first` has? */
static bool is_taken(struct trc_slice name, const struct trc_attribute *first,
                     const struct trc_attribute *end) {
    for (unsigned i = 0; i < trc_attribute_key_count; i++)
        if (trc_slice_equal(trc_attribute_keys[i].name, name))
            return true;
    for (; first < end; first++)
        if (trc_slice_equal(first->name, name))
            return true;
    return false;
}

/* Attributes under names of their own. No wire may have a name twice in a span; and a caller whose
 * baggage says `error` is no reason to show a failure. */
static __attribute__((noinline)) void add_named(struct list *l) {
    const struct trc_attribute *const first = l->next;

    for (struct trc_extra x = {.at = 0}; trc_span_extra(l->span, &x);) {
        if (!x.name.p || is_taken(x.name, first, l->next))
            continue;
        l->next->key = TRC_ATTR_NAMED;
        l->next->array = x.kind == TRC_EXTRA_HEADER;
        l->next->name = x.name;
        l->next++->s = x.value;
    }
}

/* Host [":" port] of RFC 9110 section 7.2. An IPv6 address comes without its brackets, as an
 * address is written elsewhere; one that was sent without them has more than one colon, and no
 * port. */
static void add_server(struct list *l, struct trc_slice host) {
    struct trc_slice address = host, port = {NULL, 0};

    if (!host.p)
        return;
    if (host.p[0] == '[') {
        const char *close = memchr(host.p, ']', host.len);
        if (close) {
            const size_t after = (size_t)(close + 1 - host.p);
            address = (struct trc_slice){host.p + 1, after - 2};
            if (after < host.len && host.p[after] == ':')
                port = (struct trc_slice){host.p + after + 1, host.len - after - 1};
        }
    } else {
        const char *colon = memchr(host.p, ':', host.len);
        if (colon) {
            const size_t before = (size_t)(colon - host.p), rest = host.len - before - 1;
            if (!memchr(colon + 1, ':', rest)) {
                address.len = before;
                port = (struct trc_slice){colon + 1, rest};
            }
        }
    }
    if (address.len == 0)
        return; /* server.port says nothing without server.address */
    add_string(l, SERVER_ADDRESS, address);
    const unsigned number = trc_decimal_port(port);
    if (number)
        add_int(l, SERVER_PORT, number);
}

/* "1.1" of HTTP/1.1, and "2" of HTTP/2.0: only HTTP/1 has a minor version (RFC 9113, 9114). */
static void add_protocol_version(struct list *l) {
    struct trc_slice s = trc_span_get(l->span, TRC_STR_PROTOCOL);

    if (s.len <= 5 || memcmp(s.p, "HTTP/", 5) != 0)
        return;
    s.p += 5;
    s.len -= 5;
    if (s.len == 3 && s.p[0] != '0' && s.p[0] != '1' && memcmp(s.p + 1, ".0", 2) == 0)
        s.len = 1;
    add_string(l, NETWORK_PROTOCOL_VERSION, s);
}

/* Literals in a row: every ten, every hundred that begins with `d`. */
#define TEN(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"
#define FIRST_FIFTY(d) TEN(d "0") TEN(d "1") TEN(d "2") TEN(d "3") TEN(d "4")
#define LAST_FIFTY(d) TEN(d "5") TEN(d "6") TEN(d "7") TEN(d "8") TEN(d "9")
#define HUNDRED(d) FIRST_FIFTY(d) LAST_FIFTY(d)

/* Signals that end a process, as signal.h names them; the numbers differ between machines. */
static const struct trc_slice signal_names[] = {
    [SIGHUP] = TRC_SLICE("SIGHUP"),       [SIGINT] = TRC_SLICE("SIGINT"),
    [SIGQUIT] = TRC_SLICE("SIGQUIT"),     [SIGILL] = TRC_SLICE("SIGILL"),
    [SIGTRAP] = TRC_SLICE("SIGTRAP"),     [SIGABRT] = TRC_SLICE("SIGABRT"),
    [SIGBUS] = TRC_SLICE("SIGBUS"),       [SIGFPE] = TRC_SLICE("SIGFPE"),
    [SIGKILL] = TRC_SLICE("SIGKILL"),     [SIGUSR1] = TRC_SLICE("SIGUSR1"),
    [SIGSEGV] = TRC_SLICE("SIGSEGV"),     [SIGUSR2] = TRC_SLICE("SIGUSR2"),
    [SIGPIPE] = TRC_SLICE("SIGPIPE"),     [SIGALRM] = TRC_SLICE("SIGALRM"),
    [SIGTERM] = TRC_SLICE("SIGTERM"),     [SIGIO] = TRC_SLICE("SIGIO"),
    [SIGXCPU] = TRC_SLICE("SIGXCPU"),     [SIGXFSZ] = TRC_SLICE("SIGXFSZ"),
    [SIGVTALRM] = TRC_SLICE("SIGVTALRM"), [SIGPROF] = TRC_SLICE("SIGPROF"),
    [SIGPWR] = TRC_SLICE("SIGPWR"),       [SIGSYS] = TRC_SLICE("SIGSYS"),
};

static struct trc_slice death_name(uint8_t death) {
    if (death == TRC_DEATH_HARAKIRI)
        return TRC_SLICE("harakiri");
    if (death == TRC_DEATH_EXIT)
        return TRC_SLICE("exit");
    if (death < sizeof(signal_names) / sizeof(signal_names[0]) && signal_names[death].p)
        return signal_names[death];
    return TRC_SLICE("killed");
}

/* What error.type says, absent if nothing went wrong. A slice must point at bytes that live, hence
 * every status of 500 to 999 in digits. How the request ended says more than a status it had set,
 * and what the application threw more than the status that made of it. */
static struct trc_slice error_type(const struct trc_span *span, enum trc_semconv semconv) {
    static const char statuses[] = HUNDRED("5") HUNDRED("6") HUNDRED("7") HUNDRED("8") HUNDRED("9");

    if (span->outcome == TRC_OUTCOME_KILLED)
        return death_name(span->death);
    if (span->outcome == TRC_OUTCOME_ABANDONED)
        return TRC_SLICE("abandoned");
    const struct trc_slice exception = trc_span_get(span, TRC_STR_EXCEPTION);
    if (exception.p)
        return exception;
    if (span->status < 500 || !(semconv & TRC_SEMCONV_HTTP))
        return (struct trc_slice){NULL, 0};
    if (span->status > 999)
        return TRC_SLICE("_OTHER"); /* the conventions' value for what has no name */
    return (struct trc_slice){statuses + 3 * (span->status - 500), 3};
}

static inline void add_opentracing(struct list *l) {
    const struct trc_span *span = l->span;

    add_string(l, COMPONENT, trc_attribute_keys[COMPONENT].constant);
    if (span->kind == TRC_KIND_SERVER)
        add_string(l, SPAN_KIND, trc_attribute_keys[SPAN_KIND].constant);
    add_span_string(l, OT_METHOD, TRC_STR_METHOD);
    add_span_string(l, OT_URL, TRC_STR_URL);
    /* A status of 0 would be shown as an error by Jaeger 2: better none. */
    if (span->status)
        add_int(l, OT_STATUS_CODE, span->status);
    const struct trc_slice peer = trc_span_get(span, TRC_STR_PEER);
    if (peer.p)
        add_string(l, memchr(peer.p, ':', peer.len) ? OT_PEER_IPV6 : OT_PEER_IPV4, peer);
    if (span->peer_port)
        add_int(l, OT_PEER_PORT, span->peer_port);
    if (span->error)
        add_int(l, OT_ERROR, 1);
}

static inline void add_http(struct list *l) {
    const struct trc_span *span = l->span;
    const struct trc_slice method = trc_span_get(span, TRC_STR_METHOD);
    const struct trc_slice peer = trc_span_get(span, TRC_STR_PEER);
    const struct trc_slice client = trc_span_get(span, TRC_STR_CLIENT);

    if (method.p && trc_method_known(method)) {
        add_string(l, REQUEST_METHOD, method);
    } else if (method.p || span->kind == TRC_KIND_SERVER) {
        add_string(l, REQUEST_METHOD, TRC_SLICE("_OTHER"));
        add_string(l, REQUEST_METHOD_ORIGINAL, method);
    }
    add_span_string(l, URL_SCHEME, TRC_STR_SCHEME);
    add_span_string(l, URL_PATH, TRC_STR_PATH);
    add_span_string(l, URL_QUERY, TRC_STR_QUERY);
    add_server(l, trc_span_get(span, TRC_STR_HOST));
    add_string(l, CLIENT_ADDRESS, client.p ? client : peer);
    add_string(l, NETWORK_PEER_ADDRESS, peer);
    if (span->peer_port)
        add_int(l, NETWORK_PEER_PORT, span->peer_port);
    add_protocol_version(l);
    add_span_string(l, USER_AGENT_ORIGINAL, TRC_STR_USER_AGENT);
    if (span->request_bytes)
        add_int(l, REQUEST_BODY_SIZE, span->request_bytes);
    if (span->status) {
        add_int(l, RESPONSE_STATUS_CODE, span->status);
        add_int(l, RESPONSE_BODY_SIZE, span->response_bytes);
    }
}

/* sampler.type and sampler.param of a root span, as Jaeger's clients write them. */
static inline void add_sampler(struct list *l) {
    switch (l->span->sampler_type) {
    case TRC_SAMPLER_CONST: /* a const sampler that made a span is const:1 */
        add_string(l, SAMPLER_TYPE, TRC_SLICE("const"));
        add_int(l, SAMPLER_PARAM_CONST, 1);
        break;
    case TRC_SAMPLER_PROBABILISTIC:
        add_string(l, SAMPLER_TYPE, TRC_SLICE("probabilistic"));
        add_double(l, SAMPLER_PARAM, l->span->sampler_param);
        break;
    case TRC_SAMPLER_RATELIMITING:
        add_string(l, SAMPLER_TYPE, TRC_SLICE("ratelimiting"));
        add_double(l, SAMPLER_PARAM, l->span->sampler_param);
        break;
    case TRC_SAMPLER_LOWERBOUND:
        add_string(l, SAMPLER_TYPE, TRC_SLICE("lowerbound"));
        add_double(l, SAMPLER_PARAM, l->span->sampler_param);
        break;
    case TRC_SAMPLER_KEEP: /* the reason is in the span; the sampler that refused it has no part */
        add_string(l, SAMPLER_TYPE, TRC_SLICE("keep"));
        break;
    }
}

unsigned trc_attributes(const struct trc_span *span, enum trc_semconv semconv,
                        struct trc_attribute *out) {
    struct list l = {out, span};

    if (semconv & TRC_SEMCONV_OPENTRACING)
        add_opentracing(&l);
    if (semconv & TRC_SEMCONV_HTTP)
        add_http(&l);
    else /* peer.* is the other end of the connection, whoever spoke through it */
        add_span_string(&l, CLIENT_ADDRESS, TRC_STR_CLIENT);
    add_span_string(&l, HTTP_ROUTE, TRC_STR_ROUTE);
    add_string(&l, ERROR_TYPE, error_type(span, semconv));
    add_int(&l, UWSGI_WORKER, span->worker);
    add_int(&l, UWSGI_CORE, span->core);
    add_span_string(&l, UWSGI_APP, TRC_STR_APP);
    if (span->queue_ns)
        add_int(&l, UWSGI_QUEUE_US, span->queue_ns / TRC_NS_PER_US);
    if (span->outcome == TRC_OUTCOME_REFUSED)
        add_int(&l, UWSGI_REFUSED, 1);
    add_sampler(&l);
    add_span_string(&l, JAEGER_DEBUG_ID, TRC_STR_DEBUG_ID);
    if (span->extra_first)
        add_named(&l);
    return (unsigned)(l.next - out);
}
