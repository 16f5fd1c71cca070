"""Lists that grow are read by index, however long they are: PostgreSQL's own plans, with enough rows to prefer one."""

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import keyset
from accounts.models import User
from billing import payments, payouts
from billing.models import Account, Entry, Hold, Payout, TopUp, Transfer
from chargers import figures, slips, sweeper
from chargers.models import (
    Charger,
    ChargingSession,
    Command,
    ConnectionAttempt,
    Message,
    MeterValue,
    ProblemReport,
    UnmatchedStop,
)
from chargers.tests.test_session_pages import make_session
from conftest import connect, make_user
from sharecharge.testing import volume

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL plans by how many rows there are"),
]
MANY = 20_000
CROWD = 100


def crowd(name: str) -> list[int]:
    return [make_user(f"{name}{index}").pk for index in range(CROWD)]


def one_of(keys: list[int]) -> str:
    """As SQL: each of them in turn."""
    return f"(ARRAY{keys})[n % {len(keys)} + 1]"


@pytest.fixture
def session(online: Charger, alice: User) -> ChargingSession:
    """One among many, of many people at many chargers of many owners; every hundredth is Alice's, or at Bob's."""
    session = make_session(online, alice, status="refused", refusal="unknown_card")
    volume.multiply(online, CROWD - 1, code="'c' || n", identity="'ID' || n")
    volume.multiply(
        session,
        MANY,
        user_id=one_of([*crowd("driver"), alice.pk]),
        owner_id=one_of([*crowd("owner"), online.owner_id]),
        charger_id=one_of(list(Charger.objects.values_list("pk", flat=True))),
        stop_received_at="start_received_at",
    )
    return session


@pytest.fixture
def transfer(alice: User) -> Transfer:
    """One among many, of many people."""
    wallets = [Account.objects.create(kind=Account.Kind.WALLET, user_id=key, balance=MANY).pk for key in crowd("payer")]
    wallets.append(Account.objects.get(user=alice, kind=Account.Kind.WALLET).pk)
    transfer = Transfer.objects.get()
    volume.multiply(transfer, MANY, reference="'copy:' || n", kind="'correction'")
    outside = Account.objects.get(kind=Account.Kind.OUTSIDE).pk
    for account, amount in ((one_of(wallets).replace("n ", "id "), 5), (str(outside), -5)):
        rows = f"SELECT id, {account}, {amount} FROM billing_transfer WHERE reference LIKE 'copy:%'"
        volume.fill("billing_entry", f"(transfer_id, account_id, amount) {rows}")
    return transfer


