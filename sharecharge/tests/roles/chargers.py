"""Chargers, their sessions, and what is asked of them. Bob's charger is public; `hidden` is Otto's and private."""

from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from chargers.models import Photo
from chargers.tests.test_pictures import encoded, picture
from sharecharge.tests.roles.row import Form, Row


def always(body: Any) -> Callable[[Any], Any]:
    return lambda _stage: body


NEW = {"name": "Garage", "city": "Brno", "latitude": 49.2, "longitude": 16.6}

#            nobody alice charlie bob otto oscar dora
ALL = "200 200 200 200 200 200 401"
# An operator reads what was deleted, and nobody does anything with it.
OPERATOR_READS = "401 404 404 404 404 200 401"
GONE = "401 404 404 404 404 404 401"
BOBS = "401 403 403 200 403 200 401"
OTTOS = "401 404 404 404 200 200 401"

CHARGER = {"address": lambda stage: {"pk": stage.charger.pk}}
HIDDEN = {"address": lambda stage: {"pk": stage.hidden.pk}}
OF_CHARGER = {"address": lambda stage: {"charger": stage.charger.pk}}
DELETED = {"address": lambda stage: {"pk": stage.deleted.pk}}
OF_DELETED = {"address": lambda stage: {"charger": stage.deleted.pk}}
OF_HIDDEN = {"address": lambda stage: {"charger": stage.hidden.pk}}
PLUG = {"address": lambda stage: {"pk": stage.connector.pk}}
BY_IDENTITY = {"address": lambda stage: {"identity": stage.charger.identity, "number": 1}}


def photo_of(charger: str) -> Callable[[Any], dict[str, Any]]:
    """Of a charger on the stage, for who may charge there."""

    def made(stage: Any) -> dict[str, Any]:
        place, file = getattr(stage, charger), b"not looked at here"
        photo = Photo.objects.create(
            charger=place, audience="admitted", description="The plug", position=1, width=4, height=3, large=file,
            small=file,
        )  # fmt: skip
        return {"charger": place.pk, "pk": photo.pk}

    return made


def new_photo(_stage: Any) -> Form:
    return Form(file=SimpleUploadedFile("a.jpg", encoded(picture((40, 30)))), alt="The gate", audience="everybody")


PHOTO = {"address": photo_of("charger")}
HIDDEN_PHOTO = {"address": photo_of("hidden")}

PHOTOS = [
    Row("POST", "charger-photos-list", "401 403 403 201 403 201 401", body=new_photo, **OF_CHARGER),
    Row("POST", "charger-photos-list", "401 404 404 404 201 201 401", body=new_photo, **OF_HIDDEN),
    Row("POST", "charger-photos-list", GONE, body=new_photo, **OF_DELETED),
    Row("GET", "charger-photos-detail", BOBS, **PHOTO),
    Row("GET", "charger-photos-detail", OTTOS, **HIDDEN_PHOTO),
    Row("PATCH", "charger-photos-detail", BOBS, body=always({"alt": "The plug itself"}), **PHOTO),
    Row("PATCH", "charger-photos-detail", OTTOS, body=always({"audience": "everybody"}), **HIDDEN_PHOTO),
    Row("POST", "charger-photos-first", BOBS, **PHOTO),
    Row("POST", "charger-photos-first", OTTOS, **HIDDEN_PHOTO),
    Row("DELETE", "charger-photos-detail", "401 403 403 204 403 204 401", **PHOTO),
    Row("DELETE", "charger-photos-detail", "401 404 404 404 204 204 401", **HIDDEN_PHOTO),
]

