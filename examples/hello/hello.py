# SPDX-License-Identifier: MIT
"""A plain WSGI application. It knows nothing of tracing."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]
