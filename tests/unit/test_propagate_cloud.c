/* SPDX-License-Identifier: MIT
 *
 * The headers of clouds: what is sent. What is accepted is in data/{gcp,xray,eagleeye}.txt.
 */
#include "tracing/decimal.h"
#include "tracing/format.h"
#include "unit.h"

#define HEADERS_MAX 6

static struct trc_injection injection;

static const struct trc_format *format_of(const char *name) {
    const struct trc_format *format = trc_format_find(trc_slice_of(name));
    assert_non_null(format);
    return format;
}

/* What the format called `name` makes of *context, beside `sent`, the values of its own headers as
 * they came in, NULL: not sent. `from`: name of the format whose context it is, or NULL. */
static void inject(const char *name, const struct trc_context *context, const char *from,
                   const char *const sent[HEADERS_MAX]) {
    static const struct trc_baggage nothing;
    struct trc_slice values[HEADERS_MAX] = {{NULL, 0}};
    for (unsigned i = 0; sent && i < HEADERS_MAX; i++)
        if (sent[i])
            values[i] = (struct trc_slice){guarded(i, sent[i], strlen(sent[i])), strlen(sent[i])};
    const struct trc_carrier carrier = {.value = values};
    const struct trc_outgoing what = {context, &nothing, from ? format_of(from) : NULL};
    trc_injection_clear(&injection);
    format_of(name)->inject(&what, &carrier, 10, &injection);
    assert_false(injection.overflow);
}

/* Item `i` sets header `header` called `name` to `want`, NULL: takes it out. */
static void assert_item(unsigned i, int header, const char *name, const char *want) {
    assert_true(i < injection.count);
    const struct trc_slice v = injection.item[i].value;
    assert_int_equal(injection.item[i].header, 10 + header);
    assert_true(trc_slice_equal(injection.item[i].name, trc_slice_of(name)));
    if (!want) {
        assert_null(v.p);
        return;
    }
    char text[4096];
    snprintf(text, sizeof(text), "%.*s", (int)v.len, v.p);
    assert_string_equal(text, want);
}

static const struct trc_context ours = {0x105445aa7843bc8b, 0xf206b12000100000, 0xb7ad6b7169203331,
                                        0x53995c3f42cd8ad8, TRC_FLAG_SAMPLED};
static const struct trc_context small = {0, 0x5af7183fb1d4cf5f, 1, 0, 0};
static const struct trc_context debug = {1, 2, UINT64_MAX, 0,
                                         TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG | TRC_FLAG_RANDOM};

/* --- gcp -------------------------------------------------------------------------------------- */

static void assert_gcp(const struct trc_context *context, const char *want) {
    inject("gcp", context, NULL, NULL);
    assert_int_equal(injection.count, 1);
    assert_item(0, 0, "HTTP_X_CLOUD_TRACE_CONTEXT", want);
}

static void gcp_writes_the_span_in_decimal(void **state) {
    (void)state;
    assert_gcp(&ours, "105445aa7843bc8bf206b12000100000/13235353014750950193;o=1");
    assert_gcp(&small, "00000000000000005af7183fb1d4cf5f/1;o=0");
    assert_gcp(&debug, "00000000000000010000000000000002/18446744073709551615;o=1");
}

/* --- xray ------------------------------------------------------------------------------------- */

#define XRAY "HTTP_X_AMZN_TRACE_ID"
#define XRAY_OURS "Root=1-105445aa-7843bc8bf206b12000100000;Parent=b7ad6b7169203331;Sampled=1"

static void assert_xray(const char *from, const char *sent, const char *want) {
    inject("xray", &ours, from, (const char *const[HEADERS_MAX]){sent});
    assert_int_equal(injection.count, 1);
    assert_item(0, 0, XRAY, want);
}

static void xray_splits_the_trace_id(void **state) {
    (void)state;
    assert_xray(NULL, NULL, XRAY_OURS);
    inject("xray", &small, NULL, NULL);
    assert_item(0, 0, XRAY,
                "Root=1-00000000-000000005af7183fb1d4cf5f;Parent=0000000000000001;Sampled=0");
    inject("xray", &debug, NULL, NULL);
    assert_item(0, 0, XRAY,
                "Root=1-00000000-000000010000000000000002;Parent=ffffffffffffffff;Sampled=1");
}

