"""Denials leave a trace; what never was there for anybody leaves none."""

import uuid

from portal.extensions import db
from portal.models import AuditEvent
from tests import factories


def denials():
    return db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "denied")).all()


def test_a_page_of_another_role_is_recorded(as_user):
    client = as_user("health_worker")
    assert client.get("/admin/users").status_code == 403
    (event,) = denials()
    assert (event.actor_id, event.details["endpoint"], event.details["status"]) == (client.user.id, "admin.users", 403)


def test_a_row_of_another_clinic_is_recorded_by_its_id(as_user):
    case = factories.make_case("classified")
    assert as_user("clinician").get(f"/cases/{case.id}").status_code == 404
    (event,) = denials()
    assert event.details["row"] == str(case.id)


def test_visitors_and_mistyped_addresses_are_not_recorded(as_user, client):
    client.get(f"/cases/{uuid.uuid4()}")
    as_user("clinician").get("/no/such/page")
    as_user("clinician").get("/static/none.css")
    assert denials() == []


def test_a_locked_database_does_not_turn_a_refusal_into_a_failure(as_user, monkeypatch):
    from sqlalchemy.exc import OperationalError

    from portal import security

    def locked(**_values):
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    client = as_user("health_worker")
    monkeypatch.setattr(security.audit, "record_alone", locked)
    assert client.get("/admin/users").status_code == 403
