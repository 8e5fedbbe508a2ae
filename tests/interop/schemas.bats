#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What is sent, byte for byte, read by the code of the project whose format it is: OTLP by
# opentelemetry-proto's schema, Zipkin's first Thrift by Zipkin's server. (That server reads the
# JSON in wires.bats.)

load interop

setup_file() {
  obtain VENV "$INTEROP/build-venv.sh"
  obtain ZIPKIN_JAR "$INTEROP/build-zipkin.sh"
  [ -z "${ZIPKIN_JAR:-}" ] || launch_zipkin "$ZIPKIN_JAR"
}

teardown_file() {
  stop_servers
}

# record http|udp [TYPE]: what is sent to 127.0.0.1:$PORT is in sent/
record() {
  mkdir sent
  background recorder "$PYTHON" "$INTEROP/recorder.py" "$1" sent "${2:-}"
  wait_for "$DEADLINE" log_has '^port ' recorder.log
  PORT=$(sed -n 's/^port //p' recorder.log)
}

@test "OTLP protobuf: opentelemetry-proto reads what was served, and knows each field" {
  need VENV
  record http application/x-protobuf
  serve_all schema <<<"tracing-export = otlp+http://127.0.0.1:$PORT/v1/traces"
  need_accounts 'exported == sampled'
  PYTHON=$VENV/bin/python as_served schema otlp-protobuf-schema=sent
}

@test "OTLP JSON: the same" {
  need VENV
  record http application/json
  serve_all schema <<<"tracing-export = otlp.json+http://127.0.0.1:$PORT/v1/traces"
  need_accounts 'exported == sampled'
  PYTHON=$VENV/bin/python as_served schema otlp-json-schema=sent
}

@test "Zipkin's Thrift: Zipkin's server reads what was served" {
  need ZIPKIN_JAR
  record udp
  serve_all schema <<<"tracing-export = zipkin.thrift+udp://127.0.0.1:$PORT"
  "$PYTHON" -c 'import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", int(sys.argv[1])))' "$PORT"
  wait_for "$DEADLINE" gone "$LAST_PID"
  await_zipkin
  "$PYTHON" "$INTEROP/recode.py" sent "http://$ZIPKIN_SERVER/api/v1/spans"
  as_served schema "zipkin-thrift-zipkin=http://$ZIPKIN_SERVER"
}
