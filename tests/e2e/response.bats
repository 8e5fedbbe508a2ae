#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tracing-response-header: whatever answers, the client is told which trace it was in.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

ALL='uber-trace-id, traceresponse, server-timing, x-trace-id'
EXPOSED='traceresponse, Server-Timing'

# serve [INI LINES]: the application of most tests, with all headers unless the lines say otherwise.
serve() {
  start_collector
  start_uwsgi <<INI
tracing-response-header = ${HEADERS-$ALL}
wsgi-file = $APPS/app.py
$(cat)
INI
}

# ask PATH [CURL OPTION...]: one request; its response's head in `answer.head`, its status in $STATUS.
ask() {
  STATUS=$(get "$@" -D answer.head -o body -w '%{http_code}')
  sed -i 's/\r$//' answer.head
}

# lines NAME: the values of that header in `answer.head`, a line each.
lines() { sed -n "s/^$1: //Ip" answer.head; }

# told [FLAGS]: the four headers of `answer.head` are there once each and agree. Sets TRACE, SPAN, PARENT.
told() {
  local flags=${1:-1}
  TRACE=$(lines X-Trace-Id)
  [[ $(lines uber-trace-id) =~ ^$TRACE:([0-9a-f]{16}):(0|[0-9a-f]{16}):$flags$ ]]
  SPAN=${BASH_REMATCH[1]} PARENT=${BASH_REMATCH[2]}
  local padded
  padded=$(printf %32s "$TRACE" | tr ' ' 0)
  [ "$(lines traceresponse)" = "00-$padded-$SPAN-0$flags" ]
  [ "$(lines Server-Timing | tail -n 1)" = "traceparent;desc=\"00-$padded-$SPAN-0$flags\"" ]
  [ "$(lines Access-Control-Expose-Headers | tail -n 1)" = "$EXPOSED" ]
  [ "$(sed -nE 's/^(x-trace-id|uber-trace-id|traceresponse): .*/\1/Ip' answer.head | wc -l)" = 3 ]
  echo "$TRACE$SPAN" >>told
}

# told_true: what the clients of this test were told is what was reported, all of it and no more.
told_true() {
  need_spans "$(wc -l <told)"
  diff <(sort told) <(spans print 'trace + span' | sort)
}

# --- Whatever answers ------------------------------------------------------------------------------------

@test "an application: with and without a caller, a body, a HEAD" {
  serve </dev/null
  ask /hello
  told
  [ "$STATUS $(cat body) $PARENT" = '200 hello 0' ]
  ask /hello -H 'uber-trace-id: 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1'
  told
  [ "$TRACE $PARENT" = '0af7651916cd43dd8448eb211c80319c b7ad6b7169203331' ]
  ask /post --data-binary "$(printf 'x%.0s' {1..3000})"
  told
  ask /hello --head
  told
  told_true
}

@test "an id of 64 bits: padded where the format needs 32 digits" {
  serve </dev/null
  ask /hello -H 'uber-trace-id: 5af7183fb1d4cf5f:b7ad6b7169203331:0:1'
  told
  [ "$TRACE" = 5af7183fb1d4cf5f ]
  told_true
}

@test "an unsampled request is told its trace, too, with flags 00" {
  serve <<<'tracing-sampler = const:0'
  ask /hello
  told 0
  ask /hello -H 'uber-trace-id: 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:0'
  told 0
  [ "$TRACE $PARENT" = '0af7651916cd43dd8448eb211c80319c b7ad6b7169203331' ]
  need_spans 0
}

@test "a debug trace: uber-trace-id says 3, the others 01" {
  HEADERS='uber-trace-id, traceresponse' serve </dev/null
  ask /hello -H 'jaeger-debug-id: me'
  [[ $(lines uber-trace-id) =~ :3$ ]]
  [[ $(lines traceresponse) =~ -01$ ]]
}

@test "204 and 304 of an application" {
  serve </dev/null
  local line
  for line in '204 No Content' '304 Not Modified' '404 Not Found' '503 Service Unavailable'; do
    ask "/status?line=${line// /%20}"
    [ "$STATUS" = "${line%% *}" ]
    told
  done
  told_true
}

@test "an exception that uWSGI answers, and one after which it says nothing" {
  serve <<<'catch-exceptions = true'
  ask /raise
  told
  [ "$STATUS" = 500 ]
  told_true
  check_log
  rm told
  serve </dev/null
  ask /raise || true
  [ "$STATUS" = 000 ]
  ask /hello
  told
  need_spans 2
}

@test "static files: 200, 304, a range, a HEAD, one that is not there" {
  mkdir static
  echo found >static/file.txt
  serve <<<"static-map = /static=$WORK/static"
  ask /static/file.txt
  told
  [ "$STATUS $(cat body)" = '200 found' ]
  ask /static/file.txt -H 'If-Modified-Since: Wed, 01 Jan 2200 00:00:00 GMT'
  told
  [ "$STATUS" = 304 ]
  ask /static/file.txt -H 'Range: bytes=1-2'
  told
  ask /static/file.txt --head
  told
  ask /static/none
  told
  told_true
}

@test "a file that an offload thread sends" {
  mkdir static
  head -c 5000000 /dev/urandom >static/large
  serve <<INI
offload-threads = 1
static-map = /static=$WORK/static
INI
  ask /static/large
  told
  cmp body static/large
  told_true
}

@test "routes: a redirect, a status, a break" {
  serve <<INI
plugin = router_redirect
route = ^/r redirect-302:/hello
route = ^/gone return:410
route = ^/stop break:404 Not Found
INI
  ask /r
  told
  [ "$STATUS $(lines Location)" = '302 /hello' ]
  ask /gone
  told
  [ "$STATUS" = 410 ]
  ask /stop
  told
  [ "$STATUS" = 404 ]
  told_true
}

