/* SPDX-License-Identifier: MIT
 *
 * Export URLs: what each means, and what is said of the ones that mean nothing.
 */
#include "tracing/exporter.h"
#include "unit.h"

static int parse(const char *url, struct trc_exporter *out, char *why) {
    size_t len = strlen(url);
    return trc_exporter_parse((struct trc_slice){guarded(0, url, len), len}, 65000, out, why);
}

struct good {
    const char *url, *scheme, *host, *port, *path;
    size_t max_bytes;
    enum trc_semconv semconv;
};

static const struct good good_urls[] = {
#define OT TRC_SEMCONV_OPENTRACING
#define OTEL TRC_SEMCONV_HTTP
    {"jaeger+udp://127.0.0.1:6831", "jaeger+udp", "127.0.0.1", "6831", "", 65000, OT},
    {"jaeger+udp://agent", "jaeger+udp", "agent", "6831", "", 65000, OT},
    {"jaeger+udp://agent/", "jaeger+udp", "agent", "6831", "/", 65000, OT},
    {"jaeger+udp://a_b-c.example.com.:1", "jaeger+udp", "a_b-c.example.com.", "1", "", 65000, OT},
    {"jaeger+udp://agent:65535/", "jaeger+udp", "agent", "65535", "/", 65000, OT},
    {"jaeger+udp://agent:0007", "jaeger+udp", "agent", "7", "", 65000, OT},
    {"jaeger+udp://[::1]", "jaeger+udp", "::1", "6831", "", 65000, OT},
    {"jaeger+udp://[2001:db8::7]:9", "jaeger+udp", "2001:db8::7", "9", "", 65000, OT},
    {"jaeger+udp://[fe80::1%eth0]:9", "jaeger+udp", "fe80::1%eth0", "9", "", 65000, OT},
    {"jaeger+udp://[::ffff:192.0.2.1]", "jaeger+udp", "::ffff:192.0.2.1", "6831", "", 65000, OT},
    {"jaeger.binary+udp://h", "jaeger.binary+udp", "h", "6832", "", 65000, OT},
    {"jaeger+http://c", "jaeger+http", "c", "14268", "/api/traces", 524288, OT},
    {"jaeger+https://c", "jaeger+https", "c", "443", "/api/traces", 524288, OT},
    {"zipkin+http://c", "zipkin+http", "c", "9411", "/api/v2/spans", 524288, OT},
    {"zipkin+https://c", "zipkin+https", "c", "443", "/api/v2/spans", 524288, OT},
    {"zipkin.thrift+udp://c", "zipkin.thrift+udp", "c", "5775", "", 65000, OT},
    {"otlp+http://c", "otlp+http", "c", "4318", "/v1/traces", 524288, OTEL},
    {"otlp+https://c", "otlp+https", "c", "443", "/v1/traces", 524288, OTEL},
    {"otlp.json+http://c", "otlp.json+http", "c", "4318", "/v1/traces", 524288, OTEL},
    {"otlp.json+http://c/", "otlp.json+http", "c", "4318", "/", 524288, OTEL},
    {"otlp.json+http://c:80/a/b", "otlp.json+http", "c", "80", "/a/b", 524288, OTEL},
    {"otlp.json+http://[::1]/a@b", "otlp.json+http", "::1", "4318", "/a@b", 524288, OTEL},
    {"otlp.json+https://c", "otlp.json+https", "c", "443", "/v1/traces", 524288, OTEL},
    {"otlp.json+https://c:4318", "otlp.json+https", "c", "4318", "/v1/traces", 524288, OTEL},
    {"otlp.json+https://c/x?a=b", "otlp.json+https", "c", "443", "/x?a=b", 524288, OTEL},
    {"otlp.json+https://c?a=b@/", "otlp.json+https", "c", "443", "/v1/traces?a=b@/", 524288, OTEL},
    {"otlp.json+http://u:p@c:1/", "otlp.json+http", "c", "1", "/", 524288, OTEL},
    {"otlp.json+file:///var/log/s.json", "otlp.json+file", "", "", "/var/log/s.json", 262144, OTEL},
    {"otlp.json+file:/var/s", "otlp.json+file", "", "", "/var/s", 262144, OTEL},
    {"otlp.json+file:///a%20b?c#d", "otlp.json+file", "", "", "/a%20b?c#d", 262144, OTEL},
    {"otlp.json+stdout:", "otlp.json+stdout", "", "", "", 8192, OTEL},
    {"otlp.json+stdout://", "otlp.json+stdout", "", "", "", 8192, OTEL},
};

