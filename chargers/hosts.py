"""What owners see of their chargers, live: one function per thing, for its page and for its browser socket alike."""

from collections.abc import Iterable

from django.db.models import Prefetch
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from billing import units, wallets
from chargers import glossary, onboarding, shapes, slips, statistics
from chargers.models import Charger, ChargingSession, Command, ConnectionAttempt, Connector, MeterValue, ProblemReport
from chargers.models.fleet import ChargerQuerySet
from chargers.models.sessions import SessionQuerySet
from chargers.shapes import Shape, ago, moment

LATEST_ATTEMPTS = 12
LATEST_COMMANDS = 6
MOST_ALERTS = 20

ADVICE: dict[str, Promise] = {
    "accepted": gettext_lazy("The charger is connected."),
    "unknown_identity": gettext_lazy(
        "The wallbox said %(said)s; its identity is %(identity)s. Copy it from this page, letter by letter."
    ),
    "wrong_password": gettext_lazy("The password does not fit. Type it again, or make a new one and type that."),
    "no_password": gettext_lazy(
        "The wallbox sent no password. Fill in its field for the password (AuthorizationKey, security profile 1)."
    ),
    "wrong_username": gettext_lazy(
        "The user name must be the charge point identity. Leave the field empty or copy the identity into it."
    ),
    "no_subprotocol": gettext_lazy(
        "The wallbox did not say which OCPP it speaks. Switch it to OCPP 1.6 JSON, or ask the operator for help."
    ),
    "unknown_subprotocol": gettext_lazy("The wallbox speaks another protocol. Switch it to OCPP 1.6 JSON."),
    "disabled": gettext_lazy("This charger is switched off by the operator. Ask the operator."),
    "bad_path": gettext_lazy("The address in the wallbox is not right. Copy the server address from this page."),
}


# ------------------------------------------------------------------------------------------------ one charger


def charger(row: Charger) -> Shape:
    """A charger as its owner sees it live: is it there, who knocked, what do the plugs say, what was asked of it."""
    running = row.sessions.running().select_related("user", "connector").order_by("pk")
    plugs = list(row.connectors.select_related("charger").order_by("pk"))
    asked = row.commands.exclude(action=Command.Action.REMOTE_START).exclude(requested_by=None)
    return _line(row, running) | {
        "hardware_text": " ".join(part for part in (row.vendor, row.model) if part),
        "firmware_text": row.firmware_version,
        "seen_text": ago(row.last_seen_at),
        "was_connected": row.booted_at is not None,
        "connectors": [_connector(plug) for plug in plugs],
        "attempts": [attempt(knock, row) for knock in row.connection_attempts.order_by("-last_at")[:LATEST_ATTEMPTS]],
        "commands": [_command(command) for command in asked.select_related("connector")[:LATEST_COMMANDS]],
        "ticks": onboarding.ticks(row),
        **_trials(row, plugs, running),
    }


def _trials(row: Charger, plugs: Iterable[Connector], running: Iterable[ChargingSession]) -> Shape:
    """What its owner may try in the wizard. Who charges there is told; only an own charge is stopped from there."""
    own = [session for session in running if session.user_id == row.owner_id]
    taken = {session.connector_id for session in running}
    free = [plug for plug in plugs if plug.is_enabled and plug.pk not in taken]
    return onboarding.trial(row) | {
        "is_trying": bool(own),
        "stop_text": next(filter(None, map(_stop_text, own)), ""),
        # One's own phone starts one charge at a time.
        "starts": [] if own else [_startable(plug) for plug in free],
        "strangers": [{"text": _charging_text(session)} for session in running if session.user_id != row.owner_id],
    }


def _stop_text(row: ChargingSession) -> str:
    asked = row.commands.filter(action=Command.Action.REMOTE_STOP).order_by("-pk").first()
    return _("Stop requested: %(state)s") % {"state": shapes.OUTCOMES[asked.status]} if asked else ""


