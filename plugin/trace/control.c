/* SPDX-License-Identifier: MIT
 *
 * Control in shared memory: copied by requests, replaced by whoever switches.
 *
 * Publishers take turns by a robust mutex, which the kernel takes from the dead; what a dead one
 * left is a copy that is not in force. It is a lock with a deadline, because the master is one of
 * them and must not wait for a process that was stopped. Readers take none: a copy is written over
 * only when it is COPIES publications old, and who was that slow to read one notices and reads
 * again.
 *
 * A copy is words that are atomic, because a reader may be that slow.
 */
#include "tracing/control.h"
#include "limit.h"
#include "tracing/robust.h"
#include <errno.h>
#include <sys/mman.h>

#define COPIES 8u
#define WAIT_NS (100 * TRC_NS_PER_MS)

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

_Static_assert(sizeof(struct trc_control_state) % 8 == 0 && sizeof(struct trc_rules) % 8 == 0,
               "copied by words");
_Static_assert(offsetof(struct trc_control_state, now) == 0, "a request copies the first words");

struct trc_control {
    _Atomic uint64_t word; /* twice the number of publications, and TRC_CONTROL_ON */
    _Alignas(64) _Atomic uint64_t flushes;
    _Atomic uint64_t *account;
    pthread_mutex_t turn;
    struct trc_file_version version; /* the last one that was looked at; by turns */
    struct trc_rules configured;     /* written once */
    _Alignas(64) _Atomic uint64_t copy[COPIES][WORDS(struct trc_control_state)];
};

const struct trc_slice trc_setting_names[TRC_SETTING_COUNT] = {
    [TRC_SETTING_ENABLED] = TRC_SLICE("enabled"),
    [TRC_SETTING_SAMPLER] = TRC_SLICE("sampler"),
    [TRC_SETTING_EXCLUDE] = TRC_SLICE("exclude"),
};

const struct trc_slice trc_changer_names[TRC_CHANGER_COUNT] = {
    [TRC_CHANGER_OPTION] = TRC_SLICE("option"),
    [TRC_CHANGER_FILE] = TRC_SLICE("tracing-control"),
    [TRC_CHANGER_FIFO] = TRC_SLICE("fifo"),
    [TRC_CHANGER_RPC] = TRC_SLICE("rpc"),
};

/* --- Reading ------------------------------------------------------------------------------- */

/* Acquire and release, so that whoever reads a word of a later publication sees the one before. */
static uint64_t read_words(const struct trc_control *c, void *to, size_t words) {
    uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire), before, value;
    do {
        const _Atomic uint64_t *copy = c->copy[(word >> 1) % COPIES];
        before = word;
        for (size_t i = 0; i < words; i++) {
            value = atomic_load_explicit(&copy[i], memory_order_acquire);
            memcpy((char *)to + i * sizeof(value), &value, sizeof(value));
        }
        word = atomic_load_explicit(&c->word, memory_order_acquire);
        /* The next one but COPIES - 2 being out, this copy may be written to. */
    } while (__builtin_expect((word >> 1) - (before >> 1) >= COPIES - 1, 0));
    return before;
}

void trc_control_read(const struct trc_control *c, struct trc_control_state *out) {
    (void)read_words(c, out, WORDS(*out));
}

__attribute__((cold, noinline)) void trc_control_copy(const struct trc_control *c,
                                                      struct trc_core_rules *own) {
    own->word = read_words(c, &own->now, WORDS(own->now));
}

const _Atomic uint64_t *trc_control_word(const struct trc_control *c) {
    return &c->word;
}

/* --- Publishing ---------------------------------------------------------------------------- */

static int take_turn(struct trc_control *c) {
    return trc_robust_lock(&c->turn,
                           WAIT_NS); /* whatever a dead one left, what is in force is whole */
}

static void end_turn(struct trc_control *c) {
    trc_robust_unlock(&c->turn);
}

/* Puts *state in force. By turns. */
static void publish(struct trc_control *c, const struct trc_control_state *state) {
    uint64_t next = (atomic_load(&c->word) >> 1) + 1, value;
    _Atomic uint64_t *copy = c->copy[next % COPIES];
    for (size_t i = 0; i < WORDS(*state); i++) {
        memcpy(&value, (const char *)state + i * sizeof(value), sizeof(value));
        atomic_store_explicit(&copy[i], value, memory_order_release);
    }
    atomic_store(&c->word, next << 1 | (state->now.enabled ? TRC_CONTROL_ON : 0));
}

/* As far ahead of the clock as the account can be under the new limit. */
static void forgive(const struct trc_control *c, const struct trc_sampler *sampler) {
    uint64_t top = trc_clock_mono_ns() + sampler->limit.burst_ns + sampler->limit.cost_ns;
    uint64_t level = atomic_load(c->account);
    while (sampler->type == TRC_SAMPLER_RATELIMITING && level > top &&
           !atomic_compare_exchange_weak(c->account, &level, top))
        ;
}