@test "PSGI, and its 500" {
  start_collector
  LANGUAGE_PLUGIN=psgi start_uwsgi <<INI
tracing-response-header = $ALL
psgi = $APPS/app.psgi
INI
  ask /
  told
  [ "$(cat body)" = 'hello from perl' ]
  ask /die
  told
  [ "$STATUS" = 500 ]
  told_true
}

@test "over the uwsgi protocol" {
  serve <<<"socket = $WORK/uwsgi.sock"
  "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 0 REQUEST_METHOD=GET REQUEST_URI=/hello PATH_INFO=/hello \
    SERVER_PROTOCOL=HTTP/1.1 HTTP_HOST=a >answer.head
  sed -i 's/\r$//' answer.head
  told
  told_true
}

# --- Beside others' headers --------------------------------------------------------------------------------

@test "an application's own Server-Timing and Expose header stay as they are, before ours" {
  serve </dev/null
  ask /timing
  told
  [ "$(lines Server-Timing | head -n 1)" = 'db;dur=53, app;dur=47.2' ]
  [ "$(lines Server-Timing | wc -l)" = 2 ]
  [ "$(lines Access-Control-Expose-Headers | head -n 1)" = X-Mine ]
  [ "$(lines Access-Control-Expose-Headers | wc -l)" = 2 ]
  [ "$(lines X-Mine)" = here ]
  told_true
}

@test "headers that uWSGI adds: its option, routes before and at the response" {
  serve <<INI
add-header = X-Option: there
route-run = addheader:X-Early: one
response-route-run = addheader:X-Late: two
final-route-run = addheader:X-Final: lost
INI
  local i
  for i in {1..20}; do
    ask "/hello?$i"
    told
    [ "$(lines X-Option) $(lines X-Early) $(lines X-Late) $(lines X-Final)" = 'there one two ' ]
  done
  told_true
}

@test "the response is byte for byte what it is without the option, but for these lines" {
  HEADERS=none serve </dev/null
  get /timing -i >without
  stop_uwsgi
  check_log
  serve </dev/null
  get /timing -i >with
  [ "$(diff without with | grep -c '^<')" = 0 ]
  [ "$(diff without with | grep -c '^>')" = 5 ]
}

# --- Each alone, and none ----------------------------------------------------------------------------------

# only OPTION LINE...: with that option, these are the lines (names) that are there.
only() {
  HEADERS=$1 serve </dev/null
  shift
  ask /hello
  [ "$(sed -nE 's/^(x-trace-id|uber-trace-id|traceresponse|server-timing|access-control-[a-z-]*): .*/\1/Ip' answer.head)" = \
    "$(printf '%s\n' "$@")" ]
  need_spans 1
}

@test "uber-trace-id alone" { only uber-trace-id uber-trace-id; }
@test "x-trace-id alone" { only x-trace-id X-Trace-Id; }
@test "traceresponse alone, with the Expose header it needs" {
  only traceresponse traceresponse Access-Control-Expose-Headers
  [ "$(lines Access-Control-Expose-Headers)" = traceresponse ]
}
@test "server-timing alone, with the Expose header it needs" {
  only server-timing Server-Timing Access-Control-Expose-Headers
  [ "$(lines Access-Control-Expose-Headers)" = Server-Timing ]
}
@test "none" { only none; }

@test "switched off, nobody is told anything" {
  serve <<<'tracing-disable = true'
  ask /hello
  [ "$(cat body)" = hello ]
  [ "$(grep -ciE 'trace|timing|expose' answer.head)" = 0 ]
  need_spans 0
}

# --- Many at once ------------------------------------------------------------------------------------------

@test "processes and threads: of many clients each is told its own" {
  serve <<INI
processes = 2
threads = 4
INI
  local i pids=()
  for i in {1..8}; do
    get '/hello?[1-50]' -D - -o /dev/null >"heads.$i" &
    pids+=($!)
  done
  wait "${pids[@]}"
  sed -n 's/\r$//; s/^uber-trace-id: //Ip' heads.* >ids
  [ "$(wc -l <ids)" = 400 ]
  need_spans 400
  diff <(sort ids) <(spans print 'trace + ":" + span + ":0:" + str(flags)' | sort)
}

@test "gevent: requests of one thread that overlap are told each its own" {
  start_collector
  start_uwsgi <<INI
plugin = gevent_python3
gevent = 20
gevent-monkey-patch = true
tracing-response-header = $ALL
wsgi-file = $APPS/app.py
INI
  local i pids=()
  for i in {1..20}; do
    get '/sleep?ms=200' -D "head.$i" -o /dev/null &
    pids+=($!)
  done
  wait "${pids[@]}"
  for i in {1..20}; do
    sed 's/\r$//' "head.$i" >answer.head
    told
  done
  [ "$(sort -u told | wc -l)" = 20 ]
  told_true
}

@test "http11-socket: each request of a connection is told its own" {
  WITHOUT=http-socket serve <<<'http11-socket = 127.0.0.1:0'
  get '/timing?[1-3]' -D - -o /dev/null >heads
  sed -n 's/\r$//; s/^uber-trace-id: //Ip' heads >ids
  [ "$(wc -l <ids)" = 3 ]
  need_spans 3
  diff <(sort ids) <(spans print 'trace + ":" + span + ":0:" + str(flags)' | sort)
}

@test "a worker that took a killed one's place tells, too; children of an application do no harm" {
  allow_log DAMN
  serve </dev/null
  ask /fork
  told
  ask /fork-exit
  told
  kill_worker 1
  ask /hello
  told
  told_true
}
