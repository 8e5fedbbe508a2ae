/* SPDX-License-Identifier: MIT
 *
 * Strategies in shared memory: decided by on the request path, replaced by a poller.
 *
 * An operation is found by a hash of its name alone. The hash has 64 bits and a random key, so that
 * nobody can make up names that meet; if two did, one would have the probability of the other.
 * Names would have to be bounded and compared, and are not missed.
 *
 * The accounts of the operations lie in the copies and move with them, at a publication, by their
 * hashes: one that is level is as good as a new one and is left behind, so that names that come no
 * more take no room. A trace that is charged to the old copy in between is not charged: the promise
 * is "at least". The account of the rate limiter, which promises "at most", is in one place.
 *
 * Everything that a publication writes is atomic, because a request may be reading it: one that
 * slept since the publication before. It finds that `generation` has changed and reads again. If it
 * had claimed a slot by then, or charges an account just after, that is one name or one trace more
 * in a copy that lives until the next publication, and no harm.
 */
#include "tracing/strategies.h"
#include "hash.h"
#include "limit.h"
#include "tracing/robust.h"
#include <errno.h>
#include <sys/mman.h>

#define SLOTS 4096u /* twice as many as operations: probes are few */
#define PROBES 128u /* an operation that finds no slot by then has no account */

/* An operation. */
struct slot {
    _Atomic uint64_t hash;  /* 0: free */
    _Atomic uint64_t level; /* account of its lower bound */
    _Atomic uint64_t above; /* boundary of its probability, plus 1; 0: not listed */
    _Atomic double param;   /* its probability */
};

struct copy {
    _Atomic uint32_t type;     /* enum trc_sampler_type */
    _Atomic uint32_t used;     /* slots */
    _Atomic double param;      /* as struct trc_strategy's */
    _Atomic uint64_t boundary; /* of param, if that is a probability */
    _Atomic uint64_t cost_ns;  /* of the rate, or of the lower bound... */
    _Atomic uint64_t burst_ns; /* ...as struct trc_limit */
    struct slot slot[SLOTS];
};

struct trc_strategies {
    uint64_t key;
    struct trc_poll poll;
    _Alignas(64) _Atomic uint32_t generation; /* counts publications; its low bit is the copy in
                                                 force */
    _Alignas(64) _Atomic uint64_t account;    /* of the rate limiter */
    struct copy copy[2];
};

/* What one decision needs to know, all of it from one publication. */
struct rule {
    enum trc_sampler_type type;
    uint64_t boundary;
    double param;
    struct trc_limit limit;
    _Atomic uint64_t *account; /* NULL: none */
};

/* Acquire and release, so that whoever reads a value of a later publication sees its generation. */
#define GET(field) atomic_load_explicit(&(field), memory_order_acquire)
#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_release)

/* The slot of an operation, or NULL. `claim`: if it has none, one that is free. */
static struct slot *find(struct copy *c, uint64_t hash, bool claim) {
    for (unsigned i = 0; i < PROBES; i++) {
        struct slot *slot = &c->slot[(hash + i) % SLOTS];
        uint64_t there = GET(slot->hash);
        if (there == 0) {
            if (!claim || GET(c->used) >= TRC_OPERATIONS_MAX)
                return NULL;
            if (atomic_compare_exchange_strong(&slot->hash, &there, hash)) {
                atomic_fetch_add(&c->used, 1);
                return slot;
            }
        }
        if (there == hash)
            return slot;
    }
    return NULL;
}

/* --- Deciding ------------------------------------------------------------------------------ */

static void read_operation(struct trc_strategies *s, struct copy *c, struct trc_slice name,
                           struct rule *r) {
    struct slot *slot = find(c, trc_hash_of(s->key, name), r->limit.cost_ns != 0);
    r->account = slot ? &slot->level : NULL;
    uint64_t above = slot ? GET(slot->above) : 0;
    if (above) {
        r->boundary = above - 1;
        r->param = GET(slot->param);
    }
}

static void read_rule(struct trc_strategies *s, struct trc_slice operation, struct rule *r) {
    uint32_t generation = GET(s->generation), before;
    do {
        struct copy *c = &s->copy[generation & 1];
        before = generation;
        r->type = GET(c->type);
        r->boundary = GET(c->boundary);
        r->param = GET(c->param);
        r->limit.cost_ns = GET(c->cost_ns);
        r->limit.burst_ns = GET(c->burst_ns);
        r->account = &s->account;
        if (r->type == TRC_SAMPLER_LOWERBOUND)
            read_operation(s, c, operation, r);
        generation = GET(s->generation);
    } while (__builtin_expect(generation != before, 0));
}

