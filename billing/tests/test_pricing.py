from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import pricing
from billing.pricing import Consumption, Tariff

pytestmark = pytest.mark.once


def tariff(price_per_kwh: int) -> Tariff:
    return Tariff(currency="CZK", price_per_kwh=price_per_kwh)


@pytest.mark.parametrize(
    ("energy_wh", "price", "cost"),
    [
        (5400, 750, 4050),
        (0, 750, 0),
        (1, 499, 0),  # 0.499 haléř
        (1, 500, 1),  # 0.5 is rounded up, not to even
        (5, 500, 3),  # 2.5 too
        (3, 333, 1),
        (100_000, 0, 0),
    ],
)
def test_a_cost_is_rounded_once_half_up(energy_wh, price, cost):
    assert pricing.cost(tariff(price), Consumption(energy_wh)) == cost


@given(st.integers(0, 10**9), st.integers(0, pricing.PRICE_PER_KWH_LIMIT))
def test_a_cost_is_never_off_by_more_than_half_a_unit(energy_wh, price):
    cost = pricing.cost(tariff(price), Consumption(energy_wh))
    assert abs(Fraction(energy_wh * price, 1000) - cost) <= Fraction(1, 2)


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_a_fee_is_a_share(amount, basis_points):
    fee = pricing.fee(amount, basis_points)
    assert 0 <= fee <= amount
    assert abs(Fraction(amount * basis_points, 10_000) - fee) <= Fraction(1, 2)


def test_impossible_input_is_a_bug():
    with pytest.raises(ValueError, match="negative"):
        pricing.cost(tariff(1), Consumption(-1))
    with pytest.raises(ValueError, match="share"):
        pricing.fee(-1, 1000)
    with pytest.raises(ValueError, match="share"):
        pricing.fee(1, 10_001)


def test_the_parts_of_a_receipt_sum_to_the_cost():
    parts = pricing.parts(tariff(750), Consumption(5432))
    assert sum(part.exact for part in parts) == Decimal("4074.000")
    assert pricing.cost(tariff(750), Consumption(5432)) == 4074


def test_a_tariff_survives_its_snapshot():
    assert Tariff.from_dict(tariff(750).as_dict()) == tariff(750)
