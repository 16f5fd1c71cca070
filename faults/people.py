"""People who start and stop charging from their phones while servers die. A process of its own, which has Django.

    DATABASE_URL=… python -m faults.people     # until its standard input ends

Prints how many commands it has given. Nobody is at home here when the database is away: they try again.
"""

import os
import random
import select
import sys
import time

PAUSE_SECONDS = 0.15


def give_commands(chance: random.Random) -> int:
    """One remote start and one remote stop, where there is a charger for it. Gives how many were given."""
    from accounts.models import IdTag
    from chargers import commands
    from chargers.models import ChargingSession, Connector
    from sharecharge.errors import Refused

    count = 0
    session = ChargingSession.objects.running().order_by("?").first()
    if session:
        try:
            commands.request_remote_stop(session, user=None)
            count += 1
        except Refused:  # it ended since we looked
            pass
    connector = Connector.objects.select_related("charger").order_by("?").first()
    card = IdTag.objects.filter(kind=IdTag.Kind.RFID).select_related("user").order_by("?").first()
    if connector and card and card.user and chance.random() < 0.7:
        try:
            commands.request_remote_start(connector.charger, connector, user=card.user)
            count += 1
        except Refused:  # taken, offline, or the person charges elsewhere
            pass
    return count


def is_over() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
    import django

    django.setup()
    from django.db import DatabaseError, InterfaceError, connection

    chance, count = random.Random(7), 0
    while not is_over():
        try:
            count += give_commands(chance)
        except (DatabaseError, InterfaceError):
            connection.close()
            time.sleep(0.5)
        time.sleep(PAUSE_SECONDS)
    print(count)


if __name__ == "__main__":
    main()
