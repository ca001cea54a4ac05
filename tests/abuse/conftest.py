"""A case, and the address of every route filled with its rows."""

import pytest

from tests import factories


@pytest.fixture
def case(app):
    return factories.make_case("classified")


@pytest.fixture
def address(app, case):
    """``address(rule)``: the rule's URL, filled with rows of ``case``."""
    values = {
        "case_id": case.id,
        "image_id": case.dermoscopic_image.id,
        "patient_id": case.patient.id,
        "user_id": case.submitted_by_id,
        "clinic_id": case.clinic_id,
        "session_id": 999_999,
        "token": "x" * 43,
        "name": "roc.svg",
        "filename": "css/portal.css",
    }

    def build(rule, **changed):
        chosen = {name: {**values, **changed}[name] for name in rule.arguments}
        return app.url_map.bind("localhost").build(rule.endpoint, chosen)

    return build
