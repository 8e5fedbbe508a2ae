#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The documents: what they say of a span, and each of their blocks that has the mark `run:`
# (tests/house/docs.py), with places and ports of this test instead of those of an example.

# shellcheck disable=SC2016,SC2034 # backticks of Markdown; what the helper uses
load helper
load options

# --- docs/span.md -------------------------------------------------------------------------------------

# listed HEADING...: names that the tables of docs/span.md under these headings have, one a line
listed() {
  local heading
  for heading in "$@"; do
    sed -n "/^## $heading\$/,/^## /p" "$ROOT/docs/span.md" | grep -oE '^\| `[^|]*\|' | grep -oE '`[^`]+`' | tr -d '`'
  done
}

# all_listed FILE EXPR HEADING...: each name that EXPR has in a span of FILE is listed there, and there
# are some
all_listed() {
  local file=$1 expr=$2 name names
  shift 2
  listed "$@" | sed 's/[].*[]/\\&/g; s/<name>/[a-z0-9-]+/' >patterns
  names=$("$PYTHON" "$TOOLS/spans.py" "$file" print "'\\n'.join($expr)" | sort -u)
  [ -n "$names" ]
  while read -r name; do
    grep -qxE -f patterns <<<"$name" || { echo "docs/span.md does not list $name"; return 1; }
  done <<<"$names"
}

@test "each tag of captured spans is in docs/span.md, on each wire and in each set of names" {
  allow_log 'DAMN ! worker'
  start_collector
  start_uwsgi <<INI
http-socket = 127.0.0.1:0
wsgi-file = $APPS/app.py
processes = 2
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$WORK/otlp.jsonl
tracing-semconv = http/dup
tracing-capture-request = X-Tenant
tracing-capture-response = Content-Type
tracing-client-ip = X-Forwarded-For
INI
  get /hello -o /dev/null -H 'X-Tenant: blue' -H 'X-Forwarded-For: 192.0.2.1'
  get '/hello?a=1&password=x' -o /dev/null -H "X-Request-Start: t=$((${EPOCHREALTIME/./} - 250000))"
  get '/status?line=503+Busy' -o /dev/null -X BREW
  get /hello -o /dev/null -H 'jaeger-debug-id: look' -H 'tracestate: a=b'
  get /hello -o /dev/null -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' -H 'tracestate: a=b'
  get /post -o /dev/null -d body
  get /kill -o /dev/null || true
  need_spans 8
  all_listed "$SPANS" tags Tags 'Tags with names from elsewhere'
  all_listed otlp.jsonl tags Tags 'Tags with names from elsewhere'
  all_listed "$SPANS" process 'Tags of the process'
  all_listed otlp.jsonl process 'Tags of the process'
  # And what these requests call for is there.
  spans print '"\n".join(tags)' | sort -u >seen
  grep -cxE 'uwsgi.queue_us|url.query|error|error.type|client.address|http.request.header.x-tenant|http.response.header.content-type|http.request.method_original|w3c.tracestate|jaeger-debug-id|http.request.body.size' seen | grep -qx 11
}

# --- Blocks -------------------------------------------------------------------------------------------

DOCS=("$ROOT/README.md" "$ROOT"/docs/*.md)

# each KIND FUNCTION: calls the function for each block of that kind, which is then in the file `block`,
# its places those of this test; BLOCK says which. There is at least one.
each() {
  local file line kind blocks count=0
  blocks=$("$ROOT/tests/house/docs.py" list "${DOCS[@]}")
  while read -r file line kind; do
    [[ $1 = *"$kind"* ]] || continue
    count=$((count + 1))
    BLOCK="${file#"$ROOT"/}:$line"
    echo "$BLOCK, $kind"
    "$ROOT/tests/house/docs.py" show "$file" "$line" | here >block
    "$2" "$kind" </dev/null
  done <<<"$blocks"
  echo "ran $count"; [ "$count" -gt 0 ]
}

here() {
  sed -E "s#/(etc|run|var/lib)/shop#$WORK#g; s#127\.0\.0\.1:6831#127.0.0.1:$COLLECTOR_PORT#g
    s#(otlp|jaeger|zipkin)\+https?://(127\.0\.0\.1:(4318|14268|9411)|otlp\.example\.com)#\1+http://127.0.0.1:$POSTS_PORT#
    s#http://127\.0\.0\.1:8080#http://$HOST#"
}

setup_shop() {
  export COLLECTOR_TOKEN=hunter2
  cp "$ROOT/examples/hello/hello.py" .
  start_collector
  start_posts --answer 200
}

# The block's lines, as part of an ini or a whole one.
serve_block() {
  allow_log '\[tracing\] tracing-control = .*: now '
  sed -E '/^(\[uwsgi\]|plugins? = .*)$/d; s/127\.0\.0\.1:8080/127.0.0.1:0/' block >lines
  grep -q '^wsgi-file' lines || echo 'wsgi-file = hello.py' >>lines
  start_uwsgi <lines
  if grep -q '^http-socket = /' lines; then over "$WORK/http.sock"; else CURL_TO=(); fi
  [ "$(get /)" = hello ]
  stop_uwsgi
}

@test "each ini serves a request" {
  setup_shop
  each ini serve_block
  none hunter2 <"$LOG"
}

control_block() {
  cp block control.new
  mv control.new tracing.control
  wait_for "$DEADLINE" log_has 'tracing-control = .*: now sampler=probabilistic:0.1, exclude='
}

@test "each control file is obeyed" {
  setup_shop
  allow_log '\[tracing\] tracing-control = '
  start_uwsgi <<INI
wsgi-file = hello.py
tracing-control = $WORK/tracing.control
INI
  each control control_block
}

# sh: it succeeds. output: what the last one printed is that.
sh_block() {
  if [ "$1" = sh ]; then
    PATH=$WORK/bin:$PATH bash -euo pipefail block >printed 2>>printed.log
    return
  fi
  local line
  sed 's/[][\\.*^$+?(){}|]/\\&/g; s/\\\.\\\.\\\./.*/g' block >wanted
  while read -r line; do
    grep -qxE -- " *$line" printed || { echo "$BLOCK: not printed: $line" && cat printed && return 1; }
  done <wanted
}

