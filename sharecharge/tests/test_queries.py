"""No page asks the database more often when there is more to show: every page, few rows against many."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts import id_tags, logins, service_keys, tokens, webhooks
from accounts.models import Letter, User
from billing import audit, ledger, wallets
from billing.models import Payout, TopUp, Transfer
from billing.providers import FakeProvider
from chargers import registry, settlement
from chargers.models import (
    CardClaim,
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
from conftest import connect, fund, make_user

OURS = [model for model in admin.site._registry if model._meta.app_label in {"accounts", "billing", "chargers"}]

# Who looks, and at which row. Every page of ours is here or among the forms, the doors and the log-in pages below.
PAGES = {
    "map": ("alice", None),
    "map_data": ("alice", None),
    "charger": ("alice", lambda: [first(Charger).code]),
    "charger_qr": ("alice", lambda: [first(Charger).code]),
    "charger_report": ("alice", lambda: [first(Charger).code]),
    "command": ("alice", lambda: [first(Command).pk]),
    "sessions": ("alice", None),
    "session_export": ("alice", None),
    "session": ("alice", lambda: [first(ChargingSession, user__name="Alice", status="running").pk]),
    "session_course": ("alice", lambda: [first(ChargingSession, user__name="Alice", status="running").pk]),
    "session_receipt": ("alice", lambda: [first(ChargingSession, user__name="Alice", status="settled").pk]),
    "my_chargers": ("bob", None),
    "hosted_sessions": ("bob", None),
    "earnings": ("bob", None),
    "earnings_export": ("bob", None),
    "statement": ("bob", None),
    "payouts": ("bob", None),
    "reports": ("alice", None),
    "report": ("alice", lambda: [first(ProblemReport, reporter__name="Alice").pk]),
    "problems": ("bob", None),
    "problem": ("bob", lambda: [first(ProblemReport, owner__name="Bob").pk]),
    "charger_add": ("bob", None),
    **{
        f"setup_{step}": ("bob", lambda: [first(Charger).pk])
        for step in ("place", "model", "connect", "plugs", "test", "label")
    },
    "charger_settings": ("bob", lambda: [first(Charger).pk]),
    "charger_log": ("bob", lambda: [first(Charger).pk]),
    "charger_restart": ("bob", lambda: [first(Charger).pk]),
    "charger_unlock": ("bob", lambda: [first(Charger).pk, 1]),
    "charger_manage": ("bob", lambda: [first(Charger).pk]),
    "charger_photos": ("bob", lambda: [first(Charger).pk]),
    "photo": ("alice", lambda: [first(Photo).key, "large"]),
    "charger_label": ("bob", lambda: [first(Charger).pk]),
    "charger_password": ("bob", lambda: [first(Charger).pk]),
    "charger_delete": ("bob", lambda: [first(Charger).pk]),
    "become_owner": ("alice", None),
    "profile": ("alice", None),
    "leave": ("alice", None),
    "cards": ("alice", None),
    "card_claim": ("alice", None),
    "card_delete": ("alice", lambda: [id_tags.find("CARD0").pk]),
    "wallet": ("alice", None),
    "top_up_page": ("alice", lambda: [first(TopUp, status="pending").pk]),
    "fake_payment": ("alice", lambda: [first(TopUp, status="pending").pk]),
}
# They answer a POST; a GET leads elsewhere, as does that of the set-up, to the step that comes next.
FORMS = {"session_stop", "session_release", "charger_start", "charger_edit", "connector_edit", "charger_sharing",
         "charger_access", "charger_hours", "card_switch", "card_name", "top_up", "setup", "sharing_of_all",
         "charger_refresh", "charger_limit", "payout_cancel", "mails", "photo_edit", "photo_first",
         "photo_delete", "stripe_event"}  # fmt: skip
# They show no rows.
DOORS = {"healthz", "readyz", "metrics", "set_language", "map_search", "manifest", "worker", "offline", "openapi",
         "api_docs", "api_redoc", None}  # fmt: skip


def first(model: type, **fields: object):
    return model.objects.filter(**fields).order_by("pk").first()


def test_every_page_is_looked_at():
    def names(patterns: list[URLPattern | URLResolver]) -> set[str | None]:
        found = set()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                found.add(pattern.name)
            elif pattern.app_name not in {"admin", "api"}:  # the API has a table of its own
                found |= names(pattern.url_patterns)
        return found

    ours = {name for name in names(get_resolver().url_patterns) if not (name or "").startswith("account_")}
    assert ours == PAGES.keys() | FORMS | DOORS


# ------------------------------------------------------------------------------------------------ a platform that grows


@pytest.fixture
def platform(alice: User, bob: User, oscar: User) -> dict[str, User]:
    people = {"alice": alice, "bob": bob, "oscar": oscar}
    grow(people, 0)
    return people


def grow(people: dict[str, User], index: int) -> None:
    """One more of everything that a page may show."""
    alice, bob, oscar = people.values()
    driver = make_user(f"Driver{index}")
    fund(driver, 500)
    charger = registry.register(
        owner=bob, name=f"Charger {index}", latitude=49.8, longitude=16.3, access="public"
    ).charger
    for place in {charger, first(Charger)}:
        for _i in range(2):
            number = place.connectors.count() + 1
            connector = Connector.objects.create(charger=place, connector_id=number, max_power_w=11_000)
            registry.set_price(connector, 500 + number)
            charge(connector, alice if number % 2 else driver, status="running")
        connect(place)
        of_charger(place, alice, index)
    connector = charger.connectors.get(connector_id=1)
    debt = charge(connector, driver, energy_wh=4_000)
    settlement.settle(debt.pk)
    settlement.settle(charge(connector, alice, energy_wh=3_000).pk)
    charge(connector, alice, energy_wh=900_000)
    settlement.settle(ChargingSession.objects.latest("pk").pk)
    charge(connector, None, status="refused", refusal="unknown_card")
    ledger.reverse(Transfer.objects.get(reference=debt.reference), reason="a test", by=oscar)
    id_tags.issue(user=alice, uid=f"CARD{index}")
    wallets.hold(alice, reference=f"test:{index}", minimum=1, wanted=100)
    wallets.request_top_up(alice, amount=500, idempotency_key=str(index), provider=FakeProvider())
    Payout.objects.create(user=bob, amount=100, bank_account="1/0100")
    service_keys.give(f"gateway {index}")
    Letter.objects.create(user=driver, kind="receipt", subject_key=index, number=99)
    webhooks.ping(webhooks.create(bob, url="https://hooks.example/", listens_to=["session.started"]))
    tokens.issue(alice, name=f"Home {index}", scopes=["wallet:read"])
    logins.begin(alice)
    audit.check()


def charge(connector: Connector, user: User | None, *, status: str = "ended", energy_wh: int = 0, **fields: object):
    end = timezone.now()
    session = ChargingSession.objects.create(
        charger=connector.charger, connector=connector, user=user, owner=connector.charger.owner, status=status,
        started_at=end - timedelta(hours=1), start_received_at=end - timedelta(hours=1), meter_start_wh=0,
        tariff=connector.tariff.snapshot(), fee_basis_points=1000, **fields,
    )  # fmt: skip
    if status == "ended":
        over = {"ended_at": end, "stop_received_at": end, "meter_stop_wh": energy_wh}
        ChargingSession.objects.filter(pk=session.pk).update(**over)
    MeterValue.objects.create(
        charger=connector.charger, connector_id=1, session=session, measured_at=end, received_at=end,
        energy_wh=energy_wh, raw=[], digest=1,
    )  # fmt: skip
    return session


def of_charger(charger: Charger, user: User, index: int) -> None:
    now = timezone.now()
    running = first(ChargingSession, charger=charger, status="running")
    MeterValue.objects.create(
        charger=charger, connector_id=1, session=running, measured_at=now, received_at=now, energy_wh=index * 10,
        raw=[], digest=index + 10,
    )  # fmt: skip
    expires_at = now + timedelta(hours=1)
    for action in ("remote_start", "remote_stop"):
        Command.objects.create(
            charger=charger, connector=charger.connectors.first(), action=action, expires_at=expires_at,
            requested_by=user, session=running if action == "remote_stop" else None,
        )  # fmt: skip
    Message.objects.create(charger=charger, direction="in", action="Heartbeat", at=now)
    ConnectionAttempt.objects.create(
        charger=charger, path=f"/ocpp/{index}", outcome="accepted", first_at=now, last_at=now
    )
    UnmatchedStop.objects.create(charger=charger, transaction_id=str(index), received_at=now)
    somebody = make_user(f"Holder of a card {charger.pk} {index}")
    CardClaim.objects.create(user=somebody, charger=charger, expires_at=expires_at)
    Photo.objects.create(
        charger=charger,
        audience="everybody",
        description="x",
        position=index,
        width=4,
        height=3,
        large=b"x",
        small=b"x",
    )
    ProblemReport.objects.create(
        charger=charger, session=running, connector=running.connector, reporter=running.user, owner=charger.owner,
        kind="other", text="x",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ counting


def queries_of(client: Client, path: str) -> list[str]:
    assert client.get(path).status_code == 200, path  # what is looked up once per process is known after this
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    return [query["sql"] for query in captured.captured_queries]


def addresses() -> dict[str, tuple[str, str]]:
    """A name for each page → who looks, and its address."""
    pages = {name: (who, reverse(name, args=row() if row else [])) for name, (who, row) in PAGES.items()}
    pages["statement"] = ("bob", f"{reverse('statement')}?month={timezone.localdate():%Y-%m}")
    settled = first(ChargingSession, status="settled")
    held = ChargingSession.objects.for_review().order_by("pk").first()
    for who in ("bob", "oscar"):
        for name, session in (("settled", settled), ("held", held)):
            pages[f"{name} session for {who}"] = (who, session.get_absolute_url())
    for model in OURS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages[f"{name}_changelist"] = ("oscar", reverse(f"{name}_changelist"))
        pages[f"{name}_change"] = ("oscar", reverse(f"{name}_change", args=[first(model).pk]))
    return pages


def test_no_page_asks_more_often_for_more_rows(platform: dict[str, User], client_of, monkeypatch):
    monkeypatch.setattr(audit, "KNOWN_FOR_SECONDS", 3600)  # asked once, not whenever some seconds are over
    audit.forget()
    clients = {who: client_of(user) for who, user in platform.items()}
    pages = addresses()
    few = {name: queries_of(clients[who], path) for name, (who, path) in pages.items()}
    for index in range(1, 5):
        grow(platform, index)
    many = {name: queries_of(clients[who], path) for name, (who, path) in pages.items()}
    grown = {name: many[name] for name in pages if len(many[name]) > len(few[name])}
    assert grown == {}, {name: (len(few[name]), len(many[name])) for name in grown}
    assert max(map(len, many.values())) < 30
