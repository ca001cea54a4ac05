"""A clinic that asks for the clinician's own impression: the model is silent until it is written down."""

import re

import pytest

from portal.extensions import db
from portal.models import FirstRead, Review
from portal.services import reviews
from tests import factories

DECISION = {"expected_review_count": "0", "diagnosis": "mel", "agrees": "yes", "disposition": "biopsy", "note": ""}
# What the form of a page sends that has no model's view to show.
UNREAD_DECISION = {name: value for name, value in DECISION.items() if name != "agrees"} | {"is_unread": "yes"}
# Ids, tokens, and the points of a drawing.
RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=\")[\w.-]{40,}(?=\")|(?<= d=\")[\w .]+(?=\")")


@pytest.fixture
def case(app):
    clinic = factories.make_clinic(first_read_required=True)
    reasons = [
        {"code": "model_melanoma", "tier": "urgent", "params": {"probability": 0.82}},
        {"code": "worried", "tier": "soon", "params": {}},
    ]
    return factories.make_case(
        "classified",
        tier="urgent",
        tier_reasons=reasons,
        lesion=factories.make_lesion(patient=factories.make_patient(clinic=clinic, reference="HS-7")),
        prediction={"predicted_class": "mel", "confidence": 0.82},
    )


@pytest.fixture
def colleague(case):
    return factories.make_user("clinician", clinic=case.clinic)


def reviews_of(case):
    return db.session.scalars(db.select(Review).where(Review.case_id == case.id)).all()


def test_until_then_nothing_of_the_model_is_in_the_page(case, clinician):
    page = clinician.get(f"/cases/{case.id}").text
    assert "Your view first" in page
    assert "The health worker is worried" in page
    page = RANDOM.sub("", page).replace(case.patient.reference, "")  # whose digits are chance
    for trace in ("82", "in 100", "activation-map", "tier-urgent", "Urgent", "test-1", "leaflet", "data-predicted"):
        assert trace not in page, trace
    assert clinician.get(f"/cases/{case.id}/activation-map.png").status_code == 404


def test_then_both_are_shown_and_kept(case, clinician):
    clinician.post(f"/cases/{case.id}/first-read", data={"diagnosis": "nv"})
    read = db.session.scalars(db.select(FirstRead)).one()
    assert (read.reader_id, read.diagnosis) == (clinician.user.id, "nv")
    page = clinician.get(f"/cases/{case.id}").text
    assert "about 82 in 100 for melanoma" in page
    assert "Before the computer spoke" in page
    assert clinician.get(f"/cases/{case.id}/activation-map.png").status_code == 200


@pytest.mark.parametrize("role", ["health_worker", "admin"])
def test_an_impression_is_not_shown_as_news_before_a_decision(case, colleague, as_user, role):
    factories.make_first_read(case, colleague)
    other = as_user(factories.make_user(role, clinic=case.clinic))
    assert "Before the computer spoke" not in other.get(f"/cases/{case.id}").text
    factories.make_review(case, colleague)
    assert "Before the computer spoke" in other.get(f"/cases/{case.id}").text


def test_no_decision_before_it(case, clinician):
    response = clinician.post(f"/cases/{case.id}/reviews", data=DECISION)
    assert response.status_code == 400
    assert "in 100" not in response.text
    assert not reviews_of(case)


def test_a_decision_without_the_view_is_the_impression_when_the_view_comes_meanwhile(case, clinician):
    response = clinician.post(f"/cases/{case.id}/reviews", data={**UNREAD_DECISION, "diagnosis": ""})
    assert response.status_code == 409 and "in 100" not in response.text
    response = clinician.post(f"/cases/{case.id}/reviews", data={**UNREAD_DECISION, "diagnosis": "bkl"})
    assert response.status_code == 409 and "about 82 in 100" in response.text
    assert db.session.scalars(db.select(FirstRead.diagnosis)).all() == ["bkl"]
    assert not reviews_of(case)


