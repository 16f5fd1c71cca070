"""Webhooks. Bob's listens, and was told once."""

from sharecharge.tests.roles.row import Row

HOOK = {"address": lambda stage: {"pk": stage.webhook.pk}}
DELIVERY = {"address": lambda stage: {"webhook_id": stage.webhook.pk, "pk": stage.delivery.pk}}
NEW = {"url": "https://hooks.example/", "events": ["session.started"]}

#            nobody alice charlie bob otto oscar dora
OWNERS = "401 403 403 200 200 200 401"
BOBS = "401 403 403 200 404 404 401"

ROWS = [
    Row("GET", "webhook-list", OWNERS),
    Row("POST", "webhook-list", "401 403 403 201 201 201 401", body=lambda _stage: NEW),
    Row("GET", "webhook-detail", BOBS, **HOOK),
    Row("PATCH", "webhook-detail", BOBS, body=lambda _stage: {"is_enabled": False}, **HOOK),
    Row("DELETE", "webhook-detail", "401 403 403 204 404 404 401", **HOOK),
    Row("POST", "webhook-secret", BOBS, **HOOK),
    Row("POST", "webhook-ping", "401 403 403 202 404 404 401", **HOOK),
    Row("GET", "delivery-list", "401 403 403 200 200 200 401", lambda stage: {"webhook_id": stage.webhook.pk}),
    Row("GET", "delivery-detail", BOBS, **DELIVERY),
    Row("POST", "delivery-replay", "401 403 403 202 404 404 401", **DELIVERY),
]
