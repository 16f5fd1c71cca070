from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import ledger


class Command(BaseCommand):
    help = "Checks that transfers sum to zero and that balances and holds are what their rows say."

    def handle(self, *args: Any, **options: Any) -> None:
        found = ledger.breaches()
        if found:
            raise CommandError("The ledger contradicts itself:\n" + "\n".join(found))
        self.stdout.write("The ledger is sound: every transfer sums to zero, every balance equals its entries.")