FLEET = [
    Row("GET", "charger-list", ALL),
    Row("GET", "charger-list", "401 200 200 200 200 200 401", query="?mine=true"),
    Row("GET", "charger-list", "401 200 200 200 200 200 401", query="?usable_by_me=true"),
    Row("GET", "charger-list", "401 403 403 403 403 200 401", query="?deleted=true"),
    Row("POST", "charger-list", "401 403 403 201 201 201 401", body=lambda _stage: NEW),
    Row("POST", "charger-list", "401 403 403 201 403 201 401", body=lambda stage: {**NEW, "owner": stage.bob.pk}),
    Row("GET", "charger-detail", ALL, **CHARGER),
    Row("GET", "charger-detail", "404 404 404 404 200 200 401", **HIDDEN),
    Row("PATCH", "charger-detail", BOBS, body=lambda _stage: {"name": "New"}, **CHARGER),
    Row("PATCH", "charger-detail", OTTOS, body=lambda _stage: {"name": "New"}, **HIDDEN),
    Row("PATCH", "charger-detail", "401 403 403 403 403 200 401", body=lambda _s: {"is_enabled": False}, **CHARGER),
    Row("PATCH", "charger-detail", "401 403 403 400 403 400 401", body=lambda _s: {"identity": "X"}, **CHARGER),
    Row("DELETE", "charger-detail", "401 403 403 409 403 409 401", **CHARGER),
    Row("DELETE", "charger-detail", "401 404 404 404 204 204 401", **HIDDEN),
    Row("POST", "charger-password", BOBS, **CHARGER),
    Row("POST", "charger-password", OTTOS, **HIDDEN),
    Row("GET", "charger-connection", BOBS, **CHARGER),
    Row("GET", "charger-connection", OTTOS, **HIDDEN),
    Row("GET", "charger-attempts-list", BOBS, **OF_CHARGER),
    Row("GET", "charger-attempts-list", OTTOS, **OF_HIDDEN),
    Row("GET", "charger-messages-list", BOBS, **OF_CHARGER),
    Row("GET", "charger-messages-list", OTTOS, **OF_HIDDEN),
    Row("GET", "charger-connectors-list", ALL, **OF_CHARGER),
    Row("GET", "charger-connectors-list", "404 404 404 404 200 200 401", **OF_HIDDEN),
    Row("GET", "charger-detail", "404 404 404 404 404 200 401", **DELETED),
    Row("PATCH", "charger-detail", GONE, body=lambda _stage: {"name": "New"}, **DELETED),
    Row("DELETE", "charger-detail", GONE, **DELETED),
    Row("POST", "charger-password", GONE, **DELETED),
    Row("GET", "charger-connection", GONE, **DELETED),
    Row("GET", "charger-attempts-list", OPERATOR_READS, **OF_DELETED),
    Row("GET", "charger-messages-list", OPERATOR_READS, **OF_DELETED),
    Row("GET", "charger-connectors-list", "404 404 404 404 404 404 401", **OF_DELETED),
    Row("GET", "connector-detail", ALL, **PLUG),
    Row("PATCH", "connector-detail", BOBS, body=lambda _stage: {"price_per_kwh": "6.00"}, **PLUG),
    Row("GET", "connector-by-identity", "401 404 404 200 404 200 401", **BY_IDENTITY),
]

SESSION = {"address": lambda stage: {"pk": stage.session.pk}}
OF_SESSION = {"address": lambda stage: {"session": stage.session.pk}}
#        nobody alice charlie bob otto oscar dora
PEOPLE = "401 200 200 200 200 200 401"
PARTIES = "401 200 404 200 404 200 401"

SESSIONS = [
    Row("GET", "session-list", PEOPLE),
    Row("GET", "session-list", PEOPLE, query="?as_owner=true"),
    Row("GET", "session-detail", PARTIES, **SESSION),
    Row("GET", "session-totals", "401 200 200 200 200 400 401"),
    Row("GET", "session-totals", PEOPLE, query="?charger=1"),
    Row("GET", "session-csv", PEOPLE),
    Row("GET", "session-receipt", PARTIES, **SESSION),
    # Alice's session still runs: nothing has been billed.
    Row("GET", "session-receipt-pdf", "401 409 404 409 404 409 401", **SESSION),
    Row("GET", "session-meter-values-list", PARTIES, **OF_SESSION),
    Row("POST", "session-release", "401 404 404 409 404 409 401", **SESSION),  # it is not held
    Row("POST", "session-stop", "401 202 404 202 404 202 401", **OF_SESSION),
]

COMMAND = {"address": lambda stage: {"pk": stage.command.pk}}
ASKED = "401 403 403 202 403 202 401"
HIDDEN_AND_OFFLINE = "401 404 404 404 409 409 401"
OPERATORS = "401 403 403 403 403 202 401"

