import asyncio
import contextlib
import threading
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from chargers import live, recorder, registry
from chargers.facts import MESSAGE_TEXT_LIMIT, Arrival, ConnectorStatus, Exchange, Facts, Sample
from chargers.models import Charger, Connector, Message, MeterValue
from chargers.recorder import Recorder
from chargers.tests.test_sessions import start
from sharecharge import fibres, trace


def status(charger, number=1, value="Charging", error=""):
    now = timezone.now()
    return Facts(charger.pk, now, status=ConnectorStatus(number, value, error, "", now))


def sample(charger, session_id=None, number=1, digest=1, **values):
    now = timezone.now()
    told = Sample(
        connector_id=number, session_id=session_id, measured_at=now, context="", raw=[], digest=digest, **values
    )
    return Facts(charger.pk, now, samples=(told,))


def submit(*told, to=None):
    """Hands facts over at once, and waits; gives None or the exception of each."""

    async def go():
        writer = to or Recorder()
        return await asyncio.gather(*(writer.submit(facts) for facts in told), return_exceptions=True)

    return asyncio.run(asyncio.wait_for(go(), 20))


@pytest.mark.django_db
def test_a_status_of_an_unknown_connector_discovers_it(charger):
    recorder.write([status(charger, 1), status(charger, 2, "Available")])
    assert list(charger.connectors.values_list("connector_id", "status")) == [(1, "Charging"), (2, "Available")]


@pytest.mark.django_db
def test_connector_zero_is_the_charger_itself(charger):
    recorder.write([status(charger, 0, "Faulted", "HighTemperature")])
    charger.refresh_from_db()
    assert (charger.status, charger.error_code) == ("Faulted", "HighTemperature")
    assert not charger.connectors.exists()


@pytest.mark.django_db
def test_numbers_that_no_connector_has_make_no_rows(charger):
    recorder.write([status(charger, 65), sample(charger, number=32_767)])
    assert not Connector.objects.exists()
    assert MeterValue.objects.count() == 1


@pytest.mark.django_db
def test_the_last_status_of_a_batch_stays(charger):
    recorder.write([status(charger, 1, "Preparing"), status(charger, 1, "Charging")])
    assert charger.connectors.get().status == "Charging"


@pytest.mark.django_db
def test_a_sample_without_a_transaction_belongs_to_the_running_session(online, alice_card):
    session = start(online).session
    recorder.write([sample(online)])
    assert session.meter_values.count() == 1


@pytest.mark.django_db
def test_a_sample_outside_of_any_session_is_kept_once(online):
    recorder.write([sample(online, digest=7), sample(online, digest=7), sample(online, digest=8)])
    recorder.write([sample(online, digest=7)])
    assert MeterValue.objects.filter(session=None).count() == 2


@pytest.mark.django_db
def test_any_frame_proves_that_the_charger_is_alive(charger):
    now = timezone.now() + timedelta(seconds=5)
    recorder.write([Facts(charger.pk, now)])
    charger.refresh_from_db()
    assert charger.last_seen_at == now


@pytest.mark.django_db
def test_an_endless_message_is_cut(charger):
    told = Exchange(Message.Direction.IN, "i" * 200, "a" * 200, "x" * 10**6, "", is_error=False)
    recorder.write([Facts(charger.pk, timezone.now(), exchange=told)])
    assert len(Message.objects.get().request) == MESSAGE_TEXT_LIMIT


@pytest.mark.django_db(transaction=True)
def test_submitted_facts_are_stored_when_their_future_is_done(charger):
    assert submit(*(sample(charger, digest=number) for number in range(200))) == [None] * 200
    assert MeterValue.objects.count() == 200


@pytest.mark.django_db(transaction=True)
def test_a_poisoned_fact_costs_only_itself(charger):
    poison = Facts(10**9, timezone.now(), samples=sample(charger).samples)  # no such charger
    results = submit(sample(charger, digest=1), poison, sample(charger, digest=2))
    assert (results[0], results[2]) == (None, None)
    assert isinstance(results[1], IntegrityError)
    assert set(MeterValue.objects.values_list("digest", flat=True)) == {1, 2}


