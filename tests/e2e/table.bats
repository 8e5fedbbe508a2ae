#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One span for each request, whatever way it comes in and whatever answers it: a row a test.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# serve <INI LINES: a collector, and a uWSGI with the usual application and those lines.
serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
$(cat)
INI
}

# need_row N: N spans, all different, each a GET of /hello that was answered 200.
need_row() {
  need_spans "$1"
  spans unique span
  spans unique trace
  spans all 'name.startswith("GET /") and path == "/hello" and status == 200 and root'
  need_accounts "exported == $1"
}

# --- Ways in ------------------------------------------------------------------------------------------

@test "http-socket over TCP" {
  serve <<<'processes = 2'
  requests 100 4 /hello
  need_row 100
  spans all 'tags["peer.ipv4"] == "127.0.0.1" and tags["http.url"] == "http://localhost/hello"'
}

@test "http-socket over a UNIX socket" {
  serve <<INI
processes = 2
http-socket = $WORK/http.sock
INI
  over "$WORK/http.sock"
  requests 100 4 /hello
  need_row 100
}

@test "http11-socket: several requests on one connection" {
  WITHOUT=http-socket serve <<INI
processes = 1
http11-socket = 127.0.0.1:0
INI
  get /hello --next -sS "http://$HOST/hello" --next -sS "http://$HOST/hello" >answer
  [ "$(cat answer)" = hellohellohello ]
  need_row 3
}

@test "https-socket: the scheme is https" {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=localhost 2>/dev/null
  WITHOUT=http-socket serve <<INI
processes = 1
https-socket = 127.0.0.1:0,$WORK/cert,$WORK/key
INI
  [ "$(curl -sSk --max-time "$DEADLINE" "https://$HOST/hello")" = hello ]
  need_row 1
  spans all 'tags["http.url"].startswith("https://127.0.0.1:")'
}

@test "http router in front" {
  local port
  port=$(free_port)
  WITHOUT=http-socket serve <<INI
plugin = http
processes = 2
http = 127.0.0.1:$port
http-keepalive = 5
INI
  HOST=127.0.0.1:$port
  wait_for "$DEADLINE" bash -c "exec 2>/dev/null 9<>/dev/tcp/127.0.0.1/$port"
  requests 100 4 /hello 'Connection: close'
  get /hello --next -sS "http://$HOST/hello" >answer
  [ "$(cat answer)" = hellohello ]
  need_row 102
  spans all 'tags["peer.ipv4"] == "127.0.0.1"'
}

# start_nginx: nginx, listening on nginx.sock, with a location for each protocol that it speaks to uWSGI.
start_nginx() {
  cat >nginx.conf <<CONF
$([ "$EUID" != 0 ] || echo 'user root;') # else its worker would be nobody, to whom $WORK is closed
daemon off;
pid $WORK/nginx.pid;
error_log $WORK/nginx-error.log;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path $WORK/nginx-body;
  proxy_temp_path $WORK/nginx-proxy;
  uwsgi_temp_path $WORK/nginx-uwsgi;
  fastcgi_temp_path $WORK/nginx-fastcgi;
  scgi_temp_path $WORK/nginx-scgi;
  large_client_header_buffers 4 16k;
  server {
    listen unix:$WORK/nginx.sock;
    location / { include /etc/nginx/uwsgi_params; uwsgi_pass unix:$WORK/uwsgi.sock; }
    location /fastcgi {
      include /etc/nginx/fastcgi_params; fastcgi_pass unix:$WORK/fastcgi.sock;
      fastcgi_param PATH_INFO \$document_uri;
    }
    location /scgi { include /etc/nginx/scgi_params; scgi_pass unix:$WORK/scgi.sock; scgi_param PATH_INFO \$document_uri; }
  }
}
CONF
  background nginx nginx -c "$WORK/nginx.conf" -p "$WORK" -e "$WORK/nginx-error.log"
  wait_for "$DEADLINE" test -S "$WORK/nginx.sock"
  over "$WORK/nginx.sock"
}

@test "socket behind nginx uwsgi_pass" {
  WITHOUT=http-socket serve <<INI
processes = 2
socket = $WORK/uwsgi.sock
INI
  start_nginx
  requests 100 4 /hello 'Connection: close'
  need_row 100
  spans all 'tags["http.url"] == "http://localhost/hello"'
}