static void reads_what_is_right(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good_urls) / sizeof(good_urls[0]); i++) {
        const struct good *g = &good_urls[i];
        struct trc_exporter e;
        char why[TRC_ERROR_TEXT_MAX] = "";
        if (parse(g->url, &e, why) != 0)
            fail_msg("%s: %s", g->url, why);
        assert_string_equal(e.kind->scheme, g->scheme);
        assert_string_equal(e.endpoint.host, g->host);
        assert_string_equal(e.endpoint.port, g->port);
        assert_string_equal(e.endpoint.path, g->path);
        char shown[sizeof(e.url)];
        trc_exporter_show(trc_slice_of(g->url), shown, sizeof(shown));
        assert_string_equal(e.url, e.kind->http ? shown : g->url);
        assert_ptr_equal(e.endpoint.wire, e.kind->http);
        assert_null(e.endpoint.http);
        assert_int_equal(e.max_bytes, g->max_bytes);
        assert_int_equal(e.semconv, g->semconv);
    }
}

/* What must be said: what is wrong, and what is allowed. */
static const struct {
    const char *url, *wrong, *allowed;
} bad_urls[] = {
    {"", "empty", "<wire>+<transport>"},
    {"foo://h", "unknown scheme 'foo'", "otlp.json+stdout)"},
    {"foo", "unknown scheme 'foo'", "jaeger+udp, jaeger.binary+udp, jaeger+http"},
    {"jaeger+ud://h", "unknown scheme 'jaeger+ud'", "allowed"},
    {"jaeger+udpx://h", "unknown scheme 'jaeger+udpx'", "allowed"},
    {"Jaeger+udp://h", "unknown scheme 'Jaeger+udp'", "allowed"},
    {":", "unknown scheme ''", "allowed"},
    {"://h", "unknown scheme ''", "allowed"},
    {"h/v1/traces?secret", "unknown scheme 'h'", "allowed"}, /* forgotten */
    {"h?secret", "unknown scheme 'h'", "allowed"},
    {"secret@h", "unknown scheme ''", "allowed"},
    {"jaeger+udp", "no ':'", "jaeger+udp:"},
    {"otlp+http//h?secret", "no ':'", "otlp+http:"},
    {"jaeger+udp:", "no '//'", "jaeger+udp://host:port"},
    {"jaeger+udp:/h", "no '//'", "jaeger+udp://host:port"},
    {"jaeger+udp:h:6831", "no '//'", "jaeger+udp://host:port"},
    {"jaeger+udp://", "no host", "[an IPv6 address]"},
    {"jaeger+udp:///", "no host", "[an IPv6 address]"},
    {"jaeger+udp://:6831", "no host", "allowed"},
    {"jaeger+udp://[]:6831", "no host", "allowed"},
    {"jaeger+udp://[::1", "bad host '::1'", "allowed"},
    {"jaeger+udp://[::g]", "bad host '::g'", "allowed"},
    {"jaeger+udp://[fe80::1%]", "bad host 'fe80::1%'", "allowed"},
    {"jaeger+udp://[fe80::1%a%b]", "bad host 'fe80::1%a%b'", "allowed"},
    {"jaeger+udp://[agent]", "bad host 'agent'", "allowed"},
    {"jaeger+udp://[127.0.0.1]", "bad host '127.0.0.1'", "allowed"},
    {"jaeger+udp://[::1]6831", "'6831' behind the host", ":port"},
    {"jaeger+udp://a,b", "bad host 'a,b'", "allowed"},
    {"jaeger+udp://h%41", "bad host 'h%41'", "allowed"},
    {"jaeger+udp://::1", "no host", "[an IPv6 address]"},
    {"jaeger+udp://fe80::1", "several colons", "brackets"},
    {"jaeger+udp://h:1:2", "several colons", "brackets"},
    {"jaeger+udp://h:", "bad port ''", "1 to 65535"},
    {"jaeger+udp://h:0", "bad port '0'", "1 to 65535"},
    {"jaeger+udp://h:65536", "bad port '65536'", "1 to 65535"},
    {"jaeger+udp://h:4294967297", "bad port '4294967297'", "1 to 65535"},
    {"jaeger+udp://h:99999999999999999999999999", "bad port '9999999", "1 to 65535"},
    {"jaeger+udp://h:+1", "bad port '+1'", "1 to 65535"},
    {"jaeger+udp://h:-1", "bad port '-1'", "1 to 65535"},
    {"jaeger+udp://h:68a", "bad port '68a'", "1 to 65535"},
    {"jaeger+udp://h/api", "no path or query", "host:port"},
    {"jaeger+udp://h//", "no path or query", "host:port"},
    {"jaeger+udp://h?x=1", "no path or query", "host:port"},
    {"jaeger+udp://h#f", "no path or query", "host:port"},
    {"jaeger+udp://u:p@h:1", "a user in the URL", "host:port"},
    {"otlp.json+http://:p@h", "bad user or password", "user:password@"},
    {"otlp.json+http://@h", "bad user or password", "user:password@"},
    {"otlp.json+http://u:%0a@h", "bad user or password", "%XX"},
    {"otlp.json+http://u:%00@h", "bad user or password", "%XX"},
    {"otlp.json+http://u:%7f@h", "bad user or password", "%XX"},
    {"otlp.json+http://u%1:p@h", "bad user or password", "%XX"},
    {"otlp.json+http://u:secret/x@h", "an @ behind the host", "%2F"},
    {"otlp.json+http://u:secret#x@h", "an @ behind the host", "%23"},
    {"otlp.json+http://u:secret?x@h", "an @ behind the host", "%3F"},
    {"otlp.json+http://u:p@", "no host", "allowed"},
    {"otlp.json+http://u:p@h:x", "bad port 'x'", "1 to 65535"},
    {"otlp.json+http://h/a#b", "no fragment", "%23"},
    {"otlp.json+http://h#b", "no fragment", "%23"},
    {"jaeger+udp://h :1", "a space or a control character", "URL"},
    {"jaeger+udp://h\n", "a space or a control character", "URL"},
    {"jaeger+udp://h\x7f", "a space or a control character", "URL"},
    {"otlp.json+file:", "absolute path", "file:///"},
    {"otlp.json+file://", "absolute path", "file:///"},
    {"otlp.json+file:///", "absolute path", "file:///"},
    {"otlp.json+file:///tmp/", "absolute path", "file:///"},
    {"otlp.json+file://tmp/x", "'tmp/x' behind 'otlp.json+file:'", "absolute path"},
    {"otlp.json+file:x", "'x' behind 'otlp.json+file:'", "absolute path"},
    {"otlp.json+stdout", "no ':'", "otlp.json+stdout:"},
    {"otlp.json+stdout:x", "'x' behind 'otlp.json+stdout:'", "allowed"},
    {"otlp.json+stdout:///x", "standard output", "no path"},
};

