from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway import leniency, samples

pytestmark = pytest.mark.once

RECEIVED = datetime(2026, 1, 11, 22, 41, tzinfo=UTC)
TIME = "2026-01-11T21:38:28.000Z"


def read(*values, **entry):
    meter_value = {"timestamp": TIME, "sampledValue": list(values), **entry}
    found = samples.read([meter_value], connector_id=1, session_id=94, received_at=RECEIVED)
    return found[0] if found else None


def value(amount, measurand=None, unit=None, **more):
    return {"value": amount} | ({"measurand": measurand} if measurand else {}) | ({"unit": unit} if unit else {}) | more


def test_a_sample_of_the_recorded_solax():
    sample = read(
        value("1130300.0", "Energy.Active.Import.Register", "Wh"),
        value("6.570", "Current.Import", "A"),
        value("399.2", "Voltage", "V"),
        value("100.0", "Power.Factor", "Percent"),
        value("176.0", "Power.Active.Import", "W"),
    )
    assert (sample.energy_wh, sample.current_ma, sample.voltage_mv, sample.power_w) == (1_130_300, 6570, 399_200, 176)
    assert sample.measured_at == datetime(2026, 1, 11, 21, 38, 28, tzinfo=UTC)
    assert sample.raw == [value("100.0", "Power.Factor", "Percent")]


@pytest.mark.parametrize(
    "odd",
    [
        value("5", "Frequency", "Hz"),
        value("5", "Power.Active.Import", "horses"),
        value("5", "Voltage", "V", phase="L1-L2"),
        value("77", "Power.Active.Import", "W"),  # a second one
        value("5", "SoC", context="Sample.Clock"),
        value("5", "SoC", location="EV"),
        value("A9F3", format="SignedData"),
        value("much", "SoC"),
    ],
)
def test_what_no_field_can_tell_is_kept_as_it_was_sent(odd):
    plain = value("176", "Power.Active.Import", "W", context="Sample.Periodic", location="Outlet", format="Raw")
    lines = [value(str(number), "Current.Import", "A", phase=f"L{number}") for number in (1, 2, 3)]
    sample = read(plain, *lines, odd)
    assert sample.raw == [odd]
    assert sample.power_w == 176


@pytest.mark.parametrize(
    ("told", "field", "expected"),
    [
        (value("5"), "energy_wh", 5),  # neither measurand nor unit: the register in Wh
        (value(5.4), "energy_wh", 5),
        (value("0.083", unit="kWh"), "energy_wh", 83),
        (value("1.5", "Energy.Active.Import.Register", "kwh"), "energy_wh", 1500),
        (value("-1"), "energy_wh", None),
        (value("NaN"), "energy_wh", None),
        (value("1e400"), "energy_wh", None),
        (value("9" * 50), "energy_wh", None),
        (value(""), "energy_wh", None),
        (value(None), "energy_wh", None),
        (value(True), "energy_wh", None),
        (value("5", unit="Hertz"), "energy_wh", None),
        (value("5", "Energy.Active.Import.Interval"), "energy_wh", None),
        (value("7.2", "Power.Active.Import", "kW"), "power_w", 7200),
        (value("9999999999", "Power.Active.Import", "W"), "power_w", None),
        (value("21.5", "Temperature", "Celsius"), "temperature_mc", 21_500),
        (value("21.5", "Temperature", "Celcius"), "temperature_mc", 21_500),
        (value("-5", "Temperature"), "temperature_mc", -5000),
        (value("81", "SoC", "Percent"), "soc_percent", 81),
        (value("181", "SoC", "Percent"), "soc_percent", None),
        (value("ab12", format="SignedData"), "energy_wh", None),
    ],
)
def test_values_units_and_bounds(told, field, expected):
    assert getattr(read(told), field) == expected


def test_power_of_lines_adds_up():
    sample = read(
        value("1000", "Power.Active.Import", "W", phase="L1"),
        value("2", "Power.Active.Import", "kW", phase="L2"),
        value("230.1", "Voltage", "V", phase="L1-N"),
        value("10", "Current.Import", "A", phase="L1"),
        value("12", "Current.Import", "A", phase="L2"),
        value("400", "Voltage", "V", phase="L1-L2"),
    )
    assert (sample.power_w, sample.current_ma, sample.voltage_mv) == (3000, 12_000, 230_100)
    assert sample.phases == {
        "L1": {"power_w": 1000, "voltage_mv": 230_100, "current_ma": 10_000},
        "L2": {"power_w": 2000, "current_ma": 12_000},
    }


def test_the_value_of_the_whole_wins_over_its_lines():
    assert read(value("9", "Power.Active.Import"), value("1", "Power.Active.Import", phase="L1")).power_w == 9


def test_an_object_instead_of_a_list():
    entry = {"timestamp": TIME, "sampledValue": value("5")}
    assert samples.read(entry, connector_id=1, session_id=None, received_at=RECEIVED)[0].energy_wh == 5


@pytest.mark.parametrize("entry", [{}, {"sampledValue": []}, {"sampledValue": None}, {"sampledValue": ["x"]}, "x", 5])
def test_an_empty_sample_is_none(entry):
    assert samples.read([entry], connector_id=1, session_id=None, received_at=RECEIVED) == ()


def test_the_context_of_the_first_value_counts():
    assert read(value("5", context="Transaction.End")).context == "Transaction.End"


def test_a_repeated_sample_has_the_same_digest_and_another_one_has_not():
    assert read(value("5")).digest == read(value("5")).digest
    assert read(value("5")).digest != read(value("6")).digest
    assert 0 <= read(value("5")).digest < 2**63


# Whole numbers as orjson reads them: beyond 64 bits it gives floats.
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["timestamp", "sampledValue", "value", "measurand", "unit", "phase", "context"]), inner
        )
    ),
    max_leaves=20,
)


@given(anything)
def test_no_meter_value_raises(meter_value):
    for sample in samples.read(meter_value, connector_id=1, session_id=None, received_at=RECEIVED):
        assert sample.energy_wh is None or 0 <= sample.energy_wh < 2**62


@given(anything)
def test_lenient_readers_give_a_value_within_bounds_or_nothing(value):
    number = leniency.integer(value)
    assert number is None or abs(number) < 2**62
    assert "\0" not in leniency.text(value, 10)
    assert len(leniency.text(value, 10)) <= 10


@pytest.mark.parametrize(
    ("value", "number"), [(12, 12), (12.0, 12), ("12", 12), (" 1130300.0 ", 1_130_300), (True, None)]
)
def test_whole_numbers_in_any_type(value, number):
    assert leniency.integer(value) == number


@pytest.mark.parametrize("places", [0, 3])
@given(text=st.one_of(st.decimals(-(10**20), 10**20).map(str), st.from_regex(r"\A ?-?[0-9]{0,18}\.?[0-9]{0,5} ?\Z")))
def test_the_quick_way_to_a_scaled_number_leads_where_the_exact_one_does(text, places):
    number = leniency.number(text)
    expected = None if number is None else int((number * 10**places).to_integral_value())
    assert leniency.scaled(text, places) == expected


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [("4.35", 3, 4350), ("4.3505", 3, 4350), ("4.3515", 3, 4352), (230.1, 3, 230_100), ("1.50", 0, 2), ("x", 0, None)],
)
def test_numbers_are_scaled_and_rounded_half_to_even(value, places, expected):
    assert leniency.scaled(value, places) == expected
