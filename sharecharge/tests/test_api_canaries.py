"""What somebody may not know is in no answer of the API: all that can be read, asked by everybody."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, Login, ServiceKey
from billing import payouts, wallets
from billing.providers import FakeProvider
from chargers.models import Charger, ConnectionAttempt, Message
from sharecharge.tests.roles.row import SUBJECTS
from sharecharge.tests.test_roles import ROWS, client_of

READS = [row for row in ROWS if row.method == "GET" and not row.route.startswith("internal")]
SERIAL, STREET, POSTAL_CODE, CARD = "CANARY-SERIAL", "Tichá", "570 01", "04A1B2C3D4"
POSITION = ("49.868613", "16.312749")
KEYS = ("CANARY-KEY-1", "CANARY-KEY-2")
BANK_ACCOUNT = "987654327/0800"


def secrets_from(who, cast):
    """What must never reach this subject."""
    hidden = {cast.hidden.identity, "Hidden"}
    secrets = told_to_nobody(cast)
    for other in ("charlie", "oscar"):
        if who not in (other, "oscar"):
            secrets.add(getattr(cast, other).email)
    if who not in ("alice", "oscar"):  # who sends the money has to know where to
        secrets.add(BANK_ACCOUNT)
    if who not in ("bob", "oscar"):
        secrets |= {cast.charger.identity, SERIAL, "bob@example.com"}
    if who not in ("alice", "charlie", "bob", "oscar"):  # who could charge there has to find it
        secrets |= {STREET, POSTAL_CODE, *POSITION}
    if who not in ("otto", "oscar"):
        secrets |= hidden | {"otto@example.com"}
    if who not in ("alice", "oscar"):
        secrets |= {CARD, "alice@example.com", cast.command.payload["id_tag"]}
    return secrets


def told_to_nobody(cast):
    """What proves who somebody is, or what was shown once."""
    people = [cast.alice, cast.charlie, cast.bob, cast.otto, cast.oscar]
    logins = Login.objects.values_list("token_id", flat=True)
    digests = ApiToken.objects.values_list("digest", flat=True)
    services = ServiceKey.objects.values_list("key_hmac", flat=True)
    chargers = {cast.charger.password_hmac, cast.hidden.password_hmac}
    return {*KEYS, cast.webhook.secret, *chargers, *logins, *digests, *services, *(each.password for each in people)}


@pytest.fixture
def talkative(stage):
    """Its wallbox has said all that it can, and Alice has money on the move and a program."""
    wallets.request_top_up(stage.alice, amount=100, idempotency_key=KEYS[0], provider=FakeProvider())
    payouts.request(stage.alice, amount=100, bank_account=BANK_ACCOUNT, idempotency_key=KEYS[1])
    tokens.issue(stage.alice, name="Home", scopes=["wallet:read"])
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
    assert POSTAL_CODE in text
    assert BANK_ACCOUNT in client_of(talkative.alice).get("/api/v1/wallet/payouts").content.decode()
    connection = client.get(f"/api/v1/chargers/{talkative.charger.pk}/connection").content.decode()
    assert talkative.charger.identity in connection
