#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The examples, run from their inis as a user runs them, and the demo: so that they cannot rot.
#
# They have fixed ports, as examples do. Where somebody else has one of them, a test takes another.
#
# shellcheck disable=SC2030,SC2031,SC2154 # output and status are bats'

load helper

UNSAMPLED='uber-trace-id: 1:1:0:0' # a request that leaves no span

# Two of these tests at once, here or in another run on this machine, would take each other's spans.
setup_file() {
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true
  exec 8>>"${TMPDIR:-/tmp}/tracing-examples.lock"
  flock -w 300 8
}

teardown_file() {
  exec 8>&-
}

tcp_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

udp_taken() {
  ! "$PYTHON" -c 'import socket, sys; socket.socket(type=socket.SOCK_DGRAM).bind(("127.0.0.1", int(sys.argv[1])))' "$1" 2>/dev/null
}

# A collector where the default export goes. If somebody has that port, in MORE_INI: one more ini.
start_agent() {
  MORE_INI=()
  if udp_taken 6831; then
    start_collector
    MORE_INI=("$WORK/export.ini")
    printf '[uwsgi]\ntracing-export = jaeger+udp://127.0.0.1:%s\n' "$COLLECTOR_PORT" >"${MORE_INI[0]}"
  else
    start_collector --port 6831
  fi
}

answers() { curl -s -o /dev/null -m 2 -H "$UNSAMPLED" "$1"; }

# free_or_other PORT: the port, or another when it is taken.
free_or_other() { if tcp_taken "$1"; then free_port; else echo "$1"; fi; }

@test "hello: its ini as it is, and each request is a span of the service hello" {
  start_agent
  local port
  port=$(free_or_other 8080)
  INI=$ROOT/examples/hello/hello.ini
  if [ "$port" != 8080 ]; then
    sed "s#%d#$ROOT/examples/hello/#; s#:8080#:$port#" "$INI" >"$WORK/hello.ini"
    INI=$WORK/hello.ini
  fi
  launch_uwsgi "${MORE_INI[@]}"
  HOST=127.0.0.1:$port
  wait_for "$DEADLINE" answers "http://$HOST/"
  requests 40 4
  [ "$(get /)" = hello ]
  need_spans 41
  spans all 'service == "hello" and root and tags["http.status_code"] == 200'
  spans check 'len({s["worker"] for s in spans}) >= 2'
}

start_shop_and_stock() {
  SHOP_PORT=$(free_or_other 8001)
  STOCK_PORT=$(free_or_other 8002)
  export SHOP_PORT STOCK_PORT
  background stock "$UWSGI" "$ROOT/examples/django/stock.ini" "${MORE_INI[@]}"
  STOCK_PID=$LAST_PID
  INI=$ROOT/examples/django/shop.ini
  launch_uwsgi "${MORE_INI[@]}"
  HOST=127.0.0.1:$SHOP_PORT
  wait_for "$DEADLINE" answers "http://127.0.0.1:$STOCK_PORT/"
  wait_for "$DEADLINE" answers "http://$HOST/"
}

# need_spans_of_both N: the spans of both services, once both have ended.
need_spans_of_both() {
  stop_pid "$STOCK_PID"
  need_spans "$1"
}

@test "django: a request to shop that asks stock is one trace, shop above stock" {
  start_agent
  start_shop_and_stock
  [ "$(status_of /buy/apple)" = 200 ]
  need_spans_of_both 2
  spans unique service
  spans check 'len({s["trace"] for s in spans}) == 1'
  spans all 'root and name.startswith("GET /") and path == "/buy/apple"' 'service == "shop"'
  spans all "parent == '$(spans print span 'service == "shop"')' and path == '/stock/apple'" 'service == "stock"'
}

@test "django: a caller's trace and baggage go through shop to stock" {
  start_agent
  start_shop_and_stock
  [ "$(status_of /buy/pear -H 'uber-trace-id: abc:def:0:1' -H 'uberctx-customer: 7')" = 200 ]
  need_spans_of_both 2
  spans all 'trace == "0000000000000abc"'
  spans all 'parent == "0000000000000def"' 'service == "shop"'
}

