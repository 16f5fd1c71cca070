"""The form of the weekly hours, and what drivers see of them and of the exact place."""

import re

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from chargers import registry
from chargers.forms import HoursForm
from chargers.hours import ALWAYS, DAYS, Window, week_of
from chargers.models import Charger
from chargers.tests.test_hours import EVENINGS, at
from conftest import connect

pytestmark = pytest.mark.django_db

CLOSED = {f"{key}_kind": "closed" for key in HoursForm.KEYS}


def save(client: Client, charger: Charger, *, when: str = "hours", **fields: str):
    form = {"when": when, **CLOSED, **fields}
    return client.post(reverse("charger_hours", args=[charger.pk]), form)


def times(day: str, begin: str, end: str, number: int = 0) -> dict[str, str]:
    return {f"{day}_kind": "hours", f"{day}_from{number}": begin, f"{day}_to{number}": end}


@pytest.mark.parametrize("used_as", ["form", "browser"])
def test_it_is_sent_back_as_it_was_shown(charger, bob, client_of, used_as):
    """Whatever a program has set: an owner who only presses Save changes nothing."""
    for week in (week_of(EVENINGS), week_of([Window(2, 12, 20), Window(2, 24, 26), Window(2, 36, 44)]), ALWAYS):
        registry.set_hours(charger, week)
        form = HoursForm(week)
        shown = {name: form[name].value() for name in form.fields}
        sent = {name: _text(form, name) for name, value in shown.items() if value is not None}
        if used_as == "browser":
            page = client_of(bob).get(reverse("charger_settings", args=[charger.pk])).content.decode()
            sent = _form_of(page)
        assert save(client_of(bob), charger, **{**sent, "when": sent["when"]}).status_code == 302
        charger.refresh_from_db()
        assert charger.week == week


def _text(form: HoursForm, name: str) -> str:
    value = form.fields[name].prepare_value(form[name].value())
    return value if isinstance(value, str) else f"{value:%H:%M}"


def _form_of(page: str) -> dict[str, str]:
    """What a browser would send of the hours' form."""
    [text] = re.findall(r'<form class="form hours".*?</form>', page, re.DOTALL)
    inputs = dict(re.findall(r'<input type="time" name="(\w+)"(?: value="([\d:]*)")?', text))
    selects = re.findall(r'<select name="(\w+)".*?<option value="(\w+)" selected', text, re.DOTALL)
    [when] = re.findall(r'name="when" value="(\w+)" checked', text)
    return {"when": when, **inputs, **dict(selects)}


def test_an_owner_sets_them_day_by_day(charger, bob, client_of):
    response = save(
        client_of(bob),
        charger,
        **times("mon", "17:00", "07:00") | times("tue", "9:30", "11:00") | times("tue", "18.00", "0:00", 1),
        sat_kind="all",
    )
    assert response.status_code == 302
    charger.refresh_from_db()
    assert charger.week.windows() == [Window(0, 34, 62), Window(1, 19, 22), Window(1, 36, 48), Window(5, 0, 48)]


def test_at_any_time_again(charger, bob, client_of):
    registry.set_hours(charger, week_of(EVENINGS))
    assert save(client_of(bob), charger, when="always", **times("mon", "what nobody", "sees then")).status_code == 302
    charger.refresh_from_db()
    assert charger.week.is_always


