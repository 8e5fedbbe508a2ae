#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every way to stop an instance and to start its workers again, under load, with one collector that
# lives and one that hangs: what was answered is exported to the one and counted for the other, it
# takes no longer than without the plugin and tracing-exit-timeout, and nothing is left behind.
#
# Each row is run twice, without the plugin and with it. What is waited for is an event; what is
# measured is the time to it.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
# shellcheck disable=SC2034 # the helper uses ACCOUNTS
load helper

EXIT_TIMEOUT=1500 # ms, of the plugin
# What a busy machine and uWSGI's master, which looks around once a second, may add. It is less than
# the timeout: to wait for a collector twice does not pass.
NOISE=1300

# --- A server under load --------------------------------------------------------------------------------

# way_lines [INI LINE...]: the ini of a server of two workers
way_lines() {
  cat <<INI
processes = 2
disable-logging = true
forkbomb-delay = 0
http-socket = $WORK/http.sock
master-fifo = $WORK/fifo
wsgi-file = $APPS/app.py
INI
  [ "${WITHOUT:-}" = tracing ] || cat <<INI
tracing-exit-timeout = ${EXIT_TIMEOUT}ms
tracing-export = $LIVE
tracing-export = $HUNG
INI
  printf '%s\n' "$@"
}

# start_way [INI LINE...]: that server, with load on it until stop_load
start_way() {
  way_lines "$@" >way.ini # start_uwsgi in a pipeline would be in a subshell
  start_uwsgi <way.ini
  start_load
}

# start_collectors: sets LIVE and HUNG, the URLs of one that takes all and of one that takes nothing.
start_collectors() {
  allow_log 'cannot export' 'spans lost' 'exports again'
  background hung "$PYTHON" "$TOOLS/fault_collector.py" --out "$WORK/hung.jsonl" --fault hang-accept
  wait_for "$DEADLINE" log_has '^port ' "$WORK/hung.log"
  HUNG=otlp.json+http://127.0.0.1:$(sed -n 's/^port //p' "$WORK/hung.log")
  start_collector
  LIVE=jaeger+udp://127.0.0.1:$COLLECTOR_PORT
}

start_load() {
  over "$WORK/http.sock"
  background load "$E2E_LOAD" "$WORK/http.sock" 1000000 4 "${LOAD_PATH:-/sleep?ms=2}"
  LOAD_PID=$LAST_PID
  wait_for "$DEADLINE" workers_busy
}

# Requests are answered; and, where there are spans to be sent at once, they are, and an export that
# hangs is under way in both workers.
workers_busy() {
  if [ "${WITHOUT:-}" = tracing ] || grep -q 'flush-interval = 60s' way.ini; then
    get /hello | grep -q hello
  else
    [ "$(spans values worker 2>/dev/null)" = $'1\n2' ] && [ "$(wc -c <"$WORK/hung.jsonl.connections")" -ge 2 ]
  fi
}

# stop_load: sets ANSWERED and ASKED
stop_load() {
  stop_pid "$LOAD_PID"
  ANSWERED=$(awk '$1 != 0 { n += $2 } END { print n + 0 }' load.log)
  ASKED=$(awk '{ n += $2 } END { print n + 0 }' load.log)
  [ "$ANSWERED" -gt 0 ]
  awk '$1 != 0 && $1 != 200 { exit 1 }' load.log
}

# --- What is done to it -----------------------------------------------------------------------------------

signal() { kill -"$1" "$UWSGI_PID"; }
fifo() { printf %s "$1" >fifo; }
# uWSGI looks at whole seconds: each time it is two more of them.
touched() { touch -d "@$(($(stat -c %Y "$1") + 2))" "$1"; }
# modified FILE: a module, until uWSGI's thread that looks after modules each second has said so. What it
# finds first is only what it begins with; and a change too many is another SIGHUP, to a uWSGI that is
# just starting. So it has two seconds for each.
modified() { wait_for "$DEADLINE" seen_modified "$1" $(($(log_count "$RELOADER") + 1)); }
seen_modified() {
  log_has_times "$2" "$RELOADER" && return 0
  [ -n "$(find "$1" -newerct '2 seconds ago')" ] || touched "$1"
  return 1
}
RELOADER='^\[uwsgi-python-reloader\] module/file .* has been modified'
# chained ACTION...: does it when no chain of two workers is under way: uWSGI would not hear of it
chained() {
  wait_for "$DEADLINE" chain_complete
  "$@"
}
chain_complete() { [ "$(log_count 'chain next victim')" = $(($(log_count 'chain reloading complete') * 2)) ]; }
killed_master() { kill -KILL "$UWSGI_PID"; }

