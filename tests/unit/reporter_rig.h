/* SPDX-License-Identifier: MIT
 *
 * A rig for the reporter's tests: the real journal, and exporters whose encoder and sender do as
 * the test says - refuse, give up, hang - and note what they were handed. The reporter's own file
 * is included, so that its clock can be set and its calls be made to fail.
 *
 * A message is its sequence number, its stats, and the span ids. A span with status TOO_LARGE does
 * not fit any message.
 */
#ifndef TRACING_TESTS_REPORTER_RIG_H
#define TRACING_TESTS_REPORTER_RIG_H

#include "torture.h"
#include "tracing/clock.h"
#include "tracing/log.h"
#include "tracing/reporter.h"
#include "tsan_join.h"
#include "unit.h"
#include <pthread.h>
#include <semaphore.h>

static _Thread_local uint64_t rig_now_ns; /* the clock of a test that sets it, else 0 */

static inline uint64_t rig_clock(void) {
    return rig_now_ns ? rig_now_ns : trc_clock_mono_ns();
}

#define trc_clock_mono_ns() rig_clock()
#define pthread_attr_init(a) (torture(ENOMEM) ? ENOMEM : pthread_attr_init(a))
#define sem_init(...) (torture(ENOSPC) ? -1 : sem_init(__VA_ARGS__))
#define pthread_create(...) (torture(EAGAIN) ? EAGAIN : pthread_create(__VA_ARGS__))
#include "../../plugin/base/thread.c"
#include "../../plugin/report/news.c"
#include "../../plugin/report/reporter.c"
#undef trc_clock_mono_ns
#undef pthread_attr_init
#undef sem_init
#undef pthread_create

#define RIG_EXPORTERS 2
#define RIG_IDS 400000
#define RIG_PATIENCE_NS (20 * TRC_NS_PER_S)
#define TOO_LARGE 999

/* --- A collector --------------------------------------------------------------------------- */

struct rig_message {
    uint64_t sequence;
    struct trc_client_stats stats;
    uint64_t count;
    uint64_t id[];
};

struct sink {
    /* What it is to do. */
    unsigned no_encoder, no_sender; /* make fails so often */
    unsigned refuse;                /* -EAGAIN so often; UINT_MAX: for ever */
    unsigned give_up;               /* -EPROTO so often */
    bool hang;                      /* send does not return until this is false again... */
    bool asks;                      /* ...or whom it serves has enough */
    uint64_t reject;                /* spans of each message */
    uint64_t retry_after_ns;        /* asked for when it refuses */
    const char *says;               /* with what it takes */
    /* What it saw. */
    unsigned attempts, messages;
    unsigned made, alive; /* encoders and senders: ever, and now */
    uint64_t last_sequence, bytes;
    bool gap; /* in the sequence */
    struct trc_client_stats stats;
    bool hanging;
    unsigned ended; /* hangs that were */
    size_t count;
    uint64_t id[RIG_IDS];
};

static struct sink rig_sinks[RIG_EXPORTERS];
static pthread_mutex_t rig_mutex = PTHREAD_MUTEX_INITIALIZER; /* of sinks and log */
static pthread_cond_t rig_changed;

static inline struct sink *rig_sink_of(const char *host) {
    return &rig_sinks[host[0] - '0'];
}

/* --- Its wire ------------------------------------------------------------------------------ */

struct trc_encoder {
    struct sink *sink;
    size_t max_ids;
    struct rig_message message;
};

static inline struct trc_encoder *rig_encoder_make(const struct trc_encoder_config *config) {
    struct sink *sink = rig_sink_of(config->resource->service.p + config->semconv - 1);
    size_t max_ids = config->max_bytes / sizeof(uint64_t);
    struct trc_encoder *e = NULL;
    pthread_mutex_lock(&rig_mutex);
    if (sink->no_encoder > 0) {
        sink->no_encoder--;
    } else if ((e = calloc(1, sizeof(*e) + max_ids * sizeof(uint64_t))) != NULL) {
        e->sink = sink;
        e->max_ids = max_ids;
        sink->made++;
        sink->alive++;
    }
    pthread_cond_broadcast(&rig_changed);
    pthread_mutex_unlock(&rig_mutex);
    return e;
}

