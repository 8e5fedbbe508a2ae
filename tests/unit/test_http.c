/* SPDX-License-Identifier: MIT
 *
 * The HTTP sender against a server that does as it is told. (TLS, and a server that was not made
 * for us: test_https.c.)
 */
#define CURL_DISABLE_TYPECHECK
#include "http_rig.h"
#include "torture.h"
#include "tracing/otlp_answer.h"
#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <zlib.h>

#undef curl_easy_setopt
#define calloc(n, size) (torture(ENOMEM) ? NULL : calloc(n, size))
#define realloc(p, size) (torture(ENOMEM) ? NULL : realloc(p, size))
#define socket(...) (torture(EMFILE) ? -1 : socket(__VA_ARGS__))
#define curl_multi_init() (torture(ENOMEM) ? NULL : curl_multi_init())
#define curl_easy_init() (torture(ENOMEM) ? NULL : curl_easy_init())
#define curl_slist_append(...) (torture(ENOMEM) ? NULL : curl_slist_append(__VA_ARGS__))
#define curl_easy_setopt(...)                                                                      \
    (torture(ENOMEM) ? CURLE_OUT_OF_MEMORY : curl_easy_setopt(__VA_ARGS__))
#define curl_multi_add_handle(...)                                                                 \
    (torture(ENOMEM) ? CURLM_OUT_OF_MEMORY : curl_multi_add_handle(__VA_ARGS__))
#define curl_multi_perform(...)                                                                    \
    (torture(ENOMEM) ? CURLM_OUT_OF_MEMORY : curl_multi_perform(__VA_ARGS__))
#define deflateInit2_(...) (torture(ENOMEM) ? Z_MEM_ERROR : deflateInit2_(__VA_ARGS__))
#include "../../plugin/send/gzip.c"
#include "../../plugin/send/http.c"
#undef calloc
#undef realloc
#undef socket
#undef curl_easy_setopt

/* --- Names --------------------------------------------------------------------------------- */

static sem_t name_server; /* posted: it answers, once */
static _Atomic unsigned asked;

/* In front of the C library's, for libcurl too: "never.example" has a name server that is silent,
 * and "moves.example" goes to our server's address after it was asked for once. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **out) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (host && strcmp(host, "never.example") == 0) {
        atomic_fetch_add(&asked, 1);
        while (sem_wait(&name_server) != 0)
            ;
        return EAI_AGAIN;
    }
    if (host && strcmp(host, "moves.example") == 0)
        host = atomic_fetch_add(&asked, 1) == 0 ? "127.0.0.2" : "127.0.0.1";
    return real(host, port, hints, out);
}

/* --- Tools --------------------------------------------------------------------------------- */

static int answer(struct trc_slice body, struct trc_send_result *r) {
    if (body.len != 3 || memcmp(body.p, "no", 2) != 0 || body.p[2] == '0')
        return -EINVAL;
    r->rejected = (uint64_t)(body.p[2] - '0');
    return 0;
}

static const struct trc_http_wire wire = {"/v1/traces", "application/json", answer};
static struct trc_http_config config;
static struct trc_endpoint endpoint;
static struct trc_send_result result;
static const struct trc_sender_ops *http = &trc_sender_http;

static int setup(void **state) {
    memset(&config, 0, sizeof(config));
    memset(&endpoint, 0, sizeof(endpoint));
    config.timeout_ns = 10 * TRC_NS_PER_S;
    strcpy(endpoint.host, "127.0.0.1");
    strcpy(endpoint.path, "/v1/traces");
    endpoint.wire = &wire;
    endpoint.http = &config;
    int rc = rig_setup(state);
    strcpy(endpoint.port, rig.port);
    return rc;
}

static struct trc_sender *make_sender(void) {
    struct trc_sender *s = http->make(&endpoint);
    assert_non_null(s);
    return s;
}

static int send_text(struct trc_sender *s, const char *text) {
    memset(&result, 0x5a, sizeof(result));
    return http->send(s, trc_slice_of(text), NULL, &result);
}

/* One message to a sender of its own that gets `reply`. */
static int ask(const char *reply, enum rig_then then) {
    struct rig_reply r = {reply, then, 0};
    rig_replies(&r, 1);
    struct trc_sender *s = make_sender();
    int rc = send_text(s, "message");
    http->drop(s);
    return rc;
}

