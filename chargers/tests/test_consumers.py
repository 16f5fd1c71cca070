"""Browser sockets: a snapshot first, a fresh one after an event, and nothing for who may not look."""

import asyncio
import threading
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from accounts import people
from accounts.models import User
from chargers import commands, live, registry, shapes
from chargers.hours import ALWAYS
from chargers.models import Charger, ChargingSession, Command, Connector, MeterValue
from chargers.routing import websocket_urlpatterns
from chargers.tests.test_api_chargers import close_now

pytestmark = pytest.mark.django_db(transaction=True)


class Browser(WebsocketCommunicator):
    """A page's socket; `async with` closes it."""

    def __init__(self, path: str, user: User | None = None) -> None:
        super().__init__(URLRouter(websocket_urlpatterns), path)
        self.scope["user"] = user or AnonymousUser()

    async def __aenter__(self) -> "Browser":
        connected, _protocol = await self.connect(timeout=5)
        assert connected
        return self

    async def __aexit__(self, *_error: Any) -> None:
        await self.disconnect()

    async def hear(self) -> dict[str, Any]:
        return await self.receive_json_from(timeout=5)

    async def closed_with(self) -> int:
        message = await self.receive_output(timeout=5)
        assert message["type"] == "websocket.close"
        return message["code"]


@database_sync_to_async
def do(action: Any, *arguments: Any, **named: Any) -> Any:
    return action(*arguments, **named)


@pytest.fixture
def running(online: Charger, connector: Connector, alice: User) -> ChargingSession:
    now = timezone.now()
    return ChargingSession.objects.create(
        charger=online, connector=connector, user=alice, owner=online.owner, started_at=now, start_received_at=now,
        meter_start_wh=0, tariff=connector.tariff.snapshot(),
    )  # fmt: skip


def set_status(charger: Charger, status: str) -> None:
    charger.connectors.update(status=status)
    live.publish_charger(charger)


# ------------------------------------------------------------------------------------------------ the map


async def test_the_map_shows_pins_and_their_changes(online: Charger):
    async with Browser("/ws/map/") as browser:
        assert set((await browser.hear())["data"]) == {"now"}
        await do(set_status, online, "Charging")
        change = await browser.hear()
        assert (change["type"], change["data"]["code"], change["data"]["state"]) == ("pin", online.code, "busy")
        assert online.identity not in str(change)
        await do(registry.set_sharing, online, sharing=False)
        assert await browser.hear() == {"type": "gone", "data": {"code": online.code}}


async def test_a_pin_follows_hours_and_place(online: Charger):
    thrown = (online.public_latitude, online.public_longitude)
    async with Browser("/ws/map/") as browser:
        await browser.hear()
        await do(close_now, online)
        told = (await browser.hear())["data"]
        assert (told["state"], told["state_text"][:14]) == ("closed", "closed, opens ")
        assert told["changes_at"]
        await do(registry.set_hours, online, ALWAYS)
        told = (await browser.hear())["data"]
        assert (told["state"], told["changes_at"]) == ("free", None)
        for exact, seen in ((True, (49.868613, 16.312749)), (False, thrown)):
            await do(registry.show_position, online, exact=exact)
            told = (await browser.hear())["data"]
            assert (told["latitude"], told["longitude"]) == seen


async def test_many_events_make_one_answer(online: Charger):
    async with Browser("/ws/map/") as browser:
        await browser.hear()
        for status in ("Preparing", "Charging", "Finishing", "Available"):
            await do(set_status, online, status)
        assert (await browser.hear())["data"]["state"] == "free"
        assert await browser.receive_nothing(timeout=0.5)


async def test_texts_are_in_the_language_of_the_page(online: Charger):
    path = f"/ws/places/{online.code}/"
    async with Browser(f"{path}?lang=cs") as browser:
        assert (await browser.hear())["data"]["connectors"][0]["price_text"].startswith("5,00")
    async with Browser(f"{path}?lang=klingon") as browser:
        assert (await browser.hear())["data"]["connectors"][0]["price_text"].startswith("5.00")


async def test_what_a_browser_says_is_ignored(online: Charger):
    async with Browser("/ws/map/") as browser:
        await browser.hear()
        await browser.send_to(text_data="not json {")
        await browser.send_json_to({"type": "delete", "everything": True})
        await do(set_status, online, "Charging")
        assert (await browser.hear())["type"] == "pin"


async def test_one_slow_page_keeps_no_other_waiting(online: Charger, monkeypatch):
    stuck, go_on = threading.Event(), threading.Event()
    original = shapes.place

    def slow(charger: Charger) -> shapes.Shape:
        stuck.set()
        go_on.wait(10)
        return original(charger)

    monkeypatch.setattr(shapes, "place", slow)
    try:
        async with Browser(f"/ws/places/{online.code}/") as waiting:
            assert await asyncio.to_thread(stuck.wait, 5)
            async with Browser("/ws/nowhere/") as other:
                assert await other.closed_with() == 4404
            go_on.set()
            assert (await waiting.hear())["data"]["state"] == "free"
    finally:
        go_on.set()


# ------------------------------------------------------------------------------------------------ a charger's pages


async def test_a_place_is_public(online: Charger):
    async with Browser(f"/ws/places/{online.code}/") as browser:
        assert (await browser.hear())["data"]["connectors"][0]["state"] == "free"
        await do(set_status, online, "Charging")
        assert (await browser.hear())["data"]["state"] == "busy"
        await do(registry.set_access, online, Charger.Access.PRIVATE)
        assert await browser.closed_with() == 4404


