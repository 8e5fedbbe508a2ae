/* SPDX-License-Identifier: MIT
 *
 * What can be asked of a span that is more than a line.
 */
#include "tracing/span.h"
#include "tracing/context.h"

bool trc_method_known(struct trc_slice m) {
    switch (m.len) {
    case 3:
        return memcmp(m.p, "GET", 3) == 0 || memcmp(m.p, "PUT", 3) == 0;
    case 4:
        return memcmp(m.p, "POST", 4) == 0 || memcmp(m.p, "HEAD", 4) == 0;
    case 5:
        return memcmp(m.p, "PATCH", 5) == 0 || memcmp(m.p, "TRACE", 5) == 0 ||
               memcmp(m.p, "QUERY", 5) == 0;
    case 6:
        return memcmp(m.p, "DELETE", 6) == 0;
    case 7:
        return memcmp(m.p, "OPTIONS", 7) == 0 || memcmp(m.p, "CONNECT", 7) == 0;
    default:
        return false;
    }
}

/* Before each tag and event, at any address. */
struct head {
    uint16_t next; /* offset + 1 of the next one, further on; 0: none */
    uint16_t len;  /* bytes behind the head */
    uint16_t used; /* of them: a tag that was replaced may need less */
    uint8_t kind;  /* enum trc_extra_kind, or GONE */
    uint8_t name_len;
};

#define GONE 0 /* replaced by one further on */

static inline bool is_tag(unsigned kind) {
    return kind == TRC_EXTRA_TAG || kind == TRC_EXTRA_HEADER;
}

/* Do the parts of one fit what it has? */
static bool check_extra(const struct head *head, const char *text) {
    uint16_t lens[2];
    if (head->used > head->len)
        return false;
    switch (head->kind) {
    case GONE:
        return true;
    case TRC_EXTRA_TAG:
    case TRC_EXTRA_HEADER:
        return head->name_len > 0 && head->name_len <= head->used;
    case TRC_EXTRA_LOG:
        return head->used >= sizeof(uint64_t);
    case TRC_EXTRA_EXCEPTION:
        if (head->used < sizeof(uint64_t) + sizeof(lens))
            return false;
        memcpy(lens, text + sizeof(uint64_t), sizeof(lens));
        return sizeof(uint64_t) + sizeof(lens) + lens[0] + lens[1] <= head->used;
    default:
        return false;
    }
}

/* The chain goes up, so it ends and no two of it overlap; it stays inside, and has no more of a
 * kind than there may be. */
static bool check_extras(const struct trc_span *span) {
    unsigned tags = 0, events = 0;
    for (uint32_t place = span->extra_first, next; place; place = next) {
        struct head head;
        if (place - 1 + sizeof(head) > span->arena_len)
            return false;
        memcpy(&head, span->arena + place - 1, sizeof(head));
        next = head.next;
        const uint32_t end = place - 1 + (uint32_t)sizeof(head) + head.len;
        if ((next && next <= end) || end > span->arena_len ||
            !check_extra(&head, span->arena + place - 1 + sizeof(head)))
            return false;
        tags += is_tag(head.kind);
        events += !is_tag(head.kind) && head.kind != GONE;
    }
    return tags <= TRC_SPAN_TAGS_MAX && events <= TRC_SPAN_EVENTS_MAX;
}

bool trc_span_check(const struct trc_span *span, size_t len) {
    if (len < TRC_SPAN_FIXED || len > sizeof(*span) || span->size != len || len % 8 != 0 ||
        span->arena_len > len - TRC_SPAN_FIXED)
        return false;
    /* A span is checked each time it is read: no branch for each string, and offset and length are
     * read as one number, whose halves are the same in either order. */
    uint32_t beyond = 0, both;
    for (unsigned i = 0; i < TRC_STR_COUNT; i++) {
        memcpy(&both, &span->str[i], sizeof(both));
        beyond |= span->arena_len - ((both & 0xffff) + (both >> 16));
    }
    return beyond <= UINT16_MAX /* else one went below zero */ &&
           (__builtin_expect(!span->extra_first, 1) || check_extras(span));
}

