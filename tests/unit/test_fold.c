/* SPDX-License-Identifier: MIT
 *
 * Paths of real services, and what their routes are called.
 */
#include "tracing/fold.h"
#include "unit.h"

/* Path and output both end at a page's edge. */
static struct trc_slice fold(const char *path, size_t len, size_t cap, bool *overflow) {
    struct trc_buf out = trc_buf_over(guarded(1, "", 0) - cap, cap);
    trc_fold_path((struct trc_slice){guarded(0, path, len), len}, &out);
    *overflow = out.overflow;
    return trc_buf_slice(&out);
}

static const char *const cases[][2] = {
    /* GitHub */
    {"/torvalds/linux", "/torvalds/linux"},
    {"/torvalds/linux/pull/437", "/torvalds/linux/pull/{id}"},
    {"/torvalds/linux/issues/1", "/torvalds/linux/issues/{id}"},
    {"/torvalds/linux/tree/v6.10-rc3/drivers", "/torvalds/linux/tree/v6.10-rc3/drivers"},
    {"/git/git/commit/a5f3e1c0", "/git/git/commit/{id}"},
    {"/git/git/commit/3f2a1b9", "/git/git/commit/{id}"},
    {"/git/git/commit/9c51a4f3b2e8d7c6a5b4f3e2d1c0b9a8f7e6d5c4", "/git/git/commit/{id}"},
    {"/git/git/releases/tag/v2.45.1", "/git/git/releases/tag/v2.45.1"},
    {"/repos/octocat/Hello-World/git/blobs/:sha", "/repos/octocat/Hello-World/git/blobs/:sha"},
    {"/repos/octocat/hello/actions/runs/30433642/logs",
     "/repos/octocat/hello/actions/runs/{id}/logs"},
    {"/login/oauth/access_token", "/login/oauth/access_token"},

    /* Stripe */
    {"/v1/customers/cus_NffrFeUfNV2Hib", "/v1/customers/{id}"},
    {"/v1/charges/ch_3MmlLrLkdIwHu7ix0snN0B15", "/v1/charges/{id}"},
    {"/v1/payment_intents/pi_3MtwBwLkdIwHu7ix28a3tqPa/confirm", "/v1/payment_intents/{id}/confirm"},
    {"/v1/accounts/acct_1032D82eZvKYlo2C/external_accounts", "/v1/accounts/{id}/external_accounts"},
    {"/v1/subscription_items/si_NcLYdDxLHxlFo7/usage_records",
     "/v1/subscription_items/{id}/usage_records"},
    {"/v1/charges/ch_AbcdefgNoDigit", "/v1/charges/ch_AbcdefgNoDigit"}, /* might be words */
    {"/v1/billing_portal/sessions", "/v1/billing_portal/sessions"},
    {"/v2/core/events/evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0",
     "/v2/core/events/{id}"},

    /* Shopify */
    {"/admin/api/2024-01/products/632910392.json", "/admin/api/{id}/products/{id}.json"},
    {"/admin/api/2024-01/products.json", "/admin/api/{id}/products.json"},
    {"/products/blue-shirt-12345", "/products/{id}"},
    {"/products/blue-shirt", "/products/blue-shirt"},
    {"/collections/all/products/mug", "/collections/all/products/mug"},
    {"/checkouts/cn/Z2NwLWV1cm9wZS13ZXN0MTowMUhRWlgzWTVOOEo5SzJNNFA2UjdTOFQ5Vg",
     "/checkouts/cn/{id}"},

    /* WordPress */
    {"/2024/05/01/hello-world/", "/{id}/{id}/{id}/hello-world/"},
    {"/wp-json/wp/v2/posts/42", "/wp-json/wp/v2/posts/{id}"},
    {"/wp-content/uploads/2024/05/photo-1024x768.jpg",
     "/wp-content/uploads/{id}/{id}/photo-1024x768.jpg"},
    {"/wp-login.php", "/wp-login.php"},
    {"/category/news/page/2/", "/category/news/page/{id}/"},
    {"/?p=123", "/"},
    {"/wp-includes/js/jquery/jquery.min.js", "/wp-includes/js/jquery/jquery.min.js"},

    /* Django and its admin */
    {"/admin/", "/admin/"},
    {"/admin/auth/user/1/change/", "/admin/auth/user/{id}/change/"},
    {"/admin/auth/user/add/", "/admin/auth/user/add/"},
    {"/admin/shop/order/550e8400-e29b-41d4-a716-446655440000/history/",
     "/admin/shop/order/{id}/history/"},
    {"/static/admin/css/base.css", "/static/admin/css/base.css"},
    {"/static/css/app.3f9c8b7a12d4.css", "/static/css/{id}.css"},
    {"/accounts/reset/MQ/c5rvdt-4f0e3c2b1a09f8e7d6c5b4a3/", "/accounts/reset/MQ/{id}/"},
    {"/en/4.2/topics/db/", "/en/4.2/topics/db/"},

    /* Rails */
    {"/articles/7/comments/12/edit", "/articles/{id}/comments/{id}/edit"},
    {"/articles/7.json", "/articles/{id}.json"},
    {"/posts/123-my-first-post", "/posts/{id}"},
    {"/posts/12-my-first-post", "/posts/12-my-first-post"}, /* might be 2-factor-login */
    {"/rails/active_storage/blobs/redirect/eyJfcmFpbHMiOnsibWVzc2FnZSI6IkJBaHBBUT09In19--"
     "b6b1f1c0a9/cat.png",
     "/rails/active_storage/blobs/redirect/{id}/cat.png"},
    {"/sidekiq/queues/default", "/sidekiq/queues/default"},

    /* Kubernetes */
    {"/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/pods"},
    {"/api/v1/namespaces/default/pods/nginx-7d8b49557c-5xwzx/log",
     "/api/v1/namespaces/default/pods/{id}/log"},
    {"/apis/apps/v1/deployments", "/apis/apps/v1/deployments"},
    {"/apis/rbac.authorization.k8s.io/v1beta1/roles",
     "/apis/rbac.authorization.k8s.io/v1beta1/roles"},
    {"/apis/admissionregistration.k8s.io/v1alpha1", "/apis/admissionregistration.k8s.io/v1alpha1"},
    {"/api/v1/nodes/ip-10-0-1-23.ec2.internal", "/api/v1/nodes/ip-10-0-1-23.ec2.internal"},
    {"/healthz", "/healthz"},

    /* GitLab */
    {"/group/project/-/merge_requests/42/diffs", "/group/project/-/merge_requests/{id}/diffs"},
    {"/api/v4/projects/278964/jobs/5/trace", "/api/v4/projects/{id}/jobs/{id}/trace"},
    {"/api/v4/projects/group%2Fproject", "/api/v4/projects/group%2Fproject"},
    {"/group/project/-/raw/main/README.md", "/group/project/-/raw/main/README.md"},
    {"/group/project/-/pipelines/1309876543", "/group/project/-/pipelines/{id}"},

    /* Jira, Confluence */
    {"/browse/PROJ-1234", "/browse/{id}"},
    {"/browse/ABC-7", "/browse/{id}"},
    {"/browse/A1_B-7", "/browse/{id}"},
    {"/rest/api/2/issue/ABC-7/comment/10", "/rest/api/{id}/issue/{id}/comment/{id}"},
    {"/secure/Dashboard.jspa", "/secure/Dashboard.jspa"},
    {"/wiki/spaces/ENG/pages/98765/Notes", "/wiki/spaces/ENG/pages/{id}/Notes"},

    /* Wikipedia, Wikidata */
    {"/wiki/Albert_Einstein", "/wiki/Albert_Einstein"},
    {"/wiki/Caf%C3%A9", "/wiki/Caf%C3%A9"},
    {"/wiki/%E4%BD%A0%E5%A5%BD", "/wiki/%E4%BD%A0%E5%A5%BD"},
    {"/wiki/C%2B%2B", "/wiki/C%2B%2B"},
    {"/wiki/Q42", "/wiki/Q42"},
    {"/wiki/Q104567", "/wiki/{id}"},
    {"/w/index.php?title=Special:Search", "/w/index.php"},
    {"/api/rest_v1/page/summary/Earth", "/api/rest_v1/page/summary/Earth"},

    /* Google, YouTube, Firebase */
    {"/file/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/view", "/file/d/{id}/view"},
    {"/drive/v3/files/0B5-xYz12AbCdEfGh34IjKlMn", "/drive/v3/files/{id}"},
    {"/drive/u/0/folders/1a2B3c4D5e6F7g8H9i0J", "/drive/u/{id}/folders/{id}"},
    {"/shorts/dQw4w9WgXcQ", "/shorts/{id}"},
    {"/calendar/v3/calendars/joe.doe%40example.com/events", "/calendar/v3/calendars/{id}/events"},
    {"/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAxDfyjxAjEuX0R0",
     "/.well-known/acme-challenge/{id}"},
    {"/.well-known/openid-configuration", "/.well-known/openid-configuration"},

    /* AWS and its like */
    {"/instances/i-0abcd1234ef567890", "/instances/{id}"},
    {"/vpcs/vpc-1a2b3c4d", "/vpcs/{id}"},
    {"/iam/arn:aws:iam::123456789012:user%2FBob", "/iam/{id}"},
    {"/2015-03-31/functions/resize/invocations", "/{id}/functions/resize/invocations"},
    {"/restapis/a1b2c3d4e5/stages/prod", "/restapis/{id}/stages/prod"},
    {"/subscriptions/6f0c2a7e-5d3b-4c1a-9e8f-7a6b5c4d3e2f/resourceGroups/web",
     "/subscriptions/{id}/resourceGroups/web"},

    /* Slack, Notion, Phabricator, Discourse, arXiv, Medium, npm */
    {"/archives/C024BE91L/p1355517523000008", "/archives/{id}/{id}"},
    {"/Meeting-Notes-0f8b2c4d6e8f4a1b9c3d5e7f8a9b0c1d", "/{id}"},
    {"/T12345", "/{id}"},
    {"/t/how-to-install/4711", "/t/how-to-install/{id}"},
    {"/abs/2301.12345", "/abs/{id}"},
    {"/@jane/my-story-3f2b8c9d1a4e", "/@jane/{id}"},
    {"/react@18.2.0/umd/react.production.min.js", "/react@18.2.0/umd/react.production.min.js"},
    {"/@babel/core", "/@babel/core"},

    /* UUIDs in every dress */
    {"/o/550e8400-e29b-41d4-a716-446655440000", "/o/{id}"},
    {"/o/550E8400-E29B-41D4-A716-446655440000", "/o/{id}"},
    {"/o/550e8400e29b41d4a716446655440000", "/o/{id}"},
    {"/o/{550e8400-e29b-41d4-a716-446655440000}", "/o/{id}"},
    {"/o/%7B550e8400-e29b-41d4-a716-446655440000%7D", "/o/{id}"},
    {"/o/550e8400%2De29b%2D41d4%2Da716%2D446655440000", "/o/{id}"},
    {"/o/urn:uuid:550e8400-e29b-41d4-a716-446655440000", "/o/{id}"},
    {"/o/deadbeef-dead-beef-dead-beefdeadbeef", "/o/{id}"},
    {"/o/00000000-0000-0000-0000-000000000000", "/o/{id}"},
    {"/o/user_550e8400-e29b-41d4-a716-446655440000.json", "/o/{id}.json"},

    /* Other ids */
    {"/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/o/{id}"},
    {"/o/0ujsswThIGTUYm2K8FjOOfXtY1K", "/o/{id}"},
    {"/o/507f1f77bcf86cd799439011", "/o/{id}"},
    {"/o/cjld2cjxh0000qzrmn831i7rn", "/o/{id}"},
    {"/o/V1StGXR8_Z5jdHi6B-myT", "/o/{id}"},
    {"/o/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "/o/{id}"},
    {"/o/joe@example.com", "/o/{id}"},
    {"/o/joe+tag@mail.example.co.uk", "/o/{id}"},
    {"/o/2024-05-01", "/o/{id}"},
    {"/o/2024-05-01T10:00:00Z", "/o/{id}"},
    {"/o/2024-05-01-release-notes", "/o/{id}"},
    {"/o/20240501", "/o/{id}"},
    {"/o/192.0.2.10", "/o/{id}"},
    {"/o/2001:db8::1", "/o/2001:db8::1"}, /* might be words */
    {"/o/52.52,13.40", "/o/{id}"},
    {"/o/1,2,3", "/o/{id}"},
    {"/o/-1", "/o/{id}"},
    {"/o/0", "/o/{id}"},
    {"/o/18446744073709551616", "/o/{id}"},
    {"/o/order-1234", "/o/{id}"},
    {"/o/123.html", "/o/{id}.html"},
    {"/o/12345.tar.gz", "/o/{id}.tar.gz"},
    {"/o/report-8a9b0c1d.PDF", "/o/{id}.PDF"},
    {"/o/12.a.b.c", "/o/12.a.b.c"}, /* three extensions */
    {"/o/42.", "/o/{id}"},

    /* Words with digits, versions, languages */
    {"/v1/v2/v10/v1.0/v2.1.3", "/v1/v2/v10/v1.0/v2.1.3"},
    {"/v1beta1/v1alpha1/v2beta2", "/v1beta1/v1alpha1/v2beta2"},
    {"/oauth2/oauth2callback/oauth2authorization", "/oauth2/oauth2callback/oauth2authorization"},
    {"/s3/utf8/utf-8/2fa/mp3/h264/x509", "/s3/utf8/utf-8/2fa/mp3/h264/x509"},
    {"/sha256/base64/x86_64/k8s/i18n/a11y/p2p", "/sha256/base64/x86_64/k8s/i18n/a11y/p2p"},
    {"/base64encode/mp3downloader/html5player", "/base64encode/mp3downloader/html5player"},
    {"/ed25519", "/{id}"}, /* five digits in a row */
    {"/docs/3.12/library", "/docs/3.12/library"},
    {"/pkg/4.2.1/pkg-10.2.1.tar.gz", "/pkg/4.2.1/pkg-10.2.1.tar.gz"},
    {"/en/en-us/en_GB/zh-Hans-CN/es-419/pt-br", "/en/en-us/en_GB/zh-Hans-CN/es-419/pt-br"},
    {"/facade/decade/defaced/deadbeef", "/facade/decade/defaced/deadbeef"},
    {"/cafe/babe/feed/ace", "/cafe/babe/feed/ace"},
    {"/top-10-tips-for-windows-11", "/top-10-tips-for-windows-11"},
    {"/best-of-2024", "/best-of-2024"},
    {"/events-1999/2024-review", "/events-1999/2024-review"},
    {"/2-factor-login/7-day-trial", "/2-factor-login/7-day-trial"},
    {"/apple-touch-icon-120x120.png", "/apple-touch-icon-120x120.png"},
    {"/getUserProfileInformation", "/getUserProfileInformation"},
    {"/getOauth2CallbackUrl", "/getOauth2CallbackUrl"},
    {"/users/me", "/users/me"},
    {"/~alice/%7Ebob/", "/~alice/%7Ebob/"},
    {"/users/{id}", "/users/{id}"},
    {"/users/<int:pk>/", "/users/<int:pk>/"},

    /* The form of the path */
    {"", "/"},
    {"/", "/"},
    {"//", "/"},
    {"/users//42///orders", "/users/{id}/orders"},
    {"users/42", "/users/{id}"},
    {"*", "*"},
    {"/a;jsessionid=0123456789ABCDEF/b;x=1;y=2", "/a/b"},
    {"/cart;jsessionid=1A530637289A03B07199A44E8D531427", "/cart"},
    {"/;jsessionid=1", "/"},
    {"/a/;x", "/a/"},
    {"/a?secret=42", "/a"},
    {"/a#secret", "/a"},
    {"?a", "/"},
    {"/a/../b/./c", "/a/../b/./c"},
    {"/.env", "/.env"},
    {"/..", "/.."},
    {"/%", "/%"},
    {"/%4", "/{id}"},
    {"/%zz", "/%zz"},
    {"/@", "/@"},
    {"/a@b", "/a@b"},
    {"/@b.com", "/@b.com"},
    {"/a@.com", "/{id}"},
    {"/a@com", "/a@com"},
    {"/a@b.c", "/a@b.c"},
    {"/A-/A-1x/-/_/A", "/A-/A-1x/-/_/A"},
};

static void a_path_is_named_by_its_looks(void **state) {
    (void)state;
    bool overflow, wrong = false;
    assert_true(sizeof(cases) / sizeof(cases[0]) >= 120);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trc_slice got = fold(cases[i][0], strlen(cases[i][0]), 256, &overflow);
        assert_false(overflow);
        if (trc_slice_equal(got, trc_slice_of(cases[i][1])))
            continue;
        print_error("%s: %.*s, not %s\n", cases[i][0], (int)got.len, got.p, cases[i][1]);
        wrong = true;
    }
    assert_false(wrong);
}

