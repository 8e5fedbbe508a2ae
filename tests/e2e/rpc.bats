#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an application says of its request, and hands on, by RPC: from any language, anywhere.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/calls.py
buffer-size = 32768
$(cat)
INI
}

# calls PATH CALL...: what the application is answered, a JSON list. A call: NAME|ARGUMENT|...
calls() {
  local path=$1 call args=()
  shift
  for call; do args+=(--data-urlencode "c=$call"); done
  get "$path" -G "${args[@]}"
}

# answers FILE EXPR: is it true of `a`, the list in the file?
answers() {
  "$PYTHON" -c '
import json, re, sys
a = json.load(open(sys.argv[1]))
sys.exit(0 if eval("(%s)" % sys.argv[2]) else "not true of %s: %s" % (a, sys.argv[2]))' "$1" "$2"
}

OFF=(tracing.tag\|k\|v tracing.log\|hello tracing.name\|n tracing.baggage\|k\|v tracing.baggage\|k
  tracing.inject tracing.start\|s tracing.end\|@6)

# nothing_of FILE: the answers to OFF where no request has a context
nothing_of() { answers "$1" 'a == ["off", "off", "off", "off", "", "", "0" * 16, "off"]'; }

# --- Said -----------------------------------------------------------------------------------------------

@test "a tag, a log and a name are on the request's span" {
  serve <<<'processes = 2'
  calls / 'tracing.tag|customer|42' 'tracing.tag|customer|43' 'tracing.tag|raw|'$'\001' \
    'tracing.log|hello' 'tracing.name|buy' >a
  answers a 'a == ["ok"] * 5'
  need_spans 1
  spans all 'name == "buy" and tags["customer"] == "43"'
  spans all '[log["fields"] for log in logs] == [{"event": "log", "message": "hello"}]'
}

@test "misuse is answered with an error and hurts nothing" {
  serve <<<'processes = 1'
  local long
  long=$(printf '%0300d' 0)
  calls / tracing.tag 'tracing.tag|k' 'tracing.tag|k|v|w' 'tracing.tag||v' "tracing.tag|$long|v" \
    "tracing.tag|k|$(printf '%02048d' 0)" tracing.log 'tracing.log|' "tracing.log|$(printf '%01025d' 0)" \
    tracing.name 'tracing.name|' "tracing.name|$long" tracing.baggage 'tracing.baggage|' \
    'tracing.baggage|a b|v' 'tracing.baggage|k|v|w' 'tracing.inject|now' tracing.start 'tracing.start|' \
    "tracing.start|$long" tracing.end 'tracing.end|1' 'tracing.end|0123456789abcdef' \
    'tracing.end|0123456789ABCDEF' 'tracing.end|0000000000000000|fine' 'tracing.end|0000000000000000|ok|now' >a
  answers a 'len(a) == 26 and all(x.startswith("error: ") for x in a)'
  need_spans 1
  spans all 'name.startswith("GET /") and "k" not in tags'
}

@test "where no request is recorded, a call does nothing and can be gone on with" {
  serve <<<'processes = 1
tracing-exclude = /excluded'
  calls /excluded "${OFF[@]}" >a
  nothing_of a
  calls /thread "${OFF[@]}" >a # that nobody serves a request in
  nothing_of a
  get /import >a
  answers a 'a == ["off", ""]'
  calls / tracing.disable >a
  calls / "${OFF[@]}" tracing.enable >a
  answers a 'a[8] == "ok" and a[:8] == ["off", "off", "off", "off", "", "", "0" * 16, "off"]'
  need_spans 3 # /thread, /import, tracing.disable
  need_accounts 'excluded == 1'
}

@test "lazy-apps: the import of an application in a worker is no request" {
  serve <<<'processes = 1
lazy-apps = true'
  get /import >a
  answers a 'a == ["off", ""]'
  need_spans 1
}

