"""A health worker's list of cases."""

import re
from datetime import timedelta
from html import unescape

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.formatting import local_date
from portal.models import AuditEvent
from portal.queries.cases import PAGE_SIZE
from tests import factories


def test_a_case_is_listed_with_what_comes_next(nurse, patient):
    lesion = factories.make_lesion(patient=patient)
    case = factories.make_case("retake", lesion=lesion, submitted_by=nurse.user)
    page = nurse.get("/cases?group=needs_you").text
    assert f"/cases/{case.id}" in page
    assert "Hold still" in page or "hold still" in page


def test_empty_says_what_to_do(nurse):
    assert "No cases yet" in nurse.get("/cases").text


def test_a_group_that_does_not_exist_shows_all(nurse, patient):
    case = factories.make_case(lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    assert str(case.id) in nurse.get("/cases?group=nonsense").text


def test_a_decision_needs_somebody_until_the_patient_is_told(nurse, patient):
    decided = factories.make_case("classified", lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    factories.make_review(decided, disposition="urgent_referral")
    page = nurse.get("/cases").text
    assert "Needs you <strong>1</strong>" in page and "Tell the patient:" in page
    assert "The patient has been told" in nurse.get(f"/cases/{decided.id}").text
    assert "Needs you <strong>1</strong>" in nurse.get("/cases").text
    assert nurse.post(f"/cases/{decided.id}/told", data={"review": "1"}).status_code == 303
    assert "The patient has been told" not in nurse.get(f"/cases/{decided.id}").text
    page = nurse.get("/cases").text
    assert "Needs you <strong>0</strong>" in page and "Tell the patient:" not in page and "Urgent referral" in page


def test_who_told_the_patient_is_shown_and_can_be_taken_back(nurse, patient, as_user):
    decided = factories.make_case("classified", lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    clinician = as_user("clinician", clinic=decided.clinic)
    factories.make_review(decided, disposition="urgent_referral", reviewer=clinician.user)
    url = f"/cases/{decided.id}"
    assert "The patient has not been told yet." in clinician.get(url).text
    nurse.post(f"{url}/told", data={"review": "1"})
    sentence = f"{nurse.user.name} told the patient"
    for page in (nurse.get(url).text, clinician.get(url).text):
        assert sentence in page and "has not been told yet" not in page
    assert "Not told after all" in nurse.get(url).text and "Not told after all" not in clinician.get(url).text
    assert nurse.post(f"{url}/told", data={"review": "1", "taken_back": "yes"}).status_code == 303
    assert "The patient has been told" in nurse.get(url).text and sentence not in nurse.get(url).text
    assert "Needs you <strong>1</strong>" in nurse.get("/cases").text


@pytest.mark.parametrize("status", ["queued", "classified", "failed"])
@pytest.mark.parametrize(("days", "is_late"), [(0, False), (3, True)])
def test_of_what_nobody_decides_in_time_it_says_to_call_the_clinician(nurse, patient, status, days, is_late):
    lesion, sent_at = factories.make_lesion(patient=patient), utc_now() - timedelta(days=days)
    factories.make_case(status, lesion=lesion, tier="urgent", submitted_by=nurse.user, submitted_at=sent_at)
    assert ("Sent 3 days ago: call the clinician." in nurse.get("/cases").text) == is_late


def test_a_page_whose_last_case_left_the_list_leads_back_to_its_beginning(nurse, patient):
    factories.make_case("retake", lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    last = factories.make_case(lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    end = f"after={last.id}&place=0"
    assert nurse.get(f"/cases?group=needs_you&clinic=1&{end}").location == "/cases?group=needs_you&clinic=1"
    assert nurse.get(f"/cases?{end}").location == "/cases"


@pytest.mark.parametrize("status", ["retake", "failed"])
def test_a_closed_clinic_is_told_that_it_takes_no_photo(nurse, patient, status):
    case = factories.make_case(status, lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    assert "/cases/new?" in nurse.get(f"/cases/{case.id}").text
    case.clinic.is_active = False
    db.session.commit()
    page = nurse.get("/cases").text
    assert "This clinic is closed." in page and "A new photo was sent." not in page
    page = nurse.get(f"/cases/{case.id}").text
    assert f"replaces={case.id}" not in page and f"lesion={case.lesion_id}" not in page


def test_whose_cases_a_list_showed_is_on_record(nurse, patient):
    nurse.get("/cases")
    case = factories.make_case(lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    nurse.get("/cases")
    (event,) = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "cases.list"))
    assert (event.actor_id, event.details) == (nurse.user.id, {"cases": [str(case.id)]})


@pytest.mark.parametrize("number", ["", "many", "-1", "0", "10" * 40])
def test_what_is_no_decision_of_the_case_tells_nobody_anything(nurse, patient, number):
    lesion = factories.make_lesion(patient=patient)
    case = factories.make_case("classified", lesion=lesion, submitted_by=nurse.user)
    factories.make_review(case, disposition="urgent_referral")
    assert nurse.post(f"/cases/{case.id}/told", data={"review": number}).status_code in (303, 400)
    is_told = number == "10" * 40  # a number that is too high stands for the latest
    assert ("Needs you <strong>0</strong>" in nurse.get("/cases").text) == is_told


def test_more_than_a_page_of_news_is_all_reached_though_each_is_told(nurse, patient):
    left, url = set(), "/cases?group=needs_you"
    for number in range(PAGE_SIZE + 2):
        lesion = factories.make_lesion(patient=patient, number=number + 1)
        case = factories.make_case("classified", lesion=lesion, submitted_by=nurse.user, with_image=False)
        factories.make_review(case, disposition="biopsy")
        left.add(str(case.id))
    while url:
        page = nurse.get(url).text
        url = (found := re.search(r'href="([^"]+)" rel="next"', page)) and unescape(found[1])
        for case_id in re.findall(r'stretched-link" href="/cases/([^"]+)"', page):
            nurse.post(f"/cases/{case_id}/told", data={"review": "1"})
            left.remove(case_id)
    assert left == set()
    assert "Needs you <strong>0</strong>" in nurse.get("/cases").text


def test_what_waits_for_somebody_while_its_sender_is_away_is_told_to_colleagues(nurse, patient):
    lesion = factories.make_lesion(patient=patient)
    factories.make_review(factories.make_case("classified", lesion=lesion), disposition="urgent_referral")
    page = nurse.get("/cases").text
    assert "1 case that a colleague sent needs somebody of the clinic." in page
    (link,) = re.findall(r'href="(/cases\?[^"]*group=needs_you[^"]*clinic=1[^"]*)"', page)
    page = nurse.get(unescape(link)).text
    assert "Tell the patient:" in page and "a colleague sent" not in page


def test_the_patient_is_told_the_date_that_the_sentence_speaks_of(nurse, patient):
    case = factories.make_case("classified", lesion=factories.make_lesion(patient=patient))
    review = factories.make_review(case, disposition="monitor", monitor_weeks=12)
    page = nurse.get(f"/cases/{case.id}").text
    told = page[page.index("Please come back on the date below") :]
    assert f"<strong>{local_date(review.due_at)}</strong>" in told


def test_a_spot_due_again_is_no_news_twice(nurse, patient):
    lesion = factories.make_lesion(patient=patient)
    seen = factories.make_case("classified", lesion=lesion, submitted_by=nurse.user)
    factories.make_review(seen, disposition="monitor", monitor_weeks=1)
    page = nurse.get("/cases").text
    assert "Needs you <strong>1</strong>" in page and "Due again <strong>1</strong>" in page
    assert page.count(f'/cases/{seen.id}"') == 1
    factories.make_case(lesion=lesion, submitted_by=nurse.user)
    page = nurse.get("/cases").text
    assert "Needs you <strong>0</strong>" in page and "Due again <strong>0</strong>" in page


def test_whoever_is_due_again_is_counted_and_one_click_from_a_new_photo(nurse, patient):
    lesion = factories.make_lesion(patient=patient)
    seen = factories.make_case("classified", lesion=lesion)
    decided = utc_now() - timedelta(weeks=13)
    factories.make_review(seen, disposition="monitor", monitor_weeks=12, created_at=decided)
    assert "Due again <strong>1</strong>" in nurse.get("/cases").text
    page = nurse.get("/cases?group=due").text
    assert f"Late: was due on {local_date(decided + timedelta(weeks=12))}" in page
    assert f"/patients/{patient.id}#L1" in page and f"/cases/new?lesion={lesion.id}" in page
    factories.make_case(lesion=lesion)
    assert "Due again <strong>0</strong>" in nurse.get("/cases?clinic=1").text
    assert "Nothing here right now" in nurse.get("/cases?group=due").text


def test_the_history_leads_those_who_take_photos_to_the_next_one(nurse, as_user, patient):
    next_photo = f"/cases/new?lesion={factories.make_lesion(patient=patient).id}"
    assert next_photo in nurse.get(f"/patients/{patient.id}").text
    clinician = as_user(factories.make_user("clinician", clinic=nurse.user.clinic))
    assert next_photo not in clinician.get(f"/patients/{patient.id}").text


def test_news_tells_of_ones_own_cases_or_of_all_of_the_clinic(nurse, patient):
    def latest(query=""):
        return nurse.get(f"/cases/news{query}").json["latest"]

    def shown(query=""):
        return re.search(r'data-latest="(.*?)"', nurse.get(f"/cases{query}").text)[1]

    case = factories.make_case("running", lesion=factories.make_lesion(patient=patient), submitted_by=nurse.user)
    first = latest()
    assert first == shown() == latest("?clinic=1") == case.status_changed_at.isoformat()
    factories.make_case("running", lesion=factories.make_lesion(patient=patient))
    factories.make_case("running")
    assert latest() == first
    assert latest("?clinic=1") == shown("?clinic=1") > first
