"""The statements of docs/growth.md, carried out on a database of their own, and the platform working on it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from chargers import recorder, registry, retention, settlement
from chargers.facts import Exchange, Facts, Sample
from chargers.models import ChargingSession, Connector, Message, MeterValue
from conftest import make_user
from sharecharge.testing import volume

PLAN = Path(settings.BASE_DIR, "docs", "growth.md")
DECEMBER, JANUARY, MARCH = (
    datetime(year, month, 20, 12, tzinfo=UTC) for year, month in [(2026, 12), (2027, 1), (2027, 3)]
)
TABLES = ("chargers_message", "chargers_metervalue")

pytestmark = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no partitions")


@pytest.fixture
def scratch(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Everything below works on a fresh database, which is gone afterwards."""
    original = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        execute(f'CREATE DATABASE "{original}_parts"')
        use(f"{original}_parts")
        try:
            call_command("migrate", verbosity=0)
            yield
        finally:
            use(original)
            execute(f'DROP DATABASE "{original}_parts"')


def use(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def execute(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def carry_out(chapter: str) -> None:
    """The statements of one chapter of the plan, one after the other, as psql would send them."""
    text = PLAN.read_text().split(f"### {chapter}\n")[1].split("\n### ")[0]
    for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL):
        for statement in block.split(";\n"):
            if statement.strip():
                execute(statement)


def partition_of(row: Message | MeterValue) -> str:
    table = row._meta.db_table
    return execute(f"SELECT tableoid::regclass::text FROM {table} WHERE id = {row.pk}")[0][0]


def indexes_of(table: str) -> int:
    return execute(f"SELECT count(*) FROM pg_indexes WHERE tablename = '{table}'")[0][0]


@pytest.fixture
def session(scratch: None) -> ChargingSession:
    owner, driver = make_user("Bob", role=User.Role.OWNER), make_user("Alice")
    charger = registry.register(owner=owner, name="Garage", latitude=49.8, longitude=16.3).charger
    connector = Connector.objects.create(charger=charger, connector_id=1)
    return ChargingSession.objects.create(
        charger=charger, connector=connector, user=driver, owner=owner, started_at=DECEMBER, start_received_at=DECEMBER,
        meter_start_wh=0, tariff={"currency": "CZK", "price_per_kwh": 500},
    )  # fmt: skip


def hear(session: ChargingSession, at: datetime, energy_wh: int) -> None:
    """A message with one sample, as the gateway stores it."""
    sample = Sample(1, session.pk, at, "Sample.Periodic", [{"value": str(energy_wh)}], energy_wh, energy_wh=energy_wh)
    exchange = Exchange(Message.Direction.IN, "1", "MeterValues", "[]", "[]", is_error=False)
    recorder.write([Facts(session.charger_id, at, samples=(sample,), exchange=exchange)])


@pytest.fixture
def split(session: ChargingSession) -> ChargingSession:
    """Its December lies in the old tables, which are the first partitions now."""
    for hours in range(3):
        hear(session, DECEMBER + timedelta(hours=hours), 1_000 * hours)
    carry_out("Prepare")
    hear(session, DECEMBER + timedelta(hours=3), 3_000)  # the gateway goes on meanwhile
    indexes = {table: indexes_of(table) for table in TABLES}
    carry_out("Switch the log")
    carry_out("Switch the meter values")
    # Attaching made none, or everybody would have waited for it; the old primary key is gone.
    assert {table: indexes_of(f"{table}_until_2027_01") + 1 for table in TABLES} == indexes
    return session


def test_everything_works_on_the_partitions(split: ChargingSession):
    assert MeterValue.objects.count() == Message.objects.count() == 4
    assert settlement.assess(split).energy_wh == 3_000
    newest = MeterValue.objects.latest("pk").pk

    hear(split, JANUARY, 4_000)
    hear(split, MARCH, 5_000)
    values = {row.energy_wh: row for row in MeterValue.objects.order_by("pk")}
    assert [partition_of(values[energy]) for energy in (3_000, 4_000, 5_000)] == [
        "chargers_metervalue_until_2027_01", "chargers_metervalue_2027_01", "chargers_metervalue_beyond"
    ]  # fmt: skip
    assert partition_of(Message.objects.latest("pk")) == "chargers_message_beyond"
    assert values[4_000].pk > newest
    assert settlement.assess(split).energy_wh == 5_000


def test_a_repeat_is_refused_within_its_month(split: ChargingSession):
    for at in (DECEMBER, JANUARY, MARCH):
        hear(split, at, 9_000 + at.month)
        hear(split, at + timedelta(minutes=1), 9_000 + at.month)
    assert MeterValue.objects.filter(energy_wh__gt=9_000).count() == 3
    before = settlement.assess(split)
    hear(split, JANUARY, 9_012)  # what December knows already
    assert MeterValue.objects.filter(energy_wh=9_012).count() == 2
    assert settlement.assess(split).energy_wh == before.energy_wh


def test_a_sample_of_no_session_is_refused(split: ChargingSession):
    row = MeterValue(charger=split.charger, connector_id=1, session_id=split.pk + 1, raw=[], digest=1)
    row.measured_at = row.received_at = JANUARY
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_months_come_and_go(split: ChargingSession):
    carry_out("Every month")
    hear(split, datetime(2027, 2, 3, tzinfo=UTC), 4_000)
    assert partition_of(MeterValue.objects.latest("pk")) == "chargers_metervalue_2027_02"
    assert [partition_of(row) for row in Message.objects.all()] == ["chargers_message_2027_02"]
    assert MeterValue.objects.count() == 5


def test_the_sweep_forgets_in_partitions_too(split: ChargingSession):
    hear(split, JANUARY, 4_000)
    assert retention.forget_messages(JANUARY + timedelta(days=15)) == 4
    assert [row.at for row in Message.objects.all()] == [JANUARY]
    plan = volume.plan(Message.objects.filter(at__gte=JANUARY))
    assert {step["Relation Name"] for step in plan.steps if "Relation Name" in step} == {
        "chargers_message_2027_01", "chargers_message_beyond"
    }  # fmt: skip
