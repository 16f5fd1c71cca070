"""Deleting one's own account: only when nothing is open, and then without a trace of the person."""

from django.test import Client
from django.utils import timezone

from accounts import id_tags, people, tokens, webhooks
from accounts.models import ApiToken, IdTag, User
from billing.models import Entry
from chargers import authorization, departures, registry
from chargers.models import Charger, ChargingSession
from conftest import PASSWORD, make_user


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
