/* SPDX-License-Identifier: MIT
 *
 * Looking up names with patience: what glibc's getaddrinfo_a and its kin can say, scripted, and a
 * name that is really looked up.
 */
#include "torture.h"
#include "unit.h"
#include <arpa/inet.h>
#include <netdb.h>

static struct {
    int start;      /* what getaddrinfo_a returns */
    unsigned looks; /* at which the answer is still out */
    int error;      /* the answer then */
    int cancel;     /* what gai_cancel returns */
    unsigned starts, suspends;
    struct gaicb *request;
    bool real;
} script;

static int scripted_start(int mode, struct gaicb *list[], int n, struct sigevent *event) {
    script.starts++;
    script.request = list[0];
    return script.real ? getaddrinfo_a(mode, list, n, event) : script.start;
}

static int scripted_error(struct gaicb *request) {
    if (script.real)
        return gai_error(request);
    assert_ptr_equal(request, script.request);
    if (script.looks > 0 && script.looks-- > 0)
        return EAI_INPROGRESS;
    return script.error;
}

static int scripted_suspend(const struct gaicb *const list[], int n, const struct timespec *time) {
    script.suspends++;
    assert_true(time->tv_sec * 1000 + time->tv_nsec / 1000000 > 0);
    return script.real ? gai_suspend(list, n, time) : EAI_AGAIN;
}

static int scripted_cancel(struct gaicb *request) {
    assert_ptr_equal(request, script.request);
    return script.cancel;
}

#define getaddrinfo_a scripted_start
#define gai_error scripted_error
#define gai_suspend scripted_suspend
#define gai_cancel scripted_cancel
#define calloc(n, size) (torture(ENOMEM) ? NULL : calloc(n, size))
#include "../../plugin/send/lookup.c"
#undef getaddrinfo_a
#undef gai_error
#undef gai_suspend
#undef gai_cancel
#undef calloc

static const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};

static int setup(void **state) {
    (void)state;
    memset(&script, 0, sizeof(script));
    return 0;
}

static unsigned asks_left;

static int ask_a_few_times(void *arg) {
    (void)arg;
    return asks_left > 0 && asks_left-- > 0 ? 25 : 0;
}

static const struct trc_patience patience = {ask_a_few_times, NULL};

static int look_up(struct trc_lookup **under_way, unsigned asks, struct addrinfo **out) {
    asks_left = asks;
    return trc_lookup(under_way, "agent.example", "6831", &hints, &patience, out);
}

static void an_address_is_not_asked_for(void **state) {
    (void)state;
    const struct addrinfo numeric = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct trc_lookup *under_way = NULL;
    struct addrinfo *out = NULL;
    assert_int_equal(trc_lookup(&under_way, "127.0.0.1", "6831", &numeric, NULL, &out), 0);
    assert_int_equal(script.starts, 0);
    freeaddrinfo(out);
}

static void a_name_is_looked_up(void **state) {
    (void)state;
    struct trc_lookup *under_way = NULL;
    struct addrinfo *out = NULL;
    script.real = true;
    assert_int_equal(trc_lookup(&under_way, "localhost", "6831", &hints, NULL, &out), 0);
    assert_null(under_way);
    bool is_v4 = out->ai_family == AF_INET;
    assert_int_equal(is_v4 ? ((struct sockaddr_in *)out->ai_addr)->sin_port
                           : ((struct sockaddr_in6 *)out->ai_addr)->sin6_port,
                     htons(6831));
    freeaddrinfo(out);
}

static void patience_ends_and_the_next_call_goes_on(void **state) {
    (void)state;
    struct trc_lookup *under_way = NULL;
    struct addrinfo *out = NULL, answer;
    script.looks = 5;
    assert_int_equal(look_up(&under_way, 2, &out), EAI_INPROGRESS); /* looks 1 to 3 */
    assert_non_null(under_way);
    assert_null(out);
    assert_int_equal(script.suspends, 2);
    script.request->ar_result = &answer;
    assert_int_equal(look_up(&under_way, 9, &out), 0);
    assert_null(under_way);
    assert_ptr_equal(out, &answer);
    assert_int_equal(script.starts, 1);
}

static void an_error_is_an_answer(void **state) {
    (void)state;
    struct trc_lookup *under_way = NULL;
    struct addrinfo *out = NULL;
    script.error = EAI_NONAME;
    assert_int_equal(look_up(&under_way, 1, &out), EAI_NONAME);
    assert_null(under_way);
    script.start = EAI_AGAIN; /* no thread for it */
    assert_int_equal(look_up(&under_way, 1, &out), EAI_AGAIN);
    assert_null(under_way);
    assert_null(out);
}

static void no_memory(void **state) {
    (void)state;
    unsigned answered = 0;
    for (torture_begin(); torture_next();) {
        struct trc_lookup *under_way = NULL;
        struct addrinfo *out = NULL;
        int rc = look_up(&under_way, 1, &out);
        assert_true(rc == 0 || rc == EAI_MEMORY);
        assert_null(under_way);
        answered += rc == 0;
    }
    assert_int_equal(torture_state.failed, 1);
    assert_int_equal(answered, 1);
}

static struct trc_lookup *under_way_for_good(void) {
    struct trc_lookup *under_way = NULL;
    struct addrinfo *out = NULL;
    script.looks = 1;
    assert_int_equal(look_up(&under_way, 0, &out), EAI_INPROGRESS);
    return under_way;
}

/* What is still written to stays; all else is freed (the sanitizer looks). */
static void is_dropped(void **state) {
    (void)state;
    trc_lookup_drop(NULL);
    script.cancel = EAI_CANCELED;
    trc_lookup_drop(under_way_for_good());
    script.cancel = EAI_ALLDONE;
    script.error = EAI_NONAME;
    trc_lookup_drop(under_way_for_good());
    struct trc_lookup *answered = under_way_for_good();
    script.error = 0;
    assert_int_equal(getaddrinfo("127.0.0.1", "1", NULL, &answered->request.ar_result), 0);
    trc_lookup_drop(answered);
    struct trc_lookup *stays = under_way_for_good();
    script.cancel = EAI_NOTCANCELED;
    trc_lookup_drop(stays);
    assert_ptr_equal(stays->request.ar_name, script.request->ar_name);
    free(stays);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_address_is_not_asked_for, setup),
        cmocka_unit_test_setup(a_name_is_looked_up, setup),
        cmocka_unit_test_setup(patience_ends_and_the_next_call_goes_on, setup),
        cmocka_unit_test_setup(an_error_is_an_answer, setup),
        cmocka_unit_test_setup(no_memory, setup),
        cmocka_unit_test_setup(is_dropped, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
