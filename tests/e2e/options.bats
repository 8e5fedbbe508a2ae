#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an operator may say by option, and what it answers.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper
load options

# --- Wrong values --------------------------------------------------------------------------------------------

# How the line for a wrong value says what should have been given instead.
SAYS_WHAT='(allowed|written): |longer than [0-9]+ bytes|at most [0-9]+| needs '

# refuses OPTION VALUE...: with any of these values uWSGI does not start, and one line says why. (Of a
# very long value it shows the beginning.)
refuses() {
  local option=$1 value lines
  shift
  no_accounts
  for value in "$@"; do
    allow_log "^[0-9]+:\[tracing\] $option = "
    run_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$option = $value
INI
    lines=$(grep -a '\[tracing\]' "$LOG" || true)
    if [ "$status" = 0 ] || [ "$(grep -c . <<<"$lines")" != 1 ] ||
      [[ $lines != "[tracing] $option = ${value:0:160}"*": "?* ]] || [[ ! $lines =~ $SAYS_WHAT ]]; then
      echo "$option = $value: exit code $status, said: $lines"
      return 1
    fi
    log_count 'spawned uWSGI|WSGI app 0' | grep -qx 0 # nothing is half started
  done
}

@test "a wrong value of several lines is told in one" {
  allow_log '^[0-9]+:\[tracing\] tracing-semconv = '
  no_accounts
  export E2E_LINES=$'two\nlines'
  # shellcheck disable=SC2016 # uWSGI is to expand it
  run_uwsgi <<INI
tracing-semconv = \$(E2E_LINES)
wsgi-file = $APPS/app.py
INI
  [ "$status" = 1 ]
  log_has 'tracing-semconv = two\?lines: not allowed \(allowed: http, http/dup or opentracing\)$'
}

@test "wrong tracing-service" {
  refuses tracing-service "$(printf 'x%.0s' {1..256})"
}

@test "wrong tracing-tag" {
  refuses tracing-tag novalue =value
}

@test "wrong tracing-disable" {
  refuses tracing-disable maybe 2
}

@test "wrong tracing-export" {
  refuses tracing-export nonsense jaeger jaeger+udp jaeger+udp:127.0.0.1 jaeger+udp:// \
    jaeger+udp://:6831 jaeger+udp://127.0.0.1:0 jaeger+udp://127.0.0.1:65536 jaeger+udp://127.0.0.1:port \
    jaeger+udp://127.0.0.1:6831/path jaeger+udp://::1 'jaeger+udp://[::1' \
    jaeger+tcp://127.0.0.1:6831 udp://127.0.0.1 otlp.json+file:relative otlp.json+file: \
    otlp.json+file://host/path otlp.json+stdout:there "jaeger+udp://$(printf 'x%.0s' {1..300})"
}

@test "too many exporters" {
  no_accounts
  allow_log 'tracing-export = .*: not allowed \(allowed: at most 8 exporters\)'
  run_uwsgi <<INI
processes = 1
$(for i in 1 2 3 4 5 6 7 8 9; do echo "tracing-export = jaeger+udp://127.0.0.1:$i"; done)
wsgi-file = $APPS/app.py
INI
  [ "$status" != 0 ]
  log_has 'at most 8 exporters'
}

@test "wrong tracing-flush-interval" {
  refuses tracing-flush-interval soon 10 1h -1s 0ms 1ms 61m 1.5s 's' '1 s' 99999999999999999999s
}

@test "wrong tracing-exit-timeout" {
  refuses tracing-exit-timeout never 10 -1s 61m
}

@test "wrong tracing-journal-size" {
  refuses tracing-journal-size large 1k -1M 1G 1025M 2000000000 1kB
}

@test "wrong tracing-journal" {
  refuses tracing-journal journal ./journal / /var/lib/ "/$(printf 'x%.0s' {1..4096})"
}

@test "wrong tracing-udp-packet" {
  refuses tracing-udp-packet large 1023 65508 64k -1 0
}

