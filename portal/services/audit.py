"""The audit trail: append-only rows, each sealed with the hash of the one before."""

import hashlib
import json

from flask import has_request_context, request
from flask_login import current_user
from sqlalchemy import text

from portal.database import begin_write, utc_now
from portal.extensions import db
from portal.models import AuditEvent

GENESIS = "0" * 64
_CHAIN_LOCK = 4_207_001  # any constant: PostgreSQL's advisory lock that orders the chain


def record(*, action, target=None, clinic_id=None, actor=None, details=None):
    """Add one event to the running write transaction; the caller commits it with the change itself.

    ``details`` holds codes and counts only: never a name, a photo, a note or a password.
    """
    hold_end()
    if actor is None and has_request_context() and current_user.is_authenticated:
        actor = current_user
    db.session.flush()  # the target gets its id
    last = db.session.scalar(db.select(AuditEvent.hash).order_by(AuditEvent.id.desc()).limit(1))
    event = AuditEvent(
        at=utc_now(),
        actor_id=actor.id if actor else None,
        action=action,
        target_type=target.__tablename__ if target is not None else None,
        target_id=str(target.id) if target is not None else None,
        clinic_id=clinic_id,
        address=request.remote_addr if has_request_context() else None,
        details=details or {},
        previous_hash=last or GENESIS,
    )
    event.hash = seal(event)
    db.session.add(event)
    db.session.flush()


def hold_end():
    """Keep the end of the trail until the transaction ends, where others could write to it.

    What is not written yet waits for it too: a row, or a name that is a key, may be one that the holder points to.
    """
    if db.session.get_bind().dialect.name == "postgresql":
        with db.session.no_autoflush:
            db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})


def record_alone(*, action, target=None, clinic_id=None, details=None):
    """Add one event that comes with no change, in a transaction of its own; objects loaded before are read anew."""
    begin_write(db.session)
    record(action=action, target=target, clinic_id=clinic_id, details=details)
    db.session.commit()


def seal(event):
    """SHA-256 over the event's content and the previous hash, as 64 hexadecimal digits."""
    content = [
        event.previous_hash,
        event.at.isoformat(),
        event.actor_id,
        event.action,
        event.target_type,
        event.target_id,
        event.clinic_id,
        event.address,
        event.details,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def find_head():
    """The newest event, or None: its id and hash, kept elsewhere, prove later that nothing was cut off the end."""
    return db.session.scalar(db.select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1))


def has_event(event_id, digest):
    """Whether the trail still holds this event with this hash."""
    event = db.session.get(AuditEvent, event_id)
    return event is not None and event.hash == digest


def find_first_break():
    """The first event whose seal or link does not hold, or None when the whole chain does."""
    previous = GENESIS
    for event in db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id).execution_options(yield_per=500)):
        if event.previous_hash != previous or event.hash != seal(event):
            return event
        previous = event.hash
    return None
