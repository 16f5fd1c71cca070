"""The REST API: the resources of all rooms under one address, their schema, and its two readers."""

from csp.decorators import csp_update
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts.api import id_tags, login, passwords, tokens, users, webhooks
from billing import api as billing
from chargers.api import chargers, connectors, people
from ocpp_gateway import api as internal

OF_CHARGER = "chargers/(?P<charger>[0-9]{1,18})"

router = SimpleRouter(trailing_slash=False)
router.register("chargers", chargers.ChargerResource, "charger")
router.register(f"{OF_CHARGER}/connectors", connectors.ConnectorsOfCharger, "charger-connectors")
router.register(f"{OF_CHARGER}/attempts", chargers.AttemptResource, "charger-attempts")
router.register(f"{OF_CHARGER}/messages", chargers.MessageResource, "charger-messages")
router.register("connectors", connectors.ConnectorResource, "connector")
router.register("webhooks", webhooks.Webhooks, "webhook")
router.register(r"webhooks/(?P<webhook_id>[0-9]{1,18})/deliveries", webhooks.Deliveries, "delivery")
router.register("users", users.Users, "user")
router.register("id-tags", id_tags.IdTags, "id-tag")
router.register("tokens", tokens.Tokens, "token")
router.register("wallet/entries", billing.Entries, "entry")
router.register("wallet/top-ups", billing.TopUps, "top-up")
router.register("wallet/payouts", billing.Payouts, "payout")

v1 = [
    path("login/access-token", login.LoginView.as_view(), name="login"),
    path("login/refresh", login.RefreshView.as_view(), name="login_refresh"),
    path("logout", login.LogoutView.as_view(), name="logout"),
    path("email/confirm", passwords.EmailConfirmView.as_view(), name="email_confirm"),
    path("password/reset", passwords.PasswordResetView.as_view(), name="password_reset"),
    path("password/reset/confirm", passwords.PasswordResetConfirmView.as_view(), name="password_reset_confirm"),
    path("password/change", passwords.PasswordChangeView.as_view(), name="password_change"),
    path("users/me", people.Me.as_view(), name="me"),
    path("users/me/become-owner", users.BecomeOwnerView.as_view(), name="become_owner"),
    re_path("^id-tags/lookup/(?P<uid>[0-9A-Za-z]{1,20})$", id_tags.IdTagLookup.as_view(), name="id_tag_lookup"),
    path("wallet", billing.WalletView.as_view(), name="wallet"),
    path("internal/", include(internal.urlpatterns)),
    re_path(
        "^connectors/ocpp/(?P<identity>[^/]{1,48})/(?P<number>[0-9]{1,4})$",
        connectors.ConnectorByIdentity.as_view({"get": "retrieve"}),
        name="connector-by-identity",
    ),
    *router.urls,
]

# Both readers set styles from their scripts; what they run comes from here.
readers_policy = csp_update({"style-src": ["'unsafe-inline'"], "worker-src": ["blob:"]})

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include((v1, "api"))),
    path("openapi.yaml", SpectacularAPIView.as_view(), name="openapi"),
    path("docs/", readers_policy(SpectacularSwaggerSplitView.as_view(url_name="openapi")), name="api_docs"),
    path("redoc/", readers_policy(SpectacularRedocView.as_view(url_name="openapi")), name="api_redoc"),
]
