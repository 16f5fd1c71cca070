"""Logins of programs: what a token is good for, and what ends it."""

import base64
import json
from datetime import timedelta
from urllib.parse import urlencode

import jwt
import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts import logins, people
from accounts import tokens as personal
from accounts.models import Login, User
from conftest import PASSWORD, make_user

NEW_PASSWORD = "a new horse, another battery"
LOGIN = "/api/v1/login/access-token"
REFRESH = "/api/v1/login/refresh"
FORM = "application/x-www-form-urlencoded"
REFUSED = (401, "token_not_valid")

pytestmark = pytest.mark.usefixtures("_empty_cache")


@pytest.fixture
def _empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def dora(db) -> User:
    return User.objects.create_user("dora@example.com", PASSWORD, name="Dora")


def log_in(**fields):
    return APIClient().post(LOGIN, {"username": "dora@example.com", "password": PASSWORD, **fields}, format="json")


def post(address, client=None, **body):
    return (client or APIClient()).post(address, body, format="json")


def client_with(token) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def who(token):
    response = client_with(token).get("/api/v1/users/me")
    return (response.status_code, response.json().get("email") or response.json()["code"])


# ------------------------------------------------------------------------------------------------ logging in


def test_the_password_form_of_oauth_logs_in(dora):
    form = urlencode({"username": "Dora@Example.com", "password": PASSWORD, "grant_type": "password", "scope": ""})
    response = Client().post(LOGIN, form, content_type=FORM)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    answer = response.json()
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 900)
    assert who(answer["access_token"]) == (200, "dora@example.com")


@pytest.mark.parametrize(
    ("text", "status"), [("username=%ff%00&password=x", 400), ("x=" + "y" * 300_000, 413), ("", 400)]
)
def test_a_form_that_makes_no_sense_is_refused(db, text, status):
    assert Client().post(LOGIN, text, content_type=FORM).status_code == status


def test_json_logs_in_too(dora):
    assert who(log_in().json()["access_token"]) == (200, "dora@example.com")


@pytest.mark.parametrize("fields", [{"password": "wrong"}, {"username": "nobody@example.com"}, {"username": "no"}])
def test_what_is_wrong_stays_untold(dora, fields):
    response = log_in(**fields)
    assert response.status_code == 401
    assert response.json() == {
        "code": "wrong_credentials",
        "detail": "E-mail address and password do not fit together.",
        "field": None,
        "errors": [],
    }


def test_a_deactivated_person_is_told_no_more_than_others(dora):
    people.set_active(dora, active=False)
    assert log_in().json()["code"] == "wrong_credentials"


@pytest.mark.parametrize("username", ["dora@example.com", "nobody@example.com"])
def test_as_much_is_hashed_for_an_account_that_does_not_exist(dora, username, monkeypatch):
    hashed = []

    def counted(method):
        def count(*arguments, **options):
            hashed.append(method)
            return method(*arguments, **options)

        return count

    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2PasswordHasher, name, counted(getattr(Argon2PasswordHasher, name)))
    assert log_in(username=username, password="wrong").status_code == 401
    assert len(hashed) == 2  # once by each backend


def test_attempts_are_counted_for_each_account_together_with_the_page(dora):
    for _i in range(3):
        assert log_in(password="wrong").status_code == 401
    for _i in range(2):
        Client().post("/accounts/login/", {"login": "dora@example.com", "password": "wrong"})
    refused = log_in()
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (429, "throttled", "60")
    page = Client().post("/accounts/login/", {"login": "dora@example.com", "password": PASSWORD})
    assert "Too many failed login attempts" in page.content.decode()


def test_attempts_are_counted_for_each_address(db):
    answers = [log_in(username=f"{index}@example.com").status_code for index in range(11)]
    assert answers == [401] * 10 + [429]


