/* SPDX-License-Identifier: MIT
 *
 * Thrift's generated c_glib types as the tests' decoder, and their writer as a second opinion.
 */
#ifndef TRACING_TESTS_THRIFT_READ_H
#define TRACING_TESTS_THRIFT_READ_H

#include "agent_types.h"
#include "tracing/slice.h"
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/protocol/thrift_compact_protocol.h>
#include <thrift/c_glib/transport/thrift_buffered_transport.h>
#include <thrift/c_glib/transport/thrift_memory_buffer.h>

struct thrift_io {
    GByteArray *bytes;
    ThriftTransport *memory, *buffered;
    ThriftProtocol *protocol;
};

/* Buffered, since a memory buffer moves all its bytes at each read of one. */
static inline struct thrift_io thrift_io_open(bool compact, struct trc_slice content) {
    struct thrift_io io;

    io.bytes = g_byte_array_new();
    if (content.len)
        g_byte_array_append(io.bytes, (const guint8 *)content.p, (guint)content.len);
    io.memory = g_object_new(THRIFT_TYPE_MEMORY_BUFFER, "buf", io.bytes, "owner", FALSE, NULL);
    io.buffered = g_object_new(THRIFT_TYPE_BUFFERED_TRANSPORT, "transport", io.memory,
                               "r_buf_size", 4096, NULL);
    io.protocol = g_object_new(compact ? THRIFT_TYPE_COMPACT_PROTOCOL : THRIFT_TYPE_BINARY_PROTOCOL,
                               "transport", io.buffered, NULL);
    return io;
}

static inline void thrift_io_close(struct thrift_io *io) {
    g_object_unref(io->protocol);
    g_object_unref(io->buffered);
    g_object_unref(io->memory);
    g_byte_array_unref(io->bytes);
}

/* Decodes one emitBatch message, all of it: its arguments, to be unref'd, and its seqid. Fails the
 * test when it is not one. */
static inline AgentEmitBatchArgs *thrift_read(bool compact, struct trc_slice message,
                                              int32_t *seqid) {
    struct thrift_io io = thrift_io_open(compact, message);
    AgentEmitBatchArgs *args = g_object_new(TYPE_AGENT_EMIT_BATCH_ARGS, NULL);
    ThriftMessageType type;
    GError *error = NULL;
    gchar *name = NULL;
    guint8 more;

    if (thrift_protocol_read_message_begin(io.protocol, &name, &type, seqid, &error) < 0 ||
        thrift_struct_read(THRIFT_STRUCT(args), io.protocol, &error) < 0 ||
        thrift_protocol_read_message_end(io.protocol, &error) < 0)
        fail_msg("Thrift does not read it: %s", error ? error->message : "?");
    assert_string_equal(name, "emitBatch");
    assert_int_equal(type, T_ONEWAY);
    if (thrift_transport_read(io.buffered, &more, 1, &error) > 0)
        fail_msg("there are bytes behind the message");
    g_clear_error(&error);
    g_free(name);
    thrift_io_close(&io);
    return args;
}

/* Has Thrift write the same message; to be unref'd. */
static inline GByteArray *thrift_write(bool compact, AgentEmitBatchArgs *args, int32_t seqid) {
    struct thrift_io io = thrift_io_open(compact, (struct trc_slice){NULL, 0});
    GError *error = NULL;

    if (thrift_protocol_write_message_begin(io.protocol, "emitBatch", T_ONEWAY, seqid, &error) < 0 ||
        thrift_struct_write(THRIFT_STRUCT(args), io.protocol, &error) < 0 ||
        !thrift_transport_flush(io.buffered, &error))
        fail_msg("Thrift does not write it: %s", error ? error->message : "?");
    GByteArray *bytes = g_byte_array_ref(io.bytes);
    thrift_io_close(&io);
    return bytes;
}

#endif
