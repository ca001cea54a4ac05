"""A new photo of a spot: how it is asked for, and what answers the request."""

from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import Case
from portal.queries.cases import count_cases, find_newer_case
from portal.services import cases
from tests import factories

pytestmark = pytest.mark.databases


def submit(nurse, **values):
    return cases.submit_case(submitter=nurse, **factories.new_case_values(**values))


def test_a_new_photo_answers_one_request_once(app):
    old = factories.make_case("retake")
    nurse = old.submitted_by
    answer = submit(nurse, patient=old.patient, lesion=old.lesion, replaces=old)
    assert answer.replaces_id == old.id
    with pytest.raises(Conflict):
        submit(nurse, patient=old.patient, lesion=old.lesion, replaces=old)
    assert db.session.scalar(db.select(db.func.count()).select_from(Case)) == 2


def test_any_new_photo_of_the_spot_answers_its_open_request(app):
    old = factories.make_case("retake")
    factories.make_case("retake", lesion=factories.make_lesion(patient=old.patient))
    values = factories.new_case_values(patient=old.patient, lesion=old.lesion)
    answer = cases.submit_case(submitter=old.submitted_by, **values)
    assert answer.replaces_id == old.id
    assert cases.submit_case(submitter=old.submitted_by, **values).id == answer.id, "the form sent twice"
    later = submit(old.submitted_by, patient=old.patient, lesion=old.lesion)
    assert later.replaces_id is None
    assert submit(old.submitted_by, patient=old.patient).replaces_id is None, "a new spot"


def test_a_new_photo_answers_the_newest_request_of_the_spot_and_ends_the_earlier_one(app):
    first = factories.make_case("retake")
    second = factories.make_case("retake", lesion=first.lesion)
    answer = submit(first.submitted_by, patient=first.patient, lesion=first.lesion)
    assert answer.replaces_id == second.id
    for asked in (first, second):
        with pytest.raises(Conflict, match="No new photo is needed"):
            submit(first.submitted_by, patient=first.patient, lesion=first.lesion, replaces=asked)
        db.session.rollback()


def test_a_photo_sent_after_the_clock_was_set_back_is_the_newest_of_its_spot(app):
    asked = factories.make_case("retake", submitted_at=utc_now() + timedelta(days=1))
    sent = [submit(asked.submitted_by, patient=asked.patient, lesion=asked.lesion) for _ in range(3)]
    assert [case.replaces_id for case in sent] == [asked.id, None, None]
    assert find_newer_case(asked).id == sent[-1].id and find_newer_case(sent[-1]) is None
    assert count_cases(asked.submitted_by) == {"needs_you": 0, "waiting": 3, "done": 1}
    assert asked.lesion.cases == [asked, *sent]


@pytest.mark.parametrize("status", ["queued", "running", "classified", "failed"])
def test_a_new_photo_is_asked_for(app, status):
    case = factories.make_case(status)
    clinician = factories.make_user("clinician", clinic=case.clinic)
    cases.ask_retake(case=case, clinician=clinician, reason="blurred")
    assert (case.status, case.retake_reason, case.lease_expires_at) == ("retake", "blurred", None)


def test_no_new_photo_is_asked_for_of_a_spot_that_has_a_newer_one(app):
    case = factories.make_case("classified")
    newer = factories.make_case("failed", lesion=case.lesion)
    clinician = factories.make_user("clinician", clinic=case.clinic)
    with pytest.raises(Conflict, match="There is a newer photo of this spot"):
        cases.ask_retake(case=case, clinician=clinician, reason="blurred")
    db.session.rollback()
    assert (case.status, case.retake_reason) == ("classified", None)
    cases.ask_retake(case=newer, clinician=clinician, reason="blurred")
    assert count_cases(newer.submitted_by)["needs_you"] == 1


def test_a_new_photo_is_asked_for_with_a_reason_that_there_is(app):
    case = factories.make_case("classified")
    clinician = factories.make_user("clinician", clinic=case.clinic)
    with pytest.raises(DomainError):
        cases.ask_retake(case=case, clinician=clinician, reason="because")
    assert case.status == "classified"
