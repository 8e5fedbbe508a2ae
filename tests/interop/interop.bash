# SPDX-License-Identifier: MIT
# What the interop tests add to the end-to-end tests' helper: software of others, real Jaeger first.
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

# --- Jaeger: one for all tests of a file ------------------------------------------------------------

# free_ports N [TYPE]: N different free ports, of TCP or UDP sockets.
free_ports() {
  "$PYTHON" - "$@" <<'PYTHON'
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[2:] == ["udp"] else socket.SOCK_STREAM
held = [socket.socket(type=kind) for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PYTHON
}

# start_jaeger BINARY: in setup_file. Exports COMPACT_PORT, BINARY_PORT, OTLP_URL, QUERY_URL, ADMIN_URL.
start_jaeger() {
  local tcp udp
  read -ra tcp < <(free_ports 8)
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
    --processor.jaeger-compact.server-host-port "127.0.0.1:${udp[0]}"
    --processor.jaeger-binary.server-host-port "127.0.0.1:${udp[1]}"
    --processor.zipkin-compact.server-host-port "127.0.0.1:${udp[2]}"
  )
  export COMPACT_PORT=${udp[0]} BINARY_PORT=${udp[1]} OTLP_URL=http://127.0.0.1:${tcp[3]}
  export QUERY_URL=http://127.0.0.1:${tcp[5]} ADMIN_URL=http://127.0.0.1:${tcp[6]}
  # It traces itself too, and to whoever has port 4317: not here.
  OTEL_TRACES_SAMPLER=always_off "$1" "${options[@]}" >"$BATS_FILE_TMPDIR/jaeger.log" 2>&1 3>&- &
  export ALL_IN_ONE_PID=$!
  if ! wait_for "$DEADLINE" answers "$ADMIN_URL/" || ! wait_for "$DEADLINE" answers "$QUERY_URL/api/services"; then
    tail -n 20 "$BATS_FILE_TMPDIR/jaeger.log" >&2
    return 1
  fi
}

answers() { curl -sf -o /dev/null -m 2 "$1"; }

# In teardown_file; no-op when it was not started.
stop_jaeger() { [ -z "${ALL_IN_ONE_PID:-}" ] || stop_pid "$ALL_IN_ONE_PID"; }

# metric NAME [LABELS]: its value in Jaeger's own metrics.
metric() { curl -sf "$ADMIN_URL/metrics" | awk -v name="$1${2:-}" '$1 == name { print $2 }'; }
