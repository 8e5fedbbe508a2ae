#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Workers die in every way there is, collectors are away, rings are full: no span is lost in silence.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# serve <INI LINES: a collector, and a uWSGI with the usual application and those lines.
serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
$(cat)
INI
}

# in_background COMMAND...: runs it and lets it fail; its output goes to the file `background`.
in_background() {
  "$@" >background 2>&1 3>&- &
  IN_BACKGROUND=$!
}

# --- SIGKILL -------------------------------------------------------------------------------------------

@test "SIGKILL of an idle worker: what it had finished is sent by the worker that replaces it" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  local old
  old=$(worker_pid 1)
  requests 200 4 /hello
  [ "$(wc -l <"$SPANS")" = 0 ]
  kill_worker 1
  [ "$(worker_pid 1)" != "$old" ]
  requests 10 1 /worker
  stop_uwsgi
  need_spans 210
  spans unique span
  spans all '"error" not in tags and status == 200'
  # All from one client, and it is the new worker: the old one never sent a thing.
  spans check 'len({s["process"]["client-uuid"] for s in spans}) == 1'
  need_accounts 'exported == 210' 'recovered == 0' 'lost == 0'
}

@test "SIGKILL in a request: that request is a span, too, with error" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  # Nothing is sent before the kill: a span that was sent and not ticked off would come twice.
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  local before after
  requests 5 1 /hello
  before=${EPOCHREALTIME/./}
  in_background get "/sleep?ms=10000&mark=$WORK/mark" -H 'uber-trace-id: abc:def:0:1'
  wait_for "$DEADLINE" test -e mark
  kill_worker 1
  after=${EPOCHREALTIME/./}
  wait "$IN_BACKGROUND" || true
  get /hello
  stop_uwsgi
  need_spans 7
  spans all 'tags["error"] is True and tags["error.type"] == "killed" and n(trace) == 0xabc and n(parent) == 0xdef' 'path == "/sleep"'
  spans all '"http.status_code" not in tags and name == "GET" and tags["uwsgi.worker"] == 1' 'path == "/sleep"'
  spans all "start_us >= $before and start_us + duration_us <= $after" 'path == "/sleep"'
  spans all '"error" not in tags' 'path == "/hello"'
  need_accounts 'recovered == 1' 'exported == 7'
}

@test "an application that kills its worker, four cores of it busy: each request is a span with error" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
threads = 4
INI
  three_asleep
  get /kill || true
  # Both: it is dead, and another one is there.
  wait_for "$DEADLINE" nudged_to_accept 2
  wait_for "$DEADLINE" lines_at_least 4 "$SPANS"
  need_spans 4
  spans all 'tags["error"] is True and tags["error.type"] == "killed"'
  spans check 'Counter(s["path"] for s in spans) == {"/sleep": 3, "/kill": 1}'
  need_accounts 'recovered == 4'
}

# three_asleep: three requests of ten seconds are running
three_asleep() {
  local i
  for i in 1 2 3; do get "/sleep?ms=10000&mark=$WORK/mark$i" >/dev/null 2>&1 3>&- & done
  for i in 1 2 3; do wait_for "$DEADLINE" test -e "mark$i"; done
}

@test "a segmentation fault in the application" {
  allow_log 'DAMN ! worker 1 ' 'Segmentation [Ff]ault' 'backtrace of'
  serve <<<'processes = 1'
  requests 5 1 /hello
  get '/kill?signal=11' || true
  wait_for "$DEADLINE" nudged_to_accept 2
  need_spans 6
  spans all 'tags["error"] is True and tags["error.type"] == "killed"' 'path == "/kill"'
}

@test "harakiri" {
  allow_log 'HARAKIRI' 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
harakiri = 1
INI
  get '/sleep?ms=20000' || true
  wait_for "$DEADLINE" nudged_to_accept 2
  need_spans 1
  spans all 'tags["error"] is True and path == "/sleep" and "http.status_code" not in tags and duration_us > 0'
}

