/* SPDX-License-Identifier: MIT
 *
 * Formats at work together, from request to request: what a packet that came in with one format's
 * headers holds when the application gets it.
 */
#include "tracing/packet.h"
#include "tracing/tracer.h"
#include "unit.h"
#include <ctype.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

/* In what comes out, "*" is an id of 16 digits that we made and "#" one of 32. */
static const struct row {
    const char *extract, *inject, *trust;
    const char *in[7], *out[7]; /* NAME=value */
    unsigned context_errors;
} rows[] = {
    /* tracestate goes on with its trace */
    {"tracecontext",
     "tracecontext",
     "all",
     {"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01", "HTTP_TRACESTATE=b=2, a=1"},
     {"HTTP_TRACEPARENT=00-" TRACE "-*-01", "HTTP_TRACESTATE=b=2, a=1"},
     0},
    /* a bad one does no harm and is not counted */
    {"tracecontext",
     "tracecontext",
     "all",
     {"HTTP_TRACESTATE=B=2", "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-00"},
     {"HTTP_TRACEPARENT=00-" TRACE "-*-00"},
     0},
    /* and none goes on when the trace does not */
    {"tracecontext",
     "tracecontext",
     "all",
     {"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-0", "HTTP_TRACESTATE=a=1"},
     {"HTTP_TRACEPARENT=00-#-*-03"},
     1},
    {"tracecontext",
     "tracecontext",
     "none",
     {"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-00", "HTTP_TRACESTATE=a=1", "HTTP_BAGGAGE=a=1"},
     {"HTTP_TRACEPARENT=00-#-*-03", "HTTP_BAGGAGE=a=1"},
     0},
    /* two traceparents over the uwsgi protocol */
    {"tracecontext",
     "tracecontext",
     "all",
     {"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-00", "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-00"},
     {"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-00", "HTTP_TRACEPARENT=00-#-*-03"},
     1},
    /* it goes on, too, when another format was asked first and names the same trace, */
    {"jaeger,tracecontext",
     "tracecontext",
     "all",
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1", "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01",
      "HTTP_TRACESTATE=a=1"},
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1", "HTTP_TRACEPARENT=00-" TRACE "-*-01",
      "HTTP_TRACESTATE=a=1"},
     0},
    /* but not when it names another */
    {"jaeger,tracecontext",
     "tracecontext",
     "all",
     {"HTTP_UBER_TRACE_ID=1" TRACE ":" SPAN ":0:1", "HTTP_TRACESTATE=a=1"},
     {"HTTP_UBER_TRACE_ID=1" TRACE ":" SPAN ":0:1", "HTTP_TRACEPARENT=00-#-*-03"},
     1},
    {"jaeger,tracecontext",
     "tracecontext",
     "all",
     {"HTTP_UBER_TRACE_ID=" SPAN ":" SPAN ":0:1", "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01",
      "HTTP_TRACESTATE=a=1"},
     {"HTTP_UBER_TRACE_ID=" SPAN ":" SPAN ":0:1",
      "HTTP_TRACEPARENT=00-0000000000000000" SPAN "-*-01"},
     0},
    /* the random flag is the caller's, or ours for an id of ours */
    {"tracecontext",
     "tracecontext",
     "all",
     {"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-02"},
     {"HTTP_TRACEPARENT=00-" TRACE "-*-02"},
     0},
    {"jaeger,tracecontext",
     "tracecontext",
     "all",
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:0", "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-03"},
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:0", "HTTP_TRACEPARENT=00-" TRACE "-*-02"},
     0},
    {"jaeger,tracecontext",
     "tracecontext",
     "all",
     {"HTTP_UBER_TRACE_ID=" SPAN ":" SPAN ":0:1", "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-03"},
     {"HTTP_UBER_TRACE_ID=" SPAN ":" SPAN ":0:1",
      "HTTP_TRACEPARENT=00-0000000000000000" SPAN "-*-01"},
     0},
    {"jaeger",
     "tracecontext,b3",
     "all",
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1"},
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1", "HTTP_TRACEPARENT=00-" TRACE "-*-01",
      "HTTP_B3=" TRACE "-*-1"},
     0},
    /* a decision alone: for a trace that begins here */
    {"b3",
     "b3,tracecontext",
     "all",
     {"HTTP_B3=0"},
     {"HTTP_B3=#-*-0", "HTTP_TRACEPARENT=00-#-*-02"},
     0},
    {"b3", "b3", "all", {"HTTP_B3=d"}, {"HTTP_B3=#-*-d"}, 0},
    {"b3multi",
     "b3multi",
     "all",
     {"HTTP_X_B3_SAMPLED=false"},
     {"HTTP_X_B3_SAMPLED=0", "HTTP_X_B3_TRACEID=#", "HTTP_X_B3_SPANID=*"},
     0},
    {"b3", "b3", "none", {"HTTP_B3=0"}, {"HTTP_B3=#-*-1"}, 0},
    /* a decision that is ours */
    {"b3", "b3", "all", {"HTTP_B3=" TRACE "-" SPAN}, {"HTTP_B3=" TRACE "-*-1"}, 0},
    /* one before many, and nothing stale */
    {"b3,b3multi",
     "b3,b3multi",
     "all",
     {"HTTP_B3=" TRACE "-" SPAN "-0", "HTTP_X_B3_TRACEID=" SPAN, "HTTP_X_B3_SPANID=" SPAN,
      "HTTP_X_B3_PARENTSPANID=" SPAN, "HTTP_X_B3_SAMPLED=1", "HTTP_X_B3_FLAGS=1"},
     {"HTTP_B3=" TRACE "-*-0", "HTTP_X_B3_TRACEID=" TRACE, "HTTP_X_B3_SPANID=*",
      "HTTP_X_B3_SAMPLED=0"},
     0},
    {"b3multi",
     "b3multi",
     "all",
     {"HTTP_X_B3_SAMPLED=0", "HTTP_X_B3_FLAGS=1", "HTTP_X_B3_TRACEID=" SPAN,
      "HTTP_X_B3_PARENTSPANID=" SPAN, "HTTP_X_B3_SPANID=" SPAN},
     {"HTTP_X_B3_FLAGS=1", "HTTP_X_B3_TRACEID=" SPAN, "HTTP_X_B3_SPANID=*"},
     0},
    /* a malformed one is counted, the next in the list is taken */
    {"b3,b3multi,tracecontext",
     "tracecontext",
     "all",
     {"HTTP_B3=x", "HTTP_X_B3_TRACEID=" TRACE, "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01",
      "HTTP_TRACESTATE=a=1"},
     {"HTTP_B3=x", "HTTP_X_B3_TRACEID=" TRACE, "HTTP_TRACEPARENT=00-" TRACE "-*-01",
      "HTTP_TRACESTATE=a=1"},
     2},
    /* baggage of either kind becomes both */
    {"jaeger,baggage",
     "jaeger,baggage",
     "all",
     {"HTTP_UBER_TRACE_ID=" TRACE ":" SPAN ":0:1", "HTTP_UBERCTX_USER=a%20b",
      "HTTP_BAGGAGE=k=v;p, user=c"},
     {"HTTP_UBER_TRACE_ID=" TRACE ":*:" SPAN ":1", "HTTP_UBERCTX_USER=a%20b", "HTTP_UBERCTX_K=v",
      "HTTP_BAGGAGE=k=v;p, user=c"},
     0},
    {"jaeger,baggage",
     "tracecontext,baggage",
     "all",
     {"HTTP_UBERCTX_USER_ID=a%20b", "HTTP_JAEGER_BAGGAGE=k=v"},
     {"HTTP_UBERCTX_USER_ID=a%20b", "HTTP_JAEGER_BAGGAGE=k=v", "HTTP_TRACEPARENT=00-#-*-03",
      "HTTP_BAGGAGE=user-id=a%20b,k=v"},
     0},
    /* nothing of the baggage of a peer who is not trusted is passed to other formats */
    {"jaeger,baggage",
     "tracecontext,baggage",
     "none",
     {"HTTP_BAGGAGE=a=1;p", "HTTP_UBERCTX_K=v"},
     {"HTTP_BAGGAGE=a=1;p", "HTTP_UBERCTX_K=v", "HTTP_TRACEPARENT=00-#-*-03"},
     0},
};

