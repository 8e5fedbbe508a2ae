/* SPDX-License-Identifier: MIT
 *
 * Control: what each text does, who changed what, versions of a file, copies that are whole while
 * others publish, and publishers that die.
 */
#include "killed.h"
#include "torture.h"
#include "tracing/clock.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define pthread_mutexattr_init(a) (torture(0) ? ENOMEM : pthread_mutexattr_init(a))
#define pthread_mutexattr_setpshared(a, b)                                                         \
    (torture(0) ? EINVAL : pthread_mutexattr_setpshared(a, b))
#define pthread_mutexattr_setrobust(a, b) (torture(0) ? EINVAL : pthread_mutexattr_setrobust(a, b))
#define pthread_mutex_init(a, b) (torture(0) ? ENOMEM : pthread_mutex_init(a, b))
#define mmap(...) (torture(ENOMEM) ? MAP_FAILED : mmap(__VA_ARGS__))
#include "../../plugin/base/robust.c"
#include "../../plugin/trace/control.c"
#undef mmap

static struct trc_control *control;
static _Atomic uint64_t account;

static struct trc_rules configured(const char *sampler) {
    struct trc_rules rules = {.enabled = true};
    assert_int_equal(trc_sampler_parse(trc_slice_of(sampler), &rules.sampler), 0);
    assert_int_equal(trc_exclude_add(&rules.exclude, TRC_SLICE("/healthz")), 0);
    return rules;
}

static void make(const char *sampler) {
    const struct trc_rules rules = configured(sampler);
    trc_control_free(control);
    atomic_store(&account, 0);
    assert_int_equal(trc_control_new(&control, &rules, &account), 0);
}

static int setup(void **state) {
    (void)state;
    make("const:1");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    trc_control_free(control);
    control = NULL;
    return 0;
}

static int set(enum trc_setting setting, const char *text, enum trc_changer by) {
    struct trc_change change = {0};
    const char *allowed;
    unsigned changed;
    int rc = trc_change_set(&change, control, setting, trc_slice_of(text), &allowed);
    return rc ? rc : trc_control_apply(control, &change, by, &changed) ? -1 : (int)changed;
}

static void assert_setting(const struct trc_rules *rules, enum trc_setting setting,
                           const char *want) {
    char text[TRC_SETTING_TEXT_MAX];
    struct trc_buf b = trc_buf_over(text, sizeof(text));
    trc_rules_put(&b, rules, setting);
    assert_false(b.overflow);
    assert_int_equal(b.len, strlen(want));
    assert_memory_equal(text, want, b.len);
}

static bool is_on(void) {
    return atomic_load(trc_control_word(control)) & TRC_CONTROL_ON;
}

static void begins_as_configured(void **state) {
    (void)state;
    struct trc_control_state s;
    trc_control_read(control, &s);
    assert_true(is_on());
    for (unsigned i = 0; i < TRC_SETTING_COUNT; i++) {
        assert_int_equal(s.change[i].by, TRC_CHANGER_OPTION);
        assert_int_equal(s.change[i].at_unix_ns, 0);
    }
    assert_setting(&s.now, TRC_SETTING_ENABLED, "true");
    assert_setting(&s.now, TRC_SETTING_SAMPLER, "const:1");
    assert_setting(&s.now, TRC_SETTING_EXCLUDE, "/healthz");
    assert_setting(&s.before, TRC_SETTING_EXCLUDE, "/healthz");
}

static void says_what_it_was_and_who_changed_it(void **state) {
    (void)state;
    struct trc_control_state s;
    uint64_t begun = trc_clock_unix_ns();
    assert_int_equal(set(TRC_SETTING_SAMPLER, "probabilistic:0.1", TRC_CHANGER_RPC),
                     1 << TRC_SETTING_SAMPLER);
    assert_int_equal(set(TRC_SETTING_SAMPLER, "probabilistic:0.1", TRC_CHANGER_FILE), 0);
    assert_int_equal(
        set(TRC_SETTING_EXCLUDE, "/a*, agent:curl/* ,method:OPTIONS", TRC_CHANGER_FILE),
        1 << TRC_SETTING_EXCLUDE);
    assert_int_equal(set(TRC_SETTING_ENABLED, "off", TRC_CHANGER_RPC), 1 << TRC_SETTING_ENABLED);
    trc_control_read(control, &s);
    assert_setting(&s.now, TRC_SETTING_SAMPLER, "probabilistic:0.1");
    assert_setting(&s.before, TRC_SETTING_SAMPLER, "const:1");
    assert_int_equal(s.change[TRC_SETTING_SAMPLER].by, TRC_CHANGER_RPC);
    assert_setting(&s.now, TRC_SETTING_EXCLUDE, "/a*,agent:curl/*,method:OPTIONS");
    assert_setting(&s.before, TRC_SETTING_EXCLUDE, "/healthz");
    assert_int_equal(s.change[TRC_SETTING_EXCLUDE].by, TRC_CHANGER_FILE);
    assert_setting(&s.now, TRC_SETTING_ENABLED, "false");
    assert_true(s.change[TRC_SETTING_ENABLED].at_unix_ns >= begun);
    assert_false(is_on());

    bool on;
    unsigned changed;
    assert_int_equal(trc_control_toggle(control, TRC_CHANGER_FIFO, &on), 0);
    assert_true(on && is_on());
    assert_int_equal(trc_control_reset(control, TRC_CHANGER_RPC, &changed), 0);
    assert_int_equal(changed, 1 << TRC_SETTING_SAMPLER | 1 << TRC_SETTING_EXCLUDE);
    trc_control_read(control, &s);
    assert_int_equal(s.change[TRC_SETTING_ENABLED].by, TRC_CHANGER_FIFO);
    assert_setting(&s.now, TRC_SETTING_SAMPLER, "const:1");
    assert_setting(&s.before, TRC_SETTING_SAMPLER, "probabilistic:0.1");
    assert_setting(&s.now, TRC_SETTING_EXCLUDE, "/healthz");
}

