"""Whatever happens in whatever order, money and energy stay right (reliability.md, "must survive" 4).

Hypothesis plays drivers, chargers, owners, operators and the sweep, and looks after each step.
"""

import contextlib
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts import id_tags
from accounts.models import User
from billing import ledger, wallets
from billing.models import Account, Hold, Transfer
from chargers import clock, recorder, registry, sessions, settlement
from chargers.facts import Facts, Sample
from chargers.models import Charger, ChargingSession, Connector, MeterValue
from conftest import connect, fund, make_user
from sharecharge.errors import Refused

Status = ChargingSession.Status
pick = st.integers(0, 30)


class Platform(RuleBasedStateMachine):
    """Two drivers, an owner who drives too, an operator, and a charger with two connectors."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        recorder.remembered.forget()
        ledger.side.cache_clear()
        self.now = timezone.now() - timedelta(days=3)
        self.owner = make_user("Bob", role=User.Role.OWNER)
        self.operator = make_user("Oscar", role=User.Role.ADMIN)
        self.drivers = [make_user("Alice"), make_user("Charlie"), self.owner]
        self.cards = [
            id_tags.issue(user=user, uid=f"CARD{number}")
            for number, user in enumerate([*self.drivers, self.drivers[0]])
        ]
        self.charger = registry.register(
            owner=self.owner, name="C", latitude=50, longitude=14, access=Charger.Access.PUBLIC
        ).charger
        connect(self.charger)
        for number in (1, 2):
            registry.set_price(Connector.objects.create(charger=self.charger, connector_id=number), 500)
        self.register = 1000
        self.states: dict[int, str] = {}
        self.starts: list[dict] = []
        self.stops: list[dict] = []
        self.samples: list[Facts] = []
        self.messages = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def moment(self, minutes: float = 5.0) -> clock.Moment:
        self.now += timedelta(minutes=minutes)
        return clock.read(self.now.isoformat(), received_at=self.now)

    def some_session(self, number: int) -> ChargingSession | None:
        found = list(ChargingSession.objects.order_by("pk"))
        return found[number % len(found)] if found else None

    # ---------------------------------------------------------------------------------------- what chargers say

    @rule(card=st.sampled_from(["CARD0", "card1", "CARD2", "CARD3", "NOBODY"]), connector=st.sampled_from([0, 1, 2]))
    def start(self, card: str, connector: int) -> None:
        message = {"connector_id": connector, "id_tag_text": card, "meter_start_wh": self.register,
                   "moment": self.moment(), "received_at": self.now}  # fmt: skip
        sessions.start(self.charger, **message)
        self.starts.append(message)

    @rule(number=pick)
    def start_again(self, number: int) -> None:
        if self.starts:
            before = ChargingSession.objects.count()
            sessions.start(self.charger, **self.starts[number % len(self.starts)])
            assert ChargingSession.objects.count() == before

    @rule(number=pick, energy=st.integers(0, 900), minutes=st.integers(1, 60))
    def measure(self, number: int, energy: int, minutes: int) -> None:
        if session := self.some_session(number):
            self.register += energy
            self.messages += 1
            at = self.moment(minutes).at
            sample = Sample(connector_id=1, session_id=session.pk, measured_at=at, context="", raw=[],
                            energy_wh=self.register, digest=self.messages)  # fmt: skip
            self.samples.append(Facts(self.charger.pk, at, samples=(sample,)))
            recorder.write(self.samples[-1:])

    @rule(number=pick)
    def measure_again(self, number: int) -> None:
        if self.samples:
            before = MeterValue.objects.count()
            recorder.write([self.samples[number % len(self.samples)]])
            assert MeterValue.objects.count() == before

    @rule(number=pick, energy=st.one_of(st.integers(0, 5000), st.just(10**7), st.just(-500)))
    def stop(self, number: int, energy: int) -> None:
        if session := self.some_session(number):
            message = {"transaction_id": session.pk, "transaction_text": str(session.pk), "id_tag_text": "",
                       "meter_stop_wh": self.register + energy, "reason": "Local", "moment": self.moment(),
                       "received_at": self.now}  # fmt: skip
            sessions.stop(self.charger, **message)
            self.register += max(0, energy if energy < 10**6 else 0)
            self.stops.append(message)

    @rule(number=pick)
    def stop_again(self, number: int) -> None:
        if self.stops:
            transfers = Transfer.objects.count()
            sessions.stop(self.charger, **self.stops[number % len(self.stops)])
            assert Transfer.objects.count() == transfers

    # ---------------------------------------------------------------------------------------- what else happens

    @rule()
    def fall_silent(self) -> None:
        long_ago = timezone.now() - timedelta(days=2)
        Charger.objects.update(last_seen_at=long_ago)
        ChargingSession.objects.running().update(start_received_at=long_ago)
        sessions.close_silent(timezone.now())
        connect(self.charger)

    @rule()
    def sweep(self) -> None:
        settlement.settle_unsettled()
        settlement.enforce_budgets()
        wallets.expire_holds(timezone.now() + timedelta(days=8))

    @rule(number=pick, energy=st.one_of(st.none(), st.integers(0, 5000)))
    def release(self, number: int, energy: int | None) -> None:
        session = self.some_session(number)
        if session and session.is_held:
            settlement.release(session, by=self.operator, energy_wh=energy)

    @rule(number=st.integers(0, 2), amount=st.integers(100, 60_000))
    def top_up(self, number: int, amount: int) -> None:
        fund(self.drivers[number], amount)

    @rule(number=pick)
    def reverse(self, number: int) -> None:
        """An operator takes a payment back, where it still can be; twice is once."""
        transfers = list(Transfer.objects.exclude(kind=Transfer.Kind.REVERSAL).order_by("pk"))
        if transfers:
            with contextlib.suppress(IntegrityError):  # the money is not there any more
                ledger.reverse(transfers[number % len(transfers)], reason="by mistake", by=self.operator)

    @rule(price=st.one_of(st.none(), st.integers(0, 3000)), number=st.integers(1, 2))
    def change_price(self, price: int | None, number: int) -> None:
        registry.set_price(Connector.objects.get(connector_id=number), price)

    @rule(number=st.integers(0, 3), enabled=st.booleans())
    def switch_card(self, number: int, enabled: bool) -> None:
        id_tags.set_enabled(self.cards[number], enabled=enabled)

    @rule()
    def pay_everything_out(self) -> None:
        """The owner's earnings leave the platform, so that corrections find an empty wallet."""
        wallet = ledger.account(Account.Kind.WALLET, self.owner)
        if wallet.available > 0:
            self.messages += 1
            lines = {wallet: -wallet.available, ledger.account(Account.Kind.OUTSIDE): wallet.available}
            ledger.post(Transfer.Kind.PAYOUT, reference=f"payout:{self.messages}", lines=lines)

    @rule(wanted=st.booleans())
    def delete_charger(self, wanted: bool) -> None:
        if not wanted:
            return
        try:
            registry.delete(self.charger)
        except Refused:
            assert ChargingSession.objects.running().exists()
        Charger.objects.update(deleted_at=None, is_sharing=True)

    # ---------------------------------------------------------------------------------------- what must hold

    @invariant()
    def the_ledger_is_sound(self) -> None:
        assert ledger.breaches() == []

    @invariant()
    def no_wallet_is_below_zero_and_nobody_is_owed(self) -> None:
        wallets_below = Account.objects.filter(kind=Account.Kind.WALLET, balance__lt=0)
        assert not wallets_below.exists()
        assert not Account.objects.filter(kind=Account.Kind.RECEIVABLE, balance__gt=0).exists()

    @invariant()
    def sessions_cost_what_was_moved_for_them(self) -> None:
        for session in ChargingSession.objects.all():
            transfers = Transfer.objects.filter(
                reference__startswith=f"{session.reference}:"
            ) | Transfer.objects.filter(reference=session.reference)
            platform = sum(
                entry.amount
                for transfer in transfers
                for entry in transfer.entries.filter(account__kind=Account.Kind.PLATFORM)
            )
            assert platform == (session.fee or 0)
            assert transfers.filter(kind=Transfer.Kind.SESSION).count() <= 1
            if session.status == Status.REFUSED:
                assert not transfers.exists()

    @invariant()
    def states_only_move_forward(self) -> None:
        order = [Status.RUNNING, Status.ENDED, Status.SETTLED]
        for key, status in ChargingSession.objects.values_list("pk", "status"):
            before = self.states.setdefault(key, status)
            if Status.REFUSED in (before, status):
                assert before == status
            else:
                assert order.index(status) >= order.index(before)
            self.states[key] = status

    @invariant()
    def money_is_on_hold_only_while_somebody_may_need_it(self) -> None:
        needed = {session.reference for session in ChargingSession.objects.exclude(status=Status.SETTLED)}
        assert set(Hold.objects.active().values_list("reference", flat=True)) <= needed

    @invariant()
    def energy_stays_within_what_was_measured(self) -> None:
        for session in ChargingSession.objects.filter(energy_wh__isnull=False, reviewed_at=None):
            registers = [session.meter_start_wh, session.meter_stop_wh]
            registers += MeterValue.objects.filter(session=session).values_list("energy_wh", flat=True)
            known = [register for register in registers if register is not None]
            assert 0 <= (session.energy_wh or 0) <= max(known) - min(known)


@pytest.mark.django_db
def test_whatever_happens():
    run_state_machine_as_test(
        Platform,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
