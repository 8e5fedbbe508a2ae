/* SPDX-License-Identifier: MIT
 *
 * The bytes of a Zipkin message that never change, written once by Thrift's c_glib library. Used by
 * zipkin_thrift.c.
 */
#include "resource.h"
#include "tracing/version.h"
#include "zipkin_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

bool trc_zipkin_address_parse(struct trc_slice text, struct trc_zipkin_address *out) {
    char s[INET6_ADDRSTRLEN];
    struct in6_addr ipv6;
    struct in_addr ipv4;

    if (text.len == 0 || text.len >= sizeof(s))
        return false;
    memcpy(s, text.p, text.len);
    s[text.len] = '\0';
    if (inet_pton(AF_INET, s, &ipv4) == 1) {
        *out = (struct trc_zipkin_address){.ipv4 = ntohl(ipv4.s_addr)};
        return true;
    }
    if (inet_pton(AF_INET6, s, &ipv6) != 1)
        return false;
    *out = (struct trc_zipkin_address){.is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&ipv6)};
    memcpy(out->ipv6, &ipv6, 16);
    if (!out->is_ipv6)
        out->ipv4 = (uint32_t)out->ipv6[12] << 24 | (uint32_t)out->ipv6[13] << 16 |
                    (uint32_t)out->ipv6[14] << 8 | out->ipv6[15];
    return true;
}

/* Where each constant begins and ends in what the writer has written. */
struct cuts {
    size_t seqid, after_seqid, list, sr, ss, peer, local, lead, component, end;
};

static void endpoint_write(struct trc_thrift_writer *w, const struct trc_zipkin_address *address,
                           struct trc_slice service) {
    trc_thrift_struct_begin(w, "Endpoint");
    trc_thrift_field_begin(w, "ipv4", T_I32, 1);
    trc_thrift_i32(w, (int32_t)address->ipv4);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "port", T_I16, 2);
    trc_thrift_i16(w, 0); /* a process may listen on many */
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "service_name", T_STRING, 3);
    trc_thrift_string(w, service);
    trc_thrift_field_end(w);
    if (address->is_ipv6) {
        trc_thrift_field_begin(w, "ipv6", T_STRING, 4);
        trc_thrift_binary(w, address->ipv6, sizeof(address->ipv6));
        trc_thrift_field_end(w);
    }
    trc_thrift_struct_end(w);
}

/* An Annotation at time 0. Returns where what follows its time begins. */
static size_t annotation_write(struct trc_thrift_writer *w, struct trc_slice value,
                               const struct trc_zipkin_address *address, struct trc_slice service) {
    trc_thrift_struct_begin(w, "Annotation");
    trc_thrift_field_begin(w, "timestamp", T_I64, 1);
    trc_thrift_i64(w, 0);
    trc_thrift_field_end(w);
    const size_t after = w->bytes->len;
    trc_thrift_field_begin(w, "value", T_STRING, 2);
    trc_thrift_string(w, value);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "host", T_STRUCT, 3);
    endpoint_write(w, address, service);
    trc_thrift_field_end(w);
    trc_thrift_struct_end(w);
    return after;
}

/* A BinaryAnnotation; `host`: at this address, of this service. */
static void binary_annotation_write(struct trc_thrift_writer *w, struct trc_slice key,
                                    struct trc_slice value, int type,
                                    const struct trc_zipkin_address *host,
                                    struct trc_slice service) {
    trc_thrift_struct_begin(w, "BinaryAnnotation");
    trc_thrift_field_begin(w, "key", T_STRING, 1);
    trc_thrift_string(w, key);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "value", T_STRING, 2);
    if (type == TRC_ZIPKIN_STRING)
        trc_thrift_string(w, value);
    else
        trc_thrift_binary(w, value.p, value.len);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "annotation_type", T_I32, 3);
    trc_thrift_i32(w, type);
    trc_thrift_field_end(w);
    if (host) {
        trc_thrift_field_begin(w, "host", T_STRUCT, 4);
        endpoint_write(w, host, service);
        trc_thrift_field_end(w);
    }
    trc_thrift_struct_end(w);
}

static void string_write(struct trc_thrift_writer *w, struct trc_slice key, struct trc_slice value,
                         unsigned *count) {
    binary_annotation_write(w, key, value, TRC_ZIPKIN_STRING, NULL, TRC_SLICE(""));
    ++*count;
}

/* What every span says: of the process, and those attributes that are constant. These are the first
 * of any span. But span.kind: a receiver knows it from sr and ss, and adds it. */
static void lead_write(struct trc_thrift_writer *w, const struct trc_encoder_config *config,
                       struct trc_zipkin_constants *c, struct cuts *cuts) {
    const struct trc_resource *r = config->resource;
    const struct trc_slice hostname = TRC_SLICE("hostname"), kind = TRC_SLICE("span.kind");
    struct trc_attribute list[TRC_ATTR_MAX];
    struct trc_span empty;
    unsigned count = 0, i = 0;

    if (!trc_resource_has_tag(r, TRC_SLICE("jaeger.version")))
        string_write(w, TRC_SLICE("jaeger.version"), TRC_SLICE("uwsgi-tracing-" TRC_VERSION),
                     &count);
    if (r->hostname.p && !trc_resource_has_tag(r, hostname))
        string_write(w, TRC_SLICE("jaeger.hostname"), r->hostname, &count);
    for (const struct trc_tag *tag = r->tags; tag < r->tags + r->tag_count; tag++)
        string_write(w,
                     trc_slice_equal(tag->key, hostname) ? TRC_SLICE("jaeger.hostname") : tag->key,
                     tag->value, &count);

    cuts->component = w->bytes->len;
    const unsigned before = count;
    trc_span_clear(&empty);
    const unsigned attributes = trc_attributes(&empty, config->semconv, list);
    for (; i < attributes && trc_attribute_keys[list[i].key].constant.p; i++) {
        const struct trc_attribute_key *key = &trc_attribute_keys[list[i].key];
        if (!trc_slice_equal(key->name, kind))
            string_write(w, key->name, key->constant, &count);
    }
    c->lead_skip = i;
    c->lead_count = count;
    c->component_count = count - before;
}