static inline void rig_encoder_drop(struct trc_encoder *e) {
    if (!e)
        return;
    pthread_mutex_lock(&rig_mutex);
    e->sink->alive--;
    pthread_mutex_unlock(&rig_mutex);
    free(e);
}

static inline int rig_encoder_add(struct trc_encoder *e, const struct trc_span *span) {
    if (span->status == TOO_LARGE)
        return -EMSGSIZE;
    if (e->message.count == e->max_ids)
        return -ENOSPC;
    e->message.id[e->message.count++] = span->span_id;
    return 0;
}

static inline struct trc_slice rig_encoder_finish(struct trc_encoder *e, uint64_t sequence,
                                                  const struct trc_client_stats *stats) {
    size_t bytes = sizeof(e->message) + e->message.count * sizeof(uint64_t);
    e->message.sequence = sequence;
    e->message.stats = *stats;
    struct rig_message *copy = malloc(bytes); /* "the bytes live until the next add" */
    if (!copy || e->message.count == 0)
        __builtin_trap();
    memcpy(copy, &e->message, bytes);
    e->message.count = 0;
    return (struct trc_slice){(const char *)copy, bytes};
}

static const struct trc_encoder_ops rig_encoder = {
    "rig", rig_encoder_make, rig_encoder_drop, rig_encoder_add, rig_encoder_finish,
};

/* --- Its transport ------------------------------------------------------------------------- */

struct trc_sender {
    struct sink *sink;
};

static inline struct trc_sender *rig_sender_make(const struct trc_endpoint *endpoint) {
    struct sink *sink = rig_sink_of(endpoint->host);
    struct trc_sender *s = NULL;
    pthread_mutex_lock(&rig_mutex);
    if (sink->no_sender > 0) {
        sink->no_sender--;
    } else if ((s = malloc(sizeof(*s))) != NULL) {
        s->sink = sink;
        sink->made++;
        sink->alive++;
    }
    pthread_mutex_unlock(&rig_mutex);
    return s;
}

static inline void rig_sender_drop(struct trc_sender *s) {
    if (!s)
        return;
    pthread_mutex_lock(&rig_mutex);
    s->sink->alive--;
    pthread_cond_broadcast(&rig_changed);
    pthread_mutex_unlock(&rig_mutex);
    free(s);
}

static inline void rig_take(struct sink *sink, const struct rig_message *m, size_t bytes) {
    sink->gap |= m->sequence != sink->last_sequence + 1;
    sink->last_sequence = m->sequence;
    sink->stats = m->stats;
    sink->messages++;
    sink->bytes += bytes;
    for (uint64_t i = 0; i < m->count && sink->count < RIG_IDS; i++)
        sink->id[sink->count++] = m->id[i];
}

/* Hangs while it is to; false: it was ended. With the mutex. */
static inline bool rig_hang_on(struct sink *sink, const struct trc_patience *patience) {
    int ms = 1;
    for (sink->hanging = sink->hang; sink->hang && ms > 0;) {
        struct timespec until;
        pthread_cond_broadcast(&rig_changed);
        if (!sink->asks) {
            pthread_cond_wait(&rig_changed, &rig_mutex);
            continue;
        }
        pthread_mutex_unlock(&rig_mutex);
        ms = patience->ask_ms(patience->arg);
        pthread_mutex_lock(&rig_mutex);
        until = timespec_of(trc_clock_mono_ns() + (uint64_t)ms * TRC_NS_PER_MS);
        if (sink->hang && ms > 0)
            pthread_cond_timedwait(&rig_changed, &rig_mutex, &until);
    }
    sink->hanging = false;
    return ms > 0;
}

