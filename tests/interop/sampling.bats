#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Strategies of a real Jaeger 1.62, from its --sampling.strategies-file: asked at the agent's port and
# at the collector's, obeyed.
#
# shellcheck disable=SC2154 # what use_jaeger exports

load interop

setup_file() {
  obtain ALL_IN_ONE "$INTEROP/build-jaeger.sh"
  [ -n "${ALL_IN_ONE:-}" ] || return 0
  STRATEGIES=$BATS_FILE_TMPDIR/strategies.json
  export STRATEGIES
  strategies 0 >"$STRATEGIES"
  start_jaeger "$ALL_IN_ONE" --sampling.strategies-file "$STRATEGIES" --sampling.strategies-reload-interval 100ms
}

teardown_file() {
  stop_servers
}

# strategies CHANGING: the file. `default_strategy` is for services it does not name.
strategies() {
  cat <<JSON
{
  "default_strategy": {"type": "probabilistic", "param": 0},
  "service_strategies": [
    {"service": "always", "type": "probabilistic", "param": 1},
    {"service": "limited", "type": "ratelimiting", "param": 2},
    {"service": "some-operations", "type": "probabilistic", "param": 0, "operation_strategies": [
      {"operation": "GET /environ", "type": "probabilistic", "param": 1},
      {"operation": "POST /environ", "type": "probabilistic", "param": 0}]},
    {"service": "other-operations", "type": "probabilistic", "param": 1, "operation_strategies": [
      {"operation": "POST /environ", "type": "probabilistic", "param": 0}]},
    {"service": "changing", "type": "probabilistic", "param": $1}
  ]
}
JSON
}

# serve SERVICE INITIAL [URL]: the application; until the first answer it samples with probability INITIAL.
serve() {
  start_collector
  start_uwsgi <<INI
processes = 2
wsgi-file = $APPS/app.py
tracing-service = $1
tracing-sampler = remote:${3:-http://$AGENT/sampling} interval=100ms initial=$2
INI
}

# sampled [CURL OPTION...]: 1 if the request it makes is, 0 if not: the flags the application is told.
sampled() { get /environ "$@" | field HTTP_UBER_TRACE_ID | cut -d: -f4; }

turns() { [ "$(sampled "${@:2}")" = "$1" ]; }

# always_now N [CURL OPTION...]: ten requests in a row are sampled, or not.
always_now() {
  local all='' _
  for _ in {1..10}; do all+=$(sampled "${@:2}"); done
  [ "$all" = "${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}" ]
}

@test "probabilistic, from the agent and from the collector: a service that is always sampled" {
  need ALL_IN_ONE
  local url
  for url in "http://$AGENT/sampling" "http://$COLLECTOR/api/sampling"; do
    serve always 0 "$url"
    wait_for "$DEADLINE" turns 1
    always_now 1
    stop_uwsgi
    settle_collector
    spans all 'tags["sampler.type"] == "probabilistic" and tags["sampler.param"] == 1'
  done
}

@test "the default strategy: a service that the file does not name is never sampled" {
  need ALL_IN_ONE
  serve nobody 1
  wait_for "$DEADLINE" turns 0
  always_now 0
}

@test "a caller's decision stands, whatever the strategy" {
  need ALL_IN_ONE
  serve nobody 1
  wait_for "$DEADLINE" turns 0
  always_now 1 -H 'uber-trace-id: 1:2:0:1'
}

@test "rate limiting: two traces a second, for all workers together" {
  need ALL_IN_ONE
  serve limited 0
  wait_for "$DEADLINE" turns 1
  local start=$EPOCHREALTIME
  requests 2000 4 /environ
  stop_uwsgi
  settle_collector
  local microseconds=$((${EPOCHREALTIME/./} - ${start/./}))
  spans all 'tags["sampler.type"] == "ratelimiting" and tags["sampler.param"] == 2'
  # The one that was waited for, a burst of as many as come in a second, and two for each second.
  [ "$(spans count)" -le $((1 + 2 + 1 + 2 * microseconds / 1000000)) ]
}

@test "per operation: GET always, POST never, others as the service" {
  need ALL_IN_ONE
  serve some-operations 0
  wait_for "$DEADLINE" turns 1
  always_now 1
  always_now 0 -X POST
  always_now 0 -X PUT
  stop_uwsgi
  serve other-operations 0
  wait_for "$DEADLINE" turns 1
  always_now 1 -X PUT
  always_now 0 -X POST
}

@test "a strategy that changes is obeyed without a restart" {
  need ALL_IN_ONE
  serve changing 1
  wait_for "$DEADLINE" turns 0
  always_now 0
  strategies 1 >"$WORK/strategies.json"
  mv "$WORK/strategies.json" "$STRATEGIES"
  wait_for "$DEADLINE" turns 1
  always_now 1
  strategies 0 >"$WORK/strategies.json"
  mv "$WORK/strategies.json" "$STRATEGIES"
  wait_for "$DEADLINE" turns 0
}