@test "django: a page that is not there is no error, one that fails is" {
  start_agent
  start_shop_and_stock
  [ "$(status_of /buy/unicorn)" = 404 ]
  [ "$(status_of /pay)" = 500 ]
  need_spans_of_both 3
  spans all 'tags["http.status_code"] == 404 and "error" not in tags' 'path != "/pay"'
  spans all 'tags["http.status_code"] == 500 and tags["error"] is True' 'path == "/pay"'
}

@test "logs: Django's, Flask's and uWSGI's own lines have the trace id of their request" {
  start_agent
  LOGS_PORT=$(free_or_other 8003)
  export LOGS_PORT
  INI=$ROOT/examples/logs/logs.ini
  launch_uwsgi "${MORE_INI[@]}"
  HOST=127.0.0.1:$LOGS_PORT
  wait_for "$DEADLINE" answers "http://$HOST/flask/"
  local app trace
  for app in django flask; do
    trace=$(printf '1%031x' "$RANDOM")
    [ "$(get "/$app/" -H "uber-trace-id: $trace:1:0:1")" = hello ]
    wait_for "$DEADLINE" log_has "^GET /$app/ 200 trace=$trace span=[0-9a-f]{16} sampled=1\$"
    [ "$(log_count "^INFO trace=$trace hello from $app\$")" = 1 ]
  done
  need_spans 2
}

# --- The demo ---------------------------------------------------------------------------------------

# The line of a service in what the demo printed, without bars and numbers that differ each time.
waterfall() {
  grep -E '^(trace|  )' <<<"$output" |
    sed -E 's/ +[█=].*  ([0-9]{3})  worker [0-9]+/ -> \1/; s/^trace [0-9a-f]+/trace/; s/, [0-9.]+ ms//'
}

demo_showed_all() {
  echo "$output" # for whoever reads a failure
  [ "$status" = 0 ]
  [ "$(grep -c '^trace ' <<<"$output")" = 8 ]
  # shop above stock, in one trace
  waterfall | grep -A 2 -xF 'trace  2 spans' | grep -xF -A 1 '  shop: GET /buy/<item> -> 200' |
    grep -qxF '    stock: GET /stock/<item> -> 200'
  waterfall | grep -qxF '  shop: GET /pay -> 500  error'
  waterfall | grep -qxF '  shop: GET /no/such/page -> 404'
  waterfall | grep -A 2 -xF "trace  2 spans, continues the caller's trace" | grep -qxF '    stock: GET /stock/<item> -> 200'
  [ "$(grep -c $'\033' <<<"$output")" = 0 ] # no colours where there is no terminal
}

@test "demo: without a terminal it shows each trace, and ends" {
  no_accounts
  export COLUMNS=120
  run "$ROOT/scripts/demo.sh" </dev/null
  demo_showed_all
}

@test "demo: where an agent and somebody else have the ports, it takes others and says so" {
  no_accounts
  export COLUMNS=120
  udp_taken 6831 || start_collector --port 6831
  SHOP_PORT=$(free_port)
  export SHOP_PORT STOCK_PORT=$SHOP_PORT
  background squatter "$PYTHON" -c '
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)' "$SHOP_PORT"
  wait_for "$DEADLINE" tcp_taken "$SHOP_PORT"
  run "$ROOT/scripts/demo.sh" </dev/null
  grep -q 'UDP 6831 is taken' <<<"$output"
  [ "$(grep -c "127.0.0.1:$SHOP_PORT" <<<"$output")" = 0 ]
  demo_showed_all
  # The agent that has the port gets them too.
  [ -z "$COLLECTOR_PORT" ] || wait_for "$DEADLINE" lines_at_least 12 "$SPANS"
}

demo_is_up() { grep -q 'GET .*/pay' "$WORK/demo.log"; }

@test "demo: stopped by a signal in the middle, it leaves nothing running" {
  no_accounts
  background demo "$ROOT/scripts/demo.sh" </dev/null
  wait_for 30 demo_is_up
  stop_pid "$LAST_PID"
  check_nothing_left
}
