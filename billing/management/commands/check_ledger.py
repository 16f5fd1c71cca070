from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import audit


class Command(BaseCommand):
    help = "Checks that transfers sum to zero and that balances and holds are what their rows say."

    def handle(self, *args: Any, **options: Any) -> None:
        made = audit.check()
        if made.breaches:
            found = "\n".join(made.breaches)
            raise CommandError(f"The ledger contradicts itself; no bills are made until this is cleared:\n{found}")
        self.stdout.write("The ledger is sound: every transfer sums to zero, every balance equals its entries.")
        if audit.is_halted():
            self.stdout.write("An earlier breach still stands: an operator clears it in the admin.")
