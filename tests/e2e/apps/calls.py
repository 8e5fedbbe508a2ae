# SPDX-License-Identifier: MIT
"""An application that does what its query asks for: each `c` is a call of uWSGI's RPC, name and
arguments with | between them, where @N stands for the answer of the call number N (from 0) and
sleep|MS, crash and get|URL are no calls. Answers with a JSON list of what each was answered.
"""
import json
import threading
import time
import urllib.request
from urllib.parse import parse_qs, unquote_to_bytes

import uwsgi

imported = uwsgi.call(b'tracing.tag', b'k', b'v'), uwsgi.call(b'tracing.inject')


def headers(lines):
    return dict(line.split(': ', 1) for line in lines.decode().splitlines())


def get(url):
    """Asks another server, with the headers that tracing.inject gives."""
    request = urllib.request.Request(url, headers=headers(uwsgi.call(b'tracing.inject')))
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def one(call, answers):
    name, *arguments = call.split(b'|')
    arguments = [answers[int(a[1:])] if a[:1] == b'@' else a for a in arguments]
    if name == b'sleep':
        time.sleep(int(arguments[0]) / 1000)
        return b''
    if name == b'get':
        return get(arguments[0].decode())
    return uwsgi.call(name, *arguments)


def calls(environ):
    answers = []
    for text in environ['QUERY_STRING'].split('&'):
        if text.startswith('c='):
            answers.append(one(unquote_to_bytes(text[2:].replace('+', ' ')), answers))
    return answers


def elsewhere(environ, answers):
    answers.extend(calls(environ))


def in_thread(environ):
    answers = []
    thread = threading.Thread(target=elsewhere, args=(environ, answers))
    thread.start()
    thread.join()
    return answers


def in_greenlet(environ):
    import gevent
    return gevent.spawn(calls, environ).get()


def at_import(environ):
    return list(imported)


def by_route_of_ours(environ):
    """Takes a routing action, which is no RPC."""
    arguments = parse_qs(environ['QUERY_STRING'])
    try:
        return [str(uwsgi.route('tracing', arguments['action'][0])).encode()]
    except Exception as problem:  # whatever uWSGI raises
        return [repr(problem).encode()]


def seen(environ):
    return [('%s=%s' % (k, v)).encode() for k, v in sorted(environ.items())
            if k.startswith(('HTTP_', 'TRACING_'))]


PATHS = {'/thread': in_thread, '/greenlet': in_greenlet, '/import': at_import,
         '/route': by_route_of_ours, '/seen': seen}


def application(environ, start):
    answers = PATHS.get(environ['PATH_INFO'], calls)(environ)
    status = parse_qs(environ['QUERY_STRING']).get('status', ['200 OK'])[0]
    start(status, [('Content-Type', 'application/json')])
    return [json.dumps([None if a is None else a.decode('latin-1') for a in answers]).encode()]
