"""A charge point that speaks to the consumer in this process."""

import asyncio

import pytest

from chargers import live
from chargers.models import Charger
from ocpp_gateway import consumers
from ocpp_gateway.tests.station import Station


@pytest.fixture
def _no_waiting(monkeypatch):
    monkeypatch.setattr(consumers, "SETTLE_AFTER_BOOT_SECONDS", 0)
    monkeypatch.setattr(consumers, "SETTLE_AFTER_CONNECT_SECONDS", 0)


@pytest.fixture
def runner():
    with asyncio.Runner() as runner:
        yield runner
        live._Server.bell = None


@pytest.fixture
def station(runner, registered, connector):
    Charger.objects.update(is_configured_after_boot=False)
    station = Station(runner, registered)
    yield station
    if hasattr(station, "application"):
        station.close()


@pytest.fixture
def booted(station):
    return station.boot()
