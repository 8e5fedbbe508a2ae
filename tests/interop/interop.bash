# SPDX-License-Identifier: MIT
# What the interop tests add to the end-to-end tests' helper: software of others.
#
# A test skips, and says why, when what it takes is not here; with CI=true or
# TRACING_INTEROP_REQUIRED=1 that is a failure.
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # what tests use is not used here

load ../e2e/helper

INTEROP=$ROOT/tests/interop
REQUIRED=${TRACING_INTEROP_REQUIRED:-${CI:-}} # read now: setup unsets TRACING_*
LACKING_STATUS=77

# obtain VARIABLE COMMAND...: in setup_file, exports in VARIABLE what the command prints. When it
# says that something is lacking, exports what in VARIABLE_LACKING.
obtain() {
  local variable=$1 status=0
  shift
  "$@" >"$BATS_FILE_TMPDIR/$variable" 2>"$BATS_FILE_TMPDIR/$variable.err" || status=$?
  case $status in
    0) export "$variable=$(<"$BATS_FILE_TMPDIR/$variable")" ;;
    "$LACKING_STATUS") export "${variable}_LACKING=$(tail -n 1 "$BATS_FILE_TMPDIR/$variable.err")" ;;
    *)
      cat "$BATS_FILE_TMPDIR/$variable.err" >&2
      return 1
      ;;
  esac
}

# need VARIABLE: first line of a test that uses what `obtain VARIABLE` was to bring.
need() {
  local lacking=${1}_LACKING
  [ -n "${!lacking:-}" ] || return 0
  if [ "${REQUIRED:-}" = true ] || [ "${REQUIRED:-}" = 1 ]; then
    echo "lacking, and required: ${!lacking}" >&2
    return 1
  fi
  skip "${!lacking}"
}

# --- Every kind of request --------------------------------------------------------------------------

# serve_all SERVICE <INI LINES: one prefork uWSGI is asked each kind of request that roundtrip.py knows,
# which notes what was served in served.json, and ends.
serve_all() {
  start_uwsgi <<INI
processes = 4
wsgi-file = $APPS/app.py
tracing-service = $1
tracing-tag = team=blue
tracing-extract = jaeger,tracecontext
tracing-inject = jaeger
tracing-trust = 127.0.0.1
tracing-baggage-tag = user
$(cat)
INI
  "$PYTHON" "$INTEROP/roundtrip.py" serve "$HOST" "$WORK/served.json"
  stop_uwsgi
}

# as_served SERVICE [--names NAMES] WIRE=URL...: those back ends have what was served, and nothing else.
as_served() { "$PYTHON" "$INTEROP/roundtrip.py" compare "$1" "$WORK/served.json" "${@:2}"; }

# --- PyPI's uWSGI -----------------------------------------------------------------------------------

# In setup_file, after `obtain VENV`: exports PYPI_PLUGIN. A plugin must be built by the uWSGI that
# loads it.
build_pypi_plugin() {
  export PYPI_PLUGIN=$BATS_FILE_TMPDIR/tracing_plugin.so
  (cd "$BATS_FILE_TMPDIR" &&
    PYTHON=$VENV/bin/python TRACING_CFLAGS=-Werror "$VENV/bin/uwsgi" --build-plugin "$ROOT") \
    >"$BATS_FILE_TMPDIR/build.log" 2>&1 || true # it exits 0 when gcc failed, too: look for what it made
  if [ ! -e "$PYPI_PLUGIN" ]; then
    cat "$BATS_FILE_TMPDIR/build.log" >&2
    return 1
  fi
}

# start_pypi <INI LINES: as start_uwsgi, with PyPI's uWSGI.
start_pypi() {
  UWSGI=$VENV/bin/uwsgi PLUGIN=$PYPI_PLUGIN start_uwsgi
  log_has 'Starting uWSGI 2\.0\.31'
}

# --- Servers: for all tests of a file, started in setup_file ----------------------------------------

# free_ports N [TYPE]: N free ports, of TCP or UDP sockets, none of which it has given out in this file
# before: who asked may not have bound it yet.
free_ports() {
  "$PYTHON" - "$BATS_FILE_TMPDIR/ports" "$@" <<'PYTHON'
import socket, sys
given, count, *kind = sys.argv[1:]
kind = socket.SOCK_DGRAM if kind == ["udp"] else socket.SOCK_STREAM
with open(given, "a+") as file:
    file.seek(0)
    taken, held, ports = set(file.read().split()), [], []
    while len(ports) < int(count):
        held.append(socket.socket(type=kind))
        held[-1].bind(("127.0.0.1", 0))
        port = str(held[-1].getsockname()[1])
        if port not in taken:
            ports.append(port)
    print(*ports, file=file)
print(*ports)
PYTHON
}

