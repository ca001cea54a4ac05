from datetime import UTC, datetime

import pytest
from flask_babel import force_locale

from portal.explanations import texts
from portal.extensions import db
from portal.models import AuditEvent
from portal.services import cases
from tests import factories

CLASSIFIED = {"tier": "soon", "tier_reasons": [{"code": "worried", "tier": "soon", "params": {}}]}


@pytest.fixture
def clinic(app):
    return factories.make_clinic(name="Hill Clinic")


@pytest.fixture
def health_worker(clinic, as_user):
    return as_user(factories.make_user("health_worker", clinic=clinic))


def make_case(clinic, status="classified", **values):
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic, name="Rosa Field"))
    prediction = {"predicted_class": "mel", "malignancy_risk": 0.62, "melanoma_probability": 0.6}
    return factories.make_case(status, lesion=lesion, prediction=prediction, **{**CLASSIFIED, **values})


def read(client, case, language="en"):
    response = client.get(f"/cases/{case.id}/leaflet?language={language}")
    assert response.status_code == 200
    return response.text


def test_it_has_the_photo_the_chance_the_safety_net_and_the_limits(clinic, health_worker):
    case = make_case(clinic)
    page = read(health_worker, case)
    assert f"/images/{case.dermoscopic_image.id}" in page
    assert "Rosa Field" in page and "Hill Clinic" in page
    assert "about 62 are skin cancer" in page
    assert "Come back if it grows, changes, bleeds, itches or does not heal" in page
    assert "not a diagnosis" in page
    assert "No clinician has looked at the photo yet" in page


@pytest.mark.parametrize("status", ["queued", "running"])
def test_before_the_result_it_promises_nothing(clinic, health_worker, status):
    page = read(health_worker, make_case(clinic, status))
    assert "A clinician will look at it" in page
    assert "Come back if" in page
    assert "Of 100 spots" not in page


def test_of_a_photo_that_cannot_be_judged_it_says_that_another_is_needed(clinic, health_worker):
    case = make_case(clinic)
    cases.ask_retake(case=case, clinician=factories.make_user("clinician", clinic=clinic), reason="wrong_spot")
    page = read(health_worker, case)
    assert "A clinician has looked at the photo and cannot judge the spot from it" in page
    assert "Of 100 spots" not in page and "No clinician has looked" not in page
    assert "Come back if" in page


@pytest.mark.parametrize("status", ["queued", "running", "retake"])
@pytest.mark.parametrize(
    ("tier", "words"), [("urgent", "see this spot very soon"), ("soon", "see this spot soon"), ("routine", None)]
)
def test_what_the_answers_ask_for_is_on_it_without_a_view(clinic, health_worker, status, tier, words):
    # A poor photo, of which nothing can be told, takes no haste from the answers.
    reasons = [{"code": "checklist", "tier": tier, "params": {"score": 7}}] if words else []
    reasons.append({"code": "quality", "tier": "cannot_assess", "params": {"problem": "blurred"}})
    page = read(health_worker, make_case(clinic, status, tier=tier, tier_reasons=reasons))
    assert ("Please come when you are called" in page) == bool(words)
    assert words in page if words else "see this spot" not in page and "No sign that calls for haste" not in page
    assert "It does not mean that something is wrong" not in page


def test_a_decision_comes_first(clinic, health_worker):
    case = make_case(clinic)
    factories.make_review(case, diagnosis="mel", agrees=True, disposition="urgent_referral")
    page = read(health_worker, case)
    assert "see you very soon" in page
    assert page.index("What the clinician says") < page.index("Of 100 spots")
    assert "No clinician has looked" not in page


def test_where_the_clinician_disagrees_the_computer_is_silent(clinic, health_worker):
    case = make_case(clinic)
    factories.make_review(case, diagnosis="nv", agrees=False, disposition="monitor", monitor_weeks=6)
    page = read(health_worker, case)
    assert "Look again in 6 weeks" in page
    assert "Of 100 spots" not in page


def test_the_day_to_come_back_is_on_it(clinic, health_worker):
    case = make_case(clinic)
    decided = datetime(2026, 11, 3, 10, tzinfo=UTC)
    factories.make_review(case, disposition="monitor", monitor_weeks=6, created_at=decided)
    assert "15 Dec 2026" in read(health_worker, case)


def test_in_doubt_no_class_and_no_number(clinic, health_worker):
    doubt = {"code": "quality", "tier": "cannot_assess", "params": {"problem": "blurred"}}
    page = read(health_worker, make_case(clinic, tier="cannot_assess", tier_reasons=[doubt]))
    assert "could not judge" in page
    assert "Of 100 spots" not in page and "looks most like" not in page


def test_before_the_first_read_there_is_no_leaflet_for_the_clinician(as_user):
    clinic = factories.make_clinic(first_read_required=True)
    reader = factories.make_user("clinician", clinic=clinic)
    case = make_case(clinic)
    client = as_user(reader)
    assert client.get(f"/cases/{case.id}/leaflet").status_code == 404
    factories.make_first_read(case, reader)
    assert "Of 100 spots" in read(client, case)


@pytest.mark.parametrize(
    ("tier", "haste"), [("urgent", "see this spot very soon"), ("soon", "see this spot soon"), ("cannot_assess", None)]
)
def test_a_photo_that_was_not_read_sends_the_patient_to_a_human(clinic, health_worker, tier, haste):
    reasons = [{"code": "checklist", "tier": tier, "params": {"score": 7}}] if haste else []
    reasons.append({"code": "model_failed", "tier": "cannot_assess", "params": {}})
    page = read(health_worker, make_case(clinic, "failed", tier=tier, tier_reasons=reasons))
    assert "could not read your photo" in page and "A clinician will look at the photo" in page
    assert haste in page if haste else "could not judge this spot" in page
    assert ("Please come when you are called" in page) == bool(haste)
    # That is said of a photo in doubt, and would take back the haste.
    assert "It does not mean that something is wrong" not in page
    assert "Of 100 spots" not in page and "Come back if" in page


@pytest.mark.parametrize("language", ["es", "hi"])
def test_of_a_photo_that_was_not_read_it_speaks_the_patients_language(clinic, health_worker, language):
    failed = {"code": "model_failed", "tier": "cannot_assess", "params": {}}
    page = read(health_worker, make_case(clinic, "failed", tier="cannot_assess", tier_reasons=[failed]), language)
    with force_locale(language):
        said = str(texts.NOT_READ["patient"])
    assert said in page and not said.startswith("The computer")


def test_a_leaflet_in_another_language_says_who_translated_it(clinic, health_worker):
    case = make_case(clinic)
    english, spanish = read(health_worker, case), read(health_worker, case, "es")
    assert 'lang="es"' in spanish.split("<head>")[0]
    assert "leaflet-machine" in spanish and "leaflet-machine" not in english
    assert read(health_worker, case, "xx").count('<html lang="en"') == 1


def test_another_clinics_leaflet_does_not_exist(clinic, as_user):
    case = make_case(clinic)
    assert as_user("health_worker").get(f"/cases/{case.id}/leaflet").status_code == 404


def test_looking_is_written_down(clinic, health_worker):
    case = make_case(clinic)
    read(health_worker, case)
    events = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "leaflet.view")).all()
    assert [event.target_id for event in events] == [str(case.id)]
