# SPDX-License-Identifier: MIT
"""The front service: sells what the stock service says there is."""
import json
import os
import urllib.error
import urllib.request

from django.http import JsonResponse
from django.urls import path

from service import internal_error, make_application, no_such_page

STOCK = "http://127.0.0.1:" + os.environ.get("STOCK_PORT", "8002")


def trace_headers(request):
    """The only lines that know of tracing: pass on the context the plugin put into the request."""
    return {
        name.removeprefix("HTTP_").lower().replace("_", "-"): value
        for name, value in request.META.items()
        if name.startswith(("HTTP_UBER_TRACE_ID", "HTTP_UBERCTX_"))
    }


def ask_stock(request, item):
    """How many of `item` there are, or None if nobody heard of it."""
    question = urllib.request.Request(STOCK + "/stock/" + item, headers=trace_headers(request))
    try:
        with urllib.request.urlopen(question, timeout=5) as answer:
            return json.load(answer)["count"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def home(request):
    return JsonResponse({"pages": ["/buy/apple", "/buy/pear", "/buy/melon", "/buy/unicorn", "/pay"]})


def buy(request, item):
    count = ask_stock(request, item)
    if count is None:
        return JsonResponse({"error": "we do not sell that"}, status=404)
    return JsonResponse({"bought": item, "left": count - 1})


def pay(request):
    raise RuntimeError("the till is jammed")


urlpatterns = [path("", home), path("buy/<item>", buy), path("pay", pay)]
handler404 = no_such_page
handler500 = internal_error
application = make_application(__name__)
