"""No word of OCPP 1.6 reaches an owner as it is, in neither language."""

from enum import StrEnum

import pytest
from django.utils import timezone, translation
from ocpp.v16 import enums

from chargers import authorization, glossary, hosts, registry, timeline
from chargers.models import Message
from chargers.tests.test_session_pages import make_session

pytestmark = pytest.mark.once

WORDS = {
    enums.ChargePointStatus: glossary.STATES,
    enums.ChargePointErrorCode: glossary.FAULTS,
    enums.Reason: glossary.ENDS,
    enums.AuthorizationStatus: glossary.VERDICTS,
    enums.RegistrationStatus: glossary.WELCOMES,
    enums.FirmwareStatus: glossary.UPDATES,
    enums.DiagnosticsStatus: glossary.UPLOADS,
}
# What a charger answers to a command, and to those that we may send one day.
ANSWERS = (
    enums.AvailabilityStatus, enums.CancelReservationStatus, enums.CertificateSignedStatus, enums.CertificateStatus,
    enums.ChargingProfileStatus, enums.ClearCacheStatus, enums.ClearChargingProfileStatus, enums.ConfigurationStatus,
    enums.DataTransferStatus, enums.DeleteCertificateStatus, enums.GenericStatus, enums.GetCompositeScheduleStatus,
    enums.GetInstalledCertificateStatus, enums.LogStatus, enums.RemoteStartStopStatus, enums.ReservationStatus,
    enums.ResetStatus, enums.TriggerMessageStatus, enums.UnlockStatus, enums.UpdateFirmwareStatus, enums.UpdateStatus,
)  # fmt: skip
KINDS = {**WORDS, **dict.fromkeys(ANSWERS, glossary.ANSWERS)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_word_of_ocpp_has_a_plain_one(kind: type[StrEnum]):
    for told in kind:
        plain = str(KINDS[kind][told.value])
        with translation.override("cs"):
            czech = str(KINDS[kind][told.value])
        assert len({told.value, plain, czech}) == 3, told.value


def test_the_glossary_knows_no_word_that_ocpp_does_not():
    assert {word for words in KINDS.values() for word in words} == {told.value for kind in KINDS for told in kind}


@pytest.mark.parametrize("told", [None, "", 7, [], {"status": "Accepted"}])
def test_what_is_no_word_is_a_dash(told):
    assert glossary.say(glossary.STATES, told) == "–"


def test_a_makers_own_word_stays():
    assert glossary.say(glossary.STATES, "Sleeping") == "Sleeping"


@pytest.mark.parametrize(
    ("code", "info", "words"),
    [
        ("", "", ""),
        ("NoError", "", ""),
        ("NoError", "door open", "door open"),
        ("HighTemperature", "", "it is too hot inside"),
        ("HighTemperature", "71 C", "it is too hot inside (71 C)"),
    ],
)
def test_a_fault_is_told_with_what_the_charger_says_of_it(code, info, words):
    assert glossary.fault(code, info) == words


def test_an_owner_reads_plain_words_at_a_plug(online, connector):
    connector.status, connector.error_code = "SuspendedEV", "WeakSignal"
    connector.save()
    with translation.override("cs"):
        (plug,) = hosts.charger(online)["connectors"]
    assert (plug["status_text"], plug["error"]) == ("auto teď nic nebere", "má slabý signál")


@pytest.mark.parametrize("reason", authorization.Reason)
def test_the_owner_reads_why_a_start_was_refused(online, alice, bob, reason):
    session = make_session(online, alice, status="refused", refusal=reason)
    answer = f'[3,"1",{{"transactionId":{session.pk},"idTagInfo":{{"status":"Blocked"}}}}]'
    Message.objects.create(
        charger=online, direction="in", action="StartTransaction", at=timezone.now(),
        request='["StartTransaction",{"connectorId":1,"idTag":"04A1B2C3D4","meterStart":0}]', response=answer,
    )  # fmt: skip
    (line,) = timeline.latest(online)
    assert line["text"].endswith(f"We answered: no, {authorization.OWNERS_WORDS[reason]}")


def test_the_session_of_another_charger_tells_nothing(online, alice, bob):
    session = make_session(online, alice, status="refused", refusal="balance_too_low")
    other = registry.register(owner=bob, name="Other", latitude=50.0, longitude=15.0).charger
    answer = f'[3,"1",{{"transactionId":{session.pk},"idTagInfo":{{"status":"Blocked"}}}}]'
    message = Message.objects.create(
        charger=other, direction="in", action="StartTransaction", at=timezone.now(), request="[]", response=answer
    )
    assert timeline.lines([message])[0]["text"].endswith("We answered: no, this card may not charge here now")
