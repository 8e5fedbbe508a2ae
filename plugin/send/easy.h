/* SPDX-License-Identifier: MIT
 *
 * What every transfer by libcurl has in common. Used by http.c, which posts, and fetch.c, which
 * gets.
 *
 * HTTP/1.1, because one request at a time gains nothing from HTTP/2. Proxies are libcurl's own
 * affair: it honours http_proxy and its like.
 */
#ifndef TRACING_SEND_EASY_H
#define TRACING_SEND_EASY_H

#include "tracing/sender.h"
#include "tracing/version.h"
#include <curl/curl.h>
#include <sys/socket.h>

/* Not for the programs that the application starts. */
static inline curl_socket_t easy_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a) {
    (void)arg, (void)purpose;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static inline bool easy_string(CURL *e, CURLoption option, const char *text) {
    return !text || !text[0] || curl_easy_setopt(e, option, text) == CURLE_OK;
}

static inline bool easy_tls(CURL *e, const struct trc_http_config *config) {
    bool ok = curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    if (config->ca && config->ca[0]) /* and no other */
        ok = ok && curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
    ok = ok && easy_string(e, CURLOPT_CAINFO, config->ca);
    ok = ok && easy_string(e, CURLOPT_SSLCERT, config->cert);
    return ok && easy_string(e, CURLOPT_SSLKEY, config->key);
}

/* `protocols`: "http", "https" or both with a comma. `config`: whom to trust and who we are.
 * `error`: CURL_ERROR_SIZE bytes that live as long as the handle. */
static inline bool easy_set_up(CURL *e, const char *protocols, const struct trc_http_config *config,
                               char *error) {
    static const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
        /* A name that is being looked up when a transfer ends is left to the resolver's thread: to
         * wait for it would be to wait for a name server that is not there. */
        {CURLOPT_QUICK_EXIT, 1},
        /* A name is looked up for each connection, and connections are kept: who failed to get one
         * must not try where the server was for the rest of a minute. */
        {CURLOPT_DNS_CACHE_TIMEOUT, 0},
    };
    bool ok = easy_tls(e, config);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ok = ok && curl_easy_setopt(e, numbers[i].option, numbers[i].value) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_USERAGENT, "uwsgi-tracing/" TRC_VERSION) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error) == CURLE_OK;
    return ok && curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, easy_socket) == CURLE_OK;
}

#endif
