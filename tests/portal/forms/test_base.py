import importlib
import inspect
import pkgutil

import pytest
from flask_babel import force_locale
from flask_wtf import FlaskForm

from portal import forms
from portal.extensions import db
from portal.forms.base import NOT_A_CHOICE, Form
from portal.models import Clinic, Review
from tests import factories

SAID = "There is a hidden character in this text."
DECISION = {"expected_review_count": "0", "diagnosis": "nv", "agrees": "yes", "disposition": "no_action"}


def test_every_form_is_a_form_of_the_portal():
    modules = [
        importlib.import_module(f"portal.forms.{module.name}") for module in pkgutil.iter_modules(forms.__path__)
    ]
    found = {each for module in modules for _name, each in inspect.getmembers(module, inspect.isclass)}
    own = {each for each in found if issubclass(each, FlaskForm) and each is not FlaskForm}
    assert len(own) > 10 and all(issubclass(each, Form) for each in own)


@pytest.mark.databases
class TestANulCharacter:
    """SQLite would keep it, and no backup with it can be restored into PostgreSQL."""

    def test_in_a_clinicians_note(self, as_user):
        clinician = as_user("clinician")
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinician.user.clinic))
        url = f"/cases/{factories.make_case('classified', lesion=lesion).id}/reviews"
        answer = clinician.post(url, data=DECISION | {"note": "a\0b"})
        assert answer.status_code == 400 and SAID in answer.text
        assert db.session.scalars(db.select(Review)).all() == []
        assert clinician.post(url, data=DECISION | {"note": "ab"}).status_code in (302, 303)

    @pytest.mark.parametrize("field", ["reference", "name"])
    def test_in_a_patients_corrected_details(self, as_user, field):
        nurse = as_user("health_worker")
        patient = factories.make_patient(clinic=nurse.user.clinic, name="Ada")
        details = {"reference": "A-1", "name": "Ada", "sex": "female", "seen": patient.details_mark}
        url = f"/patients/{patient.id}/correct"
        answer = nurse.post(url, data=details | {field: "a\0b"})
        assert answer.status_code == 400 and SAID in answer.text
        db.session.refresh(patient)
        assert "\0" not in patient.reference + patient.name

    @pytest.mark.parametrize("url", ["/admin/clinics/new", "/admin/users/new"])
    def test_in_what_an_administrator_names(self, as_user, url):
        admin = as_user("admin")
        values = {"name": "Hill\0side", "email": "nora@example.org", "role": "admin"}
        answer = admin.post(url, data=values)
        assert answer.status_code == 400 and SAID in answer.text
        assert db.session.scalars(db.select(Clinic.name)).all() == []
        assert admin.post(url, data=values | {"name": "Hillside"}).status_code in (200, 302)


@pytest.mark.parametrize("language", ["es", "hi"])
class TestAnAnswerThatIsNotAmongTheChoices:
    """WTForms would say so in English, whatever the page speaks."""

    def test_in_a_decision(self, as_user, language):
        clinician = as_user("clinician", language=language)
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinician.user.clinic))
        url = f"/cases/{factories.make_case('classified', lesion=lesion).id}/reviews"
        for field in ("diagnosis", "agrees", "disposition"):
            check(clinician.post(url, data=DECISION | {field: "acne"}), language)

    def test_in_a_patients_details(self, as_user, language):
        nurse = as_user("health_worker", language=language)
        patient = factories.make_patient(clinic=nurse.user.clinic)
        details = {"reference": "A-1", "sex": "female", "skin_type": "2", "seen": patient.details_mark}
        for field in ("sex", "skin_type"):
            check(nurse.post(f"/patients/{patient.id}/correct", data=details | {field: "9"}), language)

    def test_in_a_new_case(self, as_user, language):
        nurse = as_user("health_worker", language=language)
        for field in ("sex", "skin_type", "checklist", "body_view"):
            answer = nurse.post("/cases/new", data={field: "9"}, headers={"Accept": "application/json"})
            assert answer.status_code == 400
            assert answer.json["errors"][field] == [said_in(language)]

    @pytest.mark.parametrize(("field", "value"), [("role", "king"), ("clinics", "999"), ("clinics", "Hillside")])
    def test_in_an_account(self, as_user, language, field, value):
        admin = as_user("admin", language=language)
        factories.make_clinic(name="Hillside")
        values = {"name": "Nora", "email": "nora@example.org", "role": "admin", field: value}
        check(admin.post("/admin/users/new", data=values), language)


def said_in(language):
    with force_locale(language):
        return str(NOT_A_CHOICE)


def check(answer, language):
    assert answer.status_code == 400
    assert said_in(language) in answer.text
    assert not any(words in answer.text for words in ("valid choice", "nvalid value", "coerced"))
