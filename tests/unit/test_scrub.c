/* SPDX-License-Identifier: MIT
 *
 * Queries: which values are secrets and which are not.
 */
#include "tracing/scrub.h"
#include "unit.h"

static struct trc_slice scrub(const char *query, size_t len, size_t cap, bool *overflow) {
    struct trc_buf out = trc_buf_over(guarded(1, "", 0) - cap, cap);
    trc_query_scrub((struct trc_slice){guarded(0, query, len), len}, &out);
    *overflow = out.overflow;
    return trc_buf_slice(&out);
}

static void assert_scrubbed(const char *query, const char *want) {
    bool overflow;
    struct trc_slice got = scrub(query, strlen(query), 512, &overflow);
    assert_false(overflow);
    if (!trc_slice_equal(got, trc_slice_of(want)))
        fail_msg("%s: %.*s, not %s", query, (int)got.len, got.p, want);
}

static void the_value_of_a_secret_key_is_redacted(void **state) {
    (void)state;
    static const char *const keys[] = {
        /* OpenTelemetry's */
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Goog-Signature",
        "X-Goog-Credential",
        /* passwords */
        "password",
        "PASSWORD",
        "Password",
        "passwd",
        "pwd",
        "pass",
        "pw",
        "user_password",
        "userPassword",
        "password_confirmation",
        "new-password",
        "old_pwd",
        "passphrase",
        "key-passphrase",
        "passcode",
        "passwort",
        "j_password",
        "pass_word",
        "user_pass",
        /* tokens */
        "token",
        "access_token",
        "accessToken",
        "access-token",
        "ACCESS_TOKEN",
        "accesstoken",
        "refresh_token",
        "id_token",
        "id_token_hint",
        "csrf_token",
        "authenticity_token",
        "csrfmiddlewaretoken",
        "_csrf",
        "xsrf",
        "oauth_token",
        "session_token",
        "private_token",
        "jwt",
        "bearer",
        "sso.token",
        "page_token",
        /* keys */
        "api_key",
        "apikey",
        "apiKey",
        "x-api-key",
        "api-key",
        "hapikey",
        "key",
        "private_key",
        "access_key",
        "account-key",
        "subscription-key",
        "Ocp-Apim-Subscription-Key",
        "OSSAccessKeyId",
        "encryptionKey",
        "app_key",
        "auth_key",
        /* secrets and signatures */
        "secret",
        "client_secret",
        "clientSecret",
        "secret_key",
        "shared_secret",
        "secrets",
        "credential",
        "credentials",
        "signature",
        "oauth_signature",
        "hmac",
        /* sessions and logins */
        "auth",
        "authorization",
        "Authorization",
        "auth_code",
        "code",
        "code_verifier",
        "session",
        "sessionid",
        "session_id",
        "sid",
        "connect.sid",
        "PHPSESSID",
        "JSESSIONID",
        "ASP.NET_SessionId",
        "cookie",
        "SAMLResponse",
        "assertion",
        "client_assertion",
        "oauth_verifier",
        "device_code",
        /* numbers */
        "otp",
        "totp",
        "pin",
        "ssn",
        "cvv",
        "cvc",
        "card_number",
        "cardNumber",
        "ccnumber",
        "credit-card",
        /* encoded, and in lists and objects */
        "%70assword",
        "p%61ssw%6Frd",
        "access%5Ftoken",
        "access%5ftoken",
        "access+token",
        "access%20token",
        "user[password]",
        "user%5Bpassword%5D",
        "password[]",
        "password[0]",
        "token[value]",
        "a.password",
        "a.b.c.token",
        "users[0][api_key]",
        "[secret]",
        "%token",
        "%zztoken",
        "$password",
    };
    char query[128], want[128];
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        snprintf(query, sizeof(query), "%s=hunter2", keys[i]);
        snprintf(want, sizeof(want), "%s=REDACTED", keys[i]);
        assert_scrubbed(query, want);
        snprintf(query, sizeof(query), "a=1&%s=hunter2&b=2", keys[i]);
        snprintf(want, sizeof(want), "a=1&%s=REDACTED&b=2", keys[i]);
        assert_scrubbed(query, want);
    }
}

static void other_values_stay(void **state) {
    (void)state;
    static const char *const queries[] = {
        "",
        "&",
        "=",
        "==",
        "&&==&&",
        "a",
        "a=",
        "=a",
        "page=2&sort=-date",
        "q=the+password+is+secret", /* a value, and not an equals sign after it */
        "password",                 /* no value */
        "password&token",
        "q=token",
        "country_code=DE&zipcode=12345&postcode=1&barcode=2&encode=3",
        "sort_key=a&primary_key=b&keyword=c&keys=d&monkey=e&hotkey=f",
        "tokens=5&max_tokens=7&tokenizer=x",
        "sessions=3&obsession=y",
        "author=bob&authors=c&authenticated=1&oauth=2",
        "compass=n&bypass=1&passenger=joe&passage=2&passive=1&pas=1",
        "pinned=true&spin=1&pint=2&shopping=3",
        "side=left&inside=1&resid=5&sidebar=1",
        "design=1&signal=2&assign=3&sign=4&signed=5&oauth_signature_method=HMAC-SHA1",
        "cards=4&card=visa&cardinal=1&discard=2",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20240501T000000Z&X-Amz-Expires=300",
        "state=xyz&nonce=1&client_id=shop&redirect_uri=http%3A%2F%2Fa%2Fb&scope=openid",
        "utm_source=mail&utm_campaign=pin+code",
        "v=1.2.3&range=1..5&ids[]=1&ids[]=2&filter[name]=x&p.q=1",
        "a=b=c&x=YWJj==",
        "secre=1&ecret=2&s.e.c.r.e.t=3&pas.sword=4",
        "%",
        "%4",
        "%zz=%",
        "a=%00&%00=b",
        "\xc3\xa4=\xff\xfe",
    };
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        assert_scrubbed(queries[i], queries[i]);
}

