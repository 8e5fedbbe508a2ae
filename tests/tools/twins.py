#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends each request of a corpus to two servers and compares the answers, byte for byte.

    twins.py PROTOCOL ONE OTHER [--buffer BYTES] [--seed N] [--only NAME]

PROTOCOL: http, uwsgi, fastcgi, scgi. ONE and OTHER: UNIX sockets, of servers that are the same but for
what is tested, in which nothing depends on the path of the socket. --buffer: uWSGI's buffer-size: heads
of every size around it are in the corpus. --seed: of the random part; printed, so that it can be
repeated. --only: the requests whose name begins so, each answer printed.

A request is a name and pieces: a piece is sent when the server has had a moment for the one before.
Prints how many there were, and how many got an answer; fails after the first ten that differ.
"""
import argparse
import random
import socket
import struct
import sys
import time

TIMEOUT_S = 10
MOMENT_S = 0.02
TRIES = 3  # where a piece falls in uWSGI's reads is a matter of timing: what differs must do so each time

TRACE, SPAN = '0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'

# Headers of all formats, as they should be and as they should not.
CONTEXTS = [
    [('uber-trace-id', 'abc:def:0:1')],
    [('uber-trace-id', '%s:%s:0:3' % (TRACE, SPAN))],
    [('uber-trace-id', '%s%%3A%s%%3A0%%3A0' % (TRACE, SPAN))],
    [('uber-trace-id', '')], [('uber-trace-id', ':::')], [('uber-trace-id', 'x' * 300)],
    [('uber-trace-id', '1:2:0:1'), ('uber-trace-id', '1:2:0:1')],
    [('uber-trace-id', '1:2:0:1'), ('uberctx-user', 'a%20b'), ('uberctx-k', 'v' * 200)],
    [('uberctx-%d' % i, 'v%d' % i) for i in range(70)],
    [('jaeger-debug-id', 'find me'), ('jaeger-baggage', 'a=b, c=d,,=,e')],
    [('traceparent', '00-%s-%s-01' % (TRACE, SPAN)), ('tracestate', 'a=b,c=d')],
    [('traceparent', '00-%s-%s-00' % (TRACE, SPAN)), ('tracestate', 'a=b'), ('tracestate', 'c=d')],
    [('traceparent', 'ff-%s-%s-01' % (TRACE, SPAN))], [('tracestate', 'alone=1')],
    [('traceparent', '00-%s-%s-01-more' % (TRACE, SPAN)), ('tracestate', '\xff' * 50)],
    [('baggage', 'a=b;p=1, c=%20, d')], [('baggage', 'k=' + 'v' * 3000)],
    [('b3', '%s-%s-1' % (TRACE, SPAN))], [('b3', '0')], [('b3', 'd')], [('b3', '--')],
    [('X-B3-TraceId', TRACE), ('X-B3-SpanId', SPAN), ('X-B3-Sampled', '1'), ('X-B3-ParentSpanId', '1')],
    [('X-B3-TraceId', 'no'), ('X-B3-Flags', '1')],
    [('X-Cloud-Trace-Context', TRACE + '/123;o=1')], [('X-Cloud-Trace-Context', '/;')],
    [('X-Amzn-Trace-Id', 'Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=%s;Sampled=1;Self=x' % SPAN)],
    [('X-Amzn-Trace-Id', 'Root=1;' * 40)],
    [('EagleEye-TraceID', '0a' * 15), ('EagleEye-RpcID', '0.1'), ('EagleEye-Sampled', 's1')],
    [('uber-trace-id', 'bad'), ('traceparent', 'bad'), ('b3', 'bad'), ('X-B3-TraceId', 'bad')],
]

METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'CONNECT', 'PROPFIND', 'get',
           'G', 'M' * 40, '']


def latin(text):
    return text if isinstance(text, bytes) else text.encode('latin-1')


# --- HTTP ------------------------------------------------------------------------------------------------

def head(headers=(), method='GET', target='/', version='HTTP/1.1'):
    lines = ['%s %s %s' % (method, target, version), 'Host: twins']
    return latin('\r\n'.join(lines + ['%s: %s' % h for h in headers]) + '\r\n\r\n')


def with_body(headers, body, method='POST', **more):
    return head(list(headers) + [('Content-Length', len(body))], method, **more) + body


def http_plain(rng):
    for method in METHODS:
        yield 'method-' + method[:10], [head(method=method)]
        yield 'body-' + method[:10], [with_body([], b'a body', method)]
    for version in ('HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.', 'X', ''):
        yield 'version-' + version, [head(version=version)]
    for target in ('*', '/a%00b', '/%ff', '/\xff', 'http://u:p@h/x?y', '//', '/?', '/a?b=c&d', '/' + 'x' * 2000, '',
                   '/a b', '/\x01', '/#f'):
        yield 'target-' + target[:10], [head(target=target)]
    for value in ('', ' ', '\t', '\0', 'a\0b', '\xff\xfe', 'a' * 3000, 'a\tb', ' a '):
        yield 'value-' + repr(value[:5]), [head([('X-Value', value)])]
        yield 'last-' + repr(value[:5]), [head([('X-First', '1'), ('uber-trace-id', value)])]
    for name in ('', ' ', 'X\0Y', '\xff', 'X_Y', 'X-' + 'y' * 500, 'X Y', ':'):
        yield 'name-' + repr(name[:5]), [head([(name, 'v')])]
    yield 'repeated', [head([('X-Twice', 'a'), ('X-Twice', 'b'), ('Cookie', 'a=1'), ('Cookie', 'b=2')])]
    yield 'upgrade', [head([('Connection', 'Upgrade'), ('Upgrade', 'websocket'), ('Sec-WebSocket-Version', '13'),
                            ('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==')])]
    yield 'h2c', [head([('Connection', 'Upgrade, HTTP2-Settings'), ('Upgrade', 'h2c'), ('HTTP2-Settings', '')])]
    expect = with_body([('Expect', '100-continue')], b'expected')
    yield 'expect', [expect]
    yield 'expect-waited', [expect[:-8], b'expected']
    yield 'keep-alive', [head([('Connection', 'keep-alive')])]
    yield 'pipelined', [head(target='/1') + head(target='/2') + with_body([], b'three', target='/3')]
    yield 'pipelined-later', [head(target='/1'), head(target='/2')]
    chunks = b'3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n'
    chunked = head([('Transfer-Encoding', 'chunked')], 'POST')
    yield 'chunked', [chunked + chunks]
    yield 'chunked-later', [chunked, chunks[:7], chunks[7:]]
    yield 'chunked-cut', [chunked + chunks[:-9]]
    yield 'chunked-bad', [chunked + b'zz\r\nabc']
    yield 'length-short', [head([('Content-Length', 100)], 'POST') + b'less']
    yield 'length-long', [head([('Content-Length', 2)], 'POST') + b'more than that']
    yield 'length-bad', [head([('Content-Length', 'x')], 'POST') + b'x']
    yield 'lf', [b'GET / HTTP/1.1\nHost: a\n\n']
    yield 'garbage', [bytes(rng.randrange(256) for _ in range(500)) + b'\r\n\r\n']
    yield 'cut', [head([('X-A', 'b')])[:-3]]


def http_contexts(_):
    for i, headers in enumerate(CONTEXTS):
        yield 'context-%d' % i, [head(headers)]
        yield 'context-first-%d' % i, [head(headers + [('X-Last', 'l')])]
        yield 'context-body-%d' % i, [with_body(headers, b'b' * 700)]
        yield 'context-pieces-%d' % i, [head(headers)[:30], head(headers)[30:]]


# From comfortable to over the buffer, a byte at a time where it is close: variables take more room than
# the head they come from, so the limit is found rather than reckoned.
def http_sizes(options):
    for context in ([], CONTEXTS[0], CONTEXTS[7], CONTEXTS[10]):
        for pad in range(options.buffer // 2, options.buffer + 50, 1 if not context else 5):
            yield 'size-%d-%d' % (len(context), pad), [head(context + [('X-Pad', 'p' * pad)])]
    for pad in range(options.buffer * 3 // 4, options.buffer, 61):
        body = with_body(CONTEXTS[1] + [('X-Pad', 'p' * pad)], b'0123456789' * 50)
        yield 'size-body-%d' % pad, [body]
    for count in range(80, 140):
        yield 'headers-%d' % count, [head(CONTEXTS[0] + [('X-%d' % i, '') for i in range(count)])]
        yield 'headers-root-%d' % count, [head([('X-%d' % i, '') for i in range(count)])]


def http_bodies(_):
    for size in list(range(0, 40)) + list(range(3000, 9000, 97)) + [65535, 65536, 300000]:
        yield 'body-of-%d' % size, [with_body(CONTEXTS[0], b'x' * size)]
        yield 'body-root-%d' % size, [with_body([], b'x' * size)]


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data))
        what = rng.randrange(3)
        if what == 0:
            data[at] = rng.randrange(256)
        elif what == 1:
            del data[at:at + rng.randrange(1, 10)]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 10)))
        if not data:
            data = bytearray(b'\n')
    return bytes(data)


def http_random(rng):
    for i in range(600):
        headers = [h for c in rng.sample(CONTEXTS, rng.randrange(3)) for h in c]
        headers += [('X-%d' % k, 'v' * rng.randrange(60)) for k in range(rng.randrange(20))]
        rng.shuffle(headers)
        request = with_body(headers, rng.randbytes(rng.randrange(200)))
        yield 'random-%d' % i, [request]
        yield 'mutated-%d' % i, [mutated(rng, request)]


def http(options, rng):
    yield from http_plain(rng)
    yield from http_contexts(rng)
    yield from http_bodies(rng)
    yield from http_sizes(options)
    yield from http_random(rng)


# --- Variables -----------------------------------------------------------------------------------------------

def variables(headers=(), method='POST', length=0):
    base = [('REQUEST_METHOD', method), ('REQUEST_URI', '/v?q'), ('PATH_INFO', '/v'), ('QUERY_STRING', 'q'),
            ('SERVER_PROTOCOL', 'HTTP/1.1'), ('SERVER_NAME', 'twins'), ('SERVER_PORT', '80'),
            ('REMOTE_ADDR', '10.0.0.1'), ('REMOTE_PORT', '1'), ('CONTENT_LENGTH', str(length)), ('CONTENT_TYPE', '')]
    return base + [('HTTP_' + k.upper().replace('-', '_'), v) for k, v in headers]


def uwsgi_packet(pairs, body=b'', modifiers=(0, 0)):
    data = b''.join(struct.pack('<H', len(latin(s))) + latin(s) for pair in pairs for s in pair)
    return struct.pack('<BHB', modifiers[0], len(data) & 0xffff, modifiers[1]) + data + body


def scgi_packet(pairs, body=b'', _=None):
    pairs = [('CONTENT_LENGTH', str(len(body))), ('SCGI', '1')] + [p for p in pairs if p[0] != 'CONTENT_LENGTH']
    data = b''.join(latin(s) + b'\0' for pair in pairs for s in pair)
    return b'%d:%s,' % (len(data), data) + body


def fastcgi_record(kind, data):
    return struct.pack('>BBHHBB', 1, kind, 1, len(data), 0, 0) + data


def fastcgi_packet(pairs, body=b'', _=None):
    data = b''.join(struct.pack('>II', len(latin(k)) | 1 << 31, len(latin(v)) | 1 << 31) + latin(k) + latin(v)
                    for k, v in pairs)
    records = [fastcgi_record(1, struct.pack('>HB5x', 1, 0))]
    for kind, bytes_ in ((4, data), (5, body)):
        records += [fastcgi_record(kind, bytes_[i:i + 60000]) for i in range(0, len(bytes_), 60000)]
        records.append(fastcgi_record(kind, b''))
    return b''.join(records)


def of_variables(packet, options, rng):
    def make(headers, body=b'', method='POST'):
        return packet(variables(headers, method, len(body)), body)
    for method in METHODS:
        yield 'method-' + method[:10], [make([], b'', method)]
    for i, headers in enumerate(CONTEXTS):
        yield 'context-%d' % i, [make(headers)]
        yield 'context-body-%d' % i, [make(headers, b'b' * 700)]
        whole = make(headers + [('X-Last', 'l')], b'later')
        yield 'context-pieces-%d' % i, [whole[:-5], whole[-5:]]
        yield 'context-cut-%d' % i, [whole[:200], whole[200:]]
    for size in list(range(0, 60)) + list(range(60, 9000, 61)) + [65535, 65536, 300000]:
        yield 'body-of-%d' % size, [make(CONTEXTS[0], b'x' * size)]
        yield 'body-root-%d' % size, [make([], b'x' * size)]
    for pad in range(options.buffer // 2, options.buffer + 30, 3):
        yield 'size-%d' % pad, [make(CONTEXTS[7] + [('X-Pad', 'p' * pad)], b'with a body')]
        yield 'size-root-%d' % pad, [make([('X-Pad', 'p' * pad)])]
    for count in range(90, 135):
        yield 'headers-%d' % count, [make([('X-%d' % i, '') for i in range(count)])]
    for value in ('', '\0', 'a\0b', '\xff\xfe', '\r\n'):
        yield 'value-' + repr(value), [make([('X-V', value), ('uber-trace-id', value)])]
        yield 'peer-' + repr(value), [packet(variables() + [('REMOTE_ADDR', value)])]
    yield 'no-variables', [packet([])]
    yield 'no-method', [packet([('X', 'y')])]
    yield 'no-name', [packet(variables() + [('', 'v'), ('', '')])]
    yield 'twice', [packet(variables([('uber-trace-id', '1:2:0:1'), ('uber-trace-id', '3:4:0:1')]) + variables())]
    for i in range(400):
        headers = [h for c in rng.sample(CONTEXTS, rng.randrange(3)) for h in c]
        whole = make(headers, rng.randbytes(rng.randrange(300)))
        yield 'mutated-%d' % i, [mutated(rng, whole)]


def uwsgi(options, rng):
    yield from of_variables(uwsgi_packet, options, rng)
    # What is no request (ping, cache, RPC, signals...), and what names no plugin. Not those that load,
    # reload or spool something.
    for modifier in (1, 5, 30, 100, 101, 111, 123, 173, 240):
        for pairs in ([], variables(), [('shout', 'x')]):
            yield 'modifier-%d-%d' % (modifier, len(pairs)), [uwsgi_packet(pairs, b'', (modifier, 0))]


CORPORA = {
    'http': http, 'uwsgi': uwsgi,
    'fastcgi': lambda options, rng: of_variables(fastcgi_packet, options, rng),
    'scgi': lambda options, rng: of_variables(scgi_packet, options, rng),
}


# --- Asking ----------------------------------------------------------------------------------------------------

def ask(address, pieces):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT_S)
    sock.connect(address)
    answer = b''
    try:
        for i, piece in enumerate(pieces):
            if i:
                time.sleep(MOMENT_S)
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError, OSError):
        pass  # answered before all was read
    try:
        while True:
            got = sock.recv(65536)
            if not got:
                break
            answer += got
    except ConnectionResetError:  # the rest of the request was never read
        pass
    except socket.timeout:
        answer += b' and no end'
    sock.close()
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('protocol', choices=CORPORA)
    parser.add_argument('one')
    parser.add_argument('other')
    parser.add_argument('--buffer', type=int, default=4096)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument('--only')
    options = parser.parse_args()
    print('%s: seed %d' % (options.protocol, options.seed), flush=True)
    count = answered = differ = 0
    for name, pieces in CORPORA[options.protocol](options, random.Random(options.seed)):
        if options.only and not name.startswith(options.only):
            continue
        for _ in range(TRIES):
            answers = [ask(address, pieces) for address in (options.one, options.other)]
            if answers[0] == answers[1]:
                break
        count += 1
        answered += answers[0] != b''
        if options.only:
            print(name, answers[0])
        if answers[0] != answers[1]:
            differ += 1
            print('%s: %r\n  one:   %r\n  other: %r' % (name, pieces[0][:300], answers[0][:1500], answers[1][:1500]))
        if differ == 10:
            break
    print('%d requests, %d answered, %d differ' % (count, answered, differ))
    return differ > 0 or count == 0


if __name__ == '__main__':
    sys.exit(main())
