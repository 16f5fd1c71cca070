"""What the lists of chargers' rows have in common."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from accounts.admin import (
    MATCHES,
    EndlessAdmin,
    UserAdmin,
    Way,
    linked,
    name_fields,
)
from accounts.models import User
from chargers import glossary
from chargers.models import (
    Charger,
    ChargingSession,
    Command,
    ConnectionAttempt,
    Connector,
    Message,
    MeterValue,
    ProblemReport,
    UnmatchedStop,
)

for model in (Connector, ChargingSession, MeterValue, UnmatchedStop, Command, ConnectionAttempt, Message):
    name_fields(model, charger=_("charger"))
name_fields(ChargingSession, connector=_("connector"), id_tag=_("card"), reviewed_by=_("checked by"))
name_fields(MeterValue, session=_("session"))
name_fields(ProblemReport, connector=_("connector"))
name_fields(Command, connector=_("connector"), session=_("session"), requested_by=_("requested by"))


def operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def worded(field: str, words: glossary.Words, name: Any) -> Any:
    """A column or a line with what a charger told, in plain words and in its own."""

    @admin.display(description=name, ordering=field)
    def column(row: Model) -> str:
        return glossary.both(words, getattr(row, field))

    return column


def chargers_called(text: str) -> list[int]:
    """Keys of some chargers whose name or identity has this in it."""
    found = Charger.objects.filter(Q(name__icontains=text) | Q(identity__icontains=text)).order_by()
    return list(found.values_list("pk", flat=True)[:MATCHES])


TO_CHARGER, TO_SESSION = linked("charger", _("charger")), linked("session", _("session"))

# Of what a charger was asked, and has not answered yet.
ASKED = ngettext_lazy("Asked %(done)s charger.", "Asked %(done)s chargers.", "done")

# The lists of what belongs to a charger, to a session, and to a person.
OF_A_CHARGER = tuple(
    Way(f"chargers.{name}", "charger__id__exact={}")
    for name in ("chargingsession", "message", "connectionattempt", "command", "metervalue", "problemreport", "photo")
)
OF_A_SESSION = tuple(
    Way(f"chargers.{name}", "session__id__exact={}") for name in ("metervalue", "command", "problemreport")
)
IN_THE_LEDGER = (Way("billing.transfer", "q={}"), Way("billing.hold", "q={}"))
UserAdmin.ways += [
    Way("chargers.charger", "owner__id__exact={}"),
    Way("chargers.chargingsession", "user__id__exact={}", _("sessions as the driver")),
    Way("chargers.chargingsession", "owner__id__exact={}", _("sessions as the owner")),
    Way("chargers.problemreport", "reporter__id__exact={}"),
]


class ChargersFactsAdmin(EndlessAdmin):
    """What chargers said and did. A search finds chargers."""

    search_help_text = _("The name or the identity of a charger")

    def find(self, text: str) -> Q:
        return Q(charger__in=chargers_called(text))
