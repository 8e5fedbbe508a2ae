#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# All benchmarks, and one Markdown table of their results, for README.
#
#   tests/bench/run.sh [PAIRS [SECONDS]]     everything; PAIRS as in server_pairs.sh
#   tests/bench/run.sh --gate                instructions only: fails where one is above tests/bench/limits
#   tests/bench/run.sh --limits              writes that file anew from what is measured now
#
# What each number is: see operations.sh, server_instructions.sh, server_pairs.sh.
set -euo pipefail
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

LIMITS=$BENCH/limits
export RESULTS=$WORK/results
: >"$RESULTS"

# value NAME: of a result, or a dash
value() { awk -F '\t' -v name="$1" '$1 == name { v = $2 } END { print v == "" ? "-" : v }' "$RESULTS"; }

row() { printf '| %s | %s | %s | %s |\n' "$@"; }

# operation NAME TEXT TARGET-IN-NS
operation() { row "$2" "$(value "$1/instructions")" "$(value "$1/ns") ns" "$3"; }

table() {
  row what instructions time target
  row --- ---: ---: ---
  operation request/off 'switched off, 25 headers' '10 ns'
  operation request/unsampled 'unsampled, 25 headers' '150 ns'
  operation request/root 'sampled root, 25 headers' '500 ns'
  operation request/child 'sampled child, 25 headers, 128-bit uber-trace-id' '500 ns'
  operation request/child-short 'the same, short ids: the header grows' ''
  operation request/child-12 'sampled child, 12 headers and uber-trace-id' ''
  operation request/append 'of these: journal append' ''
  local name target
  while read -r name; do
    operation "$name" "of these: ${name/\// }" ''
  done < <(sed -nE 's,^((extract|inject)/.*)/instructions\t.*,\1,p' "$RESULTS")
  while read -r name; do
    case $name in *json) target='500 ns' ;; *) target='250 ns' ;; esac
    operation "encode/$name" "encode a span: ${name//-/ }, $(value "encode/$name/bytes") bytes" "$target"
  done < <(sed -nE 's,^encode/(.*)/instructions\t.*,\1,p' "$RESULTS")
  row 'whole server, no plugin' "$(value server/without/instructions)" "$(value pairs/without_us) us CPU" ''
  row 'plus, switched off' "+$(value server/off/plus)" '' ''
  row 'plus, unsampled' "+$(value server/unsampled/plus)" '' ''
  row 'plus, all sampled and sent' "+$(value server/sampled/plus)" \
    "+$(value pairs/plus_us) us CPU (quartiles $(value pairs/plus_us_quartiles); $(value pairs/quiet) pairs)" \
    '4,000 instructions, 1.2 us'
  sed -nE 's,^server/groups/(request|reporter) (.*)\t(.*),\1\t\2\t\3,p' "$RESULTS" |
    while IFS=$'\t' read -r thread name number; do
      row "&nbsp;&nbsp;$thread thread: $name" "$number" '' ''
    done
  row '&nbsp;&nbsp;uWSGI and Python beside it' \
    "$(calculate "$(value server/sampled/plus) - $(value server/sampled/plugin)")" '' ''
  row 'requests a second on one core, with / without' '' \
    "$(value pairs/with_rate) / $(value pairs/without_rate)" ''
  row 'memory of a worker after 20,000 requests, private and journal' '' \
    "+$(value memory/plus_private_kib) and $(value memory/plus_journal_kib) KiB" '1,024 and 1,024 KiB'
}

all() {
  "$BENCH/operations.sh"
  echo
  "$BENCH/server_instructions.sh"
  echo
  "$BENCH/server_pairs.sh" "$@"
  echo
  table
}

# --- The gate -------------------------------------------------------------------------------------

# What is the same on each run, or nearly: the plugin's own instructions. What a whole server takes more
# hangs on where its heap lies: the same binaries differ by 1,000 from one folder to another.
gated() {
  awk -F '\t' '$1 ~ /\/(instructions|plugin)$/ && $1 !~ /^server\/without/ { print $1, $2 }' "$RESULTS"
}

# limit_of MEASURED: 5 % above
limit_of() { echo $(($1 + $1 / 20 + 5)); }

instructions() {
  "$BENCH/operations.sh" --instructions
  echo
  "$BENCH/server_instructions.sh"
  echo
}

write_limits() {
  instructions
  {
    echo '# Instructions that one operation, or one request more than without the plugin, may take.'
    echo '# tests/bench/run.sh --gate compares; tests/bench/run.sh --limits writes this file: 5 % above what'
    echo '# was measured.'
    gated | while read -r name measured; do echo "$name $(limit_of "$measured")"; done
  } >"$WORK/limits"
  mv "$WORK/limits" "$LIMITS"
  cat "$LIMITS"
}

gate() {
  local name measured limit passed=0 failed=0
  instructions
  while read -r name measured limit; do
    if [ "$measured" = - ]; then
      echo "FAILED $name was not measured"
    elif [ "$limit" = - ]; then
      echo "FAILED $name has no limit: run tests/bench/run.sh --limits"
    elif [ "$measured" -gt "$limit" ]; then
      echo "FAILED $name $measured, limit $limit"
    else
      echo "ok     $name $measured, limit $limit"
      passed=$((passed + 1))
      continue
    fi
    failed=$((failed + 1))
  done < <(join -a 1 -a 2 -e - -o 0,1.2,2.2 <(gated | sort) <(grep -v '^#' "$LIMITS" | sort))
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}

build_tools
export TOOLS_BUILT=1
case ${1:-} in
  --gate) gate ;;
  --limits) write_limits ;;
  *) all "$@" ;;
esac
