#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tracing-journal = FILE: what outlives a reload, a kill of everything, and another configuration.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# serve <INI LINES: a uWSGI with a journal in a file, the usual application and those lines, that sends
# nothing by itself for a minute.
serve() {
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-journal = $WORK/journal
tracing-flush-interval = 60s
$(cat)
INI
}

# The master and its workers, all at once: nobody gets to say a thing.
kill_instance() {
  local pids pid
  # A worker whose master is gone ends by itself, and a master whose worker is gone makes another.
  kill -STOP "$UWSGI_PID"
  mapfile -t pids < <(children "$UWSGI_PID")
  kill -KILL "${pids[@]}" "$UWSGI_PID"
  for pid in "${pids[@]}"; do wait_for "$DEADLINE" gone "$pid"; done
  reap_uwsgi
  close_log
}

# The log is that of an instance without last words; the next one has its own.
close_log() {
  ACCOUNTS=none check_log
  mv "$LOG" "$LOG.$((++LAUNCHES))"
}

# all_arrive N: at the end, which is when they are sent.
all_arrive() {
  stop_uwsgi
  need_spans "$1"
}

# in_background COMMAND...: runs it and lets it fail.
in_background() {
  "$@" >background 2>&1 3>&- &
  IN_BACKGROUND=$!
}

# took_over N: the instance that runs said so.
took_over() {
  allow_log "tracing-journal = $WORK/journal: took over $1 spans"
  log_has "tracing-journal = $WORK/journal: took over $1 spans"
}

# refused WORDS: uWSGI that is started from the INI LINES ends, and one line says why.
refused() {
  allow_log 'tracing-journal = .*(cannot|can be|is in use)'
  run_uwsgi
  [ "$status" != 0 ]
  log_has "\\[tracing\\] tracing-journal = .*$1"
  [ "$(log_count '\[tracing\]')" = 1 ]
  log_count 'spawned uWSGI' | grep -qx 0
  close_log
}

# --- Kills ---------------------------------------------------------------------------------------------------

@test "SIGKILL of everything with the collector away: the next start delivers each span once, the open one too" {
  COLLECTOR_PORT=$(free_port udp)
  serve <<<'processes = 2'
  requests 100 4 /hello
  local before after
  before=${EPOCHREALTIME/./}
  in_background get "/sleep?ms=20000&mark=$WORK/mark" -H 'uber-trace-id: abc:def:0:1'
  wait_for "$DEADLINE" test -e mark
  kill_instance
  wait "$IN_BACKGROUND" || true
  after=${EPOCHREALTIME/./}
  start_collector --port "$COLLECTOR_PORT"
  serve <<<'processes = 2'
  took_over 101
  wait_for "$DEADLINE" lines_at_least 101 "$SPANS"
  requests 10 1 /hello
  all_arrive 111
  spans unique span
  spans all 'tags["error"] is True and n(trace) == 0xabc and n(parent) == 0xdef' 'path == "/sleep"'
  spans all "start_us >= $before and start_us + duration_us <= $after" 'path == "/sleep"'
  spans all 'status == 200 and "error" not in tags' 'path == "/hello"'
  need_accounts 'sampled == 111' 'exported == 111' 'recovered == 1' 'lost == 0'
}

@test "SIGKILL of everything at random moments, again and again: every answered request is a span" {
  allow_log 'took over'
  start_collector
  local seed=${E2E_SEED:-$RANDOM} answered=0
  echo "E2E_SEED=$seed"
  RANDOM=$seed
  for _ in 1 2 3 4 5 6; do
    serve <<INI
processes = 2
threads = 2
tracing-flush-interval = 10ms
INI
    # shellcheck disable=SC2153 # it is another variable than E2E_LONG
    in_background "$E2E_LOAD" "$HOST" 3000 4 '/hello'
    wait_for "$DEADLINE" lines_at_least $((answered + RANDOM % 500)) "$SPANS"
    kill_instance
    wait "$IN_BACKGROUND" || true
    answered=$((answered + $(sed -n 's/^200 //p' background)))
  done
  serve <<<'processes = 2'
  stop_uwsgi
  settle_collector
  # A batch that had been sent and not been noted down comes twice; nothing else does.
  spans check "len({s['span'] for s in spans}) >= $answered"
  spans check "len({s['span'] for s in spans if s['status'] == 200}) >= $answered - 24"
  spans check 'all(s["tags"]["error"] is True for s in spans if s["status"] is None)'
  need_accounts 'queued == 0' 'lost == 0'
}

