/* SPDX-License-Identifier: MIT
 *
 * What every propagation format must hold, asked of each one in the table: its own file of cases,
 * any byte changed to any other, ids that survive the way through any two of them, and all of them
 * switched on at once. A new format needs a file of cases and a line of what it can carry.
 */
#include "format_cases.h"
#include "tracing/tracer.h"

static struct trc_baggage baggage;
static struct trc_injection injection;

/* --- In ---------------------------------------------------------------------------------------
 */

/* What the tracer does with a format's carrier. */
static int read_carrier(const struct trc_format *format, const struct trc_carrier *carrier,
                        struct trc_extracted *ex) {
    int rc = -ENOENT;
    trc_baggage_clear(&baggage);
    memset(ex, 0, sizeof(*ex));
    if (format->extract)
        rc = format->extract(carrier, ex);
    if (rc != -EINVAL && format->baggage)
        format->baggage(carrier, &baggage);
    return rc;
}

static void assert_slice(struct trc_slice got, struct trc_slice want) {
    assert_int_equal(got.p != NULL, want.p != NULL);
    assert_int_equal(got.len, want.len);
    if (got.len)
        assert_memory_equal(got.p, want.p, got.len);
}

static void assert_untouched_when_malformed(const struct format_case *c) {
    struct trc_extracted ex, before;
    memset(&before, 0xee, sizeof(before));
    memset(&ex, 0xee, sizeof(ex));
    if (c->format->extract && c->format->extract(&c->carrier, &ex) == -EINVAL)
        assert_memory_equal(&ex, &before, sizeof(ex));
}

static void assert_answer(struct format_case *c) {
    struct trc_extracted ex;
    print_message("%s\n", c->where);
    assert_int_equal(read_carrier(c->format, &c->carrier, &ex), c->rc);
    assert_int_equal(ex.context.trace_hi, c->want.context.trace_hi);
    assert_int_equal(ex.context.trace_lo, c->want.context.trace_lo);
    assert_int_equal(ex.context.span_id, c->want.context.span_id);
    assert_int_equal(ex.context.parent_id, c->want.context.parent_id);
    assert_int_equal(ex.context.flags, c->want.context.flags);
    assert_slice(ex.state, c->want.state);
    assert_slice(ex.debug_id, c->want.debug_id);
    assert_slice(ex.original.key, c->want.original.key);
    assert_slice(ex.original.value, c->want.original.value);
    assert_int_equal(baggage.count, c->items);
    assert_int_equal(baggage.truncated, c->truncated);
    for (unsigned i = 0; i < c->listed; i++) {
        struct trc_slice key, value;
        trc_baggage_at(&baggage, i, &key, &value);
        assert_slice(key, c->item[i].key);
        assert_slice(value, c->item[i].value);
    }
    assert_untouched_when_malformed(c);
}

static void reads_what_its_cases_say(void **state) {
    (void)state;
    for (unsigned i = 0; trc_formats[i]; i++)
        format_cases(trc_formats[i], assert_answer);
}

/* Whatever came in, what goes out can stand in a header and names our span. */
static void assert_harmless(const struct format_case *c) {
    static const struct trc_context ours = {1, 2, 3, 4, TRC_FLAG_SAMPLED};
    struct trc_extracted ex;
    int rc = read_carrier(c->format, &c->carrier, &ex);
    assert_true(rc == 0 || rc == -ENOENT || rc == -EINVAL);
    trc_injection_clear(&injection);
    const struct trc_outgoing what = {&ours, &baggage, rc == 0 ? c->format : NULL};
    case_inject(c->format, &what, &c->carrier, 0, &injection);
    for (unsigned i = 0; i < injection.count; i++)
        for (size_t k = 0; k < injection.item[i].value.len; k++) {
            char byte = injection.item[i].value.p[k];
            assert_true((byte >= 0x20 && byte < 0x7f) || byte == '\t');
        }
}

/* The value in lane `lane`, with each byte as every other and cut at each place. */
static void change(struct format_case *c, unsigned lane, struct trc_slice *value) {
    const size_t len = value->len;
    char *p = (char *)(uintptr_t)value->p;
    char whole[256];
    if (len > sizeof(whole)) /* takes too long, and is a list of what others have one of */
        return;
    if (len)
        memcpy(whole, p, len);
    for (size_t i = 0; i < len; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            p[i] = (char)byte;
            assert_harmless(c);
        }
        p[i] = whole[i];
    }
    for (size_t cut = 0; cut < len; cut++) {
        *value = (struct trc_slice){guarded(lane, whole, cut), cut};
        assert_harmless(c);
        assert_untouched_when_malformed(c);
    }
    *value = (struct trc_slice){guarded(lane, whole, len), len};
}

static void change_each(struct format_case *c) {
    unsigned headers = 0;
    for (; c->format->headers[headers]; headers++)
        if (c->value[headers].p)
            change(c, headers, &c->value[headers]);
    for (unsigned i = 0; i < c->carrier.prefixed_count; i++)
        change(c, headers + i, &c->prefixed[i].value);
}

