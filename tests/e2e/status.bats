#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The status: every counter moves, has a line in the documentation, and stands for the instance.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper
load options

# Each counter, and which test makes it move: the one that ends with `moves` and this word.
MOVES='
started requests
sampled requests
unsampled requests
excluded requests
exporters.exported requests
exporters.batches requests
exporters.bytes requests
truncated requests
context_errors requests
not_injected packet
recovered kill
lost journal
exporters.rejected rejection
exporters.failed rejection
exporters.too_large datagram
exporters.dropped away
exporters.queued away
exporters.retried away
sampling_server.asked server
sampling_server.failed server
'

# look: what the status says now, in the file `status`
look() { rpc tracing.status >status; }

# counters_of FILE: each number in it but those of single workers, the greatest of all exporters: NAME VALUE
counters_of() {
  "$PYTHON" - "$1" <<'PY'
import json, sys
def walk(name, value, found):
    if isinstance(value, dict):
        for key, inner in value.items():
            walk(name + '.' + key if name else key, inner, found)
    elif isinstance(value, list):
        for inner in value:
            walk(name, inner, found)
    elif isinstance(value, int) and not isinstance(value, bool):
        found[name] = max(found.get(name, 0), value)
status = json.load(open(sys.argv[1]))
del status['workers']
found = {}
walk('', status, found)
for name, value in found.items():
    print(name, value)
PY
}

# have_moved TEST: all counters that it is to move are above 0 now, which is where they begin.
have_moved() {
  look
  counters_of status >counters
  local name how
  while read -r name how; do
    [ "$how" != "$1" ] || grep -qE "^$name [1-9]" counters || return 1
  done <<<"$MOVES"
}

moves() {
  wait_for "$DEADLINE" have_moved "$1" || {
    cat counters
    return 1
  }
}

@test "counters: requests of all sorts" {
  serve <<INI
tracing-exclude = /healthz
INI
  get /healthz
  get "/$(printf 'x%.0s' {1..1200})" -o /dev/null
  get /hello -H 'uber-trace-id: nonsense'
  get /hello -H 'uber-trace-id: 1:2:0:0'
  moves requests
}

@test "counters: no room in the packet" {
  serve <<<'buffer-size = 512'
  local size
  for size in {100..360..20}; do
    get /hello -H "x-fill: $(printf 'f%.0s' $(seq "$size"))" || true
  done
  moves packet
}

@test "counters: a worker is killed" {
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  serve </dev/null
  get /kill || true
  wait_for "$DEADLINE" worker_back
  moves kill
}

worker_back() { nudge; log_has_times 2 'spawned uWSGI worker 1 '; }

@test "counters: a damaged journal" {
  allow_log 'cannot export' 'took over'
  local ini
  ini="wsgi-file = $APPS/app.py
tracing-journal = $WORK/journal
tracing-export = jaeger+udp://127.0.0.1:$(free_port udp)
tracing-exit-timeout = 100ms"
  start_uwsgi <<<"$ini"
  requests 3 1 /hello
  stop_uwsgi
  "$PYTHON" - <<'PY'
import re
f = open('journal', 'r+b')
f.seek([m.start() for m in re.finditer(b'/hello', f.read())][-2])
f.write(b'/jello')
PY
  start_uwsgi <<<"$ini"
  moves journal
}

@test "counters: a collector that rejects" {
  allow_log 'cannot export: 1 of [0-9]+ spans rejected' 'spans lost' 'exports again'
  start_posts --answer 200 --body '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}'
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-export = otlp.json+http://127.0.0.1:$POSTS_PORT
INI
  get /hello
  moves rejection
}

@test "counters: a span that fits no datagram" {
  allow_log 'spans lost'
  serve <<INI
tracing-udp-packet = 1024
INI
  get "/$(printf 'x%.0s' {1..1000})" -o /dev/null
  moves datagram
}

@test "counters: a collector that is away" {
  allow_log 'cannot export' 'spans lost'
  start_uwsgi <<INI
wsgi-file = $APPS/app.py
tracing-export = jaeger+udp://127.0.0.1:$(free_port udp)
tracing-journal-size = 64k
tracing-exit-timeout = 100ms
INI
  requests 2000 2 /hello
  moves away
  [ "$(json 'j["exporters"][0]["last_error"]' <status)" = 'cannot send: Connection refused' ]
}

@test "counters: a sampling server that has no strategy" {
  allow_log 'no strategy: HTTP status 503'
  echo 'status 503' >answer
  background strategies "$PYTHON" "$TOOLS/strategies.py" answer asked --port 0
  wait_for "$DEADLINE" log_has '^port ' strategies.log
  serve <<INI
tracing-sampler = remote:http://127.0.0.1:$(sed -n 's/^port //p' strategies.log)/sampling initial=1
INI
  moves server
}

