"""Liveness and readiness, for supervisors and load balancers."""

from concurrent.futures import ThreadPoolExecutor

from flask import Blueprint, current_app, jsonify
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from portal.broker import open_redis
from portal.extensions import db

blueprint = Blueprint("health", __name__)

DATABASE_SECONDS = 2
# One thread, so that a frozen database holds one connection, however often it is asked.
_asker = ThreadPoolExecutor(1)


@blueprint.get("/healthz")
def alive():
    return jsonify(status="ok")


@blueprint.get("/readyz")
def ready():
    checks = {"database": _database_answers(), "queue": _queue_answers()}
    return jsonify(checks), 200 if all(checks.values()) else 503


def _database_answers():
    # A frozen server keeps its connections and says nothing on them: only a second thread can stop waiting.
    answer = _asker.submit(_ask, db.engine)
    try:
        return answer.result(DATABASE_SECONDS)
    except TimeoutError:
        answer.cancel()
        return False


def _ask(engine):
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        return True
    except SQLAlchemyError:
        return False


def _queue_answers():
    try:
        with open_redis(current_app.config) as redis:
            return redis.ping()
    except RedisError:
        return False
