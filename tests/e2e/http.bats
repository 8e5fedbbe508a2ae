#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Export over HTTP to a collector that fails in every way there is: the counters each leaves, no span
# lost that may be sent again, no request and no exit held up, and no secret in the log.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# start_faulty FAULT: a collector (fault_collector.py); sets COLLECTOR_PORT.
start_faulty() {
  background faulty "$PYTHON" "$TOOLS/fault_collector.py" --out "$SPANS" --fault "$1"
  wait_for "$DEADLINE" log_has '^port ' "$WORK/faulty.log"
  COLLECTOR_PORT=$(sed -n 's/^port //p' "$WORK/faulty.log")
}

# now_does FAULT: what the collector does from now on
now_does() {
  echo "$1" >"$SPANS.fault.new"
  mv "$SPANS.fault.new" "$SPANS.fault"
}

# serve [URL]: uWSGI that exports there (default: to the collector), with more lines from standard input.
serve() {
  start_uwsgi <<INI
tracing-export = ${1:-otlp.json+http://127.0.0.1:$COLLECTOR_PORT}
wsgi-file = $APPS/app.py
$(cat)
INI
}

# asked WHAT: sum of WHAT over the requests that the collector has read
asked() {
  "$PYTHON" -c 'import json, sys
print(sum(eval(sys.argv[2], json.loads(line)) for line in open(sys.argv[1])))' "$SPANS.requests" "$1"
}
asked_at_least() { [ "$(asked "$2")" -ge "$1" ]; }
connections_at_least() { [ "$(wc -c <"$SPANS.connections")" -ge "$1" ]; }
taken_at_least() { [ "$(spans count)" -ge "$1" ]; }

# is_kept_for FAULT LAST_ERROR: what the collector does not take for now waits, and arrives when it
# has got over it: each span once, but where the collector had the first one all along.
is_kept_for() {
  allow_log 'cannot export: .* \(will try again\)' 'exports again'
  start_faulty "$1"
  serve <<INI
processes = 1
INI
  requests 20 2 /hello
  wait_for "$DEADLINE" connections_at_least 1
  case $1 in
  hang-*) ;;
  *) wait_for "$DEADLINE" asked_at_least 1 1 ;;
  esac
  now_does ok
  wait_for "$DEADLINE" taken_at_least 20
  need_accounts 'exported == 20' 'failed == 0' 'dropped == 0' 'queued == 0' 'retried >= 1'
  [ "$(spans count)" = 20 ]
  spans unique span
  log_has "sampled 20 = .*, last error: .*$2"
  log_has "cannot export: .*$2"
}

# is_given_up_for FAULT LAST_ERROR: what the collector will never take is counted, told, and not sent
# again; what comes later is not held up by it.
is_given_up_for() {
  allow_log 'cannot export: .* \(its spans were given up\)' 'exports again' 'spans lost'
  start_faulty "$1"
  serve <<INI
processes = 1
INI
  requests 20 2 /hello
  wait_for "$DEADLINE" asked_at_least 20 spans
  now_does ok
  requests 10 2 /worker
  wait_for "$DEADLINE" taken_at_least 10
  need_accounts 'exported == 10' 'failed == 20' 'rejected == 0' 'retried == 0' 'queued == 0'
  [ "$(asked spans)" = 30 ] # each once
  spans all 'path == "/worker"'
  log_has "sampled 30 = .*, last error: .*$2"
  log_has "cannot export: .*$2"
}

# --- Healthy ------------------------------------------------------------------------------------------

@test "all arrive, over one connection for each worker" {
  start_faulty ok
  serve "otlp.json+http://127.0.0.1:$COLLECTOR_PORT/v1/traces?k=v" <<INI
processes = 2
INI
  requests 200 4 /hello
  wait_for "$DEADLINE" taken_at_least 200
  requests 200 4 /hello
  need_accounts 'exported == 400' 'failed == 0' 'retried == 0'
  [ "$(spans count)" = 400 ]
  spans unique span
  [ "$(wc -c <"$SPANS.connections")" -le 4 ] # one more for what a worker left to its end
  [ "$(asked 'method == "POST" and path == "/v1/traces?k=v"')" = "$(asked 1)" ]
  [ "$(asked 'headers["content-type"] == "application/json"')" = "$(asked 1)" ]
  [ "$(asked 'headers["user-agent"].startswith("uwsgi-tracing/")')" = "$(asked 1)" ]
  log_count 'last error' | grep -qx 0
}

