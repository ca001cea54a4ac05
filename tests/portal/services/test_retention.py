"""What is deleted is gone, what is made anonymous names nobody, and the trail says how much it was."""

import json
import re
from datetime import timedelta

import pytest

from ml.classifier import Factor
from portal.database import utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import AuditEvent, Case, Image, Lesion, Patient, Prediction, Review
from portal.queries.consistency import find_inconsistencies
from portal.services import audit, classification, retention
from tests import factories
from tests.answers import THRESHOLDS, made_up_answer

pytestmark = pytest.mark.databases

ALL = {"lesion": 1, "case": 2, "image": 3, "prediction": 1, "first_read": 1, "review": 1}


@pytest.fixture
def patient(app):
    old = factories.make_case("retake", comment="Ada's aunt", age_years=97)
    case = factories.make_case("classified", lesion=old.lesion, replaces=old)
    factories.make_first_read(case)
    factories.make_review(case, note="Ada is worried")
    factories.make_image(case, kind="overview")
    factories.make_case("reviewed")  # somebody else's
    return old.patient


def count(model):
    return db.session.scalar(db.select(db.func.count()).select_from(model))


def test_a_deleted_patient_is_gone_with_everything(patient):
    patient_id = str(patient.id)
    certificate = retention.delete_patient(patient=patient)
    assert certificate["rows"] == ALL and certificate["patient_id"] == patient_id
    assert [count(model) for model in (Patient, Lesion, Case, Image, Prediction, Review)] == [1, 1, 1, 1, 1, 1]
    event = db.session.get(AuditEvent, certificate["audit_event"])
    assert (event.action, event.target_id, event.hash) == ("patient.delete", patient_id, certificate["audit_hash"])
    assert audit.find_first_break() is None and find_inconsistencies() == []


def test_an_anonymous_patient_is_nobody(patient):
    before = patient.reference
    certificate = retention.anonymise_patient(patient=patient)
    assert certificate["rows"] == ALL
    assert (patient.name, patient.birth_year) == ("", None) and patient.reference != before
    cases = patient.lesions[0].cases
    assert {case.comment for case in cases} == {""} and max(case.age_years for case in cases) == 90
    assert [review.note for case in cases for review in case.reviews] == [""]
    assert {image.kind for case in cases for image in case.images} == {"dermoscopic"}
    assert cases[1].prediction is not None and find_inconsistencies() == []
    with pytest.raises(DomainError):
        retention.anonymise_patient(patient=patient)


def test_no_page_of_an_anonymous_patient_tells_a_rare_age(app, as_user):
    case = factories.make_case(age_years=97)
    answer = made_up_answer(factors=(Factor("image", None, 0.2, 0.3), Factor("age", "97", 0.3, 0.4)))
    claim = classification.claim_case(case.id)
    assert claim.age_years == 97
    classification.finish_case(claim, answer, thresholds=THRESHOLDS, is_validated=True)
    clinician = as_user("clinician", clinic=case.clinic)
    assert "Age 97" in clinician.get(f"/cases/{case.id}").text
    retention.anonymise_patient(patient=case.patient)
    for url in (f"/cases/{case.id}", f"/patients/{case.patient.id}", "/queue"):
        page = as_words(clinician.get(url).text)
        assert re.search(r"\b97\b", page) is None
    assert "Age 90" in as_words(clinician.get(f"/cases/{case.id}").text)


def test_nor_does_a_correction_keep_a_rare_age(app):
    case = factories.make_case("reviewed", age_years=97)
    case.facts_then = {"age": 99, "sex": "male", "skin_type": 2}
    unknown = factories.make_case("reviewed", lesion=case.lesion)
    unknown.facts_then = {"age": None, "sex": "male", "skin_type": 2}
    db.session.commit()
    retention.anonymise_patient(patient=case.patient)
    assert case.facts_then == {"age": 90, "sex": "male", "skin_type": 2} and unknown.facts_then["age"] is None


def as_words(page):
    """The page without its tags: an identifier in an address may hold any digits."""
    return re.sub(r"<[^>]*>", " ", page)


