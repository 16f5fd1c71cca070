"""What people see of a thing: one function per thing, for its page and for its browser socket alike.

Every shape is a dict of JSON values: integers in our units (`_wh`, `_w`, money in minor units) beside the same as text
in the language that is active. `public` and `place` are for everybody: nothing in them tells identity, serial number,
owner's e-mail or the exact position.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Prefetch
from django.urls import reverse
from django.utils import formats, timesince, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from billing import audit, pricing, units, wallets
from billing.models import Hold
from chargers import authorization, courses, opening, sessions, settlement
from chargers.models import Charger, ChargingSession, Command, Connector, MeterValue, Photo
from chargers.models.fleet import ChargerQuerySet
from chargers.models.photos import address, first_key

Shape = dict[str, Any]

# The order in which people look for a place.
AVAILABILITIES: dict[str, Promise] = {
    "free": gettext_lazy("free"),
    "busy": gettext_lazy("in use"),
    "closed": gettext_lazy("closed now"),
    "faulty": gettext_lazy("out of order"),
    "offline": gettext_lazy("offline"),
}
EXAMPLE_WH = 20_000
LATEST_READINGS = 12

STATES: dict[str, Promise] = {
    "charging": gettext_lazy("Charging"),
    "paused": gettext_lazy("Paused by the car or the charger"),
    "ended": gettext_lazy("Ended, the bill is being made"),
    "checking": gettext_lazy("We are checking your bill. Nothing has been charged yet."),
    "settled": gettext_lazy("Finished and billed"),
    "refused": gettext_lazy("Refused"),
}

DOUBTS: dict[str, Promise] = {
    "start_unreadable": gettext_lazy("The meter reading at the start is missing or unreadable."),
    "stop_unreadable": gettext_lazy("The meter reading at the end is missing or unreadable."),
    "register_fell": gettext_lazy("The meter went down in between."),
    "register_jumped": gettext_lazy("The meter went up by more than this plug can deliver."),
    "after_review": gettext_lazy("The charger reported its end only after somebody had checked this bill."),
}


def moment(at: datetime | None) -> str:
    """A time of today as the time alone, an older one with its date."""
    if at is None:
        return units.NOTHING
    local = timezone.localtime(at)
    today = local.date() == timezone.localdate()
    return formats.date_format(local, "TIME_FORMAT" if today else "SHORT_DATETIME_FORMAT")


def ago(at: datetime | None) -> str:
    """ "3 hours ago", or that it never was."""
    if at is None:
        return _("never")
    if timezone.now() - at < timedelta(minutes=1):
        return _("just now")
    return _("%(time)s ago") % {"time": timesince.timesince(at, depth=1)}


# ------------------------------------------------------------------------------------------------ chargers


def with_connectors(chargers: ChargerQuerySet) -> ChargerQuerySet:
    """What `public` and `place` need, in two queries for all."""
    return chargers.annotate(photo_key=first_key()).prefetch_related(
        Prefetch("connectors", Connector.objects.listed(), to_attr="listed_connectors")
    )


def with_plugs(chargers: ChargerQuerySet) -> ChargerQuerySet:
    """What `state_of` and both shapes of the API need: all photos, and the plugs that are switched off, too."""
    return with_connectors(chargers.select_related("owner")).prefetch_related(
        Prefetch("connectors", Connector.objects.with_prices(), to_attr="all_connectors"),
        Prefetch("photos", Photo.objects.all(), to_attr="all_photos"),
    )


def connector(row: Connector) -> Shape:
    """A plug as everybody may see it."""
    price = row.tariff.price_per_kwh if row.tariff else None
    return {
        "number": row.connector_id,
        "type": plug_type(row),
        "current": row.current,
        "power_w": row.max_power_w,
        "power_text": units.kw(row.max_power_w) if row.max_power_w else "",
        "price_per_kwh": price,
        "price_text": units.per_kwh(price) if price is not None else _("no price yet"),
        "example_text": _example(row),
        "state": row.offered,
        "state_text": str(AVAILABILITIES[row.offered]),
        "is_plugged_in": row.availability == "busy" and row.status == "Preparing",
        "since_text": moment(row.status_at),
    }


def plug_type(row: Connector) -> str:
    return row.get_type_display() if row.type else _("unknown plug")


def _example(row: Connector) -> str:
    """ "20 kWh, about 1 h 50 min ≈ 130.00 Kč"; empty where nothing is paid."""
    if row.tariff is None or row.tariff.price_per_kwh == 0:
        return ""
    tariff = pricing.Tariff(currency=settings.CURRENCY, price_per_kwh=row.tariff.price_per_kwh)
    amount = units.money(pricing.cost(tariff, pricing.Consumption(energy_wh=EXAMPLE_WH)))
    energy = f"{EXAMPLE_WH // 1000}{units.NO_BREAK}kWh"
    if not row.max_power_w:
        return _("%(energy)s ≈ %(amount)s") % {"energy": energy, "amount": amount}
    # To ten minutes: no car charges by the stop-watch.
    minutes = max(1, round(EXAMPLE_WH * 6 / row.max_power_w)) * 10
    length = units.hours(minutes)
    return _("%(energy)s, about %(time)s ≈ %(amount)s") % {"energy": energy, "time": length, "amount": amount}


def place(charger: Charger) -> Shape:
    """A charger's page as everybody may see it. Comes from `with_connectors`."""
    return public(charger) | {
        "now": timezone.now().isoformat(),
        "seen_at": charger.last_seen_at.isoformat() if charger.last_seen_at else None,
        "hours_text": opening.now_text(charger),
        "connectors": [connector(row) for row in charger.listed_connectors],  # type: ignore[attr-defined]
    }