@override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=1)
def test_behind_a_proxy_the_address_is_not_the_proxys(dora):
    for index in range(11):
        log_in(username=f"{index}@example.com")
    headers = {"x-forwarded-for": "192.0.2.7"}
    body = {"username": "dora@example.com", "password": PASSWORD}
    assert APIClient().post(LOGIN, body, format="json", headers=headers).status_code == 200


def test_many_logins_are_too_many_even_if_the_password_is_right(dora):
    assert [log_in().status_code for _i in range(31)][-2:] == [200, 429]


# ------------------------------------------------------------------------------------------------ tokens


def forged(token: str, *, header=None, **claims) -> str:
    """The token with other claims and the old signature."""
    parts = token.split(".")
    for index, change in ((0, header), (1, claims)):
        if change:
            text = base64.urlsafe_b64decode(parts[index] + "==")
            changed = json.dumps({**json.loads(text), **change}).encode()
            parts[index] = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    return ".".join(parts)


def signed(token: str, key: str = settings.SIMPLE_JWT["SIGNING_KEY"], algorithm: str = "HS256", **claims) -> str:
    """The token with other claims, signed anew; None takes a claim away."""
    payload = {**jwt.decode(token, options={"verify_signature": False}), **claims}
    kept = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda token: forged(token, header={"alg": "none"}),
        lambda token: forged(token, header={"alg": "none"}).rpartition(".")[0] + ".",
        lambda token: signed(token, key="", algorithm="none"),
        lambda token: signed(token, algorithm="HS384"),
        lambda token: signed(token, key="another key another key another key another key"),
        lambda token: forged(token, user_id="1"),
        lambda token: forged(token, exp=2**32),
        lambda token: signed(token, exp=None),
        lambda token: signed(token, exp=1),
        lambda token: signed(token, iss="https://elsewhere.example"),
        lambda token: signed(token, aud="https://elsewhere.example/api"),
        lambda token: signed(token, token_type=None),
        lambda token: signed(token, token_type="refresh"),
        lambda token: signed(token, login=None),
        lambda token: signed(token, login=10**12),
        lambda token: signed(token, hash_password=None),
        lambda token: token[:-2],
        lambda token: "",
        lambda token: "x.y.z",
    ],
)
def test_a_token_that_was_tampered_with_is_nobodys(dora, tamper):
    access = logins.begin(dora).access_token
    assert client_with(tamper(access)).get("/api/v1/users/me").status_code == 401


def test_signed_with_our_key_the_tests_before_would_pass(dora):
    assert who(signed(logins.begin(dora).access_token)) == (200, "dora@example.com")


def test_a_login_is_of_one_person(dora, alice):
    access = logins.begin(dora).access_token
    assert who(signed(access, user_id=str(alice.pk))) == REFUSED
    assert who(str(AccessToken.for_user(dora))) == REFUSED  # of no login at all


def test_a_refresh_token_is_no_access_token_and_the_other_way_round(dora):
    tokens = logins.begin(dora)
    assert who(tokens.refresh_token)[0] == 401
    assert post(REFRESH, refresh_token=tokens.access_token).status_code == 401


def test_an_access_token_lives_for_a_quarter_of_an_hour(dora):
    with time_machine.travel(timezone.now(), tick=False) as moment:
        access = logins.begin(dora).access_token
        moment.shift(timedelta(minutes=14, seconds=59))
        assert who(access)[0] == 200
        moment.shift(timedelta(seconds=1))
        assert who(access)[0] == 401


def test_a_deactivated_person_is_out_at_once_whatever_they_hold(dora, client_of):
    tokens, browser = logins.begin(dora), client_of(dora)
    assert browser.get("/api/v1/users/me").status_code == 200
    people.set_active(dora, active=False)
    assert who(tokens.access_token) == REFUSED
    assert post(REFRESH, refresh_token=tokens.refresh_token).status_code == 401
    assert browser.get("/api/v1/users/me").status_code == 401


# ------------------------------------------------------------------------------------------------ refreshing


