"""Three doors: pages and API, browser sockets (origin checked and session known, or a token), charge points' sockets
(none of these).

A process may be told to open only the doors of people (`web`) or only that of wallboxes (`ocpp`), so that the one can
be restarted without the other.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
web = get_asgi_application()  # loads the apps; what follows imports their models

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from chargers import live  # noqa: E402
from chargers.api.consumers import token_of  # noqa: E402
from chargers.routing import websocket_urlpatterns  # noqa: E402
from ocpp_gateway.consumers import ChargePointConsumer  # noqa: E402

sockets = URLRouter(websocket_urlpatterns)
# A cookie goes along from whatever page opens the socket, so the page has to be ours.
browsers = AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))
charge_points = ChargePointConsumer.as_asgi()


Role = Literal["web", "ocpp"]
Door = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
# Whoever watches a gateway is answered by it, too.
PROBES = ("/healthz", "/readyz", "/metrics")


def application_of(role: Role | None) -> Door:
    """What a process of this role answers; None: everything."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        live.attach(asyncio.get_running_loop())
        await door(scope, role)(scope, receive, send)

    return application


def door(scope: dict[str, Any], role: Role | None) -> Door:
    path = scope["path"]
    if scope["type"] != "websocket":
        # Somebody who opens a wallbox's address in a browser came to the right process, if not to the right program.
        is_everywhere = path in PROBES or f"{path}/".startswith("/ocpp/")
        return web if role != "ocpp" or is_everywhere else nobody
    if path.startswith("/ws/"):
        if role == "ocpp":
            return nobody
        return sockets if path.startswith("/ws/v1/") and is_for_programs(scope) else browsers
    # Whatever is not for browsers is a wallbox that may have a wrong address: it gets an answer and a record.
    return charge_points if role != "web" else nobody


def is_for_programs(scope: dict[str, Any]) -> bool:
    """A token is shown on purpose, by pages of any origin; what names no origin is no browser. No cookie counts."""
    return bool(token_of(scope)) or all(name != b"origin" for name, _value in scope["headers"])


async def nobody(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """404: another process opens this door, and the proxy in front has mixed them up."""
    kind = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        kind = "websocket.http"
        if kind + ".response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close"})
            return
    headers = [(b"content-type", b"text/plain")]
    await send({"type": f"{kind}.response.start", "status": 404, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": b"This process does not serve this address."})


application = application_of(None)