static void list_of(const char *names, const struct trc_format **list) {
    struct trc_slice rest = trc_slice_of(names), name;
    while (trc_slice_split(&rest, ',', &name)) {
        *list = trc_format_find(name);
        assert_non_null(*list++);
    }
    *list = NULL;
}

static size_t put(char *packet, const char *variable) {
    const char *eq = strchr(variable, '=');
    size_t key = (size_t)(eq - variable), value = strlen(eq + 1);
    const size_t lens[] = {key, value};
    const char *const parts[] = {variable, eq + 1};
    char *p = packet;
    for (int i = 0; i < 2; i++) {
        *p++ = (char)lens[i];
        *p++ = (char)(lens[i] >> 8);
        p = (char *)memcpy(p, parts[i], lens[i]) + lens[i];
    }
    return (size_t)(p - packet);
}

static bool matches(const char *pattern, const char *text) {
    for (; *pattern; pattern++) {
        int digits = *pattern == '*' ? 16 : *pattern == '#' ? 32 : 0;
        if (!digits && *pattern != *text++)
            return false;
        for (; digits; digits--, text++)
            if (!isxdigit((unsigned char)*text))
                return false;
    }
    return *text == '\0';
}

/* Every variable of the packet is what the row says, in any order. */
static void assert_packet(const struct row *row, const char *p, const char *end) {
    unsigned found = 0, count = 0;
    while (count < 7 && row->out[count])
        count++;
    for (unsigned variables = 0; p < end; variables++) {
        char text[256] = "";
        unsigned i = 0;
        for (int part = 0; part < 2; part++) {
            size_t len = (unsigned char)p[0] | (size_t)(unsigned char)p[1] << 8;
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s%s", (int)len, p + 2,
                     part ? "" : "=");
            p += 2 + len;
        }
        while (i < count && !matches(row->out[i], text))
            i++;
        if (i == count)
            fail_msg("nobody wanted %s", text);
        found |= 1u << i;
    }
    assert_int_equal(found, (1u << count) - 1);
}

