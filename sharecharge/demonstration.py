"""What `manage.py demo` shows: its people and chargers, three sessions, and whether every number is what it must be.

The expectations are computed here a second time, from the prices below and from what the charge points were
acknowledged; nothing of `billing.pricing` is used for them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from statistics import median

from django.utils import timezone

from accounts.models import User
from billing import ledger, wallets
from billing.models import Account, Transfer
from chargers import photos
from chargers.hours import ALWAYS, DAYS, OF_DAY, Week, Window, week_of
from chargers.models import Charger, ChargingSession
from chargers.models.fleet import in_local_time
from ocpp_gateway import provisioning, replay
from ocpp_gateway.simulator import Car, Clock, Credentials, Journal, Say, charge_once, together
from sharecharge import drawings

FIXTURES = Path(replay.__file__).parent / "fixtures"
TRACE = (FIXTURES / "solax_x3_hac.jsonl", FIXTURES / "solax_x3_hac_synthetic_end.jsonl")
SOLAX_CARD = "04C5A2F7"
SOLAX_SAMPLES = 156
SOLAX_ENERGY_WH = 5400
SOLAX_CLOCK_JUMP_MINUTES = range(55, 65)
PASSWORD = "sharecharge-demo"  # noqa: S105 - printed for everybody; the demo listens on the loopback only
OWNER, DRIVER, OPERATOR = "owner@example.org", "driver@example.org", "operator@example.org"
BALANCE = Decimal(2000)
NEIGHBOURS_BALANCE = Decimal(20_000)
FEE = Decimal("0.10")
SESSION_SPEED = 900.0  # an hour of the simulated sessions takes four seconds
HALER = Decimal("0.01")
# Which of the places is open at night and on the weekend only; none of those where the three sessions take place.
AT_NIGHT = 4


@dataclass(frozen=True)
class Place:
    """A wallbox at home; `price` is per kWh."""

    name: str
    street: str
    house_number: str
    postal_code: str
    city: str
    latitude: float
    longitude: float
    price: Decimal


PLACES = (
    Place("Solax u Horáků", "Krnovská", "71", "746 01", "Opava", 49.9412, 17.8939, Decimal("7.99")),
    Place("Garáž na Vinohradech", "Mánesova", "48", "120 00", "Praha", 50.0779, 14.4430, Decimal("9.50")),
    Place("Wallbox Královo Pole", "Palackého třída", "112", "612 00", "Brno", 49.2197, 16.5958, Decimal("8.25")),
    Place("Poruba, dům se solárem", "Opavská", "823", "708 00", "Ostrava", 49.8293, 18.1649, Decimal("6.90")),
    Place("Dvůr v Hejčíně", "Tomkova", "22", "779 00", "Olomouc", 49.6043, 17.2379, Decimal("7.40")),
    Place("Slovany u parku", "Koterovská", "96", "326 00", "Plzeň", 49.7307, 13.4010, Decimal("8.00")),
    Place("Nabíječka Rožnov", "Lidická tř.", "155", "370 07", "České Budějovice", 48.9603, 14.4765, Decimal("7.75")),
    Place("Pod Ještědem", "Ještědská", "61", "460 08", "Liberec", 50.7527, 15.0267, Decimal("8.80")),
)


@dataclass(frozen=True)
class Spot:
    """A charger of the demo with its price and the card that is used there."""

    place: Place
    credentials: Credentials


@dataclass(frozen=True)
class Witness:
    """What the charge point of one session was acknowledged."""

    spot: Spot
    journal: Journal


# What happened, and the answers that were not as they must be, in words.
Outcome = tuple[list[Witness], list[str]]


@dataclass
class Row:
    """One line of the table: what the database says of a session, in the currency's units."""

    session: ChargingSession
    readings: int
    clock_jump_minutes: int
    cost: Decimal
    owner_share: Decimal
    fee: Decimal


@dataclass
class Findings:
    """`problems` are sentences; empty when everything is as it must be."""

    rows: list[Row] = field(default_factory=list)
    balances: dict[str, Decimal] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.problems.append(f"{what} is {found}, but must be {expected}.")


# ------------------------------------------------------------------------------------------------ people and chargers


def make_cast() -> list[Spot]:
    """An owner, an operator, and for each charger a driver; the first driver has the card of the recorded session."""
    User.objects.create_superuser(OPERATOR, PASSWORD, name="Olga Operátorová")
    owner = provisioning.owner(OWNER, name="Otakar Horák", password=PASSWORD)
    spots = []
    for number, place in enumerate(PLACES):
        registered = provisioning.charger(
            owner,
            name=place.name,
            latitude=place.latitude,
            longitude=place.longitude,
            price_per_kwh=int(place.price * 100),
            street=place.street,
            house_number=place.house_number,
            postal_code=place.postal_code,
            city=place.city,
            hours=_hours(number),
        )
        if number < len(drawings.HOUSES):
            _show(registered.charger, number)
        spots.append(Spot(place, provisioning.credentials(registered, _driver(number))))
    return spots