def _startable(plug: Connector) -> Shape:
    return {"number": plug.connector_id, "text": _("Start a test at plug %(number)s") % {"number": plug.connector_id}}


def _charging_text(row: ChargingSession) -> str:
    named = {"driver": str(row.user), "time": moment(row.began_at)}
    if row.connector is None:
        return _("%(driver)s has been charging here since %(time)s.") % named
    number = row.connector.connector_id
    return _("%(driver)s has been charging at plug %(number)s since %(time)s.") % {**named, "number": number}


def _line(row: Charger, running: Iterable[ChargingSession]) -> Shape:
    return {
        "id": row.pk,
        "is_online": row.is_online,
        "state": "online" if row.is_online else "offline",
        "short_text": _("online") if row.is_online else _("offline"),
        "state_text": _online_text(row),
        "sessions": [_running(session) for session in running],
    }


def _running(row: ChargingSession) -> Shape:
    return {
        "id": row.pk,
        "url": row.get_absolute_url(),
        "driver": str(row.user),
        "since_text": moment(row.began_at),
    }


def _online_text(row: Charger) -> str:
    if row.is_online:
        return _("online since %(time)s") % {"time": moment(row.connected_at)}
    if row.last_seen_at is None:
        return _("never connected so far")
    return _("offline, last heard %(ago)s") % {"ago": ago(row.last_seen_at)}


def _connector(row: Connector) -> Shape:
    return {
        "number": row.connector_id,
        "state": row.availability,
        "state_text": str(shapes.AVAILABILITIES[row.availability]),
        # A free plug says nothing more; offline, the last thing it said is nothing to go by.
        "status_text": glossary.say(glossary.STATES, row.status) if row.availability in ("busy", "faulty") else "",
        "error": glossary.fault(row.error_code, row.info),
        "since_text": moment(row.status_at),
    }


def attempt(row: ConnectionAttempt, charger: Charger) -> Shape:
    accepted = row.outcome == ConnectionAttempt.Outcome.ACCEPTED
    return {
        "state": "accepted" if accepted else "refused",
        "at_text": moment(row.last_at),
        "outcome_text": row.get_outcome_display(),
        "advice": str(ADVICE[row.outcome]) % {"said": slips.said(row.path), "identity": charger.identity},
        "count_text": f"{row.count}×" if row.count > 1 else "",
        "from_text": "" if row.is_slip else row.remote_address,
        "path": "" if row.is_slip else row.path,
    }


def _command(row: Command) -> Shape:
    plug = _("plug %(number)s") % {"number": row.connector.connector_id} if row.connector else ""
    return {
        "name": str(row.get_action_display()),
        "plug_text": plug,
        "state": row.status,
        "state_text": str(shapes.OUTCOMES[row.status]),
        "at_text": moment(row.created_at),
    }


# ------------------------------------------------------------------------------------------------ all of them


def lines(chargers: ChargerQuerySet) -> list[tuple[Charger, Shape]]:
    """Chargers in a list, each with what its owner is told of it, in three queries for all."""
    running = ChargingSession.objects.running().select_related("user").order_by("pk")
    plugs = Connector.objects.filter(is_enabled=True).order_by("connector_id")
    rows = chargers.prefetch_related(
        Prefetch("sessions", running, to_attr="running"), Prefetch("connectors", plugs, to_attr="plugs")
    )
    MeterValue.objects.compare_clocks(session for row in rows for session in row.running)
    return [(row, _line(row, row.running) | {"plugs_text": _plugs_text(row)}) for row in rows]


def _plugs_text(row: Charger) -> str:
    """ "1 of 2 plugs free"; empty for a charger that has not told of any."""
    states = [plug.status for plug in row.plugs]  # type: ignore[attr-defined]
    if not states or not row.is_online:
        return ""
    free = sum(status in Connector.FREE_STATUSES for status in states)
    return ngettext("%(free)s of %(all)s plug free", "%(free)s of %(all)s plugs free", len(states)) % {
        "free": free,
        "all": len(states),
    }