static struct trc_tracer tracer;
static struct trc_request request;
static struct trc_injection injection;
static char packet[32768];

/* Begins the request that is in the first `len` bytes of packet[]. */
static void begin(const struct row *row, size_t len) {
    const struct trc_format *extract[TRC_FORMATS_MAX + 1], *inject[TRC_FORMATS_MAX + 1];
    list_of(row->extract, extract);
    list_of(row->inject, inject);
    memset(&tracer, 0, sizeof(tracer));
    assert_int_equal(trc_journal_new(&tracer.journal, &(struct trc_journal_config){1, 1, 0, 1}), 0);
    assert_int_equal(trc_tracer_init(&tracer, extract, inject), 0);
    assert_int_equal(trc_sampler_parse(TRC_SLICE("const:1"), &tracer.sampler), 0);
    assert_int_equal(trc_trust_parse(trc_slice_of(row->trust), &tracer.trust), 0);
    assert_int_equal(trc_tracer_seed(&tracer), 0);
    assert_int_equal(trc_packet_scan(packet, len, &tracer.names, tracer.prefix, &request), 0);
    trc_tracer_begin(&tracer, 0, &request, &injection);
}

static void one_request(const struct row *row) {
    struct trc_accounts accounts;
    size_t len = 0;
    for (unsigned i = 0; i < 7 && row->in[i]; i++)
        len += put(packet + len, row->in[i]);
    begin(row, len);
    struct trc_packet k = {packet, len, 0, sizeof(packet)};
    assert_false(injection.overflow);
    assert_int_equal(
        trc_packet_inject(&k, &request, tracer.names.count, 64, &injection, NULL, NULL), 0);
    assert_packet(row, k.p, k.p + k.len);
    trc_journal_accounts(tracer.journal, -1, 0, &accounts);
    assert_int_equal(accounts.context_errors, row->context_errors);
    trc_journal_free(tracer.journal);
}