def test_a_refresh_token_is_good_once(dora):
    first = logins.begin(dora)
    second = post(REFRESH, refresh_token=first.refresh_token).json()
    assert who(second["access_token"])[0] == 200
    third = post(REFRESH, refresh_token=second["refresh_token"]).json()
    assert who(third["access_token"])[0] == 200


def test_a_refresh_token_that_comes_again_ends_its_login_and_no_other(dora):
    robbed, other = logins.begin(dora), logins.begin(dora)
    stolen = post(REFRESH, refresh_token=robbed.refresh_token).json()
    again = post(REFRESH, refresh_token=robbed.refresh_token)
    assert (again.status_code, again.json()["code"]) == REFUSED
    assert who(stolen["access_token"]) == REFUSED
    assert post(REFRESH, refresh_token=stolen["refresh_token"]).status_code == 401
    assert who(other.access_token)[0] == 200


def test_a_refresh_token_expires(dora):
    with time_machine.travel(timezone.now(), tick=False) as moment:
        tokens = logins.begin(dora)
        moment.shift(timedelta(days=30))
        assert post(REFRESH, refresh_token=tokens.refresh_token).status_code == 401
        assert logins.forget(timezone.now()) == 1
        assert not Login.objects.exists()


def test_a_login_that_goes_on_is_not_forgotten(dora):
    logins.begin(dora)
    assert logins.forget(timezone.now()) == 0


@pytest.mark.parametrize("text", ["", "x", "sc_x", str(RefreshToken())])
def test_what_is_no_refresh_token_of_ours_is_refused(db, text):
    assert post(REFRESH, refresh_token=text).status_code in (400, 401)


def test_logging_out_ends_all_tokens_of_the_login(dora):
    tokens = logins.begin(dora)
    assert post("/api/v1/logout", refresh_token=tokens.refresh_token).status_code == 204
    assert who(tokens.access_token) == REFUSED
    assert post(REFRESH, refresh_token=tokens.refresh_token).status_code == 401
    assert post("/api/v1/logout", refresh_token=tokens.refresh_token).status_code == 401


# ------------------------------------------------------------------------------------------------ passwords


def change(client, old=PASSWORD, new=NEW_PASSWORD):
    return post("/api/v1/password/change", client, old_password=old, password=new)


def test_a_new_password_ends_the_logins_of_the_old_one(dora):
    tokens = logins.begin(dora)
    response = change(client_with(tokens.access_token))
    assert (response.status_code, response.cookies) == (204, {})
    assert who(tokens.access_token) == REFUSED
    assert post(REFRESH, refresh_token=tokens.refresh_token).status_code == 401
    assert log_in().status_code == 401
    assert log_in(password=NEW_PASSWORD).status_code == 200


def test_the_browser_that_changes_the_password_stays_logged_in_and_others_do_not(dora, client_of):
    here, elsewhere = client_of(dora), client_of(dora)
    body = json.dumps({"old_password": PASSWORD, "password": NEW_PASSWORD})
    assert here.post("/api/v1/password/change", body, content_type="application/json").status_code == 204
    assert here.get("/api/v1/users/me").status_code == 200
    assert elsewhere.get("/api/v1/users/me").status_code == 401


def test_the_old_password_is_asked_for(dora):
    response = change(client_with(logins.begin(dora).access_token), old="wrong")
    assert (response.status_code, response.json()["field"]) == (400, "old_password")


def test_a_weak_password_is_refused(dora):
    response = change(client_with(logins.begin(dora).access_token), new="12345678")
    assert (response.status_code, response.json()["field"]) == (400, "password")


def test_the_old_password_cannot_be_guessed_for_ever(dora):
    client = client_with(logins.begin(dora).access_token)
    assert [change(client, old="wrong").status_code for _i in range(6)] == [400] * 5 + [429]


def test_too_many_fields_are_told_in_the_shape_of_all_errors(db):
    fields = urlencode({f"field{number}": "x" for number in range(1_500)})
    refused = APIClient().generic(
        "POST", "/api/v1/login/access-token", fields, content_type="application/x-www-form-urlencoded"
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "parse_error")