static void assert_asked(const char *line) {
    char wanted[512];
    snprintf(wanted, sizeof(wanted), "%s\r\n", line);
    if (!strstr(rig.request, wanted))
        fail_msg("no '%s' in:\n%s", line, rig.request);
}

static void assert_not_asked(const char *text) {
    if (strcasestr(rig.request, text))
        fail_msg("'%s' in:\n%s", text, rig.request);
}

/* --- The request --------------------------------------------------------------------------- */

static void asks_as_it_should(void **state) {
    (void)state;
    char host[64];
    strcpy(endpoint.path, "/a/../b?c=%20&d");
    endpoint.http = NULL;
    struct trc_sender *s = make_sender();
    assert_int_equal(send_text(s, "{\"message\":1}"), 0);
    assert_int_equal(result.rejected, 0);
    assert_memory_equal(rig.request, "POST /a/../b?c=%20&d HTTP/1.1\r\n", 31);
    snprintf(host, sizeof(host), "Host: 127.0.0.1:%s", rig.port);
    assert_asked(host);
    assert_asked("Content-Type: application/json");
    assert_asked("User-Agent: uwsgi-tracing/" TRC_VERSION);
    assert_asked("Content-Length: 13");
    assert_asked("Accept-Encoding: gzip");
    assert_not_asked("Expect");
    assert_not_asked("Authorization");
    assert_not_asked("Content-Encoding");
    assert_not_asked("Transfer-Encoding");
    assert_string_equal(rig.request + rig.len - 13, "{\"message\":1}");
    http->drop(s);
}

static void never_waits_to_continue(void **state) {
    (void)state;
    static char large[(1 << 20) + 2]; /* from 1 MiB on libcurl would ask */
    memset(large, 'x', sizeof(large) - 1);
    struct trc_sender *s = make_sender();
    assert_int_equal(send_text(s, large), 0);
    assert_not_asked("Expect");
    assert_string_equal(rig.request + rig.len - (sizeof(large) - 1), large);
    http->drop(s);
}

static void sends_headers_and_credentials(void **state) {
    (void)state;
    config.headers[0] = "X-Scope-OrgID: seven";
    config.headers[1] = "X-Api-Key: k:e:y";
    config.user = "Aladdin";
    config.password = "open sesame";
    config.token = "not used";
    ask(RIG_OK, RIG_KEEP);
    assert_asked("X-Scope-OrgID: seven");
    assert_asked("X-Api-Key: k:e:y");
    assert_asked("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); /* RFC 7617 section 2 */
    assert_not_asked("Bearer");
    strcpy(endpoint.user, "test"); /* of the URL */
    strcpy(endpoint.password, "123\xc2\xa3");
    ask(RIG_OK, RIG_KEEP);
    assert_asked("Authorization: Basic dGVzdDoxMjPCow=="); /* the same, section 2.1 */
    endpoint.user[0] = '\0';
    config.user = "";
    ask(RIG_OK, RIG_KEEP);
    assert_asked("Authorization: Bearer not used");
    config.headers[2] = "Authorization: Own thing";
    ask(RIG_OK, RIG_KEEP);
    assert_asked("Authorization: Own thing");
    assert_not_asked("Bearer");
    for (unsigned i = 0; i < TRC_HTTP_HEADERS_MAX; i++)
        config.headers[i] = "X-Many: header";
    assert_int_equal(ask(RIG_OK, RIG_KEEP), 0);
}

static void compresses(void **state) {
    (void)state;
    static char text[300000], back[sizeof(text)];
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = (char)('a' + (i * i >> 7) % 7);
    config.gzip = true;
    struct trc_sender *s = make_sender();
    for (int round = 0; round < 3; round++) { /* the stream is used again */
        text[round] = 'Z';
        assert_int_equal(send_text(s, round == 1 ? "short" : text), 0);
        assert_asked("Content-Encoding: gzip");
        const char *body = strstr(rig.request, "\r\n\r\n") + 4;
        z_stream z = {.next_in = (Bytef *)(uintptr_t)body,
                      .avail_in = (uInt)(rig.request + rig.len - body),
                      .next_out = (Bytef *)back,
                      .avail_out = sizeof(back)};
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        back[z.total_out] = '\0';
        inflateEnd(&z);
        assert_string_equal(back, round == 1 ? "short" : text);
        assert_true(round == 1 || rig.len < sizeof(text) / 4);
    }
    http->drop(s);
}

/* --- The connection ------------------------------------------------------------------------ */

static void keeps_its_connection(void **state) {
    (void)state;
    struct trc_sender *s = make_sender();
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_text(s, "message"), 0);
    assert_int_equal(rig_seen(&rig.connections), 1);
    http->drop(s);
}

