"""Three doors: web pages and API, browser sockets (origin checked, session known), charge points' sockets (neither)."""

import asyncio
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
web = get_asgi_application()  # loads the apps; what follows imports their models

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from chargers import live  # noqa: E402
from chargers.routing import websocket_urlpatterns  # noqa: E402
from ocpp_gateway.consumers import ChargePointConsumer  # noqa: E402

browsers = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))
charge_points = ChargePointConsumer.as_asgi()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    live.attach(asyncio.get_running_loop())
    if scope["type"] != "websocket":
        await web(scope, receive, send)
    elif scope["path"].startswith("/ws/"):
        await browsers(scope, receive, send)
    else:
        # Whatever is not for browsers is a wallbox that may have a wrong address: it gets an answer and a record.
        await charge_points(scope, receive, send)
