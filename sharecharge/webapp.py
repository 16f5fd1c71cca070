"""ShareCharge as an app on a phone: the manifest, the service worker, and its page without a connection."""

import hashlib

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

ACCENT, PAPER = "#4036c9", "#f6f6f9"


@require_safe
def manifest(request: HttpRequest) -> JsonResponse:
    """https://www.w3.org/TR/appmanifest/"""
    icons = [
        {"src": static("img/mark.svg"), "type": "image/svg+xml", "sizes": "any"},
        {"src": static("img/icon-192.png"), "type": "image/png", "sizes": "192x192"},
        {"src": static("img/icon-512.png"), "type": "image/png", "sizes": "512x512"},
        {"src": static("img/icon-512.png"), "type": "image/png", "sizes": "512x512", "purpose": "maskable"},
    ]
    data = {
        "name": "ShareCharge",
        "short_name": "ShareCharge",
        "description": _("Charge at your neighbours’ wallboxes, or share your own."),
        "lang": get_language(),
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": ACCENT,
        "background_color": PAPER,
        "icons": icons,
        "shortcuts": [
            {"name": _("My charging"), "url": reverse("sessions")},
            {"name": _("Wallet"), "url": reverse("wallet")},
        ],
    }
    return JsonResponse(data, content_type="application/manifest+json")


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """From the root, because a worker may only serve what lies below its own address.

    Browsers take a new one when its text has changed, so the text names the edition of the page that it keeps.
    """
    page = render_to_string("offline.html")
    edition = hashlib.blake2b(page.encode(), digest_size=6).hexdigest()
    response = render(request, "worker.js", {"edition": edition}, content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    return response


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    return render(request, "offline.html")
