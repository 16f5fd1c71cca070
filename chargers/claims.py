"""Adding a card by holding it to a charger: its number is read by the reader, so nobody types or mistypes it.

For two minutes the next unknown card at that charger is taken for the card of whoever said so. All that a stranger
could win by it is to pay for somebody else's charging.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import id_tags
from accounts.models import IdTag, User
from chargers import authorization, live, registry
from chargers.authorization import Reason, Verdict
from chargers.models import CardClaim, Charger
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=2)
# To us these two are the same: a number that belongs to nobody now.
UNKNOWN = frozenset({Reason.UNKNOWN_CARD, Reason.CARD_DELETED})


def begin_at(code: str, *, user: User) -> CardClaim:
    """As `begin`, by the number on the charger as somebody types it. Refused: `user` sees no charger with it."""
    charger = Charger.objects.openable_by(user).filter(code=registry.code_of(code)).first()
    if charger is None:
        raise Refused("no_charger", _("There is no charger with this number."), status=404, field="code")
    return begin(charger, user=user)


def begin(charger: Charger, *, user: User) -> CardClaim:
    """From now on a card may be held to the charger. Refused: it is offline, or somebody else does the same there."""
    if not charger.is_online:
        raise Refused("charger_offline", _("This charger is offline. Try another one, or later."), field="code")
    with transaction.atomic():
        Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
        now = timezone.now()
        if CardClaim.objects.waiting(now).filter(charger=charger).exclude(user=user).exists():
            raise Refused("charger_taken", _("Somebody else is just adding a card there. Wait a moment."), field="code")
        values = {"charger": charger, "expires_at": now + WINDOW, "id_tag": None}
        claim, _is_new = CardClaim.objects.update_or_create(user=user, defaults=values)
    return claim


def check_at(charger_id: int, id_tag_text: str) -> Verdict:
    """`authorization.check_at`, but first an unknown card becomes that of whoever waits for it at this charger."""
    verdict = authorization.check_at(charger_id, id_tag_text)
    if verdict.reason in UNKNOWN and _take(charger_id, id_tag_text):
        return authorization.check_at(charger_id, id_tag_text)
    return verdict


def _take(charger_id: int, id_tag_text: str) -> IdTag | None:
    with transaction.atomic():
        claims = CardClaim.objects.waiting(timezone.now()).filter(charger=charger_id, user__is_active=True)
        claim = claims.select_for_update(no_key=True, of=("self",)).select_related("user").first()
        if claim is None:
            return None
        try:
            claim.id_tag = id_tags.issue(user=claim.user, uid=id_tag_text)
        except Refused as refusal:  # a number that no card of ours can have, or that was added a moment ago
            logger.info("the card at charger %s was not taken: %s", charger_id, refusal.code)
            return None
        claim.save(update_fields=["id_tag"])
        live.publish_claim(claim.user_id)
        return claim.id_tag
