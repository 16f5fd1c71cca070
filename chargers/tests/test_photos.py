"""Photos of chargers: who adds them, who sees which, and when they go."""

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from chargers import departures, photos, pictures, pins, registry
from chargers.models import Charger, Photo
from chargers.tests.test_pictures import HEIC, encoded, from_a_phone, picture
from chargers.tests.test_session_pages import make_session
from conftest import make_user
from sharecharge.errors import Refused

Audience = Photo.Audience
SENT = {"description": "The gate", "audience": "everybody"}


def add(charger: Charger, *, audience: Audience = Audience.EVERYBODY, description: str = "The gate") -> Photo:
    return photos.add(charger, from_a_phone(), audience=audience, description=description)


def file(data: bytes = b"", name: str = "IMG_1.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or from_a_phone(), content_type="image/jpeg")


def page(charger: Charger) -> str:
    return reverse("charger_photos", args=[charger.pk])


@pytest.fixture(autouse=True)
def _nobody_has_sent_any_so_far() -> None:
    cache.clear()


@pytest.fixture
def poor(db: None) -> User:
    """A driver who may not charge anywhere: without money."""
    return make_user("Dora")


# ------------------------------------------------------------------------------------------------ who sees what


def test_what_is_for_everybody_is_kept_for_ever_and_depends_on_nobody(online: Charger, alice: User, client_of):
    photo = add(online)
    for client in (Client(), client_of(alice)):
        response = client.get(photo.url)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "image/jpeg")
        assert response.content == bytes(Photo.objects.with_file("large").get().large)
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Cookie" not in response.headers.get("Vary", "")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(Client().get(photo.small_url).content) < len(Client().get(photo.url).content)


