#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Ids are made in each worker for itself, and never twice.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

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
  # shellcheck disable=SC2034 # of the helper
  DEADLINE=300
  ids 400000
}
