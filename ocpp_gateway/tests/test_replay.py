"""Replay against a scripted server: what it sends, what it answers, and what it finds wrong."""

import asyncio
import json
import threading
from collections import deque
from contextlib import contextmanager
from http import HTTPStatus
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ocpp_gateway import replay
from ocpp_gateway.simulator import Credentials, Journal, ServerRefused
from ocpp_gateway.tests.central_system import central_system

pytestmark = pytest.mark.once

FIXTURES = Path(__file__).parent.parent / "fixtures"
SOLAX = [FIXTURES / "solax_x3_hac.jsonl", FIXTURES / "solax_x3_hac_synthetic_end.jsonl"]
NOON = "2026-01-11T12:00:00Z"
ALICE = Credentials("SCALICE", "secret", "")


async def play(system, rows=None, credentials=ALICE, **options):
    return await replay.replay(rows or replay.read_trace(SOLAX), url=system.url, credentials=credentials, **options)


def rows_of(action):
    return [row for row in replay.read_trace(SOLAX) if row.action == action]


class TestTrace:
    def test_the_recording_is_what_its_readme_says(self):
        rows = replay.read_trace(SOLAX[:1])
        samples = [row for row in rows if row.action == "MeterValues"]
        registers = [float(row.payload["meterValue"][0]["sampledValue"][0]["value"]) for row in samples]
        assert (len(rows), len(samples), registers[-1] - registers[0]) == (187, 156, 5400)

    def test_the_end_is_marked_as_synthetic_and_the_recording_is_not(self):
        recorded, written = ([json.loads(line) for line in path.read_text().splitlines()] for path in SOLAX)
        assert all(row["synthetic"] is True for row in written)
        assert not any("synthetic" in row for row in recorded)

    @pytest.mark.parametrize("line", ["{", '{"dir": "sideways"}', '{"t": "x", "dir": "cp->cs"}', "[]"])
    def test_a_bad_line_is_named(self, tmp_path, line):
        path = tmp_path / "trace.jsonl"
        path.write_text(SOLAX[1].read_text() + line)
        with pytest.raises(ValueError, match="line 4"):
            replay.read_trace([path])


class TestReplay:
    async def test_everything_is_sent_in_order_with_its_own_times(self):
        journal = Journal()
        async with central_system() as system:
            report = await play(system, journal=journal)
        rows = [row for row in replay.read_trace(SOLAX) if row.is_from_charger]
        assert report.mismatches == []
        assert report.sent == report.rows == len(rows) == len(journal.entries)
        assert [action for _id, action, _payload in system.received] == [row.action for row in rows]
        then = [row.payload["meterValue"] for row in rows if row.action == "MeterValues"]
        assert [payload["meterValue"] for payload in system.payloads("MeterValues")] == then

    async def test_the_transaction_id_is_the_servers(self):
        async with central_system() as system:
            report = await play(system)
        assert report.transaction_ids == {94: 42}
        assert {p["transactionId"] for p in system.payloads("MeterValues") + system.payloads("StopTransaction")} == {42}

    async def test_another_card_can_be_tapped(self):
        async with central_system() as system:
            await play(system, credentials=Credentials("SCALICE", "secret", "04BB"))
        cards = {system.payloads(action)[0]["idTag"] for action in ("Authorize", "StartTransaction", "StopTransaction")}
        assert cards == {"04BB"}

    async def test_gaps_are_divided_by_the_speed(self):
        rows = rows_of("Heartbeat")[:3]  # 300 s apart
        async with central_system() as system:
            report = await play(system, rows, speed=3000)
        assert 0.2 <= report.seconds < 2

    async def test_the_servers_calls_get_the_recorded_results(self):
        rows = replay.read_trace(SOLAX)
        async with central_system() as system:
            task = asyncio.create_task(play(system, rows, speed=3000))
            while not system.sockets:  # noqa: ASYNC110 - the stub has no event for it
                await asyncio.sleep(0.01)
            change = {"key": "MeterValuesSampledData", "value": "Voltage"}
            assert (await system.call("ChangeConfiguration", change))[2] == {"status": "Rejected"}
            answer = (await system.call("GetConfiguration", {"key": ["HeartbeatInterval", "Nonsense"]}))[2]
            assert answer["unknownKey"] == ["Nonsense"]
            assert [row["value"] for row in answer["configurationKey"]] == ["60"]
            assert (await system.call("Reset", {"type": "Soft"}))[2] == {"status": "Rejected"}
            report = await task
        assert report.server_calls == ["ChangeConfiguration", "GetConfiguration", "Reset"]

    def test_recorded_results_come_one_after_the_other(self):
        recorded = deque([{"status": "Rejected"}, {"status": "Accepted"}])
        found = [replay.recorded_result(recorded, "ChangeConfiguration", {})["status"] for _i in range(3)]
        assert found == ["Rejected", "Accepted", "Accepted"]


