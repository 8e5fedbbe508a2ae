/* SPDX-License-Identifier: MIT
 *
 * tracing-check. Prints to standard output, line by line: what else prints there, such as the span
 * of otlp.json+stdout, stands in the right place.
 */
#include "check.h"
#include "tracing/clock.h"
#include "tracing/random.h"
#include "tracing/sampling_poller.h"
#include "tracing/version.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- The settings ---------------------------------------------------------------------------- */

static void show_value(enum trc_option option, struct trc_slice text, const char *source) {
    char shown[512];
    trc_settings_show(option, text, shown, sizeof(shown));
    bool variable = strcmp(source, "option") != 0 && strcmp(source, "default") != 0;
    printf("  %s = %s (%s%s)\n", trc_option_table[option].name, shown,
           variable ? "environment variable " : "", source);
}

static void show_option(const struct trc_settings *s, enum trc_option option) {
    unsigned found = 0;
    for (unsigned i = 0; i < s->origin_count; i++) {
        if (s->origin[i].option != option)
            continue;
        show_value(option, s->origin[i].text, s->origin[i].source);
        found++;
    }
    if (!found)
        printf("  %s = %s (default)\n", trc_option_table[option].name,
               trc_option_table[option].initial);
}

/* --- A span ---------------------------------------------------------------------------------- */

static int make_span(struct trc_span *span) {
    struct trc_random random;
    int rc = trc_random_seed(&random);
    if (rc)
        return rc;
    trc_span_clear(span);
    span->trace_hi = trc_random_id(&random);
    span->trace_lo = trc_random_id(&random);
    span->span_id = trc_random_id(&random);
    span->flags = TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM;
    span->sampler_type = TRC_SAMPLER_CONST;
    span->sampler_param = 1;
    span->start_unix_ns = trc_clock_unix_ns();
    span->duration_ns = TRC_NS_PER_MS;
    trc_span_set(span, TRC_STR_NAME, TRC_SLICE("tracing-check"), TRC_SPAN_TOKEN_MAX);
    trc_span_seal(span);
    return 0;
}

static int transmit(const struct trc_exporter *e, struct trc_slice message,
                    struct trc_send_result *result) {
    struct trc_sender *sender = e->kind->sender->make(&e->endpoint);
    int rc = sender ? e->kind->sender->send(sender, message, NULL, result) : -ENOMEM;
    if (!sender)
        snprintf(result->why, sizeof(result->why), "no memory");
    e->kind->sender->drop(sender);
    return rc;
}

static int send_span(const struct trc_exporter *e, const struct trc_resource *resource,
                     const struct trc_span *span, struct trc_send_result *result) {
    const struct trc_encoder_ops *ops = e->kind->encoder;
    const struct trc_encoder_config config = {resource, e->semconv, e->max_bytes};
    const struct trc_client_stats stats = {0};
    struct trc_encoder *encoder = ops->make(&config);
    int rc = encoder ? ops->add(encoder, span) : -ENOMEM;
    if (rc)
        snprintf(result->why, sizeof(result->why), "the span cannot be encoded: %s",
                 strerrordesc_np(-rc));
    else
        rc = transmit(e, ops->finish(encoder, 1, &stats), result);
    ops->drop(encoder);
    return rc;
}

/* --- What came of it ------------------------------------------------------------------------- */

static bool is_loopback(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

/* What it means that a sender of this kind had no complaint. */
static const char *success_of(const struct trc_exporter *e) {
    if (!e->kind->default_port)
        return "written";
    /* udp.c: over the loopback a refusal comes before send returns. */
    return is_loopback(e->endpoint.host)
               ? "handed over, and nobody refused it; UDP cannot tell more"
               : "handed to the network; UDP cannot tell whether it arrived";
}

/* Prints a line. Returns whether the collector has the span. */
static bool report(const struct trc_exporter *e, int rc, const struct trc_send_result *result) {
    bool taken = rc == 0 && result->rejected == 0;
    printf("  %s: %s: ", e->url, taken ? "ok" : "FAILED");
    if (rc)
        printf("%s%s", result->why, rc == -EAGAIN ? " (a server would try again)" : "");
    else if (result->status)
        printf("answered %u%s", result->status, result->rejected ? " and refused the span" : "");
    else
        printf("%s", success_of(e));
    if (rc == 0 && result->why[0])
        printf(", with a warning: %s", result->why);
    printf("\n");
    return taken;
}

/* --- The sampling server --------------------------------------------------------------------- */

static void show_strategy(const struct trc_strategy *s) {
    if (s->type == TRC_SAMPLER_LOWERBOUND)
        printf("%zu operations of their own, others %g, each at least %g traces a second\n",
               s->operation_count, s->param, s->lower_bound);
    else
        printf("%s:%g\n", s->type == TRC_SAMPLER_RATELIMITING ? "ratelimiting" : "probabilistic",
               s->param);
}

/* Asks it, if there is one. Returns whether it had a strategy. */
static bool ask_server(const struct trc_settings *settings) {
    const struct trc_sampler *sampler = &settings->sampler;
    const struct trc_poller_config config = {
        .sampler = sampler,
        .http = &settings->http[TRC_WIRE_JAEGER], /* as the poller does */
        .service = settings->service,
    };
    struct trc_strategy *strategy = NULL;
    char why[TRC_ERROR_TEXT_MAX];
    if (sampler->type != TRC_SAMPLER_REMOTE)
        return true;
    printf("the strategy for this service, of the sampling server:\n");
    int rc = trc_poller_ask(&config, &strategy, why);
    printf("  %.*s: ", (int)sampler->url.len, sampler->url.p);
    if (rc)
        printf("FAILED: %s\n", why);
    else
        show_strategy(strategy);
    free(strategy);
    return rc == 0;
}

/* --- All of it ------------------------------------------------------------------------------- */

int trc_check(const struct trc_settings *settings, const struct trc_resource *resource) {
    static struct trc_span span;
    unsigned taken = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("tracing %s, settings and where they come from:\n", TRC_VERSION);
    for (int option = 0; option < TRC_OPT_CHECK; option++) /* which is the last, and known */
        show_option(settings, (enum trc_option)option);
    if (make_span(&span)) {
        printf("no random numbers for a span\n");
        return 1;
    }
    printf("one span named tracing-check to each of %u exporters:\n", settings->exporter_count);
    for (unsigned i = 0; i < settings->exporter_count; i++) {
        struct trc_send_result result = {0};
        int rc = send_span(&settings->exporter[i], resource, &span, &result);
        taken += report(&settings->exporter[i], rc, &result);
    }
    printf("%u of %u took it\n", taken, settings->exporter_count);
    bool answered = ask_server(settings);
    return taken == settings->exporter_count && answered ? 0 : 1;
}
