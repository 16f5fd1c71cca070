"""The way of a new charger: from its place to its label. How far it has come is read from its rows and stored nowhere.

So its owner may leave at any step and come back on another device.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import IdTag
from chargers import catalogue, shapes
from chargers.catalogue import Line, Quirk
from chargers.models import Charger, ChargingSession, Command
from chargers.shapes import Shape

# In this order; each but the first has a page of this name.
STEPS: dict[str, Promise] = {
    "place": gettext_lazy("Place"),
    "model": gettext_lazy("Model"),
    "connect": gettext_lazy("Connect"),
    "plugs": gettext_lazy("Price"),
    "test": gettext_lazy("Test"),
    "label": gettext_lazy("Label"),
}

NAMES: dict[str, Promise] = {
    "server": gettext_lazy("Server address"),
    "identity": gettext_lazy("Charge point identity"),
    "password": gettext_lazy("Password"),
    "full": gettext_lazy("Everything in one field"),
    "scheme": gettext_lazy("Protocol"),
    "host": gettext_lazy("Server without protocol and path"),
    "port": gettext_lazy("Port"),
    "path": gettext_lazy("Path"),
    "user": gettext_lazy("User name (or leave it empty)"),
    "hex": gettext_lazy("Password as hexadecimal digits"),
}

NOTES: dict[Quirk, Promise] = {
    Quirk.NEEDS_TLS: gettext_lazy(
        "It closes its contactor only over an encrypted connection: the address has to begin with wss://."
    ),
    Quirk.NEEDS_CURRENT_LIMIT: gettext_lazy(
        "It starts only after it was told a current. We send it by ourselves after each start."
    ),
    Quirk.NEEDS_ROOT_CERTIFICATE: gettext_lazy(
        "Over wss:// it gives up without a word until the root certificate of the server was uploaded in its app."
    ),
    Quirk.FIXED_ROOT_CERTIFICATES: gettext_lazy(
        "Root certificates are built into its firmware. If it does not connect any more, update the firmware first."
    ),
    Quirk.NO_SUBPROTOCOL: gettext_lazy(
        "It does not say which OCPP it speaks. We let it in nevertheless, if its password fits."
    ),
    Quirk.LEAVE_EMPTY: gettext_lazy("Fields of its menu that are not listed here stay empty."),
    Quirk.IGNORES_LIMITS: gettext_lazy(
        "It may accept a limit of the power and not keep it. Look at the car, not at the answer."
    ),
    Quirk.OTHER_CARD_NUMBER: gettext_lazy(
        "It may read another card number than the printed one. Add cards by holding them to the charger."
    ),
    Quirk.SENDS_HISTORY: gettext_lazy(
        "After it was offline it first sends all that it has kept. Give it some minutes."
    ),
    Quirk.OFFSET_METER: gettext_lazy(
        "Its meter may begin at zero with each session. The bill takes that into account."
    ),
    Quirk.TYPO_IS_NOT_FOUND: gettext_lazy(
        "A slip of a letter in the address shows as error 404 there. Copy the address instead of typing it."
    ),
}


# Afterwards a start that led to nothing is old news.
TRIAL_SHOWN = timedelta(minutes=10)


# ------------------------------------------------------------------------------------------------ how far


def following(charger: Charger, *, seen: list[Shape] | None = None) -> str:
    """The first step that is not done. `seen` are the ticks, where they are known already."""
    done = _done(charger, seen)
    return next((name for name in STEPS if name not in done), "label")


def steps(charger: Charger | None, *, here: str, seen: list[Shape] | None = None) -> list[Shape]:
    """All steps for the line above the page; `charger` is None while it has none."""
    done = _done(charger, seen) if charger else set()
    return [
        {
            "name": name,
            "text": str(text),
            "is_here": name == here,
            "state": "done" if name in done else "now" if name == here else "next",
        }
        for name, text in STEPS.items()
    ]


def _done(charger: Charger, seen: list[Shape] | None) -> set[str]:
    plugs = list(charger.connectors.filter(is_enabled=True))
    facts = {
        "place": True,
        "model": bool(charger.chosen_model) or charger.booted_at is not None,
        "connect": charger.booted_at is not None,
        "plugs": bool(plugs) and all(plug.tariff_id and plug.max_power_w for plug in plugs),
        "test": _is_proven(charger)
        or all(tick["state"] == "done" for tick in (ticks(charger) if seen is None else seen)),
    }
    return {name for name, is_done in facts.items() if is_done}


def _is_proven(charger: Charger) -> bool:
    """A guest has charged here and was billed: there is nothing left that a test would show."""
    billed = charger.sessions.filter(status=ChargingSession.Status.SETTLED, energy_wh__gt=0)
    return billed.exclude(user=charger.owner).exists()


# ------------------------------------------------------------------------------------------------ what to type


def model_of(charger: Charger) -> catalogue.Model:
    """What it says that it is counts more than what its owner has chosen."""
    chosen = catalogue.find(charger.chosen_model)
    return catalogue.introduced(charger.vendor) or chosen or catalogue.ANOTHER


def notes(charger: Charger) -> list[str]:
    """What is peculiar about this make, in sentences."""
    return [str(NOTES[quirk]) for quirk in model_of(charger).quirks]


def typing(charger: Charger, *, password: str = "") -> Shape:
    """What to type into the wallbox, and the same in the other spellings that menus ask for."""
    asked = {"server_url": settings.CHARGER_URL, "identity": charger.identity, "password": password}
    lines = catalogue.lines(**asked)
    return {
        "lines": [_named(line) for line in lines],
        "spellings": [_named(line) for line in catalogue.spellings(**asked)],
        "text": catalogue.as_text(lines),
    }


def _named(line: Line) -> Shape:
    return {"key": line.key, "name": str(NAMES[line.key]), "names": ", ".join(line.names), "value": line.value}


# ------------------------------------------------------------------------------------------------ tests


def ticks(charger: Charger) -> list[Shape]:
    """What has been seen to work: `done`, `failed`, `now` (the first that is neither) or `next`."""
    found = [_boot(charger), _status(charger), _start(charger), _stop(charger), _card(charger)]
    names = {"done": _("done"), "now": _("now"), "failed": _("failed"), "next": _("next")}
    for tick in found:
        if tick["state"] == "next":
            tick["state"] = "now"
            break
    return [tick | {"state_text": names[tick["state"]]} for tick in found]


def _tick(name: str, text: str, *, is_done: bool, todo: str, failure: str = "") -> Shape:
    state = "done" if is_done else "failed" if failure else "next"
    return {"name": name, "text": text, "state": state, "more": "" if is_done else failure or todo}


def _boot(charger: Charger) -> Shape:
    todo = _("The wallbox introduces itself when it has connected.")
    return _tick("boot", _("It has connected and introduced itself"), is_done=charger.booted_at is not None, todo=todo)


def _status(charger: Charger) -> Shape:
    is_done = charger.connectors.exclude(status="").exists()
    todo = _("It has not told of its plugs yet. Use “Ask for its state”, or switch it off and on.")
    return _tick("status", _("It tells the state of its plugs"), is_done=is_done, todo=todo)


def trial(charger: Charger) -> Shape:
    """The latest start that the owner asked for from here, step by step, while it is on its way, fresh or running."""
    row = _asked(charger).select_related("charger", "connector", "session").order_by("-pk").first()
    shape = shapes.command(row, viewer=charger.owner) if row else {}
    begun = shapes.begun_session(row) if row else None
    is_shown = row and (begun.is_running if begun and begun.status != "refused" else row.created_at > _lately())
    names = ("steps", "next_text", "failure_text", "seconds_left", "session_url")
    return {name: shape[name] if is_shown else None for name in names}


def _asked(charger: Charger) -> QuerySet[Command]:
    """What drivers start is no test of the owner's."""
    return charger.commands.filter(action=Command.Action.REMOTE_START, requested_by=charger.owner)


