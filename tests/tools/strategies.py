#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A sampling server for tests: answers every GET with what a file says at that moment.

Prints "port N" once it listens, then runs until SIGTERM. The file has the body; or `status N` for an
answer with that status and no body; or `hang`, for none: the client has to go. Each request is a line
of OUT: milliseconds since the start, and the path with its query; a client that went while it hung
is a line `gone`.

    strategies.py ANSWER OUT [--port 0]
"""
import argparse
import http.server
import signal
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def note(self, text):
        with self.server.lock:
            self.server.out.write(text + '\n')
            self.server.out.flush()

    def do_GET(self):
        with open(self.server.answer, encoding='utf-8') as file:
            body = file.read().strip()
        self.note('%d %s' % ((time.monotonic() - self.server.start) * 1000, self.path))
        if body == 'hang':
            self.rfile.read(1)  # nothing comes but the end
            self.note('gone')
            self.close_connection = True
            return
        status = 200
        if body.startswith('status '):
            status, body = int(body.split()[1]), ''
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('answer')
    parser.add_argument('out')
    parser.add_argument('--port', type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', options.port), Handler)
    server.daemon_threads = True
    server.answer, server.lock, server.start = options.answer, threading.Lock(), time.monotonic()
    with open(options.out, 'w', encoding='utf-8') as server.out:
        print('port %d' % server.server_port, flush=True)
        server.serve_forever()


if __name__ == '__main__':
    main()
