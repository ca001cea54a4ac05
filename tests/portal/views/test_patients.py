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
                    "body_site": "back",
                    "last_at": case.submitted_at.isoformat(),
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