@test "SIGKILL of the master alone: nobody takes the journal before the last worker is gone" {
  start_collector
  serve <<<'processes = 1'
  requests 10 1 /hello
  local worker
  worker=$(worker_pid 1)
  kill -STOP "$worker"
  kill -KILL "$UWSGI_PID"
  wait_for "$DEADLINE" gone "$UWSGI_PID"
  reap_uwsgi
  close_log
  refused "is in use by another instance \\(process $worker\\)" <<INI
wsgi-file = $APPS/app.py
tracing-journal = $WORK/journal
INI
  kill -KILL "$worker"
  wait_for "$DEADLINE" gone "$worker"
  serve <<<'processes = 1'
  took_over 10
  all_arrive 10
  need_accounts 'exported == 10' 'recovered == 0'
}

# --- Reloads ------------------------------------------------------------------------------------------------

# accepted N: so many workers have come so far
accepted() {
  nudge
  workers_accept "$1"
}

@test "SIGHUP with the collector away: the new image of the same process delivers it" {
  allow_log 'cannot export' 'exports again'
  COLLECTOR_PORT=$(free_port udp)
  serve <<INI
processes = 2
http-socket = $WORK/http.sock
tracing-exit-timeout = 200ms
INI
  over "$WORK/http.sock"
  requests 100 4 /hello
  kill -HUP "$UWSGI_PID"
  wait_for "$DEADLINE" accepted 4
  log_has 'queued 100 .*what is queued stays in the journal'
  took_over 100
  requests 20 4 /hello
  start_collector --port "$COLLECTOR_PORT"
  stop_uwsgi
  all_arrive 120
  spans unique span
  need_accounts 'sampled == exported + queued'
}

@test "SIGHUP with a request that has no mercy, and without a file: the line says what went" {
  allow_log 'cannot export'
  COLLECTOR_PORT=$(free_port udp)
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
http-socket = $WORK/http.sock
tracing-exit-timeout = 100ms
INI
  over "$WORK/http.sock"
  requests 30 1 /hello
  kill -HUP "$UWSGI_PID"
  wait_for "$DEADLINE" accepted 2
  log_has 'sampled 30 = .* queued 30 .*, what was queued is gone'
  stop_uwsgi
}

@test "chain reload: the journal goes on" {
  start_collector
  serve <<INI
processes = 2
lazy-apps = true
master-fifo = $WORK/fifo
INI
  requests 100 4 /hello
  wait_for "$DEADLINE" test -p fifo
  echo c >fifo
  wait_for "$DEADLINE" accepted 4
  requests 100 4 /hello
  all_arrive 200
  spans unique span
  need_accounts 'exported == 200' 'recovered == 0'
}

@test "an emperor's vassal that is touched keeps its journal" {
  COLLECTOR_PORT=$(free_port udp)
  allow_log 'took over 50 spans' 'cannot export' 'exports again'
  mkdir vassals
  write_ini <<INI
processes = 1
wsgi-file = $APPS/app.py
http-socket = $WORK/http.sock
tracing-journal = $WORK/journal
tracing-flush-interval = 60s
tracing-exit-timeout = 100ms
INI
  cp "$INI" vassals/shop.ini
  spawn_uwsgi --emperor "$WORK/vassals" --die-on-term --emperor-freq 1
  over "$WORK/http.sock"
  wait_for "$DEADLINE" log_has_times 1 "^$ACCEPTING"
  requests 50 2 /hello
  touch -d '+2 seconds' vassals/shop.ini
  wait_for "$DEADLINE" log_has_times 2 "^$ACCEPTING"
  log_has 'took over 50 spans'
  start_collector --port "$COLLECTOR_PORT"
  stop_uwsgi
  all_arrive 50
  spans unique span
}

