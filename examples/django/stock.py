# SPDX-License-Identifier: MIT
"""The back service: knows how many there are of each thing. It knows nothing of tracing."""
import time

from django.http import JsonResponse
from django.urls import path

from service import internal_error, make_application, no_such_page

COUNTS = {"apple": 12, "pear": 3, "melon": 1}


def stock(request, item):
    if item not in COUNTS:
        return JsonResponse({"error": "never heard of it"}, status=404)
    if item == "melon":
        time.sleep(0.3)  # melons are counted by hand: something slow to look at
    return JsonResponse({"count": COUNTS[item]})


urlpatterns = [path("stock/<item>", stock)]
handler404 = no_such_page
handler500 = internal_error
application = make_application(__name__)
