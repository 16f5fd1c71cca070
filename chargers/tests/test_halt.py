"""While the ledger is broken nothing is billed; cars charge, facts are kept, and later all is billed, once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import id_tags
from accounts.models import IdTag, User
from billing import audit, ledger, units, wallets
from billing.models import Account, Transfer
from chargers import clock, sessions, settlement, sweeper
from chargers.models import Charger, ChargingSession
from chargers.tests.test_session_pages import page_of
from chargers.tests.test_sessions import measure, start, stop
from sharecharge.errors import Refused

Status = ChargingSession.Status


@pytest.fixture
def wallet(alice: User) -> Account:
    return Account.objects.get(user=alice, kind=Account.Kind.WALLET)


def break_it(wallet: Account) -> None:
    Account.objects.filter(pk=wallet.pk).update(balance=Account.objects.get(pk=wallet.pk).balance + 7)
    assert audit.check().breaches


def mend(wallet: Account, oscar: User) -> None:
    wallet.refresh_from_db()
    Account.objects.filter(pk=wallet.pk).update(balance=wallet.balance - 7)
    assert audit.clear(by=oscar).breaches == []


def test_everything_is_billed_once_afterwards(online: Charger, alice_card: IdTag, alice, wallet, bob, oscar):
    running = start(online).session
    break_it(wallet)
    # A car goes on, is measured, and stops; another one starts and stops.
    measure(running, 3_000, 20)
    first = stop(online, running.pk)
    second = stop(online, start(online, meter=6_000, minutes=61).session.pk, meter=8_000, minutes=90)
    assert (first.status, second.status) == (Status.ENDED, Status.ENDED)
    assert (first.meter_stop_wh, first.stop_received_at is not None) == (6_000, True)
    assert "sessions billed late" not in sweeper.sweep()
    assert not Transfer.objects.filter(kind=Transfer.Kind.SESSION).exists()
    assert wallets.wallet_of(alice).held > 0  # still reserved for the bills

    mend(wallet, oscar)
    assert [sweeper.sweep().get("sessions billed late", 0) for _round in range(2)] == [2, 0]
    assert [row.cost for row in ChargingSession.objects.order_by("pk")] == [2_500, 1_000]
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=96_500, held=0, owed=0)
    assert wallets.wallet_of(bob).balance == 3_150
    assert Transfer.objects.filter(kind=Transfer.Kind.SESSION).count() == 2
    assert ledger.breaches() == []


def late_stop(charger: Charger, session: ChargingSession, *, meter: int) -> ChargingSession | None:
    """After the silence, by our clock of now."""
    now = timezone.now()
    return sessions.stop(
        charger, transaction_id=session.pk, transaction_text="", id_tag_text="", meter_stop_wh=meter, reason="Local",
        moment=clock.read((now - timedelta(hours=1)).isoformat(), received_at=now), received_at=now,
    )  # fmt: skip


@pytest.mark.parametrize(("meter", "corrections", "cost"), [(6_000, 1, 2_500), (3_000, 0, 1_000)])
def test_a_correction_waits_too(online: Charger, alice_card: IdTag, wallet, oscar, meter, corrections, cost):
    session = start(online).session
    measure(session, 3_000, 20)
    sessions.close(session, by=oscar)
    break_it(wallet)
    assert late_stop(online, session, meter=meter).corrections == 0
    assert settlement.settle_unsettled() == 0
    mend(wallet, oscar)
    assert settlement.settle_unsettled() == corrections
    assert settlement.settle_unsettled() == 0
    session.refresh_from_db()
    assert (session.corrections, session.cost, session.status) == (corrections, cost, Status.SETTLED)
    assert not ChargingSession.objects.unsettled().exists()


def test_a_correction_that_failed_is_made_by_the_sweep(online: Charger, alice_card: IdTag, oscar, monkeypatch):
    session = start(online).session
    measure(session, 3_000, 20)
    sessions.close(session, by=oscar)
    with monkeypatch.context() as broken:
        broken.setattr(settlement, "settle", lambda key: 1 / 0)
        late_stop(online, session, meter=6_000)
    assert sweeper.sweep()["sessions billed late"] == 1
    session.refresh_from_db()
    assert (session.corrections, session.cost) == (1, 2_500)


def test_a_held_session_is_not_released(online: Charger, alice_card: IdTag, wallet, bob, oscar):
    session = stop(online, start(online).session.pk, meter=900_000)
    assert session.is_held
    break_it(wallet)
    for by in (bob, oscar):
        with pytest.raises(Refused, match="checking our books"):
            settlement.release(session, by=by, energy_wh=5_000)
    session.refresh_from_db()
    assert session.is_held
    mend(wallet, oscar)
    settlement.release(session, by=bob, energy_wh=5_000)
    session.refresh_from_db()
    assert (session.status, session.cost) == (Status.SETTLED, 2_500)


def test_a_phone_starts_and_stops_as_always(online: Charger, alice: User, wallet, client_of):
    break_it(wallet)
    response = client_of(alice).post(f"/c/{online.code}/start/1/")
    assert response.url.startswith("/commands/")
    session = start(online, tag=id_tags.virtual_tag(alice).uid).session
    assert session.status == Status.RUNNING
    client_of(alice).post(f"/sessions/{session.pk}/stop/")
    assert session.commands.filter(action="remote_stop").exists()


def test_pages_say_that_the_bill_comes_later(online: Charger, alice_card: IdTag, wallet, alice, bob, oscar, client_of):
    break_it(wallet)
    session = stop(online, start(online).session.pk)
    for user in (alice, bob):
        assert "Your bill will be made later" in page_of(client_of(user), session)
    assert "Your bill will be made later" in client_of(alice).get("/sessions/").content.decode()
    assert "bills will be made later" in client_of(alice).get("/wallet/").content.decode()
    assert "contradicts itself" not in client_of(alice).get("/wallet/").content.decode()
    for path in ("/wallet/", "/admin/", "/admin/billing/transfer/"):
        assert "The ledger contradicts itself" in client_of(oscar).get(path).content.decode()
    mend(wallet, oscar)
    sweeper.sweep()
    assert units.money(2_500) in page_of(client_of(alice), session)
    assert "contradicts itself" not in client_of(oscar).get("/admin/").content.decode()


def test_an_operator_checks_and_clears(wallet: Account, oscar: User, client_of):
    break_it(wallet)
    client, path = client_of(oscar), "/admin/billing/ledgercheck/"
    listed = client.get(path, {"result": "standing"})
    assert "1 breach" in listed.content.decode()
    form = {"action": "check_and_clear", "_selected_action": [listed.context["cl"].result_list[0].pk]}
    page = client.post(path, form, follow=True).content.decode()
    assert "Bills stay stopped" in page
    assert f"Account {wallet.pk} (wallet · Alice): balance 100007, entries 100000." in page
    wallet.refresh_from_db()
    Account.objects.filter(pk=wallet.pk).update(balance=wallet.balance - 7)
    page = client.post(path, form, follow=True).content.decode()
    assert "Bills are made again" in page
    assert "contradicts itself" not in page
    assert not audit.is_halted()
