#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What each operation of the request path costs, each header format alone, and encoding a span for each
# wire: instructions, which are the same on every run, and nanoseconds, which are not.
#
#   tests/bench/operations.sh [--instructions]      only those
#
# Instructions: callgrind, the difference of two numbers of operations. Reads of the clock are system
# calls under it, so the 3 of a sampled request count for less than they cost (some 40 each).
set -euo pipefail
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

FEW=2560 # batches of 256
MANY=7680
NS_OPERATIONS=1000000

# collected FILE-OR-NOTHING COMMAND...: instructions callgrind saw.
collected() {
  local only=$1
  shift
  # shellcheck disable=SC2086 # one option or none
  valgrind --tool=callgrind $only --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null |
    sed -n 's/.*Collected : //p'
}

# instructions_of PROGRAM NAME: the program's own part included.
instructions_of() {
  local few many
  few=$(collected --toggle-collect=measure "$OUT/$1" "$2" "$FEW")
  many=$(collected --toggle-collect=measure "$OUT/$1" "$2" "$MANY")
  calculate "($many - $few) / ($MANY - $FEW)"
}

encode_instructions() {
  local few many
  few=$(collected '' "$OUT/bench_encode" "$FEW" "$1")
  many=$(collected '' "$OUT/bench_encode" "$MANY" "$1")
  calculate "($many - $few) / ($MANY - $FEW)"
}

# line NAME INSTRUCTIONS NANOSECONDS TEXT
line() { printf '%-20s %12s %18s  %s\n' "$@"; }

request_operations() {
  local name what own instructions ns
  own=$(instructions_of bench_request bare)
  while IFS=$'\t' read -r name what; do
    [ "$name" != bare ] || continue
    instructions=$(instructions_of bench_request "$name")
    [[ $name = append || $name = decide ]] || instructions=$((instructions - own))
    result "request/$name/instructions" "$instructions"
    ns=''
    if [ "$with_ns" = 1 ]; then
      ns=$("$OUT/bench_request" "$name" "$NS_OPERATIONS")
      result "request/$name/ns" "${ns%% *}"
    fi
    line "$name" "$instructions" "$ns" "$what"
  done < <("$OUT/bench_request" --list)
}

format_operations() {
  local name what instructions ns=''
  while IFS=$'\t' read -r name what; do
    instructions=$(instructions_of bench_formats "$name")
    result "$name/instructions" "$instructions"
    if [ "$with_ns" = 1 ]; then
      ns=$("$OUT/bench_formats" "$name" "$NS_OPERATIONS")
      result "$name/ns" "${ns%% *}"
    fi
    line "$name" "$instructions" "$ns" "$what"
  done < <("$OUT/bench_formats" --list)
}

encode_operations() {
  local name ns bytes instructions
  while IFS=$'\t' read -r name ns bytes; do
    instructions=$(encode_instructions "$name")
    result "encode/${name// /-}/instructions" "$instructions"
    result "encode/${name// /-}/bytes" "$bytes"
    [ "$with_ns" = 1 ] || ns=''
    [ -z "$ns" ] || result "encode/${name// /-}/ns" "$ns"
    line "${name// /-}" "$instructions" "$ns" "encode one span, $bytes bytes"
  done < <("$OUT/bench_encode" 500000 |
    sed -nE 's/^(.*[^ ]) +([0-9.]+) ns a span, .* ([0-9]+) bytes a span.*/\1\t\2\t\3/p')
}

with_ns=1
[ "${1:-}" != --instructions ] || with_ns=0
build_tools
line operation instructions 'ns (quartiles)' ''
request_operations
format_operations
encode_operations
