import re
from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent
from tests import factories


@pytest.fixture
def clinic(app):
    return factories.make_clinic(name="Hillside")


@pytest.fixture
def patient(clinic):
    return factories.make_patient(clinic=clinic, reference="HS-7", name="Ana Ruiz", birth_year=1961)


@pytest.fixture
def nurse(clinic, as_user):
    return as_user(factories.make_user(clinic=clinic))


def test_a_page_whose_last_patient_left_the_list_leads_back_to_the_first(nurse, patient):
    assert nurse.get(f"/patients?q=HS&after={patient.id}").location == "/patients?q=HS"
    assert nurse.get(f"/patients?after={patient.id}").location == "/patients"


def test_search_by_name(nurse, patient):
    page = nurse.get("/patients?q=ruiz").text
    assert "HS-7" in page and "Ana Ruiz" in page
    assert "No patient fits" in nurse.get("/patients?q=nobody").text


def test_suggestions_for_the_new_case_form(nurse, patient):
    lesion = factories.make_lesion(patient=patient)
    case = factories.make_case(lesion=lesion)
    answer = nurse.get("/patients/search?q=hs").json
    assert answer["patients"] == [
        {
            "id": str(patient.id),
            "reference": "HS-7",
            "name": "Ana Ruiz",
            "birth_year": 1961,
            "sex": "female",
            "skin_type": 2,
            "lesions": [
                {
                    "id": str(lesion.id),
                    "reference": "L1",
                    "place": "Back",
                    "last_at": case.submitted_at.isoformat(),
                    "thumbnail": f"/images/{case.dermoscopic_image.id}/thumbnail",
                }
            ],
        }
    ]
    assert not answer["has_more"]
    assert nurse.get("/patients/search?q=").json == {"patients": [], "has_more": False}


def test_the_record_of_a_search_names_nobody(nurse, patient):
    nurse.get("/patients/search?q=Ruiz")
    event = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "patient.search")).one()
    assert event.details == {"found": 1}


def test_history_shows_what_was_said_then(nurse, patient):
    case = factories.make_case("reviewed", tier="soon", lesion=factories.make_lesion(patient=patient))
    page = nurse.get(f"/patients/{patient.id}").text
    for words in ("L1", "Back", "Soon", "Mole (naevus), 70%", "No action needed"):
        assert words in page
    assert f'href="/cases/{case.id}"' in page
    event = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "patient.view")).one()
    assert event.target_id == str(patient.id)


def test_two_photos_side_by_side(nurse, patient):
    lesion = factories.make_lesion(patient=patient)
    late = factories.make_case("classified", lesion=lesion)
    early = factories.make_case("classified", lesion=lesion, submitted_at=utc_now() - timedelta(days=90))
    page = nurse.get(f"/patients/{patient.id}?compare={late.id}&compare={early.id}").text
    early_at = page.index(f'src="/images/{early.dermoscopic_image.id}"')
    assert early_at < page.index(f'src="/images/{late.dermoscopic_image.id}"')
    assert "two different spots" not in page