def dashboard(user: User) -> Shape:
    """An owner's first view: money, who charges, what needs attention, and the chargers."""
    rows = lines(Charger.objects.owned_by(user))
    hosted = ChargingSession.objects.hosted_by(user)
    today = statistics.midnight(statistics.today())
    return {
        "today_text": units.money(_income(hosted.filter(start_received_at__gte=today))),
        "month_text": units.money(_income(hosted.filter(start_received_at__gte=today.replace(day=1)))),
        "free_text": units.money(wallets.wallet_of(user).available),
        "alerts": alerts(user, rows),
        "running": [
            {**session, "charger": row.name} for row, line in rows for session in line["sessions"]
        ],
        "chargers": [
            {
                **line,
                "name": row.name,
                "town": row.city,
                "manage_url": reverse("charger_manage", args=[row.pk]),
                "sharing_text": sharing_text(row),
            }
            for row, line in rows
        ],
    }  # fmt: skip


def sharing_text(row: Charger) -> str:
    """Who may start there, in one word or three."""
    if not row.is_sharing:
        return _("not shared at the moment")
    return str(row.get_access_display())


def _income(sessions: SessionQuerySet) -> int:
    return statistics.totals(sessions).income


def alerts(user: User, rows: Iterable[tuple[Charger, Shape]]) -> list[Shape]:
    """What an owner should look at, the worst first, each with where to go."""
    found = [*_alerts_of_chargers(rows), *_alerts_of_people(user), *_alerts_of_prices(user)]
    return found[:MOST_ALERTS]


def _alerts_of_chargers(rows: Iterable[tuple[Charger, Shape]]) -> Iterable[Shape]:
    for row, line in rows:
        if row.booted_at is None:
            text = _("%(charger)s is not set up yet. Go on where you stopped.")
            yield _alert("waiting", _("to do"), text % {"charger": row}, "setup", row.pk)
        elif not row.is_online:
            text = _("%(charger)s: %(state)s")
            yield _alert(
                "faulty", _("offline"), text % {"charger": row, "state": line["state_text"]}, "charger_manage", row.pk
            )


def _alerts_of_people(user: User) -> Iterable[Shape]:
    held = ChargingSession.objects.hosted_by(user).for_review().select_related("charger", "user")
    for session in held.order_by("pk")[:MOST_ALERTS]:
        text = _("The bill of %(driver)s at %(charger)s waits for a check.")
        named = {"driver": str(session.user), "charger": session.charger.name}
        yield _alert("waiting", _("to check"), text % named, "session", session.pk)
    problems = ProblemReport.objects.filter(owner=user).open().select_related("charger", "reporter")
    for problem in problems[:MOST_ALERTS]:
        text = _("%(person)s reports from %(charger)s: %(kind)s")
        who, where, kind = str(problem.reporter), problem.charger.name, problem.get_kind_display()
        yield _alert(
            "faulty", _("problem"), text % {"person": who, "charger": where, "kind": kind}, "problem", problem.pk
        )


def _alerts_of_prices(user: User) -> Iterable[Shape]:
    unpriced = Connector.objects.filter(
        charger__in=Charger.objects.owned_by(user).filter(access=Charger.Access.PUBLIC), tariff=None, is_enabled=True
    )
    for plug in unpriced.select_related("charger").order_by("charger", "connector_id")[:MOST_ALERTS]:
        text = _("Plug %(number)s of %(charger)s has no price: others cannot start there.")
        named = {"number": plug.connector_id, "charger": plug.charger}
        yield _alert("waiting", _("no price"), text % named, "charger_settings", plug.charger_id)


def _alert(state: str, word: str, text: str, page: str, key: int) -> Shape:
    return {"state": state, "word": word, "text": text, "url": reverse(page, args=[key])}
