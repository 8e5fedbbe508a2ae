/* SPDX-License-Identifier: MIT
 *
 * Making the Jaeger encoder's constants, with each call that can fail failing in turn: an error
 * comes back, and nothing stays (a sanitizer or valgrind looks).
 */
#include "thrift_torture.h"
#include "unit.h"

#include "../../plugin/encode/jaeger_constants.c"

static void each_failure_is_an_error(void **state) {
    static const struct trc_attribute_key keys[] = {
        {TRC_SLICE("s"), TRC_ATTR_STRING, {NULL, 0}},
        {TRC_SLICE("i"), TRC_ATTR_INT, {NULL, 0}},
        {TRC_SLICE("b"), TRC_ATTR_BOOL, {NULL, 0}},
        {TRC_SLICE("d"), TRC_ATTR_DOUBLE, {NULL, 0}},
    };
    const struct trc_jaeger_tag tags[] = {
        {.key = TRC_SLICE("ip"), .type = TRC_ATTR_STRING, .s = TRC_SLICE("127.0.0.1")},
        {.key = TRC_SLICE("pid"), .type = TRC_ATTR_INT, .i = 4711},
    };
    struct trc_jaeger_setup setup = {.service = TRC_SLICE("svc"),
                                     .process = tags,
                                     .process_count = 2,
                                     .lead = tags,
                                     .lead_count = 1,
                                     .keys = keys,
                                     .key_count = 4};
    struct trc_jaeger_constants constants;

    (void)state;
    for (int form = 0; form < 3; form++) {
        unsigned no_memory = 0, refused = 0;
        int rc = 0;
        setup.compact = form == 1;
        setup.bare = form == 2;
        for (torture_begin(); torture_next();) {
            rc = trc_jaeger_constants_init(&constants, &setup);
            no_memory += rc == -ENOMEM;
            refused += rc == -EIO;
            assert_true(rc == 0 || !constants.bytes);
        }
        assert_int_equal(rc, 0); /* of the last round, in which nothing failed */
        assert_int_equal(no_memory + refused, torture_state.failed);
        assert_true(no_memory > 10 && refused > 10);
        trc_jaeger_constants_fini(&constants);
        trc_jaeger_constants_fini(&constants); /* once more is no harm */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_is_an_error),
    };
    return cmocka_run_group_tests_name("jaeger_failures", tests, NULL, NULL);
}