@pytest.mark.django_db(transaction=True)
def test_a_charger_that_goes_while_its_fact_waits_harms_nobody(charger):
    """A socket that closes cancels its future; the writer must live on for all the others."""

    async def go():
        writer = Recorder()
        gone = writer.submit(sample(charger, digest=1))
        gone.cancel()
        await writer.submit(sample(charger, digest=2))
        await writer.submit(sample(charger, digest=3))

    asyncio.run(asyncio.wait_for(go(), 20))
    assert {2, 3} <= set(MeterValue.objects.values_list("digest", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_loop_that_has_ended_harms_nobody(charger, monkeypatch):
    """A server that stops does not wait for the facts of its last moment."""
    writer, begun = Recorder(), threading.Event()
    original = recorder.write

    def slowly(batch, **options):
        begun.set()
        fibres.sleep(0.2)
        original(batch, **options)

    async def leave():
        writer.submit(sample(charger, digest=1))
        await asyncio.to_thread(begun.wait, 20)

    monkeypatch.setattr(recorder, "write", slowly)
    asyncio.run(leave())
    assert submit(sample(charger, digest=2), to=writer) == [None]
    assert 2 in set(MeterValue.objects.values_list("digest", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_batch_is_written_in_nobodys_trace(charger, monkeypatch):
    """It is about all sockets; an error in it must not bear the name of whichever came first."""
    original, seen = recorder.write, []

    def write(batch, **options):
        seen.append(trace.current.get())
        original(batch, **options)

    async def go():
        trace.adopt("one.socket")
        await Recorder().submit(sample(charger))

    monkeypatch.setattr(recorder, "write", write)
    asyncio.run(go())
    assert seen == [""]


@pytest.mark.django_db(transaction=True)
def test_an_event_that_cannot_be_sent_does_not_undo_what_is_committed(charger, monkeypatch):
    def fail(events):
        raise RuntimeError("no loop any more")

    monkeypatch.setattr(live, "_send", fail)
    assert submit(status(charger)) == [None]
    assert charger.connectors.count() == 1


def test_more_facts_than_the_bound_are_refused(monkeypatch):
    monkeypatch.setattr(recorder, "QUEUE_LIMIT", 1)
    writer = Recorder()

    async def go():
        writer.submit(Facts(1, timezone.now())).cancel()
        with pytest.raises(recorder.Overloaded):
            writer.submit(Facts(1, timezone.now()))

    asyncio.run(go())


@pytest.mark.django_db(transaction=True)
def test_that_a_charger_was_heard_is_not_written_for_every_frame(charger):
    """Rewriting its row each time would cost more than the facts."""
    submit(Facts(charger.pk, timezone.now()))
    charger.refresh_from_db()
    first = charger.last_seen_at
    submit(Facts(charger.pk, timezone.now()))
    charger.refresh_from_db()
    assert first is not None
    assert charger.last_seen_at == first
    recorder.remembered.seen_at[charger.pk] -= recorder.SEEN_EVERY_SECONDS
    recorder.remembered.looked_at -= recorder.SEE_EVERY_SECONDS
    submit(Facts(charger.pk, timezone.now()))
    charger.refresh_from_db()
    assert charger.last_seen_at > first


@contextlib.contextmanager
def decided_about(charger):
    """Meanwhile somebody else holds its row."""
    locked, done = threading.Event(), threading.Event()

    def decide():
        with transaction.atomic():
            Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
            locked.set()
            assert done.wait(20)
        connection.close()

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        assert locked.wait(20)
        yield
    finally:
        done.set()
        thread.join()


def heard_at(charger):
    charger.refresh_from_db()
    return charger.last_seen_at


@pytest.mark.django_db(transaction=True)
def test_each_charger_was_heard_when_it_spoke_and_not_when_the_next_one_did(charger, bob):
    other = registry.register(owner=bob, name="Other", latitude=50, longitude=14).charger
    now = timezone.now()
    submit(Facts(charger.pk, now))
    submit(Facts(other.pk, now + timedelta(seconds=1)))  # too soon after the last writing: it waits
    recorder.remembered.looked_at -= recorder.SEE_EVERY_SECONDS
    submit(Facts(charger.pk, now + timedelta(hours=8)))
    assert heard_at(other) == now + timedelta(seconds=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failures", [0, 1])
def test_who_was_heard_is_written_even_if_nobody_speaks_any_more(charger, bob, monkeypatch, failures):
    other = registry.register(owner=bob, name="Other", latitude=50, longitude=14).charger
    now, original, tried = timezone.now(), recorder.write, []

    def away_at_first(batch, **options):
        if not batch:
            tried.append(batch)
            if len(tried) <= failures:
                raise OperationalError("the database is away")
        original(batch, **options)

    def heard_there():
        try:
            return heard_at(other)
        finally:
            connection.close()

    async def go():
        writer = Recorder()
        await writer.submit(Facts(charger.pk, now))
        await writer.submit(Facts(other.pk, now))
        deadline = time.monotonic() + 20
        while await asyncio.to_thread(heard_there) is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    monkeypatch.setattr(recorder, "write", away_at_first)
    asyncio.run(go())
    assert heard_at(other) == now
    assert len(tried) == failures + 1


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_socket_does_not_mean_that_its_charger_was_heard(online):
    before = heard_at(online)
    submit(Facts(online.pk, before + timedelta(hours=11), left="test"))
    assert heard_at(online) == before
    assert not online.connection_mark


@pytest.mark.django_db(transaction=True)
def test_when_the_database_is_away_everybody_is_told_at_once(charger, monkeypatch):
    tried = []

    def away(batch, **options):
        tried.append(len(batch))
        connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(recorder, "write", away)
    results = submit(*(sample(charger, digest=number) for number in range(30)))
    assert all(isinstance(result, OperationalError) for result in results)
    assert sum(tried) == 30, "nobody was tried a second time"


@pytest.mark.django_db(transaction=True)
def test_a_bug_in_the_writer_ends_no_writer(charger, monkeypatch):
    writer = Recorder()
    with monkeypatch.context() as broken:
        broken.setattr(recorder, "_due", lambda facts: 1 / 0)
        assert isinstance(submit(status(charger), to=writer)[0], ZeroDivisionError)
    assert submit(status(charger), to=writer) == [None]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no locks on rows")
def test_a_decision_about_one_charger_keeps_the_arrival_of_another_waiting_only_shortly(charger, bob, monkeypatch):
    monkeypatch.setattr(recorder, "PATIENCE_MS", 50)
    other = registry.register(owner=bob, name="Other", latitude=50, longitude=14).charger
    with decided_about(charger):
        arrivals = [
            Facts(one.pk, timezone.now(), arrival=Arrival(f"m{one.pk}", "", "", "", "")) for one in (charger, other)
        ]
        blocked, free = submit(*arrivals)
    assert isinstance(blocked, OperationalError)
    assert free is None
    assert Charger.objects.get(pk=other.pk).connection_mark


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no locks on rows")
def test_facts_never_wait_for_a_decision(charger, connector):
    """Somebody decides about the charger, for long: its samples are stored meanwhile."""
    with decided_about(charger):
        assert submit(sample(charger, digest=1), status(charger)) == [None, None]
    assert MeterValue.objects.count() == 1


@pytest.mark.django_db
def test_the_whole_batch_takes_few_queries(online, alice_card, django_assert_max_num_queries):
    session = start(online).session
    batch = [sample(online, session.pk, digest=number, energy_wh=number) for number in range(100)]
    with django_assert_max_num_queries(8):
        recorder.write(batch)
    assert Charger.objects.get(pk=online.pk).last_seen_at == batch[-1].received_at
