#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The collector does what it likes: it is not there, swallows packets, stands still, is slow, answers
# too late, has no name; and comes back. Over UDP and over HTTP: no request gets slower, no memory
# grows, and what the journal still holds is delivered when it is back. (http.bats has the answers of
# a collector one by one, ways.bats what an outage does to the end of an instance.)

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# --- Two kinds of collectors --------------------------------------------------------------------------

# collector_starts: one of $KIND (udp or http) on $PORT (0: any), sets it, and URL. Where RUN is set, it
# runs there; it listens on LISTEN. Its options are those given.
collector_starts() {
  local tool=collector
  [ "$KIND" = udp ] || tool=fault_collector
  rm -f "$WORK/one.log"
  background one "${RUN[@]}" "$PYTHON" "$TOOLS/$tool.py" --out "$SPANS" --host "$LISTEN" --port "$PORT" "$@"
  wait_for "$DEADLINE" log_has '^port ' "$WORK/one.log"
  PORT=$(sed -n 's/^port //p' "$WORK/one.log")
  COLLECTOR_PID=$LAST_PID
}

# collector_goes: it ends; what it had taken is set aside.
collector_goes() {
  stop_pid "$COLLECTOR_PID"
  cat "$SPANS" >>before.jsonl
}

now_does() {
  echo "$1" >"$SPANS.fault.new"
  mv "$SPANS.fault.new" "$SPANS.fault"
}

# --- The server --------------------------------------------------------------------------------------------

KIND='' PORT=0 LISTEN=127.0.0.1 NAME=127.0.0.1 RUN=()

# serve: one worker that exports to the collector of $KIND at $NAME
serve() {
  allow_log 'cannot export' 'exports again' 'spans lost'
  local scheme=jaeger+udp
  [ "$KIND" = udp ] || scheme=otlp.json+http
  start_uwsgi <<INI
processes = 1
disable-logging = true
http-socket = $WORK/http.sock
tracing-journal-size = 64k
tracing-exit-timeout = 500ms
tracing-export-timeout = 1s
tracing-export = $scheme://$NAME:$PORT
wsgi-file = $APPS/app.py
INI
  over "$WORK/http.sock"
  requests 3000 4 /hello # warm
}

# times COUNT: what 99 of 100 requests take at most, and what all do, in microseconds
times() {
  local answer
  answer=$(LOAD_P99=1 "$E2E_LOAD" "$WORK/http.sock" "$1" 4 /hello)
  grep -qx "200 $1" <<<"$answer"
  sed -n -e 's/^p99 //p' -e 's/^longest //p' <<<"$answer" | xargs
}

