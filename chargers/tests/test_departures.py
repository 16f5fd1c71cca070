"""Deleting one's own account: only when nothing is open, and then without a trace of the person."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import id_tags, people, tokens, webhooks
from accounts.models import ApiToken, IdTag, User
from billing import ledger, wallets
from billing.models import Account, Entry, TopUp, Transfer
from chargers import authorization, board, departures, registry
from chargers.models import Charger, ChargingSession
from conftest import PASSWORD, make_user
from sharecharge.errors import Refused


def session_of(user: User, charger: Charger, *, status: str) -> ChargingSession:
    now = timezone.now()
    bill = {"cost": 0, "fee": 0, "energy_wh": 0} if status == "settled" else {}
    return ChargingSession.objects.create(
        charger=charger, user=user, owner=charger.owner, status=status, started_at=now, start_received_at=now, **bill
    )


def test_a_new_person_may_leave(db):
    assert departures.obstacles(make_user("Dora")) == []


def test_money_in_the_wallet_is_not_lost(alice: User):
    [sentence] = departures.obstacles(alice)
    assert "1,000.00" in sentence


def top_up_of(user: User, **fields: Any) -> TopUp:
    fields = {"amount": 25_000, "provider": "stripe", "provider_reference": "cs_1", "idempotency_key": "k", **fields}
    return TopUp.objects.create(user=user, **fields)


def test_a_payment_that_may_still_arrive_has_to_end_first(db):
    dora = make_user("Dora")
    payment = top_up_of(dora)
    [sentence] = departures.obstacles(dora)
    assert "You have begun to pay 250.00" in sentence
    with pytest.raises(Refused, match="begun to pay"):
        departures.leave(dora)
    wallets.expect_top_up(payment)
    [sentence] = departures.obstacles(dora)
    assert "is on its way from your bank" in sentence
    wallets.finish_top_up(payment, paid=False, provider_reference="cs_1")
    assert departures.obstacles(dora) == []


@pytest.mark.parametrize("fields", [{"provider_reference": ""}, {"created_at": timezone.now() - timedelta(days=31)}])
def test_a_payment_that_nobody_asks_about_is_in_nobodys_way(db, fields):
    dora = make_user("Dora")
    top_up_of(dora, **fields)
    assert departures.obstacles(dora) == []


def test_operators_see_money_that_came_after_its_person_had_left(db, oscar, client_of, caplog):
    dora = make_user("Dora")
    payment = top_up_of(dora, created_at=timezone.now() - timedelta(days=31))
    departures.leave(dora)
    [quiet] = [tile for group in board.groups() for tile in group["tiles"] if "state=nobody" in tile["url"]]
    wallets.finish_top_up(payment, paid=True, provider_reference="cs_1")
    assert "after its account was deleted" in caplog.text
    [tile] = [tile for group in board.groups() for tile in group["tiles"] if "state=nobody" in tile["url"]]
    assert (quiet["value"], quiet["state"], tile["value"], tile["state"]) == (0, "good", 1, "look")
    assert "250.00" in tile["more"]
    listed = client_of(oscar).get(tile["url"]).context["cl"].result_list
    assert [row.user for row in listed] == [dora]
    ledger.reverse(Transfer.objects.get(), reason="refunded at the bank", by=oscar)
    assert not Account.objects.of_nobody().exists()


def test_an_open_session_keeps_both_sides(charger: Charger, bob: User):
    dora = make_user("Dora")
    session_of(dora, charger, status="running")
    assert len(departures.obstacles(dora)) == 1
    assert len(departures.obstacles(bob)) == 2  # and his charger


def test_an_owner_deletes_the_chargers_first(charger: Charger, bob: User):
    assert departures.obstacles(bob) != []
    registry.delete(charger)
    assert departures.obstacles(bob) == []


def test_what_is_left_tells_of_nobody(online: Charger):
    dora = make_user("Dora")
    card = id_tags.issue(user=dora, uid="04D0RA00", name="Dora's card")
    session = session_of(dora, online, status="settled")
    people.become_owner(dora)
    webhook = webhooks.create(dora, url="https://hooks.example/", listens_to=["session.started"])
    tokens.issue(dora, name="Dora's home", scopes=["wallet:read"])
    departures.leave(dora)
    webhook.refresh_from_db()
    assert webhook.deleted_at is not None
    assert not ApiToken.objects.exists()
    dora.refresh_from_db()
    session.refresh_from_db()
    assert (dora.is_active, dora.has_usable_password(), "dora" in f"{dora.name}{dora.email}".lower()) == (False,) * 3
    assert session.user == dora
    assert not IdTag.objects.live().filter(user=dora).exists()
    assert authorization.check(online, card.uid).reason == authorization.Reason.CARD_DELETED


def test_the_page_asks_for_the_password_and_logs_out(db, client_of):
    dora = make_user("Dora")
    dora.set_password(PASSWORD)
    dora.save()
    browser = client_of(dora)
    refused = browser.post("/profile/delete/", {"password": "wrong"})
    assert refused.status_code == 400
    assert "This is not your password" in refused.content.decode()
    assert browser.post("/profile/delete/", {"password": PASSWORD}).url == "/"
    assert browser.get("/profile/").status_code == 302
    assert not Client().login(username=dora.email, password=PASSWORD)


def test_the_page_tells_what_is_in_the_way(alice: User, client_of):
    alice.set_password(PASSWORD)
    alice.save()
    browser = client_of(alice)
    page = browser.get("/profile/delete/").content.decode()
    assert "1,000.00" in page
    assert 'type="password"' not in page
    entries = Entry.objects.count()
    assert browser.post("/profile/delete/", {"password": PASSWORD}).status_code == 400
    alice.refresh_from_db()
    assert (alice.is_active, Entry.objects.count()) == (True, entries)


def test_a_name_can_be_changed(alice: User, client_of):
    assert client_of(alice).post("/profile/", {"name": " Alenka "}).url == "/profile/"
    alice.refresh_from_db()
    assert alice.name == "Alenka"
    people.rename(alice, name="Alice")
    assert str(alice) == "Alice"
