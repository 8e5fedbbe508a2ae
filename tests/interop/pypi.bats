#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The same sources under PyPI's newest uWSGI: built by it, loaded, prefork, traced.

load interop

setup_file() {
  obtain VENV "$INTEROP/build-venv.sh"
  [ -z "${VENV:-}" ] || build_pypi_plugin
}

@test "built without a warning, and loaded: its options are there" {
  need VENV
  no_accounts
  run "$VENV/bin/uwsgi" --plugin "$PYPI_PLUGIN" --help
  [ "$status" = 0 ]
  grep -q -- '--tracing-export' <<<"$output"
}

@test "400 requests to 4 workers: exactly 400 spans, some of each worker" {
  need VENV
  start_collector
  start_pypi <<INI
processes = 4
wsgi-file = $APPS/app.py
INI
  requests 400 8 '/sleep?ms=3'
  need_spans 400
  [ "$(spans values worker)" = $'1\n2\n3\n4' ]
  spans unique span
  spans all 'root and name.startswith("GET /") and tags["http.status_code"] == 200'
  spans all 'tags["http.url"] == "http://localhost/sleep?ms=3"'
}

@test "a caller's trace is continued, and the application sees our span" {
  need VENV
  start_collector
  start_pypi <<INI
processes = 4
wsgi-file = $APPS/app.py
INI
  local inside
  inside=$(get /environ -H 'uber-trace-id: 5af7183fb1d4cf5f:1a2b3c4d5e6f7081:0:1' | field HTTP_UBER_TRACE_ID)
  need_spans 1
  spans all "trace == '5af7183fb1d4cf5f' and parent == '1a2b3c4d5e6f7081'"
  [ "$inside" = "5af7183fb1d4cf5f:$(spans print span):1a2b3c4d5e6f7081:1" ]
}

@test "a worker killed by SIGKILL loses nothing: its request is reported, with error" {
  need VENV
  start_collector
  start_pypi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-flush-interval = 60s
INI
  requests 5 1
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  get /kill >/dev/null || true
  wait_for "$DEADLINE" status_is 200 /
  stop_uwsgi # nothing was sent before: its end is what flushes
  need_spans 7
  [ "$(spans count '"error" in tags')" = 1 ]
  spans all 'tags["error"] is True and tags["error.type"] == "SIGKILL"' 'path == "/kill"'
  need_accounts 'recovered == 1' 'lost == 0'
}

@test "a worker that is asked to end before it is killed: its request died of harakiri, once" {
  need VENV
  allow_log 'HARAKIRI' 'DAMN ! worker 1 '
  # By SIGTERM, which ends it, and by SIGCHLD, which it does not even see: harakiri is called again.
  local signal tries
  for signal in 15 17; do
    start_collector
    start_pypi <<INI
processes = 1
harakiri = 1
harakiri-graceful-timeout = 1
harakiri-graceful-signal = $signal
wsgi-file = $APPS/app.py
INI
    get '/sleep?ms=20000' >/dev/null || true
    wait_for "$DEADLINE" nudged_to_accept 2
    need_spans 1
    tries=$(log_count 'HARAKIRI ON WORKER 1')
    if [ "$signal" = 15 ]; then [ "$tries" = 1 ]; else [ "$tries" -ge 2 ]; fi
    spans all 'tags["error.type"] == "harakiri" and duration_us > 10000' 'path == "/sleep"'
    stop_background
  done
}

status_is() { [ "$(status_of "$2")" = "$1" ]; }

@test "what an application raises, and a refused request, are spans too" {
  need VENV
  start_collector
  start_pypi <<INI
processes = 1
wsgi-file = $APPS/app.py
buffer-size = 4096
INI
  get /raise >/dev/null || true # uWSGI answers nothing when an exception leaves the application
  # uWSGI 2.0.31 may answer a head that is too large, or only hang up: the span is what counts.
  get / -H "X-Large: $(printf '%08000d' 0)" >/dev/null || true
  need_spans 2
  spans all 'tags["error"] is True' 'path == "/raise"'
  [ "$(spans count 'tags.get("uwsgi.refused") is True')" = 1 ]
}