@pytest.mark.parametrize("compare", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_what_cannot_be_compared_is_left_out(nurse, patient, compare):
    response = nurse.get(f"/patients/{patient.id}?compare={compare}")
    assert response.status_code == 200
    assert "Side by side" not in response.text


def test_other_clinics_patients_are_not_there(nurse):
    foreign = factories.make_patient(reference="ZZ-1")
    assert nurse.get(f"/patients/{foreign.id}").status_code == 404
    assert "ZZ-1" not in nurse.get("/patients").text
    assert nurse.get("/patients/search?q=ZZ-1").json["patients"] == []


def fields_of(page):
    """What a browser would send back of the correction form, unchanged."""
    sent = dict(re.findall(r'name="(reference|name|birth_year|seen)"[^>]*value="([^"]*)"', page))
    ticked = re.findall(r"<input[^>]*checked[^>]*>", page)
    return sent | {re.search(r'name="(\w+)"', box)[1]: re.search(r'value="(\w*)"', box)[1] for box in ticked}


def test_details_noted_wrongly_are_corrected(nurse, patient):
    case = factories.make_case("classified", lesion=factories.make_lesion(patient=patient), age_years=65)
    url = f"/patients/{patient.id}/correct"
    assert url in nurse.get(f"/patients/{patient.id}").text
    fields = fields_of(nurse.get(url).text)
    assert (fields["reference"], fields["birth_year"], fields["sex"], fields["skin_type"]) == (
        "HS-7",
        "1961",
        "female",
        "2",
    )
    answer = nurse.post(url, data=fields | {"birth_year": "1991", "sex": ""})
    assert (answer.status_code, answer.location) == (303, f"/patients/{patient.id}")
    page = nurse.get(answer.location).text
    assert "The details are corrected." in page and "born 1991" in page and "Other or not said" in page
    page = nurse.get(f"/cases/{case.id}").text
    assert "At that time they were:" in page and "Female, age 65" in page and f"age {utc_now().year - 1991}" in page


def test_what_was_not_noted_when_a_case_was_read_is_told(nurse, patient):
    patient.skin_type = None
    db.session.commit()
    case = factories.make_case("classified", lesion=factories.make_lesion(patient=patient))
    url = f"/patients/{patient.id}/correct"
    nurse.post(url, data=fields_of(nurse.get(url).text) | {"skin_type": "6"})
    page = nurse.get(f"/cases/{case.id}").text
    assert "skin type VI" in page and "skin type not noted." in page


def test_a_correction_that_cannot_be_is_shown_at_its_field(nurse, patient):
    url = f"/patients/{patient.id}/correct"
    fields = fields_of(nurse.get(url).text)
    factories.make_patient(clinic=patient.clinic, reference="HS-8")
    answer = nurse.post(url, data=fields | {"reference": "HS-8", "name": "Eve"})
    assert answer.status_code == 400
    assert "another patient&#39;s reference" in answer.text and 'value="Eve"' in answer.text
    answer = nurse.post(url, data=fields | {"birth_year": "1066"})
    assert answer.status_code == 400 and "Enter a year from" in answer.text
    assert (patient.reference, patient.name, patient.birth_year) == ("HS-7", "Ana Ruiz", 1961)


def test_who_corrects_what_somebody_has_corrected_sees_it_first(nurse, patient):
    url = f"/patients/{patient.id}/correct"
    fields = fields_of(nurse.get(url).text)
    assert nurse.post(url, data=fields | {"birth_year": "1991"}).status_code == 303
    answer = nurse.post(url, data=fields | {"name": "Ana Ruiz Soto"})
    assert (answer.status_code, answer.location) == (303, url)
    page = nurse.get(url).text
    assert "Somebody corrected this patient" in page and 'value="1991"' in page
    assert patient.name == "Ana Ruiz"


def test_only_health_workers_of_the_clinic_correct_and_nobody_an_anonymous_patient(nurse, clinic, patient, as_user):
    clinician = as_user(factories.make_user("clinician", clinic=clinic))
    for client, status in ((clinician, 403), (as_user("admin"), 403), (as_user("health_worker"), 404)):
        assert client.get(f"/patients/{patient.id}/correct").status_code == status
        assert client.post(f"/patients/{patient.id}/correct", data={"name": "x"}).status_code == status
    assert "/correct" not in clinician.get(f"/patients/{patient.id}").text
    patient.anonymised_at = utc_now()
    db.session.commit()
    assert nurse.get(f"/patients/{patient.id}/correct").status_code == 404
    assert "/correct" not in nurse.get(f"/patients/{patient.id}").text


@pytest.mark.parametrize(
    ("role", "status", "reasons", "is_told"),
    [
        ("health_worker", "classified", [], True),
        ("health_worker", "classified", [{"code": "out_of_distribution", "tier": "cannot_assess"}], False),
        ("health_worker", "retake", [], False),
        ("clinician", "classified", [{"code": "out_of_distribution", "tier": "cannot_assess"}], True),
        ("clinician", "retake", [], True),
    ],
)
def test_a_number_without_ground_is_told_to_no_health_worker(clinic, as_user, patient, role, status, reasons, is_told):
    view = {"predicted_class": "nv", "confidence": 0.884}
    lesion = factories.make_lesion(patient=patient)
    case = factories.make_case("classified", lesion=lesion, prediction=view, tier_reasons=reasons)
    case.status = status
    case.retake_reason = "blurred" if status == "retake" else None
    db.session.commit()
    other = factories.make_case("classified", lesion=lesion, prediction={"predicted_class": "bkl", "confidence": 0.71})
    reader = as_user(factories.make_user(role, clinic=clinic))
    history = reader.get(f"/patients/{patient.id}?compare={case.id}&compare={other.id}").text
    assert "71%" in history and ("88%" in history) == is_told
    page = reader.get(f"/cases/{case.id}").text
    assert ("confidence 88%" in page) == is_told and ("The numbers " in page) == is_told
    # It is the clinician who could not.
    assert ("Could not judge this photo" in history) == (not is_told and status != "retake")


def test_a_reason_in_doubt_is_told_without_its_number(clinic, as_user, patient):
    reasons = [
        {"code": "model_melanoma", "tier": "urgent", "params": {"probability": 0.2}},
        {"code": "out_of_distribution", "tier": "cannot_assess"},
    ]
    case = factories.make_case("classified", lesion=factories.make_lesion(patient=patient), tier="urgent")
    case.tier_reasons = reasons
    db.session.commit()
    nurse, clinician = (as_user(factories.make_user(role, clinic=clinic)) for role in ("health_worker", "clinician"))
    assert "about 20 in 100 for melanoma" in clinician.get(f"/cases/{case.id}").text
    page = nurse.get(f"/cases/{case.id}").text
    assert "The computer sees signs of melanoma." in page and "20 in 100" not in page
