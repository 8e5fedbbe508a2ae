#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A real Jaeger 1.62: what its query API tells equals what was served.
#
# shellcheck disable=SC2154 # stderr, output and status are bats'

load interop

setup_file() {
  obtain ALL_IN_ONE "$INTEROP/build-jaeger.sh"
  [ -z "${ALL_IN_ONE:-}" ] || start_jaeger "$ALL_IN_ONE"
}

teardown_file() {
  stop_jaeger
}

# served_under SERVICE EXPORT: one prefork uWSGI serves every kind of request and ends.
served_under() {
  start_uwsgi <<INI
processes = 4
wsgi-file = $APPS/app.py
tracing-service = $1
tracing-export = $2
INI
  "$PYTHON" "$INTEROP/roundtrip.py" serve "$HOST" "$WORK/served.json"
  stop_uwsgi
}

# as_served SERVICE [OPTION...]: Jaeger has those requests, and nothing else, under the service.
as_served() {
  local service=$1
  shift
  "$PYTHON" "$INTEROP/roundtrip.py" compare "$QUERY_URL" "$service" "$WORK/served.json" "$@"
  received_all "$service" "$(json 'len(j)' <"$WORK/served.json")"
}

# send_golden NAME PORT: one golden message as a datagram.
send_golden() {
  "$PYTHON" - "$ROOT/tests/unit/golden/$1.hex" "$2" <<'PYTHON'
import socket, sys
datagram = bytes.fromhex(open(sys.argv[1]).read())
socket.socket(type=socket.SOCK_DGRAM).sendto(datagram, ("127.0.0.1", int(sys.argv[2])))
PYTHON
}

# received SERVICE: spans of the service that came to Jaeger's collector. It counts what the query API
# would hide: of equal spans it shows one.
received() {
  curl -sf "$ADMIN_URL/metrics" |
    awk -v service="svc=\"$1\"" '/^jaeger_collector_spans_received_total/ && index($0, service) { n += $2 } END { print n + 0 }'
}

received_all() { [ "$(received "$1")" = "$2" ]; }

# span_count TRACE: spans Jaeger shows of a trace, 0 if it knows none.
span_count() {
  curl -s "$QUERY_URL/api/traces/$1" | json 'len(j["data"][0]["spans"]) if j["data"] else 0'
}

has_spans() { [ "$(span_count "$1")" = "$2" ]; }

@test "harness: Jaeger takes the golden messages, and its query API shows them" {
  need ALL_IN_ONE
  no_accounts
  [ "$(received svc)" = 0 ]
  send_golden jaeger-compact-oneway "$COMPACT_PORT"
  wait_for "$DEADLINE" has_spans 5af7183fb1d4cf5f 1
  send_golden jaeger-binary-oneway "$BINARY_PORT"
  wait_for "$DEADLINE" received_all svc 2
  send_golden jaeger-compact-call "$COMPACT_PORT"
  wait_for "$DEADLINE" received_all svc 3
}

@test "Thrift compact over UDP: spans read back equal what was served" {
  need ALL_IN_ONE
  served_under compact "jaeger+udp://127.0.0.1:$COMPACT_PORT"
  as_served compact
}

@test "Thrift binary over UDP: spans read back equal what was served" {
  need ALL_IN_ONE
  served_under binary "jaeger.binary+udp://127.0.0.1:$BINARY_PORT"
  as_served binary
}

@test "the agent dropped no packet of ours, and had no error with one" {
  need ALL_IN_ONE
  local protocol labels processed
  for protocol in compact binary; do
    labels="{model=\"jaeger\",protocol=\"$protocol\"}"
    processed=$(metric jaeger_agent_thrift_udp_server_packets_processed_total "$labels")
    [ "$processed" -ge 2 ] # the golden one, and at least one of the plugin's
    [ "$(metric jaeger_agent_thrift_udp_server_packets_dropped_total "$labels")" = 0 ]
    [ "$(metric jaeger_agent_thrift_udp_server_read_errors_total "$labels")" = 0 ]
    [ "$(metric jaeger_agent_thrift_udp_t_processor_handler_errors_total "$labels")" = 0 ]
  done
}

@test "ClientStats: the agent knows the worker as a client, and misses no batch of it" {
  need ALL_IN_ONE
  local received sent i
  received=$(metric jaeger_agent_client_stats_batches_received_total)
  sent=$(metric jaeger_agent_client_stats_batches_sent_total)
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-service = stats
tracing-export = jaeger+udp://127.0.0.1:$COMPACT_PORT
INI
  for i in 1 2 3 4 5; do # a batch each: the next request waits for it
    get "/?$i" >/dev/null
    wait_for "$DEADLINE" received_all stats "$i"
  done
  stop_uwsgi
  [ $(($(metric jaeger_agent_client_stats_batches_received_total) - received)) = 5 ]
  # By their numbers. A client's first batch only tells the agent where to count from.
  [ $(($(metric jaeger_agent_client_stats_batches_sent_total) - sent)) = 4 ]
  local cause
  for cause in full-queue send-failure too-large; do
    [ "$(metric jaeger_agent_client_stats_spans_dropped_total "{cause=\"$cause\"}")" = 0 ]
  done
}

@test "OTLP JSON lines: Jaeger's OTLP receiver takes each, and spans read back equal what was served" {
  need ALL_IN_ONE
  served_under otlp "otlp.json+file://$WORK/spans.otlp"
  local line answer
  while IFS= read -r line; do
    answer=$(curl -sS -o "$WORK/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
      --data-binary @- "$OTLP_URL/v1/traces" <<<"$line")
    cat "$WORK/answer"
    [ "$answer" = 200 ]
    [ "$(json 'j.get("partialSuccess") or "all"' <"$WORK/answer")" = all ]
  done <"$WORK/spans.otlp"
  as_served otlp --names http
}

@test "a caller's trace over two services is one trace in Jaeger, in the right order" {
  need ALL_IN_ONE
  local trace=5af7183fb1d4aaaa
  start_uwsgi <<INI
processes = 4
wsgi-file = $APPS/app.py
tracing-service = front
tracing-export = jaeger+udp://127.0.0.1:$COMPACT_PORT
INI
  local inside
  inside=$(get /environ -H "uber-trace-id: $trace:1a2b3c4d5e6f7081:0:1" | field HTTP_UBER_TRACE_ID)
  get / -H "uber-trace-id: $inside" >/dev/null
  stop_uwsgi
  wait_for "$DEADLINE" has_spans "$trace" 2
  # Each span's parent: the caller's span, and the first span's own.
  local parents first
  first=$(cut -d: -f2 <<<"$inside")
  parents=$(curl -sf "$QUERY_URL/api/traces/$trace" |
    json '" ".join(r["spanID"] for s in sorted(j["data"][0]["spans"], key=lambda s: s["startTime"]) for r in s["references"])')
  [ "$parents" = "1a2b3c4d5e6f7081 $first" ]
}
