"""What became of sessions: their lines in lists, what of their bills is paid, and the parts of a bill."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import zones
from accounts.models import User
from billing import bills, pricing, units, wallets
from chargers import clock, plausibility, sessions, settlement, shapes
from chargers.models import ChargingSession, MeterValue
from chargers.models.sessions import MeterValueQuerySet
from chargers.shapes import Shape


def bills_of(rows: Iterable[ChargingSession], *, with_debts: bool = True) -> dict[int, bills.Bill]:
    """What became of the bills of these sessions."""
    charges = {
        row.pk: bills.Charge(
            row.user_id,
            [row.reference, *(f"{row.reference}:correction:{n + 1}" for n in range(row.corrections))],
            row.owner_id,
        )
        for row in rows
        if row.user_id is not None and row.cost is not None
    }
    return bills.of(charges, with_debts=with_debts)


def bill(found: bills.Bill | None) -> Shape:
    """Paid, owed or taken back: for whoever pays. `found` comes from `bills_of`; None: nothing was billed so far."""
    found = found or bills.Bill()
    return {
        "is_reversed": found.is_reversed,
        "reversed_text": units.money(-found.taken_back),
        "share_reversed_text": units.money(-found.share_taken_back),
        "is_owed": found.owed > 0,
        "owed_text": units.money(found.owed),
        "paid_text": units.money(found.paid),
    }


BADGES: dict[str, Promise] = {
    "reversed": gettext_lazy("billed, then reversed"),
    "owed": gettext_lazy("not paid yet"),
    "settled": gettext_lazy("paid"),
    "checking": gettext_lazy("being checked"),
    "refused": gettext_lazy("refused"),
}


def _badge(state: str, found: bills.Bill | None) -> str:
    if state == "settled" and found is not None:
        return "reversed" if found.is_reversed else "owed" if found.owed else state
    return state


@dataclass(frozen=True, slots=True)
class Told:
    """A session with what is told of it in a list. While it runs, energy and cost are those of the highest register."""

    session: ChargingSession
    energy_wh: int | None
    cost: int | None
    bill: bills.Bill | None


def told(rows: Iterable[ChargingSession], *, with_debts: bool = True) -> list[Told]:
    """Each of the sessions with energy, cost and bill, in a few queries for all."""
    rows = list(rows)
    found = bills_of(rows, with_debts=with_debts)
    MeterValue.objects.compare_clocks(rows)
    highest = MeterValue.objects.highest_of([row for row in rows if row.is_running])
    return [_told(row, found.get(row.pk), highest.get(row.pk)) for row in rows]


def _told(row: ChargingSession, found: bills.Bill | None, highest_wh: int | None) -> Told:
    energy_wh, cost = row.energy_wh, row.cost
    if row.is_running:
        energy_wh = row.energy_up_to(highest_wh)
        cost = pricing.cost(row.price, pricing.Consumption(energy_wh))
    return Told(row, energy_wh, cost, found)


def lines(rows: Iterable[ChargingSession], *, for_owner: bool = False) -> list[tuple[ChargingSession, Shape]]:
    """Sessions in a list, each with what is told of it. The rows come with `with_all`.

    Whether a driver owes something is between the driver and the platform: owners have their share, and are told in
    their own words why a start was refused.
    """
    found = told(rows, with_debts=not for_owner)
    return [(line.session, _line(line, for_owner=for_owner)) for line in found]


def _line(line: Told, *, for_owner: bool) -> Shape:
    row = line.session
    badge = _badge(row.state, line.bill)
    state_text = shapes.state_text(row, row.state, for_owner=for_owner)
    return {
        "id": row.pk,
        "url": row.get_absolute_url(),
        "state": row.state,
        "state_text": state_text,
        "badge": badge,
        "badge_text": str(BADGES.get(badge) or state_text),
        "began_text": _local(row.began_at),
        "energy_text": units.kwh(line.energy_wh),
        "cost_text": units.money(line.cost),
        "share_text": units.money(row.owner_share),
    }


def parts(row: ChargingSession) -> list[Shape]:
    """The lines of the bill: what was measured, and the parts of the price."""
    names = {"energy": _("Energy")}
    return [
        {
            "name": names.get(part.name, part.name),
            "quantity_text": f"{formats.number_format(part.quantity, decimal_pos=3)}{units.NO_BREAK}{part.unit}",
            "unit_price_text": units.money(part.unit_price),
            "amount_text": units.money(pricing.round_half_up(part.exact)),
        }
        for part in priced(row)
    ]


def priced(row: ChargingSession) -> list[pricing.Part]:
    """The same, for programs."""
    if row.energy_wh is None or not row.tariff:
        return []
    return pricing.parts(row.price, pricing.Consumption(energy_wh=row.energy_wh))


class Sum(NamedTuple):
    """A line below the parts of a bill. `is_total`: it counts more than the others; `is_debt`: it is bad news."""

    name: str
    amount_text: str
    is_total: bool = False
    is_debt: bool = False


@dataclass(frozen=True, slots=True)
class Paper:
    """A receipt in words, for one who may see it: its page and its PDF show the same."""

    facts: list[tuple[str, str]]
    parts: list[Shape]
    sums: list[Sum]
    notes: list[str]


def paper(row: ChargingSession, *, viewer: User) -> Paper:
    """What of the bill concerns the viewer: who drove what was paid, whose charger it is what was earned."""
    found = bill(bills_of([row]).get(row.pk))
    is_payer = row.user_id == viewer.pk or viewer.is_staff
    sums = [*_paid(row, found, is_payer=is_payer)]
    if row.user_id == viewer.pk:
        sums.append(Sum(_("Free to use in the wallet"), units.money(wallets.wallet_of(viewer).available)))
    if (row.owner_id == viewer.pk or viewer.is_staff) and row.cost is not None:
        fee = _("Platform fee (%(percent)s)") % {"percent": units.percent(row.fee_basis_points)}
        sums.append(Sum(fee, units.money(row.fee)))
        sums.append(Sum(_("Owner's share"), units.money(row.owner_share), is_total=True))
        if found["is_reversed"]:
            sums.append(Sum(_("Reversed: taken back of the owner's share"), found["share_reversed_text"]))
    return Paper(_facts(row), parts(row), sums, [*_notes(row)])


def _notes(row: ChargingSession) -> Iterator[str]:
    if row.corrections:
        yield _("The bill was corrected after the charger reported the end later.")
    yield from _clock_notes(row)
    if zones.is_elsewhere(row.began_at):
        names = {"here": timezone.get_current_timezone_name(), "there": zones.platforms_name()}
        yield _("Times on this page: %(here)s. The PDF, tables and e-mails tell them in %(there)s.") % names


def _paid(row: ChargingSession, found: Shape, *, is_payer: bool) -> Iterator[Sum]:
    is_owed = found["is_owed"] and is_payer
    if row.cost is None:
        name = _("To be paid")
    else:
        name = _("Billed") if found["is_reversed"] or is_owed or not is_payer else _("Paid")
    yield Sum(name, units.money(sessions.progress(row).cost), is_total=True)
    if found["is_reversed"]:
        yield Sum(_("Reversed: the bill was taken back"), found["reversed_text"])
    if is_owed:
        yield Sum(_("Paid from the wallet"), found["paid_text"])
        owed = _("Owed: %(amount)s, the next top-up pays it") % {"amount": found["owed_text"]}
        yield Sum(owed, "", is_total=True, is_debt=True)


def _facts(row: ChargingSession) -> list[tuple[str, str]]:
    begin, end = (_local(at) for at in (row.began_at, row.finished_at))
    doubt = _("(the charger's clock is not exact)") if row.is_clock_doubtful else ""
    facts = [
        (_("Receipt number"), str(row.pk)),
        (_("Owner of the charger"), row.owner.name or units.NOTHING),
        (_("Driver"), row.user.name if row.user else units.NOTHING),
        (_("Charger"), ", ".join(part for part in (row.charger.name, row.charger.address) if part)),
        (_("From – to"), f"{begin} – {end} {doubt}".rstrip()),
        (_("Meter at the start"), units.kwh(row.meter_start_wh)),
        (_("Meter at the end"), units.kwh(row.meter_stop_wh)),
    ]
    if row.closed_by not in ("", "stop"):
        facts.append((_("Ended by"), str(row.get_closed_by_display())))
    return facts


def _local(at: datetime | None) -> str:
    return formats.date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT") if at else units.NOTHING


def _clock_notes(row: ChargingSession) -> Iterator[str]:
    """Why the charger's own times are other ones, or why it is found under another day."""
    heard = [(row.started_at, row.start_received_at)]
    if row.ended_at and row.stop_received_at:
        heard.append((row.ended_at, row.stop_received_at))
    is_ahead = any(told - at > clock.TOLERANCE for told, at in heard)
    is_late = any(at - told > clock.TOLERANCE for told, at in heard)
    if is_ahead or is_late:
        is_whole = len(heard) == 2
        note = _note_of_both(is_ahead=is_ahead, is_late=is_late) if is_whole else _note_of_start(is_ahead=is_ahead)
        yield note % {
            "begin": _local(row.started_at),
            "end": _local(row.ended_at),
            "heard_begin": _local(row.start_received_at),
            "heard_end": _local(row.stop_received_at),
        }


