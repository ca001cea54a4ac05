from datetime import timedelta

import pytest
from sqlalchemy import event

from portal.database import utc_now
from portal.extensions import db
from portal.queries.queue import (
    FIRST_READ,
    PAGE_SIZE,
    READING_PATIENCE,
    QueueFilters,
    find_more_urgent_case_id,
    find_next_case_id,
    last_review_at,
    load_queue,
)
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def clinic(app):
    return factories.make_clinic()


@pytest.fixture
def clinician(clinic):
    return factories.make_user("clinician", clinic=clinic)


@pytest.fixture
def make_case(clinic):
    """A case of the clinic sent ``hours`` ago."""
    submitter = factories.make_user(clinic=clinic)

    def make(status="classified", *, hours=0, clinic=clinic, reference=None, site="back", **values):
        patient = factories.make_patient(clinic=clinic, **({"reference": reference} if reference else {}))
        lesion = factories.make_lesion(patient=patient, body_site=site)
        sent_at = utc_now() - timedelta(hours=hours)
        return factories.make_case(status, lesion=lesion, submitted_at=sent_at, submitted_by=submitter, **values)

    return make


def ids(queue):
    return [row.case.id for row in queue.rows]


def test_risk_comes_first_then_the_longest_wait(clinician, make_case):
    routine = make_case(tier="routine", hours=90)
    urgent_young = make_case(tier="urgent", hours=1)
    cannot = make_case(tier="cannot_assess", hours=50)
    soon = make_case(tier="soon", hours=2)
    urgent_old = make_case(tier="urgent", hours=3)
    queue = load_queue(clinician, QueueFilters())
    assert ids(queue) == [case.id for case in (urgent_old, urgent_young, soon, cannot, routine)]
    assert queue.counts == {"urgent": 2, "soon": 1, "cannot_assess": 1, "routine": 1}
    assert queue.oldest_at == routine.submitted_at


def test_what_waits_and_what_does_not(clinician, make_case):
    waiting = {make_case(status).id for status in ("classified", "failed", "queued", "running")}
    reviewed, retake = make_case("reviewed"), make_case("retake")
    assert set(ids(load_queue(clinician, QueueFilters()))) == waiting
    assert ids(load_queue(clinician, QueueFilters(status="reviewed"))) == [reviewed.id]
    assert ids(load_queue(clinician, QueueFilters(status="retake"))) == [retake.id]


def test_whose_new_photo_came_waits_for_none(clinician, make_case):
    answered, open_request = make_case("retake"), make_case("retake")
    factories.make_case("classified", lesion=answered.lesion, replaces=answered)
    queue = load_queue(clinician, QueueFilters(status="retake"))
    assert ids(queue) == [open_request.id]
    assert sum(queue.counts.values()) == 1


def test_of_two_requests_of_a_spot_none_waits_once_the_new_photo_came(clinician, make_case):
    first = make_case("retake")
    second = factories.make_case("retake", lesion=first.lesion)
    assert ids(load_queue(clinician, QueueFilters(status="retake"))) == [second.id]
    factories.make_case("queued", lesion=first.lesion, replaces=second)
    assert ids(load_queue(clinician, QueueFilters(status="retake"))) == []


def test_only_the_clinics_of_the_one_who_asks(clinician, make_case):
    other = factories.make_clinic()
    make_case(clinic=other)
    mine = make_case()
    queue = load_queue(clinician, QueueFilters())
    assert ids(queue) == [mine.id]
    assert sum(queue.counts.values()) == 1
    assert ids(load_queue(clinician, QueueFilters(clinic_id=other.id))) == []


@pytest.mark.parametrize(
    "filters",
    [
        QueueFilters(tier="soon"),
        QueueFilters(site="face"),
        QueueFilters(text="ab-1"),
        QueueFilters(status="failed"),
    ],
)
def test_each_filter_narrows(clinician, make_case, filters):
    make_case(tier="urgent", reference="XY-9")
    wanted = make_case("failed", tier="soon", site="face", reference="AB-17")
    assert ids(load_queue(clinician, filters)) == [wanted.id]


