#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an operator may say, by option and by environment, and what it answers.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# serve <INI LINES: a collector, and a uWSGI of one worker with the usual application and those lines.
serve() {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$(cat)
INI
}

# span_of [CURL OPTION...]: one request, and its one span in $SPANS
span_of() {
  get /hello "$@"
  need_spans 1
}

# --- Wrong values --------------------------------------------------------------------------------------------

# How the line for a wrong value says what should have been given instead.
SAYS_WHAT='(allowed|written): |longer than [0-9]+ bytes|at most [0-9]+| needs '

# refuses OPTION VALUE...: with any of these values uWSGI does not start, and one line says why. (Of a
# very long value it shows the beginning.)
refuses() {
  local option=$1 value lines
  shift
  no_accounts
  for value in "$@"; do
    allow_log "^[0-9]+:\[tracing\] $option = "
    run_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$option = $value
INI
    lines=$(grep -a '\[tracing\]' "$LOG" || true)
    if [ "$status" = 0 ] || [ "$(grep -c . <<<"$lines")" != 1 ] ||
      [[ $lines != "[tracing] $option = ${value:0:160}"*": "?* ]] || [[ ! $lines =~ $SAYS_WHAT ]]; then
      echo "$option = $value: exit code $status, said: $lines"
      return 1
    fi
    log_count 'spawned uWSGI|WSGI app 0' | grep -qx 0 # nothing is half started
  done
}

@test "wrong tracing-service" {
  refuses tracing-service "$(printf 'x%.0s' {1..256})"
}

@test "wrong tracing-tag" {
  refuses tracing-tag novalue =value
}

@test "wrong tracing-disable" {
  refuses tracing-disable maybe 2
}

@test "wrong tracing-export" {
  refuses tracing-export nonsense jaeger jaeger+udp jaeger+udp:127.0.0.1 jaeger+udp:// \
    jaeger+udp://:6831 jaeger+udp://127.0.0.1:0 jaeger+udp://127.0.0.1:65536 jaeger+udp://127.0.0.1:port \
    jaeger+udp://127.0.0.1:6831/path jaeger+udp://user@host jaeger+udp://::1 'jaeger+udp://[::1' \
    jaeger+tcp://127.0.0.1:6831 udp://127.0.0.1 otlp.json+file:relative otlp.json+file: \
    otlp.json+file://host/path otlp.json+stdout:there "jaeger+udp://$(printf 'x%.0s' {1..300})"
}

@test "too many exporters" {
  no_accounts
  allow_log 'tracing-export = .*: not allowed \(allowed: at most 8 exporters\)'
  run_uwsgi <<INI
processes = 1
$(for i in 1 2 3 4 5 6 7 8 9; do echo "tracing-export = jaeger+udp://127.0.0.1:$i"; done)
wsgi-file = $APPS/app.py
INI
  [ "$status" != 0 ]
  log_has 'at most 8 exporters'
}

@test "wrong tracing-flush-interval" {
  refuses tracing-flush-interval soon 10 1h -1s 0ms 1ms 61m 1.5s 's' '1 s' 99999999999999999999s
}

@test "wrong tracing-exit-timeout" {
  refuses tracing-exit-timeout never 10 -1s 61m
}

@test "wrong tracing-journal-size" {
  refuses tracing-journal-size large 1k -1M 1G 1025M 2000000000 1kB
}

@test "wrong tracing-udp-packet" {
  refuses tracing-udp-packet large 1023 65508 64k -1 0
}

@test "wrong tracing-sampler" {
  refuses tracing-sampler always const const: const:2 const:true probabilistic:1.01 probabilistic:-0.1 \
    probabilistic:x probabilistic:nan ratelimiting:-1 ratelimiting:x remote remote:http://127.0.0.1 adaptive:1
}

@test "wrong tracing-extract, tracing-inject" {
  refuses tracing-extract jaegar jaeger,nonsense jaeger, ,
  refuses tracing-inject jaegar jaeger,nonsense
}

@test "wrong tracing-variables, tracing-semconv" {
  refuses tracing-variables perhaps
  refuses tracing-semconv old http,opentracing
}