/* The server has closed the connection that we kept: what it did not get goes over another. */
static void makes_another_connection(void **state) {
    (void)state;
    static const struct rig_reply replies[] = {
        {RIG_OK, RIG_CLOSE, 0}, {RIG_OK, RIG_RESET, 0}, {RIG_OK, RIG_KEEP, 0}};
    rig_replies(replies, 3);
    struct trc_sender *s = make_sender();
    for (int i = 0; i < 4; i++)
        assert_int_equal(send_text(s, "message"), 0);
    assert_int_equal(rig_seen(&rig.requests), 4);
    assert_int_equal(rig_seen(&rig.connections), 3);
    http->drop(s);
}

static void comes_back_when_there_is_a_server(void **state) {
    (void)state;
    char port[6];
    close(rig_listen(port)); /* nobody there */
    strcpy(endpoint.port, port);
    struct trc_sender *s = make_sender();
    assert_int_equal(send_text(s, "message"), -EAGAIN);
    assert_non_null(strstr(result.why, "onnect"));
    http->drop(s);
    strcpy(endpoint.port, rig.port);
    strcpy(endpoint.host, "localhost");
    s = make_sender();
    assert_int_equal(send_text(s, "message"), 0);
    http->drop(s);
}

static void follows_a_server_that_moves(void **state) {
    (void)state;
    atomic_store(&asked, 0);
    strcpy(endpoint.host, "moves.example");
    struct trc_sender *s = make_sender();
    assert_int_equal(send_text(s, "message"), -EAGAIN);
    assert_int_equal(send_text(s, "message"), 0);
    assert_int_equal(send_text(s, "message"), 0);
    assert_int_equal(atomic_load(&asked), 2); /* not for a connection that is kept */
    http->drop(s);
}