# --- What may pass ------------------------------------------------------------------------------------

@test "429 with Retry-After" { is_kept_for 429 'answered 429'; }
@test "502 with a date" { is_kept_for 502 'answered 502'; }
@test "503" { is_kept_for 503 'answered 503'; }
@test "504" { is_kept_for 504 'answered 504'; }
@test "a hang after accept" { is_kept_for hang-accept 'Empty reply|reset'; }
@test "a hang instead of an answer" { is_kept_for hang 'Empty reply|reset'; }
@test "a hang in the middle of an answer" { is_kept_for hang-answer 'transfer closed'; }
@test "a reset" { is_kept_for reset 'reset'; }
@test "a connection that is closed without an answer" { is_kept_for close 'Empty reply'; }

@test "nobody listens, then somebody does" {
  allow_log 'cannot export: .*refused|cannot export: .*connect' 'exports again'
  COLLECTOR_PORT=$(free_port)
  serve <<INI
processes = 2
INI
  requests 40 4 /hello
  wait_for "$DEADLINE" log_has 'cannot export' # of one worker: it may have got all requests
  background faulty "$PYTHON" "$TOOLS/fault_collector.py" --out "$SPANS" --port "$COLLECTOR_PORT"
  wait_for "$DEADLINE" log_has '^port ' "$WORK/faulty.log"
  wait_for "$DEADLINE" taken_at_least 40
  need_accounts 'exported == 40' 'retried >= 1' 'failed == 0'
  spans unique span
}

@test "Retry-After is waited for" {
  allow_log 'cannot export' 'exports again'
  start_faulty 429
  serve <<INI
processes = 1
INI
  requests 5 1 /hello
  wait_for "$DEADLINE" asked_at_least 3 1
  now_does ok
  wait_for "$DEADLINE" taken_at_least 5
  # Of its own accord it would have tried 50, 150 and 350 ms later. A second each was asked for.
  need_accounts 'exported == 5' '3 <= retried <= 5'
}

# --- What will not pass ---------------------------------------------------------------------------------

@test "400" { is_given_up_for 400 'answered 400: .*"message":"no"'; }
@test "401" { is_given_up_for 401 'answered 401'; }
@test "413" { is_given_up_for 413 'answered 413'; }
@test "500" { is_given_up_for 500 'answered 500'; }
@test "an answer without an end" { is_given_up_for huge 'without an end'; }
@test "garbage" { is_given_up_for garbage 'HTTP/0.9'; }

@test "a redirect" {
  is_given_up_for redirect 'redirected to http://elsewhere.example/x'
  none hidden <"$LOG"
}

@test "partial success: what is rejected is counted and not sent again" {
  allow_log 'cannot export: 1 of [0-9]+ spans rejected: too old' 'exports again' 'spans lost'
  start_faulty partial
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  requests 20 2 /hello
  need_accounts 'exported == 19' 'failed == 1' 'rejected == 1' 'retried == 0'
  [ "$(spans count)" = 19 ]
  [ "$(asked spans)" = 20 ]
  log_has 'last error: 1 of 20 spans rejected: too old'
}

@test "a warning, and a web server that says yes to everything" {
  allow_log 'the collector warns: (soon gone|answered 200, but not as a collector does: <html>It works!)'
  start_faulty warning
  serve <<INI
processes = 1
INI
  requests 5 1 /hello
  wait_for "$DEADLINE" log_has 'warns: soon gone'
  need_accounts 'exported == 5' 'failed == 0'
  now_does html
  serve <<INI
processes = 1
INI
  requests 5 1 /hello
  wait_for "$DEADLINE" log_has 'but not as a collector does'
  need_accounts 'exported == 5' 'failed == 0'
}

