"""`manage.py service_key gateway`: a key for the internal API. `--revoke` ends it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import service_keys
from accounts.models import ServiceKey
from sharecharge.errors import Refused


class Command(BaseCommand):
    help = "Gives a trusted service its key for the internal API, which is off as long as there is no key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the service is called, 1 to 24 characters")
        parser.add_argument("--revoke", action="store_true", help="end the key of this name")

    def handle(self, *args: Any, name: str, revoke: bool, **options: Any) -> None:
        if revoke:
            self.revoke(name)
            return
        if not 0 < len(name) <= 24:
            raise CommandError("The name has 1 to 24 characters.")
        try:
            key = service_keys.give(name)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(key)
        self.stderr.write("This is shown once. The service sends it as X-API-Key to /api/v1/internal/.")

    def revoke(self, name: str) -> None:
        key = ServiceKey.objects.living().filter(name=name).first()
        if key is None:
            raise CommandError(f"There is no living key of the name {name!r}.")
        service_keys.revoke(key)
        self.stderr.write(f"The key of {name} is refused from now on.")
