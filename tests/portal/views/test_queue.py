import re
from datetime import timedelta
from html import unescape

import pytest

from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent
from portal.queries import queue
from tests import factories


@pytest.fixture
def clinic(app):
    return factories.make_clinic(name="Hillside")


@pytest.fixture
def clinician(clinic, as_user):
    return as_user(factories.make_user("clinician", clinic=clinic))


def make_case(clinic, status="classified", *, reference="P-1", **values):
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic, reference=reference))
    return factories.make_case(status, lesion=lesion, **values)


def test_a_row_says_who_where_why_and_who_has_it(clinic, clinician):
    case = make_case(
        clinic,
        tier="soon",
        reference="HS-7",
        submitted_at=utc_now() - timedelta(hours=2, minutes=1),
        tier_reasons=[{"code": "worried", "tier": "soon", "params": {}}],
        taken_by=factories.make_user("clinician", name="Dr Lin Chen"),
        taken_until=utc_now() + timedelta(minutes=10),
    )
    page = clinician.get("/queue").text
    for words in ("1 case waits", "HS-7", "Back", "Soon", "The health worker is worried", "2 h", "Hillside", "Dr Lin"):
        assert words in page
    assert f'src="/images/{case.dermoscopic_image.id}/thumbnail"' in page
    assert 'loading="lazy"' in page


def test_a_case_being_read_is_marked(clinic, clinician):
    make_case(clinic, "running")
    assert "Being read" in clinician.get("/queue").text


def test_an_empty_queue_tells_of_the_last_review(clinic, clinician):
    assert "No case has been reviewed yet" in clinician.get("/queue").text
    review = factories.make_review(make_case(clinic), created_at=utc_now() - timedelta(minutes=12))
    assert review.created_at
    page = clinician.get("/queue").text
    assert "Nothing waits" in page
    assert "The last case was reviewed 12 min ago" in page


def test_filters_without_a_match_say_so(clinic, clinician):
    make_case(clinic)
    page = clinician.get("/queue?site=face&q=zzz").text
    assert "No case fits these filters" in page
    assert "Face · zzz" in page


def test_odd_filters_count_as_none(clinic, clinician):
    case = make_case(clinic)
    response = clinician.get("/queue?tier=nope&status=x&site=y&clinic=z&after=w")
    assert response.status_code == 200
    assert str(case.id) in response.text


def test_a_clinic_that_was_taken_away_is_no_filter_any_more(clinic, as_user):
    lake = factories.make_clinic(name="Lake")
    clinician = as_user(factories.make_user("clinician", clinics=[clinic, lake]))
    urgent = make_case(clinic, tier="urgent")
    assert "No case fits these filters" in clinician.get(f"/queue?clinic={lake.id}").text
    clinician.user.clinics = [clinic]
    db.session.commit()
    assert clinician.get("/queue/next").location == f"/cases/{urgent.id}"
    assert str(urgent.id) in clinician.get(f"/queue?clinic={lake.id}").text


def test_a_page_whose_last_case_was_decided_meanwhile_leads_back_to_the_first(clinic, clinician, monkeypatch):
    monkeypatch.setattr(queue, "PAGE_SIZE", 1)
    first, last = (make_case(clinic, tier=tier, reference=f"P-{tier}") for tier in ("urgent", "routine"))
    onward = unescape(re.search(r'href="([^"]+)" rel="next"', clinician.get("/queue?q=P-").text)[1])
    assert str(last.id) in clinician.get(onward).text
    factories.make_review(last)
    assert clinician.get(onward).location == "/queue?q=P-"
    assert str(first.id) in clinician.get(onward, follow_redirects=True).text


def test_looking_at_the_queue_is_on_record(clinic, clinician):
    case = make_case(clinic)
    clinician.get("/queue")
    event = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "queue.view")).one()
    assert (event.actor_id, event.details) == (clinician.user.id, {"cases": [str(case.id)]})


