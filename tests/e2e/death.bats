#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Workers die in every way there is: the request that was running is one span, which says of what it
# died and when, and which is delivered soon after another worker has taken the place.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# --- Each cause, in each mode --------------------------------------------------------------------------

# started_at PID: when the process was started, in microseconds since 1970
started_at() {
  "$PYTHON" - "$1" <<'PY'
import os, sys, time
ticks = int(open('/proc/%s/stat' % sys.argv[1]).read().rpartition(')')[2].split()[19])
age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf('SC_CLK_TCK')
print(int((time.time() - age) * 1e6))
PY
}

# dies PATH ERROR_TYPE [LATE]: a request that worker 1 dies in. Its span ends no later than the
# connection, or up to LATE microseconds later (a busy machine's moment included), when nobody but the
# master, which looks once a second, can tell.
dies() {
  local path=$1 type=$2 late=${3:-1500000} old before hung new
  old=$(worker_pid 1)
  before=${EPOCHREALTIME/./}
  get "$path" >/dev/null 2>&1 || true
  hung=${EPOCHREALTIME/./}
  wait_for "$DEADLINE" worker_replaced 1 "$old"
  new=$(started_at "$(worker_pid 1)")
  wait_for "$DEADLINE" span_since "$before"
  echo "$path: from $before, hung up at $hung, worker started at $new" >&2
  spans all "path == '${path%%\?*}' and name.startswith('GET /') and worker == 1 and status is None" "start_us >= $before"
  spans all "tags['error'] is True and tags['error.type'] == '$type'" "start_us >= $before"
  spans all "start_us + duration_us < $hung + $late" "start_us >= $before"
  spans all "received * 1e6 < $new + 2000000" "start_us >= $before"
  spans check "len([s for s in spans if s['start_us'] >= $before]) == 1"
}

span_since() { lines_at_least 1 "$SPANS" && [ "$(spans count "start_us >= $1")" != 0 ]; }

# each_cause <INI LINES: the mode
each_cause() {
  allow_log 'HARAKIRI' 'DAMN ! worker 1 ' 'Segmentation Fault' 'backtrace of' 'respawning too fast'
  serve <<INI
processes = 1
forkbomb-delay = 0
harakiri = 2
$(cat)
INI
  dies /kill SIGKILL
  dies '/kill?signal=6' SIGABRT
  dies /leave exit
  dies /exit exit 10000
  dies /fault SIGSEGV # with threads another one may die of it first, and the master is who sees that
  dies '/sleep?ms=20000' harakiri 10000
  requests 5 1 /hello
  need_spans 11
  spans unique span
  need_accounts 'exported == 11' 'lost == 0'
}

@test "each cause: prefork" {
  each_cause <<<''
}

@test "each cause: threads" {
  each_cause <<<'threads = 4'
}

@test "each cause: gevent" {
  each_cause <<INI
plugin = gevent_python3
gevent = 4
gevent-monkey-patch = true
INI
}

@test "each cause: lazy-apps" {
  each_cause <<<'lazy-apps = true'
}

@test "each cause: cheaper" {
  EXPECT_WORKERS=1 each_cause <<INI
processes = 2
cheaper = 1
cheaper-algo = manual
INI
}

@test "lazy-apps: the request is reported while the new worker still loads its application" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  cat >slow.py <<'PY'
import time
time.sleep(2.5)
from app import application
PY
  serve <<INI
processes = 1
lazy-apps = true
pythonpath = $APPS
wsgi-file = $WORK/slow.py
INI
  dies /kill SIGKILL
}

# memory_group: makes a control group of 32 MB and sets GROUP; fails where that is not allowed
memory_group() {
  local root=/sys/fs/cgroup limit=memory.max
  if [ -d $root/memory ]; then root=$root/memory limit=memory.limit_in_bytes; fi
  GROUP=$root/e2e-$BASHPID
  mkdir "$GROUP" 2>/dev/null || return 1
  [ -e "$GROUP/$limit" ] && echo 32M >"$GROUP/$limit" && return 0
  rmdir "$GROUP"
  return 1
}

@test "the kernel kills the worker because memory is short" {
  local GROUP before
  memory_group || skip 'no control group of memory can be made here; SIGKILL above stands for it'
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<<'processes = 1'
  before=$(worker_pid 1)
  echo "$before" >"$GROUP/cgroup.procs"
  get /eat || true
  wait_for "$DEADLINE" rmdir "$GROUP" 2>/dev/null
  wait_for "$DEADLINE" worker_replaced 1 "$before"
  need_spans 1
  spans all 'path == "/eat" and tags["error.type"] == "SIGKILL"'
}

# --- Harakiri --------------------------------------------------------------------------------------------

@test "harakiri takes along what other cores were doing: they died of it, too" {
  allow_log 'HARAKIRI' 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
threads = 4
harakiri = 2
INI
  three_asleep
  wait_for "$DEADLINE" nudged_to_accept 2
  need_spans 3
  spans all 'tags["error.type"] == "harakiri" and duration_us >= 1000000'
}

@test "harakiri without a master: the worker ends itself, and says so" {
  serve <<INI
master = false
harakiri = 1
INI
  get '/sleep?ms=20000' || true
  wait_for "$DEADLINE" gone "$UWSGI_PID"
  need_spans 1
  spans all 'tags["error.type"] == "harakiri" and 900000 < duration_us < 3000000'
}

# --- Not replaced ------------------------------------------------------------------------------------------

