#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A real Jaeger 1.62, with what no other test of a wire has: golden messages, counters, files, traces
# over several services. The wires are compared in wires.bats.
#
# shellcheck disable=SC2154 # stderr, output and status are bats'

load interop

setup_file() {
  obtain ALL_IN_ONE "$INTEROP/build-jaeger.sh"
  [ -z "${ALL_IN_ONE:-}" ] || start_jaeger "$ALL_IN_ONE"
}

teardown_file() {
  stop_servers
}

# send_golden NAME ADDRESS: one golden message as a datagram.
send_golden() {
  "$PYTHON" - "$ROOT/tests/unit/golden/$1.hex" "$2" <<'PYTHON'
import socket, sys
datagram = bytes.fromhex(open(sys.argv[1]).read())
host, port = sys.argv[2].split(":")
socket.socket(type=socket.SOCK_DGRAM).sendto(datagram, (host, int(port)))
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
  send_golden jaeger-compact-oneway "$COMPACT"
  wait_for "$DEADLINE" has_spans 5af7183fb1d4cf5f 1
  send_golden jaeger-binary-oneway "$BINARY"
  wait_for "$DEADLINE" received_all svc 2
  send_golden jaeger-compact-call "$COMPACT"
  wait_for "$DEADLINE" received_all svc 3
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
tracing-export = jaeger+udp://$COMPACT
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
  serve_all otlp-lines <<<"tracing-export = otlp.json+file://$WORK/spans.otlp"
  local line answer
  while IFS= read -r line; do
    answer=$(curl -sS -o "$WORK/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
      --data-binary @- "http://$OTLP/v1/traces" <<<"$line")
    cat "$WORK/answer"
    [ "$answer" = 200 ]
    [ "$(json 'j.get("partialSuccess") or "all"' <"$WORK/answer")" = all ]
  done <"$WORK/spans.otlp"
  as_served otlp-lines "otlp=$QUERY_URL"
  received_all otlp-lines "$(json 'len(j)' <"$WORK/served.json")"
}

@test "a caller's trace over two services is one trace in Jaeger, in the right order" {
  need ALL_IN_ONE
  local trace=5af7183fb1d4aaaa
  start_uwsgi <<INI
processes = 4
wsgi-file = $APPS/app.py
tracing-service = front
tracing-export = jaeger+udp://$COMPACT
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
