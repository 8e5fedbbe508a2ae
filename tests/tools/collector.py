#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A Jaeger agent for tests: takes datagrams and writes each span as one JSON line.

Prints "port N" once it is bound, then runs until SIGTERM, which it obeys after it has taken what the
socket still holds. What cannot be decoded goes to OUT.errors, one line a datagram. A datagram
"BARRIER <token>" makes it write the token to OUT.barrier: when that is there, all that was sent
before is in the files (UDP on loopback keeps its order).

    collector.py --out spans.jsonl [--host 127.0.0.1] [--port 0] [--wire compact|binary|zipkin] [--raw FILE]
"""
import argparse
import json
import os
import select
import signal
import socket
import struct
import sys
import time

from thrift_spans import spans_of

SO_RCVBUFFORCE = 33   # socket(7): SO_RCVBUF beyond rmem_max, for root
RECEIVE_BUFFER = 256 << 20


class Collector:
    def __init__(self, options):
        self.options = options
        self.spans = open(options.out, 'w', encoding='utf-8')
        self.errors = open(options.out + '.errors', 'w', encoding='utf-8')
        self.raw = open(options.raw, 'wb') if options.raw else None
        self.messages = 0
        self.stopping = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.bind((options.host, options.port))
        self.socket.setblocking(False)
        # A signal that comes just before select() must still end it: Python writes it to this pipe.
        self.wake, wake_end = os.pipe()
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end)
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.stopping = True

    def barrier(self, token):
        path = self.options.out + '.barrier'
        with open(path + '.new', 'w', encoding='ascii') as file:
            file.write(token)
        os.rename(path + '.new', path)

    def take(self, datagram, address):
        received = time.time()
        if datagram.startswith(b'BARRIER '):
            self.barrier(datagram[8:].decode('ascii'))
            return
        self.messages += 1
        if self.raw:
            self.raw.write(struct.pack('<I', len(datagram)) + datagram)
            self.raw.flush()
        try:
            for span in spans_of(self.options.wire, datagram):
                span.update(wire=self.options.wire, message=self.messages, bytes=len(datagram),
                            source='%s:%d' % address, received=received)
                self.spans.write(json.dumps(span) + '\n')
        except Exception as error:  # whatever it is, it is a fault of the sender
            self.errors.write('datagram %d of %d bytes from %s:%d: %s: %s\n' % (
                self.messages, len(datagram), *address, type(error).__name__, error))
            self.errors.flush()
        self.spans.flush()

    def take_all(self):
        while True:
            try:
                datagram, address = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            self.take(datagram, address)

    def run(self):
        print('port %d' % self.socket.getsockname()[1], flush=True)
        while not self.stopping:
            select.select([self.socket, self.wake], [], [])
            self.take_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', required=True)
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--wire', choices=('compact', 'binary', 'zipkin'), default='compact')
    parser.add_argument('--raw')
    Collector(parser.parse_args()).run()


if __name__ == '__main__':
    sys.exit(main())
