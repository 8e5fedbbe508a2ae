/* SPDX-License-Identifier: MIT
 *
 * The HTTP sender: one message is one POST, by libcurl, over a connection that is kept.
 *
 * Used by the reporters through the table in report/exporters.c. What an answer means is said in
 * http_answer.c.
 *
 * The multi interface for a single transfer, because curl_easy_perform comes up for air once a
 * second only, and a reporter whose collector hangs must look after its ring and the end of the
 * process in between. What may be secret - credentials, values of headers - is blotted out of
 * everything a collector says before anybody reads it: some servers tell the client what it sent.
 */
#include "easy.h"
#include "gzip.h"
#include "http_answer.h"
#include "tracing/clock.h"
#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* As opentelemetry-proto docs/specification.md, "OTLP/HTTP Response", bounds it. */
#define BODY_BYTES_MAX (4u * 1024u * 1024u)
#define RETRY_AFTER_MAX_S 300 /* what is in the ring by then is all that is left anyway */
#define WAIT_MS 100           /* between looks at a transfer, when nobody says otherwise */
#define SECRET_BYTES_MIN 4    /* what is shorter stands in any text */

struct secret {
    struct trc_slice text;
    const char *apart; /* what stands between the parts of it that are secrets, too */
};

struct trc_sender {
    const struct trc_endpoint *endpoint;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    struct trc_gzip *gzip; /* NULL: messages go as they are */
    char error[CURL_ERROR_SIZE];

    /* The answer, while one comes. */
    char *body; /* malloc'd */
    size_t body_len, body_cap;
    bool too_large;

    struct secret secrets[TRC_HTTP_HEADERS_MAX + 3]; /* and a query, and credentials */
    unsigned secret_count;
    char basic[(sizeof(((struct trc_endpoint *)0)->user) +
                sizeof(((struct trc_endpoint *)0)->password)) *
                   4 / 3 +
               8]; /* as it goes out */
};

static const struct trc_http_config defaults;

/* OpenSSL is told not to take itself down at the process's exit, before libcurl makes it ready: a
 * reporter that was left alone may be in the middle of a handshake, and would crash. */
int trc_http_init(void) {
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
        return -ENOMEM;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

static int http_check(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]) {
    const char *wrong = NULL;
    if (!endpoint->host[0])
        wrong = "needs a host";
    else if (endpoint->path[0] != '/')
        wrong = "needs a path that begins with /";
    else if (strchr(endpoint->path, '#'))
        wrong = "has no fragment (a # in a path is written %23)";
    if (!wrong)
        return 0;
    snprintf(why, TRC_ERROR_TEXT_MAX, "an HTTP address %s", wrong);
    return -EINVAL;
}

/* --- Secrets ------------------------------------------------------------------------------- */

static bool given(const char *text) {
    return text && text[0];
}

static void add_secret(struct trc_sender *s, struct trc_slice text, const char *apart) {
    s->secrets[s->secret_count++] = (struct secret){text, apart};
}

/* A header's value and its words, but for the scheme of "Authorization: Bearer abc", which is of
 * use in what a collector says. */
static void add_header_secret(struct trc_sender *s, const char *header) {
    const char *colon = strchr(header, ':');
    struct trc_slice value = trc_slice_trim(trc_slice_of(colon ? colon + 1 : header));
    const char *space = value.len ? memchr(value.p, ' ', value.len) : NULL;
    if (space && strncasecmp(header, "Authorization:", strlen("Authorization:")) == 0)
        value = trc_slice_trim((struct trc_slice){space, value.len - (size_t)(space - value.p)});
    add_secret(s, value, " \t,;=");
}

/* user:password in base64 (RFC 4648 section 4), as Basic credentials go out (RFC 7617). */
static void add_basic_secret(struct trc_sender *s, const char *user, const char *password) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char plain[sizeof(s->endpoint->user) + sizeof(s->endpoint->password) + 3] = "";
    int len = snprintf(plain, sizeof(plain) - 2, "%s:%s", user, password);
    size_t n = 0;
    if (len < 0 || (size_t)len >= sizeof(plain) - 2)
        return;
    for (int i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)(uint8_t)plain[i] << 16 | (uint32_t)(uint8_t)plain[i + 1] << 8 |
                        (uint8_t)plain[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            s->basic[n++] = digits[bits >> shift & 63];
    }
    /* Without padding. */
    add_secret(s, (struct trc_slice){s->basic, ((size_t)len * 8 + 5) / 6}, "");
}

/* Returns whether there was something. */
static bool blot(char *text, size_t len, struct trc_slice secret) {
    char *at = text;
    bool found = false;
    while (secret.len >= SECRET_BYTES_MIN &&
           (at = memmem(at, len - (size_t)(at - text), secret.p, secret.len)) != NULL) {
        memset(at, '*', secret.len);
        at += secret.len;
        found = true;
    }
    return found;
}

