/* SPDX-License-Identifier: MIT
 *
 * The bytes of a Jaeger message that never change, written once by Thrift's c_glib library. Used by
 * jaeger.c.
 *
 * Each piece is cut out of something whole: a complete message without spans, a complete tag with
 * an empty value. So the library sees only calls in their order, and the cut is where a value would
 * begin. c_glib takes 2 to 3 us to write one span, and g_malloc's aborting at out of memory:
 * reasons not to call it again later.
 */
#include "jaeger_internal.h"
#include "tracing/utf8.h"
#include <errno.h>
#include <stdlib.h>
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/protocol/thrift_compact_protocol.h>
#include <thrift/c_glib/transport/thrift_memory_buffer.h>

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

/* c_glib's memory buffer without its leak: its finalize (0.17 and later) does not go on to
 * GObject's, which frees what g_object_unref attached. That it is called twice would do no harm. */
typedef ThriftMemoryBuffer TrcMemoryBuffer;
typedef ThriftMemoryBufferClass TrcMemoryBufferClass;
static GType trc_memory_buffer_get_type(void);
G_DEFINE_TYPE(TrcMemoryBuffer, trc_memory_buffer, THRIFT_TYPE_MEMORY_BUFFER)

static void trc_memory_buffer_finalize(GObject *object) {
    GObjectClass *base = g_type_class_peek(G_TYPE_OBJECT);

    G_OBJECT_CLASS(trc_memory_buffer_parent_class)->finalize(object);
    base->finalize(object);
}

static void trc_memory_buffer_class_init(TrcMemoryBufferClass *class) {
    G_OBJECT_CLASS(class)->finalize = trc_memory_buffer_finalize;
}

static void trc_memory_buffer_init(TrcMemoryBuffer *memory) {
    (void)memory;
}

struct writer {
    ThriftProtocol *protocol;
    GByteArray *bytes; /* everything written so far */
    GError *error;
    int rc; /* 0, or the first error: what is written after it is thrown away */
};

static void check(struct writer *w, gint32 written) {
    if (written < 0 && w->rc == 0)
        w->rc = -EIO;
    g_clear_error(&w->error);
}

static void field_begin(struct writer *w, const char *name, ThriftType type, int16_t id) {
    check(w, thrift_protocol_write_field_begin(w->protocol, name, type, id, &w->error));
}

static void field_end(struct writer *w) {
    check(w, thrift_protocol_write_field_end(w->protocol, &w->error));
}

static void struct_begin(struct writer *w, const char *name) {
    check(w, thrift_protocol_write_struct_begin(w->protocol, name, &w->error));
}

static void struct_end(struct writer *w) {
    check(w, thrift_protocol_write_field_stop(w->protocol, &w->error));
    check(w, thrift_protocol_write_struct_end(w->protocol, &w->error));
}

static void list_begin(struct writer *w, unsigned count) {
    check(w, thrift_protocol_write_list_begin(w->protocol, T_STRUCT, count, &w->error));
}

static void list_end(struct writer *w) {
    check(w, thrift_protocol_write_list_end(w->protocol, &w->error));
}

/* A string made UTF-8. As Thrift `binary`, which is the same on the wire but takes a length. */
static void string(struct writer *w, struct trc_slice s) {
    const size_t cap = 3 * s.len + 1;
    char *p = malloc(cap);

    if (!p) {
        w->rc = -ENOMEM;
        return;
    }
    struct trc_buf b = trc_buf_over(p, cap);
    trc_utf8_put(&b, s);
    check(w, thrift_protocol_write_binary(w->protocol, b.p, (guint32)b.len, &w->error));
    free(p);
}

static void value(struct writer *w, const struct trc_jaeger_tag *tag) {
    switch (tag->type) {
    case TRC_ATTR_STRING:
        string(w, tag->s);
        break;
    case TRC_ATTR_INT:
        check(w, thrift_protocol_write_i64(w->protocol, tag->i, &w->error));
        break;
    case TRC_ATTR_BOOL:
        check(w, thrift_protocol_write_bool(w->protocol, tag->i != 0, &w->error));
        break;
    case TRC_ATTR_DOUBLE:
        check(w, thrift_protocol_write_double(w->protocol, tag->d, &w->error));
        break;
    }
}

/* struct Tag {1: key, 2: vType, 3...6: the value} */
static void tag_write(struct writer *w, const struct trc_jaeger_tag *tag) {
    struct_begin(w, "Tag");
    field_begin(w, "key", T_STRING, 1);
    string(w, tag->key);
    field_end(w);
    field_begin(w, "vType", T_I32, 2);
    check(w, thrift_protocol_write_i32(w->protocol, tag_types[tag->type].tag_type, &w->error));
    field_end(w);
    field_begin(w, tag_types[tag->type].name, tag_types[tag->type].thrift,
                tag_types[tag->type].field);
    value(w, tag);
    field_end(w);
    struct_end(w);
}

/* The places where a message is cut. */
struct cuts {
    size_t seqid, after_seqid, spans, end;
};