@test "wrong tracing-sampler" {
  refuses tracing-sampler always const const: const:2 const:true probabilistic:1.01 probabilistic:-0.1 \
    probabilistic:x probabilistic:nan ratelimiting:-1 ratelimiting:x remote: remote:127.0.0.1 'remote interval=1' adaptive:1
}

@test "wrong tracing-exclude" {
  refuses tracing-exclude healthz /a, ,/a agent: method: host:x 'none,/a'
}

@test "wrong tracing-operation, tracing-query, tracing-client-ip" {
  refuses tracing-operation '{verb}' '{method' 'method}' '{ABC}' '{HTTP_A}{HTTP_B}{HTTP_C}{HTTP_D}{HTTP_E}'
  refuses tracing-query hide all
  refuses tracing-client-ip 'X Real IP' A,B,C,D,E X-Real-IP,
}

@test "wrong tracing-keep" {
  refuses tracing-keep slow slow: slow:1 slow:-1s slow:0ms slow:61m slow:1h 'slow: 1s' slow=1s everything
}

@test "wrong tracing-extract, tracing-inject" {
  refuses tracing-extract jaegar jaeger,nonsense jaeger, ,
  refuses tracing-inject jaegar jaeger,nonsense
}

@test "wrong tracing-export-timeout, tracing-export-gzip, tracing-export-ca, -cert, -key" {
  refuses tracing-export-timeout soon 10 0s 61m
  refuses tracing-export-gzip perhaps
  refuses tracing-export-ca /nowhere/ca.pem /etc
  refuses tracing-export-cert /nowhere/cert.pem
  refuses tracing-export-key /nowhere/key.pem /etc/passwd # without a certificate
}

@test "wrong tracing-trust, tracing-response-header, tracing-baggage-tag, tracing-check" {
  refuses tracing-trust everybody localhost 10.0.0.0/33 10.0.0.1, ,
  refuses tracing-response-header x-foo 'uber-trace-id x-trace-id'
  refuses tracing-baggage-tag "$(printf 'x%.0s' {1..256})"
  refuses tracing-check perhaps
}

# What is wrong with it is said, what it was is not.
@test "no line shows a header's value, or a password" {
  local wrong
  no_accounts
  allow_log '^[0-9]+:\[tracing\] tracing-(export|export-header|sampler) = '
  while read -r wrong; do
    run_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$wrong
INI
    [ "$status" != 0 ]
    log_has "^\\[tracing\\] ${wrong%% *} = .*(allowed|in a password)"
    none hunter2 <"$LOG"
  done <<'WRONG'
tracing-export-header = Authorization hunter2
tracing-export-header = Content-Length: hunter2
tracing-export = jaeger+udp://user:hunter2@127.0.0.1
tracing-export = otlp+http://user:hunter2@127.0.0.1:port
tracing-export = otlp+http://user:hunter2/@127.0.0.1
tracing-export = otlp+http://127.0.0.1:port/?key=hunter2
tracing-sampler = remote:http://user:hunter2@127.0.0.1
WRONG
}

@test "wrong tracing-variables, tracing-semconv, tracing-python" {
  refuses tracing-variables perhaps
  refuses tracing-semconv old http,opentracing
  refuses tracing-python all
}

@test "empty values are wrong, too" {
  local option
  for option in tracing-tag tracing-export tracing-flush-interval tracing-journal-size tracing-journal tracing-exit-timeout \
    tracing-udp-packet tracing-sampler tracing-semconv tracing-export-header tracing-export-ca tracing-trust \
    tracing-response-header tracing-baggage-tag; do
    allow_log "$option"
    no_accounts
    run_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$option =
INI
    [ "$status" != 0 ] || { echo "$option with nothing was taken"; return 1; }
    log_has "$option"
  done
}

# --- Right ones -------------------------------------------------------------------------------------------------

