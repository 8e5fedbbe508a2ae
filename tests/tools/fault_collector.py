#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An OTLP collector for tests (JSON over HTTP) that does what a real one cannot be made to do.

    fault_collector.py --out spans.jsonl [--ids] [--fault NAME] [--host 127.0.0.1] [--port 0]

Prints "port N" once it listens, then runs until SIGTERM. What it takes goes to OUT, one line a
message, as spans.py reads it; or with --ids the span ids alone, one a line. OUT.requests has a JSON line for each request that came in whole:
fault, method, path, headers, spans. OUT.connections has a byte for each connection. What it does to
a request is the word in the file OUT.fault, and may be changed at any time; one that hangs does so
until it is changed, and then closes. NAME is what is there first (default: ok).

    ok            takes it
    400 ... 504   answers so; 429 with "Retry-After: 1", 502 with a date a second away
    hang-accept   accepts the connection and reads nothing
    hang          reads the request and answers nothing
    hang-answer   hangs in the middle of its answer
    huge          an answer without an end
    garbage       what is no HTTP
    reset, close  the connection, without an answer
    redirect      to a place with credentials and a query in it
    echo          answers 400 with the head of the request
    partial       takes it but for one span
    warning       takes it, and has something to say
    slow          takes it, and says so half a second later
    late          takes it, and says so three seconds later
    html          says yes as a web server does that knows nothing of traces
"""
import argparse
import email.utils
import gzip
import json
import os
import signal
import socket
import struct
import sys
import threading
import time


class Closed(Exception):
    pass


class Collector:
    def __init__(self, options):
        self.out = options.out
        self.ids = options.ids
        self.lock = threading.Lock()
        self.spans = open(self.out, 'w', encoding='utf-8')
        self.requests = open(self.out + '.requests', 'w', encoding='utf-8')
        self.connections = open(self.out + '.connections', 'w', encoding='ascii')
        with open(self.out + '.fault', 'w', encoding='ascii') as file:
            file.write(options.fault)
        self.listener = socket.create_server((options.host, options.port), backlog=options.backlog)

    def fault(self):
        with open(self.out + '.fault', encoding='ascii') as file:
            return file.read().strip()

    def note(self, file, line):
        with self.lock:
            file.write(line)
            file.flush()

    def run(self):
        print('port %d' % self.listener.getsockname()[1], flush=True)
        while True:
            connection, _ = self.listener.accept()
            self.note(self.connections, '.')
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile('rb') as stream:
            try:
                while True:
                    self.serve_one(connection, stream)
            except (Closed, OSError):
                pass

    def hang(self, fault):
        while self.fault() in (fault, ''):
            time.sleep(0.02)
        raise Closed

    def serve_one(self, connection, stream):
        if self.fault() == 'hang-accept':
            self.hang('hang-accept')
        head = []
        while not head or head[-1] != b'':
            line = stream.readline(65536)
            if not line:
                raise Closed
            head.append(line.rstrip(b'\r\n'))
        method, path, _ = head[0].decode('latin-1').split(' ', 2)
        headers = {}
        for line in head[1:-1]:
            name, value = line.decode('latin-1').split(':', 1)
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers['content-length']))
        if headers.get('content-encoding') == 'gzip':
            body = gzip.decompress(body)
        message = json.loads(body)
        count = sum(len(scope['spans']) for resource in message['resourceSpans']
                    for scope in resource['scopeSpans'])
        fault = self.fault()
        self.note(self.requests, json.dumps({
            'fault': fault, 'method': method, 'path': path, 'headers': headers, 'spans': count}) + '\n')
        self.answer(connection, fault, b'\n'.join(head), message)

    def take(self, message):
        if self.ids:
            self.note(self.spans, ''.join(
                span['spanId'] + '\n' for resource in message['resourceSpans']
                for scope in resource['scopeSpans'] for span in scope['spans']))
        else:
            self.note(self.spans, json.dumps(message) + '\n')

    @staticmethod
    def say(connection, status, body='', *headers, length=None):
        head = ['HTTP/1.1 %d X' % status, 'Content-Type: application/json']
        head += ['Content-Length: %d' % (len(body) if length is None else length)]
        connection.sendall('\r\n'.join((*head, *headers, '', body)).encode('latin-1'))

    def answer(self, connection, fault, head, message):
        if fault.isdigit():
            after = {'429': ('Retry-After: 1',), '502': (
                'Retry-After: ' + email.utils.formatdate(time.time() + 1.5, usegmt=True),)}
            self.say(connection, int(fault), '{"code":3,"message":"no"}', *after.get(fault, ()))
        elif fault == 'hang':
            self.hang(fault)
        elif fault == 'hang-answer':
            self.say(connection, 200, '{"partial', length=100)
            self.hang(fault)
        elif fault == 'huge':
            self.say(connection, 200, length=1 << 40)
            while True:
                connection.sendall(b'x' * 65536)
        elif fault == 'garbage':
            connection.sendall(b'\0\1\2 220 mail.example ESMTP\r\n')
            raise Closed
        elif fault == 'reset':
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            raise Closed
        elif fault == 'close':
            raise Closed
        elif fault == 'redirect':
            self.say(connection, 307, '', 'Location: http://user:hidden@elsewhere.example/x?k=hidden')
        elif fault == 'echo':
            self.say(connection, 400, head.decode('latin-1'))
        elif fault == 'partial':
            spans = message['resourceSpans'][0]['scopeSpans'][0]['spans']
            spans.pop()
            self.take(message)
            self.say(connection, 200, '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}')
        elif fault == 'warning':
            self.take(message)
            self.say(connection, 200, '{"partialSuccess":{"errorMessage":"soon gone"}}')
        elif fault in ('slow', 'late'):
            self.take(message)
            time.sleep(0.5 if fault == 'slow' else 3)
            self.say(connection, 200, '{}')
        elif fault == 'html':
            self.take(message)
            self.say(connection, 200, '<html>It works!</html>')
        else:
            self.take(message)
            self.say(connection, 200, '{}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', required=True)
    parser.add_argument('--ids', action='store_true')
    parser.add_argument('--fault', default='ok')
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--backlog', type=int, default=64)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Collector(parser.parse_args()).run()


if __name__ == '__main__':
    sys.exit(main())
