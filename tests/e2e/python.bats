#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Applications in Python that know nothing of tracing: the routes of their frameworks, and the
# exceptions that leave them.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as it should be
load helper

# with_framework NAME <INI LINES: a uWSGI with that application, whose spans go to $SPANS as OTLP.
with_framework() {
  start_uwsgi <<INI
$([ "${WITHOUT:-}" = tracing ] || echo "tracing-export = otlp.json+file://$SPANS")
env = FRAMEWORK=$1
wsgi-file = $APPS/frameworks.py
$(cat)
INI
}

# raising <INI LINES: the same with the application that raises.
raising() {
  start_uwsgi <<INI
tracing-export = otlp.json+file://$SPANS
wsgi-file = $APPS/exceptions.py
$(cat)
INI
}

# need_otlp N: so many spans in the file, when uWSGI has ended.
need_otlp() {
  stop_uwsgi
  [ "$(spans count)" = "$1" ]
}

# route PATH: http.route of the request of that path, or a dash
route() { spans print 'tags.get("http.route", "-")' "path == '$1'"; }

# exception PART PATH: of the exceptions of the request of that path, one a line; a dash if there is none
exception() {
  spans print "'\n'.join(l['fields'].get('exception.$1') or '-' for l in logs) or '-'" "path == '$2'"
}

# --- Routes ---------------------------------------------------------------------------------------------

# usual_routes NAME USER: what each framework is asked, and the template of users it has
usual_routes() {
  with_framework "$1" <<<'processes = 1'
  [ "$(get /)" = home ]
  [ "$(get /users/42)" = 'user 42' ]
  [ "$(status_of /nothing)" = 404 ]
  need_otlp 3
  [ "$(route /)" = / ]
  [ "$(route /users/42)" = "$2" ]
  [ "$(route /nothing)" = - ]
  spans all "name == 'GET $2'" 'path == "/users/42"'
}

@test "Django" { usual_routes django '/users/<int:pk>'; }

@test "Flask" { usual_routes flask '/users/<int:id>'; }

@test "Bottle" { usual_routes bottle '/users/<pk:int>'; }

@test "Falcon" { usual_routes falcon '/users/{pk:int}'; }

@test "Pyramid" { usual_routes pyramid '/users/{pk}'; }

@test "Django: a slash at the end, regular expressions within each other" {
  with_framework django <<<'processes = 1'
  [ "$(get /users/42/)" = 'user 42' ]
  [ "$(get /shop/items/7)" = 'user 7' ]
  need_otlp 2
  [ "$(route /users/42/)" = '/users/<int:pk>/' ]
  [ "$(route /shop/items/7)" = '/shop/items/(?P<pk>[0-9]+)' ]
}

@test "Flask: a blueprint; a request of its test client is none" {
  with_framework flask <<<'processes = 1'
  [ "$(get /shop/items/7)" = 'user 7' ]
  [ "$(get /test-client)" = 'user 7' ]
  need_otlp 2
  [ "$(route /shop/items/7)" = '/shop/items/<int:id>' ]
  [ "$(route /test-client)" = /test-client ]
}

@test "Bottle: an application mounted in another" {
  with_framework bottle <<<'processes = 1'
  [ "$(get /shop/items/7)" = 'user 7' ]
  need_otlp 1
  [ "$(route /shop/items/7)" = '/shop/items/<pk:int>' ]
}

@test "a framework that is imported at the first request" {
  with_framework late <<<'processes = 2'
  [ "$(get /users/42)" = 'user 42' ]
  need_otlp 1
  [ "$(route /users/42)" = '/users/<int:id>' ]
}

@test "a request that is killed has its route" {
  with_framework django <<<'processes = 1'
  allow_log 'DAMN ! worker 1 .* killed by signal 9'
  in_background get "/slow?ms=20000&mark=$WORK/mark"
  wait_for "$DEADLINE" test -e mark
  kill_worker 1
  need_otlp 1
  [ "$(route /slow)" = /slow ]
}

# in_mode FRAMEWORK USER <INI LINES: 200 requests of 4 at once, each with its route
in_mode() {
  with_framework "$1"
  requests 100 4 '/slow?ms=2'
  requests 100 4 '/users/42'
  need_otlp 200
  spans unique span
  spans all 'tags["http.route"] == path' 'path == "/slow"'
  spans all "tags['http.route'] == '$2'" 'path == "/users/42"'
  spans check 'len([s for s in spans if s["path"] == "/slow"]) == 100'
}

