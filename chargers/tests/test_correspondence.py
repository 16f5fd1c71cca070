"""Letters: when they are written, when they are sent, in which language, and to whom not."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import letters, people
from accounts.models import Letter, User
from chargers import notices, problems, registry, settlement
from chargers.models import Charger, ChargingSession, ProblemReport
from chargers.tests.test_session_pages import make_session

Kind = Letter.Kind


def ended(charger: Charger, user: User, **fields) -> ChargingSession:
    now = timezone.now()
    over = {"status": "ended", "closed_by": "stop", "ended_at": now, "stop_received_at": now, "meter_stop_wh": 6_500}
    return make_session(charger, user, **{**over, **fields})


def lose(charger: Charger, minutes: int = 10) -> None:
    gone = timezone.now() - timedelta(minutes=minutes)
    Charger.objects.filter(pk=charger.pk).update(connection_mark="", disconnected_at=gone, last_seen_at=gone)


def send() -> list[Any]:
    mail.outbox.clear()
    letters.send_due(timezone.now())
    return [message for message in mail.outbox if isinstance(message, EmailMultiAlternatives)]


def html_of(message: EmailMultiAlternatives) -> str:
    [(text, kind)] = message.alternatives
    assert kind == "text/html"
    return str(text)


def test_a_receipt_is_sent_when_it_is_billed(online: Charger, alice: User):
    session = ended(online, alice)
    assert send() == []
    settlement.settle(session.pk)
    [message] = send()
    assert message.to == ["alice@example.com"]
    assert message.subject == "Receipt: Bob's garage, 27.50\xa0Kč"
    for text in (message.body, html_of(message)):
        assert "5.500\xa0kWh" in text
        assert f"/sessions/{session.pk}/" in text
        assert f"/sessions/{session.pk}/receipt.pdf" in text
    assert send() == []


def test_it_speaks_the_language_of_its_reader(online: Charger, alice: User):
    people.set_language(alice, "cs")
    settlement.settle(ended(online, alice).pk)
    [message] = send()
    assert message.subject == "Účtenka: Bob's garage, 27,50\xa0Kč"
    assert "Vaše nabíjení skončilo" in message.body
    assert '<html lang="cs">' in html_of(message)


def test_a_corrected_bill_is_one_more_letter_and_an_old_one_is_not_sent(online: Charger, alice: User):
    session = ended(online, alice)
    settlement.settle(session.pk)
    ChargingSession.objects.filter(pk=session.pk).update(meter_stop_wh=6_700, stop_received_at=timezone.now())
    settlement.settle(session.pk)
    [message] = send()
    assert message.subject.startswith("Corrected receipt: Bob's garage, 28.50")


def test_a_held_or_refused_session_sends_nothing(online: Charger, alice: User):
    settlement.settle(ended(online, alice, review_reasons=["register_jumped"]).pk)
    make_session(online, alice, status="refused", refusal="not_shared")
    assert not Letter.objects.exists()


def test_an_owner_at_home_gets_no_receipt(online: Charger, bob: User):
    settlement.settle(ended(online, bob).pk)
    assert not Letter.objects.exists()


def test_who_does_not_want_it_does_not_get_it(online: Charger, alice: User, client_of):
    client_of(alice).post(reverse("mails"), {"low_balance": "on", "offline": "on"})
    alice.refresh_from_db()
    wanted = (alice.mails_receipts, alice.mails_low_balance, alice.mails_offline, alice.mails_answers)
    assert wanted == (False, True, True, False)
    settlement.settle(ended(online, alice).pk)
    assert not Letter.objects.exists()


def test_who_changes_their_mind_before_it_is_sent_does_not_get_it(online: Charger, alice: User):
    settlement.settle(ended(online, alice).pk)
    people.choose_mails(alice, receipts=False, offline=True, low_balance=True, answers=True)
    assert send() == []
    assert Letter.objects.get().error == "not wanted any more"


def test_a_deleted_account_is_not_written_to(online: Charger, alice: User):
    settlement.settle(ended(online, alice).pk)
    people.forget(alice)
    assert send() == []


def test_what_is_rolled_back_is_not_told(online: Charger, alice: User):
    session = ended(online, alice)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        settlement.settle(session.pk)
        raise ZeroDivisionError
    assert send() == []


# ------------------------------------------------------------------------------------------------ offline, low balance


def test_an_absence_is_told_once(online: Charger, bob: User):
    lose(online)
    for _i in range(2):
        notices.tell_absences(timezone.now())
    [message] = send()
    assert (message.to, message.subject) == (["bob@example.com"], "Bob's garage is offline")
    assert reverse("charger_manage", args=[online.pk]) in html_of(message)
    assert send() == []


def test_a_short_absence_is_no_news(online: Charger):
    lose(online, minutes=2)
    notices.tell_absences(timezone.now())
    assert not Letter.objects.exists()


def test_a_charger_that_is_back_meanwhile_is_not_told_of(online: Charger):
    lose(online)
    notices.tell_absences(timezone.now())
    Charger.objects.filter(pk=online.pk).update(connection_mark="new", last_seen_at=timezone.now())
    assert send() == []


def test_a_deleted_charger_is_not_told_of(online: Charger):
    lose(online)
    notices.tell_absences(timezone.now())
    registry.delete(online)
    assert send() == []


def test_low_balance_is_told_while_it_matters(online: Charger, alice: User):
    session = make_session(online, alice)
    notices.money_nearly_used(session)
    [message] = send()
    assert message.subject == "Your money for this charging is nearly used up"
    assert "/wallet/" in html_of(message)
    ChargingSession.objects.filter(pk=session.pk).update(status="ended", stop_received_at=timezone.now())
    later = ended(online, alice)
    letters.write(Kind.LOW_BALANCE, to=alice, about=later.pk)
    assert send() == []


def test_the_warning_of_a_budget_writes_it(online: Charger, alice: User):
    session = make_session(online, alice)
    settlement.enforce_budget(session.pk)
    assert Letter.objects.get().kind == Kind.LOW_BALANCE


# ------------------------------------------------------------------------------------------------ answers


def reported(charger: Charger, user: User) -> ProblemReport:
    return problems.report(problems.Subject(charger), by=user, kind=problems.Kind.PLUG, text="The cable is cut.")


@pytest.mark.parametrize(
    ("who", "language", "said"),
    [
        ("bob", "en", "the owner of Bob's garage answered what you reported:"),
        ("oscar", "en", "an operator answered what you reported about Bob's garage:"),
        ("bob", "cs", "majitel nabíječky Bob's garage odpověděl na to, co jste nahlásili:"),
    ],
)
def test_an_answer_is_told_to_whoever_reported(
    online: Charger, alice: User, request, who: str, language: str, said: str
):
    people.set_language(alice, language)
    problem = reported(online, alice)
    problems.answer(problem, by=request.getfixturevalue(who), text="A <new> one comes tomorrow.")
    [message] = send()
    assert message.to == ["alice@example.com"]
    assert "Bob's garage" in message.subject
    assert said in message.body
    assert "A <new> one comes tomorrow." in message.body
    assert "A &lt;new&gt; one comes tomorrow." in html_of(message)
    for text in (message.body, html_of(message)):
        assert reverse("report", args=[problem.pk]) in text


def test_only_the_latest_answer_is_told(online: Charger, alice: User, bob: User):
    problem = reported(online, alice)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        problems.answer(problem, by=bob, text="Tomorrow.")
        clock.shift(60)
        problems.answer(problem, by=bob, text="Today.")
        [message] = send()
        assert "Today." in message.body
        clock.shift(60)
        problems.answer(problem, by=bob, text="Done.")
        assert "Done." in send()[0].body


def test_who_answers_the_own_report_or_wants_no_letter_gets_none(online: Charger, alice: User, bob: User):
    problems.answer(reported(online, bob), by=bob, text="Mended.")
    people.choose_mails(alice, receipts=True, offline=True, low_balance=True, answers=False)
    problems.answer(reported(online, alice), by=bob, text="Mended.")
    assert not Letter.objects.exists()


# ------------------------------------------------------------------------------------------------ sending


def test_it_is_tried_again_when_the_server_is_away(online: Charger, alice: User, monkeypatch):
    settlement.settle(ended(online, alice).pk)

    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", fail)
        assert send() == []
    letter = Letter.objects.get()
    assert (letter.attempts, letter.sent_at) == (1, None)
    assert "ConnectionRefused" in letter.error
    assert send() == []  # not at once
    Letter.objects.update(next_attempt_at=timezone.now())
    assert len(send()) == 1


def test_it_is_given_up_after_some_attempts(online: Charger, alice: User, monkeypatch):
    settlement.settle(ended(online, alice).pk)

    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMultiAlternatives, "send", fail)
    for _i in range(len(letters.RETRY_AFTER) + 1):
        Letter.objects.update(next_attempt_at=timezone.now())
        send()
    assert Letter.objects.get().next_attempt_at is None


def test_letters_are_forgotten(online: Charger, alice: User):
    settlement.settle(ended(online, alice).pk)
    send()
    assert letters.forget(timezone.now()) == 0
    assert letters.forget(timezone.now() + timedelta(days=31)) == 1


def test_every_kind_can_be_switched_off_and_is_composed():
    assert set(letters.SWITCHES) == set(Kind)
    assert set(letters.composers) == set(Kind)


# ------------------------------------------------------------------------------------------------ accounts


@pytest.mark.parametrize(("language", "words"), [("en", "Set a new password"), ("cs", "Nastavte nové heslo")])
def test_a_password_reset_is_text_and_html(alice: User, client, language: str, words: str):
    alice.set_password("correct horse battery staple")
    alice.save()
    client.post("/accounts/password/reset/", {"email": alice.email}, headers={"Accept-Language": language})
    [message] = mail.outbox
    assert words in message.subject
    assert "/accounts/password/reset/key/" in message.body
    assert f'<html lang="{language}">' in html_of(message)


def test_a_new_account_is_confirmed_in_its_language(client, db):
    form = {"name": "Dana", "email": "d@example.com", "password1": "tajné heslo 12", "password2": "tajné heslo 12"}
    client.post("/accounts/signup/", form, headers={"Accept-Language": "cs"})
    [message] = mail.outbox
    assert "Potvrďte" in message.subject
    assert "/accounts/confirm-email/" in html_of(message)
    assert User.objects.get().language == "cs"


def test_the_language_switch_is_remembered_for_letters(alice: User, client_of):
    client = client_of(alice)
    client.post("/i18n/setlang/", {"language": "cs", "next": "/"})
    alice.refresh_from_db()
    assert alice.language == "cs"
    client.post("/i18n/setlang/", {"language": "xx", "next": "/"})
    alice.refresh_from_db()
    assert alice.language == "cs"