def test_the_other_ones_are_for_who_may_know_the_address(online: Charger, alice, bob, oscar, poor, client_of):
    photo = add(online, audience=Audience.ADMITTED)
    seen = {user: client_of(user).get(photo.url).status_code for user in (alice, bob, oscar, poor)}
    assert seen == {alice: 200, bob: 200, oscar: 200, poor: 404}
    assert Client().get(photo.url).status_code == 404
    response = client_of(alice).get(photo.url)
    assert set(response.headers["Cache-Control"].split(", ")) == {"private", "no-cache"}
    assert "Cookie" in response.headers["Vary"]
    with CaptureQueriesContext(connection) as captured:
        again = client_of(alice).get(photo.url, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert '"chargers_photo"."large"' not in " ".join(query["sql"] for query in captured.captured_queries)
    make_session(online, poor, status="ended", stop_received_at=timezone.now(), ended_at=timezone.now())
    assert client_of(poor).get(photo.url).status_code == 200


def test_an_exact_place_for_everybody_opens_no_photo(online: Charger, poor: User, client_of):
    """Where it is and how the gate opens are two things."""
    gate, plug = add(online), add(online, audience=Audience.ADMITTED, description="The plug")
    Charger.objects.update(is_position_public=True)
    for client in (Client(), client_of(poor)):
        assert client.get(plug.url).status_code == 404
        assert plug.key not in client.get(online.get_absolute_url()).content.decode()
        told = client.get(f"/api/v1/chargers/{online.pk}").json()
        assert ([it["url"] for it in told["photos"]], told["address"]) == ([gate.url], online.address)


def test_a_private_charger_shows_none_to_strangers(online: Charger, alice: User, bob: User, client_of):
    photo = add(online)
    Charger.objects.update(access="private")
    assert Client().get(photo.url).status_code == 404
    assert client_of(alice).get(photo.url).status_code == 404
    response = client_of(bob).get(photo.url)
    assert (response.status_code, "private" in response.headers["Cache-Control"]) == (200, True)


def test_another_audience_is_another_address(online: Charger):
    photo = add(online)
    before = photo.url
    photos.change(photo, audience=Audience.ADMITTED, description="The plug")
    assert photo.url != before
    assert [Client().get(url).status_code for url in (before, photo.url)] == [404, 404]
    kept = photo.url
    photos.change(photo, audience=Audience.ADMITTED, description="The plug itself")
    assert photo.url == kept


def test_what_was_kept_of_a_charger_that_becomes_private_leads_nowhere(online: Charger, bob: User, client_of):
    photo = add(online)
    registry.set_access(online, Charger.Access.PRIVATE)
    assert client_of(bob).get(photo.url).status_code == 404
    moved = online.photos.get().url
    registry.set_access(online, Charger.Access.PRIVATE)
    assert client_of(bob).get(moved).status_code == 200
    registry.set_access(online, Charger.Access.PUBLIC)
    assert [Client().get(url).status_code for url in (photo.url, moved)] == [404, 200]


@pytest.mark.parametrize("size", ["medium", "key", "charger_id"])
def test_there_are_two_sizes(online: Charger, size: str):
    assert Client().get(reverse("photo", args=[add(online).key, size])).status_code == 404


def test_the_page_of_a_charger_shows_what_its_visitor_may_see(online: Charger, alice: User, poor: User, client_of):
    gate, plug = add(online), add(online, audience=Audience.ADMITTED, description="The plug")
    path = online.get_absolute_url()
    for client in (Client(), client_of(poor)):
        text = client.get(path).content.decode()
        assert gate.url in text
        assert f'property="og:image" content="http://127.0.0.1:8000{gate.url}"' in text
        assert plug.key not in text
    text = client_of(alice).get(path).content.decode()
    assert plug.small_url in text
    assert 'alt="The plug"' in text
    photos.put_first(plug)
    assert (
        f'property="og:image" content="http://127.0.0.1:8000{gate.url}"' in client_of(alice).get(path).content.decode()
    )


def test_without_a_photo_links_show_our_own_picture(online: Charger):
    assert "img/card.png" in Client().get(online.get_absolute_url()).content.decode()


def test_a_pin_has_the_first_one_that_is_for_everybody(online: Charger):
    [before] = pins.find(Charger.objects.listed(), limit=9)
    assert pins.pin(before)["photo_url"] == ""
    plug, gate = add(online, audience=Audience.ADMITTED), add(online)
    photos.put_first(plug)
    [after] = pins.find(Charger.objects.listed(), limit=9)
    assert pins.pin(after)["photo_url"] == gate.small_url
    assert pins.version([before]) != pins.version([after])
    text = Client().get("/").content.decode()
    assert f'src="{gate.small_url}"' in text
    assert plug.key not in text


def test_lists_never_load_the_bytes(online: Charger, bob: User, client_of):
    add(online)
    client = client_of(bob)
    for path in ("/", "/map/data/", online.get_absolute_url(), page(online), "/api/v1/chargers"):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        asked = " ".join(query["sql"] for query in captured.captured_queries)
        assert '"chargers_photo"' in asked
        assert '"chargers_photo"."large"' not in asked
        assert '"chargers_photo"."small"' not in asked


# ------------------------------------------------------------------------------------------------ owners


def test_an_owner_adds_one(online: Charger, bob: User, client_of):
    client = client_of(bob)
    assert client.post(page(online), {**SENT, "file": file()}).url == page(online)
    photo = Photo.objects.get()
    assert (photo.charger, photo.description, photo.audience) == (online, "The gate", "everybody")
    assert (photo.width, photo.height) == (640, 480)
    text = client.get(page(online)).content.decode()
    assert photo.small_url in text
    for address in (reverse("charger_settings", args=[online.pk]), reverse("charger_manage", args=[online.pk])):
        assert page(online) in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"description": " "}, "description"),
        ({"audience": "nobody"}, "audience"),
        ({"file": ""}, "file"),
        ({"file": (b"no picture", "IMG_2.jpg")}, "file"),
        ({"file": (HEIC, "IMG_3.HEIC")}, "file"),
    ],
)
def test_it_says_what_is_wrong(online: Charger, bob: User, client_of, change, field):
    change = {name: file(*value) if isinstance(value, tuple) else value for name, value in change.items()}
    response = client_of(bob).post(page(online), {**SENT, "file": file(), **change})
    assert response.status_code == 400
    assert field in response.context["form"].errors
    assert not Photo.objects.exists()


