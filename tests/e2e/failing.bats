#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every call of the plugin that can fail is made to fail in turn, in a whole uWSGI: the first malloc, the
# second, and so on until there are no more (with E2E_LONG=1; else a sample of each, the first and the
# last among them). Whatever it is, uWSGI starts, answers each request, ends in time, and the operator is
# told once.
#
# The calls are those of tests/tools/failing.c, by the plugin itself and, in the last test, by libcurl.
# GLib ends the process when it has no memory, as uWSGI and Python do: nothing to be done.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

SAMPLES=2 # of each function, and its last call, without E2E_LONG

setup_file() {
  export FAILING=$BATS_FILE_TMPDIR/failing.so
  cc -O1 -g -shared -fPIC -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAILING" "$BATS_TEST_DIRNAME/../tools/failing.c"
}

# A collector over HTTP, one for Zipkin's wire, a sampling server. Sets HTTP_PORT, ZIPKIN_PORT,
# SAMPLING_PORT.
start_peers() {
  start_collector_to zipkin.jsonl --wire zipkin
  ZIPKIN_PORT=$COLLECTOR_PORT
  start_collector
  background http "$PYTHON" "$TOOLS/posts.py" --out "$WORK/posts.jsonl"
  echo '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":1}}' >answer
  background sampling "$PYTHON" "$TOOLS/strategies.py" answer asked
  wait_for "$DEADLINE" log_has '^port ' http.log
  wait_for "$DEADLINE" log_has '^port ' sampling.log
  HTTP_PORT=$(sed -n 's/^port //p' http.log)
  SAMPLING_PORT=$(sed -n 's/^port //p' sampling.log)
}

# An instance that makes every call the plugin knows: each transport, gzip, credentials, a name
# to resolve, a remote sampler, response headers, texts of the environment that are rewritten.
everything() {
  cat <<INI
wsgi-file = $APPS/app.py
http-socket = $WORK/http.sock
tracing-export = jaeger+udp://localhost:$COLLECTOR_PORT
tracing-export = zipkin.thrift+udp://127.0.0.1:$ZIPKIN_PORT
tracing-export = otlp+http://127.0.0.1:$HTTP_PORT
tracing-export = zipkin+http://user:password@127.0.0.1:$HTTP_PORT
tracing-export = jaeger+http://localhost:$HTTP_PORT
tracing-export = otlp.json+file://$WORK/spans.file
tracing-export-header = X-Mine: here
tracing-export-gzip = true
tracing-export-timeout = 5s
tracing-exit-timeout = 500ms
tracing-flush-interval = 10ms
tracing-sampler = remote:http://127.0.0.1:$SAMPLING_PORT/sampling initial=1
tracing-response-header = x-trace-id
$MORE
INI
}

calls() { "$PYTHON" -c 'import struct; print(*struct.unpack("I", open("count", "rb").read()))'; }

# round CALL N INI_FUNCTION [ARGUMENT]: one life of an instance. Fails if a request or the end is hurt.
round() {
  local call=$1 n=$2
  shift 2
  printf '\0\0\0\0' >count
  rm -f "$LOG"
  E2E_LD_PRELOAD="$FAILING${PRELOAD:+ $PRELOAD}" FAIL_CALL=$call FAIL_AT=$n \
    FAIL_FOR=${FAIL_FOR:-/tracing_plugin.so} FAIL_COUNT=$WORK/count start_uwsgi < <("$@")
  over "$WORK/http.sock"
  requests 3 1 /hello 'uber-trace-id: 1:2:0:1'
  [ "$(get /post -d 'a body' | cut -d' ' -f1)" = 6 ]
  wait_for 1 looked_at 2>/dev/null || true
  local before=${EPOCHREALTIME/./}
  stop_uwsgi
  [ $((${EPOCHREALTIME/./} - before)) -lt 2500000 ]
  [ "$UWSGI_EXIT" = 0 ]
}

# A reporter has looked at the ring (then there is more to fail), or none will.
looked_at() { [ -s "$SPANS" ] || log_has 'not tracing|does not trace'; }

# Lines that tell the operator of trouble, but for the accounts.
told() { grep -aE '\[tracing\]' "$LOG" | grep -avE ': sampled [0-9]+ = |exports again|\[tracing\] service ' || true; }

# in_turn CALL INI_FUNCTION [ARGUMENT]: each call of CALL fails once, in an instance of its own.
in_turn() {
  local call=$1 n total step lines
  shift
  no_accounts
  allow_log '\[tracing\]'
  round "$call" 1000000 "$@" # none fails
  total=$(calls)
  [ "$total" -gt 0 ] # else it would test nothing
  step=$(((total + SAMPLES - 1) / SAMPLES))
  [ -z "${E2E_LONG:-}" ] || step=1
  for ((n = 1; n <= total; n += n + step > total && n < total ? total - n : step)); do
    : >"$SPANS"
    round "$call" "$n" "$@" || {
      echo "when call $n of $call fails"
      return 1
    }
    lines=$(told)
    echo "$call $n: ${lines:-(nothing to tell)}"
    if [ "$(wc -l <<<"$lines")" -gt 1 ]; then
      echo "said more than once"
      return 1
    fi
    grep -aqE '\[tracing\].*: sampled [0-9]+ = ' "$LOG" && "$PYTHON" "$TOOLS/accounts.py" "$LOG" check
  done
  echo "$call: $total calls, failed in turn with a step of $step"
}

all_in_turn() {
  local call
  export OTEL_RESOURCE_ATTRIBUTES='a=b%20c,d=e'
  start_peers
  for call in "$@"; do in_turn "$call" everything; done
}

@test "memory" {
  echo 'only looked at' >ca.pem
  MORE="tracing-export-ca = $WORK/ca.pem" all_in_turn malloc calloc realloc strndup asprintf
}
@test "the mapping" { all_in_turn mmap64 memfd_create ftruncate64; }
@test "random numbers, and who we are" { all_in_turn getrandom gethostname getifaddrs __register_atfork; }
@test "threads" { all_in_turn pthread_create pthread_attr_init pthread_attr_setstacksize sem_init; }
@test "locks" { all_in_turn pthread_mutexattr_init pthread_mutex_init; }
@test "sockets" { all_in_turn socket connect send getsockopt getaddrinfo; }
@test "files" { all_in_turn open64 fstat64 fcntl64 write; }
@test "libcurl" {
  all_in_turn curl_global_init curl_url curl_easy_init curl_multi_init curl_slist_append curl_easy_escape \
    curl_multi_add_handle curl_multi_perform curl_multi_poll
}

@test "options of a transfer" { all_in_turn curl_easy_setopt; }

@test "memory of libcurl" {
  FAIL_FOR=/libcurl.so all_in_turn malloc calloc realloc strdup
}
