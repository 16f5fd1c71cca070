"""From end to end, for a second or two: the generator against the real server, and against servers that are wrong."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.db import connection
from websockets.asyncio.server import serve
from websockets.typing import Subprotocol

from bench import echo, generate, witness
from bench.figures import Crowd, Storm, Window
from bench.generate import Plan
from billing import ledger
from billing.models import Transfer
from chargers.models import ChargingSession, Connector, MeterValue
from ocpp_gateway import provisioning
from ocpp_gateway.simulator import Credentials
from sharecharge.testing.platform import Platform

CHARGERS = 4


def make_plan(url: str, chargers: list[Credentials], **details) -> Plan:
    clock = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    return Plan("closed", [url], chargers, clock, **{"seconds": 1.0, "warm_seconds": 0.1, **details})


@pytest.fixture
def fleet(transactional_db) -> list[Credentials]:
    owner = provisioning.owner("fleet@example.org", name="Fleet")
    found = []
    for number in range(CHARGERS):
        card = provisioning.driver(f"driver{number}@example.org", name="Driver", balance=100_000)
        box = provisioning.charger(owner, name="Box", latitude=50.0, longitude=14.0, price_per_kwh=750)
        found.append(provisioning.credentials(box, card.uid))
    return found


@pytest.fixture
def platform(fleet):
    with Platform(connection.settings_dict, LOG_LEVEL="WARNING") as platform:
        yield platform


def test_all_that_the_platform_acknowledged_is_there(platform, fleet):
    plan = make_plan(platform.charger_url, fleet, mix="stress", watched={"server": [platform.process.pid]})
    found = asyncio.run(generate.closed(plan))
    window = Window.of(found)
    assert window.errors == {}
    assert window.messages_per_second > 0
    assert window.cpu["server"] > 0

    journals = found["journal"]
    transactions = [transaction for journal in journals for transaction in journal["transactions"]]
    assert len(transactions) >= CHARGERS
    assert sum(transaction["values"] for transaction in transactions) > 0
    assert all(transaction["meter_stop_wh"] is not None for transaction in transactions)
    assert witness.lost(journals) == {}
    assert ledger.breaches() == []
    assert Transfer.objects.filter(kind=Transfer.Kind.SESSION).exists()

    # And a witness who cannot miss anything would be none.
    busy = max(transactions, key=lambda transaction: transaction["values"])
    MeterValue.objects.filter(session=busy["id"]).latest("pk").delete()
    ChargingSession.objects.filter(pk=busy["id"]).update(meter_stop_wh=1)
    Connector.objects.filter(charger__identity=journals[0]["identity"]).update(status="Faulted")
    assert witness.lost(journals) == {"meter values": 1, "stops": 1, "statuses": 1}
    journals[1]["transactions"][0]["id"] += 1_000_000
    journals[2]["transactions"][0]["meter_stop_wh"] += 1
    assert witness.lost(journals)["sessions"] == 1
    assert witness.lost(journals)["bills"] == 1


def test_an_open_loop_sends_what_is_due(platform, fleet):
    found = asyncio.run(generate.open_loop(make_plan(platform.charger_url, fleet, mix="day", rate=40.0)))
    assert found["errors"] == {}
    assert found["messages"] + found["unanswered"] == 40
    assert witness.lost(found["journal"]) == {}


@pytest.fixture
def _impatience(monkeypatch):
    monkeypatch.setattr(generate, "QUIET_SECONDS", 0.1)


@pytest.mark.usefixtures("_impatience")
def test_idle_chargers_stay_connected_and_are_weighed(platform, fleet):
    plan = make_plan(platform.charger_url, fleet, watched={"server": [platform.process.pid]}, base=1)
    crowd = Crowd(**asyncio.run(generate.idle(plan)))
    assert (crowd.connected, crowd.errors) == (CHARGERS, {})


@pytest.mark.usefixtures("_impatience")
def test_a_storm_lets_everybody_in(platform, fleet):
    plan = make_plan(platform.charger_url, fleet, watched={"server": [platform.process.pid]})
    storm = Storm.of(asyncio.run(generate.storm(plan)))
    assert (storm.chargers, storm.failed, storm.errors) == (CHARGERS, 0, {})


# ------------------------------------------------------------------------------------------------ wrong servers


def rightly(call: list) -> str | None:
    return echo.answer(orjson.dumps(call).decode())


def without_transaction(call: list) -> str | None:
    answer = rightly(call)
    return answer.replace('"transactionId":1', '"transactionId":0') if call[2] == "StartTransaction" else answer


def with_an_error(call: list) -> str | None:
    return f'[4,"{call[1]}","InternalError","",{{}}]' if call[2] == "MeterValues" else rightly(call)


def for_another(call: list) -> str | None:
    return rightly([2, "another", *call[2:]]) if call[2] == "StatusNotification" else rightly(call)


def and_hangs_up(call: list) -> str | None:
    return None if call[2] == "StopTransaction" else rightly(call)


@contextlib.asynccontextmanager
async def server_that_answers(how):
    async def answer(socket):
        async for text in socket:
            reply = how(orjson.loads(text))
            if reply is None:
                await socket.close(1011)
            else:
                await socket.send(reply)

    async with serve(answer, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"


async def errors_at(how) -> dict[str, int]:
    invented = [Credentials(f"BENCH-{number}", "", "04BE00000001") for number in range(2)]
    async with server_that_answers(how) as url:
        found = await generate.closed(replace(make_plan(url, invented, mix="stress"), warm_seconds=0.0))
    return Window.of(found).errors


async def test_a_right_server_has_no_errors():
    assert await errors_at(rightly) == {}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (without_transaction, "wrong answer to StartTransaction"),
        (with_an_error, "CALLERROR for MeterValues"),
        (for_another, "nobody asked for this"),
        (and_hangs_up, "connection: closed by the server with 1011"),
    ],
)
async def test_a_server_that_answers_wrongly_is_seen(how, error, monkeypatch):
    monkeypatch.setattr(generate, "WARM_LIMIT_SECONDS", 0.2)
    errors = await errors_at(how)
    assert errors
    assert all(text.startswith(error) for text in errors)