static inline int rig_send(struct trc_sender *s, struct trc_slice message,
                           const struct trc_patience *patience, struct trc_send_result *result) {
    struct sink *sink = s->sink;
    struct rig_message *m = (struct rig_message *)message.p;
    int rc = 0;
    *result = (struct trc_send_result){.rejected = 0};
    pthread_mutex_lock(&rig_mutex);
    sink->attempts++;
    if (!rig_hang_on(sink, patience)) {
        sink->ended++;
        rc = -EAGAIN;
    } else if (sink->refuse > 0) {
        sink->refuse -= sink->refuse != UINT32_MAX;
        result->retry_after_ns = sink->retry_after_ns;
        rc = -EAGAIN;
    } else if (sink->give_up > 0) {
        sink->give_up--;
        rc = -EPROTO;
    } else {
        rig_take(sink, m, message.len);
        result->rejected = sink->reject;
    }
    const char *why = rc == -EAGAIN ? "nobody there" : rc ? "not understood" : sink->says;
    snprintf(result->why, sizeof(result->why), "%s", why ? why : "");
    pthread_cond_broadcast(&rig_changed);
    pthread_mutex_unlock(&rig_mutex);
    free(m);
    return rc;
}

static inline int rig_check(const struct trc_endpoint *endpoint, char why[TRC_ERROR_TEXT_MAX]) {
    (void)endpoint, (void)why;
    return 0;
}

static const struct trc_sender_ops rig_sender = {
    "rig", rig_check, rig_sender_make, rig_sender_drop, rig_send,
};

static const struct trc_exporter_kind rig_kinds[RIG_EXPORTERS] = {
    {"rig.first+test", &rig_encoder, &rig_sender, NULL, 0, TRC_SEMCONV_HTTP, NULL},
    {"rig+test", &rig_encoder, &rig_sender, NULL, 0, TRC_SEMCONV_HTTP, NULL},
};

/* --- What is logged ------------------------------------------------------------------------ */

static struct {
    unsigned failing, working, losing, warning; /* lines of each sort */
    char last[1100];
} rig_log;

static inline void rig_log_line(const char *line) {
    pthread_mutex_lock(&rig_mutex);
    rig_log.failing += strstr(line, "cannot export") != NULL;
    rig_log.working += strstr(line, "exports again") != NULL;
    rig_log.losing += strstr(line, "spans lost") != NULL;
    rig_log.warning += strstr(line, "warns") != NULL;
    snprintf(rig_log.last, sizeof(rig_log.last), "%s", line);
    pthread_cond_broadcast(&rig_changed);
    pthread_mutex_unlock(&rig_mutex);
}

/* --- The rig ------------------------------------------------------------------------------- */

static struct trc_journal *rig_journal;
static struct trc_exporter rig_exporters[RIG_EXPORTERS];
/* The encoder is told which sink is its own by the semconv, which it has no other use for. */
static const struct trc_resource rig_resource = {.service = {"01", 2}};
static struct trc_reporters_config rig_config;

/* 512 spans at most in a message, an interval of a minute: what arrives was asked for. */
static inline int rig_setup(void **state) {
    (void)state;
    const struct trc_journal_config config = {2, 4, RIG_EXPORTERS, TRC_RING_BYTES_MIN};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&rig_changed, &monotonic);
    memset(rig_sinks, 0, sizeof(rig_sinks));
    memset(&rig_log, 0, sizeof(rig_log));
    trc_log_to(rig_log_line);
    rig_now_ns = 0;
    for (unsigned i = 0; i < RIG_EXPORTERS; i++) {
        rig_exporters[i] = (struct trc_exporter){.kind = &rig_kinds[i]};
        rig_exporters[i].semconv = (enum trc_semconv)(i + 1);
        rig_exporters[i].max_bytes = 512 * sizeof(uint64_t);
        snprintf(rig_exporters[i].url, sizeof(rig_exporters[i].url), "rig+test://%u", i);
        snprintf(rig_exporters[i].endpoint.host, 2, "%u", i);
    }
    if (trc_journal_new(&rig_journal, &config))
        return -1;
    rig_config = (struct trc_reporters_config){
        .journal = rig_journal,
        .exporters = rig_exporters,
        .resource = &rig_resource,
        .flush_interval_ns = 60 * TRC_NS_PER_S,
    };
    return 0;
}