@test "every counter has a test that makes it move, and every key its line in docs/status.md" {
  background strategies "$PYTHON" "$TOOLS/strategies.py" answer asked --port 0
  wait_for "$DEADLINE" log_has '^port ' strategies.log
  echo '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":1}}' >answer
  serve <<INI
tracing-sampler = remote:http://127.0.0.1:$(sed -n 's/^port //p' strategies.log)/sampling initial=1
INI
  look
  counters_of status | cut -d' ' -f1 | sort | diff <(awk 'NF { print $1 }' <<<"$MOVES" | sort) -
  grep -oP '^  moves \K.*' "$BATS_TEST_FILENAME" | sort | diff <(awk 'NF { print $2 }' <<<"$MOVES" | sort -u) -
  "$PYTHON" - "$ROOT/docs/status.md" <<'PY'
import json, re, sys
def walk(name, value, found):
    if name:
        found.add(name)
    if isinstance(value, dict):
        for key, inner in value.items():
            walk(name + '.' + key if name else key, inner, found)
    elif isinstance(value, list):
        if value and isinstance(value[0], dict):
            found.discard(name)
            name += '[]'
            found.add(name)
        for inner in value:
            if isinstance(inner, dict):
                walk(name, inner, found)
status = json.load(open('status'))
there = set()
walk('', status, there)
for worker in status['workers']:  # as the instance, but for its number
    assert set(worker) - {'worker'} == {'exporters'} | {k for k, v in status.items() if type(v) is int}, worker
    for mine, all in zip(worker['exporters'], status['exporters']):
        assert set(mine) == set(all)
there = {n for n in there if not n.startswith('workers[].') or n == 'workers[].worker'} - {'before'}
documented = set()
for line in open(sys.argv[1], encoding='utf-8'):
    if line.startswith('| `'):
        documented |= set(re.findall('`([^`]*)`', line.split('|')[1]))
for setting in 'enabled', 'sampler', 'exclude':
    documented |= {'before.%s%s' % (setting, name[1:]) for name in documented if name[0] == '…'}
documented = {name for name in documented if name[0] != '…'}
assert there == documented, 'without a line: %s; not there: %s' % (there - documented, documented - there)
PY
}

@test "the status is the instance's, whichever worker is asked, and each worker's part of it" {
  start_collector
  start_uwsgi <<INI
processes = 3
wsgi-file = $APPS/app.py
INI
  requests 60 6 '/sleep?ms=2'
  wait_for "$DEADLINE" all_exported
  [ "$(json 'sum(w["sampled"] for w in j["workers"]) == j["sampled"]' <status)" = True ]
  [ "$(json 'sum(w["exporters"][0]["bytes"] for w in j["workers"]) == j["exporters"][0]["bytes"]' <status)" = True ]
  [ "$(json 'len(j["workers"]), j["service"], j["enabled"], j["sampler"], j["extract"], j["journal"]' <status)" = \
    "(3, 'e2e', True, 'const:1', ['jaeger', 'tracecontext', 'b3', 'b3multi'], None)" ]
}

# But for the request that asks, which is not sampled: all that there was is out.
all_exported() {
  get '/rpc?name=tracing.status' -H 'uber-trace-id: 1:2:0:0' >status
  [ "$(json 'j["exporters"][0]["exported"] == j["sampled"] >= 60' <status)" = True ]
}

@test "what was switched: the old value, by whom and when" {
  serve </dev/null
  [ "$(rpc tracing.sampler const:0)" = ok ]
  look
  [ "$(json 'j["sampler"], j["before"]["sampler"]["value"], j["before"]["sampler"]["by"], j["before"]["enabled"]["by"]' <status)" = \
    "('const:0', 'const:1', 'rpc', 'option')" ]
  [[ $(json 'j["before"]["sampler"]["at"]' <status) == "$(date -u +%Y-%m-%dT%H)"*Z ]]
}

@test "no credential is in the status" {
  serve <<INI
tracing-export = otlp+http://user:hunter2@127.0.0.1:9/v1/traces?key=hunter2
tracing-export-header = Authorization: Bearer hunter2
INI
  allow_log 'cannot export'
  look
  grep -q 'otlp+http://\*\*\*@127.0.0.1:9/v1/traces?\*\*\*' status
  none hunter2 <status
}

