"""Crews: jobs of an event loop, in threads or in fibres. What only fibres do is tested with a real PostgreSQL."""

import asyncio
import threading
import time
from datetime import UTC
from functools import partial

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import translation

from accounts.models import User
from chargers import database
from sharecharge import fibres, prepared, trace
from sharecharge.crews import Crew, Threads
from sharecharge.fibres import Fibres

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="fibres wait for PostgreSQL's socket")


def together(*jobs, crew=None, count=8):
    """Submits all at once; gives results or exceptions."""

    async def go():
        to = crew or Crew(count, "test")
        return await asyncio.gather(*(to.submit(job) for job in jobs), return_exceptions=True)

    return asyncio.run(asyncio.wait_for(go(), 20))


def pause(seconds):
    """In the database, where fibres let each other go on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


@pytest.mark.parametrize("crew", [Threads(2, "test"), Fibres(2)], ids=["threads", "fibres"])
def test_results_and_exceptions_reach_whoever_waits(crew):
    first, second, third = together(lambda: 1, lambda: 1 / 0, lambda: 3, crew=crew)
    assert (first, third) == (1, 3)
    assert isinstance(second, ZeroDivisionError)
    assert together(lambda: 4, crew=crew) == [4], "another loop"


@pytest.mark.parametrize("crew", [Threads(1, "test"), Fibres(1)], ids=["threads", "fibres"])
def test_a_job_has_the_trace_of_whoever_submitted_it(crew):
    async def go():
        with trace.begun("one"):
            first = crew.submit(trace.current.get)
        with trace.begun("two"):
            second = crew.submit(trace.current.get)
        return await asyncio.gather(first, second)

    assert asyncio.run(go()) == ["one", "two"]


@pytest.mark.parametrize("crew", [Threads(1, "test"), Fibres(1)], ids=["threads", "fibres"])
def test_what_no_future_takes_costs_no_place(crew):
    """A bare `next` in a job: its waiter learns of it, and the next job is done."""
    first, second = together(lambda: next(iter(())), lambda: 2, crew=crew)
    assert isinstance(first, RuntimeError)
    assert second == 2


@pytest.mark.parametrize("crew", [Threads(1, "test"), Fibres(1)], ids=["threads", "fibres"])
def test_whoever_goes_away_harms_nobody(crew):
    async def go():
        gone = crew.submit(lambda: 1)
        gone.cancel()
        return await crew.submit(lambda: 2)

    assert asyncio.run(go()) == 2


def test_a_job_of_a_loop_that_has_closed_harms_no_thread():
    crew, begun, may_end = Threads(1, "test"), threading.Event(), threading.Event()

    def slow():
        begun.set()
        return may_end.wait(20)

    async def leave():
        crew.submit(slow)
        await asyncio.to_thread(begun.wait, 20)

    asyncio.run(leave())
    may_end.set()
    assert together(lambda: 2, crew=crew) == [2]


def test_the_kind_follows_the_database():
    assert isinstance(Crew(1, "test").kind, Fibres if connection.vendor == "postgresql" else Threads)


def test_sleeping_fibres_let_each_other_go_on():
    begun = time.monotonic()
    together(*[partial(fibres.sleep, 0.2)] * 8, crew=Fibres(8))
    assert time.monotonic() - begun < 1.0


def test_outside_of_a_fibre_it_is_a_common_sleep():
    begun = time.monotonic()
    fibres.sleep(0.05)
    assert time.monotonic() - begun >= 0.05


@pytest.mark.django_db(transaction=True)
@on_postgresql
class TestOnPostgreSQL:
    def test_the_loop_and_other_fibres_go_on_while_one_waits(self):
        ticks = 0

        async def go():
            nonlocal ticks
            crew = Fibres(4)
            done = asyncio.gather(*(crew.submit(partial(pause, 0.5)) for _number in range(4)))
            begun = time.monotonic()
            while not done.done():
                await asyncio.sleep(0.01)
                ticks += 1
            return time.monotonic() - begun

        assert asyncio.run(go()) < 1.5, "one after the other they take two seconds"
        assert ticks > 20

    def test_no_more_than_the_count_at_a_time(self):
        async def go():
            crew = Fibres(2)
            jobs = [crew.submit(partial(pause, 0.1)) for _number in range(5)]
            waiting = crew.waiting()
            await asyncio.gather(*jobs)
            return waiting, crew.waiting(), len(crew.idle)

        assert asyncio.run(go()) == (3, 0, 2)

    def test_each_has_a_transaction_of_its_own(self):
        def write(name, *, is_good):
            with transaction.atomic():
                User.objects.create_user(f"{name}@example.com", name=name)
                pause(0.1)
                if not is_good:
                    raise ValueError(name)

        jobs = [partial(write, f"u{number}", is_good=number % 2 == 0) for number in range(6)]
        results = together(*jobs, count=6)
        assert [type(result) for result in results] == [type(None), ValueError] * 3
        assert set(User.objects.values_list("name", flat=True)) == {"u0", "u2", "u4"}

    def test_what_is_set_in_one_is_not_seen_in_another(self):
        def speak(language):
            with translation.override(language):
                pause(0.05)
                return translation.get_language()

        assert together(*(partial(speak, language) for language in ("cs", "en") * 3)) == ["cs", "en"] * 3

    def test_the_connection_of_the_thread_is_what_it_was(self):
        mine = connections["default"]
        with transaction.atomic():
            User.objects.create_user("mine@example.com", name="Mine")
            assert together(User.objects.count) == [0]
            assert connections["default"] is mine
            assert User.objects.count() == 1

    def test_a_bug_in_a_test_that_asks_the_database_on_the_loop_is_still_found(self):
        """Django's guard holds for everything but fibres."""

        async def go():
            await Fibres(1).submit(User.objects.count)
            with pytest.raises(Exception, match="async context"):
                User.objects.count()

        asyncio.run(go())

    def test_a_lock_is_waited_for_without_holding_up_the_loop(self, bob):
        order = []

        def lock():
            with transaction.atomic():
                User.objects.select_for_update().get(pk=bob.pk)
                order.append("locked")
                pause(0.2)
                order.append("done")

        together(lock, lock, partial(order.append, "free"))
        assert order == ["free", "locked", "done", "locked", "done"]

    def test_a_connection_that_was_killed_is_an_error_and_the_next_job_has_a_new_one(self):
        crew = Fibres(1)

        def pid():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return cursor.fetchone()[0]

        async def go():
            killed = await crew.submit(partial(database.run, pid))
            sleeping = crew.submit(partial(database.run, pause, 20))
            await asyncio.to_thread(kill, killed)
            with pytest.raises(database.DatabaseAway):
                await sleeping
            return killed, await crew.submit(partial(database.run, pid))

        def kill(pid):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            connection.close()

        before, after = asyncio.run(asyncio.wait_for(go(), 20))
        assert before != after

    def test_a_server_that_cannot_be_reached_is_an_error(self, monkeypatch):
        settings = {**connections.settings["default"], "PORT": "1"}
        monkeypatch.setitem(connections.settings, "default", settings)
        [error] = together(User.objects.count)
        assert isinstance(error, OperationalError)

    def test_a_fibre_goes_on_in_the_middle_of_a_round_of_the_loop(self):
        """Where somebody who has much to do gives way; without that, not before the round ends."""

        async def go(*, is_polite):
            crew, finished = Fibres(1), []
            await crew.submit(lambda: pause(0))  # it is connected

            def several():
                for _number in range(5):
                    pause(0)
                finished.append(True)

            crew.submit(several)
            for _number in range(20):
                time.sleep(0.01)  # noqa: ASYNC251 - the work of many sockets
                if is_polite:
                    crew.give_way()
            return list(finished)

        assert asyncio.run(go(is_polite=True)) == [True]
        assert asyncio.run(go(is_polite=False)) == []

    def test_a_new_connection_may_have_the_number_of_a_closed_one(self):
        crew = Fibres(1)

        def descriptor():
            pause(0)
            return connection.connection.pgconn.socket

        def again():
            connection.close()
            return descriptor()

        async def go():
            numbers = [await crew.submit(descriptor)]
            numbers += [await crew.submit(again) for _number in range(5)]
            return numbers

        assert len(set(asyncio.run(asyncio.wait_for(go(), 20)))) < 6, "or this test says nothing"

    def test_a_connection_that_the_server_closes_while_nobody_asks_is_replaced(self, monkeypatch):
        crew = Fibres(1)

        def pid():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return cursor.fetchone()[0]

        def kill(pid):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            connection.close()

        async def go():
            before = await crew.submit(partial(database.run, pid))
            await asyncio.to_thread(kill, before)
            await asyncio.sleep(0.2)
            monkeypatch.setattr(database, "TRUSTED_SECONDS", -1)
            return before, await crew.submit(partial(database.run, pid))

        before, after = asyncio.run(asyncio.wait_for(go(), 20))
        assert before != after

    def test_moments_are_what_django_makes_of_them(self, bob):
        [seen] = together(lambda: User.objects.get(pk=bob.pk).created_at)
        assert (seen, seen.tzinfo) == (bob.created_at, UTC)
        with connection.cursor() as cursor:
            cursor.execute("SELECT '2026-03-29 01:30:00.000001+02'::timestamptz")
            [expected] = cursor.fetchone()

        def ask():
            return prepared.execute("SELECT %s::timestamptz", ["2026-03-29 01:30:00.000001+02"])[0][0]

        assert together(ask) == [expected]

    def test_what_a_loop_left_behind_holds_no_locks(self, bob):
        def lock():
            with transaction.atomic():
                User.objects.select_for_update().get(pk=bob.pk)
                fibres.sleep(20)

        async def leave():
            Fibres(1).submit(lock)
            await asyncio.sleep(0.3)

        asyncio.run(leave())
        fibres.abandon()
        with transaction.atomic():
            assert User.objects.select_for_update().get(pk=bob.pk)
