"""What a charger said and was told, in plain words. The log keeps OCPP's; here they become sentences for its owner.

Nothing that is written here is decided upon: a message that nobody has a sentence for is told by its name.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from billing import units
from chargers import glossary, message_log
from chargers.models import Charger, ChargingSession, Message
from chargers.shapes import Shape, refusal_text

Payload = dict[str, Any]
LATEST = 40
# They come so often that a line for each would bury everything else.
FREQUENT = frozenset({"Heartbeat", "MeterValues"})


def latest(charger: Charger) -> list[Shape]:
    """The end of its log, newest first."""
    return lines(list(charger.messages.order_by("-pk")[:LATEST]))


def lines(messages: Sequence[Message]) -> list[Shape]:
    """Newest first. What repeats itself becomes one line, which says how often."""
    refusals = _refusals(messages)
    return [_line(list(together), refusals) for _kind_of_them, together in groupby(messages, _kind)]


def _refusals(messages: Sequence[Message]) -> dict[int, str]:
    """Of the sessions that began, and were refused, in these messages: why, by the session's key."""
    answers = [_payload(it.response) for it in messages if it.action == "StartTransaction"]
    keys = {key for it in answers if isinstance(key := it.get("transactionId"), int)}
    charger_ids = {it.charger_id for it in messages}
    refused = ChargingSession.objects.filter(pk__in=keys, charger__in=charger_ids).exclude(refusal="")
    return dict(refused.values_list("pk", "refusal")) if keys else {}


def _kind(message: Message) -> tuple[str, str, bool, int]:
    """Equal for neighbours that become one line."""
    is_frequent = message.action in FREQUENT and not message.is_error
    return message.direction, message.action, message.is_error, 0 if is_frequent else message.pk


def _line(messages: list[Message], refusals: Mapping[int, str]) -> Shape:
    newest = messages[0]
    shape = message_log.message(newest)
    count = len(messages)
    return shape | {
        "text": words(newest, shape["request"], shape["response"], refusals=refusals),
        "count_text": f"{count}×" if count > 1 else "",
        "is_ours": newest.direction == Message.Direction.OUT,
    }


def words(message: Message, request: str, response: str, *, refusals: Mapping[int, str]) -> str:
    """One sentence. `request` and `response` are what the log has of them, with masked cards.

    `refusals` tells why sessions were refused, by their key.
    """
    if message.is_error:
        return _("%(action)s failed or could not be read") % {"action": message.action or _("A message")}
    sentence = SENTENCES.get(message.action)
    if sentence is None:
        return message.action or _("A message that nobody understands")
    answered = _payload(response)
    reason = refusals.get(answered["transactionId"]) if isinstance(answered.get("transactionId"), int) else None
    return sentence(_payload(request), answered | {"refusal": reason} if reason else answered)


def _payload(text: str) -> Payload:
    """Of a call or an answer, which the log keeps with or without its envelope; empty when it cannot be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found = found[-1] if isinstance(found, list) and found else found
    return found if isinstance(found, dict) else {}


def _many(items: Iterable[object]) -> str:
    return " ".join(str(item) for item in items if item)


def _boot(asked: Payload, answered: Payload) -> str:
    name = _many([asked.get("chargePointVendor"), asked.get("chargePointModel"), asked.get("firmwareVersion")])
    return _("The charger introduced itself: %(name)s. We answered: %(answer)s") % {
        "name": name or units.NOTHING, "answer": glossary.say(glossary.WELCOMES, answered.get("status"))
    }  # fmt: skip


def _status(asked: Payload, _answered: Payload) -> str:
    fault = glossary.fault(_text(asked.get("errorCode")), _text(asked.get("info") or asked.get("vendorErrorCode")))
    status = glossary.say(glossary.STATES, asked.get("status"))
    text = f"{status}: {fault}" if fault else status
    if asked.get("connectorId") == 0:
        return _("The charger itself: %(status)s") % {"status": text}
    return _("Plug %(number)s: %(status)s") % {"number": asked.get("connectorId", "?"), "status": text}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _verdict(answered: Payload) -> str:
    """ "yes", or "no" and why: in general, or as the session knows it."""
    if reason := answered.get("refusal"):
        return _("no, %(reason)s") % {"reason": refusal_text(reason, for_owner=True)}
    info = answered.get("idTagInfo")
    return glossary.say(glossary.VERDICTS, info.get("status") if isinstance(info, dict) else None)


def _authorize(asked: Payload, answered: Payload) -> str:
    return _("The card %(card)s was held to it. We answered: %(answer)s") % {
        "card": asked.get("idTag", ""), "answer": _verdict(answered)
    }  # fmt: skip


def _wh(value: object) -> str:
    return units.kwh(value) if isinstance(value, int) and not isinstance(value, bool) else units.NOTHING


def _start(asked: Payload, answered: Payload) -> str:
    return _("Charging began at plug %(number)s, meter at %(energy)s. We answered: %(answer)s") % {
        "number": asked.get("connectorId", "?"), "energy": _wh(asked.get("meterStart")), "answer": _verdict(answered)
    }  # fmt: skip


def _stop(asked: Payload, _answered: Payload) -> str:
    return _("Charging ended (%(reason)s), meter at %(energy)s") % {
        "reason": glossary.say(glossary.ENDS, asked.get("reason", "Local")), "energy": _wh(asked.get("meterStop"))
    }  # fmt: skip


def _told(text: Callable[[], str]) -> Callable[[Payload, Payload], str]:
    """Something that we ask of it, and how it answers."""

    def sentence(_asked: Payload, answered: Payload) -> str:
        if not answered.get("status"):
            return text()
        answer = glossary.say(glossary.ANSWERS, answered["status"])
        return _("%(what)s. It answered: %(answer)s") % {"what": text(), "answer": answer}

    return sentence


def _progress(text: Callable[[], str], words: glossary.Words) -> Callable[[Payload, Payload], str]:
    """How far something is that takes a while."""
    return lambda asked, _answered: f"{text()}: {glossary.say(words, asked.get('status'))}"


def _plain(text: Callable[[], str]) -> Callable[[Payload, Payload], str]:
    return lambda _asked, _answered: text()


SENTENCES: dict[str, Callable[[Payload, Payload], str]] = {
    "BootNotification": _boot,
    "StatusNotification": _status,
    "Authorize": _authorize,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "Heartbeat": _plain(lambda: _("The charger says that it is there")),
    "MeterValues": _plain(lambda: _("The charger told its meter")),
    "DataTransfer": _plain(lambda: _("A message of the maker's own kind")),
    "FirmwareStatusNotification": _progress(lambda: _("Its new firmware"), glossary.UPDATES),
    "DiagnosticsStatusNotification": _progress(lambda: _("Its report for the maker"), glossary.UPLOADS),
    "SecurityEventNotification": _plain(lambda: _("A security event was told")),
    "RemoteStartTransaction": _told(lambda: _("We asked it to start charging")),
    "RemoteStopTransaction": _told(lambda: _("We asked it to stop charging")),
    "GetConfiguration": _told(lambda: _("We read its configuration")),
    "ChangeConfiguration": _told(lambda: _("We changed its configuration")),
    "TriggerMessage": _told(lambda: _("We asked for its state")),
    "SetChargingProfile": _told(lambda: _("We limited its power")),
    "ClearChargingProfile": _told(lambda: _("We took the limit of its power away")),
    "UnlockConnector": _told(lambda: _("We asked it to let the plug go")),
    "Reset": _told(lambda: _("We asked it to restart")),
}
