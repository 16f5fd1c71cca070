"""`manage.py demo` from outside, as people use it, and its own judgement of the numbers."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from chargers import clock, opening, sessions
from chargers.models import Charger, MeterValue
from ocpp_gateway.simulator import Acknowledged, Journal
from sharecharge import demonstration
from sharecharge.management.commands import demo
from sharecharge.testing.ports import free_port

pytestmark = pytest.mark.once

TIMEOUT_SECONDS = 120


def start_demo(tmp_path, *arguments):
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo", *arguments]
    command.append(f"--database=sqlite:///{tmp_path / 'demo.sqlite3'}")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_with(text):
    found = []
    for folder in os.scandir("/proc"):
        if folder.name.isdecimal():
            try:
                with open(f"{folder.path}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:  # it has just ended
                continue
            if text.encode() in command:
                found.append(command)
    return found


class TestOnce:
    def test_everything_is_as_it_must_be_and_nothing_stays_behind(self, tmp_path):
        port = free_port()
        process = start_demo(tmp_path, "--once", f"--port={port}")
        output, _none = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, output
        solax = next(line for line in output.splitlines() if "Solax" in line and "CZK" in line)
        assert re.search(r"5\.400 +156 +43\.15 CZK +38\.83 CZK +4\.32 CZK +\+59 min +no$", solax)
        assert output.count(" CZK ") >= 9
        assert "Ledger sums to zero: yes." in output
        assert "Every number is as it must be." in output
        assert processes_with(f"--port={port}") == []

    def test_a_taken_port_is_told(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = start_demo(tmp_path, "--once", f"--port={listener.getsockname()[1]}")
            output, _none = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 1
        assert "is taken" in output


class TestLive:
    def test_ctrl_c_ends_everything_with_0(self, tmp_path):
        port = free_port()
        process = start_demo(tmp_path, "--speed=60", f"--port={port}")
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if "Cars come and go" in line:
                break
        assert demonstration.DRIVER in output
        [folder] = re.findall(r"^E-mails +(/.+)/ ", output, re.MULTILINE)
        letters = Path(folder)
        receipt = next(text for path in letters.glob("*.txt") if "Solax u Horáků" in (text := path.read_text()))
        assert f"To: {demonstration.DRIVER}\nSubject: Receipt: Solax u Horáků, 43.15" in receipt
        assert len(list(letters.glob("*.html"))) == len(list(letters.glob("*.txt")))
        assert f"http://127.0.0.1:{port}/" in output
        assert f"DATABASE_URL=sqlite:///{tmp_path / 'demo.sqlite3'} ./run manage …" in output  # else it is of another
        time.sleep(2)  # let chargers boot and cars come
        process.send_signal(signal.SIGINT)
        rest, _none = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, output + rest
        assert "Ended." in rest
        assert processes_with(f"--port={port}") == []


class TestPort:
    def test_the_next_free_one_is_taken(self, monkeypatch):
        monkeypatch.setattr(demo, "is_free", lambda port: port == 8003)
        assert demo.choose_port(None) == 8003


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["2026-11-30T23:30+01:00", "2026-12-02T12:00+01:00", "2026-12-06T00:00+01:00"])
def test_the_first_charger_is_open_whenever_the_demo_begins_and_one_at_night(settings, moment):
    settings.PAYMENT_PROVIDER = "fake"
    with time_machine.travel(moment, tick=False):
        spots = demonstration.make_cast()
        main, at_night = (
            Charger.objects.get(identity=spots[number].credentials.identity) for number in (0, demonstration.AT_NIGHT)
        )
        assert main.is_open_at(timezone.now() + timedelta(days=1))
        assert main.is_open
    assert not main.week.is_always
    assert opening.in_short(at_night) == "Mon to Fri 17:00 to 07:00 (next day); Sat, Sun all day"


def acknowledged(action, payload, answer=None):
    return Acknowledged(datetime.now(UTC), "", "", action, payload, answer or {})


@pytest.fixture
def witness(db, settings):
    """A session of the second driver, made through the domain, and the journal that fits to it."""
    settings.PAYMENT_PROVIDER = "fake"
    spot = demonstration.make_cast()[1]
    charger = Charger.objects.get(identity=spot.credentials.identity)
    begin = datetime.now(UTC) - timedelta(hours=2)
    tag = spot.credentials.id_tag
    started = sessions.start(
        charger, connector_id=1, id_tag_text=tag, meter_start_wh=1000, moment=moment(begin), received_at=begin
    )
    for minutes in (30, 60):
        at = begin + timedelta(minutes=minutes)
        MeterValue.objects.create(
            charger=charger, connector_id=1, session=started.session, measured_at=at, received_at=at,
            energy_wh=1000 + minutes * 100, raw=[], digest=minutes,
        )  # fmt: skip
    end = begin + timedelta(minutes=61)
    sessions.stop(
        charger, transaction_id=started.session.pk, transaction_text="", id_tag_text=tag, meter_stop_wh=7013,
        reason="Local", moment=moment(end), received_at=end,
    )  # fmt: skip
    journal = Journal()
    journal.add(acknowledged("StartTransaction", {"meterStart": 1000}, {"transactionId": started.session.pk}))
    journal.add(acknowledged("MeterValues", {"meterValue": [{}]}))
    journal.add(acknowledged("MeterValues", {"meterValue": [{}]}))
    journal.add(acknowledged("StopTransaction", {"meterStop": 7013}))
    return demonstration.Witness(spot, journal)


def moment(at):
    return clock.Moment(at, at.isoformat(), False)


class TestExamine:
    def test_a_right_session_has_no_problem(self, witness):
        findings = demonstration.examine([witness])
        assert findings.problems == []
        assert findings.rows[0].cost == Decimal("57.12")  # 6.013 kWh at 9.50: 57.1235
        assert "yes" in demonstration.table(findings, currency="CZK")[-1]

    def test_a_lost_sample_is_seen(self, witness):
        witness.journal.add(acknowledged("MeterValues", {"meterValue": [{}]}))
        (problem,) = demonstration.examine([witness]).problems
        assert problem == "Garáž na Vinohradech: the number of readings kept is 2, but must be 3."

    def test_a_wrong_price_is_seen_in_the_bill_and_in_every_balance(self, witness):
        place = replace(witness.spot.place, price=Decimal("9.51"))
        wrong = demonstration.Witness(replace(witness.spot, place=place), witness.journal)
        problems = " ".join(demonstration.examine([wrong]).problems)
        for what in ("the cost", "the fee", "the transfer", "The balance of", "owner's balance", "platform's balance"):
            assert what in problems

    def test_a_missing_stop_is_seen(self, witness):
        witness.journal.entries.pop()
        assert "1 starts and 0 stops" in demonstration.examine([witness]).problems[0]

    def test_a_session_that_is_not_there_is_seen(self, witness):
        witness.journal.entries[0] = acknowledged("StartTransaction", {"meterStart": 1000}, {"transactionId": 999})
        assert "no session 999" in demonstration.examine([witness]).problems[0]

    def test_a_contradicting_ledger_is_seen(self, witness, monkeypatch):
        monkeypatch.setattr(demonstration.ledger, "breaches", lambda: ["Transfer 1 does not sum to zero."])
        findings = demonstration.examine([witness])
        assert findings.problems == ["Transfer 1 does not sum to zero."]
        assert "no" in demonstration.table(findings, currency="CZK")[-1]
