"""Chargers as things that people own: register, move, switch, rotate the password, delete."""

import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import pricing
from billing.models import Tariff
from chargers import catalogue, live
from chargers.hours import ALWAYS, Week
from chargers.models import Charger, Connector
from chargers.models.photos import new_key
from sharecharge.errors import Refused

# No 0/O, 1/I/L: people type these into the menu of a wallbox.
READABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
BLUR_METRES = (150.0, 400.0)
METRES_PER_DEGREE = 111_320.0
# What an owner may say of a plug: more is a slip of the finger. W, and minor units for a kWh.
POWER_LIMIT_W = 1_000_000
OWNERS_PRICE_LIMIT = 100 * 100
POSITION_FIELDS = (
    "latitude", "longitude", "is_position_public", "public_latitude", "public_longitude", "blurred_latitude",
    "blurred_longitude",
)  # fmt: skip
PASSWORD_BYTES = 20  # OCPP 1.6 security whitepaper: AuthorizationKey is 16 to 20 bytes


@dataclass(frozen=True, slots=True)
class Registered:
    """A new charger and its password, which is shown once and not kept."""

    charger: Charger
    password: str


def register(
    *, owner: User, name: str, latitude: float, longitude: float, hours: Week = ALWAYS, **fields: Any
) -> Registered:
    """A charger with a random identity and a machine-made password. Refused: its owner is no owner, or no position.

    `fields` may hold the address, `access`, `is_position_public`, and `hours`.
    """
    if not owner.is_owner:
        raise Refused("not_an_owner", _("Only owners can add chargers. Become an owner first."), status=403)
    _check_position(latitude, longitude)
    _check_hours(hours)
    password = make_password()
    exact = (latitude, longitude)
    public_latitude, public_longitude = exact if fields.get("is_position_public") else blur(*exact)
    charger = Charger.objects.create(
        owner=owner,
        name=name,
        identity="SC" + _random(10),
        code=_random(8).lower(),
        password_hmac=password_hmac(password),
        latitude=latitude,
        longitude=longitude,
        public_latitude=public_latitude,
        public_longitude=public_longitude,
        hours=hours.text,
        **fields,
    )
    return Registered(charger, password)


def move(charger: Charger, *, latitude: float, longitude: float) -> None:
    """A new exact position. The public one is thrown again only then: many throws would average to the truth."""
    if (latitude, longitude) == (charger.latitude, charger.longitude):
        return
    _check_position(latitude, longitude)
    charger.latitude, charger.longitude = latitude, longitude
    charger.blurred_latitude = charger.blurred_longitude = None
    _publish_position(charger)


def show_position(charger: Charger, *, exact: bool) -> None:
    """How exactly everybody sees it. What was thrown once is kept, and comes back unless the charger moved."""
    if exact == charger.is_position_public:
        return
    charger.is_position_public = exact
    with transaction.atomic():
        if exact:
            charger.blurred_latitude, charger.blurred_longitude = charger.public_latitude, charger.public_longitude
        _publish_position(charger)
        live.publish_charger(charger)


def _publish_position(charger: Charger) -> None:
    exact = (charger.latitude, charger.longitude)
    if charger.is_position_public:
        charger.public_latitude, charger.public_longitude = exact
    elif charger.blurred_latitude is None or charger.blurred_longitude is None:
        charger.public_latitude, charger.public_longitude = blur(*exact)
    else:
        charger.public_latitude, charger.public_longitude = charger.blurred_latitude, charger.blurred_longitude
    charger.save(update_fields=POSITION_FIELDS)


def _check_position(latitude: float, longitude: float) -> None:
    """Nobody charges in the Gulf of Guinea: two zeros are a position that was never chosen."""
    if latitude == longitude == 0:
        raise Refused("no_position", _("Say where the charger is."), status=400, field="latitude")


