import hashlib
import threading
from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.images import UnusablePhoto
from portal.models import AuditEvent, Case, Image, Lesion, Patient, User
from portal.services import cases
from tests import factories
from tests.photos import lesion_photo

pytestmark = pytest.mark.databases


def submit(nurse, **values):
    return cases.submit_case(submitter=nurse, **factories.new_case_values(**values))


def count(model):
    return db.session.scalar(db.select(db.func.count()).select_from(model))


def test_a_case_is_stored_whole(app):
    nurse = factories.make_user()
    case = submit(nurse, checklist=["oozing", "change_in_size", "nonsense"], overview=lesion_photo(3), comment=" new ")
    assert (case.status, case.attempts, case.checklist, case.checklist_score) == (
        "queued",
        0,
        ["change_in_size", "oozing"],
        3,
    )
    assert (case.tier, case.comment, case.age_years) == ("soon", "new", utc_now().year - 1964)
    assert case.lesion.reference == "L1" and case.patient.clinic == nurse.clinic
    assert [image.kind for image in case.images] == ["dermoscopic", "overview"]
    for image in case.images:
        assert hashlib.sha256(image.content).hexdigest() == image.sha256
    events = db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [event.action for event in events] == ["patient.register", "case.submit"]
    assert {(event.actor_id, event.clinic_id) for event in events} == {(nurse.id, nurse.clinic.id)}


def test_worry_alone_raises_the_tier(app):
    assert submit(factories.make_user(), checklist=[], is_worried=True).tier == "soon"


def test_a_closed_clinic_takes_no_new_case(app):
    nurse = factories.make_user(clinic=factories.make_clinic(is_active=False))
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=nurse.clinic))
    for values in ({}, {"patient": lesion.patient, "lesion": lesion}):
        with pytest.raises(DomainError, match="This clinic is closed"):
            submit(nurse, **values)
    assert (count(Case), count(Patient)) == (0, 1)


def test_the_same_form_again_is_the_same_case(app):
    nurse = factories.make_user()
    values = factories.new_case_values()
    first = cases.submit_case(submitter=nurse, **values)
    assert cases.submit_case(submitter=nurse, **values).id == first.id
    assert (count(Case), count(Patient), count(Image)) == (1, 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"is_worried": True},
        {"checklist": []},
        {"comment": "Bleeds"},
        {"dermoscopic": lesion_photo(1)},
        {"overview": lesion_photo(1)},
        {"lesion": {"body_site": "face"}},
        {"patient": {"reference": "another"}},
        {"patient": {"reference": "P", "birth_year": 1991}},
    ],
)
def test_the_same_form_with_other_answers_is_not_dropped(app, change):
    nurse = factories.make_user()
    values = factories.new_case_values(patient={"reference": "P", "birth_year": 1990})
    first = cases.submit_case(submitter=nurse, **values)
    with pytest.raises(cases.AlreadySent) as refusal:
        cases.submit_case(submitter=nurse, **values | change)
    assert refusal.value.case.id == first.id
    assert (count(Case), count(Patient), count(Image)) == (1, 1, 1)


def test_the_same_form_for_another_known_patient_is_not_dropped(app):
    nurse = factories.make_user()
    lesion, other = (factories.make_lesion(patient=factories.make_patient(clinic=nurse.clinic)) for _ in range(2))
    values = factories.new_case_values(patient=lesion.patient, lesion=lesion)
    first = cases.submit_case(submitter=nurse, **values)
    assert cases.submit_case(submitter=nurse, **values).id == first.id
    with pytest.raises(cases.AlreadySent):
        cases.submit_case(submitter=nurse, **values | {"patient": other.patient, "lesion": other})
    assert count(Case) == 1


def test_a_form_of_somebody_else_opens_nothing(app):
    values = factories.new_case_values()
    cases.submit_case(submitter=factories.make_user(), **values)
    with pytest.raises(DomainError):
        cases.submit_case(submitter=factories.make_user(), **values)


def test_one_form_sent_eight_times_at_once_is_one_case(app):
    nurse_id = factories.make_user().id
    values = factories.new_case_values()
    found = in_threads(app, 8, lambda: cases.submit_case(submitter=person(nurse_id), **values).id)
    assert len(set(found)) == 1 and len(found) == 8
    assert (count(Case), count(Patient), count(Image)) == (1, 1, 1)


def test_lesions_sent_at_once_get_a_number_each(app):
    nurse = factories.make_user()
    nurse_id, patient_id = nurse.id, factories.make_patient(clinic=nurse.clinic).id

    def send():
        return submit(person(nurse_id), patient=db.session.get(Patient, patient_id)).id

    assert len(in_threads(app, 6, send)) == 6
    assert sorted(db.session.scalars(db.select(Lesion.number))) == [1, 2, 3, 4, 5, 6]