# --- Another configuration -----------------------------------------------------------------------------------

@test "workers, threads, sizes and the collector change: what is left goes to the new one" {
  serve <<INI
processes = 4
tracing-export = jaeger+udp://127.0.0.1:$(free_port udp)
INI
  requests 100 8 /hello
  kill_instance
  start_collector
  serve <<INI
processes = 2
threads = 3
tracing-journal-size = 256k
INI
  took_over 100
  requests 10 1 /hello
  all_arrive 110
  spans unique span
  need_accounts 'exported == 110'
}

@test "of two collectors one is given up: the other gets nothing twice, what only that one waited for is counted" {
  allow_log 'cannot export'
  local dead
  dead=$(free_port udp)
  start_collector
  serve <<INI
processes = 1
tracing-flush-interval = 50ms
tracing-export = jaeger+udp://127.0.0.1:$dead
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-exit-timeout = 100ms
INI
  requests 30 2 /hello
  wait_for "$DEADLINE" lines_at_least 30 "$SPANS" # the end leaves a busy machine no time for it
  stop_uwsgi
  need_accounts "URL=jaeger+udp://127.0.0.1:$COLLECTOR_PORT" 'exported == 30'
  need_accounts "URL=jaeger+udp://127.0.0.1:$dead" 'queued == 30'
  serve <<<'processes = 1'
  took_over 0
  log_has ', 30 were for exporters that are gone'
  requests 5 1 /hello
  all_arrive 35
  spans unique span
  need_accounts 'sampled == 5' 'exported == 5'
}

# --- Files that cannot be used ---------------------------------------------------------------------------------

@test "a second instance with the same file: one line, and no start; the first is untouched" {
  start_collector
  serve <<<'processes = 1'
  requests 5 1 /hello
  local log=$LOG
  cp "$INI" second.ini
  LOG=$WORK/second.log
  local status=0
  LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" --ini second.ini >"$LOG" 2>&1 || status=$?
  [ "$status" != 0 ]
  [ "$(grep -a '\[tracing\]' "$LOG")" = "[tracing] tracing-journal = $WORK/journal: is in use by another instance (process $UWSGI_PID)" ]
  LOG=$log
  requests 5 1 /hello
  all_arrive 10
}

@test "places where no journal can be: each has its line" {
  local ini="wsgi-file = $APPS/app.py"
  refused 'cannot be opened: No such file or directory' <<<"$ini
tracing-journal = $WORK/nowhere/journal"
  mkdir directory
  refused 'cannot be opened: Is a directory' <<<"$ini
tracing-journal = $WORK/directory"
  touch wide
  chmod 644 wide
  refused 'can be opened by other users \(mode 644, needs 600\)' <<<"$ini
tracing-journal = $WORK/wide"
}

# A directory that is root's, and that others can reach: sets PUBLIC.
public_directory() {
  PUBLIC=$(mktemp -d /tmp/trc-journal-XXXXXX)
  chmod 755 "$PUBLIC"
}

@test "a directory that the server may not write to" {
  [ "$EUID" = 0 ] || skip 'needs root, to drop privileges'
  public_directory
  refused 'cannot be opened: Permission denied' <<INI
wsgi-file = $APPS/app.py
uid = nobody
tracing-journal = $PUBLIC/journal
INI
  rm -r "$PUBLIC"
}

@test "no room on the disk" {
  [ "$EUID" = 0 ] || skip 'needs root, to mount'
  mkdir little
  mount -t tmpfs -o size=512k none little || skip 'cannot mount'
  local rc=0
  refused 'cannot be as large as it has to be: No space left on device' <<INI || rc=$?
wsgi-file = $APPS/app.py
tracing-journal = $WORK/little/journal
INI
  umount little
  [ "$rc" = 0 ]
}

