"""The schema of the API: complete, valid, and the committed copy is that of the code."""

import re
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

pytestmark = pytest.mark.once

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


def made_now() -> str:
    """Fails on whatever the generator had to guess, and on what is no valid OpenAPI."""
    out = StringIO()
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=out)
    return out.getvalue()


def test_the_committed_schema_is_that_of_the_code():
    assert made_now() == COMMITTED.read_text(), "./run manage spectacular --file docs/openapi.yaml"


def test_the_committed_one_is_served_and_known_by_its_etag():
    response = Client().get("/api/openapi.yaml", headers={"Accept-Language": "cs"})
    assert response.status_code == 200
    assert response.content == COMMITTED.read_bytes()
    assert yaml.safe_load(response.content)["openapi"].startswith("3.1")
    again = Client().get("/api/openapi.yaml", headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_examples_of_answers_have_the_fields_of_their_shapes():
    schema = yaml.safe_load(made_now())
    bodies = [
        body
        for operations in schema["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for body in answer.get("content", {}).values()
        if "examples" in body
    ]
    assert len(bodies) >= 4
    for body in bodies:
        shape = schema["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
        for example in body["examples"].values():
            assert example["value"].keys() == shape["properties"].keys()


def test_nothing_of_the_internal_api_is_in_it():
    assert "internal" not in made_now()


def test_every_operation_tells_how_it_says_no():
    for path, operations in yaml.safe_load(made_now())["paths"].items():
        for method, operation in operations.items():
            assert {"400", "429", "503"} <= operation["responses"].keys(), (method, path)
            assert "`" not in operation["summary"], (method, path)  # a heading, which knows no Markdown


@pytest.mark.parametrize("path", ["/api/docs/", "/api/docs/?script=", "/api/redoc/"])
def test_the_readers_load_nothing_from_elsewhere(db: None, path: str):
    response = Client().get(path)
    assert response.status_code == 200
    assert b"https://" not in response.content
    assert "cdn" not in response["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/"])
def test_the_readers_have_an_icon(db: None, path: str):
    [icon] = re.findall(r'<link rel="(?:shortcut )?icon"[^>]* href="([^"]+)"', Client().get(path).content.decode())
    assert Client().get(icon).status_code == 200
