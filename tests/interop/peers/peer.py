# SPDX-License-Identifier: MIT
"""What the peers in Python have in common: a service that calls, and is called, with a trace of its
own project's making.

    GET /call?format=F&to=URL[&sampled=0][&bits=64]   begins a trace, calls URL in it, and answers
        {"caller": {"trace", "span", "sampled"}, "answer": what URL answered}
    GET /callee?format=F    continues the trace of the headers, and answers
        {"trace", "span", "parent", "sampled", "baggage"}

Ids are hexadecimal. Each call carries the baggage BAGGAGE, in formats that have baggage. Prints
"port N" once it listens; runs until SIGTERM.
"""
import json
import signal
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BAGGAGE = {"user": "Zoë,100%=1"}  # all that a format must escape, but no space: + or %20 is a dialect
TIMEOUT_S = 10


def call(url, headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def serve(caller, callee):
    """caller(format, sampled, bits, go): go(headers, {"trace", "span", "sampled"}) while the span is
    open. callee(format, headers): the dictionary above."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            if url.path == "/call":
                def go(headers, ids):
                    return {"caller": ids, "answer": call(query["to"], headers)}
                answer = caller(query["format"], query.get("sampled") != "0", int(query.get("bits", 128)), go)
            else:
                answer = callee(query["format"], self.headers)
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("port", server.server_address[1], flush=True)
    server.serve_forever()
