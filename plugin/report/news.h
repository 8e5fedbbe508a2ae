/* SPDX-License-Identifier: MIT
 *
 * What a reporter tells the operator, at most a line of each sort in half a minute. Used by
 * reporter.c.
 */
#ifndef TRACING_REPORT_NEWS_H
#define TRACING_REPORT_NEWS_H

#include "tracing/journal.h"

struct trc_news {
    const char *url;        /* of the exporter */
    unsigned worker;        /* 0... */
    bool failing;           /* what was told last... */
    uint64_t told_at_ns[2]; /* ...and when: that it works, that it does not */
    uint64_t losses;        /* spans told of as lost */
    uint64_t losses_at_ns, warned_at_ns;
};

/* Each says it if it is news and not too soon; what was kept back is said when its time has come,
 * if it still holds. `and_now`: what becomes of the spans. Thread: reporter. */
void trc_news_fails(struct trc_news *news, const char *why, const char *and_now);
void trc_news_works(struct trc_news *news);

/* Says what a collector has to say that took all there was; "" is nothing. Thread: reporter. */
void trc_news_warns(struct trc_news *news, const char *text);

/* Says that spans were lost since the last such line. `core_dropped`: by the worker's cores.
 * Thread: reporter. */
void trc_news_loses(struct trc_news *news, uint64_t core_dropped,
                    const struct trc_cursor_state *state);

#endif
