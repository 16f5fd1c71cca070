"""Servers that are killed come back with what they had: else a fault test would prove nothing."""

import contextlib

import psycopg
import pytest
import redis

from faults.stage import SOURCES, Mortal
from sharecharge.testing import servers


def mortal_or_skip(server: servers.Server) -> Mortal:
    if server.url is None:
        pytest.skip(server.about)
    return Mortal(server)


def test_a_killed_postgresql_has_what_was_committed_and_nothing_else():
    with servers.postgresql(sources=SOURCES, is_durable=True) as server:
        database = mortal_or_skip(server)
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
            connection.execute("INSERT INTO kept VALUES (1)")
            connection.commit()
            connection.execute("INSERT INTO kept VALUES (2)")
            before = database.pid
            database.kill()
            with contextlib.suppress(psycopg.OperationalError):
                connection.commit()
                pytest.fail("the server lives")
        database.start()
        assert database.pid != before
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]
            assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_a_redis_that_hangs_goes_on_and_one_that_was_killed_is_empty():
    with servers.redis(sources=SOURCES) as server:
        mortal = mortal_or_skip(server)
        with redis.Redis.from_url(mortal.url, socket_timeout=0.2, retry=None) as client:
            client.set("word", "kept")
            mortal.hang()
            try:
                with pytest.raises(redis.exceptions.TimeoutError):
                    client.get("word")
            finally:
                mortal.go_on()
        with redis.Redis.from_url(mortal.url) as client:
            assert client.get("word") == b"kept"
        mortal.kill()
        mortal.start()
        with redis.Redis.from_url(mortal.url) as client:
            assert client.get("word") is None
