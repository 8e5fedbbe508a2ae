#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tracing-check: what it shows, what each kind of collector's answer makes of it, and that it serves
# nothing.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper
load options

# check EXIT_CODE [UWSGI OPTION...] <INI LINES: a uWSGI that checks and ends so. What it printed is in
# the file `said`.
check() {
  local want=$1
  shift
  no_accounts
  : >said
  allow_log 'environment variable'
  OUT=$WORK/said run_uwsgi "$@" <<INI
processes = 1
wsgi-file = $APPS/app.py
$(cat)
INI
  log_count 'spawned uWSGI|WSGI app 0|uwsgi socket|\[tracing\] service ' | grep -qx 0 # it binds, loads and forks nothing
  if [ "$status" != "$want" ]; then
    echo "exit code $status, not $want; said:" >&2
    cat said >&2
    return 1
  fi
}

# says REGEX...: each is a line of what was printed
says() {
  local line
  for line in "$@"; do
    grep -qE -- "^ *$line\$" said || {
      echo "not said: $line" >&2
      cat said >&2
      return 1
    }
  done
}

@test "each setting, its value and where it comes from; credentials are masked" {
  export OTEL_BSP_SCHEDULE_DELAY=250 OTEL_RESOURCE_ATTRIBUTES=zone=a%20b OTEL_PROPAGATORS=b3
  export JAEGER_AUTH_TOKEN=hunter2
  check 1 <<INI
tracing-check = true
tracing-service = shop
tracing-tag = region=eu
tracing-export = otlp+http://user:hunter2@127.0.0.1:1/v1/traces?key=hunter2
tracing-export-header = Authorization: Bearer hunter2
tracing-trust = 10.0.0.0/8, unix
INI
  says 'tracing-service = shop \(option\)' \
    'tracing-tag = region=eu \(option\)' \
    'tracing-tag = zone=a b \(environment variable OTEL_RESOURCE_ATTRIBUTES\)' \
    'tracing-flush-interval = 50ms \(option\)' \
    'tracing-export = otlp\+http://\*\*\*@127.0.0.1:1/v1/traces\?\*\*\* \(option\)' \
    'tracing-export-header = Authorization: \*\*\* \(option\)' \
    'tracing-extract = b3,b3multi \(environment variable OTEL_PROPAGATORS\)' \
    'tracing-inject = b3 \(environment variable OTEL_PROPAGATORS\)' \
    'tracing-trust = 10.0.0.0/8, unix \(option\)' \
    'tracing-sampler = const:1 \(default\)' \
    'tracing-journal-size = 1M \(default\)'
  none hunter2 <said
  none hunter2 <"$LOG"
  # Every option but tracing-check itself is there.
  LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" --plugin "$PLUGIN" --help | grep -o -- '--tracing-[a-z-]*' >options
  [ "$(sed 's/^--//' options | sort)" = "$({ grep -oE '^  tracing-[a-z-]+ =' said | tr -d ' ='; echo tracing-check; } | sort -u)" ]
}

@test "as an option of the command line, behind the ini; and what the environment gets wrong is said" {
  export OTEL_BSP_SCHEDULE_DELAY=soon
  start_collector
  WITHOUT=tracing-flush-interval check 0 --tracing-check </dev/null
  says 'tracing-flush-interval = 1s \(default\)' 'tracing-export-header = none \(default\)' '1 of 1 took it'
  log_has 'environment variable OTEL_BSP_SCHEDULE_DELAY=soon is ignored'
}

@test "UDP: a span that can be read arrives" {
  start_collector
  check 0 <<<'tracing-check = true'
  says "jaeger\+udp://127.0.0.1:$COLLECTOR_PORT: ok: handed over, and nobody refused it; UDP cannot tell more" \
    'one span named tracing-check to each of 1 exporters:' '1 of 1 took it'
  need_spans 1
  spans all 'name == "tracing-check" and service == "e2e" and root and flags == 1 and n(trace) != 0'
}

@test "UDP: nobody listens on this host" {
  local dead
  dead=$(free_port udp)
  check 1 <<INI
tracing-check = true
tracing-export = jaeger+udp://127.0.0.1:$dead
INI
  says "jaeger\+udp://127.0.0.1:$dead: FAILED: cannot send: Connection refused \(a server would try again\)" '0 of 1 took it'
}

