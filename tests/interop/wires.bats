#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Every wire at once, to the servers that read it: one uWSGI, every kind of request, eight exporters.
# What seven Jaegers (one for each wire: in one they would show as one) and a Zipkin tell equals what
# was served, and what each other tell.
#
# shellcheck disable=SC2154 # what use_jaeger exports

load interop

# Wires that a Jaeger has a receiver for, as expected.py names them.
JAEGER_WIRES=(compact binary zipkin-thrift batch otlp otlp-json zipkin-json)

setup_file() {
  obtain ALL_IN_ONE "$INTEROP/build-jaeger.sh"
  obtain ZIPKIN_JAR "$INTEROP/build-zipkin.sh"
  [ -z "${ZIPKIN_JAR:-}" ] || launch_zipkin "$ZIPKIN_JAR"
  local wire
  for wire in "${JAEGER_WIRES[@]}"; do [ -z "${ALL_IN_ONE:-}" ] || launch_jaeger "$ALL_IN_ONE" "$wire"; done
  for wire in "${JAEGER_WIRES[@]}"; do
    [ -z "${ALL_IN_ONE:-}" ] || use_jaeger "$wire"
    [ -z "${ALL_IN_ONE:-}" ] || await_jaeger
  done
  [ -z "${ZIPKIN_JAR:-}" ] || await_zipkin
}

teardown_file() {
  stop_servers
}

# export_url WIRE: to the receiver of the Jaeger in use
export_url() {
  case $1 in
    compact) echo "jaeger+udp://$COMPACT" ;;
    binary) echo "jaeger.binary+udp://$BINARY" ;;
    zipkin-thrift) echo "zipkin.thrift+udp://$ZIPKIN_COMPACT" ;;
    batch) echo "jaeger+http://$COLLECTOR/api/traces" ;;
    otlp) echo "otlp+http://$OTLP/v1/traces" ;;
    otlp-json) echo "otlp.json+http://$OTLP/v1/traces" ;;
    zipkin-json) echo "zipkin+http://$ZIPKIN/api/v2/spans" ;;
  esac
}

# all_wires SERVICE [SEMCONV]
all_wires() {
  local wire exports='' backends=()
  for wire in "${JAEGER_WIRES[@]}"; do
    use_jaeger "$wire"
    exports+="tracing-export = $(export_url "$wire")"$'\n'
    backends+=("$wire=$QUERY_URL")
  done
  exports+="tracing-export = zipkin+http://$ZIPKIN_SERVER/api/v2/spans"
  backends+=("zipkin=http://$ZIPKIN_SERVER")
  serve_all "$1" <<<"$exports${2:+
tracing-semconv = $2}"
  as_served "$1" ${2:+--names "$2"} "${backends[@]}"
  need_accounts 'exported == sampled'
}

@test "every wire, each with its own names" {
  need ALL_IN_ONE
  need ZIPKIN_JAR
  all_wires usual
}

@test "every wire, with both sets of names" {
  need ALL_IN_ONE
  need ZIPKIN_JAR
  all_wires both http/dup
}

@test "the agents dropped no packet, and had no error with one" {
  need ALL_IN_ONE
  no_accounts
  local wire labels
  while read -r wire labels; do
    use_jaeger "$wire"
    [ "$(metric jaeger_agent_thrift_udp_server_packets_processed_total "$labels")" -ge 2 ]
    [ "$(metric jaeger_agent_thrift_udp_server_packets_dropped_total "$labels")" = 0 ]
    [ "$(metric jaeger_agent_thrift_udp_server_read_errors_total "$labels")" = 0 ]
    [ "$(metric jaeger_agent_thrift_udp_t_processor_handler_errors_total "$labels")" = 0 ]
  done <<'AGENTS'
compact {model="jaeger",protocol="compact"}
binary {model="jaeger",protocol="binary"}
zipkin-thrift {model="zipkin",protocol="compact"}
AGENTS
}
