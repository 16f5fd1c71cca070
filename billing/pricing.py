"""What a session costs. Pure: no Django, no database, no clock. The only place where money is rounded."""

from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Self

# A million of the currency's units per kWh: beyond it the input is a mistake, and sums stay far from 2^63.
PRICE_PER_KWH_LIMIT = 1_000_000 * 100
BASIS_POINTS = 10_000
WH_PER_KWH = 1000


@dataclass(frozen=True, slots=True)
class Tariff:
    """The parts of a price. Amounts are minor units of `currency`."""

    currency: str
    price_per_kwh: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, snapshot: dict[str, Any]) -> Self:
        return cls(currency=snapshot["currency"], price_per_kwh=snapshot["price_per_kwh"])

    @property
    def is_free(self) -> bool:
        return self.price_per_kwh == 0


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a car took."""

    energy_wh: int


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a receipt: `quantity` of `unit` at `unit_price` makes `exact` (minor units, not rounded)."""

    name: str
    quantity: Decimal
    unit: str
    unit_price: int
    exact: Decimal


def parts(tariff: Tariff, consumption: Consumption) -> list[Part]:
    """The receipt's lines, unrounded."""
    if consumption.energy_wh < 0:
        raise ValueError("energy cannot be negative")
    kwh = Decimal(consumption.energy_wh) / WH_PER_KWH
    return [Part("energy", kwh, "kWh", tariff.price_per_kwh, kwh * tariff.price_per_kwh)]


def cost(tariff: Tariff, consumption: Consumption) -> int:
    """What the driver pays, in whole minor units: the exact sum of the parts, rounded once, half up."""
    return round_half_up(sum((part.exact for part in parts(tariff, consumption)), Decimal(0)))


def fee(amount: int, basis_points: int) -> int:
    """The platform's share of `amount` (0 or more). The owner gets `amount - fee`, so no haléř is lost or made."""
    if amount < 0 or not 0 <= basis_points <= BASIS_POINTS:
        raise ValueError("a fee is a share between 0 and 100 % of an amount that is not negative")
    return round_half_up(Decimal(amount * basis_points) / BASIS_POINTS)


def round_half_up(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
