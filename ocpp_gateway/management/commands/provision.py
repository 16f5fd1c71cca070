import json
import os
import random
import secrets
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import IdTag
from chargers import registry
from ocpp_gateway import provisioning
from ocpp_gateway.simulator import Credentials
from sharecharge.errors import Refused

PORTION = 100


def minor_units(text: str) -> int:
    """An amount such as 7.50 in hundredths."""
    try:
        amount = Decimal(text) * 100
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is no amount") from None
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value():
        raise ArgumentTypeError(f"{text!r} is no amount of 0 or more with at most two decimals")
    return int(amount)


def count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise ArgumentTypeError(f"{text!r} is no number between 1 and 100000")
    return int(text)


class Command(BaseCommand):
    help = "Makes chargers and drivers with cards and money, and writes what simulators and load tests need."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chargers", type=count, required=True)
        parser.add_argument("--drivers", type=count, required=True)
        parser.add_argument("--balance", type=minor_units, required=True, help="in each wallet, such as 1000 or 49.90")
        parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON lines; holds passwords")
        parser.add_argument("--owner-email", default="fleet@example.org", help="default %(default)s")
        parser.add_argument("--owners", type=count, default=1, help="who share the chargers; default 1")
        parser.add_argument("--price", type=minor_units, default=750, help="per kWh; default 7.50")

    def handle(self, *args: Any, **options: Any) -> None:
        output: Path = options["output"]
        partial = output.with_name(output.name + ".part")
        try:
            # Before the work, and never readable for others.
            partial.unlink(missing_ok=True)
            file = os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from None
        try:
            with file:
                made = self.make(options)
                file.writelines(json.dumps(asdict(line)) + "\n" for line in made)
            partial.replace(output)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        finally:
            partial.unlink(missing_ok=True)
        self.stdout.write(f"{options['chargers']} chargers, {options['drivers']} drivers; credentials in {output}.")

    def make(self, options: dict[str, Any]) -> list[Credentials]:
        """One line for each charger; with fewer drivers than chargers a card is used at several."""
        run = secrets.token_hex(4)
        owners = [provisioning.owner(email, name="Fleet") for email in self.addresses(options)]
        chargers: list[registry.Registered] = []
        cards: list[IdTag] = []
        for portion in self.portions("chargers", options["chargers"]):
            rng = random.Random(f"{run}-{portion.start}")
            with transaction.atomic():
                chargers += provisioning.fleet(owners, numbers=portion, price_per_kwh=options["price"], rng=rng)
        for portion in self.portions("drivers", options["drivers"]):
            with transaction.atomic():
                cards += [self.driver(f"{run}-{number + 1}", balance=options["balance"]) for number in portion]
        return [
            provisioning.credentials(registered, cards[n % len(cards)].uid) for n, registered in enumerate(chargers)
        ]

    def addresses(self, options: dict[str, Any]) -> list[str]:
        """`fleet@example.org`, `fleet+2@example.org`, …"""
        name, _at, domain = options["owner_email"].partition("@")
        return [options["owner_email"], *(f"{name}+{number}@{domain}" for number in range(2, options["owners"] + 1))]

    def driver(self, name: str, *, balance: int) -> IdTag:
        return provisioning.driver(f"driver-{name}@example.org", name=f"Driver {name}", balance=balance)

    def portions(self, what: str, total: int) -> Iterator[range]:
        """Each is to be one transaction: quick, and a server that writes beside us waits only for one."""
        for start in range(0, total, PORTION):
            portion = range(start, min(start + PORTION, total))
            yield portion
            if total > PORTION:
                self.stderr.write(f"{portion.stop} of {total} {what}")