static void says_what_is_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
        struct trc_exporter e, before;
        char why[TRC_ERROR_TEXT_MAX] = "";
        memset(&before, 0x5a, sizeof(before));
        memcpy(&e, &before, sizeof(e));
        assert_int_equal(parse(bad_urls[i].url, &e, why), -EINVAL);
        if (!strstr(why, bad_urls[i].wrong) || !strstr(why, bad_urls[i].allowed))
            fail_msg("%s: %s", bad_urls[i].url, why);
        if (strstr(why, "secret"))
            fail_msg("%s: %s", bad_urls[i].url, why);
        if (strchr(why, '\n'))
            fail_msg("%s: not one line", bad_urls[i].url);
        assert_memory_equal(&e, &before, sizeof(e)); /* untouched */
    }
}

/* Filled up with `c` to a length of `len`. */
static const char *filled(const char *before, char c, size_t len, const char *after) {
    static char url[4096];
    memset(url, c, len);
    memcpy(url, before, strlen(before));
    strcpy(url + len, after);
    return url;
}

static void takes_users_and_hides_them(void **state) {
    (void)state;
    static const struct {
        const char *url, *user, *password, *shown;
    } rows[] = {
        {"otlp.json+http://h", "", "", "otlp.json+http://h"},
        {"otlp.json+http://u@h:1", "u", "", "otlp.json+http://***@h:1"},
        {"otlp.json+http://u:@h:1", "u", "", "otlp.json+http://***@h:1"},
        {"otlp.json+http://u:p:q@h", "u", "p:q", "otlp.json+http://***@h"},
        {"otlp.json+http://u:p@q@h", "u", "p@q", "otlp.json+http://***@h"},
        {"otlp.json+http://u%40x:%2F%3f%23%25@h/p", "u@x", "/?#%", "otlp.json+http://***@h/p"},
        {"otlp.json+https://u:p+q@[::1]:1", "u", "p+q", "otlp.json+https://***@[::1]:1"},
        {"otlp.json+https://h/p?key=secret", "", "", "otlp.json+https://h/p?***"},
        {"otlp.json+https://h?key=secret@x", "", "", "otlp.json+https://***@x"},
    };
    struct trc_exporter e;
    char why[TRC_ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].url, &e, why), 0);
        assert_string_equal(e.endpoint.user, rows[i].user);
        assert_string_equal(e.endpoint.password, rows[i].password);
        assert_string_equal(e.url, rows[i].shown);
        assert_string_equal(e.endpoint.host, strchr(rows[i].url, '[') ? "::1" : "h");
    }
}

