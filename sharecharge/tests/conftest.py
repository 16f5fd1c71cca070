"""The stage of the API's tests, and the site of the browser tests: one server and one Chromium for all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import service_keys
from accounts import webhooks as hooks
from accounts.models import IdTag, User
from chargers import commands, problems, registry
from chargers.models import Charger, Connector
from chargers.tests.test_session_pages import make_session
from conftest import make_user
from sharecharge.testing import browser as browsers
from sharecharge.testing.site import CHROMIUM_ARGUMENTS, Site, running_server
from sharecharge.testing.site import make_operator as operators
from sharecharge.tests.roles.stage import Stage


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    executable = browsers.find_chromium()
    if executable is None:
        pytest.skip("no Chromium: set CHROMIUM or put one into PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="session")
def address(chromium: Any, folder: Path) -> Iterator[str]:
    with running_server(folder) as url:
        yield url


@pytest.fixture
def make_operator(folder: Path, address: str) -> Callable[[], str]:
    """Makes an operator and gives the e-mail address to log in with."""
    return lambda: operators(folder, address)


@pytest.fixture
def site(chromium: Any, address: str) -> Iterator[Site]:
    """With a memory of its own for what the console complains of; its visitors leave at the end."""
    site = Site(address, chromium)
    yield site
    for context in chromium.contexts:
        context.close()


@pytest.fixture
def stage(
    alice: User, charlie: User, bob: User, oscar: User, online: Charger, connector: Connector, alice_card: IdTag
) -> Stage:
    webhook = hooks.create(bob, url="https://hooks.example/", listens_to=["session.started"])
    service_keys.give("gateway")  # or there would be no internal API at all
    otto = make_user("Otto", role=User.Role.OWNER)
    deleted = registry.register(owner=bob, name="Gone", latitude=50.0, longitude=15.0, access="public").charger
    Connector.objects.create(charger=deleted, connector_id=1)
    registry.delete(deleted)
    return Stage(
        alice=alice,
        charlie=charlie,
        bob=bob,
        otto=otto,
        oscar=oscar,
        dora=make_user("Dora"),
        charger=online,
        connector=connector,
        card=alice_card,
        session=make_session(online, alice, id_tag=alice_card),
        deleted=deleted,
        hidden=registry.register(owner=otto, name="Hidden", latitude=50.0, longitude=15.0).charger,
        command=commands.request(online, commands.Action.REMOTE_STOP, by=alice),
        report=problems.report(problems.Subject(online), by=alice, kind=problems.Kind.OTHER, text="It is broken."),
        webhook=webhook,
        delivery=hooks.ping(webhook),
    )
