import io

from django.core.management import call_command
from django.db import connection

from chargers.models import ChargingSession, MeterValue
from chargers.tests.test_session_pages import make_session
from sharecharge.testing import volume


def figures() -> dict[str, list[int]]:
    output = io.StringIO()
    call_command("growth", stdout=output)
    lines = [line.split() for line in output.getvalue().splitlines()[1:]]
    return {name: [int(figure) for figure in rest] for name, *rest in lines}


def test_it_tells_how_much_room_a_session_takes(online, alice):
    with connection.cursor() as cursor:  # the room of what earlier tests have rolled back
        cursor.execute("TRUNCATE chargers_metervalue" if connection.vendor == "postgresql" else "SELECT 1")
    session = make_session(online, alice)
    volume.multiply(session.meter_values.first(), 2_000, digest="n + 1000")
    found = figures()
    rows, size, per_row, per_session = found["chargers_metervalue"]
    assert rows == MeterValue.objects.count() == 2_002
    assert 50 < per_row < 2_000
    assert size == per_session  # of one session
    assert found["together"][0] == ChargingSession.objects.count() == 1
    assert found["together"][1] == sum(figure[1] for name, figure in found.items() if name != "together")
    volume.multiply(session.meter_values.first(), 2_000, digest="n + 10000")
    assert figures()["chargers_metervalue"][1] > 1.5 * size
