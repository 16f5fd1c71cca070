"""May this tag charge here, now? The same answer for a card at the charger and for a start from the phone."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import id_tags
from accounts.models import IdTag, User
from billing import wallets
from chargers import opening
from chargers.models import Charger, ChargingSession, Connector
from chargers.models.fleet import ChargerQuerySet, has_plug, is_open
from sharecharge.errors import Refused
from sharecharge.prepared import Prepared


class Reason(StrEnum):
    """Why not. The value is stored with a refused session and is stable for programs."""

    UNKNOWN_CARD = "unknown_card"
    CARD_DELETED = "card_deleted"
    CARD_DISABLED = "card_disabled"
    CARD_EXPIRED = "card_expired"
    USER_INACTIVE = "user_inactive"
    CHARGER_OFF = "charger_off"
    NOT_SHARED = "not_shared"
    OWNER_INACTIVE = "owner_inactive"
    CLOSED_NOW = "closed_now"
    PRIVATE = "private"
    NO_CONNECTOR = "no_connector"
    CONNECTOR_OFF = "connector_off"
    NO_PRICE = "no_price"
    PAYMENT_DUE = "payment_due"
    BALANCE_TOO_LOW = "balance_too_low"
    ALREADY_CHARGING = "already_charging"


SENTENCES = {
    Reason.UNKNOWN_CARD: _("This card is not registered."),
    Reason.CARD_DELETED: _("This card was deleted. Add it again to use it."),
    Reason.CARD_DISABLED: _("This card is switched off. Its holder can switch it on."),
    Reason.CARD_EXPIRED: _("This card has expired."),
    Reason.USER_INACTIVE: _("This account was closed."),
    Reason.CHARGER_OFF: _("This charger is switched off by the operator."),
    Reason.NOT_SHARED: _("The owner does not share this charger at the moment."),
    Reason.OWNER_INACTIVE: _("The account of this charger's owner is switched off."),
    Reason.CLOSED_NOW: _("The owner does not share this charger at this time of the week."),
    Reason.PRIVATE: _("This charger is for its owner only."),
    Reason.NO_CONNECTOR: _("This charger has no such connector."),
    Reason.CONNECTOR_OFF: _("This connector is switched off by its owner."),
    Reason.NO_PRICE: _("The owner has not set a price for this connector yet."),
    Reason.PAYMENT_DUE: _("An earlier session is not paid yet. Top up your wallet first."),
    Reason.BALANCE_TOO_LOW: _("There is too little money in your wallet. Top it up first."),
    Reason.ALREADY_CHARGING: _("A car is already charging with this card."),
}
# The same to the owner of the charger, in the middle of a sentence.
OWNERS_WORDS = {
    Reason.UNKNOWN_CARD: _("nobody has registered this card"),
    Reason.CARD_DELETED: _("its holder deleted this card"),
    Reason.CARD_DISABLED: _("its holder switched this card off"),
    Reason.CARD_EXPIRED: _("the card has expired"),
    Reason.USER_INACTIVE: _("the account of its holder is closed"),
    Reason.CHARGER_OFF: _("the operator has switched this charger off"),
    Reason.NOT_SHARED: _("you do not share this charger at the moment"),
    Reason.OWNER_INACTIVE: _("your account was switched off"),
    Reason.CLOSED_NOW: _("it was outside the hours that you have set"),
    Reason.PRIVATE: _("this charger is for you only"),
    Reason.NO_CONNECTOR: _("the charger cannot have such a plug"),
    Reason.CONNECTOR_OFF: _("you have switched this plug off"),
    Reason.NO_PRICE: _("this plug has no price yet"),
    # What somebody has or owes is between them and the platform.
    Reason.PAYMENT_DUE: _("the driver has to top up the wallet first"),
    Reason.BALANCE_TOO_LOW: _("the driver has to top up the wallet first"),
    Reason.ALREADY_CHARGING: _("a car is already charging with this card"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is None when the tag may charge. `tag` is the card, if it is known at all.

    `opens_at` is when a charger that is closed now opens next.
    """

    tag: IdTag | None
    reason: Reason | None
    opens_at: datetime | None = None

    @property
    def is_accepted(self) -> bool:
        return self.reason is None

    @property
    def sentence(self) -> str:
        """Why not, in words; empty when the tag may charge."""
        if self.opens_at is not None:
            return gettext("This charger is closed now. It opens %(when)s.") % {
                "when": opening.when_text(self.opens_at)
            }
        return str(SENTENCES[self.reason]) if self.reason else ""

    def require(self) -> IdTag:
        """The tag, or Refused with the reason in words."""
        if self.reason is not None or self.tag is None:
            reason = self.reason or Reason.UNKNOWN_CARD
            is_money = reason in (Reason.PAYMENT_DUE, Reason.BALANCE_TOO_LOW)
            raise Refused(reason.value, self.sentence or SENTENCES[reason], status=402 if is_money else 403)
        return self.tag