# server NAME COMMAND...: runs it until teardown_file; its output goes to $BATS_FILE_TMPDIR/NAME.log.
server() {
  local name=$1
  shift
  "$@" >"$BATS_FILE_TMPDIR/$name.log" 2>&1 3>&- &
  export SERVER_PIDS="${SERVER_PIDS:-} $!"
}

# await_server NAME URL: until the server answers there. Its last words when it never does.
await_server() {
  wait_for "$((4 * DEADLINE))" answers "$2" && return 0
  tail -n 20 "$BATS_FILE_TMPDIR/$1.log" >&2
  return 1
}

answers() { curl -sf -o /dev/null -m 2 "$1"; }

# In teardown_file; no-op when none was started.
stop_servers() {
  local pid wrong=0
  for pid in ${SERVER_PIDS:-}; do stop_pid "$pid" || wrong=1; done
  return "$wrong"
}

# start_jaeger BINARY [OPTION...]: one Jaeger, and what use_jaeger exports.
start_jaeger() {
  local binary=$1
  shift
  launch_jaeger "$binary" jaeger "$@"
  use_jaeger jaeger
  await_jaeger
}

# launch_jaeger BINARY NAME [OPTION...]: for a file with several; does not wait.
launch_jaeger() {
  local binary=$1 name=$2 tcp udp
  shift 2
  read -ra tcp < <(free_ports 9)
  read -ra udp < <(free_ports 3 udp)
  local -a options=(
    --collector.grpc-server.host-port "127.0.0.1:${tcp[0]}"
    --collector.http-server.host-port "127.0.0.1:${tcp[1]}"
    --collector.otlp.grpc.host-port "127.0.0.1:${tcp[2]}"
    --collector.otlp.http.host-port "127.0.0.1:${tcp[3]}"
    --query.grpc-server.host-port "127.0.0.1:${tcp[4]}"
    --query.http-server.host-port "127.0.0.1:${tcp[5]}"
    --admin.http.host-port "127.0.0.1:${tcp[6]}"
    --http-server.host-port "127.0.0.1:${tcp[7]}"
    --collector.zipkin.host-port "127.0.0.1:${tcp[8]}"
    --processor.jaeger-compact.server-host-port "127.0.0.1:${udp[0]}"
    --processor.jaeger-binary.server-host-port "127.0.0.1:${udp[1]}"
    --processor.zipkin-compact.server-host-port "127.0.0.1:${udp[2]}"
  )
  cat >"$BATS_FILE_TMPDIR/$name.addresses" <<ADDRESSES
COMPACT=127.0.0.1:${udp[0]} BINARY=127.0.0.1:${udp[1]} ZIPKIN_COMPACT=127.0.0.1:${udp[2]}
COLLECTOR=127.0.0.1:${tcp[1]} OTLP=127.0.0.1:${tcp[3]} ZIPKIN=127.0.0.1:${tcp[8]}
AGENT=127.0.0.1:${tcp[7]} QUERY_URL=http://127.0.0.1:${tcp[5]} ADMIN_URL=http://127.0.0.1:${tcp[6]}
ADDRESSES
  # It traces itself too, and to whoever has port 4317: not here.
  OTEL_TRACES_SAMPLER=always_off server "$name" "$binary" "${options[@]}" "$@"
}

# use_jaeger NAME: exports host and port of its receivers, COMPACT, BINARY, ZIPKIN_COMPACT (UDP), COLLECTOR
# (Thrift over HTTP, sampling), OTLP, ZIPKIN (HTTP), of the agent's sampling, AGENT, and the URLs of
# its answers, QUERY_URL and ADMIN_URL. NAME is in JAEGER.
use_jaeger() {
  export JAEGER=$1
  # shellcheck disable=SC2046 # one word is one variable
  export $(<"$BATS_FILE_TMPDIR/$1.addresses")
}

# Until the Jaeger in use is there.
await_jaeger() {
  await_server "$JAEGER" "$ADMIN_URL/"
  await_server "$JAEGER" "$QUERY_URL/api/services"
}

# metric NAME [LABELS]: its value in Jaeger's own metrics.
metric() { curl -sf "$ADMIN_URL/metrics" | awk -v name="$1${2:-}" '$1 == name { print $2 }'; }

# launch_zipkin JAR: Zipkin's server, storing in memory. Exports ZIPKIN_SERVER, its host and port; does
# not wait.
launch_zipkin() {
  ZIPKIN_SERVER=127.0.0.1:$(free_ports 1)
  export ZIPKIN_SERVER
  # A server that lives for a minute: no second compiler. Its port, and on loopback only.
  server zipkin java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -jar "$1" \
    --armeria.ports[0].ip=127.0.0.1 --armeria.ports[0].port="${ZIPKIN_SERVER#*:}" \
    --armeria.ports[0].protocols[0]=http
}

await_zipkin() { await_server zipkin "http://$ZIPKIN_SERVER/health"; }
