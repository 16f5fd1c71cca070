"""The operator's admin: every page opens for operators only, nothing but photos can be deleted, secrets stay away."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.functional import Promise

from accounts import id_tags, logins, service_keys, tokens, webhooks
from accounts.models import ApiToken, IdTag, Letter, Login, User
from billing import audit, ledger, payouts, units, wallets
from billing.models import Account, Entry, Hold, Payout, TopUp, Transfer
from chargers import claims, commands, live, photos, problems, settlement
from chargers.models import (
    Charger,
    ChargingSession,
    Command,
    ConnectionAttempt,
    Connector,
    Message,
    MeterValue,
    Photo,
    ProblemReport,
    UnmatchedStop,
)
from chargers.problems import Subject
from chargers.tests.test_pictures import encoded, picture
from sharecharge.errors import Refused

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
OURS = [model for model in MODELS if model._meta.app_label in {"accounts", "billing", "chargers"}]


def address(model: type, page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def held(online: Charger, connector: Connector, alice: User) -> ChargingSession:
    """A session whose readings are doubtful."""
    now = timezone.now()
    wallets.hold(alice, reference="session:1", minimum=1, wanted=30_000)
    session = ChargingSession.objects.create(
        charger=online, connector=connector, user=alice, owner=online.owner, id_tag_text="04A1B2C3D4",
        status="ended", closed_by="stop", started_at=now, start_received_at=now, ended_at=now, stop_received_at=now,
        meter_start_wh=0, meter_stop_wh=2_000, tariff=connector.tariff.snapshot(), fee_basis_points=1000,
        review_reasons=["register_jumped"],
    )  # fmt: skip
    MeterValue.objects.create(
        charger=online, connector_id=1, session=session, measured_at=now, received_at=now, raw=[], digest=1
    )
    return session


@pytest.fixture
def everything(held: ChargingSession, alice_card: IdTag, bob: User) -> None:
    """A row of every model."""
    charger, now = held.charger, timezone.now()
    Command.objects.create(charger=charger, action="remote_stop", expires_at=now)
    ConnectionAttempt.objects.create(charger=charger, path="/ocpp/x", outcome="accepted", first_at=now, last_at=now)
    Message.objects.create(charger=charger, direction="in", action="Heartbeat", at=now)
    UnmatchedStop.objects.create(charger=charger, transaction_id="7", received_at=now)
    claims.begin(charger, user=bob)
    photos.add(charger, encoded(picture()), audience=photos.Audience.EVERYBODY, description="The gate")
    problems.report(Subject(charger, session=held), by=held.user, kind=problems.Kind.BILL, text="Too much.")
    Payout.objects.create(user=bob, amount=100, bank_account="1/0100")
    service_keys.give("gateway")
    webhooks.ping(webhooks.create(bob, url="https://hooks.example/", listens_to=["session.started"]))
    tokens.issue(bob, name="Home", scopes=["wallet:read"])
    logins.begin(bob)
    Letter.objects.create(user=bob, kind="receipt", subject_key=held.pk)
    audit.check()


def test_every_model_has_an_admin():
    from django.apps import apps

    ours = [model for app in ("accounts", "billing", "chargers") for model in apps.get_app_config(app).get_models()]
    assert set(ours) <= set(admin.site._registry)


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_it_opens_every_page_for_the_operator(model, oscar: User, alice: User, bob: User, client_of):
    client = client_of(oscar)
    assert client.get(address(model, "changelist")).status_code == 200
    assert client.get(address(model, "changelist"), {"q": "a"}).status_code == 200
    row = model.objects.first()
    assert row is not None
    assert client.get(address(model, "change", row.pk)).status_code == 200
    can_add = admin.site._registry[model].has_add_permission(client.get("/").wsgi_request)
    assert client.get(address(model, "add")).status_code == (200 if can_add else 403)
    is_erased = model is Photo
    assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == (302 if is_erased else 403)
    assert model.objects.filter(pk=row.pk).exists() != is_erased
    for other in (alice, bob):
        assert client_of(other).get(address(model, "changelist")).status_code in (302, 403)
    assert Client().get(address(model, "changelist")).status_code == 302


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_filter_answers(model, oscar: User, client_of):
    client = client_of(oscar)
    model_admin = admin.site._registry[model]
    for item in model_admin.list_filter:
        if isinstance(item, type):
            request = client.get("/").wsgi_request
            for value, _label in item(request, {}, model, model_admin).lookups(request, model_admin):
                assert client.get(address(model, "changelist"), {item.parameter_name: value}).status_code == 200


@pytest.mark.usefixtures("everything")
def test_nobody_is_offered_to_delete(oscar: User, client_of):
    page = client_of(oscar).get(address(User, "changelist"))
    assert b"delete_selected" not in page.content


def test_it_sends_anonymous_visitors_to_our_login(db):
    response = Client().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"


def test_it_does_not_show_passwords_of_chargers(online: Charger, oscar: User, client_of):
    Charger.objects.filter(pk=online.pk).update(next_password_hmac="f00d" * 16)
    online.refresh_from_db()
    page = client_of(oscar).get(address(Charger, "change", online.pk)).content.decode()
    assert online.identity in page
    assert online.password_hmac not in page
    assert online.next_password_hmac not in page


# ------------------------------------------------------------------------------------------------ people


def test_it_adds_a_user_who_can_log_in(oscar: User, client_of):
    password = "a good long passphrase"
    form = {"email": "dora@example.com", "name": "Dora", "role": "user", "usable_password": "true"}
    client_of(oscar).post(address(User, "add"), {**form, "password1": password, "password2": password})
    assert Client().login(username="dora@example.com", password=password)


def test_it_changes_a_password(oscar: User, alice: User, client_of):
    url = reverse("admin:auth_user_password_change", args=[alice.pk])
    assert client_of(oscar).get(url).status_code == 200
    new = "another long passphrase"
    form = {"usable_password": "true", "password1": new, "password2": new}
    assert client_of(oscar).post(url, form).status_code == 302
    assert Client().login(username=alice.email, password=new)


def run_action(client: Client, model: type, action: str, *rows, **extra):
    form = {"action": action, "_selected_action": [row.pk for row in rows], **extra}
    return client.post(address(model, "changelist"), form, follow=True)


def test_it_switches_people_off_but_not_oneself(oscar: User, alice: User, client_of):
    run_action(client_of(oscar), User, "switch_off", alice, oscar, sure="yes")
    alice.refresh_from_db()
    oscar.refresh_from_db()
    assert not alice.is_active
    assert oscar.is_active
    run_action(client_of(oscar), User, "switch_on", alice)
    alice.refresh_from_db()
    assert alice.is_active


def test_it_deletes_a_card_softly(oscar: User, alice_card: IdTag, client_of):
    run_action(client_of(oscar), IdTag, "delete_softly", alice_card)
    alice_card.refresh_from_db()
    assert alice_card.deleted_at
    assert client_of(oscar).get(address(IdTag, "change", alice_card.pk)).status_code == 200


def test_it_refuses_a_second_card_with_the_same_number(oscar: User, charlie: User, alice_card: IdTag, client_of):
    response = client_of(oscar).post(address(IdTag, "add"), {"user": charlie.pk, "uid": "04:a1:b2:c3:d4"})
    assert response.status_code == 200
    assert "Another living card" in response.content.decode()
    assert id_tags.find("04A1B2C3D4") == alice_card


# ------------------------------------------------------------------------------------------------ money


def test_the_ledger_is_read_only(oscar: User, alice: User, client_of):
    for model in (Account, Transfer, Entry, TopUp, Hold):
        model_admin = admin.site._registry[model]
        request = client_of(oscar).get("/").wsgi_request
        assert not model_admin.has_change_permission(request)
        assert not model_admin.has_add_permission(request)
    account = Account.objects.get(user=alice, kind="wallet")
    response = client_of(oscar).post(address(Account, "change", account.pk), {"balance": "1"})
    assert response.status_code == 403


def test_it_reverses_a_transfer_after_asking(oscar: User, alice: User, client_of):
    transfer = Transfer.objects.get()
    page = run_action(client_of(oscar), Transfer, "reverse", transfer)
    assert "Reverse transfers" in page.content.decode()
    assert wallets.wallet_of(alice).balance == 100_000
    run_action(client_of(oscar), Transfer, "reverse", transfer, reason="paid twice")
    assert wallets.wallet_of(alice).balance == 0
    reversal = Transfer.objects.first()
    assert (reversal.kind, reversal.created_by, reversal.description) == ("reversal", oscar, "paid twice")
    again = run_action(client_of(oscar), Transfer, "reverse", transfer, reason="again")
    assert "was already reversed" in again.content.decode()
    assert Transfer.objects.count() == 2
    assert ledger.breaches() == []


def test_it_says_when_a_wallet_does_not_cover_a_reversal(oscar: User, alice: User, client_of):
    wallets.hold(alice, reference="session:9", minimum=1, wanted=30_000)
    page = run_action(client_of(oscar), Transfer, "reverse", Transfer.objects.get(), reason="oops")
    assert "no longer covers" in page.content.decode()
    assert wallets.wallet_of(alice).balance == 100_000


# ------------------------------------------------------------------------------------------------ fleet


def test_it_releases_a_held_session(oscar: User, held: ChargingSession, client_of: Callable[[User], Client]):
    listed = client_of(oscar).get(address(ChargingSession, "changelist"), {"attention": "held"})
    assert f">{held.pk}<" in listed.content.decode()
    asked = run_action(client_of(oscar), ChargingSession, "release", held).content.decode()
    most = settlement.assess(held).believable_wh
    for text in (units.kwh(2_000), units.kwh(most), str(held.user), "more than this plug"):
        assert text in asked
    held.refresh_from_db()
    assert held.is_held
    run_action(client_of(oscar), ChargingSession, "release", held, sure="yes", **{f"energy_wh_{held.pk}": "2000"})
    held.refresh_from_db()
    assert (held.status, held.cost, held.reviewed_by) == ("settled", 1000, oscar)
    page = run_action(client_of(oscar), ChargingSession, "release", held)
    assert "does not wait for a check" in page.content.decode()


def test_times_are_in_the_shown_zone(oscar: User, online: Charger, client_of):
    at = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)
    message = Message.objects.create(charger=online, direction="in", action="Heartbeat", at=at)
    shown = f"{timezone.localtime(at):%H:%M:%S}"
    assert f"{shown} Heartbeat" in client_of(oscar).get(address(Message, "change", message.pk)).content.decode()
    value = MeterValue(measured_at=at, energy_wh=5)
    assert str(value) == f"{shown} 5 Wh"


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_shown_column_has_a_name_of_ours(model):
    model_admin = admin.site._registry[model]
    names = {name for name in model_admin.list_display if isinstance(name, str)}
    for field in model._meta.fields:
        if field.name in names - {"id"} or field.is_relation:
            assert isinstance(field.verbose_name, Promise), field.name


def test_it_says_in_plain_words_what_a_charger_told(oscar: User, held: ChargingSession, client_of):
    charger, client = held.charger, client_of(oscar)
    told = {"status": "SuspendedEV", "error_code": "HighTemperature"}
    charger.connectors.update(**told)
    Charger.objects.update(**told, firmware_status="Installing", diagnostics_status="Uploaded")
    ChargingSession.objects.update(stop_reason="EVDisconnected")
    UnmatchedStop.objects.create(
        charger=charger, transaction_id="7", received_at=timezone.now(), stop_reason="PowerLoss"
    )
    Command.objects.create(
        charger=charger, action="unlock", expires_at=timezone.now(), answered_at=timezone.now(),
        result={"status": "UnlockFailed"},
    )  # fmt: skip
    connector = held.connector
    assert connector is not None
    state, fault = "the car takes nothing at the moment (SuspendedEV)", "it is too hot inside (HighTemperature)"
    for page, words in (
        (address(Connector, "changelist"), [state]),
        (address(Connector, "change", connector.pk), [state, fault]),
        (address(Charger, "change", charger.pk), [state, fault, "is being installed (Installing)", "sent (Uploaded)"]),
        (address(ChargingSession, "change", held.pk), ["the car was unplugged (EVDisconnected)"]),
        (address(UnmatchedStop, "changelist"), ["the power failed (PowerLoss)"]),
        (address(Command, "changelist"), ["The charger turned it down", "the plug did not let go (UnlockFailed)"]),
    ):
        text = client.get(page).content.decode()
        assert [it for it in words if it not in text] == [], page


def test_the_list_of_sessions_is_narrow(oscar: User, held: ChargingSession, client_of):
    at = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    ChargingSession.objects.update(start_received_at=at)
    page = client_of(oscar).get(address(ChargingSession, "changelist")).content.decode()
    assert "held for review</td>" in page
    assert formats.date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT") in page
    assert page.count('class="column-') + page.count(" column-") <= 8


def test_it_asks_a_charger_to_stop(oscar: User, held: ChargingSession, client_of):
    ChargingSession.objects.filter(pk=held.pk).update(status="running", review_reasons=[], stop_received_at=None)
    run_action(client_of(oscar), ChargingSession, "stop_remotely", held)
    assert held.commands.get().action == commands.Action.REMOTE_STOP


def test_it_reads_a_configuration(oscar: User, online: Charger, client_of):
    run_action(client_of(oscar), Charger, "read_configuration", online)
    assert online.commands.get().requested_by == oscar


def test_it_blurs_a_moved_charger_anew(oscar: User, online: Charger, client_of):
    form = {
        "name": "Moved", "access": "public", "is_sharing": "on", "is_enabled": "on", "street": "", "house_number": "",
        "city": "Brno", "postal_code": "", "region": "", "latitude": "49.2", "longitude": "16.6",
        "registration": "accepted", "connectors-TOTAL_FORMS": "0", "connectors-INITIAL_FORMS": "0",
    }  # fmt: skip
    response = client_of(oscar).post(address(Charger, "change", online.pk), form)
    assert response.status_code == 302
    mark = online.connection_mark
    online.refresh_from_db()
    assert (online.name, online.latitude, online.connection_mark) == ("Moved", 49.2, mark)
    assert abs(online.public_latitude - 49.2) < 0.01
    assert (online.public_latitude, online.public_longitude) != (49.2, 16.6)


def test_a_charger_that_it_makes_private_leaves_open_maps_and_its_photos_move(
    oscar: User, online: Charger, client_of, monkeypatch
):
    photo = photos.add(online, encoded(picture()), audience=photos.Audience.EVERYBODY, description="The gate")
    told: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(live, "_send_on_commit", told.extend)
    form = {
        "name": online.name, "access": "private", "is_sharing": "on", "is_enabled": "on", "street": online.street,
        "house_number": online.house_number, "city": online.city, "postal_code": online.postal_code, "region": "",
        "latitude": online.latitude, "longitude": online.longitude, "registration": "accepted",
        "allows_no_subprotocol": "on", "connectors-TOTAL_FORMS": "0", "connectors-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert client_of(oscar).post(address(Charger, "change", online.pk), form).status_code == 302
    online.refresh_from_db()
    assert (online.access, online.allows_no_subprotocol) == ("private", True)
    assert {event.get("was_public") for group, event in told if group == live.MAP_GROUP} == {True, False}
    assert client_of(oscar).get(photo.url).status_code == 404


def test_a_plug_that_it_changes_is_told_to_open_maps(oscar: User, connector: Connector, client_of, monkeypatch):
    told: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(live, "_send_on_commit", told.extend)
    page = address(Connector, "change", connector.pk)
    assert client_of(oscar).post(page, {"type": "CCS", "current": "DC", "max_power_w": "50000"}).status_code == 302
    assert live.MAP_GROUP in {group for group, _event in told}


def test_it_refuses_to_delete_a_charger_in_use(oscar: User, held: ChargingSession, client_of):
    ChargingSession.objects.filter(pk=held.pk).update(status="running", review_reasons=[])
    page = run_action(client_of(oscar), Charger, "delete_softly", held.charger, sure="yes")
    assert "A car is charging here" in page.content.decode()
    assert Charger.objects.live().filter(pk=held.charger_id).exists()


def test_problems_are_answered_on_their_page_and_closed_by_an_action(everything, oscar: User, client_of):
    problem = ProblemReport.objects.get()
    client, page = client_of(oscar), address(ProblemReport, "change", problem.pk)
    assert b"This field is required" in client.post(page, {"answer": ""}).content
    assert client.post(page, {"answer": "You get it back.", "text": "changed", "kind": "other"}).status_code == 302
    problem.refresh_from_db()
    assert (problem.answer, problem.answered_by, problem.text) == ("You get it back.", oscar, "Too much.")
    run_action(client, ProblemReport, "close", problem)
    problem.refresh_from_db()
    assert problem.status == "closed"
    late = client.post(page, {"answer": "It comes on Friday."}).content.decode()
    assert "This report is closed, so the answer was not saved." in late
    assert "It comes on Friday.</textarea>" in late
    problem.refresh_from_db()
    assert problem.answer == "You get it back."


def test_an_answer_that_nobody_has_changed_stays_its_authors(everything, oscar: User, bob: User, client_of):
    problem = ProblemReport.objects.get()
    before = problems.answer(problem, by=bob, text="You get it back.\nOn Friday.")
    written = Letter.objects.count()
    page = address(ProblemReport, "change", problem.pk)
    assert client_of(oscar).post(page, {"answer": "You get it back.\r\nOn Friday."}).status_code == 302
    problem.refresh_from_db()
    assert (problem.answered_by, problem.answered_at) == (bob, before.answered_at)
    assert Letter.objects.count() == written


def test_an_operator_ends_logins_and_revokes_tokens(oscar: User, bob: User, client_of):
    _token, text = tokens.issue(bob, name="Home", scopes=["wallet:read"])
    login = logins.begin(bob)
    for model, action in ((ApiToken, "revoke"), (Login, "end")):
        chosen = {"action": action, "_selected_action": [model.objects.get().pk]}
        assert client_of(oscar).post(address(model, "changelist"), chosen).status_code == 302
    assert tokens.find(text) is None
    with pytest.raises(Refused):
        logins.refresh(login.refresh_token)


@pytest.mark.usefixtures("everything")
def test_the_pages_of_tokens_tell_no_digest(oscar: User, client_of):
    token, login = ApiToken.objects.get(), Login.objects.get()
    page = client_of(oscar).get(address(ApiToken, "change", token.pk)).content.decode()
    assert token.digest not in page
    assert login.token_id not in client_of(oscar).get(address(Login, "change", login.pk)).content.decode()


def test_an_operator_decides_about_payouts(oscar: User, alice: User, client_of):
    sent, refused = (
        payouts.request(alice, amount=100, bank_account="123457/0100", idempotency_key=key) for key in ("one", "two")
    )
    operator, page = client_of(oscar), address(Payout, "changelist")
    operator.post(page, {"action": "pay", "sure": "yes", "_selected_action": [sent.pk]})
    asked = operator.post(page, {"action": "refuse", "_selected_action": [refused.pk]})
    assert "123457/0100" in asked.content.decode()
    operator.post(page, {"action": "refuse", "_selected_action": [refused.pk], "reason": "no such account"})
    told = Payout.objects.order_by("pk").values_list("status", "decided_by", "reason")
    assert list(told) == [("paid", oscar.pk, ""), ("refused", oscar.pk, "no such account")]
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=99_900, held=0, owed=0)


def test_a_payout_that_cannot_be_paid_is_told_with_the_reason(oscar: User, alice: User, client_of):
    Payout.objects.create(user=alice, amount=100, bank_account="1/0100")
    chosen = {"action": "pay", "sure": "yes", "_selected_action": [Payout.objects.get().pk]}
    page = client_of(oscar).post(address(Payout, "changelist"), chosen, follow=True)
    assert "The money for this payout is not on hold." in page.content.decode()


# ------------------------------------------------------------------------------------------------ the first page


def tiles(client: Client) -> dict[str, tuple[object, str]]:
    groups = client.get("/admin/").context["groups"]
    return {tile["name"]: (tile["value"], tile["state"]) for group in groups for tile in group["tiles"]}


def test_the_first_page_says_that_all_is_well(db: None, oscar: User, client_of):
    found = tiles(client_of(oscar))
    assert {state for _value, state in found.values()} == {"good"}
    assert found["the ledger"] == ("not checked yet", "good")


def test_the_first_page_counts_what_waits_for_somebody(everything: None, oscar: User, bob: User, client_of):
    now = timezone.now()
    charger = Charger.objects.get()
    ConnectionAttempt.objects.create(charger=charger, path="/x", outcome="wrong_password", first_at=now, last_at=now)
    Command.objects.create(charger=charger, action="reset", expires_at=now, answered_at=now, error="no_answer")
    Payout.objects.create(user=bob, amount=12_300, bank_account="1/0100")
    audit.check()
    found = tiles(client_of(oscar))
    assert found["held for review"] == (1, "look")
    assert found["failed commands"] == (1, "look")
    assert found["refused attempts"][0] == 1
    assert found["payouts to be sent"][1] == "look"
    assert found["open problem reports"] == (ProblemReport.objects.open().count(), "look")
    assert found["the ledger"] == ("adds up", "good")


def test_every_number_leads_to_its_list(everything: None, oscar: User, client_of):
    client = client_of(oscar)
    for group in client.get("/admin/").context["groups"]:
        for tile in group["tiles"]:
            page = client.get(tile["url"])
            assert page.status_code == 200, tile
            assert "e=1" not in tile["url"]
            if isinstance(tile["value"], int) and tile["name"] not in {"messages a minute", "payouts to be sent"}:
                assert len(page.context["cl"].result_list) >= min(tile["value"], 1), tile


def test_a_charger_leads_to_its_lists(held: ChargingSession, oscar: User, client_of):
    client = client_of(oscar)
    page = client.get(address(Charger, "change", held.charger_id)).content.decode()
    link = f"{address(ChargingSession, 'changelist')}?charger__id__exact={held.charger_id}"
    assert f'href="{link}"' in page
    [row] = client.get(link).context["cl"].result_list
    assert row == held
