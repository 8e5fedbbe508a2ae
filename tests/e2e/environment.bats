#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an operator may say by environment: real processes for what tests/unit/data/environment.txt lists.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper
load options

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

  export OTEL_TRACES_EXPORTER=datadog
  allow_log 'environment variable OTEL_TRACES_EXPORTER=datadog is ignored' 'cannot export'
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
  allow_log 'environment variable OTEL_TRACES_SAMPLER_ARG=lots is ignored'
  sampled_by 10 probabilistic
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

# first_post EXPR: of the first request that the collector of posts got
first_post() { head -n 1 "$WORK/posts.jsonl" | json "$1"; }

@test "only OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_ENDPOINT" {
  start_posts
  export OTEL_SERVICE_NAME=shop OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$POSTS_PORT
  export OTEL_EXPORTER_OTLP_HEADERS='x-team=a%20b' JAEGER_AUTH_TOKEN=not-for-otlp
  WITHOUT=tracing-service start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  get /hello
  need_accounts 'exported == 1' "URL=otlp+http://127.0.0.1:$POSTS_PORT/v1/traces"
  [ "$(first_post 'j["path"]')" = /v1/traces ]
  [ "$(first_post 'j["headers"]["content-type"]')" = application/x-protobuf ]
  [ "$(first_post 'j["headers"]["x-team"]')" = 'a b' ]
  [ "$(first_post '"authorization" in j["headers"]')" = False ]
}

@test "JAEGER_ENDPOINT with JAEGER_USER and JAEGER_PASSWORD, and nothing of OTLP's" {
  start_posts
  export JAEGER_ENDPOINT=http://127.0.0.1:$POSTS_PORT/api/traces JAEGER_USER=u JAEGER_PASSWORD=p
  export OTEL_EXPORTER_OTLP_HEADERS='x-team=not-for-jaeger' JAEGER_AGENT_HOST=127.0.0.2
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
INI
  get /hello
  need_accounts 'exported == 1' "URL=jaeger+http://127.0.0.1:$POSTS_PORT/api/traces"
  [ "$(first_post 'j["path"]')" = /api/traces ]
  [ "$(first_post 'j["headers"]["authorization"]')" = "Basic $(printf u:p | base64)" ]
  [ "$(first_post '"x-team" in j["headers"]')" = False ]
}

asked_lines() { [ "$(grep -c 'service=e2e' asked)" -ge "$1" ]; }

@test "remote samplers of OpenTelemetry and of Jaeger ask the server that is named" {
  local port
  echo '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0}}' >answer
  background strategies "$PYTHON" "$TOOLS/strategies.py" answer asked
  wait_for "$DEADLINE" log_has '^port ' strategies.log
  port=$(sed -n 's/^port //p' strategies.log)

  export OTEL_TRACES_SAMPLER=parentbased_jaeger_remote
  export OTEL_TRACES_SAMPLER_ARG="endpoint=http://127.0.0.1:$port/otel,pollingIntervalMs=100,initialSamplingRate=0"
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-export = otlp.json+file://$WORK/otlp.jsonl
INI
  wait_for "$DEADLINE" asked_lines 2
  grep -q '/otel?service=e2e' asked

  unset OTEL_TRACES_SAMPLER
  export JAEGER_SAMPLER_TYPE=remote JAEGER_SAMPLER_REFRESH_INTERVAL=100ms
  export JAEGER_SAMPLER_MANAGER_HOST_PORT=127.0.0.1:$port
  stop_uwsgi
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-export = otlp.json+file://$WORK/otlp.jsonl
INI
  wait_for "$DEADLINE" grep -q '/sampling?service=e2e' asked
}
