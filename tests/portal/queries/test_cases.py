from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import DISPOSITIONS
from portal.queries import cases
from portal.queries.cases import TO_CALL, count_cases, list_cases
from portal.services.retention import anonymise_patient
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def nurse(app):
    return factories.make_user()


@pytest.fixture
def make_own(nurse):
    def make(status="queued", submitted_by=nurse, **values):
        lesion = values.pop("lesion", None)
        lesion = lesion or factories.make_lesion(patient=factories.make_patient(clinic=nurse.clinic))
        return factories.make_case(status, lesion=lesion, submitted_by=submitted_by, with_image=False, **values)

    return make


def ids(rows):
    return {case.id for case, _group in rows}


def test_each_status_has_its_group(nurse, make_own):
    made = {status: make_own(status) for status in ("queued", "running", "classified", "reviewed", "failed", "retake")}
    rows, _ = list_cases(nurse)
    assert {case.status: group for case, group in rows} == {
        "queued": "waiting",
        "running": "waiting",
        "classified": "waiting",
        "reviewed": "done",
        "failed": "needs_you",
        "retake": "needs_you",
    }
    assert count_cases(nurse) == {"needs_you": 2, "waiting": 3, "done": 1}
    assert ids(list_cases(nurse, group="needs_you")[0]) == {made["failed"].id, made["retake"].id}


def test_a_retake_with_its_new_photo_needs_nobody(nurse, make_own):
    asked = make_own("retake")
    make_own("queued", replaces=asked, lesion=asked.lesion)
    assert count_cases(nurse) == {"needs_you": 0, "waiting": 1, "done": 1}


def test_of_two_requests_of_a_spot_one_new_photo_ends_both(nurse, make_own):
    first = make_own("retake")
    second = make_own("retake", lesion=first.lesion)
    assert ids(list_cases(nurse, group="needs_you")[0]) == {second.id}
    make_own("queued", replaces=second, lesion=first.lesion)
    assert count_cases(nurse) == {"needs_you": 0, "waiting": 1, "done": 2}


def test_no_new_photo_is_asked_of_somebody_made_anonymous(nurse, make_own):
    asked, failed = make_own("retake"), make_own("failed")
    assert count_cases(nurse)["needs_you"] == 2
    for case in (asked, failed):
        anonymise_patient(patient=case.patient)
    assert count_cases(nurse) == {"needs_you": 0, "waiting": 0, "done": 2}


def test_a_decision_that_asks_for_an_act_needs_somebody_until_the_patient_is_told(nurse, make_own):
    made = {disposition: make_own("classified") for disposition in ("monitor", "no_action", "urgent_referral", "treat")}
    made["failed"] = make_own("failed")
    for disposition in DISPOSITIONS:
        if disposition in made:
            weeks = 12 if disposition == "monitor" else None
            factories.make_review(made[disposition], disposition=disposition, monitor_weeks=weeks)
    most_pressing_first = [made[name].id for name in ("urgent_referral", "failed", "treat", "monitor")]
    assert [case.id for case, _group in list_cases(nurse, group="needs_you")[0]] == most_pressing_first
    assert [case.id for case, _group in list_cases(nurse)[0]] == [*most_pressing_first, made["no_action"].id]
    assert count_cases(nurse) == {"needs_you": 4, "waiting": 0, "done": 1}
    made["urgent_referral"].seen_review_count = 1
    db.session.commit()
    assert count_cases(nurse) == {"needs_you": 3, "waiting": 0, "done": 2}


def test_a_new_decision_is_news_again(nurse, make_own):
    told = make_own("reviewed", seen_review_count=1)
    factories.make_review(told, disposition="urgent_referral")
    assert ids(list_cases(nurse, group="needs_you")[0]) == {told.id}


@pytest.mark.parametrize("told", [0, 1])
def test_a_decision_that_is_withdrawn_has_to_be_told_as_somebody_may_have_acted_on_it(nurse, make_own, told):
    acted_on, never_asked = (make_own("classified", seen_review_count=told) for _ in range(2))
    factories.make_review(acted_on, disposition="biopsy")
    factories.make_review(acted_on, disposition="no_action")
    factories.make_review(never_asked, disposition="no_action")
    factories.make_review(never_asked, disposition="no_action")
    assert ids(list_cases(nurse, group="needs_you")[0]) == {acted_on.id}
    assert acted_on.is_untold and not never_asked.is_untold
    acted_on.seen_review_count = 2
    db.session.commit()
    assert count_cases(nurse)["needs_you"] == 0 and not acted_on.is_untold


def test_a_closed_clinic_is_asked_for_no_photo(nurse, make_own):
    make_own("failed"), make_own("retake")
    nurse.clinic.is_active = False
    db.session.commit()
    assert count_cases(nurse)["needs_you"] == 0


