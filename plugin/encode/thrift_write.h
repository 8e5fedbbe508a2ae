/* SPDX-License-Identifier: MIT
 *
 * Thrift's c_glib library as the writer of what never changes. Private to the Thrift encoders.
 *
 * Each constant is cut out of something whole: a complete message without spans, a complete tag
 * with an empty value. So the library sees only calls in their order, and the cut is where a value
 * would begin. c_glib takes 2 to 3 us to write one span, and g_malloc's aborting at out of memory:
 * reasons to use it at make only; thrift_put.h is for the rest.
 */
#ifndef TRACING_ENCODE_THRIFT_WRITE_H
#define TRACING_ENCODE_THRIFT_WRITE_H

#include "tracing/attributes.h"
#include <thrift/c_glib/protocol/thrift_protocol.h>

struct trc_thrift_writer {
    ThriftProtocol *protocol;
    ThriftTransport *memory;
    GByteArray *bytes; /* everything written so far */
    GError *error;
    int rc; /* 0, or the first error: what is written after it is thrown away */
};

void trc_thrift_writer_init(struct trc_thrift_writer *w, bool compact);
void trc_thrift_writer_fini(struct trc_thrift_writer *w);

/* The library's calls. An error sets w->rc, to -EIO (or to -ENOMEM by trc_thrift_string). Names of
 * fields and structs are not on the wire. Thread: reporter. */
void trc_thrift_message_begin(struct trc_thrift_writer *w, const char *name); /* ONEWAY, seqid 0 */
void trc_thrift_message_end(struct trc_thrift_writer *w);
void trc_thrift_struct_begin(struct trc_thrift_writer *w, const char *name);
void trc_thrift_struct_end(struct trc_thrift_writer *w);
void trc_thrift_field_begin(struct trc_thrift_writer *w, const char *name, ThriftType type,
                            int16_t id);
void trc_thrift_field_end(struct trc_thrift_writer *w);
void trc_thrift_list_begin(struct trc_thrift_writer *w, unsigned count); /* of structs */
void trc_thrift_list_end(struct trc_thrift_writer *w);
void trc_thrift_bool(struct trc_thrift_writer *w, bool b);
void trc_thrift_i16(struct trc_thrift_writer *w, int16_t i);
void trc_thrift_i32(struct trc_thrift_writer *w, int32_t i);
void trc_thrift_i64(struct trc_thrift_writer *w, int64_t i);
void trc_thrift_double(struct trc_thrift_writer *w, double d);
void trc_thrift_binary(struct trc_thrift_writer *w, const void *p, size_t len);
void trc_thrift_string(struct trc_thrift_writer *w, struct trc_slice s); /* made UTF-8 */

/* Everything of an attribute before its value, and the type of that. Of one size, so that copying
 * it takes a few moves and no call: 48 bytes hold every name there is (make fails if one does not
 * fit). */
#define TRC_THRIFT_PREFIX_MAX 48

struct trc_thrift_prefix {
    char bytes[TRC_THRIFT_PREFIX_MAX];
    uint8_t len;
    uint8_t type;    /* enum trc_attribute_type */
    uint8_t pad[14]; /* a power of two is found by a shift */
};

/* Makes *prefix of what *w has written from `start` on, less `cut` bytes at its end. A prefix that
 * is too long sets w->rc to -E2BIG. */
void trc_thrift_prefix_take(struct trc_thrift_writer *w, size_t start, size_t cut,
                            enum trc_attribute_type type, struct trc_thrift_prefix *prefix);

#endif
