#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Instructions of the whole server for one request, in user space, all threads: without the plugin, with
# it switched off, with a sampler that says no, and with everything on, as it is by default.
#
#   tests/bench/server_instructions.sh [--detail]      by function, too
#
# uWSGI runs under callgrind twice, for FEW and for MANY requests; what the second took more is what the
# requests took. Each request has 12 headers and an uber-trace-id, and sends its span to a collector that
# only receives.
#
# What the plugin and the libraries it calls take is the same each time. What uWSGI and Python take beside
# it is not: how much malloc has to do hangs on where the heap happens to lie (give or take 300 a request),
# and every process with a second thread, ours, pays for locks in malloc and for cancellation points (some
# 225). So all is done for several heaps, and the middle is taken: LAYOUTS has the bytes by which they are
# moved (default: "0 200 700").
set -euo pipefail
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

FEW=500
MANY=2500

read -r -a LAYOUTS <<<"${LAYOUTS:-0 200 700}"

# start NAME OPTION...: under callgrind, which leaves $WORK/NAME.profile-01 and so on, one for each thread.
start() {
  local name=$1
  shift
  start_uwsgi "$name" valgrind --tool=callgrind --separate-threads=yes --compress-strings=no \
    --compress-pos=no --callgrind-out-file="$WORK/$name.profile" -- "$@"
}

# profile NAME OPTION...: NAME.FEW.profile and NAME.MANY.profile, made side by side
profile() {
  local name=$1 few
  shift
  start "$name.$FEW" "$@"
  few=$UWSGI_PID
  start "$name.$MANY" "$@"
  await_uwsgi "$name.$FEW"
  load "$name.$FEW" "$FEW" 2
  kill -INT "$few"
  await_uwsgi "$name.$MANY"
  load "$name.$MANY" "$MANY" 2
  stop "$UWSGI_PID" INT
  stop "$few" INT
  case $name in sampled*) check_accounts "$name.$FEW" "$FEW" && check_accounts "$name.$MANY" "$MANY" ;; esac
}

# Everything was sampled and has left: a number for less would be a lie.
check_accounts() {
  grep -q "sampled $2 = exported $2 " "$WORK/$1.log" ||
    die "not all spans were exported: $(grep sampled "$WORK/$1.log")"
}

# measure CASE OPTION...
measure() {
  local case=$1 layout
  local -a all=()
  shift
  for layout in "${LAYOUTS[@]}"; do
    PADDING=$(printf "%${layout}s" '')
    profile "$case.$layout" "$@"
    all+=("$("$PYTHON" "$BENCH/callgrind.py" total $((MANY - FEW)) "$WORK/$case.$layout".{$FEW,$MANY}.profile)")
  done
  report "$case" "${all[@]}"
}

# report CASE INSTRUCTIONS...
report() {
  local case=$1 median
  shift
  median=$(printf '%s\n' "$@" | quartiles)
  median=${median%%.*}
  if [ "$case" = without ]; then
    base=$median
    result server/without/instructions "$base"
  else
    result "server/$case/plus" $((median - base))
  fi
  printf '%-10s %12s %10s   of %s\n' "$case" "$median" $((median - base)) "$*"
}

build_tools
# shellcheck disable=SC2119 # under no command
start_sink
read -r -a options <<<"$(plugin_options)"
printf '%-10s %12s %10s   %s\n' case instructions plus 'each heap'
measure without
measure off "${options[@]}" --tracing-disable
measure sampled "${options[@]}"
UBER=${UBER%1}0 # a caller is obeyed
measure unsampled "${options[@]}" --tracing-sampler const:0
echo
echo 'where those of "sampled" go, a request:'
"$PYTHON" "$BENCH/callgrind.py" groups $((MANY - FEW)) "$WORK"/{sampled,without}."${LAYOUTS[0]}".{$FEW,$MANY}.profile \
  >"$WORK/groups"
if [ "${1:-}" = --detail ]; then cat "$WORK/groups"; else sed '/^$/,$d' "$WORK/groups"; fi
while read -r line; do
  [ -n "$line" ] || break
  number=${line##* }
  case $line in
    request* | reporter*) result "server/groups/$(echo "${line% *}" | xargs)" "$number" ;;
    'the plugin'*) result server/sampled/plugin "$number" ;;
  esac
done <"$WORK/groups"
