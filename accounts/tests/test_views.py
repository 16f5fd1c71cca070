"""Cards, signing up, logging in, and becoming an owner."""

import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import people
from accounts.models import IdTag, User
from conftest import PASSWORD


@pytest.mark.parametrize("name", ["cards", "become_owner"])
def test_it_asks_anonymous_visitors_to_log_in(db, name):
    response = Client().get(reverse(name))
    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/?next=")


# ------------------------------------------------------------------------------------------------ cards


def test_it_adds_a_card(alice: User, client_of):
    response = client_of(alice).post("/cards/", {"uid": "04:a1:b2:c3", "name": "Work"}, follow=True)
    assert response.status_code == 200
    assert "Work" in response.content.decode()
    assert IdTag.objects.get().uid == "04A1B2C3"


@pytest.mark.parametrize(
    ("uid", "sentence"),
    [("", "required"), ("x" * 21, "at most 20 characters"), ("kárta", "letters and digits"), ("04A", "at least 4"),
     (" : ", "Type the number")],
)  # fmt: skip
def test_it_says_what_is_wrong_with_a_number(alice: User, client_of, uid, sentence):
    response = client_of(alice).post("/cards/", {"uid": uid})
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert not IdTag.objects.exists()


def test_the_address_of_a_switch_leads_back_to_the_cards(alice: User, alice_card: IdTag, client_of):
    assert client_of(alice).get(reverse("card_switch", args=[alice_card.pk])).url == "/cards/"


def test_it_does_not_say_whose_card_it_is(charlie: User, alice_card: IdTag, client_of):
    page = client_of(charlie).post("/cards/", {"uid": alice_card.uid}).content.decode()
    assert "already registered" in page
    assert "Alice" not in page


def test_it_switches_and_deletes_after_asking(alice: User, alice_card: IdTag, client_of):
    client = client_of(alice)
    client.post(reverse("card_switch", args=[alice_card.pk]), {"enabled": "false"})
    alice_card.refresh_from_db()
    assert not alice_card.is_enabled
    client.post(reverse("card_switch", args=[alice_card.pk]), {"enabled": "true"})
    delete = reverse("card_delete", args=[alice_card.pk])
    assert "history stays" in client.get(delete).content.decode()
    alice_card.refresh_from_db()
    assert alice_card.is_enabled
    client.post(delete)
    alice_card.refresh_from_db()
    assert alice_card.deleted_at
    assert client.get(delete).status_code == 404
    assert alice_card.uid not in client.get("/cards/").content.decode()


@pytest.mark.parametrize("name", ["card_switch", "card_delete"])
def test_a_foreign_card_is_not_there(charlie: User, alice_card: IdTag, client_of, name):
    assert client_of(charlie).post(reverse(name, args=[alice_card.pk])).status_code == 404
    alice_card.refresh_from_db()
    assert alice_card.is_enabled


# ------------------------------------------------------------------------------------------------ owners


def test_it_makes_a_driver_an_owner(alice: User, client_of):
    client = client_of(alice)
    assert client.get("/my/become-owner/").status_code == 200
    assert client.post("/my/become-owner/").url == "/my/chargers/add/"
    alice.refresh_from_db()
    assert alice.role == User.Role.OWNER


def test_an_operator_stays_an_operator(oscar: User):
    people.become_owner(oscar)
    assert oscar.role == User.Role.ADMIN


# ------------------------------------------------------------------------------------------------ login


@pytest.fixture
def dora(db) -> User:
    return User.objects.create_user("Dora@Example.com", PASSWORD, name="Dora")


def log_in(client: Client, email: str = "dora@example.com", password: str = PASSWORD, **extra):
    return client.post("/accounts/login/", {"login": email, "password": password, **extra})


def test_it_signs_up(db):
    client = Client()
    assert client.get("/accounts/signup/").status_code == 200
    form = {"name": "Erika", "email": "erika@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/signup/", form).status_code == 302
    erika = User.objects.get(email="erika@example.com")
    assert (erika.name, erika.role) == ("Erika", User.Role.USER)
    assert client.get("/cards/").status_code == 200
    assert [message.to for message in mail.outbox] == [["erika@example.com"]]


