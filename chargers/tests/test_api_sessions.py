"""Sessions, their readings, bills and tables, for programs."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chargers import settlement, spreadsheets, thinning
from chargers.models import ChargingSession, Connector, MeterValue
from chargers.tests.test_api_chargers import client_of, get
from chargers.tests.test_session_pages import make_session
from conftest import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def settled(online, alice, alice_card):
    """5.5 kWh for 27.50, of which 2.75 are the platform's."""
    now = timezone.now()
    session = make_session(
        online, alice, status="ended", closed_by="stop", ended_at=now, stop_received_at=now, meter_stop_wh=6_500,
        id_tag=alice_card,
    )  # fmt: skip
    settlement.settle(session.pk)
    return session


@pytest.fixture
def held(online, alice):
    now = timezone.now()
    return make_session(
        online, alice, status="ended", closed_by="stop", ended_at=now, stop_received_at=now, meter_stop_wh=6_500,
        review_reasons=["register_jumped"],
    )  # fmt: skip


def ids(query="", user=None):
    return [row["id"] for row in get(f"sessions{query}", user)["results"]]


# ------------------------------------------------------------------------------------------------ who sees what


def test_the_driver_sees_what_is_paid_and_the_owner_what_is_earned(settled, alice, bob, oscar):
    [mine] = get("sessions", alice)["results"]
    assert (mine["energy_wh"], mine["cost"], mine["price_per_kwh"], mine["state"]) == (5500, "27.50", "5.00", "settled")
    assert (mine["bill"], mine["card"]) == ({"paid": "27.50", "owed": "0.00", "taken_back": "0.00"}, "…C3D4")
    assert (mine["fee"], mine["owner_share"]) == (None, None)
    [hosted] = get("sessions?as_owner=true", bob)["results"]
    assert (hosted["driver"], hosted["fee"], hosted["owner_share"]) == (
        {"id": alice.pk, "name": "Alice"}, "2.75", "24.75",
    )  # fmt: skip
    assert (hosted["bill"], hosted["card"]) == (None, None)
    assert "alice@example.com" not in str(hosted)
    [seen] = get("sessions", oscar)["results"]
    assert (seen["owner_share"], seen["bill"], seen["card"]) == ("24.75", None, "…C3D4")
    assert get(f"sessions/{settled.pk}", oscar)["bill"]["paid"] == "27.50"


def test_lists_are_of_ones_own_of_ones_chargers_or_of_all(settled, alice, bob, charlie, oscar):
    assert [ids(user=user) for user in (alice, bob, charlie, oscar)] == [[settled.pk], [], [], [settled.pk]]
    assert [ids("?as_owner=true", user) for user in (alice, bob, oscar)] == [[], [settled.pk], []]
    path = f"/api/v1/sessions/{settled.pk}"
    for part in ("", "/receipt", "/meter-values"):
        statuses = [client_of(user).get(path + part).status_code for user in (None, alice, bob, charlie, oscar)]
        assert statuses == [401, 200, 200, 404, 200]


def test_a_running_one_tells_what_it_is_at(online, alice):
    session = make_session(online, alice)
    row = get(f"sessions/{session.pk}", alice)
    assert (row["state"], row["energy_wh"], row["power_w"], row["soc_percent"], row["cost"]) == (
        "charging", 5000, 10_560, 80, "25.00",
    )  # fmt: skip
    assert [row["energy_wh"] for row in get("sessions", alice)["results"]] == [5000]


# ------------------------------------------------------------------------------------------------ filters


