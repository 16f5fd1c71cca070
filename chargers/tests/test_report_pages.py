"""The pages on which people say what is wrong, and find the answer; their rules are those of problems.py."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from chargers import problems, registry
from chargers.models import Charger, ProblemReport
from chargers.tests.test_session_pages import make_session

REPORT = {"kind": "plug", "text": "The cable is cut."}


def test_a_driver_reports(online: Charger, alice: User, client_of):
    address = f"/c/{online.code}/report/"
    assert address in client_of(alice).get(online.get_absolute_url()).content.decode()
    answer = client_of(alice).post(address, REPORT)
    report = ProblemReport.objects.get()
    assert answer.url == reverse("report", args=[report.pk])
    assert (report.charger, report.reporter, report.kind, report.text) == (online, alice, *REPORT.values())


def test_it_belongs_to_a_session(online: Charger, alice: User, charlie: User, client_of):
    session = make_session(online, alice)
    address = f"/c/{online.code}/report/?session={session.pk}"
    assert address in client_of(alice).get(session.get_absolute_url()).content.decode()
    assert client_of(charlie).post(address, REPORT).status_code == 404
    page = client_of(alice).post(address, REPORT, follow=True)
    assert ProblemReport.objects.get().session == session
    assert session.get_absolute_url() in page.content.decode()


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


# ------------------------------------------------------------------------------------------------ the answer


@pytest.fixture
def report(online: Charger, alice: User) -> ProblemReport:
    return problems.report(problems.Subject(online), by=alice, kind=problems.Kind.PLUG, text="The <cable> is cut.")


def page_of(report: ProblemReport) -> str:
    return reverse("report", args=[report.pk])


def test_whoever_reported_finds_the_answer(report: ProblemReport, alice: User, bob: User, oscar: User, client_of):
    client = client_of(alice)
    for path in ("/profile/", report.charger.get_absolute_url()):
        assert reverse("reports") in client.get(path).content.decode()
    listed = client.get(reverse("reports")).content.decode()
    assert page_of(report) in listed
    assert "open" in listed
    page = client.get(page_of(report)).content.decode()
    assert "The &lt;cable&gt; is cut." in page
    assert "Nobody has answered yet." in page
    for who, words in ((bob, "The owner answered"), (oscar, "The operator answered")):
        problems.answer(report, by=who, text=f"A new one comes <tomorrow>. {who.name}")
        page = client.get(page_of(report)).content.decode()
        assert words in page
        assert f"A new one comes &lt;tomorrow&gt;. {who.name}" in page
    assert report.charger.get_absolute_url() in page


def test_it_is_closed_by_whoever_reported(report: ProblemReport, alice: User, client_of):
    client = client_of(alice)
    page = client.post(page_of(report), {"close": "yes"}, follow=True).content.decode()
    report.refresh_from_db()
    assert report.status == "closed"
    assert "The report is closed." in page
    assert 'name="close"' not in page


def test_reports_of_others_are_not_there(report: ProblemReport, bob: User, charlie: User, oscar: User, client_of):
    for user in (bob, charlie, oscar):
        assert client_of(user).get(page_of(report)).status_code == 404
        assert client_of(user).post(page_of(report)).status_code == 404
        assert page_of(report) not in client_of(user).get(reverse("reports")).content.decode()
    assert Client().get(page_of(report)).url.startswith("/accounts/login/")
    report.refresh_from_db()
    assert report.status == "open"


@pytest.mark.parametrize("change", [{"access": "private"}, {"deleted_at": timezone.now()}])
def test_a_page_that_does_not_open_any_more_is_not_linked(report: ProblemReport, alice: User, client_of, change):
    address = report.charger.get_absolute_url()
    assert f'"{address}"' in client_of(alice).get(page_of(report)).content.decode()
    Charger.objects.update(**change)
    assert f'"{address}"' not in client_of(alice).get(page_of(report)).content.decode()


def test_an_owner_sees_what_is_told_of_the_own_chargers(report: ProblemReport, bob: User, alice: User, client_of):
    client, path = client_of(bob), reverse("problems")
    assert path in client.get("/my/chargers/").content.decode()
    assert reverse("problem", args=[report.pk]) in client.get(path).content.decode()
    assert reverse("problem", args=[report.pk]) not in client_of(alice).get(path).content.decode()
    registry.delete(report.charger)
    assert reverse("problem", args=[report.pk]) in client.get(path).content.decode()
    page = client.get(reverse("problem", args=[report.pk])).content.decode()
    assert reverse("charger_manage", args=[report.charger_id]) not in page


def test_an_answer_that_comes_too_late_is_told_and_kept(report: ProblemReport, alice: User, bob: User, client_of):
    client, path = client_of(bob), reverse("problem", args=[report.pk])
    problems.close(report, by=alice)
    response = client.post(path, {"text": "It comes on Friday."})
    page = response.content.decode()
    assert response.status_code == 400
    assert "This report is closed, so the answer was not saved." in page
    assert "It comes on Friday." in page
    report.refresh_from_db()
    assert report.answer == ""


def test_an_owner_reads_an_operators_answer_and_does_not_replace_it(
    report: ProblemReport, bob: User, oscar: User, client_of
):
    client, path = client_of(bob), reverse("problem", args=[report.pk])
    problems.answer(report, by=oscar, text="We send a fitter.")
    page = client.get(path).content.decode()
    assert "The operator answered" in page
    assert "We send a fitter." in page
    assert "Your answer" not in page
    assert 'name="close"' in page
    refused = client.post(path, {"text": "It comes on Friday."})
    assert refused.status_code == 400
    for words in ("An operator has answered already", "It comes on Friday.", "We send a fitter."):
        assert words in refused.content.decode()
    report.refresh_from_db()
    assert (report.answer, report.answerer) == ("We send a fitter.", "operator")
    problems.answer(report, by=oscar, text="He comes today.")
    report.refresh_from_db()
    assert report.answer == "He comes today."


def test_both_lists_are_leafed_through(online: Charger, alice: User, bob: User, client_of, monkeypatch):
    monkeypatch.setattr("chargers.views.reports.PAGE_SIZE", 2)
    fields = {"charger": online, "reporter": alice, "owner": bob, "kind": "other"}
    for number in range(3):
        ProblemReport.objects.create(text=f"Text {number}", **fields)
    for user, path in ((alice, reverse("reports")), (bob, reverse("problems"))):
        first = client_of(user).get(path)
        assert [row.text for row in first.context["page"].rows] == ["Text 2", "Text 1"]
        older = client_of(user).get(f"{path}?before={first.context['page'].older}")
        assert [row.text for row in older.context["page"].rows] == ["Text 0"]


def test_empty_lists_lead_on(alice: User, bob: User, client_of):
    assert "You have reported nothing." in client_of(alice).get(reverse("reports")).content.decode()
    assert "Nobody has reported a problem" in client_of(bob).get(reverse("problems")).content.decode()