@test "empty values are wrong, too" {
  local option
  for option in tracing-tag tracing-export tracing-flush-interval tracing-journal-size tracing-exit-timeout \
    tracing-udp-packet tracing-sampler tracing-semconv; do
    allow_log "$option"
    no_accounts
    run_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$option =
INI
    [ "$status" != 0 ] || { echo "$option with nothing was taken"; return 1; }
    log_has "$option"
  done
}

# --- Right ones -------------------------------------------------------------------------------------------------

@test "--help shows each option with its unit and default" {
  LD_PRELOAD=${E2E_LD_PRELOAD:-} "$UWSGI" --plugin "$PLUGIN" --help >help
  local option words
  while read -r option words; do
    grep -- "--$option " help >line || { echo "no $option in --help"; return 1; }
    grep -qE -- "default: $words" line || { echo "$(cat line): not '$words'"; return 1; }
  done <<'TABLE'
tracing-service name of the working directory
tracing-tag none
tracing-disable false
tracing-export jaeger\+udp://127\.0\.0\.1:6831
tracing-flush-interval 1s
tracing-journal-size 1M
tracing-exit-timeout 1s
tracing-udp-packet 65000
tracing-sampler const:1
tracing-extract jaeger
tracing-inject jaeger
tracing-variables false
tracing-semconv
TABLE
  grep -- --tracing-flush-interval help | grep -q 'ms, s or m'
  grep -- --tracing-exit-timeout help | grep -q 'ms, s or m'
  grep -- --tracing-journal-size help | grep -q bytes
  grep -- --tracing-udp-packet help | grep -q bytes
  # Every option of ours is in the table above.
  [ "$(grep -c -- '--tracing-' help)" = 13 ]
}

@test "without options: service is the working directory's name" {
  mkdir shop
  cd shop
  start_collector
  WITHOUT=tracing-service start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  span_of
  spans all 'service == "shop"'
}

@test "service is the name of chdir" {
  mkdir -p stock
  start_collector
  WITHOUT=tracing-service start_uwsgi <<INI
processes = 1
chdir = $WORK/stock
wsgi-file = $APPS/app.py
INI
  span_of
  spans all 'service == "stock"'
}

@test "tracing-service, tracing-tag: as given, the first of a name" {
  serve <<INI
tracing-service = shop front
tracing-tag = region=eu=west
tracing-tag = version = 1.2
tracing-tag = version=2
tracing-tag = empty=
INI
  span_of
  spans all 'service == "shop front" and process["region"] == "eu=west" and process["version"] == "1.2"'
}

@test "tracing-disable: no span, no header, the response as ever" {
  start_collector
  no_accounts
  start_uwsgi <<INI
processes = 1
tracing-disable = true
wsgi-file = $APPS/app.py
INI
  get /environ >seen
  [ "$(field HTTP_UBER_TRACE_ID <seen)" = '' ]
  [ "$(get /environ -H 'uber-trace-id: 1:2:0:1' | field HTTP_UBER_TRACE_ID)" = 1:2:0:1 ]
  need_spans 0
}

@test "tracing-extract = none starts new traces, tracing-inject = none tells the application nothing" {
  serve <<INI
tracing-extract = none
tracing-inject = none
INI
  get /environ -H 'uber-trace-id: 1:2:0:1' >seen
  [ "$(field HTTP_UBER_TRACE_ID <seen)" = 1:2:0:1 ]
  need_spans 1
  spans all 'root'
}

@test "tracing-semconv = http over the Jaeger wire" {
  serve <<<'tracing-semconv = http'
  span_of
  spans all 'tags["http.request.method"] == "GET" and tags["url.path"] == "/hello" and tags["url.scheme"] == "http"'
  spans all 'tags["http.response.status_code"] == 200 and "http.method" not in tags'
  spans all 'tags["server.address"] == "127.0.0.1" and types["server.port"] == "LONG"'
  spans all 'tags["network.peer.address"] == "127.0.0.1" and tags["user_agent.original"].startswith("curl/")'
  spans all 'tags["network.protocol.version"] == "1.1" and tags["http.response.body.size"] == 5'
}

