import io
from contextlib import ExitStack

import pytest
from werkzeug.datastructures import FileStorage, MultiDict

from portal.database import utc_now
from portal.errors import DomainError
from portal.forms.new_case import NewCaseForm
from tests import factories
from tests.photos import lesion_photo

FILLED = {"reference": " P-7 ", "body_site": "back", "consent": "y"}


@pytest.fixture
def form(app):
    """``form(patient=..., **fields)``: the form as posted with these fields and a photo."""

    def fill(*, patient=None, lesion=None, photo=True, **fields):
        data = MultiDict({name: value for name, value in (FILLED | fields).items() if value is not None})
        if photo:
            data["dermoscopic"] = FileStorage(io.BytesIO(lesion_photo()), "photo.jpg", "dermoscopic")
        stack.enter_context(app.test_request_context("/cases/new", method="POST", data=data))
        form = NewCaseForm(patient=patient, lesion=lesion)
        form.validate()
        return form

    with ExitStack() as stack:
        yield fill


def test_a_new_patient_with_a_new_lesion(form):
    filled = form(sex="female", skin_type="6", birth_year="1950", checklist="oozing", map_x="0.25", body_view="back")
    values = filled.case_values()
    assert not filled.errors
    assert values["patient"] == {
        "reference": "P-7",
        "name": "",
        "birth_year": 1950,
        "sex": "female",
        "skin_type": 6,
    }
    assert values["lesion"] == {"body_site": "back", "body_view": "back", "map_x": 0.25, "map_y": None}
    assert values["checklist"] == ["oozing"]
    assert values["dermoscopic"] == lesion_photo()
    assert values["overview"] is None


def test_what_was_not_said_is_none(form):
    patient = form(sex="", skin_type="", birth_year="").case_values()["patient"]
    assert (patient["sex"], patient["skin_type"], patient["birth_year"]) == (None, None, None)


def test_a_known_patient_and_lesion_need_no_fields(form):
    lesion = factories.make_lesion()
    filled = form(patient=lesion.patient, lesion=lesion, reference=None, body_site=None)
    assert not filled.errors
    assert filled.case_values()["lesion"] is lesion


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", " "),
        ("reference", "x" * 41),
        ("birth_year", str(utc_now().year - 131)),
        ("birth_year", str(utc_now().year + 1)),
        ("birth_year", "old"),
        ("sex", "robot"),
        ("skin_type", "7"),
        ("body_site", ""),
        ("body_site", "moon"),
        ("body_view", "side"),
        ("map_x", "1.5"),
        ("map_y", "nan"),
        ("checklist", "purple"),
        ("comment", "x" * 1001),
        ("consent", None),
        ("submission_key", "short"),
    ],
)
def test_one_bad_field_is_named(form, field, value):
    assert list(form(**{field: value}).errors) == [field]


def test_a_photo_must_be_there(form):
    assert list(form(photo=False).errors) == ["dermoscopic"]


def test_each_form_has_a_key_of_its_own(form):
    assert form().submission_key.data != form().submission_key.data
    assert form(submission_key="k" * 32).submission_key.data == "k" * 32


def test_an_error_of_the_service_lands_at_its_field_or_above_the_form(form):
    filled = form()
    filled.add_error(DomainError("Too dark.", field="dermoscopic"))
    filled.add_error(DomainError("No."))
    assert filled.all_errors() == {"dermoscopic": ["Too dark."], "": ["No."]}
