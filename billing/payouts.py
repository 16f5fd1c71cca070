"""Payouts: money of a wallet on its way to a bank account.

What is asked for is put on hold at once. An operator sends it and says so, or refuses; until then it can be taken back.
Nothing is asked for or paid while the ledger contradicts itself.
"""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import events, webhooks
from accounts.models import User
from billing import audit, units, wallets
from billing.models import Hold, Payout
from sharecharge.errors import Refused

Status = Payout.Status
LEAST = 100


def request(user: User, *, amount: int, bank_account: str, idempotency_key: str) -> Payout:
    """Asks for `amount` minor units. The same key gives the same payout; for another one it is refused (422).

    Refused: less than LEAST, more than is free in the wallet (402), something is owed (402), a halted ledger (503).
    """
    if amount < LEAST:
        raise Refused("payout_amount", _("Ask for one whole unit at least."), status=400, field="amount")
    audit.require_sound()
    try:
        with transaction.atomic():
            payout = Payout.objects.create(
                user=user, amount=amount, bank_account=bank_account, idempotency_key=idempotency_key
            )
            wallets.hold(user, reference=payout.reference, minimum=amount, wanted=amount)
            _tell(payout)
    except IntegrityError:
        payout = Payout.objects.get(user=user, idempotency_key=idempotency_key)
        if (payout.amount, payout.bank_account) != (amount, bank_account):
            raise Refused(
                "idempotency_key_reused", _("This key was used for another payout. Start again."), status=422
            ) from None
    return payout


def cancel(payout: Payout) -> Payout:
    """The person takes the wish back: the money is free again. Refused: it is decided already."""
    return _give_back(payout, Status.CANCELLED)


def refuse(payout: Payout, *, by: User, reason: str) -> Payout:
    """An operator does not send it: the money is free again, and the person reads why."""
    return _give_back(payout, Status.REFUSED, decided_by=by, reason=reason)


def pay(payout: Payout, *, by: User) -> Payout:
    """An operator has sent the money. It leaves the wallet, once. Refused: decided already, a halted ledger."""
    audit.require_sound()
    with transaction.atomic():
        payout = _open(payout)
        if not Hold.objects.active().filter(reference=payout.reference, amount=payout.amount).exists():
            raise Refused("payout_not_covered", _("The money for this payout is not on hold."))
        wallets.pay_out(payout)
        return _close(payout, Status.PAID, decided_by=by)


def _give_back(payout: Payout, status: Payout.Status, **fields: object) -> Payout:
    with transaction.atomic():
        payout = _open(payout)
        wallets.release_hold(payout.reference)
        return _close(payout, status, **fields)


def _open(payout: Payout) -> Payout:
    """Locked, and still to be decided."""
    payout = Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=payout.pk)
    if payout.status != Status.REQUESTED:
        raise Refused("payout_decided", _("This payout is already decided."))
    return payout


def _close(payout: Payout, status: Payout.Status, **fields: object) -> Payout:
    payout.status, payout.finished_at = status, timezone.now()
    for name, value in fields.items():
        setattr(payout, name, value)
    payout.save(update_fields=["status", "finished_at", *fields])
    _tell(payout)
    return payout


def _tell(payout: Payout) -> None:
    """Programs that listen hear of it. The bank account is nobody's business on the way."""
    webhooks.tell(
        events.PAYOUT,
        owner_id=payout.user_id,
        data=lambda: {
            "id": payout.pk,
            "user": payout.user_id,
            "status": str(payout.status),
            "amount": units.decimal(payout.amount),
            "currency": settings.CURRENCY,
        },
    )