@test "tracing-semconv = http/dup has both" {
  serve <<<'tracing-semconv = http/dup'
  get '/status?line=503+Busy'
  need_spans 1
  spans all 'tags["http.request.method"] == "GET" and tags["http.method"] == "GET"'
  spans all 'tags["http.response.status_code"] == 503 and tags["http.status_code"] == 503'
  spans all 'tags["error"] is True and tags["error.type"] == "503"'
}

# --- Environment ---------------------------------------------------------------------------------------------------

# warns_of VARIABLE: uWSGI's log has exactly one line of ours, and it is about that variable
warns_of() {
  [ "$(grep -ac '\[tracing\] environment' "$LOG")" = 1 ]
  log_has "\[tracing\] environment variable $1=.* is ignored"
}

@test "service names in the environment, by precedence" {
  local expected
  export SERVICE_NAME=four JAEGER_SERVICE_NAME=three OTEL_RESOURCE_ATTRIBUTES=service.name=two OTEL_SERVICE_NAME=one
  for expected in one two three four; do
    WITHOUT=tracing-service serve </dev/null
    span_of
    spans all "service == '$expected'"
    stop_background
    case $expected in
      one) OTEL_SERVICE_NAME='' ;; # empty is unset
      two) unset OTEL_RESOURCE_ATTRIBUTES ;;
      three) JAEGER_SERVICE_NAME='' ;;
    esac
  done
}

@test "an option beats the environment" {
  export OTEL_SERVICE_NAME=env OTEL_TRACES_SAMPLER=always_off OTEL_TRACES_EXPORTER=none
  export OTEL_SEMCONV_STABILITY_OPT_IN=http OTEL_RESOURCE_ATTRIBUTES=region=env,zone=env
  serve <<INI
tracing-sampler = const:1
tracing-semconv = opentracing
tracing-tag = region=option
INI
  span_of
  spans all 'service == "e2e" and "http.method" in tags and process["region"] == "option"'
  spans all 'process["zone"] == "env"'
}

@test "OTEL_RESOURCE_ATTRIBUTES: percent-encoded; a malformed one is dropped whole, with a warning" {
  export OTEL_RESOURCE_ATTRIBUTES='a=1,b=x%2Cy%3Dz, c = 3 '
  serve </dev/null
  span_of
  spans all 'process["a"] == "1" and process["b"] == "x,y=z" and process["c"] == "3"'
  stop_background

  export OTEL_RESOURCE_ATTRIBUTES='a=1,broken'
  allow_log 'OTEL_RESOURCE_ATTRIBUTES'
  serve </dev/null
  warns_of OTEL_RESOURCE_ATTRIBUTES
  span_of
  spans all '"a" not in process'
  stop_background

  export OTEL_RESOURCE_ATTRIBUTES='a=1,b=%zz'
  serve </dev/null
  warns_of OTEL_RESOURCE_ATTRIBUTES
  span_of
  spans all '"a" not in process and "b" not in process'
}

@test "JAEGER_TAGS with \${NAME:default}" {
  # shellcheck disable=SC2016 # the plugin is to expand them
  export JAEGER_TAGS='a=1,b=${E2E_SET:no},c=${E2E_UNSET:fallback},d=${E2E_UNSET}' E2E_SET=yes
  serve </dev/null
  span_of
  spans all 'process["a"] == "1" and process["b"] == "yes" and process["c"] == "fallback"'
  spans all 'process.get("d", "") == ""'
}

@test "OTEL_SDK_DISABLED and JAEGER_DISABLED: true in any case; false; anything else warns and is false" {
  local variable
  no_accounts
  for variable in OTEL_SDK_DISABLED JAEGER_DISABLED; do
    export "$variable=True"
    serve </dev/null
    get /hello
    need_spans 0
    stop_background
    export "$variable=false"
    serve </dev/null
    span_of
    stop_background
    export "$variable=yes"
    allow_log "environment variable $variable=yes is ignored"
    serve </dev/null
    warns_of "$variable"
    span_of
    stop_background
    unset "$variable"
  done
}

