/* SPDX-License-Identifier: MIT
 *
 * What a collector answers to OTLP: read when it is one, untouched when it is not.
 */
#include "tracing/hex.h"
#include "tracing/otlp_answer.h"
#include "unit.h"

typedef int parser(struct trc_slice body, struct trc_send_result *result);

struct row {
    const char *body; /* JSON as it is, protobuf in hex */
    int rc;
    uint64_t rejected;
    const char *why;
};

static const struct row json_rows[] = {
    {"{}", 0, 0, ""},
    {" {\"partialSuccess\":{}}\n", 0, 0, ""},
    {"{\"partialSuccess\":null}", 0, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"7\",\"errorMessage\":\"too old\"}}", 0, 7,
     "too old"},
    {"{\"partialSuccess\":{\"rejectedSpans\":7}}", 0, 7, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"0\",\"errorMessage\":\"soon gone\"}}", 0, 0,
     "soon gone"},
    {"{\"partialSuccess\":{\"rejectedSpans\":null,\"errorMessage\":null}}", 0, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":9223372036854775807}}", 0, INT64_MAX, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"9223372036854775807\"}}", 0, INT64_MAX, ""},
    {"{\"other\":[1,{\"a\":2}],\"partialSuccess\":{\"new\":{},\"rejectedSpans\":\"1\"}}", 0, 1, ""},
    {"{\"partialSuccess\":{\"errorMessage\":\"  a\\n\\tb\\u0007c \\u00e9 \"}}", 0, 0, "a b c ??"},
    {"{\"partialSuccess\":{\"errorMessage\":17}}", 0, 0, ""},
    {"{\"partial_success\":{\"rejected_spans\":\"7\"}}", 0, 0, ""}, /* no name of ours */
    {"", -EINVAL, 0, ""},
    {"{", -EINVAL, 0, ""},
    {"[]", -EINVAL, 0, ""},
    {"null", -EINVAL, 0, ""},
    {"{} x", -EINVAL, 0, ""},
    {"<html>", -EINVAL, 0, ""},
    {"{\"partialSuccess\":[]}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":\"no\"}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":-1}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"-1\"}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"\"}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\" 1\"}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"+1\"}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"1x\"}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"9223372036854775808\"}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":9223372036854775808}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":1.5}}", -EINVAL, 0, ""},
    {"{\"partialSuccess\":{\"rejectedSpans\":true}}", -EINVAL, 0, ""},
};

/* In hex, by hand after the page "Encoding" of the protobuf documentation. */
static const struct row protobuf_rows[] = {
    {"", 0, 0, ""},
    {"0a00", 0, 0, ""},
    {"0a020807", 0, 7, ""},
    {"0a0b08071207746f6f206f6c64", 0, 7, "too old"},
    {"0a091207746f6f206f6c64", 0, 0, "too old"},
    {"0a03120161", 0, 0, "a"},
    {"0a0a08ffffffffffffffff7f", 0, INT64_MAX, ""},
    {"0a0208070a03120161", 0, 7, "a"}, /* merged */
    {"0a0408070809", 0, 9, ""},        /* the last one counts */
    {"100112027879190102030405060708250102030430"
     "05"
     "0a020801",
     0, 1, ""}, /* unknown ones */
    {"0a0618010801"
     "2201",
     -EINVAL, 0, ""},
    {"0807", 0, 0, ""}, /* a field of another type is unknown */
    {"0a0212"
     "00",
     0, 0, ""},
    {"0a0308"
     "8700",
     0, 7, ""}, /* longer than it need be */
    {"0a", -EINVAL, 0, ""},
    {"0a01", -EINVAL, 0, ""},
    {"0a0108", -EINVAL, 0, ""},
    {"0a020887", -EINVAL, 0, ""},
    {"0a021201", -EINVAL, 0, ""},
    {"0a0b08ffffffffffffffffffff01", -EINVAL, 0, ""}, /* an 11th byte */
    {"0a0b08ffffffffffffffffff01", -EINVAL, 0, ""},   /* -1 */
    {"0affffffffffffffffff01", -EINVAL, 0, ""},       /* a length beyond all */
    {"0aff", -EINVAL, 0, ""},
    {"00", -EINVAL, 0, ""},   /* field 0 */
    {"0b0c", -EINVAL, 0, ""}, /* a group */
    {"0e", -EINVAL, 0, ""},
    {"19010203", -EINVAL, 0, ""},
    {"250102", -EINVAL, 0, ""},
    {"888080808001"
     "01",
     -EINVAL, 0, ""},         /* a field number beyond 29 bits */
    {"7b7d", -EINVAL, 0, ""}, /* {} */
};