def public(charger: Charger) -> Shape:
    """What everybody may see of a charger wherever it is shown. Comes from `with_connectors`."""
    state, states = state_of(charger), [row.offered for row in charger.listed_connectors]  # type: ignore[attr-defined]
    changes_at = charger.hours_change_at
    return {
        "code": charger.code,
        "name": charger.name,
        "town": charger.city,
        "latitude": charger.public_latitude,
        "longitude": charger.public_longitude,
        "url": reverse("charger", args=[charger.code]),
        "photo_url": address(charger.photo_key, Photo.Size.SMALL) if charger.photo_key else "",  # type: ignore[attr-defined]
        "state": state,
        "state_text": state_text_of(charger),
        # Then this is to be asked for again: no event tells it.
        "changes_at": changes_at and changes_at.isoformat(),
        "free_text": "" if state == "closed" else _free_text(states),
        "age_text": age_text(charger),
    }


def _free_text(states: list[str]) -> str:
    text = ngettext("%(free)s of %(all)s plug free", "%(free)s of %(all)s plugs free", len(states))
    return text % {"free": states.count("free"), "all": len(states)}


def state_of(charger: Charger) -> str:
    """The best that a plug of it offers. Comes from `with_connectors`."""
    states = {row.offered for row in charger.listed_connectors}  # type: ignore[attr-defined]
    return next((name for name in AVAILABILITIES if name in states), "offline")


def state_text_of(charger: Charger) -> str:
    """The state in words; "closed, opens today at 17:00"."""
    state = state_of(charger)
    return opening.closed_text(charger) if state == "closed" else str(AVAILABILITIES[state])


def age_text(charger: Charger) -> str:
    """Stale information says how old it is; fresh information says nothing."""
    if state_of(charger) != "offline":
        return ""
    return _("last heard: %(ago)s") % {"ago": ago(charger.last_seen_at)}


# ------------------------------------------------------------------------------------------------ sessions


def session(row: ChargingSession, *, viewer: User | None = None) -> Shape:
    """A session while it runs and afterwards, for whoever may see it; what is left to spend only for its driver."""
    progress = sessions.progress(row)
    stop = row.commands.filter(action=Command.Action.REMOTE_STOP).order_by("-pk").first() if row.is_running else None
    latest = list(row.meter_values.order_by("-pk")[:LATEST_READINGS])
    # That it began says nothing of energy.
    is_unknown = progress.state == "charging" and not latest
    # While a bill is being checked its amount is a guess, and is not shown.
    cost = None if progress.state in ("checking", "refused") else progress.cost
    return {
        "id": row.pk,
        "url": row.get_absolute_url(),
        "state": progress.state,
        "state_text": _("Begun, waiting for the first reading")
        if is_unknown
        else state_text(row, progress.state, for_owner=_is_to_owner(row, viewer)),
        "is_running": row.is_running,
        "energy_wh": progress.energy_wh,
        "energy_text": units.kwh(None if is_unknown else progress.energy_wh),
        "power_w": progress.power_w,
        "power_text": units.kw(progress.power_w),
        "soc_percent": progress.soc_percent,
        "soc_text": units.NOTHING if progress.soc_percent is None else f"{progress.soc_percent}{units.NO_BREAK}%",
        "cost": cost,
        "cost_text": units.money(None if is_unknown else cost),
        "seconds": progress.seconds,
        "duration_text": units.duration(progress.seconds),
        "measured_at": progress.measured_at.isoformat() if progress.measured_at else None,
        # By our clock: a charger's may be an hour off.
        "measured_text": _measured_text(latest[0].received_at if latest else None),
        "is_corrected": row.corrections > 0,
        "pause_text": _pause_text(row) if progress.state == "paused" else "",
        "left_text": _left_text(row, cost) if row.is_running and viewer and viewer.pk == row.user_id else "",
        "point": courses.point(row, latest[0]) if latest else None,
        "readings": [reading(sample, begin_wh=row.meter_start_wh) for sample in latest],
        "stop": command(stop) if stop else None,
    }