class TestMismatches:
    @pytest.mark.parametrize(
        ("action", "answer", "sentence"),
        [
            ("BootNotification", {"status": "Accepted"}, "breaks the schema"),
            (
                "BootNotification",
                {"status": "Pending", "currentTime": NOON, "interval": 9},
                "Pending",
            ),
            ("Heartbeat", {"currentTime": "2026-01-11T20:02:06"}, "no zone"),
            ("Heartbeat", {"currentTime": "noon"}, "no time"),
            ("StatusNotification", {"status": "Accepted"}, "breaks the schema"),
            ("Authorize", {"idTagInfo": {"status": "Invalid"}}, "recorded was Accepted"),
            ("StartTransaction", {"transactionId": 0, "idTagInfo": {"status": "Accepted"}}, "transactionId is 0"),
            ("StartTransaction", {"transactionId": "7", "idTagInfo": {"status": "Accepted"}}, "breaks the schema"),
            ("MeterValues", RuntimeError("no database"), "answered with an error"),
        ],
    )
    async def test_a_wrong_answer_is_found(self, action, answer, sentence):
        async with central_system() as system:
            system.answers[action] = answer
            report = await play(system, rows_of(action)[:1])
        assert sentence in report.mismatches[0]
        assert action in report.mismatches[0]

    async def test_silence_is_found(self, monkeypatch):
        monkeypatch.setattr(replay, "ANSWER_SECONDS", 0.2)
        async with central_system() as system:
            system.answers["Heartbeat"] = None
            report = await play(system, rows_of("Heartbeat")[:1])
        assert "no answer" in report.mismatches[0]

    async def test_a_closed_connection_is_found(self):
        async with central_system() as system:
            system.answers["Heartbeat"] = lambda _payload: system.sockets[-1].transport.abort()
            report = await play(system, rows_of("Heartbeat"))
        assert "closed the connection" in report.mismatches[0]
        assert report.sent < report.rows

    async def test_a_refused_handshake_is_told(self):
        async with central_system() as system:
            system.refuse_with = HTTPStatus.NOT_FOUND
            with pytest.raises(ServerRefused, match="404"):
                await play(system)


@contextmanager
def system_in_a_thread():
    """The scripted server beside a command, which runs an event loop of its own."""
    ready, systems, loop = threading.Event(), [], asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve():
        async with central_system() as system:
            systems.append(system)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(5)
        yield systems[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(5)
        loop.close()


class TestCommand:
    def run(self, system):
        out, errors = StringIO(), StringIO()
        options = {"url": system.url, "identity": "SCALICE", "password": "secret"}
        try:
            call_command("replay", trace=SOLAX, stdout=out, stderr=errors, **options)
        finally:
            self.out, self.errors = out.getvalue(), errors.getvalue()

    def test_it_says_that_all_is_well(self):
        with system_in_a_thread() as system:
            self.run(system)
        assert "Sent 185 messages" in self.out
        assert "Every answer is as it must be." in self.out

    def test_a_mismatch_fails_the_command(self):
        with system_in_a_thread() as system:
            system.answers["StartTransaction"] = {"transactionId": 42, "idTagInfo": {"status": "Blocked"}}
            with pytest.raises(CommandError, match="1 answers were not"):
                self.run(system)
        assert "MISMATCH message 29 (StartTransaction): idTagInfo.status is Blocked" in self.errors

    def test_no_server_and_no_trace_are_told(self):
        options = {"identity": "A", "password": "B", "url": "ws://127.0.0.1:9/ocpp"}
        with pytest.raises(CommandError, match="No connection"):
            call_command("replay", trace=SOLAX, **options)
        with pytest.raises(CommandError, match="nowhere"):
            call_command("replay", trace=[Path("/nowhere")], **options)