def test_many_at_once_are_too_many(online: Charger, bob: User, client_of, settings, monkeypatch):
    settings.ACCOUNT_RATE_LIMITS = {"add_photo": "2/m/user"}
    monkeypatch.setattr(photos, "MOST", 9)
    client = client_of(bob)
    for _photo in range(2):
        assert client.post(page(online), {**SENT, "file": file()}).status_code == 302
    refused = client.post(page(online), {**SENT, "file": file()})
    assert (refused.status_code, "Wait a minute" in refused.content.decode()) == (429, True)
    asked = {"alt": "The gate", "audience": "everybody", "file": file()}
    by_program = client.post(f"/api/v1/chargers/{online.pk}/photos", asked)
    assert by_program.status_code == 429
    assert Photo.objects.count() == 2


def test_at_most_four(online: Charger, bob: User, client_of):
    for _i in range(photos.MOST):
        add(online)
    with pytest.raises(Refused, match="at most 4"):
        add(online)
    assert 'name="file"' not in client_of(bob).get(page(online)).content.decode()


def test_order_words_and_end(online: Charger, bob: User, client_of):
    first, second, third = (add(online, description=text) for text in ("one", "two", "three"))
    client = client_of(bob)

    def post(name: str, photo: Photo, data: dict[str, str] | None = None) -> None:
        assert client.post(reverse(f"photo_{name}", args=[online.pk, photo.pk]), data).url == page(online)

    post("first", third)
    post("edit", second, {f"photo{second.pk}-description": "2", f"photo{second.pk}-audience": "admitted"})
    post("edit", first, {f"photo{first.pk}-description": "", f"photo{first.pk}-audience": "admitted"})  # refused
    assert [(it.description, it.audience) for it in online.photos.all()] == [
        ("three", "everybody"), ("one", "everybody"), ("2", "admitted"),
    ]  # fmt: skip
    post("delete", third)
    assert [it.description for it in online.photos.all()] == ["one", "2"]
    assert Client().get(third.url).status_code == 404


def test_one_that_somebody_else_has_just_deleted(online: Charger, bob: User, client_of):
    photo = add(online)
    seen = [Photo.objects.get(pk=photo.pk) for _i in range(3)]
    photos.delete(photo)
    edit, first, delete = seen
    for change in (
        lambda: photos.change(edit, audience=Audience.ADMITTED, description="The plug"),
        lambda: photos.put_first(first),
        lambda: photos.delete(delete),
    ):
        with pytest.raises(Refused, match="not there any more") as refused:
            change()
        assert refused.value.status == 404
    response = client_of(bob).post(reverse("photo_first", args=[online.pk, first.pk]))
    assert response.status_code == 404
    assert "This photo is not there any more." in response.content.decode()


def test_a_change_keeps_what_somebody_else_has_just_changed(online: Charger):
    photo = add(online)
    seen = Photo.objects.get(pk=photo.pk)
    photos.change(photo, audience=Audience.ADMITTED, description="The plug")
    photos.change(seen, audience=Audience.ADMITTED, description="The plug, at night")
    assert seen.key == photo.key


def test_a_file_that_is_too_large_is_not_read(online: Charger, bob: User, client_of, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 1000)
    monkeypatch.setattr(photos, "add", None)
    response = client_of(bob).post(page(online), {**SENT, "file": file()})
    assert response.status_code == 400
    assert response.context["form"].errors["file"] == [str(pictures.TOO_LARGE)]


@pytest.mark.parametrize("action", ["edit", "first", "delete"])
def test_nobody_touches_those_of_others(online: Charger, bob: User, alice: User, client_of, action: str):
    photo = add(online)
    mine = registry.register(owner=make_user("Otto", role="owner"), name="Mine", latitude=50.0, longitude=15.0).charger
    for user, charger in ((alice, online), (mine.owner, online), (mine.owner, mine)):
        address = reverse(f"photo_{action}", args=[charger.pk, photo.pk])
        assert client_of(user).post(address).status_code == 404
    assert client_of(alice).post(page(online), {**SENT, "file": file()}).status_code == 404
    assert [it.pk for it in online.photos.all()] == [photo.pk]


