#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Applications fork: nothing of ours runs in the child.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

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