/* A path of folded paths that is folded again stays, so that names do not depend on who did it. */
static void what_is_folded_stays_so(void **state) {
    (void)state;
    bool overflow;
    char once[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trc_slice got = fold(cases[i][1], strlen(cases[i][1]), 256, &overflow);
        snprintf(once, sizeof(once), "%.*s", (int)got.len, got.p);
        assert_string_equal(once, cases[i][1]);
    }
}

static void there_are_at_most_16_segments(void **state) {
    (void)state;
    bool overflow;
    char path[64] = "", want[80] = "";
    for (int i = 0; i < 16; i++)
        strcat(path, "/a");
    struct trc_slice got = fold(path, strlen(path), 256, &overflow);
    assert_int_equal(got.len, 32);
    assert_memory_equal(got.p, path, 32);
    snprintf(want, sizeof(want), "%s/", path);
    got = fold(want, strlen(want), 256, &overflow); /* a slash at the end is no segment */
    assert_int_equal(got.len, 33);
    strcat(path, "/b/c/");
    got = fold(path, strlen(path), 256, &overflow);
    snprintf(want, sizeof(want), "%.32s/*", path);
    assert_true(trc_slice_equal(got, trc_slice_of(want)));
}

static void a_segment_has_at_most_64_bytes(void **state) {
    (void)state;
    bool overflow;
    char path[80] = "/";
    memset(path + 1, 'n', 64);
    assert_int_equal(fold(path, 65, 256, &overflow).len, 65);
    path[65] = 'n';
    assert_true(trc_slice_equal(fold(path, 66, 256, &overflow), TRC_SLICE("/{id}")));
}