def test_text_is_not_a_pattern(clinician, make_case):
    make_case(reference="XY-9")
    assert ids(load_queue(clinician, QueueFilters(text="%"))) == []


def test_tier_counts_ignore_the_chosen_tier(clinician, make_case):
    make_case(tier="urgent")
    make_case(tier="soon", site="face")
    assert load_queue(clinician, QueueFilters(tier="soon")).counts == {"urgent": 1, "soon": 1}
    assert load_queue(clinician, QueueFilters(site="face")).counts == {"soon": 1}


@pytest.mark.parametrize("status", ["classified", "reviewed"])
def test_pages_follow_each_other_without_gap_or_double(clinician, make_case, status):
    same_moment = utc_now()
    for _ in range(PAGE_SIZE + 3):
        make_case(status, tier="soon").submitted_at = same_moment
    db.session.commit()
    filters = QueueFilters(status="reviewed" if status == "reviewed" else "waiting")
    first = load_queue(clinician, filters)
    second = load_queue(clinician, filters, after=first.next_after)
    assert (len(first.rows), len(second.rows), second.next_after) == (PAGE_SIZE, 3, None)
    assert len({*ids(first), *ids(second)}) == PAGE_SIZE + 3


@pytest.mark.parametrize("status", ["classified", "reviewed"])
def test_the_number_of_statements_does_not_grow_with_the_cases(clinician, make_case, status):
    filters = QueueFilters(status="reviewed" if status == "reviewed" else "waiting")

    def count_statements():
        statements = []
        db.session.expire_all()
        _ = [clinic.id for clinic in clinician.clinics]
        listen = ("before_cursor_execute", lambda *args: statements.append(args[2]))
        event.listen(db.engine, *listen)
        for row in load_queue(clinician, filters).rows:
            _ = (row.case.lesion.patient.reference, row.case.clinic.name, row.case.dermoscopic_image.id)
            _ = row.case.taken_by and row.case.taken_by.name
            _ = filters.is_done and row.case.latest_review.reviewer.name
        event.remove(db.engine, *listen)
        assert not any(".content" in statement or ".thumbnail" in statement for statement in statements)
        return len(statements)

    for _ in range(2):
        make_case(status, taken_by=factories.make_user("clinician"))
    few = count_statements()
    for _ in range(10):
        make_case(status, taken_by=factories.make_user("clinician"))
    assert count_statements() == few


def test_next_skips_what_another_has_and_what_is_still_read(clinician, make_case):
    now = utc_now()
    taken = make_case(tier="urgent", hours=5)
    taken.taken_by, taken.taken_until = factories.make_user("clinician"), now + timedelta(minutes=5)
    make_case("running", tier="urgent", hours=0.01)
    freed = make_case(tier="urgent", hours=3)
    freed.taken_by, freed.taken_until = taken.taken_by, now - timedelta(minutes=5)
    mine = make_case(tier="soon")
    mine.taken_by, mine.taken_until = clinician, now + timedelta(minutes=5)
    db.session.commit()
    everything = QueueFilters()
    assert find_next_case_id(clinician, everything, now) == freed.id
    assert find_next_case_id(clinician, everything, now, after=freed.id) == mine.id
    assert find_next_case_id(clinician, everything, now, after=mine.id) is None
    assert find_next_case_id(clinician, everything, now, before=mine.id) == freed.id
    assert find_next_case_id(clinician, everything, now, before=freed.id) is None
    assert find_next_case_id(clinician, QueueFilters(tier="soon"), now) == mine.id


