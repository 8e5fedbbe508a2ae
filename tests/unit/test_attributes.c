/* SPDX-License-Identifier: MIT
 *
 * What a span says, under each set of names. A list is compared as text: "name=value", a string in
 * quotation marks, one attribute a line.
 */
#include "spans.h"
#include "tracing/attributes.h"
#include "unit.h"
#include <signal.h>

/* The list as text, in a buffer that the next call overwrites. Checks what holds for every list. */
static const char *listed(const struct trc_span *span, enum trc_semconv semconv) {
    static char text[65536];
    struct trc_attribute list[TRC_ATTR_MAX];
    const unsigned count = trc_attributes(span, semconv, list);
    uint64_t seen = 0;
    bool constants_over = false, named = false;
    int len = 0;

    assert_true(count <= TRC_ATTR_MAX);
    for (unsigned i = 0; i < count; i++) {
        named = named || list[i].key == TRC_ATTR_NAMED;
        if (named) {
            assert_int_equal(list[i].key, TRC_ATTR_NAMED); /* they come last */
            len += sprintf(text + len, "\n%.*s='%.*s'", (int)list[i].name.len, list[i].name.p,
                           (int)list[i].s.len, list[i].s.p);
            continue;
        }
        assert_true(list[i].key < trc_attribute_key_count);
        const struct trc_attribute_key *key = &trc_attribute_keys[list[i].key];
        assert_false(seen >> list[i].key &
                     1); /* no name twice, but for the types of sampler.param */
        seen |= UINT64_C(1) << list[i].key;
        if (key->constant.p) {
            assert_false(constants_over);
            assert_true(trc_slice_equal(list[i].s, key->constant));
        }
        constants_over = constants_over || !key->constant.p;
        len += sprintf(text + len, "%s%.*s=", i ? "\n" : "", (int)key->name.len, key->name.p);
        switch (key->type) {
        case TRC_ATTR_STRING:
            assert_non_null(list[i].s.p);
            len += sprintf(text + len, "'%.*s'", (int)list[i].s.len, list[i].s.p);
            break;
        case TRC_ATTR_INT:
            len += sprintf(text + len, "%lld", (long long)list[i].i);
            break;
        case TRC_ATTR_BOOL:
            assert_true(list[i].i == 0 || list[i].i == 1);
            len += sprintf(text + len, list[i].i ? "true" : "false");
            break;
        case TRC_ATTR_DOUBLE:
            len += sprintf(text + len, "%g", list[i].d);
            break;
        }
    }
    return text;
}

#define OPENTRACING                                                                                \
    "component='uwsgi'\n"                                                                          \
    "span.kind='server'\n"                                                                         \
    "http.method='GET'\n"                                                                          \
    "http.url='http://shop.example.com:8080/users/42/orders'\n"                                    \
    "http.status_code=200\n"                                                                       \
    "peer.ipv4='192.0.2.17'\n"                                                                     \
    "peer.port=51234\n"
#define HTTP                                                                                       \
    "http.request.method='GET'\n"                                                                  \
    "url.scheme='http'\n"                                                                          \
    "url.path='/users/42/orders'\n"                                                                \
    "server.address='shop.example.com'\n"                                                          \
    "server.port=8080\n"                                                                           \
    "client.address='192.0.2.17'\n"                                                                \
    "network.peer.address='192.0.2.17'\n"                                                          \
    "network.peer.port=51234\n"                                                                    \
    "network.protocol.version='1.1'\n"                                                             \
    "user_agent.original='Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0'\n"         \
    "http.response.status_code=200\n"                                                              \
    "http.response.body.size=5120\n"
#define BOTH                                                                                       \
    "uwsgi.worker=3\n"                                                                             \
    "uwsgi.core=1\n"                                                                               \
    "uwsgi.app='/shop'\n"                                                                          \
    "sampler.type='probabilistic'\n"                                                               \
    "sampler.param=0.1"

static void a_usual_span_in_each_set(void **state) {
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    assert_string_equal(listed(&span, TRC_SEMCONV_OPENTRACING), OPENTRACING BOTH);
    assert_string_equal(listed(&span, TRC_SEMCONV_HTTP), HTTP BOTH);
    assert_string_equal(listed(&span, TRC_SEMCONV_HTTP_DUP), OPENTRACING HTTP BOTH);
}

