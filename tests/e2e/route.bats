#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The routing action `tracing`: who is recorded, and what is said of it, by route.

# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell, as it should be; status is ours
load helper

serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/calls.py
processes = 2
$(cat)
INI
}

ALL='jaeger, tracecontext, b3, b3multi, gcp, xray, eagleeye'

# says FILE SAMPLED: does every header that the application saw, or hands on, say so (1 or 0)?
says() {
  "$PYTHON" - "$1" "$2" <<'PY'
import json, sys
seen = dict(line.split('=', 1) for line in json.load(open(sys.argv[1])))
yes = sys.argv[2] == '1'
wrong = [name for name, sampled in (
    ('HTTP_UBER_TRACE_ID', lambda v: v.split(':')[3] in '13'),
    ('HTTP_TRACEPARENT', lambda v: int(v[-2:], 16) & 1 == 1),
    ('HTTP_B3', lambda v: v[-1] == '1'),
    ('HTTP_X_B3_SAMPLED', lambda v: v == '1'),
    ('HTTP_X_CLOUD_TRACE_CONTEXT', lambda v: v[-1] == '1'),
    ('HTTP_X_AMZN_TRACE_ID', lambda v: 'Sampled=1' in v),
    ('HTTP_EAGLEEYE_SAMPLED', lambda v: v == 's1'),
    ('TRACING_SAMPLED', lambda v: v == '1')) if sampled(seen[name]) != yes]
sys.exit('not so: %s of %s' % (wrong, seen) if wrong else 0)
PY
}

# --- off, on ------------------------------------------------------------------------------------------

@test "off: no span, and everybody who is told is told so" {
  serve <<INI
route = ^/(seen|inject) tracing:off
tracing-inject = $ALL
tracing-variables = true
tracing-response-header = uber-trace-id
log-format = %(uri) sampled=%(trace_sampled)
INI
  get /seen -D head >a
  says a 0
  grep -qiE '^uber-trace-id: [0-9a-f]{32}:[0-9a-f]{16}:0:0' head
  [ "$(grep -ci '^uber-trace-id' head)" = 1 ]
  get /seen -H 'uber-trace-id: abc:def:0:1' -d "$(printf '%0900d' 0)" >a
  says a 0
  grep -q '"HTTP_UBER_TRACE_ID=0*abc:' a
  get /inject -G --data-urlencode 'c=tracing.inject' --data-urlencode 'c=tracing.tag|k|v' \
    --data-urlencode 'c=tracing.start|s' >a
  json 'j[0].splitlines()[0].endswith(":0") and j[1:] == ["off", "0" * 16]' <a | grep -qx True
  get /seen/not >a # the regex is /seen at the beginning
  get / -G --data-urlencode 'c=tracing.tag|k|v' >/dev/null
  need_spans 1
  spans all 'tags["k"] == "v"'
  need_accounts 'sampled == 1'
  log_has '^/seen sampled=0'
  log_has '^/\?c=.* sampled=1'
}

@test "off: whatever the request then does, or ends in" {
  serve <<'INI'
route = ^/seen tracing:off
tracing-keep = errors,slow:20ms
INI
  get '/seen?status=500%20Fails' >a
  get '/?status=500%20Fails' >a
  need_spans 1
  need_accounts 'sampled == 1'
}

@test "on: what the sampler or a caller refused is recorded from its start, and everybody is told" {
  serve <<INI
route = ^/seen tracing:on
route = ^/seen tracing:tag=by=route
tracing-sampler = const:0
tracing-inject = $ALL
tracing-variables = true
tracing-response-header = uber-trace-id
INI
  get /seen -D head >a
  says a 1
  grep -qiE '^uber-trace-id: [0-9a-f]{32}:[0-9a-f]{16}:0:1' head
  get /seen -H 'b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0' >a
  says a 1
  get / >a
  need_spans 2
  spans all 'name == "GET /seen" and status == 200 and tags["by"] == "route" and "sampler.type" not in tags'
  spans count 'trace == "0af7651916cd43dd8448eb211c80319c" and parent == "b7ad6b7169203331"' | grep -qx 1
  need_accounts 'sampled == 2'
}

@test "sample: by the trace's id, for traces that begin here; a caller's decision is kept" {
  serve <<'INI'
route = ^/none tracing:sample=0
route = ^/some tracing:sample=0.5
route = ^/all tracing:sample=1
tracing-sampler = probabilistic:0.25
INI
  requests 40 4 /none
  requests 200 4 /some
  requests 40 4 /all
  requests 5 1 /none 'uber-trace-id: abc:def:0:1'
  requests 5 1 /all 'uber-trace-id: abc:def:0:0'
  stop_uwsgi
  settle_collector
  spans check '45 + 50 < len(spans) < 45 + 150'
  spans all 'tags["sampler.type"] == "probabilistic" and tags["sampler.param"] == 0.5' 'path == "/some"'
  spans all 'n(trace) & (2 ** 63 - 1) <= 2 ** 62' 'path == "/some"'
  spans count 'path == "/all" and root' | grep -qx 40
  spans count 'path == "/none" and not root and "sampler.type" not in tags' | grep -qx 5
  spans check 'not [s for s in spans if s["path"] == "/all" and not s["root"]]'
}

