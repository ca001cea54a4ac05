import pytest

from portal.database import begin_write
from portal.errors import DomainError
from portal.extensions import db
from portal.models import AuditEvent, Patient
from portal.services.patients import add_patient
from tests import factories

pytestmark = pytest.mark.databases


def register_patient(**values):
    begin_write(db.session)
    patient = add_patient(**values)
    db.session.commit()
    return patient


def test_a_patient_is_registered_with_a_trace(app):
    nurse = factories.make_user()
    patient = register_patient(clinic=nurse.clinic, reference=" A-1 ", name="Ada", birth_year=1980, creator=nurse)
    assert (patient.reference, patient.created_by_id) == ("A-1", nurse.id)
    event = db.session.scalar(db.select(AuditEvent))
    assert (event.action, event.target_id, event.actor_id) == ("patient.register", str(patient.id), nurse.id)


def test_a_reference_is_unique_within_its_clinic(app):
    first, second = factories.make_clinic(), factories.make_clinic()
    register_patient(clinic=first, reference="A-1")
    register_patient(clinic=second, reference="A-1")
    with pytest.raises(DomainError) as refusal:
        register_patient(clinic=first, reference="A-1")
    assert refusal.value.field == "reference"
    assert db.session.scalar(db.select(db.func.count()).select_from(Patient)) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("reference", " "), ("reference", "x" * 41), ("birth_year", 1066), ("birth_year", 2999), ("sex", "x")]
    + [("skin_type", 0), ("skin_type", 7)],
)
def test_what_cannot_be_names_its_field(app, field, value):
    clinic = factories.make_clinic()
    with pytest.raises(DomainError) as refusal:
        register_patient(clinic=clinic, **{"reference": "A-1", field: value})
    assert refusal.value.field == field
    assert db.session.scalar(db.select(Patient)) is None