@test "threads = 4" {
  in_mode flask '/users/<int:id>' <<<$'processes = 2\nthreads = 4'
}

@test "enable-threads" {
  in_mode django '/users/<int:pk>' <<<$'processes = 2\nenable-threads = true'
}

@test "lazy-apps" {
  in_mode django '/users/<int:pk>' <<<$'processes = 2\nlazy-apps = true'
}

@test "lazy-apps and threads" {
  in_mode falcon '/users/{pk:int}' <<<$'processes = 2\nlazy-apps = true\nthreads = 2'
}

@test "py-call-uwsgi-fork-hooks: the interpreter's lock is free when applications are loaded" {
  in_mode flask '/users/<int:id>' <<<$'processes = 2\nthreads = 2\npy-call-uwsgi-fork-hooks = true'
}

@test "gevent" {
  in_mode flask '/users/<int:id>' <<<$'plugin = gevent_python3\nprocesses = 2\ngevent = 8\ngevent-monkey-patch = true'
}

@test "no master" {
  in_mode bottle '/users/<pk:int>' <<<$'master = false\nprocesses = 1'
}

# mounted <INI LINES: two applications, each under its mountpoint
mounted() {
  start_uwsgi <<INI
tracing-export = otlp.json+file://$SPANS
env = FRAMEWORK=django
manage-script-name = true
mount = /one=$APPS/frameworks.py
mount = /two=$APPS/frameworks.py
$(cat)
INI
  [ "$(get /one/users/1)" = 'user 1' ]
  [ "$(get /two/users/2)" = 'user 2' ]
  need_otlp 2
  [ "$(route /one/users/1)" = '/one/users/<int:pk>' ]
  [ "$(route /two/users/2)" = '/two/users/<int:pk>' ]
}

@test "two applications, each in an interpreter of its own" { mounted <<<'processes = 2'; }

@test "the same with threads" { mounted <<<$'processes = 2\nthreads = 2'; }

@test "the same with lazy-apps" { mounted <<<$'processes = 2\nlazy-apps = true'; }

@test "the same with lazy-apps and threads" { mounted <<<$'processes = 1\nlazy-apps = true\nthreads = 2'; }

# --- Exceptions -----------------------------------------------------------------------------------------

@test "exceptions that leave the application: type, message, stack, and an error" {
  raising <<<'processes = 1'
  get /before >/dev/null || true
  [ "$(get /begun)" = begun ]
  get /never >/dev/null || true
  get /closing >/dev/null || true
  get /list >/dev/null || true
  get /hello >/dev/null
  need_otlp 6
  [ "$(exception type /before) $(exception message /before)" = 'ValueError on purpose' ]
  [ "$(exception type /begun) $(exception message /begun)" = 'ValueError on purpose, late' ]
  [ "$(exception type /never)" = KeyError ]
  [ "$(exception message /closing)" = first ]
  [ "$(exception type /list)" = TypeError ]
  [ "$(exception type /hello)" = - ]
  spans all 'status_code == 2' 'path != "/hello"'
  spans all 'status == 200' 'path == "/begun"'
  spans all 'tags["error.type"] == logs[0]["fields"]["exception.type"]' 'path != "/hello"'
  exception stacktrace /before >stack
  grep -qx 'Traceback (most recent call last):' stack
  grep -q 'exceptions.py", line [0-9]*, in say$' stack
  grep -qx '    raise error' stack
  [ "$(tail -n 1 stack)" = 'ValueError: on purpose' ]
}

