"""`./run` as a module: what it makes of its arguments."""

import importlib.machinery
import importlib.util
import sys

import pytest

from sharecharge.testing.platform import ROOT


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
