#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Callers and callees of other projects: OpenTelemetry for Python in each format it has a propagator
# for, Jaeger's client for Node, Zipkin's for Python. A caller begins a trace and calls the traced
# application, which passes on what the plugin put into its request to a callee: that is one trace,
# with the right parents, and its ids are as wide as they were.
#
# Nobody publishes a peer for EagleEye.
#
# shellcheck disable=SC2154 # what use_jaeger exports

load interop

setup_file() {
  obtain VENV "$INTEROP/build-venv.sh"
  obtain NODE "$INTEROP/build-node.sh"
  obtain ALL_IN_ONE "$INTEROP/build-jaeger.sh"
  [ -z "${ALL_IN_ONE:-}" ] || start_jaeger "$ALL_IN_ONE"
  [ -z "${VENV:-}" ] || start_peer otel "$VENV/bin/python" "$INTEROP/peers/otel_peer.py"
  [ -z "${VENV:-}" ] || start_peer zipkin "$VENV/bin/python" "$INTEROP/peers/zipkin_peer.py"
  [ -z "${NODE:-}" ] || AGENT=${BINARY:-} NODE_PATH=$NODE/node_modules start_peer node node "$INTEROP/peers/jaeger_peer.js"
}

teardown_file() {
  stop_servers
}

# start_peer NAME COMMAND...: exports where it listens in PEER_NAME.
start_peer() {
  local name=$1
  server "$@"
  if ! wait_for "$DEADLINE" log_has '^port ' "$BATS_FILE_TMPDIR/$name.log"; then
    cat "$BATS_FILE_TMPDIR/$name.log" >&2
    return 1
  fi
  export "PEER_${name^^}=127.0.0.1:$(sed -n 's/^port //p' "$BATS_FILE_TMPDIR/$name.log")"
}

# between FORMATS: the application, traced, in those formats in and out.
between() {
  start_uwsgi <<INI
processes = 2
wsgi-file = $INTEROP/forward.py
tracing-extract = $1
tracing-inject = $1
INI
}

# one_trace FORMATS CHAIN...: each chain is one trace. See chains.py.
one_trace() {
  start_collector
  between "$1"
  "$PYTHON" "$INTEROP/chains.py" walk "$HOST" "$WORK/walked.json" "${@:2}"
  stop_uwsgi
  settle_collector
  "$PYTHON" "$INTEROP/chains.py" check "$WORK/walked.json" "$SPANS"
}

@test "W3C traceparent and baggage: OpenTelemetry" {
  need VENV
  one_trace tracecontext,baggage otel:tracecontext{,:unsampled}-otel:tracecontext
}

@test "uber-trace-id: OpenTelemetry, and Jaeger's client for Node with 64 and 128 bits" {
  need VENV
  need NODE
  one_trace jaeger {otel:jaeger,node:jaeger,node:jaeger:64}{,:unsampled}-{otel,node}:jaeger
}

@test "B3 in one header: OpenTelemetry, read by Zipkin's client too" {
  need VENV
  one_trace b3 otel:b3{,:unsampled}-{otel,zipkin}:b3
}

@test "B3 in several headers: OpenTelemetry, and Zipkin's client with 64 and 128 bits" {
  need VENV
  one_trace b3multi {otel:b3multi,zipkin:b3multi,zipkin:b3multi:64}{,:unsampled}-{otel,zipkin}:b3multi
}

@test "X-Amzn-Trace-Id: OpenTelemetry" {
  need VENV
  one_trace xray otel:xray{,:unsampled}-otel:xray
}

@test "X-Cloud-Trace-Context: OpenTelemetry" {
  need VENV
  one_trace gcp otel:gcp{,:unsampled}-otel:gcp
}

@test "from each format into each other: ids of 128 bits survive, and so does the decision" {
  need VENV
  need NODE
  one_trace jaeger,tracecontext,baggage,b3,b3multi,gcp,xray \
    {node:jaeger,zipkin:b3multi,otel:{jaeger,tracecontext,b3,b3multi,gcp,xray}}{,:unsampled}-{node:jaeger,zipkin:b3multi,otel:{jaeger,tracecontext,b3,b3multi,gcp,xray}}
}

@test "Jaeger has the spans of Jaeger's client and ours as one trace, each under the one that called it" {
  need ALL_IN_ONE
  need NODE
  start_uwsgi <<INI
processes = 2
wsgi-file = $INTEROP/forward.py
tracing-service = between
tracing-export = jaeger+udp://$COMPACT
INI
  "$PYTHON" "$INTEROP/chains.py" walk "$HOST" "$WORK/walked.json" node:jaeger-node:jaeger
  stop_uwsgi
  local trace
  trace=$(json 'j[0]["caller"]["trace"]' <"$WORK/walked.json")
  wait_for "$DEADLINE" names_in_order "$trace" 'call, GET /, called'
}

# names_in_order TRACE NAMES: its spans in Jaeger from the root down, a parent before its child.
names_in_order() {
  local names
  names=$(curl -s "$QUERY_URL/api/traces/$1" | "$PYTHON" -c '
import json, sys
spans = (json.load(sys.stdin)["data"] or [{"spans": []}])[0]["spans"]
below = {reference["spanID"]: span for span in spans for reference in span["references"]}
span, names = next((span for span in spans if not span["references"]), None), []
while span:
    names.append(span["operationName"])
    span = below.get(span["spanID"])
print(*names, sep=", ")')
  [ "$names" = "$2" ]
}
