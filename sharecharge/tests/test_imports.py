"""The house's one rule: sharecharge → ocpp_gateway → chargers → billing → accounts, import only to the right.

The benchmark and the fault tests stand before the house: they may use every room, and no room knows of them.
"""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ["faults", "bench", "sharecharge", "ocpp_gateway", "chargers", "billing", "accounts"]
# They import nothing of ours, so anyone may import them (the last one in tests only).
OPEN_TO_ALL = tuple(f"sharecharge.{name}" for name in ("errors", "prepared", "trace", "fibres", "crews", "testing"))

# Layers, not nouns: no module may be called like this.
FORBIDDEN_NAMES = {"services", "selectors", "managers", "utils", "helpers", "common"}
ASYNC_ROOMS = (
    "consumers.py", "switchboard.py", "workers.py", "live.py", "layers.py", "asgi.py", "server.py", "/simulator/",
    "replay.py", "spreadsheets.py", "/tests/", "bench/", "faults/",
)  # fmt: skip


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide where things come from"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def is_to_the_left(name: str, room: str) -> bool:
    return name.split(".", maxsplit=1)[0] in ROOMS[: ROOMS.index(room)] and not name.startswith(OPEN_TO_ALL)


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_walks_back(room):
    arrows = {
        f"{path.relative_to(ROOT)} → {name}"
        for path in files(room)
        for name in imported(path)
        if is_to_the_left(name, room)
    }
    assert arrows == set()
    assert files(room)


def test_the_rule_can_fail():
    assert is_to_the_left("chargers.sessions", "billing")
    assert is_to_the_left("bench.wire", "ocpp_gateway")
    assert is_to_the_left("faults.points", "sharecharge")
    assert not is_to_the_left("sharecharge.errors.Refused", "accounts")
    assert not is_to_the_left("accounts.models", "billing")


def test_what_is_open_to_all_imports_nothing_of_ours():
    alone = [ROOT / "sharecharge" / name for name in ("errors.py", "prepared.py", "trace.py", "fibres.py", "crews.py")]
    for path in [*alone, *sorted((ROOT / "sharecharge" / "testing").glob("*.py"))]:
        ours = {name for name in imported(path) if name.split(".")[0] in ROOMS and not name.startswith(OPEN_TO_ALL)}
        assert ours == set(), path


def test_rooms_are_named_after_nouns():
    assert [path for room in ROOMS for path in files(room) if path.stem in FORBIDDEN_NAMES] == []


def test_pure_files_are_pure():
    """No Django, no database: they say so in their docstring, and are held to it."""
    pure = [path for room in ROOMS for path in files(room) if "Pure" in docstring(path) and "tests" not in path.parts]
    assert {path.name for path in pure} >= {"rpc.py", "schemas.py", "pricing.py", "plausibility.py", "clock.py"}
    for path in pure:
        assert not {name for name in imported(path) if name.split(".")[0] in {"django", "channels"}}, path


BROAD = re.compile(r"^ *except (Base)?Exception( as \w+)?:(?P<why>.*)$|^ *except:", re.MULTILINE)


def test_who_catches_everything_says_why():
    for path in [path for room in ROOMS for path in files(room) if "tests" not in path.parts]:
        bare = [found[0] for found in BROAD.finditer(path.read_text()) if "# " not in (found["why"] or "")]
        assert bare == [], path


def test_every_exception_is_a_new_one():
    """One that is kept in a constant would collect the tracebacks of all who raise it, in all threads at once."""
    for path in [path for room in ROOMS for path in files(room)]:
        raised = [node.exc for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]
        names = {getattr(exc, "id", getattr(exc, "attr", "")) for exc in raised}
        assert {name for name in names if name.isupper()} == set(), path


def test_io_stays_at_the_edge():
    """`async def` only where sockets are."""
    found = [
        path.relative_to(ROOT)
        for room in ROOMS
        for path in files(room)
        if any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(ast.parse(path.read_text())))
        and not any(place in f"/{path.relative_to(ROOT)}" for place in ASYNC_ROOMS)
    ]
    assert found == []
