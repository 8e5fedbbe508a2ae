/* SPDX-License-Identifier: MIT
 *
 * What the tests of the settings stand on: settings made of options, and what was said of them.
 */
#ifndef TESTS_SETTINGS_RIG_H
#define TESTS_SETTINGS_RIG_H

#include "tracing/clock.h"
#include "tracing/log.h"
#include "tracing/settings.h"
#include "unit.h"

/* Settings live for good, so each test leaves some behind. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static struct trc_settings s;
static char error[TRC_ERROR_LINE_MAX];
static char logged[16384];

static void keep(const char *line) {
    strncat(logged, line, sizeof(logged) - strlen(logged) - 1);
}

static int setup(void **state) {
    (void)state;
    clearenv();
    logged[0] = '\0';
    trc_log_to(keep);
    return 0;
}

static enum trc_option option_of(const char *name) {
    for (int i = 0; i < TRC_OPT_COUNT; i++)
        if (strcmp(trc_option_table[i].name, name) == 0)
            return i;
    fail_msg("no option %s", name);
    return TRC_OPT_COUNT;
}

/* "option=value" strings, NULL at the end. */
static int make(const char *const *given) {
    static struct trc_options options;
    memset(&options, 0, sizeof(options));
    for (; *given; given++) {
        char *text = strdup(*given), *eq = strchr(text, '=');
        *eq = '\0';
        assert_int_equal(trc_options_add(&options, option_of(text), eq + 1), 0);
    }
    error[0] = '\0';
    return trc_settings_make(&options, "/srv/shop/", &s, error);
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline void assert_slice(struct trc_slice got, const char *want) {
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.p, want, got.len);
}

#endif