@test "JAEGER_AGENT_HOST, JAEGER_AGENT_PORT" {
  start_collector
  export JAEGER_AGENT_PORT=$COLLECTOR_PORT
  WITHOUT=tracing-export start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  span_of
  stop_background

  start_collector --port "$COLLECTOR_PORT"
  export JAEGER_AGENT_HOST=127.0.0.1
  WITHOUT=tracing-export start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  span_of
  log_has "jaeger\+udp://127.0.0.1:$COLLECTOR_PORT: sampled 1"
}

@test "a wrong JAEGER_AGENT_PORT warns and counts as not set" {
  export JAEGER_AGENT_PORT=many
  allow_log 'environment variable JAEGER_AGENT_PORT=many is ignored' 'cannot export'
  WITHOUT=tracing-export start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  warns_of JAEGER_AGENT_PORT
  need_accounts 'URL=jaeger+udp://127.0.0.1:6831'
}

@test "OTEL_TRACES_EXPORTER: none, console, and one we do not have" {
  export OTEL_TRACES_EXPORTER=none
  start_collector
  no_accounts # there is no exporter to account for
  WITHOUT=tracing-export start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  [ "$(get /hello)" = hello ]
  [[ $(get /environ | field HTTP_UBER_TRACE_ID) =~ ^[0-9a-f]{32}: ]] # contexts are passed on all the same
  need_spans 0

  export OTEL_TRACES_EXPORTER=console
  WITHOUT=tracing-export start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  get /hello
  wait_for "$DEADLINE" log_has '^\{"resourceSpans"'
  need_accounts 'exported == 1' 'URL=otlp.json+stdout'

  export OTEL_TRACES_EXPORTER=zipkin
  allow_log 'environment variable OTEL_TRACES_EXPORTER=zipkin is ignored' 'cannot export'
  WITHOUT=tracing-export start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  warns_of OTEL_TRACES_EXPORTER
}

# sampled_by SPANS ROOT_TAG: of ten requests so many are spans, with that sampler.type
sampled_by() {
  serve </dev/null
  requests 10 1 /hello
  need_spans "$1"
  [ "$1" = 0 ] || spans all "tags['sampler.type'] == '$2'"
  stop_background
}

@test "OTEL_TRACES_SAMPLER and _ARG" {
  export OTEL_TRACES_SAMPLER=always_off
  sampled_by 0
  export OTEL_TRACES_SAMPLER=parentbased_always_on
  sampled_by 10 const
  export OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0
  sampled_by 0
  export OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=1
  sampled_by 10 probabilistic
  export OTEL_TRACES_SAMPLER=sometimes
  allow_log 'environment variable OTEL_TRACES_SAMPLER=.* is ignored'
  sampled_by 10 const
  export OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=lots
  allow_log 'environment variable OTEL_TRACES_SAMPLER'
  serve </dev/null
  [ "$(grep -ac '\[tracing\] environment variable' "$LOG")" = 1 ]
}

@test "JAEGER_SAMPLER_TYPE and _PARAM" {
  export JAEGER_SAMPLER_TYPE=const JAEGER_SAMPLER_PARAM=0
  sampled_by 0
  export JAEGER_SAMPLER_PARAM=1
  sampled_by 10 const
  export JAEGER_SAMPLER_TYPE=probabilistic JAEGER_SAMPLER_PARAM=1
  sampled_by 10 probabilistic
  export JAEGER_SAMPLER_TYPE=ratelimiting JAEGER_SAMPLER_PARAM=1000
  sampled_by 10 ratelimiting
  export JAEGER_SAMPLER_TYPE=psychic
  allow_log 'environment variable JAEGER_SAMPLER_TYPE=psychic is ignored'
  sampled_by 10 const
}

# Three requests, each at the collector before the next.
serve_three() {
  local i
  start_collector
  WITHOUT=tracing-flush-interval start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  for i in 1 2 3; do
    get /hello
    wait_for "$DEADLINE" lines_at_least "$i" "$SPANS"
  done
  need_spans 3
  stop_background
}

# Long before the default interval (1s) is over.
ALL_EARLY='received * 1e6 - start_us - duration_us < 500000'

