"""Of a private charger strangers read nothing: no address of ours tells that it exists."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chargers import photos, problems, registry
from chargers.hours import week_of
from chargers.models import Charger
from chargers.tests.test_hours import EVENINGS
from chargers.tests.test_photos import add
from chargers.tests.test_session_pages import make_session
from chargers.urls import urlpatterns
from conftest import make_user

pytestmark = pytest.mark.django_db

# By what their addresses are made of.
BY_CODE = ("code",), ("code", "number")
OF_OWNERS = ("pk",), ("pk", "number"), ("pk", "photo")
# Their `pk` is another thing's; the last two are of whoever reported or owns.
OTHER_THINGS = {"session", "session_receipt", "session_course", "session_stop", "session_release", "command"} | {
    "report", "problem",
}  # fmt: skip
API = ("", "/photos/{photo}", "/commands", "/messages", "/attempts", "/connectors", "/connection")


def pages() -> dict[str, tuple[str, ...]]:
    """Every page that is about one charger, and what its address is made of."""
    named = {it.name: tuple(it.pattern.converters) for it in urlpatterns if it.name and it.name not in OTHER_THINGS}
    return {name: parts for name, parts in named.items() if parts in (*BY_CODE, *OF_OWNERS)}


@pytest.fixture
def private(online: Charger, alice) -> Charger:
    """With photos, hours and a report; it was public before."""
    add(online)
    add(online, audience=photos.Audience.ADMITTED, description="The plug")
    registry.set_hours(online, week_of(EVENINGS))
    problems.report(problems.Subject(online), by=alice, kind=problems.Kind.PLUG, text="The cable is cut.")
    registry.set_access(online, Charger.Access.PRIVATE)
    return online


@pytest.fixture(params=["nobody", "a driver", "another owner"])
def stranger(request, private, client_of) -> Client:
    if request.param == "nobody":
        return Client()
    return client_of(make_user("Otto", role="owner") if request.param == "another owner" else make_user("Dora"))


def test_all_kinds_of_pages_are_found():
    assert {"charger", "charger_qr", "charger_start", "charger_label", "charger_hours", "photo_edit"} < set(pages())


@pytest.mark.parametrize("name", pages())
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_tells_of_it(name: str, method: str, private: Charger, stranger: Client):
    values = {"code": private.code, "pk": private.pk, "number": 1, "photo": private.photos.first().pk}
    path = reverse(name, kwargs={part: values[part] for part in pages()[name]})
    response = getattr(stranger, method)(path, follow=True)  # the address of a form leads to its page
    is_asked_to_log_in = response.redirect_chain and response.redirect_chain[-1][0].startswith("/accounts/login/")
    assert is_asked_to_log_in or response.status_code in (404, 405), response
    assert private.name not in response.content.decode()


def test_who_was_there_may_report_and_reads_nothing_else(private: Charger, client_of):
    dora = make_user("Dora")
    make_session(private, dora, status="ended", stop_received_at=timezone.now(), ended_at=timezone.now())
    client, path = client_of(dora), private.get_absolute_url()
    assert client.get(f"{path}report/").status_code == 200
    assert [client.get(each).status_code for each in (path, f"{path}qr.svg", private.photos.first().url)] == [404] * 3


def test_no_photo_of_it_is_shown(private: Charger, stranger: Client):
    for photo in private.photos.all():
        assert [stranger.get(url).status_code for url in (photo.url, photo.small_url)] == [404, 404]


def test_no_list_has_it(private: Charger, stranger: Client):
    for path in ("/", "/map/data/", "/api/v1/chargers", f"/api/v1/chargers?code={private.code}", "/api/v1/connectors"):
        assert private.code not in stranger.get(path).content.decode().replace(f"code={private.code}", "")


@pytest.mark.parametrize("path", API)
def test_no_program_reads_it(path: str, private: Charger, stranger: Client, client_of):
    photo = private.photos.first().pk
    address = f"/api/v1/chargers/{private.pk}{path.format(photo=photo)}"
    assert client_of(private.owner).get(address).status_code == 200
    response = stranger.get(address)
    assert response.status_code in (401, 404), response.content


def test_no_program_adds_a_photo_or_finds_sessions(private: Charger, alice, stranger: Client):
    make_session(private, alice)
    assert stranger.post(f"/api/v1/chargers/{private.pk}/photos").status_code in (401, 404)
    response = stranger.get(f"/api/v1/sessions?charger={private.pk}")
    assert response.status_code == 401 or response.json()["results"] == []
