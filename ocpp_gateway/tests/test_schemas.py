import pytest

from ocpp_gateway import schemas

pytestmark = pytest.mark.once

START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-01-11T20:02:05Z"}


def codes(action, payload, **options):
    return [code for code, _text in schemas.violations("v16", action, payload, **options)]


def test_a_good_payload_has_no_violations():
    assert codes("StartTransaction", START) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"connectorId": "1"}, ["TypeConstraintViolation"]),
        ({"connectorId": None}, ["TypeConstraintViolation"]),
        ({"idTag": "x" * 26}, []),
        ({"extra": 1}, []),
        ({"timestamp": "soon"}, []),
    ],
)
def test_violations_get_the_code_of_their_kind(change, expected):
    assert codes("StartTransaction", {**START, **change}) == expected


def test_a_missing_field_and_an_unknown_value():
    assert codes("StartTransaction", {}) == ["OccurenceConstraintViolation"] * 4
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Nix"}
    assert codes("StatusNotification", status) == ["PropertyConstraintViolation"]


def test_answers_have_schemas_of_their_own():
    assert codes("RemoteStartTransaction", {"status": "Accepted"}, response=True) == []
    assert codes("RemoteStartTransaction", {"status": "Yes"}, response=True) == ["PropertyConstraintViolation"]
    assert codes("RemoteStartTransaction", None, response=True) == ["TypeConstraintViolation"]


def test_all_28_actions_of_the_core_document_are_there():
    assert {"BootNotification", "StopTransaction", "SetChargingProfile"} < schemas.actions("v16")
    assert len(schemas.actions("v16")) >= 28
    assert not [name for name in schemas.actions("v16") if name.endswith("Response")]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"idTag": 1234567890}, "idTag: type"),
        ({"idTag": ["SECRETCARD1234"]}, "idTag: type"),
        ({}, "idTag: required"),
        ("SECRETCARD1234", "Authorize: type"),
    ],
)
def test_what_is_wrong_is_told_without_the_value(payload, expected):
    assert [text for _code, text in schemas.violations("v16", "Authorize", payload)] == [expected]
