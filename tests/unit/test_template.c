/* SPDX-License-Identifier: MIT
 *
 * Templates of span names: which there are, and what becomes of them.
 */
#include "tracing/template.h"
#include "unit.h"

static struct trc_template t;

static int parse(const char *text) {
    size_t len = strlen(text);
    return trc_template_parse((struct trc_slice){guarded(0, text, len), len}, &t);
}

/* Everything there could be. */
static struct trc_template_values full(void) {
    return (struct trc_template_values){
        .field = {[TRC_TEMPLATE_METHOD] = TRC_SLICE("GET"),
                  [TRC_TEMPLATE_ROUTE] = TRC_SLICE("/users/{id}"),
                  [TRC_TEMPLATE_PATH] = TRC_SLICE("/users/42"),
                  [TRC_TEMPLATE_HOST] = TRC_SLICE("shop.example"),
                  [TRC_TEMPLATE_APP] = TRC_SLICE("/shop")},
        .variable = {TRC_SLICE("one"), TRC_SLICE("two"), TRC_SLICE("3"), TRC_SLICE("4")},
    };
}

static const char *expand(const struct trc_template_values *values, size_t cap, bool *overflow) {
    static char text[512];
    struct trc_buf out = trc_buf_over(guarded(1, "", 0) - cap, cap);
    trc_template_expand(&t, values, &out);
    *overflow = out.overflow;
    snprintf(text, sizeof(text), "%.*s", (int)out.len, out.p);
    return text;
}

static void a_name_is_what_the_template_says(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{method} {route}", "GET /users/{id}"},
        {"{method}", "GET"},
        {"{route}", "/users/{id}"},
        {"{method} {path} {host} {app}", "GET /users/42 shop.example /shop"},
        {"{method}{route}", "GET/users/{id}"},
        {"http.request", "http.request"},
        {"{{method}} {method}", "{method} GET"},
        {"{{{method}}}", "{GET}"},
        {"}}{{", "}{"},
        {"{{{{", "{{"},
        {"{HTTP_X_TENANT}: {method}", "one: GET"},
        {"{HTTP_A}{SERVER_NAME}{X_9_}{____}", "onetwo34"},
        {"{HTTP_A} {HTTP_A}", "one two"},
        {"{method}  {route}", "GET  /users/{id}"}, /* two spaces that somebody wants */
        {" {method} ", "GET"},
        {"h\xc3\xa9 {method}", "h\xc3\xa9 GET"},
        {"{method}{method}{method}{method}{method}{method}{method}{method}{method}{method}{method}"
         "{method}{method}{method}{method}{method}",
         "GETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGET"},
    };
    bool overflow;
    const struct trc_template_values values = full();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(cases[i][0]))
            fail_msg("%s was not taken", cases[i][0]);
        assert_string_equal(expand(&values, 256, &overflow), cases[i][1]);
        assert_false(overflow);
    }
}

static void a_space_goes_with_what_is_absent(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"{method} {route}", "GET"},
                                           {"{route} {method}", "GET"},
                                           {"{method} {route} {host}", "GET h"},
                                           {"{route} {path} {host}", "h"},
                                           {"{route} {path}", "GET"},
                                           {"{route}", "GET"},
                                           {"{HTTP_X}", "GET"},
                                           {" ", "GET"},
                                           {"{method} - {route}", "GET -"},
                                           {"[{route}] {method}", "[] GET"},
                                           {"{method} {HTTP_X} {path}x", "GET x"}};
    struct trc_template_values values = {0};
    bool overflow;
    values.field[TRC_TEMPLATE_METHOD] = TRC_SLICE("GET");
    values.field[TRC_TEMPLATE_HOST] = TRC_SLICE("h");
    values.field[TRC_TEMPLATE_PATH] = TRC_SLICE(""); /* as good as absent */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(cases[i][0]), 0);
        assert_string_equal(expand(&values, 256, &overflow), cases[i][1]);
    }
}

static void a_method_of_the_clients_own_is_http(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"GET", "GET /r"},   {"QUERY", "QUERY /r"},
                                           {"get", "HTTP /r"},  {"BREW", "HTTP /r"},
                                           {"GETT", "HTTP /r"}, {"", "HTTP /r"}};
    struct trc_template_values values = {0};
    bool overflow;
    assert_int_equal(parse("{method} {route}"), 0);
    values.field[TRC_TEMPLATE_ROUTE] = TRC_SLICE("/r");
    assert_string_equal(expand(&values, 256, &overflow), "HTTP /r");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        values.field[TRC_TEMPLATE_METHOD] = trc_slice_of(cases[i][0]);
        assert_string_equal(expand(&values, 256, &overflow), cases[i][1]);
    }
}

