/* SPDX-License-Identifier: MIT
 *
 * The settings that say which requests are traced, whose context is continued and passed on, and
 * what a span says.
 */
#include "maker.h"
#include "tracing/clock.h"
#include "tracing/values.h"
#include <errno.h>

int trc_maker_sampler(struct trc_maker *m, struct trc_slice text) {
    int rc = trc_sampler_parse(text, &m->out->sampler);
    m->no_memory |= rc == -ENOMEM;
    return rc ? trc_maker_refuse(m, TRC_SAMPLER_ALLOWED) : 0;
}

static int keep_slow(struct trc_maker *m, struct trc_slice text) {
    uint64_t ns;
    if (trc_parse_duration(text, &ns) || ns < TRC_NS_PER_MS || ns > TRC_NS_PER_S * 3600)
        return -EINVAL;
    m->out->keep |= TRC_KEEP_SLOW;
    m->out->keep_slow_ns = ns;
    return 0;
}

int trc_maker_keep(struct trc_maker *m, struct trc_slice text) {
    static const struct trc_slice slow = TRC_SLICE("slow:");
    struct trc_slice rest = text, item;
    int rc = 0;
    m->out->keep = 0;
    m->out->keep_slow_ns = 0;
    while (rc == 0 && !trc_slice_equal(text, TRC_SLICE("none")) &&
           trc_slice_next(&rest, ',', &item)) {
        if (trc_slice_equal(item, TRC_SLICE("errors")))
            m->out->keep |= TRC_KEEP_ERRORS;
        else if (item.len > slow.len && memcmp(item.p, slow.p, slow.len) == 0)
            rc = keep_slow(m, (struct trc_slice){item.p + slow.len, item.len - slow.len});
        else
            rc = -EINVAL;
    }
    return rc ? trc_maker_refuse(m,
                                 "none, or a list of errors and slow:T with a T of 1ms to 60m, "
                                 "as in errors,slow:500ms")
              : 0;
}

int trc_maker_exclude(struct trc_maker *m, struct trc_slice text) {
    return trc_exclude_add(&m->out->exclude, text) ? trc_maker_refuse(m, TRC_EXCLUDE_ALLOWED) : 0;
}

static bool contains(const struct trc_format *const *list, const struct trc_format *format) {
    while (*list && *list != format)
        list++;
    return *list != NULL;
}

static int set_formats(struct trc_maker *m, struct trc_slice text, const struct trc_format **list) {
    unsigned count = 0;
    struct trc_slice rest = text, item;
    list[0] = NULL;
    while (!trc_slice_equal(text, TRC_SLICE("none")) && trc_slice_next(&rest, ',', &item)) {
        const struct trc_format *f = trc_format_find(item);
        if (f && contains(list, f))
            continue;
        if (!f || count == TRC_LIST_MAX) {
            char names[TRC_ERROR_TEXT_MAX / 2] = "none or a list of:";
            for (unsigned i = 0; trc_formats[i]; i++) {
                strncat(names, " ", sizeof(names) - strlen(names) - 1);
                strncat(names, trc_formats[i]->name, sizeof(names) - strlen(names) - 1);
            }
            return trc_maker_refuse(m, names);
        }
        list[count++] = f;
        list[count] = NULL;
    }
    return 0;
}

int trc_maker_extract(struct trc_maker *m, struct trc_slice text) {
    return set_formats(m, text, m->out->extract);
}

int trc_maker_inject(struct trc_maker *m, struct trc_slice text) {
    return set_formats(m, text, m->out->inject);
}

int trc_maker_trust(struct trc_maker *m, struct trc_slice text) {
    return trc_trust_parse(text, &m->out->trust) ? trc_maker_refuse(m, TRC_TRUST_ALLOWED) : 0;
}

int trc_maker_response_headers(struct trc_maker *m, struct trc_slice text) {
    struct trc_slice rest = text, item;
    unsigned set = 0;
    while (!trc_slice_equal(text, TRC_SLICE("none")) && trc_slice_next(&rest, ',', &item)) {
        int header = trc_response_find(item);
        if (header < 0)
            return trc_maker_refuse(m,
                                    "none or a list of: uber-trace-id traceresponse "
                                    "server-timing x-trace-id");
        set |= 1u << header;
    }
    m->out->response_headers = set;
    return 0;
}

int trc_maker_baggage_tag(struct trc_maker *m, struct trc_slice text) {
    struct trc_settings *s = m->out;
    if (text.len == 0 || text.len > UINT8_MAX || s->baggage_tag_count == TRC_BAGGAGE_TAGS_MAX)
        return trc_maker_refuse(m, "1 to 255 bytes, and at most 8 of them");
    s->baggage_tag[s->baggage_tag_count++] = text;
    return 0;
}

static int capture(struct trc_maker *m, enum trc_direction direction, struct trc_slice text) {
    unsigned *count = &m->out->capture_count[direction];
    int rc = *count < TRC_CAPTURES_MAX
                 ? trc_capture_make(text, direction, &m->out->capture[direction][*count])
                 : -EINVAL;
    m->no_memory |= rc == -ENOMEM;
    if (rc)
        return trc_maker_refuse(m, "name of a header, of at most 64 bytes, and 16 of them");
    (*count)++;
    return 0;
}

int trc_maker_capture_request(struct trc_maker *m, struct trc_slice text) {
    return capture(m, TRC_REQUEST, text);
}

int trc_maker_capture_response(struct trc_maker *m, struct trc_slice text) {
    return capture(m, TRC_RESPONSE, text);
}

int trc_maker_variables(struct trc_maker *m, struct trc_slice text) {
    bool wanted;
    if (trc_maker_bool(m, text, &wanted))
        return -EINVAL;
    unsigned count = 0;
    while (m->out->inject[count])
        count++;
    if (wanted)
        m->out->inject[count++] = &trc_format_variables;
    m->out->inject[count] = NULL;
    return 0;
}

int trc_maker_operation(struct trc_maker *m, struct trc_slice text) {
    return trc_template_parse(text, &m->out->operation) ? trc_maker_refuse(m, TRC_TEMPLATE_ALLOWED)
                                                        : 0;
}

int trc_maker_query(struct trc_maker *m, struct trc_slice text) {
    if (trc_slice_equal(text, TRC_SLICE("scrub")))
        m->out->query = TRC_QUERY_SCRUB;
    else if (trc_slice_equal(text, TRC_SLICE("drop")))
        m->out->query = TRC_QUERY_DROP;
    else if (trc_slice_equal(text, TRC_SLICE("keep")))
        m->out->query = TRC_QUERY_KEEP;
    else
        return trc_maker_refuse(m, "scrub, drop or keep");
    return 0;
}

int trc_maker_client_ip(struct trc_maker *m, struct trc_slice text) {
    return trc_client_parse(text, &m->out->client) ? trc_maker_refuse(m, TRC_CLIENT_ALLOWED) : 0;
}

int trc_maker_semconv(struct trc_maker *m, struct trc_slice text) {
    if (trc_slice_equal(text, TRC_SLICE("http")))
        m->semconv = TRC_SEMCONV_HTTP;
    else if (trc_slice_equal(text, TRC_SLICE("http/dup")))
        m->semconv = TRC_SEMCONV_HTTP_DUP;
    else if (trc_slice_equal(text, TRC_SLICE("opentracing")))
        m->semconv = TRC_SEMCONV_OPENTRACING;
    else
        return trc_maker_refuse(m, "http, http/dup or opentracing");
    m->semconv_set = true;
    return 0;
}
