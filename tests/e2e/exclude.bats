#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Requests that get no span.

load helper

@test "paths, agents and methods that are excluded get no span, and are counted" {
  serve <<INI
tracing-exclude = /healthz
tracing-exclude = /static/*, agent:kube-probe/*
tracing-exclude = method:OPTIONS
INI
  local path
  for path in /healthz '/healthz?deep=1' /static/ /static/css/site.css '/static/?/'; do
    [ "$(get "$path")" = hello ]
  done
  [ "$(get / -A kube-probe/1.29)" = hello ]
  [ "$(get / -X OPTIONS)" = hello ]
  # A target in absolute form is its path, as it is in a span.
  [ "$(get / --request-target http://shop.example/healthz)" = hello ]
  for path in / /healthz/ /healthzz /x/healthz /static; do get "$path" >/dev/null; done
  get / -A curl/kube-probe/1 >/dev/null
  need_spans 6
  need_accounts sampled==6 excluded==8
}

@test "an excluded request is left as it came" {
  serve <<INI
tracing-exclude = /environ
tracing-variables = true
tracing-response-header = uber-trace-id, x-trace-id
log-format = %(uri) trace=%(trace_id)
INI
  local context=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
  get /environ -D headers -H "traceparent: $context" -H 'uber-trace-id: nonsense' >environ
  none '^[Uu]ber-|^[Xx]-[Tt]race' <headers
  [ "$(field HTTP_TRACEPARENT <environ)" = "$context" ]
  [ "$(field HTTP_UBER_TRACE_ID <environ)" = nonsense ]
  none TRACING_ <environ
  get / -D headers >/dev/null
  grep -qi '^x-trace-id' headers
  need_spans 1
  log_has '^/environ trace=-$'
  need_accounts excluded==1 context_errors==0
}

@test "what comes over the uwsgi protocol is excluded, too, and what is no request is not asked" {
  start_collector
  WITHOUT=http-socket start_uwsgi <<INI
wsgi-file = $APPS/app.py
uwsgi-socket = $WORK/uwsgi.sock
plugin = rpc
tracing-exclude = *
INI
  "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 0 REQUEST_METHOD=GET REQUEST_URI=/ PATH_INFO=/ | grep -q hello
  "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 173 --args shout quietly | grep -q QUIETLY
  need_spans 0
  need_accounts excluded==1
}

@test "a pattern that is wrong stops uWSGI with one line" {
  no_accounts
  allow_log 'tracing-exclude'
  run_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-exclude = /healthz,static
INI
  [ "$status" = 1 ]
  log_has '^\[tracing\] tracing-exclude = /healthz,static: not allowed \(allowed: none, or globs on the path'
  [ "$(log_count '^\[tracing\]')" = 1 ]
}