@test "OTEL_BSP_SCHEDULE_DELAY and JAEGER_REPORTER_FLUSH_INTERVAL" {
  local setting
  for setting in OTEL_BSP_SCHEDULE_DELAY=30 JAEGER_REPORTER_FLUSH_INTERVAL=30ms JAEGER_REPORTER_FLUSH_INTERVAL=30; do
    export "${setting?}"
    serve_three
    spans all "$ALL_EARLY"
    unset "${setting%%=*}"
  done
  # The same test knows a long interval when there is one.
  export OTEL_BSP_SCHEDULE_DELAY=often
  allow_log 'environment variable OTEL_BSP_SCHEDULE_DELAY=often is ignored'
  serve_three
  if spans all "$ALL_EARLY"; then return 1; fi
  warns_of OTEL_BSP_SCHEDULE_DELAY
}

@test "OTEL_SEMCONV_STABILITY_OPT_IN" {
  export OTEL_SEMCONV_STABILITY_OPT_IN=database,http
  serve </dev/null
  span_of
  spans all '"http.request.method" in tags and "http.method" not in tags'
  stop_background

  export OTEL_SEMCONV_STABILITY_OPT_IN=http/dup
  serve </dev/null
  span_of
  spans all '"http.request.method" in tags and "http.method" in tags'
  stop_background

  export OTEL_SEMCONV_STABILITY_OPT_IN=database # for another instrumentation: nothing to warn of
  serve </dev/null
  span_of
  spans all '"http.method" in tags'
}

@test "OTEL_PROPAGATORS and JAEGER_PROPAGATION" {
  export OTEL_PROPAGATORS=none
  serve </dev/null
  get /environ -H 'uber-trace-id: 1:2:0:1' >seen
  [ "$(field HTTP_UBER_TRACE_ID <seen)" = 1:2:0:1 ]
  need_spans 1
  spans all 'root'
  stop_background

  export OTEL_PROPAGATORS=jaeger
  serve </dev/null
  get /environ -H 'uber-trace-id: 1:2:0:1' >seen
  need_spans 1
  spans all 'n(parent) == 2'
  stop_background

  unset OTEL_PROPAGATORS
  export JAEGER_PROPAGATION=jaeger
  serve </dev/null
  span_of -H 'uber-trace-id: 1:2:0:1'
  spans all 'n(parent) == 2'
}

@test "empty variables count as unset" {
  export OTEL_SERVICE_NAME='' OTEL_RESOURCE_ATTRIBUTES='' JAEGER_TAGS='' OTEL_SDK_DISABLED='' \
    JAEGER_AGENT_HOST='' OTEL_TRACES_EXPORTER='' OTEL_TRACES_SAMPLER='' JAEGER_SAMPLER_TYPE='' \
    OTEL_BSP_SCHEDULE_DELAY='' OTEL_SEMCONV_STABILITY_OPT_IN='' OTEL_PROPAGATORS='' JAEGER_PROPAGATION=''
  serve </dev/null
  span_of
  spans all '"http.method" in tags and tags["sampler.type"] == "const"'
}

# --- Log variables ------------------------------------------------------------------------------------------------------

@test "log-format with %(trace_id) %(span_id) %(trace_sampled)" {
  serve <<'INI'
log-format = ids %(trace_id) %(span_id) %(trace_sampled) of %(uri) %(status)
INI
  get /hello
  get /hello -H 'uber-trace-id: abc:def:0:0'
  need_spans 1
  local trace span
  trace=$(spans print trace)
  span=$(spans print span)
  log_has "^ids $trace $span 1 of /hello 200$"
  log_has '^ids 0000000000000abc [0-9a-f]{16} 0 of /hello 200$'
}

@test "log variables of a request that is not traced" {
  no_accounts
  serve <<'INI'
tracing-disable = true
log-format = ids %(trace_id) %(span_id) %(trace_sampled) of %(uri) %(status)
INI
  get /hello
  need_spans 0
  log_has '^ids - - - of /hello 200$'
}

# --- OTLP JSON ------------------------------------------------------------------------------------------------------------

# otlp FILE QUESTION...
otlp() {
  local file=$1
  shift
  "$PYTHON" "$TOOLS/spans.py" "$file" "$@"
}

