"""The wallet, for programs."""

import pytest
from django.test import Client
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from billing import bills, ledger, payouts, wallets
from billing.models import Entry, Payout, TopUp, Transfer
from billing.serializers import MoneyField
from conftest import fund


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_the_wallet_tells_what_is_there_held_and_owed(alice):
    wallets.hold(alice, reference="a purpose", minimum=1, wanted=30_000)
    assert client_of(alice).get("/api/v1/wallet").json() == {
        "balance": "1000.00", "held": "300.00", "available": "700.00", "owed": "0.00", "currency": "CZK",
    }  # fmt: skip


def test_a_parameter_that_does_not_exist_is_refused(alice):
    response = client_of(alice).get("/api/v1/wallet?as_of=2026-01-01")
    assert response.status_code == 400
    fault = {"code": "unknown_parameter", "detail": "There is no such parameter here.", "field": "as_of"}
    assert response.json() == {**fault, "errors": [fault]}


@pytest.mark.parametrize(
    ("text", "amount"), [("6.5", 650), ("100.00", 10_000), ("100.01", None), ("-0.01", None), ("1.001", None)]
)
def test_limits_of_money_are_in_minor_units(text, amount):
    field = MoneyField(low=0, high=10_000)
    if amount is None:
        with pytest.raises(ValidationError):
            field.run_validation(text)
    else:
        assert field.run_validation(text) == amount


def test_nobody_has_a_wallet(db):
    response = APIClient().get("/api/v1/wallet")
    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert response["WWW-Authenticate"].startswith("Bearer")


# ------------------------------------------------------------------------------------------------ the statement


def charge(payer, payee, amount, reference="session:7"):
    return wallets.settle(
        reference=reference, payer=payer, payee=payee, amount=amount, fee=0, kind=Transfer.Kind.SESSION,
        description="Bob's garage",
    )  # fmt: skip


def test_the_statement_tells_wallet_and_debts_in_one_list(alice, bob):
    charge(alice, bob, 120_000)
    answer = client_of(alice).get("/api/v1/wallet/entries").json()
    told = [(row["kind"], row["amount"], row["account"], row["session"]) for row in answer["results"]]
    assert sorted(told[:2]) == [("session", "-1000.00", "wallet", 7), ("session", "-200.00", "receivable", 7)]
    assert told[2:] == [("top_up", "1000.00", "wallet", None)]
    assert answer["results"][0].keys() == {"id", "at", "kind", "description", "amount", "account", "session"}
    assert (answer["next"], answer["previous"]) == (None, None)


def test_a_reversal_names_the_session_whose_bill_it_takes_back(alice, bob, oscar):
    ledger.reverse(charge(alice, bob, 100, "session:8:correction:1"), reason="wrong", by=oscar)
    newest = client_of(alice).get("/api/v1/wallet/entries").json()["results"][0]
    assert (newest["kind"], newest["session"]) == ("reversal", 8)


@pytest.mark.parametrize("reference", ["session:", "session:x", "sessions:7", "top-up:7", "session:7x", "x:session:7"])
def test_other_references_are_of_no_session(reference):
    assert bills.session_of(Transfer(reference=reference)) is None


def test_the_statement_is_leafed_through_to_the_end_and_back(alice, bob):
    for index in range(4):
        charge(alice, bob, 30_000, f"session:{index + 1}")  # the last one is a debt in part
    client, pages = client_of(alice), []
    address = "/api/v1/wallet/entries?limit=2"
    while address:
        page = client.get(address).json()
        pages.append([row["id"] for row in page["results"]])
        address = page["next"]
    assert [key for page in pages for key in page] == sorted(
        Entry.objects.filter(account__user=alice).values_list("pk", flat=True), reverse=True
    )
    back = client.get(page["previous"]).json()
    assert [row["id"] for row in back["results"]] == pages[-2]


@pytest.mark.parametrize("cursor", ["x", "", "eyJiZWZvcmUiOiAiMSJ9:1:2"])
def test_a_made_up_place_in_the_statement_is_refused(alice, cursor):
    response = client_of(alice).get(f"/api/v1/wallet/entries?cursor={cursor}")
    assert (response.status_code, response.json()["field"]) == (400, "cursor")


def test_a_statement_is_its_persons_alone(alice, bob, charlie):
    charge(alice, bob, 100)
    [own] = client_of(charlie).get("/api/v1/wallet/entries").json()["results"]
    assert own["amount"] == "500.00"


# ------------------------------------------------------------------------------------------------ top-ups


def ask(person, what, body, key="a key"):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client_of(person).post(f"/api/v1/wallet/{what}", body, format="json", headers=headers)


def test_a_top_up_tells_where_to_pay(bob):
    made, browser = ask(bob, "top-ups", {"amount": "500.00"}), Client()
    assert made.status_code == 201
    assert made.json()["status"] == "pending"
    browser.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    browser.post(made.json()["payment_url"], {"answer": "pay"})
    assert client_of(bob).get(made["Location"]).json()["status"] == "paid"
    assert client_of(bob).get("/api/v1/wallet").json()["balance"] == "500.00"
    assert ask(bob, "top-ups", {"amount": "500.00"}).json()["payment_url"] is None