@test "socket behind nginx: trace continued, body whole, a head too large refused" {
  WITHOUT=http-socket serve <<INI
processes = 1
socket = $WORK/uwsgi.sock
INI
  start_nginx
  head -c 300000 /dev/urandom >body
  [ "$(get /post -H 'uber-trace-id: 1:2:0:1' --data-binary @body)" = "300000 $(sha256sum <body | cut -d' ' -f1)" ]
  [ "$(status_of /hello -H "x-large: $(printf 'x%.0s' {1..8000})")" = 502 ]
  need_spans 2
  spans check '[n(s["parent"]) for s in spans if s["path"] == "/post"] == [2]'
  spans check 'len([s for s in spans if s["tags"].get("uwsgi.refused") is True]) == 1'
}

@test "fastcgi-socket behind nginx" {
  WITHOUT=http-socket serve <<INI
processes = 2
fastcgi-socket = $WORK/fastcgi.sock
INI
  start_nginx
  head -c 50000 /dev/urandom >body
  requests 50 4 /fastcgi 'Connection: close' 'uber-trace-id: 1:2:0:1'
  get /fastcgi --data-binary @body | grep -qx hello
  need_spans 51
  spans check 'Counter(s["name"] for s in spans) == {"GET /fastcgi": 50, "POST /fastcgi": 1}'
  spans all 'path == "/fastcgi" and status == 200'
  spans all 'n(parent) == 2' 'name.startswith("GET /")'
}

@test "scgi-socket behind nginx" {
  WITHOUT=http-socket serve <<INI
processes = 2
scgi-socket = $WORK/scgi.sock
INI
  start_nginx
  requests 50 4 /scgi 'Connection: close' 'uber-trace-id: 1:2:0:1'
  need_spans 50
  spans all 'n(parent) == 2 and path == "/scgi" and status == 200'
}

@test "several sockets at once" {
  serve <<INI
processes = 2
socket = $WORK/uwsgi.sock
INI
  requests 50 4 /hello
  "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 0 REQUEST_METHOD=GET REQUEST_URI=/hello PATH_INFO=/hello \
    SERVER_PROTOCOL=HTTP/1.1 HTTP_HOST=localhost | grep -q 'hello$'
  need_row 51
}

# --- Ways to run -----------------------------------------------------------------------------------------

@test "threads = 4" {
  serve <<INI
processes = 1
threads = 4
INI
  requests 200 4 '/sleep?ms=2'
  need_spans 200
  spans unique span
  [ "$(spans values 'tags["uwsgi.core"]')" = $'0\n1\n2\n3' ]
  spans all 'path == "/sleep" and duration_us >= 2000'
  need_accounts 'exported == 200'
}

@test "processes = 2, threads = 2, enable-threads, thunder-lock" {
  serve <<INI
processes = 2
threads = 2
enable-threads = true
thunder-lock = true
INI
  requests 200 8 /hello
  need_row 200
}

@test "gevent: many requests of one thread at once" {
  start_collector
  start_uwsgi <<INI
plugin = gevent_python3
gevent = 20
gevent-monkey-patch = true
processes = 2
wsgi-file = $APPS/app.py
INI
  requests 200 20 '/sleep?ms=50' 'uber-trace-id: 1:2:0:1'
  need_spans 200
  spans unique span
  spans all 'path == "/sleep" and status == 200 and duration_us >= 50000 and n(parent) == 2'
  # They did overlap: more cores than one have served.
  [ "$(spans values 'tags["uwsgi.core"]' | wc -l)" -gt 5 ]
  need_accounts 'exported == 200'
}

@test "no master, one process" {
  serve <<<'master = false'
  requests 100 4 /hello
  need_row 100
}

@test "no master, two processes" {
  serve <<INI
master = false
processes = 2
INI
  requests 100 4 '/sleep?ms=2'
  [ "$(threads "$(worker_pid 1)" | grep -c '^trc-1-')" = 1 ]
  [ "$(threads "$(worker_pid 2)" | grep -c '^trc-2-')" = 1 ]
  # Without a master nobody hands a signal on: the first worker's parent is us, the second's the first.
  kill -INT "$(worker_pid 2)"
  wait_for "$DEADLINE" gone "$(worker_pid 2)"
  need_spans 100
  spans unique span
}

@test "lazy-apps" {
  serve <<INI
processes = 2
lazy-apps = true
INI
  requests 100 4 /hello
  need_row 100
}

