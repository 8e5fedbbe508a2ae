/* SPDX-License-Identifier: MIT
 *
 * The HTTP sender against a real nginx: TLS with a private authority, and client certificates.
 * (Everything else: test_http.c.)
 */
#include "http_rig.h"
#include "tracing/fetch.h"
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct trc_http_wire wire = {"/v1/traces", "application/json", NULL};
static struct trc_http_config config;
static struct trc_endpoint endpoint;
static struct trc_send_result result;
static char dir[64], tls_port[6], strict_port[6], elsewhere_port[6];
static pid_t nginx;

/* --- The server ---------------------------------------------------------------------------- */

static const char *in_dir(const char *name) {
    static char path[8][160];
    static unsigned next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static void free_port(char port[6]) {
    close(rig_listen(port));
}

static void server_of(FILE *f, const char *port, const char *certificate, const char *more) {
    fprintf(f,
            "server { listen 127.0.0.1:%s ssl; ssl_certificate %s/%s.pem;\n"
            "ssl_certificate_key %s/%s.key; %s location / { return 200; } }\n",
            port, dir, certificate, dir, certificate, more);
}

static int write_conf(void) {
    char strict[200];
    FILE *f = fopen(in_dir("nginx.conf"), "we");
    if (!f)
        return -1;
    fprintf(f,
            "daemon off; master_process off; pid %s/pid; error_log %s/log; events {}\n"
            "http { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p;\n"
            "uwsgi_temp_path %s/u; fastcgi_temp_path %s/f; scgi_temp_path %s/s;\n",
            dir, dir, dir, dir, dir, dir, dir);
    snprintf(strict, sizeof(strict), "ssl_client_certificate %s/ca.pem; ssl_verify_client on;",
             dir);
    server_of(f, tls_port, "server", "");
    server_of(f, strict_port, "server", strict);
    server_of(f, elsewhere_port, "elsewhere", "");
    fprintf(f, "}\n");
    return fclose(f);
}

/* Runs a program with its output in a file of ours; returns its pid. */
static pid_t start(const char *program, const char *first, const char *second) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int fd = open(in_dir("output"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execlp(program, program, first, second, (char *)NULL);
    _exit(127);
}

static bool accepts(const char *port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    in.sin_port = htons((uint16_t)atoi(port));
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
    close(fd);
    return yes;
}

static int start_all(void **state) {
    (void)state;
    int status = -1;
    strcpy(dir, "/tmp/trc-https-XXXXXX");
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir) || trc_http_init())
        return -1;
    waitpid(start("tests/tools/certificates.sh", dir, NULL), &status, 0);
    free_port(tls_port);
    free_port(strict_port);
    free_port(elsewhere_port);
    if (status != 0 || write_conf() != 0)
        return -1;
    nginx = start("nginx", "-c", in_dir("nginx.conf"));
    for (uint64_t end = trc_clock_mono_ns() + 10 * TRC_NS_PER_S; !accepts(elsewhere_port);) {
        if (trc_clock_mono_ns() > end || waitpid(nginx, &status, WNOHANG) != 0)
            return -1;
        poll(NULL, 0, 10);
    }
    return 0;
}

static int stop_all(void **state) {
    (void)state;
    int status = -1;
    kill(nginx, SIGTERM);
    waitpid(nginx, &status, 0);
    waitpid(start("rm", "-rf", dir), &status, 0);
    return status;
}

/* --- The sender ---------------------------------------------------------------------------- */

static int setup(void **state) {
    (void)state;
    memset(&config, 0, sizeof(config));
    memset(&endpoint, 0, sizeof(endpoint));
    config.ca = in_dir("ca.pem");
    strcpy(endpoint.host, "127.0.0.1");
    strcpy(endpoint.port, tls_port);
    strcpy(endpoint.path, "/v1/traces");
    endpoint.wire = &wire;
    endpoint.http = &config;
    return 0;
}

static int deliver(void) {
    struct trc_sender *s = trc_sender_https.make(&endpoint);
    assert_non_null(s);
    int rc = trc_sender_https.send(s, TRC_SLICE("message"), NULL, &result);
    if (rc == 0)
        assert_int_equal(trc_sender_https.send(s, TRC_SLICE("message"), NULL, &result), 0);
    trc_sender_https.drop(s);
    return rc;
}

