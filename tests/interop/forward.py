# SPDX-License-Identifier: MIT
"""An application between two others: calls the URL in `to` and answers what that answered.

It has no tracer. What it does for traces is what services in a mesh do: it passes the headers of
trace context on as it finds them in its request, where the plugin has put its own span.
"""
import urllib.request
from urllib.parse import parse_qs

HEADERS = ("UBER_TRACE_ID", "TRACEPARENT", "TRACESTATE", "BAGGAGE", "B3", "X_CLOUD_TRACE_CONTEXT", "X_AMZN_TRACE_ID")
PREFIXES = ("UBERCTX_", "X_B3_", "EAGLEEYE_")


def trace_headers(environ):
    for key, value in environ.items():
        name = key[len("HTTP_"):]
        if key.startswith("HTTP_") and (name in HEADERS or name.startswith(PREFIXES)):
            yield name.replace("_", "-").lower(), value


def application(environ, start_response):
    url = parse_qs(environ["QUERY_STRING"])["to"][0]
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(trace_headers(environ))), timeout=10) as answer:
        body = answer.read()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
