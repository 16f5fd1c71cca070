"""Reads what docker/ says, so that tests can hold it to rules and run what an image would run, without Docker."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docker"
PRODUCTION = "compose.yaml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
# The lists that an override replaces; it adds to all others.
REPLACED = {"command", "entrypoint", "test"}


def stages(dockerfile: Path) -> list[list[tuple[str, str]]]:
    """The instructions of each stage of a Dockerfile: (RUN, `pip install …`)."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, joined.splitlines()):
        word, _blank, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def compose(*names: str) -> dict[str, Any]:
    """One or more compose files, each merged over those before it, as `docker compose -f … -f …` does."""
    result: dict[str, Any] = {}
    for name in names:
        result = merge(result, yaml.safe_load((FOLDER / name).read_text()))
    return result


def merge(base: Any, over: Any, *, key: str = "") -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{name: merge(base.get(name), value, key=name) for name, value in over.items()}}
    if isinstance(base, list) and isinstance(over, list) and key not in REPLACED:
        return [*base, *(item for item in over if item not in base)]
    return over


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """`${A}`, `${A:-otherwise}`, `${A:?refused without it}`; a LookupError is what compose refuses to start with."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found["name"], found["kind"], found["text"]
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise LookupError(f"{name}: {otherwise}")
        return otherwise or ""

    return VARIABLE.sub(value, text)
