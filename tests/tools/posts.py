#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An HTTP collector that answers as it is told and writes what it was sent, one JSON line a POST:
{"path", "headers" (names in lower case), "length"}.

Prints "port N" once it listens, then runs until SIGTERM.

    posts.py --out posts.jsonl [--answer STATUS] [--body TEXT] [--silent] [--cert FILE --key FILE]

--silent: takes the request and never answers. --cert: speaks TLS.
"""
import argparse
import json
import signal
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        length = len(self.rfile.read(int(self.headers['Content-Length'])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.out.write(json.dumps({'path': self.path, 'headers': headers, 'length': length}) + '\n')
        self.server.out.flush()
        options = self.server.options
        if options.silent:
            self.server.ended.wait()
        body = options.body.encode()
        self.send_response(options.answer)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--out', required=True)
    parser.add_argument('--answer', type=int, default=202)
    parser.add_argument('--body', default='')
    parser.add_argument('--silent', action='store_true')
    parser.add_argument('--cert')
    parser.add_argument('--key')
    options = parser.parse_args()
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    server.options, server.ended = options, threading.Event()
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(options.out, 'w', encoding='utf-8') as server.out:
        print('port', server.server_port, flush=True)
        server.serve_forever()


if __name__ == '__main__':
    main()