static void a_secret_ends_at_an_ampersand(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"token=", "token=REDACTED"},
        {"token=&a=1", "token=REDACTED&a=1"},
        {"token=a=b==&c=d", "token=REDACTED&c=d"},
        {"password=a;b?c#d%26e&f=1", "password=REDACTED&f=1"},
        {"x=1;token=abc", "x=1;token=REDACTED"},
        {"token=abc;x=1", "token=REDACTED"}, /* might be a part of it */
        {"token=a&token=b&sig=c", "token=REDACTED&token=REDACTED&sig=REDACTED"},
        {"&token=a&", "&token=REDACTED&"},
        {"?token=a", "?token=REDACTED"},
        {"token%3Da&b=1", "token%3DREDACTED&b=1"},
        {"next=/cb?code=abc&state=1", "next=/cb?code=REDACTED&state=1"},
        {"next=%2Fcb%3Fstate%3D1%26code%3Dabc&x=1", "next=%2Fcb%3Fstate%3D1%26code%3DREDACTED&x=1"},
        {"next=http%3a%2f%2fa%2f%23access_token%3dabc",
         "next=http%3a%2f%2fa%2f%23access_token%3dREDACTED"},
        {"x=token=abc", "x=token=REDACTED"},
        {"next=%252Fcb%253Fcode%253Dabc", "next=%252Fcb%253Fcode%253Dabc"}, /* twice */
        {"json=%7B%22token%22%3A%22abc%22%7D", "json=%7B%22token%22%3A%22abc%22%7D"},
        {"user[password][x]=a&user[name]=joe", "user[password][x]=REDACTED&user[name]=joe"},
        {"password&a=1", "password&a=1"},
        {"password;a=1", "password;a=1"},
        {"pass&word=1", "pass&word=1"},
        {"pass;word=1", "pass;word=1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_scrubbed(cases[i][0], cases[i][1]);
}

static void what_has_no_room_is_cut(void **state) {
    (void)state;
    static const char query[] = "page=2&access_token=hunter2&sort=date",
                      want[] = "page=2&access_token=REDACTED&sort=date";
    bool overflow;
    for (size_t cap = 0; cap < 48; cap++) {
        struct trc_slice got = scrub(query, strlen(query), cap, &overflow);
        assert_int_equal(got.len, cap < strlen(want) ? cap : strlen(want));
        assert_true(overflow == (cap < strlen(want)));
        assert_memory_equal(got.p, want, got.len);
    }
}

/* At no place where a query may be cut is there a byte of the secret. */
static void a_cut_query_shows_no_more(void **state) {
    (void)state;
    static const char query[] = "a=1&%61ccess_token=*****&b=%2Fx%3Fcode%3D*****";
    bool overflow;
    for (size_t len = 0; len <= strlen(query); len++) {
        struct trc_slice got = scrub(query, len, 256, &overflow);
        assert_null(memchr(got.p, '*', got.len));
    }
}

static void long_keys_are_looked_at_in_pieces(void **state) {
    (void)state;
    bool overflow;
    char query[600];
    for (size_t before = 0; before < 300; before++) {
        memset(query, 'x', sizeof(query));
        memcpy(query + before, "token=hunter2", 14);
        struct trc_slice got = scrub(query, strlen(query), sizeof(query), &overflow);
        bool split = before % 128 > 123 && before % 128 < 128; /* nobody has such keys */
        assert_true(split || got.len == before + strlen("token=REDACTED"));
    }
}

static void nothing_is_nothing(void **state) {
    (void)state;
    char room[8];
    struct trc_buf out = trc_buf_over(room, sizeof(room));
    trc_query_scrub((struct trc_slice){NULL, 0}, &out);
    assert_int_equal(out.len, 0);
    trc_query_scrub(TRC_SLICE("a=1"), &out); /* it appends */
    trc_query_scrub(TRC_SLICE("b"), &out);
    assert_true(trc_slice_equal(trc_buf_slice(&out), TRC_SLICE("a=1b")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_of_a_secret_key_is_redacted),
        cmocka_unit_test(other_values_stay),
        cmocka_unit_test(a_secret_ends_at_an_ampersand),
        cmocka_unit_test(what_has_no_room_is_cut),
        cmocka_unit_test(a_cut_query_shows_no_more),
        cmocka_unit_test(long_keys_are_looked_at_in_pieces),
        cmocka_unit_test(nothing_is_nothing),
    };
    return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