@test "exceptions whose words are strange, or none, or too many" {
  raising <<<'processes = 1'
  local path
  for path in unicode surrogate bytes nul huge mute odd deep recursion chain; do
    get "/$path" >/dev/null || true
  done
  # An exit from within PyErr_Print, as /odd causes it, ends no worker: ask one more.
  [ "$(get /hello)" = hello ]
  need_otlp 11
  [ "$(exception message /unicode)" = 'grüße 😀' ]
  [ "$(exception message /surrogate)" = 'a\udcffb' ]
  [ "$(exception message /bytes)" = "b'\\xff\\x00raw'" ]
  spans all "logs[0]['fields']['exception.message'] == 'a\\0b'" 'path == "/nul"'
  spans all "logs[0]['fields']['exception.message'] == 'é' * 256" 'path == "/huge"'
  [ "$(exception message /mute)" = '<exception str() failed>' ]
  [ "$(exception message /odd)" = '<exception str() failed>' ]
  [[ $(exception type /mute) == *exceptions.Mute ]]
  [ "$(exception type /deep)" = ZeroDivisionError ]
  [ "$(exception type /recursion)" = RecursionError ]
  # The innermost frames are what is left.
  exception stacktrace /deep | grep -q '1 / 0'
  exception stacktrace /chain | grep -qx "KeyError: 'key'"
  [ "$(exception stacktrace /chain | tail -n 1)" = 'RuntimeError: outer' ]
  spans all 'len(logs[0]["fields"]["exception.stacktrace"].encode()) <= 2048' 'path != "/hello"'
}

# all_raise <INI LINES: 100 requests of 4 at once, each with its exception
all_raise() {
  raising
  for _ in {1..25}; do
    for _ in 1 2 3 4; do printf 'url = http://%s/in-turn\noutput = /dev/null\n' "$HOST"; done
  done >urls
  curl -s --parallel --parallel-max 4 --max-time "$DEADLINE" -K urls 2>/dev/null || true
  need_otlp 100
  spans all '[l["fields"]["exception.type"] for l in logs] == ["LookupError"]'
  spans all 'status_code == 2'
}

@test "exceptions with threads = 4" { all_raise <<<$'processes = 1\nthreads = 4'; }

@test "exceptions with gevent" {
  all_raise <<<$'plugin = gevent_python3\nprocesses = 1\ngevent = 8\ngevent-monkey-patch = true'
}

@test "exceptions that a framework makes a response of" {
  local name
  for name in django flask; do
    rm -f "$SPANS"
    with_framework "$name" <<<'processes = 1'
    [ "$(status_of /fail)" = 500 ]
    need_otlp 1
    [[ $(exception type /fail) == *frameworks.Oops ]]
    [ "$(exception message /fail)" = 'on purpose' ]
    exception stacktrace /fail | grep -q 'in fail$'
  done
}

@test "exceptions that a framework lets go: told once" {
  local name
  for name in django flask bottle pyramid; do
    rm -f "$SPANS"
    with_framework "$name" <<<$'processes = 1\nenv = PROPAGATE=1'
    get /fail >/dev/null || true
    need_otlp 1
    [[ $(exception type /fail) == *frameworks.Oops ]]
    spans all 'len(logs) == 1'
    [ "$(route /fail)" = /fail ]
  done
}

@test "catch-exceptions works as it did" {
  raising <<<$'processes = 1\ncatch-exceptions = true'
  get /before >answer
  grep -qx 'Exception class: builtins.ValueError' answer
  log_has '^ValueError: on purpose'
  need_otlp 1
  [ "$(exception type /before)" = ValueError ]
}

@test "a client that hangs up is no exception of the application" {
  start_uwsgi <<INI
tracing-export = otlp.json+file://$SPANS
processes = 1
wsgi-file = $APPS/app.py
INI
  printf 'GET /stream?n=200&lines=10000&ms=1 HTTP/1.1\r\nHost: a\r\n\r\n' |
    "$TOOLS/peer.py" send "$HOST" --read 1000 >answer
  get /hello >/dev/null
  need_otlp 2
  [ "$(exception type /stream)" = - ]
  log_has 'OSError: write error'
}

@test "Ruby: exceptions as its plugin tells them" {
  cat >config.ru <<'RUBY'
run lambda { |env|
  raise ArgumentError, 'on purpose' if env['PATH_INFO'] == '/raise'
  [200, { 'Content-Type' => 'text/plain' }, ['hello']]
}
RUBY
  LANGUAGE_PLUGIN=rack_ruby31 start_uwsgi <<INI
tracing-export = otlp.json+file://$SPANS
http-socket-modifier1 = 7
processes = 1
rack = $WORK/config.ru
INI
  [ "$(get /hello)" = hello ]
  get /raise >/dev/null || true
  need_otlp 2
  [ "$(exception type /raise) $(exception message /raise)" = 'ArgumentError on purpose' ]
  exception stacktrace /raise | head -n 1 | grep -qE 'config.ru:2:in `.*'"'"
}

# --- What must not change -------------------------------------------------------------------------------