def test_times_of_a_day_that_is_closed_do_not_matter(charger, bob, client_of):
    hidden = {"mon_from0": "what nobody", "mon_to0": "sees then"}
    assert save(client_of(bob), charger, **hidden, tue_kind="all").status_code == 302
    charger.refresh_from_db()
    assert charger.week.windows() == [Window(1, 0, 48)]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        (times("tue", "17:15", "18:00"), "tue_from0", "full or half hour"),
        (times("tue", "late", "18:00"), "tue_from0", "valid time"),
        (times("tue", "17:00", ""), "tue_to0", "missing"),
        (times("tue", "", "18:00", 1), "tue_from1", "missing"),
        (times("tue", "", ""), "tue_from0", "from when to when"),
        (times("tue", "17:00", "17:00"), "tue_to0", "ends when it begins"),
        (
            times("tue", "9:00", "11:00") | times("tue", "10:00", "12:00", 1),
            "tue_from1",
            "overlap with those of Tuesday, 09:00",
        ),
        (times("mon", "22:00", "7:00") | times("tue", "6:00", "12:00"), "tue_from0", "of Monday, 22:00 to 07:00 (Tue)"),
        (times("mon", "0:00", "6:00") | times("sun", "22:00", "5:00"), "sun_from0", "of Monday, 00:00 to 06:00"),
        ({"tue_kind": "sometimes"}, "tue_kind", "valid choice"),
        ({}, "when", "Leave it open"),
        ({"when": "never"}, "when", "valid choice"),
    ],
)
def test_an_error_stands_at_its_field_and_nothing_is_lost(fields, field, sentence, charger, bob, client_of):
    response = save(client_of(bob), charger, **{**times("fri", "18:00", "19:30"), **fields} if fields else fields)
    assert response.status_code == 400
    form = response.context["hours_form"]
    assert list(form.errors) == [field]
    assert sentence in str(form.errors[field])
    page = response.content.decode()
    assert sentence in page
    for name, value in fields.items():
        assert value in ("sometimes", "never") or f'name="{name}" value="{value}"' in page or value in ("", "hours")
    charger.refresh_from_db()
    assert charger.week.is_always


def test_hours_that_touch_or_run_into_a_whole_day_are_no_slip(charger, bob, client_of):
    touching = times("mon", "22:00", "6:00") | times("tue", "6:00", "8:00")
    assert save(client_of(bob), charger, **touching).status_code == 302
    assert save(client_of(bob), charger, **times("fri", "17:00", "7:00"), sat_kind="all").status_code == 302


def test_the_form_says_what_a_night_leaves_open_of_a_day(charger, bob, client_of):
    registry.set_hours(charger, week_of([Window(0, 44, 60), Window(2, 44, 60), Window(3, 44, 48)]))
    page = client_of(bob).get(reverse("charger_settings", args=[charger.pk])).content.decode()
    assert page.count("Until 06:00 it is still open from the day before.") == 1


def test_nobody_else_sets_them(charger, alice, oscar, client_of):
    assert save(client_of(alice), charger, mon_kind="all").status_code == 404
    assert save(Client(), charger, mon_kind="all").status_code == 302
    charger.refresh_from_db()
    assert charger.week.is_always


# ------------------------------------------------------------------------------------------------ what drivers see


@pytest.fixture
def evenings(online) -> Charger:
    registry.set_hours(online, week_of(EVENINGS))
    return online


def page_of(charger: Charger, client: Client | None = None, **headers: str) -> str:
    return (client or Client()).get(charger.get_absolute_url(), headers=headers).content.decode()


def test_without_hours_the_page_says_at_any_time(online):
    assert "At any time, day and night." in page_of(online)


def test_the_page_says_them_in_words_and_marks_today(evenings):
    with time_machine.travel(at("Sat 12:00"), tick=False):
        connect(evenings)
        page, czech = page_of(evenings), page_of(evenings, **{"accept-language": "cs"})
    assert "At any time" not in page
    assert "Open now, closes on Monday at 00:00." in page
    assert re.search(r'<tr>\s*<th scope="row">Mon to Fri</th>\s*<td><span>17:00 to 07:00 \(next day\)', page)
    assert re.search(
        r'<tr class="is-today">\s*<th scope="row">Sat, Sun <small>today</small></th>\s*<td><span>all day', page
    )
    assert "po–pá</th><td><span>17:00–7:00 (druhý den)" in czech
    assert "zavírá se v pondělí v 0:00" in czech


