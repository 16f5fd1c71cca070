"""Fills an empty database with the years of a big platform, in a minute: for the measurement of pages and lists.

Rows are made by the database itself. PostgreSQL only; the role must be a superuser, because triggers that look at each
row of money (and checks of foreign keys) are left out.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.color import no_style
from django.db import connection, models
from django.utils import timezone

from accounts.models import IdTag, User
from billing import ledger, pricing
from billing.models import Account, Entry, Tariff, Transfer
from chargers.models import Charger, ChargingSession, Connector

CHARGERS_OF_AN_OWNER = 10
SESSIONS_OF_A_DRIVER = 100
PRICE_PER_KWH = 750
FEE_BASIS_POINTS = 1000
OWN_ACCOUNTS = 100
# 5 to 35 kWh, and what they cost, without a rest to be rounded.
ENERGY_WH = "5000 + 100 * mod(n, 300)"
COST = f"({ENERGY_WH}) * {PRICE_PER_KWH} / 1000"
FEE = f"({COST}) / 10"
# The Czech Republic, in degrees; two irrational steps spread the chargers evenly.
SOUTH, WEST, HEIGHT, WIDTH = 48.6, 12.2, 2.4, 6.6
STEPS = (0.7548776662, 0.5698402910)


@dataclass(frozen=True)
class Size:
    chargers: int
    sessions: int

    @property
    def owners(self) -> int:
        return max(1, self.chargers // CHARGERS_OF_AN_OWNER)

    @property
    def drivers(self) -> int:
        return max(1, self.sessions // SESSIONS_OF_A_DRIVER)


def fill(size: Size) -> None:
    """Owners have the first numbers, drivers the following ones."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET statement_timeout = 0")
    try:
        _people(size)
        _fleet(size)
        _sessions(size)
        _money(size)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET session_replication_role; RESET statement_timeout")
            for statement in connection.ops.sequence_reset_sql(no_style(), FILLED):
                cursor.execute(statement)
            cursor.execute("ANALYZE")


FILLED: list[type[models.Model]] = [
    User, IdTag, Account, Tariff, Charger, Connector, ChargingSession, Transfer, Entry,
]  # fmt: skip


def insert(template: models.Model, count: int, **expressions: str) -> None:
    """`count` rows like the template. What differs is an SQL expression of `n`, the number of the row from 1."""
    columns, values, parameters = [], [], []
    for column in template._meta.concrete_fields:
        expression = expressions.pop(column.attname, None)
        if expression is None:
            expression = "%s"
            parameters.append(column.get_db_prep_save(getattr(template, column.attname), connection))
        columns.append(connection.ops.quote_name(str(column.column)))
        values.append(expression)
    assert not expressions, f"{template._meta.label} has no {', '.join(expressions)}"
    statement = (
        f"INSERT INTO {template._meta.db_table} ({', '.join(columns)}) "  # noqa: S608 - all of it is ours
        f"SELECT {', '.join(values)} FROM generate_series(1, {count}) AS n"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _people(size: Size) -> None:
    everybody = size.owners + size.drivers
    role = f"CASE WHEN n <= {size.owners} THEN 'owner' ELSE 'user' END"
    somebody = User(name="Somebody", password=make_password(None))
    insert(somebody, everybody, id="n", email="'person' || n || '@example.org'", role=role)
    cards = IdTag(name="RFID")
    insert(cards, size.drivers, id="n", user_id=f"{size.owners} + n", uid="'04' || lpad(to_hex(n), 12, '0')")
    insert(Account(kind=Account.Kind.WALLET, balance=100_000), everybody, id=_wallet("n"), user_id="n")
    insert(Tariff(price_per_kwh=PRICE_PER_KWH), size.owners, id="n", owner_id="n")


def _fleet(size: Size) -> None:
    latitude, longitude = (
        f"{origin} + {length} * (n * {step} - floor(n * {step}))"
        for origin, length, step in ((SOUTH, HEIGHT, STEPS[0]), (WEST, WIDTH, STEPS[1]))
    )
    now = timezone.now()
    online = Charger(
        access=Charger.Access.PUBLIC, connection_mark="bench", booted_at=now, connected_at=now, last_seen_at=now
    )
    insert(
        online,
        size.chargers,
        id="n",
        owner_id=_owner(size, "n"),
        name="'Charger ' || n",
        code="lpad(to_hex(n), 8, '0')",
        identity="'SC' || lpad(n::text, 10, '0')",
        latitude=latitude,
        longitude=longitude,
        public_latitude=latitude,
        public_longitude=longitude,
    )
    plug = Connector(connector_id=1, type=Connector.Type.TYPE2, max_power_w=11_000, status="Available", status_at=now)
    insert(plug, size.chargers, id="n", charger_id="n", tariff_id=_owner(size, "n"))


def _sessions(size: Size) -> None:
    billed = ChargingSession(
        status=ChargingSession.Status.SETTLED,
        closed_by=ChargingSession.ClosedBy.STOP,
        stop_reason="Local",
        rated_power_w=11_000,
        tariff=pricing.Tariff(currency=settings.CURRENCY, price_per_kwh=PRICE_PER_KWH).as_dict(),
        fee_basis_points=FEE_BASIS_POINTS,
        meter_start_wh=0,
    )
    minutes_ago = f"now() - ({size.sessions} - n) * interval '1 minute'"
    begin, end = f"{minutes_ago} - interval '3 h'", f"{minutes_ago} - interval '1 h'"
    insert(
        billed,
        size.sessions,
        id="n",
        charger_id=_charger(size),
        connector_id=_charger(size),
        owner_id=_owner(size, _charger(size)),
        user_id=_driver(size),
        id_tag_id=f"{_driver(size)} - {size.owners}",
        started_at=begin,
        start_received_at=begin,
        ended_at=end,
        stop_received_at=end,
        settled_at=end,
        energy_wh=ENERGY_WH,
        meter_stop_wh=ENERGY_WH,
        cost=COST,
        fee=FEE,
    )


def _money(size: Size) -> None:
    bill = Transfer(kind=Transfer.Kind.SESSION, description="Charger", entry_count=3)
    insert(bill, size.sessions, id="n", reference="'session:' || n")
    sides = (
        (_wallet(_driver(size)), f"-({COST})"),
        (_wallet(_owner(size, _charger(size))), f"{COST} - {FEE}"),
        (str(ledger.account(Account.Kind.PLATFORM).pk), FEE),
    )
    for number, (account, amount) in enumerate(sides):
        insert(Entry(), size.sessions, id=f"3 * n - {number}", transfer_id="n", account_id=account, amount=amount)


def _wallet(person: str) -> str:
    """The platform's own accounts have the first numbers."""
    return f"{OWN_ACCOUNTS} + {person}"


def _charger(size: Size) -> str:
    return f"1 + mod(n, {size.chargers})"


def _owner(size: Size, charger: str) -> str:
    return f"1 + mod({charger}, {size.owners})"


def _driver(size: Size) -> str:
    """Neighbours in time are different people."""
    return f"{size.owners} + 1 + mod(n * 7, {size.drivers})"
