#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The main job: each request of a prefork uWSGI is one span, right in all it says, sent by a thread of
# the worker that served it.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

now_us() { echo "${EPOCHREALTIME/./}"; }

# Four workers have served 400 requests in parallel, each of them some.
serve_400() {
  start_collector
  start_uwsgi <<INI
processes = 4
wsgi-file = $APPS/app.py
INI
  requests 400 8 '/sleep?ms=3&secret=hidden' 'User-Agent: e2e'
}

@test "400 requests to 4 workers: exactly 400 spans, some of each worker, ids all different" {
  serve_400
  need_spans 400
  [ "$(spans values worker)" = $'1\n2\n3\n4' ]
  spans unique span
  spans unique trace
  spans all 'root and n(span) != 0 and len(trace) == 32 and n(trace) != 0'
  spans check 'not {s["span"] for s in spans} & {s["trace"][16:] for s in spans}'
  need_accounts 'sampled == 400' 'exported == 400' 'recovered == 0' 'truncated == 0' 'context_errors == 0'
}

@test "a span says what the request was, under Jaeger's names and types" {
  serve_400
  need_spans 400
  spans all 'name.startswith("GET /") and flags == 1 and logs == [] and references == []'
  spans all 'tags["span.kind"] == "server" and tags["component"] == "uwsgi"'
  spans all 'tags["http.method"] == "GET" and types["http.method"] == "STRING"'
  spans all 'tags["http.url"] == "http://localhost/sleep?ms=3&secret=REDACTED"'
  spans all 'tags["http.status_code"] == 200 and types["http.status_code"] == "LONG"'
  spans all 'tags["peer.ipv4"] == "127.0.0.1"'
  spans all 'types["uwsgi.worker"] == "LONG" and tags["uwsgi.core"] == 0'
  spans all 'tags["sampler.type"] == "const" and tags["sampler.param"] is True'
  spans all '"error" not in tags and "error.type" not in tags and "uwsgi.refused" not in tags'
  spans all '"hidden" not in str(tags)'
}

@test "the process says who it is, one client-uuid for each worker" {
  serve_400
  need_spans 400
  spans all 'service == "e2e"'
  spans all "process['hostname'] == '$(hostname)'"
  spans all 're.fullmatch(r"[0-9a-f.:]+", process["ip"]) is not None'
  spans all 'process["jaeger.version"] != "" and process_types["client-uuid"] == "STRING"'
  spans check 'len({s["process"]["client-uuid"] for s in spans}) == 4'
  spans check 'len({(s["process"]["client-uuid"], s["worker"]) for s in spans}) == 4'
}

@test "batches of a client are numbered 1, 2, 3... and carry its losses" {
  serve_400
  need_spans 400
  spans check 'all(sorted({s["seq"] for s in spans if s["worker"] == w}) ==
                   list(range(1, 1 + len({s["message"] for s in spans if s["worker"] == w})))
                   for w in (1, 2, 3, 4))'
  spans check 'all(a["seq"] <= b["seq"] for w in (1, 2, 3, 4)
                   for mine in [[s for s in spans if s["worker"] == w]]
                   for a, b in zip(mine, mine[1:]))'
  spans all 'stats == {"full_queue": 0, "too_large": 0, "failed": 0}'
}

@test "start and duration are those of the request" {
  start_collector
  start_uwsgi <<INI
processes = 2
wsgi-file = $APPS/app.py
INI
  local before after
  before=$(now_us)
  requests 10 2 '/sleep?ms=100'
  after=$(now_us)
  requests 10 1 /hello
  need_spans 20
  spans all "start_us >= $before and start_us + duration_us <= $after" 'path == "/sleep"'
  spans all '100000 <= duration_us < 100000 + 400000' 'path == "/sleep"'
  spans all '0 < duration_us < 100000' 'path == "/hello"'
}

# pids of the processes that have the UDP socket with this local port open
udp_owners() {
  local inode pid
  inode=$(awk -v port="$(printf ':%04X' "$1")" '$2 ~ port "$" { print $10 }' /proc/net/udp)
  [ -n "$inode" ] || return 1
  for pid in "$UWSGI_PID" "$(worker_pid 1)" "$(worker_pid 2)" "$(worker_pid 3)" "$(worker_pid 4)"; do
    find "/proc/$pid/fd" -lname "socket:\[$inode\]" -printf "$pid\n" -quit
  done
}

