#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Instructions that the bridge into Python takes of a request, in user space: a plain WSGI application, and
# two in frameworks, without it (tracing-python = false) and with it. All requests are sampled.
#
#   tests/bench/python_instructions.sh
#
# As server_instructions.sh does it: what uWSGI takes for MANY requests more than for FEW, for several heaps,
# the middle of them.
set -euo pipefail
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

FEW=100
MANY=500

read -r -a LAYOUTS <<<"${LAYOUTS:-0 200 700}"

# run NAME REQUESTS APPLICATION PYTHON: one server, from start to end, under callgrind
run() {
  local name=$1 requests=$2 answer
  local -a application=()
  [ "$3" = plain ] || application=(--wsgi-file "$ROOT/tests/e2e/apps/frameworks.py" --env "FRAMEWORK=$3")
  start_uwsgi "$name" valgrind --tool=callgrind --separate-threads=yes --compress-strings=no \
    --compress-pos=no --callgrind-out-file="$WORK/$name.profile" -- "${options[@]}" "${application[@]}" \
    --tracing-python="$4"
  await_uwsgi "$name"
  answer=$("$OUT/load" "$WORK/$name.sock" "$requests" 1 /users/42 "${HEADERS[@]}" "$UBER")
  [ "$answer" = "200 $requests" ] || die "the load on $name got: $answer"
  stop "$UWSGI_PID" INT
}

# median APPLICATION PYTHON: instructions of a request
median() {
  local layout all=''
  for layout in "${LAYOUTS[@]}"; do
    PADDING=$(printf "%${layout}s" '')
    run "$1.$2.$layout.$FEW" "$FEW" "$@"
    run "$1.$2.$layout.$MANY" "$MANY" "$@"
    all+=$("$PYTHON" "$BENCH/callgrind.py" total $((MANY - FEW)) "$WORK/$1.$2.$layout".{$FEW,$MANY}.profile)$'\n'
  done
  all=$(quartiles <<<"${all%$'\n'}")
  echo "${all%%.*}"
}

build_tools
# shellcheck disable=SC2119 # under no command
start_sink
read -r -a options <<<"$(plugin_options)"
printf '%-10s %12s %12s %8s\n' application without with plus
for application in plain bottle flask django; do
  without=$(median "$application" false)
  with=$(median "$application" true)
  result "python/$application/plus" $((with - without))
  printf '%-10s %12s %12s %8s\n' "$application" "$without" "$with" $((with - without))
done