# took COMMAND...: sets TOOK, the milliseconds it ran
took() {
  local before=${EPOCHREALTIME/./}
  "$@"
  TOOK=$(((${EPOCHREALTIME/./} - before) / 1000))
}

# --- What must be true ------------------------------------------------------------------------------------

# in_time BARE TIMES: the last thing took no longer than BARE ms and the timeout so many times
in_time() {
  echo "without the plugin $1 ms, with it $TOOK ms"
  [ "$TOOK" -le $(($1 + EXIT_TIMEOUT * $2 + NOISE)) ]
}

# all_accounted [TWICE]: every answered request is a span, and every span arrived where they are
# taken; where none is, all are counted. (The test asks for some beside the load.) TWICE: workers were killed, so one may have come twice.
all_accounted() {
  need_accounts SUM URL="$LIVE" "$ANSWERED <= sampled <= $ASKED + 50" 'exported == sampled'
  need_accounts SUM URL="$HUNG" "$ANSWERED <= sampled <= $ASKED + 50" 'exported == 0' 'failed == 0'
  arrived "$@"
}

arrived() {
  local sent there
  sent=$("$PYTHON" "$TOOLS/accounts.py" "$LOG" | "$PYTHON" -c 'import json, sys
print(sum(a["exported"] for a in map(json.loads, sys.stdin) if a["url"] == sys.argv[1]))' "$LIVE")
  settle_collector
  there=$(spans values span | wc -l)
  echo "answered $ANSWERED of $ASKED, exported $sent, arrived $there"
  [ "$there" = "$sent" ]
  [ "${1:-}" = TWICE ] || spans unique span
}

# What an instance can leave outside of itself: shared memory with a name, by either interface.
shared_memory() {
  {
    find /dev/shm -mindepth 1
    awk 'FNR > 1 { print FILENAME, $2 }' /proc/sysvipc/{shm,sem,msg}
  } | sort
}

# no_new_memory BEFORE: nor has it. What comes and goes is of others.
no_new_memory() { [ -z "$(comm -13 <(echo "$1") <(shared_memory))" ]; }

# What a process has: descriptors, by kind, mappings of ours, threads.
belongings() {
  find "/proc/$1/fd" -mindepth 1 -printf '%l\n' | sed 's/[0-9]\+/N/g' | sort | uniq -c
  awk '/tracing/ { print $6 }' "/proc/$1/maps" | sort | uniq -c
  threads "$1" | sort | uniq -c
}

# --- Ends -------------------------------------------------------------------------------------------------

# to_end ACTION...: does it, and waits until uWSGI is gone
to_end() {
  "$@"
  wait_for "$DEADLINE" uwsgi_gone
}

# ends_by ACTION...: an instance that ends so. WAY: array of more lines for its ini.
ends_by() {
  local bare before
  before=$(shared_memory)
  WITHOUT=tracing start_way "${WAY[@]}"
  took to_end "$@"
  bare=$TOOK
  no_accounts
  reap_uwsgi
  stop_load
  ACCOUNTS=expected
  mv "$LOG" bare.log

  start_collectors
  start_way "${WAY[@]}"
  took to_end "$@"
  reap_uwsgi
  stop_load
  in_time "$bare" 1
  all_accounted
  find_left_of_uwsgi
  wait_for "$DEADLINE" no_new_memory "$before"
}

# Fails if a process of this test runs a uWSGI.
find_left_of_uwsgi() {
  local pid
  find_left || true
  for pid in "${LEFT[@]}"; do
    if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "^$UWSGI "; then
      echo "left: $pid" >&2
      return 1
    fi
  done
}

WAY=()

@test "SIGTERM with die-on-term" { ends_by signal TERM; }
@test "SIGINT" { ends_by signal INT; }
@test "SIGQUIT without die-on-term" {
  WAY=('die-on-term = false')
  ends_by signal QUIT
}
@test "master FIFO q" { ends_by fifo q; }
@test "master FIFO Q" { ends_by fifo Q; }
@test "SIGTERM, four threads a worker" {
  WAY=('threads = 4')
  ends_by signal TERM
}

# --- Reloads ----------------------------------------------------------------------------------------------

# to_reload N ACTION...: does it, and waits until N more workers are there
to_reload() {
  local workers
  workers=$(($(log_count "^$ACCEPTING") + $1))
  shift
  "$@"
  wait_for "$DEADLINE" nudged_to_accept "$workers"
}

# reloads_by TIMES ACTION...: two new workers come so, the server under load all the time. TIMES: how
# often one waits for the other's end. BRUTAL=1: requests may be hung up on.
reloads_by() {
  local bare before master times=$1
  shift
  before=$(shared_memory)
  WITHOUT=tracing start_way "${WAY[@]}"
  took to_reload 2 "$@"
  bare=$TOOK
  no_accounts
  stop_load
  stop_uwsgi
  ACCOUNTS=expected
  mv "$LOG" bare.log

  start_collectors
  start_way "${WAY[@]}"
  took to_reload 2 "$@"
  in_time "$bare" "$times"
  # Once more, to compare what the first and the second have left behind in the master.
  master=$(belongings "$UWSGI_PID")
  to_reload 2 "$@"
  diff <(echo "$master") <(belongings "$UWSGI_PID")
  workers_have_two_reporters
  stop_load
  [ -n "${BRUTAL:-}" ] || [ "$ANSWERED" = "$ASKED" ]
  stop_uwsgi
  all_accounted
  wait_for "$DEADLINE" no_new_memory "$before"
}

workers_have_two_reporters() {
  local worker
  for worker in 1 2; do
    [ "$(threads "$(worker_pid "$worker")" | grep -c '^trc-')" = 2 ]
  done
}

@test "SIGHUP" { reloads_by 1 signal HUP; }
@test "SIGTERM without die-on-term: brutal" {
  WAY=('die-on-term = false')
  BRUTAL=1 reloads_by 1 signal TERM
}
@test "SIGQUIT with die-on-term: brutal" { BRUTAL=1 reloads_by 1 signal QUIT; }
@test "master FIFO r" { reloads_by 1 fifo r; }
@test "master FIFO R: brutal" { BRUTAL=1 reloads_by 1 fifo R; }
@test "master FIFO c: one worker after the other" {
  WAY=('lazy-apps = true')
  reloads_by 2 chained fifo c
}
@test "master FIFO w: the workers alone" { reloads_by 1 fifo w; }
@test "touch-reload" {
  touch reload
  WAY=("touch-reload = $WORK/reload")
  reloads_by 1 touched reload
}
@test "touch-chain-reload" {
  touch reload
  WAY=("touch-chain-reload = $WORK/reload" 'lazy-apps = true')
  reloads_by 2 chained touched reload
}
@test "py-auto-reload" {
  cp "$APPS/app.py" shop.py
  WAY=("wsgi-file = $WORK/shop.py" 'py-auto-reload = 1' 'enable-threads = true')
  reloads_by 4 modified shop.py # it may be seconds until it is seen
}

# --- Workers that go of themselves, and are killed ----------------------------------------------------------

# respawns N: workers go and come N times under load, then the instance ends.
respawns() {
  start_collectors
  start_way "${WAY[@]}"
  wait_for "$DEADLINE" nudged_to_accept $((2 + $1))
  stop_load
  [ "$ANSWERED" = "$ASKED" ]
  wait_for "$DEADLINE" all_respawned 2
  stop_uwsgi
  all_accounted
}

@test "max-requests" {
  WAY=('max-requests = 20' 'min-worker-lifetime = 0' 'tracing-exit-timeout = 200ms')
  respawns 8
}

@test "reload-on-rss" {
  WAY=('reload-on-rss = 1' 'min-worker-lifetime = 0' 'tracing-exit-timeout = 200ms')
  respawns 8
}

@test "threads that serve on while their worker ends are traced to the last" {
  WAY=('threads = 4' 'tracing-exit-timeout = 50ms' 'tracing-journal-size = 4M')
  allow_log 'DAMN'
  start_collectors
  LOAD_PATH=/hello start_way "${WAY[@]}"
  for _ in 1 2; do
    kill_worker 1 TERM
    kill_worker 2 TERM
  done
  stop_load
  stop_uwsgi
  all_accounted TWICE
}

@test "worker-reload-mercy runs out" {
  WAY=('worker-reload-mercy = 1')
  local bare
  WITHOUT=tracing start_way "${WAY[@]}"
  one_sleeps
  took to_reload 2 signal HUP
  bare=$TOOK
  no_accounts
  stop_load
  stop_uwsgi
  ACCOUNTS=expected
  mv "$LOG" bare.log
  rm mark

  start_collectors
  start_way "${WAY[@]}"
  one_sleeps
  took to_reload 2 signal HUP
  in_time "$bare" 1
  stop_load
  stop_uwsgi
  log_has 'NO MERCY'
  all_accounted TWICE
  spans all 'tags["error"] is True' 'path == "/sleep" and duration_us > 900000'
}

# one_sleeps: a request that will not end
one_sleeps() {
  get "/sleep?ms=60000&mark=$WORK/mark" >/dev/null 2>&1 3>&- &
  wait_for "$DEADLINE" test -e mark
}

@test "worker-reload-mercy is shorter than the time to export: still no longer than that" {
  WAY=('worker-reload-mercy = 1')
  EXIT_TIMEOUT=4000
  start_collectors
  start_way "${WAY[@]}"
  took to_end signal INT
  reap_uwsgi
  stop_load
  in_time 2000 0
  all_accounted TWICE
}

@test "all workers killed at the end, and never replaced: one that hangs takes no time of the other" {
  allow_log 'DAMN'
  local worker
  start_collectors
  EXPECT_WORKERS=8 start_way 'processes = 8' 'tracing-flush-interval = 60s'
  wait_for "$DEADLINE" all_serve 8
  # The master is told to end before it has seen the deaths.
  kill -STOP "$UWSGI_PID"
  for worker in {1..8}; do kill -KILL "$(worker_pid "$worker")"; done
  kill -INT "$UWSGI_PID"
  took to_end kill -CONT "$UWSGI_PID"
  reap_uwsgi
  stop_load
  in_time 1000 1
  # On a busy machine it takes many requests until each worker has had one.
  ASKED=$((ASKED + $(wc -l <serve.log)))
  all_accounted
  [ "$(spans values worker | wc -l)" = 8 ]
}

# all_serve N: each of the workers has answered a request
all_serve() {
  get /worker >>serve.log && echo >>serve.log
  [ "$(cut -d' ' -f1 serve.log | sort -u | grep -c .)" = "$1" ]
}

# --- The master dies --------------------------------------------------------------------------------------

both_gone() { gone "$1" && gone "$2"; }

@test "the master is killed: its workers see it, and each ends with its accounts" {
  local one two
  start_collectors
  start_way
  one=$(worker_pid 1) two=$(worker_pid 2)
  killed_master
  took wait_for "$DEADLINE" both_gone "$one" "$two"
  in_time 1000 1
  reap_uwsgi
  stop_load
  all_accounted
  [ "$("$PYTHON" "$TOOLS/accounts.py" "$LOG" | wc -l)" = 4 ]
}

@test "the master is killed with no-orphans: nothing stays" {
  no_accounts # of processes that were all killed at once
  local one two before
  before=$(shared_memory)
  start_collectors
  start_way 'no-orphans = true'
  one=$(worker_pid 1) two=$(worker_pid 2)
  killed_master
  wait_for "$DEADLINE" both_gone "$one" "$two"
  reap_uwsgi
  stop_load
  find_left_of_uwsgi
  wait_for "$DEADLINE" no_new_memory "$before"
}

# --- The emperor ------------------------------------------------------------------------------------------

# remove_vassal: an emperor with one vassal, under load, that is then removed. Sets TOOK.
remove_vassal() {
  local master
  mkdir -p vassals
  way_lines >way.ini
  INI=$WORK/vassals/shop.ini write_ini <way.ini
  spawn_uwsgi --emperor "$WORK/vassals" --emperor-freq 1
  wait_for "$DEADLINE" workers_accept 2
  start_load
  master=$(sed -n 's/^spawned uWSGI master process (pid: \([0-9]*\))/\1/p' "$LOG")
  rm vassals/shop.ini
  took wait_for "$DEADLINE" gone "$master"
  stop_load
  stop_uwsgi
}

@test "the emperor removes a vassal" {
  local bare
  no_accounts
  WITHOUT=tracing remove_vassal
  bare=$TOOK
  ACCOUNTS=expected
  mv "$LOG" bare.log
  start_collectors
  remove_vassal
  in_time "$bare" 1
  all_accounted
}
