#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# OTLP JSON lines, and several exporters at once.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# --- OTLP JSON ------------------------------------------------------------------------------------------------------------

# otlp FILE QUESTION...
otlp() {
  local file=$1
  shift
  "$PYTHON" "$TOOLS/spans.py" "$file" "$@"
}

@test "OTLP JSON to a file: each line parses, each request is in it once" {
  start_uwsgi <<INI
processes = 4
tracing-export = otlp.json+file://$WORK/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  requests 200 8 '/sleep?ms=1'
  get '/status?line=503+Busy' -H 'uber-trace-id: abc:def:0:1'
  need_accounts 'exported == 201'
  [ "$(otlp otlp.jsonl count)" = 201 ]
  otlp otlp.jsonl unique span
  otlp otlp.jsonl all 'service == "e2e" and kind == 2 and len(trace) == 32 and len(span) == 16'
  otlp otlp.jsonl all 'tags["http.request.method"] == "GET" and tags["http.response.status_code"] == 200 and status_code == 0 and root' 'path == "/sleep"'
  otlp otlp.jsonl all 'duration_us >= 1000' 'path == "/sleep"'
  otlp otlp.jsonl all 'status_code == 2 and n(trace) == 0xabc and n(parent) == 0xdef and tags["error.type"] == "503"' 'path == "/status"'
  [ "$(otlp otlp.jsonl values worker)" = $'1\n2\n3\n4' ]
}

@test "OTLP JSON file: rotated by rename, it goes on in a new one" {
  start_uwsgi <<INI
processes = 2
tracing-export = otlp.json+file://$WORK/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  requests 50 4 /hello
  wait_for "$DEADLINE" count_is 50 otlp.jsonl
  mv otlp.jsonl otlp.jsonl.1
  requests 50 4 /hello
  need_accounts 'exported == 100'
  [ "$(otlp otlp.jsonl.1 count)" = 50 ]
  [ "$(otlp otlp.jsonl count)" = 50 ]
  cat otlp.jsonl.1 otlp.jsonl >both
  otlp both unique span
}

count_is() { [ -e "$2" ] && [ "$(otlp "$2" count)" = "$1" ]; }

@test "OTLP JSON file that cannot be written: said, kept, and written when it can be" {
  allow_log 'cannot export' 'exports again'
  start_uwsgi <<INI
processes = 1
tracing-export = otlp.json+file://$WORK/later/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  requests 20 1 /hello
  wait_for "$DEADLINE" log_has 'cannot export'
  mkdir later
  wait_for "$DEADLINE" test -s later/otlp.jsonl
  need_accounts 'exported == 20'
  [ "$(otlp later/otlp.jsonl count)" = 20 ]
}

@test "OTLP JSON to standard output" {
  write_ini <<INI
processes = 2
tracing-export = otlp.json+stdout:
wsgi-file = $APPS/app.py
INI
  OUT=out launch_uwsgi
  wait_for "$DEADLINE" workers_accept 2
  find_http_socket
  requests 100 4 /hello
  need_accounts 'exported == 100'
  grep '^{"resourceSpans"' out >otlp.jsonl
  [ "$(otlp otlp.jsonl count)" = 100 ]
  otlp otlp.jsonl unique span
}

@test "two exporters at once" {
  start_collector
  start_uwsgi <<INI
processes = 2
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$WORK/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  [ "$(threads "$(worker_pid 1)" | grep -c '^trc-1-')" = 2 ]
  requests 100 4 /hello
  need_spans 100
  need_accounts 'exported == 100'
  [ "$(otlp otlp.jsonl count)" = 100 ]
  # The same spans, each under the names of its wire.
  [ "$(spans print 'span' | sort)" = "$(otlp otlp.jsonl print span | sort)" ]
  spans all '"http.method" in tags and "url.path" not in tags'
  otlp otlp.jsonl all '"http.method" not in tags and "url.path" in tags'
}

@test "two exporters, one of them dead: the other is not slowed" {
  allow_log 'cannot export'
  local dead
  dead=$(free_port udp)
  start_collector
  start_uwsgi <<INI
processes = 2
tracing-export = jaeger+udp://127.0.0.1:$dead
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-exit-timeout = 300ms
wsgi-file = $APPS/app.py
INI
  requests 100 4 /hello
  wait_for 5 lines_at_least 100 "$SPANS"
  need_spans 100
  need_accounts "URL=jaeger+udp://127.0.0.1:$dead" 'exported == 0' 'queued == 100'
  need_accounts "URL=jaeger+udp://127.0.0.1:$COLLECTOR_PORT" 'exported == 100'
}