static size_t unhex(const char *hex, char *out) {
    size_t n = 0;
    for (; hex[0] && hex[1]; hex += 2)
        out[n++] = (char)(trc_hex_digit(hex[0]) << 4 | trc_hex_digit(hex[1]));
    return n;
}

static int parse(parser *p, const char *bytes, size_t len, struct trc_send_result *r) {
    struct trc_send_result before;
    memset(r, 0, sizeof(*r));
    r->retry_after_ns = 5; /* not its own */
    before = *r;
    int rc = p((struct trc_slice){guarded(0, bytes, len), len}, r);
    assert_true(rc == 0 || rc == -EINVAL);
    if (rc)
        assert_memory_equal(r, &before, sizeof(before));
    assert_int_equal(r->retry_after_ns, 5);
    assert_non_null(memchr(r->why, 0, sizeof(r->why)));
    return rc;
}

static void check_row(parser *p, const struct row *row, const char *bytes, size_t len) {
    struct trc_send_result r;
    int rc = parse(p, bytes, len, &r);
    if (rc != row->rc || r.rejected != row->rejected || strcmp(r.why, row->why) != 0)
        fail_msg("%s: %d, %lu rejected, '%s'", row->body, rc, (unsigned long)r.rejected, r.why);
}

static void reads_json(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(json_rows) / sizeof(json_rows[0]); i++)
        check_row(trc_otlp_answer_json, &json_rows[i], json_rows[i].body,
                  strlen(json_rows[i].body));
}

static void reads_protobuf(void **state) {
    (void)state;
    char bytes[256];
    for (size_t i = 0; i < sizeof(protobuf_rows) / sizeof(protobuf_rows[0]); i++)
        check_row(trc_otlp_answer_protobuf, &protobuf_rows[i], bytes,
                  unhex(protobuf_rows[i].body, bytes));
}

/* Cut after each byte and with each byte changed: on guarded memory, and nothing is set by half. */
static void bears_every_cut(void **state) {
    (void)state;
    struct trc_send_result r;
    char bytes[256], changed[256];
    for (size_t i = 0; i < sizeof(protobuf_rows) / sizeof(protobuf_rows[0]); i++) {
        size_t len = unhex(protobuf_rows[i].body, bytes);
        for (size_t cut = 0; cut <= len; cut++)
            parse(trc_otlp_answer_protobuf, bytes, cut, &r);
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                memcpy(changed, bytes, len);
                changed[at] = (char)c;
                parse(trc_otlp_answer_protobuf, changed, len, &r);
            }
    }
    for (size_t i = 0; i < sizeof(json_rows) / sizeof(json_rows[0]); i++)
        for (size_t cut = 0; cut < strlen(json_rows[i].body); cut++)
            parse(trc_otlp_answer_json, json_rows[i].body, cut, &r);
}

/* A message longer than a line, and one with bytes no terminal should see. */
static void cuts_what_it_quotes(void **state) {
    (void)state;
    struct trc_send_result r;
    char body[1024];
    size_t len = (size_t)snprintf(body, sizeof(body), "\x0a\xd5\x03\x12\xd2\x03%0466d", 7);
    assert_int_equal(parse(trc_otlp_answer_protobuf, body, len, &r), 0);
    assert_int_equal(strlen(r.why), sizeof(r.why) - 1);
    static const char odd[] = "\x0a\x0c\x12\x0a\x1b[31m\xff\r\n\0z";
    assert_int_equal(parse(trc_otlp_answer_protobuf, odd, sizeof(odd) - 1, &r), 0);
    assert_string_equal(r.why, "[31m? z");
}

/* Nested as deep as jansson goes and deeper, and larger than any answer. */
static void bears_what_is_deep_or_large(void **state) {
    (void)state;
    struct trc_send_result r = {0};
    const size_t size = 1 << 20;
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, '[', size);
    assert_int_equal(trc_otlp_answer_json((struct trc_slice){body, 2048}, &r), -EINVAL);
    assert_int_equal(trc_otlp_answer_json((struct trc_slice){body, size / 8}, &r), -EINVAL);
    memset(body, ' ', size);
    memcpy(body, "{}", 2);
    assert_int_equal(trc_otlp_answer_json((struct trc_slice){body, size / 4}, &r), 0);
    assert_int_equal(trc_otlp_answer_json((struct trc_slice){body, size / 4 + 1}, &r), -EINVAL);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_json),
        cmocka_unit_test(reads_protobuf),
        cmocka_unit_test(bears_every_cut),
        cmocka_unit_test(cuts_what_it_quotes),
        cmocka_unit_test(bears_what_is_deep_or_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
