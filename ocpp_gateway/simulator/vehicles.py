"""Cars and meters at simulated charge points. Pure: no sockets, no Django, no clock of its own."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

PHASE_VOLTAGE = 230.0
LEAST_CURRENT_A = 6.0  # IEC 61851: below it a car does not charge at all
TAPER_FROM_PERCENT = 80.0
LAST_SHARE = 0.1  # of its full power a car still takes just before it is full
CHARGING_EFFICIENCY = 0.9  # what of the metered energy reaches the battery
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86_400.0


@dataclass
class Car:
    """A car at a cable. `soc_percent` is its state of charge; it charges until `target_percent`."""

    model: str
    battery_wh: int
    max_power_w: int
    phases: int
    soc_percent: float
    target_percent: float = 100.0

    @property
    def is_full(self) -> bool:
        return self.soc_percent >= self.target_percent - 1e-9

    def wanted_power_w(self) -> float:
        """Full power up to 80 %, then falling in a straight line; nothing at the target."""
        if self.is_full:
            return 0.0
        if self.soc_percent <= TAPER_FROM_PERCENT:
            return float(self.max_power_w)
        left = (100.0 - self.soc_percent) / (100.0 - TAPER_FROM_PERCENT)
        return self.max_power_w * (LAST_SHARE + (1 - LAST_SHARE) * left)

    def power_w(self, limit_w: float) -> float:
        """What it takes when `limit_w` is offered; nothing when that is less than 6 A on its phases."""
        if limit_w < LEAST_CURRENT_A * PHASE_VOLTAGE * self.phases:
            return 0.0
        return min(self.wanted_power_w(), limit_w)

    def take(self, *, limit_w: float, seconds: float) -> float:
        """Charges for `seconds`; gives the energy that went through the meter, in Wh."""
        if seconds <= 0:
            return 0.0
        missing_wh = max(0.0, self.target_percent - self.soc_percent) / 100 * self.battery_wh / CHARGING_EFFICIENCY
        taken_wh = min(self.power_w(limit_w) * seconds / SECONDS_PER_HOUR, missing_wh)
        self.soc_percent = min(100.0, self.soc_percent + taken_wh * CHARGING_EFFICIENCY / self.battery_wh * 100)
        return taken_wh


# Battery in Wh, power on alternating current in W, phases: common cars on Czech roads.
MODELS = (
    ("Škoda Enyaq 80", 77_000, 11_000, 3),
    ("Škoda Citigo e iV", 32_300, 7_200, 2),
    ("Hyundai Kona 64", 64_000, 11_000, 3),
    ("Tesla Model 3", 60_000, 11_000, 3),
    ("Dacia Spring", 26_800, 6_600, 1),
    ("Renault Zoe R135", 52_000, 22_000, 3),
    ("Volkswagen ID.3", 58_000, 11_000, 3),
    ("BMW i3 120 Ah", 37_900, 11_000, 3),
)


def arriving_car(rng: random.Random) -> Car:
    """Some car, as empty as cars are when they come to a charger."""
    model, battery_wh, power_w, phases = rng.choice(MODELS)
    soc = min(85.0, max(5.0, rng.gauss(42, 18)))
    target = rng.choice((80.0, 90.0, 100.0))
    return Car(model, battery_wh, power_w, phases, soc_percent=soc, target_percent=max(target, soc + 5))


@dataclass
class Register:
    """The meter of a connector. It only ever counts up and is never reset; the reading is whole Wh."""

    energy_wh: float = 0.0

    @property
    def reading_wh(self) -> int:
        return int(self.energy_wh)

    def count(self, energy_wh: float) -> None:
        if energy_wh < 0:
            raise ValueError("a register never counts down")
        self.energy_wh += energy_wh


@dataclass
class Profiles:
    """The charging profiles that a charge point was given: (connector, purpose, stack level) -> profile, received."""

    installed: dict[tuple[int, str, int], tuple[dict[str, Any], datetime]] = field(default_factory=dict)

    def install(self, connector_id: int, profile: dict[str, Any], *, at: datetime) -> None:
        """A profile with the same purpose and stack level replaces the older one (OCPP 1.6 §3.13.2)."""
        key = (connector_id, profile["charging_profile_purpose"], profile["stack_level"])
        self.installed[key] = (profile, at)

    def clear(self, *, profile_id: int | None = None, connector_id: int | None = None) -> int:
        """Removes those that fit all given criteria. Returns how many."""
        doomed = [
            key
            for key, (profile, _at) in self.installed.items()
            if (profile_id is None or profile["charging_profile_id"] == profile_id)
            and (connector_id is None or key[0] == connector_id)
        ]
        for key in doomed:
            del self.installed[key]
        return len(doomed)

    def end_of_transaction(self, connector_id: int) -> None:
        """A TxProfile lives as long as its transaction."""
        for key in [key for key in self.installed if key[0] == connector_id and key[1] == "TxProfile"]:
            del self.installed[key]

    def limit_w(self, connector_id: int, *, at: datetime, started_at: datetime, phases: int, rated_w: float) -> float:
        """The power that may flow now: the rated one, or less where profiles say so."""
        tops: dict[str, tuple[int, float]] = {}
        for (at_connector, purpose, level), (profile, received_at) in self.installed.items():
            if at_connector not in (0, connector_id):
                continue
            limit = _limit_of(profile, at=at, received_at=received_at, started_at=started_at, phases=phases)
            if limit is not None and level >= tops.get(purpose, (-1, 0.0))[0]:
                tops[purpose] = (level, limit)
        if "TxProfile" in tops:  # it overrules the default
            tops.pop("TxDefaultProfile", None)
        return min([rated_w, *(limit for _level, limit in tops.values())])


def _limit_of(
    profile: dict[str, Any], *, at: datetime, received_at: datetime, started_at: datetime, phases: int
) -> float | None:
    """The limit of one profile at a moment in W, or None when it says nothing about it."""
    schedule = profile["charging_schedule"]
    begin = _begin(profile, received_at=received_at, started_at=started_at)
    elapsed = (at - begin).total_seconds()
    if profile["charging_profile_kind"] == "Recurring":
        elapsed %= SECONDS_PER_DAY * (7 if profile.get("recurrency_kind") == "Weekly" else 1)
    if elapsed < 0 or elapsed >= schedule.get("duration", float("inf")):
        return None
    reached = [period for period in schedule["charging_schedule_period"] if period["start_period"] <= elapsed]
    if not reached:
        return None
    period = max(reached, key=lambda item: item["start_period"])
    limit = float(period["limit"])
    in_amperes = schedule["charging_rate_unit"] == "A"
    return limit * PHASE_VOLTAGE * min(phases, period.get("number_phases", 3)) if in_amperes else limit


def _begin(profile: dict[str, Any], *, received_at: datetime, started_at: datetime) -> datetime:
    if profile["charging_profile_kind"] == "Relative":
        return started_at
    text = profile["charging_schedule"].get("start_schedule")
    return datetime.fromisoformat(text) if text else received_at


@dataclass(frozen=True)
class Measurement:
    """What the meter shows at one moment."""

    at: datetime
    register_wh: int
    power_w: float
    phases: int
    soc_percent: float
    temperature_c: float

    def sampled_values(self, *, context: str = "Sample.Periodic") -> list[dict[str, str]]:
        """The rows of an OCPP 1.6 MeterValue (§7.43), keys as the `ocpp` package wants them."""
        voltage = PHASE_VOLTAGE + 1.5 - self.power_w / 8000  # the cable sags under load
        current = self.power_w / voltage / self.phases if self.phases else 0.0
        rows = [
            ("Energy.Active.Import.Register", "Wh", "Outlet", None, f"{self.register_wh}"),
            ("Power.Active.Import", "W", "Outlet", None, f"{self.power_w:.0f}"),
            *(
                ("Current.Import", "A", "Outlet", f"L{n}", f"{current if n <= self.phases else 0:.2f}")
                for n in (1, 2, 3)
            ),
            *(("Voltage", "V", "Outlet", f"L{n}-N", f"{voltage:.1f}") for n in (1, 2, 3)),
            ("SoC", "Percent", "EV", None, f"{self.soc_percent:.0f}"),
            ("Temperature", "Celsius", "Body", None, f"{self.temperature_c:.1f}"),
        ]
        return [
            {"value": value, "context": context, "measurand": measurand, "unit": unit, "location": location}
            | ({"phase": phase} if phase else {})
            for measurand, unit, location, phase, value in rows
        ]


class Warmth:
    """The temperature inside a charge point: it follows the power with a lag of a quarter of an hour."""

    AMBIENT_C = 18.0
    RISE_C_PER_KW = 1.6
    LAG = timedelta(minutes=15)

    def __init__(self) -> None:
        self.celsius = self.AMBIENT_C

    def follow(self, power_w: float, *, seconds: float) -> None:
        goal = self.AMBIENT_C + self.RISE_C_PER_KW * power_w / 1000
        share = min(1.0, seconds / self.LAG.total_seconds())
        self.celsius += (goal - self.celsius) * share
