#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The caller's trace: what is read from its headers, what the application sees, who decides.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# One worker and an application that shows its environ.
serve() {
  start_collector
  start_uwsgi <<INI
processes = ${WORKERS:-1}
wsgi-file = $APPS/app.py
$(cat)
INI
}

# trace_seen [CURL OPTION...]: HTTP_UBER_TRACE_ID as the application of one request saw it
trace_seen() { get /environ "$@" | field HTTP_UBER_TRACE_ID; }

# seen_is_reported SEEN: the application was told of exactly the span that was reported, full width.
seen_is_reported() {
  local form='^([0-9a-f]{16}|[0-9a-f]{32}):[0-9a-f]{16}:[0-9a-f]{16}:[013]$'
  [[ $1 =~ $form ]]
  [ "$(spans count "trace + ':' + span + ':' + parent + ':' + str(flags) == '$1'")" = 1 ]
}

# --- Continued ----------------------------------------------------------------------------------------

# continues HEADER TRACE PARENT FLAGS: a request with that uber-trace-id is a child of that span.
continues() {
  serve </dev/null
  local seen
  seen=$(trace_seen -H "uber-trace-id: $1")
  need_spans 1
  spans all "trace == '$2' and parent == '$3' and flags == $4 and not root"
  spans all '"sampler.type" not in tags and "sampler.param" not in tags'
  seen_is_reported "$seen"
  need_accounts 'context_errors == 0'
}

@test "continues a 64-bit trace" {
  continues 5af7183fb1d4cf5f:6b221d5bc9e6496c:0:1 5af7183fb1d4cf5f 6b221d5bc9e6496c 1
}

@test "continues a 128-bit trace" {
  continues 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:5b4185666d50f68b:1 \
    0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 1
}

@test "continues percent-encoded colons, as the C# client sends them" {
  continues 5af7183fb1d4cf5f%3A6b221d5bc9e6496c%3a0%3A1 5af7183fb1d4cf5f 6b221d5bc9e6496c 1
}

@test "continues short ids" {
  continues abc:d:0:1 0000000000000abc 000000000000000d 1
}

@test "continues a trace id between 64 and 128 bits" {
  continues 10000000000000abc:d:0:01 00000000000000010000000000000abc 000000000000000d 1
}

@test "continues upper case, with spaces and tabs around" {
  continues $' \t5AF7183FB1D4CF5F:6B221D5BC9E6496C:0:1 \t' 5af7183fb1d4cf5f 6b221d5bc9e6496c 1
}

@test "keeps the debug flag" {
  continues 5af7183fb1d4cf5f:6b221d5bc9e6496c:0:3 5af7183fb1d4cf5f 6b221d5bc9e6496c 3
}

@test "other flags are not passed on" {
  continues 5af7183fb1d4cf5f:6b221d5bc9e6496c:0:f9 5af7183fb1d4cf5f 6b221d5bc9e6496c 1
}

@test "each request of one caller is a span of its own" {
  WORKERS=2 serve </dev/null
  requests 50 4 /environ 'uber-trace-id: 123:456:0:1'
  need_spans 50
  spans unique span
  spans all 'n(trace) == 0x123 and n(parent) == 0x456'
}

# --- Not sampled ---------------------------------------------------------------------------------------

@test "an unsampled parent: no span, the trace passed on with flag 0 and a new span id" {
  serve </dev/null
  local seen
  seen=$(trace_seen -H 'uber-trace-id: 5af7183fb1d4cf5f:6b221d5bc9e6496c:0:0')
  need_spans 0
  [[ $seen =~ ^5af7183fb1d4cf5f:([0-9a-f]{16}):6b221d5bc9e6496c:0$ ]]
  [ "${BASH_REMATCH[1]}" != 6b221d5bc9e6496c ]
  need_accounts 'sampled == 0'
}