@test "tracing-python = false: nothing is loaded, exceptions have their type and message" {
  with_framework django <<<$'processes = 1\ntracing-python = false\nenv = PROPAGATE=1'
  [ "$(get /users/42)" = 'user 42' ]
  get /fail >/dev/null || true
  need_otlp 2
  [ "$(route /users/42)" = - ]
  [[ $(exception type /fail) == *frameworks.Oops ]]
  [ "$(exception message /fail)" = 'on purpose' ]
  [ "$(exception stacktrace /fail)" = - ]
}

@test "what an application forks is left alone" {
  local mode
  # Not with threads: without our plugin, too, such a child of multiprocessing ends with 1 at times.
  for mode in 'lazy-apps = false' 'lazy-apps = true'; do
    rm -f "$SPANS"
    raising <<<$'processes = 1\n'"$mode"
    get /child >answer
    cat answer
    [ "$(cat answer)" = $'called\n0' ]
    need_otlp 1
  done
}

@test "the end of Python: what the application registered with atexit runs" {
  cat >leaving.py <<'PY'
import atexit
import sys
atexit.register(lambda: print('atexit: modules', 'os' in sys.modules, file=sys.stderr, flush=True))
def application(environ, start):
    start('200 OK', [])
    return [b'hello']
PY
  start_uwsgi <<INI
tracing-export = otlp.json+file://$SPANS
processes = 2
wsgi-file = $WORK/leaving.py
INI
  get / >/dev/null
  need_otlp 1
  log_has 'atexit: modules True'
  log_count 'Exception ignored|Fatal Python error' | grep -qx 0
}

@test "an application that has finders of its own, and takes out ours" {
  cat >finders.py <<'PY'
import importlib.util
import sys


class Finder:
    """Asks all finders, as hooks of others do."""
    asking = False

    def find_spec(self, name, path=None, target=None):
        if self.asking or name != 'bottle':
            return None
        self.asking = True
        try:
            return importlib.util.find_spec(name)
        finally:
            self.asking = False


class Careless:
    """Asks all the others, and who asks it in turn is its ruin."""

    def find_spec(self, name, path=None, target=None):
        if name == 'bottle':
            for finder in sys.meta_path:
                spec = finder is not self and finder.find_spec(name, path, target)
                if spec:
                    return spec


def application(environ, start):
    what = environ['PATH_INFO']
    if what == '/spec':
        spec = importlib.util.find_spec('bottle')
        start('200 OK', [])
        return [type(spec.loader).__name__.encode()]
    if what == '/first':
        sys.meta_path.insert(0, Finder())
    elif what == '/last':
        sys.meta_path.append(Finder())
    elif what == '/careless':
        sys.meta_path.insert(0, Careless())
    elif what == '/none':
        sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != 'uwsgi_tracing']
    sys.modules.pop('bottle', None)
    import bottle
    app = bottle.Bottle()
    app.get('/<what>')(lambda what: bottle.__spec__.loader.__class__.__name__)
    return app(environ, start)
PY
  start_uwsgi <<INI
tracing-export = otlp.json+file://$SPANS
processes = 1
wsgi-file = $WORK/finders.py
INI
  [ "$(get /spec)" = SourceFileLoader ]
  [ "$(get /plain)" = SourceFileLoader ]
  [ "$(get /first)" = SourceFileLoader ]
  [ "$(get /last)" = SourceFileLoader ]
  [ "$(get /careless)" = SourceFileLoader ]
  [ "$(get /none)" = SourceFileLoader ]
  need_otlp 6
  [ "$(spans values 'tags["http.route"]' 'path not in ("/spec", "/none")')" = '/<what>' ]
  [ "$(route /none)" = - ] # nobody is there to see it
}

# answers DIRECTORY: what a framework answers, head and body
answers() {
  local path
  mkdir -p "$1"
  for path in / /users/42 /nothing /fail; do get "$path" -i | sed "s/$HOST/HOST/g" >"$1/${path//\//_}"; done
}

@test "responses of all frameworks are byte for byte what they are without the plugin" {
  local name
  no_accounts
  for name in django flask bottle falcon pyramid; do
    with_framework "$name" <<<'processes = 1'
    answers "with/$name" || true
    stop_uwsgi
    WITHOUT=tracing with_framework "$name" <<<'processes = 1'
    answers "without/$name" || true
    stop_uwsgi
  done
  diff -r with without
  grep -q 'user 42' with/*/_users_42
}
