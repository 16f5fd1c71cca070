"""Wallets: what people own, owe and have on hold. Builds the lines and calls `ledger.post`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import audit, ledger
from billing.models import Account, Hold, Payout, TopUp, Transfer
from billing.providers import PaymentProvider
from sharecharge import prepared
from sharecharge.errors import Refused
from sharecharge.prepared import Prepared

logger = logging.getLogger(__name__)

Kind = Account.Kind
# What would spread a wrong balance. Money that comes in only adds.
NOT_WHILE_HALTED = frozenset({Transfer.Kind.SESSION, Transfer.Kind.CORRECTION, Transfer.Kind.PAYOUT})


@dataclass(frozen=True, slots=True)
class Wallet:
    """A person's money in minor units: `owed` is what an earlier session still costs (0 or more)."""

    balance: int
    held: int
    owed: int

    @property
    def available(self) -> int:
        return self.balance - self.held


_accounts = Prepared(lambda user: Account.objects.filter(user=user), user=1)


def wallet_of(user: User) -> Wallet:
    accounts = {account.kind: account for account in _accounts.all(user=user.pk)}
    wallet, receivable = accounts.get(Kind.WALLET), accounts.get(Kind.RECEIVABLE)
    return Wallet(
        balance=wallet.balance if wallet else 0,
        held=wallet.held if wallet else 0,
        owed=-receivable.balance if receivable else 0,
    )


# ------------------------------------------------------------------------------------------------ holds


def hold(user: User, *, reference: str, minimum: int, wanted: int) -> Hold:
    """Reserves `wanted`, or what there is if that is at least `minimum` (and at least 1). Once per reference.

    Refused when the wallet has less, or when something is owed from before.
    """
    with transaction.atomic(savepoint=False):
        accounts = ledger.lock([user])
        wallet, receivable = accounts[Kind.WALLET, user.pk], accounts[Kind.RECEIVABLE, user.pk]
        amount = min(wanted, wallet.available)
        reserved = Hold(account=wallet, reference=reference, amount=amount)
        if not receivable.balance and amount >= max(minimum, 1) and prepared.insert(reserved, unless="reference"):
            wallet.held += amount
            prepared.update(wallet, "held")
            return reserved
        if existing := Hold.objects.filter(reference=reference).first():
            return existing
    if receivable.balance:
        raise Refused("payment_due", _("An earlier session is not paid yet. Top up your wallet first."), status=402)
    raise Refused("balance_too_low", _("There is too little money in your wallet. Top it up first."), status=402)


def extend_hold(reference: str, *, by: int) -> int:
    """Reserves up to `by` more for a purpose that already has a hold. Returns by how much it grew."""
    with transaction.atomic():
        held = _lock_hold(reference)
        if held is None:
            return 0
        amount = max(0, min(by, held.account.available))
        if amount:
            Account.objects.filter(pk=held.account_id).update(held=F("held") + amount)
            Hold.objects.filter(pk=held.pk).update(amount=F("amount") + amount)
        return amount


def release_hold(reference: str) -> None:
    """Gives reserved money back to its wallet. Nothing happens when it was given back before."""
    with transaction.atomic():
        held = _lock_hold(reference)
        if held is not None:
            Account.objects.filter(pk=held.account_id).update(held=F("held") - held.amount)
            Hold.objects.filter(pk=held.pk).update(released_at=timezone.now())


def expire_holds(now: datetime) -> int:
    """Releases the holds whose time is over. Returns how many."""
    due = list(Hold.objects.active().filter(expires_at__lte=now).values_list("reference", flat=True)[:1000])
    for reference in due:
        release_hold(reference)
    return len(due)


def _lock_hold(reference: str) -> Hold | None:
    """The active hold with its account, both read under the account's lock."""
    held = Hold.objects.active().filter(reference=reference).select_related("account__user").first()
    if held is None or held.account.user is None:
        return None
    wallet = ledger.lock([held.account.user])[Kind.WALLET, held.account.user_id]
    held = Hold.objects.active().filter(pk=held.pk).first()
    if held is not None:
        held.account = wallet
    return held


# ------------------------------------------------------------------------------------------------ movements


def settle(
    *,
    reference: str,
    payer: User | None,
    payee: User,
    amount: int,
    fee: int,
    kind: Transfer.Kind,
    description: str,
    hold: str = "",
) -> Transfer | None:
    """Charges `payer` with `amount`; `payee` gets it less `fee`; the platform gets the fee. Minor units.

    A negative amount (with a negative fee) takes an earlier settlement back. Never fails for lack of money: what a
    wallet does not cover, above what is held for other purposes, is owed. `hold` names the hold that was made for this
    purpose: it is released in the same transaction.
    """
    if payer is None:
        if amount or fee:
            raise ValueError("somebody has to pay")
        return None
    changes: dict[User, int] = {payer: -amount}
    changes[payee] = changes.get(payee, 0) + amount - fee
    counter = {Kind.PLATFORM: fee}
    return _move(kind, reference=reference, changes=changes, counter=counter, description=description, hold=hold)