@test "ugreen: several requests of one thread" {
  start_collector
  start_uwsgi <<INI
plugin = ugreen
ugreen = true
async = 8
processes = 1
wsgi-file = $APPS/app.py
INI
  requests 100 8 '/stream?n=20'
  need_spans 100
  spans unique span
  spans all 'path == "/stream" and status == 200'
  [ "$(spans values 'tags["uwsgi.core"]' | wc -l)" -gt 1 ]
}

# as_daemon OPTION: Debian's init script, and others, let uWSGI fork itself into the background
as_daemon() {
  start_collector
  write_ini <<INI
processes = 2
$1 = $LOG
safe-pidfile = $WORK/pid
tracing-flush-interval = 60s
wsgi-file = $APPS/app.py
INI
  spawn_uwsgi --ini "$INI"
  adopt_daemon "$WORK/pid" 2
  requests 100 4 '/sleep?ms=1'
  stop_uwsgi
  need_spans 100
  spans unique span
  need_accounts 'exported == 100'
}

@test "daemonize" {
  as_daemon daemonize
}

@test "daemonize2, which forks when the applications are loaded" {
  as_daemon daemonize2
}

@test "uid and gid: privileges dropped" {
  [ "$EUID" = 0 ] || skip 'only root can drop them'
  serve <<INI
processes = 2
uid = nobody
gid = nogroup
INI
  requests 100 4 /hello
  need_row 100
}

@test "log-master with a logger: our lines arrive there, too" {
  start_collector
  : >file.log
  LOG=$WORK/file.log
  write_ini <<INI
plugin = logfile
processes = 2
log-master = true
logger = file:$WORK/file.log
wsgi-file = $APPS/app.py
INI
  OUT=$WORK/out spawn_uwsgi --ini "$INI"
  wait_for "$DEADLINE" workers_accept 2
  find_http_socket
  requests 100 4 /hello
  need_spans 100
  need_accounts 'exported == 100'
}

@test "log-master: spans on standard output are whole lines" {
  : >file.log
  LOG=$WORK/file.log
  write_ini <<INI
plugin = logfile
processes = 2
log-master = true
logger = file:$WORK/file.log
tracing-export = otlp.json+stdout:
wsgi-file = $APPS/app.py
INI
  OUT=$WORK/out spawn_uwsgi --ini "$INI"
  wait_for "$DEADLINE" workers_accept 2
  find_http_socket
  requests 60 4 /hello
  need_accounts 'exported == 60'
  # The logger has it all when the master is gone.
  [ "$(grep -o '{"resourceSpans".*' file.log | "$PYTHON" -c 'import json, sys
print(sum(len(json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]) for line in sys.stdin))')" = 60 ]
}

@test "cheaper: workers come when they are needed" {
  EXPECT_WORKERS=1 serve <<INI
processes = 4
cheaper = 1
cheaper-overload = 1
INI
  # Until the master has seen all busy and spawned a second worker.
  local sent=0
  until log_has_times 2 'spawned uWSGI worker' || [ "$sent" = 2000 ]; do
    requests 100 8 '/sleep?ms=10'
    sent=$((sent + 100))
  done
  requests 100 8 '/sleep?ms=2'
  need_spans $((sent + 100))
  spans unique span
  [ "$(spans values worker | wc -l)" -gt 1 ]
}

@test "two vassals of an emperor: each its own service, none lost" {
  start_collector
  mkdir vassals
  local name
  for name in one two; do
    WITHOUT=http-socket INI=$WORK/vassals/$name.ini write_ini <<INI
processes = 2
tracing-service = $name
http-socket = $WORK/$name.sock
wsgi-file = $APPS/app.py
INI
  done
  spawn_uwsgi --emperor "$WORK/vassals" --master --die-on-term
  wait_for "$DEADLINE" workers_accept 4
  over "$WORK/one.sock"
  requests 100 4 /hello
  over "$WORK/two.sock"
  requests 50 4 /hello
  wait_for "$DEADLINE" lines_at_least 150 "$SPANS"
  stop_uwsgi
  settle_collector
  spans check 'Counter(s["service"] for s in spans) == {"one": 100, "two": 50}'
  spans unique span
  [ "$("$TOOLS/accounts.py" "$LOG" | wc -l)" = 2 ]
}