def blur(latitude: float, longitude: float) -> tuple[float, float]:
    """A random point 150 to 400 m away, in degrees: what everybody may see of a home."""
    low, high = BLUR_METRES
    metres = low + (high - low) * secrets.randbelow(10_001) / 10_000
    angle = 2 * math.pi * secrets.randbelow(36_000) / 36_000
    north = metres * math.cos(angle) / METRES_PER_DEGREE
    east = metres * math.sin(angle) / (METRES_PER_DEGREE * max(0.01, math.cos(math.radians(latitude))))
    return round(max(-90.0, min(90.0, latitude + north)), 5), round((longitude + east + 180.0) % 360.0 - 180.0, 5)


def describe(charger: Charger, *, latitude: float, longitude: float, **fields: str) -> None:
    """What its owner says of it: position, and any of name, street, house_number, city, postal_code, region."""
    for name, value in fields.items():
        setattr(charger, name, value)
    with transaction.atomic():
        charger.save(update_fields=list(fields))
        move(charger, latitude=latitude, longitude=longitude)
        live.publish_charger(charger)


def choose_model(charger: Charger, key: str) -> None:
    """What its owner says that it is, a key of the catalogue. Refused: the catalogue has no such one."""
    model = catalogue.find(key)
    if model is None:
        raise Refused("no_model", _("Choose a model from the list, or “another one”."), status=400, field="model")
    charger.chosen_model = model.key
    if catalogue.Quirk.NO_SUBPROTOCOL in model.quirks:
        charger.allows_no_subprotocol = True
    charger.save(update_fields=["chosen_model", "allows_no_subprotocol"])


def set_sharing_of_all(owner: User, *, sharing: bool) -> int:
    """The big switch for all chargers of a person. Returns how many it changed."""
    with transaction.atomic():
        rows = list(Charger.objects.owned_by(owner).exclude(is_sharing=sharing).order_by("pk"))
        for charger in rows:
            set_sharing(charger, sharing=sharing)
    return len(rows)


def change(charger: Charger, changes: Mapping[str, Any], *, by: User) -> None:
    """What its owner changes at once: any of what `describe` takes, `is_sharing`, `access`, `hours` (a Week), and
    `is_position_public`.

    An operator may also change `is_enabled`. Refused: somebody else asks for that.
    """
    rest = dict(changes)
    with transaction.atomic():
        if "is_enabled" in rest:
            set_enabled(charger, enabled=rest.pop("is_enabled"), by=by)
        if "access" in rest:
            set_access(charger, rest.pop("access"))
        if "is_sharing" in rest:
            set_sharing(charger, sharing=rest.pop("is_sharing"))
        if "hours" in rest:
            set_hours(charger, rest.pop("hours"))
        shows_exactly = rest.pop("is_position_public", charger.is_position_public)
        if rest:
            describe(charger, **{"latitude": charger.latitude, "longitude": charger.longitude, **rest})
        show_position(charger, exact=shows_exactly)


def set_enabled(charger: Charger, *, enabled: bool, by: User) -> None:
    """Off: it may not connect; its socket is closed within seconds."""
    if not by.is_staff:
        raise Refused("operators_only", _("Only operators can do that."), status=403, field="is_enabled")
    charger.is_enabled = enabled
    charger.save(update_fields=["is_enabled"])
    live.publish_charger(charger)


def set_sharing(charger: Charger, *, sharing: bool) -> None:
    """The owner's big switch. It never cuts the connection or a running session."""
    charger.is_sharing = sharing
    with transaction.atomic():
        charger.save(update_fields=["is_sharing"])
        live.publish_charger(charger)


def set_hours(charger: Charger, week: Week) -> None:
    """When others may use it. A running session goes on. Refused: never, for which there is the big switch."""
    _check_hours(week)
    charger.hours = week.text
    with transaction.atomic():
        charger.save(update_fields=["hours"])
        live.publish_charger(charger)


def _check_hours(week: Week) -> None:
    if week.is_never:
        text = _("Leave it open at some time. To share nothing for a while, use “Stop sharing for now”.")
        raise Refused("never_open", text, status=400, field="hours")