@test "UDP to a name that nobody has" {
  check 1 <<INI
tracing-check = true
tracing-export = jaeger+udp://nobody.invalid
INI
  says 'jaeger\+udp://nobody.invalid: FAILED: cannot resolve nobody.invalid: .*'
}

@test "HTTP: what the collector answered, whatever the wire" {
  start_posts
  check 0 <<INI
tracing-check = true
tracing-export = otlp+http://127.0.0.1:$POSTS_PORT
tracing-export = otlp.json+http://127.0.0.1:$POSTS_PORT
tracing-export = jaeger+http://127.0.0.1:$POSTS_PORT
tracing-export = zipkin+http://127.0.0.1:$POSTS_PORT
tracing-export-header = X-Team: shop
INI
  [ "$(grep -cE ': ok: answered 202$' said)" = 4 ]
  says '4 of 4 took it'
  [ "$(wc -l <posts.jsonl)" = 4 ]
  [ "$(grep -c '"x-team": "shop"' posts.jsonl)" = 4 ]
}

@test "HTTP: 401, with what the collector says of it" {
  start_posts --answer 401 --body 'no such token'
  check 1 <<INI
tracing-check = true
tracing-export = otlp+http://127.0.0.1:$POSTS_PORT
INI
  says "otlp\+http://127.0.0.1:$POSTS_PORT: FAILED: answered 401: no such token" '0 of 1 took it'
}

@test "HTTP: a partial success, in which our span was refused, is none" {
  start_posts --answer 200 --body '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"quota"}}'
  check 1 <<INI
tracing-check = true
tracing-export = otlp.json+http://127.0.0.1:$POSTS_PORT
INI
  says ".*: FAILED: answered 200 and refused the span, with a warning: .*quota.*"
}

@test "HTTP: refused, silent, unavailable" {
  local dead
  dead=$(free_port)
  check 1 <<INI
tracing-check = true
tracing-export = otlp+http://127.0.0.1:$dead
INI
  says "otlp\+http://127.0.0.1:$dead: FAILED: .*(refused|connect).* \(a server would try again\)"

  start_posts --silent
  check 1 <<INI
tracing-check = true
tracing-export = otlp+http://127.0.0.1:$POSTS_PORT
tracing-export-timeout = 100ms
INI
  says ".*: FAILED: .*timed out.* \(a server would try again\)"
  stop_background

  start_posts --answer 503
  check 1 <<INI
tracing-check = true
tracing-export = otlp+http://127.0.0.1:$POSTS_PORT
INI
  says ".*: FAILED: answered 503 \(a server would try again\)"
}

@test "HTTPS: a certificate nobody vouches for, and the same one with tracing-export-ca" {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
  start_posts --cert cert --key key
  check 1 <<INI
tracing-check = true
tracing-export = otlp+https://127.0.0.1:$POSTS_PORT
INI
  says ".*: FAILED: .*certificate.*"
  check 0 <<INI
tracing-check = true
tracing-export = otlp+https://127.0.0.1:$POSTS_PORT
tracing-export-ca = $WORK/cert
INI
  says ".*: ok: answered 202"
}

@test "a file and standard output: written" {
  check 1 <<INI
tracing-check = true
tracing-export = otlp.json+file://$WORK/otlp.jsonl
tracing-export = otlp.json+stdout:
tracing-export = otlp.json+file://$WORK/nowhere/otlp.jsonl
INI
  says "otlp.json\+file://$WORK/otlp.jsonl: ok: written" 'otlp.json\+stdout:: ok: written' \
    "otlp.json\+file://$WORK/nowhere/otlp.jsonl: FAILED: .*No such file.*" '2 of 3 took it'
  "$PYTHON" "$TOOLS/spans.py" otlp.jsonl all 'name == "tracing-check"'
  [ "$(grep -c '^{"resourceSpans"' said)" = 1 ]
}

@test "no exporter: nothing to send, and nothing wrong" {
  export OTEL_TRACES_EXPORTER=none
  check 0 <<<'tracing-check = true'
  says 'tracing-export = none \(environment variable OTEL_TRACES_EXPORTER\)' '0 of 0 took it'
}