def test_they_go_with_their_charger_and_their_owner(online: Charger, bob: User):
    photo = add(online)
    registry.delete(online)
    assert not Photo.objects.exists()
    assert Client().get(photo.url).status_code == 404
    departures.leave(bob)
    with pytest.raises(Refused, match="no such charger"):
        add(online)


def test_an_operator_deletes_one(online: Charger, oscar: User, client_of):
    photo, other = add(online), add(online)
    client = client_of(oscar)
    assert photo.small_url in client.get("/admin/chargers/photo/").content.decode()
    client.post(f"/admin/chargers/photo/{photo.pk}/delete/", {"post": "yes"})
    assert [it.pk for it in Photo.objects.all()] == [other.pk]
    chosen = {"action": "delete_selected", "_selected_action": other.pk, "post": "yes"}
    client.post("/admin/chargers/photo/", chosen)
    assert not Photo.objects.exists()


# ------------------------------------------------------------------------------------------------ programs


def test_programs_see_what_people_see(online: Charger, alice: User, bob: User, poor: User, client_of):
    gate, plug = add(online), add(online, audience=Audience.ADMITTED, description="The plug")
    path = f"/api/v1/chargers/{online.pk}"
    for client in (Client(), client_of(poor)):
        [shown] = client.get(path).json()["photos"]
        assert shown == {
            "url": gate.url, "small_url": gate.small_url, "width": 640, "height": 480, "alt": "The gate",
        }  # fmt: skip
    assert [it["url"] for it in client_of(alice).get(path).json()["photos"]] == [gate.url, plug.url]
    [listed] = client_of(alice).get("/api/v1/chargers").json()["results"]
    assert [it["url"] for it in listed["photos"]] == [gate.url]
    own = client_of(bob).get(path).json()["photos"]
    assert [(it["id"], it["audience"]) for it in own] == [(gate.pk, "everybody"), (plug.pk, "admitted")]


def test_the_list_has_another_etag_with_another_photo(online: Charger):
    before = Client().get("/api/v1/chargers").headers["ETag"]
    photo = add(online)
    after = Client().get("/api/v1/chargers").headers["ETag"]
    photos.change(photo, audience=Audience.ADMITTED, description="The plug")
    assert len({before, after, Client().get("/api/v1/chargers").headers["ETag"]}) == 3


def test_a_program_adds_changes_and_deletes_one(online: Charger, bob: User, client_of):
    client, path = client_of(bob), f"/api/v1/chargers/{online.pk}/photos"
    made = client.post(path, {"file": file(), "alt": "The gate", "audience": "everybody"})
    assert made.status_code == 201, made.content
    photo = made.json()
    assert client.get(made.headers["Location"]).json() == photo
    changed = client.patch(f"{path}/{photo['id']}", {"audience": "admitted"}, content_type="application/json").json()
    assert (changed["audience"], changed["alt"]) == ("admitted", "The gate")
    assert changed["url"] != photo["url"]
    other = add(online)
    assert client.post(f"{path}/{other.pk}/first").json()["url"] == other.url
    assert [it.pk for it in online.photos.all()] == [other.pk, photo["id"]]
    assert client.delete(f"{path}/{photo['id']}").status_code == 204
    assert client.delete(f"{path}/{photo['id']}").status_code == 404


def test_a_program_is_told_what_is_wrong(online: Charger, bob: User, client_of):
    client, path = client_of(bob), f"/api/v1/chargers/{online.pk}/photos"

    def faults(**sent: object) -> tuple[int, list[str]]:
        answer = client.post(path, {"file": file(), "alt": "x", "audience": "everybody", **sent})
        return answer.status_code, [fault["field"] for fault in answer.json()["errors"]]

    for sent, field in (
        ({"file": file(HEIC)}, "file"), ({"alt": ""}, "alt"), ({"audience": "x"}, "audience"), ({"more": "x"}, "more"),
    ):  # fmt: skip
        assert faults(**sent) == (400, [field])
    big = encoded(picture()) + bytes(11 * 1024 * 1024)
    answer = client.post(path, {"file": file(big), "alt": "x", "audience": "everybody"})
    assert answer.status_code == 413
    assert client.post(path, {"alt": "x"}, content_type="application/json").status_code == 415
    assert not Photo.objects.exists()
