import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import AuditEvent, Case, FirstRead, Review, User
from portal.services import cases
from portal.services.reviews import record_first_read, record_review
from tests import factories

pytestmark = pytest.mark.databases


def decide(case, reviewer, **values):
    seen = {"expected_review_count": case.review_count, "knows_retake": case.status == "retake"}
    defaults = {**seen, "diagnosis": "nv", "agrees": True}
    return record_review(case=case, reviewer=reviewer, **{**defaults, "disposition": "no_action", **values})


@pytest.fixture
def case(app):
    return factories.make_case("classified")


@pytest.fixture
def clinician(case):
    return factories.make_user("clinician", clinic=case.clinic)


def test_a_decision_is_added_and_the_case_is_free(case, clinician):
    cases.take_case(case=case, clinician=clinician)
    review = decide(case, clinician, disposition="monitor", monitor_weeks=12, note=" watch ")
    assert (case.status, case.review_count, case.taken_by_id) == ("reviewed", 1, None)
    assert (review.number, review.monitor_weeks, review.note, review.prediction_id) == (
        1,
        12,
        "watch",
        case.prediction_id,
    )
    assert db.session.scalar(db.select(AuditEvent.details).where(AuditEvent.action == "review.record")) == {
        "number": 1,
        "disposition": "monitor",
    }


def test_a_second_opinion_leaves_the_first_as_it_was(case, clinician):
    first = decide(case, clinician)
    decide(case, factories.make_user("clinician", clinic=case.clinic), diagnosis="mel", agrees=False)
    assert [review.diagnosis for review in case.reviews] == ["nv", "mel"]
    with pytest.raises(IntegrityError, match="never change"):
        db.session.execute(text("UPDATE review SET diagnosis = 'mel' WHERE id = :id"), {"id": first.id})


def test_two_decisions_at_once_collide_loudly(case, clinician):
    decide(case, clinician, expected_review_count=0)
    with pytest.raises(Conflict):
        decide(case, factories.make_user("clinician", clinic=case.clinic), expected_review_count=0)
    assert db.session.scalar(db.select(db.func.count()).select_from(Review)) == 1


def test_of_eight_decisions_in_one_moment_one_stands(app, case):
    clinician_ids = [factories.make_user("clinician", clinic=case.clinic).id for _ in range(8)]
    case_id, outcomes, start = case.id, [], threading.Barrier(8)
    db.session.rollback()

    def run(clinician_id):
        with app.app_context():
            mine, me = db.session.get(Case, case_id), db.session.get(User, clinician_id)
            start.wait()
            try:
                outcomes.append(decide(mine, me, expected_review_count=0).number)
            except Conflict:
                outcomes.append("conflict")

    threads = [threading.Thread(target=run, args=[clinician_id]) for clinician_id in clinician_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [1] + ["conflict"] * 7


def test_a_decision_does_not_take_back_a_request_for_a_new_photo_unseen(case, clinician):
    cases.ask_retake(case=case, clinician=clinician, reason="blurred")
    with pytest.raises(Conflict, match="asked for a new photo"):
        decide(case, factories.make_user("clinician", clinic=case.clinic), knows_retake=False)
    db.session.rollback()
    assert (case.status, case.review_count) == ("retake", 0)


@pytest.mark.parametrize("status", ["queued", "running", "failed", "retake"])
def test_a_human_decides_without_the_model(app, status):
    case = factories.make_case(status)
    review = decide(case, factories.make_user("clinician", clinic=case.clinic), agrees=True)
    assert case.status == "reviewed" and review.agrees is None and review.prediction_id is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"diagnosis": "flu"}, "diagnosis"),
        ({"disposition": "magic"}, "disposition"),
        ({"disposition": "monitor"}, "monitor_weeks"),
        ({"disposition": "monitor", "monitor_weeks": 0}, "monitor_weeks"),
        ({"agrees": None}, "agrees"),
    ],
)
def test_what_is_missing_names_its_field(case, clinician, values, field):
    with pytest.raises(DomainError) as refusal:
        decide(case, clinician, **values)
    assert refusal.value.field == field
    db.session.rollback()
    assert (case.status, case.review_count) == ("classified", 0)


def test_the_first_impression_comes_first_where_the_clinic_wants_it(case, clinician):
    case.clinic.first_read_required = True
    db.session.commit()
    with pytest.raises(DomainError):
        decide(case, clinician)
    read = record_first_read(case=case, reader=clinician, diagnosis="mel")
    with pytest.raises(Conflict):
        record_first_read(case=case, reader=clinician, diagnosis="nv")
    decide(case, clinician)
    assert read.diagnosis == "mel" and case.status == "reviewed"
    decide(case, factories.make_user("clinician", clinic=case.clinic))


def test_an_impression_after_the_view_was_open_is_no_first_one(case, clinician):
    with pytest.raises(Conflict, match="no first impression any more"):
        record_first_read(case=case, reader=clinician, diagnosis="mel")
    case.clinic.first_read_required = True
    db.session.commit()
    factories.make_review(case)
    with pytest.raises(Conflict, match="Somebody reviewed this case"):
        record_first_read(case=case, reader=clinician, diagnosis="mel")
    db.session.rollback()
    assert db.session.scalar(db.select(db.func.count()).select_from(FirstRead)) == 0