def key_of(message, after) -> str:
    return message.body.partition(after)[2].partition("/")[0]


def test_a_forgotten_password_is_set_anew_by_the_mails_key_once(dora):
    tokens = logins.begin(dora)
    assert post("/api/v1/password/reset", email="DORA@example.com").status_code == 202
    key = key_of(mail.outbox[-1], "/accounts/password/reset/key/")
    assert post("/api/v1/password/reset/confirm", key=key, password="1234").json()["field"] == "password"
    assert post("/api/v1/password/reset/confirm", key=key, password=NEW_PASSWORD).status_code == 204
    assert log_in(password=NEW_PASSWORD).status_code == 200
    assert who(tokens.access_token) == REFUSED
    again = post("/api/v1/password/reset/confirm", key=key, password=PASSWORD)
    assert (again.status_code, again.json()["code"]) == (400, "wrong_key")


@pytest.mark.parametrize("is_page", [False, True])
def test_a_reset_ends_the_tokens_that_a_thief_may_have_made(dora, is_page):
    _token, text = personal.issue(dora, name="Thief", scopes=["account:read"])
    post("/api/v1/password/reset", email=dora.email)
    key = key_of(mail.outbox[-1], "/accounts/password/reset/key/")
    if is_page:
        browser = Client()
        form = browser.get(f"/accounts/password/reset/key/{key}/").url
        assert browser.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}).status_code == 302
    else:
        post("/api/v1/password/reset/confirm", key=key, password=NEW_PASSWORD)
    assert who(text) == REFUSED


def test_the_mail_of_the_confirmation_is_sent_again(dora):
    path, client = "/api/v1/email/resend", client_with(logins.begin(dora).access_token)
    assert client.post(path).status_code == 202
    confirmed = post("/api/v1/email/confirm", key=key_of(mail.outbox[-1], "/accounts/confirm-email/"))
    assert confirmed.status_code == 204
    cache.clear()
    assert client.post(path).json()["code"] == "email_confirmed"
    assert len(mail.outbox) == 1


def test_another_address_replaces_the_old_one_when_it_is_confirmed(dora):
    path, client = "/api/v1/email/change", client_with(logins.begin(dora).access_token)
    wrong = post(path, client, email="new@example.com", password="wrong")
    assert (wrong.status_code, wrong.json()["field"], len(mail.outbox)) == (400, "password", 0)
    assert post(path, client, email="New@example.com", password=PASSWORD).status_code == 202
    assert mail.outbox[-1].to == ["new@example.com"]
    dora.refresh_from_db()
    assert dora.email == "dora@example.com"
    assert post("/api/v1/email/confirm", key=key_of(mail.outbox[-1], "/accounts/confirm-email/")).status_code == 204
    dora.refresh_from_db()
    assert dora.email == "new@example.com"
    assert log_in(username="new@example.com").status_code == 200
    assert log_in().status_code == 401


