/* SPDX-License-Identifier: MIT
 *
 * Answers of sampling servers: the table in data/sampling.txt, each answer cut everywhere, and
 * memory that runs out.
 */
#include "torture.h"
#include "tracing/sampling_answer.h"
#include "unit.h"
#include <jansson.h>

static void *failing_malloc(size_t size) {
    return torture(ENOMEM) ? NULL : malloc(size);
}
#define malloc(size) failing_malloc(size)
#include "../../plugin/report/sampling_answer.c"
#undef malloc

/* What was understood, as the table has it. */
static void describe(const struct trc_strategy *s, char *out, size_t cap) {
    size_t len = 0;
    if (s->type == TRC_SAMPLER_LOWERBOUND)
        len = (size_t)snprintf(out, cap, "operations %.15g %.15g", s->param, s->lower_bound);
    else
        len = (size_t)snprintf(
            out, cap, "%s %.15g",
            s->type == TRC_SAMPLER_PROBABILISTIC ? "probabilistic" : "ratelimiting", s->param);
    for (size_t i = 0; i < s->operation_count && len < cap; i++)
        len +=
            (size_t)snprintf(out + len, cap - len, " [%.*s=%.15g]", (int)s->operation[i].name.len,
                             s->operation[i].name.p, s->operation[i].probability);
}

static int parse(const char *json, size_t len, char *out, size_t cap) {
    struct trc_strategy *s = NULL;
    char why[TRC_ERROR_TEXT_MAX] = "";
    int rc = trc_sampling_answer_parse((struct trc_slice){guarded(0, json, len), len}, &s, why);
    assert_true((rc == 0) == (s != NULL));
    assert_true((rc == 0) == (why[0] == '\0'));
    if (rc == 0)
        describe(s, out, cap);
    else
        snprintf(out, cap, "bad %s", why);
    free(s);
    return rc;
}

/* Calls `check` with each line of the table. */
static void each(void (*check)(const char *want, const char *json)) {
    char path[1024], line[4096];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof(path), "%.*s/data/sampling.txt", (int)(slash - __FILE__), __FILE__);
    FILE *file = fopen(path, "r");
    unsigned count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || !tab)
            continue;
        *tab = '\0';
        check(line, tab + 1);
        count++;
    }
    fclose(file);
    assert_true(count > 50);
}

static void check_understood(const char *want, const char *json) {
    char got[4096];
    parse(json, strlen(json), got, sizeof(got));
    if (strncmp(want, "bad ", 4) == 0)
        got[strnlen(got, strlen(want))] = '\0'; /* the table has the beginning */
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s, and not %s", json, got, want);
}

static void the_table_is_understood(void **state) {
    (void)state;
    each(check_understood);
}

static void check_cut(const char *want, const char *json) {
    char got[4096];
    size_t len = strncmp(want, "bad ", 4) == 0 ? 0 : strlen(json);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(parse(json, i, got, sizeof(got)), -EINVAL);
}

static void a_part_is_no_answer(void **state) {
    (void)state;
    each(check_cut);
}

static void check_without_memory(const char *want, const char *json) {
    char got[4096];
    if (strncmp(want, "bad ", 4) == 0)
        return;
    /* Nor does jansson always notice: its strtod may make a number 0. */
    for (torture_begin(); torture_next();)
        parse(json, strlen(json), got, sizeof(got));
    assert_true(torture_state.failed > 5);
    json_set_alloc_funcs(malloc, free);
    for (torture_begin(); torture_next();) {
        int rc = parse(json, strlen(json), got, sizeof(got));
        assert_int_equal(rc, torture_state.fail_at == 1 ? -ENOMEM : 0);
    }
    json_set_alloc_funcs(failing_malloc, free);
}

static void memory_may_run_out(void **state) {
    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    each(check_without_memory);
    json_set_alloc_funcs(malloc, free);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    static char deep[100000];
    char got[512];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(parse(deep, sizeof(deep), got, sizeof(got)), -EINVAL);
    for (size_t i = 0; i < sizeof(deep); i += 5)
        memcpy(deep + i, "{\"a\":", 5);
    assert_int_equal(parse(deep, sizeof(deep), got, sizeof(got)), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_understood),
        cmocka_unit_test(a_part_is_no_answer),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests_name("sampling_answer", tests, NULL, NULL);
}
