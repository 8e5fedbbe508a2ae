/* SPDX-License-Identifier: MIT
 *
 * Torture for the makers of the Thrift encoders: c_glib's calls, which all are in thrift_write.c,
 * and malloc. Include it, and then the maker's source.
 */
#ifndef TRACING_TESTS_THRIFT_TORTURE_H
#define TRACING_TESTS_THRIFT_TORTURE_H

#include "torture.h"
#include "tracing/version.h"
#include <thrift/c_glib/protocol/thrift_binary_protocol.h>
#include <thrift/c_glib/protocol/thrift_compact_protocol.h>
#include <thrift/c_glib/transport/thrift_memory_buffer.h>

static inline void *failing_malloc(size_t len) {
    return torture(ENOMEM) ? NULL : malloc(len);
}

static inline gint32 failing(gint32 written, GError **error) {
    if (!torture(EIO))
        return written;
    g_clear_error(error);
    g_set_error(error, THRIFT_PROTOCOL_ERROR, THRIFT_PROTOCOL_ERROR_UNKNOWN, "as asked");
    return -1;
}

#define malloc(len) failing_malloc(len)
#define thrift_protocol_write_message_begin(p, name, type, id, error)                              \
    failing(thrift_protocol_write_message_begin(p, name, type, id, error), error)
#define thrift_protocol_write_field_begin(p, name, type, id, error)                                \
    failing(thrift_protocol_write_field_begin(p, name, type, id, error), error)
#define thrift_protocol_write_field_stop(p, error)                                                 \
    failing(thrift_protocol_write_field_stop(p, error), error)
#define thrift_protocol_write_list_begin(p, type, count, error)                                    \
    failing(thrift_protocol_write_list_begin(p, type, count, error), error)
#define thrift_protocol_write_binary(p, bytes, len, error)                                         \
    failing(thrift_protocol_write_binary(p, bytes, len, error), error)
#define thrift_protocol_write_i64(p, i, error)                                                     \
    failing(thrift_protocol_write_i64(p, i, error), error)

#include "../../plugin/encode/thrift_write.c"

#endif
