#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs each fuzzer for so many seconds, from its committed corpus; what it finds new is kept beside the
# fuzzer, not in the corpus. A crash leaves its input there and is a failure.
#
#   tests/fuzz/run.sh BINARIES SECONDS FUZZER...
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binaries=$1 seconds=$2
shift 2
passed=0 failed=0
for fuzzer in "$@"; do
  work=$binaries/$fuzzer.work
  mkdir -p "$work"
  log=$binaries/$fuzzer.log
  if "$binaries/$fuzzer" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$binaries/$fuzzer-" "$work" "$here/corpus/$fuzzer" >"$log" 2>&1; then
    passed=$((passed + 1))
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$fuzzer: $executions executions in $seconds s, no finding"
  else
    failed=$((failed + 1))
    tail -n 40 "$log"
    echo "$fuzzer: FAILED, see $log"
  fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" = 0 ]
