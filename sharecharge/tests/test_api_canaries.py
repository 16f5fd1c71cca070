"""What somebody may not know is in no answer of the API: all that can be read, asked by everybody."""

import pytest
from django.urls import reverse
from django.utils import timezone

from chargers.models import Charger, ConnectionAttempt, Message
from sharecharge.tests.roles.row import SUBJECTS
from sharecharge.tests.test_roles import ROWS, client_of, stage  # noqa: F401 - the last one is a fixture

READS = [row for row in ROWS if row.method == "GET" and not row.route.startswith("internal")]
SERIAL, STREET, CARD = "CANARY-SERIAL", "Tichá", "04A1B2C3D4"
POSITION = ("49.868613", "16.312749")


def secrets_from(who, cast):
    """What must never reach this subject."""
    hidden = {cast.hidden.identity, "Hidden"}
    secrets = {cast.charger.password_hmac, cast.hidden.password_hmac}
    if who not in ("bob", "oscar"):
        secrets |= {cast.charger.identity, SERIAL, "bob@example.com"}
    if who not in ("alice", "charlie", "bob", "oscar"):  # who could charge there has to find it
        secrets |= {STREET, *POSITION}
    if who not in ("otto", "oscar"):
        secrets |= hidden | {"otto@example.com"}
    if who not in ("alice", "oscar"):
        secrets |= {CARD, "alice@example.com", cast.command.payload["id_tag"]}
    return secrets


@pytest.fixture
def talkative(stage):  # noqa: F811 - the fixture
    """Its wallbox has said all that it can."""
    Charger.objects.filter(pk=stage.charger.pk).update(serial_number=SERIAL)
    now, charger = timezone.now(), stage.charger
    Message.objects.create(
        charger=charger, direction="in", action="Authorize", at=now, request=f'[2,"1","Authorize",{{"idTag":"{CARD}"}}]'
    )
    Message.objects.create(
        charger=charger, direction="in", action="Authorize", at=now,
        request=f'[2,"2","Authorize",{{"idTag":["{CARD}"]}}]',
        response=f'[4,"2","TypeConstraintViolation","idTag: {CARD} is no text",{{}}]', note=f"idTag: {CARD} is no text",
    )  # fmt: skip
    path = f"/ocpp/{charger.identity}"
    ConnectionAttempt.objects.create(charger=charger, path=path, outcome="accepted", first_at=now, last_at=now)
    stage.command.payload = {"id_tag": "PHONECANARY", "connector_id": 1}
    stage.command.action = "remote_start"
    stage.command.save()
    return stage


@pytest.mark.parametrize("who", SUBJECTS)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # the test's client is not asynchronous
def test_no_answer_tells_what_its_reader_may_not_know(who, talkative):
    client, secrets = client_of(getattr(talkative, who, None)), secrets_from(who, talkative)
    told, leaks = 0, []
    for row in READS:
        address = reverse(f"api:{row.route}", kwargs=row.address(talkative))
        response = client.get(address + row.query.format(stage=talkative))
        text = b"".join(response).decode()
        told += response.status_code == 200
        leaks += [(str(row), secret) for secret in secrets if secret in text]
    assert leaks == []
    assert told >= (0 if who == "dora" else 4)


def test_the_canaries_sing_where_they_may(talkative):
    """Or the test above could not fail."""
    client = client_of(talkative.bob)
    text = client.get(f"/api/v1/chargers/{talkative.charger.pk}").content.decode()
    assert {SERIAL, STREET, *POSITION} <= {word for word in (SERIAL, STREET, *POSITION) if word in text}
    connection = client.get(f"/api/v1/chargers/{talkative.charger.pk}/connection").content.decode()
    assert talkative.charger.identity in connection
