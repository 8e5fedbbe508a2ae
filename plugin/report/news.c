/* SPDX-License-Identifier: MIT
 *
 * News for the operator. A collector that comes and goes ten times a second must not fill the log,
 * and one that stays away must not be forgotten: so each sort of line has its own clock.
 */
#include "news.h"
#include "tracing/clock.h"
#include "tracing/log.h"
#include <inttypes.h>

#define EVERY_NS (30 * TRC_NS_PER_S) /* a line of each sort */

/* Is it time again for the sort of line that was last said at *last_ns? Then it is said now. */
static bool is_time(uint64_t *last_ns) {
    uint64_t now = trc_clock_mono_ns();
    if (*last_ns && now - *last_ns < EVERY_NS)
        return false;
    *last_ns = now;
    return true;
}

void trc_news_fails(struct trc_news *n, const char *why, const char *and_now) {
    if (n->failing || !is_time(&n->told_at_ns[true]))
        return;
    n->failing = true;
    trc_log("%s: cannot export: %s (%s)", n->url, why, and_now);
}

void trc_news_works(struct trc_news *n) {
    if (!n->failing || !is_time(&n->told_at_ns[false]))
        return;
    n->failing = false;
    trc_log("%s: exports again", n->url);
}

void trc_news_warns(struct trc_news *n, const char *text) {
    if (text[0] && is_time(&n->warned_at_ns))
        trc_log("%s: the collector warns: %s", n->url, text);
}

void trc_news_loses(struct trc_news *n, uint64_t core_dropped,
                    const struct trc_cursor_state *state) {
    uint64_t dropped = core_dropped + state->skipped, lost = dropped + state->failed;
    if (lost <= n->losses || !is_time(&n->losses_at_ns))
        return;
    trc_log("%s: %" PRIu64 " spans lost (worker %u in all: %" PRIu64
            " dropped because the journal was full, %" PRIu64 " given up, %" PRIu64
            " of them larger than a message)",
            n->url, lost - n->losses, n->worker + 1, dropped, state->failed, state->too_large);
    n->losses = lost;
}
