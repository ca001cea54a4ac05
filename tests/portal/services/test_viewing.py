import pytest

from portal.extensions import db
from portal.models import AuditEvent, Case
from portal.services.viewing import record_case_view
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def case(app):
    case = factories.make_case("classified")
    factories.make_review(case, disposition="urgent_referral")
    return case


def views():
    return db.session.scalars(db.select(AuditEvent.actor_id).where(AuditEvent.action == "case.view")).all()


def test_a_health_worker_who_opens_a_case_has_seen_its_decision(case):
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.seen_review_count == 1
    factories.make_review(case, disposition="biopsy")
    assert case.seen_review_count < case.review_count
    record_case_view(case=case, viewer=factories.make_user(clinic=case.clinic))
    assert case.seen_review_count == 2
    assert len(views()) == 2


@pytest.mark.parametrize("role", ["clinician", "admin"])
def test_others_do_not_act_on_it_for_the_clinic(case, role):
    viewer = factories.make_user(role, clinic=None if role == "admin" else case.clinic)
    record_case_view(case=case, viewer=viewer)
    assert case.seen_review_count == 0 and views() == [viewer.id]


def test_nobody_waits_for_the_page_while_somebody_writes_to_the_case(case, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite locks no single row")
    nurse, case_id = case.submitted_by, case.id
    with db.engine.connect() as other:
        other.execute(db.select(Case.id).where(Case.id == case_id).with_for_update())
        record_case_view(case=case, viewer=nurse)
        assert case.seen_review_count == 0 and views() == [nurse.id]
        db.session.rollback()
    record_case_view(case=case, viewer=nurse)
    assert case.seen_review_count == 1
