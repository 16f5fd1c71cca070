"""A setting that cannot be used stops the start with a sentence that names it; every setting is described."""

import ast
import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.commands import migrate as django_migrate
from django.db import connection

pytestmark = pytest.mark.once

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
        ("STRIPE_SECRET_KEY", "pk_live_public"),
        ("STRIPE_WEBHOOK_SECRET", "https://x"),
    ],
)
def test_a_bad_value_stops_the_start_with_a_sentence_that_names_it(name, value):
    sentence = start(**{name: value})
    assert re.match(rf".*ImproperlyConfigured: {name}( is not set|=)", sentence), sentence


def test_stripe_needs_its_secrets():
    assert "STRIPE_SECRET_KEY is not set. PAYMENT_PROVIDER=stripe needs it" in start(PAYMENT_PROVIDER="stripe")
    with_key = {"PAYMENT_PROVIDER": "stripe", "STRIPE_SECRET_KEY": "sk_test_1"}
    assert "STRIPE_WEBHOOK_SECRET is not set" in start(**with_key)
    assert start(**with_key, STRIPE_WEBHOOK_SECRET="whsec_1") == ""


def test_debug_is_refused_where_others_can_reach_it():
    assert start(DEBUG="true", SITE_URL="http://localhost:8000") == ""
    sentence = start(DEBUG="true", SITE_URL="https://charge.example.org")
    assert "ImproperlyConfigured: DEBUG=true cannot be used with SITE_URL='https://charge.example.org'" in sentence


PRODUCTION = {
    "SECRET_KEY": string.ascii_letters,
    "SITE_URL": "https://charge.example.org",
    "TRUST_PROXY": "true",
    "PAYMENT_PROVIDER": "none",
}


def test_a_form_may_lead_on_to_the_payment():
    asked = "import django; django.setup(); from django.conf import settings as s; print(s.CONTENT_SECURITY_POLICY)"
    secrets = {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
    assert "checkout.stripe.com" in run_in_production("-c", asked, PAYMENT_PROVIDER="stripe", **secrets)
    assert "checkout.stripe.com" not in run_in_production("-c", asked)


def run_in_production(*command: str, **environment: str) -> str:
    """What a Django command prints with production settings; it must succeed."""
    variables = {**os.environ, **PRODUCTION, **environment}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_djangos_own_check_finds_nothing_in_production():
    postgres = "postgres://sharecharge@127.0.0.1/sharecharge"
    said = run_in_production("manage.py", "check", "--deploy", "--fail-level", "WARNING", DATABASE_URL=postgres)
    assert "no issues" in said


def test_what_the_url_of_the_database_says_wins_over_our_options():
    url = "postgres://u:p@db.example.org/x?sslmode=verify-full&options=-c%20statement_timeout%3D0"
    code = "from sharecharge import settings; print(settings.DATABASES['default']['OPTIONS'])"
    options = ast.literal_eval(run_in_production("-c", code, DATABASE_URL=url))
    assert options["sslmode"] == "verify-full"
    assert options["options"] == "-c statement_timeout=0"
    assert options["connect_timeout"] == 10


def names_read() -> list[str]:
    calls = [node for node in ast.walk(ast.parse(SETTINGS.read_text())) if isinstance(node, ast.Call)]
    return [call.args[0].value for call in calls if getattr(call.func, "id", "") == "read"]


def test_every_setting_is_read_once_and_described():
    names = names_read()
    assert len(names) == len(set(names)) > 20
    described = set(re.findall(r"^# ?([A-Z_]+)=|^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {commented or plain for commented, plain in described} == set(names)


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such limits")
def test_a_migration_may_take_longer_than_a_request(monkeypatch):
    """An index of a large table would be given up after half a minute, and the deploy with it."""
    seen = []

    def look(self, *args, **options):
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            seen.append(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "30s"
    monkeypatch.setattr(django_migrate.Command, "handle", look)
    call_command("migrate")
    assert seen == ["0"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "30s"
