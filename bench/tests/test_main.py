"""The whole command, for a second: no figure of it means anything, but everything is there."""

import orjson
import pytest

from bench import __main__ as command
from bench import parts
from bench.subjects import CannotMeasure, Workshop

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "FOLDER", tmp_path / "bench")
    document = tmp_path / "performance.md"
    document.write_text("untouched")
    monkeypatch.setattr(command, "DOCUMENT", document)


def test_a_short_run_measures_the_gateway_beside_the_echo(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parts, "CHARGERS", 8)
    arguments = ["--only", "stress", "--subjects", "sqlite,echo", "--rounds", "1", "--seconds", "1"]
    assert command.main(command.parse(arguments)) == 0

    [file] = (tmp_path / "bench").glob("*.json")
    found = orjson.loads(file.read_bytes())
    windows = found["closed"]["stress"]
    assert list(windows) == ["echo", "sqlite"]
    assert all(window["messages_per_second"] > 0 for [window] in windows.values())
    assert all(window["errors"] == {} for [window] in windows.values())
    assert all(window["cpu"]["server"] > 0 for [window] in windows.values())
    [evidence] = found["evidence"]
    assert evidence["sessions"] >= 8
    assert (evidence["lost"], evidence["breaches"], found["failures"]) == ({}, [], {})
    assert "stress: gateway, SQLite ÷ bare ASGI echo" in capsys.readouterr().out
    assert (tmp_path / "performance.md").read_text() == "untouched"


def test_a_part_that_cannot_be_measured_costs_only_itself(tmp_path, capsys, monkeypatch):
    def nothing(self, name):
        raise CannotMeasure("there is no PostgreSQL here")

    monkeypatch.setattr(Workshop, "postgresql_database", nothing)
    assert command.main(command.parse(["--quick", "--only", "storm,web"])) == 1
    assert "**web was not measured**: there is no PostgreSQL here" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--only", "nothing"], ["--subjects", "echo,daphne"], ["--against", "ws://127.0.0.1:9/ocpp"]]
)
def test_it_refuses_what_it_does_not_know(arguments, capsys):
    with pytest.raises(SystemExit):
        command.parse(arguments)
    assert "error:" in capsys.readouterr().err


def test_given_numbers_replace_those_of_the_scale():
    scale = command.scale_of(command.parse(["--quick", "--rounds", "7", "--page", "driver:/cards/"]))
    assert (scale.rounds, scale.seconds, scale.pages) == (7, command.QUICK.seconds, ("driver:/cards/",))


@pytest.mark.parametrize(
    "arguments", [["--rounds", "0"], ["--seconds", "-1"], ["--seconds", "x"], ["--sessions", "-5"], ["--page", "bogus"]]
)
def test_a_number_that_makes_no_sense_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        command.parse(arguments)
    assert refused.value.code == 2
    assert arguments[0] in capsys.readouterr().err