/* Is `line` one of the lines of the list? */
static bool has(const struct trc_span *span, enum trc_semconv semconv, const char *line) {
    const char *text = listed(span, semconv);
    const size_t len = strlen(line);

    for (const char *at = text; (at = strstr(at, line)); at++)
        if ((at == text || at[-1] == '\n') && (at[len] == '\n' || at[len] == 0))
            return true;
    return false;
}

static void an_empty_span_says_little(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    assert_string_equal(listed(&span, TRC_SEMCONV_OPENTRACING),
                        "component='uwsgi'\nspan.kind='server'\nuwsgi.worker=0\nuwsgi.core=0");
    assert_string_equal(listed(&span, TRC_SEMCONV_HTTP),
                        "http.request.method='_OTHER'\nuwsgi.worker=0\nuwsgi.core=0");
    span.kind = TRC_KIND_INTERNAL;
    assert_string_equal(listed(&span, TRC_SEMCONV_OPENTRACING),
                        "component='uwsgi'\nuwsgi.worker=0\nuwsgi.core=0");
    /* A request without a method has an odd one; what is within a request has none. */
    assert_string_equal(listed(&span, TRC_SEMCONV_HTTP), "uwsgi.worker=0\nuwsgi.core=0");
    spans_set(&span, TRC_STR_METHOD, "BREW");
    assert_true(has(&span, TRC_SEMCONV_HTTP, "http.request.method='_OTHER'"));
}

static bool has_key(const struct trc_span *span, enum trc_semconv semconv, const char *name) {
    char start[64];
    const char *text = listed(span, semconv);

    snprintf(start, sizeof(start), "\n%s=", name);
    return strstr(text, start) || strncmp(text, start + 1, strlen(start + 1)) == 0;
}

static void methods(void **state) {
    static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"};
    static const char *const unknown[] = {"get", "BREW", "G", "GETS", "PROPFIND", "Get", "XXXXXX"};
    struct trc_span span;
    char line[64];

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        trc_span_clear(&span);
        spans_set(&span, TRC_STR_METHOD, known[i]);
        snprintf(line, sizeof(line), "http.request.method='%s'", known[i]);
        assert_true(has(&span, TRC_SEMCONV_HTTP, line));
        assert_false(has_key(&span, TRC_SEMCONV_HTTP, "http.request.method_original"));
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        trc_span_clear(&span);
        spans_set(&span, TRC_STR_METHOD, unknown[i]);
        assert_true(has(&span, TRC_SEMCONV_HTTP, "http.request.method='_OTHER'"));
        snprintf(line, sizeof(line), "http.request.method_original='%s'", unknown[i]);
        assert_true(has(&span, TRC_SEMCONV_HTTP, line));
        snprintf(line, sizeof(line), "http.method='%s'", unknown[i]);
        assert_true(has(&span, TRC_SEMCONV_OPENTRACING, line));
    }
}

static void server_address_and_port(void **state) {
    static const struct {
        const char *host, *address, *port; /* lines, or NULL: not there */
    } cases[] = {
        {"example.com", "server.address='example.com'", NULL},
        {"example.com:80", "server.address='example.com'", "server.port=80"},
        {"example.com:65535", "server.address='example.com'", "server.port=65535"},
        {"example.com:65536", "server.address='example.com'", NULL},
        {"example.com:0", "server.address='example.com'", NULL},
        {"example.com:", "server.address='example.com'", NULL},
        {"example.com:http", "server.address='example.com'", NULL},
        {"example.com:000080", "server.address='example.com'", NULL},
        {"192.0.2.1:8080", "server.address='192.0.2.1'", "server.port=8080"},
        {"[2001:db8::1]", "server.address='2001:db8::1'", NULL},
        {"[2001:db8::1]:443", "server.address='2001:db8::1'", "server.port=443"},
        {"[::1]x:443", "server.address='::1'", NULL},
        {"[::1]:", "server.address='::1'", NULL},
        {"2001:db8::1", "server.address='2001:db8::1'", NULL},
        {"[::1", "server.address='[::1'", NULL},
        {"[", "server.address='['", NULL},
        {"[]:80", NULL, NULL},
        {":80", NULL, NULL},
        {":", NULL, NULL},
    };
    struct trc_span span;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        trc_span_clear(&span);
        spans_set(&span, TRC_STR_HOST, cases[i].host);
        if (cases[i].address)
            assert_true(has(&span, TRC_SEMCONV_HTTP, cases[i].address));
        else
            assert_false(has_key(&span, TRC_SEMCONV_HTTP, "server.address"));
        if (cases[i].port)
            assert_true(has(&span, TRC_SEMCONV_HTTP, cases[i].port));
        else
            assert_false(has_key(&span, TRC_SEMCONV_HTTP, "server.port"));
    }
}

