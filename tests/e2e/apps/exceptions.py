# SPDX-License-Identifier: MIT
"""Raises by its path, in all the ways an application can."""
import subprocess
import sys
import threading
import time
from multiprocessing import get_context

TEXT = [('Content-Type', 'text/plain')]


class Mute(Exception):
    def __str__(self):
        raise TypeError('no words')


class Odd(Exception):
    def __str__(self):
        sys.exit('from __str__')


def hello(start):
    start('200 OK', TEXT + [('Content-Length', '5')])
    return [b'hello']


def begun(start):
    start('200 OK', TEXT)
    yield b'begun'
    raise ValueError('on purpose, late')


def never(start):
    raise KeyError('in a generator')
    yield b''


class Closing:
    """Raises at each step."""

    def __init__(self, start):
        start('200 OK', TEXT)

    def __iter__(self):
        return self

    def __next__(self):
        raise ValueError('first')

    def close(self):
        raise ValueError('second')


def deep(n):
    return deep(n - 1) if n else 1 / 0


def chain():
    try:
        {}['key']
    except KeyError as error:
        raise RuntimeError('outer') from error


def say(error):
    raise error


def in_turn(start):
    """Slow enough for others to be there at the same time."""
    time.sleep(0.02)
    raise LookupError(threading.current_thread().name)


def child(start):
    """What the application forks must not notice, and nobody what it does."""
    context = get_context('fork')
    process = context.Process(target=lambda: None)
    process.start()
    process.join()
    out = subprocess.check_output([sys.executable if 'python' in sys.executable else '/usr/bin/python3',
                                   '-c', 'print("called")'])
    start('200 OK', TEXT)
    return [out + b'%d' % process.exitcode]


PATHS = {
    '/before': lambda start: say(ValueError('on purpose')),
    '/begun': begun, '/never': never, '/closing': Closing,
    '/list': lambda start: 42,
    '/unicode': lambda start: say(ValueError('gr\u00fc\u00dfe \U0001f600')),
    '/surrogate': lambda start: say(ValueError('a\udcffb')),
    '/bytes': lambda start: say(ValueError(b'\xff\x00raw')),
    '/nul': lambda start: say(ValueError('a\0b')),
    '/huge': lambda start: say(ValueError('\u00e9' * 1000000)),
    '/mute': lambda start: say(Mute()),
    '/odd': lambda start: say(Odd()),
    '/deep': lambda start: deep(500),
    '/recursion': lambda start: deep(1000000),
    '/chain': lambda start: chain(),
    '/in-turn': in_turn, '/child': child,
}


def application(environ, start):
    return PATHS.get(environ['PATH_INFO'], hello)(start)

