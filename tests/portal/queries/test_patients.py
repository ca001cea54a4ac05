from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.queries.patients import (
    PAGE_SIZE,
    SUGGESTION_COUNT,
    KnownLesion,
    find_patients,
    lesion_rows,
    pick_pair,
    suggest_patients,
)
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def clinic(app):
    return factories.make_clinic()


@pytest.fixture
def user(clinic):
    return factories.make_user(clinic=clinic)


def references(rows):
    return [row.patient.reference for row in rows]


@pytest.mark.parametrize("text", ["b-2", "ruiz", "ANA", "ruiz ana", "b-2 ana", "óscar", "ÓSCAR"])
def test_found_by_parts_of_reference_or_name_in_any_case_and_order(user, clinic, text):
    factories.make_patient(clinic=clinic, reference="A-1", name="Tomas Quille")
    factories.make_patient(clinic=clinic, reference="B-2", name="Ana Óscar Ruiz")
    rows, _ = find_patients(user, text)
    assert references(rows) == ["B-2"]


def test_every_word_must_fit(user, clinic):
    factories.make_patient(clinic=clinic, name="Ana Ruiz")
    assert find_patients(user, "ana quille") == ([], None)


def test_other_clinics_are_not_found(user, clinic):
    factories.make_patient(reference="A-1")
    factories.make_patient(clinic=clinic, reference="A-1")
    rows, _ = find_patients(user, "A-1")
    assert [row.patient.clinic_id for row in rows] == [clinic.id]
    suggested, _ = suggest_patients(user, "A-1")
    assert [patient.clinic_id for patient, _ in suggested] == [clinic.id]


def test_a_row_counts_spots_and_knows_the_last_photo(user, clinic):
    patient = factories.make_patient(clinic=clinic)
    lesion = factories.make_lesion(patient=patient)
    factories.make_lesion(patient=patient)
    factories.make_case(lesion=lesion, submitted_at=utc_now() - timedelta(days=3))
    latest = factories.make_case(lesion=lesion)
    [row], _ = find_patients(user, "")
    assert (row.lesion_count, row.last_case_at) == (2, latest.submitted_at)


def test_a_patient_without_spots_is_listed(user, clinic):
    factories.make_patient(clinic=clinic)
    [row], _ = find_patients(user, "")
    assert (row.lesion_count, row.last_case_at) == (0, None)


def test_pages_follow_each_other(user, clinic):
    for number in range(PAGE_SIZE + 2):
        factories.make_patient(clinic=clinic, reference=f"P-{number:03}")
    first, after = find_patients(user, "")
    second, end = find_patients(user, "", after=after)
    assert references(first) + references(second) == [f"P-{number:03}" for number in range(PAGE_SIZE + 2)]
    assert end is None


def test_suggestions_carry_the_spots_and_when_they_were_last_seen(user, clinic):
    patient = factories.make_patient(clinic=clinic)
    seen, unseen = factories.make_lesion(patient=patient), factories.make_lesion(patient=patient)
    case = factories.make_case(lesion=seen)
    [(found, lesions)], has_more = suggest_patients(user, patient.reference)
    assert found == patient
    photo = case.dermoscopic_image
    assert lesions == [KnownLesion(seen, case.submitted_at, photo.id), KnownLesion(unseen)]
    assert not has_more


def suggested_references(user, text):
    return [patient.reference for patient, _lesions in suggest_patients(user, text)[0]]


def test_whose_reference_was_typed_comes_first_then_those_that_begin_with_it(user, clinic):
    for reference in (*range(1017, 2017, 100), 170, "X-17", 17, "100%"):
        factories.make_patient(clinic=clinic, reference=str(reference))
    assert suggested_references(user, "17")[:4] == ["17", "170", "1717", "1017"]
    factories.make_patient(clinic=clinic, reference="ab-12")
    assert suggested_references(user, "AB-1") == ["ab-12"] and suggested_references(user, "0%") == ["100%"]
    factories.make_patient(clinic=clinic, reference="a-ab-12")
    assert suggested_references(user, "AB-12") == ["ab-12", "a-ab-12"]


def test_nobody_is_suggested_whose_record_was_closed(user, clinic):
    factories.make_patient(clinic=clinic, reference="anonymous-0123456789ab", anonymised_at=utc_now())
    assert suggest_patients(user, "anonymous") == ([], False)


def test_suggestions_say_whether_there_are_more(user, clinic):
    for _ in range(SUGGESTION_COUNT):
        factories.make_patient(clinic=clinic, name="Maria")
    found, has_more = suggest_patients(user, "maria")
    assert (len(found), has_more) == (SUGGESTION_COUNT, False)
    factories.make_patient(clinic=clinic, name="Maria")
    found, has_more = suggest_patients(user, "maria")
    assert (len(found), has_more) == (SUGGESTION_COUNT, True)


def test_history_runs_from_the_earliest_visit(user, clinic):
    patient = factories.make_patient(clinic=clinic)
    first, second = factories.make_lesion(patient=patient), factories.make_lesion(patient=patient)
    late = factories.make_case("reviewed", lesion=first)
    early = factories.make_case("reviewed", lesion=first, submitted_at=utc_now() - timedelta(days=90))
    rows = lesion_rows(patient, user)
    assert [row.lesion for row in rows] == [first, second]
    assert [visit.case for visit in rows[0].visits] == [early, late]
    assert rows[0].visits[0].prediction.predicted_class == "nv"
    assert rows[0].visits[0].review.disposition == "no_action"


def test_history_keeps_the_model_silent_before_the_first_read(app):
    clinic = factories.make_clinic(first_read_required=True)
    clinician = factories.make_user("clinician", clinic=clinic)
    patient = factories.make_patient(clinic=clinic)
    factories.make_case("classified", tier="urgent", lesion=factories.make_lesion(patient=patient))
    [visit] = lesion_rows(patient, clinician)[0].visits
    assert (visit.prediction, visit.tier) == (None, None)
    [visit] = lesion_rows(patient, factories.make_user(clinic=clinic))[0].visits
    assert visit.tier == "urgent"


def test_a_pair_is_two_photos_of_this_patient_the_earlier_first(user, clinic):
    patient = factories.make_patient(clinic=clinic)
    lesion = factories.make_lesion(patient=patient)
    late = factories.make_case(lesion=lesion)
    early = factories.make_case(lesion=lesion, submitted_at=utc_now() - timedelta(days=9))
    foreign = factories.make_case()
    rows = lesion_rows(patient, user)
    assert [visit.case for visit in pick_pair(rows, [late.id, early.id])] == [early, late]
    assert pick_pair(rows, [late.id]) is None
    assert pick_pair(rows, [late.id, foreign.id]) is None
