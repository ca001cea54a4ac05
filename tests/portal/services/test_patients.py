from datetime import UTC, datetime

import pytest

from portal.database import begin_write
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import AuditEvent, Patient
from portal.services import audit, classification
from portal.services.patients import add_patient, correct_patient
from tests import factories
from tests.answers import THRESHOLDS, made_up_answer

pytestmark = pytest.mark.databases


def register_patient(**values):
    begin_write(db.session)
    patient = add_patient(**values)
    db.session.commit()
    return patient


def test_a_patient_is_registered_with_a_trace(app):
    nurse = factories.make_user()
    patient = register_patient(clinic=nurse.clinic, reference=" A-1 ", name="Ada", birth_year=1980, creator=nurse)
    assert (patient.reference, patient.created_by_id) == ("A-1", nurse.id)
    event = db.session.scalar(db.select(AuditEvent))
    assert (event.action, event.target_id, event.actor_id) == ("patient.register", str(patient.id), nurse.id)


def test_a_reference_is_unique_within_its_clinic(app):
    first, second = factories.make_clinic(), factories.make_clinic()
    register_patient(clinic=first, reference="A-1")
    register_patient(clinic=second, reference="A-1")
    with pytest.raises(DomainError) as refusal:
        register_patient(clinic=first, reference="A-1")
    assert refusal.value.field == "reference"
    assert db.session.scalar(db.select(db.func.count()).select_from(Patient)) == 2


@pytest.mark.parametrize("reference", ["ab-1ó", "AB-1Ó", " Ab-1ó "])
def test_a_reference_is_the_same_in_whatever_letters_as_a_search_finds_it(app, reference):
    clinic = factories.make_clinic()
    register_patient(clinic=clinic, reference="AB-1ó")
    with pytest.raises(DomainError, match="AB-1ó is registered already") as refusal:
        register_patient(clinic=clinic, reference=reference)
    assert refusal.value.field == "reference"
    assert db.session.scalar(db.select(db.func.count()).select_from(Patient)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("reference", " "), ("reference", "x" * 41), ("birth_year", 1066), ("birth_year", 2999), ("sex", "x")]
    + [("skin_type", 0), ("skin_type", 7)],
)
def test_what_cannot_be_names_its_field(app, field, value):
    clinic = factories.make_clinic()
    with pytest.raises(DomainError) as refusal:
        register_patient(clinic=clinic, **{"reference": "A-1", field: value})
    assert refusal.value.field == field
    assert db.session.scalar(db.select(Patient)) is None


@pytest.fixture
def patient(app):
    """Born in 1964 and female; who corrects that is ``patient.clinic``'s."""
    return factories.make_patient(reference="A-1")


def correct(patient, **changed):
    editor = factories.make_user(clinic=patient.clinic)
    values = {"expected": patient.details_mark, **patient.details, **changed}
    return correct_patient(patient=patient, editor=editor, **values)


def make_case_of(patient, status, **values):
    """A case of a day that stays: ages are counted from it."""
    lesion = factories.make_lesion(patient=patient)
    return factories.make_case(status, lesion=lesion, **{"submitted_at": datetime(2026, 6, 1, tzinfo=UTC), **values})


def test_details_are_corrected_with_a_trace_that_tells_none_of_them(patient):
    changed = correct(patient, reference=" B-2 ", name="Ana", birth_year=1946, sex="male")
    assert changed == ["birth_year", "name", "reference", "sex"]
    assert (patient.reference, patient.name, patient.birth_year, patient.sex) == ("B-2", "Ana", 1946, "male")
    event = db.session.scalar(db.select(AuditEvent))
    assert (event.action, event.target_id) == ("patient.correct", str(patient.id))
    assert event.details == {"fields": changed, "tiers": {}} and audit.find_first_break() is None


def test_nothing_changed_is_nothing_written(patient):
    assert correct(patient) == [] and correct(patient, name=" Ada Example ") == []
    assert db.session.scalar(db.select(AuditEvent)) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", " "),
        ("reference", "A-2"),
        ("reference", "a-2"),
        ("birth_year", 1066),
        ("sex", "x"),
        ("skin_type", 7),
    ],
)
def test_a_correction_that_cannot_be_names_its_field_and_changes_nothing(patient, field, value):
    factories.make_patient(clinic=patient.clinic, reference="A-2")
    before = patient.details
    with pytest.raises(DomainError) as refusal:
        correct(patient, **{"name": "Eve", field: value})
    db.session.rollback()
    assert refusal.value.field == field and patient.details == before