@test "--help shows each option with its unit and default" {
  LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" --plugin "$PLUGIN" --help >help
  local option words count=0
  while read -r option words; do
    count=$((count + 1))
    grep -- "--$option " help >line || { echo "no $option in --help"; return 1; }
    grep -qE -- "default: $words" line || { echo "$(cat line): not '$words'"; return 1; }
  done <<'TABLE'
tracing-service name of the working directory
tracing-tag none
tracing-disable false
tracing-export jaeger\+udp://127\.0\.0\.1:6831
tracing-export-header none
tracing-export-timeout 10s
tracing-export-ca those of the system
tracing-export-cert none
tracing-export-key none
tracing-export-gzip false
tracing-flush-interval 1s
tracing-journal-size 1M
tracing-journal anonymous memory
tracing-exit-timeout 1s
tracing-udp-packet 65000
tracing-sampler const:1
tracing-keep none
tracing-exclude none
tracing-control none
tracing-operation \{method\} \{route\}
tracing-extract jaeger,tracecontext,b3,b3multi
tracing-inject jaeger,tracecontext
tracing-trust all
tracing-response-header none
tracing-baggage-tag none
tracing-variables false
tracing-capture-request none
tracing-capture-response none
tracing-query scrub
tracing-client-ip none
tracing-semconv
tracing-python true
tracing-check false
TABLE
  grep -- --tracing-flush-interval help | grep -q 'ms, s or m'
  grep -- --tracing-exit-timeout help | grep -q 'ms, s or m'
  grep -- --tracing-journal-size help | grep -q bytes
  grep -- --tracing-udp-packet help | grep -q bytes
  # Every option of ours is in the table above.
  [ "$(grep -c -- '--tracing-' help)" = "$count" ]
}

@test "without options: service is the working directory's name" {
  mkdir shop
  cd shop
  start_collector
  WITHOUT=tracing-service start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  span_of
  spans all 'service == "shop"'
}

@test "service is the name of chdir" {
  mkdir -p stock
  start_collector
  WITHOUT=tracing-service start_uwsgi <<INI
processes = 1
chdir = $WORK/stock
wsgi-file = $APPS/app.py
INI
  span_of
  spans all 'service == "stock"'
}

@test "tracing-service, tracing-tag: as given, the first of a name" {
  serve <<INI
tracing-service = shop front
tracing-tag = region=eu=west
tracing-tag = version = 1.2
tracing-tag = version=2
tracing-tag = empty=
INI
  span_of
  spans all 'service == "shop front" and process["region"] == "eu=west" and process["version"] == "1.2"'
}

@test "tracing-disable: no span, no header, the response as ever" {
  start_collector
  start_uwsgi <<INI
processes = 1
tracing-disable = true
wsgi-file = $APPS/app.py
INI
  get /environ >seen
  [ "$(field HTTP_UBER_TRACE_ID <seen)" = '' ]
  [ "$(get /environ -H 'uber-trace-id: 1:2:0:1' | field HTTP_UBER_TRACE_ID)" = 1:2:0:1 ]
  need_spans 0
}

@test "tracing-extract = none starts new traces, tracing-inject = none tells the application nothing" {
  serve <<INI
tracing-extract = none
tracing-inject = none
INI
  get /environ -H 'uber-trace-id: 1:2:0:1' >seen
  [ "$(field HTTP_UBER_TRACE_ID <seen)" = 1:2:0:1 ]
  need_spans 1
  spans all 'root'
}

@test "tracing-semconv = http over the Jaeger wire" {
  serve <<<'tracing-semconv = http'
  span_of
  spans all 'tags["http.request.method"] == "GET" and tags["url.path"] == "/hello" and tags["url.scheme"] == "http"'
  spans all 'tags["http.response.status_code"] == 200 and "http.method" not in tags'
  spans all 'tags["server.address"] == "127.0.0.1" and types["server.port"] == "LONG"'
  spans all 'tags["network.peer.address"] == "127.0.0.1" and tags["user_agent.original"].startswith("curl/")'
  spans all 'tags["network.protocol.version"] == "1.1" and tags["http.response.body.size"] == 5'
}

