"""Receipts and statements as PDF: what the page says, as text that can be read back, in both languages."""

import html
import io
import re
from datetime import UTC, date, datetime, timedelta

import pypdf
import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing import ledger, wallets
from billing.models import Transfer
from chargers import settlement, statistics
from chargers.models import Charger, ChargingSession
from chargers.statistics import Span
from chargers.tests.test_session_pages import make_session

CZECH = {"Accept-Language": "cs"}


def billed(charger: Charger, user: User, *, energy_wh: int = 5_500, at: datetime | None = None) -> ChargingSession:
    """Begins `at` that moment, which is now, and takes half a day."""
    begin = at or timezone.now()
    end = begin + timedelta(hours=12)
    session = make_session(
        charger, user, status="ended", closed_by="stop", ended_at=end, stop_received_at=end,
        meter_stop_wh=1_000 + energy_wh,
    )  # fmt: skip
    session.meter_values.all().delete()
    ChargingSession.objects.filter(pk=session.pk).update(started_at=begin, start_received_at=begin)
    settlement.settle(session.pk)
    session.refresh_from_db()
    return session


class Words(str):
    """A text in which phrases are looked for without their blanks: what is apart on paper is apart by place."""

    def __contains__(self, phrase: object) -> bool:
        return "".join(str(phrase).split()) in "".join(self.split())


def words(document: bytes) -> Words:
    pages = pypdf.PdfReader(io.BytesIO(document)).pages
    return Words(" ".join(page.extract_text() for page in pages))


def flat(page: str) -> Words:
    return Words(html.unescape(re.sub(r"<[^>]*>", " ", page)))


def path_of(session: ChargingSession) -> str:
    return reverse("session_receipt", args=[session.pk])


def month_path(month: str) -> str:
    return f"{reverse('statement')}?month={month}"


def month_of(session: ChargingSession) -> str:
    """The statement that it belongs to: an hour ago may have been another month."""
    return month_path(f"{timezone.localdate(session.start_received_at):%Y-%m}")


# ------------------------------------------------------------------------------------------------ receipts

SAID = {
    "en": ("Receipt", "Owner of the charger Bob", "Driver Alice",
           "Bob's garage, Tichá 1234, 570 01 Litomyšl", "Meter at the start 1.000 kWh", "6.500 kWh",
           "Energy 5.500 kWh 5.00 Kč 27.50 Kč", "Paid 27.50 Kč", "Free to use in the wallet 972.50 Kč"),
    "cs": ("Účtenka", "Majitel nabíječky Bob", "Řidič Alice",
           "Bob's garage, Tichá 1234, 570 01 Litomyšl", "1,000 kWh", "6,500 kWh",
           "5,500 kWh 5,00 Kč 27,50 Kč", "Zaplaceno 27,50 Kč", "K dispozici v peněžence 972,50 Kč"),
}  # fmt: skip


@pytest.mark.parametrize("language", SAID)
def test_a_driver_keeps_the_receipt(online: Charger, alice: User, client_of, language: str):
    session = billed(online, alice)
    response = client_of(alice).get(path_of(session), headers={"Accept-Language": language})
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == f'attachment; filename="sharecharge-{session.pk}.pdf"'
    assert response.headers["Cache-Control"] == "private, no-store"
    text = words(response.content)
    for said in SAID[language]:
        assert said in text
    assert "Platform" not in text
    info = pypdf.PdfReader(io.BytesIO(response.content))
    assert info.metadata.title == SAID[language][0]
    assert str(info.root_object["/Lang"]) == language


@pytest.mark.parametrize("who", ["alice", "bob", "oscar"])
@pytest.mark.parametrize("language", ["en", "cs"])
def test_it_says_what_the_page_says(online: Charger, client_of, request, alice: User, who: str, language: str):
    session = billed(online, alice)
    ledger.reverse(Transfer.objects.get(reference=session.reference), reason="a test", by=alice)
    client = client_of(request.getfixturevalue(who))
    page = client.get(session.get_absolute_url(), headers={"Accept-Language": language})
    text = words(client.get(path_of(session), headers={"Accept-Language": language}).content)
    receipt, shown = page.context["receipt"], flat(page.content.decode())
    assert [value for _name, value in receipt.facts[:3]] == [str(session.pk), "Bob", "Alice"]
    assert path_of(session) in page.content.decode()
    assert len(receipt.sums) == {"alice": 3, "bob": 5, "oscar": 5}[who]
    for pair in [*receipt.facts, *((line.name, line.amount_text) for line in receipt.sums)]:
        assert " ".join(pair) in text
        assert " ".join(pair) in shown
    for part in receipt.parts:
        assert part["amount_text"] in text


def test_it_tells_free_money_from_the_balance_as_the_wallet_does(online: Charger, alice: User, client_of):
    session = billed(online, alice)
    wallets.hold(alice, reference="payout:1", minimum=1, wanted=20_000)
    client = client_of(alice)
    receipt = words(client.get(path_of(session)).content)
    wallet = flat(client.get("/wallet/").content.decode())
    before_a_start = flat(client.get(online.get_absolute_url()).content.decode())
    assert "Free to use in the wallet 772.50 Kč" in receipt
    assert "Free to use 772.50 Kč On hold 200.00 Kč Balance 972.50 Kč" in wallet
    assert "Free to use: 772.50 Kč (200.00 Kč on hold)" in before_a_start


def test_times_are_local(online: Charger, alice: User, client_of):
    session = billed(online, alice, at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC))
    assert "02.07.2026 0:30" in words(client_of(alice).get(path_of(session), headers=CZECH).content)


