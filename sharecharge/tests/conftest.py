"""The site that the browser tests look at: one server and one Chromium for all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sharecharge.testing import browser as browsers
from sharecharge.testing.site import CHROMIUM_ARGUMENTS, Site, running_server
from sharecharge.testing.site import make_operator as operators


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