def test_only_what_is_past_the_period_expires(app, patient):
    with pytest.raises(DomainError):
        retention.list_expired_patients()
    app.config["RETENTION_DAYS"] = 365
    assert retention.list_expired_patients() == []
    long_ago = utc_now() - timedelta(days=400)
    patient.created_at = long_ago
    db.session.commit()
    assert retention.list_expired_patients() == []
    for case in patient.lesions[0].cases:
        case.submitted_at = long_ago
    db.session.commit()
    assert retention.list_expired_patients() == [], "decided today"


@pytest.fixture
def decided(app):
    """``decided(days, **review)``: a patient whose only photo is 1000 days old and was decided ``days`` ago."""
    app.config["RETENTION_DAYS"] = 365

    def make(days, **review):
        long_ago = utc_now() - timedelta(days=1000)
        patient = factories.make_patient(created_at=long_ago)
        case = factories.make_case("classified", lesion=factories.make_lesion(patient=patient), submitted_at=long_ago)
        factories.make_review(case, created_at=utc_now() - timedelta(days=days), **review)
        case.seen_review_count = 1
        db.session.commit()
        return patient

    return make


@pytest.mark.parametrize(
    ("days", "weeks", "expires"),
    [
        (364, None, False),
        (366, None, True),
        (366, 104, False),  # due in a year
        (800, 104, False),  # due since 72 days
        (365 + 7 * 104 - 1, 104, False),
        (365 + 7 * 104 + 1, 104, True),
    ],
)
def test_whoever_was_decided_lately_or_is_still_to_be_seen_stays(decided, days, weeks, expires):
    patient = decided(days, disposition="monitor" if weeks else "no_action", monitor_weeks=weeks)
    assert retention.list_expired_patients() == ([patient.id] if expires else [])


@pytest.fixture
def stays(app, monkeypatch):
    """``stays(case)``: whether the case's patient is kept though all that was is 1000 days back by then."""
    app.config["RETENTION_DAYS"] = 365

    def find(case):
        monkeypatch.setattr(retention, "utc_now", lambda: utc_now() + timedelta(days=1000))
        is_expired = retention.list_expired_patients() == [case.lesion.patient_id]
        assert retention.count_unfinished_patients() == (0 if is_expired else 1)
        assert (retention.delete_expired_patient(case.lesion.patient_id) is not None) == is_expired
        return not is_expired

    return find


@pytest.mark.parametrize("status", ["queued", "running", "classified", "failed", "retake"])
def test_no_case_ends_without_a_human(stays, status):
    assert stays(factories.make_case(status, tier="urgent"))


def test_a_request_that_was_answered_keeps_nobody(stays):
    asked = factories.make_case("retake")
    factories.make_case("reviewed", lesion=asked.lesion, replaces=asked)
    assert not stays(asked)


def test_nor_does_one_that_nobody_can_answer(stays):
    asked = factories.make_case("retake")
    retention.anonymise_patient(patient=asked.patient)
    assert not stays(asked)


@pytest.mark.parametrize(
    ("decided", "told", "is_kept"),
    [
        (["no_action"], 0, False),
        (["biopsy"], 0, True),
        (["biopsy"], 1, False),
        (["biopsy", "no_action"], 1, True),  # withdrawn, and somebody may act on it
        (["biopsy", "no_action"], 2, False),
    ],
)
def test_whoever_was_not_told_stays(stays, decided, told, is_kept):
    case = factories.make_case("classified", seen_review_count=told)
    for disposition in decided:
        factories.make_review(case, disposition=disposition)
    assert stays(case) == is_kept


@pytest.fixture
def in_use(app, monkeypatch):
    """The audit trail has an entry of two months ago."""
    with monkeypatch.context() as then:
        then.setattr(audit, "utc_now", lambda: utc_now() - timedelta(days=60))
        audit.record_alone(action="test.happened")


def test_a_clock_set_years_ahead_deletes_nobody(app, runner, in_use, monkeypatch):
    app.config["RETENTION_DAYS"] = 3650
    factories.make_case("reviewed")
    for module in (retention, audit):
        monkeypatch.setattr(module, "utc_now", lambda: utc_now() + timedelta(days=3660))
    audit.record_alone(action="test.happened")  # as the portal goes on by that clock
    assert "1 patients are past" in runner.invoke(args=["patient", "expire"]).output
    refused = runner.invoke(args=["patient", "expire", "--delete"])
    assert refused.exit_code == 1 and "Nothing was deleted." in refused.output
    assert f"clock says {retention.utc_now():%Y-%m-%d}" in refused.output and count(Patient) == 1
    meant = runner.invoke(args=["patient", "expire", "--delete", "--clock-is-right"])
    assert meant.exit_code == 0 and count(Patient) == 0