@pytest.mark.parametrize("is_unread", ["yes", ""])
def test_what_was_entered_beside_a_missing_impression_comes_back_after_it(case, clinician, is_unread):
    entered = {"disposition": "monitor", "monitor_weeks": "6", "note": "Ask about the itch."}
    answers = {**UNREAD_DECISION, **entered, "diagnosis": "", "is_unread": is_unread}
    page = clinician.post(f"/cases/{case.id}/reviews", data=answers).text
    assert "Write down your own impression first." in page and "in the form below" not in page
    assert "Your other answers are kept and shown again after that." in page
    kept = dict(re.findall(r'name="(disposition|monitor_weeks|note)" type="hidden" value="([^"]*)"', page))
    assert kept == entered
    page = clinician.post(f"/cases/{case.id}/first-read", data={"diagnosis": "", **kept}).text
    assert "Ask about the itch." in page, "an impression forgotten again loses nothing"
    page = clinician.post(f"/cases/{case.id}/first-read", data={"diagnosis": "nv", **kept}).text
    assert "about 82 in 100" in page
    assert "Ask about the itch.</textarea>" in page and 'name="monitor_weeks" type="number" value="6"' in page
    for chosen in ("nv", "monitor"):
        assert re.search(rf'<input checked [^>]*value="{chosen}"', page)
    decision = {"expected_review_count": "0", "diagnosis": "nv", "agrees": "no", **kept}
    assert clinician.post(f"/cases/{case.id}/reviews", data=decision).status_code == 302


def test_an_impression_alone_promises_nothing(case, clinician):
    page = clinician.post(f"/cases/{case.id}/reviews", data={"diagnosis": "mel"}).text
    assert "Your decision is not recorded." in page and "Your other answers" not in page


def test_an_empty_impression_is_asked_for_again(case, clinician):
    response = clinician.post(f"/cases/{case.id}/first-read", data={})
    assert response.status_code == 400
    assert "Choose what you see" in response.text
    assert "in 100" not in response.text


def test_a_reviewed_case_can_be_read_by_all(case, clinician, colleague):
    factories.make_review(case, colleague)
    assert "about 82 in 100" in clinician.get(f"/cases/{case.id}").text


ENTERED = {"diagnosis": "bkl", "disposition": "monitor", "monitor_weeks": "6", "note": "Ask about the itch."}


def assert_kept(response, case, words):
    """409 with ``words``, what was entered in a form that can be sent, and no impression written down."""
    assert response.status_code == 409 and words in response.text
    assert "Ask about the itch.</textarea>" in response.text
    assert 'name="monitor_weeks" type="number" value="6"' in response.text
    for chosen in ("bkl", "monitor"):
        assert re.search(rf'<input checked [^>]*value="{chosen}"', response.text)
    assert f'name="expected_review_count" type="hidden" value="{case.review_count}"' in response.text
    assert not db.session.scalars(db.select(FirstRead)).all()


def test_an_old_page_makes_no_first_impression_of_a_case_decided_meanwhile(case, clinician, colleague):
    factories.make_review(case, colleague, note="Looks calm to me.")
    response = clinician.post(f"/cases/{case.id}/first-read", data=ENTERED)
    assert_kept(response, case, "Somebody reviewed this case")
    assert "Looks calm to me." in response.text


def test_nor_one_of_a_clinic_that_asks_for_it_no_more(case, clinician):
    case.clinic.first_read_required = False
    db.session.commit()
    response = clinician.post(f"/cases/{case.id}/first-read", data=ENTERED)
    assert_kept(response, case, "This case needs no first impression any more.")


def test_nor_one_decided_while_the_impression_is_written_down(case, clinician, monkeypatch):
    record_first_read = reviews.record_first_read

    def record_too_late(case, **values):
        factories.make_review(case)
        record_first_read(case=case, **values)

    monkeypatch.setattr(reviews, "record_first_read", record_too_late)
    response = clinician.post(f"/cases/{case.id}/reviews", data={**UNREAD_DECISION, **ENTERED})
    assert_kept(response, case, "Somebody reviewed this case")


def test_an_impression_sent_twice_is_kept_as_it_was(case, clinician):
    clinician.post(f"/cases/{case.id}/first-read", data={"diagnosis": "nv"})
    response = clinician.post(f"/cases/{case.id}/first-read", data={"diagnosis": "mel"})
    assert response.status_code == 409 and "recorded already" in response.text
    assert db.session.scalars(db.select(FirstRead.diagnosis)).all() == ["nv"]
