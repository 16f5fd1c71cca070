"""Payloads against the official JSON schemas, which the `ocpp` package carries. Pure.

Validators are compiled once, on first use, for every schema that is there: a new action needs no entry here.
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
import orjson

# JSON schema keyword → error code. OCPP 1.6 spells two of them in its own way, and the errata keep them so.
CODES = {
    "required": "OccurenceConstraintViolation",
    "minItems": "OccurenceConstraintViolation",
    "maxItems": "OccurenceConstraintViolation",
    "type": "TypeConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "minimum": "PropertyConstraintViolation",
    "maximum": "PropertyConstraintViolation",
    "multipleOf": "PropertyConstraintViolation",
}
# Real chargers send extra fields, serial numbers of 26 characters and times of every kind. Refusing helps nobody: what
# is too long is cut, what is unknown is ignored, and clock.py reads any time.
TOLERATED = frozenset({"additionalProperties", "maxLength", "format"})


@cache
def actions(version: str) -> frozenset[str]:
    """Every action of this version of OCPP (`v16`), in either direction."""
    names = (file.name for file in resources.files(f"ocpp.{version}").joinpath("schemas").iterdir())
    return frozenset(
        name.removesuffix(".json") for name in names if name.endswith(".json") and not name.endswith("Response.json")
    )


@cache
def _validator(version: str, name: str) -> jsonschema_rs.Draft4Validator:
    text = resources.files(f"ocpp.{version}").joinpath("schemas", f"{name}.json").read_bytes()
    return jsonschema_rs.Draft4Validator(orjson.loads(text))


def violations(version: str, action: str, payload: Any, *, response: bool = False) -> Iterator[tuple[str, str]]:
    """(error code, what is wrong) for everything in a payload that cannot be tolerated.

    Told is where, and which keyword of the schema is broken; never the value, which may be the number of a card.
    """
    validator = _validator(version, f"{action}Response" if response else action)
    if validator.is_valid(payload):
        return
    for error in validator.iter_errors(payload):
        keyword = str(error.schema_path[-1]) if error.schema_path else ""
        if keyword not in TOLERATED:
            missing = [error.kind.property] if keyword == "required" else []  # type: ignore[attr-defined]  # only that kind
            where = ".".join(map(str, [*error.instance_path, *missing])) or action
            yield CODES.get(keyword, "FormationViolation"), f"{where}: {keyword}"
