"""What a load balancer is told: whether the process, the database and the queue answer."""

import os
import signal
import time

import pytest
from sqlalchemy import text

from config import TestingConfig
from portal import create_app
from portal.extensions import db
from tests.processes import wait_until


def readiness(client):
    response = client.get("/readyz")
    return response.status_code, response.json


@pytest.mark.databases
def test_ready_where_database_and_queue_answer(client, redis_server):
    assert readiness(client) == (200, {"database": True, "queue": True})
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_not_ready_without_redis(client):
    assert readiness(client) == (503, {"database": True, "queue": False})
    assert client.get("/healthz").status_code == 200


def test_a_frozen_redis_is_not_waited_for(client, redis_server):
    redis_server.signal(signal.SIGSTOP)
    started = time.monotonic()
    assert readiness(client) == (503, {"database": True, "queue": False})
    assert time.monotonic() - started < 10
    redis_server.signal(signal.SIGCONT)
    assert readiness(client) == (200, {"database": True, "queue": True})


@pytest.mark.parametrize("url", ["sqlite:////nowhere/portal.sqlite3", "postgresql://portal@/portal?host=/nowhere"])
def test_not_ready_without_a_database(environment, redis_server, url):
    client = create_app(TestingConfig(environment | {"DATABASE_URL": url})).test_client()
    assert readiness(client) == (503, {"database": False, "queue": True})
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_frozen_database_is_not_waited_for(app, client, redis_server):
    process = db.session.scalar(text("SELECT pg_backend_pid()"))
    db.session.rollback()  # the pool's only connection is the one that the next to ask gets
    os.kill(process, signal.SIGSTOP)
    try:
        for _probe in range(3):
            started = time.monotonic()
            assert readiness(client) == (503, {"database": False, "queue": True})
            assert time.monotonic() - started < 10
        assert db.engine.pool.checkedout() == 1
    finally:
        os.kill(process, signal.SIGCONT)
    wait_until(lambda: readiness(client)[0] == 200, 10)