/* A whole binary annotation of the type, cut before its value: for a string before its length. */
static void prefix_write(struct trc_thrift_writer *w, const struct trc_attribute_key *key,
                         struct trc_thrift_prefix *prefix) {
    static const struct {
        int type;
        struct trc_slice value;
        size_t cut;
    } kinds[] = {
        [TRC_ATTR_STRING] = {TRC_ZIPKIN_STRING, {"", 0}, 1 + TRC_ZIPKIN_ANNOTATION_END},
        [TRC_ATTR_INT] = {TRC_ZIPKIN_I64, {"\0\0\0\0\0\0\0", 8}, 8 + TRC_ZIPKIN_ANNOTATION_END},
        [TRC_ATTR_BOOL] = {TRC_ZIPKIN_BOOL, {"", 1}, 1 + TRC_ZIPKIN_ANNOTATION_END},
        [TRC_ATTR_DOUBLE] = {
            TRC_ZIPKIN_DOUBLE, {"\0\0\0\0\0\0\0", 8}, 8 + TRC_ZIPKIN_ANNOTATION_END}};
    const size_t start = w->bytes->len;

    binary_annotation_write(w, key->name, kinds[key->type].value, kinds[key->type].type, NULL,
                            TRC_SLICE(""));
    trc_thrift_prefix_take(w, start, kinds[key->type].cut, key->type, prefix);
}

/* emitZipkinBatch without spans, an annotation of each kind, and what the values of `ca` follow. */
static void message_write(struct trc_thrift_writer *w, const struct trc_resource *r,
                          struct cuts *cuts) {
    const struct trc_zipkin_address nowhere = {0};
    struct trc_zipkin_address host = nowhere;

    (void)trc_zipkin_address_parse(r->ip, &host);
    trc_thrift_message_begin(w, "emitZipkinBatch");
    cuts->seqid = 2; /* protocol id, version and type, seqid (a varint: one byte for 0), name */
    cuts->after_seqid = 3;
    trc_thrift_struct_begin(w, "Agent_emitZipkinBatch_args");
    trc_thrift_field_begin(w, "spans", T_LIST, 1);
    cuts->list = w->bytes->len;
    trc_thrift_list_begin(w, 0);
    trc_thrift_list_end(w);
    trc_thrift_field_end(w);
    trc_thrift_struct_end(w);
    trc_thrift_message_end(w);

    cuts->sr = annotation_write(w, TRC_SLICE("sr"), &host, r->service);
    cuts->ss = annotation_write(w, TRC_SLICE("ss"), &host, r->service);
    cuts->peer = w->bytes->len;
    binary_annotation_write(w, TRC_SLICE("ca"), TRC_SLICE("\1"), TRC_ZIPKIN_BOOL, &nowhere,
                            TRC_SLICE(""));
    cuts->local = w->bytes->len;
    binary_annotation_write(w, TRC_SLICE("lc"), TRC_SLICE("uwsgi"), TRC_ZIPKIN_STRING, &host,
                            r->service);
    cuts->lead = w->bytes->len;
}

/* Makes *c out of what *w has written. */
static int take(struct trc_zipkin_constants *c, const struct trc_thrift_writer *w,
                const struct cuts *cuts) {
    const size_t time = 2;    /* the field of an Annotation's time, and 0 */
    const size_t address = 7; /* an Endpoint of zeros behind its first header; two stops */

    c->bytes = malloc(cuts->end);
    if (!c->bytes)
        return -ENOMEM;
    memcpy(c->bytes, w->bytes->data, cuts->end);
    c->open = (struct trc_slice){c->bytes, cuts->seqid};
    c->head = (struct trc_slice){c->bytes + cuts->after_seqid, cuts->list - cuts->after_seqid};
    c->sr = (struct trc_slice){c->bytes + cuts->sr, cuts->ss - time - cuts->sr};
    c->ss = (struct trc_slice){c->bytes + cuts->ss, cuts->peer - cuts->ss};
    c->peer = (struct trc_slice){c->bytes + cuts->peer, cuts->local - address - cuts->peer};
    c->local = (struct trc_slice){c->bytes + cuts->local, cuts->lead - cuts->local};
    c->lead = (struct trc_slice){c->bytes + cuts->lead, cuts->end - cuts->lead};
    c->component_len = cuts->end - cuts->component;
    return 0;
}

int trc_zipkin_constants_init(struct trc_zipkin_constants *c,
                              const struct trc_encoder_config *config) {
    struct trc_thrift_writer w;
    struct cuts cuts;

    memset(c, 0, sizeof(*c));
    trc_thrift_writer_init(&w, true);
    message_write(&w, config->resource, &cuts);
    lead_write(&w, config, c, &cuts);
    cuts.end = w.bytes->len;
    for (unsigned i = 0; w.rc == 0 && i < trc_attribute_key_count; i++)
        prefix_write(&w, &trc_attribute_keys[i], &c->prefix[i]);
    if (w.rc == 0)
        w.rc = take(c, &w, &cuts);
    trc_thrift_writer_fini(&w);
    return w.rc;
}

void trc_zipkin_constants_fini(struct trc_zipkin_constants *c) {
    free(c->bytes);
    c->bytes = NULL;
}