static bool same_sampler(const struct trc_sampler *a, const struct trc_sampler *b) {
    return a->type == b->type && a->param == b->param; /* there is one remote, the configured */
}

static bool same_exclude(const struct trc_exclude *a, const struct trc_exclude *b) {
    size_t len = a->count ? a->pattern[a->count - 1].end : 0;
    return a->count == b->count &&
           memcmp(a->pattern, b->pattern, a->count * sizeof(a->pattern[0])) == 0 &&
           memcmp(a->text, b->text, len) == 0;
}

/* Returns which of the settings in `settings` are another in *to. */
static unsigned differing(const struct trc_rules *now, const struct trc_rules *to,
                          unsigned settings) {
    unsigned set = 0;
    set |= (unsigned)(now->enabled != to->enabled) << TRC_SETTING_ENABLED;
    set |= (unsigned)!same_sampler(&now->sampler, &to->sampler) << TRC_SETTING_SAMPLER;
    set |= (unsigned)!same_exclude(&now->exclude, &to->exclude) << TRC_SETTING_EXCLUDE;
    return set & settings;
}

static void put(struct trc_rules *rules, const struct trc_rules *from, unsigned settings) {
    if (settings & 1u << TRC_SETTING_ENABLED)
        rules->enabled = from->enabled;
    if (settings & 1u << TRC_SETTING_SAMPLER)
        rules->sampler = from->sampler;
    if (settings & 1u << TRC_SETTING_EXCLUDE)
        rules->exclude = from->exclude;
}

/* By turns. Returns the settings that are another now. */
static unsigned apply(struct trc_control *c, struct trc_control_state *state,
                      const struct trc_rules *to, unsigned settings, enum trc_changer by) {
    unsigned changed = differing(&state->now, to, settings);
    uint64_t at = trc_clock_unix_ns();
    put(&state->before, &state->now, changed);
    put(&state->now, to, changed);
    for (unsigned s = 0; s < TRC_SETTING_COUNT; s++) {
        if (!(changed & 1u << s))
            continue;
        state->change[s].by = by;
        state->change[s].at_unix_ns = at;
    }
    if (changed)
        publish(c, state);
    if (changed & 1u << TRC_SETTING_SAMPLER)
        forgive(c, &to->sampler);
    return changed;
}

/* --- Switching ----------------------------------------------------------------------------- */

int trc_control_apply(struct trc_control *c, const struct trc_change *change, enum trc_changer by,
                      unsigned *changed) {
    struct trc_control_state state;
    int rc = take_turn(c);
    if (rc)
        return rc;
    trc_control_read(c, &state);
    unsigned set = apply(c, &state, &change->to, change->settings, by);
    end_turn(c);
    if (changed)
        *changed = set;
    return 0;
}

int trc_control_toggle(struct trc_control *c, enum trc_changer by, bool *on) {
    struct trc_control_state state;
    int rc = take_turn(c);
    if (rc)
        return rc;
    trc_control_read(c, &state);
    const struct trc_rules to = {.enabled = !state.now.enabled};
    apply(c, &state, &to, 1u << TRC_SETTING_ENABLED, by);
    end_turn(c);
    *on = to.enabled;
    return 0;
}

int trc_control_reset(struct trc_control *c, enum trc_changer by, unsigned *changed) {
    const struct trc_change change = {(1u << TRC_SETTING_COUNT) - 1, c->configured};
    return trc_control_apply(c, &change, by, changed);
}

int trc_control_apply_version(struct trc_control *c, const struct trc_file_version *version,
                              const struct trc_change *change, unsigned *changed) {
    struct trc_control_state state;
    int rc = take_turn(c);
    if (rc)
        return rc;
    *changed = 0;
    if (memcmp(&c->version, version, sizeof(*version)) == 0) {
        rc = -EALREADY;
    } else if (change) {
        trc_control_read(c, &state);
        *changed = apply(c, &state, &change->to, change->settings, TRC_CHANGER_FILE);
    }
    c->version = *version; /* last: who dies before leaves the version to another */
    end_turn(c);
    return rc;
}

const struct trc_rules *trc_control_configured(const struct trc_control *c) {
    return &c->configured;
}

void trc_control_flush(struct trc_control *c) {
    atomic_fetch_add(&c->flushes, 1);
}

uint64_t trc_control_flushes(const struct trc_control *c) {
    return atomic_load(&c->flushes);
}

/* --- The mapping --------------------------------------------------------------------------- */

int trc_control_new(struct trc_control **out, const struct trc_rules *configured,
                    _Atomic uint64_t *account) {
    struct trc_control *c =
        mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return -errno;
    int rc = trc_robust_init(&c->turn);
    if (rc) {
        trc_control_free(c);
        return rc;
    }
    const struct trc_control_state state = {.now = *configured, .before = *configured};
    c->configured = *configured;
    c->account = account;
    publish(c, &state);
    *out = c;
    return 0;
}

void trc_control_free(struct trc_control *c) {
    if (c)
        munmap(c, sizeof(*c));
}
