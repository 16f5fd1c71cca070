"""Backup and restore, with the commands of docs/deploy.md: a dump of a busy database makes a sound one."""

import base64
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from accounts.models import IdTag
from billing import ledger
from billing.models import Transfer
from chargers import clock, database, sessions
from chargers.registry import Registered
from ocpp_gateway import provisioning
from sharecharge.testing import servers
from sharecharge.testing.platform import ROOT, Platform, url_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="a SQLite file is copied"),
]

LATE_ENTRY = """
    INSERT INTO billing_entry (transfer_id, account_id, amount)
    SELECT transfer_id, account_id, 1 FROM billing_entry LIMIT 1
"""
FORBIDDEN = [
    "UPDATE billing_entry SET amount = 0",
    "DELETE FROM billing_transfer",
    "TRUNCATE billing_entry",
    LATE_ENTRY,
]


@pytest.fixture
def programs() -> Path:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0]) // 10_000
    return servers.postgresql_programs(version) or pytest.skip(f"there is no pg_dump for PostgreSQL {version}")


@pytest.fixture
def fleet(bob) -> list[tuple[Registered, IdTag]]:
    """Four wallboxes, each with a driver who has 10 000.00."""
    chargers = provisioning.fleet([bob], numbers=range(4), price_per_kwh=1000, rng=random.Random(1))
    drivers = [provisioning.driver(f"d{n}@example.org", name=f"Driver {n}", balance=1_000_000) for n in range(4)]
    return list(zip(chargers, drivers, strict=True))


class Busy:
    """Sessions that start, stop and are billed one after the other at every wallbox, until the end of the block."""

    def __init__(self, fleet: list[tuple[Registered, IdTag]]) -> None:
        self.fleet, self.ended = fleet, threading.Event()
        self.executor = ThreadPoolExecutor(len(fleet))
        self.work: list[Future[None]] = []

    def __enter__(self) -> "Busy":
        self.work = [self.executor.submit(self._charge, *pair) for pair in self.fleet]
        return self

    def __exit__(self, *exception: object) -> None:
        self.ended.set()
        self.executor.shutdown()
        for done in self.work:
            done.result()

    def wait_for_more_than(self, count: int) -> int:
        """Returns the number of bills."""
        while (found := billed()) <= count:
            assert not any(work.done() for work in self.work), "nobody charges any more"
            time.sleep(0.01)
        return found

    def _charge(self, registered: Registered, card: IdTag) -> None:
        register_wh = 0
        try:
            while not self.ended.is_set():
                database.run(self._session, registered.charger, card, register_wh)
                register_wh += 500
        finally:
            connection.close()

    def _session(self, charger, card: IdTag, register_wh: int) -> None:
        at = timezone.now()
        moment = clock.read(at.isoformat(), received_at=at)
        tag = card.uid
        started = sessions.start(
            charger, connector_id=1, id_tag_text=tag, meter_start_wh=register_wh, moment=moment, received_at=at
        )
        sessions.stop(
            charger, transaction_id=started.session.pk, transaction_text="", id_tag_text=tag,
            meter_stop_wh=register_wh + 500, reason="Local", moment=moment, received_at=at,
        )  # fmt: skip


def billed() -> int:
    return Transfer.objects.filter(kind=Transfer.Kind.SESSION).count()


@pytest.fixture
def restored(programs, fleet, tmp_path) -> Iterator[dict[str, object]]:
    """The settings of a fresh database that a dump of the busy one was restored into."""
    ours, dump = connection.settings_dict, tmp_path / "sharecharge.dump"
    name = f"{ours['NAME']}_restored"
    fresh = {**ours, "NAME": name}
    with Busy(fleet) as busy:
        before = busy.wait_for_more_than(40)
        subprocess.run([programs / "pg_dump", "-Fc", "--file", dump, url_of(ours)], check=True)
        after = busy.wait_for_more_than(before)
    with psycopg.connect(url_of(ours), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            restore = [programs / "pg_restore", "--exit-on-error", "--no-owner", "--dbname", url_of(fresh), dump]
            subprocess.run(restore, check=True)
            with psycopg.connect(url_of(fresh)) as copy:
                kept = copy.execute("SELECT count(*) FROM billing_transfer WHERE kind = 'session'").fetchall()[0][0]
            assert before <= kept <= after
            yield fresh
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def manage(database: dict[str, object], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    environment = {**os.environ, "DATABASE_URL": url_of(database)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_dump_of_a_busy_database_makes_a_sound_one(restored):
    checked = manage(restored, "check_ledger")
    assert (checked.returncode, "The ledger is sound" in checked.stdout) == (0, True), checked.stderr
    assert manage(restored, "migrate", "--check").returncode == 0
    with psycopg.connect(url_of(restored), autocommit=True) as copy:
        for change in FORBIDDEN:
            with pytest.raises(psycopg.errors.RestrictViolation):
                copy.execute(change)
        copy.execute("UPDATE billing_account SET balance = balance + 1 WHERE kind = 'platform'")
    checked = manage(restored, "check_ledger")
    assert (checked.returncode, "The ledger contradicts itself" in checked.stderr) == (1, True)


def test_the_check_takes_no_money_that_moves_for_a_breach(fleet):
    with Busy(fleet) as busy:
        assert [breach for _look in range(100) for breach in ledger.breaches()] == []
        busy.wait_for_more_than(billed())


def test_wallboxes_come_back_to_the_restored_database_if_the_pepper_was_kept(restored, fleet):
    registered, _card = fleet[0]
    with Platform(restored) as platform:
        knock(platform, registered)
    with (
        Platform(restored, CHARGER_PASSWORD_PEPPER="another-pepper-another-pepper-another") as platform,
        pytest.raises(InvalidStatus) as refused,
    ):
        knock(platform, registered)
    assert refused.value.response.status_code == 401


def knock(platform: Platform, registered: Registered) -> None:
    identity = registered.charger.identity
    token = base64.b64encode(f"{identity}:{registered.password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}"}
    url, ocpp = f"{platform.charger_url}/{identity}", [Subprotocol("ocpp1.6")]
    with connect(url, subprotocols=ocpp, additional_headers=headers):
        pass