static void leaves_nothing_open(void **state) {
    (void)state;
    unsigned before = torture_count("fd");
    struct trc_sender *s = make_sender();
    assert_int_equal(send_text(s, "message"), 0);
    unsigned found = 0;
    for (int fd = 3; fd < 64; fd++) { /* the connection is not for programs we start */
        struct sockaddr_in in;
        socklen_t len = sizeof(in);
        if (getpeername(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET &&
            ntohs(in.sin_port) == atoi(rig.port)) {
            found++;
            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
    }
    assert_int_equal(found, 1);
    http->drop(s);
    assert_int_equal(torture_count_settled("fd", before), before); /* the server's end of it, too */
    http->drop(NULL);
}

/* --- The answer ---------------------------------------------------------------------------- */

#define HEAD(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n"

static void knows_what_to_try_again(void **state) {
    (void)state;
    static const struct {
        const char *reply;
        enum rig_then then;
        int rc;
        const char *why;
    } rows[] = {
        {HEAD("200 OK") "\r\n", RIG_KEEP, 0, ""},
        {HEAD("202 Accepted") "\r\n", RIG_KEEP, 0, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", RIG_KEEP, 0, ""},
        {"HTTP/1.0 200 OK\r\n\r\nno0", RIG_CLOSE, 0, "answered 200, but"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nn\r\n2\r\no0\r\n0\r\n\r\n",
         RIG_KEEP, 0, "answered 200, but not as a collector does: no0"},
        {"HTTP/1.1 100 Continue\r\n\r\n" HEAD("200 OK") "\r\n", RIG_KEEP, 0, ""},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nbytes", RIG_CLOSE, -EPROTO,
         "answered 101"},
        {"HTTP/1.1 100 Continue\r\n\r\n", RIG_CLOSE, -EAGAIN, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", RIG_KEEP, 0,
         "answered 200, but not as a collector does: hello"},
        {HEAD("429 Too Many Requests") "\r\n", RIG_KEEP, -EAGAIN, "answered 429"},
        {HEAD("502 Bad Gateway") "\r\n", RIG_KEEP, -EAGAIN, "answered 502"},
        {HEAD("503 No") "\r\n", RIG_KEEP, -EAGAIN, "answered 503"},
        {HEAD("504 Gateway Timeout") "\r\n", RIG_KEEP, -EAGAIN, "answered 504"},
        {HEAD("400 Bad Request") "\r\n", RIG_KEEP, -EPROTO, "answered 400"},
        {HEAD("401 Unauthorized") "\r\n", RIG_KEEP, -EPROTO, "answered 401"},
        {"HTTP/1.1 404 X\r\nContent-Length: 9\r\n\r\n no\n\x01 way", RIG_KEEP, -EPROTO,
         "answered 404: no way"},
        {HEAD("413 Too Large") "\r\n", RIG_CLOSE, -EPROTO, "answered 413"},
        {HEAD("500 Oops") "\r\n", RIG_KEEP, -EPROTO, "answered 500"},
        {HEAD("304 Not Modified") "\r\n", RIG_KEEP, -EPROTO, "answered 304"},
        {HEAD("302 Found") "Location: /other\r\n\r\n", RIG_KEEP, -EPROTO,
         "redirected to http://127.0.0.1:"},
        {HEAD("307 X") "Location: https://u:secret@h/p?secret#secret\r\n\r\n", RIG_KEEP, -EPROTO,
         "redirected to https://h/p"},
        {"", RIG_CLOSE, -EAGAIN, "Empty reply"},
        {"", RIG_RESET, -EAGAIN, "eset"},
        {"HTTP/1.1 20", RIG_CLOSE, -EAGAIN, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", RIG_CLOSE, -EAGAIN,
         "transfer closed"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", RIG_RESET, -EAGAIN, "eset"},
        {"HTTP/1.1 400 No\r\nContent-Length: 10\r\n\r\nhalf", RIG_CLOSE, -EPROTO,
         "answered 400: half"},
        {"HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\nhalf", RIG_CLOSE, -EAGAIN,
         "answered 503: half"},
        {"SSH-2.0-OpenSSH_9.2\r\n", RIG_HANG, -EPROTO, "HTTP/0.9"},
        {"\x15\x03\x01\x00\x02\x02\x16", RIG_CLOSE, -EPROTO, "HTTP/0.9"},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", RIG_KEEP,
         -EPROTO, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int rc = ask(rows[i].reply, rows[i].then);
        if (rc != rows[i].rc || !strstr(result.why, rows[i].why) || strstr(result.why, "secret") ||
            (rc != 0 && !result.why[0]) || result.rejected || result.retry_after_ns)
            fail_msg("%s: %d, '%s'", rows[i].reply, rc, result.why);
        assert_int_equal(rig_seen(&rig.requests), 1); /* and no redirect was followed */
    }
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno2", RIG_KEEP), 0);
    assert_int_equal(result.rejected, 2);
}

static void honours_retry_after(void **state) {
    (void)state;
    static const struct {
        const char *value;
        uint64_t least_s, most_s;
    } rows[] = {
        {"7", 7, 7},
        {"0", 0, 0},
        {"-3", 0, 0},
        {"300", 300, 300},
        {"301", 300, 300},
        {"99999999999999999999", 0, 300},
        {"soon", 0, 0},
        {"", 0, 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0, 0},
        {"Fri, 01 Jan 2038 00:00:00 GMT", 300, 300},
    };
    char reply[256], date[64];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int status = 429; status <= 503; status += 74) {
            snprintf(reply, sizeof(reply), HEAD("%d No") "Retry-After: %s\r\n\r\n", status,
                     rows[i].value);
            assert_int_equal(ask(reply, RIG_KEEP), -EAGAIN);
            assert_in_range(result.retry_after_ns, rows[i].least_s * TRC_NS_PER_S,
                            rows[i].most_s * TRC_NS_PER_S);
        }
    time_t soon = time(NULL) + 100; /* a date: RFC 9110 section 10.2.3 */
    strftime(date, sizeof(date), "%a, %d %b %Y %T GMT", gmtime(&soon));
    snprintf(reply, sizeof(reply), HEAD("503 No") "Retry-After: %s\r\n\r\n", date);
    assert_int_equal(ask(reply, RIG_KEEP), -EAGAIN);
    assert_in_range(result.retry_after_ns, 90 * TRC_NS_PER_S, 100 * TRC_NS_PER_S);
    assert_int_equal(ask(HEAD("400 No") "Retry-After: 7\r\n\r\n", RIG_KEEP), -EPROTO);
    assert_int_equal(result.retry_after_ns, 0);
}

static void bounds_what_it_reads(void **state) {
    (void)state;
    static char chunk[65536], bomb[200000];
    memset(chunk, 'x', sizeof(chunk) - 1);
    memcpy(chunk, "HTTP/1.1 200 OK\r\n\r\n", 19);
    assert_int_equal(ask(chunk, RIG_ENDLESS), -EPROTO);
    assert_string_equal(result.why, "answered 200 and then without an end");
    memcpy(chunk + 9, "503", 3);
    assert_int_equal(ask(chunk, RIG_ENDLESS), -EAGAIN); /* its status is plain enough */
    assert_int_equal(ask("HTTP/1.1 200 O:K\r\nX: y\r\n", RIG_ENDLESS), -EAGAIN); /* its head */
    /* 64 MiB of zeros in 64 KiB. */
    z_stream z = {.next_out = (Bytef *)bomb + 100, .avail_out = sizeof(bomb) - 100};
    static const char zeros[65536];
    int len = snprintf(bomb, 100, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int i = 0; i < 1024; i++) {
        z.next_in = (Bytef *)(uintptr_t)zeros;
        z.avail_in = sizeof(zeros);
        assert_int_equal(deflate(&z, i < 1023 ? Z_NO_FLUSH : Z_FINISH), i < 1023 ? 0 : 1);
    }
    memmove(bomb + len, bomb + 100, z.total_out);
    struct rig_reply r = {bomb, RIG_CLOSE, (size_t)len + z.total_out};
    deflateEnd(&z);
    rig_replies(&r, 1);
    struct trc_sender *s = make_sender();
    assert_int_equal(send_text(s, "message"), -EPROTO);
    assert_null(s->body); /* nothing stays of it */
    http->drop(s);
}

static void blots_out_what_is_secret(void **state) {
    (void)state;
    config.user = "usr";
    config.password = "pass word";
    config.headers[0] = "X-Api-Key: Key swordfish";
    strcat(endpoint.path, "?key=catword");
    config.headers[1] = "X-Tenant: 7";
    config.headers[2] = "Cookie: a=codeword; b=crossword";
    static const char *const echoes[] = {
        "codeword",
        "a=codeword; b=crossword",
        "cookie b is crossword",
        "no such key: catword",
        "pass word",
        "no pass word here",
        "Basic dXNyOnBhc3Mgd29yZA==",
        "swordfish",
        "Key swordfish 7",
        "swordfishswordfish",
    };
    for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++)
        for (int status = 200; status <= 400; status += 200) {
            char reply[256];
            snprintf(reply, sizeof(reply), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", status,
                     strlen(echoes[i]), echoes[i]);
            ask(reply, RIG_KEEP);
            assert_null(strstr(result.why, "word"));
            assert_null(strstr(result.why, "dXNy"));
            assert_null(strstr(result.why, "ZA"));
            assert_non_null(strstr(result.why, "***"));
        }
    config.headers[3] = "Authorization: Bearer password";
    ask("HTTP/1.1 400 X\r\nContent-Length: 19\r\n\r\nno Bearer: password", RIG_KEEP);
    assert_string_equal(result.why, "answered 400: no Bearer: ********");
    config.headers[3] = "Authorization: password";
    ask("HTTP/1.1 400 X\r\nContent-Length: 19\r\n\r\nno Bearer: password", RIG_KEEP);
    assert_string_equal(result.why, "answered 400: no Bearer: ********");
    ask("HTTP/1.1 400 X\r\nContent-Length: 1\r\n\r\n7", RIG_KEEP); /* no secret at that length */
    assert_string_equal(result.why, "answered 400: 7");
    ask(HEAD("302 X") "Location: http://h/swordfish\r\n\r\n", RIG_KEEP);
    assert_string_equal(result.why, "redirected to http://h/*********");
    /* Cut where it would be shown by half. */
    char reply[512] = "HTTP/1.1 400 X\r\n\r\n";
    memset(reply + strlen(reply), 'x', 116);
    strcat(reply, "swordfish");
    ask(reply, RIG_CLOSE);
    assert_null(strstr(result.why, "swo"));
}

/* Of a proxy, of which only libcurl knows: user:password of http_proxy. */
static void blots_out_credentials_of_others(void **state) {
    (void)state;
    ask("HTTP/1.1 400 X\r\n\r\nProxy-Authorization: Basic dTpodW50ZXIycHc= x", RIG_CLOSE);
    assert_string_equal(result.why, "answered 400: Proxy-Authorization: Basic **************** x");
    ask("HTTP/1.1 400 X\r\n\r\n\"basic dTpodW50ZXIycHc=\"", RIG_CLOSE);
    assert_string_equal(result.why, "answered 400: \"basic ****************\"");
    ask("HTTP/1.1 400 X\r\n\r\nbasic ", RIG_CLOSE);
    assert_string_equal(result.why, "answered 400: basic");
}

/* A tenant whose name is a number of spans, too. */
static void counts_what_looks_like_a_secret(void **state) {
    (void)state;
    static const struct trc_http_wire json = {"/v1/traces", "application/json",
                                              trc_otlp_answer_json};
    endpoint.wire = &json;
    config.headers[0] = "X-Tenant: 1000";
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 75\r\n\r\n{\"partialSuccess\":"
                         "{\"rejectedSpans\":\"1000\",\"errorMessage\":\"1000 is locked\"}}",
                         RIG_KEEP),
                     0);
    assert_int_equal(result.rejected, 1000);
    assert_null(strstr(result.why, "1000 is"));
    assert_non_null(strstr(result.why, "**** is locked"));
}

