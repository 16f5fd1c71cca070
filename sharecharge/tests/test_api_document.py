"""docs/api.md does what it says: its commands, its client and its signature are run against a running platform."""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts import webhooks
from accounts.models import ApiToken
from billing.models import TopUp
from chargers.models import ChargingSession
from conftest import PASSWORD
from ocpp_gateway.simulator import Clock, Credentials, SimulatedCharger
from sharecharge.testing.platform import Platform

pytestmark = pytest.mark.once

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "api.md").read_text()
SCRIPT = "set -eu\n" + "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))


def client_module():
    spec = importlib.util.spec_from_file_location("client", DOCS / "examples" / "client.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["client"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def people(transactional_db, alice, bob):
    """They have passwords."""
    for person in (alice, bob):
        person.set_password(PASSWORD)
        person.save()
        person.emailaddress_set.get_or_create(email=person.email, defaults={"verified": True, "primary": True})
    return alice, bob


@pytest.fixture
def platform(people, connector):
    with Platform(connection.settings_dict) as running:
        yield running


async def with_charger(registered, platform, work):
    """Does `work` in a thread while the charger is connected and free; its cars come when they are asked to."""
    credentials = Credentials(registered.charger.identity, registered.password, "", 1)
    options = {"clock": Clock(60.0), "seed": 1, "cars_follow_remote_starts": True}
    async with SimulatedCharger(credentials, url=platform.charger_url, **options):
        await asyncio.to_thread(until_free, platform)
        return await asyncio.to_thread(work)


def until_free(platform):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{platform.url}/api/v1/chargers?free_now=true") as answer:
            if json.load(answer)["results"]:
                return
        time.sleep(0.05)
    raise TimeoutError("the charger never became free")


def test_its_client_finds_a_charger_and_charges_and_the_owner_sees_it(people, registered, connector, platform):
    alice, bob = people
    module = client_module()
    module.POLL_SECONDS = 0.1

    def charge():
        driver = module.Client(platform.url, email=alice.email, password=PASSWORD)
        [found] = driver.free_chargers(connector_type="Type2")
        assert found.id == registered.charger.pk
        assert found.plugs[0].price_per_kwh == Decimal("5.00")
        driver.access_token = "expired"  # it has to come back by its refresh token
        begun = driver.outcome(driver.start(found.id, plug=found.plugs[0].number))
        assert driver.outcome(driver.stop(begun.session)).state == "accepted"
        with pytest.raises(module.Refused) as refused:
            driver.start(0, plug=1)
        assert (refused.value.status, refused.value.code) == (404, "not_found")
        return begun.session

    session = asyncio.run(with_charger(registered, platform, charge))
    owner = module.Client(platform.url, email=bob.email, password=PASSWORD)
    assert [found.id for found in owner.hosted_in(datetime.now(UTC).date())] == [session]
    assert list(owner.hosted_in(datetime(2020, 12, 1, tzinfo=UTC).date())) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "python client.py https://"),
        (["https://share.example", "you@example.org", "charge", "garage"], "CHARGER is the number"),
        (["https://share.example", "you@example.org", "month", "2026-13"], "a month is 2026-11"),
        (["share.example", "you@example.org", "charge", "7"], "it begins with https://"),
        (["http://127.0.0.1:1", "you@example.org", "charge", "7"], "does not answer"),
    ],
)
def test_its_client_says_what_to_type(arguments, told):
    command = [sys.executable, DOCS / "examples" / "client.py", *arguments]
    done = subprocess.run(command, input="secret\n", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="NO curl: THE COMMANDS OF docs/api.md ARE NOT TRIED")
def test_its_commands_work_as_they_stand(people, registered, connector, platform):
    alice, _bob = people
    known = {
        "API": f"{platform.url}/api/v1", "EMAIL": alice.email, "PASSWORD": PASSWORD,
        "CHARGER": str(registered.charger.pk),
    }  # fmt: skip

    def run():
        return subprocess.run(
            ["sh", "-c", SCRIPT], env={**os.environ, **known}, capture_output=True, text=True, timeout=60, check=False
        )

    done = asyncio.run(with_charger(registered, platform, run))
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"code":' not in done.stdout.replace('"code":"' + registered.charger.code, "")
    assert ApiToken.objects.filter(user=alice, name="Home automation").exists()
    assert TopUp.objects.filter(user=alice, amount=50_000).exists()
    assert ChargingSession.objects.filter(user=alice).count() == 1


def test_its_check_of_a_signature_agrees_with_what_is_sent(bob):
    [example] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(example, defined)  # our own document
    check = defined["is_from_sharecharge"]
    hook = webhooks.create(bob, url="https://hooks.example/", listens_to=["session.started"])
    body, headers = webhooks.signed(webhooks.ping(hook))
    assert check(hook.secret, headers, body)
    assert not check(hook.secret, headers, body + b" ")
    assert not check(hook.secret, {**headers, "Webhook-Timestamp": "1"}, body)
