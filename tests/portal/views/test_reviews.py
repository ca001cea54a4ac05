from datetime import timedelta

import pytest

from ml.labels import CLASSES
from portal.database import utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import Review
from portal.services import reviews
from tests import factories

MELANOMA = {"predicted_class": "mel", "confidence": 0.82}
REASONS = [
    {"code": "model_melanoma", "tier": "urgent", "params": {"probability": 0.82}},
    {"code": "worried", "tier": "soon", "params": {}},
]
DECISION = {
    "expected_review_count": "0",
    "diagnosis": "mel",
    "agrees": "yes",
    "disposition": "monitor",
    "monitor_weeks": "6",
    "note": "Irregular network.",
    "then": "show",
}

# What the form of a page sends that has no model's view to show.
UNREAD_DECISION = {name: value for name, value in DECISION.items() if name != "agrees"} | {"is_unread": "yes"}


@pytest.fixture
def clinic(app):
    return factories.make_clinic(name="Hillside")


@pytest.fixture
def make_case(clinic):
    def make(status="classified", clinic=clinic, **values):
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic, reference="HS-7"))
        reasons = {"tier": "urgent", "tier_reasons": REASONS}
        return factories.make_case(status, lesion=lesion, **{"prediction": MELANOMA, **reasons, **values})

    return make


@pytest.fixture
def case(make_case):
    return make_case()


@pytest.fixture
def clinician(clinic, as_user):
    return as_user(factories.make_user("clinician", clinic=clinic, name="Dr Amara Okafor"))


@pytest.fixture
def colleague(clinic):
    return factories.make_user("clinician", clinic=clinic, name="Dr Lin Chen")


def reviews_of(case):
    return db.session.scalars(db.select(Review).where(Review.case_id == case.id).order_by(Review.number)).all()


class TestTheCasePage:
    def test_shows_the_whole_result(self, case, clinician):
        page = clinician.get(f"/cases/{case.id}").text
        for words in ("HS-7", "Urgent", "about 82 in 100 for melanoma", "82%", "about 3 in 100", "What moved this"):
            assert words in page
        assert f"/cases/{case.id}/activation-map.png" in page
        assert "test-1" in page
        assert "not validated" not in page

    def test_marks_an_evaluation_model(self, make_case, clinician):
        case = make_case(prediction={**MELANOMA, "is_validated": False})
        assert "Evaluation model, not validated" in clinician.get(f"/cases/{case.id}").text

    def test_a_health_worker_sees_it_without_the_form(self, case, clinic, as_user):
        nurse = as_user(factories.make_user(clinic=clinic))
        page = nurse.get(f"/cases/{case.id}").text
        assert "about 82 in 100 for melanoma" in page
        assert "Your diagnosis" not in page
        assert "A doctor should see this spot very soon" in page
        assert page.count('class="bar-name"') == len(CLASSES)

    def test_a_health_worker_gets_no_number_for_a_photo_the_model_cannot_judge(self, make_case, clinician, as_user):
        doubt = {"code": "out_of_distribution", "tier": "cannot_assess", "params": {}}
        case = make_case(tier="cannot_assess", tier_reasons=[doubt])
        page = clinician.get(f"/cases/{case.id}").text
        assert page.count('class="bar-name"') == len(CLASSES) and "Do not lean on these numbers" in page
        page = as_user(factories.make_user(clinic=case.clinic)).get(f"/cases/{case.id}").text
        assert "The computer could not judge this spot" in page
        assert "bar-name" not in page and "in 100" not in page

    @pytest.mark.parametrize("tier", ["urgent", "routine"])
    def test_a_health_worker_is_not_comforted_by_a_photo_that_was_refused(self, make_case, clinician, as_user, tier):
        case = make_case(tier=tier, tier_reasons=REASONS if tier == "urgent" else [])
        clinician.post(f"/cases/{case.id}/retake", data={"reason": "wrong_spot"})
        page = as_user(factories.make_user(clinic=case.clinic)).get(f"/cases/{case.id}").text
        assert "A new photo is asked for" in page and "Leaflet for the patient" in page
        assert ("tier-urgent" in page) == (tier == "urgent") and "tier-routine" not in page
        assert not any(words in page for words in ("bar-name", "Of 100 spots", "confidence"))

    def test_a_failed_case_can_be_decided_without_the_model(self, make_case, clinician):
        failed = {"code": "model_failed", "tier": "cannot_assess", "params": {}}
        case = make_case("failed", prediction=False, tier="cannot_assess", tier_reasons=[failed])
        page = clinician.get(f"/cases/{case.id}").text
        assert "Judge it as if no computer had seen it" in page
        assert "The computer has not read this photo" in page and "the computer&#39;s answer" not in page
        assert "Do you agree" not in page
        values = {name: value for name, value in DECISION.items() if name != "agrees"}
        assert clinician.post(f"/cases/{case.id}/reviews", data=values).status_code == 302
        assert reviews_of(case)[0].agrees is None

    @pytest.mark.parametrize("status", ["queued", "running"])
    def test_a_case_still_unread_can_be_decided_without_the_model(self, make_case, clinician, status):
        case = make_case(status, prediction=False, tier_reasons=[])
        page = clinician.get(f"/cases/{case.id}").text
        assert "You need not wait for it." in page and f'data-status="{status}"' in page
        assert "If you decide before it starts, it does not read this photo any more." in page
        assert "Do you agree" not in page
        assert clinician.post(f"/cases/{case.id}/reviews", data=UNREAD_DECISION).status_code == 302
        [review] = reviews_of(case)
        assert (review.agrees, review.prediction_id, case.status) == (None, None, "reviewed")
        page = clinician.get(f"/cases/{case.id}").text
        assert "There was no computer's view then." in page and "need not wait" not in page

    def test_a_view_that_came_after_the_decision_says_so(self, make_case, clinician, colleague):
        case = make_case("running", prediction=False)
        factories.make_review(case, colleague, agrees=None)
        assert "after the decision" not in clinician.get(f"/cases/{case.id}").text
        factories.make_prediction(case, **MELANOMA)
        assert "read this photo after the decision" in clinician.get(f"/cases/{case.id}").text

    def test_a_health_worker_tells_the_patient_what_was_decided(self, make_case, clinic, as_user):
        case = make_case("reviewed")
        page = as_user(factories.make_user(clinic=clinic)).get(f"/cases/{case.id}").text
        assert "The clinician found nothing that must be done now" in page
        assert "A doctor should see this spot very soon" not in page

    def test_shows_earlier_visits_and_the_new_photo_of_a_retake(self, make_case, clinician):
        old = make_case("retake", prediction=False, submitted_at=utc_now() - timedelta(days=1))
        new = factories.make_case("classified", lesion=old.lesion, replaces=old)
        page = clinician.get(f"/cases/{new.id}").text
        assert f"/images/{old.dermoscopic_image.id}/thumbnail" in page
        page = clinician.get(f"/cases/{old.id}").text
        assert "A new photo is asked for" in page
        assert f"/cases/{new.id}" in page

    def test_another_clinic_is_not_there(self, make_case, clinician):
        case = make_case(clinic=factories.make_clinic())
        assert clinician.get(f"/cases/{case.id}").status_code == 404
        assert clinician.post(f"/cases/{case.id}/reviews", data=DECISION).status_code == 404