def test_the_clock_of_a_new_portal_is_in_nobodys_way(app, runner):
    app.config["RETENTION_DAYS"] = 3650
    assert runner.invoke(args=["patient", "expire", "--delete"]).exit_code == 0


def test_it_is_said_how_many_are_kept_for_that(app, runner, in_use, decided):
    decided(400), decided(400)
    factories.make_review(decided(400).lesions[0].cases[0], created_at=utc_now() - timedelta(400), disposition="biopsy")
    shown = runner.invoke(args=["patient", "expire"])
    assert "2 patients are past" in shown.output and "1 more are past it and are kept" in shown.output
    result = runner.invoke(args=["patient", "expire", "--delete"])
    assert len([json.loads(line) for line in result.stdout.splitlines()]) == 2 and count(Patient) == 1
    assert "1 more are past it and are kept" in result.stderr


def test_a_decision_that_comes_while_the_expired_are_deleted_keeps_the_patient(decided, monkeypatch):
    patient = decided(400)
    lock_cases = retention._lock_cases

    def wait_for_a_review(patient_id):
        factories.make_review(patient.lesions[0].cases[0])
        lock_cases(patient_id)

    monkeypatch.setattr(retention, "_lock_cases", wait_for_a_review)
    assert retention.delete_expired_patient(patient.id) is None
    assert count(Patient) == 1


def test_whoever_came_back_while_the_expired_are_deleted_stays(app, runner, in_use, monkeypatch, patient):
    app.config["RETENTION_DAYS"] = 365
    long_ago = utc_now() - timedelta(days=400)
    came_back, gone, expired = (factories.make_patient(created_at=long_ago) for _ in range(3))
    listed = retention.list_expired_patients
    ids = {name: one.id for name, one in (("came_back", came_back), ("gone", gone), ("expired", expired))}

    def list_and_go_on():
        found = listed()
        factories.make_case(lesion=factories.make_lesion(patient=came_back))
        retention.delete_patient(patient=gone)
        return found

    monkeypatch.setattr(retention, "list_expired_patients", list_and_go_on)
    result = runner.invoke(args=["patient", "expire", "--delete"])
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["patient_id"] for line in result.output.splitlines()] == [str(ids["expired"])]
    kept = db.session.scalars(db.select(Patient.id).where(Patient.id.in_(ids.values()))).all()
    assert kept == [ids["came_back"]]


def test_commands(app, runner, patient):
    names = ["--clinic", patient.clinic.name, "--reference", patient.reference]
    refused = runner.invoke(args=["patient", "delete", *names], input="n\n")
    assert refused.exit_code == 1 and count(Patient) == 2
    result = runner.invoke(args=["patient", "delete", *names, "--yes"])
    assert json.loads(result.output)["rows"] == ALL and count(Patient) == 1
    assert "no patient" in runner.invoke(args=["patient", "anonymise", *names, "--yes"]).output
    assert runner.invoke(args=["patient", "expire"]).exit_code == 1


def test_nobody_is_made_anonymous_by_a_slip(app, runner, patient):
    names = ["--clinic", patient.clinic.name, "--reference", patient.reference]
    refused = runner.invoke(args=["patient", "anonymise", *names], input="n\n")
    assert refused.exit_code == 1 and "overview photos go for good" in refused.output
    assert patient.anonymised_at is None
    result = runner.invoke(args=["patient", "anonymise", *names], input="y\n")
    assert result.exit_code == 0 and patient.anonymised_at is not None


def test_check_names_what_is_wrong(app, runner):
    assert runner.invoke(args=["check"]).exit_code == 0
    case = factories.make_case(with_image=False)
    factories.make_image(factories.make_case(with_image=False), sha256="0" * 64)
    factories.make_lesion()
    result = runner.invoke(args=["check"])
    assert result.exit_code == 1 and len(result.output.splitlines()) == 3
    assert f"Case {case.id} has no photo." in result.output
