/* SPDX-License-Identifier: MIT
 *
 * Headers that become tags: their names, and finding them in a response's head, which ends at an
 * unreadable page.
 */
#include "tracing/capture.h"
#include "unit.h"

#include <errno.h>

static void assert_slice(struct trc_slice s, const char *want) {
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.p, want, s.len);
}

static void names_in_three_spellings(void **state) {
    static const char *const rows[][3] = {
        {"X-Tenant", "HTTP_X_TENANT", "x-tenant"},
        {"content-TYPE", "CONTENT_TYPE", "content-type"},
        {"Content-Length", "CONTENT_LENGTH", "content-length"},
        {"a", "HTTP_A", "a"},
        {"X_Y", "HTTP_X_Y", "x_y"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trc_capture c;
        char tag[100];
        for (int direction = 0; direction < 2; direction++) {
            assert_int_equal(
                trc_capture_make(trc_slice_of(rows[i][0]), (enum trc_direction)direction, &c), 0);
            assert_slice(c.variable, rows[i][1]);
            assert_slice(c.header, rows[i][2]);
            snprintf(tag, sizeof(tag), "http.%s.header.%s", direction ? "response" : "request",
                     rows[i][2]);
            assert_slice(c.tag, tag);
            free((char *)c.variable.p);
            free((char *)c.header.p);
            free((char *)c.tag.p);
        }
    }
}

static void what_is_no_name(void **state) {
    static const char *const rows[] = {
        "",         "a b",
        "a:",       "a,b",
        "\xc3\xa9", "a\n",
        "(a)",      "a\"b",
        "a/b",      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct trc_capture c;
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(trc_capture_make(trc_slice_of(rows[i]), TRC_REQUEST, &c), -EINVAL);
}

static void finds_the_line(void **state) {
    static const struct {
        const char *head, *value;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", "1"},
        {"HTTP/1.1 200 OK\r\nx-a:1\r\nX-A:\t 2 \r\n\r\n", "2"},
        {"HTTP/1.1 200 OK\r\nX-A:\r\n\r\n", ""},
        {"HTTP/1.1 200 OK\r\nX-AB: 1\r\nY-X-A: 2\r\n\r\n", NULL},
        {"X-A", NULL},
        {"X-A:", NULL}, /* no end of the line: no line */
        {"X-A: 1", NULL},
        {"X-A: 1\n", "1"},
        {"\r\n\r\n", NULL},
        {"\n", NULL},
        {"", NULL},
    };
    struct trc_capture c = {.header = TRC_SLICE("x-a")};
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t len = strlen(rows[i].head);
        struct trc_slice found =
            trc_capture_find(&c, (struct trc_slice){guarded(0, rows[i].head, len), len});
        if (!rows[i].value)
            assert_null(found.p);
        else
            assert_slice(found, rows[i].value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_three_spellings),
        cmocka_unit_test(what_is_no_name),
        cmocka_unit_test(finds_the_line),
    };
    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