COMMANDS = [
    Row("GET", "charger-commands-list", BOBS, **OF_CHARGER),
    Row("GET", "charger-commands-list", OTTOS, **OF_HIDDEN),
    Row("GET", "charger-commands-list", OPERATOR_READS, **OF_DELETED),
    Row("GET", "command-detail", PARTIES, **COMMAND),
    *(
        Row("POST", "charger-commands-list", answers, body=always(wish), **address)
        for wish, answers, address in (
            ({"action": "refresh"}, ASKED, OF_CHARGER),
            ({"action": "refresh"}, HIDDEN_AND_OFFLINE, OF_HIDDEN),
            ({"action": "refresh"}, GONE, OF_DELETED),
            ({"action": "get_configuration"}, GONE, OF_DELETED),
            ({"action": "explode"}, "401 403 403 400 403 400 401", OF_CHARGER),
            ({"action": "get_configuration"}, OPERATORS, OF_CHARGER),
            (
                {"action": "change_configuration", "payload": {"key": "HeartbeatInterval", "value": "60"}},
                OPERATORS,
                OF_CHARGER,
            ),
        )
    ),
    # A car charges at the public one, where Otto and Oscar have no money for; the hidden one is offline.
    Row("POST", "charger-remote-start", "401 409 409 409 402 402 401", body=lambda _s: {"connector": 1}, **OF_CHARGER),
    Row("POST", "charger-remote-start", "401 404 404 404 404 404 401", body=lambda _s: {"connector": 1}, **OF_HIDDEN),
    Row("POST", "charger-unlock", "401 403 403 409 403 409 401", body=lambda _s: {"connector": 1}, **OF_CHARGER),
    Row("POST", "charger-reset", "401 403 403 409 403 409 401", **OF_CHARGER),
    Row("POST", "charger-reset", ASKED, body=lambda _stage: {"force": True}, **OF_CHARGER),
    Row("POST", "charger-reset", HIDDEN_AND_OFFLINE, **OF_HIDDEN),
    Row("POST", "charger-refresh", ASKED, **OF_CHARGER),
    *(
        Row("POST", f"charger-{name}", GONE, body=lambda _s: {"connector": 1}, **OF_DELETED)
        for name in ("remote-start", "unlock", "reset", "refresh")
    ),
]

REPORT = {"address": lambda stage: {"pk": stage.report.pk}}


def report_of(charger: str, **more: Any) -> Callable[[Any], Any]:
    return lambda stage: {"charger": getattr(stage, charger).pk, "kind": "other", "text": "It is broken.", **more}


def with_alices_session(charger: str) -> Callable[[Any], Any]:
    return lambda stage: report_of(charger, session=stage.session.pk)(stage)


REPORTS = [
    Row("GET", "report-list", PEOPLE),
    Row("POST", "report-list", "401 201 201 201 201 201 401", body=report_of("charger")),
    Row("POST", "report-list", "401 404 404 404 201 201 401", body=report_of("hidden")),
    # What is wrong in the rest of a report does not tell who may not know it that there is such a charger.
    Row("POST", "report-list", "401 404 404 404 404 404 401", body=report_of("hidden", connector=9)),
    Row("POST", "report-list", "401 404 400 404 400 400 401", body=with_alices_session("hidden")),
    Row("POST", "report-list", "401 404 404 404 404 404 401", body=report_of("deleted")),
    Row("GET", "report-detail", PARTIES, **REPORT),
    Row("POST", "report-answer", "401 403 404 200 404 200 401", body=always({"text": "Soon."}), **REPORT),
    Row("POST", "report-close", PARTIES, **REPORT),
    Row("GET", "stats", PEOPLE),
    Row("GET", "stats", PEOPLE, query="?as_driver=true"),
    Row("GET", "stats", PEOPLE, query="?charger={stage.hidden.pk}"),
    Row("GET", "stats", PEOPLE, query="?charger={stage.hidden.pk}&as_driver=true"),
    Row("GET", "stats", PEOPLE, query="?charger=1000000&as_driver=true"),
]

CARDS = [
    Row("POST", "claim", "401 201 201 201 201 201 401", body=lambda stage: {"code": stage.charger.code}),
    Row("POST", "claim", "401 404 404 404 404 404 401", body=lambda stage: {"code": stage.deleted.code}),
    Row("GET", "claim", "401 404 404 404 404 404 401"),
    Row("GET", "places", "404 404 404 404 404 404 401", query="?q=Brno"),  # without GEOCODER_URL
]

ROWS = [*CARDS, *FLEET, *PHOTOS, *SESSIONS, *COMMANDS, *REPORTS]