def test_what_is_owed_is_said(online: Charger, charlie: User, client_of):
    session = billed(online, charlie, energy_wh=120_000)
    text = words(client_of(charlie).get(path_of(session)).content)
    assert "Billed 600.00 Kč" in text
    assert "Owed: 100.00 Kč" in text


def test_it_is_for_whom_the_page_is_for(online: Charger, alice: User, charlie: User, client_of):
    session = billed(online, alice)
    assert client_of(charlie).get(path_of(session)).status_code == 404
    assert Client().get(path_of(session)).url.startswith("/accounts/login/")


def test_there_is_none_before_the_bill(online: Charger, alice: User, client_of):
    session = make_session(online, alice)
    response = client_of(alice).get(path_of(session))
    assert response.status_code == 409
    assert "nothing has been billed" in response.content.decode()
    assert path_of(session) not in client_of(alice).get(session.get_absolute_url()).content.decode()


def test_letters_from_elsewhere_do_not_break_it(online: Charger, alice: User, client_of):
    Charger.objects.update(name="Łódź Đà Nẵng Αθήνα Киев 東京 🚗")
    text = words(client_of(alice).get(path_of(billed(online, alice))).content)
    assert "Łódź Đà Nẵng Αθήνα Киев" in text


def test_programs_get_the_same(online: Charger, alice: User, client_of):
    session = billed(online, alice)
    for accept in ("application/pdf", "application/json", "*/*"):
        response = client_of(alice).get(f"/api/v1/sessions/{session.pk}/receipt.pdf", headers={"Accept": accept})
        assert response.headers["Content-Type"] == "application/pdf"
        assert "Paid 27.50 Kč" in words(response.content)
    running = make_session(online, alice)
    refused = client_of(alice).get(f"/api/v1/sessions/{running.pk}/receipt.pdf")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_billed")


# ------------------------------------------------------------------------------------------------ statements


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("Earnings in October 2026", "Earned 67.50 Kč", "Paid by drivers 75.00 Kč", "Platform fee 7.50 Kč")),
        ("cs", ("říjen 2026", "67,50 Kč", "75,00 Kč", "7,50 Kč")),
    ],
)
@time_machine.travel(datetime(2026, 11, 20, tzinfo=UTC), tick=False)
def test_a_month_of_an_owner(online: Charger, alice: User, bob: User, client_of, language: str, said: tuple[str, ...]):
    for day, energy_wh in ((1, 5_000), (31, 10_000)):
        billed(online, alice, energy_wh=energy_wh, at=datetime(2026, 10, day, 12, tzinfo=UTC))
    billed(online, alice, at=datetime(2026, 10, 31, 23, 30, tzinfo=UTC))  # November in Prague
    make_session(online, alice)  # runs in November
    response = client_of(bob).get(month_path("2026-10"), headers={"Accept-Language": language})
    assert response.headers["Content-Disposition"] == 'attachment; filename="sharecharge-2026-10.pdf"'
    text = words(response.content)
    for words_of_it in said:
        assert words_of_it in text
    assert text.count("Bob's garage") == 2
    [month] = statistics.course(
        ChargingSession.objects.hosted_by(bob), Span(date(2026, 10, 1), date(2026, 10, 1), "month")
    )
    assert month.totals.income == 6_750


def test_what_was_taken_back_is_taken_off(online: Charger, alice: User, bob: User, client_of):
    session, _other = billed(online, alice), billed(online, alice)
    ledger.reverse(Transfer.objects.get(reference=session.reference), reason="a test", by=bob)
    text = words(client_of(bob).get(month_path(f"{timezone.localdate():%Y-%m}")).content)
    assert "Earned 49.50 Kč" in text
    assert "Taken back: 1 bill -24.75 Kč" in text
    assert "What remains 24.75 Kč" in text
    assert "(billed, then reversed)" in text


def test_what_is_not_billed_has_no_amounts(online: Charger, alice: User, bob: User, client_of):
    text = words(client_of(bob).get(month_of(make_session(online, alice))).content)
    assert "Bob's garage (Charging) – – –" in text
    assert "Earned 0.00 Kč" in text


def test_a_long_month_has_many_pages_and_one_that_is_too_long_none(online: Charger, alice, bob, client_of, monkeypatch):
    rows = [make_session(online, alice, status="ended", stop_received_at=timezone.now()) for _i in range(2)]
    ChargingSession.objects.bulk_create([ChargingSession(**row_of(rows[0])) for _i in range(60)])
    path = month_of(rows[0])
    pages = pypdf.PdfReader(io.BytesIO(client_of(bob).get(path).content)).pages
    assert len(pages) > 1
    assert all("Began" in page.extract_text() for page in pages)  # the heading is on each
    monkeypatch.setattr("chargers.documents.MOST_LINES", 61)
    response = client_of(bob).get(path)
    assert (response.status_code, "CSV" in response.content.decode()) == (409, True)


def row_of(session: ChargingSession) -> dict[str, object]:
    fields = [field.attname for field in session._meta.concrete_fields if field.attname != "id"]
    return {name: getattr(session, name) for name in fields}


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "1999-12", "9999-12", "x", "2026-10-01"])
def test_what_is_no_month(bob: User, client_of, month: str):
    assert client_of(bob).get(month_path(month)).status_code == 404


def test_an_owner_sees_only_the_own_ones(online: Charger, alice: User, client_of):
    billed(online, alice)
    text = words(client_of(alice).get(month_path(f"{timezone.localdate():%Y-%m}")).content)
    assert "Bob's garage" not in text
    assert "Sessions 0" in text


def test_the_page_of_earnings_leads_there(online: Charger, alice: User, bob: User, client_of):
    billed(online, alice)
    page = client_of(bob).get("/my/earnings/").content.decode()
    assert page.count(reverse("statement")) == 1
    assert month_path(f"{timezone.localdate():%Y-%m}") in page
