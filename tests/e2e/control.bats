#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Switching without a reload: by RPC, by a file, by a letter in the master's FIFO.

load helper

# control LINE...: replaces the file of those lines, as a rename does.
control() {
  printf '%s\n' "$@" >"$WORK/control.new"
  mv "$WORK/control.new" "$WORK/control"
}

# says TEXT: the last line of the log about the file is, soon.
says() { wait_for "$DEADLINE" said "$1"; }
said() { grep -a '\[tracing\] tracing-control = ' "$LOG" | tail -n 1 | grep -qF -- "$1"; }

# serve_controlled <INI LINES: with the file, two workers, and what they say of it.
serve_controlled() {
  allow_log '\[tracing\] tracing-control = '
  serve <<INI
processes = 2
tracing-control = $WORK/control
$(cat)
INI
}

# --- RPC --------------------------------------------------------------------------------------------

@test "RPC: tracing.disable and tracing.enable switch all workers" {
  serve <<INI
processes = 2
INI
  requests 20 2
  [ "$(rpc tracing.disable)" = ok ]
  requests 20 2
  [ "$(rpc tracing.enable)" = ok ]
  requests 20 2
  need_spans 41 # and the one that switched it off: it ends as it began
}

@test "RPC: tracing.sampler changes the sampler, tracing.reset is as configured" {
  serve <<INI
processes = 2
tracing-sampler = const:0
tracing-exclude = /healthz
INI
  requests 10 2
  [ "$(rpc tracing.sampler probabilistic:1)" = ok ]
  requests 10 2
  [ "$(rpc tracing.sampler ' ratelimiting:0 ')" = ok ] # and itself is the 11th span
  requests 10 2
  [ "$(rpc tracing.disable)" = ok ]
  [ "$(rpc tracing.reset)" = ok ]
  requests 10 2
  need_spans 11
  spans all 'tags["sampler.type"] == "probabilistic"'
}

@test "RPC: misuse is an error in the answer" {
  serve </dev/null
  [ "$(rpc tracing.enable now)" = 'error: wrong number of arguments' ]
  [ "$(rpc tracing.sampler)" = 'error: wrong number of arguments' ]
  [ "$(rpc tracing.sampler a b)" = 'error: wrong number of arguments' ]
  [ "$(rpc tracing.nothing)" = 'no answer' ]
  local spec answer
  for spec in '' always probabilistic:2 remote "$(printf 'x%.0s' {1..1000})"; do
    answer=$(rpc tracing.sampler "$spec")
    [[ $answer = 'error: not allowed (allowed: const:0, const:1, '* ]]
  done
  need_spans 9
}

@test "RPC: tracing.flush has the reporters of all workers send" {
  serve <<INI
processes = 2
tracing-flush-interval = 10m
INI
  threads "$(worker_pid 1)" | grep -qx trc-1-control
  threads "$(worker_pid 2)" | grep -qx trc-2-control
  requests 40 2
  [ "$(rpc tracing.flush)" = ok ]
  wait_for "$DEADLINE" lines_at_least 40 "$SPANS"
  need_spans 41
}

@test "RPC: a mule can switch, too" {
  cat >switch.py <<'PY'
import uwsgi
uwsgi.mule_get_msg()
print('switched:', uwsgi.call(b'tracing.disable'), uwsgi.call(b'tracing.flush'), flush=True)
uwsgi.mule_get_msg()
PY
  serve <<INI
mule = $WORK/switch.py
INI
  get /mule
  wait_for "$DEADLINE" log_has "switched: b'ok' b'ok'"
  get /
  need_spans 1
}

# --- The file ---------------------------------------------------------------------------------------

@test "file: what it says is obeyed by all workers, what it does not mention stays" {
  serve_controlled </dev/null
  threads "$(worker_pid 2)" | grep -qx trc-2-control
  requests 10 2
  control '# at night' '' 'enabled = false'
  says ': now enabled=false'
  requests 10 2
  control 'exclude=/healthz, agent:kube-probe/*' $'sampler=probabilistic:0.5\r'
  says ': now sampler=probabilistic:0.5, exclude=/healthz,agent:kube-probe/*'
  requests 10 2
  control 'sampler=const:1' 'enabled=on'
  says ': now enabled=true, sampler=const:1'
  requests 10 2 /healthz
  requests 10 2
  control exclude=
  says ': now exclude=none'
  requests 10 2 /healthz
  rm control
  requests 10 2
  need_spans 40
  need_accounts excluded==10
  [ "$(log_count '\] tracing-control = .*: now')" = 4 ] # once, not once a worker
}

