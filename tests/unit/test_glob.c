/* SPDX-License-Identifier: MIT
 *
 * Globs, on memory of just their size; patterns that are made to take long.
 */
#include "tracing/clock.h"
#include "tracing/glob.h"
#include "unit.h"

static bool match(const char *pattern, const char *text) {
    size_t p = strlen(pattern), t = strlen(text);
    return trc_glob_match((struct trc_slice){guarded(0, pattern, p), p},
                          (struct trc_slice){guarded(1, text, t), t});
}

static void matches(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"/healthz", "/healthz", true},
        {"/healthz", "/healthz/", false},
        {"/healthz", "/health", false},
        {"/healthz", "", false},
        {"/static/*", "/static/", true},
        {"/static/*", "/static/css/site.css", true}, /* a slash, too */
        {"/static/*", "/static", false},
        {"/static/*", "/statics/x", false},
        {"*", "", true},
        {"*", "/anything", true},
        {"**", "", true},
        {"*.css", "/a/b.css", true},
        {"*.css", "/a.css/b.css.css", true},
        {"*.css", "/a/b.cs", false},
        {"/a/*/z", "/a/b/c/z", true},
        {"/a/*/z", "/a/z", false},
        {"/a*b*c", "/aXbXbXc", true},
        {"/a*b*c", "/aXbXbX", false},
        {"/v?/ping", "/v1/ping", true},
        {"/v?/ping", "/v/ping", false},
        {"/v?/ping", "/v12/ping", false},
        {"/?", "/", false},
        {"?*", "", false},
        {"*?", "x", true},
        {"/[ab]", "/a", false}, /* no classes, no escapes: each is itself */
        {"/[ab]", "/[ab]", true},
        {"\\*", "\\anything", true},
        {"kube-probe/*", "kube-probe/1.29", true},
        {"/caf\xc3?", "/caf\xc3\xa9", true}, /* bytes */
        {"", "", true},
        {"", "/", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (match(cases[i].pattern, cases[i].text) != cases[i].match)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
}

static void repeats(char *to, const char *what, unsigned times, const char *end) {
    *to = '\0';
    for (size_t len = strlen(what); times > 0; times--, to += len)
        memcpy(to, what, len + 1);
    strcpy(to, end);
}

/* A matcher that tries every star again would need longer than there is: 2^100 steps and more. */
static void takes_no_time(void **state) {
    (void)state;
    static const struct {
        const char *what, *end;
    } hostile[] = {{"a*", "b"}, {"*a", "b"}, {"*", "b"}, {"*?", "b"}, {"*a?", "b"}, {"**a", "b"}};
    static char pattern[2100], text[20001];
    repeats(text, "a", 20000, "");
    uint64_t begun = trc_clock_mono_ns();
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        repeats(pattern, hostile[i].what, 500, hostile[i].end);
        assert_false(match(pattern, text));
    }
    repeats(pattern, "a", 2000, "b");
    pattern[0] = '*'; /* one star, and a long way before each no */
    assert_false(match(pattern, text));
    assert_true(trc_clock_mono_ns() - begun < 20 * TRC_NS_PER_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