def test_it_signs_up_no_operators(db):
    form = {"name": "E", "email": "e@example.com", "password1": PASSWORD, "password2": PASSWORD, "role": "admin"}
    Client().post("/accounts/signup/", {**form, "is_staff": "on", "is_active": "on"})
    assert User.objects.get().role == User.Role.USER


def test_it_refuses_a_weak_password(db):
    form = {"name": "E", "email": "e@example.com", "password1": "12345678", "password2": "12345678"}
    response = Client().post("/accounts/signup/", form)
    assert response.status_code == 200
    assert not User.objects.exists()


def test_it_logs_in_whatever_the_case_of_the_address(dora: User):
    client = Client()
    assert log_in(client, "DORA@example.COM").url == "/"
    assert client.get("/cards/").status_code == 200


def test_it_offers_a_new_password_once(db):
    page = Client().get("/accounts/login/").content.decode()
    assert page.count('href="/accounts/password/reset/"') == 1


def test_it_refuses_a_wrong_password(dora: User):
    client = Client()
    assert log_in(client, password="wrong").status_code == 200
    assert client.get("/cards/").status_code == 302


def test_it_refuses_who_was_switched_off(dora: User):
    people.set_active(dora, active=False)
    client = Client()
    response = log_in(client)
    assert client.get("/cards/").status_code == 302
    assert response.status_code in (200, 302)


def test_it_throws_out_who_is_switched_off(dora: User):
    client = Client()
    log_in(client)
    people.set_active(dora, active=False)
    assert client.get("/cards/").status_code == 302


def test_it_returns_to_where_one_came_from(dora: User):
    assert log_in(Client(), next="/wallet/").url == "/wallet/"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_it_never_leads_away(dora: User, target):
    assert log_in(Client(), next=target).url == "/"
    language = Client().post("/i18n/setlang/", {"language": "cs", "next": target})
    assert "evil" not in language.url


def test_it_logs_out_only_by_post(dora: User):
    client = Client()
    log_in(client)
    client.get("/accounts/logout/")
    assert client.get("/cards/").status_code == 200
    assert client.post("/accounts/logout/").url == "/"
    assert client.get("/cards/").status_code == 302


def test_it_resets_a_password_by_mail(dora: User):
    client = Client()
    client.post("/accounts/password/reset/", {"email": "dora@example.com"})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    path = "/" + link.split("/", 3)[3]
    form_page = client.get(path, follow=True)
    new = "a brand new long passphrase"
    client.post(form_page.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert log_in(Client(), password=new).url == "/"
    assert log_in(Client()).status_code == 200


@pytest.mark.parametrize("email", ["dora@example.com", "nobody@example.com"])
def test_a_reset_does_not_tell_who_is_here(dora: User, email):
    response = Client().post("/accounts/password/reset/", {"email": email})
    assert response.url == "/accounts/password/reset/done/"


def ask_for_address(client: Client, email: str, password: str = PASSWORD) -> str:
    form = {"action_add": "1", "email": email, "password": password}
    return client.post("/accounts/email/", form, follow=True).content.decode()


def link_of(message: mail.EmailMessage) -> str:
    link = next(word for word in str(message.body).split() if "/confirm-email/" in word)
    return "/" + link.split("/", 3)[3]


def test_another_address_replaces_the_old_one_when_its_link_was_used(dora: User, django_capture_on_commit_callbacks):
    client = Client()
    log_in(client)
    people.set_language(dora, "cs")
    page = ask_for_address(client, "new@example.com")
    assert "sent a mail to new@example.com" in page
    assert "dora@example.com" in page
    with django_capture_on_commit_callbacks(execute=True):
        client.post(link_of(mail.outbox[0]))
    dora.refresh_from_db()
    assert dora.email == "new@example.com"
    [_link, news] = mail.outbox
    assert news.to == ["dora@example.com"]
    assert "má teď jinou adresu: new@example.com" in news.body
    assert "má teď jinou adresu: new@example.com" in news.alternatives[0][0]


def test_a_borrowed_session_does_not_take_the_account(dora: User):
    client = Client()
    log_in(client)
    assert "This is not your password." in ask_for_address(client, "thief@example.com", password="guessed")
    assert "This field is required." in ask_for_address(client, "thief@example.com", password="")
    assert mail.outbox == []
    assert not dora.emailaddress_set.filter(email="thief@example.com").exists()


def test_it_does_not_tell_who_has_an_account(dora: User, alice: User):
    client = Client()
    log_in(client)
    assert f"sent a mail to {alice.email}" in ask_for_address(client, alice.email.upper())
    client.post("/accounts/email/", {"action_send": "1", "email": alice.email})
    assert {(*message.to, message.subject) for message in mail.outbox} == {
        (alice.email, "[ShareCharge] You have an account already")
    }
    assert not any("/confirm-email/" in str(message.body) for message in mail.outbox)


def test_an_address_that_somebody_took_meanwhile_is_not_confirmed(dora: User):
    client = Client()
    log_in(client)
    ask_for_address(client, "wanted@example.com")
    User.objects.create_user("Wanted@example.com", PASSWORD, name="Nora")
    answer = client.post(link_of(mail.outbox[0]), follow=True)
    assert "Unable to confirm wanted@example.com" in answer.content.decode()
    dora.refresh_from_db()
    assert dora.email == "dora@example.com"
    rows = dora.emailaddress_set.values_list("email", "verified", "primary")
    assert set(rows) == {("dora@example.com", False, False), ("wanted@example.com", False, False)}


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("password_changed", "was changed"), ("password_set", "was changed"), ("password_reset", "the link that we had"),
     ("email_deleted", "does not become")],
)  # fmt: skip
def test_mails_about_the_account_have_our_look(dora: User, rf, kind, sentence, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), context.request_context(rf.get("/")):
        get_adapter().send_notification_mail(f"account/email/{kind}", dora, {"deleted_email": "x@example.com"})
    [message] = mail.outbox
    for body in map(str, (message.body, message.alternatives[0][0])):
        assert sentence in body
        assert "Hello Dora" in body
        assert "/accounts/password/reset/" in body


