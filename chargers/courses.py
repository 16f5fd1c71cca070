"""How a session went, as the points of its chart."""

from chargers.models import ChargingSession, MeterValue

MOST_POINTS = 240
Point = tuple[int, int | None, int | None]  # seconds from the start, Wh since then, W


def of(row: ChargingSession) -> list[Point]:
    """In the order of time; of many samples every n-th, and always the last.

    By the charger's clock, since some send a whole history at once, but no later than by ours: it may be ahead. Where
    the session is told by our clock, the chart is, too.
    """
    samples = list(
        row.meter_values.order_by("pk").only("session", "measured_at", "received_at", "energy_wh", "power_w")
    )
    step = max(1, -(-len(samples) // MOST_POINTS))
    return [point(row, sample) for sample in samples[(len(samples) - 1) % step :: step]]


def point(row: ChargingSession, sample: MeterValue) -> Point:
    at = sample.received_at if row.is_by_our_clock else min(sample.measured_at, sample.received_at)
    return round((at - row.began_at).total_seconds()), _since_start(row, sample.energy_wh), sample.power_w


def _since_start(row: ChargingSession, register_wh: int | None) -> int | None:
    if register_wh is None or row.meter_start_wh is None:
        return None
    return max(0, register_wh - row.meter_start_wh)
