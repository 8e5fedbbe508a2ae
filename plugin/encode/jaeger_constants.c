/* SPDX-License-Identifier: MIT
 *
 * The bytes of a Jaeger message that never change, written once by Thrift's c_glib library. Used by
 * jaeger.c.
 */
#include "jaeger_internal.h"
#include <errno.h>
#include <stdlib.h>

/* TagType of jaeger.thrift, and the field of Tag that holds each type's value. */
static const struct {
    int32_t tag_type;
    const char *name;
    int16_t field;
    ThriftType thrift;
} tag_types[] = {
    [TRC_ATTR_STRING] = {0, "vStr", 3, T_STRING},
    [TRC_ATTR_DOUBLE] = {1, "vDouble", 4, T_DOUBLE},
    [TRC_ATTR_BOOL] = {2, "vBool", 5, T_BOOL},
    [TRC_ATTR_INT] = {3, "vLong", 6, T_I64},
};

static void value(struct trc_thrift_writer *w, const struct trc_jaeger_tag *tag) {
    switch (tag->type) {
    case TRC_ATTR_STRING:
        trc_thrift_string(w, tag->s);
        break;
    case TRC_ATTR_INT:
        trc_thrift_i64(w, tag->i);
        break;
    case TRC_ATTR_BOOL:
        trc_thrift_bool(w, tag->i != 0);
        break;
    case TRC_ATTR_DOUBLE:
        trc_thrift_double(w, tag->d);
        break;
    }
}

/* struct Tag {1: key, 2: vType, 3...6: the value} */
static void tag_write(struct trc_thrift_writer *w, const struct trc_jaeger_tag *tag) {
    trc_thrift_struct_begin(w, "Tag");
    trc_thrift_field_begin(w, "key", T_STRING, 1);
    trc_thrift_string(w, tag->key);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "vType", T_I32, 2);
    trc_thrift_i32(w, tag_types[tag->type].tag_type);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, tag_types[tag->type].name, tag_types[tag->type].thrift,
                           tag_types[tag->type].field);
    value(w, tag);
    trc_thrift_field_end(w);
    trc_thrift_struct_end(w);
}

/* The places where a message is cut. */
struct cuts {
    size_t seqid, after_seqid, spans, end, kind, lead_end;
};

/* struct Batch {1: Process {1: serviceName, 2: tags}, 2: spans}, with no spans. */
static void batch_write(struct trc_thrift_writer *w, const struct trc_jaeger_setup *setup,
                        struct cuts *cuts) {
    trc_thrift_struct_begin(w, "Batch");
    trc_thrift_field_begin(w, "process", T_STRUCT, 1);
    trc_thrift_struct_begin(w, "Process");
    trc_thrift_field_begin(w, "serviceName", T_STRING, 1);
    trc_thrift_string(w, setup->service);
    trc_thrift_field_end(w);
    if (setup->process_count > 0) {
        trc_thrift_field_begin(w, "tags", T_LIST, 2);
        trc_thrift_list_begin(w, setup->process_count);
        for (unsigned i = 0; i < setup->process_count; i++)
            tag_write(w, &setup->process[i]);
        trc_thrift_list_end(w);
        trc_thrift_field_end(w);
    }
    trc_thrift_struct_end(w);
    trc_thrift_field_end(w);
    trc_thrift_field_begin(w, "spans", T_LIST, 2);
    cuts->spans = w->bytes->len;
    trc_thrift_list_begin(w, 0);
    trc_thrift_list_end(w);
    trc_thrift_field_end(w);
    trc_thrift_struct_end(w);
}