/* --- Tags and events ----------------------------------------------------------------------- */

static struct head head_at(const struct trc_span *span, uint16_t place) {
    struct head head;
    memcpy(&head, span->arena + place - 1, sizeof(head));
    return head;
}

/* A text of several parts behind its head. */
struct part {
    const void *p;
    size_t len;
};

static void put_parts(char *at, const struct part *parts, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (parts[i].len) {
            memcpy(at, parts[i].p, parts[i].len);
            at += parts[i].len;
        }
}

/* Puts one at the end of the chain: its bytes, then its share of the arena, then the link. */
static void append(struct trc_span *span, struct head head, const struct part *parts,
                   unsigned count) {
    const uint16_t place = (uint16_t)(span->arena_len + 1);
    char *const at = span->arena + span->arena_len;
    memcpy(at, &head, sizeof(head));
    put_parts(at + sizeof(head), parts, count);
    span->arena_len = (uint16_t)(span->arena_len + sizeof(head) + head.len);
    trc_span_barrier();
    if (span->extra_first)
        memcpy(span->arena + span->extra_last - 1 + offsetof(struct head, next), &place,
               sizeof(place));
    else
        span->extra_first = place;
    trc_span_barrier();
    span->extra_last = place;
}

/* Is there room for one more, among so many? Then it is counted. */
static bool take_room(struct trc_span *span, size_t len, uint8_t *count, unsigned max,
                      uint16_t *bytes, size_t max_bytes) {
    len += sizeof(struct head);
    if (*count == max || len + *bytes > max_bytes || len + span->arena_len > TRC_SPAN_ARENA) {
        span->truncated = 1;
        return false;
    }
    (*count)++;
    *bytes = (uint16_t)(*bytes + len);
    trc_span_barrier();
    return true;
}

/* Where the tag of that name is, or 0. */
static uint16_t find_tag(const struct trc_span *span, struct trc_slice name) {
    for (struct trc_extra x = {.at = 0}; trc_span_extra(span, &x);)
        if (is_tag(x.kind) && trc_slice_equal(x.name, name))
            return x.at;
    return 0;
}

/* Over the one that is there, if its room is enough: what says the same thing again and again must
 * not use the span up. Else that one is none any more. */
static bool replace_tag(struct trc_span *span, uint16_t place, enum trc_extra_kind kind,
                        struct trc_slice value) {
    struct head head = head_at(span, place);
    char *const at = span->arena + place - 1;
    const bool fits = (size_t)head.name_len + value.len <= head.len;
    if (fits) {
        const struct part part = {value.p, value.len};
        put_parts(at + sizeof(head) + head.name_len, &part, 1);
        head.used = (uint16_t)(head.name_len + value.len);
    } else {
        span->tag_count--;
    }
    head.kind = fits ? (uint8_t)kind : GONE;
    memcpy(at, &head, sizeof(head));
    return fits;
}

bool trc_span_add_tag(struct trc_span *span, enum trc_extra_kind kind, struct trc_slice name,
                      struct trc_slice value) {
    const size_t len = name.len + value.len;
    const struct head head = {.len = (uint16_t)len,
                              .used = (uint16_t)len,
                              .kind = (uint8_t)kind,
                              .name_len = (uint8_t)name.len};
    if (name.len == 0 || name.len > UINT8_MAX || value.len > TRC_SPAN_TAG_BYTES) {
        span->truncated = 1;
        return false;
    }
    const uint16_t there = span->tag_count ? find_tag(span, name) : 0;
    if (there && replace_tag(span, there, kind, value))
        return true;
    if (!take_room(span, len, &span->tag_count, TRC_SPAN_TAGS_MAX, &span->tag_bytes,
                   TRC_SPAN_TAG_BYTES))
        return false;
    const struct part parts[] = {{name.p, name.len}, {value.p, value.len}};
    append(span, head, parts, 2);
    return true;
}