/* --- Patience ------------------------------------------------------------------------------ */

static struct {
    unsigned left; /* times that it says to wait */
    unsigned asked;
} patience_state;

static int ask_ms(void *arg) {
    assert_ptr_equal(arg, &patience_state);
    patience_state.asked++;
    return patience_state.left-- > 0 ? 20 : 0;
}

static const struct trc_patience patience = {ask_ms, &patience_state};

static int send_patiently(struct trc_sender *s, unsigned times, uint64_t *took_ns) {
    patience_state.left = times;
    patience_state.asked = 0;
    uint64_t begun = trc_clock_mono_ns();
    int rc = http->send(s, TRC_SLICE("message"), &patience, &result);
    *took_ns = trc_clock_mono_ns() - begun;
    return rc;
}

static void gives_up_when_told(void **state) {
    (void)state;
    static const char *const replies[] = {"", "HTTP/1.1 200 OK\r\nContent-Le",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"};
    uint64_t took;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct rig_reply r = {replies[i], RIG_HANG, 0};
        rig_replies(&r, 1);
        struct trc_sender *s = make_sender();
        assert_int_equal(send_patiently(s, 10, &took), -EAGAIN);
        assert_string_equal(result.why, "no answer when time was up");
        assert_int_equal(patience_state.asked, 11);
        assert_true(took < 5 * TRC_NS_PER_S);
        static const struct rig_reply ok = {RIG_OK, RIG_KEEP, 0};
        rig_replies(&ok, 1);
        assert_int_equal(send_patiently(s, 1000, &took), 0); /* over another connection */
        assert_int_equal(rig_seen(&rig.connections), 1);
        http->drop(s);
    }
}

