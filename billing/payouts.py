"""Payouts: money of a wallet on its way to a bank account.

What is asked for is put on hold at once. An operator sends it and says so, or refuses; until then it can be taken back.
Nothing is asked for or paid while the ledger contradicts itself.
"""

import re

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
IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
NATIONAL_ACCOUNT = re.compile(r"[0-9][0-9 -]{3,30}(/[0-9]{4})?")
CZECH_ACCOUNT = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{2,10})/[0-9]{4}")
# Of the last digit, the one before it and so on: in both parts the weighted sum is a multiple of 11.
CZECH_WEIGHTS = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)


def request(user: User, *, amount: int, bank_account: str, idempotency_key: str) -> Payout:
    """Asks for `amount` minor units. The same key gives the same payout; for another one it is refused (422).

    Refused: no bank account, less than LEAST, more than is free in the wallet (402), something is owed (402), a halted
    ledger (503).
    """
    bank_account = clean_account(bank_account)
    if amount < LEAST:
        raise Refused("payout_amount", _("Ask for one whole unit at least."), status=400, field="amount")
    audit.require_sound()
    try:
        with transaction.atomic():
            payout = Payout.objects.create(
                user=user, amount=amount, bank_account=bank_account, idempotency_key=idempotency_key
            )
            _reserve(payout)
            _tell(payout)
    except IntegrityError:
        payout = Payout.objects.get(user=user, idempotency_key=idempotency_key)
        if (payout.amount, payout.bank_account) != (amount, bank_account):
            raise Refused(
                "idempotency_key_reused", _("This key was used for another payout. Start again."), status=422
            ) from None
    return payout


def _reserve(payout: Payout) -> None:
    try:
        wallets.hold(payout.user, reference=payout.reference, minimum=payout.amount, wanted=payout.amount)
    except Refused as refusal:
        if refusal.code != "balance_too_low":
            raise
        free = units.money(wallets.wallet_of(payout.user).available)
        sentence = _("At most %(free)s is free in the wallet.") % {"free": free}
        raise Refused(refusal.code, sentence, status=402, field="amount") from None


def clean_account(text: str) -> str:
    """A bank account as money can be sent to it: an IBAN with the right check digits (ISO 13616), or what a bank of the
    country writes, where it is a Czech one with digits that check (decree 169/2011). Refused: neither."""
    account = " ".join(text.upper().split())
    iban = account.replace(" ", "")
    is_right = _has_check_digits(iban) if IBAN.fullmatch(iban) else bool(NATIONAL_ACCOUNT.fullmatch(account))
    if not is_right:
        sentence = _("This is no bank account. Write an IBAN, or 19-2000145399/0800.")
        raise Refused("bank_account", sentence, status=400, field="bank_account")
    czech = CZECH_ACCOUNT.fullmatch(iban)
    if czech and not all(_is_multiple_of_11(part or "0") for part in czech.groups()):
        sentence = _("A digit of this account number is wrong. Compare it with what your bank writes.")
        raise Refused("bank_account", sentence, status=400, field="bank_account")
    return account


def _is_multiple_of_11(part: str) -> bool:
    weighted = zip(reversed(part), CZECH_WEIGHTS, strict=False)
    return sum(int(digit) * weight for digit, weight in weighted) % 11 == 0


def _has_check_digits(iban: str) -> bool:
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


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


def check_open(payout: Payout) -> None:
    """Refused: it is decided already."""
    if payout.status != Status.REQUESTED:
        raise Refused("payout_decided", _("This payout is already decided."))


def _open(payout: Payout) -> Payout:
    """Locked, and still to be decided."""
    payout = Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=payout.pk)
    check_open(payout)
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