@pytest.mark.parametrize(("tier", "days"), [("urgent", 1), ("soon", 7), ("cannot_assess", 7)])
@pytest.mark.parametrize("status", ["queued", "classified", "failed"])
def test_what_waits_too_long_for_a_clinician_needs_somebody_to_call(nurse, make_own, tier, days, status):
    now = utc_now()
    early, late = (
        make_own(status, tier=tier, submitted_at=now - timedelta(days=days, minutes=minutes)) for minutes in (-5, 5)
    )
    decided = make_own("reviewed", tier=tier, submitted_at=now - timedelta(days=90), seen_review_count=1)
    routine = make_own("classified", submitted_at=now - timedelta(days=90))
    rows, _ = list_cases(nurse)
    places = {case.id: place for case, place in rows}
    assert places[late.id] == TO_CALL and places[routine.id] == "waiting" and places[decided.id] == "done"
    assert places[early.id] == ("needs_you" if status == "failed" else "waiting")
    assert late.id in ids(list_cases(nurse, group="needs_you")[0])
    # An emergency goes before a photo that may be anything.
    assert tier != "urgent" or rows[0][0].id == late.id


def test_a_photo_that_was_not_read_needs_nobody_once_another_of_the_spot_was_sent(nurse, make_own):
    failed = make_own("failed")
    assert count_cases(nurse)["needs_you"] == 1
    make_own("classified", lesion=failed.lesion)
    assert count_cases(nurse) == {"needs_you": 0, "waiting": 1, "done": 1}


def test_a_spot_that_was_photographed_again_has_been_looked_at_again(nurse, make_own):
    monitored, operated = make_own("classified"), make_own("classified")
    factories.make_review(monitored, disposition="monitor", monitor_weeks=1)
    factories.make_review(operated, disposition="biopsy")
    assert count_cases(nurse)["needs_you"] == 2
    for case in (monitored, operated):
        make_own("classified", lesion=case.lesion)
    assert ids(list_cases(nurse, group="needs_you")[0]) == {operated.id}
    assert operated.is_untold and not monitored.is_untold
    assert count_cases(nurse) == {"needs_you": 1, "waiting": 2, "done": 1}


@pytest.mark.parametrize("group", [None, "needs_you"])
def test_a_case_opened_meanwhile_hides_none_of_the_next_page(nurse, make_own, monkeypatch, group):
    monkeypatch.setattr(cases, "PAGE_SIZE", 2)
    made = [make_own("classified", submitted_at=utc_now() - timedelta(minutes=minutes)) for minutes in range(5)]
    for case in made:
        factories.make_review(case, disposition="urgent_referral")
    _rows, after = list_cases(nurse, group=group)
    made[1].seen_review_count = 1
    db.session.commit()
    assert [case.id for case, _group in list_cases(nurse, group=group, after=after)[0]] == [made[2].id, made[3].id]


@pytest.mark.parametrize("urgency", [None, -1, 10**20])
def test_an_urgency_that_cannot_be_is_the_cases_own(nurse, make_own, urgency):
    first, second = make_own("failed"), make_own("queued")
    assert ids(list_cases(nurse, after=(urgency, first.id))[0]) == {second.id}


def test_own_cases_unless_the_clinics_are_asked_for_and_never_another_clinics(nurse, make_own):
    own = make_own()
    colleagues = make_own(submitted_by=factories.make_user(clinic=nurse.clinic))
    factories.make_case()
    assert ids(list_cases(nurse)[0]) == {own.id}
    assert ids(list_cases(nurse, of_clinic=True)[0]) == {own.id, colleagues.id}
    assert count_cases(nurse, of_clinic=True)["waiting"] == 2


def test_pages_hold_every_case_once_what_needs_somebody_first_then_the_newest(nurse, make_own, monkeypatch):
    monkeypatch.setattr(cases, "PAGE_SIZE", 2)
    now = utc_now()
    made = [make_own(submitted_at=now - timedelta(minutes=minutes)) for minutes in (0, 0, 1, 2, 3)]
    made += [make_own("failed", submitted_at=now - timedelta(minutes=minutes)) for minutes in (4, 4, 5)]
    seen, after = [], None
    while True:
        rows, after = list_cases(nurse, after=after)
        seen += [case for case, _group in rows]
        if after is None:
            break
    assert {case.id for case in seen} == {case.id for case in made}
    assert len(seen) == len(made)
    expected = sorted(made, key=lambda case: (case.status == "failed", case.submitted_at), reverse=True)
    assert [case.submitted_at for case in seen] == [case.submitted_at for case in expected]


def test_nobody_pages_from_another_clinics_case(nurse, make_own):
    own = make_own()
    foreign = factories.make_case(submitted_at=utc_now() - timedelta(days=1))
    assert ids(list_cases(nurse, after=(0, foreign.id))[0]) == {own.id}