static void xray_passes_on_fields_of_others(void **state) {
    (void)state;
    const char *sent =
        "Self=1-67891234-12456789abcdef012345678;Root=1-105445aa-7843bc8bf206b12000"
        "100000; CalledFrom = app ;;Sampled=?;Parent=53995c3f42cd8ad8;"
        "Lineage=a87bd80c:1|68fd508a:5;token=YWJj==;CalledFrom=twice;";
    assert_xray("xray", sent,
                XRAY_OURS
                ";Self=1-67891234-12456789abcdef012345678;CalledFrom = app;"
                "Lineage=a87bd80c:1|68fd508a:5;token=YWJj==;CalledFrom=twice");
    assert_xray("xray", "Root=1-105445aa-7843bc8bf206b12000100000", XRAY_OURS);
    assert_xray("xray", "Root=1-105445aa-7843bc8bf206b12000100000;a=", XRAY_OURS ";a=");
    /* Not of a trace that is not ours: what stands there belongs to another. */
    assert_xray("jaeger", sent, XRAY_OURS);
    assert_xray(NULL, sent, XRAY_OURS);
}

/* What goes out is what the next one still reads, or it would end the trace. */
static void xray_does_not_outgrow_its_reader(void **state) {
    (void)state;
    char sent[2049] = "Root=1-105445aa-7843bc8bf206b12000100000;a=b;c=", want[4096];
    const size_t start = strlen(sent), room = 2048 - strlen(XRAY_OURS);
    memset(sent + start, 'x', room - strlen(";a=b;c="));
    snprintf(want, sizeof(want), "%s;%s", XRAY_OURS, strchr(sent, ';') + 1);
    assert_int_equal(strlen(want), 2048);
    assert_xray("xray", sent, want);
    strcat(sent, "x");
    const struct trc_slice value = {sent, strlen(sent)};
    const struct trc_baggage nothing = {0};
    const struct trc_format *xray = format_of("xray");
    trc_injection_clear(&injection);
    xray->inject(&(struct trc_outgoing){&ours, &nothing, xray},
                 &(struct trc_carrier){.value = &value}, 10, &injection);
    assert_true(injection.overflow);
    assert_item(0, 0, XRAY, XRAY_OURS ";a=b");
}

/* --- eagleeye --------------------------------------------------------------------------------- */

enum { TRACE_ID, RPC_ID, SPAN_ID, PARENT_SPAN_ID, IS_SAMPLED };

static void assert_eagleeye(const char *trace, const char *span, const char *parent,
                            const char *sampled, const char *rpc) {
    assert_int_equal(injection.count, rpc ? 5 : 4);
    assert_item(0, TRACE_ID, "HTTP_EAGLEEYE_TRACEID", trace);
    assert_item(1, SPAN_ID, "HTTP_EAGLEEYE_SPANID", span);
    assert_item(2, PARENT_SPAN_ID, "HTTP_EAGLEEYE_PSPANID", parent);
    assert_item(3, IS_SAMPLED, "HTTP_EAGLEEYE_SAMPLED", sampled);
    if (rpc)
        assert_item(4, RPC_ID, "HTTP_EAGLEEYE_RPCID", rpc);
}

static void eagleeye_writes_signed_decimals(void **state) {
    (void)state;
    inject("eagleeye", &ours, NULL, NULL);
    assert_eagleeye("105445aa7843bc8bf206b12000100000", "-5211391058958601423",
                    "6023947403358210776", "s1", "0");
    inject("eagleeye", &small, NULL, NULL);
    assert_eagleeye("00000000000000005af7183fb1d4cf5f", "1", NULL, "s0", "0");
    inject("eagleeye", &debug, NULL, NULL);
    assert_eagleeye("00000000000000010000000000000002", "-1", NULL, "s1", "0");
    inject("eagleeye", &(struct trc_context){1, 2, UINT64_C(1) << 63, UINT64_MAX >> 1, 0}, NULL,
           NULL);
    assert_eagleeye("00000000000000010000000000000002", "-9223372036854775808",
                    "9223372036854775807", "s0", "0");
}

