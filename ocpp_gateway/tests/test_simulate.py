"""`manage.py simulate` and its clear errors."""

import json
from http import HTTPStatus

import pytest
from django.core.management import CommandError, call_command

from ocpp_gateway.tests.test_replay import system_in_a_thread

pytestmark = pytest.mark.once

ALICE = {"identity": "SCALICE", "password": "secret", "id_tag": "04AA"}


class TestSimulate:
    def test_it_runs_the_wanted_sessions_and_says_so(self, capsys):
        with system_in_a_thread() as system:
            call_command("simulate", url=system.url, sessions=2, speed=6000, seed=1, **ALICE)
        output = capsys.readouterr()
        assert "2 sessions" in output.err
        assert output.out.count("stopped (Local)") == 2
        assert len(system.payloads("StopTransaction")) == 2

    def test_it_writes_what_was_acknowledged_as_json(self, capsys):
        with system_in_a_thread() as system:
            call_command("simulate", url=system.url, sessions=1, speed=6000, seed=1, json=True, **ALICE)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(line["message_id"], line["action"], line["payload"]) for line in lines] == system.received

    def test_the_same_seed_brings_the_same_cars(self, capsys):
        cars = []
        with system_in_a_thread() as system:
            for _run in range(2):
                call_command("simulate", url=system.url, sessions=2, speed=6000, seed=7, **ALICE)
                output = capsys.readouterr().out
                cars.append([line.split("  ")[1] for line in output.splitlines() if "plugged in" in line])
        assert cars[0] == cars[1]

    def test_an_address_of_another_kind_is_refused(self):
        with pytest.raises(CommandError, match="ws://"):
            call_command("simulate", url="http://127.0.0.1:1/ocpp", **ALICE)

    @pytest.mark.parametrize(("status", "sentence"), [(401, "password is wrong"), (404, "does not know")])
    def test_a_refusal_is_told_with_its_reason(self, status, sentence):
        with system_in_a_thread() as system:
            system.refuse_with = HTTPStatus(status)
            with pytest.raises(CommandError, match=f"HTTP {status}: .*{sentence}"):
                call_command("simulate", url=system.url, **ALICE)

    def test_missing_and_bad_arguments_are_told(self, tmp_path):
        with pytest.raises(CommandError, match="--chargers FILE, or --password, --id-tag"):
            call_command("simulate", identity="SC1")
        with pytest.raises(CommandError, match="--speed must be more than 0"):
            call_command("simulate", speed=0, **ALICE)
        with pytest.raises(CommandError, match="cannot be used"):
            call_command("simulate", chargers=tmp_path / "nothing")