static void hangs_no_longer_than_its_timeout(void **state) {
    (void)state;
    config.timeout_ns = 300 * TRC_NS_PER_MS;
    uint64_t begun = trc_clock_mono_ns();
    assert_int_equal(ask("", RIG_HANG), -EAGAIN);
    assert_in_range(trc_clock_mono_ns() - begun, 250 * TRC_NS_PER_MS, 5 * TRC_NS_PER_S);
    assert_non_null(strstr(result.why, "timed out"));
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", RIG_HANG), -EAGAIN);
    assert_int_equal(ask("HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\nx", RIG_HANG), -EPROTO);
    assert_int_equal(
        ask("HTTP/1.1 503 No\r\nRetry-After: 5\r\nContent-Length: 9\r\n\r\nx", RIG_HANG), -EAGAIN);
    assert_int_equal(result.retry_after_ns, 5 * TRC_NS_PER_S);
}

/* Connections that are never accepted, though the kernel takes them. */
static void bears_a_server_that_accepts_nothing(void **state) {
    (void)state;
    char port[6];
    int fd = rig_listen(port);
    uint64_t took;
    strcpy(endpoint.port, port);
    struct trc_sender *s = make_sender();
    assert_int_equal(send_patiently(s, 5, &took), -EAGAIN);
    http->drop(s);
    close(fd);
}

