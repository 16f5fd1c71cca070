"""The live side of the API: the shapes of the API, for who may see them, by token or cookie."""

import asyncio
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import logins, people, tokens
from accounts.models import User
from chargers import commands, live, registry
from chargers.models import Charger, ChargingSession, Command, Connector, MeterValue
from chargers.tests.test_consumers import Browser, do
from sharecharge.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)


class Program(Browser):
    """A socket that shows a token; through the server's own entrance."""

    def __init__(self, path: str, token: str = "", *, as_subprotocol: bool = False, origin: str = "") -> None:
        headers = [(b"host", b"testserver")]
        headers += [(b"origin", origin.encode())] if origin else []
        headers += [(b"authorization", f"Bearer {token}".encode())] if token and not as_subprotocol else []
        subprotocols = ["bearer", token] if as_subprotocol else None
        WebsocketCommunicator.__init__(self, application, path, headers=headers, subprotocols=subprotocols)


def token_of(user: User) -> str:
    return logins.begin(user).access_token


def answer(user: User | None, path: str) -> Any:
    client = APIClient()
    client.force_authenticate(user)
    return client.get(f"/api/v1/{path}").json()


@pytest.fixture
def running(online: Charger, connector: Connector, alice: User) -> ChargingSession:
    now = timezone.now()
    session = ChargingSession.objects.create(
        charger=online, connector=connector, user=alice, owner=online.owner, started_at=now, start_received_at=now,
        meter_start_wh=0, tariff=connector.tariff.snapshot(),
    )  # fmt: skip
    Connector.objects.update(status="Charging")
    return session


def measure(session: ChargingSession) -> None:
    now = timezone.now()
    MeterValue.objects.create(
        charger=session.charger, connector_id=1, session=session, measured_at=now, received_at=now, energy_wh=1500,
        power_w=7000, raw=[], digest=1,
    )  # fmt: skip
    live.publish_measured({session.pk})


# ------------------------------------------------------------------------------------------------ shapes


async def test_a_session_is_told_as_the_api_tells_it_and_again_when_it_changes(running, alice):
    token = await do(token_of, alice)
    async with Program(f"/ws/v1/sessions/{running.pk}", token) as program:
        first = await program.hear()
        assert first == {"type": "snapshot", "data": await do(answer, alice, f"sessions/{running.pk}")}
        await do(measure, running)
        data = (await program.hear())["data"]
    assert (data["energy_wh"], data["power_w"], data["cost"]) == (1500, 7000, "7.50")


async def test_the_owner_sees_the_same_session_with_an_owners_eyes(running, bob):
    token = await do(token_of, bob)
    async with Program(f"/ws/v1/sessions/{running.pk}", token) as program:
        data = (await program.hear())["data"]
    assert data == await do(answer, bob, f"sessions/{running.pk}")
    assert data["card"] is None


async def test_a_charger_is_told_in_the_shape_that_the_visitor_may_see(online, alice, bob):
    for user, view in ((None, "public"), (alice, "public"), (bob, "owner")):
        token = await do(token_of, user) if user else ""
        async with Program(f"/ws/v1/chargers/{online.pk}", token) as program:
            data = (await program.hear())["data"]
        assert data == await do(answer, user, f"chargers/{online.pk}")
        assert data["view"] == view


async def test_a_charger_that_is_offline_is_told_with_the_time_of_its_last_word(online):
    await do(Charger.objects.update, connection_mark="")
    async with Program(f"/ws/v1/chargers/{online.pk}") as program:
        data = (await program.hear())["data"]
    assert data == await do(answer, None, f"chargers/{online.pk}")
    assert data["seen_at"].endswith("Z")


async def test_a_change_of_a_charger_is_told_to_everybody_who_listens(online, connector):
    async with Program("/ws/v1/chargers") as program:
        assert await program.hear() == {"type": "snapshot", "data": {}}
        await do(registry.complete, connector, price_per_kwh=700)
        changed = await program.hear()
        assert changed["type"] == "charger"
        assert changed["data"]["connectors"][0]["price_per_kwh"] == "7.00"
        await do(registry.set_sharing, online, sharing=False)
        assert await program.hear() == {"type": "gone", "data": {"id": online.pk, "code": online.code}}