def test_outside_them_nobody_but_its_owner_is_offered_a_start(evenings, alice, bob, client_of):
    start = reverse("charger_start", args=[evenings.code, 1])
    with time_machine.travel(at("Fri 12:00"), tick=False):
        connect(evenings)
        page = page_of(evenings, client_of(alice))
        assert "closed, opens today at 17:00" in page
        assert "This charger is closed now. It opens today at 17:00." in page
        assert start not in page
        assert "Tichá" in page  # whoever may charge there later leaves home before that
        assert start in page_of(evenings, client_of(bob))
    with time_machine.travel(at("Fri 17:00"), tick=False):
        connect(evenings)
        assert start in (page := page_of(evenings, client_of(alice)))
        assert "Tichá" in page


def test_the_list_without_a_script_says_closed_and_leaves_it_out_of_what_is_free(evenings, alice, client_of):
    with time_machine.travel(at("Fri 12:00"), tick=False):
        connect(evenings)
        page = Client().get("/").content.decode()
        assert 'data-state="closed"><span data-field="state_text">closed, opens today at 17:00' in page
        for query in ("?free=on", "?usable=on"):
            assert evenings.code not in client_of(alice).get(f"/{query}").content.decode()
    with time_machine.travel(at("Fri 17:00"), tick=False):
        connect(evenings)
        for query in ("?free=on", "?usable=on"):
            assert evenings.code in client_of(alice).get(f"/{query}").content.decode()


def test_its_owner_reads_them_where_it_is_managed_and_at_the_end_of_the_set_up(charger, bob, oscar, client_of):
    registry.set_hours(charger, week_of(EVENINGS))
    for name in ("charger_manage", "setup_label"):
        page = client_of(bob).get(reverse(name, args=[charger.pk])).content.decode()
        assert "Mon to Fri 17:00 to 07:00 (next day); Sat, Sun all day" in page
    admin = client_of(oscar).get(reverse("admin:chargers_charger_change", args=[charger.pk])).content.decode()
    assert "Mon to Fri 17:00 to 07:00 (next day); Sat, Sun all day" in admin


# ------------------------------------------------------------------------------------------------ how exactly


def place(charger: Charger, **changes: str) -> dict[str, str]:
    names = ("name", "street", "house_number", "city", "postal_code", "latitude", "longitude")
    return {name: str(getattr(charger, name)) for name in names} | changes


def test_its_owner_chooses_how_exactly_it_is_shown(charger, bob, client_of):
    client, thrown = client_of(bob), (charger.public_latitude, charger.public_longitude)
    for choice, seen in (("True", (49.868613, 16.312749)), ("False", thrown), ("True", (49.868613, 16.312749))):
        path = reverse("charger_edit", args=[charger.pk])
        assert client.post(path, place(charger, is_position_public=choice)).status_code == 302
        charger.refresh_from_db()
        assert (charger.public_latitude, charger.public_longitude) == seen
        settings = client.get(reverse("charger_settings", args=[charger.pk])).content.decode()
        assert f'name="is_position_public" value="{choice}" checked' in settings


@pytest.mark.parametrize(("choice", "is_exact"), [({}, False), ({"is_position_public": "True"}, True)])
def test_the_wizard_asks_it_too_and_says_nothing_by_default(choice, is_exact, bob, client_of):
    new = {"name": "Inn", "city": "Brno", "latitude": "49.2", "longitude": "16,6", "access": "public", **choice}
    assert client_of(bob).post("/my/chargers/add/", new).status_code == 302
    charger = Charger.objects.get()
    assert charger.is_position_public is is_exact
    assert ((charger.public_latitude, charger.public_longitude) == (49.2, 16.6)) is is_exact


def test_a_wrong_place_keeps_the_choice(bob, client_of):
    page = client_of(bob).post("/my/chargers/add/", {"is_position_public": "True"}).content.decode()
    assert 'name="is_position_public" value="True" checked' in page


def test_every_day_has_a_choice():
    assert len(HoursForm(ALWAYS).days) == DAYS
