"""The queue goes on from where the last listed case stood, wherever that stands now."""

import uuid
from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import TIERS
from portal.queries import queue
from portal.queries.queue import QueueFilters, load_queue
from tests import factories

pytestmark = pytest.mark.databases

REVIEWED = QueueFilters(status="reviewed")


@pytest.fixture
def clinician(app, monkeypatch):
    monkeypatch.setattr(queue, "PAGE_SIZE", 2)
    return factories.make_user("clinician")


@pytest.fixture
def make_cases(clinician):
    """Four cases of the clinician's clinic, in the order of the queue."""

    def make(status="classified", tier="soon"):
        made, now = [], utc_now()
        for minutes in range(4):
            lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinician.clinic))
            case = factories.make_case(status, tier=tier, lesion=lesion, with_image=False)
            # Of the undecided the oldest comes first, of the decided the latest.
            case.submitted_at = now - timedelta(minutes=9 - minutes)
            case.status_changed_at = now - timedelta(minutes=minutes)
            made.append(case)
        db.session.commit()
        return made

    return make


def ids(page):
    return [row.case.id for row in page.rows]


@pytest.mark.parametrize("tier", ["urgent", "routine"])
def test_a_case_that_is_sorted_anew_meanwhile(clinician, make_cases, tier):
    made = make_cases()
    first = load_queue(clinician, QueueFilters())
    made[1].tier, made[1].tier_rank = tier, TIERS.index(tier)
    db.session.commit()
    second = load_queue(clinician, QueueFilters(), after=first.next_after)
    assert ids(first) == [made[0].id, made[1].id]
    assert ids(second)[:2] == [made[2].id, made[3].id]


def test_a_case_that_is_decided_again_meanwhile(clinician, make_cases):
    made = make_cases("reviewed")
    first = load_queue(clinician, REVIEWED)
    made[1].status_changed_at = utc_now()
    db.session.commit()
    second = load_queue(clinician, REVIEWED, after=first.next_after)
    assert ids(first) == [made[0].id, made[1].id]
    assert ids(second) == [made[2].id, made[3].id]


@pytest.mark.parametrize("filters", [QueueFilters(), REVIEWED])
@pytest.mark.parametrize("place", [None, "", "0", "x" * 3000, "a\0b", "9999-12-31T23:59:59-14:00", "ä"])
def test_a_place_that_cannot_be_is_where_the_case_stands_now(clinician, make_cases, filters, place):
    made = make_cases("reviewed" if filters.is_done else "classified")
    assert ids(load_queue(clinician, filters, after=(place, made[1].id))) == [made[2].id, made[3].id]


def test_a_place_without_a_case_is_the_beginning(clinician, make_cases):
    made = make_cases()
    foreign = factories.make_case("classified", tier="routine")
    for case_id in (foreign.id, uuid.uuid4()):
        assert ids(load_queue(clinician, QueueFilters(), after=("0", case_id))) == [made[0].id, made[1].id]


def test_a_place_tells_nobody_the_tier(app, clinician, make_cases):
    make_cases()
    place, _case_id = load_queue(clinician, QueueFilters()).next_after
    app.secret_key = "another" * 5
    assert load_queue(clinician, QueueFilters()).next_after[0] != place