static void what_has_no_room_is_cut(void **state) {
    (void)state;
    static const char whole[] = "GET /users/{id}";
    const struct trc_template_values values = full();
    bool overflow;
    assert_int_equal(parse("{method} {route}"), 0);
    for (size_t cap = 0; cap < 20; cap++) {
        const char *got = expand(&values, cap, &overflow);
        assert_true(overflow == (cap < strlen(whole)));
        assert_true(strlen(got) <= cap);
        assert_memory_equal(got, whole, strlen(got));
        assert_int_equal(strlen(got), overflow ? cap - (cap == 4) : strlen(whole));
    }
}

static void it_is_appended(void **state) {
    (void)state;
    char room[32] = "x ";
    struct trc_buf out = {room, 2, sizeof(room), false};
    const struct trc_template_values values = full();
    assert_int_equal(parse("  {method} "), 0);
    trc_template_expand(&t, &values, &out);
    assert_true(trc_slice_equal(trc_buf_slice(&out), TRC_SLICE("x GET")));
}

static void it_says_what_it_uses(void **state) {
    (void)state;
    assert_int_equal(parse("{method} {HTTP_X_A} {route} {SERVER_NAME}"), 0);
    assert_int_equal(t.uses, 1u << TRC_TEMPLATE_METHOD | 1u << TRC_TEMPLATE_ROUTE |
                                 1u << TRC_TEMPLATE_VARIABLE | 1u << TRC_TEMPLATE_TEXT);
    assert_int_equal(t.variable_count, 2);
    assert_true(trc_slice_equal(trc_template_variable(&t, 0), TRC_SLICE("HTTP_X_A")));
    assert_true(trc_slice_equal(trc_template_variable(&t, 1), TRC_SLICE("SERVER_NAME")));
    assert_int_equal(parse("{host}"), 0);
    assert_int_equal(t.uses, 1u << TRC_TEMPLATE_HOST);
    assert_int_equal(t.variable_count, 0);
}

static void a_wrong_template_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "{",
        "}",
        "{}",
        "{method",
        "method}",
        "{method}}",
        "{{method}",
        "{Method}",
        "{METHOD }",
        "{ method}",
        "{verb}",
        "{http_x}",
        "{HTTP-X}",
        "{ABC}",
        "{HTTP_{X}}",
        "{HTTP_A}{HTTP_B}{HTTP_C}{HTTP_D}{HTTP_E}",
        "{method}\n",
        "a\x7f",
        "\tx",
        "{method}-{method}-{method}-{method}-{method}-{method}-{method}-{method}-{method}",
    };
    struct trc_template before;
    memset(&t, 0x5a, sizeof(t));
    before = t;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (parse(wrong[i]) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
        assert_memory_equal(&t, &before, sizeof(t));
    }
    assert_int_equal(trc_template_parse(TRC_SLICE("{method}\0"), &t), -EINVAL);
    assert_int_equal(trc_template_parse((struct trc_slice){NULL, 0}, &t), -EINVAL);
}

static void it_has_at_most_255_bytes(void **state) {
    (void)state;
    char text[257];
    bool overflow;
    const struct trc_template_values values = full();
    memset(text, 'x', 256);
    text[256] = '\0';
    assert_int_equal(parse(text), -EINVAL);
    text[255] = '\0';
    assert_int_equal(parse(text), 0);
    assert_string_equal(expand(&values, 255, &overflow), text);
    assert_false(overflow);
    memset(text, 'A', 255);
    text[0] = '{';
    text[254] = '}';
    assert_int_equal(parse(text), 0);
    assert_int_equal(trc_template_variable(&t, 0).len, 253);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_what_the_template_says),
        cmocka_unit_test(a_space_goes_with_what_is_absent),
        cmocka_unit_test(a_method_of_the_clients_own_is_http),
        cmocka_unit_test(what_has_no_room_is_cut),
        cmocka_unit_test(it_is_appended),
        cmocka_unit_test(it_says_what_it_uses),
        cmocka_unit_test(a_wrong_template_is_refused_and_changes_nothing),
        cmocka_unit_test(it_has_at_most_255_bytes),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
