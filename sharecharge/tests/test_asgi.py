"""Which door a process opens. The doors themselves are tested where they lead to."""

import asyncio

import pytest

from sharecharge import asgi

pytestmark = pytest.mark.once

PAGE = {"type": "http", "path": "/"}
HEALTH = {"type": "http", "path": "/healthz"}
READY = {"type": "http", "path": "/readyz"}
WALLBOX_ADDRESS = {"type": "http", "path": "/ocpp/CP1"}
BROWSER_SOCKET = {"type": "websocket", "path": "/ws/map/"}
CHARGE_POINT = {"type": "websocket", "path": "/ocpp/CP1"}
LOST_CHARGE_POINT = {"type": "websocket", "path": "/steve/CP1"}

WEB, BROWSERS, CHARGE_POINTS, NOBODY = asgi.web, asgi.browsers, asgi.charge_points, asgi.nobody


@pytest.mark.parametrize(
    ("scope", "everything", "only_web", "only_ocpp"),
    [
        (PAGE, WEB, WEB, NOBODY),
        ({"type": "http", "path": "/ocpp-help"}, WEB, WEB, NOBODY),
        (HEALTH, WEB, WEB, WEB),
        (READY, WEB, WEB, WEB),
        (WALLBOX_ADDRESS, WEB, WEB, WEB),
        (BROWSER_SOCKET, BROWSERS, BROWSERS, NOBODY),
        (CHARGE_POINT, CHARGE_POINTS, NOBODY, CHARGE_POINTS),
        (LOST_CHARGE_POINT, CHARGE_POINTS, NOBODY, CHARGE_POINTS),
    ],
)
def test_a_process_opens_the_doors_of_its_role(scope, everything, only_web, only_ocpp):
    assert asgi.door(scope, None) is everything
    assert asgi.door(scope, "web") is only_web
    assert asgi.door(scope, "ocpp") is only_ocpp


def answers(role, scope) -> list[dict]:
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(event):
        sent.append(event)

    asyncio.run(asgi.door(scope, role)(scope, receive, send))
    return sent


def test_a_closed_door_is_answered_with_404():
    start, body = answers("ocpp", PAGE)
    assert (start["type"], start["status"], body["type"]) == ("http.response.start", 404, "http.response.body")
    start, body = answers("web", {**CHARGE_POINT, "extensions": {"websocket.http.response": {}}})
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert body["type"] == "websocket.http.response.body"


def test_a_server_that_cannot_deny_in_http_closes():
    assert answers("web", CHARGE_POINT) == [{"type": "websocket.close"}]
