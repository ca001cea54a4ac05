from datetime import timedelta

import pytest

from portal.database import utc_now
from portal.queries import cases
from portal.queries.cases import count_cases, list_cases
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def nurse(app):
    return factories.make_user()


@pytest.fixture
def make_own(nurse):
    def make(status="queued", submitted_by=nurse, **values):
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=nurse.clinic))
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
    make_own("queued", replaces=asked)
    assert count_cases(nurse) == {"needs_you": 0, "waiting": 1, "done": 1}


def test_own_cases_unless_the_clinics_are_asked_for_and_never_another_clinics(nurse, make_own):
    own = make_own()
    colleagues = make_own(submitted_by=factories.make_user(clinic=nurse.clinic))
    factories.make_case()
    assert ids(list_cases(nurse)[0]) == {own.id}
    assert ids(list_cases(nurse, of_clinic=True)[0]) == {own.id, colleagues.id}
    assert count_cases(nurse, of_clinic=True)["waiting"] == 2


def test_pages_hold_every_case_once_newest_first(nurse, make_own, monkeypatch):
    monkeypatch.setattr(cases, "PAGE_SIZE", 2)
    now = utc_now()
    made = [make_own(submitted_at=now - timedelta(minutes=minutes)) for minutes in (0, 0, 1, 2, 3)]
    seen, after = [], None
    while True:
        rows, after = list_cases(nurse, after=after)
        seen += [case for case, _group in rows]
        if after is None:
            break
    assert {case.id for case in seen} == {case.id for case in made}
    assert len(seen) == len(made)
    assert [case.submitted_at for case in seen] == sorted((case.submitted_at for case in made), reverse=True)


def test_nobody_pages_from_another_clinics_case(nurse, make_own):
    own = make_own()
    foreign = factories.make_case(submitted_at=utc_now() - timedelta(days=1))
    assert ids(list_cases(nurse, after=foreign.id)[0]) == {own.id}