def _is_to_owner(row: ChargingSession, viewer: User | None) -> bool:
    """The charger's owner reads it, who is not its driver."""
    return viewer is not None and viewer.pk == row.owner_id != row.user_id


def state_text(row: ChargingSession, state: str, *, for_owner: bool = False) -> str:
    if state == "refused":
        reason = refusal_text(row.refusal, for_owner=for_owner)
        return _("Refused: %(reason)s") % {"reason": reason} if reason else _("Refused")
    if state == "paused" and row.connector is not None:
        return _("Paused by the car") if row.connector.status == "SuspendedEV" else _("Paused by the charger")
    if state == "ended" and audit.is_halted():
        return _("Ended. Your bill will be made later.")
    return str(STATES[state])


def _pause_text(row: ChargingSession) -> str:
    """A pause is not the end: some cars wait for the night, some for the sun."""
    if row.connector is not None and row.connector.status == "SuspendedEV":
        return _("The car takes nothing at the moment: it is full, or it waits for its timer. The session goes on.")
    return _("The charger gives nothing at the moment, for example to spare the house. The session goes on.")


def _left_text(row: ChargingSession, cost: int | None) -> str:
    """What the driver could still spend here, beside what this session has cost so far."""
    wallet = wallets.wallet_of(row.user) if row.user else None
    if wallet is None or cost is None or row.price.is_free:
        return ""
    held = Hold.objects.active().filter(reference=row.reference).values_list("amount", flat=True).first() or 0
    return units.money(max(0, wallet.available + held - cost))


def refusal_text(code: str, *, for_owner: bool = False) -> str:
    """The stored reason of a refused start in words: for its driver, or for the charger's owner."""
    words = authorization.OWNERS_WORDS if for_owner else authorization.SENTENCES
    return str(words.get(code, code))  # type: ignore[call-overload]


def doubt_texts(row: ChargingSession) -> list[str]:
    """Why a session is held for review."""
    return [str(DOUBTS.get(reason, reason)) for reason in row.review_reasons]


def release_offer(row: ChargingSession, *, energy_wh: int | None = None) -> Shape:
    """What the release of a held session bills: by default as much of what was measured as is believable."""
    assessment = settlement.assess(row)
    energy_wh = assessment.believable_wh if energy_wh is None else energy_wh
    amount = pricing.cost(row.price, pricing.Consumption(energy_wh))
    measured = {"measured_wh": assessment.energy_wh, "is_less": energy_wh < assessment.energy_wh}
    return {"session": row, "energy_wh": energy_wh, "amount": amount, "reasons": doubt_texts(row), **measured}


def _measured_text(at: datetime | None) -> str:
    return _("measured %(ago)s") % {"ago": ago(at)} if at else _("no reading yet")


def reading(sample: MeterValue, *, begin_wh: int | None) -> Shape:
    """One sample; its energy counts from the start of the session."""
    known = sample.energy_wh is not None and begin_wh is not None
    return {
        "at_text": formats.date_format(timezone.localtime(sample.received_at), "TIME_FORMAT"),
        "energy_wh": max(0, sample.energy_wh - begin_wh) if known else None,  # type: ignore[operator]
        "power_w": sample.power_w,
        "register_text": units.kwh(sample.energy_wh),
        "energy_text": units.kwh(max(0, sample.energy_wh - begin_wh) if known else None),  # type: ignore[operator]
        "power_text": units.kw(sample.power_w),
        "soc_text": units.NOTHING if sample.soc_percent is None else f"{sample.soc_percent}{units.NO_BREAK}%",
    }


# ------------------------------------------------------------------------------------------------ commands

OUTCOMES: dict[str, Promise] = {
    "waiting": gettext_lazy("Waiting for the charger"),
    "sent": gettext_lazy("Sent, the charger has not answered yet"),
    "accepted": gettext_lazy("Accepted by the charger"),
    "rejected": gettext_lazy("The charger turned it down"),
    "failed": gettext_lazy("The charger could not be reached or did not understand"),
    "expired": gettext_lazy("The charger did not answer in time"),
}


# Of a remote start, for programs.
STEPS = ("requested", "accepted", "connected", "charging")


def command(row: Command, *, viewer: User | None = None) -> Shape:
    """A command on its way. A remote start has steps and, at the end, a session."""
    shape: Shape = {
        "id": row.pk,
        "action": row.action,
        "state": row.status,
        "state_text": str(OUTCOMES[row.status]),
        "is_over": row.status in {"rejected", "failed", "expired"},
        "session": row.session_id,
        "session_url": None,
        "steps": [],
        "failure_text": "",
        "seconds_left": None,
        "next_text": "",
    }
    if row.action == Command.Action.REMOTE_START:
        shape |= _start(row, viewer)
    return shape


