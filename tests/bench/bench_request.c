/* SPDX-License-Identifier: MIT
 *
 * What the request path costs, operation by operation.
 *
 *   bench_request OPERATION OPERATIONS     nanoseconds each: "median quarter three-quarters"
 *   bench_request --list                   the operations there are, a line each: name, tab, text
 *
 * Run by operations.sh, which also counts instructions with it: callgrind, told to look only inside
 * measure(), two numbers of operations, the difference.
 *
 * It is plugin/host/hooks.c itself that is measured, compiled with uWSGI's own header and flags and
 * linked to the rest of the plugin, with this file in uWSGI's place: it calls the parser that the
 * plugin has put around its own and then the hook at the end, as uWSGI does for each request. The
 * settings are the defaults. The ring is emptied between the parts that are measured.
 *
 * What this file does itself, such as bringing a fresh packet for each request, is measured, too,
 * as the operation "bare", and subtracted: here from each batch's nanoseconds, in operations.sh
 * from the instructions.
 */
#include "../../plugin/host/host.h"
#include "tracing/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <uwsgi.h>
#undef exit /* uWSGI's own needs the rest of it */

#define BATCH 256u /* operations between two looks at the clock; their spans fit half a ring */
#define BATCHES_MAX 20000 /* medians need no more */

/* --- In uWSGI's place --------------------------------------------------------------------------
 */

struct uwsgi_server uwsgi;
struct host trc_host;
extern void trc_request_end(struct wsgi_request *wsgi_req);

void *uwsgi_calloc(size_t size) {
    return calloc(1, size);
}

struct uwsgi_string_list *uwsgi_string_new_list(struct uwsgi_string_list **list, char *value) {
    (void)list;
    (void)value;
    return NULL;
}

/* Only for requests with a body that was read along with the head: there are none here. */
char *uwsgi_req_append(struct wsgi_request *wsgi_req, char *key, uint16_t key_len, char *value,
                       uint16_t value_len) {
    (void)wsgi_req;
    (void)key;
    (void)key_len;
    (void)value;
    (void)value_len;
    abort();
}

static struct uwsgi_socket listener;
static struct wsgi_request *wsgi_req;
static char packet[4096]; /* as it comes */
static size_t packet_len;

/* What uWSGI's parser leaves behind: a new packet each time. With the one of the request before,
 * which the plugin wrote into, each request would wait for the one before. */
__attribute__((noinline)) static int parser(struct wsgi_request *r) {
    r->uh->pktsize = (uint16_t)packet_len;
    memcpy(r->buffer, packet, packet_len);
    return UWSGI_OK;
}

/* --- Requests ----------------------------------------------------------------------------------
 */

static void put(const char *key, const char *value) {
    const size_t lens[] = {strlen(key), strlen(value)};
    const char *const parts[] = {key, value};
    for (int i = 0; i < 2; i++) {
        packet[packet_len++] = (char)(lens[i] & 0xff);
        packet[packet_len++] = (char)(lens[i] >> 8);
        memcpy(packet + packet_len, parts[i], lens[i]);
        packet_len += lens[i];
    }
}

/* What uWSGI's http-socket makes of any request, in its order. */
static void put_request_line(void) {
    put("REQUEST_METHOD", "GET");
    put("REQUEST_URI", "/users/42/orders?page=2");
    put("PATH_INFO", "/users/42/orders");
    put("QUERY_STRING", "page=2");
    put("SERVER_PROTOCOL", "HTTP/1.1");
    put("SCRIPT_NAME", "");
    put("SERVER_NAME", "web-1");
    put("SERVER_PORT", "8080");
    put("UWSGI_ROUTER", "http");
    put("REMOTE_ADDR", "192.0.2.17");
    put("REMOTE_PORT", "51234");
}