/* What is shown of a URL that is wrong, and however short the room is. */
static void shows_no_secret(void **state) {
    (void)state;
    static const char *const urls[] = {
        "otlp.json+http://u:secret@h",
        "otlp.json+http://u:secret/@h",
        "http://secret@h?secret",
        "otlp.json+http:u:secret@h",
        "u:secret@h",
        "otlp.json+http://h?secret",
        "otlp.json+http://secret?x@h/p",
        "://secret@",
        "foo:secret@?secret",
        "h/p?secret",
        "h?k=secret",
        "secret@h",
        "otlp+http//u:secret@h",
        "otlp+http//h?secret",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        for (size_t cap = 1; cap < 64; cap++) {
            size_t len = strlen(urls[i]);
            char *out = guarded(1, filled("", 'x', cap, ""), cap);
            trc_exporter_show((struct trc_slice){guarded(0, urls[i], len), len}, out, cap);
            assert_non_null(memchr(out, 0, cap));
            assert_null(strstr(out, "secret"));
        }
    char out[8];
    trc_exporter_show(TRC_SLICE("collector.example"), out, sizeof(out));
    assert_string_equal(out, "collect"); /* cut */
    trc_exporter_show((struct trc_slice){NULL, 0}, out, sizeof(out));
    assert_string_equal(out, "");
}

/* A NUL ends no slice. */
static void sees_a_nul(void **state) {
    (void)state;
    static const char url[] = "jaeger+udp://h\0:1";
    struct trc_exporter e;
    char why[TRC_ERROR_TEXT_MAX] = "";
    struct trc_slice s = {guarded(0, url, sizeof(url) - 1), sizeof(url) - 1};
    assert_int_equal(trc_exporter_parse(s, 65000, &e, why), -EINVAL);
    assert_non_null(strstr(why, "control character"));
}

static void bounds_everything(void **state) {
    (void)state;
    struct trc_exporter e;
    char why[TRC_ERROR_TEXT_MAX] = "";
    const size_t scheme = strlen("jaeger+udp://");
    assert_int_equal(parse(filled("jaeger+udp://", 'h', scheme + 255, ":1"), &e, why), 0);
    assert_int_equal(strlen(e.endpoint.host), 255);
    assert_int_equal(parse(filled("jaeger+udp://", 'h', scheme + 256, ":1"), &e, why), -EINVAL);
    assert_non_null(strstr(why, "longer than 255"));
    assert_int_equal(parse(filled("otlp.json+file:///", 'p', 511, ""), &e, why), 0);
    assert_int_equal(parse(filled("otlp.json+file:///", 'p', 512, ""), &e, why), -EINVAL);
    assert_non_null(strstr(why, "longer than 511"));
    const size_t http = strlen("otlp.json+http://h/"), user = strlen("otlp.json+http://");
    assert_int_equal(parse(filled("otlp.json+http://h/", 'p', 511, ""), &e, why), 0);
    assert_int_equal(strlen(e.endpoint.path), 511 - http + 1);
    assert_int_equal(parse(filled("otlp.json+http://h?", 'p', 511, ""), &e, why), 0);
    assert_int_equal(strlen(e.endpoint.path), strlen("/v1/traces") + 511 - http + 1);
    assert_int_equal(parse(filled("otlp.json+http://", 'u', user + 127, "@h"), &e, why), 0);
    assert_int_equal(parse(filled("otlp.json+http://", 'u', user + 128, "@h"), &e, why), -EINVAL);
    assert_int_equal(parse(filled("otlp.json+http://u:", 'p', user + 2 + 255, "@h"), &e, why), 0);
    assert_int_equal(parse(filled("otlp.json+http://u:", 'p', user + 2 + 256, "@h"), &e, why),
                     -EINVAL);
    assert_int_equal(parse(filled("", 'x', 500, "://h"), &e, why), -EINVAL);
    assert_non_null(strstr(why, "allowed: jaeger+udp"));
    assert_int_equal(parse(filled("jaeger+udp://[", ':', 400, "]"), &e, why), -EINVAL);
    assert_int_equal(parse(filled("jaeger+udp://h:", '0', 400, "1"), &e, why), -EINVAL);
}

/* Every URL of the lists cut after each byte, and with each byte replaced: nothing is read that is
 * not there, and what is taken is whole. */
static void bears_every_cut(void **state) {
    (void)state;
    static const char odd[] = {'\0', ':', '/', '[', ']', '%', '@', '9', '\xff'};
    struct trc_exporter e;
    char why[TRC_ERROR_TEXT_MAX], text[128];
    for (size_t i = 0; i < sizeof(good_urls) / sizeof(good_urls[0]); i++) {
        size_t len = strlen(good_urls[i].url);
        for (size_t cut = 0; cut <= len; cut++) {
            struct trc_slice s = {guarded(0, good_urls[i].url, cut), cut};
            int rc = trc_exporter_parse(s, 1, &e, why);
            assert_true(rc == 0 || rc == -EINVAL);
        }
        for (size_t at = 0; at < len; at++)
            for (size_t c = 0; c < sizeof(odd); c++) {
                memcpy(text, good_urls[i].url, len);
                text[at] = odd[c];
                struct trc_slice s = {guarded(0, text, len), len};
                if (trc_exporter_parse(s, 1, &e, why) == 0 && !e.kind->http)
                    assert_int_equal(strlen(e.url), len);
            }
    }
}

static void table_is_sound(void **state) {
    (void)state;
    for (const struct trc_exporter_kind *k = trc_exporter_kinds; k->scheme; k++) {
        char url[64], why[TRC_ERROR_TEXT_MAX];
        struct trc_exporter e;
        assert_non_null(strchr(k->scheme, '+'));
        assert_non_null(k->encoder);
        assert_non_null(k->sender);
        assert_true(k->semconv == TRC_SEMCONV_HTTP || k->semconv == TRC_SEMCONV_OPENTRACING);
        const char *rest = k->default_port ? "//h" : k->sender == &trc_sender_file ? "/x" : "";
        snprintf(url, sizeof(url), "%s:%s", k->scheme, rest);
        assert_int_equal(parse(url, &e, why), 0);
        assert_ptr_equal(e.kind, k);
        if (k->default_port)
            assert_string_equal(e.endpoint.port, k->default_port);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_right),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(takes_users_and_hides_them),
        cmocka_unit_test(shows_no_secret),
        cmocka_unit_test(sees_a_nul),
        cmocka_unit_test(bounds_everything),
        cmocka_unit_test(bears_every_cut),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
