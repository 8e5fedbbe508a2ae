/* SPDX-License-Identifier: MIT
 *
 * What reporters tell the operator of an exporter, at most a line of each sort in half a minute.
 * What has been told is in shared memory: of ten workers that cannot reach a collector one says so,
 * and the worker that takes its place does not say it again. Used by reporter.c.
 */
#ifndef TRACING_REPORT_NEWS_H
#define TRACING_REPORT_NEWS_H

#include "tracing/journal.h"

struct trc_news {
    const char *url; /* of the exporter */
    struct trc_journal *journal;
    unsigned exporter;
    struct trc_told *told;
    uint64_t losses_seen; /* in this worker, when the instance's were last compared */
};

/* Both are borrowed. Thread: startup. */
void trc_news_init(struct trc_news *news, const char *url, struct trc_journal *journal,
                   unsigned exporter);

/* Each says it if it is news and not too soon; what was kept back is said when its time has come,
 * if it still holds. `and_now`: what becomes of the spans. Thread: reporter. */
void trc_news_fails(struct trc_news *news, const char *why, const char *and_now);
void trc_news_works(struct trc_news *news);

/* Says what a collector has to say that took all there was; "" is nothing. Thread: reporter. */
void trc_news_warns(struct trc_news *news, const char *text);

/* Says how many spans the instance has lost since the last such line. `losses`: dropped or given up
 * in this worker, as published; when they have not grown the instance's are not looked at.
 * Thread: reporter. */
void trc_news_loses(struct trc_news *news, uint64_t losses);

#endif
