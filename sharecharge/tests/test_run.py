"""`./run` as a module: what it makes of its arguments."""

import contextlib
import importlib.machinery
import importlib.util
import sys

import pytest

from sharecharge.testing.platform import ROOT

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def run():
    loader = importlib.machinery.SourceFileLoader("run_script", str(ROOT / "run"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # its dataclasses look for themselves there
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    yield module
    del sys.modules[loader.name]


@pytest.mark.parametrize(
    ("arguments", "port"),
    [
        ([], None),
        (["--no-sweep"], None),
        (["--port", "8100"], "8100"),
        (["--host", "0.0.0.0", "--port=8100"], "8100"),
        (["--port"], None),
    ],
)
def test_an_option_is_found_wherever_it_stands(run, arguments, port):
    assert run.option("--port", arguments) == port


@pytest.mark.parametrize(
    ("found", "marks"),
    [
        ({"DATABASE_URL": "postgres://x"}, ["not browser and not once", "not browser"]),
        ({}, ["not browser"]),
    ],
)
def test_no_test_is_left_out_when_there_is_but_one_database(run, monkeypatch, found, marks):
    @contextlib.contextmanager
    def servers():
        yield found, "PostgreSQL 17"

    ran = []
    monkeypatch.setattr(run, "database_servers", servers)
    monkeypatch.setattr(run, "suite", lambda name, environment, *, marks: ran.append((marks, environment)))
    run.suites()
    assert [asked for asked, _environment in ran] == marks
    assert ["DATABASE_URL" in environment for _asked, environment in ran] == [False, True][: len(marks)]
