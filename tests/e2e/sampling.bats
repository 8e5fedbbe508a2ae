#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Strategies of a sampling server: when it is asked and by whom, what holds when it does not answer.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# says ANSWER: what the server says from now on; see tests/tools/strategies.py
says() {
  printf '%s\n' "$1" >answer.new
  mv answer.new answer
}

ALL='{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":1}}'
NONE='{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0}}'

# start_server ANSWER [PORT]: sets SERVER_PORT and SERVER_PID.
start_server() {
  says "$1"
  rm -f strategies.log
  background strategies "$PYTHON" "$TOOLS/strategies.py" answer asked --port "${2:-0}"
  SERVER_PID=$LAST_PID
  wait_for "$DEADLINE" log_has '^port ' strategies.log
  SERVER_PORT=$(sed -n 's/^port //p' strategies.log)
}

# serve OPTIONS <INI LINES: with a remote sampler that has these options
serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-sampler = remote:http://127.0.0.1:$SERVER_PORT/sampling $1
$(cat)
INI
}

asked_times() { [ "$(grep -c service= asked)" -ge "$1" ]; }

# asked_again N: N more polls are seen. The first of them may have been answered before what the test
# has just changed, and when the last one comes the one before has been put in force: so at least 3.
asked_again() { wait_for "$DEADLINE" asked_times $(($(grep -c service= asked || true) + $1)); }

# sampled_of N PATH [OPTION...]: how many of N requests are recorded
sampled_of() {
  local count=$1 before seen
  shift
  before=$(wc -l <"$SPANS")
  for ((seen = 0; seen < count; seen++)); do get "$@" -o /dev/null; done
  # One that is recorded whatever the strategy, behind them in the one worker's ring.
  get /hello -H "uber-trace-id: $((before + 100)):1:0:1" -o /dev/null
  wait_for "$DEADLINE" trace_is_there $((before + 100))
  echo $(($(wc -l <"$SPANS") - before - 1))
}

trace_is_there() { [ "$(spans count "n(trace) == 0x$1")" = 1 ]; }

@test "the strategy of the server is in force in all workers, and asked for by the service's name" {
  start_server "$ALL"
  serve initial=0 <<'INI'
processes = 4
tracing-service = a b/c
INI
  wait_for "$DEADLINE" asked_times 1
  wait_for "$DEADLINE" all_recorded
  requests 100 8 '/sleep?ms=2'
  need_accounts 'exported >= 101'
  spans all 'root and tags["sampler.type"] == "probabilistic" and tags["sampler.param"] == 1'
  [ "$(spans values worker)" = $'1\n2\n3\n4' ]
  [ "$(cut -d' ' -f2 asked)" = '/sampling?service=a%20b%2Fc' ] # once: an interval is a minute
}

all_recorded() { [ "$(get /hello)" ] && [ -s "$SPANS" ]; }

@test "before the first answer the initial probability holds" {
  start_server 'status 503'
  allow_log 'tracing-sampler http://127.0.0.1:[0-9]*/sampling: no strategy: HTTP status 503 \(the one in force stays\)'
  serve initial=1 <<<'processes = 1'
  requests 50 4 /hello
  need_spans 50
  spans all 'tags["sampler.type"] == "probabilistic" and tags["sampler.param"] == 1'
  [ "$(log_count 'no strategy')" = 1 ]
}

@test "a new strategy is in force within an interval, and the old one when there is no new one" {
  start_server "$NONE"
  allow_log 'tracing-sampler .* no strategy: ' 'tracing-sampler .* answers again'
  serve 'interval=100ms initial=1' <<<'processes = 1'
  asked_again 3
  [ "$(sampled_of 5 /hello)" = 0 ]
  says "$ALL"
  asked_again 3
  [ "$(sampled_of 5 /hello)" = 5 ]
  local bad
  for bad in garbage '{}' '{"probabilisticSampling":{"samplingRate":"0"}}' 'status 500' 'status 404'; do
    says "$bad"
    asked_again 3
    [ "$(sampled_of 2 /hello)" = 2 ]
  done
  kill "$SERVER_PID"
  wait_for "$DEADLINE" gone "$SERVER_PID"
  [ "$(sampled_of 5 /hello)" = 5 ]
  [ "$(log_count 'no strategy')" = 1 ]
  start_server "$NONE" "$SERVER_PORT"
  asked_again 3
  [ "$(sampled_of 5 /hello)" = 0 ]
  wait_for "$DEADLINE" log_has 'answers again'
  [ "$(log_count 'no strategy')" = 1 ]
}

