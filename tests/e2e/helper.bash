# SPDX-License-Identifier: MIT
# What the end-to-end tests stand on: a real uWSGI started from an ini made for the test, a collector
# that decodes with python3-thrift, and a teardown that stops both by pid and looks for what must
# never be there.
#
# Environment, to test something else than this tree's plugin under /usr/bin/uwsgi:
#   E2E_PLUGIN      the .so (default: tracing_plugin.so of this tree)
#   E2E_UWSGI       the uwsgi command
#   E2E_LD_PRELOAD  preloaded into uWSGI, such as libasan.so for a plugin built with it
#   E2E_LONG=1      the tests that take minutes, too
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # what tests use is not used here
# shellcheck disable=SC2119,SC2120 # functions with optional arguments

bats_require_minimum_version 1.5.0

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=$ROOT/tests/tools
APPS=$ROOT/tests/e2e/apps
PYTHON=/usr/bin/python3 # Debian's: it has python3-thrift
PLUGIN=${E2E_PLUGIN:-$ROOT/tracing_plugin.so}
UWSGI=${E2E_UWSGI:-uwsgi}
DEADLINE=${E2E_DEADLINE:-15} # seconds that nothing may take

# --- Setup and teardown ---------------------------------------------------------------------------

setup() {
  # Nothing of the caller's environment may configure the plugin.
  local name
  for name in $(compgen -e | grep -E '^(OTEL_|JAEGER_|SERVICE_NAME$|TRACING_|UWSGI_)'); do unset "$name"; done
  export PYTHONDONTWRITEBYTECODE=1
  # Whatever a test starts carries this, so that teardown finds what was left running.
  export E2E_TOKEN=$BATS_TEST_TMPDIR
  WORK=$BATS_TEST_TMPDIR
  LOG=$WORK/uwsgi.log
  SPANS=$WORK/spans.jsonl
  INI=$WORK/uwsgi.ini
  UWSGI_PID='' UWSGI_EXIT='' COLLECTOR_PORT='' COLLECTOR_PID=''
  HOST='' CURL_TO=() LAUNCHES=0
  BACKGROUND=() ALLOWED=() ACCOUNTS=expected COLLECTORS=()
  cd "$WORK" || return 1
}

teardown() {
  local wrong=0
  stop_uwsgi || wrong=1
  stop_background || wrong=1
  check_nothing_left || wrong=1
  check_log || wrong=1
  check_collectors || wrong=1
  if [ "$wrong" = 1 ] || [ -z "${BATS_TEST_COMPLETED:-}" ]; then
    show_failure
  fi
  return "$wrong"
}

show_failure() {
  if [ -s "$LOG" ]; then
    echo "--- uWSGI's log (without its banner)"
    grep -avE '^(\[pid: |\*\*\* (WARNING|Starting)|compiled with|os:|nodename|machine|clock source|pcre|detected|current working|lock engine|thunder|your |mapped |uWSGI running as root)' "$LOG" | tail -n 120
  fi
  local out
  for out in "${COLLECTORS[@]}"; do
    echo "--- $(wc -l <"$out") spans in ${out##*/}, the first:"
    "$PYTHON" "$TOOLS/spans.py" "$out" show 2>&1 | head -n 20
  done
}

# --- Waiting ----------------------------------------------------------------------------------------

# wait_for SECONDS COMMAND...: runs the command until it succeeds; fails after so many seconds.
wait_for() {
  local seconds=$1 end
  shift
  end=$((${EPOCHREALTIME/./} + seconds * 1000000))
  until "$@"; do
    if [ "${EPOCHREALTIME/./}" -gt "$end" ]; then
      echo "waited ${seconds} s in vain for: $*" >&2
      return 1
    fi
    sleep 0.02
  done
}