def _hours(number: int) -> Week:
    """The first one has a day off, which is never today or tomorrow; one is for the night and the weekend."""
    if number == 0:
        day_off = (in_local_time(timezone.now()).weekday() + 3) % DAYS
        return week_of(Window(day, 0, OF_DAY) for day in range(DAYS) if day != day_off)
    if number == AT_NIGHT:
        night = (2 * 17, OF_DAY + 2 * 7)
        return week_of([*(Window(day, *night) for day in range(5)), Window(5, 0, OF_DAY), Window(6, 0, OF_DAY)])
    return ALWAYS


def _show(charger: Charger, number: int) -> None:
    """Two pictures: the house for everybody, and where the plug is for who may charge there."""
    house, plug = drawings.house(number), drawings.plug(number)
    photos.add(charger, house, audience=photos.Audience.EVERYBODY, description="Vjezd ke garáži, wallbox vedle vrat")
    photos.add(charger, plug, audience=photos.Audience.ADMITTED, description="Wallbox zblízka, kabel visí vpravo")


def _driver(number: int) -> str:
    """The card of a new driver with money. The first two are people to log in as; nobody logs in as a neighbour."""
    if number == 0:
        name, email, card = "Dana Řidičová", DRIVER, SOLAX_CARD
    else:
        name, email, card = f"Soused {number}", f"neighbour{number}@example.org", ""
    balance = BALANCE if number < 3 else NEIGHBOURS_BALANCE
    password = PASSWORD if number < 2 else None
    return provisioning.driver(email, name=name, password=password, balance=int(balance * 100), card=card).uid


# ------------------------------------------------------------------------------------------------ the three sessions


def run_sessions(spots: Sequence[Spot], *, url: str, say: Say, note: Callable[[str], None]) -> Outcome:
    """The recorded session and two simulated ones, at the same time, each over its own websocket.

    Gives what the charge points were acknowledged, and the answers that were not as they must be.
    """
    witnesses = [Witness(spot, Journal()) for spot in spots[:3]]
    recorded, *simulated = witnesses
    cars = (
        Car("Škoda Enyaq 80", 77_000, 11_000, 3, soc_percent=60.0, target_percent=80.0),
        Car("Dacia Spring", 26_800, 6_600, 1, soc_percent=76.0),
    )
    # They began hours ago, so that their clocks, which run fast, do not overtake ours.
    began = datetime.now(UTC) - timedelta(hours=6)
    works = [
        charge_once(
            witness.spot.credentials,
            car,
            url=url,
            clock=Clock(SESSION_SPEED, began),
            journal=witness.journal,
            say=say,
            seed=number,
            tells_samples=False,
        )
        for number, (witness, car) in enumerate(zip(simulated, cars, strict=True))
    ]
    play = replay.replay(
        replay.read_trace(TRACE), url=url, credentials=recorded.spot.credentials, journal=recorded.journal
    )
    report, *_transactions = asyncio.run(together([play, *works]))
    note(f"The recorded conversation: {report.sent} messages in {report.seconds:.1f} s.")
    missing = [f"{report.rows - report.sent} recorded messages were not sent."] if report.sent < report.rows else []
    return witnesses, [*report.mismatches, *missing]


# ------------------------------------------------------------------------------------------------ the numbers


def examine(witnesses: Sequence[Witness]) -> Findings:
    """Every number of the database against what it must be."""
    findings = Findings()
    totals = {"owner": Decimal(0), "platform": Decimal(0)}
    for witness in witnesses:
        cost = _examine_session(witness, findings)
        if cost is None:
            continue
        fee = _round(cost * FEE)
        totals["owner"] += cost - fee
        totals["platform"] += fee
        driver = User.objects.get(id_tags__uid=witness.spot.credentials.id_tag)
        wallet = wallets.wallet_of(driver)
        findings.balances[f"driver {driver.name}"] = _units(wallet.balance)
        findings.expect(f"The balance of {driver.name}", _units(wallet.balance), BALANCE - cost)
        findings.expect(f"What {driver.name} has on hold or owes", (wallet.held, wallet.owed), (0, 0))
    owner = _units(wallets.wallet_of(User.objects.get(email=OWNER)).balance)
    platform = _units(ledger.account(Account.Kind.PLATFORM).balance)
    findings.balances |= {"owner": owner, "platform": platform}
    findings.expect("The owner's balance", owner, totals["owner"])
    findings.expect("The platform's balance", platform, totals["platform"])
    findings.expect("The number of sessions", ChargingSession.objects.count(), len(witnesses))
    findings.problems += ledger.breaches()
    return findings


