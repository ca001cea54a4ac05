"""Who most of these tests look through the eyes of, and what they look at."""

import pytest

from tests import factories


@pytest.fixture
def nurse(as_user):
    return as_user("health_worker")


@pytest.fixture
def patient(nurse):
    return factories.make_patient(clinic=nurse.user.clinic)


@pytest.fixture
def case(app):
    return factories.make_case("classified")


@pytest.fixture
def clinician(case, as_user):
    return as_user(factories.make_user("clinician", clinic=case.clinic))
