import uuid
from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.queries import recalls
from portal.queries.recalls import count_due, list_due
from portal.services import retention
from tests import factories

pytestmark = pytest.mark.databases

NOW = utc_now()


@pytest.fixture
def nurse(app):
    return factories.make_user()


@pytest.fixture
def make_monitored(nurse):
    """A case whose decision says to look again, ``due_in`` from now."""

    def make(due_in=timedelta(days=-3), weeks=12, clinic=None, **values):
        patient = factories.make_patient(clinic=clinic or nurse.clinic)
        sent_at = NOW + due_in - timedelta(weeks=weeks, hours=1)
        lesion = factories.make_lesion(patient=patient)
        case = factories.make_case("classified", lesion=lesion, submitted_at=sent_at, with_image=False, **values)
        decided = NOW + due_in - timedelta(weeks=weeks)
        factories.make_review(case, disposition="monitor", monitor_weeks=weeks, created_at=decided)
        return case

    return make


def due(user, **values):
    rows, _after = list_due(user, NOW, **values)
    return [(case.id, place) for case, place in rows]


def test_late_and_soon_in_the_order_of_their_days(nurse, make_monitored):
    soon = make_monitored(timedelta(days=6), weeks=1)
    today = make_monitored(timedelta(0))
    late = make_monitored(timedelta(days=-1), weeks=104)
    latest = make_monitored(timedelta(days=-90))
    make_monitored(timedelta(days=8))
    assert due(nurse) == [(latest.id, "late"), (late.id, "late"), (today.id, "soon"), (soon.id, "soon")]
    assert count_due(nurse, NOW) == 4


@pytest.mark.parametrize("status", ["queued", "failed", "retake"])
def test_who_came_back_is_due_no_more(nurse, make_monitored, status):
    case = make_monitored()
    factories.make_case(status, lesion=case.lesion, with_image=False)
    assert due(nurse) == []
    assert count_due(nurse, NOW) == 0


def test_an_earlier_visit_does_not_stand_in_the_way(nurse, make_monitored):
    case = make_monitored()
    earlier = case.submitted_at - timedelta(days=1)
    factories.make_case(lesion=case.lesion, submitted_at=earlier, with_image=False)
    assert due(nurse) == [(case.id, "late")]


def test_another_spot_of_the_patient_is_another_matter(nurse, make_monitored):
    case = make_monitored()
    factories.make_case(lesion=factories.make_lesion(patient=case.patient), with_image=False)
    assert due(nurse) == [(case.id, "late")]


def test_the_latest_decision_counts(nurse, make_monitored):
    closed, moved, opened = make_monitored(), make_monitored(), make_monitored(timedelta(weeks=9))
    factories.make_review(closed, disposition="no_action")
    factories.make_review(moved, disposition="monitor", monitor_weeks=8)
    factories.make_review(opened, disposition="monitor", monitor_weeks=1, created_at=NOW - timedelta(days=1))
    assert due(nurse) == [(opened.id, "soon")]


def test_the_whole_clinic_sees_it_and_nobody_else(nurse, make_monitored):
    case = make_monitored(submitted_by=factories.make_user(clinic=nurse.clinic))
    assert due(factories.make_user(clinic=nurse.clinic)) == [(case.id, "late")]
    stranger = factories.make_user()
    assert due(stranger) == [] and count_due(stranger, NOW) == 0


def test_nobody_is_asked_to_call_a_patient_without_a_name(nurse, make_monitored):
    make_monitored().patient.anonymised_at = NOW
    db.session.commit()
    assert due(nurse) == [] and count_due(nurse, NOW) == 0


def test_pages_hold_every_spot_once(nurse, make_monitored, monkeypatch):
    monkeypatch.setattr(recalls, "PAGE_SIZE", 2)
    made = [make_monitored(timedelta(days=-days)) for days in (4, 3, 2, 2, 2)]
    seen, after = [], None
    while True:
        rows, after = list_due(nurse, NOW, after=after)
        seen += [case for case, _place in rows]
        if after is None:
            break
    assert seen[:2] == made[:2]
    assert {case.id for case in seen} == {case.id for case in made} and len(seen) == len(made)


@pytest.mark.parametrize(
    "change",
    [
        lambda case: factories.make_review(case, disposition="monitor", monitor_weeks=50),
        lambda case: factories.make_review(case, disposition="monitor", monitor_weeks=1),
        lambda case: factories.make_case(lesion=case.lesion, with_image=False),
        lambda case: retention.delete_patient(patient=case.patient),
    ],
)
def test_a_last_spot_looked_at_meanwhile_hides_none_of_the_next_page(nurse, make_monitored, monkeypatch, change):
    monkeypatch.setattr(recalls, "PAGE_SIZE", 2)
    made = [make_monitored(timedelta(days=-days)) for days in (5, 4, 3, 2)]
    expected = [(case.id, "late") for case in made[2:]]
    _rows, after = list_due(nurse, NOW, after=None)
    change(made[1])
    assert due(nurse, after=after)[:2] == expected


@pytest.mark.parametrize("place", [None, -1, 10**20])
def test_a_place_that_cannot_be_is_the_beginning(nurse, make_monitored, place):
    case = make_monitored()
    assert due(nurse, after=(place, uuid.uuid4())) == [(case.id, "late")]


def test_no_place_shows_another_clinics_spots(nurse, make_monitored):
    make_monitored(clinic=factories.make_clinic())
    assert due(nurse, after=(0, uuid.UUID(int=0))) == []
