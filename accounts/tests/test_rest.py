"""What every address of the API has in common: how it reads, counts and says no."""

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import override_settings
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient

from accounts.models import User
from accounts.rest.parsers import LIMIT_BYTES
from accounts.rest.permissions import IsPersonOrReads
from accounts.rest.serializers import ModelSerializer, Serializer
from accounts.rest.views import Door, Resource
from sharecharge.errors import Refused


class Wish(Serializer):
    name = serializers.CharField(max_length=5)
    number = serializers.IntegerField(required=False)
    owner = serializers.CharField(read_only=True)


class Wishes(Door):
    permission_classes = ()

    def get(self, request):
        raise Refused("not_today", "Not today.", status=409, field="name")

    def post(self, request):
        wish = Wish(data=request.data)
        wish.is_valid(raise_exception=True)
        return Response(wish.data)

    def delete(self, request):
        raise OperationalError("no connection") from type("Canceled", (Exception,), {"sqlstate": "57014"})()


class Person(ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "name", "created_at")


class People(Resource):
    permission_classes = (IsPersonOrReads,)
    serializer_class = Person

    def rows(self):
        return User.objects.all()

    def list(self, request):
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(self.rows()), many=True).data)


router = SimpleRouter(trailing_slash=False)
router.register("api/people", People, "person")
urlpatterns = [path("api/wishes", Wishes.as_view()), *router.urls]
handler404 = "sharecharge.views.not_found"

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def client() -> APIClient:
    return APIClient(raise_request_exception=False)


def test_every_fault_of_the_input_is_named(client):
    response = client.post("/api/wishes", {"name": "too long", "number": "x"}, format="json")
    assert response.status_code == 400
    answer = response.json()
    assert (answer["code"], answer["field"]) == ("max_length", "name")
    assert [(fault["code"], fault["field"]) for fault in answer["errors"]] == [
        ("max_length", "name"), ("invalid", "number"),
    ]  # fmt: skip


def test_a_misspelt_field_hides_no_other_fault(client):
    answer = client.post("/api/wishes", {"nmae": "a", "number": "x"}, format="json").json()
    assert {(fault["field"], fault["code"]) for fault in answer["errors"]} == {
        ("name", "required"), ("number", "invalid"), ("nmae", "unknown_field"),
    }  # fmt: skip


@pytest.mark.parametrize("field", ["nmae", "owner"])
def test_what_cannot_be_set_is_refused_not_ignored(client, field):
    answer = client.post("/api/wishes", {"name": "a", field: "b"}, format="json").json()
    assert (answer["code"], answer["field"]) == ("unknown_field", field)


def test_a_refusal_of_the_domain_keeps_its_code_and_field(client):
    response = client.get("/api/wishes")
    assert response.status_code == 409
    fault = {"code": "not_today", "detail": "Not today.", "field": "name"}
    assert response.json() == {**fault, "errors": [fault]}


@pytest.mark.parametrize("text", ["{", '{"name": NaN}', "[" * 5000, '{"name": "\\ud800"}'])
def test_what_is_no_json_is_said_to_be_none(client, text):
    response = client.post("/api/wishes", text, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "parse_error")


def test_a_body_that_is_too_large_is_not_read(client):
    response = client.post("/api/wishes", "x" * (LIMIT_BYTES + 1), content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_an_unknown_type_of_body_is_refused(client):
    response = client.post("/api/wishes", "<a/>", content_type="application/xml")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_an_address_that_does_not_exist_answers_in_the_same_shape(client):
    response = client.get("/api/nowhere")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_a_database_that_gives_up_asks_to_come_back(client):
    response = client.delete("/api/wishes")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert int(response["Retry-After"]) > 0


def test_sentences_come_in_the_language_that_was_asked_for(client):
    answer = client.get("/api/wishes?when=1", headers={"accept-language": "cs"}).json()
    assert answer["detail"] == "Takový parametr zde není."


# ------------------------------------------------------------------------------------------------ pages


def test_pages_are_followed_to_the_end_and_back(client, alice, bob, charlie):
    first = client.get("/api/people?limit=2").json()
    second = client.get(first["next"]).json()
    assert [row["name"] for row in first["results"] + second["results"]] == ["Charlie", "Bob", "Alice"]
    assert second["next"] is None
    assert client.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1e9", "٣", ""])
def test_a_page_has_one_to_a_hundred_rows(client, limit):
    response = client.get(f"/api/people?limit={limit}")
    assert (response.status_code, response.json()["field"]) == (400, "limit")


def test_a_made_up_cursor_is_refused(client, alice, bob, charlie):
    cursor = client.get("/api/people?limit=2").json()["next"].partition("cursor=")[2].partition("&")[0]
    for made_up in ("nonsense", "", cursor[:-1], "W251bGxd"):
        response = client.get(f"/api/people?cursor={made_up}")
        assert (response.status_code, response.json()["field"]) == (400, "cursor")


def test_times_are_utc(client, alice):
    [row] = client.get("/api/people").json()["results"]
    assert row["created_at"] == alice.created_at.isoformat().replace("+00:00", "Z")


def test_a_key_that_no_table_can_have_is_no_address(client):
    assert client.get(f"/api/people/{'9' * 30}").status_code == 404


# ------------------------------------------------------------------------------------------------ limits


@pytest.fixture
def _empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("_empty_cache")
def test_whoever_asks_too_often_is_told_when_to_go_on(client, alice):
    with override_settings(API_RATES={"nobody": "2/min", "person": "3/min", "commands": None}):
        assert [client.get("/api/people").status_code for _i in range(3)] == [200, 200, 429]
        refused = client.get("/api/people")
        assert (refused.json()["code"], int(refused["Retry-After"]) > 0) == ("throttled", True)
        client.force_authenticate(alice)
        assert [client.get("/api/people").status_code for _i in range(4)] == [200, 200, 200, 429]


@pytest.mark.usefixtures("_empty_cache")
def test_what_is_refused_is_counted_too(client):
    limits = {"nobody": "2/min", "person": "3/min", "commands": None, "entrances": None}
    with override_settings(API_RATES=limits):
        assert [client.post("/api/people", {}, format="json").status_code for _i in range(3)] == [401, 401, 429]
    cache.clear()
    with override_settings(API_RATES=limits):
        client.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
        assert [client.get("/api/people").status_code for _i in range(3)] == [401, 401, 429]


def test_other_origins_are_not_let_in_unless_a_setting_names_them(client):
    asked = {"origin": "https://app.example.org"}
    assert "Access-Control-Allow-Origin" not in client.get("/api/people", headers=asked)
    with override_settings(CORS_ALLOWED_ORIGINS=["https://app.example.org"]):
        assert client.get("/api/people", headers=asked)["Access-Control-Allow-Origin"] == "https://app.example.org"


def test_a_browser_may_send_the_headers_that_the_api_reads(client):
    asked = {
        "origin": "https://app.example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, idempotency-key, if-none-match",
    }
    with override_settings(CORS_ALLOWED_ORIGINS=["https://app.example.org"]):
        allowed = client.options("/api/people", headers=asked)["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "idempotency-key", "if-none-match"} <= set(allowed)