static void the_application_sees_what_goes_on(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s to %s: %s\n", rows[i].extract, rows[i].inject, rows[i].in[0]);
        one_request(&rows[i]);
    }
}

/* As much baggage as there may be, and more than that when it is written for the application. */
static size_t put_baggage(void) {
    static char header[8300] = "HTTP_BAGGAGE=";
    size_t len = strlen("HTTP_BAGGAGE=");
    for (int i = 0; i < 64; i++) {
        len += (size_t)sprintf(header + len, "%skey%02d=", i ? "," : "", i);
        memset(header + len, '/', 117);
        len += 117;
    }
    header[len] = '\0';
    return put(packet, header);
}

/* Whatever does not fit, it is not a context: without one the application would continue under the
 * caller's span. */
static void baggage_never_crowds_out_a_context(void **state) {
    (void)state;
    static const char *const contexts[] = {
        "HTTP_UBER_TRACE_ID", "HTTP_TRACEPARENT",     "HTTP_B3",
        "HTTP_X_B3_TRACEID",  "HTTP_X_B3_SPANID",     "HTTP_X_CLOUD_TRACE_CONTEXT",
        "HTTP_X_B3_SAMPLED",  "HTTP_X_AMZN_TRACE_ID", "HTTP_EAGLEEYE_TRACEID"};
    const struct row row = {.extract = "tracecontext,baggage",
                            .inject = "jaeger,baggage,tracecontext,b3,b3multi,gcp,xray,eagleeye",
                            .trust = "all"};
    size_t len = put_baggage();
    len += put(packet + len, "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01");
    begin(&row, len);
    assert_true(injection.overflow);
    /* No more room in the packet than the contexts need. */
    struct trc_packet k = {packet, len, 0, len + 800};
    assert_true(trc_packet_inject(&k, &request, tracer.names.count, 64, &injection, NULL, NULL) >
                0);
    assert_int_equal(trc_packet_scan(packet, k.len, &tracer.names, tracer.prefix, &request), 0);
    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
        int name = trc_names_find(&tracer.names, contexts[i], strlen(contexts[i]));
        print_message("%s\n", contexts[i]);
        assert_non_null(request.value[name].p);
        assert_false(memmem(request.value[name].p, request.value[name].len, "-" SPAN "-", 18));
    }
    trc_journal_free(tracer.journal);
}

/* One header more than are looked at: it is counted as left out, and nothing is set over it. */
static void a_header_too_many_is_left_alone(void **state) {
    (void)state;
    const struct row row = {
        .extract = "baggage,jaeger", .inject = "jaeger,baggage", .trust = "all"};
    size_t len = put(packet, "HTTP_BAGGAGE=k65=other");
    char header[32];
    for (int i = 1; i <= TRC_PREFIXED_MAX + 1; i++) {
        snprintf(header, sizeof(header), "HTTP_UBERCTX_K%d=v", i);
        len += put(packet + len, header);
    }
    begin(&row, len);
    assert_true(trc_journal_slot(tracer.journal, 0, 0)->baggage.truncated);
    for (unsigned i = 0; i < injection.count; i++)
        assert_false(trc_slice_equal(injection.item[i].name, TRC_SLICE("HTTP_UBERCTX_K65")));
    trc_journal_free(tracer.journal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_application_sees_what_goes_on),
        cmocka_unit_test(a_header_too_many_is_left_alone),
        cmocka_unit_test(baggage_never_crowds_out_a_context),
    };
    return cmocka_run_group_tests_name("propagate: request", tests, NULL, NULL);
}