# sampling_server ANSWER: sets SAMPLING to its URL
sampling_server() {
  printf '%s\n' "$1" >answer
  rm -f strategies.log
  background strategies "$PYTHON" "$TOOLS/strategies.py" answer asked --port 0
  wait_for "$DEADLINE" log_has '^port ' strategies.log
  SAMPLING=http://127.0.0.1:$(sed -n 's/^port //p' strategies.log)/sampling
}

# check_sampling EXIT_CODE
check_sampling() {
  check "$1" <<INI
tracing-check = true
tracing-service = a b
tracing-sampler = remote:$SAMPLING
INI
  says '1 of 1 took it' "the strategy for this service, of the sampling server:"
}

@test "a remote sampler: what its server says of the service" {
  start_collector
  sampling_server '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.25}}'
  check_sampling 0
  says "$SAMPLING: probabilistic:0.25"
  grep -q 'service=a%20b$' asked
  echo '{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":42}}' >answer
  check_sampling 0
  says "$SAMPLING: ratelimiting:42"
  echo '{"operationSampling":{"defaultSamplingProbability":0.1,"defaultLowerBoundTracesPerSecond":0.5,
    "perOperationStrategies":[{"operation":"GET /","probabilisticSampling":{"samplingRate":1}}]}}' >answer
  check_sampling 0
  says "$SAMPLING: 1 operations of their own, others 0.1, each at least 0.5 traces a second"
  echo 'status 404' >answer
  check_sampling 1
  says "$SAMPLING: FAILED: HTTP status 404"
  echo '{}' >answer
  check_sampling 1
  says "$SAMPLING: FAILED: no strategy in the answer"
  SAMPLING=http://127.0.0.1:1/sampling
  check_sampling 1
  says "$SAMPLING: FAILED: .*(refused|connect).*"
}

@test "a wrong option is an error as ever; a server that runs is left alone" {
  check 1 <<INI
tracing-check = true
tracing-sampler = half
INI
  allow_log 'tracing-sampler = half'
  log_has 'tracing-sampler = half: not allowed'
  [ ! -s said ]
}

@test "beside a server that runs from the same ini: its socket, pidfile, log and statistics stay" {
  serve <<INI
http-socket = $WORK/http.sock
pidfile = $WORK/pidfile
stats = $WORK/stats.sock
vacuum = true
INI
  over "$WORK/http.sock"
  ls -i pidfile stats.sock http.sock >before
  cat pidfile >>before
  LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" --ini "$INI" --daemonize "$WORK/daemon.log" --tracing-check >said 2>second.log
  says '1 of 1 took it'
  { ls -i pidfile stats.sock http.sock && cat pidfile; } | diff before -
  [ ! -e daemon.log ]
  [ "$(get /hello)" = hello ]
}

@test "it runs as uid and gid, in chdir, as the workers would" {
  [ "$(id -u)" = 0 ] || skip 'only root can become somebody else'
  local dir
  dir=$(mktemp -d /tmp/tracing-check.XXXXXX)
  chmod 777 "$dir"
  check 1 <<INI
tracing-check = true
uid = nobody
gid = nogroup
tracing-export = otlp.json+file://$dir/otlp.jsonl
tracing-export = otlp.json+file://$WORK/otlp.jsonl
INI
  says "otlp.json\+file://$dir/otlp.jsonl: ok: written" "otlp.json\+file://$WORK/otlp.jsonl: FAILED: .*Permission denied.*"
  [ "$(stat -c %U:%G "$dir/otlp.jsonl")" = nobody:nogroup ]
  rm -r "$dir"

  check 1 <<INI
tracing-check = true
uid = nobody-of-this-name
INI
  allow_log 'cannot go to uid'
  log_has 'tracing-check: cannot go to uid, gid or chdir of the workers'
}

@test "tracing-check = false checks nothing" {
  serve <<<'tracing-check = false'
  span_of
}

# uWSGI logs its options with its statistics, and applications can read them.
@test "uWSGI itself shows no header's value" {
  serve <<INI
tracing-export-header = Authorization: Bearer hunter2
INI
  get /hello
  kill -USR1 "$UWSGI_PID"
  wait_for "$DEADLINE" log_has '^tracing-export-header = Authorization: \*\*\*$'
  need_spans 1
  none hunter2 <"$LOG"
}
