import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent, Case, LoginSession, Patient
from tests import factories
from tests.photos import lesion_photo

JSON = {"Accept": "application/json"}


def new_case(**fields):
    """Fields of the form for a new patient, with a photo."""
    filled = {"submission_key": "k" * 32, "reference": "P-77", "body_site": "face", "consent": "y"} | fields
    photo = filled.pop("dermoscopic", lesion_photo())
    if photo is not None:
        filled["dermoscopic"] = (io.BytesIO(photo), "Ada Example.jpg")
    return {name: value for name, value in filled.items() if value is not None}


def all_cases():
    return db.session.scalars(db.select(Case)).all()


class TestNew:
    def test_sending_makes_a_case_and_goes_to_it(self, nurse):
        answer = nurse.post("/cases/new", data=new_case(checklist=["change_in_size", "oozing"], is_worried="y"))
        (case,) = all_cases()
        assert (answer.status_code, answer.location) == (303, f"/cases/{case.id}")
        assert (case.patient.reference, case.lesion.body_site) == ("P-77", "face")
        assert (case.checklist, case.checklist_score, case.is_worried) == (["change_in_size", "oozing"], 3, True)
        assert case.submitted_by_id == nurse.user.id

    def test_the_same_form_twice_is_one_case(self, nurse):
        first, second = (nurse.post("/cases/new", data=new_case()) for _ in range(2))
        assert first.location == second.location
        assert len(all_cases()) == 1

    def test_the_same_form_with_other_answers_offers_the_first_case_and_a_new_one(self, nurse):
        first = nurse.post("/cases/new", data=new_case())
        page = nurse.post("/cases/new", data=new_case(is_worried="y", comment="Bleeds"))
        assert page.status_code == 409 and len(all_cases()) == 1
        assert "This was sent already, as it was then." in page.text and f'href="{first.location}"' in page.text
        assert "Bleeds" in page.text, "what was typed stays"
        key = re.search(r'name="submission_key"[^>]* value="([^"]+)"', page.text)[1]
        assert key != "k" * 32
        second = nurse.post("/cases/new", data=new_case(submission_key=key, reference="P-78", is_worried="y"))
        assert second.status_code == 303 and second.location != first.location

    def test_a_script_is_told_of_the_first_case_too(self, nurse):
        first = nurse.post("/cases/new", data=new_case())
        answer = nurse.post("/cases/new", data=new_case(dermoscopic=lesion_photo(1)), headers=JSON)
        assert answer.status_code == 409 and list(answer.json["errors"]) == [""]
        assert answer.json["first"]["location"] == first.location
        assert answer.json["first"]["new_key"] != "k" * 32

    def test_script_gets_the_address_or_the_errors(self, nurse):
        made = nurse.post("/cases/new", data=new_case(), headers=JSON)
        assert (made.status_code, made.json["location"]) == (201, f"/cases/{all_cases()[0].id}")
        refused = nurse.post("/cases/new", data=new_case(submission_key="x" * 32, body_site=""), headers=JSON)
        assert (refused.status_code, list(refused.json["errors"])) == (400, ["body_site"])

    def test_an_unusable_photo_is_an_error_of_its_field_and_keeps_what_was_typed(self, nurse):
        page = nurse.post("/cases/new", data=new_case(dermoscopic=b"not a photo", comment="Since spring"))
        assert page.status_code == 400
        assert 'id="dermoscopic-error"' in page.text
        assert "Since spring" in page.text and 'value="P-77"' in page.text and 'value="' + "k" * 32 in page.text
        assert not all_cases()

    def test_a_reference_that_is_taken_is_an_error_of_its_field(self, nurse, patient):
        answer = nurse.post("/cases/new", data=new_case(reference=patient.reference), headers=JSON)
        assert answer.status_code == 400
        assert list(answer.json["errors"]) == ["reference"]

    def test_a_known_patient_and_lesion(self, nurse, patient):
        lesion = factories.make_lesion(patient=patient)
        chosen = new_case(patient=patient.id, lesion=lesion.id, reference="", body_site="")
        assert nurse.post("/cases/new", data=chosen).status_code == 303
        assert all_cases()[0].lesion_id == lesion.id
        assert len(db.session.scalars(db.select(Patient)).all()) == 1

    def test_the_address_chooses_patient_and_lesion(self, nurse, patient):
        lesion = factories.make_lesion(patient=patient)
        page = nurse.get(f"/cases/new?lesion={lesion.id}").text
        assert f'id="patient" value="{patient.id}"' in page
        assert f'value="{lesion.id}" checked' in page

    def test_whose_details_the_form_showed_is_on_record(self, nurse, patient):
        nurse.get("/cases/new")
        nurse.get(f"/cases/new?patient={patient.id}")
        (event,) = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "patient.view"))
        assert (event.actor_id, event.target_id) == (nurse.user.id, str(patient.id))

    @pytest.mark.parametrize("name", ["patient", "lesion", "replaces"])
    def test_another_clinics_row_does_not_exist(self, nurse, name):
        case = factories.make_case()
        row = {"patient": case.patient, "lesion": case.lesion, "replaces": case}[name]
        assert nurse.get(f"/cases/new?{name}={row.id}").status_code == 404
        assert nurse.post("/cases/new", data=new_case(**{name: row.id})).status_code == 404

    def test_a_lesion_of_another_patient_is_refused(self, nurse, patient):
        other = factories.make_lesion(patient=factories.make_patient(clinic=nurse.user.clinic))
        answer = nurse.post("/cases/new", data=new_case(patient=patient.id, lesion=other.id))
        assert answer.status_code == 404

    def test_a_new_photo_answers_the_request_for_one(self, nurse, patient):
        lesion = factories.make_lesion(patient=patient)
        asked = factories.make_case(
            "retake", lesion=lesion, submitted_by=nurse.user, checklist=["oozing"], comment="Bleeds", is_worried=True
        )
        page = nurse.get(f"/cases/new?replaces={asked.id}").text
        assert "The photo is blurred" in page and "Bleeds" in page
        assert re.search(r'value="oozing" checked', page)
        assert (
            nurse.post("/cases/new", data=new_case(replaces=asked.id, reference=None, body_site=None)).status_code
            == 303
        )
        answer = db.session.scalar(db.select(Case).where(Case.replaces_id == asked.id))
        assert answer.lesion_id == lesion.id

    @pytest.mark.parametrize("status", ["classified", "reviewed"])
    def test_where_no_new_photo_is_asked_for_none_is_taken(self, nurse, patient, status):
        case = factories.make_case(status, lesion=factories.make_lesion(patient=patient))
        answer = nurse.get(f"/cases/new?replaces={case.id}")
        assert (answer.status_code, answer.location) == (302, f"/cases/{case.id}")
        assert "No new photo is needed for this case any more." in nurse.get(answer.location).text
        page = nurse.post("/cases/new", data=new_case(replaces=case.id, reference=None, body_site=None))
        assert page.status_code == 400 and "No new photo is needed" in page.text
        assert "The photo cannot be used" not in page.text

    def test_a_request_that_a_colleague_answered_leads_to_the_new_photo(self, nurse, patient):
        asked = factories.make_case("retake", lesion=factories.make_lesion(patient=patient))
        new = factories.make_case("queued", lesion=asked.lesion, replaces=asked)
        answer = nurse.get(f"/cases/new?replaces={asked.id}")
        assert (answer.status_code, answer.location) == (302, f"/cases/{new.id}")
        assert "The new photo was sent already" in nurse.get(answer.location).text

    def test_the_page_of_a_request_leads_to_the_newest_photo_of_the_spot(self, nurse, patient):
        first = factories.make_case("retake", lesion=factories.make_lesion(patient=patient))
        second = factories.make_case("retake", lesion=first.lesion)
        assert f"/cases/new?replaces={second.id}" in nurse.get(f"/cases/{second.id}").text
        new = factories.make_case("queued", lesion=first.lesion, replaces=second)
        for asked in (first, second):
            page = nurse.get(f"/cases/{asked.id}").text
            assert re.search(rf'href="/cases/{new.id}">.*See the new photo', page)
            assert "/cases/new?replaces=" not in page
            assert nurse.get(f"/cases/new?replaces={asked.id}").location == f"/cases/{new.id}"

    def test_of_a_patient_whose_record_was_closed_no_photo_is_taken(self, nurse, patient):
        asked = factories.make_case("retake", lesion=factories.make_lesion(patient=patient))
        patient.anonymised_at = utc_now()
        db.session.commit()
        for chosen in (f"replaces={asked.id}", f"lesion={asked.lesion_id}", f"patient={patient.id}"):
            answer = nurse.get(f"/cases/new?{chosen}")
            assert (answer.status_code, answer.location) == (302, f"/patients/{patient.id}")
            assert "This patient&#39;s record was closed. Register" in nurse.get(answer.location).text

    def test_only_health_workers_send(self, as_user):
        for role in ("clinician", "admin"):
            assert as_user(role).get("/cases/new").status_code == 403