@test "an unsampled new trace is passed on with flag 0, too" {
  serve <<<'tracing-sampler = const:0'
  local first second
  first=$(trace_seen)
  second=$(trace_seen)
  need_spans 0
  [[ $first =~ ^[0-9a-f]{32}:[0-9a-f]{16}:0{16}:0$ ]]
  [ "${first%%:*}" != "${second%%:*}" ]
}

# --- Malformed -----------------------------------------------------------------------------------------

MALFORMED=(
  '' 'x' '1' '1:2' '1:2:0' '1:2:0:1:0' ':::' '1:2:0:' ':2:0:1' '1::0:1' '1:2::1'
  '0:2:0:1' '00000000000000000000000000000000:2:0:1' '1:0:0:1'
  'g:2:0:1' '1:g:0:1' '1:2:g:1' '1:2:0:g' '1 :2:0:1' '-1:2:0:1' '0x1:2:0:1' '+1:2:0:1'
  '000000000000000000000000000000001:2:0:1' # 33 digits
  '1:00000000000000002:0:1' '1:2:00000000000000000:1' '1:2:0:001'
  '1-2-0-1' '1%2:0:1' '1%3:2:0:1' '%zz:2:0:1' '1:2:0:1%' '1:2:0:1%00' '1:2:0:1,3:4:0:1'
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
)

