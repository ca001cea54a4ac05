"""A new photo is asked for, maybe by a colleague while somebody decides."""

import re

import pytest

from portal.extensions import db
from portal.models import Review
from tests import factories

MARKS = re.compile(r'name="(knows_retake|expected_review_count)" type="hidden" value="(\w*)"')
ANSWERS = {"diagnosis": "nv", "agrees": "yes", "disposition": "no_action", "note": "Irregular network."}


@pytest.fixture
def colleague(case, as_user):
    return as_user(factories.make_user("clinician", clinic=case.clinic))


def test_the_request_is_seen_before_the_decision_counts(case, clinician, colleague):
    shown = clinician.get(f"/cases/{case.id}").text
    colleague.post(f"/cases/{case.id}/retake", data={"reason": "wrong_spot"})
    answers = ANSWERS | dict(MARKS.findall(shown))
    incomplete = clinician.post(f"/cases/{case.id}/reviews", data=answers | {"diagnosis": ""})
    assert incomplete.status_code == 400
    answers |= dict(MARKS.findall(incomplete.text))
    refused = clinician.post(f"/cases/{case.id}/reviews", data=answers)
    assert refused.status_code == 409
    for words in ("Somebody asked for a new photo", "A new photo is asked for", "Irregular network.</textarea>"):
        assert words in refused.text
    assert case.status == "retake" and db.session.scalars(db.select(Review)).all() == []
    answers |= dict(MARKS.findall(refused.text))
    assert clinician.post(f"/cases/{case.id}/reviews", data=answers).status_code == 302
    assert case.status == "reviewed"


def test_whoever_saw_it_may_decide_all_the_same(case, clinician, colleague):
    colleague.post(f"/cases/{case.id}/retake", data={"reason": "wrong_spot"})
    answers = ANSWERS | dict(MARKS.findall(clinician.get(f"/cases/{case.id}").text))
    assert clinician.post(f"/cases/{case.id}/reviews", data=answers).status_code == 302
    assert case.status == "reviewed"


def test_asking_for_a_new_photo(case, clinician):
    response = clinician.post(f"/cases/{case.id}/retake", data={"reason": "blurred"})
    assert response.status_code == 302
    page = clinician.get(f"/cases/{case.id}").text
    assert "The photo is blurred" in page
    assert clinician.post(f"/cases/{case.id}/retake", data={"reason": "ugly"}).status_code == 400


def test_no_new_photo_is_asked_for_where_there_is_a_newer_one(case, clinician):
    address = f"/cases/{case.id}/retake"
    assert address in clinician.get(f"/cases/{case.id}").text
    newer = factories.make_case("classified", lesion=case.lesion)
    page = clinician.get(f"/cases/{case.id}").text
    assert address not in page and f'<a href="/cases/{newer.id}">See the new photo</a>' in page
    response = clinician.post(address, data={"reason": "blurred"})
    assert response.status_code == 409 and "There is a newer photo of this spot" in response.text
