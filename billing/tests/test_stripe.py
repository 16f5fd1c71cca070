"""Payments through Stripe, against a server that speaks the part of its API that we use."""

import hashlib
import hmac
import json
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import ledger, payments, wallets
from billing.models import TopUp

SECRET = "whsec_test"
PAGE = "https://checkout.stripe.com/c/pay/"


class FakeStripe:
    """Makes payment pages, and tells of them. `asked`: method, path, form and headers of every request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.sessions: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, str] = {}
        self.forms: dict[str, dict[str, str]] = {}
        self.failure: tuple[int, dict[str, Any]] | None = None
        self.name = ""
        self.missing: tuple[int, dict[str, Any]] = (404, {})
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                fake.asked.append(("POST", self.path, form, self.headers))
                self.reply(lambda: fake.make(form, self.headers["Idempotency-Key"]))

            def do_GET(self) -> None:
                fake.asked.append(("GET", self.path, {}, self.headers))
                self.reply(lambda: fake.sessions[urlsplit(self.path).path.rpartition("/")[2]])

            def reply(self, answer: Any) -> None:
                try:
                    status, body = fake.failure or (200, answer())
                except KeyError:
                    status, body = fake.missing
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Stripe-Should-Retry", "false")
                self.end_headers()
                self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def make(self, form: dict[str, str], key: str) -> dict[str, Any]:
        assert self.forms.setdefault(key, form) == form, "Stripe answers this with an IdempotencyError"
        if key not in self.by_key:
            name = self.name or f"cs_test_{len(self.sessions) + 1}"
            self.by_key[key] = name
            self.sessions[name] = {
                "id": name, "object": "checkout.session", "url": PAGE + name, "status": "open",
                "payment_status": "unpaid", "client_reference_id": form["client_reference_id"],
                "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
                "currency": form["line_items[0][price_data][currency]"], "payment_intent": None,
            }  # fmt: skip
        return self.sessions[self.by_key[key]]

    def pay(self, name: str) -> None:
        self.sessions[name] |= {"status": "complete", "payment_status": "paid", "url": None}

    def promise(self, name: str, *, intent: str = "processing") -> None:
        """By bank: the page is done with, the money is not there."""
        told = {"id": "pi_1", "object": "payment_intent", "status": intent}
        self.sessions[name] |= {"status": "complete", "url": None, "payment_intent": told}


@pytest.fixture
def stripe(settings):
    fake = FakeStripe()
    fake.thread.start()
    settings.PAYMENT_PROVIDER = "stripe"
    settings.STRIPE_API_URL = fake.url
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_1", SECRET
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    fake.thread.join()


def top_up(client: Client, amount: str = "250", key: str = "k"):
    return client.post("/wallet/top-up/", {"amount": amount, "key": key})


def event(kind: str, session: dict[str, Any], *, secret: str = SECRET, at: float | None = None):
    """As Stripe sends it."""
    told = {"id": "evt_1", "object": "event", "type": kind, "data": {"object": session}}
    body, moment = json.dumps(told), int(at or time.time())
    signature = hmac.new(secret.encode(), f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
    return Client(enforce_csrf_checks=True).post(
        "/payments/stripe/",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": f"t={moment},v1={signature}"},
    )


def balance(user: User) -> int:
    return wallets.wallet_of(user).balance


def test_a_driver_pays_on_stripes_page(stripe, bob, client_of):
    assert top_up(client_of(bob)).url == PAGE + "cs_test_1"
    [(method, path, form, headers)] = stripe.asked
    payment = TopUp.objects.get()
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/checkout/sessions", "Bearer sk_test_1")
    assert form["mode"] == "payment"
    assert form["line_items[0][price_data][unit_amount]"] == "25000"
    assert form["line_items[0][price_data][currency]"] == "czk"
    assert (form["client_reference_id"], form["customer_email"]) == (str(payment.pk), bob.email)
    assert form["success_url"].endswith(f"/wallet/top-ups/{payment.pk}/")
    assert form["cancel_url"] == f"{form['success_url']}?cancelled=1"
    assert (payment.status, payment.provider_reference, balance(bob)) == ("pending", "cs_test_1", 0)


def test_what_stripe_tells_is_credited_once(stripe, bob, client_of):
    top_up(client_of(bob))
    stripe.pay("cs_test_1")
    for _time in range(2):
        assert event("checkout.session.completed", stripe.sessions["cs_test_1"]).status_code == 204
    assert event("checkout.session.expired", stripe.sessions["cs_test_1"]).status_code == 204
    assert balance(bob) == 25_000
    assert client_of(bob).get(f"/wallet/top-ups/{TopUp.objects.get().pk}/").url == "/wallet/"
    assert balance(bob) == 25_000
    assert ledger.breaches() == []


def test_whoever_comes_back_sees_the_money_before_stripe_has_told_us(stripe, bob, client_of):
    client = client_of(bob)
    top_up(client)
    page = f"/wallet/top-ups/{TopUp.objects.get().pk}/"
    assert "You came back without paying" in client.get(f"{page}?cancelled=1").content.decode()
    assert "not confirmed yet" in client.get(page).content.decode()
    stripe.pay("cs_test_1")
    assert "was added to your wallet" in client.get(page, follow=True).content.decode()
    assert balance(bob) == 25_000


def test_an_open_payment_goes_on_where_it_was(stripe, bob, client_of):
    client = client_of(bob)
    top_up(client)
    page = f"/wallet/top-ups/{TopUp.objects.get().pk}/"
    assert page in client.get("/wallet/").content.decode()
    assert client.post(page).url == PAGE + "cs_test_1"
    assert top_up(client).url == PAGE + "cs_test_1"
    assert len(stripe.sessions) == 1


def test_the_sweep_asks_about_what_nobody_has_told(stripe, bob, client_of):
    for key in ("a", "b", "c"):
        top_up(client_of(bob), key=key)
    stripe.pay("cs_test_1")
    stripe.sessions["cs_test_2"]["status"] = "expired"
    assert payments.look_after(timezone.now()) == 0  # they may still be typing
    assert payments.look_after(timezone.now() + timedelta(minutes=3)) == 2
    assert [row.status for row in TopUp.objects.order_by("pk")] == ["paid", "failed", "pending"]
    assert balance(bob) == 25_000


def test_a_payment_by_bank_is_credited_when_the_bank_has_paid(stripe, bob, client_of):
    top_up(client_of(bob))
    stripe.promise("cs_test_1")
    session = stripe.sessions["cs_test_1"]
    event("checkout.session.completed", session)
    assert balance(bob) == 0
    stripe.pay("cs_test_1")
    event("checkout.session.async_payment_succeeded", session)
    assert balance(bob) == 25_000


def test_money_that_a_bank_brings_is_on_its_way(stripe, bob, client_of):
    client = client_of(bob)
    top_up(client)
    stripe.promise("cs_test_1")
    page = f"/wallet/top-ups/{TopUp.objects.get().pk}/"
    told = client.get(page).content.decode()
    assert "the money is on its way" in told
    assert "Continue to the payment" not in told
    TopUp.objects.update(created_at=timezone.now() - timedelta(days=20))
    assert "is on its way from your bank" in client.get("/wallet/").content.decode()
    stripe.pay("cs_test_1")
    client.get(page)
    assert "on its way" not in client.get("/wallet/").content.decode()
    assert balance(bob) == 25_000


def test_nobody_is_told_for_ever_that_money_is_on_its_way(stripe, bob, client_of):
    client = client_of(bob)
    top_up(client)
    old = timezone.now() - payments.ASKED_FOR - timedelta(minutes=1)
    TopUp.objects.update(created_at=old, sent_at=old)
    assert "on its way" not in client.get("/wallet/").content.decode()
    assert "We have waited thirty days" in client.get(f"/wallet/top-ups/{TopUp.objects.get().pk}/").content.decode()


def test_a_bank_is_asked_about_rarely_and_for_a_month(stripe, bob, client_of):
    top_up(client_of(bob))
    stripe.promise("cs_test_1")
    began = timezone.now()

    def asked(**later: float) -> int:
        before = len(stripe.asked)
        payments.look_after(began + timedelta(**later))
        return len(stripe.asked) - before

    assert [asked(minutes=3), asked(minutes=8), asked(hours=5), asked(hours=7), asked(days=29)] == [1, 0, 0, 1, 1]
    stripe.pay("cs_test_1")
    assert asked(days=31) == 0
    event("checkout.session.async_payment_succeeded", stripe.sessions["cs_test_1"])  # it may still come
    assert balance(bob) == 25_000


def test_payments_that_never_end_keep_no_other_waiting(stripe, bob, client_of, monkeypatch):
    monkeypatch.setattr(payments, "ASKED_AT_ONCE", 2)
    for key in "abcde":
        top_up(client_of(bob), key=key)
    stripe.pay("cs_test_1")
    now = timezone.now() + timedelta(minutes=3)
    assert sum(payments.look_after(now + timedelta(minutes=5 * turn)) for turn in range(3)) == 1
    asked = [urlsplit(path).path[-1] for method, path, *_rest in stripe.asked if method == "GET"]
    assert sorted(asked[:5]) == list("12345")


def test_a_failed_payment_is_told(stripe, bob, client_of):
    client = client_of(bob)
    top_up(client)
    stripe.promise("cs_test_1", intent="requires_payment_method")
    event("checkout.session.async_payment_failed", stripe.sessions["cs_test_1"])
    page = client.get(f"/wallet/top-ups/{TopUp.objects.get().pk}/", follow=True).content.decode()
    assert "Nothing was added" in page
    assert balance(bob) == 0


@pytest.mark.parametrize(
    "change", [{"amount_total": 24_999}, {"currency": "eur"}, {"client_reference_id": "77"}, {"id": "cs_foreign"}]
)
def test_what_does_not_fit_the_wish_is_not_credited(stripe, bob, client_of, change):
    top_up(client_of(bob))
    stripe.pay("cs_test_1")
    stripe.sessions["cs_test_1"] |= change
    assert event("checkout.session.completed", stripe.sessions["cs_test_1"]).status_code == 204
    assert balance(bob) == 0


def test_an_event_only_rings_the_bell(stripe, bob, client_of):
    top_up(client_of(bob))
    stale = dict(stripe.sessions["cs_test_1"])
    forged = stale | {"status": "complete", "payment_status": "paid"}
    assert event("checkout.session.completed", forged).status_code == 204
    assert balance(bob) == 0
    stripe.pay("cs_test_1")
    assert event("checkout.session.expired", stale | {"status": "expired"}).status_code == 204
    assert balance(bob) == 25_000


def test_stripe_tells_again_what_could_not_be_asked(stripe, bob, client_of):
    top_up(client_of(bob))
    stripe.pay("cs_test_1")
    stripe.failure = (500, {"error": {"message": "down"}})
    assert event("checkout.session.completed", stripe.sessions["cs_test_1"]).status_code == 503
    stripe.failure = None
    assert event("checkout.session.completed", stripe.sessions["cs_test_1"]).status_code == 204
    assert balance(bob) == 25_000


def test_names_of_payments_are_as_long_as_stripes(stripe, bob, client_of):
    name = "cs_test_" + "a" * 200
    stripe.name = name
    assert top_up(client_of(bob)).url == PAGE + name
    assert TopUp.objects.get(provider_reference=name).user == bob


@pytest.mark.parametrize("lie", [{"secret": "whsec_other"}, {"at": time.time() - 3600}])
def test_only_stripe_is_believed(stripe, bob, client_of, lie):
    top_up(client_of(bob))
    stripe.pay("cs_test_1")
    assert event("checkout.session.completed", stripe.sessions["cs_test_1"], **lie).status_code == 400
    assert Client().post("/payments/stripe/", b"{}", content_type="application/json").status_code == 400
    assert balance(bob) == 0


def test_without_stripe_there_is_no_such_address(db):
    assert Client().post("/payments/stripe/", b"{}", content_type="application/json").status_code == 404


def test_stripe_may_be_away(stripe, bob, client_of):
    client = client_of(bob)
    stripe.failure = (500, {"error": {"message": "down"}})
    answer = top_up(client)
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.content.decode()
    page = f"/wallet/top-ups/{TopUp.objects.get().pk}/"
    assert "Nothing is lost" in client.post(page).content.decode()
    stripe.failure = None
    assert client.post(page).url == PAGE + "cs_test_1"
    stripe.failure = (500, {"error": {"message": "down"}})
    assert payments.look_after(timezone.now() + timedelta(minutes=3)) == 0


def test_a_start_that_is_repeated_asks_for_the_same(stripe, bob, client_of):
    top_up(client_of(bob))
    TopUp.objects.update(provider_reference="")  # the answer got lost
    again = client_of(bob).post("/wallet/top-up/", {"amount": "250", "key": "k"}, headers={"Accept-Language": "cs"})
    assert again.url == PAGE + "cs_test_1"


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, {"type": "invalid_request_error", "code": "resource_missing"}), (401, {"type": "invalid_request_error"}),
     (400, {"type": "idempotency_error"})],
)  # fmt: skip
def test_what_stripe_refuses_is_told_and_stops_nobody_else(stripe, bob, client_of, status, error):
    client = client_of(bob)
    for key in ("a", "b"):
        top_up(client, key=key)
    stripe.pay("cs_test_1")
    del stripe.sessions["cs_test_2"]
    stripe.missing = (status, {"error": {"message": "no", **error}})
    page = f"/wallet/top-ups/{TopUp.objects.get(provider_reference='cs_test_2').pk}/"
    assert "This payment cannot go on" in client.get(page).content.decode()
    assert payments.look_after(timezone.now() + timedelta(minutes=3)) == 1
    assert balance(bob) == 25_000


def test_an_amount_that_stripe_does_not_take_is_told_at_its_field(stripe, bob, client_of):
    stripe.failure = (400, {"error": {"type": "invalid_request_error", "code": "amount_too_small", "message": "small"}})
    answer = top_up(client_of(bob), "1")
    assert answer.status_code == 400
    assert "does not take this amount" in answer.content.decode()


def test_programs_get_stripes_page(stripe, bob, client_of):
    answer = client_of(bob).post(
        "/api/v1/wallet/top-ups",
        {"amount": "250.00"},
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )
    assert answer.json()["payment_url"] == PAGE + "cs_test_1"


def test_whoever_paid_in_an_app_learns_nothing_here(stripe, bob, alice, client_of):
    top_up(client_of(bob))
    page = f"/wallet/top-ups/{TopUp.objects.get(user=bob).pk}/"
    told = Client().get(page).content.decode()
    assert "go back to your app" in told
    assert "250" not in told
    assert "Thank you" not in told
    cancelled = Client().get(f"{page}?cancelled=1").content.decode()
    assert "You came back without paying" in cancelled
    assert "as soon as the payment is confirmed" not in cancelled
    for page_told in (told, cancelled):  # nobody knows here what was paid
        assert "If you have not paid, nothing was charged." in page_told
    assert client_of(alice).get(page).status_code == 404
