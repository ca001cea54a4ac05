"""What a page of patients costs follows from that page."""

import pytest

from portal.extensions import db
from portal.models import Lesion, Patient
from portal.queries.patients import find_patients
from tests import factories


@pytest.fixture
def count_steps(app):
    """``count_steps(query)``: how many hundreds of steps SQLite's machine takes for it."""

    def count(query):
        db.session.rollback()
        driver = db.session.connection().connection.driver_connection
        steps = []
        driver.set_progress_handler(lambda: steps.append(1), 100)
        query()
        driver.set_progress_handler(None, 0)
        return len(steps)

    return count


def add_patients(clinic, number):
    patients = [Patient(clinic=clinic, reference=f"X-{each:04}") for each in range(number)]
    lesions = [Lesion(patient=patient, number=1, body_site="back") for patient in patients]
    factories.save(*patients, *lesions)


def test_spots_of_other_clinics_are_not_counted(count_steps):
    user = factories.make_user()
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=user.clinic, reference="A-1"))
    case = factories.make_case(lesion=lesion, submitted_by=user)

    def search():
        [row], _after = find_patients(user, "A-1")
        assert (row.patient.reference, row.lesion_count, row.last_case_at) == ("A-1", 1, case.submitted_at)

    few = count_steps(search)
    add_patients(factories.make_clinic(), 400)
    assert count_steps(search) < few + 10