class TestDeciding:
    def test_records_what_was_said(self, case, clinician):
        response = clinician.post(f"/cases/{case.id}/reviews", data=DECISION)
        assert response.headers["Location"] == f"/cases/{case.id}"
        [review] = reviews_of(case)
        said = (review.diagnosis, review.agrees, review.disposition, review.monitor_weeks, review.note)
        assert said == ("mel", True, "monitor", 6, "Irregular network.")
        assert review.prediction_id == case.prediction_id
        page = clinician.get(f"/cases/{case.id}").text
        assert "Look again later, in 6 weeks" in page and "Irregular network." in page

    def test_goes_on_to_the_next_case(self, case, clinician):
        response = clinician.post(f"/cases/{case.id}/reviews", data={**DECISION, "then": "next"})
        assert response.headers["Location"] == f"/queue/next?after={case.id}"

    @pytest.mark.parametrize("weeks", ["6", "180", "soon"])
    def test_weeks_belong_to_monitoring_alone(self, case, clinician, weeks):
        # Typed before the mind was changed, and out of sight now: an error there could not be found.
        data = {**DECISION, "disposition": "biopsy", "monitor_weeks": weeks}
        assert clinician.post(f"/cases/{case.id}/reviews", data=data).status_code == 302
        assert reviews_of(case)[0].monitor_weeks is None

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"diagnosis": ""}, "Choose a diagnosis"),
            ({"diagnosis": "acne"}, "Choose one of the listed answers"),
            ({"agrees": ""}, "Say whether you agree"),
            ({"disposition": ""}, "Choose what happens next"),
            ({"monitor_weeks": ""}, "Say in how many weeks"),
            ({"monitor_weeks": "105"}, "from 1 to 104"),
            ({"monitor_weeks": "soon"}, "Enter a whole number.<"),
            ({"note": "x" * 4001}, "At most 4000 characters"),
        ],
    )
    def test_what_is_missing_is_said_and_nothing_typed_is_lost(self, case, clinician, wrong, words):
        data = {**DECISION, "note": "A long thought.", **wrong}
        response = clinician.post(f"/cases/{case.id}/reviews", data=data)
        assert response.status_code == 400
        assert words in response.text
        assert data["note"] in response.text
        assert not reviews_of(case)

    def test_a_decision_needs_no_note(self, case, clinician):
        data = {name: value for name, value in DECISION.items() if name != "note"}
        assert clinician.post(f"/cases/{case.id}/reviews", data=data).status_code == 302
        assert reviews_of(case)[0].note == ""

    @pytest.mark.parametrize("count", ["", "none"])
    def test_a_form_without_its_count_is_refused(self, case, clinician, count):
        response = clinician.post(f"/cases/{case.id}/reviews", data={**DECISION, "expected_review_count": count})
        assert response.status_code == 400
        assert not reviews_of(case)

    def test_two_at_once_collide_loudly(self, case, clinician, colleague):
        factories.make_review(case, colleague, diagnosis="nv", disposition="no_action", note="Looks calm to me.")
        response = clinician.post(f"/cases/{case.id}/reviews", data=DECISION)
        assert response.status_code == 409
        for words in ("Somebody reviewed this case", "Dr Lin Chen", "No action needed", "Looks calm to me."):
            assert words in response.text
        assert "Irregular network." in response.text
        assert 'name="expected_review_count" type="hidden" value="1"' in response.text
        assert len(reviews_of(case)) == 1

    def test_a_view_that_came_meanwhile_is_seen_before_the_decision_counts(self, case, clinician):
        response = clinician.post(f"/cases/{case.id}/reviews", data=UNREAD_DECISION)
        assert response.status_code == 409
        for words in ("The computer read this photo while you decided", "about 82 in 100", "Irregular network."):
            assert words in response.text
        assert 'name="is_unread"' not in response.text
        assert not reviews_of(case)
        assert clinician.post(f"/cases/{case.id}/reviews", data=DECISION).status_code == 302

    def test_a_view_that_comes_while_the_decision_is_recorded_loses_nothing(self, make_case, clinician, monkeypatch):
        case = make_case("running", prediction=False)
        record_review = reviews.record_review

        def record_too_late(case, **values):
            factories.make_prediction(case, **MELANOMA)
            record_review(case=case, **values)

        monkeypatch.setattr(reviews, "record_review", record_too_late)
        response = clinician.post(f"/cases/{case.id}/reviews", data=UNREAD_DECISION)
        assert response.status_code == 409
        for words in ("The computer read this photo while you decided", "about 82 in 100", "Irregular network."):
            assert words in response.text
        assert 'name="agrees"' in response.text

    @pytest.mark.parametrize("field", ["disposition", None])
    def test_a_rule_that_says_no_is_told_where_it_belongs(self, case, clinician, monkeypatch, field):
        def refuse(**values):
            raise DomainError("Not this one.", field=field)

        monkeypatch.setattr(reviews, "record_review", refuse)
        response = clinician.post(f"/cases/{case.id}/reviews", data=DECISION)
        assert response.status_code == 400
        assert "Not this one." in response.text and "Irregular network." in response.text
        assert ('id="disposition-error"' in response.text) is (field == "disposition")

    def test_after_a_collision_a_second_decision_can_be_added(self, case, clinician, colleague):
        factories.make_review(case, colleague)
        clinician.post(f"/cases/{case.id}/reviews", data=DECISION)
        clinician.post(f"/cases/{case.id}/reviews", data={**DECISION, "expected_review_count": "1"})
        assert [review.reviewer_id for review in reviews_of(case)] == [colleague.id, clinician.user.id]
        page = clinician.get(f"/cases/{case.id}").text
        assert "Dr Lin Chen" in page and "Dr Amara Okafor" in page

    def test_is_for_clinicians(self, case, clinic, as_user):
        nurse = as_user(factories.make_user(clinic=clinic))
        for act in ("reviews", "first-read", "take", "release", "retake"):
            assert nurse.post(f"/cases/{case.id}/{act}", data=DECISION).status_code == 403
        assert not reviews_of(case)


