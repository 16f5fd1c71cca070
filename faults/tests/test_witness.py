from datetime import UTC, datetime, timedelta

import pytest

from billing import wallets
from chargers import clock, recorder, registry, sessions
from chargers.facts import Facts, Sample
from chargers.models import ChargingSession, MeterValue
from faults import witness

pytestmark = pytest.mark.once

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
STARTED, STOPPED = (BEGIN.isoformat(), (BEGIN + timedelta(hours=1)).isoformat())


@pytest.fixture
def told(online, connector, alice_card):
    """A session of 1 234 Wh for 9.26, and the journal that tells of it."""
    registry.set_price(connector, witness.PRICE_PER_KWH)
    session = sessions.start(
        online, connector_id=1, id_tag_text="04A1B2C3D4", meter_start_wh=1000,
        moment=clock.read(STARTED, received_at=BEGIN), received_at=BEGIN,
    ).session  # fmt: skip
    sample = Sample(
        connector_id=1, session_id=session.pk, measured_at=BEGIN, context="", raw=[], energy_wh=1500, digest=1
    )
    recorder.write([Facts(online.pk, BEGIN, samples=(sample,))])
    sessions.stop(
        online, transaction_id=session.pk, transaction_text="", id_tag_text="", meter_stop_wh=2234, reason="",
        moment=clock.read(STOPPED, received_at=BEGIN), received_at=BEGIN + timedelta(hours=1),
    )  # fmt: skip
    transaction = {
        "id_tag": "04A1B2C3D4", "started": STARTED, "meter_start_wh": 1000, "answers": [session.pk],
        "is_accepted": True, "values": [1500], "meter_stop_wh": 2234,
    }  # fmt: skip
    return {"identity": online.identity, "transactions": [transaction], "asked": [], "status": "Available"}


@pytest.mark.django_db
def test_what_was_kept_is_found(told, bob):
    assert witness.faults([told]) == {}
    assert wallets.wallet_of(bob).balance == 926 - 93


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"answers": [1, 10**9]}, "starts answered with another session"),
        ({"is_accepted": False}, "verdicts changed"),
        ({"values": [1500, 1600]}, "meter values lost"),
        ({"meter_stop_wh": 2235}, "stops lost"),
        ({"meter_start_wh": 1100}, "bills lost or wrong"),
        ({"started": "2026-01-01T00:00:00Z"}, "sessions lost"),
    ],
)
def test_what_was_told_and_is_not_there_is_noticed(told, change, fault):
    told["transactions"][0] |= change
    assert fault in witness.faults([told])


@pytest.mark.django_db
def test_what_is_there_twice_is_noticed(told):
    session = ChargingSession.objects.get()
    MeterValue.objects.create(
        charger=session.charger, session=session, connector_id=1, measured_at=BEGIN, received_at=BEGIN,
        energy_wh=1500, raw=[], digest=2,
    )  # fmt: skip
    session.pk = None
    session.save(force_insert=True)
    assert witness.faults([told]).keys() >= {"sessions doubled", "meter values doubled"}


@pytest.mark.django_db
def test_a_remote_start_that_came_twice_is_noticed(told):
    told["asked"] = [("RemoteStartTransaction", "unknown"), ("RemoteStopTransaction", "x")]
    assert witness.faults([told]) == {"remote starts sent twice": 1}


@pytest.mark.django_db
def test_a_lost_status_is_noticed(told):
    assert witness.faults([{**told, "status": "Charging"}]) == {"statuses lost": 1}