static void waits_for_no_name_server(void **state) {
    (void)state;
    uint64_t took, begun;
    sem_init(&name_server, 0, 0);
    atomic_store(&asked, 0);
    strcpy(endpoint.host, "never.example");
    config.timeout_ns = 200 * TRC_NS_PER_MS;
    struct trc_sender *s = make_sender();
    assert_int_equal(send_patiently(s, 5, &took), -EAGAIN);
    assert_true(took < 2 * TRC_NS_PER_S);
    begun = trc_clock_mono_ns();
    assert_int_equal(send_text(s, "message"), -EAGAIN);
    assert_non_null(strstr(result.why, "timed out"));
    http->drop(s);
    assert_true(trc_clock_mono_ns() - begun < 2 * TRC_NS_PER_S);
    assert_int_equal(atomic_load(&asked), 2);
    sem_post(&name_server); /* the resolver's threads end by themselves */
    sem_post(&name_server);
    assert_int_equal(torture_count_settled("task", 2), 2);
}

/* --- The rest ------------------------------------------------------------------------------ */

static void survives_torture(void **state) {
    (void)state;
    config.headers[0] = "X-Y: z";
    config.user = "user";
    config.password = "password";
    config.gzip = true;
    config.ca = "/nonexistent/ca";
    config.cert = "/nonexistent/cert";
    config.key = "/nonexistent/key";
    for (int credentials = 0; credentials < 2; credentials++) {
        for (torture_begin(); torture_next();) {
            struct trc_sender *s = http->make(&endpoint);
            int rc = s ? send_text(s, "message") : -EAGAIN;
            assert_true(rc == 0 || (rc == -EAGAIN && (!s || result.why[0])));
            torture_state.on = false;
            if (s)
                assert_int_equal(send_text(s, "message"), 0);
            torture_state.on = true;
            http->drop(s);
        }
        assert_true(torture_state.failed >= 30);
        config.user = NULL;
        config.token = "token";
    }
}

static void checks_the_address(void **state) {
    (void)state;
    char why[TRC_ERROR_TEXT_MAX];
    assert_int_equal(http->check(&endpoint, why), 0);
    strcpy(endpoint.path, "/?x=1");
    assert_int_equal(http->check(&endpoint, why), 0);
    strcpy(endpoint.path, "x");
    assert_int_equal(http->check(&endpoint, why), -EINVAL);
    strcpy(endpoint.path, "/#x");
    assert_int_equal(http->check(&endpoint, why), -EINVAL);
    strcpy(endpoint.path, "/");
    endpoint.host[0] = '\0';
    assert_int_equal(http->check(&endpoint, why), -EINVAL);
}

static int init(void **state) {
    (void)state;
    return trc_http_init();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(asks_as_it_should),
        TEST(never_waits_to_continue),
        TEST(sends_headers_and_credentials),
        TEST(compresses),
        TEST(keeps_its_connection),
        TEST(makes_another_connection),
        TEST(comes_back_when_there_is_a_server),
        TEST(follows_a_server_that_moves),
        TEST(leaves_nothing_open),
        TEST(knows_what_to_try_again),
        TEST(honours_retry_after),
        TEST(bounds_what_it_reads),
        TEST(blots_out_what_is_secret),
        TEST(blots_out_credentials_of_others),
        TEST(counts_what_looks_like_a_secret),
        TEST(gives_up_when_told),
        TEST(hangs_no_longer_than_its_timeout),
        TEST(bears_a_server_that_accepts_nothing),
        TEST(waits_for_no_name_server),
        TEST(survives_torture),
        TEST(checks_the_address),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
