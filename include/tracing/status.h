/* SPDX-License-Identifier: MIT
 *
 * Status: what an instance does and has done, while it does it. Its counters one by one, and all
 * there is to know as one JSON text. Read from shared memory, so the same in every process of the
 * instance; docs/status.md has each key.
 */
#ifndef TRACING_STATUS_H
#define TRACING_STATUS_H

#include "tracing/control.h"
#include "tracing/exporter.h"
#include "tracing/format.h"
#include "tracing/journal.h"
#include "tracing/strategies.h"

/* One of struct trc_accounts. */
struct trc_counter {
    const char *name;
    size_t offset;
    bool of_exporter; /* each exporter has its own */
    bool falls;       /* it may, others only rise */
};

#define TRC_COUNTERS (sizeof(struct trc_accounts) / sizeof(uint64_t))
extern const struct trc_counter trc_counters[]; /* name NULL at the end */

/* Thread: any. */
static inline uint64_t trc_counter_get(const struct trc_counter *c, const struct trc_accounts *a) {
    uint64_t value;
    memcpy(&value, (const char *)a + c->offset, sizeof(value));
    return value;
}

/* Where the status is read. All borrowed. */
struct trc_status {
    struct trc_slice service;
    const struct trc_control *control;
    const struct trc_exporter *exporter; /* as many as the journal was made for */
    const struct trc_format *const *extract, *const *inject; /* NULL at the end */
    const struct trc_journal *journal;
    const char *journal_path;          /* NULL: it has no file */
    struct trc_strategies *strategies; /* NULL: the sampler is not remote */
};

/* The status as one JSON object, without line ends and without any credential. NUL-terminated,
 * *len bytes without that, for free(); or NULL when out of memory. It walks the rings: not for
 * every second of a hot loop. Thread: any but request. */
char *trc_status_json(const struct trc_status *s, size_t *len);

#endif
