"""Reports of problems, and figures by day and month, for programs."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from chargers import registry, settlement, statistics
from chargers.models import Charger, ChargingSession, ProblemReport
from chargers.tests.test_api_chargers import client_of, get
from chargers.tests.test_session_pages import make_session
from conftest import make_user
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db


def report(user, charger, **more):
    body = {"charger": charger, "kind": "plug", "text": "The cable is cut.", **more}
    return client_of(user).post("/api/v1/reports", body, format="json")


def test_a_word_that_is_none_of_the_choices_is_answered_with_the_choices(online, alice):
    client = client_of(alice)
    told = client.post("/api/v1/reports", {"charger": online.pk, "kind": "broken", "text": "x"}, format="json").json()
    assert (told["code"], told["field"]) == ("invalid_choice", "kind")
    assert told["detail"].startswith("Send one of these: ")
    filtered = client.get("/api/v1/reports?kind=broken").json()
    assert (filtered["code"], filtered["detail"]) == ("invalid_choice", told["detail"])


def test_a_driver_reports_and_the_owner_answers(online, connector, alice, bob, charlie):
    made = report(alice, online.pk, connector=1)
    assert made.status_code == 201
    assert (made.json()["status"], made.json()["reporter"]["name"], made.json()["connector"]) == ("open", "Alice", 1)
    path = f"reports/{made.json()['id']}"
    assert made["Location"].endswith(path)
    assert client_of(charlie).get(f"/api/v1/{path}").status_code == 404
    answered = client_of(bob).post(f"/api/v1/{path}/answer", {"text": "Tomorrow."}, format="json").json()
    assert (answered["status"], answered["answer"], answered["answered_by"]) == ("answered", "Tomorrow.", "owner")
    assert client_of(alice).post(f"/api/v1/{path}/close").json()["status"] == "closed"
    for status, count in (("open", 0), ("closed", 1)):
        assert len(get(f"reports?status={status}", bob)["results"]) == count


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"connector": 9}, 404, "connector"),
        ({"charger": 10**9}, 404, "charger"),
        ({"kind": "x"}, 400, "kind"),
        ({"text": ""}, 400, "text"),
        ({"answer": "x"}, 400, "answer"),
        ({"session": 10**9}, 400, "session"),
    ],
)
def test_what_cannot_be_reported(more, status, field, online, connector, alice):
    refused = report(alice, **{"charger": online.pk, **more})
    assert (refused.status_code, refused.json()["field"]) == (status, field)
    assert not ProblemReport.objects.exists()


def test_a_hidden_charger_is_as_if_there_were_none(online, connector, alice, bob):
    Charger.objects.update(access="private")
    session = make_session(online, bob).pk
    for more in ({}, {"connector": 1}, {"connector": 9}, {"session": session}):
        hidden, none = report(alice, online.pk, **more), report(alice, 10**9, **more)
        assert (hidden.status_code, hidden.json()) == (none.status_code, none.json())


def test_who_has_charged_at_a_charger_may_report_it_once_it_is_deleted(online, alice, charlie):
    make_session(online, alice, status="ended", stop_received_at=timezone.now(), ended_at=timezone.now())
    registry.delete(online)
    assert report(alice, online.pk).status_code == 201
    assert report(charlie, online.pk).json()["code"] == "no_charger"


# ------------------------------------------------------------------------------------------------ figures


@pytest.fixture
def settled(online, alice):
    """5.5 kWh for 27.50, begun at 23:30 UTC on the last day of May: in June, where the platform is."""
    now, at = timezone.now(), datetime(2026, 5, 31, 23, 30, tzinfo=UTC)
    session = make_session(
        online, alice, status="ended", closed_by="stop", ended_at=now, stop_received_at=now, meter_stop_wh=6_500
    )
    settlement.settle(session.pk)
    ChargingSession.objects.update(start_received_at=at)
    return session


def test_an_owners_months_and_days(settled, bob):
    stats = get("stats?since=2026-04-15&until=2026-06-10&by=month", bob)
    assert [(period["begins"], period["totals"]["sessions"]) for period in stats["periods"]] == [
        ("2026-04-01", 0), ("2026-05-01", 0), ("2026-06-01", 1),
    ]  # fmt: skip
    assert stats["totals"] == stats["periods"][-1]["totals"]
    assert (stats["totals"]["energy_wh"], stats["totals"]["income"]) == (5500, "24.75")
    days = get("stats?since=2026-05-31&until=2026-06-01", bob)["periods"]
    assert [period["totals"]["income"] for period in days] == ["0.00", "24.75"]


def test_a_refused_tap_is_no_session(settled, online, alice):
    at = ChargingSession.objects.get().start_received_at
    refused = make_session(online, alice, status="refused", refusal="no_money")
    ChargingSession.objects.filter(pk=refused.pk).update(start_received_at=at)
    assert statistics.totals(ChargingSession.objects.all()).sessions == 1
    june = statistics.Span(date(2026, 6, 1), date(2026, 6, 30), "month")
    assert [period.totals.sessions for period in statistics.course(ChargingSession.objects.all(), june)] == [1]


def test_a_driver_asks_what_was_spent(settled, alice, bob):
    query = "since=2026-06-01&until=2026-06-01"
    assert get(f"stats?{query}&as_driver=true", alice)["totals"]["cost"] == "27.50"
    assert get(f"stats?{query}&as_driver=true", alice)["totals"]["income"] is None
    assert get(f"stats?{query}", alice)["totals"]["sessions"] == 0
    assert get(f"stats?{query}&charger={settled.charger_id}", bob)["totals"]["sessions"] == 1
    otto = make_user("Otto", role="owner")
    for more in ("", "&as_driver=true"):
        foreign = get(f"stats?{query}{more}&charger={settled.charger_id}", otto)
        assert foreign["totals"]["sessions"] == 0
        assert foreign == get(f"stats?{query}{more}&charger=1000000", otto)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=2026-01-02&until=2026-01-01", "until"),
        ("since=2025-01-01&until=2026-01-02", "since"),
        ("since=2020-01-01&until=2026-01-01&by=month", "since"),
        ("since=0001-01-01", "since"),
        ("since=x", "since"),
        ("until=9999-12-31", "until"),
        ("by=year", "by"),
        ("charger=0", "charger"),
        ("colour=red", "colour"),
    ],
)
def test_a_span_that_is_none_is_refused(query, field, bob):
    response = client_of(bob).get(f"/api/v1/stats?{query}")
    assert (response.status_code, response.json()["field"]) == (400, field)


def test_spans():
    assert len(list(statistics.Span(date(2024, 1, 1), date(2024, 12, 31)).days())) == 366
    months = statistics.Span(date(2021, 1, 31), date(2025, 12, 1), "month")
    assert (len(list(months.days())), months.end.date()) == (60, date(2026, 1, 1))
    with pytest.raises(Refused, match="366 days"):
        statistics.Span(date(2024, 1, 1), date(2025, 1, 1))
