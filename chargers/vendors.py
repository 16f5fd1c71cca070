"""What single makes of wallbox need beyond the protocol. Each entry names the wallbox and the reason."""

from chargers.models import Charger, Connector

VOLTS = 230
PHASES = 3
SMALLEST_A = 6  # IEC 61851: a car is offered 6 A or nothing
DEFAULT_LIMIT_A = 16

# Solax X3-HAC: closes its contactor only after a charging profile in amperes (seen by the thesis's author).
NEEDS_CURRENT_LIMIT = ("solax",)


def needs_current_limit(charger: Charger) -> bool:
    """Must this charger be sent a limit before it charges?"""
    return charger.vendor.lower().startswith(NEEDS_CURRENT_LIMIT)


def amperes(power_w: int) -> int:
    """Of each of three lines, never more than that power."""
    return power_w // (PHASES * VOLTS)


def current_limit_a(connector: Connector | None) -> int:
    """What a charger that has to be sent a limit is sent when its owner wishes none, per phase (A)."""
    if connector is None or connector.max_power_w is None:
        return DEFAULT_LIMIT_A
    return max(SMALLEST_A, round(connector.max_power_w / PHASES / VOLTS))