@test "tracing-semconv = http/dup has both" {
  serve <<<'tracing-semconv = http/dup'
  get '/status?line=503+Busy'
  need_spans 1
  spans all 'tags["http.request.method"] == "GET" and tags["http.method"] == "GET"'
  spans all 'tags["http.response.status_code"] == 503 and tags["http.status_code"] == 503'
  spans all 'tags["error"] is True and tags["error.type"] == "503"'
}

@test "tracing-baggage-tag copies baggage to tags, by name" {
  serve <<INI
tracing-baggage-tag = user-id
tracing-baggage-tag = absent
INI
  span_of -H 'uber-trace-id: 1:2:0:1' -H 'uberctx-user-id: a%20b' -H 'uberctx-secret: s'
  spans all 'tags["user-id"] == "a b" and "absent" not in tags and "secret" not in tags'
}

# --- Trust -------------------------------------------------------------------------------------------------

# A caller that says all there is to say.
CLAIM=(-H 'uber-trace-id: abc:def:0:1' -H 'uberctx-user: alice')

# Two requests, of which the first is not believed and the second is.
need_stranger_and_friend() {
  need_spans 2
  spans check 'spans[0]["root"] and n(spans[0]["trace"]) not in (0, 0xabc)'
  spans check '[(r["type"], n(r["trace"]), n(r["span"])) for r in spans[0]["references"]] == [("FOLLOWS_FROM", 0xabc, 0xdef)]'
  spans check 'n(spans[1]["trace"]) == 0xabc and n(spans[1]["parent"]) == 0xdef and spans[1]["references"] == []'
  spans check '"user" not in spans[0]["tags"] and spans[1]["tags"]["user"] == "alice"'
  spans check '"sampler.type" in spans[0]["tags"] and "sampler.type" not in spans[1]["tags"]'
}

@test "tracing-trust over TCP: of a peer that is not listed a new trace starts, with a link" {
  serve <<INI
http-socket = 127.0.0.1:0
tracing-trust = 127.0.0.3, 10.0.0.0/8
tracing-baggage-tag = user
INI
  get /environ "${CLAIM[@]}" | field HTTP_UBER_TRACE_ID | none abc: # nor is the application told
  get /hello --interface 127.0.0.3 "${CLAIM[@]}"
  need_stranger_and_friend
}

# ours_in_place NAME=VALUE: what the application sees of a claim as the packet gets fuller and fuller, until
# there is no answer: never the claim
ours_in_place() {
  local size
  for size in $(seq 0 20 900); do
    get /environ -H "$1" -H "x-fill: $(printf 'f%.0s' $(seq "$size"))" >answer 2>/dev/null || true
    [ -s answer ] || return 0
    none "$2" <answer
  done
  return 1
}

@test "tracing-trust: who fills the packet, so that there is no room for ours, has no claim either" {
  allow_log 'not enough buffer space' 'unable to add'
  serve <<INI
tracing-trust = none
tracing-inject = jaeger, b3
buffer-size = 1024
INI
  ours_in_place 'uber-trace-id: abc:def:0:1' abc:def
  ours_in_place 'b3: 1' 'HTTP_B3": "1"'
}

@test "tracing-trust = none: nobody's flag, debug id or context counts" {
  serve <<INI
tracing-trust = none
tracing-sampler = const:0
INI
  get /hello "${CLAIM[@]}"
  get /hello -H 'jaeger-debug-id: look'
  need_spans 0
}

@test "tracing-trust = unix: a peer on a UNIX socket is listed, one over TCP is not" {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
http-socket = $WORK/http.sock
http-socket = 127.0.0.1:0
tracing-trust = unix
tracing-baggage-tag = user
INI
  get /hello "${CLAIM[@]}"
  over "$WORK/http.sock"
  get /hello "${CLAIM[@]}"
  need_stranger_and_friend
}