/* Of a proxy, for one: what http_proxy says of it, only libcurl knows. */
static bool blot_credentials(char *text, size_t len) {
    static const char scheme[] = "basic ";
    const size_t before = sizeof(scheme) - 1;
    bool found = false;
    for (size_t i = 0; i + before < len; i++) {
        if (strncasecmp(text + i, scheme, before) != 0)
            continue;
        for (i += before; i < len && (isalnum((unsigned char)text[i]) || strchr("+/=", text[i]));
             i++) {
            text[i] = '*';
            found = true;
        }
    }
    return found;
}

static bool blot_out(const struct trc_sender *s, char *text, size_t len) {
    bool found = blot_credentials(text, len);
    for (unsigned i = 0; i < s->secret_count; i++) {
        struct trc_slice rest = s->secrets[i].text;
        found |= blot(text, len, rest);
        while (rest.len > 0) {
            struct trc_slice part = {rest.p, 0};
            while (part.len < rest.len && !strchr(s->secrets[i].apart, part.p[part.len]))
                part.len++;
            found |= blot(text, len, part);
            part.len += part.len < rest.len; /* and what is behind it */
            rest = (struct trc_slice){rest.p + part.len, rest.len - part.len};
        }
    }
    return found;
}

/* --- What libcurl calls -------------------------------------------------------------------- */

static size_t take_body(char *p, size_t size, size_t count, void *arg) {
    struct trc_sender *s = arg;
    size_t len = size * count, cap = s->body_cap ? s->body_cap : 1024;
    if (len > BODY_BYTES_MAX - s->body_len) {
        s->too_large = true;
        return 0; /* ends the transfer */
    }
    while (cap < s->body_len + len)
        cap *= 2;
    if (cap > s->body_cap) {
        char *larger = realloc(s->body, cap);
        if (!larger)
            return 0;
        s->body = larger;
        s->body_cap = cap;
    }
    memcpy(s->body + s->body_len, p, len);
    s->body_len += len;
    return len;
}

/* --- Making -------------------------------------------------------------------------------- */

static bool add_header(struct trc_sender *s, const char *header) {
    struct curl_slist *longer = curl_slist_append(s->headers, header);
    if (longer)
        s->headers = longer;
    return longer != NULL;
}

static bool set_headers(struct trc_sender *s, const struct trc_http_config *config) {
    char type[128];
    snprintf(type, sizeof(type), "Content-Type: %s", s->endpoint->wire->content_type);
    bool ok = add_header(s, type);
    ok = ok && add_header(s, "Expect:"); /* or libcurl waits a second for "100 Continue" */
    if (s->gzip)
        ok = ok && add_header(s, "Content-Encoding: gzip");
    for (unsigned i = 0; i < TRC_HTTP_HEADERS_MAX && config->headers[i]; i++) {
        ok = ok && add_header(s, config->headers[i]);
        add_header_secret(s, config->headers[i]);
    }
    const char *query = strchr(s->endpoint->path, '?');
    if (query)
        add_secret(s, trc_slice_of(query + 1), "&=");
    return ok && curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers) == CURLE_OK;
}

static bool set_basic(struct trc_sender *s, const char *user, const char *password) {
    add_secret(s, trc_slice_of(password), "");
    add_basic_secret(s, user, password);
    return curl_easy_setopt(s->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
           curl_easy_setopt(s->easy, CURLOPT_USERNAME, user) == CURLE_OK &&
           curl_easy_setopt(s->easy, CURLOPT_PASSWORD, password) == CURLE_OK;
}

/* As jaeger-client-java's SenderConfiguration: Basic credentials before a token. */
static bool set_credentials(struct trc_sender *s, const struct trc_http_config *config) {
    if (s->endpoint->user[0])
        return set_basic(s, s->endpoint->user, s->endpoint->password);
    if (given(config->user))
        return set_basic(s, config->user, config->password ? config->password : "");
    if (!given(config->token))
        return true;
    add_secret(s, trc_slice_of(config->token), "");
    return curl_easy_setopt(s->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) == CURLE_OK &&
           curl_easy_setopt(s->easy, CURLOPT_XOAUTH2_BEARER, config->token) == CURLE_OK;
}

static bool set_transfer(struct trc_sender *s, const char *scheme, uint64_t timeout_ns) {
    const struct trc_endpoint *to = s->endpoint;
    const char *open = strchr(to->host, ':') ? "[" : "", *shut = open[0] ? "]" : "";
    char url[sizeof(to->host) + sizeof(to->port) + sizeof(to->path) + 16];
    snprintf(url, sizeof(url), "%s://%s%s%s:%s%s", scheme, open, to->host, shut, to->port,
             to->path);
    long timeout_ms = (long)((timeout_ns + TRC_NS_PER_MS - 1) / TRC_NS_PER_MS);
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_POST, 1},
        {CURLOPT_TIMEOUT_MS, timeout_ms},
        {CURLOPT_PATH_AS_IS, 1},
    };
    bool ok = curl_easy_setopt(s->easy, CURLOPT_URL, url) == CURLE_OK;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ok = ok && curl_easy_setopt(s->easy, numbers[i].option, numbers[i].value) == CURLE_OK;
    ok = ok && curl_easy_setopt(s->easy, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK;
    ok = ok && curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
    return ok && curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s) == CURLE_OK;
}

