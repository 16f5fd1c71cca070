"""Weekly hours and how public a position is, for programs."""

import pytest
import time_machine

from chargers import registry
from chargers.hours import Window, week_of
from chargers.tests.test_api_chargers import NEW, SECRETS, client_of, codes, get
from conftest import connect

pytestmark = pytest.mark.django_db

EVENINGS = [
    {"day": "thursday", "from": "17:00", "to": "07:00"},
    {"day": "friday", "from": "17:00", "to": "07:00"},
    {"day": "saturday", "from": "00:00", "to": "24:00"},
]


def test_its_owner_says_when_it_is_open_and_everybody_reads_it(online, bob):
    path = f"/api/v1/chargers/{online.pk}"
    assert get(f"chargers/{online.pk}")["hours"] is None
    told = client_of(bob).patch(path, {"hours": EVENINGS}, format="json").json()
    assert told["hours"] == EVENINGS
    with time_machine.travel("2026-11-26T12:00+01:00", tick=False):  # a Thursday
        connect(online)
        row = get(f"chargers/{online.pk}")
        assert (row["hours"], row["is_open_now"], row["state"]) == (EVENINGS, False, "closed")
        assert (row["hours_change_at"], row["connectors"][0]["state"]) == ("2026-11-26T16:00:00Z", "closed")
        assert (codes("?free_now=true"), codes("?open_now=true")) == ([], [])
        assert codes("?free_now=false") == codes("?open_now=false") == [online.code]
    with time_machine.travel("2026-11-26T17:00+01:00", tick=False):
        connect(online)
        row = get(f"chargers/{online.pk}")
        assert (row["is_open_now"], row["state"], row["hours_change_at"]) == (True, "free", "2026-11-27T06:00:00Z")
        assert codes("?free_now=true") == [online.code]
    assert client_of(bob).patch(path, {"hours": None}, format="json").json()["hours"] is None
    assert get(f"chargers/{online.pk}")["is_open_now"]


def test_the_list_has_another_etag_when_the_hours_have_begun(online):
    registry.set_hours(online, week_of([Window(3, 34, 36)]))
    with time_machine.travel("2026-11-26T16:59+01:00", tick=False):
        etag = client_of().get("/api/v1/chargers")["ETag"]
        assert client_of().get("/api/v1/chargers", headers={"If-None-Match": etag}).status_code == 304
    with time_machine.travel("2026-11-26T17:00+01:00", tick=False):
        assert client_of().get("/api/v1/chargers", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    ("hours", "code", "field"),
    [
        ([], "never_open", "hours"),
        ("always", "not_a_list", "hours"),
        ([{"day": "someday", "from": "17:00", "to": "18:00"}], "invalid_choice", "hours.0.day"),
        ([{"day": "monday", "from": "17:15", "to": "18:00"}], "time", "hours.0.from"),
        ([{"day": "monday", "from": 17, "to": "18:00"}], "time", "hours.0.from"),
        ([{"day": "monday", "from": "17:00", "to": "25:00"}], "time", "hours.0.to"),
        ([{"day": "monday", "from": "24:00", "to": "18:00"}], "time", "hours.0.from"),
        ([{"day": "monday", "from": "17:00", "to": "17:00"}], "same", "hours.0.to"),
        ([{"day": "monday", "from": "17:00"}], "required", "hours.0.to"),
        ([*EVENINGS, {"day": "monday", "from": "17:00", "to": "18:00", "price": 1}], "unknown_field", "hours.3.price"),
        ([EVENINGS[0]] * 200, "max_length", "hours"),
    ],
)
def test_hours_that_cannot_be_are_refused_by_field(hours, code, field, online, bob):
    response = client_of(bob).patch(f"/api/v1/chargers/{online.pk}", {"hours": hours}, format="json")
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (400, code, field)
    online.refresh_from_db()
    assert online.hours == ""


def test_it_is_registered_with_its_hours_and_place(bob):
    new = {**NEW, "hours": EVENINGS, "is_position_public": True}
    row = client_of(bob).post("/api/v1/chargers", new, format="json").json()
    assert (row["hours"], row["is_position_public"]) == (EVENINGS, True)
    assert (row["public_latitude"], row["public_longitude"]) == (NEW["latitude"], NEW["longitude"])
    response = client_of(bob).post("/api/v1/chargers", {**NEW, "hours": []}, format="json")
    assert (response.status_code, response.json()["field"]) == (400, "hours")


def test_its_owner_may_show_everybody_where_it_is(online, bob):
    other = registry.register(
        owner=bob, name="B", latitude=50.1, longitude=14.4, access="public", street="Jiná"
    ).charger
    path, exact = f"chargers/{online.pk}", {"latitude": 49.868613, "longitude": 16.312749}
    blurred = (online.public_latitude, online.public_longitude)
    client_of(bob).patch(f"/api/v1/{path}", {"is_position_public": True}, format="json")
    row = get(path)
    assert (row["position"], row["address"], row["is_position_public"]) == (exact, "Tichá 1234, 570 01 Litomyšl", True)
    assert (row["latitude"], row["longitude"]) == (49.868613, 16.312749)
    assert get(f"chargers/{other.pk}")["address"] is None
    client_of(bob).patch(f"/api/v1/{path}", {"is_position_public": False}, format="json")
    row = get(path)
    assert (row["position"], row["address"], row["latitude"], row["longitude"]) == (None, None, *blurred)
    assert not [secret for secret in SECRETS if secret in str(row)]