def test_the_letters_of_a_reference_are_corrected_beside_an_older_record_that_has_it_too(patient):
    factories.make_patient(clinic=patient.clinic, reference="a-1")
    assert correct(patient, name="Ana") == ["name"]
    with pytest.raises(DomainError, match="a-1 is another patient's reference"):
        correct(patient, reference="a-1")
    db.session.rollback()
    assert correct(factories.make_patient(reference="b-1"), reference="B-1") == ["reference"]


def test_nobody_overwrites_a_correction_they_have_not_seen(patient):
    seen = patient.details_mark
    correct(patient, name="Ana")
    with pytest.raises(Conflict):
        correct(patient, expected=seen, name="Ada Example", sex="male")
    db.session.rollback()
    assert (patient.name, patient.sex) == ("Ana", "female")


def test_an_anonymous_patient_gets_no_name_back(patient):
    patient.anonymised_at = patient.created_at
    db.session.commit()
    with pytest.raises(DomainError):
        correct(patient, name="Ana")


def test_what_was_read_or_decided_keeps_its_facts_and_what_was_not_is_read_with_the_new_ones(patient):
    made = {status: make_case_of(patient, status) for status in ("queued", "failed", "classified", "reviewed")}
    correct(patient, birth_year=1946, sex="male")
    assert {case.age_years for case in made.values()} == {80}
    then = {"age": 62, "sex": "female", "skin_type": 2}
    assert {status: case.corrected_facts for status, case in made.items()} == {
        "queued": None,
        "failed": None,
        "classified": then,
        "reviewed": then,
    }
    assert (made["queued"].age_when_read, made["reviewed"].age_when_read) == (80, 62)
    correct(patient, birth_year=1947)
    assert made["reviewed"].corrected_facts == then and made["reviewed"].age_years == 79
    correct(patient, birth_year=1964, sex="female")
    assert made["reviewed"].corrected_facts is None
    claim = classification.claim_case(made["queued"].id)
    assert (claim.age_years, claim.sex) == (62, "female")


def test_another_name_or_reference_is_no_other_fact(patient):
    case = make_case_of(patient, "reviewed")
    correct(patient, name="Ana", reference="B-2")
    assert case.facts_then is None


def test_a_correction_while_the_photo_is_read_is_told_with_the_view(patient):
    case = make_case_of(patient, "queued")
    claim = classification.claim_case(case.id)
    correct(patient, birth_year=1946)
    assert claim.age_years == 62 and case.corrected_facts["age"] == 62
    classification.finish_case(claim, made_up_answer(), thresholds=THRESHOLDS, is_validated=True)
    assert (case.status, case.age_years, case.age_when_read) == ("classified", 80, 62)


def test_a_photo_that_is_read_again_is_read_with_the_details_of_then(app, patient):
    case = make_case_of(patient, "running", lease_expires_at=patient.created_at)
    correct(patient, birth_year=1946)
    assert case.age_when_read == 62
    assert classification.claim_case(case.id).age_years == case.age_when_read == 80
    assert case.corrected_facts is None


@pytest.mark.parametrize("is_final", [True, False])
def test_a_photo_that_was_not_read_was_read_with_no_other_details(patient, is_final):
    case = make_case_of(patient, "queued")
    claim = classification.claim_case(case.id)
    correct(patient, birth_year=1946)
    classification.fail_case(claim, "model_error", is_final=is_final)
    assert (case.status, case.corrected_facts, case.age_when_read) == ("failed" if is_final else "queued", None, 80)


def test_another_skin_type_sorts_again_what_nobody_decided(patient):
    statuses = ("queued", "running", "failed", "reviewed")
    waiting, running, failed, decided = (make_case_of(patient, status) for status in statuses)
    classified = make_case_of(patient, "classified", checklist_score=5)
    correct(patient, skin_type=6)
    assert (waiting.tier, running.tier, failed.tier, decided.tier, classified.tier) == (
        "cannot_assess",
        "cannot_assess",
        "cannot_assess",
        "routine",
        "urgent",
    )
    assert "dark_skin" in {reason["code"] for reason in classified.tier_reasons}
    event = db.session.scalar(db.select(AuditEvent))
    assert event.details["tiers"][str(waiting.id)] == "cannot_assess" and str(decided.id) not in event.details["tiers"]
