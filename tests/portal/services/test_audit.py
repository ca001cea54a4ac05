"""The audit trail as evidence: whichever byte of it changes, it shows."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from portal.extensions import db
from portal.models import AuditEvent
from portal.services import audit
from tests import factories

pytestmark = pytest.mark.databases

SEALED = [column.name for column in AuditEvent.__table__.columns if column.name != "id"]


@pytest.fixture
def trail(app):
    """Five events; what somebody with the database in hand can do to them: the triggers are off."""
    case = factories.make_case()
    for number in range(5):
        audit.record(
            action="test.happened",
            target=case,
            clinic_id=case.clinic_id,
            actor=case.submitted_by,
            details={"number": number},
        )
    db.session.commit()
    assert audit.find_first_break() is None
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
    else:
        names = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_event'")
        for name in db.session.scalars(names).all():
            db.session.execute(text(f"DROP TRIGGER {name}"))
    db.session.commit()
    return db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id)).all()


@pytest.mark.parametrize("column", SEALED)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_one_changed_byte_is_found(trail, column, place):
    event = trail[place]
    event_id, value = event.id, changed(getattr(event, column))
    if column == "actor_id":
        value = factories.make_user("admin").id
    if column == "clinic_id":
        value = factories.make_clinic().id
    db.session.execute(update(AuditEvent).where(AuditEvent.id == event_id).values({column: value}))
    db.session.commit()
    assert audit.find_first_break().id == event_id


@pytest.mark.parametrize("place", [0, 2])
def test_a_missing_event_is_found(trail, place):
    following = trail[place + 1].id
    db.session.execute(AuditEvent.__table__.delete().where(AuditEvent.id == trail[place].id))
    db.session.commit()
    assert audit.find_first_break().id == following


def changed(value):
    """The smallest change there is."""
    if value is None:
        return "x"
    if isinstance(value, dict):
        return value | {"number": value["number"] + 1}
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    return value + timedelta(microseconds=1) if hasattr(value, "year") else value + 1
