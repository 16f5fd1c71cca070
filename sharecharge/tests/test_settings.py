"""A setting that cannot be used stops the start with a sentence that names it; every setting is described."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = ROOT / "sharecharge" / "settings.py"


def start(**environment: str) -> str:
    """What Django says when it starts with these settings; empty when all is well."""
    command = [sys.executable, "-c", "import django; django.setup()"]
    kept = {name: value for name, value in os.environ.items() if name not in environment}
    result = subprocess.run(
        command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode == 0) == (not result.stderr), result.stderr
    return result.stderr.strip().splitlines()[-1] if result.stderr else ""


def test_it_starts():
    assert start() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("CHARGER_PASSWORD_PEPPER", "short"),
        ("DEBUG", "maybe"),
        ("SITE_URL", "sharecharge.example"),
        ("DATABASE_URL", "mysql://x/y"),
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "http://x"),
        ("CURRENCY", "BTC"),
        ("PLATFORM_FEE_PERCENT", "101"),
        ("PLATFORM_FEE_PERCENT", "ten"),
        ("PLATFORM_FEE_PERCENT", "0.001"),
        ("HEARTBEAT_INTERVAL_SECONDS", "0"),
        ("SESSION_SILENCE_HOURS", "long"),
        ("TIME_ZONE", "Europe/Brno"),
        ("LOG_LEVEL", "LOUD"),
        ("PAYMENT_PROVIDER", "cash"),
        ("PORT", "0"),
        ("EMAIL_URL", "pigeon://x"),
        ("METER_VALUES_FULL_DAYS", "-1"),
        ("METER_VALUES_THIN_MINUTES", "0"),
        ("METRICS_TOKEN", "short"),
        ("SENTRY_DSN", "key@sentry"),
    ],
)
def test_a_bad_value_stops_the_start_with_a_sentence_that_names_it(name, value):
    sentence = start(**{name: value})
    assert re.match(rf".*ImproperlyConfigured: {name}( is not set|=)", sentence), sentence


def names_read() -> list[str]:
    calls = [node for node in ast.walk(ast.parse(SETTINGS.read_text())) if isinstance(node, ast.Call)]
    return [call.args[0].value for call in calls if getattr(call.func, "id", "") == "read"]


def test_every_setting_is_read_once_and_described():
    names = names_read()
    assert len(names) == len(set(names)) > 20
    described = set(re.findall(r"^# ?([A-Z_]+)=|^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {commented or plain for commented, plain in described} == set(names)
