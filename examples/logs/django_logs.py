# SPDX-License-Identifier: MIT
"""Django: each line that is logged while a request runs has its trace id."""
import contextvars
import logging
import os

trace_id = contextvars.ContextVar("trace_id", default="-")


class TraceMiddleware:
    """First in MIDDLEWARE. The variable is there with tracing-variables = true."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = trace_id.set(request.META.get("TRACING_TRACE_ID", "-"))
        try:
            return self.get_response(request)
        finally:
            trace_id.reset(token)


class TraceFilter(logging.Filter):
    def filter(self, record):
        record.trace_id = trace_id.get()
        return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"trace": {"()": TraceFilter}},
    "formatters": {"line": {"format": "{levelname} trace={trace_id} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["trace"], "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}

# --- What follows is any Django project ---------------------------------------------------------

import django  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def hello(request):
    logging.getLogger("shop").info("hello from django")
    return HttpResponse("hello\n")


urlpatterns = [path("", hello)]
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    LOGGING=LOGGING,
    MIDDLEWARE=[__name__ + ".TraceMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(16).hex(),
)
django.setup()
application = get_wsgi_application()