static void survives_every_byte_and_cut(void **state) {
    (void)state;
    for (unsigned i = 0; trc_formats[i]; i++)
        format_cases(trc_formats[i], change_each);
}

/* --- From one to the other --------------------------------------------------------------------
 */

/* What gets lost on the way, beside what is in the name of a format: all of them carry ids of 128
 * and 64 bits, and the decision. */
static const struct {
    const char *format;
    uint8_t flags; /* that it can carry */
} carries[] = {
    {"jaeger", TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG},        /* no random flag */
    {"tracecontext", TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM}, /* no debug */
    {"b3", TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG},
    {"b3multi", TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG},
    {"gcp", TRC_FLAG_SAMPLED},
    {"xray", TRC_FLAG_SAMPLED},
    {"eagleeye", TRC_FLAG_SAMPLED},
};

static uint8_t flags_of(const struct trc_format *format) {
    for (unsigned i = 0; i < sizeof(carries) / sizeof(carries[0]); i++)
        if (strcmp(carries[i].format, format->name) == 0)
            return carries[i].flags;
    fail_msg("what can %s carry?", format->name);
    return 0;
}

/* Tells *context by `format` and has it read that. */
static struct trc_context through(const struct trc_format *format,
                                  const struct trc_context *context,
                                  const struct trc_format *from) {
    static struct trc_injection out;
    struct trc_slice none[CASE_HEADERS] = {{NULL, 0}}, value[CASE_HEADERS] = {{NULL, 0}};
    struct trc_carrier nothing = {.value = none}, carrier = {.value = value};
    struct trc_extracted ex = {0};
    trc_baggage_clear(&baggage);
    trc_injection_clear(&out);
    format->inject(&(struct trc_outgoing){context, &baggage, from}, &nothing, 0, &out);
    assert_false(out.overflow);
    for (unsigned i = 0; i < out.count; i++)
        value[out.item[i].header] = out.item[i].value;
    assert_int_equal(format->extract(&carrier, &ex), 0);
    return ex.context;
}

static void assert_survives(const struct trc_format *a, const struct trc_format *b,
                            const struct trc_context *context) {
    const uint8_t by_a = context->flags & flags_of(a), by_both = by_a & flags_of(b);
    struct trc_context c = through(a, context, NULL);
    assert_int_equal(c.flags, by_a);
    c = through(b, &c, a);
    assert_int_equal(c.trace_hi, context->trace_hi);
    assert_int_equal(c.trace_lo, context->trace_lo);
    assert_int_equal(c.span_id, context->span_id);
    assert_int_equal(c.flags, by_both);
}

static void ids_survive_each_pair(void **state) {
    (void)state;
    static const uint8_t flags[] = {0, TRC_FLAG_SAMPLED, TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG,
                                    TRC_FLAG_SAMPLED | TRC_FLAG_RANDOM};
    for (unsigned a = 0; trc_formats[a]; a++)
        for (unsigned b = 0; trc_formats[b]; b++)
            for (unsigned f = 0; f < sizeof(flags); f++) {
                struct trc_context c = {0x0af7651916cd43dd, 0x8448eb211c80319c, 0xb7ad6b7169203331,
                                        0, flags[f]};
                if (!trc_formats[a]->extract || !trc_formats[b]->extract)
                    continue;
                print_message("%s to %s\n", trc_formats[a]->name, trc_formats[b]->name);
                assert_survives(trc_formats[a], trc_formats[b], &c);
                c.trace_hi = 0;
                assert_survives(trc_formats[a], trc_formats[b], &c);
            }
}

/* --- All at once ------------------------------------------------------------------------------
 */

/* The set of names finds a bucket for each header of each format, beside the tracer's own. */
static void all_can_be_switched_on(void **state) {
    (void)state;
    static struct trc_tracer tracer;
    const struct trc_format *inject[TRC_FORMATS_MAX + 1] = {NULL};
    unsigned count = 0;
    for (; trc_formats[count]; count++)
        inject[count] = trc_formats[count];
    inject[count] = &trc_format_variables;
    assert_int_equal(trc_tracer_init(&tracer, trc_formats, inject), 0);
    assert_int_equal(tracer.extract_count, count);
    assert_int_equal(tracer.inject_count, count + 1);
    for (unsigned i = 0; i <= count; i++)
        for (unsigned h = 0; inject[i]->headers[h]; h++)
            assert_int_equal(
                trc_names_find(&tracer.names, inject[i]->headers[h], strlen(inject[i]->headers[h])),
                tracer.inject[i].base + (int)h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_its_cases_say),
        cmocka_unit_test(survives_every_byte_and_cut),
        cmocka_unit_test(ids_survive_each_pair),
        cmocka_unit_test(all_can_be_switched_on),
    };
    return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
