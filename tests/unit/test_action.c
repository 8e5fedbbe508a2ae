/* SPDX-License-Identifier: MIT
 *
 * Actions of routes: which there are, and which are none.
 */
#include "tracing/action.h"
#include "unit.h"

static int parse(const char *text, struct trc_action *out) {
    size_t len = strlen(text);
    return trc_action_parse((struct trc_slice){guarded(0, text, len), len}, out);
}

static void what_it_says_is_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum trc_action_type type;
        double probability;
        const char *key, *value;
    } rows[] = {
        {"off", TRC_ACTION_OFF, 0, "", ""},
        {"on", TRC_ACTION_ON, 0, "", ""},
        {"sample=0", TRC_ACTION_SAMPLE, 0, "", ""},
        {"sample=0.25", TRC_ACTION_SAMPLE, 0.25, "", ""},
        {"sample=1", TRC_ACTION_SAMPLE, 1, "", ""},
        {"name=buy $1 = ${HTTP_HOST}", TRC_ACTION_NAME, 0, "", "buy $1 = ${HTTP_HOST}"},
        {"tag=k=v", TRC_ACTION_TAG, 0, "k", "v"},
        {"tag=k=a=b", TRC_ACTION_TAG, 0, "k", "a=b"},
        {"tag=k=", TRC_ACTION_TAG, 0, "k", ""},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trc_action a;
        assert_int_equal(parse(rows[i].text, &a), 0);
        assert_int_equal(a.type, rows[i].type);
        assert_true(a.probability == rows[i].probability);
        assert_true(trc_slice_equal(a.key, trc_slice_of(rows[i].key)));
        assert_true(trc_slice_equal(a.text, trc_slice_of(rows[i].value)));
    }
}

static void anything_else_is_none(void **state) {
    (void)state;
    static char long_key[300] = "tag=";
    memset(long_key + 4, 'k', 256);
    memcpy(long_key + 4 + 256, "=v", 3);
    static const char *const rows[] = {
        "",          "Off",         "off ",    "off=",     "off=1",     "on=",         "of",
        "offf",      "sample",      "sample=", "sample=2", "sample=-1", "sample=0.1x", "sample=nan",
        "sample=,1", "sample=1.01", "name",    "name=",    "tag",       "tag=",        "tag=k",
        "tag==v",    "=",           long_key,
    };
    struct trc_action before;
    memset(&before, 7, sizeof(before));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trc_action a = before;
        if (parse(rows[i], &a) != -EINVAL)
            fail_msg("%s is taken", rows[i]);
        assert_memory_equal(&a, &before, sizeof(a));
    }
    assert_int_equal(trc_action_parse((struct trc_slice){NULL, 0}, &before), -EINVAL);
    long_key[4 + 255] = '='; /* one byte less */
    long_key[4 + 256] = '\0';
    assert_int_equal(parse(long_key, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_is_read),
        cmocka_unit_test(anything_else_is_none),
    };
    return cmocka_run_group_tests_name("actions of routes", tests, NULL, NULL);
}
