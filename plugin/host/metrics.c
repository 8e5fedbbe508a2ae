/* SPDX-License-Identifier: MIT
 *
 * The counters as uWSGI's metrics, for its stats server and whatever else it pushes them to.
 *
 * uWSGI's thread reads them while it holds the lock that applications take which count something,
 * so what it reads is plain numbers, and the master fills them in between.
 */
#include "host.h"
#include "tracing/status.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

static int64_t *values; /* NULL: no metrics */

static void add(const struct trc_counter *c, int exporter, int64_t *value) {
    char name[64];
    if (c->of_exporter)
        snprintf(name, sizeof(name), "tracing.exporter.%d.%s", exporter, c->name);
    else
        snprintf(name, sizeof(name), "tracing.%s", c->name);
    uwsgi_register_metric(name, NULL, c->falls ? UWSGI_METRIC_GAUGE : UWSGI_METRIC_COUNTER, "ptr",
                          value, 0, NULL);
}

/* One after the other: the counters of the instance (exporter -1), then those of each exporter. */
static bool is_of(const struct trc_counter *c, int exporter) {
    return c->of_exporter == (exporter >= 0);
}

void trc_metrics_register(void) {
    int exporters = (int)trc_host.settings.exporter_count;
    if (!uwsgi.has_metrics)
        return;
    int64_t *value = values = uwsgi_calloc((size_t)(exporters + 1) * TRC_COUNTERS * sizeof(*value));
    for (int e = -1; e < exporters; e++)
        for (const struct trc_counter *c = trc_counters; c->name; c++)
            if (is_of(c, e))
                add(c, e, value++);
}

void trc_metrics_update(void) {
    int64_t *value = values;
    struct trc_accounts a;
    if (!values || !trc_host.journal)
        return;
    for (int e = -1; e < (int)trc_host.settings.exporter_count; e++) {
        trc_journal_accounts(trc_host.journal, -1, e < 0 ? TRC_EXPORTERS_MAX : (unsigned)e, &a);
        for (const struct trc_counter *c = trc_counters; c->name; c++)
            if (is_of(c, e))
                *value++ = (int64_t)trc_counter_get(c, &a);
    }
}
