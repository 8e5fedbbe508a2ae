#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A slow request is a span `running` while it runs, once, and a span of its own when it is over.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# serve <INI LINES: a collector, and a uWSGI with the usual application that tells of requests of
# 300 ms, or as SLOW says. What is slow here runs until its test lets it end, or kills its worker.
serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-keep = ${SLOW:-slow:300ms}
$(cat)
INI
}

# hang NAME [CURL OPTION...]: a request that runs until there is a file `end`; returns when it runs
hang() {
  local mark=$WORK/$1
  shift
  get "/wait?mark=$mark&end=$WORK/end" "$@" >/dev/null 2>&1 3>&- &
  HANGING+=("$!")
  wait_for "$DEADLINE" test -e "$mark"
}
HANGING=()

# let_go: they end
let_go() {
  touch "$WORK/end"
  wait "${HANGING[@]}"
}

spans_there() { [ -s "$SPANS" ] && [ "$(spans count "$1" 2>/dev/null)" -ge "$2" ]; }

# need_running N: so many come while their requests run
need_running() { wait_for "$DEADLINE" spans_there 'name == "running"' "$1"; }

# later SECONDS: so long after it was first asked
later() {
  [ -e since ] || echo "${EPOCHREALTIME/./}" >since
  [ "${EPOCHREALTIME/./}" -gt $(($(cat since) + $1 * 1000000)) ]
}

# A span `running` has the trace of one request's span, which is its parent and began when it began.
need_pairs() {
  spans check 'all(len([p for p in spans if p["span"] == s["parent"] and p["trace"] == s["trace"]
    and p["start_us"] == s["start_us"] and p["duration_us"] >= s["duration_us"] and p["name"].startswith("GET /")]) == 1
    for s in spans if s["name"] == "running")'
  spans unique parent 'name == "running"'
  spans unique span
}

@test "a request that hangs is found while it hangs, once, and its own span follows when it is killed" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<<'processes = 1'
  get /hello
  hang mark -H 'uber-trace-id: abc:def:0:1'
  need_running 1
  spans all 'n(trace) == 0xabc and n(parent) != 0xdef and duration_us >= 300000' 'name == "running"'
  spans all 'tags["uwsgi.worker"] == 1 and tags["uwsgi.core"] == 0 and path == "/wait"' 'name == "running"'
  spans all 'tags["http.method"] == "GET" and "span.kind" not in tags and "error" not in tags' 'name == "running"'
  spans all 'tags["component"] == "uwsgi" and "http.status_code" not in tags' 'name == "running"'
  [ "$(wc -l <"$SPANS")" = 2 ]
  # What comes later comes after many a look.
  wait_for "$DEADLINE" later 1
  kill_worker 1
  get /hello
  need_spans 4
  spans check 'Counter(s["name"].split()[0] for s in spans) == {"GET": 3, "running": 1}'
  spans all 'tags["error"] is True and n(parent) == 0xdef' 'path == "/wait" and name.startswith("GET /")'
  need_pairs
  need_accounts 'sampled == 4' 'exported == 4' 'recovered == 1'
}

@test "a slow request that ends by itself" {
  serve <<<'processes = 1'
  hang mark
  need_running 1
  let_go
  get /hello
  need_spans 3
  spans check '[s["name"] for s in spans] == ["running", "GET /wait", "GET /hello"]'
  spans all '"error" not in tags and status == 200' 'name.startswith("GET /")'
  need_pairs
}

@test "what is not slow is not told of; what was refused and is slow is kept, in the trace of its caller" {
  SLOW=slow:1s serve <<INI
processes = 1
threads = 4
INI
  requests 500 4 /hello
  get '/sleep?ms=20'
  hang mark -H 'uber-trace-id: 1:2:0:0'
  wait_for "$DEADLINE" later 2
  let_go
  get /hello -H 'uber-trace-id: 2:2:0:0' # refused, and not slow
  need_spans 503
  spans check 'Counter(s["name"].split()[0] for s in spans) == {"GET": 502, "running": 1}'
  spans check 'sorted(s["name"].split()[0] for s in spans if n(s["trace"]) == 1) == ["GET", "running"]'
  spans all 'flags == 1 and n(trace) != 2'
  need_accounts 'sampled == 503'
}

@test "many at once, on threads" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
threads = 8
INI
  local i
  for i in 1 2 3 4 5 6 7; do hang "mark$i"; done
  need_running 7
  requests 100 2 /hello # the eighth serves on
  kill_worker 1
  need_spans 114
  spans check 'sorted(s["tags"]["uwsgi.core"] for s in spans if s["name"] == "running")
    == sorted(s["tags"]["uwsgi.core"] for s in spans if s["name"].startswith("GET") and "error" in s["tags"])'
  need_pairs
  need_accounts 'recovered == 7'
}

@test "many at once, on gevent" {
  start_collector
  start_uwsgi <<INI
plugin = gevent_python3
processes = 1
gevent = 20
gevent-monkey-patch = true
wsgi-file = $APPS/app.py
tracing-keep = slow:300ms
INI
  local i
  for i in {1..15}; do hang "mark$i"; done
  need_running 15
  let_go
  requests 50 4 /hello
  need_spans 80
  spans check 'len({s["tags"]["uwsgi.core"] for s in spans if s["name"] == "running"}) == 15'
  need_pairs
}

@test "killed by harakiri: both are there" {
  allow_log 'HARAKIRI' 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
harakiri = 2
INI
  hang mark
  wait_for "$DEADLINE" spans_there 'True' 2
  need_spans 2
  spans all 'tags["error"] is True' 'name.startswith("GET /")'
  need_pairs
}

@test "stopped in the middle: both are there" {
  serve <<<'processes = 1'
  hang mark
  need_running 1
  stop_uwsgi INT
  need_spans 2
  need_pairs
}

@test "each exporter has it once, while another collector is dead" {
  local otlp=$WORK/otlp.jsonl dead
  dead=$(free_port)
  allow_log 'zipkin\+http://127\.0\.0\.1:'
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-keep = slow:300ms
tracing-export = zipkin+http://127.0.0.1:$dead
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$otlp
tracing-exit-timeout = 200ms
INI
  hang mark
  wait_for "$DEADLINE" lines_at_least 1 "$otlp"
  stop_uwsgi INT
  [ "$("$PYTHON" "$TOOLS/spans.py" "$otlp" count 'name == "running"')" = 1 ]
  [ "$(spans count 'name == "running"')" = 1 ]
  "$PYTHON" "$TOOLS/spans.py" "$otlp" all 'kind == 1 and tags["url.path"] == "/wait"' 'name == "running"'
  "$PYTHON" "$TOOLS/spans.py" "$otlp" all 'kind == 2' 'name.startswith("GET /")'
}

@test "without the option there is no thread for it, and with it one a worker" {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  threads "$(worker_pid 1)" | none '^trc-1-slow'
  stop_uwsgi
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-keep = slow:10s
INI
  threads "$(worker_pid 1)" | grep -x trc-1-slow
  get /fork # its child has no watcher, and ends
  get /fork-exit
}
