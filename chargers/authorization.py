"""May this tag charge here, now? The same answer for a card at the charger and for a start from the phone."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import id_tags
from accounts.models import IdTag, User
from billing import wallets
from chargers.models import Charger, ChargingSession, Connector
from sharecharge.errors import Refused


class Reason(StrEnum):
    """Why not. The value is stored with a refused session and is stable for programs."""

    UNKNOWN_CARD = "unknown_card"
    CARD_DELETED = "card_deleted"
    CARD_DISABLED = "card_disabled"
    CARD_EXPIRED = "card_expired"
    USER_INACTIVE = "user_inactive"
    CHARGER_OFF = "charger_off"
    NOT_SHARED = "not_shared"
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
    Reason.PRIVATE: _("This charger is for its owner only."),
    Reason.NO_CONNECTOR: _("This charger has no such connector."),
    Reason.CONNECTOR_OFF: _("This connector is switched off by its owner."),
    Reason.NO_PRICE: _("The owner has not set a price for this connector yet."),
    Reason.PAYMENT_DUE: _("An earlier session is not paid yet. Top up your wallet first."),
    Reason.BALANCE_TOO_LOW: _("There is too little money in your wallet. Top it up first."),
    Reason.ALREADY_CHARGING: _("A car is already charging with this card."),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is None when the tag may charge. `tag` is the card, if it is known at all."""

    tag: IdTag | None
    reason: Reason | None

    @property
    def is_accepted(self) -> bool:
        return self.reason is None

    def require(self) -> IdTag:
        """The tag, or Refused with the reason in words."""
        if self.reason is not None or self.tag is None:
            reason = self.reason or Reason.UNKNOWN_CARD
            raise Refused(reason.value, SENTENCES[reason], status=403)
        return self.tag


def check(charger: Charger, id_tag_text: str, connector: Connector | None = None) -> Verdict:
    """The verdict for a tag as it was read, at one connector or (at Authorize, which names none) at any of them."""
    tag = id_tags.find(id_tag_text)
    if tag is None:
        return Verdict(None, Reason.UNKNOWN_CARD)
    reason = _check_card(tag) or _check_place(charger, tag.user) or _check_connectors(charger, tag.user, connector)
    if reason and connector is None and _is_charging_at(charger, tag):
        # The card is tapped to stop. Money or sharing rules that changed meanwhile must not keep it from that.
        return Verdict(tag, None)
    return Verdict(tag, reason)


def check_start(charger: Charger, id_tag_text: str, connector: Connector | None) -> Verdict:
    """The verdict for a start: `check`, on a connector that exists, and the tag not in use elsewhere."""
    if connector is None:
        return Verdict(id_tags.find(id_tag_text), Reason.NO_CONNECTOR)
    verdict = check(charger, id_tag_text, connector)
    if verdict.tag and verdict.is_accepted and _is_charging_elsewhere(connector, verdict.tag):
        return Verdict(verdict.tag, Reason.ALREADY_CHARGING)
    return verdict


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


def _check_place(charger: Charger, user: User) -> Reason | None:
    if charger.deleted_at is not None or not charger.is_enabled:
        return Reason.CHARGER_OFF
    if charger.owner_id == user.pk:
        return None
    if charger.access == Charger.Access.PRIVATE:
        return Reason.PRIVATE
    return None if charger.is_sharing and charger.owner.is_active else Reason.NOT_SHARED


def _check_connectors(charger: Charger, user: User, connector: Connector | None) -> Reason | None:
    """Is there a connector that this user may use and can pay for? The best answer of those in question counts."""
    candidates = [connector] if connector else list(charger.connectors.select_related("tariff"))
    check_wallet = cache(_check_wallet)  # one look for all plugs
    reasons = [_check_connector(charger, user, candidate, check_wallet) for candidate in candidates]
    if not reasons:
        # Nothing was discovered yet; the owner may try the charger out, StartTransaction will look again.
        return None if charger.owner_id == user.pk else Reason.NO_PRICE
    return None if None in reasons else reasons[0]


def _check_connector(
    charger: Charger, user: User, connector: Connector, check_wallet: Callable[[User], Reason | None]
) -> Reason | None:
    if charger.owner_id == user.pk:
        return None
    if not connector.is_enabled:
        return Reason.CONNECTOR_OFF
    if connector.tariff is None:
        return Reason.NO_PRICE
    return None if is_free_for(charger, connector, user) else check_wallet(user)


def _check_wallet(user: User) -> Reason | None:
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


def _is_charging_elsewhere(connector: Connector, tag: IdTag) -> bool:
    """A session at a charger that fell silent does not count: its driver is long gone and must not be locked out."""
    running = ChargingSession.objects.running().filter(id_tag=tag).exclude(connector=connector)
    return running.filter(charger__in=Charger.objects.heard()).exists()
