# SPDX-License-Identifier: MIT
# What the benchmarks share: their tools, a uWSGI with and without the plugin, the load on it, and a
# place for results. Sourced; whatever it starts is stopped by pid when the script ends.
#
#   PLUGIN          the .so to measure (default: tracing_plugin.so of this tree)
#   PLUGIN_OPTIONS  more options for it, such as "--tracing-disable"
#   RESULTS         file that gets a line for each result: name, tab, value
#   TOOLS_BUILT     not empty: they are there already
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # what the scripts use is not used here

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BENCH=$ROOT/tests/bench
OUT=$ROOT/build/bench/tools
PYTHON=/usr/bin/python3
PLUGIN=${PLUGIN:-$ROOT/tracing_plugin.so}
PLUGIN_OPTIONS=${PLUGIN_OPTIONS:-}
RESULTS=${RESULTS:-/dev/null}
WORK=$(mktemp -d /tmp/bench.XXXXXX)
STARTED=() # pids

# Nothing of the caller's environment may configure the plugin or the interpreter.
for name in $(compgen -e | grep -E '^(OTEL_|JAEGER_|SERVICE_NAME$|TRACING_|PYTHON|UWSGI_)'); do unset "$name"; done

die() {
  echo "bench: $*" >&2
  exit 1
}

say() { echo "$*" >&2; }

# result NAME VALUE
result() { printf '%s\t%s\n' "$1" "$2" >>"$RESULTS"; }

# calculate EXPRESSION [FORMAT]: arithmetic that bash has not.
calculate() { awk "BEGIN { printf \"${2:-%.0f}\", $1 }"; }

# quartiles: of the numbers on standard input, "median quarter three-quarters".
quartiles() {
  sort -g | awk '{ v[NR] = $1 }
    function at(part,  i, f) { i = 1 + (NR - 1) * part; f = i - int(i); return v[int(i)] * (1 - f) + v[int(i) + (f > 0)] * f }
    END { printf "%.2f %.2f %.2f\n", at(.5), at(.25), at(.75) }'
}

# --- Processes ------------------------------------------------------------------------------------

