#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The wall clock steps, back and forth, by little and by much, while requests run and while their heads
# come in (tests/tools/clock.c, preloaded into uWSGI alone). Durations are those of the monotonic clock;
# a start is what the wall clock said when the request began.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

setup_file() {
  export CLOCK=$BATS_FILE_TMPDIR/clock.so
  cc -O1 -g -shared -fPIC -D_GNU_SOURCE -Wall -Wextra -Werror -o "$CLOCK" "$BATS_TEST_DIRNAME/../tools/clock.c"
}

# step SECONDS: by how much uWSGI's wall clock is wrong from now on. One write of eight bytes.
step() {
  "$PYTHON" -c 'import os, struct, sys
os.pwrite(os.open("shift", os.O_WRONLY | os.O_CREAT), struct.pack("<q", int(float(sys.argv[1]) * 1e9)), 0)' "$1"
}

serve() {
  step 0
  start_collector
  export CLOCK_SHIFT=$WORK/shift
  E2E_LD_PRELOAD="${E2E_LD_PRELOAD:-} $CLOCK" start_uwsgi <<INI
wsgi-file = $APPS/app.py
$(cat)
INI
}

# durations PATH MIN: each is at least so many microseconds, and hardly longer than its client found it
# (the file `took`, in seconds): our end comes after the answer, and the steps are half a second at least.
durations() {
  spans print 'duration_us, path' "path == '$1'"
  cat took
  spans check "[s['duration_us'] >= $2 for s in spans if s['path'] == '$1'].count(False) == 0"
  spans check "all(s['duration_us'] <= float(took) * 1e6 + 100000 for s, took in zip(
    [s for s in spans if s['path'] == '$1'], open('took')))"
}

STEPS=(3600 -3600 30 -30 0.5 -0.5 100000000 -100000000)

# One request of 200 ms at each step, which comes in its middle.
steps_while_running() {
  serve
  local shift pid before after
  before=$(date +%s)
  for shift in "${STEPS[@]}"; do
    step 0
    get /hello -o /dev/null # after which the clock has been seen to be right
    rm -f mark
    get "/sleep?ms=200&mark=$WORK/mark" -o /dev/null -w '%{time_total}\n' >>took 3>&- &
    pid=$!
    wait_for "$DEADLINE" test -e mark
    step "$shift"
    wait "$pid"
    get /hello -o /dev/null
  done
  step 0
  after=$(date +%s)
  need_spans $((3 * ${#STEPS[@]}))
  durations /sleep 200000
  spans all '0 <= duration_us < 400000' 'path == "/hello"'
  spans all "$before - 1 <= start_us / 1e6 <= $after + 1" 'path == "/sleep"' # begun before the step
}

@test "steps while requests run: durations are right, none is negative or huge" {
  steps_while_running <<<'processes = 1'
}

@test "steps while requests run in gevent" {
  steps_while_running <<INI
plugin = gevent_python3
gevent = 10
INI
}

# steps_in_heads MIN: a head whose second half comes 300 ms later, and the clock steps in between: that time belongs to the
# request, and the step does not.
steps_in_heads() {
  serve
  local shift before
  for shift in "${STEPS[@]}"; do
    step 0
    get /hello -o /dev/null
    before=${EPOCHREALTIME/./}
    exec 9<>"/dev/tcp/${HOST/://}"
    printf 'GET /slow HTTP/1.1\r\nHost' >&9
    sleep 0.15 # this is how slow the client is
    step "$shift"
    sleep 0.15
    printf ': a\r\n\r\n' >&9
    grep -q '200 OK' <&9
    exec 9>&-
    printf '%d.%06d\n' $(((${EPOCHREALTIME/./} - before) / 1000000)) $(((${EPOCHREALTIME/./} - before) % 1000000)) >>took
  done
  step 0
  need_spans $((2 * ${#STEPS[@]}))
  durations /slow "$1"
  spans all '0 <= duration_us < 400000' 'path == "/hello"'
}

@test "steps while a head comes in: its time is the request's, the step is not" {
  steps_in_heads 290000 <<<'processes = 1'
}

@test "steps while a head comes in in gevent" {
  steps_in_heads 290000 <<INI
plugin = gevent_python3
gevent = 10
INI
}

# As often as no clock does. Where a step falls between the microseconds of uWSGI's look at the clock and
# ours, and then undoes what the one before did, nobody can tell: a few may be off, and none by more than
# a minute.
@test "back and forth a hundred times a second, four workers" {
  serve <<<'processes = 4'
  echo $RANDOM$RANDOM >seed
  "$PYTHON" -c 'import os, random, struct, time
random.seed(open("seed").read())
shift = os.open("shift", os.O_WRONLY)
while not os.path.exists("stop"):
    time.sleep(0.01)
    os.pwrite(shift, struct.pack("<q", random.choice((1, -1)) * random.randrange(1 << random.randrange(10, 52))), 0)' 3>&- &
  local stepper=$!
  requests 2000 8 '/sleep?ms=1'
  touch stop
  wait "$stepper"
  echo "seed $(cat seed)"
  step 0
  need_spans 2000
  spans all '0 <= duration_us < 61000000'
  spans check '[1000 <= s["duration_us"] < 5000000 for s in spans].count(False) <= 10'
  spans unique span
}
