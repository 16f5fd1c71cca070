"""What every page has in common: health, headers, languages, errors, and no script or style inside the HTML."""

import re
from pathlib import Path
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from accounts import people
from accounts.models import User
from chargers.models import Charger
from conftest import PASSWORD

TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
SCRIPTS = sorted(Path(settings.BASE_DIR, "sharecharge", "static", "js").glob("*.js"))
LOGIC = {"if", "elif", "else", "endif", "for", "empty", "endfor", "include", "extends", "block", "endblock", "load",
         "url", "static", "translate", "blocktranslate", "endblocktranslate", "csrf_token", "with", "endwith",
         "querystring", "get_current_language", "get_current_timezone", "get_available_languages",
         "get_language_info_list", "element", "endelement", "slot", "endslot"}  # fmt: skip


def test_healthz_says_ok_without_a_database(django_db_blocker):
    assert Client().get("/healthz").content == b"ok"


def test_readyz_asks_the_database(db):
    response = Client().get("/readyz")
    assert response.status_code == 200
    assert response.json()["database"] == "ok"


def test_readyz_says_what_is_wrong(db):
    with mock.patch.object(connection, "cursor", side_effect=OperationalError("gone")):
        response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "database": "OperationalError", **redis_part()}


def redis_part() -> dict[str, str]:
    return {"redis": "ok"} if settings.REDIS_URL else {}


def test_readyz_asks_redis_when_there_is_one(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["redis"] == "ConnectionError"


def test_headers_are_strict(db):
    headers = Client().get("/").headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_scripts_styles_or_rules(template: Path):
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    is_mail = {"mail", "email"} & set(template.parts)  # which know of no style sheets
    assert is_mail or not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\|safe(?!\s*}}</div>)", text)
    tags = set(re.findall(r"{%-?\s*(\w+)", text))
    assert tags <= LOGIC, tags - LOGIC


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_build_no_html(script: Path):
    text = script.read_text()
    assert not re.search(
        r"\.innerHTML\s*[+]?=|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )


def test_a_new_device_speaks_as_letters_do(alice: User):
    """Until another language is chosen on it."""
    alice.set_password(PASSWORD)
    alice.save()
    people.set_language(alice, "cs")
    login = {"login": alice.email, "password": PASSWORD}
    device = Client(headers={"Accept-Language": "en"})
    device.post("/accounts/login/", login)
    page = device.get("/wallet/").content.decode()
    assert 'lang="cs"' in page.partition("<head>")[0]
    assert device.cookies["django_language"]["max-age"] > 10_000_000
    device = Client()
    device.post(reverse("set_language"), {"language": "en", "next": "/"})
    device.post("/accounts/login/", login)
    assert 'lang="en"' in device.get("/wallet/").content.decode().partition("<head>")[0]


def test_on_a_shared_device_each_reads_the_own_language(alice: User, bob: User):
    """Whether the one before logs out or is forgotten, until somebody chooses there."""
    for person, language in ((alice, "cs"), (bob, "en")):
        person.set_password(PASSWORD)
        person.save()
        people.set_language(person, language)
    device = Client(headers={"Accept-Language": "en"})

    def spoken(person: User | None = None) -> str:
        if person is not None:
            device.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
        return device.get("/", follow=True).content.decode().partition('<html lang="')[2][:2]

    assert spoken(alice) == "cs"
    device.post("/accounts/logout/")
    assert spoken() == "en"
    assert spoken(alice) == "cs"
    device.cookies.pop("sessionid")
    assert spoken(bob) == "en"
    device.post(reverse("set_language"), {"language": "cs", "next": "/"})
    device.post("/accounts/logout/")
    assert [spoken(), spoken(alice)] == ["cs", "cs"]
    people.set_language(bob, "en")
    device.post("/accounts/logout/")
    assert spoken(bob) == "cs"


def test_who_has_no_language_is_written_to_in_that_of_the_first_browser(alice: User):
    alice.set_password(PASSWORD)
    alice.save()
    for language in ("cs", "en"):
        device = Client(headers={"Accept-Language": language})
        device.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
        assert 'lang="cs"' in device.get("/wallet/").content.decode().partition("<head>")[0]
    alice.refresh_from_db()
    assert alice.language == "cs"


def test_who_has_no_language_does_not_read_that_of_the_one_before(alice: User, bob: User):
    for person in (alice, bob):
        person.set_password(PASSWORD)
        person.save()
    people.set_language(alice, "cs")
    device = Client(headers={"Accept-Language": "en"})
    device.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    device.cookies.pop("sessionid")
    device.post("/accounts/login/", {"login": bob.email, "password": PASSWORD})
    assert 'lang="en"' in device.get("/wallet/").content.decode().partition("<head>")[0]


def test_it_switches_the_language(db):
    client = Client()
    assert 'lang="en"' in client.get("/").content.decode()
    assert client.post(reverse("set_language"), {"language": "cs", "next": "/"}).url == "/"
    assert 'lang="cs"' in client.get("/").content.decode()
    assert 'lang="cs"' in Client(headers={"Accept-Language": "cs-CZ,cs;q=0.9"}).get("/").content.decode()


def test_errors_have_pages(alice: User, client_of):
    for client in (Client(), client_of(alice)):
        response = client.get("/nothing/here/")
        assert response.status_code == 404
        assert "There is nothing here" in response.content.decode()
    response = client_of(alice).get("/admin/")
    assert response.status_code in (302, 403)


def test_a_refusal_is_a_page_with_its_sentence(db, alice: User, client_of, settings):
    settings.PAYMENT_PROVIDER = "none"
    response = client_of(alice).post("/wallet/top-up/", {"amount": "10", "key": "k"})
    assert response.status_code == 503
    assert "Top-ups are not set up" in response.content.decode()


def test_a_crash_has_a_page_of_its_own(db):
    client = Client(raise_request_exception=False)
    with mock.patch("chargers.pins.of", side_effect=RuntimeError("boom")):
        response = client.get("/")
    assert response.status_code == 500
    assert "Něco se pokazilo" in response.content.decode()
    assert "boom" not in response.content.decode()


def test_forms_need_their_token(alice: User):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post("/cards/", {"uid": "04A1"})
    assert response.status_code == 403
    assert "Please try again" in response.content.decode()


@pytest.mark.parametrize(
    ("who", "links"),
    [(None, set()), ("alice", {"map", "sessions", "wallet", "cards", "profile", "become_owner"}),
     ("bob", {"map", "sessions", "wallet", "cards", "profile", "my_chargers"}),
     ("oscar", {"map", "sessions", "wallet", "cards", "profile", "my_chargers", "admin:index"})],
)  # fmt: skip
def test_the_menu_fits_the_person(db, who, links, request, client_of):
    client = client_of(request.getfixturevalue(who)) if who else Client()
    page = client.get("/").content.decode()
    every = {"map", "sessions", "wallet", "cards", "profile", "become_owner", "my_chargers", "admin:index"}
    assert {name for name in every if f'nav-link" href="{reverse(name)}"' in page} == links


def test_names_cannot_bring_html(online: Charger, client_of, alice: User):
    Charger.objects.update(name="<script>alert(1)</script>", city='"><img src=x onerror=alert(1)>')
    for path in ("/", online.get_absolute_url()):
        page = client_of(alice).get(path).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
