/* SPDX-License-Identifier: MIT
 *
 * Thrift's c_glib library, less its error handling: the first error is kept, and the caller looks
 * once at the end. Used by the makers of the Thrift encoders.
 */
#include "thrift_write.h"
#include "tracing/utf8.h"
#include <errno.h>
#include <stdlib.h>
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/protocol/thrift_compact_protocol.h>
#include <thrift/c_glib/transport/thrift_memory_buffer.h>

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

void trc_thrift_writer_init(struct trc_thrift_writer *w, bool compact) {
    *w = (struct trc_thrift_writer){.bytes = g_byte_array_new()};
    w->memory = g_object_new(trc_memory_buffer_get_type(), "buf", w->bytes, "owner", FALSE, NULL);
    w->protocol = g_object_new(compact ? THRIFT_TYPE_COMPACT_PROTOCOL : THRIFT_TYPE_BINARY_PROTOCOL,
                               "transport", w->memory, NULL);
}

void trc_thrift_writer_fini(struct trc_thrift_writer *w) {
    g_object_unref(w->protocol);
    g_object_unref(w->memory);
    g_byte_array_unref(w->bytes);
}

static void check(struct trc_thrift_writer *w, gint32 written) {
    if (written < 0 && w->rc == 0)
        w->rc = -EIO;
    g_clear_error(&w->error);
}

void trc_thrift_message_begin(struct trc_thrift_writer *w, const char *name) {
    check(w, thrift_protocol_write_message_begin(w->protocol, name, T_ONEWAY, 0, &w->error));
}

void trc_thrift_message_end(struct trc_thrift_writer *w) {
    check(w, thrift_protocol_write_message_end(w->protocol, &w->error));
}

void trc_thrift_struct_begin(struct trc_thrift_writer *w, const char *name) {
    check(w, thrift_protocol_write_struct_begin(w->protocol, name, &w->error));
}

void trc_thrift_struct_end(struct trc_thrift_writer *w) {
    check(w, thrift_protocol_write_field_stop(w->protocol, &w->error));
    check(w, thrift_protocol_write_struct_end(w->protocol, &w->error));
}

void trc_thrift_field_begin(struct trc_thrift_writer *w, const char *name, ThriftType type,
                            int16_t id) {
    check(w, thrift_protocol_write_field_begin(w->protocol, name, type, id, &w->error));
}

void trc_thrift_field_end(struct trc_thrift_writer *w) {
    check(w, thrift_protocol_write_field_end(w->protocol, &w->error));
}

void trc_thrift_list_begin(struct trc_thrift_writer *w, unsigned count) {
    check(w, thrift_protocol_write_list_begin(w->protocol, T_STRUCT, count, &w->error));
}

void trc_thrift_list_end(struct trc_thrift_writer *w) {
    check(w, thrift_protocol_write_list_end(w->protocol, &w->error));
}

void trc_thrift_bool(struct trc_thrift_writer *w, bool b) {
    check(w, thrift_protocol_write_bool(w->protocol, b, &w->error));
}

void trc_thrift_i16(struct trc_thrift_writer *w, int16_t i) {
    check(w, thrift_protocol_write_i16(w->protocol, i, &w->error));
}

void trc_thrift_i32(struct trc_thrift_writer *w, int32_t i) {
    check(w, thrift_protocol_write_i32(w->protocol, i, &w->error));
}

void trc_thrift_i64(struct trc_thrift_writer *w, int64_t i) {
    check(w, thrift_protocol_write_i64(w->protocol, i, &w->error));
}

void trc_thrift_double(struct trc_thrift_writer *w, double d) {
    check(w, thrift_protocol_write_double(w->protocol, d, &w->error));
}

void trc_thrift_binary(struct trc_thrift_writer *w, const void *p, size_t len) {
    check(w, thrift_protocol_write_binary(w->protocol, (gpointer)p, (guint32)len, &w->error));
}

/* As Thrift `binary`, which is the same on the wire but takes a length. */
void trc_thrift_string(struct trc_thrift_writer *w, struct trc_slice s) {
    const size_t cap = 3 * s.len + 1;
    char *p = malloc(cap);

    if (!p) {
        w->rc = -ENOMEM;
        return;
    }
    struct trc_buf b = trc_buf_over(p, cap);
    trc_utf8_put(&b, s);
    trc_thrift_binary(w, b.p, b.len);
    free(p);
}

void trc_thrift_prefix_take(struct trc_thrift_writer *w, size_t start, size_t cut,
                            enum trc_attribute_type type, struct trc_thrift_prefix *prefix) {
    const size_t len = w->bytes->len - start - cut;

    if (w->rc == 0 && len > sizeof(prefix->bytes))
        w->rc = -E2BIG;
    if (w->rc != 0)
        return;
    memcpy(prefix->bytes, w->bytes->data + start, len);
    prefix->len = (uint8_t)len;
    prefix->type = (uint8_t)type;
}
