#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Applications that fork (tests/e2e/apps/forks.py): nothing of ours runs in the child, whatever it does
# and however it ends; no span is sent twice; and no child hangs for a lock that a reporter held when it
# was forked.

# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, as it should be
load helper

serve_forks() {
  [ -n "$COLLECTOR_PORT" ] || start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/forks.py
http-socket = $WORK/http.sock
$(cat)
INI
  over "$WORK/http.sock"
}

# fine N PATH: so many requests, one after the other, and each says that all is well
fine() {
  local i answer
  for ((i = 0; i < $1; i++)); do
    answer=$(get "$2")
    [ "$answer" = fine ] || {
      echo "$2, request $((i + 1)): $answer"
      return 1
    }
  done
}

# One source of datagrams for each worker that ever was: the children have sent none.
only_workers_sent() { [ "$(spans values source | wc -l)" = "$1" ]; }

@test "subprocess, with the descriptors closed or not" {
  serve_forks <<<'processes = 1'
  fine 10 /subprocess
  need_spans 10
  spans unique span
  only_workers_sent 1
}

@test "subprocess: no descriptor of ours is inherited" {
  serve_forks <<<'processes = 1'
  fine 3 /hello
  wait_for "$DEADLINE" lines_at_least 3 "$SPANS" # the reporter has its socket
  local fd pid inode found=0
  pid=$(worker_pid 1)
  for fd in "/proc/$pid/fd/"*; do
    inode=$(readlink "$fd" | sed -n 's/^socket:\[\(.*\)\]$/\1/p')
    [ -n "$inode" ] && grep -q " $inode " /proc/net/udp || continue
    found=1
    (((0$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$pid/fdinfo/${fd##*/}") & 02000000) != 0)) # O_CLOEXEC
  done
  [ "$found" = 1 ]
}

@test "multiprocessing" {
  serve_forks <<<'processes = 1'
  fine 10 /multiprocessing
  need_spans 10
  spans unique span
  only_workers_sent 1
}

@test "os.fork, and both go on: uWSGI dies of it, with us as without, and there is one span" {
  # The two share one request in uWSGI's shared memory, and who ends it first takes it from the other.
  allow_log 'backtrace of' 'Segmentation' 'DAMN'
  serve_forks <<<'processes = 1'
  get /return -o /dev/null || true
  wait_for "$DEADLINE" lines_at_least 1 "$SPANS"
  need_spans 1
  only_workers_sent 1
}

@test "children that end by _exit, by exit, after a lookup, after a request of their own" {
  background posts "$PYTHON" "$TOOLS/posts.py" --out posts.jsonl
  wait_for "$DEADLINE" log_has '^port ' posts.log
  local port end
  port=$(sed -n 's/^port //p' posts.log)
  FORKS_URL=http://127.0.0.1:$port/child serve_forks <<INI
processes = 1
tracing-export = otlp+http://127.0.0.1:$port
INI
  for end in _exit exit lookup curl curl-exit; do fine 10 "/children?work=$end"; done
  # And nothing of ours came from a child: the one exporter's messages are what the worker says.
  stop_uwsgi
  [ "$(grep -c '"/child"' posts.jsonl)" = 20 ]
  need_accounts 'exported == 50'
}

@test "a daemonised grandchild outlives the request, the worker and the instance" {
  serve_forks <<<'processes = 1'
  fine 1 "/daemon?mark=$WORK/mark&end=$WORK/end"
  wait_for "$DEADLINE" test -s mark
  local daemon clean
  read -r daemon clean <mark
  [ "$clean" = True ]
  wait_for "$DEADLINE" lines_at_least 1 "$SPANS"
  allow_log DAMN
  kill_worker 1
  fine 3 /hello
  stop_uwsgi
  alive "$daemon"
  touch end
  wait_for "$DEADLINE" gone "$daemon"
  need_spans 4
  spans unique span
  only_workers_sent 2
}

# while_sending N WORK: N forks, with reporters over UDP, HTTP and TLS busy all the time: each message has
# a connection of its own, and one collector is not there, so that its name is looked up again and again.
while_sending() {
  allow_log 'cannot export' 'spans lost'
  mkdir tls
  "$TOOLS/certificates.sh" tls
  background posts "$PYTHON" "$TOOLS/posts.py" --out posts.jsonl
  background tls "$PYTHON" "$TOOLS/posts.py" --out tls.jsonl --cert tls/server.pem --key tls/server.key
  wait_for "$DEADLINE" log_has '^port ' posts.log
  wait_for "$DEADLINE" log_has '^port ' tls.log
  local http tls
  http=$(sed -n 's/^port //p' posts.log)
  tls=$(sed -n 's/^port //p' tls.log)
  start_collector
  FORKS_URL=https://localhost:$tls/child serve_forks <<INI
processes = 2
tracing-flush-interval = 10ms
tracing-export = jaeger+udp://localhost:$COLLECTOR_PORT
tracing-export = otlp+http://localhost:$http
tracing-export = otlp+https://localhost:$tls
tracing-export = jaeger+udp://localhost:$(free_port udp)
tracing-export-ca = $WORK/tls/ca.pem
tracing-export-header = Connection: close
INI
  local round
  for ((round = 0; round < $1 / 100; round++)); do
    in_background_requests "$round"
    fine 5 "/children?work=$2&n=20"
    wait "$REQUESTS_PID"
  done
  stop_uwsgi
  "$PYTHON" "$TOOLS/accounts.py" "$LOG" check
  settle_collector
  spans unique span
}

# Requests to the other worker, so that there is always something to send.
in_background_requests() {
  requests 300 1 "/hello?$1" 3>&- &
  REQUESTS_PID=$!
}

long() { if [ -n "${E2E_LONG:-}" ]; then echo "$2"; else echo "$1"; fi; }

@test "hundreds of children while reporters are sending: exit" { while_sending "$(long 300 5000)" exit; }
@test "hundreds of children while reporters are sending: name service" { while_sending "$(long 200 3000)" lookup; }
@test "hundreds of children while reporters are sending: libcurl and TLS" { while_sending "$(long 100 2000)" curl-exit; }

# --- The usual application, which forks and goes on ---------------------------------------------------

@test "an application that forks: no span twice, no id twice, no hang" {
  serve <<<'processes = 2'
  local before after
  requests 20 2 /fork
  requests 20 2 /fork-exit
  requests 20 2 /call
  requests 20 2 /hello
  wait_for "$DEADLINE" lines_at_least 80 "$SPANS"
  before=${EPOCHREALTIME/./}
  stop_uwsgi
  after=${EPOCHREALTIME/./}
  need_spans 80
  spans unique span
  spans unique trace
  spans all 'status == 200'
  need_accounts 'exported == 80'
  [ $((after - before)) -lt 2000000 ]
}

@test "an application that forks with spans waiting: the child does not send them" {
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  requests 30 1 /hello
  requests 10 1 /fork-exit
  settle_collector
  [ "$(wc -l <"$SPANS")" = 0 ]
  stop_uwsgi
  need_spans 40
  spans unique span
}

@test "a child that outlives its worker and the instance" {
  serve <<<'processes = 1'
  local child
  child=$(get "/outlive?end=$WORK/end")
  get /hello
  stop_uwsgi
  alive "$child"
  touch end
  wait_for "$DEADLINE" gone "$child"
  need_spans 2
  spans unique span
  need_accounts 'exported == 2'
}