static void protocol_version(void **state) {
    static const struct {
        const char *protocol, *line;
    } cases[] = {
        {"HTTP/1.0", "network.protocol.version='1.0'"},
        {"HTTP/1.1", "network.protocol.version='1.1'"},
        {"HTTP/2.0", "network.protocol.version='2'"},
        {"HTTP/2", "network.protocol.version='2'"},
        {"HTTP/3.0", "network.protocol.version='3'"},
        {"HTTP/0.9", "network.protocol.version='0.9'"},
        {"HTTP/", NULL},
        {"SPDY/3", NULL},
        {"H", NULL},
    };
    struct trc_span span;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        trc_span_clear(&span);
        spans_set(&span, TRC_STR_PROTOCOL, cases[i].protocol);
        if (cases[i].line)
            assert_true(has(&span, TRC_SEMCONV_HTTP, cases[i].line));
        else
            assert_false(has_key(&span, TRC_SEMCONV_HTTP, "network.protocol.version"));
    }
}

static void peer_by_its_family(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    spans_set(&span, TRC_STR_PEER, "2001:db8::17");
    assert_true(has(&span, TRC_SEMCONV_OPENTRACING, "peer.ipv6='2001:db8::17'"));
    assert_false(has_key(&span, TRC_SEMCONV_OPENTRACING, "peer.ipv4"));
    assert_false(has_key(&span, TRC_SEMCONV_OPENTRACING, "peer.port"));
    assert_true(has(&span, TRC_SEMCONV_HTTP, "client.address='2001:db8::17'"));
    assert_true(has(&span, TRC_SEMCONV_HTTP, "network.peer.address='2001:db8::17'"));
    assert_false(has_key(&span, TRC_SEMCONV_HTTP, "network.peer.port"));
}

/* Where proxies tell of a client, the peer stays the peer, and the client is told in each set. */
static void a_client_behind_a_peer(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    spans_set(&span, TRC_STR_PEER, "192.0.2.17");
    assert_false(has_key(&span, TRC_SEMCONV_OPENTRACING, "client.address"));
    spans_set(&span, TRC_STR_CLIENT, "2001:db8::17");
    for (int semconv = 1; semconv <= 3; semconv++)
        assert_true(has(&span, semconv, "client.address='2001:db8::17'"));
    for (int semconv = 2; semconv <= 3; semconv++) {
        assert_true(has(&span, semconv, "peer.ipv4='192.0.2.17'"));
        assert_false(has_key(&span, semconv, "peer.ipv6"));
    }
    assert_true(has(&span, TRC_SEMCONV_HTTP, "network.peer.address='192.0.2.17'"));
}

static void route_query_and_queue(void **state) {
    static const struct {
        uint64_t queue_ns;
        const char *line; /* NULL: not there */
    } rows[] = {{0, NULL},
                {1, "uwsgi.queue_us=0"},
                {1999, "uwsgi.queue_us=1"},
                {UINT64_C(3000000000), "uwsgi.queue_us=3000000"}};
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    for (int semconv = 1; semconv <= 3; semconv++) {
        assert_false(has_key(&span, semconv, "http.route"));
        assert_false(has_key(&span, semconv, "url.query"));
    }
    spans_set(&span, TRC_STR_ROUTE, "/users/{id}");
    spans_set(&span, TRC_STR_QUERY, "a=1&b");
    spans_set(&span, TRC_STR_URL, "http://h/users/7?a=1&b");
    for (int semconv = 1; semconv <= 3; semconv++) {
        const bool http = semconv & TRC_SEMCONV_HTTP;
        assert_true(has(&span, semconv, "http.route='/users/{id}'"));
        assert_int_equal(has(&span, semconv, "url.query='a=1&b'"), http);
        assert_int_equal(has_key(&span, semconv, "url.query"), http);
        assert_int_equal(has(&span, semconv, "http.url='http://h/users/7?a=1&b'"),
                         semconv != TRC_SEMCONV_HTTP);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int semconv = 1; semconv <= 3; semconv++) {
            span.queue_ns = rows[i].queue_ns;
            if (rows[i].line)
                assert_true(has(&span, semconv, rows[i].line));
            else
                assert_false(has_key(&span, semconv, "uwsgi.queue_us"));
        }
}