static bool add_event(struct trc_span *span, enum trc_extra_kind kind, const struct part *parts,
                      unsigned count) {
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (!take_room(span, len, &span->event_count, TRC_SPAN_EVENTS_MAX, &span->event_bytes,
                   TRC_SPAN_EVENT_BYTES))
        return false;
    append(span, (struct head){.len = (uint16_t)len, .used = (uint16_t)len, .kind = (uint8_t)kind},
           parts, count);
    return true;
}

static struct trc_slice cut(struct trc_span *span, struct trc_slice s, size_t max) {
    if (s.len > max) {
        s.len = max;
        span->truncated = 1;
    }
    return s;
}

bool trc_span_add_log(struct trc_span *span, uint64_t after_ns, struct trc_slice text) {
    text = cut(span, text, TRC_SPAN_LOG_MAX);
    const struct part parts[] = {{&after_ns, sizeof(after_ns)}, {text.p, text.len}};
    return add_event(span, TRC_EXTRA_LOG, parts, 2);
}

bool trc_span_add_exception(struct trc_span *span, uint64_t after_ns, struct trc_slice type,
                            struct trc_slice message, struct trc_slice stack) {
    type = cut(span, type, TRC_SPAN_EXCEPTION_TYPE_MAX);
    message = cut(span, message, TRC_SPAN_EXCEPTION_MESSAGE_MAX);
    if (stack.len > TRC_SPAN_EXCEPTION_STACK_MAX) {
        stack.p += stack.len - TRC_SPAN_EXCEPTION_STACK_MAX;
        stack.len = TRC_SPAN_EXCEPTION_STACK_MAX;
        span->truncated = 1;
    }
    const uint16_t lens[2] = {(uint16_t)type.len, (uint16_t)message.len};
    const struct part parts[] = {{&after_ns, sizeof(after_ns)},
                                 {lens, sizeof(lens)},
                                 {type.p, type.len},
                                 {message.p, message.len},
                                 {stack.p, stack.len}};
    return add_event(span, TRC_EXTRA_EXCEPTION, parts, 5);
}

static struct trc_slice take(const char **p, size_t len) {
    const struct trc_slice s = {*p, len};
    *p += len;
    return s;
}

bool trc_span_extra(const struct trc_span *span, struct trc_extra *x) {
    uint16_t place = x->at ? head_at(span, x->at).next : span->extra_first, lens[2];
    while (place && head_at(span, place).kind == GONE)
        place = head_at(span, place).next;
    if (!place)
        return false;
    const struct head head = head_at(span, place);
    const char *p = span->arena + place - 1 + sizeof(head), *const end = p + head.used;
    *x = (struct trc_extra){.kind = head.kind, .at = place};
    if (is_tag(head.kind)) {
        x->name = take(&p, head.name_len);
        x->value = take(&p, (size_t)(end - p));
        return true;
    }
    memcpy(&x->after_ns, p, sizeof(x->after_ns));
    p += sizeof(x->after_ns);
    if (head.kind == TRC_EXTRA_LOG) {
        x->value = take(&p, (size_t)(end - p));
        return true;
    }
    memcpy(lens, p, sizeof(lens));
    p += sizeof(lens);
    x->type = take(&p, lens[0]);
    x->message = take(&p, lens[1]);
    x->stack = take(&p, (size_t)(end - p));
    return true;
}

bool trc_span_let_go(struct trc_span *span) {
    if (__builtin_expect(!(span->keep & TRC_KEEP_PENDING), 1))
        return false;
    const bool kept = (span->keep & TRC_KEEP_ERRORS && span->error) ||
                      (span->keep & TRC_KEEP_SLOW && span->duration_ns >= span->keep_slow_ns);
    if (kept) {
        span->keep = 0;
        span->sampler_type = TRC_SAMPLER_KEEP;
        span->flags |= TRC_FLAG_SAMPLED;
    }
    return !kept;
}