def _examine_session(witness: Witness, findings: Findings) -> Decimal | None:
    """Compares one session; gives what it must cost, or None when there is no such session."""
    name = witness.spot.place.name
    starts, stops = witness.journal.of("StartTransaction"), witness.journal.of("StopTransaction")
    if len(starts) != 1 or len(stops) != 1:
        findings.problems.append(
            f"{name}: {len(starts)} starts and {len(stops)} stops were acknowledged, not one each."
        )
        return None
    charger = Charger.objects.get(identity=witness.spot.credentials.identity)
    session = ChargingSession.objects.filter(pk=starts[0].answer["transactionId"], charger=charger).first()
    if session is None:
        findings.problems.append(f"{name}: the database has no session {starts[0].answer['transactionId']}.")
        return None
    energy_wh = stops[0].payload["meterStop"] - starts[0].payload["meterStart"]
    samples = sum(len(entry.payload["meterValue"]) for entry in witness.journal.of("MeterValues"))
    cost = _round(witness.spot.place.price * Decimal(energy_wh) / 1000)
    row = _row(session)
    findings.rows.append(row)
    findings.expect(f"{name}: the state", session.status, ChargingSession.Status.SETTLED)
    findings.expect(f"{name}: held for review", session.review_reasons, [])
    findings.expect(f"{name}: the number of readings kept", row.readings, samples)
    findings.expect(f"{name}: the energy in Wh", session.energy_wh, energy_wh)
    findings.expect(f"{name}: the cost", row.cost, cost)
    findings.expect(f"{name}: the fee", row.fee, _round(cost * FEE))
    findings.expect(f"{name}: owner's share and fee together", row.owner_share + row.fee, cost)
    findings.expect(f"{name}: the transfer", _entries(session), _expected_entries(session, cost))
    if witness.spot.credentials.id_tag == SOLAX_CARD:
        _examine_recording(row, findings)
    return cost


def _examine_recording(row: Row, findings: Findings) -> None:
    """What is known of the recording beforehand."""
    session = row.session
    last = session.meter_values.registers().last()
    findings.expect("The number of recorded samples kept", row.readings, SOLAX_SAMPLES)
    before_stop = (last.energy_wh or 0) - (session.meter_start_wh or 0) if last else 0
    findings.expect("The energy before the synthetic stop in Wh", before_stop, SOLAX_ENERGY_WH)
    if row.clock_jump_minutes not in SOLAX_CLOCK_JUMP_MINUTES:
        findings.problems.append(f"The clock's jump is {row.clock_jump_minutes} min, but must be about 59.")


def _row(session: ChargingSession) -> Row:
    return Row(
        session=session,
        readings=session.meter_values.count(),
        clock_jump_minutes=_clock_jump_minutes(session),
        cost=_units(session.cost or 0),
        owner_share=_units(session.owner_share or 0),
        fee=_units(session.fee or 0),
    )


def _clock_jump_minutes(session: ChargingSession) -> int:
    """By how much the charger's clock leapt between two samples beyond their usual distance; 0 under ten minutes."""
    times = list(session.meter_values.order_by("pk").values_list("measured_at", flat=True))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    leap = (max(gaps) - median(gaps)) / 60 if gaps else 0.0
    return round(leap) if leap >= 10 else 0


def _entries(session: ChargingSession) -> dict[str, Decimal]:
    """What the ledger moved for a session: account -> amount."""
    transfer = Transfer.objects.filter(reference=session.reference).first()
    entries = transfer.entries.select_related("account") if transfer else []
    return {_account_key(entry.account): _units(entry.amount) for entry in entries}


def _expected_entries(session: ChargingSession, cost: Decimal) -> dict[str, Decimal]:
    fee = _round(cost * FEE)
    return {f"wallet:{session.user_id}": -cost, f"wallet:{session.owner_id}": cost - fee, "platform": fee}


def _account_key(account: Account) -> str:
    return f"{account.kind}:{account.user_id}" if account.user_id else str(account.kind)


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(HALER, rounding=ROUND_HALF_UP)


def _units(minor: int) -> Decimal:
    return Decimal(minor) / 100


# ------------------------------------------------------------------------------------------------ the table

HEADINGS = ("session", "charger", "kWh", "readings", "cost", "owner", "platform", "clock jump", "held for review")


def table(findings: Findings, *, currency: str) -> list[str]:
    """The result in lines."""
    cells = [HEADINGS, *(_cells(row, currency) for row in findings.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = ["  ".join(map(_aligned, line, widths, range(len(HEADINGS)))) for line in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    balances = ", ".join(f"{who} {amount:.2f} {currency}" for who, amount in findings.balances.items())
    return [*lines, "", f"Balances: {balances}.", f"Ledger sums to zero: {'no' if ledger.breaches() else 'yes'}."]


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)


def _cells(row: Row, currency: str) -> tuple[str, ...]:
    session = row.session
    return (
        f"#{session.pk}",
        f"{session.charger.name}, {session.charger.city}",
        f"{Decimal(session.energy_wh or 0) / 1000:.3f}",
        str(row.readings),
        f"{row.cost:.2f} {currency}",
        f"{row.owner_share:.2f} {currency}",
        f"{row.fee:.2f} {currency}",
        f"+{row.clock_jump_minutes} min" if row.clock_jump_minutes else "no",
        "YES" if session.is_held else "no",
    )
