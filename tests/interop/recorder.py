#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Records what an exporter sends, as it is: each HTTP request's body, or each datagram, in a file of
DIR, in order.

    recorder.py http|udp DIR TYPE

HTTP: answers 200 with nothing to what comes as the content type TYPE, else 415, which the exporter
counts. UDP: TYPE is of no use; an empty datagram ends it, when all before that are kept. Prints "port N"
once it listens; runs until SIGTERM.
"""
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

LOOPBACK = ("127.0.0.1", 0)
numbers = count()


def record(folder, body):
    path = os.path.join(folder, "%06d" % next(numbers))
    with open(path + ".part", "wb") as file:
        file.write(body)
    os.rename(path + ".part", path)


def serve_http(folder, content_type):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            right = self.headers["Content-Type"] == content_type
            if right:
                record(folder, body)
            self.send_response(200 if right else 415)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(LOOPBACK, Handler)
    server.daemon_threads = True
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


def serve_udp(folder, _):
    receiver = socket.socket(type=socket.SOCK_DGRAM)
    receiver.bind(LOOPBACK)
    print("port", receiver.getsockname()[1], flush=True)
    while datagram := receiver.recv(65536):
        record(folder, datagram)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    {"http": serve_http, "udp": serve_udp}[sys.argv[1]](*sys.argv[2:])