static void assert_kept_back(const char *why) {
    assert_int_equal(deliver(), -EAGAIN); /* a certificate can be mended on the other side */
    if (!strcasestr(result.why, why))
        fail_msg("'%s' does not say '%s'", result.why, why);
}

static void trusts_the_authority_it_is_given(void **state) {
    (void)state;
    assert_int_equal(deliver(), 0);
    strcpy(endpoint.host, "localhost");
    assert_int_equal(deliver(), 0);
}

static void trusts_no_other(void **state) {
    (void)state;
    config.ca = NULL;
    assert_kept_back("certificate problem");
    config.ca = in_dir("stranger.pem");
    assert_kept_back("certificate problem");
    config.ca = in_dir("nonexistent.pem");
    assert_kept_back("error setting certificate file");
}

static void wants_the_name_it_asked_for(void **state) {
    (void)state;
    strcpy(endpoint.port, elsewhere_port);
    assert_kept_back("certificate subject name");
}

static void shows_its_certificate(void **state) {
    (void)state;
    strcpy(endpoint.port, strict_port);
    assert_int_equal(deliver(), -EPROTO); /* nginx's answer to none */
    assert_non_null(strstr(result.why, "No required SSL certificate was sent"));
    config.cert = in_dir("client.pem");
    config.key = in_dir("client.key");
    assert_int_equal(deliver(), 0);
    config.cert = in_dir("stranger.pem");
    config.key = in_dir("stranger.key");
    assert_int_equal(deliver(), -EPROTO);
    assert_non_null(strstr(result.why, "SSL certificate error"));
}

static void says_what_is_wrong_with_its_own(void **state) {
    (void)state;
    strcpy(endpoint.port, strict_port);
    config.cert = in_dir("client.pem");
    config.key = in_dir("stranger.key");
    assert_kept_back("key");
    config.key = in_dir("nonexistent.key");
    assert_kept_back("key");
    config.cert = in_dir("nonexistent.pem");
    assert_kept_back("certificate");
}

static void bears_a_server_without_tls(void **state) {
    void *unused = NULL;
    (void)state;
    assert_int_equal(rig_setup(&unused), 0);
    strcpy(endpoint.port, rig.port);
    config.timeout_ns = TRC_NS_PER_S / 2; /* it waits for a request to end */
    assert_int_equal(deliver(), -EAGAIN);
    rig_teardown(&unused);
}

/* What is asked for, beside what is sent: over the same TLS. */
static int ask(const char *port, const struct trc_http_config *with) {
    char url[64];
    struct trc_slice body;
    snprintf(url, sizeof(url), "https://127.0.0.1:%s/sampling", port);
    struct trc_fetch *f = trc_fetch_new(url, with);
    assert_non_null(f);
    int rc = trc_fetch_get(f, &body, result.why);
    trc_fetch_free(f);
    return rc;
}

static void asks_whom_it_trusts_and_says_who_it_is(void **state) {
    (void)state;
    assert_int_equal(ask(tls_port, &config), 0);
    assert_int_equal(ask(tls_port, NULL), -EIO);
    assert_non_null(strcasestr(result.why, "certificate problem"));
    assert_int_equal(ask(elsewhere_port, &config), -EIO);
    assert_non_null(strcasestr(result.why, "certificate subject name"));
    assert_int_equal(ask(strict_port, &config), -EIO);
    assert_string_equal(result.why, "HTTP status 400");
    config.cert = in_dir("client.pem");
    config.key = in_dir("client.key");
    assert_int_equal(ask(strict_port, &config), 0);
}

/* --- The end of a process ------------------------------------------------------------------ */

static bool tells_whether_tls_works; /* in a child */

/* OpenSSL starts nothing more once it has taken itself down. */
static void tell_whether_tls_works(void) {
    if (tells_whether_tls_works)
        _exit(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) == 1 ? 0 : 1);
}

/* A thread that was left alone may be in the middle of it. */
static void works_until_the_process_is_gone(void **state) {
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        tells_whether_tls_works = true;
        exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(trusts_the_authority_it_is_given),
        TEST(trusts_no_other),
        TEST(wants_the_name_it_asked_for),
        TEST(shows_its_certificate),
        TEST(says_what_is_wrong_with_its_own),
        TEST(bears_a_server_without_tls),
        TEST(asks_whom_it_trusts_and_says_who_it_is),
        TEST(works_until_the_process_is_gone),
    };
    atexit(tell_whether_tls_works); /* before OpenSSL does the same: it is called last */
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