def test_a_known_lesion_gets_another_visit(app):
    nurse = factories.make_user()
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=nurse.clinic))
    case = submit(nurse, patient=lesion.patient, lesion=lesion)
    assert case.lesion_id == lesion.id and count(Lesion) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"consent": False}, "consent"),
        ({"dermoscopic": b""}, "dermoscopic"),
        ({"dermoscopic": b"GIF89a"}, "dermoscopic"),
        ({"overview": b"GIF89a"}, "overview"),
        ({"lesion": {"body_site": "moon"}}, "body_site"),
        ({"patient": {"reference": ""}}, "reference"),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(app, values, field):
    nurse = factories.make_user()
    with pytest.raises(DomainError) as refusal:
        submit(nurse, **values)
    assert refusal.value.field == field
    assert isinstance(refusal.value, UnusablePhoto) == (field in ("dermoscopic", "overview"))
    assert (count(Case), count(Patient), count(Lesion), count(Image), count(AuditEvent)) == (0, 0, 0, 0, 0)


def test_a_lesion_of_another_patient_is_refused(app):
    nurse = factories.make_user()
    stranger = factories.make_lesion()
    with pytest.raises(DomainError):
        submit(nurse, patient=factories.make_patient(clinic=nurse.clinic), lesion=stranger)
    assert count(Case) == 0


def test_of_two_photos_of_a_spot_sent_at_once_one_answers_its_request(app):
    old = factories.make_case("retake")
    old_id, nurse_id, lesion_id = old.id, old.submitted_by_id, old.lesion_id

    def send():
        lesion = db.session.get(Lesion, lesion_id)
        return submit(person(nurse_id), patient=lesion.patient, lesion=lesion).replaces_id

    answered = in_threads(app, 3, send)
    assert (answered.count(old_id), answered.count(None)) == (1, 2)


def test_one_reference_written_in_two_ways_at_once_is_one_patient(app):
    nurse_id = factories.make_user().id
    references = iter(["ab-12", "AB-12"])

    def send():
        try:
            return submit(person(nurse_id), patient={"reference": next(references)}).id
        except DomainError as error:
            return error.field

    assert in_threads(app, 2, send).count("reference") == 1
    assert count(Patient) == 1


def test_only_a_failed_case_is_tried_again(app):
    case = factories.make_case("failed", attempts=3)
    cases.retry_case(case=case, actor=case.submitted_by)
    assert (case.status, case.attempts, case.failure_reason) == ("queued", 0, None)
    with pytest.raises(Conflict):
        cases.retry_case(case=case)


def test_a_case_is_taken_by_one_for_thirty_minutes(app):
    case = factories.make_case("classified")
    first, second = (factories.make_user("clinician", clinic=case.clinic) for _ in range(2))
    cases.take_case(case=case, clinician=first)
    cases.take_case(case=case, clinician=first)
    with pytest.raises(Conflict, match=first.name):
        cases.take_case(case=case, clinician=second)
    cases.release_case(case=case, clinician=second)
    assert case.taken_by_id == first.id
    assert timedelta(minutes=29) < case.taken_until - utc_now() <= timedelta(minutes=30)
    case.taken_until = utc_now() - timedelta(seconds=1)
    db.session.commit()
    cases.take_case(case=case, clinician=second)
    cases.release_case(case=case, clinician=second)
    assert case.taken_by_id is None and case.taken_until is None


@pytest.mark.parametrize(
    ("status", "words"), [("reviewed", "was decided while"), ("retake", "asked for a new photo while")]
)
def test_what_was_settled_meanwhile_is_not_taken_and_no_new_photo_asked_for(app, status, words):
    case = factories.make_case(status)
    clinician = factories.make_user("clinician", clinic=case.clinic)
    with pytest.raises(Conflict, match=words):
        cases.take_case(case=case, clinician=clinician)
    with pytest.raises(Conflict, match=words):
        cases.ask_retake(case=case, clinician=clinician, reason="dark")
    db.session.rollback()
    assert case.taken_by_id is None and case.retake_reason == ("blurred" if status == "retake" else None)


def person(user_id):
    return db.session.get(User, user_id)


def in_threads(app, number, act):
    """What ``act`` answered in ``number`` threads that start together, each with a session of its own."""
    answers, start = [], threading.Barrier(number)

    def run():
        with app.app_context():
            start.wait()
            answers.append(act())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    return answers