@test "an application that calls _exit in a request" {
  allow_log 'DAMN ! worker 1 .* died :'
  serve <<<'processes = 1'
  get /leave || true
  wait_for "$DEADLINE" nudged_to_accept 2
  need_spans 1
  spans all 'tags["error"] is True and path == "/leave"'
}

@test "killed again and again under load: every answered request is a span, no id twice" {
  allow_log 'DAMN ! worker [12] .* killed by signal 9' 'respawning too fast'
  serve <<INI
processes = 2
forkbomb-delay = 0
tracing-flush-interval = 10ms
INI
  # shellcheck disable=SC2153 # it is another variable than E2E_LONG
  in_background "$E2E_LOAD" "$HOST" 2000 4 '/sleep?ms=1'
  local i
  for i in 1 2 1 2 1; do
    wait_for "$DEADLINE" lines_at_least 20 "$SPANS"
    kill_worker "$i"
  done
  wait "$IN_BACKGROUND" || true # some were hung up on
  local answered
  answered=$(sed -n 's/^200 //p' background)
  stop_uwsgi
  settle_collector
  # A span may be sent twice when its worker is killed after the send and before the cursor has moved:
  # at least once is the promise, so distinct ids are counted. One that was killed after the answer
  # was out and before the end was noted has no status.
  spans check "$answered <= len({s['span'] for s in spans}) <= 2000"
  spans check "len({s['span'] for s in spans if s['status'] == 200}) >= $answered - 5"
  spans check 'all(s["tags"]["error"] is True for s in spans if s["status"] is None)'
}

@test "a worker that is killed while the instance ends, so never replaced" {
  allow_log 'DAMN'
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  requests 50 2 /hello
  # The master is told to end before it has seen the death: nobody takes the worker's place.
  kill -STOP "$UWSGI_PID"
  kill -KILL "$(worker_pid 1)"
  kill -INT "$UWSGI_PID"
  kill -CONT "$UWSGI_PID"
  wait_for "$DEADLINE" uwsgi_gone
  log_has 'worker 1 buried'
  need_accounts 'sampled == 50'
  need_spans 50
}

# --- Ends in good order ------------------------------------------------------------------------------------

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
  spans all 'tags["error"] is True and tags["error.type"] == "killed"' 'path == "/sleep"'
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

# --- Applications that fork ------------------------------------------------------------------------------------

@test "an application that forks: no span twice, no id twice, no hang" {
  serve <<<'processes = 2'
  local before after
  requests 20 2 /fork
  requests 20 2 /fork-exit
  requests 20 2 /call
  requests 20 2 /hello
  wait_for "$DEADLINE" lines_at_least 80 "$SPANS"
  before=${EPOCHREALTIME/./}
  stop_uwsgi
  after=${EPOCHREALTIME/./}
  need_spans 80
  spans unique span
  spans unique trace
  spans all 'status == 200'
  need_accounts 'exported == 80'
  [ $((after - before)) -lt 2000000 ]
}

@test "an application that forks with spans waiting: the child does not send them" {
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  requests 30 1 /hello
  requests 10 1 /fork-exit
  settle_collector
  [ "$(wc -l <"$SPANS")" = 0 ]
  stop_uwsgi
  need_spans 40
  spans unique span
}

@test "a child that outlives its worker and the instance" {
  serve <<<'processes = 1'
  local child
  child=$(get "/outlive?end=$WORK/end")
  get /hello
  stop_uwsgi
  alive "$child"
  touch end
  wait_for "$DEADLINE" gone "$child"
  need_spans 2
  spans unique span
  need_accounts 'exported == 2'
}

# --- Collectors that are away --------------------------------------------------------------------------------------

