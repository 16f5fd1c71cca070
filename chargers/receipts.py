"""What became of sessions: their lines in lists, what of their bills is paid, and the parts of a bill."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from django.conf import settings
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing import bills, pricing, units
from chargers import shapes
from chargers.models import ChargingSession, MeterValue
from chargers.shapes import Shape


def bills_of(rows: Iterable[ChargingSession], *, with_debts: bool = True) -> dict[int, bills.Bill]:
    """What became of the bills of these sessions."""
    charges = {
        row.pk: bills.Charge(
            row.user_id, [row.reference, *(f"{row.reference}:correction:{n + 1}" for n in range(row.corrections))]
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


def lines(rows: Iterable[ChargingSession], *, for_owner: bool = False) -> list[tuple[ChargingSession, Shape]]:
    """Sessions in a list, each with what is told of it, in a few queries for all. The rows come with `with_all`.

    Whether a driver owes something is between the driver and the platform: owners have their share.
    """
    rows = list(rows)
    found = bills_of(rows, with_debts=not for_owner)
    highest = MeterValue.objects.highest_of([row for row in rows if row.is_running])
    return [(row, _line(row, found.get(row.pk), highest.get(row.pk))) for row in rows]


def _line(row: ChargingSession, found: bills.Bill | None, highest_wh: int | None) -> Shape:
    """While it runs, energy and cost are those of the highest register so far."""
    energy_wh, cost = row.energy_wh, row.cost
    if row.is_running:
        energy_wh = row.energy_up_to(highest_wh)
        cost = pricing.cost(row.price, pricing.Consumption(energy_wh))
    badge = _badge(row.state, found)
    return {
        "id": row.pk,
        "url": row.get_absolute_url(),
        "state": row.state,
        "state_text": shapes.state_text(row, row.state),
        "badge": badge,
        "badge_text": str(BADGES.get(badge) or shapes.state_text(row, row.state)),
        "began_text": formats.date_format(timezone.localtime(row.start_received_at), "SHORT_DATETIME_FORMAT"),
        "energy_text": units.kwh(energy_wh),
        "cost_text": units.money(cost),
        "share_text": units.money(row.owner_share),
    }


TABLE = ("started", "ended", "charger", "town", "kwh", "price_per_kwh", "cost", "currency", "state")


def table(rows: Iterable[ChargingSession]) -> Iterator[tuple[str, ...]]:
    """Sessions for a spreadsheet, with a line of headings. The rows come with `with_all`."""
    yield TABLE
    for row in rows:
        price = row.tariff.get("price_per_kwh") if row.tariff else None
        yield (
            timezone.localtime(row.start_received_at).isoformat(timespec="seconds"),
            timezone.localtime(row.stop_received_at).isoformat(timespec="seconds") if row.stop_received_at else "",
            _cell(row.charger.name),
            _cell(row.charger.city),
            "" if row.energy_wh is None else f"{Decimal(row.energy_wh) / 1000:.3f}",
            "" if price is None else f"{Decimal(price) / 100:.2f}",
            "" if row.cost is None else f"{Decimal(row.cost) / 100:.2f}",
            settings.CURRENCY,
            row.state,
        )


def _cell(text: str) -> str:
    """A spreadsheet takes text that begins like this for a formula, and owners choose their chargers' names."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def parts(row: ChargingSession) -> list[Shape]:
    """The lines of the bill: what was measured, and the parts of the price."""
    if row.energy_wh is None or not row.tariff:
        return []
    names = {"energy": _("Energy")}
    return [
        {
            "name": names.get(part.name, part.name),
            "quantity_text": f"{formats.number_format(part.quantity, decimal_pos=3)}{units.NO_BREAK}{part.unit}",
            "unit_price_text": units.money(part.unit_price),
            "amount_text": units.money(pricing.round_half_up(part.exact)),
        }
        for part in pricing.parts(row.price, pricing.Consumption(energy_wh=row.energy_wh))
    ]
