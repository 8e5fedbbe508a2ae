/* SPDX-License-Identifier: MIT
 *
 * Thrift's generated c_glib types as the tests' decoder, and their writer as a second opinion.
 */
#ifndef TRACING_TESTS_THRIFT_READ_H
#define TRACING_TESTS_THRIFT_READ_H

#include "agent_types.h"
#include "tracing/span.h"
#include "tracing/utf8.h"
#include "zipkin_zipkincore_types.h"
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/protocol/thrift_compact_protocol.h>
#include <thrift/c_glib/transport/thrift_memory_buffer.h>

/* Neither c_glib's memory buffer nor the types it generates go on to GObject's finalize, and leak
 * 48 bytes an object. Mended for the test's process, so that a leak of ours is seen. */
static struct {
    GType type;
    void (*finalize)(GObject *object);
} thrift_mended[16];

static void thrift_mended_finalize(GObject *object) {
    GObjectClass *base = g_type_class_peek(G_TYPE_OBJECT);

    for (unsigned i = 0; thrift_mended[i].type; i++)
        if (thrift_mended[i].type == G_OBJECT_TYPE(object))
            thrift_mended[i].finalize(object);
    base->finalize(object);
}

static void thrift_mend(const GType *types, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        GObjectClass *class = g_type_class_ref(types[i]); /* for good */
        thrift_mended[i].type = types[i];
        thrift_mended[i].finalize = class->finalize;
        class->finalize = thrift_mended_finalize;
    }
}

/* A memory buffer to read from: the library's own moves all its bytes at each read of one, and
 * loops for ever at the end of a message that is cut. */
typedef struct {
    ThriftMemoryBuffer parent;
    guint at;
} Reader;
typedef struct {
    ThriftMemoryBufferClass parent;
} ReaderClass;
GType reader_get_type(void);
G_DEFINE_TYPE(Reader, reader, THRIFT_TYPE_MEMORY_BUFFER)

static gint32 reader_read(ThriftTransport *transport, gpointer out, guint32 len, GError **error) {
    Reader *r = (Reader *)transport;

    if (len > r->parent.buf->len - r->at) {
        g_set_error(error, THRIFT_TRANSPORT_ERROR, THRIFT_TRANSPORT_ERROR_RECEIVE, "cut");
        return -1;
    }
    memcpy(out, r->parent.buf->data + r->at, len);
    r->at += len;
    return (gint32)len;
}

static void reader_class_init(ReaderClass *class) {
    THRIFT_TRANSPORT_CLASS(class)->read = reader_read;
}

static void reader_init(Reader *r) {
    r->at = 0;
}

/* Once, before anything is read. */
static inline void thrift_read_setup(void) {
    const GType types[] = {TYPE_TAG,
                           TYPE_SPAN_REF,
                           TYPE_LOG,
                           TYPE_SPAN,
                           TYPE_PROCESS,
                           TYPE_CLIENT_STATS,
                           TYPE_BATCH,
                           TYPE_AGENT_EMIT_BATCH_ARGS,
                           ZIPKIN_TYPE_ENDPOINT,
                           ZIPKIN_TYPE_ANNOTATION,
                           ZIPKIN_TYPE_BINARY_ANNOTATION,
                           ZIPKIN_TYPE_SPAN,
                           ZIPKIN_TYPE_AGENT_EMIT_ZIPKIN_BATCH_ARGS,
                           reader_get_type()};
    _Static_assert(sizeof(types) / sizeof(types[0]) < 16, "no room in thrift_mended");
    thrift_mend(types, sizeof(types) / sizeof(types[0]));
}

struct thrift_io {
    GByteArray *bytes;
    Reader *memory;
    ThriftProtocol *protocol;
};

static inline struct thrift_io thrift_io_open(bool compact, struct trc_slice content) {
    struct thrift_io io;

    io.bytes = g_byte_array_new();
    if (content.len)
        g_byte_array_append(io.bytes, (const guint8 *)content.p, (guint)content.len);
    io.memory = g_object_new(reader_get_type(), "buf", io.bytes, "owner", FALSE, NULL);
    io.protocol = g_object_new(compact ? THRIFT_TYPE_COMPACT_PROTOCOL : THRIFT_TYPE_BINARY_PROTOCOL,
                               "transport", io.memory, NULL);
    return io;
}

static inline void thrift_io_close(struct thrift_io *io) {
    g_object_unref(io->protocol);
    g_object_unref(io->memory);
    g_byte_array_unref(io->bytes);
}

/* Decodes `message`, all of it: one ONEWAY call of `method` into its arguments, and its seqid; or
 * without a method, nothing but the struct. Fails the test when it is not that. */
static inline void thrift_read(bool compact, const char *method, struct trc_slice message,
                               gpointer into, int32_t *seqid) {
    struct thrift_io io = thrift_io_open(compact, message);
    ThriftMessageType type = T_ONEWAY;
    GError *error = NULL;
    gchar *name = NULL;

    if ((method &&
         thrift_protocol_read_message_begin(io.protocol, &name, &type, seqid, &error) < 0) ||
        thrift_struct_read(THRIFT_STRUCT(into), io.protocol, &error) < 0 ||
        (method && thrift_protocol_read_message_end(io.protocol, &error) < 0))
        fail_msg("Thrift does not read it: %s", error ? error->message : "?");
    if (method)
        assert_string_equal(name, method);
    assert_int_equal(type, T_ONEWAY);
    assert_int_equal(io.memory->at, message.len);
    g_free(name);
    thrift_io_close(&io);
}

/* Has Thrift write the same again, and compares. */
static inline void thrift_check_written(bool compact, const char *method, struct trc_slice message,
                                        gpointer from, int32_t seqid) {
    struct thrift_io io = thrift_io_open(compact, (struct trc_slice){NULL, 0});
    GError *error = NULL;

    if ((method &&
         thrift_protocol_write_message_begin(io.protocol, method, T_ONEWAY, seqid, &error) < 0) ||
        thrift_struct_write(THRIFT_STRUCT(from), io.protocol, &error) < 0)
        fail_msg("Thrift does not write it: %s", error ? error->message : "?");
    assert_int_equal(io.bytes->len, message.len);
    assert_memory_equal(io.bytes->data, message.p, message.len);
    thrift_io_close(&io);
}

/* `s` as a decoder must give it: UTF-8, and up to a NUL. In a buffer of the next call but two. */
static inline const char *clean(struct trc_slice s) {
    static char texts[3][3 * TRC_SPAN_ARENA + 1];
    static unsigned next;
    char *text = texts[next++ % 3];
    struct trc_buf b = trc_buf_over(text, sizeof(texts[0]) - 1);

    trc_utf8_put(&b, s);
    assert_false(b.overflow);
    text[b.len] = 0;
    assert_true(g_utf8_validate(text, -1, NULL));
    return text;
}

#endif
