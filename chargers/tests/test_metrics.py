"""Figures for whoever has the token, right and cheap, also while the database is away."""

import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import IdTag, User
from billing import audit
from billing.models import LedgerCheck
from chargers import figures, metrics, sweeper
from chargers.models import Charger, ChargingSession, Command
from chargers.tests.test_session_pages import make_session
from sharecharge.testing.ports import free_port

TOKEN = "a token of at least thirty-two characters"


@pytest.fixture(autouse=True)
def _token(settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def read(client: Client | None = None) -> dict[tuple[str, ...], float]:
    """(name, label values …) → value."""
    response = (client or Client()).get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}


# ------------------------------------------------------------------------------------------------ the door


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN} ", "Bearer ž"]
)
def test_it_is_for_whoever_has_the_token(db, given):
    response = Client().get("/metrics", headers={"Authorization": given} if given else {})
    assert (response.status_code, response.content) == (401, b"")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["", "Bearer ", f"Bearer {TOKEN}"])
def test_without_a_token_in_the_settings_it_does_not_exist(db, settings, given):
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": given}).status_code == 404


def test_it_only_reads(db):
    assert Client().post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


def test_an_operator_without_the_token_is_nobody(oscar: User, client_of):
    assert client_of(oscar).get("/metrics").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_sweep_of_its_own_answers_too(online: Charger):
    port = free_port()
    metrics.serve("127.0.0.1", port)

    def ask(path: str, token: str) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    status, body = ask("/metrics", TOKEN)
    assert status == 200
    assert b"sharecharge_chargers_connected 1.0" in body
    assert ask("/metrics", "wrong") == (401, b"")
    assert ask("/", TOKEN) == (404, b"")
    with pytest.raises(CommandError, match="Cannot listen"):
        call_command("sweep", metrics_port=port)


def test_a_sweep_does_not_answer_everybody(settings):
    settings.METRICS_TOKEN = ""
    with pytest.raises(CommandError, match="METRICS_TOKEN"):
        call_command("sweep", metrics_port=free_port())


# ------------------------------------------------------------------------------------------------ figures


def test_it_tells_how_the_platform_is(online: Charger, alice: User, bob: User):
    now = timezone.now()
    make_session(online, alice)
    waiting = make_session(online, alice, status="ended", stop_received_at=now - timedelta(minutes=5))
    make_session(online, alice, status="ended", review_reasons=["register_jumped"])
    make_session(online, alice, status="settled", cost=0, fee=0, energy_wh=0, settled_at=now)
    make_session(online, alice, status="settled", cost=0, fee=0, energy_wh=0, settled_at=now - timedelta(hours=2))
    Command.objects.create(charger=online, action="remote_stop", expires_at=now + timedelta(hours=1))
    Command.objects.create(charger=online, action="remote_start", expires_at=now, answered_at=now, error="expired")
    found = read()
    assert found["sharecharge_database_up",] == 1
    assert found["sharecharge_chargers_connected",] == 1
    assert [found["sharecharge_sessions", status] for status in ("running", "ended", "held")] == [1, 1, 1]
    assert 290 < found["sharecharge_sessions_unbilled_oldest_seconds",] < 400
    assert found["sharecharge_sessions_billed_last_hour",] == 1
    assert found["sharecharge_commands_open", "remote_stop"] == 1
    assert found["sharecharge_commands_recent", "remote_start", "expired"] == 1
    ChargingSession.objects.filter(pk=waiting.pk).update(review_reasons=["register_fell"])
    Charger.objects.update(connection_mark="")
    found = read()
    assert (found["sharecharge_sessions", "held"], found["sharecharge_chargers_connected",]) == (2, 0)


def test_it_tells_how_the_ledger_is(alice: User):
    assert read()["sharecharge_ledger_halted",] == 0
    made = audit.check()
    found = read()
    for what in ("anything", "everything"):
        assert found["sharecharge_ledger_checked_timestamp_seconds", what] == pytest.approx(made.started_at.timestamp())
    LedgerCheck.objects.create(is_full=False, finished_at=timezone.now(), breaches=["one", "two"])
    audit.forget()
    found = read()
    assert (found["sharecharge_ledger_halted",], found["sharecharge_ledger_breaches",]) == (1, 2)


def test_without_a_database_the_rest_is_there(db, monkeypatch):
    def away() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(figures, "_chargers", away)
    found = read()
    assert found["sharecharge_database_up",] == 0
    assert ("sharecharge_chargers_connected",) not in found
    assert ("sharecharge_recorder_waiting_facts",) in found


def test_a_round_of_the_sweep_is_counted(online: Charger, alice_card: IdTag, monkeypatch):
    def value(name: str, step: str) -> float:
        return REGISTRY.get_sample_value(name, {"step": step}) or 0

    names = ("sharecharge_sweep_step_seconds_count", "sharecharge_sweep_rows_total", "sharecharge_sweep_failures_total")
    before = [value(name, "sessions billed late") for name in names]
    monkeypatch.setattr("chargers.settlement.settle_unsettled", lambda: 3)
    sweeper.sweep()
    monkeypatch.setattr("chargers.settlement.settle_unsettled", lambda: 1 / 0)
    sweeper.sweep()
    after = [value(name, "sessions billed late") for name in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 3, 1]
    assert read()["sharecharge_sweep_last_round_timestamp_seconds",] > 1_700_000_000