def _note_of_both(*, is_ahead: bool, is_late: bool) -> str:
    if is_ahead and is_late:
        return _(
            "The charger's clock and ours differ: by it this was from %(begin)s to %(end)s, and we heard of the start"
            " on %(heard_begin)s and of the end on %(heard_end)s. Of each the earlier time is told here. Days and"
            " months count by when we heard of the start."
        )
    if is_ahead:
        return _("The charger's clock was ahead: by it this was from %(begin)s to %(end)s. The times here are ours.")
    return _(
        "The times here are the charger's. We heard of the start on %(heard_begin)s and of the end on %(heard_end)s: it"
        " was offline, or its clock is slow. Days and months count by when we heard of the start."
    )


def _note_of_start(*, is_ahead: bool) -> str:
    """The charger told no end."""
    if is_ahead:
        return _("The charger's clock was ahead: by it this began on %(begin)s. The start told here is by our clock.")
    return _(
        "The start told here is by the charger's clock. We heard of it on %(heard_begin)s: the charger was offline, or"
        " its clock is slow. Days and months count by when we heard of the start."
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a bill was made from. A reading is None when it is missing or unreadable."""

    told: Told
    parts: list[pricing.Part]
    start: plausibility.Reading | None
    stop: plausibility.Reading | None


def receipt(row: ChargingSession) -> Receipt:
    [line] = told([row])
    return Receipt(line, priced(row), settlement.start_reading(row), settlement.stop_reading(row))


@dataclass(frozen=True, slots=True)
class Detailed(Told):
    """A session by itself, with the latest of its readings."""

    progress: sessions.Progress


def detailed(row: ChargingSession) -> Detailed:
    """While a bill is being checked its amount is a guess, and is not told."""
    progress = sessions.progress(row)
    cost = None if progress.state in ("checking", "refused") else progress.cost
    return Detailed(row, progress.energy_wh, cost, bills_of([row]).get(row.pk), progress)


def samples(row: ChargingSession, *, every: timedelta | None = None) -> MeterValueQuerySet:
    """What was measured, or one sample in `every`."""
    values = MeterValue.objects.filter(session=row)
    return values if every is None else values.one_in(every)