def test_next_keeps_to_the_filters_last_seen(clinic, clinician):
    make_case(clinic, tier="urgent", reference="A")
    soon = make_case(clinic, tier="soon", reference="B")
    clinician.get("/queue?tier=soon")
    response = clinician.get("/queue/next")
    assert response.headers["Location"] == f"/cases/{soon.id}"
    response = clinician.get(f"/queue/next?after={soon.id}")
    assert response.headers["Location"] == "/queue?tier=soon"
    page = clinician.get(response.headers["Location"]).text
    assert "No other case is free to review under these filters." in page


def test_next_says_so_when_no_other_case_is_free(clinic, clinician):
    case = make_case(clinic)
    response = clinician.get(f"/queue/next?after={case.id}")
    assert response.headers["Location"] == "/queue"
    assert "No other case is free to review." in clinician.get("/queue").text


def test_next_shows_first_what_came_meanwhile_and_is_more_urgent(clinic, clinician):
    reviewed, following = (make_case(clinic, tier="routine", reference=name) for name in "AB")
    make_case(clinic, tier="urgent", reference="C", status_changed_at=utc_now() - timedelta(minutes=1))
    clinician.get("/queue")
    urgent = make_case(clinic, tier="urgent", reference="D")
    response = clinician.get(f"/queue/next?after={reviewed.id}")
    assert response.headers["Location"] == f"/cases/{urgent.id}"
    # Whoever passes it over on purpose is not brought back to it.
    response = clinician.get(f"/queue/next?after={reviewed.id}")
    assert response.headers["Location"] == f"/cases/{following.id}"


def test_further_down_the_queue_the_top_is_not_seen(clinic, clinician):
    here, following = (make_case(clinic, tier="routine", reference=name) for name in "AB")
    clinician.get("/queue")
    urgent = make_case(clinic, tier="urgent", reference="C")
    clinician.get(f"/queue?after={here.id}")
    assert clinician.get(f"/queue/next?after={here.id}").location == f"/cases/{urgent.id}"
    assert clinician.get(f"/queue/next?after={here.id}").location == f"/cases/{following.id}"


def test_after_the_last_case_next_is_back_at_the_top(clinic, clinician):
    skipped = make_case(clinic, tier="urgent", reference="A")
    last = make_case(clinic, tier="soon", reference="B")
    clinician.get("/queue")
    factories.make_review(last, clinician.user)
    response = clinician.get(f"/queue/next?after={last.id}")
    assert response.headers["Location"] == f"/cases/{skipped.id}"
    page = clinician.get(response.headers["Location"]).text
    assert "That was the last case of the queue. You are back at its top." in page


def test_going_on_takes_nothing(clinic, clinician):
    case = make_case(clinic)
    clinician.get("/queue/next", follow_redirects=True)
    db.session.refresh(case)
    assert case.taken_by_id is None


@pytest.mark.parametrize("role", ["health_worker", "admin"])
def test_the_queue_is_for_clinicians(as_user, role):
    client = as_user(role)
    assert client.get("/queue").status_code == 403
    assert client.get("/queue/next").status_code == 403


def test_news_tells_of_cases_that_came_in_or_changed(clinic, clinician):
    def latest(query=""):
        return clinician.get(f"/queue/news{query}").json["latest"]

    def shown():
        return re.search(r'data-latest="(.*?)"', clinician.get("/queue").text)[1]

    assert latest() == shown() == ""
    case = make_case(clinic, tier="routine")
    first = latest("?tier=urgent")  # whatever the tier: the chips of all tiers are on the page
    assert first == shown() == case.status_changed_at.isoformat()
    assert latest("?site=face") == ""
    make_case(factories.make_clinic())
    make_case(clinic, "reviewed", reference="P-3")
    assert latest() == first
    make_case(clinic, "running", reference="P-2")
    assert latest() == shown() > first


def test_asking_for_news_is_not_looking_at_cases(clinic, clinician):
    make_case(clinic)
    count = db.select(db.func.count()).select_from(AuditEvent)
    before = db.session.scalar(count)
    clinician.get("/queue/news")
    assert db.session.scalar(count) == before