def test_the_filters(settled, held, alice, bob, oscar):
    assert ids("?state=settled", alice) == [settled.pk]
    assert ids("?state=checking", alice) == [held.pk]
    assert ids("?state=charging", alice) == []
    assert ids(f"?charger={settled.charger_id}&connector={settled.connector_id}", alice) == [held.pk, settled.pk]
    assert ids(f"?charger={settled.charger_id + 1}", alice) == []
    assert ids(f"?driver={alice.pk}&owner={bob.pk}", oscar) == [held.pk, settled.pk]
    assert ids(f"?driver={bob.pk}", oscar) == []
    assert ids("?ordering=id", alice) == [settled.pk, held.pk]
    ChargingSession.objects.filter(pk=held.pk).update(start_received_at=datetime(2026, 1, 5, tzinfo=UTC))
    assert ids("?since=2026-01-01&until=2026-01-06T00:00:00Z", alice) == [held.pk]
    assert ids("?since=2026-01-06", alice) == [settled.pk]


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV", "SuspendedEVSE"])
def test_each_state_finds_its_own(status, settled, online, alice):
    running = make_session(online, alice)
    Connector.objects.update(status=status)
    running.refresh_from_db()
    refused = make_session(online, None, status="refused")
    assert list(ChargingSession.objects.in_state(running.state)) == [running]
    assert list(ChargingSession.objects.in_state("refused")) == [refused]
    assert list(ChargingSession.objects.in_state("settled")) == [settled]


@pytest.mark.parametrize(
    "query", ["?state=x", "?since=yesterday", "?until=0001-01-01", "?as_owner=1", "?charger=0", "?status=settled"]
)
@pytest.mark.parametrize("path", ["", "/totals", ".csv"])
def test_a_filter_that_is_none_is_refused(path, query, alice):
    response = client_of(alice).get(f"/api/v1/sessions{path}{query}")
    assert (response.status_code, response.json()["field"]) == (400, query[1:].partition("=")[0])


# ------------------------------------------------------------------------------------------------ sums and tables


def test_totals(settled, held, alice, bob, oscar):
    drivers = {"sessions": 2, "energy_wh": 5500, "cost": "27.50", "income": None, "currency": "CZK"}
    assert get("sessions/totals", alice) == drivers
    assert get("sessions/totals?as_owner=true&state=settled", bob) == {**drivers, "sessions": 1, "income": "24.75"}
    assert get("sessions/totals", bob) == {**drivers, "sessions": 0, "energy_wh": 0, "cost": "0.00"}
    assert get("sessions/totals?since=2100-01-01", alice)["sessions"] == 0
    assert get(f"sessions/totals?driver={alice.pk}", oscar)["income"] == "24.75"
    year_ago = timezone.localdate() - timedelta(days=365)
    assert get(f"sessions/totals?since={year_ago}", oscar)["sessions"] == 2
    for query in ("", f"?since={year_ago - timedelta(days=9)}"):
        refused = client_of(oscar).get(f"/api/v1/sessions/totals{query}")
        assert (refused.status_code, refused.json()["field"]) == (400, "since")


def table_of(user, query="", **headers):
    response = client_of(user).get(f"/api/v1/sessions.csv{query}", headers=headers)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(b"".join(response).decode().splitlines()))


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # the test's client is not asynchronous
def test_the_table_is_the_list(settled, held, alice, bob, monkeypatch):
    monkeypatch.setattr(spreadsheets, "PORTION", 1)
    rows = table_of(alice, Accept="text/csv")
    assert [row["id"] for row in rows] == [str(held.pk), str(settled.pk)]
    assert (rows[1]["energy_wh"], rows[1]["cost"], rows[1]["state"]) == ("5500", "27.50", "settled")
    assert rows[0]["cost"] == ""
    assert "owner_share" not in rows[0]
    [row] = table_of(bob, "?as_owner=true&state=settled")
    assert (row["driver"], row["fee"], row["owner_share"]) == ("Alice", "2.75", "24.75")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-1", "'-1"),
        ("\tx", "'\tx"),
        (-1, "-1"),
        (Decimal("-1.50"), "-1.50"),
        (None, ""),
        ("Garage", "Garage"),
    ],
)
def test_no_cell_is_a_formula(value, text):
    assert spreadsheets.cell(value) == text


# ------------------------------------------------------------------------------------------------ readings and bills