@test "malformed values start a new trace and are counted" {
  serve </dev/null
  local value seen
  for value in "${MALFORMED[@]}"; do
    # curl sends an empty header only when it is written with a semicolon.
    seen=$(trace_seen -H "uber-trace-id${value:+: }${value:-;}")
    [[ $seen =~ ^[0-9a-f]{32}:[0-9a-f]{16}:0{16}:1$ ]] || {
      echo "of '$value' the application saw $seen"
      return 1
    }
    echo "$seen" >>seen
  done
  seen=$(trace_seen -H "uber-trace-id: $(printf '1%.0s' {1..2000})")
  [[ $seen =~ ^[0-9a-f]{32}: ]]
  need_spans $((${#MALFORMED[@]} + 1))
  spans all 'root and flags == 1 and tags["sampler.type"] == "const"'
  spans unique trace
  while read -r seen; do seen_is_reported "$seen"; done < <(head -n 3 seen)
  need_accounts "context_errors == $((${#MALFORMED[@]} + 1))"
}

@test "a header that is there twice starts a new trace" {
  serve </dev/null
  local seen
  seen=$(trace_seen -H 'uber-trace-id: 1:2:0:1' -H 'uber-trace-id: 1:2:0:1')
  need_spans 1
  spans all 'root'
  seen_is_reported "$seen"
  need_accounts 'context_errors == 1'
}

@test "the same over the uwsgi protocol, where both arrive" {
  serve <<<"socket = $WORK/uwsgi.sock"
  local seen
  seen=$("$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 0 REQUEST_METHOD=GET REQUEST_URI=/environ PATH_INFO=/environ \
    SERVER_PROTOCOL=HTTP/1.1 HTTP_HOST=a HTTP_UBER_TRACE_ID=1:2:0:1 HTTP_UBER_TRACE_ID=1:2:0:1 |
    tail -n 1 | field HTTP_UBER_TRACE_ID)
  need_spans 1
  spans all 'root'
  seen_is_reported "$seen"
  need_accounts 'context_errors == 1'
}

@test "no header: the application gets a fresh one" {
  serve </dev/null
  local seen
  seen=$(trace_seen)
  need_spans 1
  spans all 'root and len(trace) == 32'
  seen_is_reported "$seen"
  need_accounts 'context_errors == 0'
}

# --- Exactly once ----------------------------------------------------------------------------------------

# packet_of NAME [CURL OPTION...]: how often the variable is in the packet that uWSGI hands on, and its
# values. Python's environ cannot tell: of two it shows the later.
packet_of() {
  local name=$1
  shift
  get /hello "$@" >answer
  [ "$(cat answer)" = sunk ]
  tail -n 1 packets | json "[v for k, v in j if k == '$name']"
}

@test "the packet has the variable exactly once: none, short, exact and malformed header" {
  background sink "$PYTHON" "$TOOLS/peer.py" sink "$WORK/sink.sock" "$WORK/packets"
  wait_for "$DEADLINE" test -S sink.sock
  serve <<INI
plugin = router_uwsgi
route = .* uwsgi:$WORK/sink.sock,0,0
INI
  local header
  for header in '' '1:2:0:1' '5af7183fb1d4cf5f:6b221d5bc9e6496c:0000000000000000:1' \
    '0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0000000000000000:0' \
    "$(printf '1%.0s' {1..500})"; do
    [[ $(packet_of HTTP_UBER_TRACE_ID ${header:+-H "uber-trace-id: $header"}) =~ \
      ^\[\'[0-9a-f]+:[0-9a-f]{16}:[0-9a-f]{16}:[01]\'\]$ ]]
    # What follows and what precedes is whole.
    [ "$(tail -n 1 packets | json "dict(map(tuple, j))['HTTP_USER_AGENT'][:5]")" = curl/ ]
    [ "$(tail -n 1 packets | json "[v for k, v in j if k == 'PATH_INFO']")" = "['/hello']" ]
  done
  [[ $(packet_of HTTP_UBER_TRACE_ID -H 'uber-trace-id: 1:2:0:1' -H 'x-after: here') =~ ^\[\'[^\']*\'\]$ ]]
  [ "$(tail -n 1 packets | json "dict(map(tuple, j))['HTTP_X_AFTER']")" = here ]
  need_spans 5
}

@test "a body that came with the head is whole beside a variable that was added" {
  serve </dev/null
  local size sum
  for size in 1 100 1000 2500; do
    head -c "$size" /dev/urandom >body
    sum=$(sha256sum <body | cut -d' ' -f1)
    {
      printf 'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n' "$size"
      cat body
    } | "$TOOLS/peer.py" send "$HOST" | grep -q "$size $sum"
    get /post -H 'Expect:' -H 'uber-trace-id: 1:2:0:1' --data-binary @body | grep -q "$size $sum"
  done
  need_spans 8
}

# post_over_uwsgi BODY [VARIABLE=VALUE...]: a POST in one segment with its body; what the application says
post_over_uwsgi() {
  local body=$1
  shift
  "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 0 REQUEST_METHOD=POST REQUEST_URI=/post PATH_INFO=/post \
    SERVER_PROTOCOL=HTTP/1.1 HTTP_HOST=a "CONTENT_LENGTH=$(wc -c <"$body")" "$@" --body "$body" | tail -n 1
}

@test "a body that came with the packet of the uwsgi protocol is whole, whatever room there is" {
  serve <<INI
socket = $WORK/uwsgi.sock
buffer-size = 1024
INI
  local size sum full
  full=5af7183fb1d4cf5f:6b221d5bc9e6496c:0000000000000000:1
  # Bodies that leave the buffer much room, a little, and none.
  for size in 1 500 700 720 740 760 780 800 820 840 860 880 2000 100000; do
    head -c "$size" /dev/urandom >body
    sum="$size $(sha256sum <body | cut -d' ' -f1)"
    [ "$(post_over_uwsgi body)" = "$sum" ]
    [ "$(post_over_uwsgi body HTTP_UBER_TRACE_ID=1:2:0:1)" = "$sum" ]
    [ "$(post_over_uwsgi body HTTP_UBER_TRACE_ID=$full HTTP_X_AFTER=here)" = "$sum" ]
  done
  need_spans 42
  spans all 'name.startswith("POST /") and status == 200'
}

@test "a body that came with the packet is whole, however many variables are set before it" {
  serve <<INI
socket = $WORK/uwsgi.sock
buffer-size = 1024
tracing-variables = true
INI
  local size sum encoded
  encoded=5af7183fb1d4cf5f%3A6b221d5bc9e6496c%3A0000000000000000%3A1
  # The first variable moves the body within the buffer, a later one moves it elsewhere, at some size.
  for size in 1 400 $(seq 500 20 900) 8000; do
    head -c "$size" /dev/urandom >body
    sum="$size $(sha256sum <body | cut -d' ' -f1)"
    [ "$(post_over_uwsgi body)" = "$sum" ]
    [ "$(post_over_uwsgi body HTTP_UBER_TRACE_ID=$encoded)" = "$sum" ]
    [ "$(post_over_uwsgi body HTTP_UBER_TRACE_ID=$encoded HTTP_JAEGER_BAGGAGE=user=7)" = "$sum" ]
    [ "$(post_over_uwsgi body HTTP_JAEGER_BAGGAGE=user=7,shop=8)" = "$sum" ]
  done
  need_spans 96
  spans all 'name.startswith("POST /") and status == 200'
}

# answered_sizes: sizes of a header with which a request is answered, while a route adds a variable too
answered_sizes() {
  local size
  for size in $(seq 500 10 900); do
    get /hello -H "x-fill: $(printf 'f%.0s' $(seq "$size"))" >answer 2>/dev/null || true
    [ ! -s answer ] || echo "$size"
  done
}

@test "uWSGI's own variables find the room that they find without us" {
  allow_log 'not enough buffer space' 'unable to add'
  serve <<INI
buffer-size = 1024
route-run = addvar:ADDED=by a route of the server
INI
  answered_sizes >with
  need_accounts
  no_accounts
  WITHOUT=tracing start_uwsgi <<INI
buffer-size = 1024
route-run = addvar:ADDED=by a route of the server
wsgi-file = $APPS/app.py
INI
  answered_sizes >without
  [ -s without ]
  diff without with
}

@test "a packet without room: the request is served, without the variable" {
  serve <<<'buffer-size = 512'
  local line size
  # Fill the packet byte by byte towards its limit: somewhere the variable stops to fit.
  for size in $(seq 20 20 360); do
    get /environ -H "x-fill: $(printf 'f%.0s' $(seq "$size"))" >answer || true
    if grep -q HTTP_X_FILL answer; then
      line=$(field HTTP_UBER_TRACE_ID <answer)
      echo "$size ${line:-without}" >>seen
    fi
  done
  grep -vq without seen
  grep -q without seen
  stop_uwsgi
  settle_collector
  # The one that could not be told is a span like any other.
  [ "$(spans count 'status == 200')" = "$(wc -l <seen)" ]
}

# --- Debug and baggage -------------------------------------------------------------------------------------

@test "jaeger-debug-id starts a debug trace under that id, whatever the sampler" {
  serve <<<'tracing-sampler = const:0'
  local seen
  seen=$(trace_seen -H 'jaeger-debug-id: find me')
  need_spans 1
  spans all 'root and flags == 3 and tags["jaeger-debug-id"] == "find me"'
  seen_is_reported "$seen"
}

@test "jaeger-debug-id beside a trace is ignored" {
  serve </dev/null
  trace_seen -H 'jaeger-debug-id: find me' -H 'uber-trace-id: 1:2:0:0'
  trace_seen -H 'jaeger-debug-id: find me' -H 'uber-trace-id: 1:2:0:1'
  need_spans 1
  spans all 'n(parent) == 2 and flags == 1 and "jaeger-debug-id" not in tags'
}

@test "baggage: the application sees uberctx-* as sent, and items of jaeger-baggage beside them" {
  serve </dev/null
  get /environ -H 'uber-trace-id: 1:2:0:1' -H 'uberctx-user-id: al%20ice' \
    -H 'jaeger-baggage: k1=v1, k-2 = a b ,broken,x=y=z,user-id=bob' >seen
  [ "$(field HTTP_UBERCTX_USER_ID <seen)" = al%20ice ]
  [ "$(field HTTP_UBERCTX_K1 <seen)" = v1 ]
  [ "$(field HTTP_UBERCTX_K_2 <seen)" = a%20b ]
  [ "$(field HTTP_UBERCTX_BROKEN <seen)" = '' ]
  [ "$(field HTTP_UBERCTX_X <seen)" = '' ]
  need_spans 1
}

@test "baggage without a trace is passed on, too" {
  serve </dev/null
  get /environ -H 'jaeger-baggage: k1=v1' >seen
  [ "$(field HTTP_UBERCTX_K1 <seen)" = v1 ]
  need_spans 1
}

@test "much baggage does no harm" {
  serve <<<'buffer-size = 32768'
  local items
  items=$(printf 'key%d=value1,' {1..130})
  get /environ -H "jaeger-baggage: $items" >seen
  [[ $(field HTTP_UBER_TRACE_ID <seen) =~ ^[0-9a-f]{32}: ]]
  [ "$(field HTTP_UBERCTX_KEY1 <seen)" = value1 ]
  get /hello -H "jaeger-baggage: a=$(printf 'x%.0s' {1..5000})" | grep -qx hello
  need_spans 2
}

# --- Variables ----------------------------------------------------------------------------------------------

@test "tracing-variables: ids for the application's own logs" {
  serve <<<'tracing-variables = true'
  get /environ >seen
  need_spans 1
  spans all "trace == '$(field TRACING_TRACE_ID <seen)' and span == '$(field TRACING_SPAN_ID <seen)'"
  [ "$(field TRACING_SAMPLED <seen)" = 1 ]
  [[ $(field HTTP_UBER_TRACE_ID <seen) == "$(field TRACING_TRACE_ID <seen):"* ]]
}

@test "tracing-variables of an unsampled request" {
  serve <<<'tracing-variables = true'
  get /environ -H 'uber-trace-id: abc:2:0:0' >seen
  [ "$(field TRACING_TRACE_ID <seen)" = 0000000000000abc ]
  [ "$(field TRACING_SAMPLED <seen)" = 0 ]
  need_spans 0
}

@test "without tracing-variables there are none" {
  serve </dev/null
  get /environ >seen
  none TRACING_ <seen
  need_spans 1
}

# --- Samplers -----------------------------------------------------------------------------------------------

@test "probabilistic:0 records nothing, probabilistic:1 all, each parent-based" {
  serve <<<'tracing-sampler = probabilistic:0'
  requests 100 4 /hello
  requests 5 1 /hello 'uber-trace-id: 1:2:0:1'
  need_spans 5
  spans all 'n(parent) == 2'
  stop_background

  serve <<<'tracing-sampler = probabilistic:1'
  requests 100 4 /hello
  requests 5 1 /hello 'uber-trace-id: 1:2:0:0'
  need_spans 100
  spans all 'root and tags["sampler.type"] == "probabilistic" and tags["sampler.param"] == 1'
  spans all 'types["sampler.param"] == "DOUBLE"'
}

@test "probabilistic:0.5 records about half, and decides by the trace id as jaeger-client-go" {
  WORKERS=4 serve <<<'tracing-sampler = probabilistic:0.5'
  requests 1000 8 /hello
  stop_uwsgi
  settle_collector
  local there
  there=$(spans count)
  [ "$there" -gt 400 ] # 6 sigma
  [ "$there" -lt 600 ]
  spans all '(n(trace) & (2**63 - 1)) <= 2**62 and tags["sampler.param"] == 0.5'
}

@test "ratelimiting:1 is one trace a second over all workers together" {
  WORKERS=4 serve <<<'tracing-sampler = ratelimiting:1'
  local before after
  before=${EPOCHREALTIME/./}
  requests 400 8 '/sleep?ms=4'
  after=${EPOCHREALTIME/./}
  stop_uwsgi
  settle_collector
  local there
  there=$(spans count)
  [ "$there" -ge 1 ]
  [ "$there" -le $((1 + (after - before) / 1000000)) ]
  spans all 'tags["sampler.type"] == "ratelimiting" and tags["sampler.param"] == 1'
}
