"""How the portal is doing: the queue, the workers, the database, Redis."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from redis import RedisError
from sqlalchemy import func, text
from sqlalchemy.orm import joinedload

from portal.broker import PRESENCE_KEY, open_redis
from portal.database import utc_now
from portal.extensions import db
from portal.models import BEING_READ, AuditEvent, Case, Lesion, Prediction

FAILED_SHOWN = 50
BACKUP_IS_OLD_AFTER = timedelta(days=2)  # one that is made each evening may fail once


@dataclass(frozen=True)
class Worker:
    name: str
    started_at: datetime | None


@dataclass(frozen=True)
class SystemState:
    queued: int
    running: int
    failed: int
    oldest_waiting_at: datetime | None
    workers: list[Worker] | None  # None: Redis did not answer, so nobody knows
    database: str  # "SQLite 3.53.4", "PostgreSQL 15.7"
    last_prediction_at: datetime | None
    model_versions: list[str]  # the last three in the records, the latest first
    last_backup_at: datetime | None

    @property
    def queue_answers(self):
        return self.workers is not None

    @property
    def is_backed_up(self):
        return self.last_backup_at is not None and utc_now() - self.last_backup_at <= BACKUP_IS_OLD_AFTER


def load_system_state():
    """Redis is asked for a second at most."""
    counts = {
        status: count
        for status, count in db.session.execute(db.select(Case.status, func.count()).group_by(Case.status))
    }
    waiting = Case.status.in_(BEING_READ)
    latest = db.session.execute(
        db.select(Prediction.model_version, func.max(Prediction.created_at).label("at"))
        .group_by(Prediction.model_version)
        .order_by(text("at DESC"))
        .limit(3)
    ).all()
    return SystemState(
        queued=counts.get("queued", 0),
        running=counts.get("running", 0),
        failed=counts.get("failed", 0),
        oldest_waiting_at=db.session.scalar(db.select(func.min(Case.submitted_at)).where(waiting)),
        workers=_find_workers(),
        database=_describe_database(),
        last_prediction_at=latest[0].at if latest else None,
        model_versions=[row.model_version for row in latest],
        last_backup_at=find_last_backup(),
    )


def find_last_backup():
    """When the last backup was made, or None."""
    made = db.select(AuditEvent.at).where(AuditEvent.action == "backup.made")
    return db.session.scalar(made.order_by(AuditEvent.id.desc()).limit(1))


def find_failed_cases():
    """The cases no attempt could read, the longest waiting first, as many as the page shows."""
    return db.session.scalars(
        db.select(Case)
        .options(joinedload(Case.clinic), joinedload(Case.lesion).joinedload(Lesion.patient))
        .where(Case.status == "failed")
        .order_by(Case.submitted_at, Case.id)
        .limit(FAILED_SHOWN)
    ).all()


def _find_workers():
    try:
        with open_redis(current_app.config, decode_responses=True) as redis:
            names = sorted(redis.scan_iter(PRESENCE_KEY + "*", count=100))
            starts = redis.mget(names) if names else []
    except RedisError:
        return None
    return [
        Worker(name=name.removeprefix(PRESENCE_KEY), started_at=_parse(start))
        for name, start in zip(names, starts, strict=True)
    ]


def _parse(start):
    try:
        return datetime.fromisoformat(start)
    except (TypeError, ValueError):
        return None


def _describe_database():
    dialect = db.session.get_bind().dialect
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[dialect.name]
    return f"{name} {'.'.join(str(part) for part in dialect.server_version_info or dialect.dbapi.sqlite_version_info)}"