@test "a collector that is not there at first: all arrive when it is" {
  allow_log 'cannot export' 'exports again'
  COLLECTOR_PORT=$(free_port udp)
  start_uwsgi <<INI
processes = 2
wsgi-file = $APPS/app.py
INI
  requests 100 4 /hello
  wait_for "$DEADLINE" log_has 'cannot export'
  start_collector --port "$COLLECTOR_PORT"
  wait_for "$DEADLINE" lines_at_least 100 "$SPANS"
  need_spans 100
  spans unique span
  need_accounts 'exported == 100'
}

@test "a collector that goes away and comes back: all arrive" {
  allow_log 'cannot export' 'exports again'
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  requests 10 1 /hello
  wait_for "$DEADLINE" lines_at_least 10 "$SPANS"
  stop_pid "$COLLECTOR_PID"
  requests 10 1 /hello
  wait_for "$DEADLINE" log_has 'cannot export'
  mv "$SPANS" first.jsonl
  start_collector --port "$COLLECTOR_PORT"
  need_spans 10
  need_accounts 'exported == 20'
}

@test "a full ring: responses are fine, what does not fit is counted as dropped" {
  allow_log 'cannot export' 'spans lost'
  COLLECTOR_PORT=$(free_port udp)
  start_uwsgi <<INI
processes = 2
tracing-journal-size = 64k
tracing-exit-timeout = 200ms
wsgi-file = $APPS/app.py
INI
  requests 5000 4 /hello
  need_accounts 'sampled == 5000' 'dropped > 0' 'exported == 0' 'queued > 0' 'dropped + queued == 5000'
}

@test "a dead exporter beside a live one: the live one loses nothing" {
  allow_log 'cannot export' 'spans lost'
  local dead
  dead=$(free_port udp)
  start_collector
  start_uwsgi <<INI
processes = 1
tracing-journal-size = 64k
tracing-flush-interval = 10ms
tracing-exit-timeout = 500ms
tracing-export = jaeger+udp://127.0.0.1:$dead
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
wsgi-file = $APPS/app.py
INI
  # Paced, so that the live one can keep up with a ring that is as small as can be.
  local i
  for i in {1..20}; do requests 50 1 '/sleep?ms=1'; done
  need_spans 1000
  spans unique span
  need_accounts "URL=jaeger+udp://127.0.0.1:$COLLECTOR_PORT" 'exported == 1000' 'dropped == 0'
  need_accounts "URL=jaeger+udp://127.0.0.1:$dead" 'exported == 0' 'sampled == 1000' 'dropped + queued == 1000'
}

@test "a collector that is away holds no exit up for longer than tracing-exit-timeout" {
  allow_log 'cannot export'
  COLLECTOR_PORT=$(free_port udp)
  start_uwsgi <<INI
processes = 4
tracing-exit-timeout = 500ms
wsgi-file = $APPS/app.py
INI
  requests 100 4 /hello
  local before after
  before=${EPOCHREALTIME/./}
  stop_uwsgi
  after=${EPOCHREALTIME/./}
  [ $((after - before)) -lt 1500000 ]
  need_accounts 'exported == 0' 'queued == 100'
}

# --- Ids --------------------------------------------------------------------------------------------------------------

# ids REQUESTS: so many requests to four workers have ids that are all different.
ids() {
  serve <<INI
processes = 4
http-socket = $WORK/http.sock
disable-logging = true
tracing-journal-size = 16M
tracing-flush-interval = 100ms
INI
  over "$WORK/http.sock"
  requests "$1" 8 /hello
  need_spans "$1"
  spans unique span
  spans unique trace
  spans all 'n(span) != 0 and n(trace) != 0'
  [ "$(spans values worker)" = $'1\n2\n3\n4' ]
  need_accounts "exported == $1" 'dropped == 0'
}

@test "ids of 4 workers x 5,000 requests are all different" {
  ids 20000
}

@test "ids of 4 workers x 100,000 requests are all different (E2E_LONG=1)" {
  [ -n "${E2E_LONG:-}" ] || skip 'takes minutes: E2E_LONG=1'
  DEADLINE=300
  ids 400000
}
