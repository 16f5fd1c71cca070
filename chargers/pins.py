"""The map: the chargers in a box, as pins. Made to be asked often: two queries, and no shaping when nothing changed."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from math import asin, cos, radians, sin, sqrt

import orjson
from django.utils import timezone
from django.utils.formats import get_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from billing import units
from chargers import shapes
from chargers.hours import Week
from chargers.models import Charger, Connector
from chargers.models.fleet import ChargerQuerySet, in_local_time
from chargers.shapes import Shape

BOX_LIMIT = 500
# Counted up when a pin tells something else: browsers keep an old answer for as long as its version holds.
FORMAT = 4
EARTH_RADIUS_M = 6_371_000
Point = tuple[float, float]  # latitude, longitude in degrees
# How far around a place the list without a map looks, in degrees of latitude: about 55 km.
AROUND = 0.5
COLUMNS = (
    "code", "name", "city", "public_latitude", "public_longitude", "hours", "connection_mark", "last_seen_at",
)  # fmt: skip


def parse_box(text: str) -> tuple[float, float, float, float]:
    """ "south,west,north,east" in degrees. ValueError unless these are four numbers, south not above north."""
    south, west, north, east = (float(part) for part in text.split(","))
    if not (-90 <= south <= north <= 90 and -100_000 < west <= east < 100_000):
        raise ValueError(text)
    return south, west, north, east


def parse_point(text: str) -> Point:
    """ "latitude,longitude" in degrees. ValueError unless these are two numbers on Earth."""
    latitude, longitude = (float(part) for part in text.split(","))
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(text)
    return latitude, longitude


def around(chargers: ChargerQuerySet, point: Point) -> ChargerQuerySet:
    """Those within about an hour's drive."""
    latitude, longitude = point
    wide = AROUND / max(0.1, cos(radians(latitude)))
    return chargers.in_box(latitude - AROUND, longitude - wide, latitude + AROUND, longitude + wide)


def find(chargers: ChargerQuerySet, *, limit: int) -> list[Charger]:
    """At most `limit` of these chargers with their plugs, in two queries.

    By their code, which is random: a part of many is spread over the whole box, stays the same part, and is found
    without looking at the rest.
    """
    return list(shapes.with_connectors(chargers.only(*COLUMNS)).order_by("code")[:limit])


def next_change(chargers: ChargerQuerySet) -> datetime | None:
    """When the first of them opens or closes by its hours; None: never. Of a part, where there are very many."""
    weeks = chargers.exclude(hours="").order_by().values_list("hours", flat=True).distinct()[:BOX_LIMIT]
    now = in_local_time(timezone.now())
    return min(filter(None, (Week(hours).changes_at(now) for hours in weeks)), default=None)


def version(chargers: Sequence[Charger], *, near: Point | None = None, beside: Shape | None = None) -> str:
    """Changes whenever `of` would tell something else of them, or something else is told beside them. Costs a fraction
    of it.
    """
    told = [
        (
            *(charger.code, charger.name, charger.city, charger.public_latitude, charger.public_longitude),
            *(shapes.state_text_of(charger), shapes.age_text(charger), charger.hours_change_at),
            charger.photo_key,  # type: ignore[attr-defined]
            *map(_version, charger.listed_connectors),  # type: ignore[attr-defined]
        )
        for charger in chargers
    ]
    data = orjson.dumps([FORMAT, get_language(), units.symbol(), near, beside, told])
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _version(row: Connector) -> tuple[str | int | None, ...]:
    price = row.tariff.price_per_kwh if row.tariff else None
    return row.type, row.current, row.max_power_w, row.offered, price


def of(chargers: Sequence[Charger], *, near: Point | None = None) -> list[Shape]:
    """The nearest first when it is known to what; else free ones first, then by price."""
    order = list(shapes.AVAILABILITIES)
    told = [pin(charger, near=near) for charger in chargers]
    if near is not None:
        return sorted(told, key=lambda it: (it["distance_m"], it["name"]))
    return sorted(
        told, key=lambda it: (order.index(it["state"]), it["price_per_kwh"] is None, it["price_per_kwh"], it["name"])
    )


def distance_m(one: Point, other: Point) -> float:
    """The way of a bird, in metres."""
    (south, west), (north, east) = (map(radians, point) for point in (one, other))
    half = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(half))


def pin(charger: Charger, *, near: Point | None = None) -> Shape:
    """A charger with the best of its plugs in short. Comes from `find` or `shapes.with_connectors`."""
    plugs: list[Connector] = charger.listed_connectors  # type: ignore[attr-defined]
    price = min((row.tariff.price_per_kwh for row in plugs if row.tariff), default=None)
    power = max((row.max_power_w for row in plugs if row.max_power_w), default=None)
    metres = distance_m(near, (charger.public_latitude, charger.public_longitude)) if near else None
    return shapes.public(charger) | {
        "distance_m": metres,
        "distance_text": "" if metres is None else units.distance(metres),
        "price_per_kwh": price,
        "price_text": units.per_kwh(price) if price is not None else _("no price yet"),
        "power_w": power,
        "power_text": units.kw(power) if power else "",
        "pin_text": _pin_text(power, price),
        "plugs_text": ", ".join(sorted({f"{shapes.plug_type(row)} {row.current}" for row in plugs})),
    }


def _pin_text(power_w: int | None, price_per_kwh: int | None) -> str:
    """ "11 kW · 6.50 Kč": what fits into a pin."""
    power = units.kw(power_w).replace(f"{get_format('DECIMAL_SEPARATOR')}0{units.NO_BREAK}", units.NO_BREAK)
    price = units.money(price_per_kwh) if price_per_kwh else units.per_kwh(price_per_kwh)
    return " · ".join([power] * bool(power_w) + [price] * (price_per_kwh is not None))