/* A browser's headers: the first `count` of these. The twelve are those lib.sh sends. */
static void put_headers(unsigned count) {
    static const char *const headers[][2] = {
        {"HTTP_HOST", "shop.example.com:8080"},
        {"HTTP_USER_AGENT",
         "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
        {"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
        {"HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"},
        {"HTTP_ACCEPT_ENCODING", "gzip, deflate, br"},
        {"HTTP_CONNECTION", "close"},
        {"HTTP_CACHE_CONTROL", "no-cache"},
        {"HTTP_PRAGMA", "no-cache"},
        {"HTTP_REFERER", "http://shop.example.com/cart"},
        {"HTTP_COOKIE", "sessionid=0123456789abcdef0123456789abcdef; theme=dark"},
        {"HTTP_DNT", "1"},
        {"HTTP_UPGRADE_INSECURE_REQUESTS", "1"},
        /* twelve; what a load balancer and a newer browser add */
        {"HTTP_X_REQUEST_ID", "7f3e0c1a9b2d4e6f8a0b1c2d3e4f5a6b"},
        {"HTTP_X_FORWARDED_FOR", "203.0.113.9, 192.0.2.17"},
        {"HTTP_X_FORWARDED_PROTO", "https"},
        {"HTTP_X_FORWARDED_PORT", "443"},
        {"HTTP_X_REAL_IP", "203.0.113.9"},
        {"HTTP_VIA", "1.1 balancer"},
        {"HTTP_SEC_FETCH_DEST", "document"},
        {"HTTP_SEC_FETCH_MODE", "navigate"},
        {"HTTP_SEC_FETCH_SITE", "same-origin"},
        {"HTTP_SEC_FETCH_USER", "?1"},
        {"HTTP_IF_NONE_MATCH", "\"5f1e-59b8c0a1\""},
        {"HTTP_PRIORITY", "u=0, i"},
        {"HTTP_TE", "trailers"},
    };
    for (unsigned i = 0; i < count; i++)
        put(headers[i][0], headers[i][1]);
}

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN_ID "b7ad6b7169203331"

static void put_uber(const char *value) {
    put("HTTP_UBER_TRACE_ID", value);
}

/* --- Operations --------------------------------------------------------------------------------
 */

static void serve_one(void) {
    listener.proto(wsgi_req);
    trc_request_end(wsgi_req);
}

static void bare_one(void) {
    parser(wsgi_req);
}

/* The core's span, complete since prepare(), into the ring once more. */
static void append_one(void) {
    struct trc_slot *slot = trc_journal_slot(trc_host.journal, 0, 0);
    trc_slot_open(slot);
    trc_slot_claim(slot);
    trc_journal_append_mp(trc_host.journal, 0, slot);
}

/* A decision by a remote strategy for the operation, with what the tracer does around it. */
static void decide_one(void) {
    struct trc_slot *slot = trc_journal_slot(trc_host.journal, 0, 0);
    struct trc_decision by;
    trc_strategies_decide(trc_host.tracer.strategies, trc_random_id(&slot->random),
                          TRC_SLICE("GET"), trc_clock_coarse_ns(), &by);
}

struct operation {
    const char *name;
    const char *what;
    unsigned headers;
    const char *uber; /* or none */
    void (*one)(void);
    bool traced; /* else switched off */
    bool remote; /* its operation has a strategy of a server's, which says no but to the first */
    const char *exclude;
};

static const struct operation operations[] = {
    {"bare", "this program's own part, subtracted from the others", 25, NULL, bare_one, true},
    {"off", "switched off: both hooks called, nothing done", 25, NULL, serve_one, false},
    {"unsampled", "25 headers, of which an uber-trace-id that says no", 24,
     TRACE_ID ":" SPAN_ID ":0000000000000000:0", serve_one, true},
    {"root", "25 headers, no uber-trace-id: sampled here", 25, NULL, serve_one, true},
    {"child", "25 headers, of which an uber-trace-id of 128 bits", 24,
     TRACE_ID ":" SPAN_ID ":0000000000000000:1", serve_one, true},
    {"child-short", "the same, its parent written \"0\": the packet has to grow", 24,
     TRACE_ID ":" SPAN_ID ":0:1", serve_one, true},
    {"child-12", "12 headers and an uber-trace-id, as lib.sh sends", 12,
     TRACE_ID ":" SPAN_ID ":0000000000000000:1", serve_one, true},
    {"append", "journal append alone, of the span of child", 24,
     TRACE_ID ":" SPAN_ID ":0000000000000000:1", append_one, true},
    {"remote", "25 headers, no uber-trace-id: a server's strategy for GET says no", 25, NULL,
     serve_one, true, true},
    {"excluded", "25 headers, the path is the second of two that are excluded", 25, NULL, serve_one,
     true, false, "/healthz,/users/*"},
    {"decide", "the decision alone: by hash, probability and lower bound", 25, NULL, decide_one,
     true, true},
};
#define OPERATION_COUNT (sizeof(operations) / sizeof(operations[0]))

/* What is measured, and nothing else: callgrind is told this name. Its twin runs what is only
 * subtracted from the nanoseconds. */
__attribute__((noinline, noclone, no_icf)) void measure(void (*one)(void), unsigned count) {
    for (unsigned i = 0; i < count; i++)
        one();
}

__attribute__((noinline, noclone, no_icf)) void measure_own(void (*one)(void), unsigned count) {
    for (unsigned i = 0; i < count; i++)
        one();
}

/* As if every exporter had sent everything. */
static void empty_ring(void) {
    for (unsigned e = 0; e < trc_host.settings.exporter_count; e++) {
        struct trc_cursor_state state;
        trc_cursor_get(trc_host.journal, 0, e, &state);
        state.pos = trc_journal_head(trc_host.journal, 0);
        trc_cursor_publish(trc_host.journal, 0, e, &state);
    }
}

static void fail(const char *why) {
    fprintf(stderr, "bench_request: %s\n", why);
    exit(1);
}

/* The master's part and the worker's, as plugin.c does it with nothing configured. */
static void start(void) {
    static struct trc_options none;
    char error[TRC_ERROR_LINE_MAX];
    if (trc_settings_make(&none, "/srv/shop", &trc_host.settings, error))
        fail(error);
    if (trc_tracer_init(&trc_host.tracer, trc_host.settings.extract, trc_host.settings.inject))
        fail("no tracer");
    trc_host.tracer.sampler = trc_host.settings.sampler;
    const struct trc_journal_config config = {
        .workers = 1,
        .cores = 1,
        .exporters = trc_host.settings.exporter_count,
        .ring_bytes = trc_host.settings.journal_bytes,
    };
    if (trc_journal_new(&trc_host.journal, &config))
        fail("no journal");
    trc_host.tracer.journal = trc_host.journal;
    static struct trc_core_rules rules[1];
    const struct trc_rules configured = {trc_host.settings.sampler, true, {0}};
    trc_host.rules = trc_host.tracer.rules = rules;
    if (trc_control_new(&trc_host.control, &configured, trc_journal_limiter(trc_host.journal)))
        fail("no control");
    if (trc_tracer_seed(&trc_host.tracer))
        fail("no seed");
    trc_host.active = true;

    uwsgi.buffer_size = sizeof(packet);
    uwsgi.vec_size = 4 + 4 * 64; /* uWSGI's own: max-vars = 64 */
    listener.proto = parser;
    uwsgi.sockets = &listener;
    trc_hooks_install();
}

static void use_strategy(void) {
    const struct trc_operation get = {TRC_SLICE("GET"), 0};
    const struct trc_strategy strategy = {TRC_SAMPLER_LOWERBOUND, 0.5, 1e-6, &get, 1};
    if (trc_strategies_new(&trc_host.tracer.strategies, 0))
        fail("no strategies");
    trc_strategies_publish(trc_host.tracer.strategies, &strategy, trc_clock_mono_ns());
    const struct trc_change change = {1u << TRC_SETTING_SAMPLER,
                                      {.sampler = {.type = TRC_SAMPLER_REMOTE}}};
    if (trc_control_apply(trc_host.control, &change, TRC_CHANGER_RPC, NULL))
        fail("not switched");
}

static void switch_to(const struct operation *o) {
    struct trc_change change = {1u << TRC_SETTING_ENABLED | 1u << TRC_SETTING_EXCLUDE,
                                {.enabled = o->traced}};
    if (trc_exclude_add(&change.to.exclude, trc_slice_of(o->exclude)) ||
        trc_control_apply(trc_host.control, &change, TRC_CHANGER_RPC, NULL))
        fail("not switched");
}

static void prepare(const struct operation *o) {
    if (o->remote)
        use_strategy();
    wsgi_req = calloc(1, sizeof(*wsgi_req));
    void *memory = calloc(1, sizeof(struct uwsgi_header) + uwsgi.buffer_size);
    if (!wsgi_req || !memory)
        fail("no memory");
    wsgi_req->uh = memory; /* as in uWSGI, the packet follows its head */
    wsgi_req->buffer = (char *)memory + sizeof(struct uwsgi_header);
    wsgi_req->socket = &listener;
    wsgi_req->status = 200;
    wsgi_req->response_size = 12;
    wsgi_req->start_of_request = trc_clock_unix_ns() / TRC_NS_PER_US;
    put_request_line();
    put_headers(o->headers);
    if (o->uber)
        put_uber(o->uber);
    serve_one(); /* leaves a span in the slot */
    switch_to(o);
}

static int by_value(const void *a, const void *b) {
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static double batch_ns(void (*how)(void (*)(void), unsigned), void (*one)(void)) {
    const uint64_t start = trc_clock_mono_ns();
    how(one, BATCH);
    const uint64_t took = trc_clock_mono_ns() - start;
    empty_ring();
    return (double)took / BATCH;
}

/* Did the operation do what its name says? A number is worth nothing otherwise. */
static void check(const struct operation *o, uint64_t done) {
    struct trc_accounts a;
    trc_journal_accounts(trc_host.journal, -1, TRC_EXPORTERS_MAX, &a);
    const bool served = o->one == serve_one && o->traced && !o->exclude;
    const uint64_t sampled = strcmp(o->name, "unsampled") == 0 ? 0 : o->remote ? 1 : done + 1;
    if (a.dropped || a.not_injected || a.context_errors || a.truncated)
        fail("spans were dropped or contexts not understood");
    if (served && (a.started != done + 1 || a.unsampled != done + 1 - sampled))
        fail("not every request was traced as it should be");
    if ((served || o->one == append_one) && a.sampled != sampled)
        fail("not every span was appended");
    if (o->exclude && (a.excluded != done || a.started != 1))
        fail("not every request was excluded");
    if (!o->traced && a.started != 1)
        fail("it was not off");
}

static void report(const struct operation *o, unsigned long count) {
    static double ns[BATCHES_MAX];
    unsigned batches = 0;
    uint64_t done = 0;
    for (; done < count && batches < BATCHES_MAX; done += BATCH) {
        /* In turn, so that whatever slows the machine down meets both. */
        const double own = o->one == serve_one ? batch_ns(measure_own, bare_one) : 0;
        const double took = batch_ns(measure, o->one);
        ns[batches++] = took > own ? took - own : 0;
    }
    check(o, done);
    qsort(ns, batches, sizeof(ns[0]), by_value);
    printf("%.1f %.1f %.1f\n", ns[batches / 2], ns[batches / 4], ns[batches * 3 / 4]);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (unsigned i = 0; i < OPERATION_COUNT; i++)
            printf("%s\t%s\n", operations[i].name, operations[i].what);
        return 0;
    }
    for (unsigned i = 0; argc == 3 && i < OPERATION_COUNT; i++) {
        if (strcmp(argv[1], operations[i].name) != 0)
            continue;
        start();
        prepare(&operations[i]);
        report(&operations[i], strtoul(argv[2], NULL, 10));
        return 0;
    }
    fprintf(stderr, "usage: bench_request OPERATION OPERATIONS | --list\n");
    return 2;
}
