"""A refused form says above what is wrong, with links, and opens where it is."""

import re

import pytest
from django.test import Client

from accounts.models import User
from chargers.models import Charger, Connector
from chargers.tests.test_owners import PLACE

ADD = "/my/chargers/add/"


def main(page: bytes) -> str:
    return page.decode().partition("<main")[2]


def focused(page: str) -> list[str]:
    return re.findall(r'<\w+[^>]*(?:name|class)="([^"]+)"[^>]* autofocus', page)


def test_what_is_wrong_stands_above_with_links(bob: User, client_of):
    page = main(client_of(bob).post(ADD, {**PLACE, "name": "", "latitude": "north", "access": "private"}).content)
    assert re.findall(r'<li><a href="#(\w+)">', page) == ["id_name", "id_latitude"]
    assert page.index("This is not right yet") < page.index('name="name"')
    assert focused(page) == ["name"]
    [name] = re.findall(r'<input[^>]*name="name"[^>]*>', page)
    assert 'aria-invalid="true"' in name
    assert 'aria-describedby="id_name_helptext id_name_error"' in name
    assert page.count('id="id_name_error"') == 1


def test_a_choice_is_linked_to_where_it_stands(bob: User, client_of):
    page = main(client_of(bob).post(ADD, {**PLACE, "access": ""}).content)
    assert '<a href="#id_access">' in page
    assert '<fieldset class="choices field-wrong" id="id_access"' in page
    assert focused(page) == ["access"]


def test_what_is_no_fields_fault_is_focused_itself(alice: User):
    page = main(Client().post("/accounts/login/", {"login": alice.email, "password": "wrong"}).content)
    assert focused(page) == ["alert alert-danger errors"]
    assert "This is not right yet" not in page


def test_hours_name_their_day(charger: Charger, bob: User, client_of):
    asked = {"when": "hours", "tue_kind": "hours", "tue_from0": "17:10", "tue_to0": "20:00"}
    asked |= {f"{day}_kind": "closed" for day in ("mon", "wed", "thu", "fri", "sat", "sun")}
    page = main(client_of(bob).post(f"/my/chargers/{charger.pk}/hours/", asked).content)
    assert '<a href="#id_tue_from0">Tuesday</a>' in page
    assert focused(page) == ["tue_from0"]


@pytest.mark.parametrize("plug", [1, 2])
def test_of_several_forms_the_wrong_one_is_focused(
    online: Charger, connector: Connector, bob: User, client_of, plug: int
):
    Connector.objects.create(charger=online, connector_id=2)
    asked = {"access": "private"} | {f"connector{number}-current": "AC" for number in (1, 2)}
    page = main(
        client_of(bob)
        .post(f"/my/chargers/{online.pk}/setup/plugs/", {**asked, f"connector{plug}-price_per_kwh": "x"})
        .content
    )
    assert focused(page) == [f"connector{plug}-price_per_kwh"]


def test_a_form_that_is_right_takes_no_focus(bob: User, client_of):
    assert focused(main(client_of(bob).get(ADD).content)) == []


def test_what_django_has_not_translated_is_czech_too(db):
    asked = {"name": "Nina", "email": "nina@example.com", "password1": "kqz7", "password2": "kqz7"}
    page = main(Client(headers={"Accept-Language": "cs"}).post("/accounts/signup/", asked).content)
    assert "Heslo je příliš krátké. Musí mít aspoň 8 znaků." in page
