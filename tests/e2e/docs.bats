#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The documents: what they say of a span, and each of their blocks that has the mark `run:`
# (tests/house/docs.py), with places and ports of this test instead of those of an example.

load helper

# --- docs/span.md -------------------------------------------------------------------------------------

# listed HEADING...: names that the tables of docs/span.md under these headings have, one a line
listed() {
  local heading
  for heading in "$@"; do
    sed -n "/^## $heading\$/,/^## /p" "$ROOT/docs/span.md" | grep -oE '^\| `[^|]*\|' | grep -oE '`[^`]+`' | tr -d '`'
  done
}

# all_listed FILE EXPR HEADING...: each name that EXPR has in a span of FILE is listed there, and there
# are some
all_listed() {
  local file=$1 expr=$2 name names
  shift 2
  listed "$@" | sed 's/[].*[]/\\&/g; s/<name>/[a-z0-9-]+/' >listed
  names=$("$PYTHON" "$TOOLS/spans.py" "$file" print "'\\n'.join($expr)" | sort -u)
  [ -n "$names" ]
  while read -r name; do
    grep -qxE -f listed <<<"$name" || { echo "docs/span.md does not list $name"; return 1; }
  done <<<"$names"
}

@test "each tag of captured spans is in docs/span.md, on each wire and in each set of names" {
  allow_log 'DAMN ! worker'
  start_collector
  start_uwsgi <<INI
http-socket = 127.0.0.1:0
wsgi-file = $APPS/app.py
processes = 2
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$WORK/otlp.jsonl
tracing-semconv = http/dup
tracing-capture-request = X-Tenant
tracing-capture-response = Content-Type
tracing-client-ip = X-Forwarded-For
INI
  get /hello -o /dev/null -H 'X-Tenant: blue' -H 'X-Forwarded-For: 192.0.2.1'
  get '/hello?a=1&password=x' -o /dev/null -H "X-Request-Start: t=$((${EPOCHREALTIME/./} - 250000))"
  get '/status?line=503+Busy' -o /dev/null -X BREW
  get /hello -o /dev/null -H 'jaeger-debug-id: look' -H 'tracestate: a=b'
  get /hello -o /dev/null -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' -H 'tracestate: a=b'
  get /post -o /dev/null -d body
  get /kill -o /dev/null || true
  need_spans 8
  all_listed "$SPANS" tags Tags 'Tags with names from elsewhere'
  all_listed otlp.jsonl tags Tags 'Tags with names from elsewhere'
  all_listed "$SPANS" process 'Tags of the process'
  all_listed otlp.jsonl process 'Tags of the process'
  # And what these requests call for is there.
  spans print '"\n".join(tags)' | sort -u >seen
  grep -cxE 'uwsgi.queue_us|url.query|error|error.type|client.address|http.request.header.x-tenant|http.response.header.content-type|http.request.method_original|w3c.tracestate|jaeger-debug-id|http.request.body.size' seen | grep -qx 11
}
