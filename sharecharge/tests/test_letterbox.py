"""E-mails as files."""

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection

from sharecharge import environment


@pytest.fixture
def box(settings, tmp_path):
    settings.EMAIL_FILE_PATH = tmp_path / "letters"
    return settings.EMAIL_FILE_PATH


def test_a_person_can_read_them(box):
    config = environment.email("filemail:///var/my%20letters")
    assert config["EMAIL_FILE_PATH"] == "/var/my letters"
    backend = config["EMAIL_BACKEND"]
    message = EmailMultiAlternatives("Účtenka", "Dobrý den,\n" + "ř" * 1200, "a@example.org", ["b@example.org"])
    message.attach_alternative("<p>Dobrý den</p>", "text/html")
    assert get_connection(backend).send_messages([message, message]) == 2
    assert box.stat().st_mode & 0o077 == 0
    first, _second = sorted(box.glob("*.txt"))
    assert (
        first.read_text() == f"From: a@example.org\nTo: b@example.org\nSubject: Účtenka\n\nDobrý den,\n{'ř' * 1200}\n"
    )
    assert first.with_suffix(".html").read_text() == "<p>Dobrý den</p>"


def test_they_stand_in_the_order_in_which_they_came(box):
    for number in range(3):
        message = EmailMultiAlternatives(str(number), "", "a@example.org", ["b@example.org"])
        get_connection("sharecharge.letterbox.EmailBackend").send_messages([message])
    assert [path.read_text().split("Subject: ")[1][0] for path in sorted(box.glob("*.txt"))] == ["0", "1", "2"]


@pytest.mark.parametrize("url", ["filemail://", "filemail:///"])
def test_a_folder_has_to_be_named(url: str):
    with pytest.raises(ValueError, match="folder"):
        environment.email(url)
