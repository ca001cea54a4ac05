import uuid

import pytest

from portal.extensions import db
from portal.models import AuditEvent
from tests import factories


def addresses(case):
    image = case.dermoscopic_image
    return [f"/images/{image.id}", f"/images/{image.id}/thumbnail", f"/cases/{case.id}/activation-map.png"]


def test_the_bytes_are_those_stored(case, clinician):
    image = case.dermoscopic_image
    expected = [image.content, image.thumbnail, case.prediction.activation_map]
    assert [clinician.get(address).data for address in addresses(case)] == expected


@pytest.mark.parametrize("which", range(3))
def test_nothing_runs_and_nothing_is_kept(case, clinician, which):
    headers = clinician.get(addresses(case)[which]).headers
    assert headers["Content-Type"] == ("image/png" if which == 2 else "image/jpeg")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in headers["Cache-Control"]


@pytest.mark.parametrize("which", range(3))
def test_not_for_other_clinics_nor_for_visitors(case, client, as_user, which):
    address = addresses(case)[which]
    assert client.get(address).status_code == 302
    assert as_user("clinician").get(address).status_code == 404
    assert as_user("health_worker").get(address).status_code == 404


def test_an_unknown_id_is_not_there(clinician):
    assert clinician.get(f"/images/{uuid.uuid4()}").status_code == 404


def test_a_case_without_a_view_has_no_map(as_user):
    case = factories.make_case("failed")
    clinician = as_user(factories.make_user("clinician", clinic=case.clinic))
    assert clinician.get(f"/cases/{case.id}/activation-map.png").status_code == 404


def test_seeing_a_photo_is_on_record(case, clinician):
    for address in addresses(case):
        clinician.get(address)
    event = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "image.view")).one()
    assert event.actor_id == clinician.user.id
    assert (event.clinic_id, event.details) == (case.clinic_id, {"photo": "dermoscopic"})


def test_whoever_saw_a_photo_is_found_under_the_number_of_its_case(case, clinician, as_user):
    clinician.get(f"/images/{case.dermoscopic_image.id}")
    page = as_user("admin").get(f"/admin/audit?target={case.id}").text
    assert "<code>image.view</code>" in page and clinician.user.name in page
