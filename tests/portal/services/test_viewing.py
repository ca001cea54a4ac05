import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent, Case
from portal.services.viewing import note_told, record_case_view, take_back_told
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
    note_told(case=case, actor=case.submitted_by, review_number=1)
    assert not case.is_untold and case.seen_review_count == 1
    factories.make_review(case, disposition="biopsy")
    assert case.is_untold
    event = db.session.scalar(db.select(AuditEvent).where(AuditEvent.action == "case.told"))
    assert (event.actor_id, event.details) == (case.submitted_by_id, {"review": 1})


def test_a_decision_that_came_while_the_page_was_open_is_not_told(case):
    factories.make_review(case, disposition="biopsy")
    note_told(case=case, actor=case.submitted_by, review_number=1)
    assert case.is_untold
    note_told(case=case, actor=case.submitted_by, review_number=99)
    assert case.seen_review_count == 2
    note_told(case=case, actor=case.submitted_by, review_number=1)
    assert case.seen_review_count == 2 and len(events("case.told")) == 2


def test_a_decision_without_an_act_is_seen_by_looking_and_one_taken_back_is_told(app):
    case = factories.make_case("classified")
    factories.make_review(case, disposition="no_action")
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.seen_review_count == 1
    factories.make_review(case, disposition="biopsy")
    note_told(case=case, actor=case.submitted_by, review_number=2)
    factories.make_review(case, disposition="no_action")
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.is_untold and case.seen_review_count == 2


def test_what_was_noted_by_mistake_is_taken_back(case):
    nurse = case.submitted_by
    note_told(case=case, actor=nurse, review_number=1)
    assert case.is_told and case.told_by == nurse and case.told_at is not None
    take_back_told(case=case, actor=nurse, review_number=1)
    assert case.is_untold and not case.is_told and case.told_by is None and case.told_at is None
    take_back_told(case=case, actor=nurse, review_number=1)
    assert events("case.told_taken_back") == [nurse.id]
    note_told(case=case, actor=nurse, review_number=1)
    assert case.is_told


def test_it_is_taken_back_too_where_later_decisions_asked_for_no_act(case):
    for _ in range(2):
        note_told(case=case, actor=case.submitted_by, review_number=case.review_count)
        factories.make_review(case, disposition="no_action")
    record_case_view(case=case, viewer=case.submitted_by)
    assert case.is_told and case.seen_review_count == 3
    take_back_told(case=case, actor=case.submitted_by, review_number=3)
    assert case.is_untold


def test_of_a_decision_that_is_not_the_last_one_nothing_is_taken_back(case):
    note_told(case=case, actor=case.submitted_by, review_number=1)
    factories.make_review(case, disposition="biopsy")
    take_back_told(case=case, actor=case.submitted_by, review_number=1)
    assert case.seen_review_count == 1 and case.told_at is not None and not events("case.told_taken_back")
    note_told(case=case, actor=case.submitted_by, review_number=2)
    take_back_told(case=case, actor=case.submitted_by, review_number=1)
    assert case.is_told


def test_of_a_decision_that_nobody_told_any_more_nobody_is_said_to_have(case):
    note_told(case=case, actor=case.submitted_by, review_number=1)
    factories.make_review(case, disposition="monitor", monitor_weeks=4)
    factories.make_case("queued", lesion=case.lesion, submitted_at=utc_now())
    assert not case.is_untold and not case.is_told


def test_nor_where_that_decision_came_while_the_one_before_was_told(case):
    factories.make_review(case, disposition="monitor", monitor_weeks=4)
    factories.make_case("queued", lesion=case.lesion)
    note_told(case=case, actor=case.submitted_by, review_number=1)
    assert not case.is_untold and not case.is_told
    record_case_view(case=case, viewer=case.submitted_by)
    assert not case.is_told and case.seen_review_count == 1


def test_a_decision_that_nobody_had_to_tell_is_not_told(app):
    case = factories.make_case("classified")
    factories.make_review(case, disposition="no_action")
    record_case_view(case=case, viewer=case.submitted_by)
    take_back_told(case=case, actor=case.submitted_by, review_number=1)
    assert not case.is_told and case.seen_review_count == 1


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