@test "mule and spooler: no thread of ours there, and they do their work" {
  mkdir spool
  serve <<INI
plugin = spooler
processes = 2
mule = true
spooler = $WORK/spool
spooler-frequency = 1
INI
  requests 20 2 /hello
  get /spool
  wait_for "$DEADLINE" log_has '^spooled'
  local pid ours=0 others=0
  while read -r pid; do
    [ -n "$pid" ] || continue
    case $pid in
      "$(worker_pid 1)" | "$(worker_pid 2)") threads "$pid" | grep -q '^trc-' && ours=$((ours + 1)) ;;
      *) threads "$pid" | none '^trc-' && others=$((others + 1)) ;;
    esac
  done < <(children "$UWSGI_PID")
  [ "$ours $others" = '2 2' ]
  need_spans 21
}

@test "attach-daemon beside the workers: nothing of ours in them" {
  serve <<INI
processes = 1
attach-daemon = sleep 1000
INI
  requests 20 2 /hello
  need_row 20
}

# --- What answers ----------------------------------------------------------------------------------------

@test "static-map" {
  mkdir static
  echo found >static/file.txt
  serve <<INI
processes = 1
static-map = /static=$WORK/static
INI
  [ "$(get /static/file.txt)" = found ]
  [ "$(status_of /static/file.txt -H 'If-Modified-Since: Wed, 01 Jan 2200 00:00:00 GMT')" = 304 ]
  need_spans 2
  spans all 'path == "/static/file.txt" and root'
  [ "$(spans values status)" = $'200\n304' ]
}

@test "offload-threads: a large static file" {
  mkdir static
  head -c 20000000 /dev/urandom >static/large
  serve <<INI
processes = 1
offload-threads = 1
static-map = /static=$WORK/static
INI
  get /static/large -o got
  cmp got static/large
  get /hello
  need_spans 2
  spans all 'status == 200'
  spans unique path
}

@test "a route that answers" {
  serve <<INI
plugin = router_redirect
processes = 1
route = ^/r redirect-302:/hello
route = ^/gone return:410
route = ^/stop break:404 Not Found
INI
  [ "$(status_of /r)" = 302 ]
  [ "$(status_of /gone)" = 410 ]
  [ "$(status_of /stop)" = 404 ]
  need_spans 3
  spans check '{s["path"]: s["status"] for s in spans} == {"/r": 302, "/gone": 410, "/stop": 404}'
  spans all '"error" not in tags'
}

@test "an application that raises: 500 and error" {
  serve <<<'processes = 1'
  get /raise || true # uWSGI closes the connection and logs it as a 500
  [ "$(status_of '/status?line=503+Busy')" = 503 ]
  [ "$(status_of '/status?line=404+No')" = 404 ]
  need_spans 3
  spans all 'tags["error"] is True and types["error"] == "BOOL"' 'status >= 500'
  spans all '"error" not in tags' 'status == 404'
  spans check 'Counter(s["status"] for s in spans) == {500: 1, 503: 1, 404: 1}'
}

@test "an application that raises when the answer has begun" {
  serve <<<'processes = 1'
  get /raise-late >answer
  grep -q begun answer
  need_spans 1
  spans all 'status == 200 and path == "/raise-late"'
}

@test "HEAD, other methods, and a method nobody knows" {
  serve <<<'processes = 1'
  local method
  for method in HEAD PUT DELETE OPTIONS PATCH; do
    curl -sS --max-time "$DEADLINE" -X "$method" ${method:+-I} "http://$HOST/hello" -o answer
  done
  printf 'BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n' | "$TOOLS/peer.py" send "$HOST" | grep -q '200 OK'
  need_spans 6
  spans check 'sorted(s["tags"]["http.method"] for s in spans) ==
               ["BREW", "DELETE", "HEAD", "OPTIONS", "PATCH", "PUT"]'
  spans all 'name == tags["http.method"] + " /hello"' 'tags["http.method"] != "BREW"'
}

@test "a streamed response: the span lasts as long as it" {
  serve <<<'processes = 1'
  [ "$(get '/stream?n=10&ms=20' | wc -l)" = 10 ]
  need_spans 1
  spans all 'duration_us >= 200000 and status == 200'
}

@test "a client that hangs up in the middle of the response" {
  serve <<<'processes = 1'
  printf 'GET /stream?n=200&lines=10000&ms=1 HTTP/1.1\r\nHost: a\r\n\r\n' |
    "$TOOLS/peer.py" send "$HOST" --read 1000 >answer
  [ "$(wc -c <answer)" = 1000 ]
  get /hello
  need_spans 2
  spans check 'sorted(s["path"] for s in spans) == ["/hello", "/stream"]'
}

