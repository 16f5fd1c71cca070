from dataclasses import replace

import orjson
import pytest

from bench import report
from bench.figures import Crowd, Evidence, Page, Storm, Window
from bench.report import Report, Step

pytestmark = pytest.mark.once

FACTS = {
    "date": "2026-01-01T00:00:00+00:00", "commit": "abc", "cores": 2, "processor": "Some CPU", "memory_gb": 8.0,
    "system": "Linux 6", "python": "3.11.7", "database": "PostgreSQL 15", "fsync": "on", "synchronous_commit": "on",
    "redis": "Valkey 9", "sync_ms": 0.1, "rounds": 2, "seconds": 3.0, "chargers": 10, "sessions": 100,
}  # fmt: skip
TITLES = {
    "echo": "echo",
    "postgres": "gateway",
    "sqlite": "lite",
    "two": "two gateways",
    "crowd": "gateway",
    "stock": "stock",
}
WINDOW = Window(
    messages_per_second=1000, messages_per_cpu_second=900, rows_per_second=800, p50_ms=1, p95_ms=2, p99_ms=3,
    cpu={"server": 0.9, "generator": 0.25}, generator_us_per_message=25, errors={},
)  # fmt: skip


def at(rate: float, **changed) -> Window:
    return replace(WINDOW, messages_per_second=rate, **changed)


def make_report(**parts) -> Report:
    return Report(FACTS, TITLES, **parts)


def verdicts(found: Report) -> dict[str, tuple[float, str]]:
    return {target.name: (target.value, target.verdict) for target in report.targets(found)}


def test_a_part_that_was_not_run_has_no_target_and_no_table():
    assert report.targets(make_report()) == []
    assert "###" not in report.render(make_report())


def test_ratios_are_held_against_the_targets_of_their_mix():
    day = {"echo": [at(1000), at(2000)], "postgres": [at(500), at(1400)], "two": [at(600), at(1300)]}
    assert verdicts(make_report(closed={"day": day})) == {
        "day: gateway ÷ echo": (pytest.approx(0.6), "aim reached"),
        "day: two gateways ÷ gateway": (pytest.approx((1.2 + 1300 / 1400) / 2), "aim reached"),
        "failed messages": (0, "aim reached"),
    }


def test_errors_anywhere_are_failed_messages():
    day = {"sqlite": [at(1000, errors={"x": 2})], "127.0.0.1:9000": [at(1000, errors={"not ours": 5})]}
    ladder = [Step("postgres", 1000, at(1000, errors={"y": 1}))]
    assert verdicts(make_report(closed={"day": day}, ladder=ladder))["failed messages"] == (3, "missed")


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        ([Step("postgres", 500, at(500)), Step("postgres", 1000, at(1000, p99_ms=12))], 12),
        ([Step("postgres", 1000, at(700, p99_ms=12))], float("inf")),
        ([Step("echo", 1000, at(1000)), Step("postgres", 250, at(200))], float("inf")),
    ],
    ids=["it keeps up", "it does not", "it did not even come that far"],
)
def test_the_ladder_is_judged_at_a_thousand_messages(steps, value):
    assert verdicts(make_report(ladder=steps))["p99 at 1000 messages/s, ms"][0] == value


def test_crowds_are_held_against_a_stock_consumer():
    idle = {"stock": Crowd(3000, 20_000, 0.0, {}), "crowd": Crowd(3000, 18_000, 0.0, {})}
    storm = Storm(chargers=1000, failed=1, seconds=2, p50_ms=1, p99_ms=2, cpu_ms_per_charger=3, errors={})
    assert verdicts(make_report(idle=idle, storm=storm)) == {
        "memory of an idle charger ÷ stock consumer": (0.9, "aim reached"),
        "storm: chargers that did not get in": (1, "missed"),
        "storm: server CPU for handshake and boot, ms": (3, "floor reached"),
    }


def test_what_the_database_lacks_is_lost():
    evidence = [Evidence(5, 50, {}, []), Evidence(5, 50, {"meter values": 2}, ["Account 1: balance 0."])]
    found = make_report(evidence=evidence)
    assert verdicts(found) == {"lost messages and breaches of the ledger": (3, "missed")}
    assert "2 meter values lost; Account 1: balance 0." in report.render(found)


def test_tables_show_medians_with_their_spread():
    gateway = [at(rate, messages_per_cpu_second=450) for rate in (500, 600, 550)]
    stress = {"echo": [at(1000), at(3000), at(2000)], "postgres": gateway}
    text = report.render(make_report(closed={"stress": stress}))
    assert "| stress | gateway | 550 (500–600) | 0.28 (0.20–0.50) | 450 | 0.50 | 800 | 1 / 2 / 3 | server 90%, " in text
    assert "never took more than 25% of a core; a message costs it 25 µs" in text


def test_pages_show_what_their_etag_is_good_for():
    page = Page("nobody", "/", 200, kilobytes=12.0, queries=2, p50_ms=20, p95_ms=30, again=304, again_p50_ms=4)
    assert "| nobody | `/` | 200 | 12 | 2 | 20 | 30 | 304 in 4 ms |" in report.render(make_report(pages=[page]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3, "3"), (0.1234, "0.12"), (9.876, "9.88"), (12.34, "12.3"), (1234.5, "1234"), (float("inf"), "never")],
)
def test_numbers_have_the_digits_that_mean_something(value, text):
    assert report.number(value) == text


def test_it_rewrites_what_stands_between_the_marks(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"Before.\n{report.BEGIN}\nold\n{report.END}\nAfter.\n")
    for text in ("first", "second"):
        report.rewrite(document, text)
    assert document.read_text() == f"Before.\n{report.BEGIN}\n\nsecond\n\n{report.END}\nAfter.\n"


def test_it_touches_no_document_without_marks(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"{report.END} {report.BEGIN}")
    with pytest.raises(ValueError, match="has no"):
        report.rewrite(document, "tables")


def test_the_json_has_everything(tmp_path):
    found = make_report(closed={"day": {"echo": [WINDOW]}}, evidence=[Evidence(1, 2, {}, [])])
    found.write(tmp_path / "bench" / "found.json")
    written = orjson.loads((tmp_path / "bench" / "found.json").read_bytes())
    assert written["closed"]["day"]["echo"][0]["messages_per_second"] == 1000
    assert {target["name"] for target in written["targets"]} == set(verdicts(found))


def test_the_document_has_the_marks():
    from bench.__main__ import DOCUMENT

    text = DOCUMENT.read_text()
    assert text.index(report.BEGIN) < text.index(report.END)