@test "in a mule a call does nothing" {
  cat >mule.py <<'PY'
import sys
import uwsgi
print('in the mule:', uwsgi.call(b'tracing.tag', b'k', b'v'), uwsgi.call(b'tracing.inject'),
      uwsgi.call(b'tracing.start', b's'), file=sys.stderr, flush=True)
while True:
    uwsgi.mule_get_msg()
PY
  serve <<<"processes = 1
mule = $WORK/mule.py"
  wait_for "$DEADLINE" log_has 'in the mule:'
  log_has "in the mule: b'off' b'' b'0000000000000000'"
  need_spans 0
}

@test "a stranger's call over the network has no request to say anything of" {
  serve <<<"processes = 1
plugin = rpc
socket = $WORK/uwsgi.sock"
  local row
  calls / 'tracing.baggage|k|v' >a
  for row in 'tracing.tag k v:off' 'tracing.log x:off' 'tracing.name x:off' 'tracing.baggage k v:off' \
    'tracing.start x:0000000000000000' 'tracing.end 0123456789abcdef:off'; do
    # shellcheck disable=SC2086 # words
    [ "$("$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 173 --args ${row%:*} | tail -c +5)" = "${row##*:}" ]
  done
  [ -z "$("$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 173 --args tracing.inject | tail -c +5)" ]
  [ -z "$("$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 173 --args tracing.baggage k | tail -c +5)" ]
  need_spans 1
}

# --- Spans within ---------------------------------------------------------------------------------------

@test "spans within are nested, and end with what they are in" {
  serve <<<'processes = 1'
  calls / 'tracing.start|a' 'tracing.start|b' 'sleep|20' 'tracing.end|@1' 'tracing.start|c' 'tracing.start|d' \
    'tracing.end|@4|error' 'tracing.end|@4' 'tracing.start|e' >a
  answers a 'len({a[0], a[1], a[4], a[5], a[8]}) == 5 and a[3] == a[6] == "ok" and a[7] == "error: no such span is open"'
  need_spans 6
  id() { spans print span "name == '$1'"; }
  spans all "parent == '$(spans print span root)' and duration_us >= 20000" 'name == "a"'
  spans all "parent == '$(id a)'" 'name in ("b", "c", "e")'
  spans all "parent == '$(id c)'" 'name == "d"'
  spans all '(name == "c") == (tags.get("error") is True)' 'not root'
  [ "$(id a)" = "$(json 'j[0]' <a)" ]
  spans check 'len({s["trace"] for s in spans}) == 1'
}

@test "spans within are bounded, open ones and all of them" {
  serve <<<'processes = 1'
  local call many=()
  for call in {1..20}; do many+=('tracing.start|s'); done
  calls / "${many[@]}" >a
  answers a 'len(set(a[:16])) == 16 and set(a[16:]) == {"0" * 16}'
  many=()
  for call in {0..270..2}; do many+=('tracing.start|s' "tracing.end|@$call"); done
  calls / "${many[@]}" 'tracing.inject' >a
  answers a 'len(set(a[0:256:2])) == 128 and set(a[256:272:2]) == {"0" * 16} and a[257] == "off"'
  need_spans 146
  # The limit reached, what is called is below the request itself.
  spans check "'$(json 'j[-1].split(":")[2]' <a)' in {s['span'] for s in spans if s['root']}"
}

# --- Handed on ------------------------------------------------------------------------------------------

@test "inject: one header a format, a span of its own for each call, baggage" {
  serve <<<'processes = 1
tracing-extract = jaeger, tracecontext, b3, b3multi, gcp, xray, eagleeye, baggage
tracing-inject = jaeger, tracecontext, b3, b3multi, gcp, xray, eagleeye, baggage
tracing-variables = true'
  get / -G --data-urlencode 'c=tracing.inject' --data-urlencode 'c=tracing.start|a' \
    --data-urlencode 'c=tracing.baggage|user_id|j ö,' --data-urlencode 'c=tracing.baggage|who|me' \
    --data-urlencode 'c=tracing.inject' --data-urlencode 'c=tracing.baggage|who' \
    -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' -H 'tracestate: a=1, b=2' \
    -H 'uberctx-who: you' -H 'baggage: x=y;p' >a
  answers a '[l.split(": ")[0] for l in a[0].splitlines()] == ["uber-trace-id", "traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-cloud-trace-context", "x-amzn-trace-id", "eagleeye-traceid", "eagleeye-spanid", "eagleeye-pspanid", "eagleeye-sampled", "eagleeye-rpcid", "uberctx-who", "uberctx-x", "baggage"]'
  answers a '"\ntracestate: a=1, b=2\n" in a[0] and "uberctx-who: you" in a[0]'
  answers a '"uberctx-who: me\n" in a[4] and "uberctx-user-id: j%20%C3%B6%2C\n" in a[4] and "uberctx-who: you" not in a[4] and a[5] == "me"'
  answers a 're.search("baggage: .*who=me", a[4]) and re.search("baggage: .*user_id=j%20%C3%B6%2C", a[4])'
  answers a 'all("\nx-b3-spanid: %s\n" % x.split(":")[2] in x and "-%s-1\n" % x.split(":")[2] in x for x in (a[0], a[4]))'
  need_spans 4
  local first second
  first=$(json 'j[0].split(":")[2]' <a)
  second=$(json 'j[4].split(":")[2]' <a)
  spans all 'trace == "0af7651916cd43dd8448eb211c80319c"'
  spans all "span == '$first' and parent == '$(spans print span 'status')'" "name == 'call' and span == '$first'"
  spans all "span == '$second' and parent == '$(spans print span 'name == "a"')'" "name == 'call' and span != '$first'"
}

@test "inject: an unsampled request says so, and a span id of its own each time" {
  serve <<<'processes = 1
tracing-sampler = const:0'
  calls / tracing.inject 'tracing.baggage|k|v' tracing.inject 'tracing.tag|k|v' 'tracing.start|s' >a
  answers a 'a[0].split(":")[4].startswith("0\n") and "-02\n" in a[0] and "uberctx-k: v" in a[2]'
  answers a 'a[0].split(":")[1] == a[2].split(":")[1] and a[0].split(":")[2] != a[2].split(":")[2]'
  answers a 'a[1] == "ok" and a[3:] == ["off", "0" * 16]'
  need_spans 0
}

@test "baggage has its limits" {
  serve <<<'processes = 1'
  local call many=()
  for call in {1..70}; do many+=("tracing.baggage|k$call|v"); done
  calls / "${many[@]}" 'tracing.baggage|k1|w' "tracing.baggage|k1|$(printf '%08192d' 0)" 'tracing.baggage|k1' >a
  answers a 'set(a[:64]) == {"ok"} and set(a[64:70]) == {"error: no room for more baggage"}'
  answers a 'a[70] == "ok" and a[71].startswith("error: ") and a[72] == "w"'
  need_spans 1
}

# start_callee: another uWSGI, whose spans go to the same collector; sets CALLEE to its address
start_callee() {
  CALLEE=127.0.0.1:$(free_port)
  background callee "$UWSGI" --plugin python3 --plugin "$PLUGIN" --http-socket "$CALLEE" --wsgi-file "$APPS/app.py" \
    --master --die-on-term --tracing-service callee --tracing-flush-interval 50ms \
    --tracing-export "jaeger+udp://127.0.0.1:$COLLECTOR_PORT"
  CALLEE_PID=$LAST_PID
  wait_for "$DEADLINE" curl -s -o /dev/null -m 2 -H 'uber-trace-id: 1:1:0:0' "http://$CALLEE/"
}

@test "what is called with inject's headers goes on with the trace, below the span it was called in" {
  serve <<<'processes = 1'
  start_callee
  calls / 'tracing.baggage|k|v' 'tracing.start|ask' "get|http://$CALLEE/environ" 'tracing.end|@1' >a
  answers a '"\"HTTP_UBERCTX_K\": \"v\"" in a[2]'
  stop_pid "$CALLEE_PID"
  need_spans 4
  spans check 'len({s["trace"] for s in spans}) == 1'
  spans all "parent == '$(spans print span 'name == "call"')'" 'service == "callee"'
  spans all "parent == '$(spans print span 'name == "ask"')'" 'name == "call"'
  spans all "parent == '$(spans print span root)'" 'name == "ask"'
}

# --- Who serves -----------------------------------------------------------------------------------------

# many_at_once PATH: 40 requests, each of which says its number
many_at_once() {
  local i pids=()
  for i in {1..40}; do
    calls "$1" "tracing.tag|n|$i" 'tracing.start|a' 'sleep|20' "tracing.name|request $i" 'tracing.end|@1' \
      "tracing.baggage|n|$i" 'sleep|20' 'tracing.baggage|n' >"a$i" 3>&- &
    pids+=($!)
  done
  wait "${pids[@]}"
}

each_said_its_own() {
  local i
  for i in {1..40}; do answers "a$i" "a[0] == a[3] == a[4] == 'ok' and a[7] == '$i'"; done
  need_spans 80
  spans all 'name == "request %s" % tags["n"]' root
  spans unique 'tags["n"]' root
  spans check '{s["parent"] for s in spans if s["name"] == "a"} == {s["span"] for s in spans if s["root"]}'
}

@test "threads: each says it of its own request" {
  serve <<<'processes = 2
threads = 4'
  many_at_once /
  each_said_its_own
}

@test "threads: one that serves nobody has no request" {
  serve <<<'processes = 1
threads = 4'
  calls /thread "${OFF[@]}" >a
  nothing_of a
  need_spans 1
}

@test "a thread beside a request does not say anything of it" {
  serve <<<'processes = 1
enable-threads = true'
  calls /thread "${OFF[@]}" >a
  nothing_of a
  calls / 'tracing.tag|k|v' >a
  answers a 'a == ["ok"]'
  need_spans 2
}

@test "gevent: each says it of its own request" {
  serve <<<'processes = 1
plugin = gevent_python3
gevent = 50
gevent-monkey-patch = true'
  many_at_once /
  each_said_its_own
}

@test "gevent with threads allowed, and a greenlet that serves nobody" {
  serve <<<'processes = 1
plugin = gevent_python3
gevent = 50
gevent-monkey-patch = true
enable-threads = true'
  many_at_once /
  calls /greenlet "${OFF[@]}" >a
  nothing_of a
  [ "$(log_count 'current_wsgi_req NOT FOUND')" = 0 ]
  need_spans 81
  spans all 'name == "request %s" % tags["n"]' 'root and "n" in tags'
}

# --- Other languages ------------------------------------------------------------------------------------

@test "from Perl" {
  [ -e /usr/lib/uwsgi/plugins/psgi_plugin.so ] || skip 'no PSGI plugin'
  start_collector
  LANGUAGE_PLUGIN=psgi start_uwsgi <<<"processes = 1
psgi = $APPS/calls.psgi"
  get / >a
  [ "$(sed -n 1,4p a | tr '\n' ' ')" = 'ok ok ok camel ' ]
  grep -q '^uber-trace-id: ' a
  grep -qx 'uberctx-who: camel' a
  [ "$(tail -n 2 a | tr '\n' ' ')" = 'ok error: wrong number of arguments' ]
  need_spans 3
  spans all 'name == "from perl" and tags["language"] == "perl"' root
  spans all 'tags["error"] is True' 'name == "within"'
}

@test "from Ruby" {
  [ -e /usr/lib/uwsgi/plugins/rack_ruby31_plugin.so ] || skip 'no Rack plugin'
  start_collector
  LANGUAGE_PLUGIN=rack_ruby31 start_uwsgi <<<"processes = 1
rack = $APPS/calls.ru"
  [ "$(get / | tr '\n' ' ')" = 'ok ok' ]
  need_spans 1
  spans all 'name == "from ruby" and tags["language"] == "ruby"'
}