def _lately() -> datetime:
    return timezone.now() - TRIAL_SHOWN


def _start(charger: Charger) -> Shape:
    asked = _asked(charger)
    is_done = asked.exclude(session=None).exclude(session__status=ChargingSession.Status.REFUSED).exists()
    latest = None if is_done else asked.select_related("charger", "connector", "session").order_by("-pk").first()
    failure = str(shapes.command(latest, viewer=charger.owner)["failure_text"]) if latest else ""
    todo = _("Press “Start a test”, then plug in a car within a minute. Your own charging is free.")
    return _tick("start", _("It starts from here"), is_done=is_done, todo=todo, failure=failure)


def _stop(charger: Charger) -> Shape:
    ended = charger.sessions.filter(user=charger.owner, closed_by=ChargingSession.ClosedBy.STOP)
    todo = _("Press “Stop”, or end the charging at the car, after a little energy has flowed.")
    return _tick("stop", _("It stops and tells the meter"), is_done=ended.exists(), todo=todo)


def _card(charger: Charger) -> Shape:
    by_card = charger.sessions.filter(user=charger.owner, id_tag__kind=IdTag.Kind.RFID)
    is_done = by_card.exclude(status=ChargingSession.Status.REFUSED).exists()
    # A card that nobody knows may be the owner's. Whose is known and not theirs, is no test; nor is a phone.
    own = Q(id_tag=None) | Q(id_tag__user=charger.owner)
    tried = charger.sessions.filter(own, status="refused").exclude(id_tag__kind=IdTag.Kind.VIRTUAL)
    refused = None if is_done else tried.order_by("-pk").first()
    reason = shapes.refusal_text(refused.refusal, for_owner=True) if refused else ""
    failure = _("A card was refused: %(reason)s") % {"reason": reason} if reason else ""
    todo = _("Start with a card of yours. Without a card you can do this later.")
    return _tick("card", _("It starts with a card"), is_done=is_done, todo=todo, failure=failure)
