#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client, or a server, that does what curl and nginx do not.

    peer.py send ADDRESS [--read BYTES] [--pause]   sends standard input as it is, prints the answer
    peer.py uwsgi ADDRESS MODIFIER1 [K=V...] [--args A...] [--body FILE]
                                                    sends one uwsgi packet of variables, or of plain
                                                    strings (as RPC has them), and in the same
                                                    segment a body; prints the answer
    peer.py sink SOCKET OUT                         a uwsgi server on a UNIX socket: writes each
                                                    packet's variables to OUT as a JSON line, in
                                                    order and with repetitions, and answers 200
    peer.py port [udp]                              prints a free port

ADDRESS: host:port or a path of a UNIX socket. --read: closes after that many bytes of the answer
(0: at once), so hangs up on the server. --pause: sends byte by byte, so that each read of the server
finds an incomplete head; in the middle it waits a moment for the server to have read.
"""
import argparse
import json
import os
import socket
import struct
import sys
import time

TIMEOUT_S = 10


def connect(address):
    if '/' in address:
        sock = socket.socket(socket.AF_UNIX)
        target = address
    else:
        sock = socket.socket(socket.AF_INET)
        host, port = address.rsplit(':', 1)
        target = (host, int(port))
    sock.settimeout(TIMEOUT_S)
    sock.connect(target)
    return sock


def receive(sock, limit=None):
    got = b''
    while limit is None or len(got) < limit:
        try:
            piece = sock.recv(65536 if limit is None else limit - len(got))
        except ConnectionResetError:  # uWSGI closes with our bytes unread: the answer came before
            break
        if not piece:
            break
        got += piece
    return got


def item(text):
    data = text.encode()
    return struct.pack('<H', len(data)) + data


def send(options):
    data = sys.stdin.buffer.read()
    sock = connect(options.address)
    try:
        if options.pause:
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
                if i in (len(data) // 4, len(data) // 2):
                    time.sleep(0.05)
        else:
            sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before it was all read
    sys.stdout.buffer.write(receive(sock, options.read))
    sock.close()


def uwsgi(options):
    if options.args is not None:
        body = b''.join(item(arg) for arg in options.args)
    else:
        body = b''.join(item(part) for pair in options.variables for part in pair.split('=', 1))
    sock = connect(options.address)
    rest = b''
    if options.body:
        with open(options.body, 'rb') as file:
            rest = file.read()
    sock.sendall(struct.pack('<BHB', options.modifier1, len(body), 0) + body + rest)
    sys.stdout.buffer.write(receive(sock))
    sock.close()


def sink(options):
    server = socket.socket(socket.AF_UNIX)
    server.bind(options.socket)
    server.listen(16)
    while True:
        peer, _ = server.accept()
        head = receive(peer, 4)
        _, size, _ = struct.unpack('<BHB', head)
        body, strings, at = receive(peer, size), [], 0
        while at < size:
            length, = struct.unpack_from('<H', body, at)
            strings.append(body[at + 2:at + 2 + length].decode('latin-1'))
            at += 2 + length
        with open(options.out, 'a', encoding='utf-8') as file:
            file.write(json.dumps(list(zip(strings[::2], strings[1::2]))) + '\n')
        peer.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nsunk')
        peer.close()


def port(options):
    kind = socket.SOCK_DGRAM if options.kind == 'udp' else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(('127.0.0.1', 0))
    print(sock.getsockname()[1])


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('send')
    command.add_argument('address')
    command.add_argument('--read', type=int)
    command.add_argument('--pause', action='store_true')
    command = commands.add_parser('uwsgi')
    command.add_argument('address')
    command.add_argument('modifier1', type=int)
    command.add_argument('variables', nargs='*')
    command.add_argument('--args', nargs='*')
    command.add_argument('--body')
    command = commands.add_parser('sink')
    command.add_argument('socket')
    command.add_argument('out')
    command = commands.add_parser('port')
    command.add_argument('kind', nargs='?', default='tcp')
    options = parser.parse_args()
    {'send': send, 'uwsgi': uwsgi, 'sink': sink, 'port': port}[options.command](options)
    sys.stdout.flush()
    os._exit(0)


if __name__ == '__main__':
    main()
