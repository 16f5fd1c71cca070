"""People, cards and personal tokens, for programs."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import id_tags, people, tokens
from accounts.models import ApiToken, IdTag, User
from conftest import PASSWORD, make_user

FIELDS = {"id", "email", "name", "role", "is_active", "created_at"}


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def client_with(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def emails(response) -> list[str]:
    return [row["email"].partition("@")[0] for row in response.json()["results"]]


# ------------------------------------------------------------------------------------------------ people


def test_a_person_reads_and_renames_themselves(alice):
    client = client_of(alice)
    assert client.get("/api/v1/users/me").json().keys() == FIELDS
    assert client.get(f"/api/v1/users/{alice.pk}").json() == client.get("/api/v1/users/me").json()
    assert client.patch("/api/v1/users/me", {"name": " Alenka "}, format="json").json()["name"] == "Alenka"
    assert client.patch("/api/v1/users/me", {}, format="json").json()["name"] == "Alenka"
    assert client.patch("/api/v1/users/me", {"name": "  "}, format="json").json()["field"] == "name"


def test_a_browser_that_is_logged_in_may_write_only_from_our_pages(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get("/api/v1/users/me").status_code == 200
    response = browser.patch("/api/v1/users/me", '{"name": "Mallory"}', content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    "field", ["role", "is_active", "is_staff", "email", "balance", "id", "created_at", "password", "last_login"]
)
def test_only_the_name_is_ones_own_to_write(alice, field):
    response = client_of(alice).patch("/api/v1/users/me", {"name": "A", field: "admin"}, format="json")
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (400, "unknown_field", field)
    alice.refresh_from_db()
    assert (alice.name, alice.role) == ("Alice", User.Role.USER)


def test_a_driver_becomes_an_owner_by_asking(alice):
    assert client_of(alice).post("/api/v1/users/me/become-owner").json()["role"] == "owner"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["oscar", "charlie", "bob", "alice"]),
        ("?role=owner", ["bob"]),
        ("?is_active=false", ["charlie"]),
        ("?search=ALI", ["alice"]),
        ("?search=e@example", ["charlie", "alice"]),
        ("?ordering=email", ["alice", "bob", "charlie", "oscar"]),
        ("?ordering=-email&limit=2", ["oscar", "charlie"]),
        ("?ordering=id", ["alice", "bob", "charlie", "oscar"]),
    ],
)
def test_an_operator_finds_people(alice, bob, charlie, oscar, query, found):
    people.set_active(charlie, active=False)
    assert emails(client_of(oscar).get(f"/api/v1/users{query}")) == found


def test_pages_follow_the_ordering(alice, bob, charlie, oscar):
    client = client_of(oscar)
    first = client.get("/api/v1/users?ordering=email&limit=3")
    assert emails(client.get(first.json()["next"])) == ["oscar"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("role=king", "role"), ("ordering=password", "ordering"), ("ordering=", "ordering"), ("mail=x", "mail")],
)
def test_a_filter_that_makes_no_sense_is_refused(oscar, query, field):
    response = client_of(oscar).get(f"/api/v1/users?{query}")
    assert (response.status_code, response.json()["field"]) == (400, field)


def test_what_another_operator_changed_meanwhile_stays(alice, oscar):
    stale = User.objects.get(pk=alice.pk)
    people.set_active(alice, active=False)
    people.change(stale, by=oscar, name="Alice B.")
    alice.refresh_from_db()
    assert (alice.name, alice.is_active) == ("Alice B.", False)


def test_an_operator_changes_roles_and_switches_off(alice, oscar):
    client, address = client_of(oscar), f"/api/v1/users/{alice.pk}"
    changed = client.patch(address, {"role": "owner", "is_active": True, "name": "A"}, format="json").json()
    assert (changed["role"], changed["is_active"], changed["name"]) == ("owner", True, "A")
    assert client.delete(address).status_code == 204
    assert client.get(address).json()["is_active"] is False
    assert client.patch(address, {"email": "x@example.com"}, format="json").json()["field"] == "email"


def test_an_operator_cannot_lock_themselves_out(oscar):
    client, address = client_of(oscar), f"/api/v1/users/{oscar.pk}"
    for response in (
        client.delete(address),
        client.patch(address, {"is_active": False}, format="json"),
        client.patch(address, {"role": "user"}, format="json"),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "own_account")
    assert client.patch(address, {"role": "admin", "name": "O."}, format="json").status_code == 200


def test_no_password_leaves(alice, oscar):
    alice.set_password(PASSWORD)
    alice.save()
    answers = client_of(oscar).get("/api/v1/users").content + client_of(alice).get("/api/v1/users/me").content
    assert alice.password.encode() not in answers
    assert b"argon2" not in answers


# ------------------------------------------------------------------------------------------------ cards


def uids(response) -> list[str]:
    return [row["uid"] for row in response.json()["results"]]


def test_a_card_is_added_renamed_switched_and_deleted(alice):
    client = client_of(alice)
    added = client.post("/api/v1/id-tags", {"uid": "04:a1:b2:c3", "name": "Blue"}, format="json")
    assert (added.status_code, added.json()["uid"], added.json()["user"]) == (201, "04A1B2C3", alice.pk)
    address = added["Location"]
    assert client.patch(address, {"is_enabled": False, "name": ""}, format="json").json()["is_enabled"] is False
    assert client.patch(address, {"is_enabled": True}, format="json").json()["name"] == ""
    assert client.delete(address).status_code == 204
    assert client.get(address).json()["is_enabled"] is False
    refused = client.patch(address, {"is_enabled": True, "name": "Red"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "card_deleted")
    assert client.get(address).json()["name"] == ""


@pytest.mark.parametrize("field", ["uid", "user", "kind", "deleted_at", "parent", "expires_at", "id"])
def test_what_a_card_is_cannot_be_changed(alice, bob, alice_card, field):
    response = client_of(alice).patch(f"/api/v1/id-tags/{alice_card.pk}", {field: bob.pk}, format="json")
    assert (response.status_code, response.json()["field"]) == (400, field)


@pytest.mark.parametrize("field", ["user", "kind", "is_enabled", "owner_id"])
def test_a_driver_adds_cards_for_nobody_else(alice, bob, field):
    response = client_of(alice).post("/api/v1/id-tags", {"uid": "04FFEE01", field: bob.pk}, format="json")
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert not IdTag.objects.exists()


def test_an_operator_adds_a_card_for_somebody(alice, oscar):
    response = client_of(oscar).post("/api/v1/id-tags", {"uid": "04FFEE01", "user": alice.pk}, format="json")
    assert response.json()["user"] == alice.pk


@pytest.mark.parametrize("uid", ["", "x", "04 ž", "0" * 21, "04A1B2C3D4"])
def test_a_number_that_is_none_or_taken_is_refused(charlie, alice_card, uid):
    response = client_of(charlie).post("/api/v1/id-tags", {"uid": uid}, format="json")
    assert response.status_code in (400, 409)
    assert response.json()["field"] == "uid"
    assert "Alice" not in response.content.decode()


def test_lists_hold_ones_own_cards_and_for_operators_all(alice, charlie, oscar, alice_card):
    other = id_tags.issue(user=charlie, uid="04CC0001")
    id_tags.delete(other)
    id_tags.virtual_tag(alice)
    assert uids(client_of(alice).get("/api/v1/id-tags")) == [alice_card.uid]
    operator = client_of(oscar)
    assert uids(operator.get("/api/v1/id-tags")) == [other.uid, alice_card.uid]
    assert uids(operator.get(f"/api/v1/id-tags?user={charlie.pk}")) == [other.uid]
    assert uids(operator.get("/api/v1/id-tags?is_deleted=false")) == [alice_card.uid]
    assert uids(operator.get("/api/v1/id-tags?is_deleted=true")) == [other.uid]
    assert uids(operator.get("/api/v1/id-tags?is_enabled=true")) == [alice_card.uid]
    assert operator.get("/api/v1/id-tags?user=9999999999999999999999").status_code == 400


def test_the_tag_of_the_phone_is_never_shown(alice, oscar):
    tag = id_tags.virtual_tag(alice)
    for client in (client_of(alice), client_of(oscar)):
        assert client.get(f"/api/v1/id-tags/{tag.pk}").status_code == 404
        assert client.delete(f"/api/v1/id-tags/{tag.pk}").status_code == 404
    assert client_of(oscar).get(f"/api/v1/id-tags/lookup/{tag.uid}").status_code == 404


def test_an_operator_looks_a_card_up_by_its_number(oscar, alice_card):
    assert client_of(oscar).get("/api/v1/id-tags/lookup/04a1b2c3d4").json()["id"] == alice_card.pk
    for uid in ("04FFFFFF", "%00", "04%C5%BE", "0" * 21):
        assert client_of(oscar).get(f"/api/v1/id-tags/lookup/{uid}").status_code == 404


def test_a_holder_that_cannot_be_is_refused(oscar):
    response = client_of(oscar).post("/api/v1/id-tags", {"uid": "04FFEE01", "user": 10**30}, format="json")
    assert (response.status_code, response.json()["field"]) == (400, "user")


# ------------------------------------------------------------------------------------------------ personal tokens


def issue(user, *scopes, **fields) -> str:
    return tokens.issue(user, name="Home", scopes=scopes or tokens.SCOPES, **fields)[1]


def test_a_token_is_shown_once_and_works_until_it_is_revoked(alice):
    client = client_of(alice)
    made = client.post("/api/v1/tokens", {"name": "Home", "scopes": ["account:read"]}, format="json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    text = made.json()["token"]
    assert text.startswith(made.json()["prefix"])
    assert text not in client.get("/api/v1/tokens").content.decode()
    assert client_with(text).get("/api/v1/users/me").json()["email"] == alice.email
    assert client.delete(made["Location"]).status_code == 204
    refused = client_with(text).get("/api/v1/users/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")
    assert client.get(made["Location"]).status_code == 404


def test_the_database_knows_no_token(alice):
    text = issue(alice)
    [row] = ApiToken.objects.values()
    assert text not in str(row)


def test_a_token_expires(alice):
    with time_machine.travel(timezone.now(), tick=False) as moment:
        text = issue(alice, expires_at=timezone.now() + timedelta(hours=1))
        assert client_with(text).get("/api/v1/users/me").status_code == 200
        moment.shift(timedelta(hours=1))
        assert client_with(text).get("/api/v1/users/me").status_code == 401


def test_the_last_use_is_kept_to_the_minute(alice):
    with time_machine.travel(timezone.now(), tick=False) as moment:
        client, first = client_with(issue(alice)), timezone.now()
        for shift, expected in ((0, 0), (59, 0), (2, 61)):
            moment.shift(timedelta(seconds=shift))
            client.get("/api/v1/users/me")
            assert ApiToken.objects.get().last_used_at == first + timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["account:read"], "get", "users/me", 200),
        (["account:read"], "patch", "users/me", 403),
        (["account:write"], "patch", "users/me", 200),
        (["account:write"], "get", "users/me", 403),
        (["wallet:read"], "get", "users/me", 403),
        (["wallet:read"], "get", "wallet", 200),
        (tokens.SCOPES, "get", "tokens", 403),
        (tokens.SCOPES, "post", "tokens", 403),
        (tokens.SCOPES, "post", "password/change", 403),
        (tokens.SCOPES, "get", "users", 403),
    ],
)
def test_a_token_may_do_what_its_scopes_say(alice, scopes, method, path, status):
    client = client_with(issue(alice, *scopes))
    assert getattr(client, method)(f"/api/v1/{path}", format="json").status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "wallet/payouts"), ("patch", "users/1"), ("delete", "users/1"), ("delete", "users/me")],
)
def test_no_token_takes_money_out_or_changes_people(oscar, method, path):
    refused = getattr(client_with(issue(oscar, *tokens.SCOPES)), method)(f"/api/v1/{path}", {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def test_where_no_scope_is_declared_no_token_is_let_in(alice):
    client = client_with(issue(alice))
    assert client.get("/api/v1/tokens").json()["code"] == "scope_missing"
    assert client.get("/api/docs/").status_code == 403  # also where everybody else is


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"name": " "}, "name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"user": 1}, "user"),
        ({"token": "sc_mine"}, "token"),
        ({"prefix": "sc_mine"}, "prefix"),
        ({"last_used_at": None}, "last_used_at"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(alice, fields, field):
    body = {"name": "Home", "scopes": ["wallet:read"], **fields}
    response = client_of(alice).post("/api/v1/tokens", body, format="json")
    assert (response.status_code, response.json()["field"].partition(".")[0]) == (400, field)
    assert not ApiToken.objects.exists()


def test_one_has_so_many_tokens_and_no_more(alice):
    for _i in range(tokens.MOST):
        issue(alice, "wallet:read")
    response = client_of(alice).post("/api/v1/tokens", {"name": "x", "scopes": ["wallet:read"]}, format="json")
    assert (response.status_code, response.json()["code"]) == (409, "too_many_tokens")
    tokens.revoke(ApiToken.objects.latest("pk"))
    issue(alice, "wallet:read")


def test_a_token_ends_with_its_persons_account(alice):
    text = issue(alice)
    people.set_active(alice, active=False)
    assert client_with(text).get("/api/v1/users/me").status_code == 401


@pytest.mark.parametrize("text", ["sc_", "sc_x", "sc_\xff", "sc_x y"])
def test_a_made_up_token_is_nobodys(db, text):
    assert client_with(text).get("/api/v1/users/me").status_code == 401


def test_a_card_of_somebody_else_says_nothing(alice, charlie, alice_card):
    answer = client_of(charlie).get(f"/api/v1/id-tags/{alice_card.pk}")
    assert answer.status_code == 404
    assert alice_card.uid[:6] not in answer.content.decode()


def test_an_operator_is_found_by_role(oscar):
    make_user("Olga", role=User.Role.ADMIN)
    assert len(client_of(oscar).get("/api/v1/users?role=admin").json()["results"]) == 2