def pages_of(rows: QuerySet) -> list[str]:
    """The statements of the newest page, of one far back, and of the way back from there."""
    middle = str(rows.model.objects.latest("pk").pk - MANY // 2)
    with CaptureQueriesContext(connection) as captured:
        for asked in ({}, {"before": middle}, {"after": middle}):
            keyset.page(rows, asked=asked, size=20)
    return [found["sql"] for found in captured.captured_queries[:3]]


def check_list(rows: QuerySet, index: str) -> None:
    """Whatever the planner prefers for so many rows, the index finds them, and can give them in their order."""
    table = rows.model._meta.db_table
    for statement in pages_of(rows):
        plan = volume.plan(statement)
        assert index in plan.indexes
        assert table not in plan.read_through
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off")
            ordered = volume.plan(statement)
            cursor.execute("SET LOCAL enable_sort = on")
        assert not ordered.sorts(table)


def test_a_stranger_who_knocks_makes_us_read_no_connected_charger(online: Charger):
    connect(online)
    volume.multiply(online, MANY, code="'c' || n", identity="'ID' || n")
    Charger.objects.filter(identity__startswith="ID1000").update(connection_mark="")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chargers_charger")
    with CaptureQueriesContext(connection) as captured:
        slips.meant("/ocpp/ID1000X", may_guess=True)
    *_known, waiting = [found["sql"] for found in captured.captured_queries if "connection_mark" in found["sql"]]
    plan = volume.plan(waiting)
    assert "charger_that_waits" in plan.indexes
    assert "chargers_charger" not in plan.read_through


# ------------------------------------------------------------------------------------------------ people's lists


def test_lists_of_sessions(session: ChargingSession, alice: User, bob: User):
    with_all = ChargingSession.objects.with_all()
    check_list(with_all.of_driver(alice), "session_by_driver")
    check_list(with_all.hosted_by(bob), "session_by_owner")
    check_list(session.charger.sessions.with_all(), "session_by_charger")


def test_a_statement(transfer: Transfer, alice: User):
    for rows in Entry.objects.statements_of(alice):
        check_list(rows, "entry_by_account")


LISTS_OF_THE_API = [
    ("alice", "sessions"),
    ("alice", "sessions/totals"),
    ("bob", "sessions?as_owner=true&state=settled"),
    ("bob", "sessions/totals?as_owner=true&since=2026-01-01"),
    ("bob", "stats"),
    ("alice", "stats?as_driver=true"),
    ("oscar", "sessions"),
    ("oscar", "sessions?since=2100-01-01"),
    ("bob", "chargers/{charger}/messages"),
    ("bob", "chargers/{charger}/commands"),
    ("bob", "chargers/{charger}/attempts"),
    ("alice", "sessions/{session}/meter-values"),
    ("alice", "sessions/{session}/meter-values?every=60"),
    ("bob", "reports"),
]


def test_lists_of_the_api(session: ChargingSession, alice: User, bob: User, oscar: User, client_of):
    make_many(session)
    clients = {"alice": client_of(alice), "bob": client_of(bob), "oscar": client_of(oscar)}
    growing = {model._meta.db_table for model in (ChargingSession, MeterValue, Message, Command, ProblemReport)}
    for who, pattern in LISTS_OF_THE_API:
        path = "/api/v1/" + pattern.format(charger=session.charger_id, session=session.pk)
        with CaptureQueriesContext(connection) as captured:
            assert clients[who].get(path).status_code == 200, path
        for found in captured.captured_queries:
            if found["sql"].startswith("SELECT"):
                assert volume.plan(found["sql"]).read_through.isdisjoint(growing), (path, found["sql"])


def test_top_ups_and_payouts(alice: User):
    payers = one_of([*crowd("payer"), alice.pk])
    volume.multiply(
        TopUp.objects.get(), MANY, user_id=payers, idempotency_key="'k' || n", provider_reference="'p' || n"
    )
    payout = payouts.request(alice, amount=100, bank_account="123457/0100", idempotency_key="1")
    volume.multiply(payout, MANY, user_id=payers, idempotency_key="'k' || n")
    check_list(TopUp.objects.filter(user=alice), "top_up_by_user")
    TopUp.objects.filter(pk__in=TopUp.objects.order_by("-pk")[:CROWD]).update(status=TopUp.Status.PENDING)
    with CaptureQueriesContext(connection) as captured:
        list(payments.to_be_asked_about(timezone.now()))
    assert "top_up_to_be_asked_about" in volume.plan(captured.captured_queries[0]["sql"]).indexes
    check_list(Payout.objects.filter(user=alice), "payout_by_user")


# ------------------------------------------------------------------------------------------------ operators' lists


def make_many(session: ChargingSession) -> None:
    """Of everything that grows and that `session` and `transfer` have not made already."""
    charger, now = session.charger, timezone.now()
    volume.multiply(session.meter_values.first(), MANY, digest="n + 1000", session_id=f"{session.pk} + n")
    volume.multiply(Message.objects.create(charger=charger, direction="in", action="Heartbeat", at=now), MANY)
    command = Command.objects.create(charger=charger, action="remote_stop", expires_at=now, answered_at=now)
    volume.multiply(command, MANY)
    attempt = ConnectionAttempt.objects.create(path="/x", outcome="accepted", first_at=now, last_at=now)
    volume.multiply(attempt, MANY)
    stop = UnmatchedStop.objects.create(charger=charger, transaction_id="7", received_at=now)
    volume.multiply(stop, MANY, transaction_id="'t' || n")
    problem = ProblemReport.objects.create(
        charger=charger, reporter=charger.owner, owner=charger.owner, kind="other", text="x"
    )
    volume.multiply(problem, MANY)
    wallet = Account.objects.get(user=session.user, kind="wallet")
    hold = Hold.objects.create(account=wallet, reference="x", amount=1, released_at=now)
    volume.multiply(hold, MANY, reference="'copy:' || n")
    volume.multiply(TopUp.objects.first(), MANY, idempotency_key="'k' || n", provider_reference="'p' || n")


ENDLESS = [
    ChargingSession,
    MeterValue,
    Message,
    Command,
    ConnectionAttempt,
    UnmatchedStop,
    ProblemReport,
    Entry,
    Transfer,
    Hold,
    TopUp,
]
FILTERS = {
    ChargingSession: ["attention=held", "attention=long", "attention=unbilled"],
    Command: ["state=open"],
    ProblemReport: ["status=open"],
    Hold: ["active=yes"],
}


def test_operators_lists(session: ChargingSession, transfer: Transfer, oscar: User, client_of):
    make_many(session)
    client = client_of(oscar)
    for model in ENDLESS:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        middle = model.objects.latest("pk").pk - MANY // 2
        for query in ["", f"before={middle}", f"after={middle}", "q=alice", f"q={middle}", *FILTERS.get(model, [])]:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(f"{path}?{query}").status_code == 200
            check_statements(model._meta.db_table, query, [found["sql"] for found in captured.captured_queries])


def check_statements(table: str, query: str, statements: list[str]) -> None:
    statements = [statement for statement in statements if f'FROM "{table}"' in statement]
    assert statements or query.startswith("q="), query  # a search that can find nothing does not ask
    for statement in statements:
        assert "COUNT(" not in statement
        assert "OFFSET" not in statement
        assert table not in volume.plan(statement).read_through, f"{query}: {statement}"


# ------------------------------------------------------------------------------------------------ the sweep

GROWING = ("chargers_chargingsession", "chargers_metervalue", "chargers_message", "chargers_connectionattempt",
           "chargers_command", "billing_hold")  # fmt: skip


def test_a_round_of_the_sweep_reads_no_table_through(session: ChargingSession, transfer: Transfer):
    """Every ten seconds, whatever has piled up."""
    make_many(session)
    with CaptureQueriesContext(connection) as captured:
        sweeper.sweep()
    looks = [found["sql"] for found in captured.captured_queries if found["sql"].startswith("SELECT")]
    assert len(looks) >= 10
    for statement in looks:
        assert volume.plan(statement).read_through.isdisjoint(GROWING), statement


def test_figures_for_prometheus_read_no_table_through(session: ChargingSession, transfer: Transfer):
    make_many(session)
    with CaptureQueriesContext(connection) as captured:
        assert len(list(figures.Figures().collect())) == len(figures.MEANINGS)
    for found in captured.captured_queries:
        assert volume.plan(found["sql"]).read_through.isdisjoint(GROWING), found["sql"]


def test_a_page_of_an_operators_list_leads_on(session: ChargingSession, oscar: User, client_of):
    path = reverse("admin:chargers_chargingsession_changelist")
    page = client_of(oscar).get(path, {"status": "refused"})
    older = page.context["cl"].page.older
    assert f'href="?status=refused&amp;before={older}"' in page.content.decode()
    page = client_of(oscar).get(path, {"status": "refused", "before": older}).content.decode()
    assert f">#{older - 1}<" in page or f">{older - 1}<" in page
    # Another filter begins with the newest again.
    assert "before=" not in page.split('id="changelist-filter"')[1]
