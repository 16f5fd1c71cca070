"""The wallet page, top-ups and the fake provider's page."""

from datetime import timedelta

import pytest
from django import forms
from django.test import Client
from django.utils import timezone, translation

from accounts import keyset
from accounts.models import User
from billing import units, wallets
from billing.forms import MoneyField, ScaledField
from billing.models import Entry, TopUp, Transfer
from conftest import fund


def request_top_up(client: Client, amount: str, key: str = "k"):
    return client.post("/wallet/top-up/", {"amount": amount, "key": key})


@pytest.mark.parametrize("path", ["/wallet/", "/wallet/top-ups/1/pay/"])
def test_it_asks_anonymous_visitors_to_log_in(db, path):
    assert Client().get(path).url.startswith("/accounts/login/")


def test_it_shows_balance_hold_and_statement(alice: User, client_of):
    wallets.hold(alice, reference="session:1", minimum=1, wanted=30_000)
    page = client_of(alice).get("/wallet/").content.decode()
    assert units.money(70_000) in page
    assert units.money(30_000) in page
    assert "+" + units.money(100_000) in page


def test_on_a_phone_the_top_up_comes_before_the_statement(alice: User, client_of):
    page = client_of(alice).get("/wallet/").content.decode()
    assert page.index('id="top-up"') < page.index('id="statement"')


def test_it_tops_up_once(bob: User, client_of):
    client = client_of(bob)
    pay = request_top_up(client, "250,50").url
    assert request_top_up(client, "250,50").url == pay
    assert units.money(25_050) in client.get(pay).content.decode()
    for _click in range(2):
        assert client.post(pay, {"answer": "pay"}).url == "/wallet/"
    assert wallets.wallet_of(bob).balance == 25_050


def test_the_address_of_a_top_up_leads_back_to_the_wallet(bob: User, client_of):
    assert client_of(bob).get("/wallet/top-up/").url == "/wallet/"


def test_a_cancelled_payment_stays_cancelled(bob: User, client_of):
    client = client_of(bob)
    pay = request_top_up(client, "10").url
    client.post(pay, {"answer": "cancel"})
    page = client.get(pay).content.decode()
    assert "This payment was cancelled" in page
    assert "Make a new top-up" in page
    assert 'name="answer"' not in page
    assert client.post(pay, {"answer": "pay"}).status_code == 409
    assert wallets.wallet_of(bob).balance == 0
    assert pay not in client.get("/wallet/").content.decode()


def test_a_payment_is_offered_again_for_a_day(bob: User, client_of):
    client = client_of(bob)
    pay = request_top_up(client, "10").url
    page = pay.removesuffix("pay/")
    assert page in client.get("/wallet/").content.decode()
    assert client.post(page).url == pay
    TopUp.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert page not in client.get("/wallet/").content.decode()


