"""Prepared queries against what the ORM itself answers."""

import contextlib
import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from accounts import id_tags
from accounts.models import IdTag
from billing import ledger
from billing.models import Hold
from chargers import authorization, presence, sessions, settlement
from chargers.models import Charger, ChargingSession, Command
from chargers.tests.test_sessions import start
from ocpp_gateway import handshake
from sharecharge import prepared
from sharecharge.prepared import Prepared

pytestmark = pytest.mark.django_db


def content(row: models.Model) -> dict:
    """All that is loaded of a row, with the rows it was joined with."""
    own = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    joined = {name: content(related) for name, related in row._state.fields_cache.items() if related is not None}
    return {"model": type(row), **own, **joined}


@pytest.fixture
def session(online, alice_card):
    return start(online).session


@pytest.mark.parametrize(
    "of",
    [
        lambda s: (sessions._places, {"charger": s.charger_id, "number": 1}),
        lambda s: (sessions._with_id, {"charger": s.charger_id, "key": s.pk}),
        lambda s: (sessions._running_of, {"connector": s.connector_id, "tag": 0}),
        lambda s: (sessions._begun_then, {"charger": s.charger_id, "text": s.start_text}),
        lambda s: (authorization._plugs, {"charger": s.charger_id}),
        lambda s: (authorization._running_with, {"tag": s.id_tag_id}),
        lambda s: (handshake._with_identity, {"identity": s.charger.identity, "now": timezone.now()}),
        lambda s: (presence._locked, {"key": s.charger_id}),
        lambda s: (id_tags._locked, {"uid": s.id_tag_text.upper()}),
        lambda s: (ledger._of_two, {"one": s.user_id, "other": s.user_id}),
    ],
)
def test_rows_become_the_same_objects(session, of):
    query, values = of(session)
    found, expected = query.all(**values), list(query.build(**values))
    assert expected
    assert [content(row) for row in found] == [content(row) for row in expected]
    assert found == expected
    assert not found[0]._state.adding
    assert content(query.first(**values)) == content(expected[0])


def test_rows_become_the_same_tuples(session):
    now = timezone.now()
    for energy in (1000, 1200):
        session.meter_values.create(
            charger=session.charger, connector_id=1, measured_at=now, received_at=now, energy_wh=energy, raw=[],
            digest=energy,
        )  # fmt: skip
    query = settlement._registers
    assert (
        query.all(session=session.pk) == list(query.build(session=session.pk)) == [(1000, now, now), (1200, now, now)]
    )


def test_a_row_that_is_not_there_is_none(session):
    assert sessions._with_id.first(charger=session.charger_id, key=session.pk + 1) is None


def test_moments_and_annotations_are_given_and_found(online):
    query = Prepared(
        lambda at: Charger.objects.filter(last_seen_at__gte=at).annotate(
            has_commands=models.Exists(Command.objects.filter(charger=models.OuterRef("pk")))
        ),
        at=timezone.now(),
    )
    assert [row.has_commands for row in query.all(at=online.last_seen_at)] == [False]
    assert query.all(at=online.last_seen_at + timedelta(seconds=1)) == []


def test_what_would_not_reach_the_sql_as_it_is_is_noticed():
    query = Prepared(lambda text: Charger.objects.filter(name__contains=text), text="")
    with pytest.raises(AssertionError, match="do not reach"):
        query.all(text="x")


def test_a_new_row_is_what_save_would_have_made(session, alice):
    twin = ChargingSession.objects.get(pk=session.pk)
    twin.pk, twin.connector, twin.status = None, None, ChargingSession.Status.REFUSED
    twin.user, twin.tariff = None, {"a": [1, "ž"]}
    assert prepared.insert(twin)
    assert not twin._state.adding
    read = ChargingSession.objects.get(pk=twin.pk)
    expected, found = content(twin), content(read)
    assert found == {name: expected[name] for name in found}


def test_a_row_is_inserted_unless_it_is_there(alice):
    wallet = ledger.account(ledger.Kind.WALLET, alice)
    assert prepared.insert(Hold(account=wallet, reference="once", amount=1), unless="reference")
    again = Hold(account=wallet, reference="once", amount=2)
    assert not prepared.insert(again, unless="reference")
    assert again.pk is None
    assert [held.amount for held in Hold.objects.filter(reference="once")] == [1]
    with pytest.raises(IntegrityError), transaction.atomic():
        prepared.insert(Hold(account=wallet, reference="once", amount=3))


def test_an_update_writes_the_named_fields_only(session):
    session.stop_reason, session.tariff, session.refusal = "Local", {"b": 2}, "not written"
    prepared.update(session, "stop_reason", "tariff")
    read = ChargingSession.objects.get(pk=session.pk)
    assert (read.stop_reason, read.tariff, read.refusal) == ("Local", {"b": 2}, "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite prepares by itself")
def test_the_statements_of_a_charge_are_prepared_and_their_plans_may_be_kept(online, alice_card):
    """A plan for any value must be able to use the indexes of some rows, so constants stand in the SQL."""
    start(online)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, statement FROM pg_prepared_statements")
        known = {statement: name for name, statement in cursor.fetchall()}
        assert any(statement.startswith("INSERT INTO chargers_chargingsession") for statement in known)
        cursor.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        by_tag = next(s for s in known if "'running'" in s and 'id_tag_id" = $' in s)
        cursor.execute(f'EXPLAIN EXECUTE "{known[by_tag]}" (1, 1)')
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET plan_cache_mode; RESET enable_seqscan")
    # Which of them it takes depends on how many rows there are; each is an index of the few that run.
    assert re.search("session_(open|running_by_tag|one_running_per_connector)", plan), plan


def test_nothing_is_written_into_a_broken_transaction(session):
    """Django's own cursors refuse it; it would be rolled back without a word."""
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic(savepoint=False):
            raise ZeroDivisionError
        prepared.update(session, "stop_reason")


def test_a_prepared_query_costs_one_query(session, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = id_tags._living.first(uid=session.id_tag_text.upper())
        assert isinstance(found, IdTag)
        assert found.user.email
    assert connection.vendor in id_tags._living.compiled