static void eagleeye_leaves_the_path_alone(void **state) {
    (void)state;
    static const char *const paths[] = {"0", "0.1", "0.1.2", "9.10.11", " 0.1\t", "12345678901"};
    static const char *const none[] = {"",     ".",   "0.",       ".1", "0..1", "0.1x",  "0,1",
                                       "-0.1", "0 1", "0.1, 0.2", "x",  "0.1.", "0.1\n", NULL};
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *const sent[HEADERS_MAX] = {"105445aa7843bc8bf206b12000100000", paths[i]};
        inject("eagleeye", &ours, "eagleeye", sent);
        assert_int_equal(injection.count, 4);
        inject("eagleeye", &ours, "jaeger", sent); /* of another trace */
        assert_item(4, RPC_ID, "HTTP_EAGLEEYE_RPCID", "0");
    }
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        inject("eagleeye", &ours, "eagleeye",
               (const char *const[HEADERS_MAX]){"105445aa7843bc8bf206b12000100000", none[i]});
        assert_item(4, RPC_ID, "HTTP_EAGLEEYE_RPCID", "0");
    }
    char deep[258] = "0";
    for (size_t i = 1; i < 257; i++)
        deep[i] = i % 2 ? '.' : '1';
    for (size_t len = 255; len <= 257; len += 2) {
        deep[len] = '\0';
        inject("eagleeye", &ours, "eagleeye", (const char *const[HEADERS_MAX]){"x", deep});
        assert_int_equal(injection.count, len == 255 ? 4 : 5);
        deep[len] = '.';
    }
}

static void eagleeye_passes_on_the_original_id(void **state) {
    (void)state;
    const struct trc_context classic = {0x000ad1348f140316, 0x9275002100356696, 5, 6, 1};
    const char *const sent[HEADERS_MAX] = {" 0ad1348f1403169275002100356696", "0.1"};
    inject("eagleeye", &classic, "eagleeye", sent);
    assert_eagleeye("0ad1348f1403169275002100356696", "5", "6", "s1", NULL);
    /* What stands there is of another trace. */
    inject("eagleeye", &classic, "jaeger", sent);
    assert_eagleeye("000ad1348f1403169275002100356696", "5", "6", "s1", "0");
    inject("eagleeye", &classic, NULL, sent);
    assert_eagleeye("000ad1348f1403169275002100356696", "5", "6", "s1", "0");
}

/* --- Numbers ---------------------------------------------------------------------------------- */

static void decimals(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t want;
    } good[] = {{"0", 0},
                {"7", 7},
                {"00000000000000000007", 7},
                {"18446744073709551615", UINT64_MAX},
                {"18446744073709551609", UINT64_MAX - 6},
                {"9999999999999999999", 9999999999999999999u}};
    static const char *const bad[] = {"",
                                      " ",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      " 1",
                                      "1a",
                                      "0x",
                                      "1\n2",
                                      "18446744073709551616",
                                      "/",
                                      ":",
                                      "1.",
                                      "\xb1",
                                      "18446744073709551620",
                                      "20000000000000000000",
                                      "000000000000000000001"};
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t v = 1;
        size_t len = strlen(good[i].text);
        assert_int_equal(
            trc_decimal_u64((struct trc_slice){guarded(0, good[i].text, len), len}, &v), 0);
        assert_true(v == good[i].want);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t v = 1;
        size_t len = strlen(bad[i]);
        assert_int_equal(trc_decimal_u64((struct trc_slice){guarded(0, bad[i], len), len}, &v),
                         -EINVAL);
        assert_true(v == 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcp_writes_the_span_in_decimal),
        cmocka_unit_test(xray_splits_the_trace_id),
        cmocka_unit_test(xray_passes_on_fields_of_others),
        cmocka_unit_test(xray_does_not_outgrow_its_reader),
        cmocka_unit_test(eagleeye_writes_signed_decimals),
        cmocka_unit_test(eagleeye_leaves_the_path_alone),
        cmocka_unit_test(eagleeye_passes_on_the_original_id),
        cmocka_unit_test(decimals),
    };
    return cmocka_run_group_tests_name("propagate: clouds", tests, NULL, NULL);
}