@test "POST bodies arrive whole: small and large, with the head and behind it, byte by byte" {
  serve <<INI
processes = 2
INI
  local size sum
  for size in 0 10 1000 10000 1000000; do
    head -c "$size" /dev/urandom >body
    sum="$size $(sha256sum <body | cut -d' ' -f1)"
    [ "$(get /post -H 'Expect:' --data-binary @body)" = "$sum" ]
    [ "$(get /post -H 'Expect:' -H 'uber-trace-id: abc:def:0:1' --data-binary @body)" = "$sum" ]
    [ "$(get /ignore-body -H 'Expect:' --data-binary @body)" = 'not read' ]
  done
  {
    printf 'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nuber-trace-id: abc:def:0:1\r\n\r\nabcde'
  } | "$TOOLS/peer.py" send "$HOST" --pause | grep -q "5 $(printf abcde | sha256sum | cut -d' ' -f1)"
  need_spans 16
  spans all 'name.startswith("POST /") and status == 200'
  spans unique span
}

@test "POST with post-buffering" {
  serve <<INI
processes = 1
post-buffering = 4096
INI
  local size
  for size in 10 3000 100000; do
    head -c "$size" /dev/urandom >body
    [ "$(get /post -H 'Expect:' -H 'uber-trace-id: 1:2:0:1' --data-binary @body)" = \
      "$size $(sha256sum <body | cut -d' ' -f1)" ]
  done
  need_spans 3
}

@test "PSGI: a Perl application" {
  start_collector
  LANGUAGE_PLUGIN=psgi start_uwsgi <<INI
http-socket-modifier1 = 5
processes = 2
psgi = $APPS/app.psgi
INI
  requests 50 4 /hello
  [[ $(get /environ -H 'uber-trace-id: abc:def:0:1') =~ ^0000000000000abc:[0-9a-f]{16}:0000000000000def:1$ ]]
  [ "$(status_of /die)" = 500 ]
  need_spans 52
  spans all 'tags["error"] is True and status == 500' 'path == "/die"'
  spans check 'Counter(s["path"] for s in spans) == {"/hello": 50, "/environ": 1, "/die": 1}'
}

@test "two languages in one instance" {
  start_collector
  start_uwsgi <<INI
plugin = psgi
processes = 2
http-socket = $WORK/python.sock
http-socket = $WORK/perl.sock
wsgi-file = $APPS/app.py
perl-no-die-catch = true
psgi = $APPS/app.psgi
route-if = equal:\${HTTP_HOST};perl setmodifier1:5
INI
  over "$WORK/python.sock"
  [ "$(get /hello)" = hello ]
  [[ $(get /hello -H 'Host: perl') == hello* ]]
  need_spans 2
}

# --- What is no request, or a bad one ------------------------------------------------------------------------

@test "refused: a head larger than buffer-size" {
  serve <<INI
processes = 1
buffer-size = 1024
INI
  printf 'GET /large HTTP/1.1\r\nHost: a\r\nX-Large: %s\r\n\r\n' "$(printf 'x%.0s' {1..4000})" |
    "$TOOLS/peer.py" send "$HOST" >answer
  get /hello
  need_spans 2
  spans check '[s["tags"]["uwsgi.refused"] for s in spans if "uwsgi.refused" in s["tags"]] == [True]'
  spans all 'path == "/hello" and status == 200' '"uwsgi.refused" not in tags'
  need_accounts 'exported == 2'
}

@test "refused: heads that are malformed, cut off, or garbage" {
  serve <<<'processes = 1'
  printf 'GET /colon HTTP/1.1\r\nnocolon\r\n\r\n' | "$TOOLS/peer.py" send "$HOST" >answer
  printf 'GET /cut HTTP/1.1\r\nHost: ' | "$TOOLS/peer.py" send "$HOST" --read 0
  printf '\x16\x03\x01\x02\x00\x01\xfc\x03\x03' | "$TOOLS/peer.py" send "$HOST" --read 0
  get /hello
  need_spans 4
  spans all 'tags["uwsgi.refused"] is True and types["uwsgi.refused"] == "BOOL" and root' 'path != "/hello"'
  spans check '{s["path"] for s in spans} == {"/hello", "/colon", "/cut", None}'
}