def test_the_same_key_is_the_same_top_up(bob):
    first, second = (ask(bob, "top-ups", {"amount": amount}) for amount in ("5.00", "5"))
    assert first.json() == second.json()
    other = ask(bob, "top-ups", {"amount": "6.00"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert TopUp.objects.filter(user=bob).count() == 1


@pytest.mark.parametrize("what", ["top-ups", "payouts"])
@pytest.mark.parametrize("key", [None, "", " ", "x" * 65, "a\tb"])
def test_without_a_key_of_reasonable_length_no_money_moves(alice, what, key):
    response = ask(alice, what, {"amount": "5.00", "bank_account": "123457/0100"}, key)
    assert (response.status_code, response.json()["field"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("amount", ["0.99", "-5.00", "20000.01", "1.001", "NaN", "x", None, 10**20, True, []])
def test_an_amount_that_makes_no_sense_is_refused(bob, amount):
    response = ask(bob, "top-ups", {"amount": amount})
    assert (response.status_code, response.json()["field"]) == (400, "amount")


@pytest.mark.parametrize("field", ["status", "user", "provider", "id", "balance", "finished_at", "payment_url"])
def test_nobody_says_that_it_was_paid(bob, field):
    response = ask(bob, "top-ups", {"amount": "5.00", field: "paid"})
    assert (response.status_code, response.json()["field"]) == (400, field)


# ------------------------------------------------------------------------------------------------ payouts

WISH = {"amount": "400.00", "bank_account": "123457/0100"}


def test_what_is_asked_for_is_on_hold_until_it_is_taken_back(alice):
    made = ask(alice, "payouts", WISH)
    client = client_of(alice)
    assert (made.status_code, made.json()["status"]) == (201, "requested")
    assert client.get("/api/v1/wallet").json()["held"] == "400.00"
    assert client.delete(made["Location"]).status_code == 204
    assert client.get("/api/v1/wallet").json()["held"] == "0.00"
    assert client.get(made["Location"]).json()["status"] == "cancelled"
    assert client.delete(made["Location"]).json()["code"] == "payout_decided"


def test_the_same_key_is_the_same_payout(alice):
    assert ask(alice, "payouts", WISH).json() == ask(alice, "payouts", WISH).json()
    assert wallets.wallet_of(alice).held == 40_000
    assert ask(alice, "payouts", {**WISH, "bank_account": "1000002/0100"}).status_code == 422


def test_one_cannot_ask_for_more_than_is_free(alice):
    assert ask(alice, "payouts", {**WISH, "amount": "1000.01"}).json()["code"] == "balance_too_low"
    assert not Payout.objects.exists()


def test_whoever_owes_is_paid_nothing(alice, bob):
    charge(alice, bob, 120_000)
    response = ask(alice, "payouts", WISH)
    assert (response.status_code, response.json()["code"]) == (402, "payment_due")


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "paid"), ("user", 1), ("reason", "x"), ("decided_by", 1), ("bank_account", "<b>"), ("bank_account", ""),
     ("amount", "0.99"), ("amount", "-1.00")],
)  # fmt: skip
def test_a_payout_that_makes_no_sense_is_refused(alice, field, value):
    response = ask(alice, "payouts", {**WISH, field: value})
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert wallets.wallet_of(alice).held == 0


def test_the_person_reads_why_it_was_refused(alice, oscar):
    made = ask(alice, "payouts", WISH)
    payouts.refuse(Payout.objects.get(), by=oscar, reason="There is no such account.")
    told = client_of(alice).get(made["Location"]).json()
    assert (told["status"], told["reason"]) == ("refused", "There is no such account.")
    assert "decided_by" not in told


def test_lists_are_ones_own(alice, charlie):
    ask(alice, "payouts", WISH)
    fund(alice, 100)
    for what, count in (("payouts", 1), ("top-ups", 2)):
        assert len(client_of(alice).get(f"/api/v1/wallet/{what}").json()["results"]) == count
    assert client_of(charlie).get("/api/v1/wallet/payouts").json()["results"] == []


def test_an_empty_parameter_is_refused_but_not_from_the_form_for_browsers(alice):
    client = client_of(alice)
    told = client.get("/api/v1/wallet/entries?limit=")
    assert (told.status_code, told.json()["field"], told.json()["code"]) == (400, "limit", "empty_parameter")
    told = client.get("/api/v1/id-tags?is_enabled=")
    assert (told.status_code, told.json()["code"]) == (400, "empty_parameter")
    assert client.get("/api/v1/id-tags?is_enabled=", HTTP_ACCEPT="text/html").status_code == 200


def test_an_operator_decides_and_the_person_reads_it(alice, oscar):
    paid, refused = (
        payouts.request(alice, amount=10_000, bank_account="123457/0100", idempotency_key=key) for key in "ab"
    )
    operator = client_of(oscar)
    listed = operator.get("/api/v1/payouts?status=requested").json()["results"]
    assert [(row["id"], row["user"], row["amount"]) for row in listed] == [
        (refused.pk, alice.pk, "100.00"), (paid.pk, alice.pk, "100.00"),
    ]  # fmt: skip
    assert operator.post(f"/api/v1/payouts/{paid.pk}/pay").json()["decided_by"] == oscar.pk
    answer = operator.post(f"/api/v1/payouts/{refused.pk}/refuse", {"reason": "No such account."}, format="json")
    assert answer.status_code == 200
    assert operator.post(f"/api/v1/payouts/{paid.pk}/pay").json()["code"] == "payout_decided"
    own = client_of(alice).get("/api/v1/wallet/payouts").json()["results"]
    assert [(row["status"], row["reason"]) for row in own] == [("refused", "No such account."), ("paid", "")]
    assert wallets.wallet_of(alice).balance == 90_000
