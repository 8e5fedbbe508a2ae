# SPDX-License-Identifier: MIT
"""The application of most tests: does by its path what a test wants an application to do."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from urllib.parse import parse_qs

import uwsgi

TEXT = [('Content-Type', 'text/plain')]


def query(environ, name, default=''):
    return parse_qs(environ.get('QUERY_STRING', '')).get(name, [default])[0]


def hello(environ, start):
    start('200 OK', TEXT + [('Content-Length', '5')])
    return [b'hello']


def show_environ(environ, start):
    start('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()]


def status(environ, start):
    start(query(environ, 'line', '404 Not Found'), TEXT)
    return [b'as you wished']


def timing(environ, start):
    """Says of itself what tracing-response-header says of the trace."""
    start('200 OK', TEXT + [('Server-Timing', 'db;dur=53, app;dur=47.2'), ('X-Mine', 'here'),
                            ('Access-Control-Expose-Headers', 'X-Mine')])
    return [b'timed']


def fail(environ, start):
    raise ValueError('on purpose')


def fail_late(environ, start):
    start('200 OK', TEXT)
    yield b'begun'
    raise ValueError('on purpose, late')


def stream(environ, start):
    start('200 OK', TEXT)
    for i in range(int(query(environ, 'n', '10'))):
        time.sleep(float(query(environ, 'ms', '0')) / 1000)
        yield b'%06d\n' % i * int(query(environ, 'lines', '1'))


def post(environ, start):
    body = environ['wsgi.input'].read()
    start('200 OK', TEXT)
    return [('%d %s' % (len(body), hashlib.sha256(body).hexdigest())).encode()]


def ignore_body(environ, start):
    start('200 OK', TEXT)
    return [b'not read']


def sleep(environ, start):
    mark = query(environ, 'mark')
    if mark:  # tells the test that the request is running
        open(mark, 'w').close()
    time.sleep(float(query(environ, 'ms', '100')) / 1000)
    return hello(environ, start)


def wait(environ, start):
    """Runs until the file named in `end` is there."""
    end = query(environ, 'end')
    open(query(environ, 'mark'), 'w').close()
    while not os.path.exists(end):
        time.sleep(0.02)
    return hello(environ, start)


def kill(environ, start):
    os.kill(os.getpid(), int(query(environ, 'signal', str(int(signal.SIGKILL)))))
    time.sleep(10)


def fault(environ, start):
    import ctypes
    ctypes.string_at(0)


def eat(environ, start):
    bytes(b'x' * (256 << 20))
    return hello(environ, start)


def leave(environ, start):
    os._exit(int(query(environ, 'code', '3')))


def leave_by_exit(environ, start):
    import ctypes
    ctypes.CDLL(None).exit(3)


def fork(environ, start):
    """A child that ends at once, as multiprocessing makes them."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    _, code = os.waitpid(child, 0)
    start('200 OK', TEXT)
    return [b'child %d' % code]


def fork_exit(environ, start):
    """A child that ends by sys.exit, so through libc's atexit, in uWSGI's memory."""
    child = os.fork()
    if child == 0:
        import ctypes
        ctypes.CDLL(None).exit(0)
    _, code = os.waitpid(child, 0)
    start('200 OK', TEXT)
    return [b'child %d' % code]


def call(environ, start):
    start('200 OK', TEXT)
    return [subprocess.check_output(['/bin/echo', 'called'])]


def outlive(environ, start):
    """A child that lives on when its worker is gone; it ends when the file named in `end` is there."""
    child = os.fork()
    if child == 0:
        end = query(environ, 'end')
        deadline = time.time() + 20
        while not os.path.exists(end) and time.time() < deadline:
            time.sleep(0.02)
        os._exit(0)
    body = str(child).encode()
    # The child holds the connection, too: without a length the client would wait for its end.
    start('200 OK', TEXT + [('Content-Length', str(len(body)))])
    return [body]


def worker(environ, start):
    start('200 OK', TEXT)
    return [('%d %d' % (uwsgi.worker_id(), os.getpid())).encode()]


def spool(environ, start):
    uwsgi.spool({b'name': b'e2e'})
    return hello(environ, start)


def mule(environ, start):
    uwsgi.mule_msg(b'e2e')
    return hello(environ, start)


def logvar(environ, start):
    uwsgi.set_logvar('mine', 'here')
    return hello(environ, start)


def rpc(environ, start):
    """Calls the function `name` with each `arg`, bytes as they are percent-encoded."""
    arguments = parse_qs(environ.get('QUERY_STRING', ''), keep_blank_values=True, encoding='latin-1')
    answer = uwsgi.call(*(text.encode('latin-1')
                          for text in arguments['name'] + arguments.get('arg', [])))
    start('200 OK', TEXT)
    return [b'no answer' if answer is None else answer]


PATHS = {
    '/environ': show_environ, '/status': status, '/raise': fail, '/raise-late': fail_late,
    '/stream': stream, '/post': post, '/ignore-body': ignore_body, '/sleep': sleep, '/kill': kill,
    '/fault': fault, '/eat': eat, '/leave': leave, '/exit': leave_by_exit, '/fork': fork,
    '/fork-exit': fork_exit, '/call': call, '/outlive': outlive, '/worker': worker,
    '/spool': spool, '/mule': mule, '/logvar': logvar, '/timing': timing,
    '/wait': wait, '/rpc': rpc,
}


def application(environ, start):
    return PATHS.get(environ['PATH_INFO'], hello)(environ, start)


def spooler(arguments):
    print('spooled', os.getpid(), file=sys.stderr, flush=True)
    return uwsgi.SPOOL_OK


uwsgi.spooler = spooler
uwsgi.register_rpc('shout', lambda word: word.upper())
uwsgi.register_rpc('REQUEST_METHOD', lambda *words: b' '.join(words))  # looks like a request