def test_a_changed_password_is_told_by_mail(dora: User, django_capture_on_commit_callbacks):
    client = Client()
    log_in(client)
    new = "a brand new long passphrase"
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert [message.subject for message in mail.outbox] == ["[ShareCharge] Your password was changed"]


@pytest.mark.parametrize("path", ["password/change/", "email/", "password/reset/", "password/reset/done/", "logout/"])
def test_every_account_page_has_our_look(dora: User, path):
    client = Client()
    log_in(client)
    page = client.get(f"/accounts/{path}")
    assert page.status_code == 200
    assert "css/app.css" in page.content.decode()


def test_a_card_is_renamed(alice: User, alice_card: IdTag, client_of):
    browser = client_of(alice)
    assert browser.post(f"/cards/{alice_card.pk}/name/", {"name": " Work "}).url == "/cards/"
    assert "Work" in browser.get("/cards/").content.decode()
    browser.post(f"/cards/{alice_card.pk}/name/", {"name": ""})
    assert alice_card.masked_uid in browser.get("/cards/").content.decode()


def test_a_card_of_somebody_else_is_not_renamed(bob: User, alice_card: IdTag, client_of):
    assert client_of(bob).post(f"/cards/{alice_card.pk}/name/", {"name": "Mine"}).status_code == 404


def test_ones_own_card_is_shown_instead_of_added_again(alice: User, alice_card: IdTag, client_of):
    client = client_of(alice)
    answer = client.post("/cards/", {"uid": alice_card.uid.lower()})
    assert answer.url == f"/cards/#{alice_card.uid}"
    page = client.get("/cards/").content.decode()
    assert "This card is yours already." in page
    assert f'id="{alice_card.uid}"' in page


def test_the_wallet_leads_to_payouts(alice: User, client_of):
    assert 'href="/payouts/"' in client_of(alice).get("/wallet/").content.decode()


@pytest.mark.parametrize("email", ["deleted-1@deleted.invalid", "Deleted-1@DELETED.invalid"])
def test_nobody_signs_up_as_a_deleted_account(db, email: str):
    form = {"name": "Eve", "email": email, "password1": PASSWORD, "password2": PASSWORD}
    assert "Enter a valid email address." in Client().post("/accounts/signup/", form).content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("contact", ["help@example.org", "https://example.org/help", ""])
def test_who_is_switched_off_reads_how_to_reach_the_operator(client, settings, contact, db):
    settings.OPERATOR_CONTACT = contact
    page = client.get(reverse("account_inactive")).content.decode()
    assert "Your account is switched off" in page
    assert ("Help from the operator:" in page) == bool(contact)
    assert f'{contact}"' in page or not contact