async def test_sessions_of_mine_and_at_mine_are_told(running, alice, bob, charlie):
    listeners = [Program("/ws/v1/sessions", await do(token_of, user)) for user in (alice, bob, charlie)]
    for listener in listeners:
        await listener.connect(timeout=5)
        await listener.hear()
    await do(live.publish_session, running)
    for listener in listeners[:2]:
        assert (await listener.hear())["data"]["id"] == running.pk
    assert await listeners[2].receive_nothing(timeout=1)
    for listener in listeners:
        await listener.disconnect()


async def test_an_owner_sees_how_a_wallbox_knocks(online, alice, bob):
    path = f"/ws/v1/chargers/{online.pk}/attempts"
    async with Program(path, await do(token_of, bob)) as program:
        assert (await program.hear())["data"] == {"results": []}
        await do(registry.set_sharing, online, sharing=False)  # other changes are told elsewhere
        assert await program.receive_nothing(timeout=0.5)
        await do(knock, online)
        data = (await program.hear())["data"]
        assert [row["outcome"] for row in data["results"]] == ["wrong_password"]
        assert data["results"] == (await do(answer, bob, f"chargers/{online.pk}/attempts"))["results"]
    stranger = Program(path, await do(token_of, alice))
    await stranger.connect(timeout=5)
    assert await stranger.closed_with() == 4404


def knock(charger: Charger) -> None:
    now = timezone.now()
    charger.connection_attempts.create(path="/ocpp/x", outcome="wrong_password", first_at=now, last_at=now)
    live.publish_attempt(charger.pk)


async def test_a_command_is_told_on_its_way(online, connector, alice):
    command = await do(commands.request_remote_start, online, connector, user=alice)
    async with Program(f"/ws/v1/commands/{command.pk}", await do(token_of, alice)) as program:
        assert (await program.hear())["data"]["state"] == "waiting"
        await do(commands.finish, command.pk, result={"status": "Rejected"})
        data = (await program.hear())["data"]
    assert (data["state"], data["is_over"]) == ("rejected", True)
    assert data == await do(answer, alice, f"commands/{command.pk}")


# ------------------------------------------------------------------------------------------------ doors


@pytest.mark.parametrize("path", ["sessions/{session}", "commands/{command}", "chargers/{private}", "chargers/999999"])
async def test_what_is_not_ones_own_does_not_exist(path, running, charlie, bob):
    command = await do(commands.request, running.charger, Command.Action.REFRESH, by=bob)
    private = (await do(registry.register, owner=bob, name="P", latitude=1, longitude=1)).charger
    address = path.format(session=running.pk, command=command.pk, private=private.pk)
    program = Program(f"/ws/v1/{address}", await do(token_of, charlie))
    await program.connect(timeout=5)
    assert await program.closed_with() == 4404


@pytest.mark.parametrize("path", ["sessions", "sessions/1", "commands/1"])
async def test_nobody_hears_what_is_personal(path, db):
    program = Program(f"/ws/v1/{path}")
    await program.connect(timeout=5)
    assert await program.closed_with() == 4401


@pytest.mark.parametrize("path", ["chargers", "sessions"])
async def test_a_bad_token_is_refused_also_where_none_is_needed(path, db):
    program = Program(f"/ws/v1/{path}", "nonsense")
    await program.connect(timeout=5)
    assert await program.closed_with() == 4401


async def test_a_browser_shows_its_token_as_a_subprotocol(running, alice):
    program = Program(
        "/ws/v1/sessions", await do(token_of, alice), as_subprotocol=True, origin="https://elsewhere.example"
    )
    connected, chosen = await program.connect(timeout=5)
    assert (connected, chosen) == (True, "bearer")
    assert (await program.hear())["type"] == "snapshot"
    await program.disconnect()


async def test_without_a_token_another_origin_is_not_let_in(db):
    connected, _code = await Program("/ws/v1/chargers", origin="https://elsewhere.example").connect(timeout=5)
    assert not connected


async def test_a_personal_token_needs_the_scope(running, alice):
    _token, text = await do(tokens.issue, alice, name="Home", scopes=["sessions:read"])
    async with Program("/ws/v1/sessions", text) as program:
        assert (await program.hear())["type"] == "snapshot"
    program = Program("/ws/v1/commands/1", text)
    await program.connect(timeout=5)
    assert await program.closed_with() == 4401


async def test_a_token_that_ends_ends_the_socket(running, alice):
    token = await do(token_of, alice)
    async with Program(f"/ws/v1/sessions/{running.pk}", token) as program:
        await program.hear()
        await do(people.set_active, alice, active=False)
        await do(measure, running)
        assert await asyncio.wait_for(program.closed_with(), 5) == 4401