class TestShow:
    @pytest.fixture
    def make_own(self, nurse, patient):
        def make(status, **values):
            return factories.make_case(status, lesion=factories.make_lesion(patient=patient), **values)

        return make

    @pytest.mark.parametrize("status", ["queued", "running"])
    def test_before_the_result_the_page_watches(self, nurse, make_own, status):
        case = make_own(status)
        page = nurse.get(f"/cases/{case.id}").text
        assert f'data-status="{status}"' in page and f"/cases/{case.id}/status" in page

    def test_a_failed_case_says_why_and_can_be_tried_again(self, nurse, make_own):
        case = make_own("failed", failure_reason="took_too_long")
        page = nurse.get(f"/cases/{case.id}").text
        assert "It took too long" in page and f"/cases/{case.id}/retry" in page
        assert nurse.post(f"/cases/{case.id}/retry").location == f"/cases/{case.id}"
        assert db.session.get(Case, case.id).status == "queued"

    @pytest.mark.parametrize("status", ["failed", "queued", "retake"])
    def test_no_photo_is_asked_for_where_none_is_taken(self, nurse, make_own, status):
        case = make_own(status)
        page = f"/cases/{case.id}"
        assert "/cases/new?" in nurse.get(page).text
        case.patient.anonymised_at = utc_now()
        db.session.commit()
        assert "/cases/new?" not in nurse.get(page).text

    def test_a_new_photo_taken_from_the_patients_page_ends_the_request(self, nurse, make_own):
        case = make_own("retake", submitted_by=nurse.user)
        assert "New photo needed" in nurse.get("/cases").text
        chosen = new_case(patient=case.patient.id, lesion=case.lesion_id, reference="", body_site="")
        sent = nurse.post("/cases/new", data=chosen)
        assert "New photo needed" not in nurse.get("/cases").text
        assert f'href="{sent.location}"' in nurse.get(f"/cases/{case.id}").text

    def test_a_case_that_did_not_fail_is_not_tried_again(self, nurse, make_own):
        case = make_own("classified")
        assert nurse.post(f"/cases/{case.id}/retry").status_code == 409

    @pytest.mark.parametrize("status", ["classified", "reviewed", "retake"])
    def test_with_a_result_the_result_is_shown(self, nurse, make_own, status):
        page = nurse.get(f"/cases/{make_own(status).id}")
        assert page.status_code == 200
        assert "data-status=" not in page.text

    def test_the_day_to_look_again_stands_beside_the_decision(self, nurse, make_own):
        case = make_own("classified")
        decided = datetime(2026, 11, 3, 10, tzinfo=UTC)
        factories.make_review(case, disposition="monitor", monitor_weeks=6, created_at=decided)
        for address in (f"/cases/{case.id}", f"/patients/{case.patient.id}"):
            assert "Look again later, in 6 weeks (15 Dec 2026)" in nurse.get(address).text

    def test_another_clinics_case_does_not_exist(self, nurse):
        case = factories.make_case()
        for path in ("", "/status"):
            assert nurse.get(f"/cases/{case.id}{path}").status_code == 404
        assert nurse.post(f"/cases/{case.id}/retry").status_code == 404

    def test_status_is_short_and_does_not_keep_the_login_alive(self, nurse, make_own):
        case = make_own("running", tier="soon")
        login = db.session.scalar(db.select(LoginSession))
        login.last_active_at = quiet_since = utc_now() - timedelta(minutes=10)
        db.session.commit()
        assert nurse.get(f"/cases/{case.id}/status").json == {"status": "running", "tier": "soon"}
        assert db.session.scalar(db.select(LoginSession)).last_active_at == quiet_since
        nurse.get("/cases")
        assert db.session.scalar(db.select(LoginSession)).last_active_at > quiet_since

    def test_status_keeps_the_models_view_from_a_first_reader(self, as_user):
        clinic = factories.make_clinic(first_read_required=True)
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic))
        case = factories.make_case("classified", tier="urgent", lesion=lesion)
        answer = as_user("clinician", clinic=clinic).get(f"/cases/{case.id}/status")
        assert answer.json == {"status": "classified", "tier": None}
