"""The page on which a driver says what is wrong; its rules are those of `problems.report`."""

import pytest
from django.test import Client

from accounts.models import User
from chargers.models import Charger, ProblemReport
from chargers.tests.test_session_pages import make_session

REPORT = {"kind": "plug", "text": "The cable is cut."}


def test_a_driver_reports(online: Charger, alice: User, client_of):
    address = f"/c/{online.code}/report/"
    assert address in client_of(alice).get(online.get_absolute_url()).content.decode()
    assert client_of(alice).post(address, REPORT).url == online.get_absolute_url()
    report = ProblemReport.objects.get()
    assert (report.charger, report.reporter, report.kind, report.text) == (online, alice, *REPORT.values())


def test_it_belongs_to_a_session(online: Charger, alice: User, charlie: User, client_of):
    session = make_session(online, alice)
    address = f"/c/{online.code}/report/?session={session.pk}"
    assert address in client_of(alice).get(session.get_absolute_url()).content.decode()
    assert client_of(charlie).post(address, REPORT).status_code == 404
    assert client_of(alice).post(address, REPORT).url == session.get_absolute_url()
    assert ProblemReport.objects.get().session == session


@pytest.mark.parametrize("change", [{"text": " "}, {"kind": "rant"}])
def test_it_says_what_is_missing(online: Charger, alice: User, client_of, change):
    response = client_of(alice).post(f"/c/{online.code}/report/", REPORT | change)
    assert response.status_code == 400
    assert 'class="wrong"' in response.content.decode()
    assert not ProblemReport.objects.exists()


def test_a_private_charger_is_not_there_for_strangers(online: Charger, alice: User, charlie: User, client_of):
    make_session(online, alice)
    Charger.objects.update(access="private")
    address = f"/c/{online.code}/report/"
    assert client_of(charlie).get(address).status_code == 404
    assert client_of(alice).get(address).status_code == 200  # she charged here
    assert Client().get(address).status_code == 302