def test_next_waits_for_the_model_a_little_and_not_for_ever(clinician, make_case):
    case, now = make_case("queued", hours=0), utc_now()
    soon, late = now + READING_PATIENCE / 2, now + READING_PATIENCE * 2
    assert find_next_case_id(clinician, QueueFilters(), soon) is None
    assert find_next_case_id(clinician, QueueFilters(), late) == case.id


def test_next_goes_on_from_a_case_that_was_just_reviewed(clinician, make_case):
    first, second = make_case(tier="urgent", hours=2), make_case(tier="urgent", hours=1)
    make_case(tier="urgent", hours=3)
    factories.make_review(first, clinician)
    assert find_next_case_id(clinician, QueueFilters(), utc_now(), after=first.id) == second.id


def test_more_urgent_is_only_what_could_not_be_seen_before(clinician, make_case):
    since = utc_now() - timedelta(minutes=10)
    here = make_case(tier="soon", hours=1)

    def find(**filters):
        return find_more_urgent_case_id(clinician, QueueFilters(**filters), utc_now(), than=here.id, since=since)

    seen = make_case(tier="urgent", hours=2, status_changed_at=since - timedelta(minutes=1))
    make_case(tier="soon")
    assert find() is None
    read_since = make_case(tier="urgent", hours=2, status_changed_at=since + timedelta(minutes=1))
    assert find() == read_since.id
    assert find(tier="soon") is None
    assert find(status="reviewed") is None
    read_since.taken_by, read_since.taken_until = factories.make_user("clinician"), utc_now() + timedelta(minutes=5)
    # Nobody read this one, and at ``since`` it was still held back for the model.
    seen.status, seen.submitted_at, seen.prediction = "queued", since - READING_PATIENCE / 2, None
    db.session.commit()
    assert find() == seen.id


def test_a_position_in_another_clinic_is_no_position(clinician, make_case):
    foreign = make_case(clinic=factories.make_clinic(), tier="routine")
    mine = make_case(tier="urgent")
    assert find_next_case_id(clinician, QueueFilters(), utc_now(), after=foreign.id) == mine.id


class TestBeforeTheFirstRead:
    @pytest.fixture
    def clinic(self, app):
        return factories.make_clinic(first_read_required=True)

    @pytest.fixture
    def case(self, make_case):
        reasons = [
            {"code": "model_melanoma", "tier": "urgent", "params": {"probability": 0.8}},
            {"code": "worried", "tier": "soon", "params": {}},
        ]
        return make_case(tier="urgent", tier_reasons=reasons)

    def test_only_people_speak(self, clinician, case):
        [row] = load_queue(clinician, QueueFilters()).rows
        assert row.is_silent
        assert row.tier == "soon"
        assert [reason["code"] for reason in row.reasons] == ["worried"]

    def test_no_filter_or_count_tells_the_tier(self, clinician, case):
        assert load_queue(clinician, QueueFilters()).counts == {FIRST_READ: 1}
        assert ids(load_queue(clinician, QueueFilters(tier="urgent"))) == []
        assert ids(load_queue(clinician, QueueFilters(tier=FIRST_READ))) == [case.id]

    def test_ends_with_ones_own_impression(self, clinician, case):
        factories.make_first_read(case, factories.make_user("clinician", clinic=case.clinic))
        assert load_queue(clinician, QueueFilters()).rows[0].is_silent
        factories.make_first_read(case, clinician)
        [row] = load_queue(clinician, QueueFilters()).rows
        assert not row.is_silent
        assert row.tier == "urgent"

    def test_ends_with_the_first_review(self, clinician, case):
        factories.make_review(case)
        [row] = load_queue(clinician, QueueFilters(status="reviewed")).rows
        assert not row.is_silent


def test_the_last_review_is_one_of_ones_own_clinics(clinician, make_case):
    assert last_review_at(clinician) is None
    factories.make_review(make_case(clinic=factories.make_clinic()))
    assert last_review_at(clinician) is None
    review = factories.make_review(make_case())
    assert last_review_at(clinician) == review.created_at
