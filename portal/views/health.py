"""Liveness and readiness, for supervisors and load balancers."""

from flask import Blueprint, current_app, jsonify
from redis import Redis, RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from portal.extensions import db

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive():
    return jsonify(status="ok")


@blueprint.get("/readyz")
def ready():
    checks = {"database": _database_answers(), "queue": _queue_answers()}
    return jsonify(checks), 200 if all(checks.values()) else 503


def _database_answers():
    try:
        db.session.execute(text("SELECT 1"))
        return True
    except SQLAlchemyError:
        return False


def _queue_answers():
    try:
        return Redis.from_url(current_app.config["REDIS_URL"], socket_timeout=1, socket_connect_timeout=1).ping()
    except RedisError:
        return False