class TestTaking:
    def test_looking_takes_nothing(self, case, clinician):
        clinician.get(f"/cases/{case.id}")
        assert "Nobody has this case" in clinician.get(f"/cases/{case.id}").text
        db.session.refresh(case)
        assert case.taken_by_id is None

    def test_others_see_who_has_it_and_may_look(self, case, clinician, colleague, as_user):
        assert clinician.post(f"/cases/{case.id}/take", data={"then": "stay"}).status_code == 204
        other = as_user(colleague)
        page = other.get(f"/cases/{case.id}").text
        assert "Dr Amara Okafor has this case" in page
        response = other.post(f"/cases/{case.id}/take")
        assert response.status_code == 409
        assert "Dr Amara Okafor" in response.text

    def test_giving_back_frees_it(self, case, clinician):
        clinician.post(f"/cases/{case.id}/take")
        assert clinician.post(f"/cases/{case.id}/release").headers["Location"] == "/queue"
        db.session.refresh(case)
        assert case.taken_by_id is None

    def test_it_is_free_again_after_half_an_hour(self, make_case, clinician, colleague):
        case = make_case(taken_by=colleague, taken_until=utc_now() - timedelta(seconds=1))
        assert "Nobody has this case" in clinician.get(f"/cases/{case.id}").text
