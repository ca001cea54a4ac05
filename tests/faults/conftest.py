"""Real processes that really die. A test marked ``long`` runs at full size with a deployment's own timings."""

import uuid
from collections import Counter
from dataclasses import dataclass

import pytest

from portal.extensions import db
from portal.models import Case, Prediction
from portal.services import cases
from tests import factories
from tests.faults.visitor import PHOTOS
from tests.processes import wait_until


@pytest.fixture
def environment(request, environment):
    """Short leases and sweeps, so that the short runs need not wait half a minute for each."""
    environment |= {"PORTAL_ENV": "testing"}  # forms are sent without their page: no token
    if request.node.get_closest_marker("long"):
        return environment
    return environment | {"LEASE_SECONDS": "9", "SWEEP_SECONDS": "2"}


@pytest.fixture
def nurse(app):
    return factories.make_user()


@pytest.fixture
def clinic(app, model):
    """Submits photos and says what became of them."""
    return BusyClinic()


@dataclass
class Outcome:
    statuses: Counter
    predictions: int
    doubled: int


class BusyClinic:
    def __init__(self):
        self.nurse = factories.make_user()
        self.lesion = factories.make_lesion(patient=factories.make_patient(clinic=self.nurse.clinic))
        self.patient = self.lesion.patient
        self.submitted = []

    def submit(self, photo=None):
        values = factories.new_case_values(
            submission_key=uuid.uuid4().hex,
            patient=self.patient,
            lesion=self.lesion,
            dermoscopic=photo or PHOTOS[len(self.submitted) % len(PHOTOS)],
        )
        case = cases.submit_case(submitter=self.nurse, **values)
        self.submitted.append(case.id)
        return case.id

    def outcome(self):
        db.session.rollback()
        statuses = db.session.scalars(db.select(Case.status)).all()
        rows = db.session.scalars(db.select(Prediction.case_id)).all()
        return Outcome(Counter(statuses), len(rows), len(rows) - len(set(rows)))

    def is_done(self):
        return not {"queued", "running"} & set(self.outcome().statuses)

    def wait(self, seconds, worker=None):
        """Until every case is read; what ``worker`` said is told where that takes more than ``seconds``."""
        try:
            wait_until(self.is_done, seconds, worker, interval=0.5)
        except AssertionError as late:
            raise AssertionError(f"after {seconds:.0f} s: {self.outcome().statuses}\n{late}") from None

    def expect_all_classified_once(self):
        expected = Outcome(Counter(classified=len(self.submitted)), len(self.submitted), 0)
        assert self.outcome() == expected
