"""The wizard: from a place to a wallbox that works. Where it stands is read from the rows."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import id_tags
from accounts.models import IdTag, User
from chargers import catalogue, commands, hosts, onboarding, registry
from chargers.models import Charger, ChargingSession, Command, Connector
from chargers.tests.test_owners import PLACE
from chargers.tests.test_session_pages import make_session
from conftest import connect

STEPS = ["place", "model", "connect", "plugs", "test", "label"]


def path_of(charger: Charger, step: str = "") -> str:
    return reverse(f"setup_{step}" if step else "setup", args=[charger.pk])


def place(client: Client, **fields: str) -> Charger:
    client.post("/my/chargers/add/", {**PLACE, "access": "private", **fields})
    return Charger.objects.latest("pk")


def test_it_leads_from_the_place_to_what_has_to_be_typed(bob: User, client_of):
    client = client_of(bob)
    answer = client.post("/my/chargers/add/", {**PLACE, "access": "private"})
    charger = Charger.objects.get()
    assert (charger.owner, charger.access, charger.latitude, charger.city) == (bob, "private", 49.195, "Brno")
    assert answer.url == path_of(charger, "model")
    answer = client.post(answer.url, {"model": "solax"})
    password = answer.context["password"]
    assert registry.password_matches(charger_of(charger), password.encode())
    page = answer.content.decode()
    shown = (password, password.encode().hex(), charger.identity, f"/ocpp/{charger.identity}", 'data-copy="password"')
    assert [text for text in shown if text not in page] == []
    assert "begin with wss://" in page
    assert "no-store" in answer.headers["Cache-Control"]
    assert password not in client.get(path_of(charger, "connect")).content.decode()


def test_a_new_password_is_at_hand_wherever_it_is_recommended(bob: User, client_of):
    client = client_of(bob)
    charger = place(client)
    while_it_is_shown = client.post(path_of(charger, "model"), {"model": "solax"})
    assert while_it_is_shown.context["password"]
    manage = client.get(f"/my/chargers/{charger.pk}/")
    for page in (while_it_is_shown, client.get(path_of(charger, "connect")), manage):
        assert "Make a new password" in page.content.decode()


def charger_of(charger: Charger) -> Charger:
    return Charger.objects.get(pk=charger.pk)


def test_a_second_choice_of_the_model_keeps_the_password(bob: User, client_of):
    client = client_of(bob)
    charger = place(client)
    password = client.post(path_of(charger, "model"), {"model": "solax"}).context["password"]
    assert client.post(path_of(charger, "model"), {"model": "other"}).url == path_of(charger, "connect")
    assert registry.password_matches(charger_of(charger), password.encode())
    new = client.post(path_of(charger, "connect")).context["password"]
    assert registry.password_matches(charger_of(charger), new.encode())


def test_it_refuses_a_model_that_is_none(bob: User, client_of):
    charger = place(client_of(bob))
    assert client_of(bob).post(path_of(charger, "model"), {"model": "tesla"}).status_code == 400
    assert charger_of(charger).chosen_model == ""


def test_it_looks_for_models_without_a_script(bob: User, client_of):
    charger = place(client_of(bob))
    page = client_of(bob).get(path_of(charger, "model"), {"q": "SOLAX x3"}).content.decode()
    assert 'value="solax"' in page
    assert 'value="keba"' not in page
    assert 'value="other"' in page


def test_some_models_may_connect_without_a_subprotocol(bob: User, client_of):
    charger = place(client_of(bob))
    client_of(bob).post(path_of(charger, "model"), {"model": "evduty"})
    assert charger_of(charger).allows_no_subprotocol


def test_it_goes_on_where_it_stopped(bob: User, client_of):
    client = client_of(bob)
    charger = place(client)
    where = lambda: client.get(path_of(charger)).url  # noqa: E731
    assert where() == path_of(charger, "model")
    client.post(path_of(charger, "model"), {"model": "other"})
    assert where() == path_of(charger, "connect")
    connect(charger)
    assert where() == path_of(charger, "plugs")
    plug = Connector.objects.create(charger=charger, connector_id=1, status="Available")
    form = {"connector1-current": "AC", "connector1-max_power_w": "11", "connector1-price_per_kwh": "6,50",
            "connector1-is_enabled": "on", "access": "public"}  # fmt: skip
    assert client.post(path_of(charger, "plugs"), form).url == path_of(charger, "test")
    plug.refresh_from_db()
    assert (plug.max_power_w, plug.price_per_kwh, charger_of(charger).access) == (11_000, 650, "public")
    assert where() == path_of(charger, "test")


def test_it_says_what_is_wrong_with_a_plug(online: Charger, bob: User, client_of):
    form = {"connector1-current": "AC", "connector1-price_per_kwh": "x", "access": "public"}
    answer = client_of(bob).post(path_of(online, "plugs"), form)
    assert answer.status_code == 400
    assert "Write a number" in answer.content.decode()


def ticks(charger: Charger) -> dict[str, str]:
    return {tick["name"]: tick["state"] for tick in onboarding.ticks(charger_of(charger))}


def test_ticks_come_from_facts(charger: Charger, bob: User):
    assert ticks(charger) == {"boot": "now", "status": "next", "start": "next", "stop": "next", "card": "next"}
    plug = Connector.objects.create(charger=charger, connector_id=1)
    registry.set_price(plug, 500)
    connect(charger)
    assert ticks(charger)["start"] == "now"
    asked = commands.request_remote_start(charger_of(charger), plug, user=bob)
    commands.finish(asked.pk, result={"status": "Rejected"})
    assert ticks(charger)["start"] == "failed"
    session = make_session(charger, bob)
    Command.objects.filter(pk=asked.pk).update(session=session)
    assert ticks(charger) == {"boot": "done", "status": "done", "start": "done", "stop": "now", "card": "next"}
    over = {"status": "ended", "closed_by": "stop", "stop_received_at": timezone.now()}
    over["id_tag"] = id_tags.issue(user=bob, uid="04B0B0B0", name="Bob's card")
    ChargingSession.objects.filter(pk=session.pk).update(**over)
    assert set(ticks(charger).values()) == {"done"}


def test_where_a_guest_was_billed_no_test_is_asked_for(online: Charger, connector: Connector, alice: User, bob: User):
    over = {"closed_by": "stop", "ended_at": timezone.now(), "stop_received_at": timezone.now(), "energy_wh": 5000}
    make_session(online, alice, status="ended", **over)
    Connector.objects.update(max_power_w=11_000)
    assert onboarding.following(online) == "test"
    ChargingSession.objects.update(user=bob, status="settled", cost=0, fee=0, settled_at=timezone.now())
    assert onboarding.following(online) == "test"
    ChargingSession.objects.update(user=alice)
    assert onboarding.following(online) == "label"


def test_what_others_do_ticks_nothing(online: Charger, connector: Connector, alice: User, alice_card: IdTag):
    session = make_session(online, alice, id_tag=alice_card, status="ended", closed_by="stop")
    asked = commands.request_remote_start(online, connector, user=alice)
    Command.objects.filter(pk=asked.pk).update(session=session)
    make_session(online, alice, id_tag=alice_card, status="refused", refusal="balance_too_low")
    assert ticks(online) == {"boot": "done", "status": "done", "start": "now", "stop": "next", "card": "next"}


def trial(charger: Charger) -> dict[str, Any]:
    shape = hosts.charger(charger_of(charger))
    return {**shape, "states": [step["state"] for step in shape["steps"] or []]}


def test_a_test_is_shown_step_by_step(online: Charger, connector: Connector, bob: User):
    assert (trial(online)["states"], trial(online)["is_trying"]) == ([], False)
    assert trial(online)["starts"] == [{"number": 1, "text": "Start a test at plug 1"}]
    asked = commands.request_remote_start(online, connector, user=bob)
    assert trial(online)["states"] == ["done", "now", "next", "next"]
    commands.finish(asked.pk, result={"status": "Accepted"})
    shown = trial(online)
    assert (shown["states"], shown["seconds_left"] > 50) == (["done", "done", "now", "next"], True)
    online.connectors.update(status="Preparing")
    assert trial(online)["states"] == ["done", "done", "done", "now"]
    session = make_session(online, bob)
    Command.objects.filter(pk=asked.pk).update(session=session)
    shown = trial(online)
    assert (shown["states"], shown["steps"][3]["text"]) == (["done"] * 4, "Energy flows")
    assert shown["next_text"] == ""
    assert (shown["session_url"], shown["is_trying"], shown["starts"]) == (session.get_absolute_url(), True, [])
    commands.request_remote_stop(session, user=bob)
    assert trial(online)["stop_text"] == "Stop requested: Waiting for the charger"
    ChargingSession.objects.filter(pk=session.pk).update(status="ended")
    assert trial(online)["states"] == []


def test_that_a_session_began_is_not_that_energy_flows(online: Charger, connector: Connector, bob: User):
    asked = commands.request_remote_start(online, connector, user=bob)
    session = make_session(online, bob)
    session.meter_values.all().delete()
    Command.objects.filter(pk=asked.pk).update(session=session)
    assert trial(online)["steps"][3]["text"] == "Charging has begun, waiting for the first reading"
    online.connectors.update(status="Charging")
    assert trial(online)["steps"][3]["text"] == "Energy flows"


def test_a_refused_test_says_why_until_it_is_old(online: Charger, connector: Connector, bob: User, client_of):
    asked = commands.request_remote_start(online, connector, user=bob)
    commands.finish(asked.pk, result={"status": "Rejected"})
    assert "turned the start down" in client_of(bob).get(path_of(online, "test")).content.decode()
    Command.objects.filter(pk=asked.pk).update(created_at=timezone.now() - timedelta(minutes=11))
    assert trial(online)["states"] == []


def test_who_charges_there_is_told_and_not_stopped(online: Charger, alice: User, bob: User, client_of):
    session = make_session(online, alice)
    shown = trial(online)
    assert (shown["is_trying"], shown["starts"], shown["states"]) == (False, [], [])
    assert [it["text"].startswith("Alice has been charging at plug 1 since") for it in shown["strangers"]] == [True]
    page = client_of(bob).get(path_of(online, "test")).content.decode()
    assert re.search(r'value="stop"[^>]* hidden', page)
    client_of(bob).post(path_of(online, "test"), {"what": "stop"})
    assert not session.commands.exists()


def test_a_refused_card_says_why(online: Charger, bob: User):
    make_session(online, None, status="refused", refusal="unknown_card")
    [card] = [tick for tick in onboarding.ticks(online) if tick["name"] == "card"]
    assert card["state"] == "failed"
    assert "A card was refused" in card["more"]


def test_a_refused_phone_is_no_refused_card(online: Charger, bob: User):
    make_session(online, bob, status="refused", refusal="card_disabled", id_tag=id_tags.virtual_tag(bob))
    [card] = [tick for tick in onboarding.ticks(online) if tick["name"] == "card"]
    assert "A card was refused" not in card["more"]


def test_it_starts_and_stops_a_test(online: Charger, connector: Connector, bob: User, client_of):
    client = client_of(bob)
    client.post(path_of(online, "test"), {"what": "1"})
    command = Command.objects.get(action="remote_start")
    assert (command.requested_by, command.connector) == (bob, connector)
    make_session(online, bob, id_tag=id_tags.virtual_tag(bob))
    client.post(path_of(online, "test"), {"what": "stop"})
    assert Command.objects.filter(action="remote_stop").exists()
    client.post(path_of(online, "test"), {"what": "refresh"})
    assert Command.objects.filter(action="refresh").exists()


def test_a_test_at_an_offline_charger_is_refused_in_words(charger: Charger, connector: Connector, bob: User, client_of):
    page = client_of(bob).post(path_of(charger, "test"), {"what": "1"}, follow=True).content.decode()
    assert "This charger is offline" in page


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_its_owners_alone(online: Charger, connector: Connector, bob: User, client_of, step):
    eve = client_of(User.objects.create_user("eve@example.com", name="Eve", role="owner"))
    assert eve.get(path_of(online, step)).status_code == 404
    assert eve.post(path_of(online, step), {"model": "other", "what": "1"}).status_code in (404, 405)
    assert Client().get(path_of(online, step)).url.startswith("/accounts/login/")
    page = client_of(bob).get(path_of(online, step))
    assert page.status_code == 200
    assert 'aria-current="step"' in page.content.decode()


# ------------------------------------------------------------------------------------------------ the catalogue


def test_every_quirk_has_its_sentence_and_every_line_its_name():
    assert set(catalogue.Quirk) == set(onboarding.NOTES)
    asked: dict[str, Any] = {"server_url": "wss://h/ocpp", "identity": "SC1", "password": "P"}
    lines = [*catalogue.lines(**asked), *catalogue.spellings(**asked)]
    assert {line.key for line in lines} == set(onboarding.NAMES)


def test_lines_are_what_wallboxes_ask_for():
    asked: dict[str, Any] = {"server_url": "wss://charge.example:8443/ocpp", "identity": "SC1", "password": "AB"}
    typed = {line.key: line.value for line in [*catalogue.lines(**asked), *catalogue.spellings(**asked)]}
    assert typed == {
        "server": "wss://charge.example:8443/ocpp/", "identity": "SC1", "password": "AB", "user": "SC1",
        "full": "wss://charge.example:8443/ocpp/SC1", "scheme": "wss://", "host": "charge.example", "port": "8443",
        "path": "/ocpp/", "hex": "4142",
    }  # fmt: skip
    plain = catalogue.spellings(server_url="ws://charge.example/ocpp", identity="SC1")
    assert {line.key: line.value for line in plain}["port"] == "80"
    assert "hex" not in {line.key for line in plain}


def test_what_it_says_that_it_is_counts_more(charger: Charger):
    charger.chosen_model, charger.vendor = "keba", "SolaX Power"
    assert onboarding.model_of(charger).key == "solax"
    charger.vendor = "Nobody knows"
    assert onboarding.model_of(charger).key == "keba"
    charger.chosen_model = ""
    assert onboarding.model_of(charger) is catalogue.ANOTHER


def test_makes_that_need_a_limit_are_the_same_in_both_places():
    from chargers import vendors

    marked = {name for model in catalogue.MODELS if catalogue.Quirk.NEEDS_CURRENT_LIMIT in model.quirks
              for name in model.vendors}  # fmt: skip
    assert marked == set(vendors.NEEDS_CURRENT_LIMIT)