@test "the fork, shown: datagrams come from a thread of each worker, none from the master" {
  serve_400
  wait_for "$DEADLINE" lines_at_least 400 "$SPANS"
  local worker port
  [ "$(spans values source | wc -l)" = 4 ]
  for worker in 1 2 3 4; do
    # One source for each worker, and the socket behind it is in that worker's hands alone.
    port=$(spans values 'source.split(":")[1]' "worker == $worker")
    [ "$(udp_owners "$port")" = "$(worker_pid $worker)" ]
    threads "$(worker_pid $worker)" | grep -q "^trc-$worker-"
    [ "$(threads "$(worker_pid $worker)" | grep -c '^trc-')" = 1 ]
  done
  threads "$UWSGI_PID" | none '^trc-'
  [ "$(threads "$UWSGI_PID" | wc -l)" = 1 ]
}

@test "an idle worker sends what it has: no request and no exit is needed" {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  get /hello
  wait_for 5 lines_at_least 1 "$SPANS"
  need_spans 1
}

@test "reporters have every signal blocked and leave signals to uWSGI" {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  local pid task blocked
  pid=$(worker_pid 1)
  for task in "/proc/$pid/task/"*; do
    grep -q '^trc-' "$task/comm" || continue
    blocked=$(sed -n 's/^SigBlk:[[:space:]]*//p' "$task/status")
    # All but SIGKILL, SIGSTOP, and the two (32, 33) that glibc keeps for itself.
    [ $((0x$blocked | 0x180040100)) = $((0xffffffffffffffff)) ]
  done
  [ -n "$blocked" ]
}

@test "the older wire, Thrift binary, says the same" {
  start_collector --wire binary
  start_uwsgi <<INI
processes = 2
tracing-export = jaeger.binary+udp://127.0.0.1:$COLLECTOR_PORT
wsgi-file = $APPS/app.py
INI
  requests 100 4 /hello 'uber-trace-id: 123:456:0:1'
  need_spans 100
  spans all 'trace == "%016x" % 0x123 and parent == "%016x" % 0x456'
  spans all 'tags["http.url"] == "http://localhost/hello" and tags["http.status_code"] == 200'
  spans all 'types["uwsgi.worker"] == "LONG" and seq >= 1 and stats["failed"] == 0'
}

@test "no datagram is larger than 65000 bytes, or than tracing-udp-packet" {
  start_collector
  start_uwsgi <<INI
processes = 1
tracing-flush-interval = 60s
wsgi-file = $APPS/app.py
INI
  requests 500 4 /hello
  stop_uwsgi
  need_spans 500
  spans check 'max(s["bytes"] for s in spans) <= 65000 and max(s["message"] for s in spans) > 1'
  stop_background

  start_collector
  start_uwsgi <<INI
processes = 1
tracing-flush-interval = 60s
tracing-udp-packet = 2000
wsgi-file = $APPS/app.py
INI
  requests 100 4 /hello
  stop_uwsgi
  need_spans 100
  spans check 'max(s["bytes"] for s in spans) <= 2000 and max(s["message"] for s in spans) >= 10'
}

@test "hostile paths: not UTF-8, control characters, quotes, a length beyond the limit" {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  printf 'GET /\xff\xfe\xc3\x28 HTTP/1.1\r\nHost: a\r\n\r\n' | "$TOOLS/peer.py" send "$HOST" | grep -q '200 OK'
  printf 'GET /"\\\x01\x7f HTTP/1.1\r\nHost: b\r\n\r\n' | "$TOOLS/peer.py" send "$HOST" | grep -q '200 OK'
  get "/$(printf 'x%.0s' {1..1500})" -H 'Host: c'
  need_spans 3
  spans check 'len([s for s in spans if s["tags"]["http.url"].startswith("http://a/")]) == 1'
  spans check '[s["path"] for s in spans if "//b/" in s["tags"]["http.url"]] == ["/\"\\\x01\x7f"]'
  spans check '[len(s["path"]) for s in spans if "//c/" in s["tags"]["http.url"]] == [1024]'
  need_accounts 'truncated == 1' 'exported == 3'
}
