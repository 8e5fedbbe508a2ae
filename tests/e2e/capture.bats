#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Headers of the request and of the response that become tags.

load helper

@test "captured headers are tags, arrays on OTLP; what was not sent is not there" {
  start_collector
  local otlp=$WORK/otlp.jsonl
  start_uwsgi <<INI
http-socket = 127.0.0.1:0
wsgi-file = $APPS/app.py
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$otlp
tracing-capture-request = X-Tenant
tracing-capture-request = content-type
tracing-capture-request = X-Absent
tracing-capture-request = X-Long
tracing-capture-response = Content-Type
tracing-capture-response = X-Absent
INI
  get /hello -H 'X-Tenant: blue' -H 'x-tenant: green' -H 'Content-Type: text/x' \
    -H "X-Long: $(printf 'x%.0s' {1..300})" -o /dev/null
  need_spans 1
  spans check '{k: v for k, v in spans[0]["tags"].items() if ".header." in k and "long" not in k} == {
    "http.request.header.x-tenant": "blue, green", "http.request.header.content-type": "text/x",
    "http.response.header.content-type": "text/plain"}'
  spans all 'len(tags["http.request.header.x-long"]) == 256'
  stop_uwsgi
  jq -e '[.. | objects | select(.key? == "http.request.header.x-tenant") | .value.arrayValue.values[].stringValue] == ["blue, green"]' "$otlp"
  need_accounts 'truncated == 1'
}

@test "without the options nothing of it is there" {
  start_collector
  start_uwsgi <<INI
http-socket = 127.0.0.1:0
wsgi-file = $APPS/app.py
INI
  get /hello -H 'X-Tenant: blue' -o /dev/null
  need_spans 1
  spans all 'not any(".header." in k for k in tags)'
}