/* Whatever room there is: whole segments, an asterisk for the others, and nothing behind it. */
static void what_has_no_room_is_an_asterisk(void **state) {
    (void)state;
    static const char path[] = "/users/42/orders/x.json/";
    static const char *const want[] = {
        NULL, NULL, "/*", "/*", "/*", "/*", "/*", "/*", "/users/*", "/users/*",
    };
    bool overflow;
    for (size_t cap = 0; cap < 40; cap++) {
        struct trc_slice got = fold(path, strlen(path), cap, &overflow);
        assert_true(got.len <= cap);
        assert_true(overflow == (cap < 2));
        if (cap < 2)
            assert_int_equal(got.len, 0);
        else if (cap < sizeof(want) / sizeof(want[0]))
            assert_true(trc_slice_equal(got, trc_slice_of(want[cap])));
        else
            assert_true(got.p[got.len - 1] == '*' || got.p[got.len - 1] == '/');
    }
    assert_true(trc_slice_equal(fold(path, strlen(path), 29, &overflow),
                                TRC_SLICE("/users/{id}/orders/x.json/")));
}

/* Each byte, at each place of what could be an id. */
static void any_byte_anywhere_does_no_harm(void **state) {
    (void)state;
    static const char *const paths[] = {"/a@b.cc", "/PR-1", "/2024-05-01",
                                        "/1.2",    "/%40",  "/1.a.b"};
    bool overflow;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        for (size_t at = 0; at < strlen(paths[i]); at++)
            for (int byte = 0; byte < 256; byte++) {
                char path[16];
                size_t len = strlen(paths[i]);
                memcpy(path, paths[i], len);
                path[at] = (char)byte;
                for (size_t cut = 0; cut <= len; cut++) {
                    struct trc_slice got = fold(path, cut, 64, &overflow);
                    assert_true(got.len >= 1 && got.len <= 32 && !overflow);
                }
            }
}

static void what_is_absent_is_the_root(void **state) {
    (void)state;
    char room[8];
    struct trc_buf out = trc_buf_over(room, sizeof(room));
    trc_fold_path((struct trc_slice){NULL, 0}, &out);
    assert_true(trc_slice_equal(trc_buf_slice(&out), TRC_SLICE("/")));
    trc_fold_path(TRC_SLICE("/b"), &out); /* it appends */
    assert_true(trc_slice_equal(trc_buf_slice(&out), TRC_SLICE("//b")));
    out.overflow = true;
    trc_fold_path(TRC_SLICE("/c/d/e"), &out); /* what has overflowed stays so */
    assert_true(out.overflow && out.len == 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_named_by_its_looks),
        cmocka_unit_test(what_is_folded_stays_so),
        cmocka_unit_test(there_are_at_most_16_segments),
        cmocka_unit_test(a_segment_has_at_most_64_bytes),
        cmocka_unit_test(what_has_no_room_is_an_asterisk),
        cmocka_unit_test(any_byte_anywhere_does_no_harm),
        cmocka_unit_test(what_is_absent_is_the_root),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