def test_whether_an_address_is_somebodys_is_told_to_its_holder_only(dora, alice):
    path, client = "/api/v1/email/change", client_with(logins.begin(dora).access_token)
    answers = [post(path, client, email=name, password=PASSWORD) for name in ("ALICE@example.com", "free@example.com")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2
    assert [message.to for message in mail.outbox] == [["alice@example.com"], ["free@example.com"]]
    assert "/confirm-email/" not in mail.outbox[0].body


def test_an_address_that_somebody_took_meanwhile_is_not_confirmed(dora):
    client = client_with(logins.begin(dora).access_token)
    post("/api/v1/email/change", client, email="new@example.com", password=PASSWORD)
    make_user("New")
    answer = post("/api/v1/email/confirm", key=key_of(mail.outbox[-1], "/accounts/confirm-email/"))
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    dora.refresh_from_db()
    assert dora.email == "dora@example.com"


def test_the_old_address_is_told_that_it_was_replaced(dora, django_capture_on_commit_callbacks):
    client = client_with(logins.begin(dora).access_token)
    post("/api/v1/email/change", client, email="new@example.com", password=PASSWORD)
    with django_capture_on_commit_callbacks(execute=True):
        post("/api/v1/email/confirm", key=key_of(mail.outbox[-1], "/accounts/confirm-email/"))
    assert mail.outbox[-1].to == ["dora@example.com"]
    assert "another address now: new@example.com" in mail.outbox[-1].body


@pytest.mark.parametrize("address", ["nonsense", "dora@example.com"])
def test_an_address_that_cannot_be_taken_is_told_by_its_field(dora, alice, address):
    answer = post(
        "/api/v1/email/change", client_with(logins.begin(dora).access_token), email=address, password=PASSWORD
    )
    assert (answer.status_code, answer.json()["field"], mail.outbox) == (400, "email", [])


@pytest.mark.parametrize("key", ["", "-", "x", "zzzzzzzzzzzzz-x", "1-\0", "1-x" * 60])
def test_a_made_up_key_sets_no_password(dora, key):
    assert post("/api/v1/password/reset/confirm", key=key, password=NEW_PASSWORD).status_code == 400


def test_a_reset_for_nobody_answers_the_same(dora):
    answers = [post("/api/v1/password/reset", email=f"{name}@example.com") for name in ("dora", "nobody")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2
    assert len(mail.outbox) == 2


def test_whoever_was_deactivated_gets_no_new_password(dora):
    post("/api/v1/password/reset", email=dora.email)
    key = key_of(mail.outbox[-1], "/accounts/password/reset/key/")
    people.set_active(dora, active=False)
    assert post("/api/v1/password/reset/confirm", key=key, password=NEW_PASSWORD).status_code == 400
    post("/api/v1/password/reset", email=dora.email)
    assert "/password/reset/key/" not in mail.outbox[-1].body


def test_resets_for_one_address_are_limited(db):
    answers = [post("/api/v1/password/reset", email="x@example.com").status_code for _i in range(6)]
    assert answers == [202] * 5 + [429]


# ------------------------------------------------------------------------------------------------ signing up


def sign_up(**fields):
    return post("/api/v1/users", **{"name": "Erika", "email": "Erika@example.com", "password": PASSWORD, **fields})


def test_somebody_signs_up_and_confirms_the_address(db):
    response = sign_up()
    erika = User.objects.get()
    assert response.status_code == 201
    assert response["Location"].endswith(f"/api/v1/users/{erika.pk}")
    assert {name: response.json()[name] for name in ("email", "name", "role", "is_active")} == {
        "email": "erika@example.com", "name": "Erika", "role": "user", "is_active": True,
    }  # fmt: skip
    assert response.cookies == {}
    key = key_of(mail.outbox[-1], "/accounts/confirm-email/")
    assert post("/api/v1/email/confirm", key=key).status_code == 204
    assert erika.emailaddress_set.get().verified
    assert post("/api/v1/email/confirm", key=key).json()["code"] == "wrong_key"


@pytest.mark.parametrize("field", ["role", "balance", "is_staff", "is_active", "id", "is_superuser", "created_at"])
def test_nobody_makes_themselves_more_than_a_driver(db, field):
    response = sign_up(**{field: "admin"})
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert not User.objects.exists()


def test_an_address_that_is_taken_is_told_as_on_the_page(dora):
    response = sign_up(email="DORA@example.com")
    assert (response.status_code, response.json()["field"]) == (400, "email")
    form = {"name": "E", "email": "dora@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert response.json()["detail"] in Client().post("/accounts/signup/", form).content.decode()


def test_a_weak_password_does_not_sign_up(db):
    assert sign_up(password="12345678").json()["field"] == "password"


def test_sign_ups_from_one_address_are_limited(db):
    answers = [sign_up(email=f"{index}@example.com", password="1").status_code for index in range(21)]
    assert answers == [400] * 20 + [429]


def test_make_user_has_no_password_to_log_in_with(db):
    make_user("Nora")
    assert log_in(username="nora@example.com", password="!").status_code == 401