@test "file: one that is written in place, or is a link that is swapped, is obeyed" {
  # As Kubernetes mounts a ConfigMap: control -> ..data/control, ..data -> ..1.
  mkdir ..1 ..2
  echo enabled=false >..1/control
  echo enabled=true >..2/control
  ln -s ..1 ..data
  ln -s ..data/control control
  serve_controlled </dev/null
  said ': now enabled=false' # before the first request
  get /
  ln -s ..2 ..new
  mv -T ..new ..data
  says ': now enabled=true'
  get /
  echo enabled=false >..2/control
  says ': now enabled=false'
  get /
  need_spans 1
}

@test "file: wrong content is one line, and the settings stay, all of them" {
  serve_controlled </dev/null
  control enabled=false
  says ': now enabled=false'
  control enabled=true 'sampler=probabilistic:1.5'
  says ': line 2: sampler=probabilistic:1.5: not allowed (allowed: const:0, '
  get /
  control '' colour=red
  says ': line 2: colour=red: not allowed (allowed: enabled=, sampler= and exclude=); the settings stay as they are'
  control 'exclude=healthz'
  says ': line 1: exclude=healthz: not allowed (allowed: none, or globs'
  head -c 65537 /dev/zero | tr '\0' '\n' >control
  says ': too long'
  rm control
  mkdir control
  says ': not a regular file'
  rmdir control
  mkfifo control
  wait_for "$DEADLINE" log_has_times 2 ': not a regular file'
  get /
  rm control
  control enabled=true
  says ': now enabled=true'
  get /
  need_spans 1
  [ "$(log_count 'line 2: sampler')" = 1 ]
  [ "$(log_count 'tracing-control = .*stay as they are')" = 6 ]
}

@test "file: wrong content does not keep a server from starting" {
  control enabled=perhaps
  serve_controlled </dev/null
  get /
  need_spans 1
  [ "$(log_count 'line 1: enabled=perhaps: not allowed \(allowed: true or false\)')" = 1 ]
}

# --- The FIFO ---------------------------------------------------------------------------------------

@test "FIFO: T toggles" {
  allow_log '\[tracing\] T in master-fifo: now enabled='
  serve <<INI
processes = 2
master-fifo = $WORK/fifo
INI
  get /
  echo T >fifo
  wait_for "$DEADLINE" log_has 'T in master-fifo: now enabled=false'
  requests 10 2
  echo T >fifo
  wait_for "$DEADLINE" log_has 'T in master-fifo: now enabled=true'
  get /
  need_spans 2
}

# --- Beside what else happens -------------------------------------------------------------------------

@test "a request that runs over a switch ends as it began" {
  serve <<INI
processes = 2
threads = 2
INI
  get "/wait?mark=$WORK/traced&end=$WORK/end" >/dev/null &
  local first=$!
  wait_for "$DEADLINE" test -e traced
  rpc tracing.disable
  get "/wait?mark=$WORK/untraced&end=$WORK/end" >/dev/null &
  local second=$!
  wait_for "$DEADLINE" test -e untraced
  rpc tracing.enable
  touch end
  wait "$first" "$second"
  need_spans 2
  spans check 'sorted(s["path"].split("?")[0] for s in spans) == ["/rpc", "/wait"]'
}

@test "a switch outlives its workers, and not a reload" {
  allow_log 'DAMN ! worker'
  serve <<INI
processes = 2
http-socket = $WORK/http.sock
tracing-journal = $WORK/journal
INI
  over "$WORK/http.sock"
  rpc tracing.disable
  kill_worker 1
  kill_worker 2
  requests 10 2
  kill -HUP "$UWSGI_PID"
  wait_for "$DEADLINE" nudged_to_accept 6
  requests 10 2
  need_spans 11
}

load_until_enough() { until [ -e enough ]; do requests 200 4 || return; done; }

@test "under load no request is lost, whatever is switched" {
  serve_controlled <<INI
listen = 100
master-fifo = $WORK/fifo
INI
  allow_log '\[tracing\] T in master-fifo'
  in_background load_until_enough
  local i
  for i in 1 2 3 4; do
    control enabled=false "exclude=/a$i"
    says "exclude=/a$i"
    control enabled=true "sampler=probabilistic:0.$i"
    says "sampler=probabilistic:0.$i"
    echo T >fifo
    rpc tracing.sampler const:1
    rpc tracing.reset
  done
  touch enough
  wait "$IN_BACKGROUND" # all were answered
  need_accounts dropped==0 lost==0
}