# --- name, tag ----------------------------------------------------------------------------------------

@test "name and tag: groups of the regex and uWSGI's variables are expanded" {
  serve <<'INI'
route = ^/users/([0-9]+)/(\w+) tracing:name=user $2
route = ^/users/([0-9]+)/(\w+) tracing:tag=user=$1
route-run = tracing:tag=who=${HTTP_X_WHO} of ${REQUEST_METHOD}
route-run = tracing:tag=fixed=a=b
route-if = equal:${HTTP_X_WHO};me tracing:tag=me=yes
route-if-not = equal:${HTTP_X_WHO};me tracing:tag=me=no
INI
  get /users/42/edit -H 'X-Who: me' >a
  get /other >a
  need_spans 2
  spans all 'name == "user edit" and tags["user"] == "42" and tags["who"] == "me of GET" and tags["me"] == "yes"' 'path != "/other"'
  spans all 'name == "GET /other" and "user" not in tags and tags["who"] == " of GET" and tags["me"] == "no"' 'path == "/other"'
  spans all 'tags["fixed"] == "a=b"'
}

@test "a value of any size harms nobody" {
  serve <<'INI'
buffer-size = 32768
route-run = tracing:name=${HTTP_X_BIG}
route-run = tracing:tag=big=${HTTP_X_BIG}
INI
  get / -H "X-Big: $(printf '%020000d' 0)" >a
  get / -H 'X-Big: ok' >a
  need_spans 2
  spans count 'name == "ok" and tags["big"] == "ok"' | grep -qx 1
  spans count 'name == "0" * 256 and "big" not in tags' | grep -qx 1
}

# --- When -----------------------------------------------------------------------------------------------

@test "final-route and response-route see how it ended, and error-route, too" {
  serve <<'INI'
final-route-status = 404 tracing:off
final-route-status = 500 tracing:tag=final=500
final-route = ^/sampled tracing:sample=0
response-route-status = 500 tracing:name=failed
error-route-status = 404 tracing:tag=error=route
INI
  local code
  for code in 200 404 500; do get "/?status=$code%20X" >a; done
  get /sampled >a
  need_spans 2
  spans all 'tags["final"] == "500" and name == "failed"' 'status == 500'
  spans count 'status == 200 and "final" not in tags' | grep -qx 1
  need_accounts 'sampled == 2'
}

@test "threads and gevent: each request its own route" {
  local more i pids
  for more in 'threads = 4' $'plugin = gevent_python3\ngevent = 50\ngevent-monkey-patch = true'; do
    serve <<INI
route = ^/off tracing:off
route-run = tracing:tag=n=\${HTTP_X_N}
$more
INI
    pids=()
    for i in {1..40}; do
      get "/$([ $((i % 2)) = 0 ] && echo off)" -G -H "X-N: $i" --data-urlencode 'c=sleep|20' \
        --data-urlencode "c=tracing.tag|m|$i" >/dev/null 3>&- &
      pids+=($!)
    done
    wait "${pids[@]}"
    need_spans 20
    spans all 'tags["n"] == tags["m"] and int(tags["n"]) % 2 == 1'
    need_accounts 'sampled == 20'
    rm -f "$SPANS"
  done
}

@test "where tracing is off or the request excluded, a route says it to nobody" {
  serve <<'INI'
tracing-exclude = /excluded
route-run = tracing:on
route-run = tracing:tag=k=v
route-run = tracing:sample=1
route-run = tracing:name=n
INI
  get /excluded >a
  get / -G --data-urlencode 'c=tracing.disable' >a
  get / -G --data-urlencode 'c=tracing.enable' >a
  need_spans 1
  spans all 'name == "n"'
  need_accounts 'excluded == 1'
}

# --- What is no action ----------------------------------------------------------------------------------

@test "a wrong action is one line at the start, and the end" {
  local action
  no_accounts
  for action in '' of off=1 sample=2 sample=half name= tag= tag=k 'tag==v'; do
    rm -f "$LOG"
    run_uwsgi <<<"route = ^/x tracing:$action"
    [ "$status" = 1 ]
    allow_log 'not an action'
    [ "$(log_count '\[tracing\]')" = 1 ]
    grep -aqF "[tracing] route action tracing:$action: not an action (allowed: off, on, sample=0..1, name=TEXT, tag=KEY=VALUE)" "$LOG"
  done
}

@test "an application takes an action of its own making, or is told that it is none" {
  serve <<<'tracing-sampler = const:0'
  get '/route?action=on' >a
  [ "$(cat a)" = '["0"]' ]
  get '/route?action=tag%3Dk%3D%24%7BHTTP_HOST%7D' >a
  [ "$(cat a)" = '["0"]' ]
  get '/route?action=nothing' >a
  [ "$(cat a)" = '["-1"]' ]
  need_spans 1
}
