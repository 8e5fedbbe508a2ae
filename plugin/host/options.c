/* SPDX-License-Identifier: MIT
 *
 * The table of options: what --help shows, docs/options.md documents, and settings.c reads.
 */
#include "tracing/settings.h"
#include <errno.h>

const struct trc_option_info trc_option_table[TRC_OPT_COUNT] = {
    [TRC_OPT_SERVICE] = {"tracing-service", false, false, "name of the working directory",
                         "name of the service that the spans belong to"},
    [TRC_OPT_TAG] = {"tracing-tag", false, true, "none",
                     "key=value to put on the process; may be given several times"},
    [TRC_OPT_DISABLE] = {"tracing-disable", true, false, "false", "load, but trace nothing"},
    [TRC_OPT_EXPORT] =
        {"tracing-export", false, true, "jaeger+udp://127.0.0.1:6831",
         "where spans go, as a URL <wire>+<transport>://; may be given several times"},
    [TRC_OPT_EXPORT_HEADER] = {"tracing-export-header", false, true, "none",
                               "'Name: value' to send with each HTTP export; may be given several "
                               "times"},
    [TRC_OPT_EXPORT_TIMEOUT] = {"tracing-export-timeout", false, false, "10s",
                                "longest time one HTTP export takes, in ms, s or m"},
    [TRC_OPT_EXPORT_CA] = {"tracing-export-ca", false, false, "those of the system",
                           "PEM file of the authorities whose https collectors are trusted"},
    [TRC_OPT_EXPORT_CERT] = {"tracing-export-cert", false, false, "none",
                             "PEM file of the client certificate for https collectors"},
    [TRC_OPT_EXPORT_KEY] = {"tracing-export-key", false, false, "none",
                            "PEM file of the client certificate's key, if that is another file"},
    [TRC_OPT_EXPORT_GZIP] = {"tracing-export-gzip", true, false, "false", "compress HTTP exports"},
    [TRC_OPT_FLUSH_INTERVAL] = {"tracing-flush-interval", false, false, "1s",
                                "longest time a finished span waits, in ms, s or m"},
    [TRC_OPT_JOURNAL_SIZE] = {"tracing-journal-size", false, false, "1M",
                              "bytes of finished spans kept for each worker, rounded up to a power "
                              "of two; k and M allowed"},
    [TRC_OPT_JOURNAL] = {"tracing-journal", false, false, "anonymous memory",
                         "file that keeps finished spans and open ones until they are exported, "
                         "over reloads and kills"},
    [TRC_OPT_EXIT_TIMEOUT] = {"tracing-exit-timeout", false, false, "1s",
                              "longest time the end of a worker or of an instance waits for the "
                              "last export, in ms, s or m"},
    [TRC_OPT_UDP_PACKET] = {"tracing-udp-packet", false, false, "65000",
                            "largest UDP datagram in bytes; k allowed"},
    [TRC_OPT_SAMPLER] =
        {"tracing-sampler", false, false, "const:1",
         "which new traces are recorded: const:0|1, probabilistic:P, ratelimiting:N "
         "traces a second, or remote[:URL]; a caller's decision is always kept"},
    [TRC_OPT_KEEP] = {"tracing-keep", false, false, "none",
                      "list of errors and slow:T (in ms, s or m): record requests that the sampler "
                      "refused when they end so; slow ones are told of while they run"},
    [TRC_OPT_EXCLUDE] = {"tracing-exclude", false, true, "none",
                         "glob on the path, agent:GLOB or method:GLOB, of requests that get no "
                         "span; may be given several times"},
    [TRC_OPT_CONTROL] = {"tracing-control", false, false, "none",
                         "file whose lines enabled=, sampler= and exclude= are obeyed when it "
                         "changes, without a reload"},
    [TRC_OPT_OPERATION] = {"tracing-operation", false, false, "{method} {route}",
                           "name of spans: text with {method}, {route}, {path}, {host}, {app} and "
                           "request variables like {HTTP_X_TENANT}"},
    [TRC_OPT_EXTRACT] = {"tracing-extract", false, false, "jaeger,tracecontext,b3,b3multi",
                         "comma-separated context formats that are read, the first valid one wins"},
    [TRC_OPT_INJECT] = {"tracing-inject", false, false, "jaeger,tracecontext",
                        "comma-separated context formats given to the application"},
    [TRC_OPT_TRUST] = {"tracing-trust", false, false, "all",
                       "peers whose context is continued: all, none, or comma-separated addresses, "
                       "networks and unix; others start a new trace with a link to theirs"},
    [TRC_OPT_RESPONSE_HEADER] = {"tracing-response-header", false, false, "none",
                                 "comma-separated headers that tell the client its trace: "
                                 "uber-trace-id, traceresponse, server-timing, x-trace-id"},
    [TRC_OPT_BAGGAGE_TAG] = {"tracing-baggage-tag", false, true, "none",
                             "key of baggage to copy to a tag of the span; may be given several "
                             "times"},
    [TRC_OPT_VARIABLES] = {"tracing-variables", true, false, "false",
                           "give the application TRACING_TRACE_ID, TRACING_SPAN_ID and "
                           "TRACING_SAMPLED"},
    [TRC_OPT_CAPTURE_REQUEST] = {"tracing-capture-request", false, true, "none",
                                 "name of a request header to copy to a tag of the span; may be "
                                 "given several times"},
    [TRC_OPT_CAPTURE_RESPONSE] = {"tracing-capture-response", false, true, "none",
                                  "name of a response header to copy to a tag of the span; may be "
                                  "given several times"},
    [TRC_OPT_QUERY] = {"tracing-query", false, false, "scrub",
                       "what becomes of a query: scrub takes known secrets out, drop, keep"},
    [TRC_OPT_CLIENT_IP] = {"tracing-client-ip", false, false, "none",
                           "comma-separated headers that carry the client's address, from trusted "
                           "peers only: Forwarded, X-Forwarded-For, X-Real-IP..."},
    [TRC_OPT_SEMCONV] = {"tracing-semconv", false, false, "as is usual on each wire",
                         "names of the tags: http, http/dup or opentracing"},
    [TRC_OPT_PYTHON] = {"tracing-python", true, false, "true",
                        "learn routes and exceptions from Python frameworks"},
    [TRC_OPT_CHECK] = {"tracing-check", true, false, "false",
                       "show the settings, send one span to each exporter, say what each answered, "
                       "and exit: 0 if all took it"},
};

int trc_options_add(struct trc_options *options, enum trc_option option, const char *value) {
    unsigned *count = &options->count[option];
    if (!trc_option_table[option].many)
        *count = 0;
    if (*count == TRC_OPTION_VALUES_MAX)
        return -ENOSPC;
    options->value[option][(*count)++] = value;
    return 0;
}