# of the worker's own: the journal is shared
rss_kib() { sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$(worker_pid 1)/status"; }

has_taken() { [ "$(spans count "path == '/$2'" 2>/dev/null || echo 0)" -ge "$1" ]; }

# probed: the collector has a request made since it is well, and so all before it, for it is a queue.
# Of one made while the ring is still full, for the reporter has not looked yet, there is no span.
probed() {
  requests 1 1 /probe
  PROBES=$((PROBES + 1))
  has_taken 1 probe
}
fault_is_felt() { log_has 'cannot export'; }

# no_longer ILL HEALTHY: what `times` said. To wait for room in the ring would be tens of milliseconds,
# of more than one in a hundred in a ring so small; to wait for a collector, few of a second, for soon
# everybody waits. A busy machine is some.
no_longer() {
  local ill healthy
  read -ra ill <<<"$1"
  read -ra healthy <<<"$2"
  [ "${ill[0]}" -le $((healthy[0] * 3 + 20000)) ] && [ "${ill[1]}" -le $((healthy[1] * 3 + 800000)) ]
}

# --- One outage --------------------------------------------------------------------------------------------

# survives ILL WELL [FELT]: the collector becomes ill by the function ILL, and well again by WELL.
# FELT: says when the server has noticed. Then uWSGI is at its end.
survives() {
  local healthy ill again before after
  healthy=$(times 2000)
  "$1"
  requests 3000 4 /hello # more than the journal holds
  [ -z "${3:-}" ] || wait_for "$DEADLINE" "$3"
  before=$(rss_kib)
  ill=$(times 4000)
  requests 4000 4 /hello
  after=$(rss_kib)
  "$2"
  PROBES=0
  wait_for "$DEADLINE" probed
  requests 20 1 /worker
  wait_for "$DEADLINE" has_taken 20 worker
  again=$(times 2000)
  echo "p99 and longest: healthy $healthy us, ill $ill us, well again $again us;" \
    "memory $before KiB, $after KiB; $PROBES probes"
  no_longer "$ill" "$healthy" || no_longer "$ill" "$again"
  # Messages may still grow to what the journal holds; of each request there would be more. (A sanitizer
  # keeps memory that is free.)
  [ -n "${E2E_LD_PRELOAD:-}" ] || [ "$after" -le $((before + 512)) ]
  need_accounts "sampled == $((18020 + PROBES))" 'failed == 0' 'lost == 0' 'queued == 0'
}

# delivered: what was counted as exported is what arrived.
delivered() {
  [ "$KIND" != udp ] || wait_for "$DEADLINE" arrived_at_least "$(exported)"
  echo "exported $(exported), arrived $(arrived)"
  [ "$(arrived)" = "$(exported)" ]
}
exported() { "$PYTHON" "$TOOLS/accounts.py" "$LOG" | json 'j["exported"]'; }
arrived() {
  touch before.jsonl
  cat before.jsonl "$SPANS" >all.jsonl
  SPANS=all.jsonl spans values span | wc -l
}
arrived_at_least() { [ "$(arrived)" -ge "$1" ]; }

# A message that timed out may have been taken all the same, and is then told again, or skipped when
# the journal needs the room: all that was counted is there.
delivered_late() {
  echo "exported $(exported), arrived $(arrived)"
  [ "$(arrived)" -ge "$(exported)" ]
}

nothing() { :; }

# --- Not there ---------------------------------------------------------------------------------------------

comes_back() { collector_starts; }

# goes_and_comes KIND
goes_and_comes() {
  KIND=$1
  collector_starts
  serve
  survives collector_goes comes_back fault_is_felt
  delivered
}

@test "UDP: it goes, and is back" { goes_and_comes udp; }
@test "HTTP: it goes, and is back" { goes_and_comes http; }

# never_there KIND: nobody has ever listened.
never_there() {
  KIND=$1
  PORT=$(free_port "${KIND/http/tcp}")
  serve
  survives nothing comes_back fault_is_felt
  delivered
}

@test "UDP: it was never there, and comes" { never_there udp; }
@test "HTTP: it was never there, and comes" { never_there http; }

# --- Packets are swallowed ---------------------------------------------------------------------------------

# in_own_network: uWSGI and collector live where packets to 10.9.9.0/24 go out and are never seen
# again, until swallow no / swallow yes.
in_own_network() {
  unshare --net true 2>/dev/null || skip "needs a network namespace of its own"
  background network unshare --net sh -c \
    'ip link set lo up && ip route add 10.9.9.0/24 dev lo && echo ready && exec sleep 3600'
  wait_for "$DEADLINE" log_has '^ready' "$WORK/network.log"
  RUN=(nsenter --target "$LAST_PID" --net)
  printf '#!/bin/sh\nexec nsenter --target %s --net %s "$@"\n' "$LAST_PID" "$UWSGI" >"$WORK/uwsgi"
  chmod +x "$WORK/uwsgi"
  UWSGI=$WORK/uwsgi
  LISTEN=0.0.0.0 NAME=10.9.9.2
}
swallowed() { "${RUN[@]}" ip addr del 10.9.9.2/32 dev lo; }
not_swallowed() { "${RUN[@]}" ip addr add 10.9.9.2/32 dev lo; }

# swallows KIND
swallows() {
  KIND=$1
  in_own_network
  collector_starts
  not_swallowed
  serve
}

@test "UDP: packets are swallowed; nobody can know, and what comes after arrives" {
  swallows udp
  survives swallowed not_swallowed
  [ "$(arrived)" -le "$(exported)" ]
}

@test "HTTP: packets are swallowed" {
  swallows http
  survives swallowed not_swallowed fault_is_felt
  delivered_late # what the kernel still held of a message that was told again
}

@test "HTTP: packets are swallowed from the first on" {
  KIND=http
  in_own_network
  collector_starts
  serve
  survives nothing not_swallowed fault_is_felt
  delivered
}

# --- It stands still ---------------------------------------------------------------------------------------

stands_still() { kill -STOP "$COLLECTOR_PID"; }
goes_on() { kill -CONT "$COLLECTOR_PID"; }

@test "UDP: the collector reads nothing" {
  KIND=udp
  collector_starts
  serve
  survives stands_still goes_on
  delivered
}

@test "HTTP: the collector reads nothing" {
  KIND=http
  collector_starts
  serve
  survives stands_still goes_on fault_is_felt
}

# Its queue of connections is full, too: the kernel drops those that knock.
full_queue() {
  stands_still
  background knocking "$PYTHON" -c 'import socket, sys, time
knocking = [socket.socket() for _ in range(4)]
for s in knocking:
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
print("knocked", flush=True)
time.sleep(3600)' "$PORT"
  wait_for "$DEADLINE" log_has '^knocked' "$WORK/knocking.log"
}

@test "HTTP: its queue of connections is full" {
  KIND=http
  collector_starts --backlog 1 --fault close
  full_queue
  now_does ok
  serve
  survives nothing goes_on fault_is_felt
}

# --- It is slow --------------------------------------------------------------------------------------------

does_slow() { now_does slow; }
does_late() { now_does late; }
does_ok() { now_does ok; }

@test "HTTP: it answers slowly" {
  KIND=http
  collector_starts
  serve
  survives does_slow does_ok
  delivered
}

@test "HTTP: it answers too late, so it is told again; nothing is counted twice" {
  KIND=http
  collector_starts
  serve
  survives does_late does_ok fault_is_felt
  delivered_late
}

# --- It has no name ----------------------------------------------------------------------------------------

# without_name_server ADDRESS SECONDS: uWSGI asks a name server there, and waits for it so long; and it
# has a file of hosts of its own.
without_name_server() {
  unshare --mount true 2>/dev/null || skip "needs a mount namespace of its own"
  printf 'nameserver %s\noptions timeout:%s attempts:1\n' "$@" >"$WORK/resolv.conf"
  echo '127.0.0.1 localhost' >"$WORK/hosts"
  cat >"$WORK/uwsgi" <<SH
#!/bin/sh
exec unshare --mount sh -c 'mount --bind $WORK/resolv.conf /etc/resolv.conf &&
  mount --bind $WORK/hosts /etc/hosts && exec $UWSGI "\$@"' sh "\$@"
SH
  chmod +x "$WORK/uwsgi"
  UWSGI=$WORK/uwsgi
  NAME=collector.example
}
gets_its_name() { echo '127.0.0.1 collector.example' >>"$WORK/hosts"; }

# gets_a_name KIND: nobody knows the name; then it is known.
gets_a_name() {
  KIND=$1
  without_name_server 127.0.0.98 1 # nobody is there, and the kernel says so, or does not
  collector_starts
  serve
  survives nothing gets_its_name fault_is_felt
  delivered
}

@test "UDP: its name is not known, and then it is" { gets_a_name udp; }
@test "HTTP: its name is not known, and then it is" { gets_a_name http; }

# silent_beside_a_live_one KIND: a name server that does not answer holds up one exporter only.
silent_beside_a_live_one() {
  local live scheme=jaeger+udp
  background silent "$PYTHON" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.99", 53))
print("bound", flush=True)
time.sleep(3600)'
  wait_for "$DEADLINE" log_has '^bound' "$WORK/silent.log"
  without_name_server 127.0.0.99 30
  [ "$1" = udp ] || scheme=otlp.json+http
  allow_log 'cannot export' 'spans lost'
  start_collector
  live=jaeger+udp://127.0.0.1:$COLLECTOR_PORT
  start_uwsgi <<INI
processes = 1
tracing-journal-size = 64k
tracing-flush-interval = 10ms
tracing-exit-timeout = 500ms
tracing-export = $scheme://collector.example:9
tracing-export = $live
wsgi-file = $APPS/app.py
INI
  # Paced, so that the live one can keep up with a ring that is as small as can be.
  for _ in {1..20}; do requests 50 1 '/sleep?ms=1'; done
  took_to_stop
  echo "the end took $TOOK ms"
  [ "$TOOK" -le 3000 ] # 30 s to wait for the name server
  need_accounts URL="$live" 'exported == 1000' 'dropped == 0'
  need_accounts URL="$scheme" 'sampled == 1000' "url == '$live' or exported == 0"
}

took_to_stop() {
  local before=${EPOCHREALTIME/./}
  stop_uwsgi
  TOOK=$(((${EPOCHREALTIME/./} - before) / 1000))
}

@test "UDP: a silent name server beside a collector that lives: that one loses nothing" {
  silent_beside_a_live_one udp
}
@test "HTTP: a silent name server beside a collector that lives: that one loses nothing" {
  silent_beside_a_live_one http
}
