#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Collectors are away, rings are full: no span is lost in silence.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

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

@test "one line for all workers, and those that take their places, says that a collector is away" {
  allow_log 'cannot export' 'spans lost' 'DAMN ! worker'
  COLLECTOR_PORT=$(free_port udp)
  start_uwsgi <<INI
processes = 3
tracing-journal-size = 64k
tracing-exit-timeout = 100ms
wsgi-file = $APPS/app.py
INI
  requests 300 6 '/sleep?ms=1'
  wait_for "$DEADLINE" log_has 'cannot export'
  local worker
  for worker in 1 2 3; do kill_worker "$worker"; done
  requests 1000 6 '/sleep?ms=1'
  wait_for "$DEADLINE" log_has 'spans lost'
  need_accounts 'exported == 0' 'retried >= 3' 'dropped > 0'
  [ "$(log_count 'cannot export')" = 1 ]
  [ "$(log_count 'spans lost \(in all: ')" = 1 ]
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
  for _ in {1..20}; do requests 50 1 '/sleep?ms=1'; done
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
