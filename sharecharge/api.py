"""The REST API: the resources of all rooms under one address, their schema, and its two readers."""

import hashlib
from functools import cache

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.utils.cache import patch_cache_control
from django.views.decorators.http import condition, require_safe
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts.api import id_tags, login, passwords, tokens, users, webhooks
from accounts.rest.views import AnyAccept
from billing import api as billing
from chargers.api import chargers, commands, connectors, people, photos, places, problems, sessions, stats
from ocpp_gateway import api as internal

OF_CHARGER = "chargers/(?P<charger>[0-9]{1,18})"
OF_SESSION = "sessions/(?P<session>[0-9]{1,18})"


def control(name: str, method: str) -> URLPattern:
    view = commands.ChargerControls.as_view({"post": method})
    return re_path(f"^{OF_CHARGER}/{name}$", view, name=f"charger-{name}")


router = SimpleRouter(trailing_slash=False)
router.register("chargers", chargers.ChargerResource, "charger")
router.register(f"{OF_CHARGER}/connectors", connectors.ConnectorsOfCharger, "charger-connectors")
router.register(f"{OF_CHARGER}/photos", photos.PhotosOfCharger, "charger-photos")
router.register(f"{OF_CHARGER}/attempts", chargers.AttemptResource, "charger-attempts")
router.register(f"{OF_CHARGER}/messages", chargers.MessageResource, "charger-messages")
router.register(f"{OF_CHARGER}/commands", commands.CommandsOfCharger, "charger-commands")
router.register("connectors", connectors.ConnectorResource, "connector")
router.register("sessions", sessions.SessionResource, "session")
router.register(f"{OF_SESSION}/meter-values", sessions.MeterValueResource, "session-meter-values")
router.register("commands", commands.CommandResource, "command")
router.register("reports", problems.ProblemResource, "report")
router.register("webhooks", webhooks.Webhooks, "webhook")
router.register(r"webhooks/(?P<webhook_id>[0-9]{1,18})/deliveries", webhooks.Deliveries, "delivery")
router.register("users", users.Users, "user")
router.register("id-tags", id_tags.IdTags, "id-tag")
router.register("tokens", tokens.Tokens, "token")
router.register("wallet/entries", billing.Entries, "entry")
router.register("wallet/top-ups", billing.TopUps, "top-up")
router.register("wallet/payouts", billing.Payouts, "payout")
router.register("payouts", billing.OperatedPayouts, "operated-payout")

FILE = {"content_negotiation_class": AnyAccept, "pagination_class": None}

v1 = [
    path("login/access-token", login.LoginView.as_view(), name="login"),
    path("login/refresh", login.RefreshView.as_view(), name="login_refresh"),
    path("logout", login.LogoutView.as_view(), name="logout"),
    path("email/change", passwords.EmailChangeView.as_view(), name="email_change"),
    path("email/confirm", passwords.EmailConfirmView.as_view(), name="email_confirm"),
    path("email/resend", passwords.EmailResendView.as_view(), name="email_resend"),
    path("password/reset", passwords.PasswordResetView.as_view(), name="password_reset"),
    path("password/reset/confirm", passwords.PasswordResetConfirmView.as_view(), name="password_reset_confirm"),
    path("password/change", passwords.PasswordChangeView.as_view(), name="password_change"),
    path("users/me", people.Me.as_view(), name="me"),
    path("users/me/become-owner", users.BecomeOwnerView.as_view(), name="become_owner"),
    re_path("^id-tags/lookup/(?P<uid>[0-9A-Za-z]{1,20})$", id_tags.IdTagLookup.as_view(), name="id_tag_lookup"),
    path("id-tags/claims", people.Claim.as_view(), name="claim"),
    path("places", places.Places.as_view(), name="places"),
    path("wallet", billing.WalletView.as_view(), name="wallet"),
    path("internal/", include(internal.urlpatterns)),
    re_path(
        "^connectors/ocpp/(?P<identity>[^/]{1,48})/(?P<number>[0-9]{1,4})$",
        connectors.ConnectorByIdentity.as_view({"get": "retrieve"}),
        name="connector-by-identity",
    ),
    path("stats", stats.StatsView.as_view(), name="stats"),
    path("sessions.csv", sessions.SessionResource.as_view({"get": "table"}, **FILE), name="session-csv"),
    re_path(
        r"^sessions/(?P<pk>[0-9]{1,18})/receipt\.pdf$",
        sessions.SessionResource.as_view({"get": "receipt_pdf"}, **FILE),
        name="session-receipt-pdf",
    ),
    control("remote-start", "remote_start"),
    control("unlock", "unlock"),
    control("reset", "reset"),
    control("refresh", "refresh"),
    re_path(f"^{OF_SESSION}/stop$", commands.SessionStop.as_view({"post": "stop"}), name="session-stop"),
    *router.urls,
]


@cache
def schema_text() -> bytes:
    """The committed one, which the tests keep fresh: to make it takes a second of the processor."""
    return (settings.BASE_DIR / "docs" / "openapi.yaml").read_bytes()


@cache
def schema_etag() -> str:
    return f'"{hashlib.blake2b(schema_text(), digest_size=12).hexdigest()}"'


@require_safe
@condition(etag_func=lambda _request: schema_etag())
def schema(_request: HttpRequest) -> HttpResponse:
    """The API's schema, as OpenAPI 3.1."""
    response = HttpResponse(schema_text(), content_type="application/vnd.oai.openapi; charset=utf-8")
    patch_cache_control(response, public=True, no_cache=True)
    return response


# Both readers set styles from their scripts; what they run comes from here.
readers_policy = csp_update({"style-src": ["'unsafe-inline'"], "worker-src": ["blob:"]})

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include((v1, "api"))),
    path("openapi.yaml", schema, name="openapi"),
    path("docs/", readers_policy(SpectacularSwaggerSplitView.as_view(url_name="openapi")), name="api_docs"),
    path("redoc/", readers_policy(SpectacularRedocView.as_view(url_name="openapi")), name="api_redoc"),
]
