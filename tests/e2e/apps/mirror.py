# SPDX-License-Identifier: MIT
"""Answers with the request as it was seen: environ in its order, without the variables that tracing is
there to set (MIRROR_ALL=1: with them), and the body. Bytes are Latin-1 characters of JSON."""
import json
import os
import re

import uwsgi

OURS = re.compile('TRACING_|HTTP_(UBER_TRACE_ID|UBERCTX_|JAEGER_BAGGAGE|TRACEPARENT|TRACESTATE|BAGGAGE|B3$|'
                  'X_B3_|X_CLOUD_TRACE_CONTEXT|X_AMZN_TRACE_ID|EAGLEEYE_)')


def read(environ):
    if environ.get('HTTP_TRANSFER_ENCODING') == 'chunked':
        pieces = []
        while pieces[-1:] != [b'']:
            pieces.append(uwsgi.chunked_read(1))
        return b'|'.join(pieces)
    return environ['wsgi.input'].read()


def application(environ, start):
    seen = [(k, v) for k, v in environ.items() if isinstance(v, str) and
            ('MIRROR_ALL' in os.environ or not OURS.match(k))]
    try:
        body = read(environ).decode('latin-1')
    except OSError as error:
        body = 'no body: %s' % error
    start('200 OK', [('Content-Type', 'application/json')])
    return [json.dumps([seen, body]).encode()]