# alive PID: it is there and not a zombie.
alive() { [ -e "/proc/$1/stat" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# wait_for SECONDS COMMAND...: runs the command until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

gone() { ! alive "$1"; }

# stop PID [SIGNAL]: and waits for its end.
stop() {
  kill -"${2:-TERM}" "$1" 2>/dev/null || true
  wait_for 20 gone "$1" || kill -KILL "$1" 2>/dev/null || true
}

clean_up() {
  local pid
  for pid in "${STARTED[@]}"; do
    if alive "$pid"; then stop "$pid" INT; fi
  done
  rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- Tools ------------------------------------------------------------------------------------------

# Each source compiled alone with the plugin's flags, as uWSGI's builder does it: uWSGI's own flags, then
# those of uwsgiplugin.py. Of the sources that need uWSGI only the request path's are here.
build_tools() {
  local -a flags uwsgi_flags libs objects=() hooks=("$OUT"/host-{hooks,headers}.c.o)
  local source object name
  [ -z "${TOOLS_BUILT:-}" ] || return 0
  [ -e "$PLUGIN" ] || die "there is no $PLUGIN: run make"
  mkdir -p "$OUT"
  eval "uwsgi_flags=($(uwsgi --cflags))"
  read -r -a flags <<<"-std=gnu11 -D_GNU_SOURCE -O2 -flto=auto -fPIC -fvisibility=hidden -I$OUT -I$ROOT/include -Wa,-I$ROOT/plugin/python $(pkg-config --cflags thrift_c_glib libcurl libcrypto jansson zlib)"
  flags=("${uwsgi_flags[@]}" "${flags[@]}")
  read -r -a libs <<<"$(pkg-config --libs thrift_c_glib libcurl libcrypto jansson zlib) -lpthread -lm"
  uwsgi --dot-h >"$OUT/uwsgi.h"
  for source in $(grep -L '<uwsgi.h>' "$ROOT"/plugin/*/*.c) "$ROOT"/plugin/host/{hooks,headers}.c; do
    object=${source#"$ROOT/plugin/"}
    object=$OUT/${object//\//-}.o
    gcc "${flags[@]}" -c -o "$object" "$source" || die "$source does not compile"
    [[ " ${hooks[*]} " = *" $object "* ]] || objects+=("$object")
  done
  gcc "${flags[@]}" -o "$OUT/bench_request" "$BENCH/bench_request.c" "${hooks[@]}" "${objects[@]}" "${libs[@]}"
  for name in encode formats; do
    gcc "${flags[@]}" -o "$OUT/bench_$name" "$BENCH/bench_$name.c" "${objects[@]}" "${libs[@]}"
  done
  gcc -O2 -pthread -o "$OUT/load" "$ROOT/tests/tools/load.c"
  gcc -O2 -Wall -Wextra -o "$OUT/sink" "$BENCH/sink.c"
}

# start_sink [COMMAND...]: a collector that looks at nothing, run under the command. Sets SINK_PORT.
start_sink() {
  "$@" "$OUT/sink" >"$WORK/sink" &
  STARTED+=($!)
  disown
  wait_for 5 grep -qs port "$WORK/sink" || die "no sink"
  SINK_PORT=$(sed -n 's/^port //p' "$WORK/sink")
}

# --- The server -------------------------------------------------------------------------------------

# start_uwsgi NAME COMMAND... -- OPTION...: one worker, no master, no request log, hello world on the
# UNIX socket $WORK/NAME.sock, run under the command. Sets UWSGI_PID. Then await_uwsgi NAME.
start_uwsgi() {
  local name=$1
  local -a under=()
  shift
  while [ "$1" != -- ]; do
    under+=("$1")
    shift
  done
  shift
  # Where the tree lies and what the environment holds moves the heap, and that the numbers: it is the
  # same for everybody, and PADDING tells how much more there is of it.
  cp "$BENCH/hello.py" "$WORK"
  ln -sfn "$PLUGIN" "$WORK/tracing_plugin.so"
  (cd "$WORK" && exec env -i PATH=/usr/bin:/bin LC_ALL=C PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 \
    PADDING="${PADDING:-}" "${under[@]}" uwsgi --plugin python3 --http-socket "$WORK/$name.sock" --wsgi-file hello.py \
    --disable-logging --die-on-term --need-app "$@") >"$WORK/$name.log" 2>&1 &
  UWSGI_PID=$!
  STARTED+=("$UWSGI_PID")
  disown
}

# await_uwsgi NAME: its worker is there.
await_uwsgi() {
  wait_for 60 grep -qs 'spawned uWSGI worker 1' "$WORK/$1.log" && return
  tail -n 20 "$WORK/$1.log" >&2
  die "uWSGI did not start"
}

# Options for the plugin; $SINK_PORT is where it sends to.
plugin_options() {
  echo "--plugin $WORK/tracing_plugin.so --tracing-export jaeger+udp://127.0.0.1:$SINK_PORT $PLUGIN_OPTIONS"
}

# Twelve headers (load sends Host itself) and an uber-trace-id as Jaeger's clients write it, sampled.
HEADERS=(
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  'Accept-Language: en-US,en;q=0.5'
  'Accept-Encoding: gzip, deflate, br'
  'Connection: close'
  'Cache-Control: no-cache'
  'Pragma: no-cache'
  'Referer: http://shop.example.com/cart'
  'Cookie: sessionid=0123456789abcdef0123456789abcdef; theme=dark'
  'DNT: 1'
  'Upgrade-Insecure-Requests: 1'
)
UBER='uber-trace-id: 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0000000000000000:1'

# load NAME REQUESTS CONNECTIONS [COMMAND...]: every one of them is answered with 200, or it is over.
load() {
  local name=$1 requests=$2 connections=$3 answer
  shift 3
  answer=$("$@" "$OUT/load" "$WORK/$name.sock" "$requests" "$connections" '/users/42/orders?page=2' \
    "${HEADERS[@]}" "$UBER") || true
  [ "$answer" = "200 $requests" ] || die "the load on $name got: $answer"
}
