"""`manage.py service_key gateway`: a key for the internal API. `--revoke` ends those that there are."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import service_keys
from accounts.models import ServiceKey


class Command(BaseCommand):
    help = (
        "Gives a trusted service a further key for the internal API, which is off as long as there is no key. To change"
        " a key: give a new one, roll it out, then --revoke --keep-newest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the service is called, 1 to 24 characters")
        parser.add_argument("--revoke", action="store_true", help="end the service's keys instead")
        parser.add_argument("--keep-newest", action="store_true", help="all but the newest one")

    def handle(self, *args: Any, name: str, revoke: bool, keep_newest: bool, **options: Any) -> None:
        if revoke:
            self.revoke(name, keep_newest=keep_newest)
            return
        if not 0 < len(name) <= 24:
            raise CommandError("The name has 1 to 24 characters.")
        self.stdout.write(service_keys.give(name))
        self.stderr.write("This is shown once. The service sends it as X-API-Key to /api/v1/internal/.")

    def revoke(self, name: str, *, keep_newest: bool) -> None:
        keys = list(ServiceKey.objects.living().filter(name=name).order_by("-pk"))
        if not keys:
            raise CommandError(f"There is no living key of the name {name!r}.")
        ended = keys[1:] if keep_newest else keys
        for key in ended:
            service_keys.revoke(key)
        self.stderr.write(f"{len(ended)} of {len(keys)} keys of {name} are refused from now on.")