/* error and error.type: by status and outcome, in each set (NULL: not there). */
static void errors(void **state) {
    static const struct {
        uint16_t status;
        uint8_t outcome, error;
        const char *http, *opentracing, *exception;
    } cases[] = {
        {200, TRC_OUTCOME_ANSWERED, 0, NULL, NULL, ""},
        {499, TRC_OUTCOME_ANSWERED, 0, NULL, NULL, ""},
        {500, TRC_OUTCOME_ANSWERED, 1, "error.type='500'", NULL, ""},
        {503, TRC_OUTCOME_ANSWERED, 1, "error.type='503'", NULL, ""},
        {599, TRC_OUTCOME_ANSWERED, 1, "error.type='599'", NULL, ""},
        {610, TRC_OUTCOME_ANSWERED, 1, "error.type='610'", NULL, ""},
        {999, TRC_OUTCOME_ANSWERED, 1, "error.type='999'", NULL, ""},
        {1000, TRC_OUTCOME_ANSWERED, 1, "error.type='_OTHER'", NULL, ""},
        {65535, TRC_OUTCOME_ANSWERED, 1, "error.type='_OTHER'", NULL, ""},
        {0, TRC_OUTCOME_KILLED, 1, "error.type='killed'", "error.type='killed'", ""},
        {500, TRC_OUTCOME_KILLED, 1, "error.type='killed'", "error.type='killed'", ""},
        {0, TRC_OUTCOME_ABANDONED, 1, "error.type='abandoned'", "error.type='abandoned'", ""},
        {400, TRC_OUTCOME_REFUSED, 0, NULL, NULL, ""},
        {500, TRC_OUTCOME_ANSWERED, 1, "error.type='KeyError'", "error.type='KeyError'",
         "KeyError"},
        {0, TRC_OUTCOME_ANSWERED, 1, "error.type='KeyError'", "error.type='KeyError'", "KeyError"},
        {500, TRC_OUTCOME_KILLED, 1, "error.type='killed'", "error.type='killed'", "KeyError"},
        {500, TRC_OUTCOME_ABANDONED, 1, "error.type='abandoned'", "error.type='abandoned'",
         "KeyError"},
    };
    struct trc_span span;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        trc_span_clear(&span);
        span.status = cases[i].status;
        span.outcome = cases[i].outcome;
        span.error = cases[i].error;
        spans_set(&span, TRC_STR_EXCEPTION, cases[i].exception);
        for (int semconv = 1; semconv <= 3; semconv++) {
            const char *want = semconv & TRC_SEMCONV_HTTP ? cases[i].http : cases[i].opentracing;
            const bool error = (semconv & TRC_SEMCONV_OPENTRACING) && cases[i].error;
            if (want)
                assert_true(has(&span, semconv, want));
            else
                assert_false(has_key(&span, semconv, "error.type"));
            assert_int_equal(has(&span, semconv, "error=true"), error);
            assert_int_equal(has(&span, semconv, "uwsgi.refused=true"),
                             cases[i].outcome == TRC_OUTCOME_REFUSED);
        }
    }
}

/* What a worker died of has the same name in each set; what has none is "killed". */
static void deaths(void **state) {
    static const struct {
        uint8_t death;
        const char *want;
    } cases[] = {
        {TRC_DEATH_UNKNOWN, "killed"},
        {TRC_DEATH_EXIT, "exit"},
        {TRC_DEATH_HARAKIRI, "harakiri"},
        {SIGHUP, "SIGHUP"},
        {SIGABRT, "SIGABRT"},
        {SIGKILL, "SIGKILL"},
        {SIGSEGV, "SIGSEGV"},
        {SIGSYS, "SIGSYS"},
        {SIGCHLD, "killed"},
        {SIGSYS + 1, "killed"},
        {64, "killed"},
        {127, "killed"},
        {130, "killed"},
        {255, "killed"},
    };
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    span.status = 500;
    span.outcome = TRC_OUTCOME_KILLED;
    span.error = 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char want[64];
        span.death = cases[i].death;
        snprintf(want, sizeof(want), "error.type='%s'", cases[i].want);
        for (int semconv = 1; semconv <= 3; semconv++)
            assert_true(has(&span, semconv, want));
    }
    span.outcome = TRC_OUTCOME_ANSWERED; /* whose worker lives */
    assert_false(has_key(&span, TRC_SEMCONV_OPENTRACING, "error.type"));
}