/* emitBatch: message, args struct {1: Batch}. */
static void message_write(struct trc_thrift_writer *w, const struct trc_jaeger_setup *setup,
                          struct cuts *cuts) {
    trc_thrift_message_begin(w, "emitBatch");
    /* Compact: protocol id, version and type, seqid (a varint: one byte for 0), name.
     * Binary: version and type, name, seqid (four bytes). */
    cuts->seqid = setup->compact ? 2 : w->bytes->len - 4;
    cuts->after_seqid = cuts->seqid + (setup->compact ? 1 : 4);

    trc_thrift_struct_begin(w, "Agent_emitBatch_args");
    trc_thrift_field_begin(w, "batch", T_STRUCT, 1);
    batch_write(w, setup, cuts);
    trc_thrift_field_end(w);
    trc_thrift_struct_end(w);
    trc_thrift_message_end(w);
}

/* A whole tag without a value, cut before it. What follows the cut is the shortest value and the
 * stop byte of the Tag. A compact bool is its field's header, which therefore belongs to the value.
 */
static void prefix_write(struct trc_thrift_writer *w, const struct trc_attribute_key *key,
                         bool compact, struct trc_thrift_prefix *prefix) {
    static const size_t cut_binary[] = {[TRC_ATTR_STRING] = 4 + 1,
                                        [TRC_ATTR_INT] = 8 + 1, /* an empty string is its length */
                                        [TRC_ATTR_BOOL] = 1 + 1,
                                        [TRC_ATTR_DOUBLE] = 8 + 1};
    static const size_t cut_compact[] = {[TRC_ATTR_STRING] = 1 + 1,
                                         [TRC_ATTR_INT] = 1 + 1, /* varints of 0 */
                                         [TRC_ATTR_BOOL] = 1 + 1,
                                         [TRC_ATTR_DOUBLE] = 8 + 1};
    const struct trc_jaeger_tag tag = {.key = key->name, .type = key->type};
    const size_t start = w->bytes->len;

    tag_write(w, &tag);
    trc_thrift_prefix_take(w, start, (compact ? cut_compact : cut_binary)[key->type], key->type,
                           prefix);
}

/* Makes *c out of what *w has written: the message up to cuts->end, then the lead. */
static int take(struct trc_jaeger_constants *c, const struct trc_thrift_writer *w,
                const struct cuts *cuts, unsigned lead_count) {
    c->bytes = malloc(cuts->lead_end);
    if (!c->bytes)
        return -ENOMEM;
    memcpy(c->bytes, w->bytes->data, cuts->lead_end);
    c->open = (struct trc_slice){c->bytes, cuts->seqid};
    c->head = (struct trc_slice){c->bytes + cuts->after_seqid, cuts->spans - cuts->after_seqid};
    c->server.bytes = (struct trc_slice){c->bytes + cuts->end, cuts->lead_end - cuts->end};
    c->server.count = lead_count;
    c->internal.bytes = (struct trc_slice){c->bytes + cuts->end, cuts->kind - cuts->end};
    c->internal.count = lead_count ? lead_count - 1 : 0;
    return 0;
}

int trc_jaeger_constants_init(struct trc_jaeger_constants *c,
                              const struct trc_jaeger_setup *setup) {
    struct trc_thrift_writer w;
    struct cuts cuts = {0};

    memset(c, 0, sizeof(*c));
    if (setup->key_count > TRC_ATTR_KEYS_MAX)
        return -E2BIG;
    trc_thrift_writer_init(&w, setup->compact);
    if (setup->bare)
        batch_write(&w, setup, &cuts);
    else
        message_write(&w, setup, &cuts);
    cuts.end = cuts.kind = w.bytes->len;
    for (unsigned i = 0; i < setup->lead_count; i++) {
        cuts.kind = w.bytes->len;
        tag_write(&w, &setup->lead[i]);
    }
    cuts.lead_end = w.bytes->len;
    for (unsigned i = 0; w.rc == 0 && i < setup->key_count; i++)
        prefix_write(&w, &setup->keys[i], setup->compact, &c->prefix[i]);
    if (w.rc == 0)
        w.rc = take(c, &w, &cuts, setup->lead_count);
    trc_thrift_writer_fini(&w);
    return w.rc;
}

void trc_jaeger_constants_fini(struct trc_jaeger_constants *c) {
    free(c->bytes);
    c->bytes = NULL;
}