static inline int rig_teardown(void **state) {
    (void)state;
    pthread_mutex_lock(&rig_mutex);
    for (unsigned i = 0; i < RIG_EXPORTERS; i++)
        rig_sinks[i].hang = false;
    pthread_cond_broadcast(&rig_changed);
    pthread_mutex_unlock(&rig_mutex);
    trc_reporters_stop(trc_clock_mono_ns() + RIG_PATIENCE_NS);
    trc_journal_free(rig_journal);
    trc_log_to(NULL);
    return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* Ends one span of worker 0 on a core. Returns whether the reporters are to be woken. */
static inline bool rig_append(unsigned core, uint64_t id, uint16_t status) {
    struct trc_slot *slot = trc_journal_slot(rig_journal, 0, core);
    trc_span_clear(&slot->span);
    slot->span.span_id = id;
    slot->span.status = status;
    trc_slot_open(slot);
    if (!trc_slot_claim(slot))
        __builtin_trap();
    return trc_journal_append_mp(rig_journal, 0, slot);
}

static inline void rig_append_many(uint64_t from, uint64_t to) {
    for (uint64_t id = from; id <= to; id++)
        rig_append(0, id, 200);
}

/* Waits until `condition` holds, which may read sinks and log; fails the test if it does not. */
#define RIG_WAIT(condition)                                                                        \
    do {                                                                                           \
        struct timespec rig_until = timespec_of(trc_clock_mono_ns() + RIG_PATIENCE_NS);            \
        int rig_rc = 0;                                                                            \
        pthread_mutex_lock(&rig_mutex);                                                            \
        while (!(condition) && rig_rc == 0)                                                        \
            rig_rc = pthread_cond_timedwait(&rig_changed, &rig_mutex, &rig_until);                 \
        pthread_mutex_unlock(&rig_mutex);                                                          \
        if (rig_rc)                                                                                \
            fail_msg("waited in vain for: %s", #condition);                                        \
    } while (0)

/* Waits until `condition` holds, which nobody tells us of. */
#define RIG_POLL(condition)                                                                        \
    do {                                                                                           \
        uint64_t rig_until = trc_clock_mono_ns() + RIG_PATIENCE_NS;                                \
        while (!(condition)) {                                                                     \
            if (trc_clock_mono_ns() > rig_until)                                                   \
                fail_msg("waited in vain for: %s", #condition);                                    \
            sched_yield();                                                                         \
        }                                                                                          \
    } while (0)

static inline void rig_set(unsigned *what, unsigned value) {
    pthread_mutex_lock(&rig_mutex);
    *what = value;
    pthread_mutex_unlock(&rig_mutex);
}

static inline void rig_hang(unsigned sink, bool hang) {
    pthread_mutex_lock(&rig_mutex);
    rig_sinks[sink].hang = hang;
    pthread_cond_broadcast(&rig_changed);
    pthread_mutex_unlock(&rig_mutex);
}

/* Waits until a reporter has come to the end of what it was doing and looked anew. */
static inline void rig_settle(unsigned exporter) {
    trc_reporters_wake();
    RIG_POLL(atomic_load(&set.reporter[exporter].rung) == 0);
}

static inline unsigned rig_stop(uint64_t within_ns) {
    return trc_reporters_stop(trc_clock_mono_ns() + within_ns);
}

static inline struct trc_accounts rig_accounts(unsigned exporter) {
    struct trc_accounts a;
    trc_journal_accounts(rig_journal, 0, exporter, &a);
    return a;
}

/* Every span has its place, and messages are numbered without a gap. Only when all is quiet. */
static inline void rig_assert_balanced(void) {
    for (unsigned e = 0; e < RIG_EXPORTERS; e++) {
        struct trc_accounts a = rig_accounts(e);
        assert_int_equal(a.sampled, a.exported + a.failed + a.dropped + a.lost + a.queued);
        assert_int_equal(a.exported + a.rejected, rig_sinks[e].count);
        assert_int_equal(a.batches, rig_sinks[e].messages);
        assert_int_equal(a.bytes, rig_sinks[e].bytes);
        assert_false(rig_sinks[e].gap);
        assert_int_equal(rig_sinks[e].alive, 0); /* given back */
    }
}

/* The sink has exactly the spans from..to, in this order. */
static inline void rig_assert_ids(unsigned sink, uint64_t from, uint64_t to) {
    assert_int_equal(rig_sinks[sink].count, to - from + 1);
    for (uint64_t i = 0; i <= to - from; i++)
        assert_int_equal(rig_sinks[sink].id[i], from + i);
}

#endif
