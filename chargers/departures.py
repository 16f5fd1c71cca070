"""A person leaves: what has to be settled before, and what is erased. The books keep their rows, without a name."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import id_tags, people, tokens, webhooks
from accounts.models import IdTag, User
from billing import ledger, payments, units, wallets
from chargers.models import Charger, ChargingSession
from sharecharge.errors import Refused


def obstacles(user: User) -> list[str]:
    """Why this person cannot leave yet, in sentences. Empty: nothing stands in the way."""
    found = []
    if ChargingSession.objects.open().of_person(user).exists():
        found.append(_("A session is still running or its bill is being made."))
    if Charger.objects.owned_by(user).exists():
        found.append(_("You still have chargers here. Delete them first."))
    wallet = wallets.wallet_of(user)
    if wallet.owed:
        found.append(_("You owe %(amount)s. Top up your wallet first.") % {"amount": units.money(wallet.owed)})
    if wallet.balance:
        text = _("There is %(amount)s in your wallet. Use it, or let it be paid out to your bank account.")
        found.append(text % {"amount": units.money(wallet.balance)})
    return [*found, *_payments_on_their_way(user)]


def _payments_on_their_way(user: User) -> list[str]:
    """Their money would reach nobody."""
    top_ups = payments.open_of(user, timezone.now())
    sent = sum(top_up.amount for top_up in top_ups if top_up.sent_at)
    begun = sum(top_up.amount for top_up in top_ups if not top_up.sent_at)
    found = []
    if sent:
        text = _("%(amount)s is on its way from your bank. Wait until it is in your wallet, then let it be paid out.")
        found.append(text % {"amount": units.money(sent)})
    if begun:
        text = _(
            "You have begun to pay %(amount)s. Finish it in your wallet, or wait: what nobody pays ends by itself,"
            " nearly always within a day."
        )
        found.append(text % {"amount": units.money(begun)})
    return found


def leave(user: User) -> None:
    """Closes the account for good: cards, webhooks and tokens end, name and address are erased.

    Refused while there is an obstacle.
    """
    with transaction.atomic():
        # In the order of all locks: a start that comes meanwhile waits for its card, and finds it deleted.
        tags = list(IdTag.objects.live().filter(user=user).select_for_update(no_key=True).order_by("pk"))
        ledger.lock([user])
        if found := obstacles(user):
            raise Refused("account_in_use", " ".join(found))
        for tag in tags:
            id_tags.delete(tag)
        for webhook in user.webhooks.live():
            webhooks.delete(webhook)
        tokens.forget_all(user)
        people.forget(user)
