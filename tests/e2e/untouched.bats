#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The request is untouched: two instances side by side, one with the plugin and one without, get the same
# requests, thousands of them, well-formed and not (tests/tools/twins.py). What the application saw -
# environ in its order, body - and what the client got back is the same byte for byte, but for the
# variables that tracing is there to set.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# twins [INI LINES of the one with the plugin] <INI LINES of both: "SOCKET" in them is a path that each
# has for itself. Starts both.
twins() {
  local both
  both=$(cat)
  BUFFER=$(sed -n 's/^buffer-size = //p' <<<"$both")
  mkdir with without
  WITHOUT=tracing write_ini <<<"${both//SOCKET/$WORK/without/s}"
  mv "$INI" plain.ini
  background plain "$UWSGI" --ini plain.ini
  start_collector
  start_uwsgi <<INI
${both//SOCKET/$WORK/with/s}
tracing-flush-interval = 100ms
tracing-journal-size = 16M
$1
INI
  wait_for "$DEADLINE" log_has "^$ACCEPTING" plain.log
}

# same PROTOCOL [SUFFIX of the socket's name]
same() {
  run "$PYTHON" "$TOOLS/twins.py" "$1" "with/s${2:-}" "without/s${2:-}" --buffer "${BUFFER:-4096}"
  echo "$output"
  [ "$status" = 0 ]
}

# settled: neither instance was hurt (the accounts are looked at when the test ends)
settled() {
  stop_uwsgi
  log_count DAMN plain.log | grep -qx 0
  log_count DAMN | grep -qx 0
}

@test "HTTP over http-socket" {
  twins <<INI
http-socket = SOCKET
disable-logging = true
wsgi-file = $APPS/mirror.py
INI
  same http
  settled
}

@test "HTTP over http11-socket: connections are kept" {
  twins <<INI
http-socket = SOCKET
http11-socket = SOCKETk
disable-logging = true
wsgi-file = $APPS/mirror.py
INI
  same http k
  settled
}

@test "the uwsgi protocol" {
  twins <<INI
http-socket = SOCKET
uwsgi-socket = SOCKETu
disable-logging = true
wsgi-file = $APPS/mirror.py
INI
  same uwsgi u
  settled
}

@test "FastCGI and SCGI" {
  twins <<INI
http-socket = SOCKET
fastcgi-socket = SOCKETf
scgi-socket = SOCKETs
disable-logging = true
wsgi-file = $APPS/mirror.py
INI
  same fastcgi f
  same scgi s
  settled
}

@test "every format in and out, our own variables: over HTTP and uwsgi" {
  twins 'tracing-extract = jaeger,tracecontext,baggage,b3,b3multi,gcp,xray,eagleeye
tracing-inject = jaeger,tracecontext,baggage,b3,b3multi,gcp,xray,eagleeye
tracing-variables = true' <<INI
http-socket = SOCKET
uwsgi-socket = SOCKETu
buffer-size = 6000
disable-logging = true
wsgi-file = $APPS/mirror.py
INI
  same http
  same uwsgi u
  settled
}

@test "tracing-inject = none: the application sees nothing of us at all" {
  export MIRROR_ALL=1
  twins 'tracing-inject = none' <<INI
http-socket = SOCKET
uwsgi-socket = SOCKETu
disable-logging = true
wsgi-file = $APPS/mirror.py
INI
  same http
  same uwsgi u
  settled
}

@test "PSGI" {
  LANGUAGE_PLUGIN=psgi twins <<INI
http-socket = SOCKET
uwsgi-socket = SOCKETu
disable-logging = true
psgi = $APPS/mirror.psgi
INI
  same http
  same uwsgi u
  settled
}