# --- Nobody else is held up -----------------------------------------------------------------------------

# p99 COUNT: microseconds
p99() { LOAD_P99=1 requests_p99 "$@"; }
requests_p99() {
  local answer
  answer=$("$E2E_LOAD" "$HOST" "$1" 4 /hello)
  grep -qx "200 $1" <<<"$answer"
  sed -n 's/^p99 //p' <<<"$answer"
}

@test "no request is slowed by a collector that hangs, answers 503 or has no end" {
  allow_log 'cannot export' 'exports again' 'spans lost'
  local fault healthy=() ill worst
  start_faulty ok
  serve <<INI
processes = 2
disable-logging = true
INI
  p99 500 >/dev/null # warm
  for fault in hang 503 huge hang-answer; do
    now_does ok
    healthy+=("$(p99 1000)")
    now_does "$fault"
    p99 100 >/dev/null # until it is felt
    ill=$(p99 1000)
    worst=$(printf '%s\n' "${healthy[@]}" | sort -n | tail -n 1)
    echo "p99 healthy ${healthy[-1]} us, $fault $ill us"
    # Waiting for a collector would be seconds; the machine's own noise is some milliseconds.
    [ "$ill" -le $((worst * 3 + 20000)) ]
  done
  now_does ok
}

@test "a collector that hangs beside one that lives: the live one loses nothing" {
  allow_log 'cannot export' 'spans lost'
  local port
  start_faulty hang
  port=$COLLECTOR_PORT
  COLLECTOR_PORT=''
  SPANS=$WORK/live.jsonl start_collector
  SPANS=$WORK/live.jsonl
  start_uwsgi <<INI
processes = 1
tracing-journal-size = 64k
tracing-flush-interval = 10ms
tracing-exit-timeout = 500ms
tracing-export = otlp.json+http://127.0.0.1:$port
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
wsgi-file = $APPS/app.py
INI
  # Paced, so that the live one can keep up with a ring that is as small as can be.
  for _ in {1..20}; do requests 50 1 '/sleep?ms=1'; done
  need_spans 1000
  need_accounts "URL=jaeger+udp://127.0.0.1:$COLLECTOR_PORT" 'exported == 1000' 'dropped == 0'
  need_accounts "URL=otlp.json+http://127.0.0.1:$port" 'exported == 0' 'dropped + queued == 1000'
}

# ends_in_time: it is told to end with a message on its way, and ends within the time for that and a
# second for uWSGI's own. (ways.bats compares with a uWSGI that has no plugin.)
ends_in_time() {
  local before after
  before=${EPOCHREALTIME/./}
  stop_uwsgi
  after=${EPOCHREALTIME/./}
  echo "ended within $(((after - before) / 1000)) ms"
  [ $((after - before)) -lt 1500000 ]
}

@test "no exit takes longer than tracing-exit-timeout" {
  allow_log 'cannot export'
  local fault
  for fault in hang-accept hang hang-answer 503; do
    start_faulty "$fault"
    serve <<INI
processes = 4
tracing-exit-timeout = 500ms
INI
    requests 100 4 /hello
    wait_for "$DEADLINE" connections_at_least 1
    ends_in_time
    need_accounts 'exported == 0' 'queued == 100'
    stop_background
    rm -f "$WORK/faulty.log"
  done
}

@test "nor does that of a worker without a master, which does all of it alone" {
  allow_log 'cannot export'
  local before after
  start_faulty hang
  serve <<INI
master = false
tracing-exit-timeout = 2s
INI
  requests 10 1 /hello
  wait_for "$DEADLINE" connections_at_least 1
  before=${EPOCHREALTIME/./}
  need_accounts 'exported == 0' 'queued == 10'
  after=${EPOCHREALTIME/./}
  echo "ended within $(((after - before) / 1000)) ms"
  [ $((after - before)) -lt 3000000 ]
}

