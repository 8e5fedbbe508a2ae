#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A short life of uWSGI under Valgrind's memcheck: no error of which the plugin is a part. Python's and
# OpenSSL's own are passed over by looking for our files in the reports.

# shellcheck disable=SC2034 # helper.bash uses them
load helper

@test "memcheck: start, 20 requests, exit (E2E_LONG=1)" {
  [ -n "${E2E_LONG:-}" ] || skip 'takes a minute: E2E_LONG=1'
  command -v valgrind || skip 'no valgrind (scripts/install-deps.sh bench)'
  DEADLINE=200
  start_collector
  printf '#!/bin/sh\nexec valgrind --child-silent-after-fork=no --error-limit=no --leak-check=full --show-leak-kinds=definite --log-file=%s/memcheck.%%p %s "$@"\n' \
    "$WORK" "$UWSGI" >uwsgi.sh
  chmod +x uwsgi.sh
  UWSGI=$WORK/uwsgi.sh start_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$WORK/spans.file
tracing-response-header = traceresponse
INI
  for _ in {1..20}; do get /environ -o /dev/null -H 'uber-trace-id: 1:2:0:1' -H 'tracestate: a=b'; done
  need_spans 20
  [ "$(cat memcheck.* | grep -c 'ERROR SUMMARY')" -ge 2 ] # master and worker
  local files
  files=$(cd "$ROOT/plugin" && printf '%s|' */*.c | sed -E 's#[a-z]+/##g; s/\|$//; s/\./\\./g')
  cat memcheck.* | none "\(($files):[0-9]+\)"
}
