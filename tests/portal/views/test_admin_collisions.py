"""Two administrators have one form open: what the first took away, the second does not give back unseen."""

import html
import re

import pytest

from portal.extensions import db
from portal.models import AuditEvent
from tests import factories

pytestmark = pytest.mark.databases


@pytest.fixture
def admin(as_user):
    return as_user("admin")


def seen(page):
    return re.search(r'name="seen" type="hidden" value="(\w+)"', page)[1]


def changes(action):
    return db.session.scalar(db.select(db.func.count()).where(AuditEvent.action == action))


def test_an_old_form_gives_nobody_back_what_was_taken_away(admin):
    kept, taken = factories.make_clinic(name="Kept"), factories.make_clinic(name="Taken")
    user = factories.make_user("clinician", clinics=[kept, taken])
    url = f"/admin/users/{user.id}"
    mark = seen(admin.get(url).text)
    both = {"name": "Ann Lee", "role": "clinician", "clinics": [kept.id, taken.id], "seen": mark}
    assert admin.post(url, data=both | {"name": user.name, "clinics": [kept.id]}).status_code == 302
    refused = admin.post(url, data=both)
    assert (refused.status_code, refused.location) == (303, url)
    page = html.unescape(admin.get(url).text)
    assert "Somebody changed this account while you had the form open." in page
    assert re.findall(r'<input[^>]*\bchecked\b[^>]*value="(\d+)"', page) == [str(kept.id)]
    assert user.clinics == [kept] and changes("user.update") == 1
    assert admin.post(url, data=both | {"seen": seen(page)}).status_code == 302
    assert (user.name, len(user.clinics)) == ("Ann Lee", 2)


def test_a_form_that_was_not_accepted_is_still_of_what_was_seen_then(admin):
    clinic = factories.make_clinic()
    user = factories.make_user("clinician", clinic=clinic)
    url = f"/admin/users/{user.id}"
    old = {"name": "Ann Lee", "role": "clinician", "seen": seen(admin.get(url).text)}
    user.name = "Ann Okafor"
    db.session.commit()
    incomplete = admin.post(url, data=old | {"name": ""})
    assert incomplete.status_code == 400
    complete = old | {"clinics": [clinic.id], "seen": seen(incomplete.text)}
    assert admin.post(url, data=complete).status_code == 303 and user.name == "Ann Okafor"


def test_an_old_form_does_not_turn_a_clinics_first_read_off_again(admin):
    clinic = factories.make_clinic(name="Hill")
    url = f"/admin/clinics/{clinic.id}"
    old = {"name": "Hill North", "seen": seen(admin.get(url).text)}
    assert admin.post(url, data=old | {"name": "Hill", "first_read_required": "y"}).status_code == 302
    refused = admin.post(url, data=old)
    assert (refused.status_code, refused.location) == (303, url)
    page = admin.get(url).text
    assert "Somebody changed this clinic while you had the form open." in page
    assert (clinic.name, clinic.first_read_required) == ("Hill", True) and changes("clinic.update") == 1
    assert admin.post(url, data=old | {"seen": seen(page)}).status_code == 302
    assert (clinic.name, clinic.first_read_required) == ("Hill North", False)


def test_a_clinic_is_not_given_the_name_of_another(admin):
    factories.make_clinic(name="Hill")
    clinic = factories.make_clinic(name="Valley")
    refused = admin.post(f"/admin/clinics/{clinic.id}", data={"name": "Hill"})
    assert refused.status_code == 400 and "A clinic with this name exists." in refused.text
    assert clinic.name == "Valley"
