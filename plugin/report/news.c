/* SPDX-License-Identifier: MIT
 *
 * News for the operator. A collector that comes and goes ten times a second must not fill the log,
 * and one that stays away must not be forgotten: so each sort of line has its own clock, and what
 * was said last is one word for all workers.
 */
#include "news.h"
#include "tracing/clock.h"
#include "tracing/log.h"
#include <inttypes.h>

#define EVERY_NS (30 * TRC_NS_PER_S) /* a line of each sort */
#define NEVER_SEEN UINT64_MAX

/* Is it time again for a line that was last said then? */
static bool is_time(uint64_t last_ns) {
    return last_ns == 0 || trc_clock_mono_ns() - last_ns >= EVERY_NS;
}

/* The same for the sort of line that was last said at *last_ns; and true for one only, who says it.
 */
static bool claim(_Atomic uint64_t *last_ns) {
    uint64_t last = atomic_load(last_ns); /* before the clock is read, which is then not behind */
    return is_time(last) && atomic_compare_exchange_strong(last_ns, &last, trc_clock_mono_ns());
}

void trc_news_init(struct trc_news *n, const char *url, struct trc_journal *journal,
                   unsigned exporter) {
    *n = (struct trc_news){
        .url = url,
        .journal = journal,
        .exporter = exporter,
        .told = trc_journal_told(journal, exporter),
        .losses_seen = NEVER_SEEN, /* a worker that died may have had more to say */
    };
}

void trc_news_fails(struct trc_news *n, const char *why, const char *and_now) {
    if (atomic_load(&n->told->failing) || !claim(&n->told->fails_ns))
        return;
    atomic_store(&n->told->failing, 1);
    trc_log("%s: cannot export: %s (%s)", n->url, why, and_now);
}

void trc_news_works(struct trc_news *n) {
    if (!atomic_load(&n->told->failing) || !claim(&n->told->works_ns))
        return;
    atomic_store(&n->told->failing, 0);
    trc_log("%s: exports again", n->url);
}

void trc_news_warns(struct trc_news *n, const char *text) {
    if (text[0] && claim(&n->told->warns_ns))
        trc_log("%s: the collector warns: %s", n->url, text);
}

void trc_news_loses(struct trc_news *n, uint64_t losses) {
    struct trc_accounts a;
    if (losses == n->losses_seen || !is_time(atomic_load(&n->told->losses_ns)))
        return;
    trc_journal_accounts(n->journal, -1, n->exporter, &a);
    n->losses_seen = losses;
    uint64_t all = a.dropped + a.failed + a.lost, before = atomic_load(&n->told->losses);
    if (all <= before || !claim(&n->told->losses_ns) ||
        !atomic_compare_exchange_strong(&n->told->losses, &before, all))
        return;
    trc_log("%s: %" PRIu64 " spans lost (in all: %" PRIu64
            " dropped because the journal was full, %" PRIu64 " given up, %" PRIu64
            " of them larger than a message, %" PRIu64 " damaged when a worker died)",
            n->url, all - before, a.dropped, a.failed, a.too_large, a.lost);
}