def set_access(charger: Charger, access: Charger.Access) -> None:
    """Who may use it. What everybody has kept of its photos while it was public leads nowhere afterwards."""
    with transaction.atomic():
        before = Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
        live.publish_charger(before)  # to those who see it now, and below to those who see it then
        charger.access = access
        charger.save(update_fields=["access"])
        if before.access == Charger.Access.PUBLIC != access:
            for photo in charger.photos.all():
                photo.key = new_key()
                photo.save(update_fields=["key"])
        live.publish_charger(charger)


def complete(connector: Connector, *, price_per_kwh: int | None, **fields: Any) -> None:
    """What its owner says of a plug: the price, and any of type, current, max_power_w, is_enabled."""
    with transaction.atomic():
        for name, value in fields.items():
            setattr(connector, name, value)
        connector.save(update_fields=list(fields))
        set_price(connector, price_per_kwh)
        live.publish_charger(connector.charger)


def set_price(connector: Connector, price_per_kwh: int | None) -> None:
    """The price in minor units; 0 is free, None takes the price away. A running session keeps its own."""
    if price_per_kwh is not None and not 0 <= price_per_kwh <= pricing.PRICE_PER_KWH_LIMIT:
        raise Refused("price_range", _("This price cannot be right."), status=400, field="price_per_kwh")
    connector.tariff = (
        None
        if price_per_kwh is None
        else Tariff.objects.get_or_create(owner=connector.charger.owner, price_per_kwh=price_per_kwh)[0]
    )
    connector.save(update_fields=["tariff"])


def rotate_password(charger: Charger) -> str:
    """A new password. The old one works until a connection has used the new one (R14), so nobody is locked out."""
    password = make_password()
    charger.next_password_hmac = password_hmac(password)
    charger.save(update_fields=["next_password_hmac"])
    return password


def accept_next_password(charger: Charger) -> None:
    """The new password was used: the old one ends."""
    Charger.objects.filter(pk=charger.pk, next_password_hmac=charger.next_password_hmac).update(
        password_hmac=charger.next_password_hmac, next_password_hmac=""
    )


def delete(charger: Charger) -> None:
    """Soft delete: it may not connect or be found any more. Its sessions and its money stay, its photos go.

    Refused while charging.
    """
    with transaction.atomic():
        charger = Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
        if charger.sessions.running().exists():
            raise Refused("charger_busy", _("A car is charging here. Stop the session first."))
        charger.deleted_at = charger.deleted_at or timezone.now()
        charger.is_sharing = False
        charger.save(update_fields=["deleted_at", "is_sharing"])
        charger.photos.all().delete()
        live.publish_charger(charger)


def make_password() -> str:
    """20 readable characters, 99 bits: short enough for the 20 bytes that an AuthorizationKey may have."""
    return _random(PASSWORD_BYTES)


def password_hmac(password: str | bytes) -> str:
    """What is kept of a password, as hex. A random password needs no slow hash, and reconnects are frequent (R13)."""
    data = password.encode() if isinstance(password, str) else password
    return hmac.new(settings.CHARGER_PASSWORD_PEPPER.encode(), data, hashlib.sha256).hexdigest()


def password_matches(charger: Charger, given: bytes) -> bool:
    """Is this the charger's password or its next one? In constant time.

    Stations send the AuthorizationKey as its bytes or as their hex text in either case (OCPP-J 1.6 §6.2, gateway.md 1).
    """
    candidates = [given]
    try:
        candidates.append(bytes.fromhex(given.decode("ascii")))
    except ValueError:
        candidates.append(given)
    matches = False
    for candidate in candidates:
        digest = password_hmac(candidate)
        matches |= hmac.compare_digest(digest, charger.password_hmac)
        if charger.next_password_hmac and hmac.compare_digest(digest, charger.next_password_hmac):
            accept_next_password(charger)
            matches = True
    return matches


def code_of(typed: str) -> str:
    """The public code as somebody types it from a sticker: in capitals, in groups with spaces or dashes."""
    return "".join(filter(str.isalnum, typed)).lower()


def _random(length: int) -> str:
    return "".join(secrets.choice(READABLE) for _i in range(length))