static void refuses_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        enum trc_setting setting;
        const char *text;
    } bad[] = {
        {TRC_SETTING_ENABLED, ""},        {TRC_SETTING_ENABLED, "maybe"},
        {TRC_SETTING_SAMPLER, ""},        {TRC_SETTING_SAMPLER, "probabilistic:2"},
        {TRC_SETTING_SAMPLER, "remote"},  {TRC_SETTING_SAMPLER, "remote:http://a/"},
        {TRC_SETTING_EXCLUDE, "healthz"}, {TRC_SETTING_EXCLUDE, "/a,,/b"},
        {TRC_SETTING_EXCLUDE, "/a,"},     {TRC_SETTING_EXCLUDE, "agent:"},
        {TRC_SETTING_EXCLUDE, "/a\nb"},   {TRC_SETTING_EXCLUDE, "/a\x7f"},
        {TRC_SETTING_EXCLUDE, "host:/a"}, {TRC_SETTING_EXCLUDE, "none,/a"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (set(bad[i].setting, bad[i].text, TRC_CHANGER_RPC) != -EINVAL)
            fail_msg("taken: %s", bad[i].text);
    begins_as_configured(NULL);
}

/* As the configuration has it, whatever is in force. */
static void remote_is_the_configured_one(void **state) {
    (void)state;
    struct trc_control_state s;
    make("remote:http://sampling.example/ interval=5s initial=0.5");
    assert_int_equal(set(TRC_SETTING_SAMPLER, "remote", TRC_CHANGER_RPC), 0);
    assert_int_equal(set(TRC_SETTING_SAMPLER, "const:0", TRC_CHANGER_RPC),
                     1 << TRC_SETTING_SAMPLER);
    assert_int_equal(set(TRC_SETTING_SAMPLER, "remote:http://other.example/", TRC_CHANGER_RPC),
                     -EINVAL);
    trc_control_read(control, &s);
    char text[TRC_SETTING_TEXT_MAX];
    struct trc_buf b = trc_buf_over(text, sizeof(text) - 1);
    trc_rules_put(&b, &s.before, TRC_SETTING_SAMPLER);
    text[b.len] = '\0';
    assert_string_equal(text, "remote:http://sampling.example/ interval=5000ms initial=0.5");
    assert_int_equal(set(TRC_SETTING_SAMPLER, text, TRC_CHANGER_RPC), 1 << TRC_SETTING_SAMPLER);
}

static void exclude_has_limits(void **state) {
    (void)state;
    struct trc_exclude e = {0};
    char text[TRC_EXCLUDE_BYTES + 2];
    for (unsigned i = 0; i < TRC_EXCLUDE_MAX; i++)
        assert_int_equal(trc_exclude_add(&e, TRC_SLICE("/x")), 0);
    assert_int_equal(trc_exclude_add(&e, TRC_SLICE("/x")), -EINVAL);
    assert_int_equal(e.count, TRC_EXCLUDE_MAX);
    memset(text, '/', sizeof(text));
    for (int more = 1; more >= 0; more--) {
        e = (struct trc_exclude){0};
        struct trc_slice s = {guarded(0, text, TRC_EXCLUDE_BYTES + (size_t)more),
                              TRC_EXCLUDE_BYTES + (size_t)more};
        assert_int_equal(trc_exclude_add(&e, s), more ? -EINVAL : 0);
        assert_int_equal(e.count, !more);
    }
    assert_int_equal(trc_exclude_add(&e, TRC_SLICE("*")), -EINVAL);
    struct trc_buf b = trc_buf_over(text, sizeof(text));
    trc_exclude_put(&b, &e);
    assert_int_equal(b.len, TRC_EXCLUDE_BYTES);
}

static void excludes_what_matches(void **state) {
    (void)state;
    static const struct {
        const char *list, *path, *agent, *method;
        bool match;
    } cases[] = {
        {"none", "/", "x", "GET", false},
        {"", "/", "x", "GET", false},
        {"/healthz,/static/*", "/healthz", "x", "GET", true},
        {"/healthz,/static/*", "/static/a/b", "x", "GET", true},
        {"/healthz,/static/*", "/", "x", "GET", false},
        {"agent:kube-probe/*", "/", "kube-probe/1.29", "GET", true},
        {"agent:kube-probe/*", "/kube-probe/1", "curl", "GET", false},
        {"agent:*", "/", NULL, "GET", false}, /* who says nothing is nobody */
        {"method:OPTIONS", "/", "x", "OPTIONS", true},
        {"method:OPTIONS", "/OPTIONS", "OPTIONS", "GET", false},
        {"*.css", "/a.css", NULL, NULL, true},
        {"?", "*", NULL, NULL, true},
        {"/a?b", "/a,b", NULL, NULL, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trc_exclude e = {0};
        const struct trc_slice subject[TRC_EXCLUDE_SUBJECTS] = {trc_slice_of(cases[i].path),
                                                                trc_slice_of(cases[i].agent),
                                                                trc_slice_of(cases[i].method)};
        assert_int_equal(trc_exclude_add(&e, trc_slice_of(cases[i].list)), 0);
        if (trc_exclude_match(&e, subject) != cases[i].match)
            fail_msg("%s", cases[i].list);
    }
}

static void a_version_is_taken_once(void **state) {
    (void)state;
    struct trc_change change = {0};
    const char *allowed;
    unsigned changed;
    struct trc_file_version one = {1, 2, 3, 4, 5}, two = {1, 2, 3, 4, 6}, bad = {1, 2, 3, 4, 7};
    trc_change_set(&change, control, TRC_SETTING_ENABLED, TRC_SLICE("false"), &allowed);
    assert_int_equal(trc_control_apply_version(control, &one, &change, &changed), 0);
    assert_int_equal(changed, 1 << TRC_SETTING_ENABLED);
    assert_int_equal(set(TRC_SETTING_ENABLED, "true", TRC_CHANGER_RPC), 1 << TRC_SETTING_ENABLED);
    assert_int_equal(trc_control_apply_version(control, &one, &change, &changed), -EALREADY);
    assert_int_equal(changed, 0);
    assert_true(is_on());
    assert_int_equal(trc_control_apply_version(control, &bad, NULL, &changed), 0);
    assert_int_equal(trc_control_apply_version(control, &bad, NULL, &changed), -EALREADY);
    assert_true(is_on());
    assert_int_equal(trc_control_apply_version(control, &two, &change, &changed), 0);
    assert_false(is_on());
}

/* A limit that was low has left debts; under a higher one they would keep it shut for hours. */
static void forgives_what_a_lower_rate_owes(void **state) {
    (void)state;
    uint64_t now = trc_clock_mono_ns();
    make("ratelimiting:0.0001");
    struct trc_core_rules own = {0};
    trc_control_copy(control, &own);
    assert_true(trc_sampler_sample(&own.now.sampler, 1, &account, now));
    assert_false(trc_sampler_sample(&own.now.sampler, 1, &account, now));
    assert_true(set(TRC_SETTING_SAMPLER, "ratelimiting:10", TRC_CHANGER_RPC) > 0);
    trc_control_follow(control, &own, atomic_load(trc_control_word(control)));
    assert_true(trc_sampler_sample(&own.now.sampler, 1, &account, now + 2 * TRC_NS_PER_S));
}

/* --- Beside each other --------------------------------------------------------------------- */

static _Atomic bool done, torn;

/* All settings say the same number, or something was torn. */
static void *watch(void *arg) {
    struct trc_core_rules own = {0};
    struct trc_control_state s;
    _Atomic uint64_t *copies = arg;
    while (!atomic_load(&done)) {
        uint64_t before = own.word;
        trc_control_follow(control, &own, atomic_load(trc_control_word(control)));
        *copies += own.word != before;
        trc_control_read(control, &s);
        const struct trc_rules *rules[] = {&own.now, &s.now};
        for (int i = 0; i < 2; i++) {
            unsigned n = (unsigned)rules[i]->sampler.param;
            struct trc_slice glob = {rules[i]->exclude.text, rules[i]->exclude.pattern[0].end};
            char want[300];
            memset(want, 'a' + (int)(n % 26), sizeof(want));
            if (n && (glob.len != 1 + n % 200 || memcmp(glob.p + 1, want, n % 200) != 0 ||
                      rules[i]->enabled != n % 2))
                atomic_store(&torn, true);
        }
    }
    return NULL;
}

static void publish_numbers(unsigned from, unsigned count) {
    for (unsigned n = from; n < from + count; n++) {
        struct trc_change change = {(1u << TRC_SETTING_COUNT) - 1, {.enabled = n % 2}};
        char glob[301] = "/";
        memset(glob + 1, 'a' + (int)(n % 26), n % 200);
        change.to.sampler.param = n;
        assert_int_equal(trc_exclude_add(&change.to.exclude, (struct trc_slice){glob, 1 + n % 200}),
                         0);
        while (trc_control_apply(control, &change, TRC_CHANGER_RPC, NULL) == -EBUSY)
            ; /* its turn came too late, under a sanitizer */
    }
}

static void *publish_odd(void *arg) {
    (void)arg;
    publish_numbers(100001, 2000);
    return NULL;
}

static void copies_are_whole(void **state) {
    (void)state;
    pthread_t reader[2], writer;
    _Atomic uint64_t copies[2] = {0};
    make("const:0"); /* before the first number */
    atomic_store(&done, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, watch, &copies[i]), 0);
    assert_int_equal(pthread_create(&writer, NULL, publish_odd, NULL), 0);
    for (unsigned n = 1; n < 2000 || copies[0] < 100 || copies[1] < 100; n++)
        publish_numbers(n, 1);
    pthread_join(writer, NULL);
    atomic_store(&done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(reader[i], NULL);
    assert_false(atomic_load(&torn));
}

/* --- And when they die --------------------------------------------------------------------- */

static void publish_seven(void) {
    publish_numbers(7, 1);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STEPS 0 /* their own instructions are a thousand times ours */
#else
#define STEPS 199
#endif

/* Whatever it had come to: the old settings or the new, and the next one publishes. */
static void a_dead_publisher_leaves_one_state(void **state) {
    (void)state;
    struct trc_control_state s;
    bool died = true;
    unsigned old = 0, new = 0;
    for (unsigned i = 0; died; i += STEPS) {
        publish_numbers(4, 1);
        died = killed_after(i, publish_seven) && STEPS;
        trc_control_read(control, &s);
        unsigned n = (unsigned)s.now.sampler.param;
        assert_true(n == 4 || n == 7);
        assert_int_equal(s.now.enabled, n == 7);
        assert_int_equal(is_on(), n == 7);
        assert_int_equal(s.now.exclude.pattern[0].end, 1 + n);
        old += n == 4;
        new += n == 7;
    }
    assert_true(STEPS == 0 || (old > 10 && new > 1));
}

static void the_dead_hold_nothing_up(void **state) {
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(trc_robust_lock(&control->turn, 0)); /* and dies with it */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(set(TRC_SETTING_ENABLED, "false", TRC_CHANGER_RPC), 1 << TRC_SETTING_ENABLED);
    assert_int_equal(set(TRC_SETTING_ENABLED, "true", TRC_CHANGER_RPC), 1 << TRC_SETTING_ENABLED);
}

static void a_stopped_one_does_not_for_long(void **state) {
    (void)state;
    int status, ready[2];
    char byte;
    bool on;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        trc_robust_lock(&control->turn, 0);
        _exit(write(ready[1], "x", 1) != 1 || pause());
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(trc_control_toggle(control, TRC_CHANGER_FIFO, &on), -EBUSY);
    assert_true(is_on());
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(trc_control_toggle(control, TRC_CHANGER_FIFO, &on), 0);
    assert_false(is_on());
    close(ready[0]);
    close(ready[1]);
}

static void is_made_or_says_why_not(void **state) {
    (void)state;
    const struct trc_rules rules = configured("const:1");
    for (torture_begin(); torture_next();) {
        struct trc_control *c = NULL;
        int rc = trc_control_new(&c, &rules, &account);
        assert_int_equal(rc < 0, torture_state.calls >= torture_state.fail_at);
        assert_int_equal(c == NULL, rc < 0);
        trc_control_free(c);
    }
    assert_int_equal(torture_state.failed, 5);
}

static void counts_flushes(void **state) {
    (void)state;
    assert_int_equal(trc_control_flushes(control), 0);
    trc_control_flush(control);
    assert_int_equal(trc_control_flushes(control), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(begins_as_configured, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_it_was_and_who_changed_it, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(remote_is_the_configured_one, setup, teardown),
        cmocka_unit_test(exclude_has_limits),
        cmocka_unit_test(excludes_what_matches),
        cmocka_unit_test_setup_teardown(a_version_is_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(forgives_what_a_lower_rate_owes, setup, teardown),
        cmocka_unit_test_setup_teardown(copies_are_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_publisher_leaves_one_state, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_hold_nothing_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_one_does_not_for_long, setup, teardown),
        cmocka_unit_test(is_made_or_says_why_not),
        cmocka_unit_test_setup_teardown(counts_flushes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