bool trc_strategies_decide(struct trc_strategies *s, uint64_t trace_lo, struct trc_slice operation,
                           uint64_t mono_ns, struct trc_decision *by) {
    struct rule r;
    read_rule(s, operation, &r);
    bool probable = r.type != TRC_SAMPLER_RATELIMITING && trc_probable(r.boundary, trace_lo);
    /* As Go's guaranteed throughput: what the probability takes counts for the lower bound, too. */
    bool spent = r.type != TRC_SAMPLER_PROBABILISTIC && r.account &&
                 trc_limit_spend(r.limit, r.account, mono_ns);
    by->type = probable ? TRC_SAMPLER_PROBABILISTIC : r.type;
    by->param = r.param;
    return probable || spent;
}

/* --- Publishing ---------------------------------------------------------------------------- */

/* As far ahead of the clock as an account can be under its new limit: a debt made under a lower
 * rate would else last for as long as that would have taken. */
static uint64_t highest(struct trc_limit limit, uint64_t mono_ns) {
    return mono_ns + limit.burst_ns + limit.cost_ns;
}

static void lower(_Atomic uint64_t *account, uint64_t to) {
    uint64_t level = atomic_load(account);
    while (level > to && !atomic_compare_exchange_weak(account, &level, to))
        ;
}

static void clear(struct copy *c) {
    for (unsigned i = 0; i < SLOTS; i++) {
        SET(c->slot[i].hash, 0);
        SET(c->slot[i].level, 0);
        SET(c->slot[i].above, 0);
        SET(c->slot[i].param, 0);
    }
    SET(c->used, 0);
}

static void put_operations(struct trc_strategies *s, struct copy *c,
                           const struct trc_strategy *strategy) {
    for (size_t i = 0; i < strategy->operation_count; i++) {
        const struct trc_operation *o = &strategy->operation[i];
        struct slot *slot = find(c, trc_hash_of(s->key, o->name), true);
        if (!slot)
            continue;
        SET(slot->param, o->probability);
        SET(slot->above, trc_boundary_of(o->probability) + 1);
    }
}

/* Accounts that are not level, of operations that are listed or not. */
static void move_accounts(struct copy *from, struct copy *to, struct trc_limit limit,
                          uint64_t mono_ns) {
    uint64_t top = highest(limit, mono_ns);
    for (unsigned i = 0; limit.cost_ns && i < SLOTS; i++) {
        uint64_t hash = GET(from->slot[i].hash), level = GET(from->slot[i].level);
        struct slot *slot = hash && level > mono_ns ? find(to, hash, true) : NULL;
        if (slot)
            SET(slot->level, level < top ? level : top);
    }
}

void trc_strategies_publish(struct trc_strategies *s, const struct trc_strategy *strategy,
                            uint64_t mono_ns) {
    uint32_t generation = GET(s->generation);
    struct copy *old = &s->copy[generation & 1], *c = &s->copy[(generation + 1) & 1];
    bool rate = strategy->type == TRC_SAMPLER_RATELIMITING;
    bool operations = strategy->type == TRC_SAMPLER_LOWERBOUND;
    struct trc_limit limit = trc_limit_of(rate         ? strategy->param
                                          : operations ? strategy->lower_bound
                                                       : 0);
    clear(c);
    SET(c->type, strategy->type);
    SET(c->param, strategy->param);
    SET(c->boundary, rate ? 0 : trc_boundary_of(strategy->param));
    SET(c->cost_ns, limit.cost_ns);
    SET(c->burst_ns, limit.burst_ns);
    if (rate)
        lower(&s->account, highest(limit, mono_ns));
    if (operations) {
        put_operations(s, c, strategy);
        move_accounts(old, c, limit, mono_ns);
    }
    atomic_store(&s->generation, generation + 1);
}

/* --- The mapping --------------------------------------------------------------------------- */

int trc_strategies_new(struct trc_strategies **out, double probability) {
    struct trc_strategies *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return -errno;
    int rc = trc_random_bytes(&s->key, sizeof(s->key));
    if (rc == 0)
        rc = trc_robust_init(&s->poll.lease);
    if (rc) {
        trc_strategies_free(s);
        return rc;
    }
    const struct trc_strategy initial = {.type = TRC_SAMPLER_PROBABILISTIC, .param = probability};
    trc_strategies_publish(s, &initial, 0);
    *out = s;
    return 0;
}

void trc_strategies_free(struct trc_strategies *s) {
    if (s)
        munmap(s, sizeof(*s));
}

struct trc_poll *trc_strategies_poll(struct trc_strategies *s) {
    return &s->poll;
}
