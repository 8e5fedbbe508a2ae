#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Instances and workers end in good order, with spans waiting and requests running: none is lost.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

@test "graceful reload: SIGHUP under load loses no request and no span" {
  serve <<INI
processes = 2
http-socket = $WORK/http.sock
tracing-flush-interval = 60s
INI
  over "$WORK/http.sock"
  requests 100 4 /hello
  in_background "$E2E_LOAD" "$WORK/http.sock" 400 4 '/sleep?ms=2'
  kill -HUP "$UWSGI_PID"
  wait_for "$DEADLINE" nudged_to_accept 4
  wait "$IN_BACKGROUND"
  [ "$(cat background)" = '200 400' ]
  requests 100 4 /hello
  stop_uwsgi
  need_spans 600
  spans unique span
  spans unique trace
  need_accounts
}

@test "chain reload: one worker after the other" {
  serve <<INI
processes = 2
lazy-apps = true
master-fifo = $WORK/fifo
http-socket = $WORK/http.sock
tracing-flush-interval = 60s
INI
  over "$WORK/http.sock"
  in_background "$E2E_LOAD" "$WORK/http.sock" 600 4 '/sleep?ms=5'
  wait_for "$DEADLINE" test -p fifo
  echo c >fifo
  wait_for "$DEADLINE" nudged_to_accept 4
  wait "$IN_BACKGROUND"
  [ "$(cat background)" = '200 600' ]
  stop_uwsgi
  need_spans 600
  spans unique span
  need_accounts 'exported == 600' 'recovered == 0'
}

@test "max-requests: 100 requests to workers that live for five" {
  serve <<INI
processes = 4
max-requests = 5
min-worker-lifetime = 0
forkbomb-delay = 0
tracing-flush-interval = 60s
INI
  in_background "$E2E_LOAD" "$HOST" 100 4 /worker
  wait_for "$DEADLINE" nudged_to_end "$IN_BACKGROUND"
  wait "$IN_BACKGROUND"
  [ "$(cat background)" = '200 100' ]
  log_has_times 10 'Respawned uWSGI worker'
  wait_for "$DEADLINE" all_respawned 4
  stop_uwsgi
  need_spans 100
  spans unique span
  spans unique trace
  need_accounts 'exported == 100' 'recovered == 0'
}

nudged_to_end() {
  nudge
  gone "$1"
}

@test "SIGTERM: what is waiting is sent" {
  serve <<INI
processes = 4
tracing-flush-interval = 60s
INI
  requests 100 4 /hello
  stop_uwsgi TERM
  need_spans 100
  need_accounts 'exported == 100'
}

@test "SIGINT: what is waiting is sent" {
  serve <<INI
processes = 4
tracing-flush-interval = 60s
INI
  requests 100 4 /hello
  stop_uwsgi INT
  need_spans 100
  need_accounts 'exported == 100'
}

@test "SIGTERM to every process at once, as systemd sends it, and Ctrl-C" {
  local signal
  for signal in TERM INT; do
    serve <<INI
processes = 4
tracing-flush-interval = 60s
INI
    requests 100 4 '/sleep?ms=1'
    # Each worker has it from us, and SIGINT from the master besides, while it is sending its last.
    kill -"$signal" "$UWSGI_PID" "$(worker_pid 1)" "$(worker_pid 2)" "$(worker_pid 3)" "$(worker_pid 4)"
    stop_uwsgi "$signal"
    need_spans 100
    spans unique span
    need_accounts 'exported == 100'
    stop_background
  done
}

@test "SIGINT during requests: what was running is a span, too" {
  serve <<INI
processes = 2
threads = 2
INI
  requests 10 1 /hello
  three_asleep
  stop_uwsgi INT
  need_spans 13
  spans all 'tags["error"] is True' 'path == "/sleep"'
  need_accounts 'exported == 13'
}

@test "cheaper: a worker that is sent home sends what it has first" {
  EXPECT_WORKERS=4 serve <<INI
processes = 4
cheaper = 1
cheaper-initial = 4
cheaper-algo = manual
master-fifo = $WORK/fifo
tracing-flush-interval = 60s
INI
  requests 200 8 '/sleep?ms=1'
  wait_for "$DEADLINE" test -p fifo
  printf -- '---' >fifo
  wait_for "$DEADLINE" cheaped 3
  # Those three have sent theirs, though the interval is far from over.
  settle_collector
  [ "$(wc -l <"$SPANS")" -ge 1 ]
  [ "$(spans values worker | wc -l)" = 3 ]
  requests 20 1 /hello
  stop_uwsgi
  need_spans 220
  spans unique span
}

cheaped() {
  nudge
  log_has_times "$1" 'worker [0-9]+ cheaped'
}

@test "a request that a reload has no mercy on is a span of the instance before" {
  serve <<INI
processes = 1
http-socket = $WORK/http.sock
worker-reload-mercy = 1
INI
  over "$WORK/http.sock"
  in_background get "/sleep?ms=20000&mark=$WORK/mark"
  wait_for "$DEADLINE" test -e mark
  kill -HUP "$UWSGI_PID"
  wait "$IN_BACKGROUND" || true
  wait_for "$DEADLINE" nudged_to_accept 2
  requests 1 1 /hello
  need_spans 2
  spans all 'tags["error"] is True and tags["error.type"] == "SIGKILL"' 'path == "/sleep"'
  log_has 'recovered 1,'
}

@test "no master, two workers: the end of the first is not that of the second" {
  serve <<INI
master = false
processes = 2
tracing-flush-interval = 60s
INI
  local second
  second=$(worker_pid 2)
  in_background get "/sleep?ms=1500&mark=$WORK/mark1" -o one
  local first_request=$IN_BACKGROUND
  in_background get "/sleep?ms=1500&mark=$WORK/mark2" -o two
  wait_for "$DEADLINE" test -e mark1
  wait_for "$DEADLINE" test -e mark2
  stop_uwsgi INT
  wait "$first_request" || true
  wait "$IN_BACKGROUND" || true
  kill -INT "$second"
  wait_for "$DEADLINE" gone "$second"
  need_spans 2
  # One was killed with the first worker, the other was answered by the second.
  spans check 'sorted(s["tags"].get("error", False) for s in spans) == [False, True]'
}

@test "no master: SIGINT sends what is waiting" {
  serve <<INI
master = false
tracing-flush-interval = 60s
INI
  requests 50 2 /hello
  stop_uwsgi INT
  need_spans 50
  need_accounts 'exported == 50'
}
