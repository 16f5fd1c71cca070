"""The cast of the tests, and an end of `transactional_db` tests that the append-only ledger allows.

Alice and Charlie drive, Bob owns a wallbox, Oscar operates the platform.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections
from django.test import Client, TransactionTestCase
from django.utils import timezone, translation

from accounts import id_tags, webhooks
from accounts.models import IdTag, User
from billing import audit, guards, ledger, wallets
from billing.models import TopUp
from billing.providers import FakeProvider
from chargers import recorder, registry
from chargers.models import Charger, Connector
from sharecharge import fibres

PASSWORD = "correct horse battery staple"  # noqa: S105


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--api-examples", type=int, default=6, help="how often test_schemathesis.py asks each operation as each person"
    )


@pytest.fixture(autouse=True, scope="session")
def _ledger_may_be_emptied_between_tests() -> Iterator[None]:
    """`transactional_db` empties the tables at the end of a test, which the triggers of the ledger refuse."""
    original = TransactionTestCase._fixture_teardown

    def teardown(self: TransactionTestCase) -> None:
        names = self._databases_names(include_mirrors=False)
        for name in names:
            guards.remove(connections[name])
        try:
            original(self)
        finally:
            for name in names:
                guards.install(connections[name])

    TransactionTestCase._fixture_teardown = teardown
    yield
    TransactionTestCase._fixture_teardown = original


@pytest.fixture(autouse=True, scope="session")
def _no_connection_outlives_the_tests(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Worker threads keep their connections, and PostgreSQL drops no database that somebody is connected to."""
    yield
    connection = connections["default"]
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True, scope="session")
def _static_files_are_found_when_asked_for() -> None:
    """Or each test's client, which loads the middleware anew, would look at all of them: a third of a page's test."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True, scope="session")
def _passwords_are_hashed_quickly() -> None:
    """By the algorithm of production, so that servers which tests start can read them; without its half a second."""
    Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 8, 1


@pytest.fixture(autouse=True)
def _memory_of_one_test() -> Iterator[None]:
    """What a process remembers of the database, which every test empties."""
    recorder.remembered.forget()
    webhooks.listeners.forget()
    ledger.side.cache_clear()
    yield
    fibres.abandon()
    recorder.remembered.forget()  # or a writer would tell the next database who was heard


@pytest.fixture(autouse=True)
def _language_of_one_test() -> Iterator[None]:
    """A request leaves its language behind in the thread."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _ledger_of_one_test() -> Iterator[None]:
    """A process remembers for some seconds whether the ledger is sound."""
    yield
    audit.forget()


# ------------------------------------------------------------------------------------------------ people


def make_user(name: str, **fields: Any) -> User:
    """Without a password, which is quick to make; `login` and `force_login` are what tests use."""
    return User.objects.create_user(f"{name.lower()}@example.com", **{"name": name, **fields})


def fund(user: User, amount: int) -> TopUp:
    """Puts `amount` minor units into the wallet, the way in which a payment does."""
    top_up = wallets.request_top_up(user, amount=amount, idempotency_key=secrets.token_hex(8), provider=FakeProvider())
    return wallets.finish_top_up(top_up, paid=True, provider_reference=secrets.token_hex(8))


@pytest.fixture
def alice(db: None) -> User:
    """A driver with 1 000.00 in her wallet."""
    user = make_user("Alice")
    fund(user, 100_000)
    return user


@pytest.fixture
def bob(db: None) -> User:
    """An owner, with an empty wallet."""
    return make_user("Bob", role=User.Role.OWNER)


@pytest.fixture
def charlie(db: None) -> User:
    """Another driver with 500.00 in his wallet."""
    user = make_user("Charlie")
    fund(user, 50_000)
    return user


@pytest.fixture
def oscar(db: None) -> User:
    """The operator."""
    return make_user("Oscar", role=User.Role.ADMIN)


@pytest.fixture
def alice_card(alice: User) -> IdTag:
    return id_tags.issue(user=alice, uid="04A1B2C3D4", name="Alice's card")


@pytest.fixture
def client_of(db: None) -> Callable[[User], Client]:
    """A browser in which this person is logged in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


# ------------------------------------------------------------------------------------------------ chargers


def connect(charger: Charger, *, status: str = "Available") -> None:
    """As if its socket were open, it had booted and reported every connector."""
    now = timezone.now()
    Charger.objects.filter(pk=charger.pk).update(
        connection_mark="test", connected_at=now, last_seen_at=now, booted_at=now, last_boot_at=now
    )
    charger.connectors.update(status=status, status_at=now)
    charger.refresh_from_db()


@pytest.fixture
def registered(bob: User) -> registry.Registered:
    """Bob's charger, open to anyone, with its password; never connected so far."""
    return registry.register(
        owner=bob, name="Bob's garage", latitude=49.868613, longitude=16.312749, access=Charger.Access.PUBLIC,
        street="Tichá", house_number="1234", city="Litomyšl", postal_code="570 01",
    )  # fmt: skip


@pytest.fixture
def charger(registered: registry.Registered) -> Charger:
    return registered.charger


@pytest.fixture
def connector(charger: Charger) -> Connector:
    """11 kW of AC for 5.00 per kWh."""
    connector = Connector.objects.create(
        charger=charger, connector_id=1, type=Connector.Type.TYPE2, current=Connector.Current.AC, max_power_w=11_000
    )
    registry.set_price(connector, 500)
    return connector


@pytest.fixture
def online(charger: Charger, connector: Connector) -> Charger:
    """Bob's charger, connected and free."""
    connect(charger)
    connector.refresh_from_db()
    return charger
