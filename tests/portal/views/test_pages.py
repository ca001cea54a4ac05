"""The link to a list's next page, followed after what it follows has changed."""

import re
from datetime import timedelta
from html import unescape

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.queries import queue, recalls
from tests import factories


@pytest.fixture
def make_case():
    def make(clinic, reference, **values):
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic, reference=reference))
        return factories.make_case("classified", lesion=lesion, with_image=False, **values)

    return make


def next_page(client, url):
    """Where the page's last link with a place leads to."""
    return unescape(re.findall(r'href="([^"]*[?&;]place=[^"]*)"', client.get(url).text)[-1])


def test_of_the_queue(as_user, make_case, monkeypatch):
    monkeypatch.setattr(queue, "PAGE_SIZE", 1)
    clinician = as_user("clinician")
    first = make_case(clinician.user.clinic, "ONE-1", tier="soon", submitted_at=utc_now() - timedelta(hours=1))
    make_case(clinician.user.clinic, "TWO-2", tier="soon")
    url = next_page(clinician, "/queue")
    first.tier, first.tier_rank = "routine", 3
    db.session.commit()
    page = clinician.get(url).text
    assert "TWO-2" in page and "ONE-1" not in page


def test_of_the_spots_that_are_due(as_user, make_case, monkeypatch):
    monkeypatch.setattr(recalls, "PAGE_SIZE", 1)
    nurse = as_user("health_worker")
    now = utc_now()
    first, second = (
        make_case(nurse.user.clinic, reference, submitted_at=now - timedelta(weeks=4))
        for reference in ("ONE-1", "TWO-2")
    )
    for case, days in ((first, 10), (second, 9)):
        decided = now - timedelta(days=days)
        factories.make_review(case, disposition="monitor", monitor_weeks=1, created_at=decided)
    url = next_page(nurse, "/cases?group=due")
    factories.make_review(first, disposition="monitor", monitor_weeks=50)
    page = nurse.get(url).text
    assert "TWO-2" in page and "ONE-1" not in page


@pytest.mark.parametrize("place", ["", "-1", str(10**20), "x", "%00", "1e9"])
def test_odd_places_are_none(as_user, make_case, place):
    nurse, clinician = as_user("health_worker"), as_user("clinician")
    case = make_case(nurse.user.clinic, "ONE-1")
    for url in ("/cases?group=due", "/cases?clinic=1"):
        assert nurse.get(f"{url}&after={case.id}&place={place}", follow_redirects=True).status_code == 200
    for status in ("waiting", "reviewed"):
        page = clinician.get(f"/queue?status={status}&after={case.id}&place={place}", follow_redirects=True)
        assert page.status_code == 200
