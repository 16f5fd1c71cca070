"""What the table's rows are about: Alice (a driver) charged at the charger of Bob (an owner).

Charlie drives and Otto owns a charger that nobody else knows of, Oscar operates, Dora was deactivated. `deleted` was
Bob's, and public.
"""

from dataclasses import dataclass

from accounts.models import Delivery, IdTag, User, Webhook
from chargers.models import Charger, ChargingSession, Command, Connector, ProblemReport


@dataclass
class Stage:
    alice: User
    charlie: User
    bob: User
    otto: User
    oscar: User
    dora: User
    charger: Charger
    connector: Connector
    card: IdTag
    session: ChargingSession
    hidden: Charger
    deleted: Charger
    command: Command
    report: ProblemReport
    webhook: Webhook
    delivery: Delivery
