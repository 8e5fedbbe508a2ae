#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The demo (make demo): two Django services under prefork uWSGI, a few requests, and each request's
# trace as a waterfall. In a terminal it stays up until Ctrl-C; without one it ends after the traces.
# Needs tracing_plugin.so built and the packages of group `demo`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly UWSGI=${UWSGI:-uwsgi}
readonly AGENT_PORT=6831
readonly START_SECONDS=20 STOP_SECONDS=10
readonly PORT_TAKEN=3 # as scripts/waterfall.py exits
# A caller's decision that its trace is not recorded: how the demo waits for a service unseen.
readonly UNSAMPLED='uber-trace-id: 1:1:0:0'

work=$(mktemp -d)
pids=()              # what this script started, and all it ever stops
config=()            # an ini more for both services, when spans cannot just go to the default
receiver_pid=

main() {
  [[ -e tracing_plugin.so ]] || die "there is no tracing_plugin.so: run make first"
  trap stop_all EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  SHOP_PORT=$(pick_port "${SHOP_PORT:-8001}")
  STOCK_PORT=$(pick_port "${STOCK_PORT:-8002}")
  export SHOP_PORT STOCK_PORT
  readonly SHOP=http://127.0.0.1:$SHOP_PORT

  start_receiver
  start_service stock "http://127.0.0.1:$STOCK_PORT/stock/apple"
  start_service shop "$SHOP/"
  send_requests
  echo
  ! stays_up || trap 'echo; exit 0' INT
  wait "$receiver_pid" || { cat "$work/receiver.err" >&2; die "not every trace came"; }
}

die() {
  echo "demo: $*" >&2
  exit 1
}

# The port wished for if nobody has it, else one that is free.
pick_port() {
  /usr/bin/python3 - "$1" <<'PYTHON'
import socket, sys
for port in int(sys.argv[1]), 0:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uWSGI does
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
PYTHON
}

# --- Where spans go ----------------------------------------------------------------------------------

start_receiver() {
  if launch_receiver "$AGENT_PORT"; then
    return
  fi
  launch_receiver 0 || die "no UDP port could be had"
  local port
  port=$(<"$work/receiver.port")
  echo "UDP $AGENT_PORT is taken, by a Jaeger agent perhaps: spans go there and to $port, look at either."
  config=("$work/export.ini")
  cat >"${config[0]}" <<INI
[uwsgi]
tracing-export = jaeger+udp://127.0.0.1:$AGENT_PORT
tracing-export = jaeger+udp://127.0.0.1:$port
INI
}

# Starts the receiver on a port. Fails if the port is taken; any other failure ends the demo.
launch_receiver() {
  local -a options=(--port "$1" --ready "$work/receiver.port" --traces "$(request_count)")
  ! stays_up || options+=(--then "$(what_to_try)")
  scripts/waterfall.py "${options[@]}" 2>"$work/receiver.err" &
  receiver_pid=$!
  pids+=("$receiver_pid")
  wait_until receiver_ready && return 0
  kill -TERM "$receiver_pid" 2>/dev/null || true
  local status=0
  wait "$receiver_pid" || status=$?
  ((status != PORT_TAKEN)) || return 1
  cat "$work/receiver.err" >&2
  die "the receiver did not start"
}

receiver_ready() {
  [[ -s $work/receiver.port ]] && return 0
  kill -0 "$receiver_pid" 2>/dev/null || return 2 # it will not become ready any more
  return 1
}

stays_up() {
  [[ -t 0 && -t 1 ]]
}

what_to_try() {
  cat <<EOT
Still up: the traces of what you send are printed as they come. Ctrl-C ends it. Try

  curl $SHOP/buy/pear
  curl $SHOP/pay
  curl -H 'uber-trace-id: c0ffee:1:0:1' $SHOP/buy/apple
EOT
}

# --- The services ------------------------------------------------------------------------------------

# start_service NAME URL: runs its ini, and waits until URL is answered.
start_service() {
  "$UWSGI" "examples/django/$1.ini" "${config[@]}" >"$work/$1.log" 2>&1 </dev/null &
  local pid=$!
  pids+=("$pid")
  wait_until answers "$pid" "$2" && return 0
  cat "$work/$1.log" >&2
  die "the service $1 did not answer; its log is above"
}

answers() {
  kill -0 "$1" 2>/dev/null || return 2
  curl -s -o /dev/null -m 2 -H "$UNSAMPLED" "$2"
}

# wait_until COMMAND...: until it succeeds (0), or says by 2 that it never will, or time is up.
wait_until() {
  local end=$((SECONDS + START_SECONDS)) status
  while ((SECONDS < end)); do
    status=0
    "$@" || status=$?
    ((status == 1 || status > 2)) || return "$status"
    sleep 0.05
  done
  return 1
}

# --- The requests: a path, and a header of the caller's if any ---------------------------------------

requests() {
  cat <<'TABLE'
/
/buy/apple
/buy/pear
/buy/melon
/buy/unicorn
/no/such/page
/pay
/buy/apple uber-trace-id: 5af7183fb1d4cf5f:1a2b3c4d5e6f7081:0:1
TABLE
}

request_count() {
  requests | wc -l
}

send_requests() {
  local path header status
  while read -r path header; do
    status=$(curl -s -o /dev/null -m 10 -w '%{http_code}' ${header:+-H "$header"} "$SHOP$path") ||
      die "no answer from $SHOP$path"
    echo "  GET $SHOP$path  ->  $status${header:+   (sent with $header)}"
  done < <(requests)
}

# --- The end -----------------------------------------------------------------------------------------

stop_all() {
  trap '' INT TERM HUP # once is enough
  ((${#pids[@]} == 0)) || kill -TERM "${pids[@]}" 2>/dev/null || true
  local pid end=$((SECONDS + STOP_SECONDS))
  for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null && ((SECONDS < end)); do
      sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}

main "$@"
