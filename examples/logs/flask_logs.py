# SPDX-License-Identifier: MIT
"""Flask: each line that is logged while a request runs has its trace id."""
import logging

from flask import Flask, has_request_context, request
from flask.logging import default_handler


class TraceFilter(logging.Filter):
    """The variable is there with tracing-variables = true."""

    def filter(self, record):
        record.trace_id = request.environ.get("TRACING_TRACE_ID", "-") if has_request_context() else "-"
        return True


default_handler.addFilter(TraceFilter())
default_handler.setFormatter(logging.Formatter("%(levelname)s trace=%(trace_id)s %(message)s"))

# --- What follows is any Flask application -------------------------------------------------------

application = Flask(__name__)
application.logger.setLevel(logging.INFO)


@application.route("/")
def hello():
    application.logger.info("hello from flask")
    return "hello\n"