/* emitBatch with a Process and no spans: message, args struct {1: Batch {1: Process, 2: spans}}. */
static void message_write(struct writer *w, const struct trc_jaeger_setup *setup,
                          struct cuts *cuts) {
    check(w, thrift_protocol_write_message_begin(w->protocol, "emitBatch", T_ONEWAY, 0, &w->error));
    /* Compact: protocol id, version and type, seqid (a varint: one byte for 0), name.
     * Binary: version and type, name, seqid (four bytes). */
    cuts->seqid = setup->compact ? 2 : w->bytes->len - 4;
    cuts->after_seqid = cuts->seqid + (setup->compact ? 1 : 4);

    struct_begin(w, "Agent_emitBatch_args");
    field_begin(w, "batch", T_STRUCT, 1);
    struct_begin(w, "Batch");
    field_begin(w, "process", T_STRUCT, 1);
    struct_begin(w, "Process");
    field_begin(w, "serviceName", T_STRING, 1);
    string(w, setup->service);
    field_end(w);
    if (setup->process_count > 0) {
        field_begin(w, "tags", T_LIST, 2);
        list_begin(w, setup->process_count);
        for (unsigned i = 0; i < setup->process_count; i++)
            tag_write(w, &setup->process[i]);
        list_end(w);
        field_end(w);
    }
    struct_end(w);
    field_end(w);
    field_begin(w, "spans", T_LIST, 2);
    cuts->spans = w->bytes->len;
    list_begin(w, 0);
    list_end(w);
    field_end(w);
    struct_end(w);
    field_end(w);
    struct_end(w);
    check(w, thrift_protocol_write_message_end(w->protocol, &w->error));
    cuts->end = w->bytes->len;
}

/* A whole tag without a value, cut before it. What follows the cut is the shortest value and the
 * stop byte of the Tag. A compact bool is its field's header, which therefore belongs to the value.
 */
static void prefix_write(struct writer *w, const struct trc_attribute_key *key, bool compact,
                         struct trc_jaeger_prefix *prefix) {
    static const size_t cut_binary[] = {[TRC_ATTR_STRING] = 4 + 1,
                                        [TRC_ATTR_INT] = 8 + 1, /* an empty string is its length */
                                        [TRC_ATTR_BOOL] = 1 + 1,
                                        [TRC_ATTR_DOUBLE] = 8 + 1};
    static const size_t cut_compact[] = {[TRC_ATTR_STRING] = 1 + 1,
                                         [TRC_ATTR_INT] = 1 + 1, /* varints of 0 */
                                         [TRC_ATTR_BOOL] = 1 + 1,
                                         [TRC_ATTR_DOUBLE] = 8 + 1};
    const struct trc_jaeger_tag tag = {.key = key->name, .type = key->type};
    const size_t cut = (compact ? cut_compact : cut_binary)[key->type];
    const size_t start = w->bytes->len;

    tag_write(w, &tag);
    const size_t len = w->bytes->len - start;
    if (w->rc == 0 && len - cut > sizeof(prefix->bytes))
        w->rc = -E2BIG;
    if (w->rc != 0)
        return;
    memcpy(prefix->bytes, w->bytes->data + start, len - cut);
    prefix->len = (uint8_t)(len - cut);
    prefix->type = (uint8_t)key->type;
}

/* Makes *c out of what *w has written: the message up to cuts->end, then the lead. */
static int take(struct trc_jaeger_constants *c, const struct writer *w, const struct cuts *cuts,
                size_t lead_len) {
    const size_t len = cuts->end + lead_len;

    c->bytes = malloc(len);
    if (!c->bytes)
        return -ENOMEM;
    memcpy(c->bytes, w->bytes->data, len);
    c->open = (struct trc_slice){c->bytes, cuts->seqid};
    c->head = (struct trc_slice){c->bytes + cuts->after_seqid, cuts->spans - cuts->after_seqid};
    c->lead = (struct trc_slice){c->bytes + cuts->end, lead_len};
    return 0;
}

int trc_jaeger_constants_init(struct trc_jaeger_constants *c,
                              const struct trc_jaeger_setup *setup) {
    struct writer w = {0};
    struct cuts cuts = {0};

    memset(c, 0, sizeof(*c));
    if (setup->key_count > TRC_ATTR_KEYS_MAX)
        return -E2BIG;
    w.bytes = g_byte_array_new();
    ThriftTransport *memory =
        g_object_new(trc_memory_buffer_get_type(), "buf", w.bytes, "owner", FALSE, NULL);
    w.protocol =
        g_object_new(setup->compact ? THRIFT_TYPE_COMPACT_PROTOCOL : THRIFT_TYPE_BINARY_PROTOCOL,
                     "transport", memory, NULL);

    c->lead_count = setup->lead_count;
    message_write(&w, setup, &cuts);
    for (unsigned i = 0; i < setup->lead_count; i++)
        tag_write(&w, &setup->lead[i]);
    const size_t lead_len = w.bytes->len - cuts.end;
    for (unsigned i = 0; w.rc == 0 && i < setup->key_count; i++)
        prefix_write(&w, &setup->keys[i], setup->compact, &c->prefix[i]);
    if (w.rc == 0)
        w.rc = take(c, &w, &cuts, lead_len);

    g_object_unref(w.protocol);
    g_object_unref(memory);
    g_byte_array_unref(w.bytes);
    return w.rc;
}

void trc_jaeger_constants_fini(struct trc_jaeger_constants *c) {
    free(c->bytes);
    c->bytes = NULL;
}
