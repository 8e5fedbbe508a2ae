#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# uWSGI with and without the plugin, both up at once, in many short rounds that take turns: processor time
# of the server a request, requests a second, and memory of a worker.
#
#   tests/bench/server_pairs.sh [PAIRS [SECONDS]]      100 pairs of rounds of 0.4 s
#
# Both servers are pinned to one core, the load and the collector (which only receives) to another. The
# number to believe is the median of the paired differences: whatever else the machine does meets both
# rounds of a pair alike. The processor time is that of all the server's threads, kernel included.
#
# A pair in which a server had less than QUIET percent of its core was disturbed by others, or the load was
# too slow. Such pairs are left out, as long as there are some better ones.
set -euo pipefail
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

PAIRS=${1:-100}
ROUND_SECONDS=${2:-0.4}
CONNECTIONS=8
QUIET=90
QUIET_PAIRS_MIN=8
WARM=20000

read -r -a CORES <<<"$("$PYTHON" -c 'import os; print(*sorted(os.sched_getaffinity(0)))')"
[ ${#CORES[@]} -ge 2 ] || die "two cores are needed"
SERVER_CORE=${CORES[0]} LOAD_CORE=${CORES[1]}

# --- Looking --------------------------------------------------------------------------------------

# cpu_ns PID: processor time of all its threads.
cpu_ns() { cat /proc/"$1"/task/*/schedstat | awk '{ ns += $1 } END { printf "%.0f", ns }'; }

# core_ticks CORE: "busy idle" since boot.
core_ticks() { awk -v core="cpu$1" '$1 == core { print $2 + $3 + $4 + $7 + $8 + $9, $5 + $6 }' /proc/stat; }

# memory PID: kB that are its own, and kB of the journal, which is mapped twice and so may not look it
memory() {
  awk '/^[0-9a-f]+-[0-9a-f]+ / { ours = /memfd:uwsgi-tracing-journal/ }
    /^Private_(Clean|Dirty):/ && !ours { own += $2 }
    /^Pss:/ && ours { journal += $2 }
    END { print own + 0, journal + 0 }' "/proc/$1/smaps"
}

# share BUSY-BEFORE IDLE-BEFORE BUSY IDLE: in percent, that it was busy
share() { calculate "100 * ($3 - $1) / ($3 - $1 + $4 - $2 + 1e-9)" %.0f; }

# --- Rounds ---------------------------------------------------------------------------------------

declare -A pid requests cpu_at_start wall_us

# round NAME: the load on one server; notes its processor time at the start, and how long it took.
round() {
  local name=$1 start
  cpu_at_start[$name]+=" $(cpu_ns "${pid[$name]}")"
  start=${EPOCHREALTIME/./}
  load "$name" "${requests[$name]}" "$CONNECTIONS" taskset -c "$LOAD_CORE"
  wall_us[$name]+=" $((${EPOCHREALTIME/./} - start))"
}

# warm_up NAME: and says how many requests make a round.
warm_up() {
  requests[$1]=$WARM
  round "$1"
  calculate "$WARM * 1e6 * $ROUND_SECONDS / ${wall_us[$1]}"
}

# each NAME: one line a round: microseconds of processor time a request, requests a second, percent of the
# round that the server had its core. The time is taken from one round's start to the next one's: what a
# reporter does behind the round belongs to it.
each() {
  local name=$1 i
  local -a cpu wall
  read -r -a cpu <<<"${cpu_at_start[$name]}"
  read -r -a wall <<<"${wall_us[$name]}"
  for ((i = 0; i < PAIRS; i++)); do
    awk -v ns=$((cpu[i + 1] - cpu[i])) -v us="${wall[i]}" -v n="${requests[$name]}" \
      'BEGIN { printf "%.3f %.0f %.1f\n", ns / n / 1000, n * 1e6 / us, ns / us / 10 }'
  done
}

# column N: of $WORK/rounds, which has both servers' columns side by side
column() { awk -v n="$1" '{ print $n }' "$WORK/rounds"; }

show() { printf '%-44s %10s %10s %10s\n' "$@"; }

# --- All of it ------------------------------------------------------------------------------------

build_tools
start_sink taskset -c "$LOAD_CORE"
read -r -a options <<<"$(plugin_options)"
start_uwsgi without taskset -c "$SERVER_CORE" --
pid[without]=$UWSGI_PID
await_uwsgi without
start_uwsgi with taskset -c "$SERVER_CORE" -- "${options[@]}"
pid[with]=$UWSGI_PID
await_uwsgi with

rate=$(warm_up without)
warm_up with >/dev/null

requests=([without]=$rate [with]=$rate)
cpu_at_start=() wall_us=()
say "$PAIRS pairs of rounds of $rate requests"
read -r -a server_before <<<"$(core_ticks "$SERVER_CORE")"
read -r -a load_before <<<"$(core_ticks "$LOAD_CORE")"
for ((i = 0; i < PAIRS; i++)); do
  if ((i % 2)); then order=(with without); else order=(without with); fi
  for name in "${order[@]}"; do round "$name"; done
done
read -r -a server_after <<<"$(core_ticks "$SERVER_CORE")"
read -r -a load_after <<<"$(core_ticks "$LOAD_CORE")"
sleep 1.5
for name in without with; do cpu_at_start[$name]+=" $(cpu_ns "${pid[$name]}")"; done

paste -d ' ' <(each without) <(each with) >"$WORK/all"
awk -v quiet="$QUIET" '$3 >= quiet && $6 >= quiet' "$WORK/all" >"$WORK/rounds"
quiet=$(wc -l <"$WORK/rounds")
if [ "$quiet" -lt "$QUIET_PAIRS_MIN" ]; then cp "$WORK/all" "$WORK/rounds"; fi
plus=$(awk '{ print $4 - $1 }' "$WORK/rounds" | quartiles)
ratio=$(awk '{ print $5 / $2 }' "$WORK/rounds" | quartiles)
without_cpu=$(column 1 | quartiles)
with_cpu=$(column 4 | quartiles)
without_rate=$(column 2 | quartiles)
with_rate=$(column 5 | quartiles)
busy=$(share "${server_before[@]}" "${server_after[@]}")
load_idle=$((100 - $(share "${load_before[@]}" "${load_after[@]}")))
own=$(awk '{ print $3; print $6 }' "$WORK/rounds" | quartiles)

# shellcheck disable=SC2086 # three words each
{
  show '' median quarter '3 quarters'
  show 'us of processor time a request, without' $without_cpu
  show 'us of processor time a request, with' $with_cpu
  show 'paired difference, us' $plus
  show 'requests a second, without' $without_rate
  show 'requests a second, with' $with_rate
  show 'paired ratio' $ratio
  show "the server's share of its core, %" $own
}
echo "server's core busy $busy %, load's core idle $load_idle %"
echo "$quiet of $PAIRS pairs were undisturbed (both servers had $QUIET % of their core)"
if [ "$quiet" -lt "$QUIET_PAIRS_MIN" ]; then
  echo 'warning: too few, so these numbers are of all pairs; repeat when the machine is quiet'
fi
result pairs/quiet "$quiet undisturbed of $PAIRS"
result pairs/plus_us "${plus%% *}"
result pairs/plus_us_quartiles "${plus#* }"
result pairs/without_us "${without_cpu%% *}"
result pairs/with_us "${with_cpu%% *}"
result pairs/without_rate "${without_rate%% *}"
result pairs/with_rate "${with_rate%% *}"
result pairs/ratio "${ratio%% *}"
result pairs/server_busy "$busy"
result pairs/server_own "${own%% *}"
result pairs/load_idle "$load_idle"

stop "${pid[without]}" INT
stop "${pid[with]}" INT
# What was measured did what it should: every span has left.
grep -o 'sampled [0-9]* = exported.*queued [0-9]*' "$WORK/with.log"

# --- Memory ---------------------------------------------------------------------------------------

# A worker under a master, as one runs in earnest: what the master made is not the worker's own.
for name in without with; do
  more=()
  [ "$name" = without ] || more=("${options[@]}")
  start_uwsgi "$name-memory" -- --master --processes 1 "${more[@]}"
  await_uwsgi "$name-memory"
  load "$name-memory" "$WARM" "$CONNECTIONS" taskset -c "$LOAD_CORE"
  sleep 1.5 # the default flush interval, and some
  worker=$(sed -n 's/^spawned uWSGI worker 1 (pid: \([0-9]*\),.*/\1/p' "$WORK/$name-memory.log")
  read -r own journal <<<"$(memory "$worker")"
  [ "$name" = with ] || own_without=$own
  stop "$UWSGI_PID" INT
done
echo "memory of a worker after $WARM requests: private +$((own - own_without)) KiB, journal +$journal KiB"
result memory/plus_private_kib $((own - own_without))
result memory/plus_journal_kib "$journal"
