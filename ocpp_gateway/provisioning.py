"""Chargers, drivers and money for the demo, for load tests and for simulators: what an empty platform lacks.

Everything takes the way that people take: `registry.register`, `id_tags.issue`, and for money a paid top-up.
"""

import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import id_tags, letters
from accounts.models import IdTag, User
from billing import providers, wallets
from chargers import registry
from chargers.models import Charger, Connector
from ocpp_gateway.simulator import Credentials
from sharecharge.errors import Refused

RATED_POWER_W = 11_000
SPREAD_DEGREES = 0.06  # about 5 km around the middle of a town


@dataclass(frozen=True)
class Town:
    name: str
    latitude: float
    longitude: float


TOWNS = (
    Town("Praha", 50.0755, 14.4378),
    Town("Brno", 49.1951, 16.6068),
    Town("Ostrava", 49.8209, 18.2625),
    Town("Plzeň", 49.7384, 13.3736),
    Town("Liberec", 50.7663, 15.0543),
    Town("Olomouc", 49.5938, 17.2509),
    Town("České Budějovice", 48.9747, 14.4743),
    Town("Hradec Králové", 50.2104, 15.8252),
    Town("Ústí nad Labem", 50.6607, 14.0323),
    Town("Pardubice", 50.0343, 15.7812),
    Town("Zlín", 49.2265, 17.6707),
    Town("Karlovy Vary", 50.2319, 12.8720),
    Town("Jihlava", 49.3961, 15.5912),
    Town("Opava", 49.9387, 17.9026),
    Town("Znojmo", 48.8555, 16.0488),
    Town("Tábor", 49.4144, 14.6578),
)


# Whoever has no password cannot log in, and is nobody: no letters to addresses that were made up.
UNREAD = dict.fromkeys(letters.SWITCHES.values(), False)


def owner(email: str, *, name: str, password: str | None = None) -> User:
    """The owner with this address, made if there is none. Refused when the address belongs to somebody else's role."""
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        letters = {} if password else UNREAD
        return User.objects.create_user(email, password, name=name, role=User.Role.OWNER, **letters)
    if not user.is_owner:
        raise Refused("not_an_owner", _("%(email)s exists and is no owner.") % {"email": email})
    return user


def driver(email: str, *, name: str, password: str | None = None, balance: int, card: str = "") -> IdTag:
    """A new driver with `balance` (minor units) in the wallet, and a card. Without a password nobody can log in."""
    user = User.objects.create_user(email, password, name=name, **({} if password else UNREAD))
    fund(user, amount=balance)
    return id_tags.issue(user=user, uid=card or random_card(), name="RFID")


def random_card() -> str:
    """A seven-byte number as MIFARE cards have it."""
    return "04" + secrets.token_hex(6).upper()


def fund(user: User, *, amount: int) -> None:
    """Tops a wallet up by `amount` minor units through the provider that asks nobody. Refused with any other one."""
    if not amount:
        return
    provider = providers.current()
    if provider.name != "fake":
        raise Refused("not_for_real_money", _("Invented money needs PAYMENT_PROVIDER=fake."))
    for part in _parts(amount):
        key = secrets.token_hex(16)
        top_up = wallets.request_top_up(user, amount=part, idempotency_key=key, provider=provider)
        wallets.finish_top_up(top_up, paid=True, provider_reference=f"provisioned-{key}")


def _parts(amount: int) -> Iterator[int]:
    """A top-up has an upper limit."""
    while amount > 0:
        part = min(amount, settings.TOP_UP_LIMIT)
        yield part
        amount -= part


def charger(
    of: User, *, name: str, latitude: float, longitude: float, price_per_kwh: int, connectors: int = 1, **fields: Any
) -> registry.Registered:
    """A public charger of 11 kW with priced connectors (minor units per kWh). `fields` as for `registry.register`."""
    registered = registry.register(
        owner=of, name=name, latitude=latitude, longitude=longitude, access=Charger.Access.PUBLIC, **fields
    )
    for number in range(1, connectors + 1):
        connector = Connector.objects.create(
            charger=registered.charger,
            connector_id=number,
            type=Connector.Type.TYPE2,
            current=Connector.Current.AC,
            max_power_w=RATED_POWER_W,
        )
        registry.set_price(connector, price_per_kwh)
    return registered


def fleet(of: Sequence[User], *, numbers: range, price_per_kwh: int, rng: random.Random) -> list[registry.Registered]:
    """Numbered chargers (from 0), dealt out to their owners and spread over the towns of the Czech Republic."""
    found = []
    for number in numbers:
        town = TOWNS[number % len(TOWNS)]
        found.append(
            charger(
                of[number % len(of)],
                name=f"{town.name} {number // len(TOWNS) + 1}",
                latitude=town.latitude + rng.uniform(-1, 1) * SPREAD_DEGREES,
                longitude=town.longitude + rng.uniform(-1, 1) * SPREAD_DEGREES,
                price_per_kwh=price_per_kwh,
                city=town.name,
            )
        )
    return found


def credentials(registered: registry.Registered, id_tag: str, *, connectors: int = 1) -> Credentials:
    """What a simulator needs to be this charger."""
    return Credentials(registered.charger.identity, registered.password, id_tag, connectors)