async def test_a_private_place_is_its_owners(online: Charger, bob: User, charlie: User):
    await do(registry.set_access, online, Charger.Access.PRIVATE)
    for user in (None, charlie):
        async with Browser(f"/ws/places/{online.code}/", user) as browser:
            assert await browser.closed_with() == 4404
    async with Browser(f"/ws/places/{online.code}/", bob) as browser:
        assert (await browser.hear())["data"]["code"] == online.code
        await do(set_status, online, "Charging")
        assert (await browser.hear())["data"]["state"] == "busy"


async def test_the_owner_sees_attempts_at_once(online: Charger, bob: User):
    async with Browser(f"/ws/chargers/{online.pk}/", bob) as browser:
        assert (await browser.hear())["data"]["attempts"] == []

        def knock() -> None:
            now = timezone.now()
            online.connection_attempts.create(path="/ocpp/x", outcome="wrong_password", first_at=now, last_at=now)
            live.publish_attempt(online.pk)

        await do(knock)
        [attempt] = (await browser.hear())["data"]["attempts"]
        assert attempt["state"] == "refused"
        assert "password" in attempt["advice"]


async def test_the_owners_page_is_for_the_owner(online: Charger, alice: User, oscar: User):
    async with Browser(f"/ws/chargers/{online.pk}/", alice) as browser:
        assert await browser.closed_with() == 4404
    async with Browser(f"/ws/chargers/{online.pk}/") as browser:
        assert await browser.closed_with() == 4401
    async with Browser(f"/ws/chargers/{online.pk}/", oscar) as browser:
        assert (await browser.hear())["type"] == "snapshot"


# ------------------------------------------------------------------------------------------------ sessions, commands


def measure(session: ChargingSession, energy_wh: int) -> None:
    now = timezone.now()
    MeterValue.objects.create(
        charger=session.charger, connector_id=1, session=session, measured_at=now, received_at=now,
        energy_wh=energy_wh, power_w=11_000, raw=[], digest=energy_wh,
    )  # fmt: skip
    live.publish_measured({session.pk})


async def test_a_session_is_followed(running: ChargingSession, alice: User, bob: User):
    for user in (alice, bob):
        async with Browser(f"/ws/sessions/{running.pk}/", user) as browser:
            before = (await browser.hear())["data"]["energy_wh"]
            await do(measure, running, before + 1_000)
            after = (await browser.hear())["data"]
            assert (after["energy_wh"], after["power_w"]) == (before + 1_000, 11_000)


async def test_a_stop_is_followed(running: ChargingSession, alice: User):
    async with Browser(f"/ws/sessions/{running.pk}/", alice) as browser:
        assert (await browser.hear())["data"]["stop"] is None
        command = await do(commands.request_remote_stop, running, user=alice)
        assert (await browser.hear())["data"]["stop"]["state"] == "waiting"
        await do(commands.finish, command.pk, result={"status": "Rejected"})
        assert (await browser.hear())["data"]["stop"]["state"] == "rejected"


async def test_a_foreign_session_is_not_there(running: ChargingSession, charlie: User):
    for user, code in ((charlie, 4404), (None, 4401)):
        async with Browser(f"/ws/sessions/{running.pk}/", user) as browser:
            assert await browser.closed_with() == code


async def test_other_sessions_of_the_driver_are_no_news(running: ChargingSession, alice: User):
    async with Browser(f"/ws/sessions/{running.pk}/", alice) as browser:
        await browser.hear()
        event = {"type": "session.changed", "session": running.pk + 1}
        await get_channel_layer().group_send(live.user_group(alice.pk), event)
        assert await browser.receive_nothing(timeout=0.5)


async def test_who_is_switched_off_sees_no_more(running: ChargingSession, alice: User):
    async with Browser(f"/ws/sessions/{running.pk}/", alice) as browser:
        await browser.hear()
        await do(people.set_active, alice, active=False)
        await do(measure, running, 500)
        assert await browser.closed_with() == 4401


async def test_a_start_is_followed_to_its_session(online: Charger, connector: Connector, alice: User, charlie: User):
    command = await do(commands.request_remote_start, online, connector, user=alice)
    async with Browser(f"/ws/commands/{command.pk}/", charlie) as browser:
        assert await browser.closed_with() == 4404
    async with Browser(f"/ws/commands/{command.pk}/", alice) as browser:
        assert (await browser.hear())["data"]["state"] == "waiting"
        await do(commands.finish, command.pk, result={"status": "Accepted"})
        assert (await browser.hear())["data"]["steps"][2]["state"] == "now"
        await do(set_status, online, "Preparing")
        assert (await browser.hear())["data"]["steps"][3]["state"] == "now"

        def begin() -> ChargingSession:
            now = timezone.now()
            session = ChargingSession.objects.create(
                charger=online, connector=connector, user=alice, owner=online.owner, started_at=now,
                start_received_at=now, meter_start_wh=0, tariff=connector.tariff.snapshot(),
            )  # fmt: skip
            Command.objects.filter(pk=command.pk).update(session=session)
            live.publish_session(session)
            return session

        session = await do(begin)
        assert (await browser.hear())["data"]["session_url"] == session.get_absolute_url()


async def test_an_unknown_address_is_closed(db):
    for path in ("/ws/", "/ws/nowhere/", "/ws/sessions/x/"):
        async with Browser(path) as browser:
            assert await browser.closed_with() == 4404