@test "the requests of all dead workers are counted, though the time is over with the first" {
  allow_log 'cannot export'
  local worker
  start_faulty hang
  serve <<INI
processes = 2
tracing-exit-timeout = 0s
INI
  for worker in 1 2; do background "client$worker" curl -s "${CURL_TO[@]}" "http://$HOST/sleep?ms=60000&mark=$WORK/mark$worker"; done
  wait_for "$DEADLINE" ls "$WORK/mark1" "$WORK/mark2"
  kill -STOP "$UWSGI_PID" # it would make new ones
  kill -KILL "$(worker_pid 1)" "$(worker_pid 2)"
  kill -TERM "$UWSGI_PID"
  kill -CONT "$UWSGI_PID"
  need_accounts 'queued == 2' 'recovered == 2'
}

# --- A name server that is silent -----------------------------------------------------------------------

@test "a name server that never answers holds up no request and no exit" {
  allow_log 'cannot export'
  [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || skip "needs a mount namespace of its own"
  # Bound and never read. The file is put over resolv.conf for this uWSGI alone.
  background silent "$PYTHON" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.99", 53))
print("bound", flush=True)
time.sleep(3600)'
  wait_for "$DEADLINE" log_has '^bound' "$WORK/silent.log"
  printf 'nameserver 127.0.0.99\noptions timeout:30 attempts:1\n' >"$WORK/resolv.conf"
  cat >"$WORK/uwsgi" <<SH
#!/bin/sh
exec unshare --mount sh -c 'mount --bind $WORK/resolv.conf /etc/resolv.conf && exec $UWSGI "\$@"' sh "\$@"
SH
  chmod +x "$WORK/uwsgi"
  UWSGI=$WORK/uwsgi
  serve otlp.json+http://collector.example <<INI
processes = 2
tracing-exit-timeout = 500ms
INI
  requests 100 4 /hello
  wait_for "$DEADLINE" threads_resolve
  requests 100 4 /hello
  ends_in_time
  need_accounts 'exported == 0' 'failed == 0' 'queued == 200'
  log_has 'last error: no answer when time was up'
}

# A worker has a reporter and, beside it, libcurl's thread that waits for the name.
threads_resolve() { [ "$(threads "$(worker_pid 1)" | wc -l)" -ge 3 ]; }

# --- Secrets --------------------------------------------------------------------------------------------

@test "credentials and queries are in no line of the log, whatever a collector says" {
  allow_log 'cannot export' 'exports again' 'spans lost'
  start_faulty echo
  serve "otlp.json+http://user:s3cr%%65t@127.0.0.1:$COLLECTOR_PORT/v1/traces?key=hidden" <<INI
processes = 1
INI
  requests 5 1 /hello
  wait_for "$DEADLINE" asked_at_least 5 spans
  now_does redirect
  requests 5 1 /hello
  wait_for "$DEADLINE" asked_at_least 10 spans
  kill -USR1 "$UWSGI_PID" # it logs its statistics and options
  wait_for "$DEADLINE" log_has '^tracing-export = '
  need_accounts 'failed == 10'
  # user:s3cret (uWSGI's ini files want %% for %)
  [ "$(asked 'headers["authorization"] == "Basic dXNlcjpzM2NyZXQ="')" = "$(asked 1)" ]
  [ "$(asked 'path == "/v1/traces?key=hidden"')" = "$(asked 1)" ]
  log_has 'otlp.json\+http://\*\*\*@127.0.0.1:[0-9]*/v1/traces\?\*\*\*'
  none 's3cr|hidden|dXNlcjpzM2|NyZXQ' <"$LOG"
}

@test "nor is what is wrong about them" {
  allow_log 'tracing-export'
  no_accounts
  local url
  for url in otlp.json+http://user:s3cr/t@h otlp.json+http://user:s3cr%%t@h otlp.json+http://s3cr:s3cr@h:0 \
    http://user:s3cr@h otlp.json+http:s3cr@h jaeger+udp://user:s3cr@h; do
    run_uwsgi <<INI
tracing-export = $url
wsgi-file = $APPS/app.py
INI
    [ "$status" = 1 ]
    log_has 'tracing-export = .*\*\*\*@h.*allowed|tracing-export = .*\*\*\*@h.*%2F'
    none s3cr <"$LOG"
  done
}