@test "a first line of garbage that uWSGI lets through to the application is a request it answers" {
  serve <<<'processes = 1'
  # uWSGI 2.0 calls the application without REQUEST_METHOD and PATH_INFO; ours raises then.
  printf '\x16\x03\x01\x02garbage\r\n\r\n' | "$TOOLS/peer.py" send "$HOST" >answer
  printf 'garbage\r\n\r\n' | "$TOOLS/peer.py" send "$HOST" >answer
  get /hello
  need_spans 3
  spans check 'sorted(s["status"] for s in spans) == [200, 500, 500]'
}

@test "no span: a connection that is opened and closed" {
  serve <<<'processes = 1'
  "$TOOLS/peer.py" send "$HOST" --read 0 </dev/null
  "$TOOLS/peer.py" send "$HOST" --read 0 </dev/null
  get /hello
  need_row 1
}

@test "no span: RPC and ping over the uwsgi protocol, answered as ever" {
  serve <<INI
plugin = rpc
plugin = ping
processes = 1
socket = $WORK/uwsgi.sock
INI
  [ "$("$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 173 --args shout quietly | tail -c 7)" = QUIETLY ]
  # One whose packet is, byte for byte, the variables of a GET.
  [ "$("$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 173 --args REQUEST_METHOD GET PATH_INFO / | tail -c +5)" = 'GET PATH_INFO /' ]
  "$TOOLS/peer.py" uwsgi "$WORK/uwsgi.sock" 100 | od -An -tx1 | grep -q '64 00 00 01'
  get /hello
  need_row 1
}

@test "a uwsgi packet of lies does no harm" {
  serve <<INI
processes = 1
socket = $WORK/uwsgi.sock
INI
  # Lengths that point outside the packet; a packet that says it is longer than it is.
  printf '\x00\x08\x00\x00\xff\xff\x00\x00abcd' | "$TOOLS/peer.py" send "$WORK/uwsgi.sock" >answer
  printf '\x00\x06\x00\x00\x04\x00ABCD' | "$TOOLS/peer.py" send "$WORK/uwsgi.sock" >answer
  printf '\x00\x08\x00\x00\x02\x00AB\xff\xff\x00\x00' | "$TOOLS/peer.py" send "$WORK/uwsgi.sock" >answer
  printf '\x00\x00\x00\x00' | "$TOOLS/peer.py" send "$WORK/uwsgi.sock" >answer
  get /hello
  wait_for "$DEADLINE" lines_at_least 1 "$SPANS"
  stop_uwsgi
  settle_collector
  spans check 'len([s for s in spans if s["path"] == "/hello" and s["status"] == 200]) == 1'
}

# --- Byte for byte ---------------------------------------------------------------------------------------------

# record DIRECTORY: what some requests of all kinds are answered, head and body.
record() {
  mkdir "$1"
  get /hello -i >"$1/hello"
  get '/status?line=404+Not+Here' -i >"$1/status"
  get /raise -i >"$1/raise" || true
  get /stream -i >"$1/stream"
  get /post -i --data-binary @"$APPS/app.py" >"$1/post"
  get /hello -i -H 'uber-trace-id: 1:2:0:1' >"$1/traced"
  get /hello -i -H 'uber-trace-id: bad' >"$1/bad"
  get /static/app.psgi -i >"$1/static"
  get /static/app.psgi -i -H 'Range: bytes=3-9' >"$1/range"
  get /hello -I >"$1/head"
  # The environ but for what differs by nature, and for what we are there to set.
  get /environ -H 'uber-trace-id: 1:2:0:1' | json '"\n".join(sorted("%s=%s" % i for i in j.items()
    if i[0] not in ("REMOTE_PORT", "SERVER_PORT", "HTTP_HOST", "HTTP_UBER_TRACE_ID", "HTTP_TRACEPARENT")))' >"$1/environ"
}

@test "responses and environ are byte for byte what they are without the plugin" {
  start_collector
  start_uwsgi <<INI
processes = 2
static-map = /static=$APPS
wsgi-file = $APPS/app.py
INI
  record with
  need_spans 11
  no_accounts
  WITHOUT=tracing start_uwsgi <<INI
processes = 2
static-map = /static=$APPS
wsgi-file = $APPS/app.py
INI
  record without
  diff -r without with
}
