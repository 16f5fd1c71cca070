"""The domain's tables. Reads are methods of the QuerySets.

Energy is whole Wh, power whole W, money minor units. `*_at` is UTC. `received_at` is our clock and decides; the
charger's own times stand beside it.
"""

from chargers.models.claims import CardClaim
from chargers.models.fleet import Charger, Connector
from chargers.models.photos import Photo
from chargers.models.problems import ProblemReport
from chargers.models.sessions import ChargingSession, MeterValue, UnmatchedStop
from chargers.models.wire import Command, ConnectionAttempt, Message

__all__ = [
    "CardClaim",
    "Charger",
    "ChargingSession",
    "Command",
    "ConnectionAttempt",
    "Connector",
    "Message",
    "MeterValue",
    "Photo",
    "ProblemReport",
    "UnmatchedStop",
]
