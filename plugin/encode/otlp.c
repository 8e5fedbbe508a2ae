/* SPDX-License-Identifier: MIT
 *
 * What is said of a span and, once in a worker's life, of the process: attributes of an OTLP
 * message. Used by otlp_json.c and otlp_protobuf.c.
 */
#include "otlp.h"
#include "resource.h"
#include "tracing/hex.h"

#define UUID_LEN 36

static bool is_field(const struct trc_attribute *a) {
    if (a->key == TRC_ATTR_NAMED)
        return false;
    const struct trc_slice name = trc_attribute_keys[a->key].name;
    return trc_slice_equal(name, TRC_SLICE("span.kind")) ||
           trc_slice_equal(name, TRC_SLICE("error"));
}

unsigned trc_otlp_attributes(const struct trc_span *span, enum trc_semconv semconv,
                             struct trc_attribute *out) {
    const unsigned count = trc_attributes(span, semconv, out);
    unsigned kept = 0;

    if (!(semconv & TRC_SEMCONV_OPENTRACING)) /* whose names these are */
        return count;
    for (unsigned i = 0; i < count; i++)
        if (!is_field(&out[i]))
            out[kept++] = out[i];
    return kept;
}

/* service.instance.id must be a UUID that is the process's own. Ours is client_uuid, which is 64
 * random bits, and as many made of them by splitmix64's finaliser (Steele et al., 2014): version 8
 * of RFC 9562 section 5.8, a UUID of one's own making. So the Jaeger wire's client-uuid can be told
 * from it: its digits are these but for the 13th. */
static void put_uuid(struct trc_buf *b, uint64_t client_uuid) {
    uint64_t low = client_uuid + UINT64_C(0x9e3779b97f4a7c15);
    char digits[32];

    low = (low ^ low >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    low = (low ^ low >> 27) * UINT64_C(0x94d049bb133111eb);
    low ^= low >> 31;
    trc_hex_put16(digits, (client_uuid & ~UINT64_C(0xf000)) | UINT64_C(0x8000));
    trc_hex_put16(digits + 16, (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63);
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            trc_buf_put_byte(b, '-');
        trc_buf_put_byte(b, (uint8_t)digits[i]);
    }
}

static struct trc_otlp_fact string(struct trc_slice key, struct trc_slice value) {
    return (struct trc_otlp_fact){.key = key, .type = TRC_ATTR_STRING, .string = value};
}

void trc_otlp_resource(const struct trc_resource *r,
                       void (*put)(struct trc_buf *to, const struct trc_otlp_fact *fact),
                       struct trc_buf *to) {
    const struct trc_slice service = TRC_SLICE("service.name");
    char text[UUID_LEN];
    struct trc_buf uuid = trc_buf_over(text, sizeof(text));
    put_uuid(&uuid, r->client_uuid);
    const struct trc_otlp_fact facts[] = {
        string(TRC_SLICE("service.instance.id"), trc_buf_slice(&uuid)),
        string(TRC_SLICE("host.name"), r->hostname),
        string(TRC_SLICE("telemetry.sdk.name"), TRC_SLICE("uwsgi-tracing")),
        string(TRC_SLICE("telemetry.sdk.language"), TRC_SLICE("c")),
        string(TRC_SLICE("telemetry.sdk.version"), TRC_SLICE(TRC_VERSION)),
        {.key = TRC_SLICE("process.pid"), .type = TRC_ATTR_INT, .number = r->pid},
    };
    struct trc_otlp_fact fact = string(service, r->service);

    put(to, &fact);
    for (unsigned i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const bool absent = facts[i].type == TRC_ATTR_STRING && !facts[i].string.p;
        if (!absent && !trc_resource_has_tag(r, facts[i].key))
            put(to, &facts[i]);
    }
    for (unsigned i = 0; i < r->tag_count; i++) {
        fact = string(r->tags[i].key, r->tags[i].value);
        if (!trc_slice_equal(fact.key, service))
            put(to, &fact);
    }
}