def credit_top_up(top_up: TopUp) -> Transfer | None:
    """Puts a paid top-up into the wallet; what is owed is paid first."""
    return _move(
        Transfer.Kind.TOP_UP,
        reference=f"top-up:{top_up.pk}",
        changes={top_up.user: top_up.amount},
        counter={Kind.OUTSIDE: -top_up.amount},
        description="",
    )


def pay_out(payout: Payout) -> Transfer | None:
    """Takes what is on hold for a payout out of the wallet, and out of the platform."""
    return _move(
        Transfer.Kind.PAYOUT,
        reference=payout.reference,
        changes={payout.user: -payout.amount},
        counter={Kind.OUTSIDE: payout.amount},
        description="",
        hold=payout.reference,
    )


def _move(
    kind: Transfer.Kind,
    *,
    reference: str,
    changes: Mapping[User, int],
    counter: Mapping[Account.Kind, int],
    description: str,
    hold: str = "",
) -> Transfer | None:
    if kind in NOT_WHILE_HALTED:
        audit.require_sound()
    with transaction.atomic(savepoint=False):
        locked = ledger.lock(changes)
        freed = _end_hold(hold) if hold else {}
        for account in locked.values():
            account.held -= freed.get(account.pk, 0)
        lines = {ledger.side(kind_of_side): amount for kind_of_side, amount in counter.items()}
        for user, change in changes.items():
            wallet, receivable = locked[Kind.WALLET, user.pk], locked[Kind.RECEIVABLE, user.pk]
            lines |= _gain(wallet, receivable, change) if change >= 0 else _pay(wallet, receivable, -change)
        # A repeat splits the amount between wallet and debt by today's balance, which is not what counts.
        return ledger.post(
            kind, reference=reference, lines=lines, description=description[:200], freed=freed, is_locked=True
        )


def _end_hold(reference: str) -> dict[int, int]:
    """Ends the active hold with this reference. Gives how much of which account it had reserved; its wallet is locked,
    and is told by `ledger.post`."""
    released_at = connection.ops.adapt_datetimefield_value(timezone.now())
    ended = prepared.execute(
        "UPDATE billing_hold SET released_at = %s WHERE reference = %s AND released_at IS NULL"
        " RETURNING account_id, amount",
        [released_at, reference],
    )
    return dict(ended)


def _gain(wallet: Account, receivable: Account, amount: int) -> dict[Account, int]:
    paid_back = min(amount, -receivable.balance)
    return {receivable: paid_back, wallet: amount - paid_back}


def _pay(wallet: Account, receivable: Account, amount: int) -> dict[Account, int]:
    covered = min(amount, max(0, wallet.available))
    return {wallet: -covered, receivable: covered - amount}


# ------------------------------------------------------------------------------------------------ top-ups


def request_top_up(user: User, *, amount: int, idempotency_key: str, provider: PaymentProvider) -> TopUp:
    """A top-up that waits for its payment. The same key gives the same top-up; with another amount it is refused."""
    if not 100 <= amount <= settings.TOP_UP_LIMIT:
        raise Refused(
            "top_up_amount",
            _("Top up between %(low)s and %(high)s.")
            % {"low": f"1 {settings.CURRENCY}", "high": f"{settings.TOP_UP_LIMIT // 100} {settings.CURRENCY}"},
            status=400,
            field="amount",
        )
    try:
        with transaction.atomic():
            top_up = TopUp.objects.create(
                user=user, amount=amount, provider=provider.name, idempotency_key=idempotency_key
            )
    except IntegrityError:
        top_up = TopUp.objects.get(user=user, idempotency_key=idempotency_key)
        if top_up.amount != amount:
            raise Refused(
                "idempotency_key_reused", _("This key was used for another amount. Start again."), status=422
            ) from None
    return top_up


def expect_top_up(top_up: TopUp) -> TopUp:
    """The payer has done his part, and a bank brings the money: it is on its way, and not in the wallet."""
    TopUp.objects.filter(pk=top_up.pk, status=TopUp.Status.PENDING, sent_at=None).update(sent_at=timezone.now())
    top_up.refresh_from_db()
    return top_up


def finish_top_up(top_up: TopUp, *, paid: bool, provider_reference: str) -> TopUp:
    """What the provider says of a payment. The first word stays; hearing it again changes nothing."""
    with transaction.atomic():
        top_up = TopUp.objects.select_for_update(no_key=True).get(pk=top_up.pk)
        if top_up.status == TopUp.Status.PAID or (top_up.status == TopUp.Status.FAILED and not paid):
            return top_up
        top_up.status = TopUp.Status.PAID if paid else TopUp.Status.FAILED
        top_up.provider_reference = provider_reference
        top_up.finished_at = timezone.now()
        top_up.save(update_fields=["status", "provider_reference", "finished_at"])
        if paid:
            credit_top_up(top_up)
            if top_up.user.is_forgotten:
                logger.error("top-up %s was paid after its account was deleted: the money has to go back", top_up.pk)
        return top_up