def test_readings_in_pages_and_thinned(settled, alice):
    path = f"sessions/{settled.pk}/meter-values"
    page = get(f"{path}?limit=1", alice)
    [first] = page["results"]
    assert (first["register_wh"], first["energy_wh"], first["power_w"]) == (2000, 1000, 10_560)
    assert client_of(alice).get(page["next"]).json()["results"][0]["energy_wh"] == 5000
    assert len(get(f"{path}?every=60", alice)["results"]) == 2
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for second in range(100):
        MeterValue.objects.create(
            charger=settled.charger, connector_id=1, session=settled, raw=[], digest=second + 100, received_at=at,
            measured_at=at + timedelta(seconds=second),
        )  # fmt: skip
    assert len(get(f"{path}?every=10&limit=100", alice)["results"]) == 12
    # Page by page it is the same, and none of them reads the session into memory.
    pages = [get(f"{path}?every=10&limit=5", alice)]
    while pages[-1]["next"]:
        pages.append(client_of(alice).get(pages[-1]["next"]).json())
    told = [row["id"] for page in pages for row in page["results"]]
    assert told == [row["id"] for row in get(f"{path}?every=10&limit=100", alice)["results"]]
    for every in ("0", "x", "-1", "86401"):
        assert client_of(alice).get(f"/api/v1/{path}?every={every}").json()["field"] == "every"


@pytest.mark.parametrize("seconds", [1, 7, 60, 3600])
def test_the_database_thins_as_the_pure_rule_does(settled, seconds):
    at = datetime(2026, 1, 1, 23, 59, 30, tzinfo=UTC)
    for index in range(60):
        MeterValue.objects.create(
            charger=settled.charger, connector_id=1, session=settled, raw=[], digest=index + 100, received_at=at,
            measured_at=at + timedelta(seconds=1.3 * (index * 7 % 60)), energy_wh=None if index % 3 else index,
        )  # fmt: skip
    samples, every = settled.meter_values.order_by("pk"), timedelta(seconds=seconds)
    known = [thinning.Sample(row.pk, row.measured_at, row.received_at, row.energy_wh) for row in samples]
    assert set(samples.one_in(every).values_list("pk", flat=True)) == thinning.one_in(known, every)


def test_a_receipt(settled, alice):
    receipt = get(f"sessions/{settled.pk}/receipt", alice)
    assert receipt["lines"] == [
        {"name": "energy", "quantity": "5.500", "unit": "kWh", "unit_price": "5.00", "amount": "27.50"}
    ]
    assert (receipt["start"]["register_wh"], receipt["stop"]["register_wh"]) == (1000, 6500)
    assert receipt["session"]["cost"] == "27.50"


def test_no_bill_has_no_lines(held, alice):
    receipt = get(f"sessions/{held.pk}/receipt", alice)
    assert (receipt["lines"], receipt["session"]["cost"]) == ([], None)


# ------------------------------------------------------------------------------------------------ release


@pytest.mark.parametrize("who", ["bob", "oscar"])
def test_a_held_session_is_released(who, held, request):
    client = client_of(request.getfixturevalue(who))
    released = client.post(f"/api/v1/sessions/{held.pk}/release", {"energy_wh": 2000}, format="json").json()
    assert (released["state"], released["cost"]) == ("settled", "10.00")
    again = client.post(f"/api/v1/sessions/{held.pk}/release")
    assert (again.status_code, again.json()["code"]) == (409, "not_held")


def test_a_driver_releases_nothing_and_an_owner_not_more_than_can_be(held, alice, bob, charlie):
    path = f"/api/v1/sessions/{held.pk}/release"
    assert client_of(alice).post(path).json()["code"] == "not_yours"
    assert client_of(make_user("Otto", role="owner")).post(path).status_code == 404
    refused = client_of(bob).post(path, {"energy_wh": 900_000}, format="json")
    assert (refused.status_code, refused.json()["field"]) == (400, "energy_wh")
    assert client_of(bob).post(path, {"cost": 1}, format="json").json()["code"] == "unknown_field"


def test_whether_bills_are_told_depends_on_what_is_asked_not_on_who_else_is_on_the_page(settled, alice, bob, oscar):
    [row] = get("sessions", alice)["results"]
    assert row["bill"]["paid"] == "27.50"
    ChargingSession.objects.update(user=bob)
    for path, user in (("sessions?as_owner=true", bob), ("sessions", oscar)):
        assert [row["bill"] for row in get(path, user)["results"]] == [None]