@test "each command runs, and prints what the documents say" {
  setup_shop
  allow_log 'T in master-fifo: now enabled=' 'tracing-control = .*: now ' # three in the morning
  WITHOUT=tracing-flush-interval start_uwsgi <<INI
wsgi-file = hello.py
tracing-service = shop
master-fifo = $WORK/fifo
tracing-control = $WORK/tracing.control
INI
  mkdir bin
  ln -s "$(command -v "$UWSGI")" bin/uwsgi
  cp "$INI" shop.ini
  each 'sh output' sh_block
  wait_for "$DEADLINE" log_has 'T in master-fifo: now enabled=false'
  wait_for "$DEADLINE" log_has 'tracing-control = .*: now sampler=probabilistic:0.001, exclude=/poll'
}

python_block() {
  cp block block.py
  [ "$(get / -o answer -w '%{http_code}')" = 200 ] || { echo "$BLOCK: $(tail -n 3 "$LOG")" && return 1; }
}

@test "each piece of Python runs in an application" {
  setup_shop
  cat >blocks.py <<'PY'
def application(environ, start_response):
    with open('block.py', encoding='utf-8') as file:
        exec(compile(file.read(), 'block.py', 'exec'), {})
    start_response('200 OK', [])
    return [b'hello']
PY
  start_uwsgi <<INI
wsgi-file = blocks.py
INI
  each python python_block
}

nginx_block() {
  local port
  port=$(free_port)
  sed -i "s/127.0.0.1:80;/127.0.0.1:$port;/; s#include uwsgi_params#include /etc/nginx/uwsgi_params#" block
  cat >nginx.conf <<CONF
$([ "$EUID" != 0 ] || echo 'user root;')
daemon off;
pid $WORK/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path $WORK/body;
  proxy_temp_path $WORK/proxy;
  uwsgi_temp_path $WORK/uwsgi;
  fastcgi_temp_path $WORK/fastcgi;
  scgi_temp_path $WORK/scgi;
$(cat block)
}
CONF
  background nginx nginx -c "$WORK/nginx.conf" -p "$WORK" -e "$WORK/error.log"
  HOST=127.0.0.1:$port
  wait_for "$DEADLINE" listens "$port"
  [ "$(get / -H 'uber-trace-id: abc:1:0:1' -H 'X-Request-Start: t=1000000000')" = hello ]
  [ "$(get /http/ -H 'traceparent: 00-00000000000000000000000000000abc-0000000000000001-01')" = hello ]
}

listens() { (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

@test "nginx passes contexts on, and when it took a request up" {
  command -v nginx >/dev/null || skip 'no nginx'
  setup_shop
  start_uwsgi <<INI
wsgi-file = hello.py
socket = $WORK/uwsgi.sock
http-socket = $WORK/http.sock
INI
  each nginx nginx_block
  wait_for "$DEADLINE" lines_at_least 2 "$SPANS"
  stop_uwsgi
  settle_collector
  spans all 'n(trace) == 0xabc'
  # nginx's own, which is of whole milliseconds, and not what the client said.
  spans check 'any("uwsgi.queue_us" in s["tags"] for s in spans if s["path"] == "/")'
  spans check 'all(s["tags"].get("uwsgi.queue_us", 0) < 1e9 for s in spans)'
}