# What is looked at when a tag is judged: our tables are wide, and this happens before every charge.
PLACE_FIELDS = (
    "connector_id", "current", "max_power_w", "status", "is_enabled", "tariff__price_per_kwh",
    "charger__name", "charger__access", "charger__is_sharing", "charger__hours", "charger__is_enabled",
    "charger__deleted_at", "charger__vendor", "charger__limit_w", "charger__is_configured_after_boot",
    "charger__owner__is_active",
)  # fmt: skip
RUNNING_FIELDS = (
    "status", "connector_id", "user_id", "owner_id", "id_tag_id", "id_tag_text", "started_at", "is_clock_doubtful",
    "charger__connection_mark", "charger__last_seen_at",
)  # fmt: skip
_plugs = Prepared(
    lambda charger: (
        Connector.objects.filter(charger=charger)
        .select_related("charger__owner", "tariff")
        .order_by("connector_id")
        .only(*PLACE_FIELDS)
    ),
    charger=1,
)


def check_at(charger_id: int, id_tag_text: str) -> Verdict:
    """The verdict for a tag that is held to this charger."""
    plugs = _plugs.all(charger=charger_id)
    if not plugs:
        return check(Charger.objects.select_related("owner").get(pk=charger_id), id_tag_text)
    return check(plugs[0].charger, id_tag_text, plugs=plugs)


def check(charger: Charger, id_tag_text: str, *, plugs: list[Connector] | None = None) -> Verdict:
    """The verdict for a tag as it was read, at any connector of the charger (Authorize names none)."""
    tag = id_tags.find(id_tag_text)
    verdict = _check(charger, tag, _plugs.all(charger=charger.pk) if plugs is None else plugs, with_wallet=True)
    if tag and verdict.reason and _is_charging_at(charger, tag):
        # The card is tapped to stop. Money or sharing rules that changed meanwhile must not keep it from that.
        return Verdict(tag, None)
    return verdict


def admits(charger: Charger, user: User) -> bool:
    """May this person start here by phone, now or when the charger opens next?"""
    tag = id_tags.find(id_tags.virtual_tag(user).uid)
    at = charger.opens_at or timezone.now()
    return _check(charger, tag, _plugs.all(charger=charger.pk), with_wallet=True, at=at).is_accepted


def check_start(
    charger: Charger,
    tag: IdTag | None,
    connector: Connector | None,
    *,
    running: list[ChargingSession] | None = None,
    began_at: datetime | None = None,
) -> Verdict:
    """The verdict for a start: `check`, on a connector that exists, and the tag not in use elsewhere.

    `running`, with their chargers, are the sessions among which the tag's are. Who gives them reserves the money right
    afterwards: then the wallet is not looked at here. `began_at` is the moment whose hours count; by default it is now.
    """
    if connector is None:
        return Verdict(tag, Reason.NO_CONNECTOR)
    verdict = _check(charger, tag, [connector], with_wallet=running is None, at=began_at)
    if verdict.tag and verdict.is_accepted:
        running = _running_with.all(tag=verdict.tag.pk) if running is None else running
        if any(_is_elsewhere(session, verdict.tag, connector) for session in running):
            return Verdict(verdict.tag, Reason.ALREADY_CHARGING)
    return verdict


def _check(
    charger: Charger, tag: IdTag | None, plugs: list[Connector], *, with_wallet: bool, at: datetime | None = None
) -> Verdict:
    if tag is None:
        return Verdict(None, Reason.UNKNOWN_CARD)
    reason = (
        _check_card(tag)
        or _check_place(charger, tag.user, at or timezone.now())
        or _check_connectors(charger, tag.user, plugs, with_wallet=with_wallet)
    )
    return Verdict(tag, reason, charger.opens_at if reason == Reason.CLOSED_NOW else None)