@test "tracing-trust over a UNIX socket without unix in the list" {
  serve <<INI
http-socket = $WORK/http.sock
tracing-trust = 127.0.0.1
INI
  over "$WORK/http.sock"
  span_of "${CLAIM[@]}"
  spans all 'root and len(references) == 1'
}

# uWSGI's HTTP parser reads an IPv4 address out of the path that a peer gave its own socket.
@test "tracing-trust over a UNIX socket: no peer can give itself an address" {
  serve <<INI
http-socket = $WORK/http.sock
tracing-trust = 65.65.65.65
INI
  "$PYTHON" - <<'PY'
import socket
s = socket.socket(socket.AF_UNIX)
s.bind('..AAAA')
s.connect('http.sock')
s.sendall(b'GET /hello HTTP/1.0\r\nuber-trace-id: abc:def:0:1\r\n\r\n')
assert s.recv(100)
PY
  need_spans 1
  spans all 'root and len(references) == 1 and "peer.ipv4" not in tags'
}

@test "tracing-trust over SCGI: whom the front end names, with a port or without" {
  start_collector
  WITHOUT=http-socket start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
scgi-socket = $WORK/scgi.sock
tracing-trust = 10.0.0.0/8, unix
tracing-baggage-tag = user
INI
  "$PYTHON" - <<'PY'
import socket
for peer in '192.0.2.1', '10.1.2.3':
    variables = {'CONTENT_LENGTH': '0', 'SCGI': '1', 'REQUEST_METHOD': 'GET', 'PATH_INFO': '/hello', 'REQUEST_URI': '/hello',
                 'REMOTE_ADDR': peer, 'HTTP_UBER_TRACE_ID': 'abc:def:0:1', 'HTTP_UBERCTX_USER': 'alice'}
    head = ''.join(f'{k}\0{v}\0' for k, v in variables.items()).encode()
    s = socket.socket(socket.AF_UNIX)
    s.connect('scgi.sock')
    s.sendall(b'%d:%s,' % (len(head), head))
    assert s.recv(100)
PY
  need_stranger_and_friend
}

@test "tracing-trust over the uwsgi protocol: the peer is whom the front end names" {
  start_collector
  WITHOUT=http-socket start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
socket = $WORK/uwsgi.sock
tracing-trust = 10.0.0.0/8
tracing-baggage-tag = user
INI
  local peer
  for peer in 192.0.2.1 10.1.2.3; do
    "$PYTHON" "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 0 REQUEST_METHOD=GET PATH_INFO=/hello REQUEST_URI=/hello \
      SERVER_PROTOCOL=HTTP/1.1 SERVER_NAME=e2e SERVER_PORT=80 "REMOTE_ADDR=$peer" \
      HTTP_UBER_TRACE_ID=abc:def:0:1 HTTP_UBERCTX_USER=alice
  done
  need_stranger_and_friend
}

# --- Log variables ------------------------------------------------------------------------------------------------------

@test "log-format with %(trace_id) %(span_id) %(trace_sampled)" {
  serve <<'INI'
log-format = ids %(trace_id) %(span_id) %(trace_sampled) of %(uri) %(status)
INI
  get /hello
  get /hello -H 'uber-trace-id: abc:def:0:0'
  need_spans 1
  local trace span
  trace=$(spans print trace)
  span=$(spans print span)
  log_has "^ids $trace $span 1 of /hello 200$"
  log_has '^ids 0000000000000abc [0-9a-f]{16} 0 of /hello 200$'
}

@test "log variables of a request that is not traced" {
  serve <<'INI'
tracing-disable = true
log-format = ids %(trace_id) %(span_id) %(trace_sampled) of %(uri) %(status)
INI
  get /hello
  need_spans 0
  log_has '^ids - - - of /hello 200$'
}