@test "operations have their own probabilities, and a promise that all workers keep together" {
  start_server '{"operationSampling":{"defaultSamplingProbability":0,"defaultLowerBoundTracesPerSecond":0.001,
    "perOperationStrategies":[{"operation":"GET /hello","probabilisticSampling":{"samplingRate":1}},
                              {"operation":"PUT /hello","probabilisticSampling":{"samplingRate":0}}]}}'
  serve 'interval=100ms initial=0' <<<'processes = 4'
  asked_again 3
  local _
  for _ in {1..10}; do
    get /hello -o /dev/null
    get /hello -X PUT -o /dev/null
    get /hello -X POST -o /dev/null
    get /hello -X MADEUP -o /dev/null
  done
  need_spans 13
  spans all 'tags["sampler.type"] == "probabilistic" and tags["sampler.param"] == 1' 'name.startswith("GET /")'
  spans all 'tags["sampler.type"] == "lowerbound" and tags["sampler.param"] == 0' 'not name.startswith("GET /")'
  [ "$(spans values name)" = $'GET /hello\nHTTP /hello\nPOST /hello\nPUT /hello' ]
}

@test "a rate of the server holds for all workers together" {
  start_server '{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":1}}'
  serve 'interval=100ms initial=0' <<<'processes = 4'
  asked_again 3
  local before after there
  before=${EPOCHREALTIME/./}
  requests 400 8 '/sleep?ms=4'
  after=${EPOCHREALTIME/./}
  stop_uwsgi
  settle_collector
  there=$(spans count)
  [ "$there" -ge 1 ]
  [ "$there" -le $((1 + (after - before) / 1000000)) ]
  spans all 'tags["sampler.type"] == "ratelimiting" and tags["sampler.param"] == 1'
}

@test "a caller's decision is kept, and the server not asked about it" {
  start_server "$NONE"
  serve 'interval=100ms' <<<'processes = 1'
  asked_again 3
  requests 5 1 /hello 'uber-trace-id: 1:2:0:1'
  need_spans 5
  spans all '"sampler.type" not in tags and "sampler.param" not in tags'
}

@test "four workers ask once an interval" {
  start_server "$ALL"
  serve 'interval=500ms' <<<'processes = 4'
  wait_for "$DEADLINE" asked_times 8
  # 450 to 500 ms from one to the next, as the client's clock has it; on a busy machine a request may
  # be late and the next one not.
  awk 'NR > 1 && $1 - last < 300 { print; bad = 1 } { last = $1 } END { exit bad }' asked
  awk 'END { exit $1 < 7 * 400 }' asked
}

@test "a worker killed while it asks is followed by another" {
  allow_log 'DAMN ! worker [12] .*killed by signal 9'
  start_server hang
  serve initial=0 <<<'processes = 2'
  wait_for "$DEADLINE" asked_times 1
  says "$ALL"
  local worker
  for worker in 1 2; do # whichever it is
    grep -qx gone asked || kill_worker "$worker"
  done
  wait_for 8 asked_times 2 # and not at the end of the ten seconds a server has
  wait_for "$DEADLINE" all_recorded
}

@test "a server that hangs holds up no exit" {
  start_server hang
  serve '' <<INI
processes = 2
tracing-exit-timeout = 60s
INI
  wait_for "$DEADLINE" asked_times 1
  local before
  before=${EPOCHREALTIME/./}
  stop_uwsgi
  [ $((${EPOCHREALTIME/./} - before)) -lt 5000000 ]
  wait_for "$DEADLINE" grep -qx gone asked
}

@test "the thread has its name, and there is none without a remote sampler" {
  start_server "$ALL"
  serve '' <<<'processes = 2'
  wait_for "$DEADLINE" asked_times 1
  threads "$(worker_pid 1)" | grep -qx 'trc-1-sampling'
  threads "$(worker_pid 2)" | grep -qx 'trc-2-sampling'
  stop_uwsgi
  stop_background
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  threads "$(worker_pid 1)" | none sampling
}