def usable_by(user: User | None, chargers: ChargerQuerySet) -> ChargerQuerySet:
    """Those of the chargers where `check` accepts a start by this person's phone; None: by somebody with money."""
    if user is not None and _check_card(id_tags.virtual_tag(user)):
        return chargers.none()
    can_pay = user is None or check_wallet(user) is None
    payable = Q(tariff__isnull=False) if can_pay else Q(tariff__price_per_kwh=0)
    shared = Q(is_open(), access=Charger.Access.PUBLIC, is_sharing=True, owner__is_active=True)
    usable = has_plug(payable) & shared
    return chargers.live().filter(usable if user is None else usable | Q(owner=user), is_enabled=True)


def is_free_for(charger: Charger, connector: Connector, user: User) -> bool:
    """Owners charge at home without a bill; everybody does where the price is 0."""
    return charger.owner_id == user.pk or (connector.tariff is not None and connector.tariff.price_per_kwh == 0)


def _check_card(tag: IdTag) -> Reason | None:
    if tag.deleted_at is not None:
        return Reason.CARD_DELETED
    if not tag.user.is_active:
        return Reason.USER_INACTIVE
    # A card is as good as its group (parentIdTag): one switch stops a whole family or company.
    group = [tag] if tag.parent is None else [tag, tag.parent]
    if not all(member.is_enabled for member in group):
        return Reason.CARD_DISABLED
    return Reason.CARD_EXPIRED if any(member.is_expired for member in group) else None


def _check_place(charger: Charger, user: User, at: datetime) -> Reason | None:
    if charger.deleted_at is not None or not charger.is_enabled:
        return Reason.CHARGER_OFF
    if charger.owner_id == user.pk:
        return None
    if charger.access == Charger.Access.PRIVATE:
        return Reason.PRIVATE
    if not charger.owner.is_active:
        return Reason.OWNER_INACTIVE
    if not charger.is_sharing:
        return Reason.NOT_SHARED
    return None if charger.is_open_at(at) else Reason.CLOSED_NOW


def _check_connectors(charger: Charger, user: User, plugs: list[Connector], *, with_wallet: bool) -> Reason | None:
    """Is there a connector that this user may use and can pay for? The best answer of those in question counts."""
    if charger.owner_id == user.pk:
        # Also where nothing was discovered yet: the owner may try the charger out, StartTransaction will look again.
        return None
    reasons = [_check_connector(plug) for plug in plugs] or [Reason.NO_PRICE]
    if None not in reasons:
        return reasons[0]
    usable = [plug for plug, reason in zip(plugs, reasons, strict=True) if reason is None]
    if not with_wallet or any(is_free_for(charger, plug, user) for plug in usable):
        return None
    return check_wallet(user)


def _check_connector(connector: Connector) -> Reason | None:
    if not connector.is_enabled:
        return Reason.CONNECTOR_OFF
    return Reason.NO_PRICE if connector.tariff is None else None


def check_wallet(user: User) -> Reason | None:
    """Does this person owe nothing, and have enough to start where it costs something?"""
    wallet = wallets.wallet_of(user)
    if wallet.owed:
        return Reason.PAYMENT_DUE
    return Reason.BALANCE_TOO_LOW if wallet.available < max(1, settings.MINIMUM_START_BALANCE) else None


def _same_group(tag: IdTag) -> list[int]:
    """The tags that may stop what this one has started (OCPP 1.6 §4.10): itself and its group."""
    if tag.parent_id is None:
        return [tag.pk]
    return list(IdTag.objects.filter(parent_id=tag.parent_id).values_list("pk", flat=True))


def _is_charging_at(charger: Charger, tag: IdTag) -> bool:
    return charger.sessions.running().filter(id_tag__in=_same_group(tag)).exists()


def _is_elsewhere(session: ChargingSession, tag: IdTag, connector: Connector) -> bool:
    """A session at a charger that fell silent does not count: its driver is long gone and must not be locked out."""
    return session.id_tag_id == tag.pk and session.connector_id != connector.pk and session.charger.is_online


_running_with = Prepared(
    lambda tag: ChargingSession.objects.running().filter(id_tag=tag).select_related("charger").only(*RUNNING_FIELDS),
    tag=1,
)
