# SPDX-License-Identifier: MIT
"""What both services share: Django in as few settings as it needs, and no database."""
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse


def no_such_page(request, exception):
    return JsonResponse({"error": "no such page"}, status=404)


def internal_error(request):
    return JsonResponse({"error": "internal error"}, status=500)


def make_application(urls):
    """The WSGI application of the service whose module is named by `urls`."""
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF=urls,
        SECRET_KEY=os.urandom(16).hex(),
    )
    django.setup()
    return get_wsgi_application()
