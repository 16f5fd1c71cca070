import pytest
from django.db import connection
from django.db.models import Count, F, Sum

from accounts.models import User
from bench import rows, web
from bench.rows import Size
from billing.models import Transfer
from chargers.models import Charger, ChargingSession

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="rows are made by PostgreSQL itself")

SIZE = Size(chargers=30, sessions=300)


@pytest.fixture
def filled(transactional_db) -> None:
    rows.fill(SIZE)


def test_rows_are_as_the_platform_would_have_made_them(filled):
    assert Charger.objects.listed().count() == 30
    assert ChargingSession.objects.count() == 300
    assert not ChargingSession.objects.exclude(owner=F("charger__owner")).exists()
    assert not ChargingSession.objects.exclude(user=F("id_tag__user")).exists()
    assert not Charger.objects.exclude(connectors__tariff__owner=F("owner")).exists()
    transfers = Transfer.objects.annotate(written=Count("entries"), total=Sum("entries__amount"))
    assert not transfers.exclude(written=F("entry_count"), total=0).exists()
    assert {row.reference for row in transfers} == {row.reference for row in ChargingSession.objects.all()}


def test_the_platform_can_go_on_from_there(filled):
    user = User.objects.create_user("new@example.org", name="New")
    assert user.pk > SIZE.owners + SIZE.drivers


def test_pages_are_counted(filled):
    """The numbers of queries are the platform's business; here it is that they are counted and not made up."""
    from sharecharge.testing.platform import Platform

    with Platform(connection.settings_dict, LOG_LEVEL="WARNING") as platform:
        pages = web.measure(platform.port, requests=2, pages=web.PAGES)
    assert {page.status for page in pages} == {200}
    assert all(page.queries > 0 and len(page.seconds) == 2 and page.kilobytes > 0 for page in pages)
    assert {page.who for page in pages} == {web.NOBODY, web.DRIVER, web.OWNER}