@test "uid and gid: the file is theirs, whenever privileges are dropped, and a reload opens it again" {
  [ "$EUID" = 0 ] || skip 'needs root, to drop privileges'
  local when served=0
  start_collector
  public_directory
  local journal=$PUBLIC/private/journal
  local INI=$PUBLIC/uwsgi.ini
  mkdir "$PUBLIC/private"
  cd "$PUBLIC"
  cp "$APPS/app.py" "$PUBLIC/app.py"
  for when in '' 'drop-after-init = true' 'drop-after-apps = true' 'master-as-root = true'; do
    rm -f "$journal"
    chown nobody:nogroup "$PUBLIC/private"
    serve <<INI
processes = 1
http-socket = $PUBLIC/private/http.sock
uid = nobody
gid = nogroup
wsgi-file = $PUBLIC/app.py
tracing-journal = $journal
$when
INI
    over "$PUBLIC/private/http.sock"
    case $when in
      master*) [ "$(stat -c '%a %U %G' "$journal")" = '600 root root' ] ;;
      *) [ "$(stat -c '%a %U %G' "$journal")" = '600 nobody nogroup' ] ;;
    esac
    get /hello
    kill -HUP "$UWSGI_PID"
    wait_for "$DEADLINE" accepted 2
    get /hello
    all_arrive $((served += 2))
  done
  rm -r "$PUBLIC"
}

@test "a file that is no journal, and one that was damaged: set aside, and the server serves" {
  start_collector
  printf 'somebody wrote this\n' >journal
  chmod 600 journal
  allow_log "tracing-journal = $WORK/journal: set aside as $WORK/journal.bad: it (ends too soon|has|is)"
  serve <<<'processes = 1'
  log_has 'set aside as .*journal.bad: it ends too soon'
  [ "$(cat journal.bad)" = 'somebody wrote this' ]
  requests 5 1 /hello
  kill_instance
  truncate -s -4096 journal
  serve <<<'processes = 1'
  log_has 'set aside as .*journal.bad: it has [0-9]+ bytes instead of'
  requests 7 1 /hello
  kill_instance
  # Over a record of its ring: that one is gone, and counted.
  "$PYTHON" - <<'PY'
import re
f = open('journal', 'r+b')
bytes = f.read()
f.seek([m.start() for m in re.finditer(b'/hello', bytes)][-3])
f.write(b'/jello')
PY
  serve <<<'processes = 1'
  took_over 6
  log_has '; 1 were damaged'
  all_arrive 6
  spans all 'path == "/hello"'
  need_accounts 'sampled == 7' 'exported == 6' 'lost == 1'
}

@test "a server that does not get to serve leaves the journal as it was" {
  COLLECTOR_PORT=$(free_port udp)
  serve <<<'processes = 1'
  requests 10 1 /hello
  kill_instance
  run_uwsgi <<INI
wsgi-file = $WORK/no_such_application.py
tracing-journal = $WORK/journal
INI
  took_over 10
  close_log
  start_collector --port "$COLLECTOR_PORT"
  serve <<<'processes = 1'
  took_over 10
  all_arrive 10
}

# second_finds_it_used_by PIDS: another uWSGI from the same ini does not start.
second_finds_it_used_by() {
  sed '/^daemonize2/d; /^safe-pidfile/d' "$INI" >second.ini
  if LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" --ini second.ini >second.log 2>&1; then return 1; fi
  grep -qE "in use by another instance \\(process $1\\)" second.log
}

@test "no master: the file is locked there, too" {
  start_collector
  serve <<<'master = false'
  requests 5 1 /hello
  second_finds_it_used_by "$UWSGI_PID"
  all_arrive 5
}

@test "daemonize2: the daemon has the lock of the process it was" {
  start_collector
  write_ini <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-journal = $WORK/journal
tracing-flush-interval = 60s
daemonize2 = $LOG
safe-pidfile2 = $WORK/safe
INI
  launch_uwsgi
  adopt_daemon safe 1
  requests 5 1 /hello
  local worker
  worker=$(worker_pid 1)
  second_finds_it_used_by "($UWSGI_PID|$worker)" # whichever the kernel names
  kill -STOP "$UWSGI_PID" # so that nobody replaces it
  kill -KILL "$worker"
  wait_for "$DEADLINE" gone "$worker"
  second_finds_it_used_by "$UWSGI_PID"
  kill -CONT "$UWSGI_PID"
  allow_log 'DAMN'
  wait_for "$DEADLINE" worker_replaced 1 "$worker"
  all_arrive 5
}