log_has() { grep -aqE -- "$1" "${2:-$LOG}" 2>/dev/null; }
log_count() { grep -acE -- "$1" "${2:-$LOG}" 2>/dev/null || true; }
log_has_times() { [ "$(log_count "$2")" -ge "$1" ]; }
# A process that is there and not a zombie.
alive() { [ -e "/proc/$1/stat" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }
gone() { ! alive "$1"; }
lines_at_least() { [ -e "$2" ] && [ "$(wc -l <"$2")" -ge "$1" ]; }

# none REGEX: no line of standard input matches. (`! grep` would go unnoticed: bash's errexit leaves
# negated commands alone.)
none() {
  local found
  found=$(grep -E -- "$1" || true)
  [ -z "$found" ] || {
    echo "not wanted: $found" >&2
    return 1
  }
}

free_port() { "$PYTHON" "$TOOLS/peer.py" port "$@"; }

# --- Processes beside uWSGI -------------------------------------------------------------------------

# background NAME COMMAND...: runs it until teardown; its output goes to NAME.log. Sets LAST_PID.
background() {
  local name=$1
  shift
  "$@" >"$WORK/$name.log" 2>&1 3>&- &
  LAST_PID=$!
  BACKGROUND+=("$LAST_PID")
}

# stop_pid PID: SIGTERM, and SIGKILL (and failure) when it is still there after the deadline.
stop_pid() {
  kill -TERM "$1" 2>/dev/null || return 0
  if ! wait_for "$DEADLINE" gone "$1"; then
    kill -KILL "$1"
    return 1
  fi
}

stop_background() {
  local pid wrong=0
  for pid in "${BACKGROUND[@]}"; do stop_pid "$pid" || wrong=1; done
  BACKGROUND=()
  return "$wrong"
}

# Fills LEFT with the pids that carry this test's mark; fails if there are any.
find_left() {
  local file pid
  LEFT=()
  while IFS= read -r file; do
    pid=${file#/proc/}
    pid=${pid%/environ}
    if [ "$pid" != "$BASHPID" ] && alive "$pid"; then LEFT+=("$pid"); fi
  done < <(grep -lzxF "E2E_TOKEN=$E2E_TOKEN" /proc/[0-9]*/environ 2>/dev/null)
  [ ${#LEFT[@]} = 0 ]
}

check_nothing_left() {
  local pid
  wait_for 3 find_left 2>/dev/null && return 0
  for pid in "${LEFT[@]}"; do
    echo "left running: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
    kill -KILL "$pid"
  done
  return 1
}

# --- The collector ----------------------------------------------------------------------------------

# start_collector [OPTION...]: sets COLLECTOR_PORT; spans go to $SPANS.
start_collector() { start_collector_to "$SPANS" "$@"; }

# start_collector_to FILE [OPTION...]: the same, for a test with several.
start_collector_to() {
  local out=$1 name
  shift
  name=collector-${out##*/}
  rm -f "$WORK/$name.log" # of an earlier one
  background "$name" "$PYTHON" "$TOOLS/collector.py" --out "$out" "$@"
  COLLECTOR_PID=$LAST_PID
  COLLECTORS+=("$out")
  wait_for "$DEADLINE" log_has '^port ' "$WORK/$name.log"
  COLLECTOR_PORT=$(sed -n 's/^port //p' "$WORK/$name.log")
}

# settle_collector: returns when all that was sent to it before is in its file.
settle_collector() {
  local token=$RANDOM$RANDOM
  printf 'BARRIER %s' "$token" >"/dev/udp/127.0.0.1/$COLLECTOR_PORT"
  wait_for "$DEADLINE" grep -qsx "$token" "$SPANS.barrier"
}

check_collectors() {
  local out wrong=0
  for out in "${COLLECTORS[@]}"; do
    if [ -s "$out.errors" ]; then
      echo "datagrams python3-thrift did not like:" >&2
      head -n 5 "$out.errors" >&2
      wrong=1
    fi
  done
  return "$wrong"
}

# spans QUESTION...: see tests/tools/spans.py
spans() { "$PYTHON" "$TOOLS/spans.py" "$SPANS" "$@"; }

# need_spans N: exactly N spans arrive. The event that settles it is the end of uWSGI, which flushes
# (a test with a long flush interval ends it first).
need_spans() {
  if [ -n "$UWSGI_PID" ]; then
    wait_for "$DEADLINE" lines_at_least "$1" "$SPANS" || true # the count below says more
  fi
  stop_uwsgi
  settle_collector
  local there
  there=$(wc -l <"$SPANS")
  if [ "$there" != "$1" ]; then
    echo "wanted $1 spans, got $there" >&2
    return 1
  fi
}

# need_accounts [CONDITION...]: uWSGI's last words balance and meet the conditions: 'exported == 4'.
# Stops uWSGI if it runs.
need_accounts() {
  stop_uwsgi
  "$PYTHON" "$TOOLS/accounts.py" "$LOG" check "$@"
}

# --- uWSGI ------------------------------------------------------------------------------------------

# start_uwsgi [UWSGI OPTION...] <INI LINES: an ini of the base lines and those, a line here replacing
# base lines of the same name. Waits until the workers are there. The base has the plugin, a master,
# http-socket on a free port (in $HOST), and exports to the collector if one was started.
#   WITHOUT=http-socket   leaves that base line out; WITHOUT=tracing leaves the whole plugin out
#   EXPECT_WORKERS=2       workers to wait for, when they are not as many as `processes`
#   LANGUAGE_PLUGIN=psgi   language plugin instead of python3
start_uwsgi() {
  write_ini
  launch_uwsgi "$@"
  local workers
  workers=${EXPECT_WORKERS:-$(sed -n 's/^processes *= *//p' "$INI")}
  wait_for "$DEADLINE" workers_accept "${workers:-1}"
  find_http_socket
}

# serve <INI LINES: a collector, and a uWSGI with the usual application and those lines.
serve() {
  start_collector
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
$(cat)
INI
}

# What each worker says when it is ready.
ACCEPTING='e2e: a worker accepts'

base_lines() {
  # strict: an option nobody knows (a plugin that is not installed) must not go unnoticed.
  cat <<BASE
strict = true
plugin = ${LANGUAGE_PLUGIN:-python3}
master = true
die-on-term = true
need-app = true
http-socket = 127.0.0.1:0
hook-accepting = print:$ACCEPTING
BASE
  [ "${WITHOUT:-}" != tracing ] || return 0
  cat <<BASE
plugin = $PLUGIN
tracing-service = e2e
tracing-flush-interval = 50ms
BASE
  [ -z "$COLLECTOR_PORT" ] || echo "tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT"
}

write_ini() {
  local mine key line
  mine=$(cat)
  {
    echo '[uwsgi]'
    while IFS= read -r line; do
      key=${line%% =*}
      [ "$key" != "${WITHOUT:-}" ] || continue
      if [ "$key" = plugin ] || ! grep -qE "^$key *=" <<<"$mine"; then echo "$line"; fi
    done < <(base_lines)
    printf '%s\n' "$mine"
  } >"$INI"
}

# launch_uwsgi [UWSGI OPTION...]: starts it from $INI and does not wait. A second uWSGI of a test gets
# a log of its own, once that of the first has been looked at.
launch_uwsgi() {
  if [ -e "$LOG" ]; then
    check_log
    mv "$LOG" "$LOG.$((++LAUNCHES))"
  fi
  spawn_uwsgi --ini "$INI" "$@"
}

# spawn_uwsgi UWSGI OPTION...: uWSGI, its log in $LOG and its standard output in $OUT or there, too
spawn_uwsgi() {
  LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" "$@" >>"${OUT:-$LOG}" 2>>"$LOG" 3>&- &
  UWSGI_PID=$!
  UWSGI_EXIT=''
}

# adopt_daemon PIDFILE WORKERS: the uWSGI just spawned becomes a daemon; $UWSGI_PID becomes that
# daemon's.
adopt_daemon() {
  wait_for "$DEADLINE" gone "$UWSGI_PID"
  reap_uwsgi
  wait_for "$DEADLINE" test -s "$1"
  UWSGI_PID=$(cat "$1")
  wait_for "$DEADLINE" workers_accept "$2"
  find_http_socket
}

# workers_accept N: so many have come so far in their lives
workers_accept() {
  log_has_times "$1" "^$ACCEPTING" && return 0
  alive "$UWSGI_PID" && return 1
  echo "uWSGI ended at its start" >&2 # no use in waiting on; the first request fails
}

# nudged_to_accept N: so many workers have ever come to accept; has the master look after dead ones.
nudged_to_accept() {
  nudge
  workers_accept "$1"
}

# all_respawned N: there are N workers, and none of them has said good bye. (uWSGI that gets SIGINT
# while a worker ends of its own accord may hang, with or without a plugin.)
all_respawned() {
  nudge
  [ "$(log_count 'spawned uWSGI worker')" = "$(($(log_count 'The work of process') + $1))" ] && all_accept
}

# Every worker that was ever spawned has come so far.
all_accept() { log_has_times "$(log_count 'spawned uWSGI worker')" "^$ACCEPTING"; }

# Points `get` at the first socket that got a free port by itself.
find_http_socket() {
  local port
  port=$(sed -n 's/^uwsgi socket .* TCP address 127.0.0.1:\([0-9]*\) (port auto-assigned).*/\1/p' "$LOG" | head -n 1)
  [ -z "$port" ] || HOST=127.0.0.1:$port
}

# run_uwsgi <INI LINES: one that is expected to end by itself, soon. Sets $status, output in $LOG.
run_uwsgi() {
  write_ini
  local status_file=$WORK/exit
  launch_uwsgi "$@"
  wait_for "$DEADLINE" gone "$UWSGI_PID" || return 1
  reap_uwsgi
  status=$UWSGI_EXIT
}

reap_uwsgi() {
  UWSGI_EXIT=0
  wait "$UWSGI_PID" || UWSGI_EXIT=$?
  UWSGI_PID=''
}

# children PID: the pids of its children
children() { tr ' ' '\n' 2>/dev/null <"/proc/$1/task/$1/children"; }

# uWSGI's master looks after its children once a second. SIGUSR1 (it logs statistics) makes it look
# now, when a child is dead: it saves each test most of a second.
nudge() {
  local pid
  while read -r pid; do
    if [ -n "$pid" ] && ! alive "$pid"; then
      kill -USR1 "$UWSGI_PID" 2>/dev/null || true
      return 0
    fi
  done < <(children "$UWSGI_PID")
}

# ThreadSanitizer keeps a signal back while its thread waits for a lock, and so does uWSGI's main thread for
# its turn to accept, if there are more threads. It has its turn when the others have somebody to listen to.
knock() {
  [[ "${E2E_LD_PRELOAD:-}" == *tsan* && "$HOST" == *:* ]] || return 0
  (
    for _ in {1..8}; do exec {fd}<>"/dev/tcp/${HOST%:*}/${HOST##*:}"; done
    sleep 0.2
  ) 2>/dev/null || true
}

uwsgi_gone() { gone "$UWSGI_PID" || { nudge && knock && false; }; }

# stop_uwsgi [SIGNAL]: stops it by its own pid, within the deadline; exit code in UWSGI_EXIT. No-op
# when it does not run.
stop_uwsgi() {
  [ -n "$UWSGI_PID" ] || return 0
  # A worker that was forked this instant still has the master's signal handlers: told to end now, it
  # would not, and uWSGI would wait a minute for it (with or without our plugin).
  if grep -qs "$ACCEPTING" "$INI"; then wait_for 2 all_accept 2>/dev/null || true; fi
  kill -"${1:-INT}" "$UWSGI_PID" 2>/dev/null || true
  if ! wait_for "$DEADLINE" uwsgi_gone; then
    echo "uWSGI did not end: killed" >&2
    kill_tree "$UWSGI_PID"
    UWSGI_PID=''
    ACCOUNTS=none
    return 1
  fi
  reap_uwsgi
}

kill_tree() {
  local pid
  while read -r pid; do [ -z "$pid" ] || kill_tree "$pid"; done < <(children "$1")
  kill -KILL "$1" 2>/dev/null || true
}

# worker_pid N: pid of worker N as it is now.
worker_pid() {
  sed -nE "s/.*spawned uWSGI worker $1 (\(and the only\) )?\((new )?pid: ([0-9]+).*/\3/p" "$LOG" | tail -n 1
}

# kill_worker N [SIGNAL]: kills it and waits until another has taken its place and is ready.
kill_worker() {
  local pid
  pid=$(worker_pid "$1")
  kill -"${2:-KILL}" "$pid"
  wait_for "$DEADLINE" worker_replaced "$1" "$pid"
}

worker_replaced() {
  [ "$(worker_pid "$1")" != "$2" ] && all_accept && return 0
  nudge
  return 1
}

# threads PID: the names of its threads.
threads() { cat "/proc/$1/task/"*/comm; }

# allow_log REGEX...: lines of the plugin, or words, that this test wants in uWSGI's log.
allow_log() { ALLOWED+=("$@"); }

# no_accounts: this uWSGI ends in a way that leaves no accounts.
no_accounts() { ACCOUNTS=none; }

# What must never be in the log, and the accounts that must be at its end.
check_log() {
  [ -e "$LOG" ] || return 0
  local pattern lines wrong=0
  lines=$(grep -anE '\[tracing\]|DAMN|[Ss]egmentation fault|(Address|Leak|Thread)Sanitizer|runtime error:|backtrace of' "$LOG" |
    grep -vE '\[tracing\] ([a-z0-9.+]+:[^ ]*: sampled [0-9]+ = |service .*, to .*, sampler )' || true)
  for pattern in "${ALLOWED[@]}"; do lines=$(grep -vE -- "$pattern" <<<"$lines" || true); done
  if [ -n "$lines" ]; then
    echo "not expected in uWSGI's log:" >&2
    echo "$lines" >&2
    wrong=1
  fi
  if [ "$ACCOUNTS" = expected ]; then
    "$PYTHON" "$TOOLS/accounts.py" "$LOG" check || wrong=1
  fi
  return "$wrong"
}

# --- Requests ---------------------------------------------------------------------------------------

# get PATH [CURL OPTION...]: one request to $HOST.
get() {
  local path=$1
  shift
  curl -sS --max-time "$DEADLINE" "${CURL_TO[@]}" "$@" "http://${HOST:-localhost}$path"
}

# over SOCKET: further requests go to this UNIX socket.
over() { CURL_TO=(--unix-socket "$1") HOST=localhost; }

# in_background COMMAND...: runs it and lets it fail; its output goes to the file `background`.
in_background() {
  "$@" >background 2>&1 3>&- &
  IN_BACKGROUND=$!
}

# three_asleep: three requests of ten seconds are running
three_asleep() {
  local i
  for i in 1 2 3; do get "/sleep?ms=10000&mark=$WORK/mark$i" >/dev/null 2>&1 3>&- & done
  for i in 1 2 3; do wait_for "$DEADLINE" test -e "mark$i"; done
}

status_of() { get "$@" -o /dev/null -w '%{http_code}'; }

# requests N THREADS [PATH [HEADER...]]: so many, fast; all are answered 200.
requests() {
  local count=$1 answer
  answer=$("$E2E_LOAD" "${CURL_TO[1]:-$HOST}" "$@")
  if [ "$answer" != "200 $count" ]; then
    echo "of $count requests: $answer" >&2
    return 1
  fi
}

# rpc NAME [ARGUMENT...]: what the application is answered that calls it.
rpc() {
  local args=(--data-urlencode "name=$1") arg
  shift
  for arg in "$@"; do args+=(--data-urlencode "arg=$arg"); done
  get /rpc -G "${args[@]}"
}

# field NAME: its value in the JSON object on standard input, or nothing.
field() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"; }

# json EXPR: a Python expression over `j`, the JSON on standard input.
json() { "$PYTHON" -c 'import json, sys; j = json.load(sys.stdin); print(eval("(%s)" % sys.argv[1]))' "$1"; }
