"""What the image would do: its build steps and its commands, run from docker/ without Docker."""

import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from sharecharge.testing.containers import FOLDER, PRODUCTION, ROOT, compose, interpolate, stages
from sharecharge.testing.platform import url_of
from sharecharge.testing.ports import free_port

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql" or not settings.REDIS_URL, reason="production is PostgreSQL and Redis"
    ),
]

build, final = stages(FOLDER / "Dockerfile")
services = compose(PRODUCTION)["services"]
HOST = "charge.example.org"
GIVEN = {
    "DOMAIN": HOST,
    "SECRET_KEY": "of-this-test-of-this-test-of-this-test-of-this-test-of-this-test",
    "CHARGER_PASSWORD_PEPPER": "of-this-test-of-this-test-of-this-test-of-this-test",
    "POSTGRES_PASSWORD": "replaced",
}


def last(name: str) -> str:
    return [text for word, text in final if word == name][-1]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/app of the image: what .dockerignore lets in, and the build's own last step."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = [line.removeprefix("**/") for line in lines if (line and line[0] not in "#!*") or line.startswith("**/")]
    leave_out = shutil.ignore_patterns(*[pattern.rpartition("/")[2] for pattern in ignored])
    for name in [line[1:] for line in lines if line.startswith("!")]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    step = next(text for word, text in build if word == "RUN" and "collectstatic" in text)
    step = step.replace("/venv/bin/python", sys.executable).replace("/app", str(folder))
    done = subprocess.run(
        ["sh", "-c", step], cwd=folder, capture_output=True, text=True, env={"PATH": os.defpath}, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_schema_that_the_api_serves_is_in_it(app: Path):
    assert (app / "docs" / "openapi.yaml").read_bytes() == (ROOT / "docs" / "openapi.yaml").read_bytes()


def environment(service: str, app: Path, *, port: int) -> dict[str, str]:
    """What a container of this service finds, with the test's own servers and port."""
    image = dict(item.partition("=")[::2] for item in shlex.split(last("ENV").replace("/app", str(app))))
    given = {name: interpolate(str(value), GIVEN) for name, value in services[service]["environment"].items()}
    database = {"DATABASE_URL": url_of(connection.settings_dict), "REDIS_URL": settings.REDIS_URL}
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    return {**image, **given, **database, "PORT": str(port), "PATH": path}


@contextlib.contextmanager
def running(service: str, app: Path, *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [*json.loads(last("ENTRYPOINT")), *services[service]["command"]]
    process = subprocess.Popen(command, cwd=app, env=environment(service, app, port=port), stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_healthy(app: Path, process: subprocess.Popen[bytes], *, port: int) -> None:
    check = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    deadline = time.monotonic() + 60
    while subprocess.run(
        check, env=environment("web", app, port=port), stderr=subprocess.DEVNULL, check=False
    ).returncode:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never became healthy"


def get(port: int, path: str) -> http.client.HTTPResponse:
    """As the proxy asks for somebody who came by https."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", path, headers={"Host": HOST, "X-Forwarded-Proto": "https", "Accept-Encoding": "gzip"})
    return client.getresponse()


def written(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path: path.stat() for path in folder.rglob("*")}
    return {str(path): (seen.st_mtime_ns, seen.st_size) for path, seen in found.items()}


def test_every_process_of_the_composition_works_and_writes_nothing(app):
    before = written(app)
    with running("migrate", app, port=free_port()) as migrate:
        assert migrate.wait(timeout=60) == 0
    web_port, gateway_port = free_port(), free_port()
    with (
        running("web", app, port=web_port) as web,
        running("ocpp", app, port=gateway_port) as gateway,
        running("sweep", app, port=free_port()) as sweep,
    ):
        wait_until_healthy(app, web, port=web_port)
        wait_until_healthy(app, gateway, port=gateway_port)

        page = get(web_port, "/")
        assert page.status == 200
        styles = re.findall(r'href="(/static/css/app\.[0-9a-f]{12}\.css)"', page.read().decode())
        file = get(web_port, styles[0])
        assert (file.status, file.headers["Content-Encoding"]) == (200, "gzip")
        assert "immutable" in file.headers["Cache-Control"]

        assert get(gateway_port, "/").status == 404
        assert get(gateway_port, "/readyz").status == 200
        assert sweep.poll() is None
        for process in (web, gateway, sweep):
            process.terminate()
            assert process.wait(timeout=30) == 0
    assert written(app) == before


@pytest.mark.parametrize("missing", ["SECRET_KEY", "CHARGER_PASSWORD_PEPPER"])
def test_the_image_itself_refuses_to_start_without_a_secret(app, missing):
    without = {name: value for name, value in environment("web", app, port=free_port()).items() if name != missing}
    command = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
    done = subprocess.run(command, cwd=app, env=without, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"{missing} is not set" in done.stderr
