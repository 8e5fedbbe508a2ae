# SPDX-License-Identifier: MIT
"""An application that forks, in every way applications do. Each path answers "fine", or what was not.

A child looks at itself: no thread of the plugin may run in it."""
import ctypes
import glob
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import parse_qs

PATIENCE_S = 10
libc = ctypes.CDLL(None)


def query(environ, name, default=''):
    return parse_qs(environ.get('QUERY_STRING', '')).get(name, [default])[0]


def is_clean():
    for path in glob.glob('/proc/self/task/*/comm'):
        with open(path) as file:
            if file.read().startswith('trc-'):
                return False
    return True


def wait(pid):
    """What became of the child: 'fine' if it ended with 0, in time."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            return 'fine' if status == 0 else 'child ended with %d' % status
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 'child hangs'


def child(work):
    """Forks, and has the child do `work`, which ends it (with 0, if all is well)."""
    pid = os.fork()
    if pid == 0:
        if not is_clean():
            os._exit(3)
        work()
        os._exit(0)
    return wait(pid)


def run_subprocess(environ):
    for close_fds in (True, False):
        command = subprocess.run(['/bin/echo', 'called'], close_fds=close_fds, capture_output=True, check=True)
        if command.stdout != b'called\n':
            return 'no output'
    return 'fine'


def run_multiprocessing(environ):
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send(is_clean()))
    process.start()
    process.join(PATIENCE_S)
    return 'fine' if process.exitcode == 0 and ours.poll() and ours.recv() else 'exit %s' % process.exitcode


def through_atexit():
    libc.exit(0)


def lookup():
    socket.getaddrinfo('localhost', 80)


def use_curl():
    """A request with the library that the reporters use, in the middle of whatever they were at."""
    curl = ctypes.CDLL('libcurl.so.4')
    curl.curl_easy_init.restype = ctypes.c_void_p
    easy = ctypes.c_void_p(curl.curl_easy_init())
    for option, value in ((10002, os.environ['FORKS_URL'].encode()), (10015, b'of a child')):  # URL, POSTFIELDS
        curl.curl_easy_setopt(easy, option, ctypes.c_char_p(value))
    for option, value in ((64, 0), (81, 0), (13, PATIENCE_S)):  # SSL_VERIFYPEER, _VERIFYHOST, TIMEOUT
        curl.curl_easy_setopt(easy, option, ctypes.c_long(value))
    code = curl.curl_easy_perform(easy)
    if code:
        os._exit(100 + code)
    curl.curl_easy_cleanup(easy)


WORK = {'_exit': lambda: os._exit(0), 'exit': through_atexit, 'lookup': lookup, 'curl': use_curl,
        'curl-exit': lambda: (use_curl(), libc.exit(0))}


def run_children(environ):
    for _ in range(int(query(environ, 'n', '1'))):
        outcome = child(WORK[query(environ, 'work', '_exit')])
        if outcome != 'fine':
            return outcome
    return 'fine'


def daemonise(environ):
    """A grandchild that has cut itself loose and outlives the request; it ends when a file appears."""
    mark, end = query(environ, 'mark'), query(environ, 'end')

    def work():
        os.setsid()
        if os.fork() == 0:
            with open(mark, 'w') as file:
                file.write('%d %s\n' % (os.getpid(), is_clean()))
            deadline = time.monotonic() + 3 * PATIENCE_S
            while not os.path.exists(end) and time.monotonic() < deadline:
                time.sleep(0.02)
            through_atexit()
    return child(work)


def application(environ, start):
    path = environ['PATH_INFO']
    if path == '/return':  # both go on: the child answers as well, and comes to uWSGI's end of the request
        if os.fork() == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, float(query(environ, 'live', '0.2')))
        else:
            time.sleep(0.01)
        outcome = 'fine'
    else:
        outcome = {'/subprocess': run_subprocess, '/multiprocessing': run_multiprocessing,
                   '/children': run_children, '/daemon': daemonise}.get(path, lambda _: 'fine')(environ)
    body = outcome.encode()
    if outcome != 'fine':
        print('forks:', path, outcome, file=sys.stderr, flush=True)
    # With a length: a child may hold the connection.
    start('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