static void a_request_without_a_status(void **state) {
    struct trc_span span;

    (void)state;
    trc_span_clear(&span);
    span.request_bytes = 17;
    span.response_bytes = 5;
    assert_true(has(&span, TRC_SEMCONV_HTTP, "http.request.body.size=17"));
    assert_false(has_key(&span, TRC_SEMCONV_HTTP, "http.response.status_code"));
    assert_false(has_key(&span, TRC_SEMCONV_HTTP, "http.response.body.size"));
    assert_false(has_key(&span, TRC_SEMCONV_OPENTRACING, "http.status_code"));
    span.status = 204;
    span.request_bytes = span.response_bytes = 0;
    assert_true(has(&span, TRC_SEMCONV_HTTP, "http.response.body.size=0"));
    assert_false(has_key(&span, TRC_SEMCONV_HTTP, "http.request.body.size"));
}

static void samplers_and_debug_id(void **state) {
    struct trc_span span;

    (void)state;
    for (int semconv = 1; semconv <= 3; semconv++) {
        trc_span_clear(&span);
        assert_false(has_key(&span, semconv, "sampler.type"));
        assert_false(has_key(&span, semconv, "sampler.param"));
        assert_false(has_key(&span, semconv, "jaeger-debug-id"));
        assert_false(has_key(&span, semconv, "uwsgi.app"));
        span.sampler_type = TRC_SAMPLER_CONST;
        span.sampler_param = 1;
        assert_true(has(&span, semconv, "sampler.type='const'"));
        assert_true(has(&span, semconv, "sampler.param=true"));
        span.sampler_type = TRC_SAMPLER_RATELIMITING;
        span.sampler_param = 2.5;
        assert_true(has(&span, semconv, "sampler.type='ratelimiting'"));
        assert_true(has(&span, semconv, "sampler.param=2.5"));
        span.sampler_type = TRC_SAMPLER_LOWERBOUND; /* its param is the probability that said no */
        span.sampler_param = 0.25;
        assert_true(has(&span, semconv, "sampler.type='lowerbound'"));
        assert_true(has(&span, semconv, "sampler.param=0.25"));
        span.sampler_type = TRC_SAMPLER_KEEP; /* no part of any sampler */
        assert_true(has(&span, semconv, "sampler.type='keep'"));
        assert_false(has_key(&span, semconv, "sampler.param"));
        spans_set(&span, TRC_STR_DEBUG_ID, "find me");
        assert_true(has(&span, semconv, "jaeger-debug-id='find me'"));
    }
}

/* Whatever a span holds, listed() finds the list in order. */
/* Under names of their own; not under ours, whatever the set, and not twice. */
static void named(void **state) {
    static const char *const names[] = {"tenant", "error", "http.url", "url.path",
                                        "tenant", "",      "Tenant",   "uwsgi.worker.x"};
    struct trc_span span;

    (void)state;
    spans_usual(&span);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char value[] = {(char)('0' + i)};
        trc_span_add_tag(&span, TRC_EXTRA_TAG, trc_slice_of(names[i]),
                         (struct trc_slice){value, 1});
    }
    assert_int_equal(span.tag_count, 6); /* one has no name, and one is there already */
    assert_true(span.truncated);
    assert_string_equal(listed(&span, TRC_SEMCONV_OPENTRACING),
                        OPENTRACING BOTH "\ntenant='4'\nTenant='6'\nuwsgi.worker.x='7'");
    assert_string_equal(listed(&span, TRC_SEMCONV_HTTP),
                        HTTP BOTH "\ntenant='4'\nTenant='6'\nuwsgi.worker.x='7'");
}

static void random_spans_keep_the_promises(void **state) {
    struct trc_random random = {{1, 2, 3, 4}};
    struct trc_span span;

    (void)state;
    assert_true(trc_attribute_key_count <= TRC_ATTR_KEYS_MAX);
    for (unsigned i = 0; i < 3000; i++) {
        spans_random(&random, &span);
        listed(&span, (enum trc_semconv)(1 + i % 3));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usual_span_in_each_set),
        cmocka_unit_test(an_empty_span_says_little),
        cmocka_unit_test(methods),
        cmocka_unit_test(server_address_and_port),
        cmocka_unit_test(protocol_version),
        cmocka_unit_test(peer_by_its_family),
        cmocka_unit_test(a_client_behind_a_peer),
        cmocka_unit_test(route_query_and_queue),
        cmocka_unit_test(errors),
        cmocka_unit_test(deaths),
        cmocka_unit_test(a_request_without_a_status),
        cmocka_unit_test(samplers_and_debug_id),
        cmocka_unit_test(named),
        cmocka_unit_test(random_spans_keep_the_promises),
    };
    return cmocka_run_group_tests_name("attributes", tests, NULL, NULL);
}
