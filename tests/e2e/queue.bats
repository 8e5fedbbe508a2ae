#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a request says of the time it had waited, and of its query.

load helper

serve() {
  start_collector
  start_uwsgi <<INI
http-socket = 127.0.0.1:0
wsgi-file = $APPS/app.py
$1
INI
}

@test "a wait in front of the server is a tag, and a span when it is long" {
  serve
  local now=${EPOCHREALTIME/./}
  get /hello -H "X-Request-Start: t=$((now - 250000))" -o /dev/null
  get /hello -H "X-Queue-Start: $((now / 1000 + 60000))" -o /dev/null # that clock is ahead
  get /hello -H "X-Request-Start: yesterday" -o /dev/null
  need_spans 4
  spans check '[s["name"] for s in spans] == ["queue", "GET /hello", "GET /hello", "GET /hello"]'
  spans check 'spans[0]["parent"] == spans[1]["span"] and spans[0]["trace"] == spans[1]["trace"]'
  spans check 'abs(spans[0]["start_us"] + spans[0]["duration_us"] - spans[1]["start_us"]) <= 1'
  spans check '250000 <= spans[1]["tags"]["uwsgi.queue_us"] < 2000000'
  spans check 'not any("uwsgi.queue_us" in s["tags"] for s in spans[2:])'
  need_accounts 'sampled == 4'
}

@test "a peer that is not trusted says nothing of it" {
  serve 'tracing-trust = none'
  get /hello -H "X-Request-Start: t=$((${EPOCHREALTIME/./} - 250000))" -o /dev/null
  need_spans 1
  spans all '"uwsgi.queue_us" not in tags'
}

@test "a request that is killed has its wait, too" {
  allow_log 'DAMN ! worker' 'HARAKIRI'
  serve 'harakiri = 1'
  get '/sleep?ms=30000' -H "X-Request-Start: t=$((${EPOCHREALTIME/./} - 250000))" -o /dev/null || true
  need_spans 2
  spans check '[s["name"] for s in spans] == ["queue", "GET /sleep"]'
  spans check 'spans[1]["tags"]["error.type"] == "harakiri"'
}

@test "a query is told without its secrets" {
  serve
  get '/hello?a=1&password=x&b=%2F&sig=y' -o /dev/null
  need_spans 1
  spans all 'tags["http.url"].endswith("/hello?a=1&password=REDACTED&b=%2F&sig=REDACTED")' 'name == "GET /hello"'
}

@test "names by a template, queries dropped, the client behind proxies" {
  serve "tracing-operation = {method} {host} {HTTP_X_TENANT} {route}
tracing-query = drop
tracing-client-ip = X-Forwarded-For, Forwarded
tracing-trust = 127.0.0.1, 10.0.0.0/8"
  get '/hello?a=1' -H 'X-Tenant: blue' -H 'Host: shop' -H 'X-Forwarded-For: 203.0.113.7, 192.0.2.1, 10.1.2.3' -o /dev/null
  get /users/42 -H 'Host: shop' -H 'Forwarded: for="[2001:db8::1]:80"' -o /dev/null
  need_spans 2
  spans check '[s["name"] for s in spans] == ["GET shop blue /hello", "GET shop /users/{id}"]'
  spans check '[s["tags"]["client.address"] for s in spans] == ["192.0.2.1", "2001:db8::1"]'
  spans all '"?" not in tags["http.url"]'
}