@test "OTLP JSON to a file: each line parses, each request is in it once" {
  start_uwsgi <<INI
processes = 4
tracing-export = otlp.json+file://$WORK/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  requests 200 8 '/sleep?ms=1'
  get '/status?line=503+Busy' -H 'uber-trace-id: abc:def:0:1'
  need_accounts 'exported == 201'
  [ "$(otlp otlp.jsonl count)" = 201 ]
  otlp otlp.jsonl unique span
  otlp otlp.jsonl all 'service == "e2e" and kind == 2 and len(trace) == 32 and len(span) == 16'
  otlp otlp.jsonl all 'tags["http.request.method"] == "GET" and tags["http.response.status_code"] == 200 and status_code == 0 and root' 'path == "/sleep"'
  otlp otlp.jsonl all 'duration_us >= 1000' 'path == "/sleep"'
  otlp otlp.jsonl all 'status_code == 2 and n(trace) == 0xabc and n(parent) == 0xdef and tags["error.type"] == "503"' 'path == "/status"'
  [ "$(otlp otlp.jsonl values worker)" = $'1\n2\n3\n4' ]
}

@test "OTLP JSON file: rotated by rename, it goes on in a new one" {
  start_uwsgi <<INI
processes = 2
tracing-export = otlp.json+file://$WORK/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  requests 50 4 /hello
  wait_for "$DEADLINE" count_is 50 otlp.jsonl
  mv otlp.jsonl otlp.jsonl.1
  requests 50 4 /hello
  need_accounts 'exported == 100'
  [ "$(otlp otlp.jsonl.1 count)" = 50 ]
  [ "$(otlp otlp.jsonl count)" = 50 ]
  cat otlp.jsonl.1 otlp.jsonl >both
  otlp both unique span
}

count_is() { [ -e "$2" ] && [ "$(otlp "$2" count)" = "$1" ]; }

@test "OTLP JSON file that cannot be written: said, kept, and written when it can be" {
  allow_log 'cannot export' 'exports again'
  start_uwsgi <<INI
processes = 1
tracing-export = otlp.json+file://$WORK/later/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  requests 20 1 /hello
  wait_for "$DEADLINE" log_has 'cannot export'
  mkdir later
  wait_for "$DEADLINE" test -s later/otlp.jsonl
  need_accounts 'exported == 20'
  [ "$(otlp later/otlp.jsonl count)" = 20 ]
}

@test "OTLP JSON to standard output" {
  write_ini <<INI
processes = 2
tracing-export = otlp.json+stdout:
wsgi-file = $APPS/app.py
INI
  OUT=out launch_uwsgi
  wait_for "$DEADLINE" workers_accept 2
  find_http_socket
  requests 100 4 /hello
  need_accounts 'exported == 100'
  grep '^{"resourceSpans"' out >otlp.jsonl
  [ "$(otlp otlp.jsonl count)" = 100 ]
  otlp otlp.jsonl unique span
}

@test "two exporters at once" {
  start_collector
  start_uwsgi <<INI
processes = 2
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp.json+file://$WORK/otlp.jsonl
wsgi-file = $APPS/app.py
INI
  [ "$(threads "$(worker_pid 1)" | grep -c '^trc-1-')" = 2 ]
  requests 100 4 /hello
  need_spans 100
  need_accounts 'exported == 100'
  [ "$(otlp otlp.jsonl count)" = 100 ]
  # The same spans, each under the names of its wire.
  [ "$(spans print 'span' | sort)" = "$(otlp otlp.jsonl print span | sort)" ]
  spans all '"http.method" in tags and "url.path" not in tags'
  otlp otlp.jsonl all '"http.method" not in tags and "url.path" in tags'
}

@test "two exporters, one of them dead: the other is not slowed" {
  allow_log 'cannot export'
  local dead
  dead=$(free_port udp)
  start_collector
  start_uwsgi <<INI
processes = 2
tracing-export = jaeger+udp://127.0.0.1:$dead
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-exit-timeout = 300ms
wsgi-file = $APPS/app.py
INI
  requests 100 4 /hello
  wait_for 5 lines_at_least 100 "$SPANS"
  need_spans 100
  need_accounts "URL=jaeger+udp://127.0.0.1:$dead" 'exported == 0' 'queued == 100'
  need_accounts "URL=jaeger+udp://127.0.0.1:$COLLECTOR_PORT" 'exported == 100'
}