def test_it_cancels_a_payment(bob: User, client_of):
    client = client_of(bob)
    page = client.post(request_top_up(client, "10").url, {"answer": "cancel"}, follow=True)
    assert "Nothing was added" in page.content.decode()
    assert wallets.wallet_of(bob).balance == 0


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("", "required"), ("abc", "Write a number"), ("-5", f"The least is {units.money(100)}."),
        ("0", f"The least is {units.money(100)}."),
        ("0.99", f"The least is {units.money(100)}."),
        ("20000.01", "This is too much at once."), ("9" * 13, "This is too much at once."),
        ("9" * 5_000, "This is too much at once."), ("1.234", "At most 2 decimals"),
        ("1e3", "Write a number"), ("NaN", "Write a number"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_with_an_amount(bob: User, client_of, amount, sentence):
    response = request_top_up(client_of(bob), amount)
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert not TopUp.objects.exists()


def test_it_refuses_a_key_for_another_amount(bob: User, client_of):
    client = client_of(bob)
    request_top_up(client, "10")
    response = request_top_up(client, "20")
    assert response.status_code == 422
    assert "used for another amount" in response.content.decode()
    assert 'value="k"' not in response.content.decode()


def test_a_foreign_payment_is_not_there(alice: User, bob: User, client_of):
    pay = request_top_up(client_of(bob), "10").url
    assert client_of(alice).get(pay).status_code == 404
    assert client_of(alice).post(pay, {"answer": "pay"}).status_code == 404
    assert wallets.wallet_of(alice).balance == 100_000


def test_the_fake_page_exists_only_for_the_fake_provider(bob: User, client_of, settings):
    pay = request_top_up(client_of(bob), "10").url
    settings.PAYMENT_PROVIDER = "none"
    assert client_of(bob).get(pay).status_code == 404
    assert client_of(bob).post(pay, {"answer": "pay"}).status_code == 404
    assert wallets.wallet_of(bob).balance == 0
    assert request_top_up(client_of(bob), "10", key="other").status_code == 503
    assert "not set up" in client_of(bob).get("/wallet/").content.decode()


def test_a_long_statement_has_pages(alice: User, client_of):
    for index in range(31):
        wallets.settle(
            reference=f"session:{index}",
            payer=alice,
            payee=alice,
            amount=100,
            fee=10,
            kind=Transfer.Kind.SESSION,
            description="x",
        )
    client = client_of(alice)
    first = client.get("/wallet/").context["page"]
    assert (len(first.rows), first.newer) == (30, None)
    assert f'href="/wallet/?before={first.older}"' in client.get("/wallet/").content.decode()
    older = client.get("/wallet/", {"before": first.older})
    page = older.content.decode()
    assert f'href="/wallet/?after={older.context["page"].newer}"' in page
    assert "+" + units.money(100_000) in page  # where it began
    assert "There is nothing older" in client.get("/wallet/?before=1").content.decode()
    # A form that comes back with its errors stands under another address.
    assert 'href="/wallet/?before=' in request_top_up(client, "nonsense").content.decode()


def test_a_statement_is_of_wallet_and_debt_in_turn(bob: User, alice: User):
    for index in range(3):
        wallets.settle(
            reference=f"session:{index}", payer=bob, payee=alice, amount=100, fee=10, kind=Transfer.Kind.SESSION,
            description="x",
        )  # fmt: skip
        fund(bob, 300)
    lists = Entry.objects.statements_of(bob)
    first = keyset.page(*lists, asked={}, size=4)
    second = keyset.page(*lists, asked={"before": str(first.older)}, size=4)
    assert [row.amount for row in first.rows] == [300, -100, 300, -100]
    assert [(row.amount, row.account.kind) for row in second.rows] == [
        (100, "receivable"), (200, "wallet"), (-100, "receivable")
    ]  # fmt: skip
    assert second.older is None


# ------------------------------------------------------------------------------------------------ money as text


@pytest.mark.parametrize(
    ("text", "minor"), [("5", 500), ("5.5", 550), ("5,50", 550), (" 1 000,05 ", 100_005), ("0", 0), ("", None)]
)
def test_a_money_field_reads_what_people_write(text, minor):
    assert MoneyField(required=False).clean(text) == minor


@pytest.mark.parametrize(
    ("language", "text", "minor"),
    [
        ("en", "1,656.85", 165_685),
        ("en", "20,000.00", 2_000_000),
        ("en", "1,000", 100_000),
        ("en", "1,234,567", 123_456_700),
        ("cs", "1 656,85", 165_685),
        ("cs", "1\N{NO-BREAK SPACE}656,85", 165_685),
        ("cs", "1\N{NARROW NO-BREAK SPACE}656,85", 165_685),
        ("cs", "1.656,85", 165_685),
        ("cs", "1,656.85", 165_685),
    ],
)
def test_a_money_field_reads_amounts_as_pages_print_them(language, text, minor):
    with translation.override(language):
        assert MoneyField().clean(text) == minor


@pytest.mark.parametrize(("language", "text"), [("cs", "1,000"), ("cs", "1.000"), ("en", "1.000"), ("en", "10,00.00")])
def test_a_money_field_refuses_what_may_be_two_amounts(language, text):
    with translation.override(language), pytest.raises(forms.ValidationError):
        MoneyField().clean(text)


def test_three_decimals_are_no_thousands():
    with translation.override("en"):
        assert ScaledField(places=3).clean("11,000") == 11_000


@pytest.mark.parametrize("text", ["--", "5 Kč", "٣", "99999999999999"])
def test_a_money_field_does_not_guess(text):
    with pytest.raises(forms.ValidationError):
        MoneyField(high=10**12).clean(text)


@pytest.mark.parametrize(
    ("minor", "english", "czech"),
    [(0, "0.00", "0,00"), (5, "0.05", "0,05"), (123_456, "1,234.56", "1 234,56"), (-700, "-7.00", "-7,00")],
)
def test_money_has_two_decimals_and_its_currency(minor, english, czech):
    space = "\N{NO-BREAK SPACE}"
    assert units.money(minor) == f"{english}{space}Kč"
    with translation.override("cs"):
        assert units.money(minor) == f"{czech.replace(' ', space)}{space}Kč"


def test_units_round_and_say_nothing_of_nothing():
    space = "\N{NO-BREAK SPACE}"
    assert units.kw(10_560) == f"10.6{space}kW"
    assert units.kwh(5_400) == f"5.400{space}kWh"
    assert units.duration(3_900) == f"1{space}h 5{space}min"
    assert units.duration(65) == f"1{space}min 5{space}s"
    assert units.percent(1_050) == f"10.5{space}%"
    assert units.percent(1_000) == f"10{space}%"
    assert {units.money(None), units.kw(None), units.kwh(None), units.duration(None), units.per_kwh(None)} == {"–"}
    assert units.per_kwh(0) == "free of charge"
