/* SPDX-License-Identifier: MIT
 *
 * Response headers: their names, and the lines they become.
 */
#include "tracing/response.h"
#include "unit.h"

enum {
    UBER = 1 << TRC_RESPONSE_UBER_TRACE_ID,
    RESPONSE = 1 << TRC_RESPONSE_TRACERESPONSE,
    TIMING = 1 << TRC_RESPONSE_SERVER_TIMING,
    ID = 1 << TRC_RESPONSE_X_TRACE_ID,
    ALL = UBER | RESPONSE | TIMING | ID
};

static void finds_names_in_any_case(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int want;
    } cases[] = {{"uber-trace-id", TRC_RESPONSE_UBER_TRACE_ID},
                 {"traceresponse", TRC_RESPONSE_TRACERESPONSE},
                 {"server-timing", TRC_RESPONSE_SERVER_TIMING},
                 {"x-trace-id", TRC_RESPONSE_X_TRACE_ID},
                 {"Server-Timing", TRC_RESPONSE_SERVER_TIMING},
                 {"X-TRACE-ID", TRC_RESPONSE_X_TRACE_ID},
                 {"", -1},
                 {"none", -1},
                 {"x-trace-i", -1},
                 {"x-trace-id ", -1},
                 {"x_trace_id", -1},
                 {"traceparent", -1},
                 {"Access-Control-Expose-Headers", -1}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t len = strlen(cases[i].name);
        print_message("%s\n", cases[i].name);
        assert_int_equal(trc_response_find((struct trc_slice){guarded(0, cases[i].name, len), len}),
                         cases[i].want);
    }
    assert_int_equal(trc_response_find((struct trc_slice){NULL, 0}), -1);
}

static const struct trc_context child = {0x0af7651916cd43dd, 0x8448eb211c80319c, 0xb7ad6b7169203331,
                                         0x00f067aa0ba902b7, TRC_FLAG_SAMPLED};
static const struct trc_context root = {0, 0x5af7183fb1d4cf5f, 1, 0, TRC_FLAG_RANDOM};
static const struct trc_context debug = {1, 2, 3, 4,
                                         TRC_FLAG_SAMPLED | TRC_FLAG_DEBUG | TRC_FLAG_RANDOM};

#define EXPOSE "Access-Control-Expose-Headers: "
#define CHILD "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static const struct {
    unsigned set;
    const struct trc_context *context;
    const char *lines[TRC_RESPONSE_LINES];
} written[] = {
    {0, &child, {NULL}},
    {UBER,
     &child,
     {"uber-trace-id: 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:00f067aa0ba902b7:1"}},
    {UBER, &root, {"uber-trace-id: 5af7183fb1d4cf5f:0000000000000001:0:0"}},
    {UBER,
     &debug,
     {"uber-trace-id: 00000000000000010000000000000002:0000000000000003:0000000000000004:3"}},
    {RESPONSE, &child, {"traceresponse: " CHILD, EXPOSE "traceresponse"}},
    {RESPONSE,
     &root,
     {"traceresponse: 00-00000000000000005af7183fb1d4cf5f-0000000000000001-00",
      EXPOSE "traceresponse"}},
    {RESPONSE,
     &debug,
     {"traceresponse: 00-00000000000000010000000000000002-0000000000000003-01",
      EXPOSE "traceresponse"}},
    {TIMING, &child, {"Server-Timing: traceparent;desc=\"" CHILD "\"", EXPOSE "Server-Timing"}},
    {ID, &child, {"X-Trace-Id: 0af7651916cd43dd8448eb211c80319c"}},
    {ID, &root, {"X-Trace-Id: 5af7183fb1d4cf5f"}},
    {UBER | ID,
     &root,
     {"uber-trace-id: 5af7183fb1d4cf5f:0000000000000001:0:0", "X-Trace-Id: 5af7183fb1d4cf5f"}},
    {ALL,
     &child,
     {"uber-trace-id: 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:00f067aa0ba902b7:1",
      "traceresponse: " CHILD, "Server-Timing: traceparent;desc=\"" CHILD "\"",
      "X-Trace-Id: 0af7651916cd43dd8448eb211c80319c", EXPOSE "traceresponse, Server-Timing"}},
};

static void writes_its_lines(void **state) {
    (void)state;
    static struct trc_response r; /* what an earlier request left in it does not show */
    for (unsigned i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        unsigned count = 0;
        trc_response_write(written[i].set, written[i].context, &r);
        for (; count < TRC_RESPONSE_LINES && written[i].lines[count]; count++) {
            print_message("%s\n", written[i].lines[count]);
            assert_true(count < r.count);
            assert_true(trc_slice_equal(r.line[count], trc_slice_of(written[i].lines[count])));
            assert_true(r.line[count].p >= r.bytes &&
                        r.line[count].p + r.line[count].len <= r.bytes + sizeof(r.bytes));
        }
        assert_int_equal(r.count, count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names_in_any_case),
        cmocka_unit_test(writes_its_lines),
    };
    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
