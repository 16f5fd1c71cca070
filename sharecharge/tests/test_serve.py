"""The command that starts the server. What it serves is tested where it is made."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sharecharge.testing.ports import free_port

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent.parent


def test_it_does_not_start_without_its_static_files(settings, tmp_path, db):
    settings.COLLECTED = tmp_path
    with pytest.raises(CommandError, match="collectstatic"):
        call_command("serve", no_migrate=True)


def test_it_starts_again_when_code_has_changed(tmp_path):
    module, output = tmp_path / "sitecustomize.py", tmp_path / "output"
    module.write_text("")  # every Python loads it, so it is watched
    options = ["--reload", "--no-migrate", "--no-sweep", "--port", str(free_port())]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "PYTHONPATH": str(tmp_path)}
    with output.open("w") as file:
        command = [sys.executable, "manage.py", "serve", *options]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.DEVNULL)
    try:
        starts, changed_at = 0, time.time()
        deadline = time.monotonic() + 60
        while starts < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
            starts = output.read_text().count("ShareCharge listens")
            if starts == 1:
                changed_at += 1  # again and again: the reloader may not have had its first look
                os.utime(module, (changed_at, changed_at))
        assert starts == 2
    finally:
        server.terminate()
        server.wait(timeout=15)