# leave_cheap: a worker that dies in a request, and that uWSGI does not replace
leave_cheap() {
  EXPECT_WORKERS=2 serve <<INI
processes = 2
cheaper = 1
cheaper-initial = 2
cheaper-algo = manual
master-fifo = $WORK/fifo
INI
  before=${EPOCHREALTIME/./}
  get '/leave?code=15' || true # UWSGI_GO_CHEAP_CODE
  hung=${EPOCHREALTIME/./}
  wait_for "$DEADLINE" cheaped 1
  # What follows is longer after the death than the master takes to see it.
  requests 200 1 '/sleep?ms=10'
}

cheaped() {
  nudge
  log_has_times "$1" 'worker [0-9]+ cheaped'
}

# died_then: the span says when the worker died, and not when somebody came to report it
died_then() {
  spans all 'tags["error.type"] == "exit"' 'path == "/leave"'
  spans all "start_us >= $before and start_us + duration_us < $hung + 1500000" 'path == "/leave"'
}

@test "cheaper: a worker that is not replaced is reported by the master at its end" {
  local before hung
  leave_cheap
  stop_uwsgi
  need_spans 201
  died_then
  need_accounts 'recovered == 1' 'exported == 201'
}

@test "cheaper: a place that is taken later is reported then" {
  local before hung
  leave_cheap
  wait_for "$DEADLINE" lines_at_least 200 "$SPANS"
  [ "$(spans count 'path == "/leave"')" = 0 ]
  wait_for "$DEADLINE" test -p fifo
  echo + >fifo
  wait_for "$DEADLINE" lines_at_least 201 "$SPANS"
  died_then
  need_spans 201
}

@test "a worker that is killed while the instance ends, so never replaced" {
  allow_log 'DAMN'
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  requests 50 2 /hello
  in_background get "/sleep?ms=10000&mark=$WORK/mark"
  wait_for "$DEADLINE" test -e mark
  # The master is told to end before it has seen the death: nobody takes the worker's place.
  kill -STOP "$UWSGI_PID"
  kill -KILL "$(worker_pid 1)"
  kill -INT "$UWSGI_PID"
  kill -CONT "$UWSGI_PID"
  wait_for "$DEADLINE" uwsgi_gone
  wait "$IN_BACKGROUND" || true
  log_has 'worker 1 buried'
  need_accounts 'sampled == 51'
  need_spans 51
  spans all 'tags["error.type"] == "SIGKILL"' 'path == "/sleep"'
}

# --- What else it leaves --------------------------------------------------------------------------------------

@test "SIGKILL of an idle worker: what it had finished is sent by the worker that replaces it" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  local old
  old=$(worker_pid 1)
  requests 200 4 /hello
  [ "$(wc -l <"$SPANS")" = 0 ]
  kill_worker 1
  [ "$(worker_pid 1)" != "$old" ]
  requests 10 1 /worker
  stop_uwsgi
  need_spans 210
  spans unique span
  spans all '"error" not in tags and status == 200'
  # All from one client, and it is the new worker: the old one never sent a thing.
  spans check 'len({s["process"]["client-uuid"] for s in spans}) == 1'
  need_accounts 'exported == 210' 'recovered == 0' 'lost == 0'
}

@test "SIGKILL in a request: its trace is the caller's, and those before it are whole" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  # Nothing is sent before the kill: a span that was sent and not ticked off would come twice.
  serve <<INI
processes = 1
tracing-flush-interval = 60s
INI
  requests 5 1 /hello
  in_background get "/sleep?ms=10000&mark=$WORK/mark" -H 'uber-trace-id: abc:def:0:1'
  wait_for "$DEADLINE" test -e mark
  kill_worker 1
  wait "$IN_BACKGROUND" || true
  get /hello
  stop_uwsgi
  need_spans 7
  spans all 'tags["error.type"] == "SIGKILL" and n(trace) == 0xabc and n(parent) == 0xdef' 'path == "/sleep"'
  spans all '"error" not in tags' 'path == "/hello"'
  need_accounts 'recovered == 1' 'exported == 7'
}

@test "an application that kills its worker, four cores of it busy: each request is a span with error" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve <<INI
processes = 1
threads = 4
INI
  three_asleep
  get /kill || true
  # Both: it is dead, and another one is there.
  wait_for "$DEADLINE" nudged_to_accept 2
  wait_for "$DEADLINE" lines_at_least 4 "$SPANS"
  need_spans 4
  spans all 'tags["error"] is True and tags["error.type"] == "SIGKILL"'
  spans check 'Counter(s["path"] for s in spans) == {"/sleep": 3, "/kill": 1}'
  need_accounts 'recovered == 4'
}

@test "killed at random moments under load, 200 rounds: each request is one span or was never begun" {
  allow_log 'DAMN ! worker [12] .* killed by signal 9' 'respawning too fast'
  serve <<INI
processes = 2
disable-logging = true
forkbomb-delay = 0
tracing-flush-interval = 10ms
INI
  local sent seconds=40
  [ -z "${E2E_LONG:-}" ] || seconds=600
  "$PYTHON" "$TOOLS/kill_rounds.py" run "$UWSGI_PID" "$HOST" seen.json --rounds 200 --seconds $seconds
  stop_uwsgi
  settle_collector
  sent=$("$PYTHON" "$TOOLS/kill_rounds.py" check seen.json "$SPANS")
  need_accounts "sampled == $sent" "exported == $sent" 'lost == 0' 'recovered > 0'
}
