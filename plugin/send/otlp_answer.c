/* SPDX-License-Identifier: MIT
 *
 * Reads ExportTraceServiceResponse. Used by the HTTP sender through the tables of wires in
 * report/exporters.c.
 *
 * The protobuf reader is our own because the message has two fields and a run-time for protobuf
 * would be the largest thing in the process. It follows protobuf's "Encoding" page: an unknown
 * field is passed over, of a field that is there twice the last one counts, and messages that are
 * there twice are merged.
 */
#include "tracing/otlp_answer.h"
#include "excerpt.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* Longest JSON that is looked at: jansson makes some 25 bytes of each. */
#define JSON_BYTES_MAX (256u * 1024u)

/* --- JSON ---------------------------------------------------------------------------------- */

/* int64 is a decimal string or a number (opentelemetry-proto docs/specification.md, "JSON Protobuf
 * Encoding", after proto3's mapping). A count of spans is not negative. */
static int read_count(const json_t *value, uint64_t *out) {
    long long n = 0;
    if (json_is_integer(value)) {
        n = json_integer_value(value);
    } else if (json_is_string(value)) {
        const char *text = json_string_value(value);
        char *end;
        errno = 0;
        n = strtoll(text, &end, 10);
        if (end == text || *end || errno || text[0] <= ' ' || text[0] == '+')
            return -EINVAL;
    } else if (value && !json_is_null(value)) {
        return -EINVAL;
    }
    if (n < 0)
        return -EINVAL;
    *out = (uint64_t)n;
    return 0;
}

static int read_json(const json_t *root, struct trc_send_result *result) {
    const json_t *partial = json_object_get(root, "partialSuccess");
    const json_t *message = json_object_get(partial, "errorMessage");
    uint64_t rejected;
    if (!json_is_object(root) || (partial && !json_is_object(partial) && !json_is_null(partial)))
        return -EINVAL;
    if (read_count(json_object_get(partial, "rejectedSpans"), &rejected))
        return -EINVAL;
    result->rejected = rejected;
    trc_excerpt(result->why, sizeof(result->why),
                (struct trc_slice){json_string_value(message), json_string_length(message)});
    return 0;
}

int trc_otlp_answer_json(struct trc_slice body, struct trc_send_result *result) {
    json_error_t error;
    if (body.len > JSON_BYTES_MAX)
        return -EINVAL;
    json_t *root = json_loadb(body.p, body.len, 0, &error);
    int rc = read_json(root, result);
    json_decref(root);
    return rc;
}

/* --- Protobuf ------------------------------------------------------------------------------ */

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
    uint64_t number;
    unsigned type;
    uint64_t value;         /* VARINT */
    struct trc_slice bytes; /* BYTES */
};

static bool take_varint(struct trc_slice *s, uint64_t *out) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && s->len > 0; shift += 7) {
        uint8_t byte = (uint8_t)*s->p;
        s->p++;
        s->len--;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct trc_slice *s, uint64_t len, struct trc_slice *out) {
    if (len > s->len)
        return false;
    *out = (struct trc_slice){s->p, (size_t)len};
    s->p += len;
    s->len -= (size_t)len;
    return true;
}

/* Takes one field off the front of *s. Groups, which proto3 has not, are refused. */
static bool take_field(struct trc_slice *s, struct field *out) {
    uint64_t tag, len;
    if (!take_varint(s, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return false;
    out->number = tag >> 3;
    out->type = tag & 7;
    switch (out->type) {
    case WIRE_VARINT:
        return take_varint(s, &out->value);
    case WIRE_64:
        return take_bytes(s, 8, &out->bytes);
    case WIRE_BYTES:
        return take_varint(s, &len) && take_bytes(s, len, &out->bytes);
    case WIRE_32:
        return take_bytes(s, 4, &out->bytes);
    default:
        return false;
    }
}

static int read_partial(struct trc_slice s, int64_t *rejected, struct trc_slice *message) {
    struct field f;
    while (s.len > 0) {
        if (!take_field(&s, &f))
            return -EINVAL;
        if (f.number == 1 && f.type == WIRE_VARINT)
            *rejected = (int64_t)f.value;
        else if (f.number == 2 && f.type == WIRE_BYTES)
            *message = f.bytes;
    }
    return 0;
}

int trc_otlp_answer_protobuf(struct trc_slice body, struct trc_send_result *result) {
    struct trc_slice message = {NULL, 0};
    int64_t rejected = 0;
    struct field f;
    while (body.len > 0) {
        if (!take_field(&body, &f))
            return -EINVAL;
        if (f.number == 1 && f.type == WIRE_BYTES && read_partial(f.bytes, &rejected, &message))
            return -EINVAL;
    }
    if (rejected < 0)
        return -EINVAL;
    result->rejected = (uint64_t)rejected;
    trc_excerpt(result->why, sizeof(result->why), message);
    return 0;
}