def _start(row: Command, viewer: User | None) -> Shape:
    """Requested → accepted → car connected → energy flows. "Accepted" is not yet "charging"."""
    begun = begun_session(row)
    plug = row.connector
    plugged_in = begun is not None or (plug is not None and plug.status in Connector.BUSY_STATUSES - {"Finishing"})
    failure = _start_failure(row, begun, viewer)
    done = [True, row.status == "accepted" or begun is not None, plugged_in and row.status == "accepted", False]
    if begun is not None:
        done = [True, True, True, begun.is_running]
    left = _seconds_to_plug_in(row) if row.status == "accepted" and not plugged_in else None
    texts = [
        _("Requested"),
        _("Accepted by the charger") if done[1] else _("Waiting for the charger"),
        _("Car connected") if plugged_in else _("Plug in the car now"),
        _last_step(begun, plug) if done[3] else _("Waiting for the energy to flow"),
    ]
    return {
        "steps": _steps(texts, done, failed=bool(failure)),
        "failure_text": failure,
        "is_over": bool(failure),
        "seconds_left": left,
        "session": begun.pk if begun else None,
        "next_text": "" if failure or begun else _next_step(row, plugged_in=plugged_in),
        "session_url": begun.get_absolute_url() if begun and begun.status != begun.Status.REFUSED else None,
    }


def _last_step(begun: ChargingSession | None, plug: Connector | None) -> str:
    """That energy flows is known from the charger's word or its meter, not from the beginning of a session."""
    is_measured = begun is not None and begun.meter_values.exists()
    flows = is_measured or (plug is not None and plug.status == "Charging")
    return _("Energy flows") if flows else _("Charging has begun, waiting for the first reading")


def _next_step(row: Command, *, plugged_in: bool) -> str:
    """What the driver does now, or waits for."""
    if row.status != "accepted":
        return _("We have asked the charger. Most answer within a few seconds.")
    if not plugged_in:
        return _("Plug the cable into your car now.")
    return _("The car is connected. The charger and the car are getting ready; this can take a minute.")


def _steps(texts: Iterable[str], done: list[bool], *, failed: bool) -> list[Shape]:
    current = next((index for index, is_done in enumerate(done) if not is_done), len(done))
    names = {"done": _("done"), "now": _("now"), "failed": _("failed"), "next": _("next")}

    def state(index: int) -> str:
        if index < current:
            return "done"
        if index > current:
            return "next"
        return "failed" if failed else "now"

    return [
        {"name": STEPS[index], "text": text, "state": state(index), "state_text": names[state(index)]}
        for index, text in enumerate(texts)
    ]


def begun_session(row: Command) -> ChargingSession | None:
    """The session that a remote start led to: the one that its driver began on this connector afterwards."""
    if row.session_id:
        return row.session
    begun = ChargingSession.objects.filter(
        charger=row.charger, user=row.requested_by, start_received_at__gte=row.created_at
    )
    if row.connector_id:
        begun = begun.filter(connector=row.connector)
    return begun.filter(start_received_at__lte=row.created_at + _patience()).order_by("pk").first()


def _patience() -> timedelta:
    """Chargers drop a remote start after their ConnectionTimeOut; after three of ours nobody waits any more."""
    return timedelta(seconds=3 * settings.REMOTE_START_TIMEOUT_SECONDS)


def _seconds_to_plug_in(row: Command) -> int:
    answered = row.answered_at or row.created_at
    end = answered + timedelta(seconds=settings.REMOTE_START_TIMEOUT_SECONDS)
    return max(0, int((end - timezone.now()).total_seconds()))


def _start_failure(row: Command, begun: ChargingSession | None, viewer: User | None) -> str:
    if begun is not None:
        is_refused = begun.status == begun.Status.REFUSED
        return state_text(begun, "refused", for_owner=_is_to_owner(begun, viewer)) if is_refused else ""
    if row.status == "rejected":
        return _("The charger turned the start down. Is it in use, or is its cable not ready? Nothing was charged.")
    if row.status == "failed":
        return _("The charger could not start. Nothing was charged.")
    if row.status == "expired":
        return _("The charger did not answer in time. Nothing was charged; you can try again.")
    if row.status == "accepted" and not _seconds_to_plug_in(row):
        return _("No charging began in time. Nothing was charged; plug in the car and try again.")
    return ""


def may_see_command(row: Command, user: User) -> bool:
    """Whoever gave it, the charger's owner, and operators."""
    return user.is_staff or user.pk in (row.requested_by_id, row.charger.owner_id)
