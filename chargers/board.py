"""What an operator sees first: how the platform is, and how much waits for somebody. Each number leads to its list."""

from datetime import timedelta

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from billing import audit, units
from billing.models import Account, LedgerCheck, Payout
from chargers.models import Charger, ChargingSession, Command, ConnectionAttempt, Connector, Message, ProblemReport
from chargers.shapes import Shape, ago

A_DAY = timedelta(days=1)
MESSAGES_WITHIN = timedelta(minutes=5)
# Of commands there is no index by time; these are many days on most platforms.
NEWEST_COMMANDS = 1000


def groups() -> list[Shape]:
    """Headings with their numbers. `state` says whether somebody should look: `good`, `look` or `bad`."""
    return [
        {"title": _("Fleet"), "tiles": _fleet()},
        {"title": _("Charging"), "tiles": _charging()},
        {"title": _("Connections and commands"), "tiles": _wire()},
        {"title": _("Money and people"), "tiles": [*_money(), _problems()]},
    ]


def _tile(name: str, value: int | str, page: str, query: str = "", *, state: str = "good", more: str = "") -> Shape:
    words = {"good": "", "look": _("to look at"), "bad": _("trouble")}
    url = reverse(f"admin:{page}_changelist") + (f"?{query}" if query else "")
    return {"name": name, "value": value, "url": url, "state": state, "state_text": words[state], "more": more}


def _is_some(count: int, state: str = "look") -> str:
    return state if count else "good"


def _fleet() -> list[Shape]:
    live, page = Charger.objects.live(), "chargers_charger"
    gone = live.filter(last_seen_at__lt=timezone.now() - timedelta(hours=1)).count()
    never = live.filter(last_seen_at=None).count()
    faulty = Connector.objects.filter(charger__deleted_at=None, status="Faulted").count()
    return [
        _tile(_("online"), live.heard().count(), page, "connection=online"),
        _tile(_("offline for more than an hour"), gone, page, "connection=offline", state=_is_some(gone)),
        _tile(_("never connected"), never, page, "connection=never"),
        _tile(_("faulty plugs"), faulty, "chargers_connector", "status=Faulted", state=_is_some(faulty)),
    ]


def _charging() -> list[Shape]:
    rows, page = ChargingSession.objects, "chargers_chargingsession"
    held, unbilled = rows.for_review().count(), rows.unsettled().count()
    long = rows.running().filter(start_received_at__lt=timezone.now() - A_DAY).count()
    return [
        _tile(_("sessions now"), rows.running().count(), page, "status__exact=running"),
        _tile(_("held for review"), held, page, "attention=held", state=_is_some(held)),
        _tile(_("running for more than 24 hours"), long, page, "attention=long", state=_is_some(long)),
        _tile(_("not billed"), unbilled, page, "attention=unbilled", state=_is_some(unbilled)),
    ]


def _wire() -> list[Shape]:
    since = timezone.now() - A_DAY
    messages = Message.objects.filter(at__gte=timezone.now() - MESSAGES_WITHIN).count()
    a_minute = round(messages / (MESSAGES_WITHIN.total_seconds() / 60))
    refused = ConnectionAttempt.objects.filter(last_at__gte=since).exclude(outcome="accepted").count()
    newest = Command.objects.order_by("-pk").values_list("created_at", "error")[:NEWEST_COMMANDS]
    failed = sum(bool(error) and created_at >= since for created_at, error in newest)
    in_a_day = _("in 24 hours")
    return [
        _tile(_("messages a minute"), a_minute, "chargers_message", more=_("in the last 5 minutes")),
        _tile(_("refused attempts"), refused, "chargers_connectionattempt", "result=refused", more=in_a_day),
        _tile(_("failed commands"), failed, "chargers_command", "state=failed", state=_is_some(failed), more=in_a_day),
    ]


def _money() -> list[Shape]:
    check = LedgerCheck.objects.exclude(finished_at=None).order_by("-pk").first()
    is_bad = audit.is_halted() or bool(check and check.breaches)
    waiting = Payout.objects.filter(status=Payout.Status.REQUESTED)
    amount, count = waiting.aggregate(sum=Sum("amount"))["sum"] or 0, waiting.count()
    debts = Account.objects.filter(kind=Account.Kind.RECEIVABLE, balance__lt=0)
    lost = Account.objects.of_nobody()
    stranded, strandings = lost.aggregate(sum=Sum("balance"))["sum"] or 0, lost.count()
    owed, debtors = -(debts.aggregate(sum=Sum("balance"))["sum"] or 0), debts.count()
    ledger = _("does not add up") if is_bad else _("adds up") if check else _("not checked yet")
    looked = ago(check.finished_at) if check else ""
    return [
        _tile(_("the ledger"), ledger, "billing_ledgercheck", state="bad" if is_bad else "good", more=looked),
        _tile(_("payouts to be sent"), count, "billing_payout", "status__exact=requested", state=_is_some(count),
              more=units.money(amount)),
        _tile(_("people who owe"), debtors, "billing_account", "state=owes", more=units.money(owed)),
        _tile(_("deleted accounts with money"), strandings, "billing_account", "state=nobody",
              state=_is_some(strandings), more=units.money(stranded)),
    ]  # fmt: skip


def _problems() -> Shape:
    count = ProblemReport.objects.open().count()
    return _tile(_("open problem reports"), count, "chargers_problemreport", "status=open", state=_is_some(count))
