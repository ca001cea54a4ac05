"""Every page, as every role: no serious accessibility finding, no script error, nothing wider than a phone."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest

from portal.database import utc_now
from portal.models import STATUSES
from tests import factories

WIDTHS = (1280, 360)
MORE_WIDTHS = (768, 320)  # where pages must fit, too
ROLES = (None, "health_worker", "clinician", "admin")
FEWEST_PAGES = {None: 2, "health_worker": 22, "clinician": 20, "admin": 29}
AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()
NOT_PAGES = {"static", "bootstrap.static", "admin.export", "queue.next"}


@pytest.fixture(scope="module")
def case_ids(database, people):
    """A case in each status at the people's clinic: {status: id}; the lesion has an earlier photo."""
    from portal.extensions import db
    from portal.models import Clinic

    with database():
        clinic = db.session.scalar(db.select(Clinic).where(Clinic.name == "Hill clinic"))
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic))
        tiers = {"classified": "urgent", "reviewed": "soon"}
        # No sweep rings for them while the pages are looked at: the queued one shall stay queued.
        later = utc_now() + timedelta(hours=1)
        cases = {
            status: factories.make_case(
                status, tier=tiers.get(status), lesion=lesion, ring_at=later, status_changed_at=later
            )
            for status in STATUSES
        }
        late = factories.make_lesion(patient=lesion.patient)
        seen = factories.make_case("classified", lesion=late, submitted_at=utc_now() - timedelta(weeks=9))
        decided_at = utc_now() - timedelta(weeks=8)
        factories.make_review(seen, disposition="monitor", monitor_weeks=6, created_at=decided_at)
        return {status: str(case.id) for status, case in cases.items()} | {"patient": str(lesion.patient.id)}


@pytest.fixture(scope="module")
def paths(database, case_ids):
    """The address of every page a GET can ask for, in every state of a case; found by asking the application."""
    from flask import current_app

    found = set()
    with database():
        for rule in current_app.url_map.iter_rules():
            if "GET" not in rule.methods or rule.endpoint in NOT_PAGES:
                continue
            path = re.sub(r"<uuid:patient_id>", case_ids["patient"], rule.rule)
            path = re.sub(r"<(?:int:)?(?:user|clinic)_id>|<int:\w+>", "1", path)
            if "<uuid:case_id>" in path:
                found |= {path.replace("<uuid:case_id>", case_ids[status]) for status in STATUSES}
            elif "<" not in path:
                found.add(path)
    return sorted(found | {"/cases?group=due", "/there-is-no-such-page"})


@pytest.mark.parametrize("role", ROLES)
def test_pages_are_accessible_and_fit(open_as, paths, role):
    page = open_as(role)
    seen, problems = set(), {}
    for path in paths:
        page.complaints.clear()
        response = page.goto(path)
        assert response.status < 500, (path, response.status)
        if response.request.redirected_from:
            assert urlsplit(page.url).path in paths, "it has no turn of its own"
            continue
        # One error page of a kind stands for all.
        place = path if response.status == 200 else response.status
        if place in seen or not response.headers.get("content-type", "").startswith("text/html"):
            continue
        seen.add(place)
        # The browser itself logs every answer of 400 and above as an error.
        found = [text for text in page.complaints if "the server responded with a status of" not in text]
        page.evaluate(AXE)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            found += _accessibility_findings(page) + _overflow(page, width)
        for width in MORE_WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            found += _overflow(page, width)
        if found:
            problems[path] = found
    assert not problems
    assert len(seen) >= FEWEST_PAGES[role], "pages were refused, so nothing was looked at"


def _accessibility_findings(page):
    results = page.evaluate("() => axe.run({resultTypes: ['violations']})")
    return [
        f"{finding['id']}: {node['html'][:160]}"
        for finding in results["violations"]
        if finding["impact"] in {"serious", "critical"}
        for node in finding["nodes"][:3]
    ]


def _overflow(page, width):
    widest = page.evaluate("() => document.documentElement.scrollWidth")
    return [f"{widest} px wide in a window of {width} px"] if widest > width else []