static void http_drop(struct trc_sender *s) {
    if (!s)
        return;
    curl_easy_cleanup(s->easy);
    curl_multi_cleanup(s->multi);
    curl_slist_free_all(s->headers);
    trc_gzip_free(s->gzip);
    free(s->body);
    free(s);
}

static struct trc_sender *make(const struct trc_endpoint *endpoint, const char *scheme) {
    const struct trc_http_config *config = endpoint->http ? endpoint->http : &defaults;
    struct trc_sender *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->endpoint = endpoint;
    s->multi = curl_multi_init();
    s->easy = curl_easy_init();
    if (config->gzip)
        s->gzip = trc_gzip_new();
    if (s->multi && s->easy && (s->gzip || !config->gzip) && set_headers(s, config) &&
        set_credentials(s, config) && easy_set_up(s->easy, scheme, config, s->error) &&
        set_transfer(s, scheme, config->timeout_ns ? config->timeout_ns : TRC_HTTP_TIMEOUT_NS))
        return s;
    http_drop(s);
    return NULL;
}

static struct trc_sender *http_make(const struct trc_endpoint *endpoint) {
    return make(endpoint, "http");
}

static struct trc_sender *https_make(const struct trc_endpoint *endpoint) {
    return make(endpoint, "https");
}

/* --- Sending ------------------------------------------------------------------------------- */

/* Runs the transfer to its end, or until patience is at one. */
static CURLcode run(struct trc_sender *s, const struct trc_patience *patience) {
    CURLcode code = CURLE_OUT_OF_MEMORY; /* what fails without a transfer fails for want of it */
    int running = 1, left;
    CURLMcode rc = curl_multi_add_handle(s->multi, s->easy);
    while (rc == CURLM_OK) {
        rc = curl_multi_perform(s->multi, &running);
        if (rc != CURLM_OK || !running)
            break;
        int wait_ms = patience ? patience->ask_ms(patience->arg) : WAIT_MS;
        if (wait_ms <= 0) {
            code = CURLE_ABORTED_BY_CALLBACK;
            snprintf(s->error, sizeof(s->error), "no answer when time was up");
            break;
        }
        rc = curl_multi_poll(s->multi, NULL, 0, wait_ms, NULL);
    }
    for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE)
            code = m->data.result;
    curl_multi_remove_handle(s->multi, s->easy); /* one that is not over loses its connection */
    return code;
}

static void describe(struct trc_sender *s, CURLcode code, struct trc_http_exchange *out) {
    curl_off_t after_s = 0;
    char *redirect = NULL;
    *out = (struct trc_http_exchange){.code = code, .too_large = s->too_large};
    if (code != CURLE_OUT_OF_MEMORY) { /* which may leave what the last transfer brought */
        (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &out->status);
        (void)curl_easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &redirect);
        (void)curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &after_s); /* a date made seconds */
    }
    if (after_s > RETRY_AFTER_MAX_S)
        after_s = RETRY_AFTER_MAX_S;
    out->retry_after_ns = after_s > 0 ? (uint64_t)after_s * TRC_NS_PER_S : 0;
    out->redirect = redirect;
    out->error = s->error[0] ? s->error : curl_easy_strerror(code);
    out->body = (struct trc_slice){s->body, s->body_len};
}

static int http_send(struct trc_sender *s, struct trc_slice message,
                     const struct trc_patience *patience, struct trc_send_result *result) {
    struct trc_http_exchange exchange;
    bool ok = !s->gzip || trc_gzip_pack(s->gzip, message, &message) == 0;
    ok = ok && curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, message.p) == CURLE_OK; /* borrowed */
    ok = ok && curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message.len) == 0;
    if (!ok) {
        *result = (struct trc_send_result){.why = "no memory for a message"};
        return -EAGAIN;
    }
    s->error[0] = '\0';
    describe(s, run(s, patience), &exchange);
    int rc = trc_http_judge(&exchange, s->endpoint->wire, result);
    /* What is counted is as it came; what is said of it is read again, before it is cut, from what
     * may be shown: "1000" may be a tenant and a number of spans. */
    if (s->body_len > 0 && blot_out(s, s->body, s->body_len)) {
        struct trc_send_result shown;
        (void)trc_http_judge(&exchange, s->endpoint->wire, &shown);
        memcpy(result->why, shown.why, sizeof(result->why));
    }
    (void)blot_out(s, result->why, strlen(result->why));
    free(s->body); /* a large one is an exception, and must not stay for good */
    s->body = NULL;
    s->body_len = s->body_cap = 0;
    s->too_large = false;
    return rc;
}

const struct trc_sender_ops trc_sender_http = {
    "http", http_check, http_make, http_drop, http_send,
};
const struct trc_sender_ops trc_sender_https = {
    "https", http_check, https_make, http_drop, http_send,
};
