"""Every operation of the API's schema, asked with made-up input: no answer is one that the schema does not know.

`--api-examples 300` asks as often as that, instead of the few times that fit into every run of the suite. All checks of
schemathesis that fit are made. Left out: `positive_data_acceptance`, since what the schema allows the rules may refuse
(a price above the limit, an unknown charger), and `ignored_auth`, which test_roles.py asserts route by route.
"""

from itertools import pairwise

import hypothesis
import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, strategies
from schemathesis import GenerationMode, checks

from accounts import logins, tokens
from billing import payouts, wallets
from billing.providers import FakeProvider
from chargers import photos
from chargers.tests.test_pictures import encoded, picture

pytestmark = pytest.mark.once

ASKERS = ("nobody", "alice", "bob", "oscar")  # no one, a driver, an owner and an operator
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
SERVED = get_wsgi_application()
SCHEMA.app = lambda environ, respond: SERVED({**environ, "REMOTE_ADDR": "127.0.0.1"}, respond)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@pytest.fixture(autouse=True)
def _one_connection():
    """That of the test, in its transaction: a server would close it around each request."""
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def real(stage):
    """The rows behind the addresses: what a parameter of a path may stand for, by the word before it."""
    provider = FakeProvider()
    return {
        "chargers": stage.charger.pk,
        "commands": stage.command.pk,
        "connectors": stage.connector.pk,
        "ocpp": stage.charger.identity,
        "{identity}": 1,
        "deliveries": stage.delivery.pk,
        "id-tags": stage.card.pk,
        "lookup": stage.card.uid,
        "photos": photos.add(
            stage.charger, encoded(picture()), audience=photos.Audience.EVERYBODY, description="The gate"
        ).pk,
        "reports": stage.report.pk,
        "sessions": stage.session.pk,
        "tokens": tokens.issue(stage.alice, name="Home", scopes=["wallet:read"])[0].pk,
        "top-ups": wallets.request_top_up(stage.alice, amount=100, idempotency_key="1", provider=provider).pk,
        "payouts": payouts.request(stage.alice, amount=100, bank_account="123457/0100", idempotency_key="1").pk,
        "users": stage.alice.pk,
        "webhooks": stage.webhook.pk,
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # nothing here is asynchronous
def test_every_answer_is_one_that_the_schema_knows(operation, stage, real, pytestconfig):
    settings = hypothesis.settings(
        max_examples=pytestconfig.getoption("--api-examples"),
        derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for who in ASKERS:
        settings(question(operation, real, who, getattr(stage, who, None)))()


def question(operation, real, who, person):
    """A test of hypothesis. Whatever a request does is undone."""
    headers = {"Authorization": f"Bearer {logins.begin(person).access_token}"} if person else {}

    @hypothesis.given(case=asked(operation), is_real=strategies.booleans())
    def ask(case, is_real):
        hypothesis.note(f"{who} asks")
        if is_real and case.meta.generation.mode is GenerationMode.POSITIVE:
            point(case, real)
        cache.clear()  # attempts are counted, and all come from one address
        with transaction.atomic():
            case.call_and_validate(headers=headers, checks=CHECKS)
            transaction.set_rollback(True)

    return ask


def asked(operation):
    """What fits the schema, and what does not."""
    return strategies.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))


def point(case, real):
    """Address rows that are there, or all that one would hear of is 404."""
    for word, part in pairwise(case.operation.path.split("/")):
        if part.startswith("{") and word in real:
            case.path_parameters[part.strip("{}")] = real[word]
