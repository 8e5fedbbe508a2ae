# SPDX-License-Identifier: MIT
"""An application as Jaeger's documentation had it: jaeger-client's tracer is made at import.

Under prefork uWSGI that is in the master, where the tracer's thread stays. $CLIENT_PORT is where its
spans would go.
"""
import os

from jaeger_client import Config

tracer = Config(
    config={
        "sampler": {"type": "const", "param": True},
        "local_agent": {"reporting_host": "127.0.0.1", "reporting_port": int(os.environ["CLIENT_PORT"])},
        "logging": False,
    },
    service_name="forked-client",
    validate=True,
).initialize_tracer()


def application(environ, start_response):
    with tracer.start_span("request"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"traced by jaeger-client, or so it thinks\n"]
