import pytest

from portal.extensions import db
from portal.models import AuditEvent, Case
from portal.services.viewing import note_told, record_case_view
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def case(app):
    case = factories.make_case("classified")
    factories.make_review(case, disposition="urgent_referral")
    return case


def events(action):
    return db.session.scalars(db.select(AuditEvent.actor_id).where(AuditEvent.action == action)).all()


def test_looking_is_not_telling(case):
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.is_untold and case.seen_review_count == 0
    note_told(case=case, teller=case.submitted_by, review_number=1)
    assert not case.is_untold and case.seen_review_count == 1
    factories.make_review(case, disposition="biopsy")
    assert case.is_untold
    event = db.session.scalar(db.select(AuditEvent).where(AuditEvent.action == "case.told"))
    assert (event.actor_id, event.details) == (case.submitted_by_id, {"review": 1})


def test_a_decision_that_came_while_the_page_was_open_is_not_told(case):
    factories.make_review(case, disposition="biopsy")
    note_told(case=case, teller=case.submitted_by, review_number=1)
    assert case.is_untold
    note_told(case=case, teller=case.submitted_by, review_number=99)
    assert case.seen_review_count == 2
    note_told(case=case, teller=case.submitted_by, review_number=1)
    assert case.seen_review_count == 2 and len(events("case.told")) == 2


def test_a_decision_without_an_act_is_seen_by_looking_and_one_taken_back_is_told(app):
    case = factories.make_case("classified")
    factories.make_review(case, disposition="no_action")
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.seen_review_count == 1
    factories.make_review(case, disposition="biopsy")
    note_told(case=case, teller=case.submitted_by, review_number=2)
    factories.make_review(case, disposition="no_action")
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.is_untold and case.seen_review_count == 2


@pytest.mark.parametrize("role", ["clinician", "admin"])
def test_others_do_not_see_it_for_the_clinic(case, role):
    factories.make_review(case, disposition="no_action")
    viewer = factories.make_user(role, clinic=None if role == "admin" else case.clinic)
    record_case_view(case=case, viewer=viewer)
    assert case.seen_review_count == 0 and events("case.view") == [viewer.id]


def test_nobody_waits_for_the_page_while_somebody_writes_to_the_case(app, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite locks no single row")
    case = factories.make_case("classified")
    factories.make_review(case, disposition="no_action")
    nurse, case_id = case.submitted_by, case.id
    with db.engine.connect() as other:
        other.execute(db.select(Case.id).where(Case.id == case_id).with_for_update())
        record_case_view(case=case, viewer=nurse)
        assert case.seen_review_count == 0 and events("case.view") == [nurse.id]
        db.session.rollback()
    record_case_view(case=case, viewer=nurse)
    assert case.seen_review_count == 1
