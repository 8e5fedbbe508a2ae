/* SPDX-License-Identifier: MIT
 *
 * Making the Zipkin Thrift encoder, with each call that can fail failing in turn: there is none,
 * and nothing stays (a sanitizer or valgrind looks).
 */
#include "thrift_torture.h"
#include "unit.h"

#include "../../plugin/encode/zipkin_constants.c"

#include "../../plugin/encode/zipkin_thrift.c"

static const struct trc_tag tag = {TRC_SLICE("region"), TRC_SLICE("eu-west-1")};
static const struct trc_resource resource = {.service = TRC_SLICE("svc"),
                                             .tags = &tag,
                                             .tag_count = 1,
                                             .hostname = TRC_SLICE("web-1"),
                                             .ip = TRC_SLICE("2001:db8::1")};
static const struct trc_encoder_config config = {&resource, TRC_SEMCONV_HTTP_DUP, 65000};

static void each_failure_is_an_error(void **state) {
    struct trc_zipkin_constants constants;
    unsigned no_memory = 0, refused = 0;
    int rc = 0;

    (void)state;
    for (torture_begin(); torture_next();) {
        rc = trc_zipkin_constants_init(&constants, &config);
        no_memory += rc == -ENOMEM;
        refused += rc == -EIO;
        assert_true(rc == 0 || !constants.bytes);
    }
    assert_int_equal(rc, 0); /* of the last round, in which nothing failed */
    assert_int_equal(no_memory + refused, torture_state.failed);
    assert_true(no_memory > 10 && refused > 10);
    trc_zipkin_constants_fini(&constants);
    trc_zipkin_constants_fini(&constants); /* once more is no harm */
}

static void each_failure_makes_no_encoder(void **state) {
    struct trc_encoder *e = NULL;

    (void)state;
    for (torture_begin(); torture_next();) {
        assert_null(e);
        e = make(&config);
    }
    assert_non_null(e);
    drop(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_is_an_error),
        cmocka_unit_test(each_failure_makes_no_encoder),
    };
    return cmocka_run_group_tests_name("zipkin_failures", tests, NULL, NULL);
}
