"""Every route of the API × method × subject, from the table in `roles/`; a route without a row fails."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.core.cache import cache
from django.db import transaction
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from accounts import logins, people, tokens
from accounts.models import User
from accounts.rest.authentication import TokenAuthentication
from sharecharge.tests.roles import accounts, billing, chargers, internal, webhooks
from sharecharge.tests.roles.row import SUBJECTS, Form, Row
from sharecharge.tests.roles.stage import Stage

pytestmark = pytest.mark.once

ROWS = [*accounts.ROWS, *billing.ROWS, *chargers.ROWS, *internal.ROWS, *webhooks.ROWS]
METHODS = ("get", "post", "put", "patch", "delete")


def routes() -> Iterator[tuple[str, str]]:
    """Method and name of everything that answers below /api/v1/."""
    return ((method, name) for method, name, _view in doors())


def doors() -> Iterator[tuple[str, str, Any]]:
    """The same with the class of the view."""
    for pattern in api_patterns(get_resolver().url_patterns):
        view = pattern.callback.view_class if hasattr(pattern.callback, "view_class") else pattern.callback.cls
        actions = getattr(pattern.callback, "actions", None)
        for method in actions or [method for method in METHODS if hasattr(view, method)]:
            if method in METHODS:
                yield method.upper(), str(pattern.name), view


def api_patterns(patterns: list[Any], *, inside: bool = False) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from api_patterns(pattern.url_patterns, inside=inside or pattern.namespace == "api")
        elif inside:
            yield pattern


def client_of(subject: User | None) -> APIClient:
    client = APIClient()
    if subject is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {logins.begin(subject).access_token}")
    return client


def ask(client: APIClient, row: Row, stage: Stage) -> int:
    """The status of the answer; whatever the request did is undone."""
    address = reverse(f"api:{row.route}", kwargs=row.address(stage)) + row.query.format(stage=stage)
    with transaction.atomic():
        response = client.generic(row.method, address, headers=row.headers, **encoded(row.body(stage)))
        transaction.set_rollback(True)
    return int(response.status_code)


def encoded(body: Any) -> dict[str, Any]:
    if isinstance(body, Form):
        return {"data": encode_multipart(BOUNDARY, body), "content_type": MULTIPART_CONTENT}
    return {} if body is None else {"data": orjson.dumps(body), "content_type": "application/json"}


@pytest.fixture
def _empty_cache() -> Iterator[None]:
    """All subjects come from one address, whose attempts are counted."""
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_everybody_gets_the_answer_of_the_table(row, stage):
    clients = {name: client_of(getattr(stage, name, None)) for name in SUBJECTS}
    people.set_active(stage.dora, active=False)
    answers = {name: ask(client, row, stage) for name, client in clients.items()}
    assert answers == dict(zip(SUBJECTS, map(int, row.answers.split()), strict=True))


def view_of(route: str) -> Any:
    """The class behind a route."""
    [found] = {view for _method, name, view in doors() if name == route}
    return found


def reads_tokens(row: Row) -> bool:
    """Not the doors of log-in, which ask nobody, and of services, which have keys."""
    return TokenAuthentication in view_of(row.route).authentication_classes


@pytest.mark.parametrize("row", [row for row in ROWS if reads_tokens(row)], ids=str)
def test_a_personal_token_opens_only_what_its_scopes_name(row, stage):
    view, right = view_of(row.route), "read" if row.method == "GET" else "write"
    others = [scope for scope in tokens.SCOPES if scope != f"{view.scope}:{right}"]
    _token, text = tokens.issue(stage.oscar, name="All but one", scopes=others)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    assert ask(client, row, stage) == 403
    if row.method in view.only_logged_in:
        _token, text = tokens.issue(stage.oscar, name="All", scopes=tokens.SCOPES)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        assert ask(client, row, stage) == 403


def test_every_route_has_its_row():
    assert set(routes()) == {(row.method, row.route) for row in ROWS}


def test_every_scope_of_a_view_is_one_that_a_token_can_have():
    scopes = {getattr(view, "scope", None) for _method, _name, view in doors()}
    assert scopes - {None} <= set(tokens.AREAS)