@test "the status of many workers is longer than 64 KiB, and whole" {
  EXPECT_WORKERS=1 start_uwsgi <<INI
wsgi-file = $APPS/app.py
processes = 200
cheaper = 1
cheaper-initial = 1
tracing-export = otlp.json+file://$WORK/first.jsonl
tracing-export = otlp.json+file://$WORK/second.jsonl
tracing-journal-size = 64k
INI
  look
  [ "$(wc -c <status)" -gt 65536 ]
  [ "$(json 'len(j["workers"])' <status)" = 200 ]
}

# said: the line that says what was understood; it is there once
said() {
  [ "$(log_count '\[tracing\] service ')" = 1 ]
  grep -aoP '\[tracing\] \Kservice .*' "$LOG"
}

@test "at start one line says what was understood" {
  serve </dev/null
  [ "$(said)" = "service e2e, to jaeger+udp://127.0.0.1:$COLLECTOR_PORT, sampler const:1, extract jaeger,tracecontext,b3,b3multi, inject jaeger,tracecontext" ]
}

@test "at start one line: several exporters, a file, nothing read, and no credential" {
  allow_log 'cannot export'
  serve <<INI
tracing-service = shop
tracing-export = otlp+http://user:hunter2@127.0.0.1:9/v1/traces?key=hunter2
tracing-export = otlp.json+file://$WORK/otlp.jsonl
tracing-export-header = Authorization: Bearer hunter2
tracing-sampler = probabilistic:0.5
tracing-extract = none
tracing-journal = $WORK/journal
tracing-disable = true
INI
  [ "$(said)" = "service shop, to otlp+http://***@127.0.0.1:9/v1/traces?*** and otlp.json+file://$WORK/otlp.jsonl, sampler probabilistic:0.5, extract none, inject jaeger,tracecontext, journal $WORK/journal, disabled" ]
  none hunter2 <"$LOG"
}

@test "at start one line, in the log of a daemon, and one more from a reload" {
  start_collector
  write_ini <<INI
wsgi-file = $APPS/app.py
daemonize = $LOG
safe-pidfile = $WORK/pid
INI
  spawn_uwsgi --ini "$INI"
  adopt_daemon "$WORK/pid" 1
  said
  kill -HUP "$UWSGI_PID"
  wait_for "$DEADLINE" log_has_times 2 '\[tracing\] service '
  wait_for "$DEADLINE" workers_accept 2
}

# metrics: what the stats server at stats.sock says of ours: NAME VALUE
metrics() {
  "$PYTHON" - <<'PY'
import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect('stats.sock')
text = b''.join(iter(lambda: s.recv(65536), b''))
for name, metric in json.loads(text).get('metrics', {}).items():
    if name.startswith('tracing.'):
        print(name, metric['value'])
PY
}

metrics_are_the_status() {
  get '/rpc?name=tracing.status' -H 'uber-trace-id: 1:2:0:0' >status
  metrics | grep -vE '[.](started|unsampled) ' | sort >shown
  "$PYTHON" - >wanted <<'PY'
import json
status = json.load(open('status'))
def show(prefix, counters):
    for name, value in counters.items():
        if type(value) is int and name not in ('started', 'unsampled'):  # the question itself counts
            print(prefix + name, value)
show('tracing.', status)
for i, exporter in enumerate(status['exporters']):
    show('tracing.exporter.%d.' % i, exporter)
PY
  sort wanted | diff - shown >different
}

@test "uWSGI's metrics are the counters of the status, for each exporter" {
  allow_log 'cannot export'
  start_collector
  start_uwsgi <<INI
processes = 2
wsgi-file = $APPS/app.py
enable-metrics = true
stats = $WORK/stats.sock
tracing-exclude = /healthz
tracing-export = jaeger+udp://127.0.0.1:$COLLECTOR_PORT
tracing-export = otlp+http://127.0.0.1:9
INI
  requests 30 3 /hello
  get /healthz
  wait_for "$DEADLINE" quiet_metrics || {
    cat different
    return 1
  }
  metrics | grep -qx 'tracing.excluded 1'
  metrics | grep -qx 'tracing.sampled 30'
  metrics | grep -q 'tracing.started [3-9]'
  metrics | grep -qx 'tracing.exporter.0.exported 30'
  metrics | grep -qx 'tracing.exporter.1.queued 30'
}

# But for what the dead exporter still tries.
quiet_metrics() {
  metrics_are_the_status || ! grep -v retried different | grep '^[<>]'
}

@test "without enable-metrics there are none" {
  serve <<INI
stats = $WORK/stats.sock
INI
  [ -z "$(metrics)" ]
}
